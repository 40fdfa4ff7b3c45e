// SPDX-License-Identifier: MIT
//
// fuzz_load COUNT SEED FILE.hog …: loads COUNT mutations of the files and runs those that load.
// fuzz_load replay FILE.hog …: loads and runs the files themselves, and prints what becomes of each.
//
// Buffers are of exactly the file's and the arena's length, so that AddressSanitizer sees a single
// byte outside. The same arguments do the same again. Seeds must load. With -DLIBFUZZER it is not a program of
// its own but a target of libFuzzer, with mutations that know the format (fuzz.py).
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hog.h"

#define HEADER_SIZE (32)
#define ENTRY_SIZE (12)
#define MAX_ARENA (1u << 18)
#define MAX_FILE (1u << 20)
#define MAX_WORK (4000000u)  // steps of one run that is tried

static uint32_t random_state;

static uint32_t below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return n ? random_state % n : 0;
}

typedef struct {
    uint8_t *bytes;
    size_t length;
} file_t;

static uint32_t get32(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

static void put32(uint8_t *p, uint32_t x) {
    memcpy(p, &x, 4);
}

static uint32_t crc32(const uint8_t *p, size_t n) {
    uint32_t crc = ~0u;
    while (n-- != 0) {
        crc ^= *p++;
        for (int i = 0; i < 8; ++i) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static void *must(void *p) {
    if (!p) {
        perror("fuzz_load");
        exit(2);
    }
    return p;
}

// The section with this tag, as its entry in the table; NULL where there is none inside the file.
static uint8_t *section(const file_t *f, const char *tag, size_t *offset, size_t *length) {
    for (unsigned i = 0; i < 3 && f->length >= HEADER_SIZE + 3 * ENTRY_SIZE; ++i) {
        uint8_t *entry = f->bytes + HEADER_SIZE + i * ENTRY_SIZE;
        *offset = get32(entry + 4), *length = get32(entry + 8);
        if (memcmp(entry, tag, 4) == 0 && *offset < f->length && *length <= f->length - *offset) {
            return entry;
        }
    }
    return NULL;
}

// A place to change: mostly in the plan, where the meaning is, sometimes in header or table, or anywhere.
static size_t somewhere(const file_t *f) {
    unsigned kind = below(10);
    if (kind == 0 || f->length < HEADER_SIZE + 3 * ENTRY_SIZE) {
        return below((uint32_t)f->length);
    }
    if (kind == 1) {
        return below(HEADER_SIZE + 3 * ENTRY_SIZE);
    }
    size_t offset, length;
    if (section(f, "PLAN", &offset, &length)) {
        return offset + below((uint32_t)length);
    }
    return below((uint32_t)f->length);
}

static void mutate(file_t *f) {
    static const uint32_t interesting[] = {
        0, 1, 2, 3, 4, 7, 16, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 0x7ffffffe, 0x7fffffff,
        0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x7f800000, 0x7fc00000, 0xff800000,
    };
    uint32_t value = interesting[below(sizeof(interesting) / sizeof(interesting[0]))];
    size_t at = somewhere(f), word = at & ~(size_t)3, half = at & ~(size_t)1;
    if (f->length == 0) {
        return;
    }
    switch (below(9)) {
        case 0:
            f->bytes[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            f->bytes[at] = (uint8_t)value;
            break;
        case 2:
            if (half + 2 <= f->length) {
                memcpy(f->bytes + half, &value, 2);
            }
            break;
        case 3:
            if (word + 4 <= f->length) {
                put32(f->bytes + word, value);
            }
            break;
        case 4:
            if (word + 4 <= f->length) {
                put32(f->bytes + word, get32(f->bytes + word) + below(33) - 16);
            }
            break;
        case 5: // small steps, which more often make sense
            f->bytes[at] = (uint8_t)(f->bytes[at] + below(5) - 2);
            break;
        case 6: // one field becomes another
            if (word + 4 <= f->length) {
                size_t from = somewhere(f) & ~(size_t)3;
                if (from + 4 <= f->length) {
                    put32(f->bytes + word, get32(f->bytes + from));
                }
            }
            break;
        case 7:
            if (below(8) == 0) {
                f->length = below((uint32_t)f->length + 1);
            }
            break;
        default: // an arena that is too small for what is in it
            if (f->length >= HEADER_SIZE && below(4) == 0) {
                put32(f->bytes + 16, below(get32(f->bytes + 16) % MAX_ARENA + 2));
            }
            break;
    }
}

// Makes length, work and checksum right, so that the rest is looked at.
static void seal(file_t *f) {
    if (f->length >= HEADER_SIZE) {
        put32(f->bytes + 8, (uint32_t)f->length);
        if (below(16) != 0) {
            put32(f->bytes + 24, 1u << 28);
            put32(f->bytes + 28, get32(f->bytes + 28) % 32);
        }
        put32(f->bytes + 12, crc32(f->bytes + 16, f->length - 16));
    }
}

static size_t size_of(const hog_io_t *io) {
    size_t n = io->type == 'q' ? 8 : io->type == 'f' || io->type == 'i' ? 4 : io->type == 'h' ? 2 : 1;
    for (unsigned i = 0; i < io->rank; ++i) {
        n *= io->dim[i];
    }
    return n;
}

static unsigned long loaded, ran;
static uint32_t checksum;   // of all outputs, so that all are read

// Exactly sized copies of file and arena, used once. Returns what hog_load says.
static const char *try_file(const file_t *f) {
    uint8_t *file = must(malloc(f->length ? f->length : 1));
    memcpy(file, f->bytes, f->length);
    hog_t h;
    unsigned where;
    const char *error = hog_words(hog_load(&h, file, f->length, &where));
    if (!error) {
        ++loaded;
        if (h.arena_size <= MAX_ARENA && h.work <= MAX_WORK) {
            ++ran;
            uint8_t *arena = must(malloc(h.arena_size ? h.arena_size : 1));
            for (uint32_t i = 0; i < h.arena_size; ++i) {
                arena[i] = (uint8_t)below(256);
            }
            for (unsigned i = 0; i < h.inputs; ++i) {
                const hog_io_t *io = hog_io(&h, i);
                memset(arena + io->ref, (int)below(256), size_of(io));
            }
            // Each operator once, those that nothing jumps to, too; then as the jumps have it.
            const hog_op_t *op = h.op;
            for (unsigned i = 0; i < h.ops; ++i) {
                op = hog_run(&h, arena, op);
            }
            if ((uint64_t)h.work * (h.turns + 1) <= MAX_WORK) {
                hog_reset(&h, arena);
                hog_invoke(&h, arena);
            }
            for (unsigned i = h.inputs; i < h.inputs + (unsigned)h.outputs; ++i) {
                const hog_io_t *io = hog_io(&h, i);
                checksum += crc32(arena + io->ref, size_of(io));
            }
            free(arena);
        }
    } else if (!*error) {
        fprintf(stderr, "an error without words\n");
        abort();
    }
    free(file);
    return error;
}

#ifdef LIBFUZZER

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
    uint8_t *out, size_t max_size, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    file_t f = {(uint8_t *)data, size};
    random_state = 2463534242u;     // the same arena each time
    try_file(&f);
    return 0;
}

// Our own mutations, libFuzzer's (which knows what the code compares with) of the plan, or of the whole file.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    file_t f = {data, size};
    size_t offset, length;
    random_state = seed * 2654435761u | 1;
    unsigned kind = below(4);
    if (kind == 0 && section(&f, "PLAN", &offset, &length)) {
        LLVMFuzzerMutate(data + offset, length, length);
    } else if (kind == 1 || size == 0) {
        f.length = LLVMFuzzerMutate(data, size, max_size);
    } else {
        for (unsigned n = 1 + below(4); n != 0; --n) {
            mutate(&f);
        }
    }
    if (below(32) != 0) {
        seal(&f);
    }
    return f.length;
}

// The operator's record number n in a PLAN, as its offset there, and its length in bytes; 0 where there is none.
static size_t record(const uint8_t *plan, size_t size, unsigned n, size_t *length) {
    size_t at = 8;
    for (unsigned ports = plan[0] + plan[2]; ports != 0 && at + 16 <= size; --ports) {
        at += 16 + 4 * (size_t)plan[at + 5];
    }
    for (; at + 4 <= size; at += *length) {
        *length = 4 * (size_t)(plan[at + 2] | plan[at + 3] << 8);
        if (*length == 0 || *length > size - at) {
            return 0;
        }
        if (n-- == 0) {
            return at;
        }
    }
    return 0;
}

// The first file with an operator of the second one in place of one of its own, or before it.
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
    uint8_t *out, size_t max_size, unsigned seed) {
    file_t f1 = {(uint8_t *)data1, size1}, f2 = {(uint8_t *)data2, size2};
    size_t plan1, length1, plan2, length2, data, data_length, old, new;
    random_state = seed * 2654435761u | 1;
    uint8_t *entry = section(&f1, "PLAN", &plan1, &length1), *last = section(&f1, "DATA", &data, &data_length);
    if (!entry || !last || data < plan1 + length1 || !section(&f2, "PLAN", &plan2, &length2)
        || length1 < 8 || length2 < 8) {
        return 0;
    }
    unsigned ops1 = data1[plan1 + 4], ops2 = data2[plan2 + 4];
    size_t a = record(data1 + plan1, length1, below(ops1), &old);
    size_t b = record(data2 + plan2, length2, below(ops2), &new);
    int insert = below(3) == 0;
    if (a == 0 || b == 0) {
        return 0;
    }
    size_t rest = length1 - a - (insert ? 0 : old), length = a + new + rest;
    size_t data_at = (plan1 + length + 15) & ~(size_t)15, size = data_at + data_length;
    if (size > max_size) {
        return 0;
    }
    memset(out, 0, data_at);
    memcpy(out, data1, plan1 + a);
    memcpy(out + plan1 + a, data2 + plan2 + b, new);
    memcpy(out + plan1 + a + new, data1 + plan1 + length1 - rest, rest);
    memcpy(out + data_at, data1 + data, data_length);
    out[plan1 + 4] = (uint8_t)(ops1 + insert);
    put32(out + (entry - data1) + 8, (uint32_t)length);
    put32(out + (last - data1) + 4, (uint32_t)data_at);
    file_t f = {out, size};
    seal(&f);
    return f.length;
}

#else

static file_t read_file(const char *path) {
    FILE *f = must(fopen(path, "rb"));
    file_t file = {must(malloc(MAX_FILE)), 0};
    file.length = fread(file.bytes, 1, MAX_FILE, f);
    fclose(f);
    return file;
}

static int replay(int count, char **paths) {
    for (int i = 0; i < count; ++i) {
        file_t f = read_file(paths[i]);
        random_state = 1;
        const char *error = try_file(&f);
        printf("%s\n", error ? error : "loaded");
        free(f.bytes);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "replay") == 0) {
        return replay(argc - 2, argv + 2);
    }
    if (argc < 4) {
        fprintf(stderr, "usage: fuzz_load COUNT SEED FILE.hog …, fuzz_load replay FILE.hog …\n");
        return 2;
    }
    unsigned long count = strtoul(argv[1], NULL, 0);
    random_state = (uint32_t)strtoul(argv[2], NULL, 0) * 2654435761u + 1;
    unsigned files = (unsigned)argc - 3;
    file_t *seeds = must(calloc(files, sizeof(file_t)));
    for (unsigned i = 0; i < files; ++i) {
        seeds[i] = read_file(argv[3 + i]);
        try_file(&seeds[i]);
    }
    if (loaded != files) {
        fprintf(stderr, "%lu of %u files do not load\n", files - loaded, files);
        return 1;
    }
    loaded = ran = 0;
    uint8_t *bytes = must(malloc(MAX_FILE));
    for (unsigned long i = 0; i < count; ++i) {
        const file_t *seed = &seeds[below(files)];
        file_t f = {bytes, seed->length};
        memcpy(bytes, seed->bytes, seed->length);
        for (unsigned n = 1 + below(4); n != 0; --n) {
            mutate(&f);
        }
        if (below(32) != 0) {
            seal(&f);
        }
        try_file(&f);
    }
    printf("%lu mutations of %u files: %lu loaded, %lu ran, checksum %08x\n", count, files, loaded, ran,
        (unsigned)checksum);
    for (unsigned i = 0; i < files; ++i) {
        free(seeds[i].bytes);
    }
    free(seeds);
    free(bytes);
    return 0;
}

#endif

// SPDX-License-Identifier: MIT
//
// Tests only: the shim without Python, to be run under AddressSanitizer or valgrind.
//
//     stress interpreters N MODEL…    N interpreters at once, run in turn, dropped in any order
//     stress invoke N MODEL…          N invocations each
//     stress memory MODEL…            every arena that is too small, from 0 bytes on
//     stress damage N SEED MODEL…     N files with some of their bytes changed
//
// Prints what it did. A crash is the failure; so is memory that is left over, which the tools tell.
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

typedef struct {
    void *file, *arena;
    size_t size, arena_size;
    tflite_t m;
    tflm_t *t;
} model_t;

static void fail(const char *what, const char *why) {
    printf("%s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t n) {
    void *p = aligned_alloc(TFLM_ALIGN, (n + TFLM_ALIGN - 1) / TFLM_ALIGN * TFLM_ALIGN + (n == 0) * TFLM_ALIGN);
    if (p == NULL) {
        fail("malloc", "no memory");
    }
    return p;
}

static void read_model(model_t *model, const char *path) {
    memset(model, 0, sizeof(*model));
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        fail(path, "cannot read");
    }
    model->size = (size_t)ftell(f);
    rewind(f);
    model->file = malloc(model->size); // exactly: the sanitizer sees reads behind it
    if (fread(model->file, 1, model->size, f) != model->size) {
        fail(path, "cannot read");
    }
    fclose(f);
}

static void close_model(model_t *model) {
    free(model->t);
    free(model->arena);
    model->t = model->arena = NULL;
}

static const char *check(model_t *model) {
    if (!tflm_verify(model->file, model->size)) {
        return "the verifier refuses it";
    }
    return tflite_check(&model->m, model->file, model->size);
}

static tflm_status_t measure(model_t *model, size_t *work) {
    model->t = allocate(tflm_size(&model->m));
    for (*work = tflm_work_size(&model->m);; *work += *work / 2 + tflm_missing(model->t)) {
        void *p = allocate(*work);
        tflm_status_t status = tflm_measure(model->t, &model->m, p, *work, &model->arena_size);
        free(p);
        if (status != TFLM_NO_MEMORY || *work > 1u << 28) {
            return status;
        }
    }
}

static tflm_status_t open_model(model_t *model) {
    size_t work;
    tflm_status_t status = measure(model, &work);
    if (status != TFLM_OK) {
        return status;
    }
    for (size_t limit = model->arena_size + work; model->arena_size <= limit && limit < 1u << 26;) {
        model->arena = allocate(model->arena_size);
        status = tflm_open(model->t, &model->m, model->arena, model->arena_size);
        if (status != TFLM_NO_MEMORY) {
            return status;
        }
        free(model->arena);
        model->arena = NULL;
        model->arena_size += tflm_missing(model->t) + TFLM_ALIGN;
    }
    return TFLM_NO_MEMORY;
}

static void open_or_fail(model_t *model, const char *path) {
    const char *error = check(model);
    if (error) {
        fail(path, error);
    }
    if (open_model(model) != TFLM_OK) {
        fail(path, tflm_error(model->t));
    }
}

static uint32_t seed = 1;

static uint32_t random_number(uint32_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void fill_inputs(model_t *model) {
    for (uint32_t i = 0; i < model->m.inputs.count; ++i) {
        tflite_tensor_t t;
        tflite_tensor(&model->m, (uint32_t)tflite_io(&model->m, false, i), &t);
        uint8_t *bytes = tflm_tensor(model->t, false, i);
        for (uint32_t k = 0; k < t.nbytes; ++k) {
            // Any int8; floats from 0.5 to 2.
            bytes[k] = t.typecode == 'f' && k % 4 == 3 ? 0x3f : (uint8_t)random_number(256);
        }
    }
}

static uint32_t outputs_sum(model_t *model) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < model->m.outputs.count; ++i) {
        tflite_tensor_t t;
        tflite_tensor(&model->m, (uint32_t)tflite_io(&model->m, true, i), &t);
        const uint8_t *bytes = tflm_tensor(model->t, true, i);
        for (uint32_t k = 0; k < t.nbytes; ++k) {
            sum = sum * 31 + bytes[k];
        }
    }
    return sum;
}

static void run_interpreters(unsigned n, char **paths, int count) {
    model_t *models = calloc(n, sizeof(*models));
    unsigned opened = 0;
    for (unsigned round = 0; round < 3; ++round) {
        for (unsigned i = 0; i < n; ++i) {
            if (models[i].t == NULL) {
                const char *path = paths[i % (unsigned)count];
                read_model(&models[i], path);
                open_or_fail(&models[i], path);
                ++opened;
            }
        }
        for (unsigned i = 0; i < n; ++i) {
            fill_inputs(&models[i]);
            if (tflm_invoke(models[i].t) != TFLM_OK) {
                fail(paths[i % (unsigned)count], tflm_error(models[i].t));
            }
        }
        for (unsigned i = 0; i < n; ++i) {
            if (round == 2 || random_number(2)) {
                close_model(&models[i]);
                free(models[i].file);
            }
        }
    }
    free(models);
    printf("%u interpreters opened, %u at once\n", opened, n);
}

static void run_invoke(unsigned n, const char *path) {
    model_t model;
    read_model(&model, path);
    open_or_fail(&model, path);
    uint32_t sums[2];
    for (unsigned i = 0; i < n; ++i) {
        seed = 1 + i % 2; // two inputs by turns: their outputs must stay the same
        fill_inputs(&model);
        if (tflm_invoke(model.t) != TFLM_OK) {
            fail(path, tflm_error(model.t));
        }
        if (i < 2) {
            sums[i] = outputs_sum(&model);
        } else if (outputs_sum(&model) != sums[i % 2]) {
            fail(path, "the outputs changed");
        }
    }
    printf("%s: %u invocations\n", path, n);
    close_model(&model);
    free(model.file);
}

static void run_memory(const char *path) {
    model_t model;
    read_model(&model, path);
    open_or_fail(&model, path);
    size_t enough = model.arena_size, tries = 0;
    free(model.arena);
    for (size_t size = 0; size < enough; size += size < 8192 ? 8 : 64 + random_number(256)) {
        model.arena = malloc(size ? size : 1);
        tflm_status_t status = tflm_open(model.t, &model.m, model.arena, size);
        if (status == TFLM_ERROR) {
            fail(path, tflm_error(model.t));
        }
        if (status == TFLM_OK) {
            fill_inputs(&model);
            if (tflm_invoke(model.t) != TFLM_OK) {
                fail(path, tflm_error(model.t));
            }
        }
        free(model.arena);
        ++tries;
    }
    model.arena = NULL;
    printf("%s: %zu arenas of less than %zu bytes\n", path, tries, enough);
    close_model(&model);
    free(model.file);
}

static void damage(uint8_t *bytes, size_t size) {
    // Where the structure is dense, that is behind or before the weights, as often as anywhere.
    for (unsigned n = 1 + random_number(4); n--;) {
        size_t at = random_number(3) == 0 ? random_number((uint32_t)size)
            : random_number(2) ? random_number(size < 4096 ? (uint32_t)size : 4096)
            : size - 1 - random_number(size < 8192 ? (uint32_t)size : 8192);
        switch (random_number(4)) {
            case 0:
                bytes[at] ^= (uint8_t)(1u << random_number(8));
                break;
            case 1:
                bytes[at] = (uint8_t)random_number(256);
                break;
            case 2:
                bytes[at] = (uint8_t)(bytes[at] + 1 - 2 * random_number(2));
                break;
            default:
                memset(bytes + at / 4 * 4, (int)random_number(2) * 255, size - at / 4 * 4 < 4 ? size - at / 4 * 4 : 4);
                break;
        }
    }
}

// A damaged WHILE may never end, which no check can tell.
static void enough(int signal) {
    (void)signal;
    tflm_leave();
}

static tflm_status_t invoke_a_while(tflm_t *t) {
    alarm(1);
    tflm_status_t status = tflm_invoke(t);
    alarm(0);
    return status;
}

// For whoever looks for the cause: STRESS_KEEP=FILE holds the file that is tried.
static void keep(const model_t *model) {
    FILE *f = getenv("STRESS_KEEP") ? fopen(getenv("STRESS_KEEP"), "wb") : NULL;
    if (f) {
        fwrite(model->file, 1, model->size, f);
        fclose(f);
    }
}

static void run_damage(unsigned n, char **paths, int count) {
    struct sigaction action = {.sa_handler = enough, .sa_flags = SA_NODEFER};
    sigaction(SIGALRM, &action, NULL);
    unsigned refused = 0, unprepared = 0, failed = 0, ran = 0;
    model_t *whole = calloc((size_t)count, sizeof(*whole));
    for (int i = 0; i < count; ++i) {
        read_model(&whole[i], paths[i]);
    }
    for (unsigned i = 0; i < n; ++i) {
        model_t model = whole[i % (unsigned)count];
        model.file = malloc(model.size);
        memcpy(model.file, whole[i % (unsigned)count].file, model.size);
        damage(model.file, model.size);
        keep(&model);
        if (check(&model)) {
            ++refused;
        } else if (open_model(&model) != TFLM_OK) {
            ++unprepared;
        } else {
            fill_inputs(&model);
            *(invoke_a_while(model.t) == TFLM_OK ? &ran : &failed) += 1;
            outputs_sum(&model);
        }
        close_model(&model);
        free(model.file);
    }
    for (int i = 0; i < count; ++i) {
        free(whole[i].file);
    }
    free(whole);
    printf("%u damaged files: %u refused by the check, %u by TFLM, %u failed, %u ran\n", n, refused, unprepared, failed,
        ran);
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "interpreters") == 0) {
        run_interpreters((unsigned)atoi(argv[2]), argv + 3, argc - 3);
    } else if (argc > 3 && strcmp(argv[1], "invoke") == 0) {
        for (int i = 3; i < argc; ++i) {
            run_invoke((unsigned)atoi(argv[2]), argv[i]);
        }
    } else if (argc > 2 && strcmp(argv[1], "memory") == 0) {
        for (int i = 2; i < argc; ++i) {
            run_memory(argv[i]);
        }
    } else if (argc > 4 && strcmp(argv[1], "damage") == 0) {
        seed = (uint32_t)strtoul(argv[3], NULL, 10);
        run_damage((unsigned)atoi(argv[2]), argv + 4, argc - 4);
    } else {
        fail("usage", "stress interpreters N|invoke N|memory|damage N SEED MODEL…");
    }
    return 0;
}

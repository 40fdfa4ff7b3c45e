// SPDX-License-Identifier: MIT
//
// Armv6-M with the cycles of a Cortex-M0+ (as if flash had no wait states): runs a bare-metal program.
//
//     simulator PROGRAM.elf [FILE ADDRESS]...     files are put into memory before the start
//
// The program asks for things by BKPT #0, what in r0: 0 ends (r1: exit code), 1 writes the text at r1, 2 writes the
// r2 bytes at r1, 3 returns the cycles so far in r0. A wrong access ends the run with a message and exit code 3.
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLASH (0x10000000u)
#define RAM (0x20000000u)
#define SIZE (16u << 20)        // of either

static uint8_t *flash, *ram;
static uint32_t r[16];
static uint32_t n, z, c, v;
static uint64_t cycles;
static uint64_t *profile;       // cycles by half word of flash, written to the file named by PROFILE

static void die(const char *what, uint32_t at) {
    fprintf(stderr, "%s 0x%08x at pc 0x%08x, sp 0x%08x, lr 0x%08x\n", what, at, r[15], r[13], r[14]);
    exit(3);
}

static uint8_t *memory(uint32_t at, uint32_t size, int write) {
    if (at & (size - 1)) {
        die("unaligned access", at);
    }
    if (at - RAM < SIZE) {
        return ram + (at - RAM);
    }
    if (at - FLASH >= SIZE || write) {
        die("bad access", at);
    }
    return flash + (at - FLASH);
}

static uint32_t load(uint32_t at, uint32_t size) {
    uint32_t x = 0;
    memcpy(&x, memory(at, size, 0), size);
    return x;
}

static void store(uint32_t at, uint32_t size, uint32_t x) {
    memcpy(memory(at, size, 1), &x, size);
}

static void set_nz(uint32_t x) {
    n = x >> 31;
    z = x == 0;
}

static uint32_t add(uint32_t a, uint32_t b, uint32_t carry) {
    uint64_t wide = (uint64_t)a + b + carry;
    uint32_t x = (uint32_t)wide;
    c = (uint32_t)(wide >> 32);
    v = (~(a ^ b) & (a ^ x)) >> 31;
    set_nz(x);
    return x;
}

// kind: 0 LSL, 1 LSR, 2 ASR, 3 ROR; by 0 changes nothing.
static uint32_t shift(uint32_t kind, uint32_t x, uint32_t by) {
    if (kind == 3 && by > 32) {
        by = (by - 1) % 32 + 1;
    }
    int64_t wide = kind == 2 ? (int64_t)(int32_t)x : (int64_t)x;
    if (by > 33) {
        by = 33;
    }
    if (by != 0) {
        if (kind == 0) {
            c = (uint32_t)((uint64_t)x << by >> 32) & 1;
            x = (uint32_t)((uint64_t)x << by);
        } else if (kind == 3) {
            c = x >> (by - 1) & 1;
            x = by == 32 ? x : x >> by | x << (32 - by);
        } else {
            c = (uint32_t)(wide >> (by - 1)) & 1;
            x = (uint32_t)(wide >> by);
        }
    }
    set_nz(x);
    return x;
}

static int condition(uint32_t code) {
    int is[] = {z, c, n, v, c && !z, n == v, !z && n == v, 1};
    return is[code >> 1] != (int)(code & 1);
}

static void service(void) {
    if (r[0] == 0) {
        fflush(stdout);
        if (profile) {
            FILE *f = fopen(getenv("PROFILE"), "wb");
            fwrite(profile, 8, SIZE / 2, f);
            fclose(f);
        }
        exit((int)r[1]);
    } else if (r[0] == 1) {
        for (uint32_t at = r[1]; load(at, 1); ++at) {
            putchar((int)load(at, 1));
        }
    } else if (r[0] == 2) {
        for (uint32_t i = 0; i < r[2]; ++i) {
            putchar((int)load(r[1] + i, 1));
        }
    } else {
        r[0] = (uint32_t)cycles;
    }
}

static uint32_t arithmetic(uint32_t code, uint32_t a, uint32_t b) {
    switch (code) {
        case 0: set_nz(a & b); return a & b;
        case 1: set_nz(a ^ b); return a ^ b;
        case 2: return shift(0, a, b & 255);
        case 3: return shift(1, a, b & 255);
        case 4: return shift(2, a, b & 255);
        case 5: return add(a, b, c);
        case 6: return add(a, ~b, c);
        case 7: return shift(3, a, b & 255);
        case 8: set_nz(a & b); return a;
        case 9: return add(~b, 0, 1);
        case 10: add(a, ~b, 1); return a;
        case 11: add(a, b, 0); return a;
        case 12: set_nz(a | b); return a | b;
        case 13: set_nz(a * b); return a * b;
        case 14: set_nz(a & ~b); return a & ~b;
        default: set_nz(~b); return ~b;
    }
}

// ADD, CMP, MOV with all registers, BX, BLX; returns where to go on.
static uint32_t high_registers(uint32_t op, uint32_t pc, uint32_t next) {
    uint32_t d = (op & 7) | (op >> 4 & 8), m = op >> 3 & 15;
    uint32_t x = m == 15 ? pc + 4 : r[m];
    switch (op >> 8 & 3) {
        case 0:
            x += d == 15 ? pc + 4 : r[d];
            break;
        case 1:
            add(r[d], ~x, 1);
            return next;
        case 3:
            if (!(x & 1)) {
                die("BX to", x);
            }
            if (op & 0x80) {
                r[14] = next | 1;
            }
            d = 15;
            break;
    }
    if (d == 15) {
        cycles += 1;
        return x & ~1u;
    }
    r[d] = x;
    return next;
}

static uint32_t load_or_store(uint32_t kind, uint32_t at, uint32_t *x) {
    static const uint8_t sizes[8] = {4, 2, 1, 1, 4, 2, 1, 2};
    cycles += 1;
    if (kind < 3) {
        store(at, sizes[kind], *x);
    } else {
        *x = load(at, sizes[kind]);
        *x = kind == 3 ? (uint32_t)(int8_t)*x : kind == 7 ? (uint32_t)(int16_t)*x : *x;
    }
    return at;
}

// LDM, STM, PUSH, POP of the registers in `list`, the lowest at `at`; returns the end.
static uint32_t multiple(uint32_t list, uint32_t at, int is_load) {
    for (uint32_t i = 0; i < 16; ++i) {
        if (list >> i & 1) {
            if (is_load) {
                r[i] = load(at, 4);
            } else {
                store(at, 4, r[i]);
            }
            at += 4;
            cycles += 1;
        }
    }
    return at;
}

static uint32_t miscellaneous(uint32_t op, uint32_t next) {
    uint32_t d = op & 7, x = r[op >> 3 & 7], list = op & 0xff;
    switch (op >> 8 & 15) {
        case 0:
            r[13] += (op & 0x80 ? -(op & 127) : op & 127) * 4;
            return next;
        case 2: {
            uint32_t extended[] = {(uint32_t)(int16_t)x, (uint32_t)(int8_t)x, (uint16_t)x, (uint8_t)x};
            r[d] = extended[op >> 6 & 3];
            return next;
        }
        case 5:
            list |= 1u << 14;
        // fall through
        case 4:
            r[13] -= 4 * (uint32_t)__builtin_popcount(list);
            multiple(list, r[13], 0);
            return next;
        case 13:
            list |= 1u << 15;
        // fall through
        case 12:
            r[13] = multiple(list, r[13], 1);
            if (list >> 15) {
                cycles += 2;
                return r[15] & ~1u;
            }
            return next;
        case 10: {
            uint32_t swapped = __builtin_bswap32(x);
            uint32_t reversed[] = {swapped, swapped >> 16 | swapped << 16, 0, (uint32_t)(int16_t)(swapped >> 16)};
            r[d] = reversed[op >> 6 & 3];
            return next;
        }
        case 14:
            cycles -= 1; // not part of what is measured
            service();
            return next;
        case 15:
            return next;
    }
    die("unknown instruction", op);
    return 0;
}

static uint32_t execute(uint32_t op, uint32_t pc, uint32_t next) {
    uint32_t a = op >> 3 & 7, b = op >> 6 & 31, d = op & 7, e = op >> 8 & 7, list = op & 0xff;
    switch (op >> 11) {
        case 0: r[d] = shift(0, r[a], b); break;
        case 1: case 2: r[d] = shift(op >> 11, r[a], b ? b : 32); break;
        case 3: {
            uint32_t x = b & 16 ? b & 7 : r[b & 7];
            r[d] = b & 8 ? add(r[a], ~x, 1) : add(r[a], x, 0);
            break;
        }
        case 4: r[e] = list; set_nz(list); break;
        case 5: add(r[e], ~list, 1); break;
        case 6: r[e] = add(r[e], list, 0); break;
        case 7: r[e] = add(r[e], ~list, 1); break;
        case 8:
            if (op & 0x400) {
                return high_registers(op, pc, next);
            }
            r[d] = arithmetic(op >> 6 & 15, r[d], r[a]);
            break;
        case 9: load_or_store(4, ((pc + 4) & ~3u) + list * 4, &r[e]); break;
        case 10: case 11: load_or_store(op >> 9 & 7, r[a] + r[b & 7], &r[d]); break;
        case 12: load_or_store(0, r[a] + b * 4, &r[d]); break;
        case 13: load_or_store(4, r[a] + b * 4, &r[d]); break;
        case 14: load_or_store(2, r[a] + b, &r[d]); break;
        case 15: load_or_store(6, r[a] + b, &r[d]); break;
        case 16: load_or_store(1, r[a] + b * 2, &r[d]); break;
        case 17: load_or_store(5, r[a] + b * 2, &r[d]); break;
        case 18: load_or_store(0, r[13] + list * 4, &r[e]); break;
        case 19: load_or_store(4, r[13] + list * 4, &r[e]); break;
        case 20: r[e] = ((pc + 4) & ~3u) + list * 4; break;
        case 21: r[e] = r[13] + list * 4; break;
        case 22: case 23: return miscellaneous(op, next);
        case 24: r[e] = multiple(list, r[e], 0); break;
        case 25: {
            uint32_t end = multiple(list, r[e], 1);
            if (!(list >> e & 1)) {
                r[e] = end;
            }
            break;
        }
        case 26: case 27:
            if ((op >> 9 & 7) == 7) {
                die("unknown instruction", op);
            }
            if (condition(op >> 8 & 15)) {
                cycles += 1;
                return pc + 4 + (uint32_t)((int32_t)(int8_t)list * 2);
            }
            break;
        case 28:
            cycles += 1;
            return pc + 4 + (uint32_t)((int32_t)(op << 21) >> 20);
        case 30: {
            uint32_t low = load(next, 2), s = op >> 10 & 1;
            if ((low & 0xd000) != 0xd000) {
                die("unknown instruction", op << 16 | low);
            }
            uint32_t i1 = ~((low >> 13 & 1) ^ s) & 1, i2 = ~((low >> 11 & 1) ^ s) & 1;
            uint32_t offset = (op & 0x3ff) << 12 | (low & 0x7ff) << 1 | i2 << 22 | i1 << 23 | (s ? 0xff000000 : 0);
            r[14] = (pc + 4) | 1;
            cycles += 2;
            return pc + 4 + offset;
        }
        default:
            die("unknown instruction", op);
    }
    return next;
}

static uint8_t *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    if (fread(bytes, 1, *size, f) != *size) {
        exit(2);
    }
    fclose(f);
    return bytes;
}

static void place(uint32_t at, const uint8_t *bytes, size_t size) {
    uint8_t *to = at - RAM < SIZE ? ram + (at - RAM) : flash + (at - FLASH);
    if ((at - RAM >= SIZE && at - FLASH >= SIZE) || size > SIZE - (at & (SIZE - 1))) {
        die("outside memory:", at);
    }
    memcpy(to, bytes, size);
}

int main(int argc, char **argv) {
    size_t size;
    flash = calloc(1, SIZE);
    ram = calloc(1, SIZE);
    uint8_t *elf = slurp(argv[1], &size);
    const Elf32_Ehdr *header = (const void *)elf;
    const Elf32_Phdr *part = (const void *)(elf + header->e_phoff);
    for (int i = 0; i < header->e_phnum; ++i) {
        if (part[i].p_type == PT_LOAD && part[i].p_filesz) {
            place(part[i].p_paddr, elf + part[i].p_offset, part[i].p_filesz);
        }
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        uint8_t *bytes = slurp(argv[i], &size);
        place((uint32_t)strtoul(argv[i + 1], NULL, 0), bytes, size);
    }
    profile = getenv("PROFILE") ? calloc(SIZE / 2, 8) : NULL;
    r[13] = load(FLASH, 4);
    r[15] = load(FLASH + 4, 4) & ~1u;
    for (;;) {
        uint32_t pc = r[15], op = load(pc, 2);
        uint64_t before = cycles++;
        r[15] = execute(op, pc, pc + 2);
        if (profile && pc - FLASH < SIZE) {
            profile[(pc - FLASH) / 2] += cycles - before;
        }
    }
}

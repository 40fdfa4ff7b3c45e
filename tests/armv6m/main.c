// SPDX-License-Identifier: MIT
//
// The engine without an operating system, in the simulator beside this file: loads the model at MODEL, runs it on each
// of the inputs at INPUTS and writes the outputs, then the cycles of every operator and of the whole.
#include "hog.h"

typedef struct {
    uint32_t length, samples;
    uint32_t file[];
} model_t;

#define MODEL ((const model_t *)0x10100000)
#define INPUTS ((const uint8_t *)0x10c00000)
#define ARENA ((uint8_t *)0x20010000)

extern uint32_t stack_top;
uint32_t service(uint32_t what, const void *at, uint32_t size);
void *memcpy(void *to, const void *from, size_t n);
void start(void);

__asm__ (
    ".thumb_func\n.global service\nservice: bkpt 0\nbx lr\n"
    );

const void *const vectors[2] __attribute__((section(".vectors"), used)) = {&stack_top, (const void *)start};

static size_t size_of(const hog_io_t *io) {
    size_t n = io->type == 'f' ? 4 : io->type == 'h' ? 2 : 1;
    for (unsigned i = 0; i < io->rank; ++i) {
        n *= io->dim[i];
    }
    return n;
}

static void write_words(const uint32_t *words, unsigned n) {
    service(2, words, n * 4);
}

void start(void) {
    hog_t h;
    unsigned where;
    const char *error = hog_words(hog_load(&h, MODEL->file, MODEL->length, &where));
    if (error) {
        service(1, error, 0);
        service(0, (const void *)1, 0);
    }
    const uint8_t *in = INPUTS;
    uint32_t total = 0;
    for (uint32_t sample = 0; sample < MODEL->samples; ++sample) {
        for (unsigned i = 0; i < h.inputs; ++i) {
            const hog_io_t *io = hog_io(&h, i);
            memcpy(ARENA + io->ref, in, size_of(io));
            in += size_of(io);
        }
        total = service(3, NULL, 0);
        hog_invoke(&h, ARENA);
        total = service(3, NULL, 0) - total;
        for (unsigned i = 0; i < h.outputs; ++i) {
            const hog_io_t *io = hog_io(&h, h.inputs + i);
            service(2, ARENA + io->ref, size_of(io));
        }
    }
    const hog_op_t *op = h.op;
    for (unsigned i = 0; i < h.ops; ++i) {
        uint32_t cycles = service(3, NULL, 0);
        op = hog_run(&h, ARENA, op);
        cycles = service(3, NULL, 0) - cycles;
        write_words(&cycles, 1);
    }
    write_words(&total, 1);
    service(0, NULL, 0);
}

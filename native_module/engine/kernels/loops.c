// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// Operators that are little more than a loop nest: MOVE, FILL, MEAN.
#include "kernels.h"

bool hog_walk(hog_walk_t *walk, const hog_loop_t *loop, unsigned loops) {
    // Offsets wrap on the way, but hog_load() knows all places where they rest.
    while (loops-- != 0) {
        walk->a = hog_add(walk->a, loop[loops].a);
        walk->b = hog_add(walk->b, loop[loops].b);
        if (++walk->at[loops] < loop[loops].n) {
            return true;
        }
        walk->at[loops] = 0;
        walk->a = (int32_t)((uint32_t)walk->a - loop[loops].n * (uint32_t)loop[loops].a);
        walk->b = (int32_t)((uint32_t)walk->b - loop[loops].n * (uint32_t)loop[loops].b);
    }
    return false;
}

void hog_move(const hog_t *h, void *arena, const hog_move_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    hog_walk_t walk = {{0}, 0, 0};
    do {
        memcpy(out + walk.b, in + walk.a, op->run);
    } while (hog_walk(&walk, op->loop, op->loops));
}

void hog_fill(const hog_t *h, void *arena, const hog_fill_t *op) {
    uint8_t *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        for (uint32_t j = 0; j < op->size; ++j) {
            *out++ = (uint8_t)(op->value >> (8 * j));
        }
    }
}

void hog_mean(const hog_t *h, void *arena, const hog_reduce_t *op) {
    const int8_t *in = hog_at(h, arena, op->in);
    const float *in_float = (const float *)(const void *)in;
    int8_t *out = hog_at(h, arena, op->out);
    float *out_float = (float *)(void *)out;
    const hog_loop_t *reduced = op->loop + op->keep;
    const hog_loop_t *inner = reduced + op->reduce - 1;
    uint32_t count = 1;
    for (const hog_loop_t *loop = reduced; loop <= inner; ++loop) {
        count *= loop->n;
    }
    hog_walk_t kept = {{0}, 0, 0};
    do {
        hog_walk_t walk = {{0}, kept.a, 0};
        if (!hog_is_float(op->op.type)) {
            uint32_t sum = count * (uint32_t)-(int32_t)op->clamp.i.in_zp;
            do {
                const int8_t *x = in + walk.a;
                uint32_t i = inner->n;
                do {
                    sum += (uint32_t)(int32_t)*x;
                    x += inner->a;
                } while (--i != 0);
            } while (hog_walk(&walk, reduced, op->reduce - 1u));
            *out++ = hog_clamp_int8(hog_requantize((int32_t)sum, op->multiplier, (int)op->shift), &op->clamp);
        } else {
            float sum = 0;
            do {
                const float *x = in_float + walk.a;
                uint32_t i = inner->n;
                do {
                    sum += *x;
                    x += inner->a;
                } while (--i != 0);
            } while (hog_walk(&walk, reduced, op->reduce - 1u));
            *out_float++ = sum / (float)(int32_t)count;
        }
    } while (hog_walk(&kept, op->loop, op->keep));
}

// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// GATHER, UPDATE: copies whose place is known only at run time. An index is brought into its range, so
// that no input can lead outside.
#include "kernels.h"

#if HOG_FULL

static size_t within(int32_t index, uint32_t last) {
    return index < 0 ? 0 : (uint32_t)index > last ? last : (uint32_t)index;
}

void hog_gather_rows(const hog_t *h, void *arena, const hog_gather_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    const int32_t *indices = hog_at(h, arena, op->indices);
    uint8_t *out = hog_at(h, arena, op->out);
    for (uint32_t o = 0; o < op->outer; ++o) {
        for (uint32_t i = 0; i < op->count; ++i) {
            memcpy(out, in + within(indices[i], op->axis - 1) * op->run, op->run);
            out += op->run;
        }
        in += (size_t)op->axis * op->run;
    }
}

void hog_update(const hog_t *h, void *arena, const hog_update_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    const int32_t *starts = hog_at(h, arena, op->starts);
    uint8_t *out = hog_at(h, arena, op->out);
    size_t size = hog_size(op->op.type);
    for (uint32_t i = 0; i < op->loops; ++i) {
        out += within(starts[i], (uint32_t)op->loop[i].b) * (size_t)op->loop[i].a * size;
    }
    hog_walk_t walk = {{0}, 0, 0};
    do {
        memcpy(out + (size_t)walk.a * size, in, size);
        in += size;
    } while (hog_walk(&walk, op->loop, op->loops));
}

#endif // HOG_FULL

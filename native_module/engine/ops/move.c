// SPDX-License-Identifier: MIT
//
// MOVE, FILL, and copies whose place is known only at run time: GATHER, UPDATE. An index is brought into its range, so
// that no input can lead outside.
#include "check.h"

hog_error_t hog_check_move(hog_t *h, const void *record) {
    const hog_move_t *op = record;
    if (op->loops != hog_loops(&op->op, sizeof(*op))) {
        return E_RECORD;
    }
    uint32_t bytes = hog_times(hog_places(op->loop, op->loops), op->run);
    if (bytes == 0) {
        return E_ZERO;
    }
    hog_add_work(h, bytes);
    hog_extent_t in, out;
    if ((op->out & HOG_IN_DATA) || bytes > h->arena_size
        || !hog_find_extent(h, op->out, op->loop, op->loops, true, 1, op->run, &out)) {
        return E_OUTPUT;
    }
    if (!hog_find_extent(h, op->in, op->loop, op->loops, false, 1, op->run, &in)) {
        return E_OPERAND;
    }
    return hog_overlap(in.ref, in.size, out.ref, out.size) ? E_OVERLAP : E_OK;
}

void hog_move(const hog_t *h, void *arena, const void *record) {
    const hog_move_t *op = record;
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    hog_walk_t walk = {{0}, 0, 0};
    do {
        memcpy(out + walk.b, in + walk.a, op->run);
    } while (hog_walk(&walk, op->loop, op->loops));
}

hog_error_t hog_check_fill(hog_t *h, const void *record) {
    const hog_fill_t *op = record;
    if (op->size != 1 && op->size != 2 && op->size != 4) {
        return E_FILL;
    }
    if (op->count == 0) {
        return E_ZERO;
    }
    hog_add_work(h, op->count);
    return hog_in_arena(h, op->out, hog_times(op->count, op->size), op->size) ? E_OK : E_OUTPUT;
}

void hog_fill(const hog_t *h, void *arena, const void *record) {
    const hog_fill_t *op = record;
    uint8_t *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        for (uint32_t j = 0; j < op->size; ++j) {
            *out++ = (uint8_t)(op->value >> (8 * j));
        }
    }
}

hog_error_t hog_check_gather(hog_t *h, const void *record) {
    const hog_gather_t *op = record;
    uint32_t table = hog_times(hog_times(op->outer, op->axis), op->run);
    uint32_t indices = hog_times(op->count, 4), out = hog_times(hog_times(op->outer, op->count), op->run);
    if (table == 0 || out == 0) {
        return E_ZERO;
    }
    hog_add_work(h, out);
    if (!hog_in_either(h, op->in, table, 1) || !hog_in_either(h, op->indices, indices, 4)) {
        return E_OPERAND;
    }
    if (!hog_in_arena(h, op->out, out, 1)) {
        return E_OUTPUT;
    }
    return hog_overlap(op->in, table, op->out, out) || hog_overlap(op->indices, indices, op->out, out) ? E_OVERLAP : E_OK;
}

static size_t within(int32_t index, uint32_t last) {
    return index < 0 ? 0 : (uint32_t)index > last ? last : (uint32_t)index;
}

void hog_gather(const hog_t *h, void *arena, const void *record) {
    const hog_gather_t *op = record;
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

hog_error_t hog_check_update(hog_t *h, const void *record) {
    const hog_update_t *op = record;
    if (op->loops != hog_loops(&op->op, sizeof(*op))) {
        return E_RECORD;
    }
    uint32_t size = hog_size(op->op.type), in = hog_times(hog_places(op->loop, op->loops), size);
    if (op->loops == 0 || in == 0) {
        return E_ZERO;
    }
    if (!hog_in_either(h, op->in, in, 1) || !hog_in_either(h, op->starts, op->loops * 4, 4)) {
        return E_OPERAND;
    }
    hog_add_work(h, in / size);
    uint32_t out = size;
    for (unsigned i = 0; i < op->loops; ++i) {
        const hog_loop_t *loop = &op->loop[i];
        if (loop->a < 0 || loop->b < 0) {
            return E_OUTPUT;
        }
        // Below 2^32 and not 0: n is in 1 ... 2^31 for its place in memory.
        uint32_t reach = hog_times(hog_times((uint32_t)loop->b + loop->n - 1, (uint32_t)loop->a), size);
        out = out + reach < out ? UINT32_MAX : out + reach;
    }
    if (!hog_in_arena(h, op->out, out, 1)) {
        return E_OUTPUT;
    }
    return hog_overlap(op->in, in, op->out, out) || hog_overlap(op->starts, op->loops * 4, op->out, out) ? E_OVERLAP : E_OK;
}

void hog_update(const hog_t *h, void *arena, const void *record) {
    const hog_update_t *op = record;
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

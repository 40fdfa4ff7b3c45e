// SPDX-License-Identifier: MIT
//
// Runs the operators of a model that has been loaded.
#include "ops/ops.h"
#include "table.h"

const hog_op_t *hog_run(const hog_t *h, void *arena, const hog_op_t *op) {
    hog_find_operator(op->code, op->type)->run(h, arena, op);
    return op + op->words;
}

// Whether `op` is a jump that is taken.
static bool jumps(const void *arena, const hog_op_t *op) {
    const hog_jump_t *jump = (const void *)op;
    return op->code == HOG_JUMP && (jump->condition == HOG_NONE || ((const uint8_t *)arena)[jump->condition] == 0);
}

unsigned hog_step(const hog_t *h, void *arena, unsigned i) {
    const hog_op_t *op = h->op;
    for (unsigned n = i; n != 0; --n) {
        op += op->words;
    }
    if (jumps(arena, op)) {
        return ((const hog_jump_t *)(const void *)op)->target;
    }
    hog_run(h, arena, op);
    return i + 1;
}

bool hog_run_ops(const hog_t *h, void *arena, unsigned first, unsigned last) {
    const hog_op_t *op = h->op;
    uint32_t turns = 0;
    for (unsigned i = 0; i < last; ++i) {
        if (i < first) {
            op += op->words;
        } else if (jumps(arena, op)) {
            first = ((const hog_jump_t *)(const void *)op)->target;
            if (first > i) {
                op += op->words;
            } else if (turns++ != h->turns) {
                op = h->op;
                i = ~0u; // from the beginning: records can only be walked forward
            } else {
                return false;
            }
        } else {
            op = hog_run(h, arena, op);
        }
    }
    return true;
}

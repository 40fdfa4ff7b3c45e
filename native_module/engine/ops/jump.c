// SPDX-License-Identifier: MIT
//
// JUMP: to another operator. The run loop does it, see run.c.
#include "check.h"

hog_error_t hog_check_jump(hog_t *h, const void *record) {
    const hog_jump_t *op = record;
    if (op->condition != HOG_NONE && !hog_in_arena(h, op->condition, 1, 1)) {
        return E_INPUT;
    }
    bool back = op->target <= h->index;
    return op->target > h->ops || (back && op->target < h->initial) ? E_TARGET : E_OK;
}

void hog_jump(const hog_t *h, void *arena, const void *record) {
    (void)h;
    (void)arena;
    (void)record;
}

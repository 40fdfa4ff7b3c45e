// SPDX-License-Identifier: MIT
//
// Walks a loop nest.
#include "ops.h"

bool hog_walk(hog_walk_t *walk, const hog_loop_t *loop, unsigned loops) {
    // Offsets wrap on the way, but the check knows all places where they rest.
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

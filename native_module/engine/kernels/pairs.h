// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// int8 convolutions with two products a multiplication, for processors that have no better instruction: see pairs.c.
#ifndef HOGNOSE_PAIRS_H
#define HOGNOSE_PAIRS_H

#include "kernels.h"

// The outputs of one pixel, two channels at a time. Armv6-M's assembly knows the order of the fields.
typedef struct {
    const uint32_t *x, *x_end;  // the patch: words of two values, a multiple of two
    const uint32_t *w, *w_end;  // for each pair of channels: their accumulators' start, the weights (four words for
                                // four values), then multiplier and right shift of either
    int8_t *out;
    int32_t zero_point, min, max;
    uint32_t limit;             // accumulators below this are scaled quickly
} hog_dots_t;

// Accumulators of hog_dots_any have this added, so that those within ± 2^20 are not negative.
#define HOG_ACC_OFFSET (1u << 20)

// Where min is the zero point, as for RELU, negative accumulators are done for.
void hog_dots_relu(const hog_dots_t *d);
void hog_dots_any(const hog_dots_t *d);

// Both return false, having done nothing, where the layer is not one for them.
bool hog_conv_pairs(const hog_t *h, void *arena, const hog_conv_t *op);
bool hog_depthwise_pairs(const hog_t *h, void *arena, const hog_conv_t *op);

#endif // HOGNOSE_PAIRS_H

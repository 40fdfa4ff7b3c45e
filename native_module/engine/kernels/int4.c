// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// CONV4, DEPTHWISE4: weights of 4 bits become int8, for the kernels that are there.
#include "kernels.h"

#if HOG_FULL

hog_conv_t hog_unpacked(const hog_conv4_t *op) {
    hog_conv_t conv = op->conv;
    conv.op.code = conv.op.code == HOG_CONV4 ? HOG_CONV : HOG_DEPTHWISE;
    conv.weights = op->unpacked;
    return conv;
}

static HOG_HOT void unpack(const uint8_t *from, int8_t *to, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        unsigned w = i & 1 ? *from++ >> 4 : *from & 15;
        *to++ = (int8_t)((int)(w ^ 8) - 8);
    }
}

void hog_conv4(const hog_t *h, void *arena, const hog_conv4_t *op) {
    hog_conv_t conv = hog_unpacked(op);
    size_t n = (size_t)conv.k_h * conv.k_w * (conv.in_c / conv.groups) * conv.out_c;
    unpack(hog_at(h, arena, op->conv.weights), hog_at(h, arena, conv.weights), n);
    (conv.op.code == HOG_CONV ? hog_conv : hog_depthwise)(h, arena, &conv);
}

#endif // HOG_FULL

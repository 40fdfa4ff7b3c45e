// SPDX-License-Identifier: MIT
//
// CONV4, DEPTHWISE4: weights of 4 bits become int8, for the kernels that are there.
#include "conv.h"

// The layer with weights that have been unpacked.
static hog_conv_t unpacked(const hog_conv4_t *op) {
    hog_conv_t conv = op->conv;
    bool tiled = conv.tile != 0;
    if (conv.op.code == HOG_CONV4) {
        conv.op.code = tiled ? HOG_CONV_TILED : HOG_CONV;
    } else {
        conv.op.code = tiled ? HOG_DEPTHWISE_TILED : HOG_DEPTHWISE;
    }
    conv.weights = op->unpacked;
    return conv;
}

// As int8 they are in the arena, so there are fewer than 2^31.
static uint32_t count_weights(const hog_conv_t *c) {
    return (uint32_t)c->k_h * c->k_w * (c->in_c / c->groups) * c->out_c;
}

hog_error_t hog_check_conv4(hog_t *h, const void *record) {
    const hog_conv4_t *op = record;
    hog_conv_t c = unpacked(op);
    hog_error_t error = hog_check_unpacked(h, &c);
    if (error) {
        return error;
    }
    return hog_in_data(h, op->conv.weights, (count_weights(&c) + 1) / 2, 1) ? E_OK : E_WEIGHTS;
}

static HOG_HOT void unpack(const uint8_t *from, int8_t *to, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        unsigned w = i & 1 ? *from++ >> 4 : *from & 15;
        *to++ = (int8_t)((int)(w ^ 8) - 8);
    }
}

void hog_conv4(const hog_t *h, void *arena, const void *record) {
    const hog_conv4_t *op = record;
    hog_conv_t c = unpacked(op);
    unpack(hog_at(h, arena, op->conv.weights), hog_at(h, arena, c.weights), count_weights(&c));
    if (op->conv.op.code == HOG_CONV4) {
        (c.tile ? hog_conv_tiled : hog_conv_int8)(h, arena, &c);
    } else {
        (c.tile ? hog_depthwise_tiled : hog_depthwise_int8)(h, arena, &c);
    }
}

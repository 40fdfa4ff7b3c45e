// SPDX-License-Identifier: MIT
//
// What the kinds of convolutions share.
#ifndef HOGNOSE_CONV_H
#define HOGNOSE_CONV_H

#include "check.h"

// Checks shape, kernel and groups, and adds the layer's work: to `in` and `out` its tensors, to `weights` how many there are.
// `size`: bytes of an element of input and output.
hog_error_t hog_check_geometry(hog_t *h, const hog_conv_t *c, uint32_t size, hog_extent_t *in, hog_extent_t *out,
    uint32_t *weights);

// Whether weights, not of CONV4, lie in DATA or, if they may be `computed` by the model, in the arena apart from the output.
bool hog_has_weights(const hog_t *h, const hog_conv_t *c, uint32_t size, uint32_t align, bool computed,
    const hog_extent_t *out);

// Checks all but the weights of CONV4.
hog_error_t hog_check_unpacked(hog_t *h, const hog_conv_t *c);

// Copies runs of n bytes, which lie `to_step` and `from_step` bytes apart.
void hog_copy_runs(int8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t n, size_t runs);

// im2col: copies the window whose first tap is at (y, x) out of one image, `depth` channels from `in` on; what lies outside the
// image is the zero point.
void hog_im2col(const hog_conv_t *op, const int8_t *in, int32_t y, int32_t x, uint32_t depth, int8_t *patch);

#endif // HOGNOSE_CONV_H

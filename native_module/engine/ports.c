// SPDX-License-Identifier: MIT
//
// Numbers of a caller to elements of an input, and elements of an output to float32: a function of each for a family of types.
#include "ops/ops.h"
#include "state.h"
#include "table.h"

// Number `i` as float32.
static float number(const hog_numbers_t *n, size_t i) {
    bool is_signed = n->kind == 'i';
    if (n->kind == 'f') {
        #if UINTPTR_MAX > UINT32_MAX
        if (n->size == 8) {
            return (float)((const double *)n->items)[i];
        }
        #endif
        return ((const float *)n->items)[i];
    }
    switch (n->size) {
        case 1:
            return (float)(is_signed ? ((const int8_t *)n->items)[i] : ((const uint8_t *)n->items)[i]);
        case 2:
            return (float)(is_signed ? ((const int16_t *)n->items)[i] : ((const uint16_t *)n->items)[i]);
        #if UINTPTR_MAX > UINT32_MAX
        case 8:
            return is_signed ? (float)((const int64_t *)n->items)[i] : (float)((const uint64_t *)n->items)[i];
        #endif
        default:
            return is_signed ? (float)((const int32_t *)n->items)[i] : (float)((const uint32_t *)n->items)[i];
    }
}

size_t hog_find_nan(const hog_numbers_t *numbers) {
    for (size_t i = 0; i < numbers->count && numbers->kind == 'f'; ++i) {
        float x = number(numbers, i);
        if (x != x) {
            return i;
        }
    }
    return numbers->count;
}

// A tensor that is not quantized holds the numbers themselves.
static float scale_of(const hog_io_t *io) {
    return io->scale > 0 ? io->scale : 1.0f;
}

void hog_write_int8(const hog_io_t *io, void *bytes, const hog_numbers_t *numbers) {
    float scale = scale_of(io);
    for (size_t i = 0; i < numbers->count; ++i) {
        float x = hog_clamp_float(number(numbers, i) / scale, -1000.0f, 1000.0f);
        ((int8_t *)bytes)[i] = hog_saturate_int8(hog_round(x) + io->zero_point);
    }
}

void hog_read_int8(const hog_io_t *io, const void *bytes, float *floats, size_t count) {
    hog_dequantize_int8(floats, bytes, count, scale_of(io), io->zero_point);
}

void hog_write_float32(const hog_io_t *io, void *bytes, const hog_numbers_t *numbers) {
    (void)io;
    for (size_t i = 0; i < numbers->count; ++i) {
        ((float *)bytes)[i] = number(numbers, i);
    }
}

void hog_read_float32(const hog_io_t *io, const void *bytes, float *floats, size_t count) {
    (void)io;
    memmove(floats, bytes, count * sizeof(float));
}

void hog_write_integers(const hog_io_t *io, void *bytes, const hog_numbers_t *numbers) {
    float scale = scale_of(io);
    int32_t zero = io->zero_point;
    uint8_t *p = bytes;
    for (size_t i = 0; i < numbers->count; ++i, p += hog_size(io->type)) {
        int32_t n = hog_round(hog_clamp_float(number(numbers, i) / scale, -2147483648.0f, 2147483520.0f));
        n = zero < 0 ? hog_max(n, INT32_MIN - zero) : hog_min(n, INT32_MAX - zero);
        hog_put(p, io->type, hog_saturate(io->type, n + zero));
    }
}

void hog_read_integers(const hog_io_t *io, const void *bytes, float *floats, size_t count) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count; ++i, p += hog_size(io->type)) {
        floats[i] = scale_of(io) * ((float)hog_get(p, io->type) - (float)io->zero_point);
    }
}

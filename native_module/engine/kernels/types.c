// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// Elements of any type as int32 and back.
#include "kernels.h"

#if HOG_FULL

int32_t hog_get(const void *p, uint8_t type) {
    switch (type) {
        case HOG_INT8:
            return *(const int8_t *)p;
        case HOG_UINT8:
        case HOG_BOOL:
            return *(const uint8_t *)p;
        case HOG_INT16:
            return *(const int16_t *)p;
        default: // of an int64 the lower half
            return *(const int32_t *)p;
    }
}

void hog_put(void *p, uint8_t type, int32_t x) {
    switch (hog_size(type)) {
        case 1:
            *(uint8_t *)p = (uint8_t)x;
            break;
        case 2:
            *(uint16_t *)p = (uint16_t)x;
            break;
        case 8:
            ((int32_t *)p)[1] = x < 0 ? -1 : 0;
        // fall through
        default:
            *(int32_t *)p = x;
            break;
    }
}

int32_t hog_saturate(uint8_t type, int32_t x) {
    switch (type) {
        case HOG_INT8:
            return hog_saturate_int8(x);
        case HOG_INT16:
            return hog_min(hog_max(x, INT16_MIN), INT16_MAX);
        case HOG_UINT8:
            return hog_min(hog_max(x, 0), UINT8_MAX);
        case HOG_BOOL:
            return x != 0;
        default:
            return x;
    }
}

#endif // HOG_FULL

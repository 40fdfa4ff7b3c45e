// SPDX-License-Identifier: MIT
//
// What the checks of records have in common, see check.h.
#include "check.h"

__attribute__((noinline)) uint32_t hog_times(uint32_t a, uint32_t b) {
    uint64_t product = (uint64_t)a * b;
    return product > UINT32_MAX ? UINT32_MAX : (uint32_t)product;
}

void hog_add_work(hog_t *h, uint32_t steps) {
    h->work = h->work > UINT32_MAX - steps ? UINT32_MAX : h->work + steps;
}

bool hog_fits(uint32_t limit, uint32_t at, uint32_t size, uint32_t align) {
    return at <= limit && size <= limit - at && (at & (align - 1)) == 0;
}

bool hog_in_arena(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return hog_fits(h->arena_size, ref, size, align); // a ref into DATA is beyond every arena
}

bool hog_in_data(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return hog_fits(h->data_size, ref ^ HOG_IN_DATA, size, align);
}

bool hog_in_either(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return ref & HOG_IN_DATA ? hog_in_data(h, ref, size, align) : hog_in_arena(h, ref, size, align);
}

bool hog_overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
    return a < b + b_size && b < a + a_size;
}

bool hog_is_multiplier(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && -31 <= shift && shift <= 30;
}

hog_error_t hog_check_scales(const hog_t *h, uint32_t params, uint32_t bias, uint32_t scales, uint32_t extra,
    int32_t most_left) {
    uint32_t words = bias + scales; // each less than the arena or 2^16
    if (words >= HOG_LIMIT / 4 || !hog_in_data(h, params, words * 4 + scales + extra, 4)) {
        return E_PARAMS;
    }
    const int32_t *multiplier = (const int32_t *)hog_at(h, NULL, params) + bias;
    const int8_t *shift = (const int8_t *)(multiplier + scales);
    for (; scales != 0; --scales, ++multiplier, ++shift) {
        // Of a multiplier of 0 nobody heeds the shift, but for sums of 64 bits.
        if (!hog_is_multiplier(*multiplier, *shift) || (*shift > most_left && (*multiplier != 0 || most_left > 0))) {
            return E_MULTIPLIER;
        }
    }
    return E_OK;
}

hog_error_t hog_check_clamp(uint8_t type, const hog_clamp_t *c) {
    if (type == HOG_FLOAT32) {
        return c->f.min <= c->f.max ? E_OK : E_CLAMP;
    }
    if (type == HOG_INT16) {
        return c->i.min <= c->i.max ? E_OK : E_CLAMP;
    }
    if (type != HOG_INT8) {
        return c->w.min <= c->w.max ? E_OK : E_CLAMP;
    }
    if (!hog_is_int8(c->i.in_zp) || !hog_is_int8(c->i.out_zp)) {
        return E_ZERO_POINT;
    }
    return hog_is_int8(c->i.min) && hog_is_int8(c->i.max) && c->i.min <= c->i.max ? E_OK : E_CLAMP;
}

hog_error_t hog_check_tensors(const hog_t *h, const hog_extent_t *in, const hog_extent_t *out, bool in_place) {
    if (!hog_in_arena(h, in->ref, in->size, in->align)) {
        return E_INPUT;
    }
    if (!hog_in_arena(h, out->ref, out->size, out->align)) {
        return E_OUTPUT;
    }
    bool same = in_place && in->ref == out->ref;
    return !same && hog_overlap(in->ref, in->size, out->ref, out->size) ? E_OVERLAP : E_OK;
}

hog_error_t hog_check_elements(hog_t *h, uint32_t in, uint32_t out, uint32_t count, uint32_t in_size, uint32_t out_size) {
    if (count == 0) {
        return E_ZERO;
    }
    hog_add_work(h, count);
    hog_extent_t from = {in, hog_times(count, in_size), in_size}, to = {out, hog_times(count, out_size), out_size};
    return hog_check_tensors(h, &from, &to, true);
}

hog_error_t hog_check_apart(const hog_t *h, const hog_extent_t *t, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
        if (t[i].size == 0) {
            return E_ZERO;
        }
        if (!hog_in_arena(h, t[i].ref, t[i].size, t[i].align)) {
            return i == 0 ? E_INPUT : i == 1 ? E_OUTPUT : E_STATE;
        }
        for (unsigned j = 0; j < i; ++j) {
            if (hog_overlap(t[i].ref, t[i].size, t[j].ref, t[j].size)) {
                return E_OVERLAP;
            }
        }
    }
    return E_OK;
}

bool hog_has_zero(const void *record, size_t offset, unsigned n) {
    const uint16_t *field = (const void *)((const uint8_t *)record + offset);
    while (n-- != 0) {
        if (*field++ == 0) {
            return true;
        }
    }
    return false;
}

hog_extent_t hog_image(uint32_t ref, uint32_t batch, uint32_t h, uint32_t w, uint32_t channels, uint32_t size) {
    hog_extent_t t = {ref, hog_times(hog_times(batch * size, channels), h * w), size};
    return t;
}

bool hog_window_fits(uint32_t out, uint32_t stride, uint32_t taps, uint32_t dilation) {
    return (uint64_t)(out - 1) * stride + (uint64_t)(taps - 1) * dilation < HOG_LIMIT;
}

uint32_t hog_places(const hog_loop_t *loop, unsigned loops) {
    uint32_t n = 1;
    for (; loops != 0; --loops, ++loop) {
        if (loop->n == 0) {
            return 0;
        }
        n = hog_times(n, loop->n);
    }
    return n;
}

bool hog_find_extent(const hog_t *h, uint32_t ref, const hog_loop_t *loop, unsigned loops, bool second, uint32_t unit,
    uint32_t run, hog_extent_t *extent) {
    int64_t low = 0, high = 0;
    for (; loops != 0; --loops, ++loop) {
        int64_t reach = (int64_t)(loop->n - 1) * (second ? loop->b : loop->a);
        if (reach >= (int64_t)HOG_LIMIT || reach <= -(int64_t)HOG_LIMIT) {
            return false;
        }
        if (reach < 0) {
            low += reach;
        } else {
            high += reach;
        }
    }
    // The sums are below 2^35, so these are too.
    uint32_t area = ref & HOG_IN_DATA;
    int64_t at = ref ^ area;
    low = at + low * unit;
    high = at + high * unit + run;
    if (low < 0 || high > (area ? h->data_size : h->arena_size) || (ref & (hog_alignment(unit) - 1)) != 0) {
        return false;
    }
    extent->ref = (uint32_t)low | area;
    extent->size = (uint32_t)(high - low);
    return true;
}

hog_error_t hog_check_function(uint8_t function, uint8_t type, const uint8_t *types, size_t functions) {
    return function >= functions || !(types[function] & hog_type_bit(type)) ? E_FUNCTION : E_OK;
}

// SPDX-License-Identifier: MIT
//
// Custom operators have their options in a FlexBuffer, which TFLM reads without looking where it ends: a map
// or vector of numbers. Here it is checked, and with it the shapes of those operators that are known.

#include "tflite.h"

#include <string.h>

enum { FLOAT32 = 0, BOOL = 6, INT8 = 9 };

// The types of a FlexBuffer's values that matter here; numbers lie in the vector itself.
enum { FLEX_NULL = 0, FLEX_INT = 1, FLEX_UINT = 2, FLEX_FLOAT = 3, FLEX_MAP = 9, FLEX_VECTOR = 10, FLEX_BOOL = 26 };

typedef struct {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t at, count, width;  // of the values
    uint32_t keys, keys_width;  // of a map; its keys are in order
} flex_t;

static uint64_t flex_read(const flex_t *f, uint32_t at, uint32_t width) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; ++i) {
        value |= (uint64_t)f->bytes[at + i] << 8 * i;
    }
    return value;
}

// Follows an offset, which counts backwards.
static bool flex_follow(const flex_t *f, uint32_t at, uint32_t width, uint32_t *target) {
    uint64_t offset = flex_read(f, at, width);
    *target = at - (uint32_t)offset;
    return offset <= at;
}

static bool is_width(uint64_t width) {
    return width == 1 || width == 2 || width == 4 || width == 8;
}

static const char *flex_key(const flex_t *f, uint32_t i) {
    uint32_t key;
    bool inside = flex_follow(f, f->keys + i * f->keys_width, f->keys_width, &key);
    return inside && memchr(f->bytes + key, 0, f->size - key) ? (const char *)f->bytes + key : NULL;
}

// TFLM searches for keys by halves: they must be in order.
static bool flex_open_keys(flex_t *f) {
    uint32_t head = 3 * f->width; // offset of the keys, their width, number of values
    if (f->at < head || !flex_follow(f, f->at - head, f->width, &f->keys)) {
        return false;
    }
    uint64_t width = flex_read(f, f->at - 2 * f->width, f->width);
    f->keys_width = (uint32_t)width;
    if (!is_width(width) || f->keys < width || flex_read(f, f->keys - f->keys_width, f->keys_width) != f->count
        || f->count > (f->size - f->keys) / width) {
        return false;
    }
    for (uint32_t i = 0; i < f->count; ++i) {
        const char *key = flex_key(f, i);
        if (key == NULL || (i && strcmp(flex_key(f, i - 1), key) >= 0)) {
            return false;
        }
    }
    return true;
}

// A map or vector of nothing but numbers.
static bool flex_open(flex_t *f, const uint8_t *bytes, uint32_t size) {
    f->bytes = bytes;
    f->size = size;
    f->keys = 0;
    uint32_t root_width = size < 3 ? 0 : bytes[size - 1];
    if (!is_width(root_width) || size < 2 + root_width) {
        return false;
    }
    uint8_t type = bytes[size - 2];
    f->width = 1u << (type & 3);
    if ((type >> 2 != FLEX_MAP && type >> 2 != FLEX_VECTOR)
        || !flex_follow(f, size - 2 - root_width, root_width, &f->at) || f->at < f->width) {
        return false;
    }
    uint64_t count = flex_read(f, f->at - f->width, f->width);
    if (count > (size - f->at) / (f->width + 1)) {
        return false;
    }
    f->count = (uint32_t)count;
    for (uint32_t i = 0; i < f->count; ++i) {
        uint8_t kind = bytes[f->at + f->count * f->width + i] >> 2;
        if (kind > FLEX_FLOAT && kind != FLEX_BOOL) {
            return false;
        }
    }
    return type >> 2 == FLEX_VECTOR || flex_open_keys(f);
}

// An integer of a map, or `otherwise`; what is no positive integer of at most 24 bits is -1.
static int32_t flex_integer(const flex_t *f, const char *key, int32_t otherwise) {
    for (uint32_t i = 0; i < f->count; ++i) {
        if (strcmp(flex_key(f, i), key) == 0) {
            uint8_t kind = f->bytes[f->at + f->count * f->width + i] >> 2;
            uint64_t value = flex_read(f, f->at + i * f->width, f->width);
            bool negative = kind == FLEX_INT && value >> (8 * f->width - 1);
            return kind == FLEX_NULL ? otherwise : kind == FLEX_FLOAT || negative || value >> 24 ? -1 : (int32_t)value;
        }
    }
    return otherwise;
}

static bool has_shape(const tflite_tensor_t *t, int type, unsigned rank) {
    return t->type == type && t->rank == rank;
}

static uint32_t dim(const tflite_tensor_t *t, unsigned i) {
    return (uint32_t)tflite_dim(t, i);
}

// Boxes (1, boxes, 4 or more), scores (1, boxes, classes, maybe one more), anchors (boxes, 4). TFLM's scratch buffers
// and outputs must hold what its two ways of choosing write, which for several classes a box is more than they say.
static bool detection(tflite_t *m, const tflite_operator_t *op, const flex_t *f) {
    tflite_tensor_t in[3], out[4];
    for (unsigned i = 0; i < 3; ++i) {
        if (!tflite_operand(m, op, false, i, &in[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < 4; ++i) {
        if (!tflite_operand(m, op, true, i, &out[i]) || out[i].type != FLOAT32) {
            return false;
        }
    }
    if (!has_shape(&in[0], FLOAT32, 3) || !has_shape(&in[1], FLOAT32, 3) || !has_shape(&in[2], FLOAT32, 2)) {
        return false;
    }
    uint32_t boxes = dim(&in[0], 1), columns = dim(&in[1], 2);
    int32_t most = flex_integer(f, "max_detections", 0), classes = flex_integer(f, "num_classes", 0);
    int32_t each = flex_integer(f, "max_classes_per_detection", 0), regular = flex_integer(f, "use_regular_nms", 0);
    if (boxes < 1 || boxes > 1 << 12 || most < 1 || most > 1 << 12 || classes < 1 || classes > 1 << 12 || each < 1
        || columns < (uint32_t)classes || columns > (uint32_t)classes + 1 || dim(&in[0], 0) != 1 || dim(&in[0], 2) < 4
        || dim(&in[1], 0) != 1 || dim(&in[1], 1) != boxes || dim(&in[2], 0) != boxes || dim(&in[2], 1) != 4
        || regular < 0 || (regular && (boxes < 2 || most < 2))) {
        return false;
    }
    uint64_t shown = (uint32_t)most < boxes ? (uint32_t)most : boxes;
    uint64_t a_box = (uint32_t)(each < classes ? each : classes);
    uint64_t n = regular ? (uint32_t)most : shown * a_box * a_box;
    return out[0].count >= 4 * n && out[1].count >= n && out[2].count >= n && out[3].count >= 1;
}

// Input (1, 1, width, depth), output (1, slots, width, depth).
static bool circular_buffer(tflite_t *m, const tflite_operator_t *op, const flex_t *f) {
    tflite_tensor_t in, out, valid;
    return (f->size == 0 || f->count) && tflite_operand(m, op, false, 0, &in) && tflite_operand(m, op, true, 0, &out)
        && has_shape(&in, INT8, 4) && has_shape(&out, INT8, 4) && dim(&in, 0) == 1 && dim(&out, 0) == 1
        && dim(&in, 1) == 1 && dim(&out, 1) >= 1 && dim(&in, 2) == dim(&out, 2) && dim(&in, 3) == dim(&out, 3)
        && (op->outputs == 1 || (tflite_operand(m, op, true, 1, &valid) && valid.type == BOOL && valid.count == 1));
}

bool tflite_custom_fits(tflite_t *m, const tflite_operator_t *op, const char *name, const uint8_t *options, uint32_t size) {
    flex_t f = {0};
    if (strcmp(name, "ethos-u") == 0 || strcmp(name, "TFLM_DECODE") == 0) {
        return true; // what they read is not a FlexBuffer
    }
    if (size && !flex_open(&f, options, size)) {
        return false;
    }
    if (strcmp(name, "TFLite_Detection_PostProcess") == 0) {
        return f.keys && detection(m, op, &f);
    }
    return strcmp(name, "CIRCULAR_BUFFER") != 0 || circular_buffer(m, op, &f);
}

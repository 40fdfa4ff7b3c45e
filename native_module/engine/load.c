// SPDX-License-Identifier: MIT
//
// Loads, that is validates, a `.hog` file. Files may be hostile, see check.h.
#include "check.h"

#define HEADER_SIZE (32)
#define ENTRY_SIZE (12)         // of the section table
#define PLAN_SIZE (8)           // of the counts that a plan begins with
#define MAX_SECTIONS (16)
#define MAX_IO (64)

// Four letters in the file, as a little-endian number.
#define TAG(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

typedef struct {
    uint32_t magic;
    uint16_t version, sections;
    uint32_t length, crc, arena_size, features, work, turns;
} header_t;

typedef struct {
    uint32_t tag, offset, length;
} section_t;

// One long text and a walk along it take less room than an array of pointers and code to fetch them.
const char *hog_words(hog_error_t error) {
    #define WORDS(name, words) words "\0"
    static const char all[] = HOG_ERRORS(WORDS);
    const char *p = all;
    for (unsigned i = error; i != 0; --i) {
        while (*p++) {
        }
    }
    return error ? p : NULL;
}

const hog_operator_t *hog_find_operator(uint8_t code, uint8_t type) {
    unsigned bit = hog_type_bit(type);
    const hog_operator_t *o = hog_operators;
    for (unsigned n = o->code; n != 0; --n) {
        if ((++o)->code == code && (o->types & bit)) {
            return o;
        }
    }
    return NULL;
}

const hog_port_t *hog_find_port(uint8_t type) {
    unsigned bit = hog_type_bit(type);
    const hog_port_t *p = hog_ports;
    for (unsigned n = p->types; n != 0; --n) {
        if ((++p)->types & bit) {
            return p;
        }
    }
    return NULL;
}

// An operator's record, of which `left` bytes are in the file.
static hog_error_t check_op(hog_t *h, const hog_op_t *op, uint32_t left) {
    if (hog_type_bit(op->type) == 0) {
        return E_TYPE;
    }
    const hog_operator_t *o = hog_find_operator(op->code, op->type);
    if (!o) {
        return E_ABSENT;
    }
    uint32_t size = op->words * 4u, least = o->words * 4u;
    if (size > left || size < least || (size != least && !o->nest) || (size - least) % sizeof(hog_loop_t) != 0) {
        return E_RECORD;
    }
    if (hog_loops(op, least) > HOG_MAX_LOOPS) {
        return E_LOOPS;
    }
    hog_add_work(h, 1);
    return o->check(h, op);
}

static hog_error_t check_io(const hog_t *h, const hog_io_t *io) {
    if (hog_type_bit(io->type) == 0) {
        return E_TYPE;
    }
    if (!hog_find_port(io->type)) {
        return E_IO_ABSENT;
    }
    if (io->reserved != 0) {
        return E_RESERVED;
    }
    uint32_t size = hog_size(io->type);
    uint32_t bytes = size;
    for (unsigned i = 0; i < io->rank; ++i) {
        if (io->dim[i] == 0) {
            return E_ZERO;
        }
        bytes = hog_times(bytes, io->dim[i]);
    }
    if (!hog_in_arena(h, io->ref, bytes, hog_alignment(size))) {
        return E_IO;
    }
    int32_t zp = io->zero_point;
    bool zero_point_fits = hog_is_int8(zp) || (io->type == HOG_INT16 && hog_is_int16(zp))
                           || (io->type == HOG_UINT8 && 0 <= zp && zp <= UINT8_MAX);
    return 0 <= io->scale && io->scale <= FLT_MAX && zero_point_fits ? E_OK : E_IO_SCALE;
}

// zlib's, by nibbles: a table of 64 bytes.
static uint32_t crc32(const uint8_t *p, size_t n) {
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = ~0u;
    while (n-- != 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static hog_error_t check_header(hog_t *h, const header_t *header, size_t length) {
    // An older file's header is shorter.
    if (length < offsetof(header_t, length) || header->magic != TAG('H', 'O', 'G', 'N')) {
        return E_MAGIC;
    }
    if (header->version != HOG_VERSION) {
        return E_VERSION;
    }
    if (length < HEADER_SIZE || length >= HOG_LIMIT || header->length != length) {
        return E_LENGTH;
    }
    if (crc32((const uint8_t *)header + 16, length - 16) != header->crc) {
        return E_CHECKSUM;
    }
    if (header->sections > MAX_SECTIONS || length < HEADER_SIZE + header->sections * (size_t)ENTRY_SIZE) {
        return E_SECTIONS;
    }
    if (header->features != 0) {
        return E_FEATURES;
    }
    if ((uint64_t)header->work * ((uint64_t)header->turns + 1) > HOG_MAX_WORK) {
        return E_TOO_MUCH_WORK;
    }
    h->arena_size = header->arena_size;
    h->turns = header->turns;
    return header->arena_size < HOG_LIMIT ? E_OK : E_ARENA;
}

// Finds META, PLAN, DATA in the section table.
static hog_error_t check_sections(const header_t *header, const section_t *found[3]) {
    static const uint32_t tags[3] = {TAG('M', 'E', 'T', 'A'), TAG('P', 'L', 'A', 'N'), TAG('D', 'A', 'T', 'A')};
    const section_t *table = (const section_t *)(header + 1);
    for (unsigned i = 0; i < header->sections; ++i) {
        const section_t *s = &table[i];
        unsigned kind = 0;
        while (kind < 3 && s->tag != tags[kind]) {
            ++kind;
        }
        if (kind == 3 || found[kind] || s->offset < HEADER_SIZE + header->sections * (uint32_t)ENTRY_SIZE
            || !hog_fits(header->length, s->offset, s->length, kind == 2 ? 16 : 4)) {
            return E_SECTION;
        }
        found[kind] = s;
        for (unsigned j = 0; j < i; ++j) {
            if (hog_overlap(s->offset, s->length, table[j].offset, table[j].length)) {
                return E_SECTION_OVERLAP;
            }
        }
    }
    return found[0] && found[1] && found[2] ? E_OK : E_SECTION_MISSING;
}

// Inputs, outputs and operators.
static hog_error_t check_plan(hog_t *h, uint32_t size, unsigned *where) {
    uint32_t at = PLAN_SIZE;
    if (size < at) {
        return E_PLAN;
    }
    const uint16_t *counts = (const uint16_t *)(const void *)h->plan;
    h->inputs = counts[0];
    h->outputs = counts[1];
    h->ops = counts[2];
    h->initial = counts[3];
    if (h->initial > h->ops) {
        return E_PLAN;
    }
    if (h->inputs - 1u >= MAX_IO || h->outputs - 1u >= MAX_IO) {
        return E_IO_COUNT;
    }
    for (unsigned i = h->inputs + h->outputs; i != 0; --i) {
        const hog_io_t *io = (const hog_io_t *)(const void *)(h->plan + at);
        if (size - at < sizeof(*io) || size - at < sizeof(*io) + 4u * io->rank) {
            return E_PLAN;
        }
        hog_error_t error = check_io(h, io);
        if (error) {
            return error;
        }
        at += (uint32_t)sizeof(*io) + 4u * io->rank;
    }
    h->op = (const hog_op_t *)(const void *)(h->plan + at);
    h->work = 0;
    for (h->index = 0; h->index < h->ops; ++h->index) {
        const hog_op_t *op = (const hog_op_t *)(const void *)(h->plan + at);
        if (size - at < sizeof(*op)) {
            return E_PLAN;
        }
        hog_error_t error = check_op(h, op, size - at);
        if (error) {
            *where = h->index;
            return error;
        }
        if (h->index < h->initial && h->work > HOG_MAX_RESET_WORK) {
            return E_RESET_WORK;
        }
        at += op->words * 4u;
    }
    return at == size ? E_OK : E_PLAN_END;
}

static hog_error_t check_file(hog_t *h, const void *file, size_t length, unsigned *where) {
    const header_t *header = file;
    const section_t *found[3] = {NULL, NULL, NULL};
    if ((uintptr_t)file % 4 != 0) {
        return E_ADDRESS;
    }
    hog_error_t error = check_header(h, header, length);
    if (!error) {
        error = check_sections(header, found);
    }
    if (error) {
        return error;
    }
    h->plan = (const uint8_t *)file + found[1]->offset;
    h->data = (const uint8_t *)file + found[2]->offset;
    h->data_size = found[2]->length;
    error = check_plan(h, found[1]->length, where);
    if (error) {
        return error;
    }
    // Where the sum is saturated nobody knows how much it is.
    return h->work == UINT32_MAX ? E_TOO_MUCH_WORK : h->work > header->work ? E_WORK : E_OK;
}

hog_error_t hog_load(hog_t *h, const void *file, size_t length, unsigned *where) {
    *where = ~0u;
    return check_file(h, file, length, where);
}

const hog_io_t *hog_io(const hog_t *h, unsigned i) {
    const uint8_t *p = h->plan + PLAN_SIZE;
    while (i-- != 0) {
        p += sizeof(hog_io_t) + 4u * ((const hog_io_t *)(const void *)p)->rank;
    }
    return (const hog_io_t *)(const void *)p;
}

// SPDX-License-Identifier: MIT
//
// See state.h.
#include "ops/ops.h"
#include "state.h"
#include "table.h"

// Writes `format` to the call's text: $ stands for `words`, the first # for a, the second for b.
static const char *say(hog_call_t *call, const char *format, const char *words, long a, long b) {
    char *p = call->text, *end = call->text + sizeof(call->text) - 1;
    for (; *format && p < end; ++format) {
        if (*format == '$') {
            while (*words && p < end) {
                *p++ = *words++;
            }
        } else if (*format == '#') {
            char digits[24];
            unsigned n = 0;
            unsigned long rest = a < 0 ? 0ul - (unsigned long)a : (unsigned long)a;
            do {
                digits[n++] = (char)('0' + rest % 10);
                rest /= 10;
            } while (rest != 0);
            if (a < 0) {
                digits[n++] = '-';
            }
            while (n != 0 && p < end) {
                *p++ = digits[--n];
            }
            a = b;
        } else {
            *p++ = *format;
        }
    }
    *p = 0;
    return call->text;
}

// A sum over the state's words: whoever hands over other bytes is found out.
static uint32_t check_of(const hog_state_t *state) {
    const uint32_t *word = &state->length;
    uint32_t sum = 0x676f68; // "hog"
    for (unsigned i = 0; i < (sizeof(*state) - offsetof(hog_state_t, length)) / 4; ++i) {
        sum = sum * 31 + word[i];
    }
    return sum;
}

static const char *check_aligned(hog_call_t *call, const char *what, const void *p, uint32_t size) {
    return (uintptr_t)p & (size - 1) ? say(call, "the $ not aligned in memory", what, 0, 0) : NULL;
}

static const char *check_state(hog_call_t *call, const void *state, size_t size) {
    if (size < sizeof(hog_state_t)) {
        return say(call, "the state has # bytes, it needs #", NULL, (long)size, (long)sizeof(hog_state_t));
    }
    return check_aligned(call, "state is", state, sizeof(void *));
}

// What hog_load() found wrong. A native module lies in a board's RAM, so there it is a number, and the library has the
// words (device_lib/hognose/errors.py).
static const char *say_wrong(hog_call_t *call, hog_error_t error, unsigned where) {
    #if defined(HOG_LINKED)
    return where == ~0u ? say(call, "error #", NULL, error, 0) : say(call, "operator #: error #", NULL, (long)where, error);
    #else
    const char *words = hog_words(error);
    return where == ~0u ? words : say(call, "operator #: $", words, (long)where, 0);
    #endif
}

const char *hog_open_file(hog_call_t *call, void *state, size_t state_size, const void *file, size_t length) {
    const char *error = check_state(call, state, state_size);
    if (error) {
        return error;
    }
    unsigned where;
    hog_state_t *s = state;
    memset(s, 0, sizeof(*s));
    hog_error_t wrong = hog_load(&s->hog, file, length, &where);
    if (wrong) {
        return say_wrong(call, wrong, where);
    }
    s->file = file;
    s->length = (uint32_t)length;
    s->check = check_of(s);
    return NULL;
}

static bool apart(const void *a, size_t a_size, const void *b, size_t b_size) {
    return (uintptr_t)a + a_size <= (uintptr_t)b || (uintptr_t)b + b_size <= (uintptr_t)a;
}

const char *hog_open(hog_call_t *call, void *state, size_t state_size, void *arena, size_t arena_size) {
    hog_state_t *s = state;
    const char *error = check_state(call, state, state_size);
    if (error) {
        return error;
    }
    if (s->check != check_of(s)) {
        return "the state holds no loaded model";
    }
    uint32_t needed = s->hog.arena_size;
    if (arena_size < needed) {
        return say(call, "the arena has # bytes, the model needs #", NULL, (long)arena_size, (long)needed);
    }
    error = check_aligned(call, "arena is", arena, 4);
    if (error) {
        return error;
    }
    if (!apart(arena, needed, s, sizeof(*s)) || !apart(arena, needed, s->file, s->length)) {
        return "the arena overlaps the file or the state";
    }
    call->state = s;
    call->hog = &s->hog;
    call->arena = arena;
    return NULL;
}

// Two threads that run at the same time, without a lock of the interpreter's, need one instruction for this. (An RP2040 has
// none: its cores would have to come within some nanoseconds of each other.)
static uint32_t set(uint32_t *busy) {
    #if __GCC_ATOMIC_INT_LOCK_FREE == 2
    return __atomic_exchange_n(busy, 1, __ATOMIC_ACQUIRE);
    #else
    uint32_t was = *busy;
    *busy = 1;
    return was;
    #endif
}

const char *hog_enter(hog_call_t *call) {
    return set(&call->state->busy) ? "the model is at work: one Model a thread" : NULL;
}

void hog_leave(hog_call_t *call) {
    #if __GCC_ATOMIC_INT_LOCK_FREE == 2
    __atomic_store_n(&call->state->busy, 0, __ATOMIC_RELEASE);
    #else
    call->state->busy = 0;
    #endif
}

static size_t count_of(const hog_io_t *io) {
    size_t n = 1;
    for (unsigned i = 0; i < io->rank; ++i) {
        n *= io->dim[i];
    }
    return n;
}

static const char *side(bool output) {
    return output ? "output" : "input";
}

// `given` is not how many of `what` the input or output has.
static const char *wrong_size(hog_call_t *call, bool output, const char *what, size_t given, size_t n) {
    return say(call, output ? "room for # $, the output has #" : "# $ given, the input takes #", what, (long)given, (long)n);
}

static const char *find_io(hog_call_t *call, bool output, long i, const hog_io_t **io) {
    long n = output ? call->hog->outputs : call->hog->inputs;
    if (i < 0 || i >= n) {
        return say(call, "no $ #: the model has #", side(output), i, n);
    }
    *io = hog_io(call->hog, (unsigned)i + (output ? call->hog->inputs : 0u));
    return NULL;
}

char hog_kind(char typecode) {
    static const char codes[] = "fd" "bhilq" "BHILQ\1"; // 1: MicroPython's for a bytearray
    for (unsigned i = 0; codes[i]; ++i) {
        if (codes[i] == typecode) {
            return i < 2 ? 'f' : i < 7 ? 'i' : 'u';
        }
    }
    return 0;
}

// Whether these numbers can become float32: those of 8 bytes need a computer of 64 bits.
static bool is_known(const hog_numbers_t *n) {
    bool wide = n->size == 8 && UINTPTR_MAX > UINT32_MAX;
    if (n->kind == 'f') {
        return n->size == 4 || wide;
    }
    return n->kind && (n->size == 1 || n->size == 2 || n->size == 4 || wide);
}

const char *hog_write(hog_call_t *call, long i, const hog_numbers_t *numbers) {
    const hog_io_t *io = NULL;
    const char *error = find_io(call, false, i, &io);
    if (error) {
        return error;
    }
    size_t n = count_of(io);
    if (numbers->count != n) {
        return wrong_size(call, false, "numbers", numbers->count, n);
    }
    error = check_aligned(call, "numbers are", numbers->items, numbers->size);
    if (error) {
        return error;
    }
    if (!is_known(numbers)) {
        return "numbers of an unknown type: use an array of type f";
    }
    size_t nan = hog_find_nan(numbers);
    if (nan != n) {
        return say(call, "number # is NaN", NULL, (long)nan, 0);
    }
    hog_find_port(io->type)->write(io, (uint8_t *)call->arena + io->ref, numbers);
    return NULL;
}

const char *hog_read(hog_call_t *call, long i, void *floats, size_t count) {
    const hog_io_t *io = NULL;
    const char *error = find_io(call, true, i, &io);
    if (error) {
        return error;
    }
    size_t n = count_of(io);
    if (count != n) {
        return wrong_size(call, true, "floats", count, n);
    }
    error = check_aligned(call, "floats are", floats, 4);
    if (error) {
        return error;
    }
    hog_find_port(io->type)->read(io, (const uint8_t *)call->arena + io->ref, floats, n);
    return NULL;
}

const char *hog_check_count(hog_call_t *call, bool output, size_t given) {
    long n = output ? call->hog->outputs : call->hog->inputs;
    if ((size_t)n == given) {
        return NULL;
    }
    return say(call, "# $s given, the model has #", side(output), (long)given, n);
}

const char *hog_find(hog_call_t *call, bool output, long i, size_t size, void **bytes) {
    const hog_io_t *io = NULL;
    const char *error = find_io(call, output, i, &io);
    if (error) {
        return error;
    }
    size_t needed = count_of(io) * hog_size(io->type);
    if (size != needed) {
        return wrong_size(call, output, "bytes", size, needed);
    }
    *bytes = (uint8_t *)call->arena + io->ref;
    return NULL;
}

const char *hog_endless(hog_call_t *call) {
    return say(call, "a loop of the model does not end: stopped after # turns", NULL, (long)call->hog->turns, 0);
}

const char *hog_run_step(hog_call_t *call, long i, unsigned *next) {
    if (i < 0 || i >= call->hog->ops) {
        return say(call, "no operator #: the model has #", NULL, i, call->hog->ops);
    }
    *next = hog_step(call->hog, call->arena, (unsigned)i);
    return NULL;
}

const char *hog_run_range(hog_call_t *call, long first, long last) {
    const hog_t *h = call->hog;
    if (first < 0 || last < first || last > h->ops) {
        return say(call, "operators # to #: no such range in the model", NULL, first, last);
    }
    return hog_run_ops(h, call->arena, (unsigned)first, (unsigned)last) ? NULL : hog_endless(call);
}

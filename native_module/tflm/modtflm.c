// SPDX-License-Identifier: MIT
//
// `tflm`: TFLite Micro for MicroPython, a user C module.
//
//     i = tflm.Interpreter(model, arena=None)    model: bytes of a .tflite, used where they lie
//     i.inputs, i.outputs                        what is known of each: tuples with named fields
//     i.write(0, numbers); i.invoke(); i.read(0, floats)
//     i.invoke(raw_inputs, raw_outputs)
//     tflm.arena_size(model)                     bytes that an arena must have
//
// All memory is the garbage collector's and there is nothing to finalise: TFLM keeps everything in the
// arena and in the block behind `tflm`.
#include <string.h>

#include "py/binary.h"
#include "py/mphal.h"
#include "py/objstr.h"
#include "py/objtuple.h"
#include "py/runtime.h"

#include "shim.h"

typedef struct {
    mp_obj_base_t base;
    mp_obj_t model, arena;      // keep alive what TFLM points into; arena is None where it is our own
    void *own_arena;
    tflm_t *tflm;
    size_t arena_size, ram;
    tflite_t file;
} interpreter_t;

static const mp_obj_type_t interpreter_type;

// --- Opening -----------------------------------------------------------------------------------------------

static mp_buffer_info_t open_file(tflite_t *m, mp_obj_t model) {
    mp_buffer_info_t info;
    if (mp_obj_is_str(model)) {
        mp_raise_TypeError(MP_ERROR_TEXT("give the bytes of a .tflite; hognose.lite.Interpreter takes a path"));
    }
    mp_get_buffer_raise(model, &info, MP_BUFFER_READ);
    bool sound = (uintptr_t)info.buf % 4 == 0 && tflm_verify(info.buf, info.len);
    const char *error = tflite_check(m, info.buf, info.len);
    if (error == NULL && !sound) {
        error = "TFLM's verifier refuses the file";
    }
    if (error && m->where != ~0u) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("operator %u: %s"), m->where, error);
    }
    if (error) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s"), error);
    }
    return info;
}

static __attribute__((noreturn)) void raise_error(tflm_t *t, const mp_obj_type_t *type) {
    const char *text = tflm_error(t);
    mp_raise_msg_varg(type, MP_ERROR_TEXT("%s"), *text ? text : "TFLM failed without a word");
}

static void *allocate(size_t n, const char *what) {
    void *p = m_malloc_maybe(n);
    if (p == NULL) {
        mp_raise_msg_varg(&mp_type_MemoryError, MP_ERROR_TEXT("%s needs %u bytes in one piece"), what, (unsigned)n);
    }
    return p;
}

// The least arena and, in `work`, how much more may be needed for planning it.
static size_t measure(tflm_t *t, tflite_t *m, size_t *work) {
    *work = tflm_work_size(m);
    for (;;) {
        size_t need;
        void *p = allocate(*work, "planning the model");
        tflm_status_t status = tflm_measure(t, m, p, *work, &need);
        m_del(uint8_t, (uint8_t *)p, *work);
        if (status == TFLM_OK) {
            return need;
        }
        if (status == TFLM_ERROR) {
            raise_error(t, &mp_type_ValueError);
        }
        *work += MAX(*work / 2, tflm_missing(t)) + TFLM_ALIGN;
        *work -= *work % TFLM_ALIGN;
    }
}

// Opens the model in an arena of its own, found by trying: planning needs memory that running does not.
static void *open_fitting(tflm_t *t, tflite_t *m, size_t *size) {
    size_t work;
    *size = measure(t, m, &work);
    size_t limit = *size + work;
    for (;;) {
        void *p = allocate(*size, "the arena");
        tflm_status_t status = tflm_open(t, m, p, *size);
        if (status == TFLM_OK) {
            return p;
        }
        m_del(uint8_t, (uint8_t *)p, *size);
        if (status == TFLM_ERROR || *size > limit) {
            raise_error(t, &mp_type_ValueError);
        }
        *size += MAX(*size / 64, tflm_missing(t)) + TFLM_ALIGN;
        *size -= *size % TFLM_ALIGN;
    }
}

static size_t fitting_size(tflm_t *t, tflite_t *m) {
    size_t size;
    void *p = open_fitting(t, m, &size);
    m_del(uint8_t, (uint8_t *)p, size);
    return size;
}

static mp_obj_t interpreter_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    enum { ARG_model, ARG_arena };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_model, MP_ARG_OBJ | MP_ARG_REQUIRED, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_arena, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t values[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, args, MP_ARRAY_SIZE(allowed), allowed, values);
    interpreter_t *self = mp_obj_malloc(interpreter_t, type);
    self->model = values[ARG_model].u_obj;
    self->arena = values[ARG_arena].u_obj;
    self->own_arena = NULL;
    self->tflm = NULL;
    open_file(&self->file, self->model);
    size_t size = tflm_size(&self->file);
    tflm_t *t = allocate(size, "the interpreter");
    self->ram = sizeof(*self) + size;
    if (self->arena == mp_const_none) {
        self->own_arena = open_fitting(t, &self->file, &self->arena_size);
        self->ram += self->arena_size;
    } else {
        mp_buffer_info_t info;
        mp_get_buffer_raise(self->arena, &info, MP_BUFFER_RW);
        self->arena_size = info.len;
        tflm_status_t status = tflm_open(t, &self->file, info.buf, info.len);
        if (status == TFLM_ERROR) {
            raise_error(t, &mp_type_ValueError);
        }
        if (status == TFLM_NO_MEMORY) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the arena has %u bytes, the model needs %u"),
                (unsigned)info.len, (unsigned)fitting_size(t, &self->file));
        }
    }
    self->tflm = t;
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t arena_size(mp_obj_t model) {
    tflite_t m;
    open_file(&m, model);
    size_t size = tflm_size(&m);
    tflm_t *t = allocate(size, "the interpreter");
    size_t result = fitting_size(t, &m);
    m_del(uint8_t, (uint8_t *)t, size);
    return mp_obj_new_int_from_uint(result);
}
static MP_DEFINE_CONST_FUN_OBJ_1(arena_size_obj, arena_size);

// --- Tensors -----------------------------------------------------------------------------------------------

static interpreter_t *get_self(mp_obj_t object) {
    interpreter_t *self = MP_OBJ_TO_PTR(object);
    if (self->tflm == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the interpreter is closed"));
    }
    return self;
}

static size_t count_io(interpreter_t *self, bool output) {
    return output ? self->file.outputs.count : self->file.inputs.count;
}

// Input or output i: what is known of it, and where it lies.
static uint8_t *find(interpreter_t *self, bool output, mp_int_t i, tflite_tensor_t *tensor) {
    size_t n = count_io(self, output);
    if (i < 0 || (size_t)i >= n) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no %s %d: the model has %u"),
            output ? "output" : "input", (int)i, (unsigned)n);
    }
    tflite_tensor(&self->file, (uint32_t)tflite_io(&self->file, output, (uint32_t)i), tensor);
    return tflm_tensor(self->tflm, output, (size_t)i);
}

static void copy(interpreter_t *self, bool output, mp_int_t i, mp_obj_t object, bool out, bool dry) {
    tflite_tensor_t tensor;
    uint8_t *bytes = find(self, output, i, &tensor);
    mp_buffer_info_t info;
    mp_get_buffer_raise(object, &info, out ? MP_BUFFER_RW : MP_BUFFER_READ);
    if (info.len != tensor.nbytes) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s %d has %u bytes, %u given"),
            output ? "output" : "input", (int)i, (unsigned)tensor.nbytes, (unsigned)info.len);
    }
    if (!dry) {
        memmove(out ? info.buf : bytes, out ? bytes : info.buf, info.len);
    }
}

// A buffer, or a tuple or list of them, to all inputs or from all outputs.
static void copy_all(interpreter_t *self, bool output, mp_obj_t given, bool dry) {
    if (given == mp_const_none) {
        return;
    }
    mp_buffer_info_t info;
    size_t n = 1;
    mp_obj_t *items = &given;
    if (!mp_get_buffer(given, &info, MP_BUFFER_READ)) {
        mp_obj_get_array(given, &n, &items);
    }
    if (n != count_io(self, output)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%u %s given, the model has %u"), (unsigned)n,
            output ? "outputs" : "inputs", (unsigned)count_io(self, output));
    }
    for (size_t i = 0; i < n; ++i) {
        copy(self, output, (mp_int_t)i, items[i], output, dry);
    }
}

// Number i of an array, or of a tensor, as float32; false where its type has no numbers.
static bool get_number(const void *items, int typecode, size_t i, float *x) {
    switch (typecode) {
        case 'f':
            *x = ((const float *)items)[i];
            return true;
        case 'd':
            *x = (float)((const double *)items)[i];
            return true;
        case 'b':
            *x = ((const int8_t *)items)[i];
            return true;
        case 'B':
        case '?':
        case BYTEARRAY_TYPECODE:
            *x = ((const uint8_t *)items)[i];
            return true;
        case 'h':
            *x = ((const int16_t *)items)[i];
            return true;
        case 'H':
            *x = ((const uint16_t *)items)[i];
            return true;
        case 'i':
            *x = (float)((const int *)items)[i];
            return true;
        case 'I':
            *x = (float)((const unsigned *)items)[i];
            return true;
        case 'l':
            *x = (float)((const long *)items)[i];
            return true;
        case 'L':
            *x = (float)((const unsigned long *)items)[i];
            return true;
        case 'q':
            *x = (float)((const int64_t *)items)[i];
            return true;
        case 'Q':
            *x = (float)((const uint64_t *)items)[i];
            return true;
        default:
            return false;
    }
}

static int64_t round_between(float x, float min, float max) {
    x = MIN(MAX(x, min), max);
    return (int64_t)(x < 0 ? x - 0.5f : x + 0.5f);
}

// Integers round half away from zero and saturate.
static bool set_number(void *items, int typecode, size_t i, float x, int32_t zero_point) {
    int64_t n;
    switch (typecode) {
        case 'f':
            ((float *)items)[i] = x;
            return true;
        case 'd':
            ((double *)items)[i] = (double)x;
            return true;
        case 'b':
            n = round_between(x, -1000, 1000) + zero_point;
            ((int8_t *)items)[i] = (int8_t)MIN(MAX(n, INT8_MIN), INT8_MAX);
            return true;
        case 'B':
            n = round_between(x, -1000, 1000) + zero_point;
            ((uint8_t *)items)[i] = (uint8_t)MIN(MAX(n, 0), UINT8_MAX);
            return true;
        case '?':
            ((uint8_t *)items)[i] = x != 0;
            return true;
        case 'h':
            n = round_between(x, -100000, 100000) + zero_point;
            ((int16_t *)items)[i] = (int16_t)MIN(MAX(n, INT16_MIN), INT16_MAX);
            return true;
        case 'i':
            n = round_between(x, -2147483648.0f, 2147483520.0f) + zero_point;
            ((int32_t *)items)[i] = (int32_t)MIN(MAX(n, INT32_MIN), INT32_MAX);
            return true;
        case 'q':
            ((int64_t *)items)[i] = round_between(x, -9e18f, 9e18f);
            return true;
        default:
            return false;
    }
}

static __attribute__((noreturn)) void raise_type(const char *type) {
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("a tensor of type %s takes no numbers: use its bytes"), type);
}

static mp_obj_t interpreter_write(mp_obj_t self_in, mp_obj_t index, mp_obj_t numbers) {
    interpreter_t *self = get_self(self_in);
    tflite_tensor_t t;
    void *items = find(self, false, mp_obj_get_int(index), &t);
    mp_buffer_info_t info;
    mp_get_buffer_raise(numbers, &info, MP_BUFFER_READ);
    int typecode = info.typecode;
    size_t size = typecode == BYTEARRAY_TYPECODE || typecode == '?' ? 1 : mp_binary_get_size('@', (char)typecode, NULL);
    if (info.len != t.count * size) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%u numbers given, the input takes %u"),
            (unsigned)(info.len / size), (unsigned)t.count);
    }
    if ((uintptr_t)info.buf % size) {
        mp_raise_ValueError(MP_ERROR_TEXT("the numbers are not aligned in memory"));
    }
    float scale = t.scale > 0 ? t.scale : 1.0f;
    for (size_t i = 0; i < t.count; ++i) {
        float x;
        if (!get_number(info.buf, typecode, i, &x)) {
            mp_raise_ValueError(MP_ERROR_TEXT("numbers of an unknown type: use an array of type f"));
        }
        if (x != x) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("number %u is NaN"), (unsigned)i);
        }
        if (!set_number(items, t.typecode, i, t.typecode == 'f' ? x : x / scale, t.zero_point)) {
            raise_type(tflite_type_name(t.type));
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(interpreter_write_obj, interpreter_write);

static mp_obj_t interpreter_read(mp_obj_t self_in, mp_obj_t index, mp_obj_t floats) {
    interpreter_t *self = get_self(self_in);
    tflite_tensor_t t;
    const void *items = find(self, true, mp_obj_get_int(index), &t);
    mp_buffer_info_t info;
    mp_get_buffer_raise(floats, &info, MP_BUFFER_RW);
    if (info.typecode != 'f') {
        mp_raise_ValueError(MP_ERROR_TEXT("the floats are not an array of type f"));
    }
    if (info.len != t.count * sizeof(float)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("room for %u floats, the output has %u"),
            (unsigned)(info.len / sizeof(float)), (unsigned)t.count);
    }
    float *out = info.buf;
    bool quantized = t.scale > 0 && t.typecode != 'f';
    for (size_t i = 0; i < t.count; ++i) {
        float x;
        if (!get_number(items, t.typecode, i, &x)) {
            raise_type(tflite_type_name(t.type));
        }
        out[i] = quantized ? t.scale * (x - (float)t.zero_point) : x;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(interpreter_read_obj, interpreter_read);

static mp_obj_t interpreter_set_input(mp_obj_t self_in, mp_obj_t i, mp_obj_t bytes) {
    copy(get_self(self_in), false, mp_obj_get_int(i), bytes, false, false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(interpreter_set_input_obj, interpreter_set_input);

static mp_obj_t interpreter_get_input(mp_obj_t self_in, mp_obj_t i, mp_obj_t buffer) {
    copy(get_self(self_in), false, mp_obj_get_int(i), buffer, true, false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(interpreter_get_input_obj, interpreter_get_input);

static mp_obj_t interpreter_get_output(mp_obj_t self_in, mp_obj_t i, mp_obj_t buffer) {
    copy(get_self(self_in), true, mp_obj_get_int(i), buffer, true, false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(interpreter_get_output_obj, interpreter_get_output);

// --- Running -----------------------------------------------------------------------------------------------

static mp_obj_t interpreter_invoke(size_t n_args, const mp_obj_t *args) {
    interpreter_t *self = get_self(args[0]);
    mp_obj_t outputs = n_args > 2 ? args[2] : mp_const_none;
    copy_all(self, true, outputs, true);
    copy_all(self, false, n_args > 1 ? args[1] : mp_const_none, false);
    if (tflm_invoke(self->tflm) != TFLM_OK) {
        raise_error(self->tflm, &mp_type_RuntimeError);
    }
    copy_all(self, true, outputs, false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(interpreter_invoke_obj, 1, 3, interpreter_invoke);

static mp_obj_t interpreter_reset(mp_obj_t self_in) {
    interpreter_t *self = get_self(self_in);
    if (tflm_reset(self->tflm) != TFLM_OK) {
        raise_error(self->tflm, &mp_type_RuntimeError);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(interpreter_reset_obj, interpreter_reset);

static uint32_t ticks_us(void) {
    return (uint32_t)mp_hal_ticks_us();
}

static mp_obj_t interpreter_profile(mp_obj_t self_in) {
    interpreter_t *self = get_self(self_in);
    size_t capacity = tflite_count_operators(&self->file, -1);
    size_t count = capacity;
    tflm_event_t *events = m_new(tflm_event_t, capacity);
    if (tflm_profile(self->tflm, ticks_us, events, &count) != TFLM_OK) {
        raise_error(self->tflm, &mp_type_RuntimeError);
    }
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < count; ++i) {
        mp_obj_t event[2] = {
            mp_obj_new_str_from_cstr(events[i].name),
            mp_obj_new_int_from_uint(events[i].us),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(2, event));
    }
    m_del(tflm_event_t, events, capacity);
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(interpreter_profile_obj, interpreter_profile);

static mp_obj_t interpreter_deinit(mp_obj_t self_in) {
    interpreter_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->tflm) {
        m_del(uint8_t, (uint8_t *)self->tflm, tflm_size(&self->file));
    }
    if (self->own_arena) {
        m_del(uint8_t, (uint8_t *)self->own_arena, self->arena_size);
    }
    self->tflm = NULL;
    self->own_arena = NULL;
    self->model = self->arena = mp_const_none;
    self->arena_size = self->ram = 0;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(interpreter_deinit_obj, interpreter_deinit);

// --- What is known of a model ------------------------------------------------------------------------------

static const qstr tensor_fields[] = {
    MP_QSTR_index, MP_QSTR_name, MP_QSTR_dtype, MP_QSTR_typecode, MP_QSTR_shape, MP_QSTR_scale, MP_QSTR_zero_point,
    MP_QSTR_size, MP_QSTR_nbytes,
};

static mp_obj_t describe(interpreter_t *self, bool output, size_t i) {
    tflite_tensor_t t;
    find(self, output, (mp_int_t)i, &t);
    mp_obj_tuple_t *shape = MP_OBJ_TO_PTR(mp_obj_new_tuple(t.rank, NULL));
    for (unsigned k = 0; k < t.rank; ++k) {
        shape->items[k] = mp_obj_new_int(tflite_dim(&t, k));
    }
    mp_obj_t items[] = {
        mp_obj_new_int(tflite_io(&self->file, output, (uint32_t)i)),
        mp_obj_new_str(t.name, t.name_length),
        mp_obj_new_str_from_cstr(tflite_type_name(t.type)),
        mp_obj_new_str(&t.typecode, t.typecode ? 1 : 0),
        MP_OBJ_FROM_PTR(shape),
        mp_obj_new_float_from_f(t.scale),
        mp_obj_new_int(t.zero_point),
        mp_obj_new_int_from_uint(t.count),
        mp_obj_new_int_from_uint(t.nbytes),
    };
    return mp_obj_new_attrtuple(tensor_fields, MP_ARRAY_SIZE(items), items);
}

static mp_obj_t describe_all(interpreter_t *self, bool output) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < count_io(self, output); ++i) {
        mp_obj_list_append(list, describe(self, output, i));
    }
    return list;
}

static mp_obj_t operators(interpreter_t *self) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (uint32_t k = 0; k < self->file.operators.count; ++k) {
        tflite_code_t code;
        tflite_operator(&self->file, k, &code);
        mp_obj_list_append(list, mp_obj_new_str_from_cstr(tflm_operator_name(&code)));
    }
    return list;
}

// Key: (names of inputs to their tensor's index, names of outputs).
static mp_obj_t signatures(interpreter_t *self) {
    mp_obj_t result = mp_obj_new_dict(0);
    for (uint32_t i = 0; i < self->file.signatures.count; ++i) {
        uint32_t length, count[2], tensor;
        const char *key = tflite_signature(&self->file, i, &length, &count[0], &count[1]);
        mp_obj_t name = mp_obj_new_str(key, length);
        mp_obj_t maps[2];
        for (unsigned output = 0; output < 2; ++output) {
            maps[output] = mp_obj_new_dict(count[output]);
            for (uint32_t k = 0; k < count[output]; ++k) {
                const char *text = tflite_signature_io(&self->file, i, output, k, &length, &tensor);
                mp_obj_dict_store(maps[output], mp_obj_new_str(text, length), mp_obj_new_int_from_uint(tensor));
            }
        }
        mp_obj_dict_store(result, name, mp_obj_new_tuple(2, maps));
    }
    return result;
}

static void interpreter_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be set
    }
    interpreter_t *self = MP_OBJ_TO_PTR(self_in);
    switch (attr) {
        case MP_QSTR_arena_size:
            dest[0] = mp_obj_new_int_from_uint(self->arena_size);
            break;
        case MP_QSTR_ram:
            dest[0] = mp_obj_new_int_from_uint(self->ram);
            break;
        case MP_QSTR_inputs:
            dest[0] = describe_all(get_self(self_in), false);
            break;
        case MP_QSTR_outputs:
            dest[0] = describe_all(get_self(self_in), true);
            break;
        case MP_QSTR_operators:
            dest[0] = operators(get_self(self_in));
            break;
        case MP_QSTR_signatures:
            dest[0] = signatures(get_self(self_in));
            break;
        default:
            dest[1] = MP_OBJ_SENTINEL; // a method
            break;
    }
}

static void interpreter_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    interpreter_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "<tflm.Interpreter: %u operators, %u inputs, %u outputs, arena of %u bytes>",
        (unsigned)self->file.operators.count, (unsigned)self->file.inputs.count, (unsigned)self->file.outputs.count,
        (unsigned)self->arena_size);
}

static const mp_rom_map_elem_t interpreter_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&interpreter_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&interpreter_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_input), MP_ROM_PTR(&interpreter_set_input_obj) },
    { MP_ROM_QSTR(MP_QSTR_get_input), MP_ROM_PTR(&interpreter_get_input_obj) },
    { MP_ROM_QSTR(MP_QSTR_get_output), MP_ROM_PTR(&interpreter_get_output_obj) },
    { MP_ROM_QSTR(MP_QSTR_invoke), MP_ROM_PTR(&interpreter_invoke_obj) },
    { MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&interpreter_reset_obj) },
    { MP_ROM_QSTR(MP_QSTR_profile), MP_ROM_PTR(&interpreter_profile_obj) },
    { MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&interpreter_deinit_obj) },
};
static MP_DEFINE_CONST_DICT(interpreter_locals, interpreter_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    interpreter_type,
    MP_QSTR_Interpreter,
    MP_TYPE_FLAG_NONE,
    make_new, interpreter_make_new,
    print, interpreter_print,
    attr, interpreter_attr,
    locals_dict, &interpreter_locals
    );

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_tflm) },
    { MP_ROM_QSTR(MP_QSTR_Interpreter), MP_ROM_PTR(&interpreter_type) },
    { MP_ROM_QSTR(MP_QSTR_arena_size), MP_ROM_PTR(&arena_size_obj) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t tflm_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_MODULE(MP_QSTR_tflm, tflm_module);

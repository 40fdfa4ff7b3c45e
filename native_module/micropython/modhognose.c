// SPDX-License-Identifier: MIT
//
// `_hognose` for MicroPython: a dynamic native module and a user C module in one file.
//
//     load(file, state) -> arena size
//     enter(state, arena, inputs, outputs): takes the model for a run; inputs are copied in, outputs checked
//     write(state, arena, i, numbers)
//     run(state, arena, first, last)
//     step(state, arena, i) -> the next operator; runs this one, or some more if they have little to do
//     read(state, arena, i, floats)
//     leave(state, arena, outputs): outputs are copied out
//     invoker(state, arena, file) -> a function of (inputs, outputs): enter, run and leave in less time
//     STATE_SIZE
//
// Nothing here allocates, except what invoker() returns and an exception's text.
#ifdef MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#else
#include "py/binary.h"
#include "py/runtime.h"
#endif

#include "py/objarray.h"

#include <string.h>

#include "state.h"

static void check(const char *error) {
    if (error) {
        size_t length = 0;
        while (length < HOG_TEXT_SIZE && error[length]) { // (not strlen: a native module has none)
            ++length;
        }
        nlr_raise(mp_obj_new_exception_arg1(&mp_type_ValueError, mp_obj_new_str(error, length)));
    }
}

static mp_buffer_info_t buffer(mp_obj_t object, mp_uint_t flags, const char *error) {
    mp_buffer_info_t info;
    if (!mp_get_buffer(object, &info, flags)) {
        check(error);
    }
    return info;
}

// Asking an object for its buffer takes a thousand cycles on a Pico, so a bytearray, of which `type` is the type, is
// read directly.
static bool get_buffer(const mp_obj_type_t *type, mp_obj_t object, mp_buffer_info_t *info, mp_uint_t flags) {
    const mp_obj_array_t *array = MP_OBJ_TO_PTR(object);
    if (mp_obj_is_obj(object) && array->base.type == type) {
        info->buf = array->items;
        info->len = array->len;
        return true;
    }
    return mp_get_buffer(object, info, flags);
}

// Returns the type of bytearrays if the state is one, and there is no other that looks so.
static const mp_obj_type_t *open_model(hog_call_t *call, mp_obj_t state, mp_obj_t arena) {
    mp_buffer_info_t s = buffer(state, MP_BUFFER_RW, "the state is not a writable buffer"), a;
    const mp_obj_array_t *array = MP_OBJ_TO_PTR(state);
    bool plain = array->typecode == 1 && array->len == s.len && array->items == s.buf;
    const mp_obj_type_t *type = plain ? array->base.type : NULL;
    if (!get_buffer(type, arena, &a, MP_BUFFER_RW)) {
        check("the arena is not a writable buffer");
    }
    check(hog_open(call, s.buf, s.len, a.buf, a.len));
    return type;
}

static mp_obj_t do_load(mp_obj_t file, mp_obj_t state) {
    hog_call_t call;
    mp_buffer_info_t f = buffer(file, MP_BUFFER_READ, "the file is not a buffer");
    mp_buffer_info_t s = buffer(state, MP_BUFFER_RW, "the state is not a writable buffer");
    check(hog_open_file(&call, s.buf, s.len, f.buf, f.len));
    return mp_obj_new_int_from_uint(((hog_state_t *)s.buf)->hog.arena_size);
}
static MP_DEFINE_CONST_FUN_OBJ_2(load_obj, do_load);

static mp_obj_t do_write(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    hog_call_t call;
    open_model(&call, args[0], args[1]);
    mp_buffer_info_t info = buffer(args[3], MP_BUFFER_READ, "the numbers are not a buffer");
    char kind = hog_kind((char)info.typecode);
    unsigned size = kind && info.typecode != 1 ? (unsigned)mp_binary_get_size('@', (char)info.typecode, NULL) : 1;
    hog_numbers_t numbers = {info.buf, info.len / size, size, kind};
    check(hog_write(&call, (long)(mp_int_t)mp_obj_get_int(args[2]), &numbers));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(write_obj, 4, 4, do_write);

static mp_obj_t do_read(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    hog_call_t call;
    open_model(&call, args[0], args[1]);
    mp_buffer_info_t info = buffer(args[3], MP_BUFFER_RW, "the floats are not a writable buffer");
    if (info.typecode != 'f') {
        check("the floats are not an array of type f");
    }
    check(hog_read(&call, (long)(mp_int_t)mp_obj_get_int(args[2]), info.buf, info.len / sizeof(float)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(read_obj, 4, 4, do_read);

// Copies a buffer, or a tuple or list of them, to the inputs or from the outputs; or only checks them. It never raises:
// the model may have been entered.
static const char *transfer(hog_call_t *call, const mp_obj_type_t *type, mp_obj_t given, bool output, bool copy) {
    if (given == mp_const_none) {
        return NULL;
    }
    mp_uint_t flags = output ? MP_BUFFER_RW : MP_BUFFER_READ;
    const char *wrong = output ? "an output is not a writable buffer" : "an input is not a buffer";
    mp_buffer_info_t info;
    size_t n = 1;
    mp_obj_t *items = NULL;
    if (!get_buffer(type, given, &info, flags)) {
        if (!mp_obj_is_type(given, &mp_type_list) && !mp_obj_is_type(given, &mp_type_tuple)) {
            return wrong;
        }
        mp_obj_get_array(given, &n, &items);
    }
    const char *error = hog_check_count(call, output, n);
    for (size_t i = 0; i < n && !error; ++i) {
        void *bytes;
        if (items && !mp_get_buffer(items[i], &info, flags)) {
            return wrong;
        }
        error = hog_find(call, output, (long)i, info.len, &bytes);
        if (copy && !error) {
            memmove(output ? info.buf : bytes, output ? bytes : info.buf, info.len);
        }
    }
    return error;
}

static const char *enter(hog_call_t *call, const mp_obj_type_t *type, mp_obj_t inputs, mp_obj_t outputs) {
    const char *error = hog_enter(call);
    if (!error) {
        error = transfer(call, type, outputs, true, false);
        error = error ? error : transfer(call, type, inputs, false, true);
        if (error) {
            hog_leave(call);
        }
    }
    return error;
}

static const char *leave(hog_call_t *call, const mp_obj_type_t *type, mp_obj_t outputs) {
    const char *error = transfer(call, type, outputs, true, true);
    hog_leave(call);
    return error;
}

static mp_obj_t do_enter(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    hog_call_t call;
    const mp_obj_type_t *type = open_model(&call, args[0], args[1]);
    check(enter(&call, type, args[2], args[3]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(enter_obj, 4, 4, do_enter);

static mp_obj_t do_leave(mp_obj_t state, mp_obj_t arena, mp_obj_t outputs) {
    hog_call_t call;
    const mp_obj_type_t *type = open_model(&call, state, arena);
    check(leave(&call, type, outputs));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(leave_obj, do_leave);

// A method of Model in C, for what was checked when it was made.
typedef struct {
    mp_obj_base_t base;
    const mp_obj_type_t *bytearray; // see open_model()
    mp_obj_t owner, arena, file;    // objects that must not be freed; `owner` of the state
    void *place;                    // where the arena is
    hog_state_t *state;
    hog_t hog;
} invoker_t;

static mp_obj_t call_invoker(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    const invoker_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t given[2] = {mp_const_none, mp_const_none};
    bool good = n_args + n_kw <= 2;
    for (size_t i = 0; good && i < n_args; ++i) {
        given[i] = *args++;
    }
    for (; good && n_kw != 0; --n_kw, args += 2) {
        bool output = args[0] == MP_OBJ_NEW_QSTR(MP_QSTR_raw_out);
        good = given[output] == mp_const_none && (output || args[0] == MP_OBJ_NEW_QSTR(MP_QSTR_raw_in));
        given[output] = args[1];
    }
    check(good ? NULL : "invoke() takes raw_in and raw_out");
    hog_call_t call;
    mp_buffer_info_t arena;
    call.state = self->state;
    call.hog = &self->hog;
    call.arena = self->place;
    get_buffer(self->bytearray, self->arena, &arena, MP_BUFFER_RW);
    check(arena.buf == call.arena && arena.len >= call.hog->arena_size ? NULL : "the arena was resized");
    check(enter(&call, self->bytearray, given[0], given[1]));
    if (!hog_invoke(call.hog, call.arena)) {
        hog_leave(&call);
        check(hog_endless(&call));
    }
    check(leave(&call, self->bytearray, given[1]));
    return mp_const_none;
}

static mp_obj_t do_invoker(mp_obj_t state, mp_obj_t arena, mp_obj_t file) {
    hog_call_t call;
    const mp_obj_type_t *bytearray = open_model(&call, state, arena);
    // A native module has no static data, so each has a type of its own.
    mp_obj_type_t *type = m_malloc(sizeof(*type) + sizeof(void *));
    memset(type, 0, sizeof(*type));
    type->base.type = &mp_type_type;
    type->name = MP_QSTR_invoke;
    MP_OBJ_TYPE_SET_SLOT(type, call, call_invoker, 0);
    invoker_t *self = m_malloc(sizeof(*self));
    *self = (invoker_t) {{type}, bytearray, state, arena, file, call.arena, call.state, *call.hog};
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_3(invoker_obj, do_invoker);

static mp_obj_t do_run(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    hog_call_t call;
    open_model(&call, args[0], args[1]);
    check(hog_run_range(&call, (long)(mp_int_t)mp_obj_get_int(args[2]), (long)(mp_int_t)mp_obj_get_int(args[3])));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(run_obj, 4, 4, do_run);

static mp_obj_t do_step(mp_obj_t state, mp_obj_t arena, mp_obj_t i) {
    hog_call_t call;
    unsigned next;
    open_model(&call, state, arena);
    check(hog_run_step(&call, (long)(mp_int_t)mp_obj_get_int(i), &next));
    return MP_OBJ_NEW_SMALL_INT(next);
}
static MP_DEFINE_CONST_FUN_OBJ_3(step_obj, do_step);

#ifdef MICROPY_ENABLE_DYNRUNTIME

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    (void)n_args;
    (void)n_kw;
    (void)args;
    mp_store_global(MP_QSTR_load, MP_OBJ_FROM_PTR(&load_obj));
    mp_store_global(MP_QSTR_write, MP_OBJ_FROM_PTR(&write_obj));
    mp_store_global(MP_QSTR_read, MP_OBJ_FROM_PTR(&read_obj));
    mp_store_global(MP_QSTR_enter, MP_OBJ_FROM_PTR(&enter_obj));
    mp_store_global(MP_QSTR_leave, MP_OBJ_FROM_PTR(&leave_obj));
    mp_store_global(MP_QSTR_invoker, MP_OBJ_FROM_PTR(&invoker_obj));
    mp_store_global(MP_QSTR_run, MP_OBJ_FROM_PTR(&run_obj));
    mp_store_global(MP_QSTR_step, MP_OBJ_FROM_PTR(&step_obj));
    mp_store_global(MP_QSTR_STATE_SIZE, MP_OBJ_NEW_SMALL_INT(sizeof(hog_state_t)));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__hognose) },
    { MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&load_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&write_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&read_obj) },
    { MP_ROM_QSTR(MP_QSTR_enter), MP_ROM_PTR(&enter_obj) },
    { MP_ROM_QSTR(MP_QSTR_leave), MP_ROM_PTR(&leave_obj) },
    { MP_ROM_QSTR(MP_QSTR_invoker), MP_ROM_PTR(&invoker_obj) },
    { MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&run_obj) },
    { MP_ROM_QSTR(MP_QSTR_step), MP_ROM_PTR(&step_obj) },
    { MP_ROM_QSTR(MP_QSTR_STATE_SIZE), MP_ROM_INT(sizeof(hog_state_t)) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t hognose_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

MP_REGISTER_MODULE(MP_QSTR__hognose, hognose_module);

#endif

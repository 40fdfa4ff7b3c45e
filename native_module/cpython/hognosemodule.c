// SPDX-License-Identifier: MIT
//
// `_hognose` for CPython: the same functions as micropython/modhognose.c.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "state.h"

// Sets ValueError and returns false where there is an error.
static bool check(const char *error) {
    if (error) {
        PyErr_SetString(PyExc_ValueError, error);
    }
    return !error;
}

static bool get_buffer(PyObject *object, Py_buffer *view, bool writable, const char *error) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) == 0) {
        return true;
    }
    PyErr_Clear();
    view->obj = NULL;
    return check(error);
}

// The buffers that every call begins with.
typedef struct {
    hog_call_t call;
    Py_buffer state, arena;
} model_t;

static void close_model(model_t *m) {
    PyBuffer_Release(&m->state);
    PyBuffer_Release(&m->arena);
}

// False, with the exception set and nothing held, where something is wrong.
static bool open_model(model_t *m, PyObject *state, PyObject *arena) {
    m->state.obj = m->arena.obj = NULL;
    if (get_buffer(state, &m->state, true, "the state is not a writable buffer")
        && get_buffer(arena, &m->arena, true, "the arena is not a writable buffer")
        && check(hog_open(&m->call, m->state.buf, (size_t)m->state.len, m->arena.buf, (size_t)m->arena.len))) {
        return true;
    }
    close_model(m);
    return false;
}

static PyObject *none_or_error(bool ok) {
    if (!ok) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *do_load(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *file, *state;
    if (!PyArg_ParseTuple(args, "OO:load", &file, &state)) {
        return NULL;
    }
    Py_buffer f = {0}, s = {0};
    hog_call_t call;
    PyObject *result = NULL;
    if (get_buffer(file, &f, false, "the file is not a buffer")
        && get_buffer(state, &s, true, "the state is not a writable buffer")
        && check(hog_open_file(&call, s.buf, (size_t)s.len, f.buf, (size_t)f.len))) {
        result = PyLong_FromUnsignedLong(((hog_state_t *)s.buf)->hog.arena_size);
    }
    PyBuffer_Release(&f);
    PyBuffer_Release(&s);
    return result;
}

// The typecode of a buffer of single numbers in this machine's byte order, else 0.
static char typecode(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_BIG_ENDIAN ? '>' : '<')) {
        ++format;
    }
    return format[0] && !format[1] ? format[0] : 0;
}

static PyObject *do_write(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena, *object;
    long i;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOlO:write", &state, &arena, &i, &object) || !open_model(&m, state, arena)) {
        return NULL;
    }
    Py_buffer view;
    bool ok = get_buffer(object, &view, false, "the numbers are not a buffer");
    if (ok) {
        size_t size = (size_t)view.itemsize;
        hog_numbers_t numbers = {view.buf, (size_t)view.len / size, (unsigned)size, hog_kind(typecode(&view))};
        ok = check(hog_write(&m.call, i, &numbers));
        PyBuffer_Release(&view);
    }
    close_model(&m);
    return none_or_error(ok);
}

static PyObject *do_read(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena, *object;
    long i;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOlO:read", &state, &arena, &i, &object) || !open_model(&m, state, arena)) {
        return NULL;
    }
    Py_buffer view;
    bool ok = get_buffer(object, &view, true, "the floats are not a writable buffer");
    if (ok) {
        ok = check(typecode(&view) == 'f' ? NULL : "the floats are not an array of type f")
             && check(hog_read(&m.call, i, view.buf, (size_t)view.len / sizeof(float)));
        PyBuffer_Release(&view);
    }
    close_model(&m);
    return none_or_error(ok);
}

static bool transfer_one(hog_call_t *call, PyObject *item, bool output, long i, bool copy) {
    Py_buffer view;
    if (!get_buffer(item, &view, output,
        output ? "an output is not a writable buffer" : "an input is not a buffer")) {
        return false;
    }
    void *bytes;
    bool ok = check(hog_find(call, output, i, (size_t)view.len, &bytes));
    if (ok && copy) {
        memmove(output ? view.buf : bytes, output ? bytes : view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    return ok;
}

// Copies a buffer, or a tuple or list of them, to the inputs or from the outputs; or only checks them.
static bool transfer(hog_call_t *call, PyObject *given, bool output, bool copy) {
    if (given == Py_None) {
        return true;
    }
    if (PyObject_CheckBuffer(given)) {
        return check(hog_check_count(call, output, 1)) && transfer_one(call, given, output, 0, copy);
    }
    if (!PyTuple_Check(given) && !PyList_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "expected a buffer, or a tuple or list of buffers");
        return false;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(given);
    if (!check(hog_check_count(call, output, (size_t)n))) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
        if (!transfer_one(call, PySequence_Fast_GET_ITEM(given, i), output, (long)i, copy)) {
            return false;
        }
    }
    return true;
}

static PyObject *do_enter(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena, *inputs, *outputs;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOOO:enter", &state, &arena, &inputs, &outputs) || !open_model(&m, state, arena)) {
        return NULL;
    }
    bool ok = check(hog_enter(&m.call));
    if (ok) {
        ok = transfer(&m.call, outputs, true, false) && transfer(&m.call, inputs, false, true);
        if (!ok) {
            hog_leave(&m.call);
        }
    }
    close_model(&m);
    return none_or_error(ok);
}

static PyObject *do_leave(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena, *outputs;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOO:leave", &state, &arena, &outputs) || !open_model(&m, state, arena)) {
        return NULL;
    }
    bool ok = transfer(&m.call, outputs, true, true);
    hog_leave(&m.call);
    close_model(&m);
    return none_or_error(ok);
}

static PyObject *do_run(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena;
    long first, last;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOll:run", &state, &arena, &first, &last) || !open_model(&m, state, arena)) {
        return NULL;
    }
    bool ok = check(hog_run_range(&m.call, first, last));
    close_model(&m);
    return none_or_error(ok);
}

static PyObject *do_step(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *state, *arena;
    long i;
    model_t m;
    if (!PyArg_ParseTuple(args, "OOl:step", &state, &arena, &i) || !open_model(&m, state, arena)) {
        return NULL;
    }
    unsigned next = 0;
    bool ok = check(hog_run_step(&m.call, i, &next));
    close_model(&m);
    return ok ? PyLong_FromUnsignedLong(next) : NULL;
}

static PyMethodDef functions[] = {
    {"load", do_load, METH_VARARGS, "load(file, state): checks a .hog, fills state, returns the arena's size"},
    {"write", do_write, METH_VARARGS, "write(state, arena, i, numbers): numbers to input i"},
    {"read", do_read, METH_VARARGS, "read(state, arena, i, floats): output i to an array of type f"},
    {"enter", do_enter, METH_VARARGS, "enter(state, arena, inputs, outputs): begins a run, copies in"},
    {"leave", do_leave, METH_VARARGS, "leave(state, arena, outputs): ends a run, copies out"},
    {"run", do_run, METH_VARARGS, "run(state, arena, first, last): runs operators first to last - 1"},
    {"step", do_step, METH_VARARGS, "step(state, arena, i): runs operator i, or some more, returns the number of the next one"},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module) {
    return PyModule_AddIntConstant(module, "STATE_SIZE", sizeof(hog_state_t));
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)fill_module},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_hognose",
    .m_doc = "The hognose engine.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__hognose(void) {
    return PyModuleDef_Init(&definition);
}

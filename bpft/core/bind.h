/* bind.h - what the files of the Python binding share.  Limited API of Python 3.11. */
#ifndef BPFT_BIND_H
#define BPFT_BIND_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "table.h"

struct py_table {
	PyObject_HEAD
	struct bpft_table *table;
	bool busy;           /* a running capture counts into it: hands off */
};

extern PyTypeObject *bpft_py_table_type;
extern PyObject *bpft_py_capture_error, *bpft_py_filter_error, *bpft_py_live_error;

/* The table of a Table that no capture is counting into; NULL with an exception set. */
struct bpft_table *bpft_py_idle_table(PyObject *object);
/* For "O&": an int of 0 .. 2^64 - 1 into a uint64_t; unlike "K" it refuses what does not fit. */
int bpft_py_u64(PyObject *value, void *out);
/* 4 or 6 in *version; false with ValueError set. */
bool bpft_py_version(int version);
/* A buffer of whole dense records: their number, or -1 with ValueError set. */
Py_ssize_t bpft_py_record_count(const Py_buffer *buffer, int version);
/* What add_records() and add_columns() call a grouping; false with ValueError set. */
bool bpft_py_grouping(const char *by, const int bits[2], const int share[2], struct bpft_grouping *grouping);
/* Make a type and add it to the module; NULL with an exception set. */
PyTypeObject *bpft_py_add_type(PyObject *module, PyType_Spec *spec);

/* Each file adds its part to the module: 0, or -1 with an exception set. */
int bpft_py_add_table(PyObject *module);
int bpft_py_add_filter(PyObject *module);
int bpft_py_add_capture(PyObject *module);
int bpft_py_add_signals(PyObject *module);

struct bpf_program;
/* The lines of `tcpdump -d`. */
PyObject *bpft_py_dump_program(const struct bpf_program *program);

PyObject *bpft_py_read_capture(PyObject *self, PyObject *args, PyObject *kwargs);
extern const char bpft_py_read_capture_doc[];

#endif

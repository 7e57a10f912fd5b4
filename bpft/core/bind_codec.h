/* bind_codec.h - the codec's functions for the method table of the extension, METH_VARARGS each. */
#ifndef BPFT_BIND_CODEC_H
#define BPFT_BIND_CODEC_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define BPFT_ENCODE_COLUMNS_DOC \
	"encode_columns(version, records) -> [(rows, other, [(column id, encoding, (bytes, ...)), ...]), ...]"
PyObject *bpft_py_encode_columns(PyObject *self, PyObject *args);

#define BPFT_DECODE_COLUMNS_DOC \
	"decode_columns(version, rows, [(column id, encoding, bytes), ...], other=False) -> dense records"
PyObject *bpft_py_decode_columns(PyObject *self, PyObject *args);

#define BPFT_ADD_COLUMNS_DOC \
	"add_columns(version, rows, [(column id, encoding, bytes), ...], [(Table, by, (bits4, bits6)[, share]), ...], other=False)"
PyObject *bpft_py_add_columns(PyObject *self, PyObject *args);

#endif

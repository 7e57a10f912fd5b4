/* _core.c - the extension module: constants, exceptions, and the types of bind_*.c. */
#include "bind.h"
#include "bind_codec.h"
#include "filter.h"
#include "link.h"

PyObject *bpft_py_capture_error, *bpft_py_filter_error, *bpft_py_live_error;

PyTypeObject *bpft_py_add_type(PyObject *module, PyType_Spec *spec)
{
	PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(spec);

	if (type && PyModule_AddType(module, type)) {
		Py_DECREF(type);
		return NULL;
	}
	return type;
}

static PyObject *libpcap_version(PyObject *self, PyObject *ignored)
{
	(void)self;
	(void)ignored;
	return PyUnicode_FromString(pcap_lib_version());
}

static PyMethodDef functions[] = {
	{"read_capture", (PyCFunction)(void (*)(void))bpft_py_read_capture, METH_VARARGS | METH_KEYWORDS,
	 bpft_py_read_capture_doc},
	{"encode_columns", bpft_py_encode_columns, METH_VARARGS, BPFT_ENCODE_COLUMNS_DOC},
	{"decode_columns", bpft_py_decode_columns, METH_VARARGS, BPFT_DECODE_COLUMNS_DOC},
	{"add_columns", bpft_py_add_columns, METH_VARARGS, BPFT_ADD_COLUMNS_DOC},
	{"libpcap_version", libpcap_version, METH_NOARGS, "libpcap_version() -> str"},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "bpft.core._core", "The C core of bpft; see _core.pyi.", -1, functions,
	NULL, NULL, NULL, NULL,
};

static PyObject *add_exception(PyObject *module, const char *full_name, const char *name, const char *doc)
{
	PyObject *type = PyErr_NewExceptionWithDoc(full_name, doc, NULL, NULL);

	if (type && PyModule_AddObjectRef(module, name, type)) {
		Py_DECREF(type);
		return NULL;
	}
	return type;
}

static bool add_exceptions(PyObject *m)
{
	bpft_py_capture_error = add_exception(m, "bpft.core._core.CaptureError", "CaptureError",
	                                      "What is given is no capture file.");
	bpft_py_filter_error = add_exception(m, "bpft.core._core.FilterError", "FilterError",
	                                     "libpcap's message about an expression.");
	bpft_py_live_error = add_exception(m, "bpft.core._core.LiveError", "LiveError",
	                                   "(PCAP_ERROR_ value, text): the interface cannot be opened.");
	return bpft_py_capture_error && bpft_py_filter_error && bpft_py_live_error;
}

static bool add_constants(PyObject *m)
{
	static const struct { const char *name; long value; } constants[] = {
		{"DIR_RX", BPFT_DIR_RX}, {"DIR_TX", BPFT_DIR_TX}, {"DIR_MASK", BPFT_DIR_MASK},
		{"NO_PORTS", BPFT_NO_PORTS}, {"NO_PROTO", BPFT_NO_PROTO}, {"OTHER", BPFT_OTHER},
		{"PCAP_ERROR_NO_SUCH_DEVICE", PCAP_ERROR_NO_SUCH_DEVICE},
		{"PCAP_ERROR_PERM_DENIED", PCAP_ERROR_PERM_DENIED},
		{"PCAP_ERROR_PROMISC_PERM_DENIED", PCAP_ERROR_PROMISC_PERM_DENIED},
	};

	for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
		if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value))
			return false;
	return !PyModule_AddStringConstant(m, "RECORD4", "=4s4s2s2sBBHQQQ")
	       && !PyModule_AddStringConstant(m, "RECORD6", "=16s16s2s2sBBHQQQ");
}

static bool add_tuple(PyObject *m, const char *name, PyObject *list)
{
	PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
	bool good = tuple && !PyModule_AddObjectRef(m, name, tuple);

	Py_XDECREF(tuple);
	Py_XDECREF(list);
	return good;
}

static bool add_lists(PyObject *m)
{
	PyObject *reasons = PyList_New(0), *links = PyList_New(0), *item;
	int types[512];
	size_t n = bpft_link_list(types, sizeof types / sizeof *types);
	bool good = reasons && links;

	for (int i = 0; good && i < BPFT_NSKIP; i++) {
		item = PyUnicode_FromString(bpft_skip_name[i]);
		good = item && !PyList_Append(reasons, item);
		Py_XDECREF(item);
	}
	for (size_t i = 0; good && i < n; i++) {
		item = PyLong_FromLong(types[i]);
		good = item && !PyList_Append(links, item);
		Py_XDECREF(item);
	}
	if (!good) {
		Py_XDECREF(reasons);
		Py_XDECREF(links);
		return false;
	}
	good = add_tuple(m, "SKIP_REASONS", reasons);
	return add_tuple(m, "LINK_TYPES", links) && good;
}

PyMODINIT_FUNC PyInit__core(void)
{
	PyObject *m = PyModule_Create(&definition);

	if (m && add_exceptions(m) && add_constants(m) && add_lists(m) && !bpft_py_add_table(m)
	    && !bpft_py_add_filter(m) && !bpft_py_add_capture(m) && !bpft_py_add_signals(m))
		return m;
	Py_XDECREF(m);
	return NULL;
}

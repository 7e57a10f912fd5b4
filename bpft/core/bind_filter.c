/* bind_filter.c - Filter and RecordFilter for Python. */
#include "bind.h"
#include "filter.h"

static PyTypeObject *filter_type, *record_filter_type;

struct py_filter {
	PyObject_HEAD
	struct bpf_program program;
};

struct py_record_filter {
	PyObject_HEAD
	struct bpft_record_filter filter;
};

static PyObject *filter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"expression", "link_type", "snaplen", "optimize", NULL};
	const char *expression;
	int linktype, snaplen = 262144, optimize = 1;
	char error[BPFT_ERROR];

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "si|ip:Filter", names, &expression, &linktype, &snaplen,
	                                 &optimize))
		return NULL;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct py_filter *self = (struct py_filter *)alloc(type, 0);
	if (!self)
		return NULL;
	if (bpft_filter_compile(&self->program, expression, linktype, snaplen, optimize, error)) {
		self->program.bf_insns = NULL;
		PyErr_SetString(bpft_py_filter_error, error);
		Py_DECREF(self);
		return NULL;
	}
	return (PyObject *)self;
}

static void filter_dealloc(PyObject *object)
{
	struct py_filter *self = (struct py_filter *)object;
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	if (self->program.bf_insns)
		pcap_freecode(&self->program);
	free_object(object);
	Py_DECREF(type);
}

PyObject *bpft_py_dump_program(const struct bpf_program *program)
{
	PyObject *lines = PyList_New(0), *empty = NULL, *text = NULL;

	for (unsigned i = 0; lines && i < program->bf_len; i++) {
		PyObject *line = PyUnicode_FromFormat("%s\n", bpf_image(&program->bf_insns[i], (int)i));
		if (!line || PyList_Append(lines, line)) {
			Py_XDECREF(line);
			Py_DECREF(lines);
			return NULL;
		}
		Py_DECREF(line);
	}
	if (lines && (empty = PyUnicode_FromString("")))
		text = PyUnicode_Join(empty, lines);
	Py_XDECREF(empty);
	Py_XDECREF(lines);
	return text;
}

static PyObject *filter_dump(PyObject *object, PyObject *ignored)
{
	(void)ignored;
	return bpft_py_dump_program(&((struct py_filter *)object)->program);
}

static PyObject *filter_matches(PyObject *object, PyObject *args)
{
	const struct py_filter *self = (struct py_filter *)object;
	Py_buffer frame;
	unsigned wirelen = 0;

	if (!PyArg_ParseTuple(args, "y*|I:matches", &frame, &wirelen))
		return NULL;
	unsigned caplen = (unsigned)frame.len;
	bool yes = bpf_filter(self->program.bf_insns, frame.buf, wirelen > caplen ? wirelen : caplen, caplen);
	PyBuffer_Release(&frame);
	return PyBool_FromLong(yes);
}

static PyMethodDef filter_methods[] = {
	{"dump", filter_dump, METH_NOARGS, "dump() -> str: the program as `tcpdump -d` prints it"},
	{"matches", filter_matches, METH_VARARGS, "matches(frame, wirelen=0) -> bool"},
	{NULL, NULL, 0, NULL},
};
static PyType_Slot filter_slots[] = {
	{Py_tp_doc, "Filter(expression, link_type, snaplen=262144, optimize=True)\n\nA compiled tcpdump expression."},
	{Py_tp_new, filter_new},
	{Py_tp_dealloc, filter_dealloc},
	{Py_tp_methods, filter_methods},
	{0, NULL},
};
static PyType_Spec filter_spec = {
	.name = "bpft.core._core.Filter", .basicsize = sizeof(struct py_filter), .flags = Py_TPFLAGS_DEFAULT,
	.slots = filter_slots,
};

/* ---- RecordFilter -------------------------------------------------------------------- */

static PyObject *record_filter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"expression", NULL};
	const char *expression;
	char error[BPFT_ERROR];

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s:RecordFilter", names, &expression))
		return NULL;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct py_record_filter *self = (struct py_record_filter *)alloc(type, 0);
	if (!self)
		return NULL;
	if (bpft_record_filter_compile(&self->filter, expression, error)) {
		PyErr_SetString(bpft_py_filter_error, error);
		Py_DECREF(self);
		return NULL;
	}
	return (PyObject *)self;
}

static void record_filter_dealloc(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	bpft_record_filter_free(&((struct py_record_filter *)object)->filter);
	free_object(object);
	Py_DECREF(type);
}

static PyObject *record_filter_select(PyObject *object, PyObject *args)
{
	const struct py_record_filter *self = (struct py_record_filter *)object;
	Py_buffer records;
	PyObject *all = NULL, *out = NULL;
	int version;
	size_t n = 0;

	if (!PyArg_ParseTuple(args, "iy*:select", &version, &records))
		return NULL;
	Py_ssize_t count = bpft_py_version(version) ? bpft_py_record_count(&records, version) : -1;
	if (count >= 0)
		all = PyBytes_FromStringAndSize(NULL, records.len);
	if (all) {
		char *to = PyBytes_AsString(all);
		Py_BEGIN_ALLOW_THREADS
		n = bpft_record_filter_select(&self->filter, version, records.buf, (size_t)count, to);
		Py_END_ALLOW_THREADS
		out = n == (size_t)count ? Py_NewRef(all)
		                         : PyBytes_FromStringAndSize(to, (Py_ssize_t)(n * bpft_rec_size(version)));
		Py_DECREF(all);
	}
	PyBuffer_Release(&records);
	return out;
}

static PyObject *record_filter_ports(PyObject *object, void *closure)
{
	(void)closure;
	return PyBool_FromLong(((struct py_record_filter *)object)->filter.reads_ports);
}

static PyObject *record_filter_proto(PyObject *object, void *closure)
{
	(void)closure;
	return PyBool_FromLong(((struct py_record_filter *)object)->filter.reads_proto);
}

static PyMethodDef record_filter_methods[] = {
	{"select", record_filter_select, METH_VARARGS, "select(version, records) -> bytes: the records that match"},
	{NULL, NULL, 0, NULL},
};
static PyGetSetDef record_filter_getset[] = {
	{"needs_ports", record_filter_ports, NULL, "the expression asks for ports", NULL},
	{"needs_proto", record_filter_proto, NULL, "the expression asks for the protocol", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot record_filter_slots[] = {
	{Py_tp_doc, "RecordFilter(expression)\n\nA tcpdump expression over records (SEMANTICS R3)."},
	{Py_tp_new, record_filter_new},
	{Py_tp_dealloc, record_filter_dealloc},
	{Py_tp_methods, record_filter_methods},
	{Py_tp_getset, record_filter_getset},
	{0, NULL},
};
static PyType_Spec record_filter_spec = {
	.name = "bpft.core._core.RecordFilter", .basicsize = sizeof(struct py_record_filter),
	.flags = Py_TPFLAGS_DEFAULT, .slots = record_filter_slots,
};

int bpft_py_add_filter(PyObject *module)
{
	filter_type = bpft_py_add_type(module, &filter_spec);
	record_filter_type = filter_type ? bpft_py_add_type(module, &record_filter_spec) : NULL;
	return record_filter_type ? 0 : -1;
}

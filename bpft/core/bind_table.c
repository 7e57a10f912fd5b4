/* bind_table.c - Table and View for Python. */
#include <string.h>

#include "bind.h"

PyTypeObject *bpft_py_table_type;
static PyTypeObject *view_type;

struct py_view {
	PyObject_HEAD
	struct bpft_view view;
	uint64_t held;       /* records the table had: with another number the order means nothing */
	PyObject *table;     /* kept alive */
};

int bpft_py_u64(PyObject *value, void *out)
{
	unsigned long long n = PyLong_AsUnsignedLongLong(value);

	*(uint64_t *)out = n;
	return !PyErr_Occurred();
}

bool bpft_py_version(int version)
{
	if (version == 4 || version == 6)
		return true;
	PyErr_Format(PyExc_ValueError, "IP version %d: 4 or 6", version);
	return false;
}

Py_ssize_t bpft_py_record_count(const Py_buffer *buffer, int version)
{
	size_t size = bpft_rec_size(version);

	if ((size_t)buffer->len % size) {
		PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of records of %zu", buffer->len, size);
		return -1;
	}
	return (Py_ssize_t)((size_t)buffer->len / size);
}

struct bpft_table *bpft_py_idle_table(PyObject *object)
{
	struct py_table *self = (struct py_table *)object;

	if (!PyObject_TypeCheck(object, bpft_py_table_type)) {
		PyErr_SetString(PyExc_TypeError, "a Table is needed");
		return NULL;
	}
	if (self->busy) {
		PyErr_SetString(PyExc_RuntimeError, "a running capture counts into this table; swap it out first");
		return NULL;
	}
	return self->table;
}

/* ---- Table ---------------------------------------------------------------------- */

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"max_flows", NULL};
	uint64_t max_flows = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:Table", names, bpft_py_u64, &max_flows))
		return NULL;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct py_table *self = (struct py_table *)alloc(type, 0);
	if (!self)
		return NULL;
	self->busy = false;
	self->table = bpft_table_new(max_flows);
	if (!self->table) {
		Py_DECREF(self);
		return PyErr_NoMemory();
	}
	return (PyObject *)self;
}

static void table_dealloc(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	bpft_table_free(((struct py_table *)object)->table);
	free_object(object);
	Py_DECREF(type);
}

static Py_ssize_t table_len(PyObject *object)
{
	struct bpft_table *t = bpft_py_idle_table(object);

	return t ? (Py_ssize_t)bpft_table_count(t, 0) : -1;
}

static PyObject *table_get_memory(PyObject *object, void *closure)
{
	struct bpft_table *t = bpft_py_idle_table(object);

	(void)closure;
	return t ? PyLong_FromSize_t(bpft_table_memory(t)) : NULL;
}

static PyObject *table_get_max_flows(PyObject *object, void *closure)
{
	(void)closure;
	return PyLong_FromUnsignedLongLong(bpft_table_cap(((struct py_table *)object)->table));
}

static int table_set_max_flows(PyObject *object, PyObject *value, void *closure)
{
	(void)closure;
	if (!value) {
		PyErr_SetString(PyExc_AttributeError, "max_flows cannot be deleted");
		return -1;
	}
	unsigned long long n = PyLong_AsUnsignedLongLong(value);
	if (PyErr_Occurred())
		return -1;
	bpft_table_set_cap(((struct py_table *)object)->table, n); /* also while a capture counts into it */
	return 0;
}

static const char *const dir_name[3] = {"unknown", "rx", "tx"};

static PyObject *table_counters(PyObject *object, PyObject *ignored)
{
	struct bpft_table *t = bpft_py_idle_table(object);

	(void)ignored;
	if (!t)
		return NULL;
	const struct bpft_counters *n = bpft_table_counters(t);
	PyObject *skipped = PyDict_New(), *dir = PyDict_New(), *item;
	bool good = skipped && dir;
	for (int i = 0; good && i < BPFT_NSKIP; i++) {
		item = PyLong_FromUnsignedLongLong(n->skipped[i]);
		good = item && !PyDict_SetItemString(skipped, bpft_skip_name[i], item);
		Py_XDECREF(item);
	}
	for (int i = 0; good && i < 3; i++) {
		item = Py_BuildValue("KKKK", n->dir[i].frames, n->dir[i].bytes, n->dir[i].wire_frames,
		                     n->dir[i].wire_bytes);
		good = item && !PyDict_SetItemString(dir, dir_name[i], item);
		Py_XDECREF(item);
	}
	PyObject *all = good ? Py_BuildValue("{sKsKsKsLsLsOsO}", "seen", n->seen, "counted", n->counted, "folded",
	                                     n->folded, "first_ns", (long long)n->first_ns, "last_ns",
	                                     (long long)n->last_ns, "skipped", skipped, "dir", dir)
	                     : NULL;
	Py_XDECREF(skipped);
	Py_XDECREF(dir);
	return all;
}

/* An int out of a dict; a missing one is 0.  False with an exception set. */
static bool dict_u64(PyObject *dict, const char *name, uint64_t *out)
{
	PyObject *value = PyDict_GetItemString(dict, name); /* borrowed */

	*out = value ? PyLong_AsUnsignedLongLong(value) : 0;
	return !PyErr_Occurred();
}

static bool dict_i64(PyObject *dict, const char *name, int64_t *out)
{
	PyObject *value = PyDict_GetItemString(dict, name); /* borrowed */

	*out = value ? PyLong_AsLongLong(value) : 0;
	return !PyErr_Occurred();
}

static bool dict_dir(PyObject *dir, int i, struct bpft_counters *n)
{
	PyObject *item = PyDict_GetItemString(dir, dir_name[i]); /* borrowed */
	uint64_t a, b, c, d;

	if (!item)
		return true;
	if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "O&O&O&O&", bpft_py_u64, &a, bpft_py_u64, &b, bpft_py_u64, &c,
	                                              bpft_py_u64, &d)) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_TypeError, "dir: tuples of four integers");
		return false;
	}
	n->dir[i].frames = a;
	n->dir[i].bytes = b;
	n->dir[i].wire_frames = c;
	n->dir[i].wire_bytes = d;
	return true;
}

static PyObject *table_set_counters(PyObject *object, PyObject *dict)
{
	struct bpft_table *t = bpft_py_idle_table(object);
	struct bpft_counters n = {0};

	if (!t)
		return NULL;
	if (!PyDict_Check(dict)) {
		PyErr_SetString(PyExc_TypeError, "counters: a dict as counters() gives it");
		return NULL;
	}
	bool good = dict_u64(dict, "seen", &n.seen) && dict_u64(dict, "counted", &n.counted)
	            && dict_u64(dict, "folded", &n.folded) && dict_i64(dict, "first_ns", &n.first_ns)
	            && dict_i64(dict, "last_ns", &n.last_ns);
	PyObject *skipped = PyDict_GetItemString(dict, "skipped"), *dir = PyDict_GetItemString(dict, "dir");
	for (int i = 0; good && skipped && PyDict_Check(skipped) && i < BPFT_NSKIP; i++)
		good = dict_u64(skipped, bpft_skip_name[i], &n.skipped[i]);
	for (int i = 0; good && dir && PyDict_Check(dir) && i < 3; i++)
		good = dict_dir(dir, i, &n);
	if (!good)
		return NULL;
	*bpft_table_counters(t) = n;
	Py_RETURN_NONE;
}

static PyObject *table_merge(PyObject *object, PyObject *other)
{
	struct bpft_table *t = bpft_py_idle_table(object), *from = t ? bpft_py_idle_table(other) : NULL;

	if (!from)
		return NULL;
	if (from == t) {
		PyErr_SetString(PyExc_ValueError, "a table cannot be merged into itself");
		return NULL;
	}
	Py_BEGIN_ALLOW_THREADS
	bpft_table_merge(t, from);
	Py_END_ALLOW_THREADS
	Py_RETURN_NONE;
}

static PyObject *table_share(PyObject *object, PyObject *args)
{
	PyTypeObject *type = Py_TYPE(object);
	int share, shares;

	if (!PyArg_ParseTuple(args, "ii:share", &share, &shares))
		return NULL;
	struct bpft_table *from = bpft_py_idle_table(object);
	if (!from)
		return NULL;
	if (shares < 1 || shares > UINT8_MAX || share < 0 || share >= shares) {
		PyErr_SetString(PyExc_ValueError, "share: (0, 1), or one of up to 255");
		return NULL;
	}
	PyObject *made = PyObject_CallNoArgs((PyObject *)type);
	if (made) {
		Py_BEGIN_ALLOW_THREADS
		bpft_table_add_share(((struct py_table *)made)->table, from, (uint8_t)share, (uint8_t)shares);
		Py_END_ALLOW_THREADS
	}
	return made;
}

/* The index of a word in a NULL-ended list, or -1 with ValueError set. */
static int choice(const char *what, const char *word, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	PyErr_Format(PyExc_ValueError, "%s: %s is not known", what, word);
	return -1;
}

/* Some groupings have names of their own; in general, ends and a sum of fields say what they are. */
static const struct { const char *name, *meaning; } named[] = {
	{"raw", "src+dst+sport+dport+proto+direction+vlan"}, {"key", "src+dst+sport+dport+proto"}, {"pair", "src+dst"},
	{"dst", "receiver:src"}, {"self", "self:src"}, {"port", "both:sport+proto"},
};
static const char *const end_name[] = {"sender", "receiver", "both", "self", NULL};
static const char *const field_name[] = {"src", "dst", "sport", "dport", "proto", "direction", "vlan", "service", NULL};

/* The index of the word of n characters in a list; -1: it is not there. */
static int word_in(const char *word, size_t n, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == n && !memcmp(words[i], word, n))
			return i;
	return -1;
}

bool bpft_py_grouping(const char *by, const int bits[2], const int share[2], struct bpft_grouping *grouping)
{
	const char *at = by, *colon;
	int fields = 0, end = BPFT_END_SENDER;

	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (!strcmp(by, named[i].name))
			at = named[i].meaning;
	colon = strchr(at, ':');
	if (colon) {
		end = word_in(at, (size_t)(colon - at), end_name);
		at = colon + 1;
	}
	for (bool more = end >= 0 && strcmp(by, "total") != 0; more; ) { /* of a total nothing is kept */
		size_t n = strcspn(at, "+");
		int field = word_in(at, n, field_name);

		more = field >= 0 && at[n] == '+';
		fields = field < 0 || fields < 0 ? -1 : fields | 1 << field;
		at += n + 1;
	}
	if (end < 0 || fields < 0) {
		PyErr_Format(PyExc_ValueError, "by: %s is not known", by);
		return false;
	}
	if (bits[0] < 0 || bits[0] > 32 || bits[1] < 0 || bits[1] > 128) {
		PyErr_SetString(PyExc_ValueError, "bits: up to 32 and up to 128");
		return false;
	}
	if (share[1] < 1 || share[1] > UINT8_MAX || share[0] < 0 || share[0] >= share[1]) {
		PyErr_SetString(PyExc_ValueError, "share: (0, 1), or one of up to 255");
		return false;
	}
	*grouping = (struct bpft_grouping){ (uint8_t)fields, (uint8_t)bits[0], (uint8_t)bits[1], (enum bpft_ends)end,
	                                    (uint8_t)share[0], (uint8_t)share[1] };
	return true;
}

static PyObject *table_add_records(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"version", "records", "by", "bits", "share", NULL};
	const char *by = "raw";
	int version, bits[2] = {32, 128}, share[2] = {0, 1};
	struct bpft_grouping grouping;
	Py_buffer records;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iy*|s(ii)(ii):add_records", names, &version, &records, &by, &bits[0],
	                                 &bits[1], &share[0], &share[1]))
		return NULL;
	struct bpft_table *t = bpft_py_idle_table(object);
	bool good = t && bpft_py_version(version) && bpft_py_grouping(by, bits, share, &grouping);
	Py_ssize_t n = good ? bpft_py_record_count(&records, version) : -1;
	if (n >= 0) {
		Py_BEGIN_ALLOW_THREADS
		bpft_table_add_records(t, version, records.buf, (size_t)n, &grouping);
		Py_END_ALLOW_THREADS
	}
	PyBuffer_Release(&records);
	if (n < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *table_get(PyObject *object, PyObject *args)
{
	Py_buffer key;
	int version;
	const struct bpft_sums *s = NULL;

	if (!PyArg_ParseTuple(args, "iy*:get", &version, &key))
		return NULL;
	struct bpft_table *t = bpft_py_idle_table(object);
	bool good = t && bpft_py_version(version);
	if (good && (size_t)key.len != bpft_key_size(version)) {
		PyErr_Format(PyExc_ValueError, "a key has %zu bytes", bpft_key_size(version));
		good = false;
	}
	if (good)
		s = bpft_table_get(t, version, key.buf);
	PyBuffer_Release(&key);
	if (!good)
		return NULL;
	if (!s)
		Py_RETURN_NONE;
	return Py_BuildValue("KKK", s->packets, s->all, s->data);
}

static PyObject *table_totals(PyObject *object, PyObject *ignored)
{
	struct bpft_table *t = bpft_py_idle_table(object);
	struct bpft_sums s;

	(void)ignored;
	if (!t)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	bpft_table_totals(t, &s);
	Py_END_ALLOW_THREADS
	return Py_BuildValue("KKK", s.packets, s.all, s.data);
}

static PyObject *table_view(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"version", "sort", "limit", "min_all", NULL};
	static const char *const sorts[] = {"key", "packets", "all", "data", NULL};
	const char *sort = "key";
	uint64_t limit = 0, min_all = 0;
	int version, bad;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|sO&O&:view", names, &version, &sort, bpft_py_u64, &limit,
	                                 bpft_py_u64, &min_all))
		return NULL;
	struct bpft_table *t = bpft_py_idle_table(object);
	if (!t || !bpft_py_version(version))
		return NULL;
	int by = choice("sort", sort, sorts);
	if (by < 0)
		return NULL;
	allocfunc alloc = (allocfunc)PyType_GetSlot(view_type, Py_tp_alloc);
	struct py_view *self = (struct py_view *)alloc(view_type, 0);
	if (!self)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	bad = bpft_view_make(&self->view, t, version, (enum bpft_sort)by, limit, min_all);
	Py_END_ALLOW_THREADS
	if (bad) {
		Py_DECREF(self);
		return PyErr_NoMemory();
	}
	Py_INCREF(object);
	self->table = object;
	self->held = bpft_table_count(t, version);
	return (PyObject *)self;
}

static PyMethodDef table_methods[] = {
	{"counters", table_counters, METH_NOARGS, "counters() -> dict: what became of every frame (SEMANTICS C3)"},
	{"set_counters", table_set_counters, METH_O, "set_counters(dict): the inverse of counters()"},
	{"merge", table_merge, METH_O, "merge(other): add its records and counters"},
	{"share", table_share, METH_VARARGS, "share(i, n) -> Table: those of its records that are in the i-th of n shares"},
	{"add_records", (PyCFunction)(void (*)(void))table_add_records, METH_VARARGS | METH_KEYWORDS,
	 "add_records(version, records, by='raw', bits=(32, 128), share=(0, 1)): add dense records under a reduced key"},
	{"get", table_get, METH_VARARGS, "get(version, key) -> (packets, all, data) or None"},
	{"totals", table_totals, METH_NOARGS, "totals() -> (packets, all, data)"},
	{"view", (PyCFunction)(void (*)(void))table_view, METH_VARARGS | METH_KEYWORDS,
	 "view(version, sort='key', limit=0, min_all=0) -> View"},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef table_getset[] = {
	{"memory", table_get_memory, NULL, "bytes in use", NULL},
	{"max_flows", table_get_max_flows, table_set_max_flows, "the cap in records; 0: none (C7)", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot table_slots[] = {
	{Py_tp_doc, "Table(max_flows=0)\n\nKeys and their sums in memory; not for use by two threads at once."},
	{Py_tp_new, table_new},
	{Py_tp_dealloc, table_dealloc},
	{Py_tp_methods, table_methods},
	{Py_tp_getset, table_getset},
	{Py_mp_length, table_len},
	{0, NULL},
};
static PyType_Spec table_spec = {
	.name = "bpft.core._core.Table", .basicsize = sizeof(struct py_table), .flags = Py_TPFLAGS_DEFAULT,
	.slots = table_slots,
};

/* ---- View ------------------------------------------------------------------------- */

static void view_dealloc(PyObject *object)
{
	struct py_view *self = (struct py_view *)object;
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	bpft_view_free(&self->view);
	Py_XDECREF(self->table);
	free_object(object);
	Py_DECREF(type);
}

static Py_ssize_t view_len(PyObject *object) { return (Py_ssize_t)((struct py_view *)object)->view.count; }

static PyObject *view_records(PyObject *object, PyObject *args)
{
	const struct bpft_view *v = &((struct py_view *)object)->view;
	uint64_t start, count;

	if (!PyArg_ParseTuple(args, "O&O&:records", bpft_py_u64, &start, bpft_py_u64, &count))
		return NULL;
	const struct bpft_table *t = bpft_py_idle_table(((struct py_view *)object)->table);
	if (!t)
		return NULL;
	if (bpft_table_count(t, v->version) != ((struct py_view *)object)->held) {
		PyErr_SetString(PyExc_RuntimeError, "the table has changed since the view was made");
		return NULL;
	}
	if (start > v->count)
		start = v->count;
	if (count > v->count - start)
		count = v->count - start;
	PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * bpft_rec_size(v->version)));
	if (!out)
		return NULL;
	char *to = PyBytes_AsString(out);
	Py_BEGIN_ALLOW_THREADS
	bpft_view_records(v, start, count, to);
	Py_END_ALLOW_THREADS
	return out;
}

static PyMethodDef view_methods[] = {
	{"records", view_records, METH_VARARGS, "records(start, count) -> bytes: dense records"},
	{NULL, NULL, 0, NULL},
};
static PyType_Slot view_slots[] = {
	{Py_tp_doc, "A sorted order over a table, which must not change meanwhile."},
	{Py_tp_dealloc, view_dealloc},
	{Py_tp_methods, view_methods},
	{Py_mp_length, view_len},
	{0, NULL},
};
static PyType_Spec view_spec = {
	.name = "bpft.core._core.View", .basicsize = sizeof(struct py_view),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, .slots = view_slots,
};

int bpft_py_add_table(PyObject *module)
{
	bpft_py_table_type = bpft_py_add_type(module, &table_spec);
	view_type = bpft_py_table_type ? bpft_py_add_type(module, &view_spec) : NULL;
	return view_type ? 0 : -1;
}

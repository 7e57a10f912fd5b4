/* bind_codec.c - the codec of columns for Python: dense records in, lists of column bytes out, and back. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "bind.h"
#include "bind_codec.h"
#include "codec.h"

/* The bytes of a column as a tuple, cut where a compressor should begin a new block. */
static PyObject *parts_of(const struct bpft_bytes *bytes)
{
	unsigned cuts = bytes->cuts;
	PyObject *parts;

	if (cuts > 0 && bytes->cut[cuts - 1] == bytes->len)
		cuts--;
	parts = PyTuple_New((Py_ssize_t)cuts + 1);
	for (unsigned k = 0; parts != NULL && k <= cuts; k++) {
		size_t from = k == 0 ? 0 : bytes->cut[k - 1], to = k == cuts ? bytes->len : bytes->cut[k];
		PyObject *part = PyBytes_FromStringAndSize((const char *)bytes->p + from, (Py_ssize_t)(to - from));

		if (part == NULL || PyTuple_SetItem(parts, (Py_ssize_t)k, part) < 0)
			Py_CLEAR(parts);
	}
	return parts;
}

static int append_group(PyObject *groups, size_t rows, int other, const struct bpft_group_columns *columns)
{
	PyObject *list = PyList_New(0), *group;
	int failed = list == NULL;

	for (unsigned k = 0; !failed && k < columns->n; k++) {
		const struct bpft_column *c = &columns->column[k];
		PyObject *column = Py_BuildValue("(iiN)", c->id, c->encoding, parts_of(&c->bytes));

		failed = column == NULL || PyList_Append(list, column) < 0;
		Py_XDECREF(column);
	}
	if (failed) {
		Py_XDECREF(list);
		return -1;
	}
	group = Py_BuildValue("(nNN)", (Py_ssize_t)rows, PyBool_FromLong(other), list);
	failed = group == NULL || PyList_Append(groups, group) < 0;
	Py_XDECREF(group);
	return failed ? -1 : 0;
}

static int encode_class(PyObject *groups, int version, const void *records, size_t rows)
{
	struct bpft_group_columns columns;
	const char *why;
	int failed;

	Py_BEGIN_ALLOW_THREADS
	why = bpft_encode_columns(version, records, rows, &columns);
	Py_END_ALLOW_THREADS
	if (why != NULL) {
		PyErr_SetString(why == bpft_no_memory ? PyExc_MemoryError : PyExc_ValueError, why);
		return -1;
	}
	failed = append_group(groups, rows, bpft_record_is_other(version, records), &columns);
	bpft_columns_free(&columns);
	return failed;
}

/* One group of each class that occurs among the records. */
static int encode_classes(PyObject *groups, int version, const void *records, size_t rows)
{
	uint64_t classes = bpft_group_classes(version, records, rows);
	void *copy;
	int failed = 0;

	if ((classes & (classes - 1)) == 0)
		return encode_class(groups, version, records, rows);
	copy = malloc(rows * bpft_rec_size(version));
	if (copy == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (unsigned class = 0; !failed && class < 64; class++)
		if (classes >> class & 1)
			failed = encode_class(groups, version, copy, bpft_group_take(version, records, rows, class, copy));
	free(copy);
	return failed;
}

PyObject *bpft_py_encode_columns(PyObject *self, PyObject *args)
{
	Py_buffer records;
	PyObject *groups = NULL;
	size_t rows;
	int version;

	(void)self;
	if (!PyArg_ParseTuple(args, "iy*:encode_columns", &version, &records))
		return NULL;
	if (bpft_py_version(version)) {
		rows = (size_t)records.len / bpft_rec_size(version);
		if ((size_t)records.len != rows * bpft_rec_size(version) || rows < 1 || rows > BPFT_GROUP_ROWS)
			PyErr_SetString(PyExc_ValueError, "1 to 65536 whole records make a row group");
		else if ((groups = PyList_New(0)) != NULL && encode_classes(groups, version, records.buf, rows) < 0)
			Py_CLEAR(groups);
	}
	PyBuffer_Release(&records);
	return groups;
}

/* ---- decoding ---------------------------------------------------------------- */

struct given {               /* the columns handed in; `held` of the buffers are to be released */
	Py_ssize_t n, held;
	Py_buffer *buffer;
	struct bpft_column_bytes *column;
};

static int take_column(struct given *g, PyObject *item)
{
	int id, encoding;
	Py_buffer *buffer = &g->buffer[g->held];

	if (!PyTuple_Check(item)) {
		PyErr_SetString(PyExc_TypeError, "a column is a tuple of id, encoding and bytes");
		return -1;
	}
	if (!PyArg_ParseTuple(item, "iiy*", &id, &encoding, buffer))
		return -1;
	g->column[g->held++] = (struct bpft_column_bytes){ .id = (uint16_t)id, .encoding = (uint8_t)encoding,
	                                                    .bytes = buffer->buf, .len = (size_t)buffer->len };
	if (id < 0 || id > UINT16_MAX || encoding < 0 || encoding > UINT8_MAX) {
		PyErr_SetString(PyExc_ValueError, "a column id is 0 to 65535, an encoding 0 to 255");
		return -1;
	}
	return 0;
}

static int take_columns(struct given *g, PyObject *columns)
{
	g->n = PySequence_Size(columns);
	if (g->n < 0)
		return -1;
	g->buffer = calloc((size_t)g->n + 1, sizeof *g->buffer);
	g->column = calloc((size_t)g->n + 1, sizeof *g->column);
	if (g->buffer == NULL || g->column == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (Py_ssize_t k = 0; k < g->n; k++) {
		PyObject *item = PySequence_GetItem(columns, k);
		int failed = item == NULL || take_column(g, item) < 0;

		Py_XDECREF(item);
		if (failed)
			return -1;
	}
	return 0;
}

static void give_back(struct given *g)
{
	for (Py_ssize_t k = 0; k < g->held; k++)
		PyBuffer_Release(&g->buffer[k]);
	free(g->buffer);
	free(g->column);
}

static PyObject *decode(const struct given *g, int version, size_t rows, uint8_t flags)
{
	PyObject *records = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(rows * bpft_rec_size(version)));
	const char *why;
	char *out;

	if (records == NULL)
		return NULL;
	out = PyBytes_AsString(records);
	Py_BEGIN_ALLOW_THREADS
	why = bpft_decode_columns(version, rows, g->column, (size_t)g->held, flags, out);
	Py_END_ALLOW_THREADS
	if (why != NULL) {
		PyErr_SetString(PyExc_ValueError, why);
		Py_CLEAR(records);
	}
	return records;
}

PyObject *bpft_py_decode_columns(PyObject *self, PyObject *args)
{
	struct given given = {0};
	PyObject *columns, *records = NULL;
	Py_ssize_t rows;
	int version, other = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "inO|p:decode_columns", &version, &rows, &columns, &other) ||
	    !bpft_py_version(version))
		return NULL;
	if (rows < 1 || rows > (Py_ssize_t)BPFT_GROUP_ROWS)
		PyErr_SetString(PyExc_ValueError, "a row group holds 1 to 65536 records");
	else if (take_columns(&given, columns) == 0)
		records = decode(&given, version, (size_t)rows, other ? BPFT_OTHER : 0);
	give_back(&given);
	return records;
}

/* ---- straight into tables ---------------------------------------------------- */

enum { MOST_TABLES = 8 };

struct summed {              /* where the records of a group go */
	int version;
	Py_ssize_t n;
	struct bpft_table *table[MOST_TABLES];
	struct bpft_grouping grouping[MOST_TABLES];
};

static void sum_tile(void *to, const struct bpft_tile *tile)
{
	const struct summed *s = to;

	for (Py_ssize_t k = 0; k < s->n; k++)
		bpft_table_add_tile(s->table[k], s->version, tile, &s->grouping[k]);
}

static int take_tables(struct summed *s, PyObject *tables)
{
	s->n = PySequence_Size(tables);
	if (s->n < 0 || s->n > MOST_TABLES) {
		if (s->n > 0)
			PyErr_Format(PyExc_ValueError, "at most %d tables", MOST_TABLES);
		return -1;
	}
	for (Py_ssize_t k = 0; k < s->n; k++) {
		PyObject *item = PySequence_GetItem(tables, k), *table;
		const char *by;
		int bits[2], share[2] = {0, 1};
		bool good = item && PyTuple_Check(item) &&
		            PyArg_ParseTuple(item, "Os(ii)|(ii)", &table, &by, &bits[0], &bits[1], &share[0], &share[1]) &&
		            (s->table[k] = bpft_py_idle_table(table)) && bpft_py_grouping(by, bits, share, &s->grouping[k]);

		if (item && !good && !PyErr_Occurred())
			PyErr_SetString(PyExc_TypeError, "a table is a tuple of Table, by and bits, and share if there is one");
		Py_XDECREF(item);
		if (!good)
			return -1;
	}
	return 0;
}

PyObject *bpft_py_add_columns(PyObject *self, PyObject *args)
{
	struct given given = {0};
	struct summed summed = {0};
	PyObject *columns, *tables;
	const char *why = NULL;
	Py_ssize_t rows;
	int other = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "inOO|p:add_columns", &summed.version, &rows, &columns, &tables, &other) ||
	    !bpft_py_version(summed.version))
		return NULL;
	bool good = take_tables(&summed, tables) == 0 && take_columns(&given, columns) == 0;
	if (good) {
		Py_BEGIN_ALLOW_THREADS
		why = bpft_decode_tiles(summed.version, rows < 0 ? 0 : (size_t)rows, given.column, (size_t)given.held,
		                        other ? BPFT_OTHER : 0, sum_tile, &summed);
		Py_END_ALLOW_THREADS
	}
	give_back(&given);
	if (why != NULL)
		PyErr_SetString(PyExc_ValueError, why);
	if (!good || why != NULL)
		return NULL;
	Py_RETURN_NONE;
}

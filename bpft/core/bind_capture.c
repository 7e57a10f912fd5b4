/* bind_capture.c - read_capture() and Capture for Python. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "bind_codec.h"
#include "capture_file.h"
#include "capture_live.h"

/* ---- what the key keeps ------------------------------------------------------------ */

struct key_options {             /* as Python gives them */
	int addresses_only, vlan;
	const char *ports;
	PyObject *prefix_len;    /* None or (v4, v6); borrowed */
};

/* False with ValueError or TypeError set. */
static bool key_mode(const struct key_options *o, struct bpft_key_mode *mode)
{
	static const char *const ports[] = {"all", "service", "none"};
	int v4 = 32, v6 = 128;

	*mode = (struct bpft_key_mode){.addresses_only = o->addresses_only, .vlan = o->vlan};
	while (strcmp(o->ports, ports[mode->ports]))
		if (mode->ports++ == BPFT_PORTS_NONE) {
			PyErr_Format(PyExc_ValueError, "ports: %s is not known", o->ports);
			return false;
		}
	if (o->prefix_len && o->prefix_len != Py_None && !PyArg_ParseTuple(o->prefix_len, "ii:prefix_len", &v4, &v6))
		return false;
	if (v4 < 0 || v4 > 32 || v6 < 0 || v6 > 128) {
		PyErr_SetString(PyExc_ValueError, "prefix_len: 0 to 32 and 0 to 128 bits");
		return false;
	}
	mode->drop4 = (uint8_t)(32 - v4);
	mode->drop6 = (uint8_t)(128 - v6);
	return true;
}

/* ---- read_capture ---------------------------------------------------------------- */

enum { LOOK_UP = 1 << 16 }; /* frames between looks at pending signals */

struct link_filter {             /* a link type met, and the expression compiled for it */
	int linktype;
	struct bpf_program program;
};

struct source {                  /* a capture file being metered */
	struct bpft_reader *reader;
	struct bpft_meter meter;
	const char *expression;
	bool optimize;
	uint64_t frames, limit;  /* frames that passed the filter; limit 0: none */
	struct link_filter *links; /* owned */
	unsigned nlinks, current;  /* current: of the frame before */
	char filter_error[BPFT_ERROR];
};

static bool interrupted(void)
{
	PyGILState_STATE state = PyGILState_Ensure();
	bool yes = PyErr_CheckSignals() != 0;

	PyGILState_Release(state);
	return yes;
}

/* Make the entry of a link type current, compiled when it is first met; false: the expression does not fit it. */
static bool link_entry(struct source *s, int linktype)
{
	bpft_decoder_link(&s->meter.decoder, linktype);
	for (s->current = 0; s->current < s->nlinks; s->current++)
		if (s->links[s->current].linktype == linktype)
			return true;
	struct link_filter *links = realloc(s->links, (s->nlinks + 1) * sizeof *links);
	if (!links) {
		snprintf(s->filter_error, sizeof s->filter_error, "no memory");
		return false;
	}
	s->links = links;
	if (s->expression[0] && bpft_filter_compile(&links[s->nlinks].program, s->expression, linktype,
	                                            BPFT_MAX_CAPLEN, s->optimize, s->filter_error))
		return false;
	links[s->nlinks++].linktype = linktype;
	return true;
}

enum some { MORE, END, FAILED };

static enum some next_of_any_link(struct source *s, struct bpft_frame *frame)
{
	if (!bpft_reader_next(s->reader, frame))
		return END;
	return frame->linktype == s->meter.decoder.linktype || link_entry(s, frame->linktype) ? MORE : FAILED;
}

/* The next LOOK_UP frames, or those up to the limit, of which those that pass the filter are metered.  FAILED:
 * filter_error is set. */
ALWAYS_INLINE enum some meter_some(struct source *s, const bool filtered)
{
	const uint64_t wanted = s->limit - s->frames;
	const unsigned turns = s->limit && wanted < LOOK_UP ? (unsigned)wanted : LOOK_UP;
	struct bpft_reader reader = *s->reader; /* a copy that stays in registers */
	struct bpft_run run = BPFT_RUN;
	enum some some = MORE;
	unsigned left = turns, others = 0;

	for (; left; left--) {
		struct bpft_frame frame, any;

		if (!filtered && bpft_reader_plain(&reader, BPFT_PLAIN, &frame) && bpft_meter_plain(&s->meter, &frame)) {
			bpft_run_count(&run, bpft_reader_stamp(&reader), frame.wirelen);
			bpft_reader_take(&reader, &frame);
			continue;
		}
		*s->reader = reader;
		some = next_of_any_link(s, &any);
		reader = *s->reader;
		if (some != MORE)
			break;
		others++;
		if (filtered && !bpf_filter(s->links[s->current].program.bf_insns, any.data, any.wirelen, any.caplen))
			continue;
		bpft_meter_frame(&s->meter, &any);
		s->frames++;
	}
	*s->reader = reader;
	run.frames = turns - left - others;
	s->frames += run.frames;
	bpft_meter_add_run(&s->meter, &run, bpft_reader_ns(&reader, run.first), bpft_reader_ns(&reader, run.last));
	return some == MORE && s->limit && s->frames == s->limit ? END : some;
}

/* Meter to the end, the limit, or where it breaks; false: filter_error is set, or a signal's exception. */
static bool meter_source(struct source *s)
{
	enum some some;

	do
		some = s->expression[0] ? meter_some(s, true) : meter_some(s, false);
	while (some == MORE && !interrupted());
	return some == END;
}

static PyObject *result(const struct source *s)
{
	const char *error = bpft_reader_error(s->reader);
	PyObject *types = PyTuple_New(s->nlinks);

	for (unsigned i = 0; types && i < s->nlinks; i++) {
		PyObject *type = PyLong_FromLong(s->links[i].linktype);
		if (!type || PyTuple_SetItem(types, i, type)) {
			Py_DECREF(types);
			return NULL;
		}
	}
	if (!types)
		return NULL;
	return Py_BuildValue("{szsKsNsssI}", "error", error, "frames", s->frames, "linktypes", types, "format",
	                     bpft_reader_format(s->reader) == BPFT_PCAP ? "pcap" : "pcapng", "snaplen",
	                     bpft_reader_snaplen(s->reader));
}

const char bpft_py_read_capture_doc[] =
	"read_capture(source, table, filter='', *, optimize=True, count=0, addresses_only=False, ports='all', vlan=False, "
	"prefix_len=None) -> dict\n\n"
	"Meter a capture from an open descriptor into table (RULES F1..F6).";

PyObject *bpft_py_read_capture(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"source", "table", "filter", "optimize", "count", "addresses_only", "ports", "vlan",
	                        "prefix_len", NULL};
	struct source s = {.expression = "", .meter = {.decoder = {.linktype = -1}}};
	struct key_options key = {.ports = "all"};
	int fd, optimize = 1;
	uint64_t limit = 0;
	PyObject *table, *answer = NULL;
	char error[256];
	bool good = true;

	(void)self;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iO|s$pO&pspO:read_capture", names, &fd, &table, &s.expression,
	                                 &optimize, bpft_py_u64, &limit, &key.addresses_only, &key.ports, &key.vlan,
	                                 &key.prefix_len) || !key_mode(&key, &s.meter.decoder.key))
		return NULL;
	s.meter.table = bpft_py_idle_table(table);
	if (!s.meter.table)
		return NULL;
	s.optimize = optimize;
	s.limit = limit;
	((struct py_table *)table)->busy = true;
	Py_BEGIN_ALLOW_THREADS
	s.reader = bpft_reader_open(fd, interrupted, error);
	if (s.reader) {
		/* A pcap file tells its link type at once: an expression that does not fit is told before any frame. */
		int linktype = s.reader->linktype;
		good = (linktype < 0 || link_entry(&s, linktype)) && meter_source(&s);
		bpft_meter_flush(&s.meter);
	}
	Py_END_ALLOW_THREADS
	((struct py_table *)table)->busy = false;
	if (!PyErr_Occurred()) {
		if (!s.reader)
			PyErr_SetString(bpft_py_capture_error, error);
		else if (!good)
			PyErr_SetString(bpft_py_filter_error, s.filter_error);
		else
			answer = result(&s);
	}
	for (unsigned i = 0; s.expression[0] && i < s.nlinks; i++)
		pcap_freecode(&s.links[i].program);
	free(s.links);
	bpft_reader_close(s.reader);
	return answer;
}

/* ---- Capture ------------------------------------------------------------------------- */

static PyTypeObject *capture_type;

struct py_capture {
	PyObject_HEAD
	struct bpft_live *live;  /* NULL: closed */
	struct py_table *table;  /* counted into; owned; busy while run() runs */
	bool running;
};

static struct bpft_live *live_of(PyObject *object)
{
	struct bpft_live *l = ((struct py_capture *)object)->live;

	if (!l)
		PyErr_SetString(PyExc_ValueError, "the capture is closed");
	return l;
}

static PyObject *capture_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"interface", "promiscuous", "snaplen", "timeout_ms", "buffer_bytes", "addresses_only",
	                        "mtu", "mac", "engine", "ports", "vlan", "prefix_len", NULL};
	static const char *const engines[] = {"auto", "pcap", "ring", NULL};
	struct bpft_live_options o = {.snaplen = 128, .timeout_ms = 20, .buffer_bytes = 4 << 20};
	struct key_options key = {.ports = "all"};
	const char *interface, *mac = NULL, *engine = "pcap";
	Py_ssize_t mac_length = 0;
	int promiscuous = 1, status, which = 0;
	char error[BPFT_ERROR];

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|$piiipIz#sspO:Capture", names, &interface, &promiscuous,
	                                 &o.snaplen, &o.timeout_ms, &o.buffer_bytes, &key.addresses_only, &o.mtu,
	                                 &mac, &mac_length, &engine, &key.ports, &key.vlan, &key.prefix_len)
	    || !key_mode(&key, &o.key))
		return NULL;
	while (engines[which] && strcmp(engine, engines[which]))
		which++;
	if (!engines[which])
		return PyErr_Format(PyExc_ValueError, "engine: %s is not known", engine);
	o.promiscuous = promiscuous;
	o.have_mac = mac_length == sizeof o.mac;
	if (o.have_mac)
		memcpy(o.mac, mac, sizeof o.mac);
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct py_capture *self = (struct py_capture *)alloc(type, 0);
	if (!self)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	self->live = bpft_live_open(interface, (enum bpft_live_engine)which, &o, &status, error);
	Py_END_ALLOW_THREADS
	if (!self->live) {
		PyObject *why = Py_BuildValue("is", status, error);
		if (why)
			PyErr_SetObject(bpft_py_live_error, why);
		Py_XDECREF(why);
		Py_DECREF(self);
		return NULL;
	}
	return (PyObject *)self;
}

static void capture_dealloc(PyObject *object)
{
	struct py_capture *self = (struct py_capture *)object;
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	bpft_live_close(self->live);
	Py_XDECREF((PyObject *)self->table);
	free_object(object);
	Py_DECREF(type);
}

static PyObject *capture_set_filter(PyObject *object, PyObject *args)
{
	const char *expression;
	char error[BPFT_ERROR];
	int optimize = 1;

	if (!PyArg_ParseTuple(args, "s|p:set_filter", &expression, &optimize) || !live_of(object))
		return NULL;
	if (bpft_live_set_filter(live_of(object), expression, optimize, error)) {
		PyErr_SetString(bpft_py_filter_error, error);
		return NULL;
	}
	Py_RETURN_NONE;
}

static PyObject *capture_dump_filter(PyObject *object, PyObject *args)
{
	const char *expression;
	char error[BPFT_ERROR];
	int optimize = 1;
	struct bpf_program program;

	if (!PyArg_ParseTuple(args, "s|p:dump_filter", &expression, &optimize) || !live_of(object))
		return NULL;
	if (bpft_live_compile(live_of(object), &program, expression, optimize, error)) {
		PyErr_SetString(bpft_py_filter_error, error);
		return NULL;
	}
	PyObject *text = bpft_py_dump_program(&program);
	pcap_freecode(&program);
	return text;
}

static PyObject *capture_run(PyObject *object, PyObject *args)
{
	static const char *const ends[] = {"stopped", "count", "gone"};
	struct py_capture *self = (struct py_capture *)object;
	struct bpft_live *l = live_of(object);
	PyObject *table;
	uint64_t count = 0;
	enum bpft_live_end end;

	if (!l || !PyArg_ParseTuple(args, "O|O&:run", &table, bpft_py_u64, &count) || !bpft_py_idle_table(table))
		return NULL;
	if (self->running) {
		PyErr_SetString(PyExc_RuntimeError, "the capture runs already");
		return NULL;
	}
	self->running = true;
	if (!self->table)
		self->table = (struct py_table *)Py_NewRef(table);
	self->table->busy = true;
	struct bpft_table *t = self->table->table;
	Py_BEGIN_ALLOW_THREADS
	end = bpft_live_run(l, t, count);
	Py_END_ALLOW_THREADS
	self->running = false;
	self->table->busy = false;
	return PyUnicode_FromString(ends[end]);
}

static PyObject *capture_swap(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"table", "merge", "settle", NULL};
	struct py_capture *self = (struct py_capture *)object;
	struct bpft_live *l = live_of(object);
	PyObject *table;
	int merge = 0, settle = 0;

	if (!l || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|pp:swap", names, &table, &merge, &settle)
	    || !bpft_py_idle_table(table))
		return NULL;
	struct py_table *in = (struct py_table *)Py_NewRef(table), *out;
	in->busy = true;
	Py_BEGIN_ALLOW_THREADS
	bpft_live_swap(l, in->table, merge, settle);
	Py_END_ALLOW_THREADS
	out = self->table;
	self->table = in;
	in->busy = self->running;
	if (!out)
		return Py_NewRef(table);
	out->busy = false;
	return (PyObject *)out; /* the reference that self held */
}

static PyObject *capture_stop(PyObject *object, PyObject *ignored)
{
	(void)ignored;
	if (!live_of(object))
		return NULL;
	bpft_live_stop(live_of(object));
	Py_RETURN_NONE;
}

static PyObject *capture_stats(PyObject *object, PyObject *ignored)
{
	struct bpft_live *l = live_of(object);
	struct bpft_live_stats s;

	(void)ignored;
	if (!l)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	bpft_live_stats(l, &s);
	Py_END_ALLOW_THREADS
	return Py_BuildValue("KKK", s.received, s.dropped, s.if_dropped);
}

static PyObject *capture_fds(PyObject *object, PyObject *ignored)
{
	struct bpft_live *l = live_of(object);
	int fds[BPFT_LIVE_FDS];

	(void)ignored;
	if (!l)
		return NULL;
	unsigned n = bpft_live_fds(l, fds);
	PyObject *tuple = PyTuple_New(n);
	for (unsigned i = 0; tuple && i < n; i++) {
		PyObject *fd = PyLong_FromLong(fds[i]);
		if (!fd || PyTuple_SetItem(tuple, i, fd)) {
			Py_DECREF(tuple);
			return NULL;
		}
	}
	return tuple;
}

static PyObject *capture_close(PyObject *object, PyObject *ignored)
{
	struct py_capture *self = (struct py_capture *)object;

	(void)ignored;
	if (self->running) {
		PyErr_SetString(PyExc_RuntimeError, "stop() it first");
		return NULL;
	}
	bpft_live_close(self->live);
	self->live = NULL;
	Py_RETURN_NONE;
}

static PyObject *capture_linktype(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyLong_FromLong(bpft_live_get_engine(live_of(object))->linktype) : NULL;
}

static PyObject *capture_buffer(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyLong_FromLong(bpft_live_get_engine(live_of(object))->buffer) : NULL;
}

static PyObject *capture_error(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyUnicode_FromString(bpft_live_get_engine(live_of(object))->error) : NULL;
}

static PyObject *capture_engine(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyUnicode_FromString(bpft_live_get_engine(live_of(object))->ops->name) : NULL;
}

static PyObject *capture_exact(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyBool_FromLong(bpft_live_get_engine(live_of(object))->ops->exact) : NULL;
}

static PyObject *capture_fallback(PyObject *object, void *closure)
{
	(void)closure;
	return live_of(object) ? PyUnicode_FromString(bpft_live_fallback(live_of(object))) : NULL;
}

static PyMethodDef capture_methods[] = {
	{"set_filter", capture_set_filter, METH_VARARGS, "set_filter(expression, optimize=True)"},
	{"dump_filter", capture_dump_filter, METH_VARARGS, "dump_filter(expression, optimize=True) -> str"},
	{"run", capture_run, METH_VARARGS, "run(table, count=0) -> 'stopped' | 'count' | 'gone'"},
	{"swap", (PyCFunction)(void (*)(void))capture_swap, METH_VARARGS | METH_KEYWORDS,
	 "swap(table, merge=False, settle=False) -> Table"},
	{"stop", capture_stop, METH_NOARGS, "stop(): run() drains one timeout and returns"},
	{"stats", capture_stats, METH_NOARGS, "stats() -> (received, dropped, if_dropped)"},
	{"fds", capture_fds, METH_NOARGS, "fds() -> descriptors to preserve when detaching"},
	{"close", capture_close, METH_NOARGS, "close()"},
	{NULL, NULL, 0, NULL},
};
static PyGetSetDef capture_getset[] = {
	{"link_type", capture_linktype, NULL, "LINKTYPE_ value", NULL},
	{"buffer_bytes", capture_buffer, NULL, "the kernel buffer that could be had", NULL},
	{"engine", capture_engine, NULL, "the engine that was taken", NULL},
	{"exact", capture_exact, NULL, "merged frames are counted as they were on the wire (C2)", NULL},
	{"fallback", capture_fallback, NULL, "why 'auto' did not take the ring; empty where it did", NULL},
	{"error", capture_error, NULL, "libpcap's text when run() returned 'gone'", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot capture_slots[] = {
	{Py_tp_doc, "Capture(interface, *, ...)\n\nA live interface; run() in one thread, the rest from another."},
	{Py_tp_new, capture_new},
	{Py_tp_dealloc, capture_dealloc},
	{Py_tp_methods, capture_methods},
	{Py_tp_getset, capture_getset},
	{0, NULL},
};
static PyType_Spec capture_spec = {
	.name = "bpft.core._core.Capture", .basicsize = sizeof(struct py_capture), .flags = Py_TPFLAGS_DEFAULT,
	.slots = capture_slots,
};

int bpft_py_add_capture(PyObject *module)
{
	capture_type = bpft_py_add_type(module, &capture_spec);
	return capture_type ? 0 : -1;
}

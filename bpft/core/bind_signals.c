/* bind_signals.c - Signals for Python: one object at a time, since handlers belong to the process. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bind.h"
#include "signals.h"

enum { MOST = 32 };

static PyTypeObject *signals_type;

struct py_signals {
	PyObject_HEAD
	int pipe[2];         /* -1: closed */
	int numbers[MOST];
	size_t n;
};

static void signals_end(struct py_signals *self)
{
	if (self->pipe[0] < 0)
		return;
	bpft_signals_restore();
	close(self->pipe[0]);
	close(self->pipe[1]);
	self->pipe[0] = self->pipe[1] = -1;
}

static PyObject *signals_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"numbers", NULL};
	PyObject *numbers;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Signals", names, &numbers))
		return NULL;
	Py_ssize_t n = PySequence_Size(numbers);
	if (n < 0)
		return NULL;
	if (n > MOST) {
		PyErr_SetString(PyExc_ValueError, "too many signals");
		return NULL;
	}
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct py_signals *self = (struct py_signals *)alloc(type, 0);
	if (!self)
		return NULL;
	self->pipe[0] = self->pipe[1] = -1;
	for (self->n = 0; self->n < (size_t)n; self->n++) {
		PyObject *item = PySequence_GetItem(numbers, (Py_ssize_t)self->n);
		self->numbers[self->n] = item ? (int)PyLong_AsLong(item) : -1;
		Py_XDECREF(item);
		if (PyErr_Occurred()) {
			Py_DECREF(self);
			return NULL;
		}
	}
	if (pipe2(self->pipe, O_NONBLOCK | O_CLOEXEC) || bpft_signals_install(self->numbers, self->n, self->pipe[1])) {
		PyErr_SetFromErrno(PyExc_OSError);
		Py_DECREF(self);
		return NULL;
	}
	return (PyObject *)self;
}

static void signals_dealloc(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

	signals_end((struct py_signals *)object);
	free_object(object);
	Py_DECREF(type);
}

static PyObject *signals_fileno(PyObject *object, PyObject *ignored)
{
	(void)ignored;
	return PyLong_FromLong(((struct py_signals *)object)->pipe[0]);
}

static PyObject *signals_take(PyObject *object, PyObject *ignored)
{
	struct py_signals *self = (struct py_signals *)object;
	PyObject *taken = PyDict_New();
	char bytes[256];

	(void)ignored;
	while (self->pipe[0] >= 0 && read(self->pipe[0], bytes, sizeof bytes) > 0)
		;
	for (size_t i = 0; taken && i < self->n; i++) {
		bool typed;
		if (!bpft_signals_take(self->numbers[i], &typed))
			continue;
		PyObject *number = PyLong_FromLong(self->numbers[i]);
		if (!number || PyDict_SetItem(taken, number, typed ? Py_True : Py_False)) {
			Py_CLEAR(taken);
		}
		Py_XDECREF(number);
	}
	return taken;
}

static PyObject *signals_close(PyObject *object, PyObject *ignored)
{
	(void)ignored;
	signals_end((struct py_signals *)object);
	Py_RETURN_NONE;
}

static PyMethodDef signals_methods[] = {
	{"fileno", signals_fileno, METH_NOARGS, "fileno() -> descriptor that is readable when a signal waits"},
	{"take", signals_take, METH_NOARGS, "take() -> {number: typed}: the signals since the last call"},
	{"close", signals_close, METH_NOARGS, "close(): put the former handlers back"},
	{NULL, NULL, 0, NULL},
};
static PyType_Slot signals_slots[] = {
	{Py_tp_doc, "Signals(numbers)\n\nFlag-only signal handlers."},
	{Py_tp_new, signals_new},
	{Py_tp_dealloc, signals_dealloc},
	{Py_tp_methods, signals_methods},
	{0, NULL},
};
static PyType_Spec signals_spec = {
	.name = "bpft.core._core.Signals", .basicsize = sizeof(struct py_signals), .flags = Py_TPFLAGS_DEFAULT,
	.slots = signals_slots,
};

int bpft_py_add_signals(PyObject *module)
{
	signals_type = bpft_py_add_type(module, &signals_spec);
	return signals_type ? 0 : -1;
}

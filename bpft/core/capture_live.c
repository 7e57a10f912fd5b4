/* capture_live.c - a live interface: the capture thread's loop, and what the control thread may ask of it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture_live.h"

enum {
	BURST = 8192,        /* frames before requests are looked at again */
	SLACK_MS = 20,       /* the kernel's block timer ticks coarsely */
	MOST_DRAIN_MS = 2000, /* a stop under full load ends all the same */
	MAX_FD = 1024,       /* descriptors looked at to find those that the engine opened */
};

enum request { NOTHING, SWAP, STATS };

struct bpft_live {
	struct bpft_engine *engine;
	int timeout_ms, snaplen;
	int wake[2];         /* pipe: a byte makes run() look around */
	int fds[BPFT_LIVE_FDS];
	unsigned nfds;
	struct bpft_meter meter;
	uint64_t left;       /* frames that -c leaves */
	uint64_t delivered;  /* frames that the engine handed over */
	atomic_bool stopping;
	char fallback[BPFT_ERROR];

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t answered;
	bool running;
	enum request request;
	struct bpft_table *in, *out; /* SWAP */
	bool merge;
	int64_t not_before;  /* monotonic ms at which the request may be answered */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- opening ------------------------------------------------------------------- */

static void open_fds(bool open[MAX_FD])
{
	for (int fd = 0; fd < MAX_FD; fd++)
		open[fd] = fcntl(fd, F_GETFD) != -1;
}

static struct bpft_engine *open_engine(struct bpft_live *l, const char *interface, enum bpft_live_engine which,
                                       const struct bpft_live_options *o, int *status, char error[BPFT_ERROR])
{
	if (which != BPFT_ENGINE_PCAP) {
		struct bpft_engine *e = bpft_engine_ring(interface, o, status, error);
		if (e || which == BPFT_ENGINE_RING)
			return e;
		memcpy(l->fallback, error, sizeof l->fallback);
	}
	return bpft_engine_pcap(interface, o, status, error);
}

struct bpft_live *bpft_live_open(const char *interface, enum bpft_live_engine which,
                                 const struct bpft_live_options *o, int *status, char error[BPFT_ERROR])
{
	bool before[MAX_FD], after[MAX_FD];
	struct bpft_live *l = calloc(1, sizeof *l);

	*status = PCAP_ERROR;
	if (!l) {
		snprintf(error, BPFT_ERROR, "no memory");
		return NULL;
	}
	open_fds(before);
	l->engine = open_engine(l, interface, which, o, status, error);
	if (!l->engine) {
		free(l);
		return NULL;
	}
	if (pipe2(l->wake, O_NONBLOCK | O_CLOEXEC) < 0) {
		snprintf(error, BPFT_ERROR, "pipe: %s", strerror(errno));
		*status = PCAP_ERROR;
		l->engine->ops->close(l->engine);
		free(l);
		return NULL;
	}
	open_fds(after);
	for (int fd = 0; fd < MAX_FD && l->nfds < BPFT_LIVE_FDS; fd++)
		if (after[fd] && !before[fd])
			l->fds[l->nfds++] = fd;
	l->timeout_ms = o->timeout_ms;
	l->snaplen = o->snaplen;
	l->engine->have_mac = o->have_mac && l->engine->linktype == DLT_EN10MB;
	memcpy(l->engine->mac, o->mac, sizeof o->mac);
	l->meter.decoder = (struct bpft_decoder){.mtu = l->engine->ops->exact ? 0 : o->mtu, .key = o->key};
	bpft_decoder_link(&l->meter.decoder, l->engine->linktype);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->answered, NULL);
	return l;
}

int bpft_live_compile(struct bpft_live *l, struct bpf_program *program, const char *expression, bool optimize,
                      char error[BPFT_ERROR])
{
	return l->engine->ops->compile(l->engine, program, expression, optimize, error);
}

int bpft_live_set_filter(struct bpft_live *l, const char *expression, bool optimize, char error[BPFT_ERROR])
{
	struct bpf_program program;

	if (bpft_live_compile(l, &program, expression, optimize, error)) {
		if (expression[0])
			return -1;
		return 0; /* a link type libpcap cannot compile for: metered all the same (P6) */
	}
	struct bpf_program attached = program;
	const struct bpft_engine *e = l->engine;
	struct bpf_insn *made = bpft_filter_headers(&program, e->linktype, l->snaplen, !e->ops->exact, &attached);
	int bad = e->ops->attach(l->engine, &attached, error);
	free(made);
	pcap_freecode(&program);
	return bad;
}

const struct bpft_engine *bpft_live_get_engine(const struct bpft_live *l) { return l->engine; }
const char *bpft_live_fallback(const struct bpft_live *l) { return l->fallback; }

unsigned bpft_live_fds(const struct bpft_live *l, int fds[BPFT_LIVE_FDS])
{
	memcpy(fds, l->fds, l->nfds * sizeof *fds);
	return l->nfds;
}

/* ---- the capture thread ---------------------------------------------------------- */

/* Do what was asked; the lock is held. */
static void perform(struct bpft_live *l)
{
	if (l->request == STATS)
		l->engine->ops->read_stats(l->engine);
	if (l->request == SWAP) {
		if (l->meter.table)
			bpft_meter_flush(&l->meter);
		if (l->merge && l->meter.table)
			bpft_table_merge(l->in, l->meter.table);
		l->out = l->meter.table;
		l->meter.table = l->in;
	}
	l->request = NOTHING;
	pthread_cond_signal(&l->answered);
}

/* Milliseconds until the pending request or the end of draining is due, -1: nothing waits. */
static int due_in(struct bpft_live *l, int64_t drained)
{
	int64_t at = drained;

	pthread_mutex_lock(&l->lock);
	if (l->request != NOTHING && (!at || l->not_before < at))
		at = l->not_before;
	pthread_mutex_unlock(&l->lock);
	if (l->engine->look_again_ms && (!at || at > now_ms() + l->engine->look_again_ms))
		at = now_ms() + l->engine->look_again_ms;
	if (!at)
		return -1;
	at -= now_ms();
	return at > 0 ? (int)at : 0;
}

/* Up to BURST frames; their number, or -1 where the interface is gone. */
static int dispatch(struct bpft_live *l, bool counted)
{
	int burst = counted && l->left < BURST ? (int)l->left : BURST;
	int n = l->engine->ops->dispatch(l->engine, &l->meter, burst);

	if (n > 0)
		l->delivered += (uint64_t)n;
	if (counted && n > 0)
		l->left -= (uint64_t)n;
	bpft_meter_flush(&l->meter);
	return n;
}

/* Whether all that the kernel took was handed over.  Where its count means something else (frames before the filter,
 * both sides of a loopback) this stays false, and whoever waits waits for the timeout. */
static bool kernel_holds_nothing(struct bpft_live *l)
{
	l->engine->ops->read_stats(l->engine);
	return l->engine->stats.received - l->engine->stats.dropped == l->delivered;
}

static enum bpft_live_end capture(struct bpft_live *l, bool counted)
{
	struct pollfd poll_fds[2] = {
		{.fd = l->engine->fd, .events = POLLIN}, {.fd = l->wake[0], .events = POLLIN},
	};
	int64_t drained = 0; /* when a stop has let in what the kernel still held */
	int n = 0;

	for (;;) {
		/* After a full burst there is more at hand: look without waiting. */
		poll(poll_fds, 2, n == BURST ? 0 : due_in(l, drained));
		if (poll_fds[1].revents) {
			char bytes[64];
			while (read(l->wake[0], bytes, sizeof bytes) > 0)
				;
		}
		n = dispatch(l, counted);
		if (n < 0)
			return BPFT_LIVE_GONE;
		if (counted && !l->left)
			return BPFT_LIVE_COUNT;
		pthread_mutex_lock(&l->lock);
		if (l->request != NOTHING && (now_ms() >= l->not_before || kernel_holds_nothing(l)))
			perform(l);
		pthread_mutex_unlock(&l->lock);
		if (atomic_load(&l->stopping)) {
			if (!drained)
				drained = now_ms() + l->timeout_ms + SLACK_MS;
			else if (now_ms() >= drained && (n < BURST || now_ms() >= drained + MOST_DRAIN_MS))
				return BPFT_LIVE_STOPPED;
			if (kernel_holds_nothing(l))
				return BPFT_LIVE_STOPPED;
		}
	}
}

enum bpft_live_end bpft_live_run(struct bpft_live *l, struct bpft_table *table, uint64_t count)
{
	sigset_t all, old;

	pthread_mutex_lock(&l->lock);
	if (l->running) {
		pthread_mutex_unlock(&l->lock);
		return BPFT_LIVE_BUSY;
	}
	l->running = true;
	if (!l->meter.table) /* a swap may have come first */
		l->meter.table = table;
	l->left = count;
	pthread_mutex_unlock(&l->lock);

	sigfillset(&all); /* signals are for the control thread */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	enum bpft_live_end end = capture(l, count > 0);
	bpft_meter_flush(&l->meter);
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	pthread_mutex_lock(&l->lock);
	l->running = false;
	if (l->request != NOTHING)
		perform(l);
	pthread_mutex_unlock(&l->lock);
	return end;
}

/* ---- the control thread ------------------------------------------------------------- */

static void wake(struct bpft_live *l)
{
	while (write(l->wake[1], "", 1) < 0 && errno == EINTR)
		;
}

/* Hand a request to the capture thread and wait for it; without one, do it here.  The lock is held. */
static void ask(struct bpft_live *l, enum request request, bool settle)
{
	l->request = request;
	l->not_before = settle ? now_ms() + l->timeout_ms + SLACK_MS : 0;
	if (!l->running) {
		perform(l);
		return;
	}
	wake(l);
	while (l->request != NOTHING)
		pthread_cond_wait(&l->answered, &l->lock);
}

struct bpft_table *bpft_live_swap(struct bpft_live *l, struct bpft_table *table, bool merge, bool settle)
{
	pthread_mutex_lock(&l->lock);
	l->in = table;
	l->merge = merge;
	ask(l, SWAP, settle);
	struct bpft_table *out = l->out;
	pthread_mutex_unlock(&l->lock);
	return out;
}

void bpft_live_stats(struct bpft_live *l, struct bpft_live_stats *stats)
{
	pthread_mutex_lock(&l->lock);
	ask(l, STATS, false);
	*stats = l->engine->stats;
	pthread_mutex_unlock(&l->lock);
}

void bpft_live_stop(struct bpft_live *l)
{
	atomic_store(&l->stopping, true);
	wake(l);
}

void bpft_live_close(struct bpft_live *l)
{
	if (!l)
		return;
	l->engine->ops->close(l->engine);
	close(l->wake[0]);
	close(l->wake[1]);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->answered);
	free(l);
}

/* capture_pcap.c - a live interface through libpcap: non-blocking, with poll(), and a pipe to be woken by.
 *
 * pcap_dispatch() on an idle Linux interface does not come back, whatever the
 * timeout; so it is called only when poll() says that there is something.
 */
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

#include "capture_pcap.h"

enum {
	MIN_BUFFER = 1 << 20,
	BURST = 8192,        /* packets before requests are looked at again */
	SLACK_MS = 20,       /* the kernel's block timer ticks coarsely */
	MAX_FD = 1024,       /* descriptors looked at to find those that libpcap opened */
	LOOK_AGAIN_MS = 500, /* at a link that went down: whether it was deleted meanwhile */
};

enum request { NOTHING, SWAP, STATS };

struct bpft_live {
	pcap_t *pcap;
	bpf_u_int32 netmask; /* for "ip broadcast" */
	int linktype, timeout_ms, buffer;
	int wake[2];         /* pipe: a byte makes run() look around */
	int fds[BPFT_LIVE_FDS];
	unsigned nfds;
	struct bpft_meter meter;
	uint64_t left;       /* frames that -c leaves */
	atomic_bool stopping;
	char error[BPFT_ERROR];

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t answered;
	bool running;
	enum request request;
	struct bpft_table *in, *out; /* SWAP */
	bool merge;
	int64_t not_before;  /* monotonic ms at which the request may be answered */
	struct bpft_live_stats stats;
	struct pcap_stat last; /* what libpcap said before: its counters are 32 bits wide and wrap */
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

/* pcap_activate() with the largest buffer that memory allows. */
static pcap_t *activate(const char *interface, const struct bpft_live_options *o, int *buffer, int *status,
                        char error[BPFT_ERROR])
{
	for (*buffer = o->buffer_bytes;; *buffer /= 2) {
		pcap_t *p = pcap_create(interface, error);
		if (!p) {
			*status = PCAP_ERROR;
			return NULL;
		}
		pcap_set_snaplen(p, o->snaplen);
		pcap_set_promisc(p, o->promiscuous);
		pcap_set_timeout(p, o->timeout_ms);
		pcap_set_buffer_size(p, *buffer);
		*status = pcap_activate(p);
		if (*status >= 0)
			return p;
		const char *detail = pcap_geterr(p);
		bool memory = *status == PCAP_ERROR && strstr(detail, strerror(ENOMEM));
		snprintf(error, BPFT_ERROR, "%s", *status == PCAP_ERROR ? detail : pcap_statustostr(*status));
		pcap_close(p);
		if (!memory || *buffer / 2 < MIN_BUFFER)
			return NULL;
	}
}

struct bpft_live *bpft_live_open(const char *interface, const struct bpft_live_options *o, int *status,
                                 char error[BPFT_ERROR])
{
	bool before[MAX_FD], after[MAX_FD];
	struct bpft_live *l = calloc(1, sizeof *l);
	bpf_u_int32 net;
	char ignored[PCAP_ERRBUF_SIZE];

	*status = PCAP_ERROR;
	if (!l) {
		snprintf(error, BPFT_ERROR, "no memory");
		return NULL;
	}
	open_fds(before);
	l->wake[0] = l->wake[1] = -1;
	l->pcap = activate(interface, o, &l->buffer, status, error);
	if (!l->pcap) {
		free(l);
		return NULL;
	}
	if (pcap_setnonblock(l->pcap, 1, error) < 0 || pipe2(l->wake, O_NONBLOCK | O_CLOEXEC) < 0) {
		if (l->wake[0] < 0)
			snprintf(error, BPFT_ERROR, "pipe: %s", strerror(errno));
		*status = PCAP_ERROR;
		pcap_close(l->pcap);
		free(l);
		return NULL;
	}
	open_fds(after);
	for (int fd = 0; fd < MAX_FD && l->nfds < BPFT_LIVE_FDS; fd++)
		if (after[fd] && !before[fd])
			l->fds[l->nfds++] = fd;
	if (pcap_lookupnet(interface, &net, &l->netmask, ignored) < 0)
		l->netmask = PCAP_NETMASK_UNKNOWN;
	l->timeout_ms = o->timeout_ms;
	l->linktype = pcap_datalink(l->pcap);
	l->meter.decoder = (struct bpft_decoder){
		.linktype = -1, .mtu = o->mtu, .addresses_only = o->addresses_only,
		.have_mac = o->have_mac && l->linktype == DLT_EN10MB,
	};
	memcpy(l->meter.decoder.mac, o->mac, sizeof o->mac);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->answered, NULL);
	return l;
}

int bpft_live_compile(struct bpft_live *l, struct bpf_program *program, const char *expression, bool optimize,
                      char error[BPFT_ERROR])
{
	if (!pcap_compile(l->pcap, program, expression, optimize, l->netmask))
		return 0;
	snprintf(error, BPFT_ERROR, "%s", pcap_geterr(l->pcap));
	return -1;
}

int bpft_live_set_filter(struct bpft_live *l, const char *expression, bool optimize, char error[BPFT_ERROR])
{
	struct bpf_program program;

	if (bpft_live_compile(l, &program, expression, optimize, error)) {
		if (expression[0])
			return -1;
		return 0; /* a link type libpcap cannot compile for: metered all the same (P6) */
	}
	int bad = pcap_setfilter(l->pcap, &program);
	pcap_freecode(&program);
	if (bad)
		snprintf(error, BPFT_ERROR, "%s", pcap_geterr(l->pcap));
	return bad ? -1 : 0;
}

int bpft_live_linktype(const struct bpft_live *l) { return l->linktype; }
int bpft_live_buffer(const struct bpft_live *l) { return l->buffer; }
const char *bpft_live_error(const struct bpft_live *l) { return l->error; }

unsigned bpft_live_fds(const struct bpft_live *l, int fds[BPFT_LIVE_FDS])
{
	memcpy(fds, l->fds, l->nfds * sizeof *fds);
	return l->nfds;
}

/* ---- the capture thread ---------------------------------------------------------- */

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
	struct bpft_live *l = (struct bpft_live *)(void *)user;
	struct bpft_frame frame = {
		.data = bytes, .caplen = h->caplen, .wirelen = h->len > h->caplen ? h->len : h->caplen,
		.ns = (int64_t)h->ts.tv_sec * 1000000000 + (int64_t)h->ts.tv_usec * 1000, .linktype = l->linktype,
	};

	bpft_meter_frame(&l->meter, &frame);
}

static void read_stats(struct bpft_live *l)
{
	struct pcap_stat now;

	if (pcap_stats(l->pcap, &now))
		return;
	l->stats.received += now.ps_recv - l->last.ps_recv;
	l->stats.dropped += now.ps_drop - l->last.ps_drop;
	l->stats.if_dropped += now.ps_ifdrop - l->last.ps_ifdrop;
	l->last = now;
}

/* Do what was asked; the lock is held. */
static void perform(struct bpft_live *l)
{
	if (l->request == STATS)
		read_stats(l);
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
	/* libpcap asks to be called again after a link went down, since nothing tells that it was deleted then. */
	if (pcap_get_required_select_timeout(l->pcap) && (!at || at > now_ms() + LOOK_AGAIN_MS))
		at = now_ms() + LOOK_AGAIN_MS;
	if (!at)
		return -1;
	at -= now_ms();
	return at > 0 ? (int)at : 0;
}

/* Up to BURST packets; their number, or -1 where the interface is gone. */
static int dispatch(struct bpft_live *l, bool counted)
{
	int burst = counted && l->left < BURST ? (int)l->left : BURST;
	int n = pcap_dispatch(l->pcap, burst, on_packet, (u_char *)l);

	if (n < 0) {
		snprintf(l->error, sizeof l->error, "%s", pcap_geterr(l->pcap));
		return -1;
	}
	if (counted)
		l->left -= (uint64_t)n;
	bpft_meter_flush(&l->meter);
	return n;
}

static enum bpft_live_end capture(struct bpft_live *l, bool counted)
{
	struct pollfd poll_fds[2] = {
		{.fd = pcap_get_selectable_fd(l->pcap), .events = POLLIN}, {.fd = l->wake[0], .events = POLLIN},
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
		if (l->request != NOTHING && now_ms() >= l->not_before)
			perform(l);
		pthread_mutex_unlock(&l->lock);
		if (atomic_load(&l->stopping)) {
			if (!drained)
				drained = now_ms() + l->timeout_ms + SLACK_MS;
			else if (now_ms() >= drained)
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
	*stats = l->stats;
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
	pcap_close(l->pcap);
	close(l->wake[0]);
	close(l->wake[1]);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->answered);
	free(l);
}

/* capture_pcap.c - the engine that goes through libpcap: every link type, every system.
 *
 * Non-blocking: pcap_dispatch() on an idle Linux interface does not come back, whatever
 * the timeout; so it is called only when poll() says that there is something.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#ifdef __linux__
#include <net/if.h>
#else
#include <sys/types.h>
#include <sys/time.h>
#include <net/bpf.h>
#endif

#include "capture_live.h"

enum {
	LOOK_AGAIN_MS = 500, /* at a link that went down: whether it was deleted meanwhile */
	MTU_MS = 1000,       /* at the MTU: an administrator may change it at any time */
	KERNEL_HEADER = 96,  /* bytes before each frame, on Linux */
	SLACK_MS = 20,       /* the kernel's block timer ticks coarsely */
	NETMASK = 0,         /* for "ip broadcast"; tcpdump compiles with the same */
};

struct pcap_engine {
	struct bpft_engine base;
	pcap_t *pcap;
	int timeout_ms;
	bool gone;            /* libpcap has said so: what the kernel still held is read, then it is over */
	bool by_mtu;          /* merged frames are told by the interface's MTU */
	int64_t mtu_ms;       /* monotonic: when it was asked for */
	char interface[64];
	struct pcap_stat last; /* what libpcap said before: its counters are 32 bits wide and wrap */
	struct bpft_meter *meter; /* during dispatch */
};

static struct pcap_engine *of(struct bpft_engine *e) { return (struct pcap_engine *)(void *)e; }

static int compile(struct bpft_engine *e, struct bpf_program *program, const char *expression, bool optimize,
                   char error[BPFT_ERROR])
{
	if (!pcap_compile(of(e)->pcap, program, expression, optimize, NETMASK))
		return 0;
	snprintf(error, BPFT_ERROR, "%s", pcap_geterr(of(e)->pcap));
	return -1;
}

static int attach(struct bpft_engine *e, struct bpf_program *program, char error[BPFT_ERROR])
{
	if (pcap_setfilter(of(e)->pcap, program)) {
		snprintf(error, BPFT_ERROR, "%s", pcap_geterr(of(e)->pcap));
		return -1;
	}
#ifdef BIOCLOCK
	/* bpf(4): from now on the descriptor takes no other filter, interface or mode. */
	if (ioctl(e->fd, BIOCLOCK)) {
		snprintf(error, BPFT_ERROR, "BIOCLOCK: %s", strerror(errno));
		return -1;
	}
#endif
	return 0;
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
	struct pcap_engine *p = (struct pcap_engine *)(void *)user;
	struct bpft_frame frame = {
		.data = bytes, .caplen = h->caplen, .wirelen = h->len > h->caplen ? h->len : h->caplen,
		.ns = (int64_t)h->ts.tv_sec * 1000000000 + (int64_t)h->ts.tv_usec * 1000, .linktype = p->base.linktype,
		.dir = bpft_engine_direction(&p->base, bytes, h->caplen),
	};

	bpft_fetch(bytes + BPFT_LIVE_AHEAD, h->caplen + KERNEL_HEADER, BPFT_FIRST_LEVEL);
	bpft_meter_live(p->meter, &frame);
}

/* The MTU as it is now, at most so old. */
static void watch_mtu(struct pcap_engine *p, struct bpft_meter *meter)
{
#ifdef __linux__
	struct ifreq request = {0};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (ms - p->mtu_ms < MTU_MS || strlen(p->interface) >= sizeof request.ifr_name)
		return;
	p->mtu_ms = ms;
	memcpy(request.ifr_name, p->interface, strlen(p->interface));
	if (!ioctl(p->base.fd, SIOCGIFMTU, &request) && request.ifr_mtu > 0) {
		meter->decoder.mtu = (uint32_t)request.ifr_mtu;
		bpft_decoder_link(&meter->decoder, p->base.linktype);
	}
#else
	(void)p;
	(void)meter;
#endif
}

static int dispatch(struct bpft_engine *e, struct bpft_meter *meter, int burst)
{
	of(e)->meter = meter;
	if (of(e)->by_mtu)
		watch_mtu(of(e), meter);
	int n = pcap_dispatch(of(e)->pcap, burst, on_packet, (u_char *)e);

	if (n < 0 && !of(e)->gone) {
		/* A block that was begun comes by the kernel's timer. */
		int ms = of(e)->timeout_ms + SLACK_MS;
		struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

		snprintf(e->error, sizeof e->error, "%s", pcap_geterr(of(e)->pcap));
		of(e)->gone = true;
		nanosleep(&wait, NULL);
		n = pcap_dispatch(of(e)->pcap, burst, on_packet, (u_char *)e);
	}
	if (of(e)->gone)
		return n > 0 ? n : -1;
	/* libpcap asks to be called again after a link went down, since nothing tells that it was deleted then. */
	e->look_again_ms = pcap_get_required_select_timeout(of(e)->pcap) ? LOOK_AGAIN_MS : 0;
	return n;
}

/* Counters of 32 bits wrap; one that fell by little was reset. */
static uint32_t since(uint32_t now, uint32_t last)
{
	return now - last > UINT32_MAX / 2 ? now : now - last;
}

static void read_stats(struct bpft_engine *e)
{
	struct pcap_stat now, *last = &of(e)->last;

	if (pcap_stats(of(e)->pcap, &now))
		return;
	e->stats.received += since(now.ps_recv, last->ps_recv);
	e->stats.dropped += since(now.ps_drop, last->ps_drop);
	e->stats.if_dropped += since(now.ps_ifdrop, last->ps_ifdrop);
	*last = now;
}

static void end(struct bpft_engine *e)
{
	pcap_close(of(e)->pcap);
	free(e);
}

static const struct bpft_engine_ops ops = {
	.name = "pcap", .compile = compile, .attach = attach, .dispatch = dispatch, .read_stats = read_stats, .close = end,
};

/* pcap_activate() with the largest buffer that memory allows; error: what it warns of, though it works. */
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
		const char *detail = pcap_geterr(p);
		if (*status >= 0) {
			snprintf(error, BPFT_ERROR, "%s", !*status ? "" : detail[0] ? detail : pcap_statustostr(*status));
			return p;
		}
		bool memory = *status == PCAP_ERROR && strstr(detail, strerror(ENOMEM));
		snprintf(error, BPFT_ERROR, "%s", *status == PCAP_ERROR ? detail : pcap_statustostr(*status));
		pcap_close(p);
		if (!memory || *buffer / 2 < BPFT_MIN_BUFFER)
			return NULL;
	}
}

struct bpft_engine *bpft_engine_pcap(const char *interface, const struct bpft_live_options *o, int *status,
                                     char error[BPFT_ERROR])
{
	struct pcap_engine *p = calloc(1, sizeof *p);

	*status = PCAP_ERROR;
	if (!p) {
		snprintf(error, BPFT_ERROR, "no memory");
		return NULL;
	}
	p->pcap = activate(interface, o, &p->base.buffer, status, error);
	if (!p->pcap) {
		free(p);
		return NULL;
	}
	snprintf(p->base.error, sizeof p->base.error, "%s", error); /* until there is worse to say */
	if (pcap_setnonblock(p->pcap, 1, error) < 0) {
		*status = PCAP_ERROR;
		end(&p->base);
		return NULL;
	}
#ifdef __linux__
	if (!strcmp(interface, "any")) /* the newer cooked header tells more, and filters know it better */
		pcap_set_datalink(p->pcap, DLT_LINUX_SLL2);
#endif
	snprintf(p->interface, sizeof p->interface, "%s", interface);
	p->timeout_ms = o->timeout_ms;
	p->by_mtu = o->mtu > 0;
	p->base.ops = &ops;
	p->base.fd = pcap_get_selectable_fd(p->pcap);
#ifdef BIOCGBLEN
	u_int size; /* what bpf(4) gave, which cuts a wish without a word */
	if (!ioctl(p->base.fd, BIOCGBLEN, &size))
		p->base.buffer = (int)size;
#endif
	p->base.linktype = pcap_datalink(p->pcap);
	return &p->base;
}

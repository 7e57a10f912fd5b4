/* capture_live.h - a live interface, counted by one thread and asked by another.
 *
 * Life: open, set_filter, run (in a thread of its own) until stop, close.  swap
 * and stats may be called from another thread while run() runs; they are done by
 * the capture thread between two packets, so neither side ever waits for a table.
 * Frames come from an engine: libpcap (capture_pcap.c) or, on Linux, an own ring
 * that knows the segment size of merged frames (capture_ring.c).
 */
#ifndef BPFT_CAPTURE_LIVE_H
#define BPFT_CAPTURE_LIVE_H

#include "fetch.h"
#include "filter.h"
#include "meter.h"

/* ---- engines ------------------------------------------------------------- */

struct bpft_live_options {
	bool promiscuous;
	int snaplen, timeout_ms;
	int buffer_bytes;    /* halved on ENOMEM, not below 1 MiB */
	uint32_t mtu;        /* > 0: where the engine knows no segment size, merged frames are estimated by it (C2) */
	struct bpft_key_mode key;
	bool have_mac;       /* direction by source MAC (C5), on Ethernet where the engine does not tell it */
	uint8_t mac[6];
};

enum { BPFT_MIN_BUFFER = 1 << 20 };

struct bpft_live_stats { uint64_t received, dropped, if_dropped; }; /* received includes dropped */

struct bpft_engine {
	const struct bpft_engine_ops *ops;
	int fd;              /* to poll */
	int linktype;
	int buffer;          /* bytes the kernel has for frames */
	int look_again_ms;   /* > 0: dispatch wants to be called after so long, nothing will wake it */
	bool have_mac;       /* Ethernet, and mac is the interface's own: it tells the direction (C5) */
	uint8_t mac[6];
	struct bpft_live_stats stats;
	char error[BPFT_ERROR]; /* why dispatch said -1; before, what libpcap warned of at opening */
};

struct bpft_engine_ops {
	const char *name;
	bool exact;          /* merged frames are counted as they were on the wire (C2) */
	int (*compile)(struct bpft_engine *e, struct bpf_program *program, const char *expression, bool optimize,
	               char error[BPFT_ERROR]);
	int (*attach)(struct bpft_engine *e, struct bpf_program *program, char error[BPFT_ERROR]);
	/* Decode what is there, at most `burst` frames; never blocks.  -1: the interface is gone. */
	int (*dispatch)(struct bpft_engine *e, struct bpft_meter *meter, int burst);
	void (*read_stats)(struct bpft_engine *e);
	void (*close)(struct bpft_engine *e);
};

/* BPFT_DIR_* of a frame whose engine does not tell it. */
static inline uint8_t bpft_engine_direction(const struct bpft_engine *e, const uint8_t *frame, uint32_t caplen)
{
	if (!e->have_mac || caplen < 12)
		return BPFT_DIR_UNKNOWN;
	return memcmp(frame + 6, e->mac, 6) ? BPFT_DIR_RX : BPFT_DIR_TX;
}

/* For bpft_fetch(): the kernel wrote the frames on another CPU, one behind the other; what lies some frames on is fetched
 * from its cache while the one at hand is decoded. */
enum { BPFT_LIVE_AHEAD = 2048 };

/* NULL: *status is libpcap's PCAP_ERROR_ value, error its text. */
typedef struct bpft_engine *bpft_engine_open_fn(const char *interface, const struct bpft_live_options *options,
                                                int *status, char error[BPFT_ERROR]);
bpft_engine_open_fn bpft_engine_pcap, bpft_engine_ring;

/* ---- the capture ----------------------------------------------------------- */

struct bpft_live;

enum { BPFT_LIVE_FDS = 8 };
enum bpft_live_engine { BPFT_ENGINE_AUTO, BPFT_ENGINE_PCAP, BPFT_ENGINE_RING };

/* As an engine's open.  AUTO: the ring where it works, else libpcap. */
struct bpft_live *bpft_live_open(const char *interface, enum bpft_live_engine engine,
                                 const struct bpft_live_options *options, int *status, char error[BPFT_ERROR]);
int bpft_live_set_filter(struct bpft_live *l, const char *expression, bool optimize, char error[BPFT_ERROR]);
/* As set_filter, but only compiled; the caller frees the program. */
int bpft_live_compile(struct bpft_live *l, struct bpf_program *program, const char *expression, bool optimize,
                      char error[BPFT_ERROR]);
const struct bpft_engine *bpft_live_get_engine(const struct bpft_live *l);
/* Why AUTO did not take the ring; "" where it did. */
const char *bpft_live_fallback(const struct bpft_live *l);
/* Every descriptor the capture holds; returns how many. */
unsigned bpft_live_fds(const struct bpft_live *l, int fds[BPFT_LIVE_FDS]);

enum bpft_live_end { BPFT_LIVE_STOPPED, BPFT_LIVE_COUNT, BPFT_LIVE_GONE, BPFT_LIVE_BUSY };

/* Count into table, or into the one that a swap has put in before; count 0: no limit.
 * The table is the capture's until it is swapped out or run returns. */
enum bpft_live_end bpft_live_run(struct bpft_live *l, struct bpft_table *table, uint64_t count);
void bpft_live_stop(struct bpft_live *l);
/* See _core.pyi swap(): returns the table that was counted into (NULL: there was none). */
struct bpft_table *bpft_live_swap(struct bpft_live *l, struct bpft_table *table, bool merge, bool settle);
void bpft_live_stats(struct bpft_live *l, struct bpft_live_stats *stats);
void bpft_live_close(struct bpft_live *l);

#endif

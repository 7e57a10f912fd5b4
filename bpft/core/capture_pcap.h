/* capture_pcap.h - a live interface through libpcap.
 *
 * Life: open, set_filter, run (in a thread of its own) until stop, close.  swap
 * and stats may be called from another thread while run() runs; they are done by
 * the capture thread between two packets, so neither side ever waits for a table.
 */
#ifndef BPFT_CAPTURE_PCAP_H
#define BPFT_CAPTURE_PCAP_H

#include "filter.h"
#include "meter.h"

struct bpft_live;

struct bpft_live_options {
	bool promiscuous;
	int snaplen, timeout_ms;
	int buffer_bytes;    /* halved on ENOMEM, not below 1 MiB */
	uint32_t mtu;        /* > 0: merged frames count as on the wire, estimated (C2) */
	bool addresses_only; /* -X */
	bool have_mac;       /* direction by source MAC (C5), on Ethernet */
	uint8_t mac[6];
};

enum { BPFT_LIVE_FDS = 8 };

struct bpft_live_stats { uint64_t received, dropped, if_dropped; };

/* NULL: *status is libpcap's PCAP_ERROR_ value, error its text. */
struct bpft_live *bpft_live_open(const char *interface, const struct bpft_live_options *options, int *status,
                                 char error[BPFT_ERROR]);
int bpft_live_set_filter(struct bpft_live *l, const char *expression, bool optimize, char error[BPFT_ERROR]);
/* As set_filter, but only compiled; the caller frees the program. */
int bpft_live_compile(struct bpft_live *l, struct bpf_program *program, const char *expression, bool optimize,
                      char error[BPFT_ERROR]);
int bpft_live_linktype(const struct bpft_live *l);
int bpft_live_buffer(const struct bpft_live *l);
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
const char *bpft_live_error(const struct bpft_live *l);
void bpft_live_close(struct bpft_live *l);

#endif

/* filter.h - tcpdump expressions, run over captured frames and over records. */
#ifndef BPFT_FILTER_H
#define BPFT_FILTER_H

#include <pcap/pcap.h>
#include <stdbool.h>

#include "flow.h"

enum { BPFT_ERROR = 512 };

/* Compile for a link type (LINKTYPE_ or DLT_).  0, or -1 with libpcap's message. */
int bpft_filter_compile(struct bpf_program *program, const char *expression, int linktype, int snaplen,
                        bool optimize, char error[BPFT_ERROR]);

/* The program for a live interface, made of its filter: of what passes, TCP in plain IP leaves its headers in the kernel's
 * buffer and no more, so that a large frame takes no more room there, and costs no more, than a small one.  udp: so does
 * UDP.  (What it carries may be a tunnel, whose headers are wanted of a merged frame, if the engine tells which are.)
 * Returns *out's instructions, to be freed; NULL: the filter is to be taken as it is. */
struct bpf_insn *bpft_filter_headers(const struct bpf_program *filter, int linktype, int snaplen, bool udp,
                                     struct bpf_program *out);

/* One expression compiled for IPv4 and for IPv6 pseudo headers (SEMANTICS R3). */
struct bpft_record_filter {
	struct bpf_program program[2]; /* IPv4, IPv6; bf_insns NULL: nothing matches there */
	bool reads_ports, reads_proto;
};
int bpft_record_filter_compile(struct bpft_record_filter *f, const char *expression, char error[BPFT_ERROR]);
void bpft_record_filter_free(struct bpft_record_filter *f);
/* Copy the dense records that match to out (room for n); returns how many.  "other" never matches. */
size_t bpft_record_filter_select(const struct bpft_record_filter *f, int version, const void *records, size_t n,
                                 void *out);

#endif

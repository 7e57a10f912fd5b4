/* capture_file.h - frames out of a pcap or pcapng file or stream (RULES F1..F6). */
#ifndef BPFT_CAPTURE_FILE_H
#define BPFT_CAPTURE_FILE_H

#include <stdbool.h>
#include <string.h>

#include "flow.h"

enum { BPFT_MAX_CAPLEN = 262144 }; /* libpcap's MAXIMUM_SNAPLEN: a longer record is a broken one (F2) */

struct bpft_reader {              /* what bpft_reader_next() needs; the rest is in capture_file.c */
	const uint8_t *at, *end;  /* read up to here, filled up to here */
	bool plain;               /* pcap records as they are today, in this machine's byte order */
	uint32_t tick;            /* pcap: ns a tick of the fraction */
	int linktype;             /* pcap: the file's; pcapng: -1 */
};

enum bpft_format { BPFT_PCAP, BPFT_PCAPNG };

/* Asked when a signal interrupts a read: true ends the input there. */
typedef bool bpft_interrupted_fn(void);

/* Read the file header from fd, which stays the caller's.  NULL: not a capture, *error says why. */
struct bpft_reader *bpft_reader_open(int fd, bpft_interrupted_fn *interrupted, char error[256]);
/* The next frame, its bytes valid until the next call.  false: the end, or broken (see error). */
bool bpft_reader_next_any(struct bpft_reader *r, struct bpft_frame *f);
const char *bpft_reader_error(const struct bpft_reader *r); /* NULL: whole so far */
enum bpft_format bpft_reader_format(const struct bpft_reader *r);
uint32_t bpft_reader_snaplen(const struct bpft_reader *r);
void bpft_reader_close(struct bpft_reader *r);

/* As bpft_reader_next_any(), which it leaves all to but a plain pcap record that is whole at hand. */
static inline bool bpft_reader_next(struct bpft_reader *r, struct bpft_frame *f)
{
	uint32_t word[4];         /* seconds, fraction, captured, on the wire */
	size_t left = (size_t)(r->end - r->at);

	if (r->plain && left >= sizeof word) {
		memcpy(word, r->at, sizeof word);
		if (word[2] <= BPFT_MAX_CAPLEN && left - sizeof word >= word[2]) {
			*f = (struct bpft_frame){
				.data = r->at + sizeof word, .caplen = word[2], .wirelen = word[3] > word[2] ? word[3] : word[2],
				.linktype = r->linktype, .ns = (int64_t)word[0] * 1000000000 + (int64_t)word[1] * r->tick,
			};
			r->at += sizeof word + word[2];
			__builtin_prefetch(r->at + 128); /* the record after the next, more or less */
			return true;
		}
	}
	struct bpft_frame any = {0};      /* so that a plain frame need not lie in memory */
	bool found = bpft_reader_next_any(r, &any);
	*f = any;
	return found;
}

#endif

/* capture_file.h - frames out of a pcap or pcapng file or stream (RULES F1..F6). */
#ifndef BPFT_CAPTURE_FILE_H
#define BPFT_CAPTURE_FILE_H

#include <stdbool.h>
#include <string.h>

#include "fetch.h"
#include "flow.h"

enum { BPFT_MAX_CAPLEN = 262144 }; /* libpcap's MAXIMUM_SNAPLEN: a longer record is a broken one (F2) */

struct bpft_reader {              /* what bpft_reader_next() needs; the rest is in capture_file.c */
	const uint8_t *at;        /* read up to here */
	const uint8_t *end;       /* and plain records, pcap's of today in this machine's byte order, are at hand up to here */
	uint32_t tick, second;    /* pcap: ns a tick of the fraction, ticks a second */
	int linktype;             /* pcap: the file's; pcapng: -1 */
	bool far;                 /* what is at hand was not copied just now: no cache has it yet */
};

enum bpft_format { BPFT_PCAP, BPFT_PCAPNG };

/* Asked when a signal interrupts a read: true ends the input there. */
typedef bool bpft_interrupted_fn(void);

/* Read the file header from fd, which stays the caller's.  NULL: not a capture, *error says why. */
struct bpft_reader *bpft_reader_open(int fd, bpft_interrupted_fn *interrupted, char error[256]);
/* The next frame, its bytes valid until the next call.  false: the end, or broken (see error). */
bool bpft_reader_next(struct bpft_reader *r, struct bpft_frame *f);
const char *bpft_reader_error(const struct bpft_reader *r); /* NULL: whole so far */
enum bpft_format bpft_reader_format(const struct bpft_reader *r);
uint32_t bpft_reader_snaplen(const struct bpft_reader *r);
void bpft_reader_close(struct bpft_reader *r);

/* When the next record, a plain one, was captured, as the file has it: what is later is larger; 0: not known. */
ALWAYS_INLINE uint64_t bpft_reader_stamp(const struct bpft_reader *r)
{
	uint32_t word[2];

	memcpy(word, r->at, sizeof word);
	return (uint64_t)word[0] << 32 | word[1];
}

/* That in UTC nanoseconds. */
static inline int64_t bpft_reader_ns(const struct bpft_reader *r, uint64_t stamp)
{
	return (int64_t)(stamp >> 32) * 1000000000 + (int64_t)(stamp & UINT32_MAX) * r->tick;
}

/* What most records are: plain, whole at hand, of so many captured bytes or more, their time no fraction above a second.
 * The next one, which stays the next until it was taken.  false: bpft_reader_next() knows.  All are of the link type that
 * the last frame from there had. */
ALWAYS_INLINE bool bpft_reader_plain(const struct bpft_reader *r, const uint32_t least, struct bpft_frame *f)
{
	const size_t left = (size_t)(r->end - r->at);
	uint32_t word[4];         /* seconds, fraction, captured, on the wire */

	if (left < sizeof word)
		return false;
	memcpy(word, r->at, sizeof word);
	if (word[2] - least > BPFT_MAX_CAPLEN - least || left < sizeof word + word[2] || word[1] >= r->second)
		return false;
	*f = (struct bpft_frame){
		.data = r->at + sizeof word, .caplen = word[2], .wirelen = word[3] > word[2] ? word[3] : word[2],
		.linktype = r->linktype, .ns = bpft_reader_ns(r, bpft_reader_stamp(r)),
	};
	return true;
}

/* The lines of long frames go no nearer than the second-level cache, as the first can wait for few lines at once and the
 * table wants some of them; what was copied just now is there already. */
ALWAYS_INLINE void bpft_reader_take(struct bpft_reader *r, const struct bpft_frame *f)
{
	enum { AHEAD = 4096, SHORT = 128 /* bytes */ };

	const uint8_t *next = f->data + f->caplen;
	const size_t bytes = (size_t)(next - r->at);

	if (bytes <= SHORT)
		bpft_fetch(r->at + AHEAD, SHORT, BPFT_FIRST_LEVEL);
	else if (r->far)
		bpft_fetch(r->at + AHEAD, bytes, BPFT_SECOND_LEVEL);
	r->at = next;
}

#endif

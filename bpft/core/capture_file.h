/* capture_file.h - frames out of a pcap or pcapng file or stream (RULES F1..F6). */
#ifndef BPFT_CAPTURE_FILE_H
#define BPFT_CAPTURE_FILE_H

#include <stdbool.h>

#include "flow.h"

enum { BPFT_MAX_CAPLEN = 262144 }; /* libpcap's MAXIMUM_SNAPLEN: a longer record is a broken one (F2) */

struct bpft_reader;

enum bpft_format { BPFT_PCAP, BPFT_PCAPNG };

/* Asked when a signal interrupts a read: true ends the input there. */
typedef bool bpft_interrupted_fn(void);

/* Read the file header from fd, which stays the caller's.  NULL: not a capture, *error says why. */
struct bpft_reader *bpft_reader_open(int fd, bpft_interrupted_fn *interrupted, char error[256]);
/* Up to max frames, their bytes valid until the next call.  0: the end, or broken (see error). */
unsigned bpft_reader_next(struct bpft_reader *r, struct bpft_frame *frames, unsigned max);
const char *bpft_reader_error(const struct bpft_reader *r); /* NULL: whole so far */
enum bpft_format bpft_reader_format(const struct bpft_reader *r);
uint32_t bpft_reader_snaplen(const struct bpft_reader *r);
int bpft_reader_linktype(const struct bpft_reader *r);      /* pcap: the file's; pcapng: -1 */
void bpft_reader_close(struct bpft_reader *r);

#endif

/* capture_file.c - own readers of pcap and pcapng, from a file or a pipe (RULES F1..F6; pcap-savefile(5), pcapng draft).
 *
 * Both read through one window of the input.  A record that is not wholly in the
 * window moves it, never while frames of the batch still point into it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_file.h"
#include "link.h"

enum {
	WINDOW = 1 << 18,         /* bytes: stays in the second-level cache between copying and decoding */
	MAX_BLOCK = 16 << 20,     /* pcapng block length */
};

struct interface {                /* of a pcapng section */
	int linktype;
	uint32_t snaplen;
	uint64_t units;           /* ticks a second */
	int64_t offset;           /* seconds to add */
};

struct bpft_reader {
	int fd;
	bpft_interrupted_fn *interrupted;
	bool eof;
	uint8_t *buf;             /* the window; owned */
	size_t size, at, end;     /* bytes: capacity, read up to here, filled up to here */
	uint64_t base;            /* offset of buf[0] in the input */
	enum bpft_format format;
	bool big_endian;
	/* pcap */
	uint32_t snaplen, header; /* header: bytes before each record */
	int linktype;
	uint32_t tick;            /* ns a tick of the fraction */
	bool swapped;             /* caplen and wire length stand in the other order: always */
	bool maybe_swapped;       /* ... or where caplen would be the larger (2.3) */
	/* pcapng */
	struct interface *ifaces; /* owned */
	uint32_t nifaces, room;  /* room: interfaces there is memory for */
	char error[256];
};

/* ---- the window --------------------------------------------------------------- */

enum want { HAVE, HELD, END };

/* Say at which byte of the input it breaks and why; what was read before stands. */
static void broken(struct bpft_reader *r, const char *what, uint64_t number)
{
	snprintf(r->error, sizeof r->error, "broken at byte %llu: %s", (unsigned long long)(r->base + r->at), what);
	if (number != UINT64_MAX)
		snprintf(r->error + strlen(r->error), sizeof r->error - strlen(r->error), " %llu",
		         (unsigned long long)number);
}
#define NO_NUMBER UINT64_MAX

/* See to it that n bytes stand at r->at.  HELD: they would need the window moved, while frames are held. */
static enum want want(struct bpft_reader *r, size_t n, bool held)
{
	if (r->end - r->at >= n)
		return HAVE;
	if (r->eof)
		return END;
	if (held)
		return HELD;
	memmove(r->buf, r->buf + r->at, r->end - r->at);
	r->base += r->at;
	r->end -= r->at;
	r->at = 0;
	if (n > r->size) {
		uint8_t *bigger = realloc(r->buf, n);
		if (!bigger) {
			broken(r, "no memory for a record of", n);
			r->eof = true;
			return END;
		}
		r->buf = bigger;
		r->size = n;
	}
	while (r->end < n) {
		ssize_t got = read(r->fd, r->buf + r->end, r->size - r->end);
		if (got < 0 && errno == EAGAIN) { /* somebody left the pipe non-blocking */
			struct pollfd ready = {.fd = r->fd, .events = POLLIN};
			if (poll(&ready, 1, -1) >= 0)
				continue;
		}
		if (got < 0 && errno == EINTR && !(r->interrupted && r->interrupted()))
			continue;
		if (got < 0)
			broken(r, strerror(errno), NO_NUMBER);
		if (got <= 0) {
			r->eof = true;
			return END;
		}
		r->end += (size_t)got;
	}
	return HAVE;
}

static uint16_t u16(const struct bpft_reader *r, const uint8_t *p)
{
	return r->big_endian ? bpft_be16(p) : bpft_le16(p);
}
static uint32_t u32(const struct bpft_reader *r, const uint8_t *p)
{
	uint32_t be = bpft_be32(p);
	return r->big_endian ? be : __builtin_bswap32(be);
}

/* ---- pcap ------------------------------------------------------------------------ */

static bool pcap_magic(struct bpft_reader *r, const uint8_t *p)
{
	for (int big = 0; big < 2; big++) {
		r->big_endian = big;
		r->header = 16;
		r->tick = 1000;
		switch (u32(r, p)) {
		case 0xA1B23C4D: /* nanoseconds */
			r->tick = 1;
			return true;
		case 0xA1B2CD34: /* Kuznetzov's "modified" records */
			r->header = 24;
			return true;
		case 0xA1B2C3D4:
			return true;
		}
	}
	return false;
}

static bool pcap_header(struct bpft_reader *r)
{
	if (want(r, 24, false) != HAVE) {
		broken(r, "the file header is cut short", NO_NUMBER);
		return false;
	}
	const uint8_t *p = r->buf + r->at;
	unsigned major = u16(r, p + 4), minor = u16(r, p + 6);
	uint32_t network = u32(r, p + 20);
	bool dg_ux = major == 543 && minor == 0;

	if (!dg_ux && (major != 2 || minor > 4)) {
		snprintf(r->error, sizeof r->error, "pcap version %u.%u is not known", major, minor);
		return false;
	}
	if (network & 0x03FF0000) {
		snprintf(r->error, sizeof r->error, "reserved bits of the link type are set (0x%08x)", network);
		return false;
	}
	r->swapped = dg_ux || minor < 3;
	r->maybe_swapped = !dg_ux && minor == 3;
	r->snaplen = u32(r, p + 16);
	r->linktype = network & 0xFFFF; /* above: the FCS length */
	r->at += 24;
	return true;
}

/* One record; false at the end, when broken, and when the window must move first. */
static bool pcap_record(struct bpft_reader *r, struct bpft_frame *f, bool held)
{
	enum want head = want(r, r->header, held);

	if (head != HAVE) {
		if (head == END && r->end > r->at && !r->error[0])
			broken(r, "short record header", NO_NUMBER);
		return false;
	}
	const uint8_t *p = r->buf + r->at;
	uint32_t cap = u32(r, p + 8), wire = u32(r, p + 12);
	if (r->swapped || (r->maybe_swapped && cap > wire)) {
		uint32_t t = cap;
		cap = wire;
		wire = t;
	}
	if (cap > BPFT_MAX_CAPLEN) {
		broken(r, "record length", cap);
		return false;
	}
	enum want body = want(r, r->header + (size_t)cap, held);
	if (body != HAVE) {
		if (body == END && !r->error[0])
			broken(r, "short record", NO_NUMBER);
		return false;
	}
	p = r->buf + r->at;
	*f = (struct bpft_frame){
		.data = p + r->header, .caplen = cap, .wirelen = wire > cap ? wire : cap, .linktype = r->linktype,
		.ns = (int64_t)u32(r, p) * 1000000000 + (int64_t)u32(r, p + 4) * r->tick,
	};
	r->at += r->header + cap;
	return true;
}

/* ---- pcapng ------------------------------------------------------------------------- */

enum {
	NG_SECTION = 0x0A0D0D0A, NG_INTERFACE = 1, NG_OLD_PACKET = 2, NG_SIMPLE = 3, NG_ENHANCED = 6,
	NG_OPT_TSRESOL = 9, NG_OPT_TSOFFSET = 14,
};

/* Ticks a second that an if_tsresol byte means: a power of ten, or of two with the high bit. */
static uint64_t ticks(uint8_t resolution)
{
	uint64_t units = 1;
	unsigned power = resolution & 0x7F;

	if (resolution & 0x80)
		return power < 64 ? (uint64_t)1 << power : 0;
	if (power > 19)
		return 0;
	while (power--)
		units *= 10;
	return units;
}

static bool ng_interface(struct bpft_reader *r, const uint8_t *body, uint32_t length)
{
	if (length < 8) {
		broken(r, "short block body", NO_NUMBER);
		return false;
	}
	if (r->nifaces == r->room) {
		uint32_t room = r->room ? 2 * r->room : 16;
		struct interface *all = room > r->room ? realloc(r->ifaces, room * sizeof *all) : NULL;
		if (!all) {
			broken(r, "no memory for interface", r->nifaces);
			return false;
		}
		r->ifaces = all;
		r->room = room;
	}
	struct interface *i = &r->ifaces[r->nifaces++];
	*i = (struct interface){.linktype = u16(r, body), .snaplen = u32(r, body + 4), .units = 1000000};
	for (uint32_t at = 8; at + 4 <= length;) {
		uint32_t code = u16(r, body + at), size = u16(r, body + at + 2);
		if (!code || size > length - at - 4)
			break;
		const uint8_t *value = body + at + 4;
		if (code == NG_OPT_TSRESOL && size >= 1)
			i->units = ticks(value[0]);
		if (code == NG_OPT_TSOFFSET && size >= 8) {
			uint64_t high = u32(r, value + (r->big_endian ? 0 : 4)), low = u32(r, value + (r->big_endian ? 4 : 0));
			i->offset = (int64_t)(high << 32 | low);
		}
		at += 4 + ((size + 3) & ~3u);
	}
	return true;
}

/* UTC nanoseconds; 0 where the file tells none that fits. */
static int64_t ng_time(const struct interface *i, uint64_t stamp)
{
	if (!i->units || i->offset > INT32_MAX || i->offset < INT32_MIN)
		return 0;
	uint64_t seconds = stamp / i->units;
	uint64_t rest = (uint64_t)((unsigned __int128)(stamp % i->units) * 1000000000 / i->units);
	if (seconds > UINT32_MAX)
		return 0;
	return ((int64_t)seconds + i->offset) * 1000000000 + (int64_t)rest;
}

static bool ng_frame(struct bpft_reader *r, struct bpft_frame *f, uint32_t number, uint32_t cap, uint32_t wire,
                     const uint8_t *data, uint32_t room)
{
	if (number >= r->nifaces) {
		broken(r, "unknown interface", number);
		return false;
	}
	if (cap > room || cap > BPFT_MAX_CAPLEN) {
		broken(r, "packet length", cap);
		return false;
	}
	*f = (struct bpft_frame){
		.data = data, .caplen = cap, .wirelen = wire > cap ? wire : cap, .linktype = r->ifaces[number].linktype,
	};
	return true;
}

/* A block of packets into *f: 1 a frame, 0 none in it, -1 broken. */
static int ng_body(struct bpft_reader *r, uint32_t type, const uint8_t *body, uint32_t length, struct bpft_frame *f)
{
	uint32_t fixed = type == NG_SIMPLE ? 4 : 20;

	if (type == NG_INTERFACE)
		return ng_interface(r, body, length) ? 0 : -1;
	if (type != NG_ENHANCED && type != NG_OLD_PACKET && type != NG_SIMPLE)
		return 0;
	if (length < fixed) {
		broken(r, "short block body", NO_NUMBER);
		return -1;
	}
	if (type == NG_SIMPLE) {
		uint32_t wire = u32(r, body), cap = wire, snap = r->nifaces ? r->ifaces[0].snaplen : 0;
		if (snap && cap > snap)
			cap = snap;
		if (cap > length - fixed)
			cap = length - fixed;
		return ng_frame(r, f, 0, cap, wire, body + fixed, length - fixed) ? 1 : -1;
	}
	uint32_t number = type == NG_ENHANCED ? u32(r, body) : u16(r, body);
	if (!ng_frame(r, f, number, u32(r, body + 12), u32(r, body + 16), body + fixed, length - fixed))
		return -1;
	f->ns = ng_time(&r->ifaces[number], (uint64_t)u32(r, body + 4) << 32 | u32(r, body + 8));
	return 1;
}

/* The byte order and version of a section; its interfaces start anew. */
static bool ng_section(struct bpft_reader *r, const uint8_t *p)
{
	static const uint8_t big[4] = {0x1A, 0x2B, 0x3C, 0x4D}, little[4] = {0x4D, 0x3C, 0x2B, 0x1A};

	r->big_endian = !memcmp(p + 8, big, 4);
	if (!r->big_endian && memcmp(p + 8, little, 4)) {
		broken(r, "bad byte-order magic", NO_NUMBER);
		return false;
	}
	if (u16(r, p + 12) != 1 || (u16(r, p + 14) != 0 && u16(r, p + 14) != 2)) {
		broken(r, "a pcapng version that is not known", NO_NUMBER);
		return false;
	}
	r->nifaces = 0;
	return true;
}

/* One frame, over any number of blocks without; false as pcap_record(). */
static bool ng_record(struct bpft_reader *r, struct bpft_frame *f, bool held)
{
	for (;;) {
		enum want head = want(r, 8, held);
		if (head != HAVE) {
			if (head == END && r->end > r->at && !r->error[0])
				broken(r, "short block header", NO_NUMBER);
			return false;
		}
		bool section = bpft_be32(r->buf + r->at) == NG_SECTION; /* a palindrome: the same in both orders */
		if (section) {
			enum want more = want(r, 16, held);
			if (more == HELD)
				return false;
			if (more == END) {
				broken(r, "short block header", NO_NUMBER);
				return false;
			}
			if (!ng_section(r, r->buf + r->at))
				return false;
		}
		uint32_t length = u32(r, r->buf + r->at + 4), type = u32(r, r->buf + r->at);
		if (length < (section ? 20 : 12) || length % 4 || length > MAX_BLOCK) {
			broken(r, "block length", length);
			return false;
		}
		enum want whole = want(r, length, held);
		if (whole == HELD)
			return false;
		if (whole == END) {
			if (!r->error[0])
				broken(r, "short block", NO_NUMBER);
			return false;
		}
		const uint8_t *p = r->buf + r->at;
		if (u32(r, p + length - 4) != length) {
			broken(r, "block trailer mismatch", NO_NUMBER);
			return false;
		}
		int found = section ? 0 : ng_body(r, type, p + 8, length - 12, f);
		if (found < 0)
			return false;
		r->at += length;
		if (found)
			return true;
	}
}

/* ---- the reader -------------------------------------------------------------------------- */

struct bpft_reader *bpft_reader_open(int fd, bpft_interrupted_fn *interrupted, char error[256])
{
	struct bpft_reader *r = calloc(1, sizeof *r);

	if (!r || !(r->buf = malloc(WINDOW))) {
		free(r);
		snprintf(error, 256, "no memory");
		return NULL;
	}
	r->fd = fd;
	r->interrupted = interrupted;
	r->size = WINDOW;
	r->linktype = -1;
	bool good = false;
	if (want(r, 4, false) != HAVE) {
		if (!r->error[0])
			snprintf(r->error, sizeof r->error, r->end ? "not a pcap or pcapng capture" : "the file is empty");
	} else if (bpft_be32(r->buf) == NG_SECTION) {
		r->format = BPFT_PCAPNG;
		if (want(r, 16, false) != HAVE)
			broken(r, "the section header is cut short", NO_NUMBER);
		else
			good = ng_section(r, r->buf);
	} else if (pcap_magic(r, r->buf)) {
		good = pcap_header(r);
	} else {
		snprintf(r->error, sizeof r->error, "not a pcap or pcapng capture");
	}
	if (!good) {
		memcpy(error, r->error, sizeof r->error);
		bpft_reader_close(r);
		return NULL;
	}
	return r;
}

unsigned bpft_reader_next(struct bpft_reader *r, struct bpft_frame *frames, unsigned max)
{
	unsigned n = 0;

	while (n < max && !r->error[0]) {
		bool got = r->format == BPFT_PCAP ? pcap_record(r, &frames[n], n > 0) : ng_record(r, &frames[n], n > 0);
		if (!got)
			break;
		__builtin_prefetch(frames[n].data + 14);
		n++;
	}
	return n;
}

const char *bpft_reader_error(const struct bpft_reader *r) { return r->error[0] ? r->error : NULL; }
enum bpft_format bpft_reader_format(const struct bpft_reader *r) { return r->format; }
uint32_t bpft_reader_snaplen(const struct bpft_reader *r) { return r->snaplen; }
int bpft_reader_linktype(const struct bpft_reader *r) { return r->linktype; }

void bpft_reader_close(struct bpft_reader *r)
{
	if (!r)
		return;
	free(r->buf);
	free(r->ifaces);
	free(r);
}

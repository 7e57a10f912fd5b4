/* capture_file.c - own readers of pcap and pcapng, from a file or a pipe (RULES F1..F6; pcap-savefile(5), pcapng draft).
 *
 * Both look through one window on the input, which a record that is not wholly in it moves: over the mapped file, where
 * that costs less, else over a buffer that is read into.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_file.h"
#include "capture_map.h"
#include "link.h"

enum {
	WINDOW = 1 << 18,         /* bytes of the buffer: stays in the second-level cache between copying and decoding */
	MAX_BLOCK = 16 << 20,     /* pcapng block length */
};

struct interface {                /* of a pcapng section */
	int linktype;
	uint32_t snaplen;
	uint64_t units;           /* ticks a second */
	int64_t offset;           /* seconds to add */
};

struct reader {
	struct bpft_reader shown; /* first: the one is the other */
	int fd;
	bpft_interrupted_fn *interrupted;
	bool eof;
	const uint8_t *window, *fill; /* first byte and end of what is at hand */
	uint64_t base;            /* offset of the window in the input */
	struct bpft_map map;
	uint8_t *buf;             /* what is read into, where nothing is mapped; owned */
	size_t size;              /* its capacity, bytes */
	bool plain;               /* pcap: records that bpft_reader_plain() knows */
	enum bpft_format format;
	bool big_endian;
	/* pcap */
	uint32_t snaplen, header; /* header: bytes before each record */
	bool swapped;             /* caplen and wire length stand in the other order: always */
	bool maybe_swapped;       /* ... or where caplen would be the larger (2.3) */
	/* pcapng */
	struct interface *ifaces; /* owned */
	uint32_t nifaces, room;   /* room: interfaces there is memory for */
	char error[256];
};

/* ---- the window --------------------------------------------------------------- */

/* Offset in the input. */
static uint64_t position(const struct reader *r) { return r->base + (uint64_t)(r->shown.at - r->window); }

/* What stands here is not what was written: the file has become shorter than it was. */
static bool lost(const struct reader *r)
{
	enum { HEADER = 8 /* bytes, the least of any */ };

	return bpft_map_lost(&r->map, position(r) + HEADER);
}
static const char cut_short[] = "the file was cut short while it was read";

/* Say at which byte of the input it breaks and why; what was read before stands. */
static void broken(struct reader *r, const char *what, uint64_t number)
{
	if (lost(r)) {
		what = cut_short;
		number = UINT64_MAX;
	}
	snprintf(r->error, sizeof r->error, "broken at byte %llu: %s", (unsigned long long)position(r), what);
	if (number != UINT64_MAX)
		snprintf(r->error + strlen(r->error), sizeof r->error - strlen(r->error), " %llu",
		         (unsigned long long)number);
}
#define NO_NUMBER UINT64_MAX

/* Move the window to here in the map, with n bytes at hand; false: they are to be read, at least for a while. */
static bool look_through(struct reader *r, size_t n)
{
	const uint64_t here = position(r);
	struct bpft_map *m = &r->map;

	if (!m->base || here > m->size || m->size - here < n)
		return false;
	const uint8_t *fill = bpft_map_show(m, m->base + here, n);
	if (!fill)
		return false;
	r->window = m->base;
	r->shown.far = true;
	r->base = 0;
	r->shown.at = m->base + here;
	r->fill = fill;
	return true;
}

/* Move the window to here in the buffer, which gets room for n bytes. */
static bool make_room(struct reader *r, size_t n)
{
	size_t held = r->window == r->buf ? (size_t)(r->fill - r->shown.at) : 0; /* what is mapped is read once more */
	uint64_t here = position(r);

	if (held)
		memmove(r->buf, r->shown.at, held);
	if (n > r->size || !r->buf) {
		size_t size = n < WINDOW ? WINDOW : n;
		uint8_t *bigger = realloc(r->buf, size);
		if (!bigger) {
			broken(r, "no memory for a record of", n);
			return false;
		}
		r->buf = bigger;
		r->size = size;
	}
	r->base = here;
	r->shown.far = false;
	r->window = r->shown.at = r->buf;
	r->fill = r->buf + held;
	return true;
}

/* read(2) or pread(2) behind what is at hand. */
static ssize_t read_more(struct reader *r)
{
	uint8_t *to = r->buf + (r->fill - r->buf);
	size_t room = r->size - (size_t)(r->fill - r->buf);

	if (r->map.base) /* and behind the end that the file had when it was mapped: it may have grown */
		return pread(r->fd, to, room, (off_t)(r->map.from + r->base + (uint64_t)(r->fill - r->buf)));
	return read(r->fd, to, room);
}

/* See to it that n bytes stand at shown.at; false: they never will. */
static bool want(struct reader *r, size_t n)
{
	if ((size_t)(r->fill - r->shown.at) >= n || look_through(r, n))
		return true;
	if (r->eof || !make_room(r, n)) {
		r->eof = true;
		return false;
	}
	while ((size_t)(r->fill - r->buf) < n) {
		ssize_t got = read_more(r);
		if (got < 0 && errno == EAGAIN) { /* somebody left the pipe non-blocking */
			struct pollfd ready = {.fd = r->fd, .events = POLLIN};
			if (poll(&ready, 1, -1) >= 0)
				continue;
		}
		if (got < 0 && errno == EINTR && !(r->interrupted && r->interrupted()))
			continue;
		if (got < 0)
			broken(r, strerror(errno), NO_NUMBER);
		else if (!got && bpft_map_lost(&r->map, r->base + (uint64_t)(r->fill - r->buf) + 1))
			broken(r, cut_short, NO_NUMBER);
		if (got <= 0) {
			r->eof = true;
			return false;
		}
		r->fill += got;
	}
	return true;
}

static uint16_t u16(const struct reader *r, const uint8_t *p)
{
	return r->big_endian ? bpft_be16(p) : bpft_le16(p);
}
static uint32_t u32(const struct reader *r, const uint8_t *p)
{
	uint32_t be = bpft_be32(p);
	return r->big_endian ? be : __builtin_bswap32(be);
}

/* ---- pcap ------------------------------------------------------------------------ */

static bool pcap_magic(struct reader *r, const uint8_t *p)
{
	for (int big = 0; big < 2; big++) {
		r->big_endian = big;
		r->header = 16;
		r->shown.tick = 1000;
		r->shown.second = 1000000;
		switch (u32(r, p)) {
		case 0xA1B23C4D: /* nanoseconds */
			r->shown.tick = 1;
			r->shown.second = 1000000000;
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

static bool pcap_header(struct reader *r)
{
	if (!want(r, 24)) {
		broken(r, "the file header is cut short", NO_NUMBER);
		return false;
	}
	const uint8_t *p = r->shown.at;
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
	r->shown.linktype = network & 0xFFFF; /* above: the FCS length */
	r->shown.at += 24;
	r->plain = r->big_endian == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) && r->header == 16 && !r->swapped &&
	                 !r->maybe_swapped;
	return true;
}

/* One record; false at the end and when broken. */
static bool pcap_record(struct reader *r, struct bpft_frame *f)
{
	if (!want(r, r->header)) {
		if (r->fill > r->shown.at && !r->error[0])
			broken(r, "short record header", NO_NUMBER);
		return false;
	}
	uint32_t cap = u32(r, r->shown.at + 8), wire = u32(r, r->shown.at + 12);
	if (r->swapped || (r->maybe_swapped && cap > wire)) {
		uint32_t t = cap;
		cap = wire;
		wire = t;
	}
	if (cap > BPFT_MAX_CAPLEN) {
		broken(r, "record length", cap);
		return false;
	}
	if (!want(r, r->header + (size_t)cap)) {
		if (!r->error[0])
			broken(r, "short record", NO_NUMBER);
		return false;
	}
	if (!cap && lost(r)) {
		broken(r, "record length", cap);
		return false;
	}
	const uint8_t *p = r->shown.at;
	*f = (struct bpft_frame){
		.data = p + r->header, .caplen = cap, .wirelen = wire > cap ? wire : cap, .linktype = r->shown.linktype,
		.ns = bpft_reader_ns(&r->shown, (uint64_t)u32(r, p) << 32 | u32(r, p + 4)),
	};
	r->shown.at += r->header + cap;
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

static bool ng_interface(struct reader *r, const uint8_t *body, uint32_t length)
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

static bool ng_frame(struct reader *r, struct bpft_frame *f, uint32_t number, uint32_t cap, uint32_t wire,
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
static int ng_body(struct reader *r, uint32_t type, const uint8_t *body, uint32_t length, struct bpft_frame *f)
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
static bool ng_section(struct reader *r, const uint8_t *p)
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
static bool ng_record(struct reader *r, struct bpft_frame *f)
{
	for (;;) {
		if (!want(r, 8)) {
			if (r->fill > r->shown.at && !r->error[0])
				broken(r, "short block header", NO_NUMBER);
			return false;
		}
		bool section = bpft_be32(r->shown.at) == NG_SECTION; /* a palindrome: the same in both orders */
		if (section) {
			if (!want(r, 16)) {
				broken(r, "short block header", NO_NUMBER);
				return false;
			}
			if (!ng_section(r, r->shown.at))
				return false;
		}
		uint32_t length = u32(r, r->shown.at + 4), type = u32(r, r->shown.at);
		if (length < (section ? 20 : 12) || length % 4 || length > MAX_BLOCK) {
			broken(r, "block length", length);
			return false;
		}
		if (!want(r, length)) {
			if (!r->error[0])
				broken(r, "short block", NO_NUMBER);
			return false;
		}
		const uint8_t *p = r->shown.at;
		if (u32(r, p + length - 4) != length) {
			broken(r, "block trailer mismatch", NO_NUMBER);
			return false;
		}
		int found = section ? 0 : ng_body(r, type, p + 8, length - 12, f);
		if (found < 0)
			return false;
		r->shown.at += length;
		if (found)
			return true;
	}
}

/* ---- the reader -------------------------------------------------------------------------- */

static bool read_start(struct reader *r)
{
	if (!want(r, 4)) {
		if (!r->error[0])
			snprintf(r->error, sizeof r->error,
			         r->fill > r->shown.at ? "not a pcap or pcapng capture" : "the file is empty");
		return false;
	}
	if (bpft_be32(r->shown.at) == NG_SECTION) {
		r->format = BPFT_PCAPNG;
		if (want(r, 16))
			return ng_section(r, r->shown.at);
		broken(r, "the section header is cut short", NO_NUMBER);
		return false;
	}
	if (pcap_magic(r, r->shown.at))
		return pcap_header(r);
	snprintf(r->error, sizeof r->error, "not a pcap or pcapng capture");
	return false;
}

struct bpft_reader *bpft_reader_open(int fd, bpft_interrupted_fn *interrupted, char error[256])
{
	struct reader *r = calloc(1, sizeof *r);

	if (!r) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	r->fd = fd;
	r->interrupted = interrupted;
	r->shown.linktype = -1;
	bpft_map_open(&r->map, fd);
	r->window = r->fill = r->shown.at = r->map.base;
	if (!read_start(r)) {
		memcpy(error, r->error, sizeof r->error);
		bpft_reader_close(&r->shown);
		return NULL;
	}
	r->shown.end = r->shown.at;
	return &r->shown;
}

static const struct reader *whole(const struct bpft_reader *r) { return (const struct reader *)(const void *)r; }

bool bpft_reader_next(struct bpft_reader *shown, struct bpft_frame *f)
{
	struct reader *r = (struct reader *)(void *)shown;

	if (r->error[0])
		return false;
	bool found = r->format == BPFT_PCAP ? pcap_record(r, f) : ng_record(r, f);
	shown->end = r->plain ? r->fill : shown->at;
	return found;
}

const char *bpft_reader_error(const struct bpft_reader *r) { return whole(r)->error[0] ? whole(r)->error : NULL; }
enum bpft_format bpft_reader_format(const struct bpft_reader *r) { return whole(r)->format; }
uint32_t bpft_reader_snaplen(const struct bpft_reader *r) { return whole(r)->snaplen; }

void bpft_reader_close(struct bpft_reader *shown)
{
	struct reader *r = (struct reader *)(void *)shown;

	if (!r)
		return;
	bpft_map_close(&r->map);
	free(r->buf);
	free(r->ifaces);
	free(r);
}

/* flow.h - the contract of the C core: key, record, counters, and who offers what.
 *
 * The walk: a frame is decoded (decode.c) into one struct bpft_flow, accounting
 * (table.c) adds that to a record under its key, and the table is exported as
 * dense records.  Nothing behind decode sees packet bytes; nothing before it
 * knows counters.  No file here but bind*.c and _core.c knows Python.
 *
 * Byte order: addresses and ports stay in network order, so comparing keys with
 * memcmp sorts them as people do; everything else is in host order.
 */
#ifndef BPFT_FLOW_H
#define BPFT_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define likely(what) __builtin_expect(!!(what), 1)

/* ---- key and record --------------------------------------------------- */

/* Bits of a key's flags.  Direction is SEMANTICS C5; the others say what the
 * key does not know, so that an absent port is never mistaken for port 0. */
enum {
	BPFT_DIR_UNKNOWN = 0,
	BPFT_DIR_RX = 1,
	BPFT_DIR_TX = 2,
	BPFT_DIR_MASK = 3,
	BPFT_NO_PORTS = 4,   /* ports are absent */
	BPFT_NO_PROTO = 8,   /* protocol is absent (with BPFT_NO_PORTS: -X, C6) */
	BPFT_OTHER = 128,    /* the remainder record of its IP version (C7) */
};

struct bpft_key_tail {       /* what follows the addresses, 8 bytes */
	uint8_t sport[2], dport[2];
	uint8_t proto, flags;
	uint16_t vlan;       /* 802.1Q id + 1; 0: not part of the key */
};

struct bpft_key4 {           /* 16 bytes: two words to hash */
	uint8_t src[4], dst[4];
	struct bpft_key_tail tail;
};

struct bpft_key6 {           /* 40 bytes: five words */
	uint8_t src[16], dst[16];
	struct bpft_key_tail tail;
};

struct bpft_sums {
	uint64_t packets;    /* IP packets */
	uint64_t all;        /* IP bytes (RULES B1..B6) */
	uint64_t data;       /* payload bytes (RULES P1..P3) */
};

struct bpft_rec4 { struct bpft_key4 key; struct bpft_sums sums; };  /* 40 bytes */
struct bpft_rec6 { struct bpft_key6 key; struct bpft_sums sums; };  /* 64 bytes */

/* ---- what decode yields ------------------------------------------------ */

/* Why a frame belongs to no key.  One row: enumerator, name in reports. */
#define BPFT_SKIP_LIST(X) \
	X(NON_IP, "non-ip") \
	X(SHORT_LINK, "short-link") \
	X(SHORT_IP, "short-ip") \
	X(BAD_VERSION, "bad-version") \
	X(BAD_IHL, "bad-ihl") \
	X(BAD_LENGTH, "bad-length") \
	X(ENCRYPTED, "encrypted") \
	X(A_MSDU, "a-msdu") \
	X(LINKTYPE, "linktype")

enum bpft_skip {
#define X(id, name) BPFT_SKIP_##id,
	BPFT_SKIP_LIST(X)
#undef X
	BPFT_NSKIP
};
extern const char *const bpft_skip_name[BPFT_NSKIP];

struct bpft_frame {          /* what a source hands to decode */
	const uint8_t *data; /* captured bytes; owned by the source */
	uint32_t caplen;     /* captured bytes */
	uint32_t wirelen;    /* frame bytes on the link, >= caplen (RULES F4) */
	int64_t ns;          /* UTC nanoseconds */
	int linktype;        /* LINKTYPE_ value, see decode.c */
	uint16_t vlan;       /* outermost 802.1Q id + 1 that the kernel took out of the frame; 0: none */
	uint16_t segment;    /* payload bytes of each packet that was merged into this frame (C2); 0: not known */
	uint8_t dir;         /* BPFT_DIR_*, where the source tells it */
	bool fragments;      /* merged from fragments: only the IP header is repeated */
	uint16_t repeated;   /* bytes from its start that each of those packets begins with; 0: not known */
};

struct bpft_flow {           /* the summary, 64 bytes: what one frame adds, and to which key */
	uint32_t tag;        /* upper half of the key's hash, filled by the meter */
	uint32_t packets;    /* 1, also when skipped, or the segments of a merged frame (C2) */
	uint32_t all, data;  /* bytes this frame adds */
	union {
		struct bpft_key4 v4;
		struct bpft_key6 v6;
		uint64_t word[5]; /* either, as it is hashed and compared */
	} key;
	uint8_t *rec;        /* where its record probably is, filled by the table */
};

struct bpft_fate {           /* ... and what became of the frame, which is counted at once */
	uint32_t more;       /* frame bytes on the wire beyond those tapped (C2) */
	uint8_t version;     /* 4, 6, or 0: skipped */
	uint8_t skip;        /* enum bpft_skip when version is 0 */
	uint8_t dir;         /* BPFT_DIR_*: where the frame went */
};

/* ---- the table ----------------------------------------------------------- */

struct bpft_counters {       /* SEMANTICS C3: seen = counted + sum(skipped) */
	uint64_t seen, counted, skipped[BPFT_NSKIP];
	struct {
		uint64_t frames, bytes;           /* as tapped */
		uint64_t wire_frames, wire_bytes; /* as on the wire (C2) */
	} dir[3];            /* by BPFT_DIR_* */
	int64_t first_ns, last_ns; /* capture times; 0, 0: no frame yet */
	uint64_t folded;     /* records folded into "other" by the cap */
};

struct bpft_table;           /* opaque: table.c */

#endif

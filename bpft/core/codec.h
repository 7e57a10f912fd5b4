/* codec.h - dense records of one row group as columns, each in bytes of its own, and back.
 *
 * A group holds at most BPFT_GROUP_ROWS records of one class, which know the same things: ports or none, protocol or
 * none, direction or none, VLAN or none, packets or none (0), `other` or not.  What they do not know gets no column.
 * bpft(5) has the encodings to the byte; lane.h has the packing of one vector.
 */
#ifndef BPFT_CODEC_H
#define BPFT_CODEC_H

#include "flow.h"
#include "lane.h"

#define BPFT_GROUP_ROWS BPFT_LANE_ROWS
#define BPFT_GROUP_COLUMNS 10    /* the most that a group of records has */

/* Column ids are IANA IPFIX element numbers; from 0x8000 on they are our own. */
enum bpft_column_id {
	BPFT_COL_ALL = 1,            /* octetDeltaCount */
	BPFT_COL_PACKETS = 2,        /* packetDeltaCount */
	BPFT_COL_PROTO = 4,          /* protocolIdentifier */
	BPFT_COL_SPORT = 7,
	BPFT_COL_SRC4 = 8,
	BPFT_COL_DPORT = 11,
	BPFT_COL_DST4 = 12,
	BPFT_COL_SRC6 = 27,
	BPFT_COL_DST6 = 28,
	BPFT_COL_VLAN = 58,          /* vlanId: 0..4095 */
	BPFT_COL_VERSION = 60,       /* ipVersion: in groups without addresses */
	BPFT_COL_DIRECTION = 61,     /* flowDirection: 0 ingress (rx), 1 egress (tx) */
	BPFT_COL_DATA = 0x8001,      /* payload bytes (RULES P1..P3) */
};

/* How the lanes of a column make its values. */
enum bpft_encoding {
	BPFT_ENC_PLAIN,      /* lane = value */
	BPFT_ENC_SORTED,     /* differences while the columns before it in the key stay the same */
	BPFT_ENC_PER_PACKET, /* value = packets * lane 0 + lane 1 */
	BPFT_ENC_PREDICTED,  /* data = all - packets * (usual headers) - (packets * lane 0 + lane 1) */
	BPFT_NENCODINGS
};

struct bpft_column {
	uint16_t id;
	uint8_t encoding;
	struct bpft_bytes bytes;
};

struct bpft_group_columns {
	unsigned n;
	struct bpft_column column[BPFT_GROUP_COLUMNS];
};

/* Which classes (0..63) occur among the records, as a bit each. */
uint64_t bpft_group_classes(int version, const void *records, size_t rows);
/* Copy the records of one class, in their order, to out (room for all); returns how many. */
size_t bpft_group_take(int version, const void *records, size_t rows, unsigned class, void *out);

/* Whether a record is the remainder of its IP version (C7). */
int bpft_record_is_other(int version, const void *record);

extern const char bpft_no_memory[];
/* Encode 1..BPFT_GROUP_ROWS records of one class.  NULL: done, release with bpft_columns_free();
 * else why not (bpft_no_memory, or what is wrong with them), and nothing is to be released. */
const char *bpft_encode_columns(int version, const void *records, size_t rows, struct bpft_group_columns *out);
void bpft_columns_free(struct bpft_group_columns *columns);

struct bpft_column_bytes { uint16_t id; uint8_t encoding; const uint8_t *bytes; size_t len; };

/* Decode columns into rows dense records; safe for any bytes.  A column that is not given leaves its field zero
 * (ports and protocol are flagged absent); ids unknown here are passed over.  flags: set in every record besides
 * (BPFT_OTHER).  NULL: done; else why not, and the records mean nothing. */
const char *bpft_decode_columns(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                                uint8_t flags, void *records);

/* As bpft_decode_columns(), but the records go to each(to, tile) some at a time, in order.  Where the bytes turn out to
 * be wrong, what came before has been handed over. */
typedef void bpft_tile_fn(void *to, const struct bpft_tile *tile);
const char *bpft_decode_tiles(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                              uint8_t flags, bpft_tile_fn *each, void *to);

#endif

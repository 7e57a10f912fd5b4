/* lane.h - one vector of 64-bit integers as bytes, in whichever packing is the smallest.
 *
 * A lane on disk is one byte naming its packing, then (bpft(5) has it to the byte):
 *   constant    varint value
 *   planes      width byte, then for each byte of the value, lowest first, that byte of every row
 *   varint      one varint a row
 *   dictionary  bits byte (1, 2, 4, 8, 16), varint count, the values ascending (the first, then differences, as
 *               varints), an index a row: 16 bits as two planes, fewer packed from the low end of each byte
 *   runs        varint count, a lane of run lengths less one, a lane of zigzag differences from run to run
 * A varint is LEB128: seven bits a byte, low ones first, at most ten bytes.
 */
#ifndef BPFT_LANE_H
#define BPFT_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tile.h"

enum bpft_packing {
	BPFT_LANE_CONSTANT,
	BPFT_LANE_PLANES,
	BPFT_LANE_VARINT,
	BPFT_LANE_DICTIONARY,
	BPFT_LANE_RUNS,
};

#define BPFT_LANE_ROWS 65536u    /* rows of one lane, at most */
#define BPFT_LANE_INDEX 16384u   /* values of a dictionary that the writer makes, at most */
#define BPFT_MAX_CUTS 64u

/* Bytes being written.  A cut is an offset where the kind of bytes changes: a
 * compressor does well to begin a new block there.  `failed`: no memory. */
struct bpft_bytes {
	uint8_t *p;
	size_t len, size;
	uint32_t cut[BPFT_MAX_CUTS];
	unsigned cuts;
	int failed;
};

struct bpft_lane_work;       /* scratch memory of the packer */
struct bpft_lane_work *bpft_lane_work_new(void);
void bpft_lane_work_free(struct bpft_lane_work *work);

/* How a lane would be packed, and about how many bits that takes once compressed. */
struct bpft_lane_plan {
	enum bpft_packing packing;
	unsigned width;      /* planes: bytes a value */
	uint64_t bits;
};

/* 1 <= n <= BPFT_LANE_ROWS throughout. */
void bpft_lane_plan(struct bpft_lane_work *work, const uint64_t *v, size_t n, struct bpft_lane_plan *plan);
void bpft_lane_write(struct bpft_lane_work *work, const struct bpft_lane_plan *plan, const uint64_t *v, size_t n,
                     struct bpft_bytes *out);

/* ---- reading: a tile of rows at a time, so that what is in hand stays in the cache ---- */

#define BPFT_RUNS_AT_ONCE 64u

struct bpft_vector {             /* a lane without runs, and how far it was read */
	enum bpft_packing packing;
	unsigned width;          /* planes: bytes a value; dictionary: bits an index */
	size_t rows, row;
	const uint8_t *at, *end; /* of the values; varint: the next one's */
	uint64_t constant;
	uint64_t *value;         /* of a dictionary, owned */
	size_t values;
};

struct bpft_lane {
	bool runs;
	struct bpft_vector own;  /* runs: their lengths */
	struct bpft_vector step;
	size_t rows, row;
	uint64_t left, value;    /* of the run in hand */
	uint64_t lengths[BPFT_RUNS_AT_ONCE], steps[BPFT_RUNS_AT_ONCE]; /* of runs that come next */
	unsigned next, fetched;
};

/* Open a lane of exactly n rows at *at and move *at behind it.  -1: those bytes hold no such lane, or no memory.
 * Whatever came of it, bpft_lane_close() releases the lane.  The bytes must stay until then. */
int bpft_lane_open(struct bpft_lane *lane, const uint8_t **at, const uint8_t *end, size_t n);
/* The next n <= BPFT_TILE rows of those that are left.  -1: the bytes hold no such rows. */
int bpft_lane_next(struct bpft_lane *lane, uint64_t *v, size_t n);
void bpft_lane_close(struct bpft_lane *lane);

void bpft_put_varint(struct bpft_bytes *out, uint64_t value);
int bpft_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value);

static inline uint64_t bpft_zigzag(uint64_t difference)
{
	return (difference << 1) ^ (0 - (difference >> 63));
}
static inline uint64_t bpft_unzigzag(uint64_t z)
{
	return (z >> 1) ^ (0 - (z & 1));
}

#endif

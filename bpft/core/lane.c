/* lane.c - one vector of 64-bit integers as bytes, in whichever packing is the smallest. */
#include "lane.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CUT_BYTES 2048u      /* smaller planes share a compressor's block with their neighbours */
#define SLOTS (BPFT_LANE_INDEX * 2)

struct slot { uint64_t value; uint32_t count, index, stamp; };

struct bpft_lane_work {
	struct slot slot[SLOTS];                 /* the distinct values of the lane in hand */
	uint32_t stamp;                          /* slots of older lanes are free */
	uint64_t distinct[BPFT_LANE_INDEX];
	uint64_t lengths[BPFT_LANE_ROWS], steps[BPFT_LANE_ROWS]; /* of runs */
	uint64_t index[BPFT_LANE_ROWS];          /* of a dictionary */
};

struct bpft_lane_work *bpft_lane_work_new(void)
{
	return calloc(1, sizeof(struct bpft_lane_work));
}

void bpft_lane_work_free(struct bpft_lane_work *work)
{
	free(work);
}

/* ---- bytes out ---------------------------------------------------------- */

/* Room for n more bytes, or NULL: no memory. */
static uint8_t *grow(struct bpft_bytes *out, size_t n)
{
	if (out->failed)
		return NULL;
	if (n > out->size - out->len) {
		size_t size = (out->len + n) * 2;
		uint8_t *p = realloc(out->p, size);

		if (p == NULL) {
			out->failed = 1;
			return NULL;
		}
		out->p = p;
		out->size = size;
	}
	out->len += n;
	return out->p + out->len - n;
}

static void put_byte(struct bpft_bytes *out, unsigned value)
{
	uint8_t *p = grow(out, 1);

	if (p != NULL)
		*p = (uint8_t)value;
}

void bpft_put_varint(struct bpft_bytes *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		put_byte(out, (value & 0x7f) | 0x80);
	put_byte(out, (unsigned)value);
}

static void cut(struct bpft_bytes *out)
{
	if (out->cuts < BPFT_MAX_CUTS && out->len > 0 && (out->cuts == 0 || out->cut[out->cuts - 1] != out->len))
		out->cut[out->cuts++] = (uint32_t)out->len;
}

/* ---- what a packing would cost ------------------------------------------- */

static unsigned top_bit(uint64_t x)      /* of x > 0 */
{
	return 63 - (unsigned)__builtin_clzll(x);
}

static unsigned bytes_of(uint64_t x)
{
	return x == 0 ? 1 : top_bit(x) / 8 + 1;
}

static unsigned varint_bytes(uint64_t x)
{
	return x == 0 ? 1 : top_bit(x) / 7 + 1;
}

/* log2(x) in 1/1024, for x > 0: exact at powers of two, within 0.01 between. */
static uint64_t log2_1024(uint64_t x)
{
	unsigned k = top_bit(x);
	uint64_t f = (k < 10 ? x << (10 - k) : x >> (k - 10)) - 1024;

	return k * 1024u + f + (f * (1024 - f) * 352 >> 20);
}

/* Bits that an order-0 coder needs for a symbol seen `count` times among n. */
static uint64_t symbol_bits(uint64_t count, uint64_t log_n)
{
	return count * (log_n - log2_1024(count)) >> 10;
}

static uint64_t plane_bits(const uint64_t *v, size_t n, unsigned shift)
{
	uint32_t count[4][256] = {{0}};
	uint64_t bits = 64, log_n = log2_1024(n);
	size_t i;

	for (i = 0; i + 4 <= n; i += 4)  /* four tables: equal neighbours do not wait for each other */
		for (unsigned k = 0; k < 4; k++)
			count[k][v[i + k] >> shift & 0xff]++;
	for (; i < n; i++)
		count[0][v[i] >> shift & 0xff]++;
	for (unsigned s = 0; s < 256; s++) {
		uint64_t c = (uint64_t)count[0][s] + count[1][s] + count[2][s] + count[3][s];

		if (c > 0)
			bits += symbol_bits(c, log_n) + 5;
	}
	return bits < n * 8 ? bits : n * 8;
}

/* Take in one value: its slot, or NULL when there are too many. */
static struct slot *note(struct bpft_lane_work *work, uint64_t value, size_t *distinct, size_t limit)
{
	uint64_t h = value * 0x9e3779b97f4a7c15u >> 32;

	for (;; h++) {
		struct slot *s = &work->slot[h & (SLOTS - 1)];

		if (s->stamp != work->stamp) {
			if (*distinct == limit)
				return NULL;
			work->distinct[(*distinct)++] = value;
			*s = (struct slot){ .value = value, .stamp = work->stamp };
			return s;
		}
		if (s->value == value)
			return s;
	}
}

/* Count the distinct values; 0: more than limit. */
static size_t count_distinct(struct bpft_lane_work *work, const uint64_t *v, size_t n, size_t limit)
{
	size_t distinct = 0;

	if (++work->stamp == 0) {
		memset(work->slot, 0, sizeof work->slot);
		work->stamp = 1;
	}
	for (size_t i = 0; i < n; i++) {
		struct slot *s = note(work, v[i], &distinct, limit);

		if (s == NULL)
			return 0;
		s->count++;
	}
	return distinct;
}

static unsigned index_bits(size_t distinct)
{
	return distinct <= 2 ? 1 : distinct <= 4 ? 2 : distinct <= 16 ? 4 : distinct <= 256 ? 8 : 16;
}

static uint64_t dictionary_bits(struct bpft_lane_work *work, const uint64_t *v, size_t n, uint64_t range)
{
	size_t distinct = count_distinct(work, v, n, n / 4 < BPFT_LANE_INDEX ? n / 4 + 1 : BPFT_LANE_INDEX);
	size_t seen = distinct;
	uint64_t bits = 0, log_n = log2_1024(n), most;

	if (distinct == 0)
		return UINT64_MAX;
	for (size_t k = 0; k < distinct; k++)
		bits += symbol_bits(note(work, work->distinct[k], &seen, distinct)->count, log_n);
	most = n * index_bits(distinct);
	if (distinct > 256)      /* two planes do not reach what one symbol would */
		bits += bits / 8;
	return (bits < most ? bits : most) + distinct * 8 * varint_bytes(range / distinct) + 64;
}

/* Split v into runs: lengths less one and zigzag differences; returns how many. */
static size_t split_runs(struct bpft_lane_work *work, const uint64_t *v, size_t n)
{
	size_t runs = 0;
	uint64_t before = 0;

	for (size_t i = 0; i < n; runs++) {
		size_t first = i++;

		while (i < n && v[i] == v[first])
			i++;
		work->lengths[runs] = i - first - 1;
		work->steps[runs] = bpft_zigzag(v[first] - before);
		before = v[first];
	}
	return runs;
}

static void better(struct bpft_lane_plan *plan, enum bpft_packing packing, uint64_t bits)
{
	if (bits < plan->bits) {
		plan->packing = packing;
		plan->bits = bits;
	}
}

static void plan_lane(struct bpft_lane_work *work, const uint64_t *v, size_t n, bool nested,
                      struct bpft_lane_plan *plan)
{
	uint64_t min = v[0], max = v[0], varints = 0, bits = 24;
	size_t runs = 1;
	struct bpft_lane_plan lengths, steps;

	for (size_t i = 0; i < n; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
		runs += i > 0 && v[i] != v[i - 1];
		varints += varint_bytes(v[i]);
	}
	*plan = (struct bpft_lane_plan){ .packing = BPFT_LANE_CONSTANT, .bits = 8 + 8 * varint_bytes(max) };
	if (runs == 1)
		return;
	plan->packing = BPFT_LANE_PLANES;
	plan->width = bytes_of(max);
	for (unsigned k = 0; k < plan->width; k++)
		bits += plane_bits(v, n, 8 * k);
	plan->bits = bits;
	better(plan, BPFT_LANE_VARINT, varints * 8 + 8);
	better(plan, BPFT_LANE_DICTIONARY, dictionary_bits(work, v, n, max - min));
	if (!nested && runs <= n / 2) {
		split_runs(work, v, n);
		plan_lane(work, work->lengths, runs, true, &lengths);
		plan_lane(work, work->steps, runs, true, &steps);
		better(plan, BPFT_LANE_RUNS, lengths.bits + steps.bits + 32);
	}
}

void bpft_lane_plan(struct bpft_lane_work *work, const uint64_t *v, size_t n, struct bpft_lane_plan *plan)
{
	plan_lane(work, v, n, false, plan);
}

/* ---- writing --------------------------------------------------------------- */

static void write_planes(const uint64_t *v, size_t n, unsigned width, struct bpft_bytes *out)
{
	for (unsigned k = 0; k < width; k++) {
		uint8_t *p;

		if (n >= CUT_BYTES)
			cut(out);
		if ((p = grow(out, n)) == NULL)
			return;
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)(v[i] >> (8 * k));
	}
	if (n >= CUT_BYTES)
		cut(out);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void write_dictionary(struct bpft_lane_work *work, const uint64_t *v, size_t n, struct bpft_bytes *out)
{
	size_t distinct = count_distinct(work, v, n, BPFT_LANE_INDEX), seen = distinct;
	unsigned bits = index_bits(distinct);
	uint64_t before = 0, *index = work->index;
	uint8_t *p;

	qsort(work->distinct, distinct, sizeof *work->distinct, by_value);
	put_byte(out, bits);
	bpft_put_varint(out, distinct);
	for (size_t k = 0; k < distinct; k++) {
		note(work, work->distinct[k], &seen, distinct)->index = (uint32_t)k;
		bpft_put_varint(out, work->distinct[k] - before);
		before = work->distinct[k];
	}
	for (size_t i = 0; i < n; i++)
		index[i] = note(work, v[i], &seen, distinct)->index;
	if (bits >= 8) {
		write_planes(index, n, bits / 8, out);
		return;
	}
	cut(out);
	if ((p = grow(out, (n * bits + 7) / 8)) == NULL)
		return;
	memset(p, 0, (n * bits + 7) / 8);
	for (size_t i = 0; i < n; i++)
		p[i * bits / 8] |= (uint8_t)(index[i] << (i * bits % 8));
	cut(out);
}

void bpft_lane_write(struct bpft_lane_work *work, const struct bpft_lane_plan *plan, const uint64_t *v, size_t n,
                     struct bpft_bytes *out)
{
	struct bpft_lane_plan lengths, steps;
	size_t runs;

	put_byte(out, plan->packing);
	switch (plan->packing) {
	case BPFT_LANE_CONSTANT:
		bpft_put_varint(out, v[0]);
		break;
	case BPFT_LANE_PLANES:
		put_byte(out, plan->width);
		write_planes(v, n, plan->width, out);
		break;
	case BPFT_LANE_VARINT:
		for (size_t i = 0; i < n; i++)
			bpft_put_varint(out, v[i]);
		break;
	case BPFT_LANE_DICTIONARY:
		write_dictionary(work, v, n, out);
		break;
	case BPFT_LANE_RUNS:
		runs = split_runs(work, v, n);
		plan_lane(work, work->lengths, runs, true, &lengths);
		plan_lane(work, work->steps, runs, true, &steps);
		bpft_put_varint(out, runs);
		bpft_lane_write(work, &lengths, work->lengths, runs, out);
		bpft_lane_write(work, &steps, work->steps, runs, out);
		break;
	}
}

/* lane_read.c - one vector of 64-bit integers from bytes, none of which is believed. */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

int bpft_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
		uint8_t b = *(*at)++;

		if (shift == 63 && b > 1)
			return -1;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*value = v;
			return 0;
		}
	}
	return -1;
}

/* ---- opening: where everything lies, and where the lane ends --------------------- */

static int take(const uint8_t **at, const uint8_t *end, uint64_t bytes)
{
	if ((uint64_t)(end - *at) < bytes)
		return -1;
	*at += bytes;
	return 0;
}

static int open_dictionary(struct bpft_vector *v, const uint8_t **at, const uint8_t *end)
{
	uint64_t count, before = 0;

	if (*at == end)
		return -1;
	v->width = *(*at)++;
	if ((v->width != 1 && v->width != 2 && v->width != 4 && v->width != 8 && v->width != 16) ||
	    bpft_get_varint(at, end, &count) < 0 || count < 1 || count > v->rows)
		return -1;
	v->values = count;
	v->value = malloc(count * sizeof *v->value);
	if (v->value == NULL)
		return -1;
	for (size_t k = 0; k < count; k++) {
		if (bpft_get_varint(at, end, &v->value[k]) < 0)
			return -1;
		before = v->value[k] += before;
	}
	v->at = *at;
	return take(at, end, ((uint64_t)v->rows * v->width + 7) / 8);
}

static int skip_varints(const uint8_t **at, const uint8_t *end, size_t n)
{
	while (n > 0 && *at < end)
		n -= *(*at)++ < 0x80;
	return n ? -1 : 0;
}

static int open_vector(struct bpft_vector *v, unsigned packing, const uint8_t **at, const uint8_t *end, size_t n)
{
	int failed = -1;

	v->packing = packing;
	v->rows = n;
	switch (packing) {
	case BPFT_LANE_CONSTANT:
		return bpft_get_varint(at, end, &v->constant);
	case BPFT_LANE_PLANES:
		if (*at == end)
			return -1;
		v->width = *(*at)++;
		v->at = *at;
		return v->width < 1 || v->width > 8 ? -1 : take(at, end, (uint64_t)n * v->width);
	case BPFT_LANE_VARINT:
		v->at = *at;
		failed = skip_varints(at, end, n);
		v->end = *at;
		return failed;
	case BPFT_LANE_DICTIONARY:
		return open_dictionary(v, at, end);
	default:
		return -1;
	}
}

static int open_nested(struct bpft_vector *v, const uint8_t **at, const uint8_t *end, size_t n)
{
	unsigned packing;

	if (*at == end)
		return -1;
	packing = *(*at)++;
	return open_vector(v, packing, at, end, n);
}

int bpft_lane_open(struct bpft_lane *lane, const uint8_t **at, const uint8_t *end, size_t n)
{
	uint64_t runs;
	unsigned packing;

	memset(lane, 0, sizeof *lane);
	lane->rows = n;
	if (*at == end)
		return -1;
	packing = *(*at)++;
	lane->runs = packing == BPFT_LANE_RUNS;
	if (!lane->runs)
		return open_vector(&lane->own, packing, at, end, n);
	if (bpft_get_varint(at, end, &runs) < 0 || runs < 1 || runs > n)
		return -1;
	return open_nested(&lane->own, at, end, runs) < 0 ? -1 : open_nested(&lane->step, at, end, runs);
}

void bpft_lane_close(struct bpft_lane *lane)
{
	free(lane->own.value);
	free(lane->step.value);
	lane->own.value = lane->step.value = NULL;
}

/* ---- reading ---------------------------------------------------------------------- */

static void next_planes(const struct bpft_vector *from, uint64_t *v, size_t n)
{
	const uint8_t *p = from->at + from->row;

	for (size_t i = 0; i < n; i++)
		v[i] = p[i];
	for (unsigned k = 1; k < from->width; k++) {
		p += from->rows;
		for (size_t i = 0; i < n; i++)
			v[i] |= (uint64_t)p[i] << (8 * k);
	}
}

/* Indices of fewer bits than a byte has, a constant for the compiler. */
static inline __attribute__((always_inline)) void unpack(const uint8_t *p, size_t row, uint64_t *v, size_t n,
                                                         const unsigned bits)
{
	const unsigned each = 8 / bits, mask = (1u << bits) - 1;
	size_t k = 0;

	for (p += row / each; row % each == 0 && k + each <= n; k += each, p++)
		for (unsigned j = 0; j < each; j++)
			v[k + j] = *p >> (j * bits) & mask;
	for (p -= k / each; k < n; k++)
		v[k] = p[(row % each + k) / each] >> ((row + k) % each * bits) & mask;
}

static int next_of_dictionary(const struct bpft_vector *from, uint64_t *v, size_t n)
{
	const uint8_t *p = from->at;
	bool inside = true;

	switch (from->width) {
	case 1: unpack(p, from->row, v, n, 1); break;
	case 2: unpack(p, from->row, v, n, 2); break;
	case 4: unpack(p, from->row, v, n, 4); break;
	case 8:
		for (size_t k = 0; k < n; k++)
			v[k] = p[from->row + k];
		break;
	default:
		for (size_t k = 0; k < n; k++)
			v[k] = p[from->row + k] | (uint64_t)p[from->row + k + from->rows] << 8;
	}
	for (size_t k = 0; k < n; k++) {
		inside &= v[k] < from->values;
		v[k] = from->value[v[k] < from->values ? v[k] : 0];
	}
	return inside ? 0 : -1;
}

static int next_values(struct bpft_vector *from, uint64_t *v, size_t n)
{
	int failed = 0;

	switch (from->packing) {
	case BPFT_LANE_CONSTANT:
		for (size_t i = 0; i < n; i++)
			v[i] = from->constant;
		break;
	case BPFT_LANE_PLANES:
		next_planes(from, v, n);
		break;
	case BPFT_LANE_VARINT:
		for (size_t i = 0; i < n && !failed; i++)
			failed = bpft_get_varint(&from->at, from->end, &v[i]);
		break;
	default:
		failed = next_of_dictionary(from, v, n);
	}
	from->row += n;
	return failed;
}

/* The next run; its rows are not more than the lane has left. */
static int next_run(struct bpft_lane *lane)
{
	if (lane->next == lane->fetched) {
		size_t more = lane->own.rows - lane->own.row;

		if (more > BPFT_RUNS_AT_ONCE)
			more = BPFT_RUNS_AT_ONCE;
		if (more == 0 || next_values(&lane->own, lane->lengths, more) < 0 ||
		    next_values(&lane->step, lane->steps, more) < 0)
			return -1;
		lane->next = 0;
		lane->fetched = (unsigned)more;
	}
	if (lane->lengths[lane->next] >= lane->rows - lane->row)
		return -1;
	lane->left = lane->lengths[lane->next] + 1;
	lane->value += bpft_unzigzag(lane->steps[lane->next++]);
	return 0;
}

int bpft_lane_next(struct bpft_lane *lane, uint64_t *v, size_t n)
{
	if (!lane->runs)
		return next_values(&lane->own, v, n);
	for (size_t i = 0; i < n; ) {
		if (lane->left == 0 && next_run(lane) < 0)
			return -1;
		size_t some = lane->left < n - i ? lane->left : n - i;

		for (size_t stop = i + some; i < stop; i++)
			v[i] = lane->value;
		lane->left -= some;
		lane->row += some;
	}
	/* The last row comes with the last run. */
	return lane->row == lane->rows && (lane->next < lane->fetched || lane->own.row < lane->own.rows) ? -1 : 0;
}

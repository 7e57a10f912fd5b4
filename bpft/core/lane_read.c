/* lane_read.c - one vector of 64-bit integers from bytes, none of which is believed. */
#include "lane.h"

#include <stdbool.h>

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

static int read_planes(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, unsigned width)
{
	const uint8_t *p = *at;

	if (width < 1 || width > 8 || (size_t)(end - p) < n * width)
		return -1;
	*at += n * width;
	for (size_t i = 0; i < n; i++)
		v[i] = p[i];
	for (unsigned k = 1; k < width; k++) {
		p += n;
		for (size_t i = 0; i < n; i++)
			v[i] |= (uint64_t)p[i] << (8 * k);
	}
	return 0;
}

static int read_dictionary(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, uint64_t *value)
{
	uint64_t count, before = 0;
	unsigned bits;

	if (*at == end)
		return -1;
	bits = *(*at)++;
	if ((bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16) ||
	    bpft_get_varint(at, end, &count) < 0 || count < 1 || count > n)
		return -1;
	for (size_t k = 0; k < count; k++) {
		if (bpft_get_varint(at, end, &value[k]) < 0)
			return -1;
		before = value[k] += before;
	}
	if (bits >= 8) {
		if (read_planes(at, end, v, n, bits / 8) < 0)
			return -1;
	} else {
		const uint8_t *p = *at;
		size_t bytes = (n * bits + 7) / 8;

		if ((size_t)(end - p) < bytes)
			return -1;
		*at += bytes;
		for (size_t i = 0; i < n; i++)
			v[i] = p[i * bits / 8] >> (i * bits % 8) & ((1u << bits) - 1);
	}
	for (size_t i = 0; i < n; i++) {
		if (v[i] >= count)
			return -1;
		v[i] = value[v[i]];
	}
	return 0;
}

static int read_lane(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, uint64_t *scratch, bool nested);

static int read_runs(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, uint64_t *scratch)
{
	uint64_t runs, value = 0, *length = scratch, *step = scratch + n;
	size_t i = 0;

	if (bpft_get_varint(at, end, &runs) < 0 || runs < 1 || runs > n ||
	    read_lane(at, end, length, runs, scratch + 2 * n, true) < 0 ||
	    read_lane(at, end, step, runs, scratch + 2 * n, true) < 0)
		return -1;
	for (size_t r = 0; r < runs; r++) {
		if (length[r] >= n - i)
			return -1;
		value += bpft_unzigzag(step[r]);
		for (size_t stop = i + length[r] + 1; i < stop; i++)
			v[i] = value;
	}
	return i == n ? 0 : -1;
}

static int read_lane(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, uint64_t *scratch, bool nested)
{
	uint64_t value;

	if (*at == end)
		return -1;
	switch (*(*at)++) {
	case BPFT_LANE_CONSTANT:
		if (bpft_get_varint(at, end, &value) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			v[i] = value;
		return 0;
	case BPFT_LANE_PLANES:
		if (*at == end)
			return -1;
		value = *(*at)++;
		return read_planes(at, end, v, n, (unsigned)value);
	case BPFT_LANE_VARINT:
		for (size_t i = 0; i < n; i++)
			if (bpft_get_varint(at, end, &v[i]) < 0)
				return -1;
		return 0;
	case BPFT_LANE_DICTIONARY:
		return read_dictionary(at, end, v, n, scratch);
	case BPFT_LANE_RUNS:
		return nested ? -1 : read_runs(at, end, v, n, scratch);
	default:
		return -1;
	}
}

int bpft_lane_read(const uint8_t **at, const uint8_t *end, uint64_t *v, size_t n, uint64_t *scratch)
{
	return read_lane(at, end, v, n, scratch, false);
}

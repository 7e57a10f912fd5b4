/* tile.h - some records at once, a field after the other: what the codec reads from a log and what tables add. */
#ifndef BPFT_TILE_H
#define BPFT_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPFT_TILE 256u           /* rows of a tile, at most: all of it stays in the first cache */
#define BPFT_KEY_WORDS 5         /* 64-bit words of an IPv6 key; one of IPv4 has two */

struct bpft_tile {
	size_t n;
	bool other;              /* all of them are remainders (C7); else none is */
	const uint64_t *packets, *all, *data;
	uint64_t key[BPFT_KEY_WORDS][BPFT_TILE]; /* [k][i]: the k-th word of the i-th key, as it lies in a record */
};

#endif

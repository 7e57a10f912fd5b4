/* group.c - records into a table under a reduced key: merging, and every grouping of a report (SEMANTICS R2). */
#include <string.h>

#include "half.h"

/* A key reduced to what a grouping keeps; returns how many keys a record adds to (0..2). */
ALWAYS_INLINE unsigned reduce(const uint8_t *key, const size_t size, enum bpft_group by, uint8_t (*out)[K6])
{
	const size_t address = (size - 8) / 2, ports = size - 8, proto = size - 4, flags = size - 3;
	uint8_t *k = out[0];

	if (by == BPFT_BY_RAW || key[flags] & BPFT_OTHER) {
		memcpy(k, key, size);
		return by != BPFT_BY_SELF || !(key[flags] & BPFT_OTHER);
	}
	memset(k, 0, size);
	switch (by) {
	case BPFT_BY_KEY:
		memcpy(k, key, flags);
		k[flags] = key[flags] & (uint8_t)~BPFT_DIR_MASK;
		return 1;
	case BPFT_BY_SELF:
		if (memcmp(key, key + address, address))
			return 0;
		/* fall through */
	case BPFT_BY_SRC:
		memcpy(k, key, address);
		k[flags] = BPFT_NO_PORTS | BPFT_NO_PROTO;
		return 1;
	case BPFT_BY_DST:
		memcpy(k, key + address, address);
		k[flags] = BPFT_NO_PORTS | BPFT_NO_PROTO;
		return 1;
	case BPFT_BY_PAIR:
		memcpy(k, key, 2 * address);
		k[flags] = BPFT_NO_PORTS | BPFT_NO_PROTO;
		return 1;
	case BPFT_BY_PROTO:
		k[proto] = key[proto];
		k[flags] = BPFT_NO_PORTS | (key[flags] & BPFT_NO_PROTO);
		return 1;
	case BPFT_BY_PORT:
		memcpy(k + ports, key + ports, 2);
		k[proto] = key[proto];
		k[flags] = key[flags] & (BPFT_NO_PORTS | BPFT_NO_PROTO);
		if (!memcmp(key + ports, key + ports + 2, 2))
			return 1;
		memcpy(out[1], k, size);
		memcpy(out[1] + ports, key + ports + 2, 2);
		return 2;
	default:
		return 0;
	}
}

ALWAYS_INLINE void add_records(struct bpft_table *t, const int v, const uint8_t *rec, size_t n, const size_t key_size,
                               enum bpft_group by)
{
	uint8_t keys[2 * BATCH][K6];
	uint64_t hashed[2 * BATCH];
	const struct bpft_sums *sums[2 * BATCH];
	uint32_t number[2 * BATCH];

	while (n) {
		unsigned m = 0;
		for (unsigned i = 0; i < BATCH && n; i++, n--, rec += rec_size(key_size)) {
			unsigned made = reduce(rec, key_size, by, &keys[m]);
			for (; made; made--, m++) {
				sums[m] = (const struct bpft_sums *)(const void *)(rec + key_size);
				hashed[m] = hash(keys[m], key_size);
				prefetch_slot(&t->half[v], hashed[m]);
			}
		}
		for (unsigned i = 0; i < m; i++)
			number[i] = prefetch_record(&t->half[v], hashed[i], key_size);
		for (unsigned i = 0; i < m; i++) {
			struct bpft_sums add, *s = prefetched_sums(t, v, keys[i], hashed[i], number[i], key_size);
			memcpy(&add, sums[i], sizeof add); /* a caller's buffer may be unaligned */
			if (s)
				add_sums(s, &add);
		}
	}
}

void bpft_table_add_records(struct bpft_table *t, int version, const void *records, size_t n, enum bpft_group by)
{
	if (version == 4)
		add_records(t, 0, records, n, K4, by);
	else
		add_records(t, 1, records, n, K6, by);
}

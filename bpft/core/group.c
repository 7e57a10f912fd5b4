/* group.c - records into a table under a reduced key: merging, and every grouping of a report (SEMANTICS R2). */
#include <string.h>

#include "half.h"

enum { WORDS4 = K4 / 8, WORDS6 = K6 / 8 };

struct rule {                /* what is left of a key, and of which ends of the flow */
	uint64_t mask[WORDS6], set[WORDS6];
	bool sender, receiver;   /* the key as it is; the key seen from the other end */
	bool self;               /* only where both ends are the same, to the bits that are kept */
};

static void keep_address(uint8_t *mask, unsigned bits)
{
	for (; bits >= 8; bits -= 8)
		*mask++ = 0xff;
	if (bits)
		*mask = (uint8_t)(0xff00 >> bits);
}

static struct rule make_rule(int version, const struct bpft_grouping *g)
{
	const size_t size = bpft_key_size(version), address = (size - 8) / 2;
	const unsigned bits = version == 4 ? g->bits4 : g->bits6;
	struct bpft_key_tail mask = {0}, set = {0};
	uint8_t words[K6] = {0};
	struct rule r = { .sender = g->by != BPFT_BY_DST, .receiver = g->by == BPFT_BY_DST || g->by == BPFT_BY_PORT,
	                  .self = g->by == BPFT_BY_SELF };

	switch (g->by) {
	case BPFT_BY_RAW:
	case BPFT_BY_KEY:
		memset(words, 0xff, 2 * address);
		memset(&mask, 0xff, sizeof mask);
		if (g->by == BPFT_BY_KEY) {
			mask.flags = (uint8_t)~BPFT_DIR_MASK;
			mask.vlan = 0;
		}
		break;
	case BPFT_BY_PAIR:
		keep_address(words + address, bits);
		/* fall through */
	case BPFT_BY_SRC:
	case BPFT_BY_DST:
	case BPFT_BY_SELF:
		keep_address(words, bits);
		set.flags = BPFT_NO_PORTS | BPFT_NO_PROTO;
		break;
	case BPFT_BY_PORT:
		memset(mask.sport, 0xff, sizeof mask.sport);
		mask.proto = 0xff;
		mask.flags = BPFT_NO_PORTS | BPFT_NO_PROTO;
		break;
	case BPFT_BY_PROTO:
		mask.proto = 0xff;
		mask.flags = BPFT_NO_PROTO;
		set.flags = BPFT_NO_PORTS;
		break;
	case BPFT_BY_DIRECTION:
		mask.flags = BPFT_DIR_MASK;
		set.flags = BPFT_NO_PORTS | BPFT_NO_PROTO;
		break;
	case BPFT_BY_VLAN:
		mask.vlan = 0xffff;
		set.flags = BPFT_NO_PORTS | BPFT_NO_PROTO;
		break;
	}
	memcpy(words + 2 * address, &mask, sizeof mask);
	memcpy(r.mask, words, size);
	memcpy((uint8_t *)r.set + 2 * address, &set, sizeof set);
	return r;
}

/* out = the key seen from its receiver's end. */
ALWAYS_INLINE void turn(uint64_t *out, const uint64_t *key, const size_t size)
{
	struct bpft_key_tail tail;

	if (size == K4) {
		out[0] = key[0] << 32 | key[0] >> 32;
	} else {
		out[0] = key[2];
		out[1] = key[3];
		out[2] = key[0];
		out[3] = key[1];
	}
	memcpy(&tail, key + size / 8 - 1, sizeof tail);
	memcpy(out + size / 8 - 1, &tail, sizeof tail);
	memcpy((uint8_t *)out + size - 8, tail.dport, 2);
	memcpy((uint8_t *)out + size - 6, tail.sport, 2);
}

ALWAYS_INLINE void cut(uint64_t *key, const struct rule *r, const size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		key[i] = (key[i] & r->mask[i]) | r->set[i];
}

/* The keys that a record adds to: 0 to 2. */
ALWAYS_INLINE unsigned reduce(const uint8_t *key, const size_t size, const struct rule *r, uint64_t (*out)[WORDS6])
{
	uint64_t whole[WORDS6];

	memcpy(whole, key, size);
	if (key[size - 3] & BPFT_OTHER) {
		memcpy(out[0], whole, size);
		return !r->self;
	}
	if (!r->receiver) {
		memcpy(out[0], whole, size);
		cut(out[0], r, size);
		if (!r->self)
			return 1;
		turn(out[1], whole, size);
		cut(out[1], r, size);
		return same(out[0], out[1], size);
	}
	turn(out[0], whole, size);
	cut(out[0], r, size);
	if (!r->sender)
		return 1;
	memcpy(out[1], whole, size);
	cut(out[1], r, size);
	return same(out[0], out[1], size) ? 1 : 2;
}

/* Records that follow each other are often of one group, since they are sorted by their key: they are summed before
 * the table is asked. */
ALWAYS_INLINE void add_records(struct bpft_table *t, const int v, const uint8_t *rec, size_t n, const size_t key_size,
                               const struct rule *rule)
{
	uint64_t keys[2 * BATCH][WORDS6], hashed[2 * BATCH];
	struct bpft_sums sums[2 * BATCH];
	uint32_t number[2 * BATCH];

	while (n) {
		unsigned m = 0;
		for (; m < BATCH && n; n--, rec += rec_size(key_size)) {
			unsigned made = reduce(rec, key_size, rule, &keys[m]);
			struct bpft_sums add;

			memcpy(&add, rec + key_size, sizeof add); /* a caller's buffer may be unaligned */
			if (made == 1 && m && same(keys[m], keys[m - 1], key_size)) {
				add_sums(&sums[m - 1], &add);
				continue;
			}
			for (; made; made--, m++) {
				sums[m] = add;
				hashed[m] = hash(keys[m], key_size);
				prefetch_slot(&t->half[v], hashed[m]);
			}
		}
		for (unsigned i = 0; i < m; i++)
			number[i] = prefetch_record(&t->half[v], hashed[i], key_size);
		for (unsigned i = 0; i < m; i++) {
			struct bpft_sums *s = prefetched_sums(t, v, keys[i], hashed[i], number[i], key_size);
			if (s)
				add_sums(s, &sums[i]);
		}
	}
}

void bpft_table_add_records(struct bpft_table *t, int version, const void *records, size_t n,
                            const struct bpft_grouping *grouping)
{
	struct rule rule = make_rule(version, grouping);

	if (version == 4)
		add_records(t, 0, records, n, K4, &rule);
	else
		add_records(t, 1, records, n, K6, &rule);
}

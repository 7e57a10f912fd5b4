/* group.c - records into a table under a reduced key: merging, and every grouping of a report (SEMANTICS R2). */
#include <string.h>

#include "decode.h"
#include "half.h"

enum { WORDS4 = K4 / 8, WORDS6 = K6 / 8 };

struct rule {                /* what is left of a key */
	uint64_t mask[WORDS6], set[WORDS6];
	enum bpft_ends ends;
	bool service;            /* the ports become one first */
	uint8_t share, shares;   /* keys of other shares are passed over */
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
	const unsigned bits = version == 4 ? g->bits4 : g->bits6, keep = g->fields;
	const bool ports = keep & (BPFT_KEEP_SPORT | BPFT_KEEP_DPORT | BPFT_KEEP_SERVICE);
	const uint8_t absent = (uint8_t)((ports ? 0 : BPFT_NO_PORTS) | (keep & BPFT_KEEP_PROTO ? 0 : BPFT_NO_PROTO));
	struct bpft_key_tail mask = {0}, set = { .flags = absent };
	uint8_t words[K6] = {0};
	struct rule r = { .ends = g->ends, .service = keep & BPFT_KEEP_SERVICE, .share = g->share, .shares = g->shares };

	if (keep & BPFT_KEEP_SRC)
		keep_address(words, bits);
	if (keep & BPFT_KEEP_DST)
		keep_address(words + address, bits);
	if (keep & (BPFT_KEEP_SPORT | BPFT_KEEP_SERVICE))
		memset(mask.sport, 0xff, sizeof mask.sport);
	if (keep & BPFT_KEEP_DPORT)
		memset(mask.dport, 0xff, sizeof mask.dport);
	if (keep & BPFT_KEEP_PROTO)
		mask.proto = 0xff;
	mask.flags = (uint8_t)((BPFT_NO_PORTS | BPFT_NO_PROTO) & ~absent) |
	             (keep & BPFT_KEEP_DIRECTION ? BPFT_DIR_MASK : 0);
	if (keep & BPFT_KEEP_VLAN)
		mask.vlan = 0xffff;
	memcpy(words + 2 * address, &mask, sizeof mask);
	memcpy(r.mask, words, size);
	memcpy((uint8_t *)r.set + 2 * address, &set, sizeof set);
	return r;
}

/* The port that names the service, where sport was; 0: neither does. */
static void one_port(uint8_t *key, size_t size)
{
	struct bpft_key_tail tail;

	memcpy(&tail, key + size - sizeof tail, sizeof tail);
	bpft_keep_service(&tail);
	if (!tail.sport[0] && !tail.sport[1])
		memcpy(tail.sport, tail.dport, sizeof tail.sport);
	memset(tail.dport, 0, sizeof tail.dport);
	memcpy(key + size - sizeof tail, &tail, sizeof tail);
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
		return r->ends != BPFT_END_SELF;
	}
	if (r->ends == BPFT_END_SELF) { /* hardly ever: the addresses tell at once */
		const uint64_t other = size == K4 ? whole[0] << 32 | whole[0] >> 32 : whole[2];
		if ((whole[0] ^ other) & r->mask[0])
			return 0;
	}
	if (r->service)
		one_port((uint8_t *)whole, size);
	if (r->ends == BPFT_END_RECEIVER) {
		turn(out[0], whole, size);
		if (r->service) /* it is the same from both ends */
			memcpy((uint8_t *)out[0] + size - 8, (uint8_t *)whole + size - 8, 4);
		cut(out[0], r, size);
		return 1;
	}
	memcpy(out[0], whole, size);
	cut(out[0], r, size);
	if (r->ends == BPFT_END_SENDER)
		return 1;
	turn(out[1], whole, size);
	if (r->service)
		memcpy((uint8_t *)out[1] + size - 8, (uint8_t *)whole + size - 8, 4);
	cut(out[1], r, size);
	if (same(out[0], out[1], size))
		return 1;
	return r->ends == BPFT_END_BOTH ? 2 : 0;
}

/* Records that follow each other are often of one group, since they are sorted by their key: they are summed before
 * the table is asked. */
ALWAYS_INLINE void add_records(struct bpft_table *t, const int v, const uint8_t *rec, size_t n, const size_t key_size,
                               const struct rule *rule)
{
	uint64_t keys[2 * BPFT_BATCH][WORDS6], hashed[2 * BPFT_BATCH];
	struct bpft_sums sums[2 * BPFT_BATCH];
	uint8_t *found[2 * BPFT_BATCH];

	while (n) {
		const uint64_t folded = t->counters.folded;
		unsigned m = 0;
		for (; m < BPFT_BATCH && n; n--, rec += rec_size(key_size)) {
			unsigned made = reduce(rec, key_size, rule, &keys[m]);
			struct bpft_sums add;

			memcpy(&add, rec + key_size, sizeof add); /* a caller's buffer may be unaligned */
			if (made == 1 && m && same(keys[m], keys[m - 1], key_size)) {
				add_sums(&sums[m - 1], &add);
				continue;
			}
			for (unsigned from = m; made; made--, from++) {
				uint64_t h = hash(keys[from], key_size);

				/* By bits that neither place nor tag are made of first: shares fill their tables alike. */
				if (rule->shares > 1 && (h & 0xffff) % rule->shares != rule->share)
					continue;
				if (from != m)
					memcpy(keys[m], keys[from], key_size);
				sums[m] = add;
				hashed[m] = h;
				prefetch_slot(&t->half[v], hashed[m++]);
			}
		}
		for (unsigned i = 0; i < m; i++)
			found[i] = prefetch_record(&t->half[v], hashed[i], key_size);
		for (unsigned i = 0; i < m; i++) {
			struct bpft_sums *s = prefetched_sums(t, v, keys[i], hashed[i], found[i], folded, key_size);
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

/* group.c - records into a table under a reduced key: merging, and every grouping of a report (SEMANTICS R2). */
#include <string.h>

#include "decode.h"
#include "half.h"

struct rule {                /* what is left of a key */
	uint64_t mask[BPFT_KEY_WORDS], set[BPFT_KEY_WORDS];
	enum bpft_ends ends;
	bool service;            /* the ports become one first */
	bool total;              /* nothing is left: all keys are one */
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
	struct rule r = { .ends = g->ends, .service = keep & BPFT_KEEP_SERVICE, .total = !keep,
	                  .share = g->share, .shares = g->shares };

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

/* The tails of keys with the port that names the service where sport was (0: neither does), and no dport. */
static void serve(const uint64_t *from, uint64_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bpft_key_tail tail;

		memcpy(&tail, &from[i], sizeof tail);
		bpft_keep_service(&tail);
		if (!tail.sport[0] && !tail.sport[1])
			memcpy(tail.sport, tail.dport, sizeof tail.sport);
		memset(tail.dport, 0, sizeof tail.dport);
		memcpy(&to[i], &tail, sizeof tail);
	}
}

ALWAYS_INLINE uint64_t turn_ports(uint64_t tail)
{
	uint32_t ports;

	memcpy(&ports, &tail, sizeof ports);
	ports = ports << 16 | ports >> 16;
	memcpy(&tail, &ports, sizeof ports);
	return tail;
}

/* out = what is left of the keys as seen from the sender's end, or turned, from the receiver's. */
ALWAYS_INLINE void reduce(struct bpft_tile *out, const struct bpft_tile *in, const struct rule *r, const bool turned,
                          const size_t size)
{
	const size_t last = size / 8 - 1;
	uint64_t served[BPFT_TILE];
	const uint64_t *tail = in->key[last];

	out->n = in->n;
	out->packets = in->packets;
	out->all = in->all;
	out->data = in->data;
	for (size_t k = 0; k < last; k++) {
		const uint64_t *from = in->key[turned && size != K4 ? k ^ 2 : k];

		for (size_t i = 0; i < in->n; i++) {
			uint64_t word = turned && size == K4 ? from[i] << 32 | from[i] >> 32 : from[i];
			out->key[k][i] = (word & r->mask[k]) | r->set[k];
		}
	}
	if (r->service) {
		serve(tail, served, in->n);
		tail = served;
	}
	for (size_t i = 0; i < in->n; i++) { /* a service is the same from both ends */
		uint64_t word = turned && !r->service ? turn_ports(tail[i]) : tail[i];
		out->key[last][i] = (word & r->mask[last]) | r->set[last];
	}
}

struct picked {              /* some rows of a tile */
	struct bpft_tile tile;
	uint64_t packets[BPFT_TILE], all[BPFT_TILE], data[BPFT_TILE];
};

ALWAYS_INLINE void add_row(struct bpft_sums *to, const struct bpft_tile *t, size_t i)
{
	to->packets += t->packets[i];
	to->all += t->all[i];
	to->data += t->data[i];
}

static void set_sums(struct picked *p, size_t n)
{
	p->tile.n = n;
	p->tile.packets = p->packets;
	p->tile.all = p->all;
	p->tile.data = p->data;
}

/* Those rows of a tile whose keys are, or are not, the same in another. */
ALWAYS_INLINE void pick(struct picked *p, const struct bpft_tile *from, const struct bpft_tile *other, bool alike,
                        const size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++) {
		uint64_t differs = 0;

		for (size_t k = 0; k < size / 8; k++) {
			p->tile.key[k][n] = from->key[k][i];
			differs |= from->key[k][i] ^ other->key[k][i];
		}
		p->packets[n] = from->packets[i];
		p->all[n] = from->all[i];
		p->data[n] = from->data[i];
		n += !differs == alike;
	}
	set_sums(p, n);
}

/* The rows of a tile as one, under the key that is left where nothing is. */
ALWAYS_INLINE void sum_up(struct picked *p, const struct bpft_tile *t, const struct rule *r, const size_t size)
{
	struct bpft_sums sums = {0};

	for (size_t i = 0; i < t->n; i++)
		add_row(&sums, t, i);
	for (size_t k = 0; k < size / 8; k++)
		p->tile.key[k][0] = r->set[k];
	p->packets[0] = sums.packets;
	p->all[0] = sums.all;
	p->data[0] = sums.data;
	set_sums(p, 1);
}

/* Whether the keys of any row might look the same from both ends: hardly ever, and the addresses tell. */
ALWAYS_INLINE bool may_be_alike(const struct bpft_tile *t, const struct rule *r, const size_t size)
{
	bool found = false;

	for (size_t i = 0; i < t->n; i++) {
		uint64_t from = t->key[0][i], to = size == K4 ? from << 32 | from >> 32 : t->key[2][i];
		found |= !((from ^ to) & r->mask[0]);
	}
	return found;
}

struct run {                 /* rows of one key that follow each other */
	size_t start;
	struct bpft_sums before; /* of all rows before it: a run's own are what the next one has more */
};

/* The runs of a tile, and behind them one of no rows; returns how many.  Without branches: keys are of any order. */
ALWAYS_INLINE unsigned find_runs(const struct bpft_tile *t, struct run *run, const size_t size)
{
	struct bpft_sums sums = {0};
	unsigned runs = 1;

	run[0] = (struct run){0};
	add_row(&sums, t, 0);
	for (size_t i = 1; i < t->n; i++) {
		uint64_t differs = 0;

		for (size_t k = 0; k < size / 8; k++)
			differs |= t->key[k][i] ^ t->key[k][i - 1];
		run[runs] = (struct run){ i, sums };
		runs += differs != 0;
		add_row(&sums, t, i);
	}
	run[runs] = (struct run){ t->n, sums };
	return runs;
}

/* Add rows under their keys.  Rows that follow each other are often of one key, since records are sorted: they are
 * summed before the table is asked. */
ALWAYS_INLINE void add_rows(struct bpft_table *t, const int v, const struct bpft_tile *rows, const struct rule *r,
                            const size_t size)
{
	struct run run[BPFT_TILE + 1];
	uint64_t key[BPFT_BATCH][BPFT_KEY_WORDS];
	uint32_t tag[BPFT_BATCH];
	uint8_t *found[BPFT_BATCH];
	uint16_t which[BPFT_BATCH];
	const unsigned runs = rows->n ? find_runs(rows, run, size) : 0;

	for (unsigned next = 0; next < runs; ) {
		unsigned m = 0;

		for (; m < BPFT_BATCH && next < runs; next++) {
			for (size_t k = 0; k < size / 8; k++)
				key[m][k] = rows->key[k][run[next].start];
			const uint64_t hashed = hash(key[m], size);
			/* By bits that are not the tag's: shares fill their tables alike. */
			if (r->shares > 1 && (hashed & 0xffff) % r->shares != r->share)
				continue;
			which[m] = (uint16_t)next;
			tag[m] = (uint32_t)(hashed >> 32);
			prefetch_slot(&t->half[v], tag[m++]);
		}
		for (unsigned i = 0; i < m; i++)
			found[i] = prefetch_record(&t->half[v], tag[i], size, false);
		const uint64_t folded = t->counters.folded;
		for (unsigned i = 0; i < m; i++) {
			struct bpft_sums *s = prefetched_sums(t, v, key[i], tag[i], found[i], folded, size);
			const struct bpft_sums *before = &run[which[i]].before, *after = &run[which[i] + 1].before;

			s->packets += after->packets - before->packets;
			s->all += after->all - before->all;
			s->data += after->data - before->data;
		}
	}
}

/* One function for each IP version, not one for each place that calls it: its loops need the registers. */
__attribute__((noinline)) static void add_rows4(struct bpft_table *t, const struct bpft_tile *rows, const struct rule *r)
{
	add_rows(t, 0, rows, r, K4);
}
__attribute__((noinline)) static void add_rows6(struct bpft_table *t, const struct bpft_tile *rows, const struct rule *r)
{
	add_rows(t, 1, rows, r, K6);
}

ALWAYS_INLINE void add_tile(struct bpft_table *t, const struct bpft_tile *tile, const struct rule *r, const size_t size)
{
	void (*const add)(struct bpft_table *, const struct bpft_tile *, const struct rule *) =
		size == K4 ? add_rows4 : add_rows6;
	struct bpft_tile sent, received;
	struct picked some;

	if (r->ends == BPFT_END_SELF && (tile->other || !may_be_alike(tile, r, size)))
		return;
	if (tile->other) { /* has no key to reduce, and no ends */
		add(t, tile, r);
		return;
	}
	if (r->total) {
		sum_up(&some, tile, r, size);
		add(t, &some.tile, r);
		return;
	}
	reduce(&sent, tile, r, r->ends == BPFT_END_RECEIVER, size);
	if (r->ends != BPFT_END_SELF)
		add(t, &sent, r);
	if (r->ends == BPFT_END_SENDER || r->ends == BPFT_END_RECEIVER)
		return;
	reduce(&received, tile, r, true, size);
	pick(&some, &received, &sent, r->ends == BPFT_END_SELF, size);
	add(t, &some.tile, r);
}

static void add_tile_by(struct bpft_table *t, int version, const struct bpft_tile *tile, const struct rule *r)
{
	if (version == 4)
		add_tile(t, tile, r, K4);
	else
		add_tile(t, tile, r, K6);
}

void bpft_table_add_tile(struct bpft_table *t, int version, const struct bpft_tile *tile,
                         const struct bpft_grouping *grouping)
{
	struct rule r = make_rule(version, grouping);

	add_tile_by(t, version, tile, &r);
}

void bpft_table_add_records(struct bpft_table *t, int version, const void *records, size_t n,
                            const struct bpft_grouping *grouping)
{
	const struct rule r = make_rule(version, grouping);
	const size_t key = bpft_key_size(version), size = bpft_rec_size(version);
	const uint8_t *rec = records;
	struct picked p;

	while (n) {
		const unsigned other = bpft_key_flags(rec, version) & BPFT_OTHER;
		size_t i = 0;

		for (; i < BPFT_TILE && n && (bpft_key_flags(rec, version) & BPFT_OTHER) == other; i++, n--, rec += size) {
			struct bpft_sums sums;

			for (size_t k = 0; k < key / 8; k++)
				memcpy(&p.tile.key[k][i], rec + 8 * k, 8);
			memcpy(&sums, rec + key, sizeof sums);
			p.packets[i] = sums.packets;
			p.all[i] = sums.all;
			p.data[i] = sums.data;
		}
		set_sums(&p, i);
		p.tile.other = other;
		add_tile_by(t, version, &p.tile, &r);
	}
}

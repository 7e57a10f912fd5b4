/* table.c - accounting: frames to sums, tables to one another (SEMANTICS C3). */
#include <stdlib.h>
#include <string.h>

#include "half.h"

/* Frames of a batch by direction: most batches know but one, whose sums then stay in registers. */
static void count_frames(struct bpft_counters *n, const struct bpft_flow *flows, unsigned many, bool one_direction)
{
	uint64_t bytes = 0, wire_frames = 0, wire_bytes = 0;

	for (unsigned i = 0; i < many && !one_direction; i++) {
		n->dir[flows[i].dir].frames++;
		n->dir[flows[i].dir].bytes += flows[i].wirelen;
		n->dir[flows[i].dir].wire_frames += flows[i].packets;
		n->dir[flows[i].dir].wire_bytes += flows[i].wire;
	}
	if (!one_direction)
		return;
	for (unsigned i = 0; i < many; i++) {
		bytes += flows[i].wirelen;
		wire_frames += flows[i].packets;
		wire_bytes += flows[i].wire;
	}
	n->dir[flows->dir].frames += many;
	n->dir[flows->dir].bytes += bytes;
	n->dir[flows->dir].wire_frames += wire_frames;
	n->dir[flows->dir].wire_bytes += wire_bytes;
}

/* Add flows of one IP version: n of them at `which` places of the batch, or the first n where that is NULL. */
ALWAYS_INLINE void add_some(struct bpft_table *t, const int v, struct bpft_flow *flows, const uint8_t *which, unsigned n,
                            const size_t key_size)
{
	struct half *h = &t->half[v];
	const uint64_t folded = t->counters.folded;
	uint8_t *rec[BATCH];

	for (unsigned i = 0; i < n; i++) {
		struct bpft_flow *f = &flows[which ? which[i] : i];

		f->hash = hash(&f->key, key_size);
		prefetch_slot(h, f->hash);
	}
	for (unsigned i = 0; i < n; i++)
		rec[i] = prefetch_record(h, flows[which ? which[i] : i].hash, key_size);
	for (unsigned i = 0; i < n; i++) {
		const struct bpft_flow *f = &flows[which ? which[i] : i];
		struct bpft_sums *s = prefetched_sums(t, v, &f->key, f->hash, rec[i], folded, key_size);

		if (s) {
			s->packets += f->packets;
			s->all += f->all;
			s->data += f->data;
		}
	}
}

/* Where the flows of each IP version are; without branches, since which it is cannot be guessed. */
static void add_mixed(struct bpft_table *t, struct bpft_flow *flows, unsigned n)
{
	uint8_t four[BATCH], six[BATCH];
	unsigned fours = 0, sixes = 0;

	for (unsigned i = 0; i < n; i++) {
		four[fours] = six[sixes] = (uint8_t)i;
		fours += flows[i].version == 4;
		sixes += flows[i].version == 6;
	}
	t->counters.counted += fours + sixes;
	for (unsigned i = 0; fours + sixes < n && i < n; i++)
		if (!flows[i].version)
			t->counters.skipped[flows[i].skip]++;
	add_some(t, 0, flows, four, fours, K4);
	add_some(t, 1, flows, six, sixes, K6);
}

static void add_batch(struct bpft_table *t, struct bpft_flow *flows, unsigned n)
{
	unsigned other_direction = 0, not_four = 0;

	for (unsigned i = 0; i < n; i++) {
		other_direction |= flows[i].dir ^ flows->dir;
		not_four |= flows[i].version ^ 4u;
	}
	count_frames(&t->counters, flows, n, !other_direction);
	t->counters.seen += n;
	if (not_four) {
		add_mixed(t, flows, n);
		return;
	}
	t->counters.counted += n;
	add_some(t, 0, flows, NULL, n, K4);
}

void bpft_table_add_flows(struct bpft_table *t, struct bpft_flow *flows, unsigned n)
{
	for (unsigned done = 0; done < n; done += BATCH)
		add_batch(t, flows + done, n - done < BATCH ? n - done : BATCH);
}

static void add_times(struct bpft_counters *to, int64_t first_ns, int64_t last_ns)
{
	if (!first_ns)
		return;
	if (!to->first_ns || last_ns > to->last_ns)
		to->last_ns = last_ns;
	if (!to->first_ns || first_ns < to->first_ns)
		to->first_ns = first_ns;
}

void bpft_table_add_times(struct bpft_table *t, int64_t first_ns, int64_t last_ns)
{
	add_times(&t->counters, first_ns, last_ns);
}

static void merge_counters(struct bpft_counters *to, const struct bpft_counters *from)
{
	to->seen += from->seen;
	to->counted += from->counted;
	to->folded += from->folded;
	for (int i = 0; i < BPFT_NSKIP; i++)
		to->skipped[i] += from->skipped[i];
	for (int i = 0; i < 3; i++) {
		to->dir[i].frames += from->dir[i].frames;
		to->dir[i].bytes += from->dir[i].bytes;
		to->dir[i].wire_frames += from->dir[i].wire_frames;
		to->dir[i].wire_bytes += from->dir[i].wire_bytes;
	}
	add_times(to, from->first_ns, from->last_ns);
}

void bpft_table_merge(struct bpft_table *t, const struct bpft_table *src)
{
	bpft_table_add_share(t, src, 0, 1);
	merge_counters(&t->counters, &src->counters);
}

void bpft_table_add_share(struct bpft_table *t, const struct bpft_table *src, uint8_t share, uint8_t shares)
{
	const struct bpft_grouping raw = { BPFT_KEEP_ALL, 32, 128, BPFT_END_SENDER, share, shares };

	for (int v = 0; v < 2; v++) {
		const struct half *h = &src->half[v];
		for (uint32_t at = 0; at < h->count; at += CHUNK)
			bpft_table_add_records(t, v ? 6 : 4, h->chunk[at >> CHUNK_BITS],
			                       h->count - at < CHUNK ? h->count - at : CHUNK, &raw);
	}
}

/* ---- the rest ------------------------------------------------------------------------ */

struct bpft_table *bpft_table_new(uint64_t max_flows)
{
	struct bpft_table *t = calloc(1, sizeof *t);

	bpft_draw_hash_key();
	if (t)
		t->max_flows = max_flows;
	return t;
}

void bpft_table_free(struct bpft_table *t)
{
	if (!t)
		return;
	bpft_half_free(&t->half[0], K4);
	bpft_half_free(&t->half[1], K6);
	free(t);
}

void bpft_table_set_cap(struct bpft_table *t, uint64_t max_flows)
{
	__atomic_store_n(&t->max_flows, max_flows, __ATOMIC_RELAXED);
}

uint64_t bpft_table_cap(const struct bpft_table *t) { return __atomic_load_n(&t->max_flows, __ATOMIC_RELAXED); }
struct bpft_counters *bpft_table_counters(struct bpft_table *t) { return &t->counters; }

uint64_t bpft_table_count(const struct bpft_table *t, int version)
{
	return (version != 6 ? (uint64_t)t->half[0].count : 0) + (version != 4 ? (uint64_t)t->half[1].count : 0);
}

size_t bpft_table_memory(const struct bpft_table *t)
{
	size_t bytes = sizeof *t;

	for (int v = 0; v < 2; v++) {
		const struct half *h = &t->half[v];
		bytes += h->chunks * sizeof *h->chunk + h->count * bpft_rec_size(v ? 6 : 4);
		if (h->index)
			bytes += sizeof *h->index << h->bits;
	}
	return bytes;
}

const void *bpft_table_record(const struct bpft_table *t, int version, uint32_t number)
{
	return version == 4 ? record(&t->half[0], number, K4) : record(&t->half[1], number, K6);
}

const struct bpft_sums *bpft_table_get(const struct bpft_table *t, int version, const void *key)
{
	uint8_t *rec = version == 4 ? find(&t->half[0], key, hash(key, K4), K4)
	                            : find(&t->half[1], key, hash(key, K6), K6);

	return rec ? sums_of(rec, bpft_key_size(version)) : NULL;
}

void bpft_table_totals(const struct bpft_table *t, struct bpft_sums *sums)
{
	memset(sums, 0, sizeof *sums);
	for (int v = 0; v < 2; v++)
		for (uint32_t i = 0; i < t->half[v].count; i++)
			add_sums(sums, sums_of(record(&t->half[v], i, v ? K6 : K4), v ? K6 : K4));
}

/* table.c - accounting: frames to sums, tables to one another (SEMANTICS C3). */
#include <stdlib.h>
#include <string.h>

#include "half.h"

ALWAYS_INLINE void fetch_flows(const struct bpft_table *t, const int v, struct bpft_flow *flows, unsigned n,
                               const size_t key_size, const bool one_chunk)
{
	const struct half h = t->half[v];

	for (unsigned i = 0; i < n; i++)
		flows[i].rec = prefetch_record(&h, flows[i].tag, key_size, one_chunk);
}

void bpft_table_fetch_flows(const struct bpft_table *t, int version, struct bpft_flow *flows, unsigned n)
{
	if (version == 6)
		fetch_flows(t, 1, flows, n, K6, false);
	else if (t->half[0].chunks <= 1)
		fetch_flows(t, 0, flows, n, K4, true);
	else
		fetch_flows(t, 0, flows, n, K4, false);
}

ALWAYS_INLINE void add_flows(struct bpft_table *t, const int v, const struct bpft_flow *flows, unsigned n, uint64_t folded,
                             const size_t key_size)
{
	for (unsigned i = 0; i < n; i++) {
		const struct bpft_flow *f = &flows[i];
		struct bpft_sums *s = prefetched_sums(t, v, f->key.word, f->tag, f->rec, folded, key_size);

		s->packets += f->packets;
		s->all += f->all;
		s->data += f->data;
	}
}

void bpft_table_add_flows(struct bpft_table *t, int version, const struct bpft_flow *flows, unsigned n, uint64_t folded)
{
	if (version == 6)
		add_flows(t, 1, flows, n, folded, K6);
	else
		add_flows(t, 0, flows, n, folded, K4);
}

void bpft_count_time(struct bpft_counters *to, int64_t ns)
{
	if (!ns)
		return;
	if (!to->first_ns || ns > to->last_ns)
		to->last_ns = ns;
	if (!to->first_ns || ns < to->first_ns)
		to->first_ns = ns;
}

void bpft_table_add_counters(struct bpft_table *t, const struct bpft_counters *from)
{
	struct bpft_counters *to = &t->counters;

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
	bpft_count_time(to, from->first_ns);
	bpft_count_time(to, from->last_ns);
}

void bpft_table_merge(struct bpft_table *t, const struct bpft_table *src)
{
	bpft_table_add_share(t, src, 0, 1);
	bpft_table_add_counters(t, &src->counters);
}

void bpft_table_add_share(struct bpft_table *t, const struct bpft_table *src, uint8_t share, uint8_t shares)
{
	const struct bpft_grouping raw = { BPFT_KEEP_ALL, 32, 128, BPFT_END_SENDER, share, shares };

	for (int v = 0; v < 2; v++) {
		const struct half *h = &src->half[v];
		for (uint32_t i = 0, first = 1; i < h->chunks; i++, first = 0) { /* the first record is number 0 */
			uint32_t left = h->count - (i << CHUNK_BITS) + 1, here = left < CHUNK ? left : CHUNK;
			bpft_table_add_records(t, v ? 6 : 4, h->chunk[i] + first * bpft_rec_size(v ? 6 : 4), here - first, &raw);
		}
	}
}

/* ---- the rest ------------------------------------------------------------------------ */

struct bpft_table *bpft_table_new(uint64_t max_flows)
{
	struct bpft_table *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	bpft_draw_hash_key();
	t->max_flows = max_flows;
	if (bpft_half_init(&t->half[0], K4) && bpft_half_init(&t->half[1], K6))
		return t;
	bpft_table_free(t);
	return NULL;
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
		bytes += bpft_half_slots(h) * sizeof *h->index;
	}
	return bytes;
}

const void *bpft_table_record(const struct bpft_table *t, int version, uint32_t number)
{
	return version == 4 ? record(&t->half[0], number + 1, K4) : record(&t->half[1], number + 1, K6);
}

const struct bpft_sums *bpft_table_get(const struct bpft_table *t, int version, const void *key)
{
	uint8_t *rec = version == 4 ? find(&t->half[0], key, tag_of(key, K4), K4)
	                            : find(&t->half[1], key, tag_of(key, K6), K6);

	return rec ? sums_of(rec, bpft_key_size(version)) : NULL;
}

void bpft_table_totals(const struct bpft_table *t, struct bpft_sums *sums)
{
	memset(sums, 0, sizeof *sums);
	for (int v = 0; v < 2; v++)
		for (uint32_t i = 1; i <= t->half[v].count; i++)
			add_sums(sums, sums_of(record(&t->half[v], i, v ? K6 : K4), v ? K6 : K4));
}

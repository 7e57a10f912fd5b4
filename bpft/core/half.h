/* half.h - inside the table: one half of it, IPv4 or IPv6, and how a key finds its sums.  For table.c, group.c and
 * half.c, and for the meter, which fetches ahead.
 *
 * Everything takes the key's size as a constant, so that the compiler makes one
 * version for each IP version; the few large steps (growth, fold) are in half.c.
 */
#ifndef BPFT_HALF_H
#define BPFT_HALF_H

#include <string.h>

#include "table.h"

enum {
	CHUNK_BITS = 18,          /* records a chunk: 10 MB (IPv4), 16 MB (IPv6), touched as they fill */
	CHUNK = 1 << CHUNK_BITS,
};

struct slot { uint32_t tag, number; }; /* number: of a record; 0: empty, as is the tag then */

/* Records are numbered from 1.  Number 0 has a key that nobody can guess, so that what an empty slot tells is looked at
 * like any other.  From the beginning there is an index and a chunk, and always room for "other". */
struct half {
	struct slot *index;
	uint32_t mask;            /* slots - 1; a slot's place is its tag's lower bits */
	uint32_t count;           /* records */
	uint32_t other;           /* number of the "other" record; 0: none */
	uint32_t chunks;
	uint8_t **chunk;
};

struct bpft_table {
	struct half half[2];      /* IPv4, IPv6 */
	uint64_t max_flows;
	struct bpft_counters counters;
};

enum { K4 = sizeof(struct bpft_key4), K6 = sizeof(struct bpft_key6) };

static inline uint64_t bpft_half_slots(const struct half *h) { return (uint64_t)h->mask + 1; }

/* ---- half.c -------------------------------------------------------------------- */

extern uint64_t bpft_hash_key[5]; /* drawn once a process: nobody outside can aim at a slot */
void bpft_draw_hash_key(void);
bool bpft_half_init(struct half *h, size_t key_size); /* false: no memory; to be freed all the same */
/* Room for one more record and its slot, beside "other"; false: no memory. */
bool bpft_half_room(struct half *h, size_t key_size);
void bpft_half_free(struct half *h, size_t key_size);
/* The sums of "other", made if absent: for that no memory is wanted. */
struct bpft_sums *bpft_half_other(struct half *h, size_t key_size);
/* Fold the smallest quarter of all records into "other", so that the heavy stay named. */
void bpft_table_fold(struct bpft_table *t);

/* ---- hash ------------------------------------------------------------------------ */

#ifndef __SIZEOF_INT128__
#error "bpft needs 128-bit products: build for a 64-bit machine"
#endif

ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b)
{
	/* Two words, not one of 128 bits: gcc 12 would keep that in memory. */
	const uint64_t low = a * b, high = (uint64_t)((unsigned __int128)a * b >> 64);

	return low ^ high;
}

ALWAYS_INLINE uint64_t hash(const void *key, const size_t size)
{
	uint64_t w[5];

	memcpy(w, key, size);
	/* The second product is of both words of the first, folded: without it, or as a sum, addresses and ports in a row lie in a
	 * row in the index too. */
	if (size == sizeof(struct bpft_key4))
		return mix(mix(w[0] ^ bpft_hash_key[0], w[1] ^ bpft_hash_key[1]), bpft_hash_key[2]);
	return mix(mix(w[0] ^ bpft_hash_key[0], w[1] ^ bpft_hash_key[1]) ^ mix(w[2] ^ bpft_hash_key[2], w[3] ^ bpft_hash_key[3]),
	           w[4] ^ bpft_hash_key[4]);
}

ALWAYS_INLINE uint32_t tag_of(const void *key, const size_t size) { return (uint32_t)(hash(key, size) >> 32); }

ALWAYS_INLINE bool same(const void *a, const void *b, const size_t size)
{
	uint64_t x[5], y[5], d;

	memcpy(x, a, size);
	memcpy(y, b, size);
	d = (x[0] ^ y[0]) | (x[1] ^ y[1]);
	if (size != sizeof(struct bpft_key4))
		d |= (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]);
	return !d;
}

/* ---- one half --------------------------------------------------------------- */

ALWAYS_INLINE size_t rec_size(const size_t key_size) { return key_size + sizeof(struct bpft_sums); }

ALWAYS_INLINE uint8_t *record(const struct half *h, uint32_t n, const size_t key_size)
{
	return h->chunk[n >> CHUNK_BITS] + (n & (CHUNK - 1)) * rec_size(key_size);
}

ALWAYS_INLINE struct bpft_sums *sums_of(uint8_t *rec, const size_t key_size)
{
	return (struct bpft_sums *)(void *)(rec + key_size);
}

ALWAYS_INLINE void add_sums(struct bpft_sums *to, const struct bpft_sums *from)
{
	to->packets += from->packets;
	to->all += from->all;
	to->data += from->data;
}

/* Put the slot of a record that has none. */
static inline void index_put(struct half *h, uint32_t tag, uint32_t number)
{
	uint32_t at = tag & h->mask;

	while (h->index[at].number)
		at = (at + 1) & h->mask;
	h->index[at] = (struct slot){tag, number};
}

/* The record of a key, or NULL. */
ALWAYS_INLINE uint8_t *find(const struct half *h, const void *key, uint32_t tag, const size_t key_size)
{
	for (uint32_t at = tag & h->mask; h->index[at].number; at = (at + 1) & h->mask)
		if (h->index[at].tag == tag) {
			uint8_t *rec = record(h, h->index[at].number, key_size);
			if (same(rec, key, key_size))
				return rec;
		}
	return NULL;
}

/* Append a record for a key that is absent; room was made. */
ALWAYS_INLINE uint8_t *insert(struct half *h, const void *key, uint32_t tag, const size_t key_size)
{
	uint8_t *rec = record(h, ++h->count, key_size);

	memcpy(rec, key, key_size);
	memset(rec + key_size, 0, sizeof(struct bpft_sums));
	index_put(h, tag, h->count);
	return rec;
}

/* ---- adding ----------------------------------------------------------------------- */

/* The sums of a key, made if absent; past the cap or without memory those of "other". */
ALWAYS_INLINE struct bpft_sums *sums_for(struct bpft_table *t, const int v, const void *key, uint32_t tag,
                                         const size_t key_size)
{
	struct half *h = &t->half[v];
	uint8_t *rec = find(h, key, tag, key_size);

	if (rec)
		return sums_of(rec, key_size);
	uint64_t cap = bpft_table_cap(t);
	if (cap && bpft_table_count(t, 0) >= cap) {
		bpft_table_fold(t);
		if (bpft_table_count(t, 0) >= cap)
			return bpft_half_other(h, key_size);
	}
	if (!bpft_half_room(h, key_size)) {
		if (h->count > bpft_table_count(t, 0) / 2) /* else it would cost the other half its names, and free little here */
			bpft_table_fold(t);
		if (!bpft_half_room(h, key_size))
			return bpft_half_other(h, key_size);
	}
	rec = insert(h, key, tag, key_size);
	if (rec[key_size - 3] & BPFT_OTHER)
		h->other = h->count;
	return sums_of(rec, key_size);
}

ALWAYS_INLINE void prefetch_slot(const struct half *h, uint32_t tag)
{
	__builtin_prefetch(&h->index[tag & h->mask]);
}

/* The record that is probably the key's, or number 0, on its way into the cache.  one_chunk: there are no others. */
ALWAYS_INLINE uint8_t *prefetch_record(const struct half *h, uint32_t tag, const size_t key_size, const bool one_chunk)
{
	const struct slot *slot = &h->index[tag & h->mask];

	while (!likely(slot->tag == tag) && slot->number)
		slot = &h->index[(uint32_t)(slot - h->index + 1) & h->mask];
	uint8_t *rec = one_chunk ? h->chunk[0] + slot->number * rec_size(key_size) : record(h, slot->number, key_size);
	__builtin_prefetch(rec, 1);
	__builtin_prefetch(rec + rec_size(key_size) - 1, 1);
	return rec;
}

/* A flow that bpft_table_add_flows() is going to add: hashed, its slot on the way into the cache. */
ALWAYS_INLINE void bpft_table_expect(const struct bpft_table *t, const int version, struct bpft_flow *f)
{
	f->tag = tag_of(f->key.word, version == 4 ? K4 : K6);
	prefetch_slot(&t->half[version != 4], f->tag);
}

/* As sums_for(), first trying the record that was prefetched when counters.folded was `folded`: growth moves no record, a
 * fold does. */
ALWAYS_INLINE struct bpft_sums *prefetched_sums(struct bpft_table *t, const int v, const void *key, uint32_t tag,
                                                uint8_t *rec, uint64_t folded, const size_t key_size)
{
	if (likely(t->counters.folded == folded) && likely(same(rec, key, key_size)))
		return sums_of(rec, key_size);
	return sums_for(t, v, key, tag, key_size);
}

#endif

/* half.c - growth without moving a record, and the fold of the smallest flows (SEMANTICS C7). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"
#include "pages.h"

enum {
	FIRST_BITS = 10,          /* slots of a new index */
	MAX_BITS = 31,
	SMALL = 2 << 20,          /* bytes of the first chunk that stay on small pages */
};

uint64_t bpft_hash_key[5];

void bpft_draw_hash_key(void)
{
	if (!bpft_hash_key[0] && getentropy(bpft_hash_key, sizeof bpft_hash_key))
		abort(); /* fails only for lengths above 256 */
	bpft_hash_key[0] |= 1;
}

static void index_free(struct half *h)
{
	bpft_pages_free(h->index, sizeof *h->index << h->bits);
}

static bool index_grow(struct half *h)
{
	struct half bigger = *h;

	bigger.bits = h->index ? h->bits + 1 : FIRST_BITS;
	if (bigger.bits > MAX_BITS)
		return false;
	bigger.index = bpft_pages_new(sizeof *bigger.index << bigger.bits, 0);
	if (!bigger.index)
		return false;
	if (h->index)
		for (uint64_t i = 0; i < (uint64_t)1 << h->bits; i++)
			if (h->index[i])
				index_put(&bigger, h->index[i]);
	index_free(h);
	*h = bigger;
	return true;
}

/* Room for one more record and its slot, at most 5/8 full; false: no memory. */
bool bpft_half_room(struct half *h, size_t key_size)
{
	if (!h->index || h->count >= ((uint64_t)5 << h->bits) >> 3)
		if (!index_grow(h))
			return false;
	if (h->count >> CHUNK_BITS == h->chunks) {
		uint8_t **chunk = realloc(h->chunk, (h->chunks + 1) * sizeof *chunk);
		if (!chunk)
			return false;
		h->chunk = chunk;
		h->chunk[h->chunks] = bpft_pages_new(CHUNK * rec_size(key_size), h->chunks ? 0 : SMALL);
		if (!h->chunk[h->chunks])
			return false;
		h->chunks++;
	}
	return true;
}

void bpft_half_free(struct half *h, size_t key_size)
{
	for (uint32_t i = 0; i < h->chunks; i++)
		bpft_pages_free(h->chunk[i], CHUNK * rec_size(key_size));
	free(h->chunk);
	index_free(h);
	memset(h, 0, sizeof *h);
}

/* ---- the fold ------------------------------------------------------------------ */

/* A coarse logarithm: 8 classes to each power of two, 512 in all. */
static unsigned size_class(uint64_t all)
{
	if (all < 8)
		return (unsigned)all;
	unsigned top = 63 - (unsigned)__builtin_clzll(all);
	return (top - 2) * 8 + (unsigned)(all >> (top - 3) & 7);
}
enum { CLASSES = 64 * 8 };

/* Keep the records a fold leaves, close up the gaps, make the index anew.  `quota` of class `edge` still go. */
static void compact(struct half *h, unsigned edge, uint64_t *quota, struct bpft_sums *gone, const size_t key_size)
{
	uint32_t kept = 0, other = 0;

	if (!h->count)
		return;
	memset(h->index, 0, sizeof *h->index << h->bits);
	for (uint32_t i = 0; i < h->count; i++) {
		uint8_t *rec = record(h, i, key_size);
		struct bpft_sums *s = sums_of(rec, key_size);
		unsigned class = size_class(s->all);
		bool is_other = h->other == i + 1, goes = class < edge;

		if (class == edge && *quota && !is_other) {
			goes = true;
			--*quota;
		}
		if (goes && !is_other) {
			add_sums(gone, s);
			continue;
		}
		uint8_t *to = record(h, kept, key_size);
		if (to != rec)
			memcpy(to, rec, rec_size(key_size));
		index_put(h, (hash(to, key_size) & ~(uint64_t)0xFFFFFFFF) | ++kept);
		if (is_other)
			other = kept;
	}
	h->count = kept;
	h->other = other;
	while (h->chunks > 1 && (h->chunks - 1) << CHUNK_BITS >= kept)
		bpft_pages_free(h->chunk[--h->chunks], CHUNK * rec_size(key_size));
}

struct bpft_sums *bpft_half_other(struct half *h, size_t key_size)
{
	if (!h->other) {
		uint8_t key[sizeof(struct bpft_key6)] = {0};

		key[key_size - 3] = BPFT_OTHER | BPFT_NO_PORTS | BPFT_NO_PROTO;
		if (!bpft_half_room(h, key_size))
			return NULL;
		insert(h, key, hash(key, key_size), key_size);
		h->other = h->count;
	}
	return sums_of(record(h, h->other - 1, key_size), key_size);
}

/* Fold the smallest quarter of all records into "other", so that the heavy stay named. */
void bpft_table_fold(struct bpft_table *t)
{
	static const size_t key_size[2] = {sizeof(struct bpft_key4), sizeof(struct bpft_key6)};
	uint64_t in_class[CLASSES] = {0}, named = 0, quota, below = 0;
	unsigned edge = 0;

	for (int v = 0; v < 2; v++)
		for (uint32_t i = 0; i < t->half[v].count; i++)
			if (t->half[v].other != i + 1) {
				in_class[size_class(sums_of(record(&t->half[v], i, key_size[v]), key_size[v])->all)]++;
				named++;
			}
	if (!named)
		return;
	quota = named / 4 + 1;
	while (below + in_class[edge] < quota)
		below += in_class[edge++];
	t->counters.folded += quota;
	quota -= below; /* what class `edge` itself must give */
	for (int v = 0; v < 2; v++) {
		struct bpft_sums gone = {0};
		uint64_t before = t->half[v].count;

		compact(&t->half[v], edge, &quota, &gone, key_size[v]);
		if (t->half[v].count < before) {
			struct bpft_sums *other = bpft_half_other(&t->half[v], key_size[v]);
			if (other) /* compact left room: a record went */
				add_sums(other, &gone);
		}
	}
}

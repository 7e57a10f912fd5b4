/* half.c - growth without moving a record, and the fold of the smallest flows (SEMANTICS C7). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"
#include "pages.h"

enum {
	FIRST_SLOTS = 1 << 10,    /* of a new index */
	SPARSE = 1 << 16,         /* slots of an index that the second-level cache holds: at most 3/8 full, and few keys collide */
	MOST_SLOTS = 1u << 31,
	SMALL = 2 << 20,          /* bytes of the first chunk that stay on small pages */
};

uint64_t bpft_hash_key[5];

void bpft_draw_hash_key(void)
{
	if (bpft_hash_key[0])
		return;
	if (getentropy(bpft_hash_key, sizeof bpft_hash_key))
		abort(); /* fails only for lengths above 256 */
	bpft_hash_key[0] |= 1;
}

static bool add_chunk(struct half *h, size_t key_size)
{
	uint8_t **chunk = malloc((h->chunks + 1) * sizeof *chunk);
	uint8_t *fresh = bpft_pages_new(CHUNK * rec_size(key_size), h->chunks ? 0 : SMALL);

	if (!chunk || !fresh) {
		bpft_pages_free(fresh, CHUNK * rec_size(key_size));
		free(chunk);
		return false;
	}
	if (h->chunks)
		memcpy(chunk, h->chunk, h->chunks * sizeof *chunk);
	else
		memcpy(fresh, bpft_hash_key, key_size); /* number 0 */
	free(h->chunk);
	chunk[h->chunks++] = fresh;
	h->chunk = chunk;
	return true;
}

bool bpft_half_init(struct half *h, size_t key_size)
{
	*h = (struct half){.mask = FIRST_SLOTS - 1};
	h->index = bpft_pages_new(FIRST_SLOTS * sizeof *h->index, 0);
	return h->index && add_chunk(h, key_size);
}

/* Records that its index has room for. */
static uint64_t index_room(const struct half *h)
{
	uint64_t slots = bpft_half_slots(h);

	return slots * (slots <= SPARSE ? 3 : 5) >> 3;
}

static bool index_grow(struct half *h)
{
	struct half bigger = *h;

	if (h->mask >= MOST_SLOTS - 1)
		return false;
	bigger.mask = 2 * h->mask + 1;
	bigger.index = bpft_pages_new(bpft_half_slots(&bigger) * sizeof *bigger.index, 0);
	if (!bigger.index)
		return false;
	for (uint64_t i = 0; i < bpft_half_slots(h); i++)
		if (h->index[i].number)
			index_put(&bigger, h->index[i].tag, h->index[i].number);
	bpft_pages_free(h->index, bpft_half_slots(h) * sizeof *h->index);
	*h = bigger;
	return true;
}

bool bpft_half_room(struct half *h, size_t key_size)
{
	if (h->count >= index_room(h) && !index_grow(h))
		return false;
	return (h->count + 2) >> CHUNK_BITS < h->chunks || add_chunk(h, key_size);
}

void bpft_half_free(struct half *h, size_t key_size)
{
	for (uint32_t i = 0; i < h->chunks; i++)
		bpft_pages_free(h->chunk[i], CHUNK * rec_size(key_size));
	free(h->chunk);
	bpft_pages_free(h->index, bpft_half_slots(h) * sizeof *h->index);
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
	memset(h->index, 0, bpft_half_slots(h) * sizeof *h->index);
	for (uint32_t i = 1; i <= h->count; i++) {
		uint8_t *rec = record(h, i, key_size);
		struct bpft_sums *s = sums_of(rec, key_size);
		unsigned class = size_class(s->all);
		bool is_other = h->other == i, goes = class < edge;

		if (class == edge && *quota && !is_other) {
			goes = true;
			--*quota;
		}
		if (goes && !is_other) {
			add_sums(gone, s);
			continue;
		}
		uint8_t *to = record(h, ++kept, key_size);
		if (to != rec)
			memcpy(to, rec, rec_size(key_size));
		index_put(h, tag_of(to, key_size), kept);
		if (is_other)
			other = kept;
	}
	h->count = kept;
	h->other = other;
	while (h->chunks > 1 && (h->chunks - 1) << CHUNK_BITS > kept + 1) /* "other" may still come */
		bpft_pages_free(h->chunk[--h->chunks], CHUNK * rec_size(key_size));
}

struct bpft_sums *bpft_half_other(struct half *h, size_t key_size)
{
	if (!h->other) {
		uint8_t key[sizeof(struct bpft_key6)] = {0};

		key[key_size - 3] = BPFT_OTHER | BPFT_NO_PORTS | BPFT_NO_PROTO;
		insert(h, key, tag_of(key, key_size), key_size);
		h->other = h->count;
	}
	return sums_of(record(h, h->other, key_size), key_size);
}

/* Fold the smallest quarter of all records into "other", so that the heavy stay named. */
void bpft_table_fold(struct bpft_table *t)
{
	static const size_t key_size[2] = {sizeof(struct bpft_key4), sizeof(struct bpft_key6)};
	uint64_t in_class[CLASSES] = {0}, named = 0, quota, below = 0;
	unsigned edge = 0;

	for (int v = 0; v < 2; v++)
		for (uint32_t i = 1; i <= t->half[v].count; i++)
			if (t->half[v].other != i) {
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
		if (t->half[v].count < before)
			add_sums(bpft_half_other(&t->half[v], key_size[v]), &gone);
	}
}

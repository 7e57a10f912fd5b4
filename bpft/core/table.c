/* table.c - accounting: keys to sums, growth without moving a record, the cap's fold (SEMANTICS C3, C7). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"
#include "table.h"

enum {
	BATCH = 32,               /* keys in flight: enough to hide a cache miss */
	CHUNK_BITS = 18,          /* records a chunk: 10 MB (IPv4), 16 MB (IPv6), touched as they fill */
	CHUNK = 1 << CHUNK_BITS,
	FIRST_BITS = 10,          /* slots of a new index */
	MAX_BITS = 31,
	SMALL = 2 << 20,          /* bytes of the first chunk that stay on small pages */
};

struct half {
	uint64_t *index;          /* tag << 32 | record number + 1; 0: empty */
	unsigned bits;            /* 1 << bits slots; a slot's place is its tag's upper bits */
	uint32_t count;           /* records */
	uint32_t other;           /* number of the "other" record + 1; 0: none */
	uint8_t **chunk;
	uint32_t chunks;
};

struct bpft_table {
	struct half half[2];      /* IPv4, IPv6 */
	uint64_t max_flows;
	struct bpft_counters counters;
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- hash ----------------------------------------------------------------- */

static uint64_t hash_key[5];     /* drawn once a process: nobody outside can aim at a slot */

static void draw_hash_key(void)
{
	if (!hash_key[0] && getentropy(hash_key, sizeof hash_key))
		abort(); /* fails only for lengths above 256 */
	hash_key[0] |= 1;
}

ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

ALWAYS_INLINE uint64_t hash(const void *key, const size_t size)
{
	uint64_t w[5];

	memcpy(w, key, size);
	if (size == sizeof(struct bpft_key4))
		return mix(mix(w[0] ^ hash_key[0], w[1] ^ hash_key[1]), hash_key[2]);
	return mix(mix(w[0] ^ hash_key[0], w[1] ^ hash_key[1]) ^ mix(w[2] ^ hash_key[2], w[3] ^ hash_key[3]),
	           w[4] ^ hash_key[4]);
}

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

ALWAYS_INLINE uint64_t place(const struct half *h, uint64_t slot) { return slot >> (64 - h->bits); }

/* Put a slot that is known to be absent. */
static void index_put(struct half *h, uint64_t slot)
{
	uint64_t mask = ((uint64_t)1 << h->bits) - 1, at = place(h, slot);

	while (h->index[at])
		at = (at + 1) & mask;
	h->index[at] = slot;
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
static bool make_room(struct half *h, const size_t key_size)
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

/* The record of a key, or NULL. */
ALWAYS_INLINE uint8_t *find(const struct half *h, const void *key, uint64_t hashed, const size_t key_size)
{
	if (!h->index)
		return NULL;
	uint64_t mask = ((uint64_t)1 << h->bits) - 1;

	for (uint64_t at = place(h, hashed); h->index[at]; at = (at + 1) & mask)
		if (h->index[at] >> 32 == hashed >> 32) {
			uint8_t *rec = record(h, (uint32_t)h->index[at] - 1, key_size);
			if (same(rec, key, key_size))
				return rec;
		}
	return NULL;
}

/* Append a record for a key that is absent; room was made. */
ALWAYS_INLINE uint8_t *insert(struct half *h, const void *key, uint64_t hashed, const size_t key_size)
{
	uint8_t *rec = record(h, h->count, key_size);

	memcpy(rec, key, key_size);
	memset(rec + key_size, 0, sizeof(struct bpft_sums));
	index_put(h, (hashed & ~(uint64_t)0xFFFFFFFF) | ++h->count);
	return rec;
}

static void half_free(struct half *h, const size_t key_size)
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

static void add_sums(struct bpft_sums *to, const struct bpft_sums *from)
{
	to->packets += from->packets;
	to->all += from->all;
	to->data += from->data;
}

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

static struct bpft_sums *other_of(struct half *h, const size_t key_size)
{
	if (!h->other) {
		uint8_t key[sizeof(struct bpft_key6)] = {0};

		key[key_size - 3] = BPFT_OTHER | BPFT_NO_PORTS | BPFT_NO_PROTO;
		if (!make_room(h, key_size))
			return NULL;
		insert(h, key, hash(key, key_size), key_size);
		h->other = h->count;
	}
	return sums_of(record(h, h->other - 1, key_size), key_size);
}

/* Fold the smallest quarter of all records into "other", so that the heavy stay named. */
static void fold(struct bpft_table *t)
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
			struct bpft_sums *other = other_of(&t->half[v], key_size[v]);
			if (other) /* compact left room: a record went */
				add_sums(other, &gone);
		}
	}
}

/* ---- adding ----------------------------------------------------------------------- */

/* The sums of a key, made if absent; past the cap or without memory those of "other". */
ALWAYS_INLINE struct bpft_sums *sums_for(struct bpft_table *t, const int v, const void *key, uint64_t hashed,
                                         const size_t key_size)
{
	struct half *h = &t->half[v];
	uint8_t *rec = find(h, key, hashed, key_size);

	if (rec)
		return sums_of(rec, key_size);
	uint64_t cap = bpft_table_cap(t);
	if (cap && bpft_table_count(t, 0) >= cap) {
		fold(t);
		if (bpft_table_count(t, 0) >= cap)
			return other_of(h, key_size);
	}
	if (!make_room(h, key_size)) {
		fold(t);
		if (!make_room(h, key_size))
			return other_of(h, key_size);
	}
	rec = insert(h, key, hashed, key_size);
	if (rec[key_size - 3] & BPFT_OTHER)
		h->other = h->count;
	return sums_of(rec, key_size);
}

ALWAYS_INLINE void prefetch_slot(const struct half *h, uint64_t hashed)
{
	if (h->index)
		__builtin_prefetch(&h->index[place(h, hashed)]);
}

/* The number + 1 of the record that is probably the key's, on its way into the cache; 0: none.
 * Between this and its use the table may grow (numbers stay) and fold (they do not). */
ALWAYS_INLINE uint32_t prefetch_record(const struct half *h, uint64_t hashed, const size_t key_size)
{
	if (!h->index)
		return 0;
	uint64_t mask = ((uint64_t)1 << h->bits) - 1;

	for (uint64_t at = place(h, hashed); h->index[at]; at = (at + 1) & mask)
		if (h->index[at] >> 32 == hashed >> 32) {
			const uint8_t *rec = record(h, (uint32_t)h->index[at] - 1, key_size);
			__builtin_prefetch(rec, 1);
			__builtin_prefetch(rec + rec_size(key_size) - 1, 1);
			return (uint32_t)h->index[at];
		}
	return 0;
}

/* As sums_for(), first trying the record that was prefetched. */
ALWAYS_INLINE struct bpft_sums *prefetched_sums(struct bpft_table *t, const int v, const void *key, uint64_t hashed,
                                                uint32_t number, const size_t key_size)
{
	struct half *h = &t->half[v];

	if (number && number <= h->count) {
		uint8_t *rec = record(h, number - 1, key_size);
		if (same(rec, key, key_size))
			return sums_of(rec, key_size);
	}
	return sums_for(t, v, key, hashed, key_size);
}

enum { K4 = sizeof(struct bpft_key4), K6 = sizeof(struct bpft_key6) };

static void count_frame(struct bpft_counters *n, const struct bpft_flow *f)
{
	n->seen++;
	n->dir[f->dir].frames++;
	n->dir[f->dir].bytes += f->wirelen;
	n->dir[f->dir].wire_bytes += f->wire;
	if (f->version) {
		n->counted++;
		n->dir[f->dir].wire_frames += f->packets;
	} else {
		n->skipped[f->skip]++;
		n->dir[f->dir].wire_frames++;
	}
}

static void add_batch(struct bpft_table *t, struct bpft_flow *flows, unsigned n)
{
	uint32_t number[BATCH];

	for (unsigned i = 0; i < n; i++) {
		struct bpft_flow *f = &flows[i];
		if (f->version == 4) {
			f->hash = hash(&f->key.v4, K4);
			prefetch_slot(&t->half[0], f->hash);
		} else if (f->version == 6) {
			f->hash = hash(&f->key.v6, K6);
			prefetch_slot(&t->half[1], f->hash);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (flows[i].version == 4)
			number[i] = prefetch_record(&t->half[0], flows[i].hash, K4);
		else if (flows[i].version == 6)
			number[i] = prefetch_record(&t->half[1], flows[i].hash, K6);
	for (unsigned i = 0; i < n; i++) {
		const struct bpft_flow *f = &flows[i];
		struct bpft_sums *s = NULL;

		count_frame(&t->counters, f);
		if (f->version == 4)
			s = prefetched_sums(t, 0, &f->key.v4, f->hash, number[i], K4);
		else if (f->version == 6)
			s = prefetched_sums(t, 1, &f->key.v6, f->hash, number[i], K6);
		if (s) {
			s->packets += f->packets;
			s->all += f->all;
			s->data += f->data;
		}
	}
}

void bpft_table_add_flows(struct bpft_table *t, struct bpft_flow *flows, unsigned n)
{
	for (unsigned done = 0; done < n; done += BATCH)
		add_batch(t, flows + done, n - done < BATCH ? n - done : BATCH);
}

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
	if (from->first_ns && (!to->first_ns || from->last_ns > to->last_ns))
		to->last_ns = from->last_ns;
	if (from->first_ns && (!to->first_ns || from->first_ns < to->first_ns))
		to->first_ns = from->first_ns;
}

void bpft_table_merge(struct bpft_table *t, const struct bpft_table *src)
{
	for (int v = 0; v < 2; v++) {
		const struct half *h = &src->half[v];
		for (uint32_t at = 0; at < h->count; at += CHUNK)
			bpft_table_add_records(t, v ? 6 : 4, h->chunk[at >> CHUNK_BITS],
			                       h->count - at < CHUNK ? h->count - at : CHUNK, BPFT_BY_RAW);
	}
	merge_counters(&t->counters, &src->counters);
}

/* ---- the rest ------------------------------------------------------------------------ */

struct bpft_table *bpft_table_new(uint64_t max_flows)
{
	struct bpft_table *t = calloc(1, sizeof *t);

	draw_hash_key();
	if (t)
		t->max_flows = max_flows;
	return t;
}

void bpft_table_free(struct bpft_table *t)
{
	if (!t)
		return;
	half_free(&t->half[0], K4);
	half_free(&t->half[1], K6);
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

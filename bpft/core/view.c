/* view.c - a sorted order over a table's records: by key for the log, by a sum for reports.
 *
 * Sorting moves 16-byte items, not records: the first eight bytes in which the
 * keys differ at all become a number, numbers are radix-sorted, and only runs
 * that tie are looked at again from the next byte on.
 */
#include <stdlib.h>
#include <string.h>

#include "table.h"

struct item {
	uint64_t rank;
	uint32_t number; /* of the record */
};

struct sorter {
	const struct bpft_table *table;
	int version;
	size_t key_size;
	struct item *spare; /* as long as what is sorted */
};

static const uint8_t *key_of(const struct sorter *s, uint32_t number)
{
	return bpft_table_record(s->table, s->version, number);
}

static const struct bpft_sums *sums_of(const struct sorter *s, uint32_t number)
{
	return (const struct bpft_sums *)(const void *)(key_of(s, number) + s->key_size);
}

/* Radix sort by rank, passes whose byte is the same everywhere left out; ends in `items`. */
static void radix(struct item *items, struct item *spare, uint32_t n)
{
	uint32_t count[8][256] = {{0}};
	struct item *from = items, *to = spare;

	for (uint32_t i = 0; i < n; i++)
		for (int b = 0; b < 8; b++)
			count[b][items[i].rank >> (8 * b) & 255]++;
	for (int b = 0; b < 8; b++) {
		if (count[b][items[0].rank >> (8 * b) & 255] == n)
			continue;
		uint32_t at = 0;
		for (int v = 0; v < 256; v++) {
			uint32_t here = count[b][v];
			count[b][v] = at;
			at += here;
		}
		for (uint32_t i = 0; i < n; i++)
			to[count[b][from[i].rank >> (8 * b) & 255]++] = from[i];
		struct item *t = from;
		from = to;
		to = t;
	}
	if (from != items)
		memcpy(items, from, n * sizeof *items);
}

/* Insertion sort by key bytes from `first` on: for the short runs. */
static void sort_few(const struct sorter *s, struct item *items, uint32_t n, size_t first)
{
	for (uint32_t i = 1; i < n; i++) {
		struct item x = items[i];
		const uint8_t *key = key_of(s, x.number) + first;
		uint32_t j = i;
		for (; j && memcmp(key_of(s, items[j - 1].number) + first, key, s->key_size - first) > 0; j--)
			items[j] = items[j - 1];
		items[j] = x;
	}
}

/* Sort by key, bytes before `first` being equal throughout. */
static void sort_by_key(const struct sorter *s, struct item *items, uint32_t n, size_t first)
{
	while (n > 1) {
		if (n <= 16) {
			sort_few(s, items, n, first);
			return;
		}
		uint8_t differs[sizeof(struct bpft_key6)] = {0};
		size_t where[8], used = 0;
		const uint8_t *one = key_of(s, items[0].number);
		for (uint32_t i = 1; i < n; i++) {
			const uint8_t *key = key_of(s, items[i].number);
			for (size_t b = first; b < s->key_size; b++)
				differs[b] |= (uint8_t)(key[b] ^ one[b]);
		}
		for (; first < s->key_size && used < 8; first++)
			if (differs[first])
				where[used++] = first;
		if (!used)
			return;
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *key = key_of(s, items[i].number);
			uint64_t rank = 0;
			for (size_t b = 0; b < used; b++)
				rank = rank << 8 | key[where[b]];
			items[i].rank = rank;
		}
		radix(items, s->spare, n);
		if (first == s->key_size)
			return;
		/* Runs that tie: all but the last are finished by recursion, at most five deep (40 bytes by 8). */
		uint32_t start = 0;
		for (uint32_t i = 1; i <= n; i++) {
			if (i < n && items[i].rank == items[start].rank)
				continue;
			sort_by_key(s, items + start, i - start, first);
			start = i;
		}
		return;
	}
}

static uint64_t rank_of(const struct sorter *s, uint32_t number, enum bpft_sort sort)
{
	const struct bpft_sums *sums = sums_of(s, number);

	return ~(sort == BPFT_SORT_PACKETS ? sums->packets : sort == BPFT_SORT_ALL ? sums->all : sums->data);
}

/* By a sum, the largest first, ties by key. */
static void sort_by_sum(const struct sorter *s, struct item *items, uint32_t n)
{
	if (!n)
		return;
	radix(items, s->spare, n);
	for (uint32_t i = 1, start = 0; i <= n; i++) {
		if (i < n && items[i].rank == items[start].rank)
			continue;
		uint64_t rank = items[start].rank;
		sort_by_key(s, items + start, i - start, 0);
		for (; start < i; start++)
			items[start].rank = rank;
	}
}

/* ---- the first few, without sorting all: a heap whose root is the last of them ------- */

static int after(const struct sorter *s, const struct item *a, const struct item *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return memcmp(key_of(s, a->number), key_of(s, b->number), s->key_size) > 0;
}

static void sift_down(const struct sorter *s, struct item *heap, uint32_t n, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= n)
			return;
		if (child + 1 < n && after(s, &heap[child + 1], &heap[child]))
			child++;
		if (!after(s, &heap[child], &heap[at]))
			return;
		struct item t = heap[at];
		heap[at] = heap[child];
		heap[child] = t;
		at = child;
	}
}

static uint32_t select_first(const struct sorter *s, struct item *heap, uint32_t limit, uint32_t total,
                             enum bpft_sort sort)
{
	for (uint32_t i = 0; i < limit; i++)
		heap[i] = (struct item){rank_of(s, i, sort), i};
	for (uint32_t i = limit / 2; i-- > 0;)
		sift_down(s, heap, limit, i);
	for (uint32_t i = limit; i < total; i++) {
		struct item x = {rank_of(s, i, sort), i};
		if (x.rank <= heap[0].rank && after(s, &heap[0], &x)) {
			heap[0] = x;
			sift_down(s, heap, limit, 0);
		}
	}
	return limit;
}

/* ---- the view ------------------------------------------------------------------------- */

static void add_sums(struct bpft_sums *to, const struct bpft_sums *from)
{
	to->packets += from->packets;
	to->all += from->all;
	to->data += from->data;
}

/* Every record but "other" and what min_all leaves out; those go to v->other. */
static uint32_t collect(struct bpft_view *v, const struct sorter *s, struct item *items, uint32_t total,
                        uint64_t min_all)
{
	uint8_t *other = (uint8_t *)&v->other;
	struct bpft_sums gone = {0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < total; i++) {
		bool is_other = bpft_key_flags(key_of(s, i), v->version) & BPFT_OTHER;
		if (!is_other && sums_of(s, i)->all >= min_all) {
			items[n++].number = i;
			continue;
		}
		v->has_other = 1;
		add_sums(&gone, sums_of(s, i));
	}
	memset(&v->other, 0, sizeof v->other);
	other[s->key_size - 3] = BPFT_OTHER | BPFT_NO_PORTS | BPFT_NO_PROTO;
	memcpy(other + s->key_size, &gone, sizeof gone);
	return n;
}

int bpft_view_make(struct bpft_view *v, const struct bpft_table *t, int version, enum bpft_sort sort,
                   uint64_t limit, uint64_t min_all)
{
	uint32_t total = (uint32_t)bpft_table_count(t, version), n;
	bool few = sort != BPFT_SORT_KEY && limit && limit < total / 4;
	size_t room = few ? (size_t)limit : total;
	struct item *items = malloc((room + 1) * sizeof *items);
	struct sorter s = {
		.table = t, .version = version, .key_size = bpft_key_size(version),
		.spare = malloc((room + 1) * sizeof *s.spare),
	};

	*v = (struct bpft_view){.table = t, .version = version};
	if (!items || !s.spare) {
		free(items);
		free(s.spare);
		return -1;
	}
	if (sort == BPFT_SORT_KEY) {
		n = collect(v, &s, items, total, min_all);
		sort_by_key(&s, items, n, 0);
	} else {
		if (few) {
			n = select_first(&s, items, (uint32_t)limit, total, sort);
		} else {
			n = total;
			for (uint32_t i = 0; i < n; i++)
				items[i] = (struct item){rank_of(&s, i, sort), i};
		}
		sort_by_sum(&s, items, n);
	}
	if (limit && n > limit)
		n = (uint32_t)limit;
	v->order = malloc((n + 1) * sizeof *v->order);
	for (uint32_t i = 0; v->order && i < n; i++)
		v->order[i] = items[i].number;
	v->count = (uint64_t)n + (uint64_t)v->has_other;
	free(items);
	free(s.spare);
	return v->order ? 0 : -1;
}

void bpft_view_free(struct bpft_view *v)
{
	free(v->order);
	v->order = NULL;
}

size_t bpft_view_records(const struct bpft_view *v, uint64_t start, size_t n, void *out)
{
	size_t size = bpft_rec_size(v->version), copied = 0;
	uint64_t named = v->count - (uint64_t)v->has_other;

	for (; copied < n && start < v->count; start++, copied++) {
		if (start + 8 < named)
			__builtin_prefetch(bpft_table_record(v->table, v->version, v->order[start + 8]));
		memcpy((uint8_t *)out + copied * size,
		       start < named ? bpft_table_record(v->table, v->version, v->order[start]) : (const void *)&v->other,
		       size);
	}
	return copied;
}

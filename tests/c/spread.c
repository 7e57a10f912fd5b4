/* spread.c - keys that lie in a row, as scans and sweeps have them, lie apart in the index, whatever the process's key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); exit(1); } } while (0)

enum { FLOWS = 60000, DRAWN = 40, KINDS = 6, MOST_MEAN = 3, MOST = 400 /* slots beside its place that a record has to go to */ };

static void number(uint8_t *p, uint32_t value, size_t bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

/* The i-th flow of a kind: destinations, sources, ports of either end, both addresses, networks in a row. */
static void put(struct bpft_rec4 *r, unsigned kind, uint32_t i)
{
	*r = (struct bpft_rec4){.key = {{10, 0, 0, 1}, {172, 16, 0, 1}, {{0x80, 1}, {1, 187}, 6, 0, 0}}, .sums = {1, 40, 0}};
	switch (kind) {
	case 0: number(r->key.dst, 0xAC100000 + i, 4); break;
	case 1: number(r->key.src, 0x0A000000 + i, 4); break;
	case 2: number(r->key.tail.sport, i, 2); number(r->key.dst, 0xAC100000 + (i >> 16), 4); break;
	case 3: number(r->key.tail.dport, i, 2); number(r->key.dst, 0xAC100000 + (i >> 16), 4); break;
	case 4: number(r->key.dst, 0xAC100000 + i, 4); number(r->key.src, 0x0A000000 + i, 4); break;
	case 5: number(r->key.dst, i << 12, 4); break;
	}
}

static void check(unsigned kind)
{
	static struct bpft_rec4 records[FLOWS];
	const struct bpft_grouping raw = {BPFT_KEEP_ALL, 32, 128, BPFT_END_SENDER, 0, 1};
	struct bpft_table *t = bpft_table_new(0);
	uint64_t sum = 0, most = 0;

	for (uint32_t i = 0; i < FLOWS; i++)
		put(&records[i], kind, i);
	CHECK(t);
	bpft_table_add_records(t, 4, records, FLOWS, &raw);
	const struct half *h = &t->half[0];
	CHECK(h->count == FLOWS);
	for (uint64_t at = 0; at <= h->mask; at++)
		if (h->index[at].number) {
			uint64_t beside = (at - h->index[at].tag) & h->mask;
			sum += beside;
			most = beside > most ? beside : most;
		}
	if (sum > (uint64_t)MOST_MEAN * FLOWS || most > MOST)
		fprintf(stderr, "kind %u: %.1f on average, %u at most\n", kind, (double)sum / FLOWS, (unsigned)most);
	CHECK(sum <= (uint64_t)MOST_MEAN * FLOWS && most <= MOST);
	bpft_table_free(t);
}

int main(void)
{
	for (unsigned drawn = 0; drawn < DRAWN; drawn++) {
		memset(bpft_hash_key, 0, sizeof bpft_hash_key); /* the next table draws another */
		for (unsigned kind = 0; kind < KINDS; kind++)
			check(kind);
	}
	return 0;
}

/* memory.c - a table that gets no more memory: what is named stays, what is new is summed as "other", nothing is lost.
 * 0: all is well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "pages.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); exit(1); } } while (0)

enum { FLOWS = 20000, HEAVY = 100 /* the first of each IP version */, LIGHT = 40, MANY = 1000000, AT_FIRST = 4, GRANTS = 24 };

static unsigned granted;         /* how often there is memory yet */
void *__real_bpft_pages_new(size_t bytes, size_t small);
void *__wrap_bpft_pages_new(size_t bytes, size_t small)
{
	return granted && granted-- ? __real_bpft_pages_new(bytes, small) : NULL;
}

static struct bpft_rec4 flow4(unsigned n)
{
	struct bpft_rec4 r = {.sums = {1, n < HEAVY ? MANY : LIGHT, 0}};

	memcpy(r.key.src, &n, 4);
	return r;
}

static struct bpft_rec6 flow6(unsigned n)
{
	struct bpft_rec6 r = {.sums = {1, n < HEAVY ? MANY : LIGHT, 0}};

	memcpy(r.key.src, &n, 4);
	return r;
}

/* One IP version after the other, or both in turn. */
static void check(unsigned grants, bool in_turn)
{
	const struct bpft_grouping raw = {BPFT_KEEP_ALL, 32, 128, BPFT_END_SENDER, 0, 1};
	uint64_t all = 0, records = 0, named = 0;
	struct bpft_sums sums;

	granted = grants;
	struct bpft_table *t = bpft_table_new(0);
	CHECK(!t == (grants < AT_FIRST));
	for (unsigned i = 0; t && i < 2 * FLOWS; i++) {
		const unsigned n = in_turn ? i / 2 : i % FLOWS;

		if (i == FLOWS)
			named = bpft_table_count(t, 4);
		if (in_turn ? i % 2 : i >= FLOWS) {
			const struct bpft_rec6 r = flow6(n);
			bpft_table_add_records(t, 6, &r, 1, &raw);
		} else {
			const struct bpft_rec4 r = flow4(n);
			bpft_table_add_records(t, 4, &r, 1, &raw);
		}
		all += n < HEAVY ? MANY : LIGHT;
		records++;
	}
	if (!t)
		return;
	bpft_table_totals(t, &sums);
	CHECK(sums.packets == records && sums.all == all);
	for (unsigned n = 0; n < HEAVY; n++) {
		const struct bpft_rec4 four = flow4(n);
		const struct bpft_rec6 six = flow6(n);
		const struct bpft_sums *a = bpft_table_get(t, 4, &four.key), *b = bpft_table_get(t, 6, &six.key);

		CHECK(a && a->all == MANY && b && b->all == MANY);
	}
	CHECK(bpft_table_count(t, 4) > HEAVY && bpft_table_count(t, 6) > HEAVY);
	/* IPv6 that has no room does not cost IPv4 its names. */
	CHECK(in_turn || named < FLOWS || bpft_table_count(t, 4) == FLOWS);
	bpft_table_free(t);
}

int main(void)
{
	for (unsigned grants = 0; grants < GRANTS; grants++) {
		check(grants, false);
		check(grants, true);
	}
	return 0;
}

/* table.h - keys and their sums: accounting, cap with fold, merge, sorted views.
 *
 * IPv4 and IPv6 lie apart.  Each half is an index of 8-byte slots (32-bit tag,
 * 32-bit record number) over records that lie dense in chunks and never move
 * when the table grows; only the index is made anew, from itself.
 *
 * Memory that cannot be had is no failure: flows are summed as "other", as at the
 * cap (C7); room for that there always is.  Not for use by two threads at once.
 */
#ifndef BPFT_TABLE_H
#define BPFT_TABLE_H

#include <stdbool.h>

#include "flow.h"
#include "tile.h"

/* max_flows: records of both halves, "other" included; 0: no cap.  NULL: no memory. */
struct bpft_table *bpft_table_new(uint64_t max_flows);
void bpft_table_free(struct bpft_table *t);
void bpft_table_set_cap(struct bpft_table *t, uint64_t max_flows);
uint64_t bpft_table_cap(const struct bpft_table *t);
uint64_t bpft_table_count(const struct bpft_table *t, int version); /* version 0: both */
size_t bpft_table_memory(const struct bpft_table *t);               /* bytes in use; chunks are touched as they fill */
struct bpft_counters *bpft_table_counters(struct bpft_table *t);

enum { BPFT_BATCH = 32 };    /* flows asked for at once: enough to hide cache misses */

/* The records of flows of one IP version, each expected before (bpft_table_expect()), are on their way into the cache. */
void bpft_table_fetch_flows(const struct bpft_table *t, int version, struct bpft_flow *flows, unsigned n);
/* Add flows that were fetched; folded: what the table's counters said then.  Counters are told apart. */
void bpft_table_add_flows(struct bpft_table *t, int version, const struct bpft_flow *flows, unsigned n, uint64_t folded);
/* Make first_ns and last_ns reach to ns; 0: the source knows no time. */
void bpft_count_time(struct bpft_counters *to, int64_t ns);
void bpft_table_add_counters(struct bpft_table *t, const struct bpft_counters *more);
/* Add src's records and counters. */
void bpft_table_merge(struct bpft_table *t, const struct bpft_table *src);
/* Add those of src's records that are in a share (see struct bpft_grouping), no counters. */
void bpft_table_add_share(struct bpft_table *t, const struct bpft_table *src, uint8_t share, uint8_t shares);
/* The sums under one key (struct bpft_key4 or bpft_key6), or NULL. */
const struct bpft_sums *bpft_table_get(const struct bpft_table *t, int version, const void *key);
void bpft_table_totals(const struct bpft_table *t, struct bpft_sums *sums);

/* What is left of a key when it is grouped. */
enum {
	BPFT_KEEP_SRC = 1, BPFT_KEEP_DST = 2, BPFT_KEEP_SPORT = 4, BPFT_KEEP_DPORT = 8, BPFT_KEEP_PROTO = 16,
	BPFT_KEEP_DIRECTION = 32, BPFT_KEEP_VLAN = 64,
	BPFT_KEEP_SERVICE = 128, /* in the place of sport: the port that names the service */
	BPFT_KEEP_ALL = 127,
};
enum bpft_ends {             /* from which end of its flow a record is looked at: as src or as dst, each in turn, */
	BPFT_END_SENDER, BPFT_END_RECEIVER, BPFT_END_BOTH, BPFT_END_SELF, /* or only where both look the same */
};
struct bpft_grouping {
	uint8_t fields;          /* BPFT_KEEP_* */
	uint8_t bits4, bits6;    /* leading bits of addresses that are kept: 32 and 128 are all */
	enum bpft_ends ends;
	uint8_t share, shares;   /* 0 of 1: all keys; i of n: about an n-th of them, each key in one share of a process */
};
/* Add n dense records under the reduced key; see _core.pyi add_records(). */
void bpft_table_add_records(struct bpft_table *t, int version, const void *records, size_t n,
                            const struct bpft_grouping *grouping);
void bpft_table_add_tile(struct bpft_table *t, int version, const struct bpft_tile *tile,
                         const struct bpft_grouping *grouping);

/* ---- view.c: a sorted order over one half ------------------------------ */

enum bpft_sort { BPFT_SORT_KEY, BPFT_SORT_PACKETS, BPFT_SORT_ALL, BPFT_SORT_DATA };

struct bpft_view {
	const struct bpft_table *table; /* must not change while the view lives */
	int version;
	uint32_t *order;     /* record numbers; owned */
	uint64_t count;      /* of order, and one more where has_other */
	int has_other;       /* the last record is `other`, made of the table's and of what min_all left out */
	union {
		struct bpft_rec4 v4;
		struct bpft_rec6 v6;
	} other;
};
/* limit 0: all.  min_all (C8): smaller records go to `other`.  -1: no memory. */
int bpft_view_make(struct bpft_view *v, const struct bpft_table *t, int version, enum bpft_sort sort,
                   uint64_t limit, uint64_t min_all);
void bpft_view_free(struct bpft_view *v);
/* Copy up to n dense records from `start` on to out; returns how many. */
size_t bpft_view_records(const struct bpft_view *v, uint64_t start, size_t n, void *out);

/* ---- records as bytes ------------------------------------------------------ */

const void *bpft_table_record(const struct bpft_table *t, int version, uint32_t number); /* from 0; for view.c alone */

static inline size_t bpft_key_size(int version)
{
	return version == 4 ? sizeof(struct bpft_key4) : sizeof(struct bpft_key6);
}
static inline size_t bpft_rec_size(int version)
{
	return version == 4 ? sizeof(struct bpft_rec4) : sizeof(struct bpft_rec6);
}
/* The flags byte stands at the same distance from the key's end in both versions. */
static inline uint8_t bpft_key_flags(const void *key, int version)
{
	return ((const uint8_t *)key)[bpft_key_size(version) - 3];
}

#endif

/* fuzz_codec.c - any bytes as records: through the codec and back unchanged, into tables, then back from damaged columns.
 *
 * Input: version and direction, number of changes, three bytes a change, and the rest is what the records are made of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "table.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

enum { TAKEN = 12 /* input bytes a record */, MOST = 2000, CHANGE = 3 };

static size_t key_size; /* of the records being sorted */

static int by_key(const void *a, const void *b) { return memcmp(a, b, key_size); }

/* A record of few addresses and ports, so that columns have something to save, and of sums of any size. */
static void make_record(uint8_t *rec, int version, bool directed, const uint8_t *from)
{
	size_t key = bpft_key_size(version), size = bpft_rec_size(version), address = (key - 8) / 2;
	struct bpft_sums sums = {
		.packets = 1 + (from[6] & 15), .data = (uint64_t)from[7] << (from[8] & 31),
	};

	sums.all = sums.data + sums.packets * (from[9] & 63) + ((uint64_t)(from[11] & 1) << 63);
	memset(rec, 0, size);
	rec[0] = from[0];
	rec[address - 1] = from[1] & 7;
	rec[address] = from[2] & 3;
	rec[2 * address - 1] = from[3];
	struct bpft_key_tail tail = {
		.sport = {from[4] & 1, from[4]}, .dport = {0, from[5] & 15}, .proto = from[10] & 1 ? 6 : 17,
		.flags = directed ? 1 + (from[10] >> 7) : 0,
	};
	memcpy(rec + key - 8, &tail, sizeof tail);
	memcpy(rec + key, &sums, sizeof sums);
}

struct summed { struct bpft_table *table; int version; struct bpft_grouping by; };

static void add_tile(void *to, const struct bpft_tile *tile)
{
	struct summed *s = to;

	bpft_table_add_tile(s->table, s->version, tile, &s->by);
}

static bool same_sums(struct bpft_table *a, struct bpft_table *b)
{
	struct bpft_sums one, other;

	bpft_table_totals(a, &one);
	bpft_table_totals(b, &other);
	return bpft_table_count(a, 0) == bpft_table_count(b, 0) && !memcmp(&one, &other, sizeof one);
}

/* Columns that may be damaged into a table, under any grouping; from intact ones it gets what it gets from each of the
 * records alone. */
static void sum(int version, size_t rows, const struct bpft_column_bytes *column, size_t n, const uint8_t *records,
                const uint8_t *by)
{
	struct summed s = { bpft_table_new(0), version, {
		.fields = by[0], .bits4 = by[1] % 33, .bits6 = by[2] % 129, .ends = by[3] & 3,
		.share = 0, .shares = 1 + (by[3] >> 7) } };
	struct bpft_table *expected = bpft_table_new(0);

	CHECK(s.table && expected);
	bpft_decode_tiles(version, rows, column, n, 0, add_tile, &s);
	for (size_t i = 0; records && i < rows; i++)
		bpft_table_add_records(expected, version, records + i * bpft_rec_size(version), 1, &s.by);
	CHECK(!records || same_sums(s.table, expected));
	bpft_table_free(s.table);
	bpft_table_free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 + TAKEN)
		return 0;
	int version = data[0] & 1 ? 6 : 4;
	bool directed = data[0] & 2;
	size_t changes = data[1] & 15;
	const uint8_t *change = data + 2, *from = change + CHANGE * changes, *end = data + size;
	if (from + TAKEN > end)
		return 0;
	size_t rows = (size_t)(end - from) / TAKEN, rec = bpft_rec_size(version), kept = 1;
	if (rows > MOST)
		rows = MOST;
	uint8_t *records = malloc(rows * rec), *back = malloc(rows * rec);
	CHECK(records && back);
	for (size_t i = 0; i < rows; i++)
		make_record(records + i * rec, version, directed, from + i * TAKEN);
	key_size = bpft_key_size(version);
	qsort(records, rows, rec, by_key);
	for (size_t i = 1; i < rows; i++) /* a key stands in a table once */
		if (memcmp(records + i * rec, records + (kept - 1) * rec, key_size))
			memmove(records + kept++ * rec, records + i * rec, rec);

	struct bpft_group_columns columns;
	struct bpft_column_bytes bytes[BPFT_GROUP_COLUMNS];
	CHECK(!bpft_encode_columns(version, records, kept, &columns));
	for (unsigned i = 0; i < columns.n; i++) {
		size_t length = columns.column[i].bytes.len;
		uint8_t *own = malloc(length ? length : 1); /* just as long: a byte read behind it is seen */
		CHECK(own);
		memcpy(own, columns.column[i].bytes.p, length);
		bytes[i] = (struct bpft_column_bytes){columns.column[i].id, columns.column[i].encoding, own, length};
	}
	CHECK(!bpft_decode_columns(version, kept, bytes, columns.n, 0, back));
	CHECK(!memcmp(records, back, kept * rec));
	sum(version, kept, bytes, columns.n, records, from);
	for (size_t i = 0; i < changes; i++, change += CHANGE) {
		struct bpft_column_bytes *c = &bytes[change[0] % columns.n];
		if (change[2] & 1 && c->len)
			((uint8_t *)c->bytes)[change[1] % c->len] ^= change[2];
		else if (change[2] & 2)
			c->encoding = change[1] % (BPFT_NENCODINGS + 1);
		else if (c->len)
			c->len -= change[1] % c->len;
	}
	bpft_decode_columns(version, kept, bytes, columns.n, 0, back);
	sum(version, kept, bytes, columns.n, NULL, from);
	for (unsigned i = 0; i < columns.n; i++)
		free((void *)bytes[i].bytes);
	bpft_columns_free(&columns);
	free(records);
	free(back);
	return 0;
}

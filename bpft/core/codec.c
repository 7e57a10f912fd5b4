/* codec.c - dense records of one row group become columns, each in bytes of its own. */
#include "codec.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec_model.h"

const char bpft_no_memory[] = "no memory to encode a row group";

struct work {                /* of one group being encoded */
	const struct bpft_layout *at;
	const uint8_t *records;
	size_t rows;
	struct bpft_lane_work *lanes;
	struct bpft_group_columns *out;
	uint8_t changed[BPFT_GROUP_ROWS];        /* the key so far differs from the row before */
	uint64_t value[2][BPFT_GROUP_ROWS];      /* lanes in hand, in two ways */
	uint64_t other[2][BPFT_GROUP_ROWS];
	uint64_t packets[BPFT_GROUP_ROWS], all[BPFT_GROUP_ROWS];
};

/* ---- classes ------------------------------------------------------------- */

/* No packet, no record: one of 0 packets does not know how many they were (imported logs). */
enum { NO_PORTS = 1, NO_PROTO = 2, OTHER = 4, HAS_DIRECTION = 8, HAS_VLAN = 16, NO_PACKETS = 32 };

static unsigned class_of(const struct bpft_layout *at, const uint8_t *record)
{
	uint8_t flags = record[at->flags];
	uint16_t vlan;
	uint64_t packets;

	memcpy(&vlan, record + at->vlan, sizeof vlan);
	memcpy(&packets, record + at->packets, sizeof packets);
	return (flags & BPFT_NO_PORTS ? NO_PORTS : 0u) | (flags & BPFT_NO_PROTO ? NO_PROTO : 0u) |
	       (flags & BPFT_OTHER ? OTHER : 0u) | (flags & BPFT_DIR_MASK ? HAS_DIRECTION : 0u) |
	       (vlan ? HAS_VLAN : 0u) | (packets ? 0u : NO_PACKETS);
}

uint64_t bpft_group_classes(int version, const void *records, size_t rows)
{
	const struct bpft_layout *at = bpft_layout(version);
	uint64_t classes = 0;

	for (size_t i = 0; i < rows; i++)
		classes |= UINT64_C(1) << class_of(at, (const uint8_t *)records + i * at->size);
	return classes;
}

size_t bpft_group_take(int version, const void *records, size_t rows, unsigned class, void *out)
{
	const struct bpft_layout *at = bpft_layout(version);
	size_t taken = 0;

	for (size_t i = 0; i < rows; i++) {
		const uint8_t *record = (const uint8_t *)records + i * at->size;

		if (class_of(at, record) == class)
			memcpy((uint8_t *)out + taken++ * at->size, record, at->size);
	}
	return taken;
}

int bpft_record_is_other(int version, const void *record)
{
	return (class_of(bpft_layout(version), record) & OTHER) != 0;
}

/* ---- columns ---------------------------------------------------------------- */

static struct bpft_bytes *new_column(struct work *w, uint16_t id, enum bpft_encoding encoding)
{
	struct bpft_column *c = &w->out->column[w->out->n++];

	*c = (struct bpft_column){ .id = id, .encoding = (uint8_t)encoding };
	return &c->bytes;
}

static uint64_t plan_lanes(struct work *w, uint64_t lane[2][BPFT_GROUP_ROWS], unsigned lanes,
                           struct bpft_lane_plan plan[2])
{
	uint64_t bits = 0;

	for (unsigned k = 0; k < lanes; k++) {
		bpft_lane_plan(w->lanes, lane[k], w->rows, &plan[k]);
		bits += plan[k].bits;
	}
	return bits;
}

/* Write a column from w->value (plain) or from w->other, whichever is smaller.  A column that leans on others must
 * save a sixteenth: it costs those who want to read it alone. */
static void write_smaller(struct work *w, uint16_t id, enum bpft_encoding other, unsigned lanes, unsigned other_lanes,
                          const uint64_t base[2])
{
	struct bpft_lane_plan plain_plan[2], other_plan[2];
	uint64_t plain = plan_lanes(w, w->value, lanes, plain_plan);
	uint64_t bits = plan_lanes(w, w->other, other_lanes, other_plan);
	bool lean = bits + 16 < plain - plain / 16;
	struct bpft_bytes *out = new_column(w, id, lean ? other : BPFT_ENC_PLAIN);

	for (unsigned k = 0; k < (lean ? other_lanes : lanes); k++) {
		if (lean && base != NULL)
			bpft_put_varint(out, base[k]);
		bpft_lane_write(w->lanes, lean ? &other_plan[k] : &plain_plan[k], lean ? w->other[k] : w->value[k], w->rows,
		                out);
	}
}

static void write_plain(struct work *w, uint16_t id, const uint64_t *value)
{
	struct bpft_lane_plan plan;

	bpft_lane_plan(w->lanes, value, w->rows, &plan);
	bpft_lane_write(w->lanes, &plan, value, w->rows, new_column(w, id, BPFT_ENC_PLAIN));
}

/* Differences of one lane where the key so far is that of the row before, else the distance from a base; then the
 * lane belongs to the key so far. */
static uint64_t sorted_lane(struct work *w, const uint64_t *value, uint64_t *other)
{
	uint64_t base = value[0];

	for (size_t i = 0; i < w->rows; i++)
		if (w->changed[i] && value[i] < base)
			base = value[i];
	other[0] = value[0] - base;
	for (size_t i = 1; i < w->rows; i++)
		other[i] = value[i] - (w->changed[i] ? base : value[i - 1]);
	for (size_t i = 1; i < w->rows; i++)
		w->changed[i] |= value[i] != value[i - 1];
	return base;
}

static void write_key(struct work *w, uint16_t id, size_t offset, unsigned bytes)
{
	unsigned lanes = bytes > 8 ? 2 : 1;
	uint64_t base[2];

	for (unsigned k = 0; k < lanes; k++) {
		bpft_load_big(w->records + offset + 8 * k, w->at->size, bytes > 8 ? 8 : bytes, w->value[k], w->rows);
		base[k] = sorted_lane(w, w->value[k], w->other[k]);
	}
	write_smaller(w, id, BPFT_ENC_SORTED, lanes, lanes, base);
}

static void write_sums(struct work *w)
{
	bool small = true;

	bpft_load_u64(w->records + w->at->packets, w->at->size, w->packets, w->rows);
	bpft_load_u64(w->records + w->at->all, w->at->size, w->all, w->rows);
	write_plain(w, BPFT_COL_PACKETS, w->packets);
	for (size_t i = 0; i < w->rows; i++) {
		uint64_t packets = w->packets[i] ? w->packets[i] : 1;

		small &= packets < UINT64_C(1) << 62;
		w->value[0][i] = w->all[i];
		w->other[0][i] = w->all[i] / packets;
		w->other[1][i] = w->all[i] % packets;
	}
	write_smaller(w, BPFT_COL_ALL, BPFT_ENC_PER_PACKET, 1, 2, NULL);

	bpft_load_u64(w->records + w->at->data, w->at->size, w->value[0], w->rows);
	if (!small) {
		write_plain(w, BPFT_COL_DATA, w->value[0]);
		return;
	}
	for (size_t i = 0; i < w->rows; i++) {
		const uint8_t *record = w->records + i * w->at->size;
		int64_t packets = w->packets[i] ? (int64_t)w->packets[i] : 1;
		uint64_t usual = bpft_usual_headers(w->at->version, record[w->at->flags] & BPFT_NO_PROTO ? -1 : record[w->at->proto]);
		int64_t more = (int64_t)(w->all[i] - w->packets[i] * usual - w->value[0][i]);
		int64_t each = more / packets, rest = more % packets;

		if (rest < 0) {
			rest += packets;
			each--;
		}
		w->other[0][i] = bpft_zigzag((uint64_t)each);
		w->other[1][i] = (uint64_t)rest;
	}
	write_smaller(w, BPFT_COL_DATA, BPFT_ENC_PREDICTED, 1, 2, NULL);
}

/* Without packets there is nothing that the sums could be told from. */
static void write_sums_alone(struct work *w)
{
	bpft_load_u64(w->records + w->at->all, w->at->size, w->all, w->rows);
	write_plain(w, BPFT_COL_ALL, w->all);
	bpft_load_u64(w->records + w->at->data, w->at->size, w->value[0], w->rows);
	write_plain(w, BPFT_COL_DATA, w->value[0]);
}

static void write_columns(struct work *w, unsigned class)
{
	const struct bpft_layout *at = w->at;
	uint64_t *value = w->value[0];

	w->changed[0] = 1;
	if (class & OTHER) {
		for (size_t i = 0; i < w->rows; i++)
			value[i] = (uint64_t)at->version;
		write_plain(w, BPFT_COL_VERSION, value);
	} else {
		write_key(w, at->src_id, at->src, at->address);
		write_key(w, at->dst_id, at->dst, at->address);
	}
	if (!(class & NO_PORTS)) {
		write_key(w, BPFT_COL_SPORT, at->sport, 2);
		write_key(w, BPFT_COL_DPORT, at->dport, 2);
	}
	if (!(class & NO_PROTO)) {
		bpft_load_big(w->records + at->proto, at->size, 1, value, w->rows);
		write_plain(w, BPFT_COL_PROTO, value);
	}
	if (class & HAS_DIRECTION) {
		for (size_t i = 0; i < w->rows; i++)
			value[i] = (w->records[i * at->size + at->flags] & BPFT_DIR_MASK) - 1u;
		write_plain(w, BPFT_COL_DIRECTION, value);
	}
	if (class & HAS_VLAN) {
		for (size_t i = 0; i < w->rows; i++) {
			uint16_t vlan;

			memcpy(&vlan, w->records + i * at->size + at->vlan, sizeof vlan);
			value[i] = vlan - 1u;
		}
		write_plain(w, BPFT_COL_VLAN, value);
	}
	if (class & NO_PACKETS)
		write_sums_alone(w);
	else
		write_sums(w);
}

static const char *check_records(const struct bpft_layout *at, const uint8_t *records, size_t rows)
{
	unsigned class;

	if (rows < 1 || rows > BPFT_GROUP_ROWS)
		return "a row group holds 1 to 65536 records";
	class = class_of(at, records);
	for (size_t i = 0; i < rows; i++) {
		const uint8_t *record = records + i * at->size;
		uint8_t flags = record[at->flags];

		if (flags & ~(BPFT_DIR_MASK | BPFT_NO_PORTS | BPFT_NO_PROTO | BPFT_OTHER) ||
		    (flags & BPFT_DIR_MASK) == BPFT_DIR_MASK)
			return "a record has flags that no column can hold";
		if (class_of(at, record) != class)
			return "the records of a row group do not know the same things";
	}
	return NULL;
}

const char *bpft_encode_columns(int version, const void *records, size_t rows, struct bpft_group_columns *out)
{
	const struct bpft_layout *at = bpft_layout(version);
	const char *why = check_records(at, records, rows);
	struct work *w;
	bool failed;

	*out = (struct bpft_group_columns){0};
	if (why != NULL)
		return why;
	w = calloc(1, sizeof *w);
	if (w != NULL)
		w->lanes = bpft_lane_work_new();
	failed = w == NULL || w->lanes == NULL;
	if (!failed) {
		w->at = at;
		w->records = records;
		w->rows = rows;
		w->out = out;
		write_columns(w, class_of(at, records));
		for (unsigned k = 0; k < out->n; k++)
			failed |= out->column[k].bytes.failed;
	}
	if (w != NULL)
		bpft_lane_work_free(w->lanes);
	free(w);
	if (failed) {
		bpft_columns_free(out);
		return bpft_no_memory;
	}
	return NULL;
}

void bpft_columns_free(struct bpft_group_columns *columns)
{
	for (unsigned k = 0; k < columns->n; k++)
		free(columns->column[k].bytes.p);
	columns->n = 0;
}

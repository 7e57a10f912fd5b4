/* codec_read.c - column bytes become dense records; nothing in them is believed. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "codec_model.h"

struct work {                /* of one group being decoded */
	const struct bpft_layout *at;
	const struct bpft_column_bytes *column;
	size_t columns, rows;
	uint8_t *records;
	uint8_t *changed;    /* the key so far differs from the row before */
	uint64_t *lane[2];   /* of the column in hand */
	uint64_t *packets, *all, *scratch;
	bool has_packets, has_all, has_proto;
	const char *why;     /* the first thing that was wrong */
};

static bool fail(struct work *w, const char *why)
{
	if (w->why == NULL)
		w->why = why;
	return false;
}

static const struct bpft_column_bytes *find(struct work *w, uint16_t id)
{
	const struct bpft_column_bytes *found = NULL;

	for (size_t k = 0; k < w->columns; k++)
		if (w->column[k].id == id) {
			if (found != NULL)
				fail(w, "a column is there twice");
			found = &w->column[k];
		}
	return found;
}

/* Undo sorted_lane() of codec.c: sums of differences, begun anew at base where the key so far changes. */
static void add_up(const uint8_t *changed, uint64_t *lane, size_t rows, uint64_t base)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rows; i++)
		lane[i] = value = lane[i] + (changed[i] ? base : value);
}

/* Read a column's lanes, which must take all its bytes; values above max are refused. */
static bool read_lanes(struct work *w, const struct bpft_column_bytes *c, unsigned lanes, bool key, uint64_t max)
{
	const uint8_t *at = c->bytes, *end = c->bytes + c->len;

	for (unsigned k = 0; k < lanes; k++) {
		uint64_t base = 0, *lane = w->lane[k], above = 0;

		if ((c->encoding == BPFT_ENC_SORTED && bpft_get_varint(&at, end, &base) < 0) ||
		    bpft_lane_read(&at, end, lane, w->rows, w->scratch) < 0)
			return fail(w, "a column does not hold exactly one value a row");
		if (c->encoding == BPFT_ENC_SORTED)
			add_up(w->changed, lane, w->rows, base);
		if (key)
			bpft_mark_changes(w->changed, lane, w->rows);
		for (size_t i = 0; i < w->rows; i++)
			above |= lane[i] > max;
		if (above)
			return fail(w, "a column holds a value that is too large for it");
	}
	return at == end || fail(w, "a column holds more than one value a row");
}

static bool read_plain(struct work *w, uint16_t id, uint64_t max)
{
	const struct bpft_column_bytes *c = find(w, id);

	if (c == NULL || w->why != NULL)
		return false;
	if (c->encoding != BPFT_ENC_PLAIN)
		return fail(w, "a column has an encoding that is not known for it");
	return read_lanes(w, c, 1, false, max);
}

static bool read_key(struct work *w, uint16_t id, size_t offset, unsigned bytes)
{
	const struct bpft_column_bytes *c = find(w, id);
	unsigned lanes = bytes > 8 ? 2 : 1;

	if (c == NULL || w->why != NULL)
		return false;
	if (c->encoding != BPFT_ENC_PLAIN && c->encoding != BPFT_ENC_SORTED)
		return fail(w, "a column has an encoding that is not known for it");
	if (!read_lanes(w, c, lanes, true, bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1))
		return false;
	for (unsigned k = 0; k < lanes; k++)
		bpft_store_big(w->records + offset + 8 * k, w->at->size, bytes > 8 ? 8 : bytes, w->lane[k], w->rows);
	return true;
}

/* The key but its addresses: what is absent is flagged so. */
static void read_key_rest(struct work *w, uint8_t flags)
{
	const struct bpft_layout *at = w->at;
	bool sport = read_key(w, BPFT_COL_SPORT, at->sport, 2);
	bool dport = read_key(w, BPFT_COL_DPORT, at->dport, 2);

	w->has_proto = read_plain(w, BPFT_COL_PROTO, UINT8_MAX);
	if (w->has_proto)
		bpft_store_big(w->records + at->proto, at->size, 1, w->lane[0], w->rows);
	flags |= (uint8_t)((sport && dport ? 0 : BPFT_NO_PORTS) | (w->has_proto ? 0 : BPFT_NO_PROTO));
	for (size_t i = 0; i < w->rows; i++)
		w->records[i * at->size + at->flags] = flags;
	if (read_plain(w, BPFT_COL_DIRECTION, 1))
		for (size_t i = 0; i < w->rows; i++)
			w->records[i * at->size + at->flags] |= (uint8_t)(w->lane[0][i] + BPFT_DIR_RX);
	if (read_plain(w, BPFT_COL_VLAN, UINT16_MAX - 1))
		for (size_t i = 0; i < w->rows; i++) {
			uint16_t vlan = (uint16_t)(w->lane[0][i] + 1);

			memcpy(w->records + i * at->size + at->vlan, &vlan, sizeof vlan);
		}
	if (read_plain(w, BPFT_COL_VERSION, 6) && w->lane[0][0] != (uint64_t)at->version)
		fail(w, "the records are of another IP version");
}

static void read_all(struct work *w)
{
	const struct bpft_column_bytes *c = find(w, BPFT_COL_ALL);
	bool lean = c != NULL && c->encoding == BPFT_ENC_PER_PACKET;

	if (c == NULL || w->why != NULL)
		return;
	if ((lean && !w->has_packets) || (!lean && c->encoding != BPFT_ENC_PLAIN)) {
		fail(w, "the column of IP bytes has an encoding that is not known, or lacks the packets");
		return;
	}
	if (!read_lanes(w, c, lean ? 2 : 1, false, UINT64_MAX))
		return;
	for (size_t i = 0; i < w->rows; i++)
		w->all[i] = lean ? (w->packets[i] ? w->packets[i] : 1) * w->lane[0][i] + w->lane[1][i] : w->lane[0][i];
	w->has_all = true;
	bpft_store_u64(w->records + w->at->all, w->at->size, w->all, w->rows);
}

static void read_data(struct work *w)
{
	const struct bpft_column_bytes *c = find(w, BPFT_COL_DATA);
	const struct bpft_layout *at = w->at;
	uint64_t *data = w->lane[0];

	if (c == NULL || w->why != NULL)
		return;
	if (c->encoding == BPFT_ENC_PREDICTED) {
		if (!w->has_packets || !w->has_all) {
			fail(w, "the column of payload bytes lacks those it is predicted from");
			return;
		}
		if (!read_lanes(w, c, 2, false, UINT64_MAX))
			return;
		for (size_t i = 0; i < w->rows; i++) {
			uint64_t packets = w->packets[i];
			uint64_t usual = bpft_usual_headers(at->version, w->has_proto ? w->records[i * at->size + at->proto] : -1);
			uint64_t more = (packets ? packets : 1) * bpft_unzigzag(data[i]) + w->lane[1][i];

			data[i] = w->all[i] - packets * usual - more;
		}
	} else if (c->encoding != BPFT_ENC_PLAIN) {
		fail(w, "a column has an encoding that is not known for it");
		return;
	} else if (!read_lanes(w, c, 1, false, UINT64_MAX)) {
		return;
	}
	bpft_store_u64(w->records + at->data, at->size, data, w->rows);
}

const char *bpft_decode_columns(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                                uint8_t flags, void *records)
{
	struct work w = { .at = bpft_layout(version), .column = column, .columns = n, .rows = rows, .records = records };
	uint64_t *memory;

	if (rows < 1 || rows > BPFT_GROUP_ROWS)
		return "a row group holds 1 to 65536 records";
	memory = malloc(rows * (7 * sizeof *memory + 1));
	if (memory == NULL)
		return "no memory to decode a row group";
	w.lane[0] = memory;
	w.lane[1] = memory + rows;
	w.packets = memory + 2 * rows;
	w.all = memory + 3 * rows;
	w.scratch = memory + 4 * rows;
	w.changed = (uint8_t *)(memory + 7 * rows);
	memset(w.changed, 0, rows);
	w.changed[0] = 1;
	memset(records, 0, rows * w.at->size);

	read_key(&w, w.at->src_id, w.at->src, w.at->address);
	read_key(&w, w.at->dst_id, w.at->dst, w.at->address);
	read_key_rest(&w, flags);
	w.has_packets = read_plain(&w, BPFT_COL_PACKETS, UINT64_MAX);
	if (w.has_packets) {
		memcpy(w.packets, w.lane[0], rows * sizeof *w.packets);
		bpft_store_u64(w.records + w.at->packets, w.at->size, w.packets, rows);
	}
	read_all(&w);
	read_data(&w);
	free(memory);
	return w.why;
}

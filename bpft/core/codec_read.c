/* codec_read.c - column bytes become dense records, a tile of rows at a time; nothing in them is believed.
 *
 * A tile stays in the first cache from its lanes to the table it is summed in: a whole group would not.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "codec_model.h"

/* The first four in this order are what sorted columns depend on. */
enum field { SRC, DST, SPORT, DPORT, PROTO, DIRECTION, VLAN, VERSION, PACKETS, ALL, DATA, FIELDS };

struct reader {              /* of one column */
	bool there;
	uint8_t encoding;
	unsigned lanes;
	struct bpft_lane lane[2];
	uint64_t base[2], last[2];     /* sorted: where differences begin; the value of the row before */
	uint64_t v[2][BPFT_TILE];      /* the tile; zeros where the column is not there */
};

struct work {                /* of one group being decoded */
	int version;
	size_t rows;
	uint8_t flags;
	const struct bpft_column_bytes *column;
	size_t columns;
	struct reader reader[FIELDS];
	uint8_t changed[BPFT_TILE];    /* the key so far differs from the row before */
	uint8_t usual[256];            /* headers of a packet, by protocol */
	const char *why;               /* the first thing that was wrong */
};

static bool fail(struct work *w, const char *why)
{
	if (w->why == NULL)
		w->why = why;
	return false;
}

/* ---- opening -------------------------------------------------------------------------- */

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

static void open_column(struct work *w, enum field field, uint16_t id, unsigned lanes, uint8_t other_encoding)
{
	struct reader *r = &w->reader[field];
	const struct bpft_column_bytes *c = find(w, id);

	if (c == NULL || w->why != NULL)
		return;
	if (c->encoding != BPFT_ENC_PLAIN && c->encoding != other_encoding) {
		fail(w, "a column has an encoding that is not known for it");
		return;
	}
	r->there = true;
	r->encoding = c->encoding;
	r->lanes = c->encoding == BPFT_ENC_PER_PACKET || c->encoding == BPFT_ENC_PREDICTED ? 2 : lanes;
	const uint8_t *at = c->bytes, *end = c->bytes + c->len;
	for (unsigned k = 0; k < r->lanes; k++)
		if ((c->encoding == BPFT_ENC_SORTED && bpft_get_varint(&at, end, &r->base[k]) < 0) ||
		    bpft_lane_open(&r->lane[k], &at, end, w->rows) < 0) {
			fail(w, "a column does not hold exactly one value a row");
			return;
		}
	if (at != end)
		fail(w, "a column holds more than one value a row");
}

static void open_all(struct work *w)
{
	const struct bpft_layout *at = bpft_layout(w->version);
	const unsigned lanes = at->address > 8 ? 2 : 1;
	const struct reader *r = w->reader;

	open_column(w, SRC, at->src_id, lanes, BPFT_ENC_SORTED);
	open_column(w, DST, at->dst_id, lanes, BPFT_ENC_SORTED);
	open_column(w, SPORT, BPFT_COL_SPORT, 1, BPFT_ENC_SORTED);
	open_column(w, DPORT, BPFT_COL_DPORT, 1, BPFT_ENC_SORTED);
	open_column(w, PROTO, BPFT_COL_PROTO, 1, BPFT_ENC_PLAIN);
	open_column(w, DIRECTION, BPFT_COL_DIRECTION, 1, BPFT_ENC_PLAIN);
	open_column(w, VLAN, BPFT_COL_VLAN, 1, BPFT_ENC_PLAIN);
	open_column(w, VERSION, BPFT_COL_VERSION, 1, BPFT_ENC_PLAIN);
	open_column(w, PACKETS, BPFT_COL_PACKETS, 1, BPFT_ENC_PLAIN);
	open_column(w, ALL, BPFT_COL_ALL, 1, BPFT_ENC_PER_PACKET);
	open_column(w, DATA, BPFT_COL_DATA, 1, BPFT_ENC_PREDICTED);
	if (w->why != NULL)
		return;
	if (r[ALL].encoding == BPFT_ENC_PER_PACKET && !r[PACKETS].there)
		fail(w, "the column of IP bytes lacks the packets");
	if (r[DATA].encoding == BPFT_ENC_PREDICTED && !(r[PACKETS].there && r[ALL].there))
		fail(w, "the column of payload bytes lacks those it is predicted from");
	if (!r[SPORT].there || !r[DPORT].there)
		w->flags |= BPFT_NO_PORTS;
	if (!r[PROTO].there)
		w->flags |= BPFT_NO_PROTO;
	for (int proto = 0; proto < 256; proto++)
		w->usual[proto] = (uint8_t)bpft_usual_headers(w->version, r[PROTO].there ? proto : -1);
}

/* ---- a tile of n rows ------------------------------------------------------------------ */

static void not_above(struct work *w, const uint64_t *v, size_t n, uint64_t max)
{
	bool above = false;

	for (size_t i = 0; i < n; i++)
		above |= v[i] > max;
	if (above)
		fail(w, "a column holds a value that is too large for it");
}

static void next_plain(struct work *w, struct reader *r, size_t n, uint64_t max)
{
	if (!r->there || w->why != NULL)
		return;
	for (unsigned k = 0; k < r->lanes; k++) {
		if (bpft_lane_next(&r->lane[k], r->v[k], n) < 0)
			fail(w, "a column does not hold exactly one value a row");
		not_above(w, r->v[k], n, max);
	}
}

/* Undo sorted_lane() of codec.c: sums of differences, begun anew at base where the key so far changes. */
static void add_up(const uint8_t *changed, uint64_t *v, size_t n, uint64_t base, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		v[i] = value = v[i] + (changed[i] ? base : value);
}

static void next_key(struct work *w, struct reader *r, size_t n, uint64_t max)
{
	if (!r->there || w->why != NULL)
		return;
	for (unsigned k = 0; k < r->lanes; k++) {
		uint64_t *v = r->v[k];

		if (bpft_lane_next(&r->lane[k], v, n) < 0)
			fail(w, "a column does not hold exactly one value a row");
		if (r->encoding == BPFT_ENC_SORTED)
			add_up(w->changed, v, n, r->base[k], r->last[k]);
		w->changed[0] |= v[0] != r->last[k];
		bpft_mark_changes(w->changed, v, n);
		r->last[k] = v[n - 1];
		not_above(w, v, n, max);
	}
}

static void next_sums(struct work *w, size_t n)
{
	struct reader *packets = &w->reader[PACKETS], *all = &w->reader[ALL], *data = &w->reader[DATA];
	const uint64_t *proto = w->reader[PROTO].v[0];

	next_plain(w, packets, n, UINT64_MAX);
	next_plain(w, all, n, UINT64_MAX);
	next_plain(w, data, n, UINT64_MAX);
	if (w->why != NULL)
		return;
	if (all->encoding == BPFT_ENC_PER_PACKET)
		for (size_t i = 0; i < n; i++) {
			uint64_t each = packets->v[0][i] ? packets->v[0][i] : 1;

			all->v[0][i] = each * all->v[0][i] + all->v[1][i];
		}
	if (data->encoding == BPFT_ENC_PREDICTED)
		for (size_t i = 0; i < n; i++) {
			uint64_t known = packets->v[0][i], each = known ? known : 1;
			uint64_t more = each * bpft_unzigzag(data->v[0][i]) + data->v[1][i];

			data->v[0][i] = all->v[0][i] - known * w->usual[proto[i]] - more;
		}
}

static inline void put_big(uint8_t *to, uint64_t value, const unsigned bytes)
{
	value = __builtin_bswap64(value << (64 - 8 * bytes));
	memcpy(to, &value, bytes);
}

static inline __attribute__((always_inline)) void assemble(const struct work *w, size_t n, uint8_t *out, const int version)
{
	const struct reader *r = w->reader;

	for (size_t i = 0; i < n; i++) {
		struct bpft_key_tail tail = {
			.proto = (uint8_t)r[PROTO].v[0][i], .flags = w->flags, .vlan = r[VLAN].there ? (uint16_t)(r[VLAN].v[0][i] + 1) : 0,
		};
		struct bpft_sums sums = { r[PACKETS].v[0][i], r[ALL].v[0][i], r[DATA].v[0][i] };

		if (r[DIRECTION].there)
			tail.flags |= (uint8_t)(r[DIRECTION].v[0][i] + BPFT_DIR_RX);
		put_big(tail.sport, r[SPORT].v[0][i], 2);
		put_big(tail.dport, r[DPORT].v[0][i], 2);
		if (version == 4) {
			put_big(out, r[SRC].v[0][i], 4);
			put_big(out + 4, r[DST].v[0][i], 4);
			out += 8;
		} else {
			put_big(out, r[SRC].v[0][i], 8);
			put_big(out + 8, r[SRC].v[1][i], 8);
			put_big(out + 16, r[DST].v[0][i], 8);
			put_big(out + 24, r[DST].v[1][i], 8);
			out += 32;
		}
		memcpy(out, &tail, sizeof tail);
		memcpy(out + sizeof tail, &sums, sizeof sums);
		out += sizeof tail + sizeof sums;
	}
}

static bool next_tile(struct work *w, size_t n, bool first, uint8_t *out)
{
	const uint64_t address = w->version == 4 ? UINT32_MAX : UINT64_MAX;
	struct reader *r = w->reader;

	memset(w->changed, 0, n);
	w->changed[0] = first;
	for (enum field field = SRC; field <= DPORT; field++)
		next_key(w, &r[field], n, field <= DST ? address : UINT16_MAX);
	next_plain(w, &r[PROTO], n, UINT8_MAX);
	next_plain(w, &r[DIRECTION], n, 1);
	next_plain(w, &r[VLAN], n, UINT16_MAX - 1);
	next_plain(w, &r[VERSION], n, 6);
	if (r[VERSION].there && r[VERSION].v[0][0] != (uint64_t)w->version)
		fail(w, "the records are of another IP version");
	next_sums(w, n);
	if (w->why != NULL)
		return false;
	if (w->version == 4)
		assemble(w, n, out, 4);
	else
		assemble(w, n, out, 6);
	return true;
}

const char *bpft_decode_tiles(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                              uint8_t flags, bpft_tile_fn *each, void *to)
{
	_Alignas(8) uint8_t tile[BPFT_TILE * sizeof(struct bpft_rec6)];
	const char *why;
	struct work *w;

	if (rows < 1 || rows > BPFT_GROUP_ROWS)
		return "a row group holds 1 to 65536 records";
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return "no memory to decode a row group";
	w->version = version;
	w->rows = rows;
	w->flags = flags;
	w->column = column;
	w->columns = n;
	open_all(w);
	for (size_t row = 0; row < rows && w->why == NULL; row += BPFT_TILE) {
		size_t some = rows - row < BPFT_TILE ? rows - row : BPFT_TILE;

		if (next_tile(w, some, row == 0, tile))
			each(to, tile, some);
	}
	for (struct reader *r = w->reader; r < w->reader + FIELDS; r++)
		for (unsigned k = 0; k < r->lanes; k++)
			bpft_lane_close(&r->lane[k]);
	why = w->why;
	free(w);
	return why;
}

struct buffer { uint8_t *at; size_t size; };

static void append(void *to, const void *records, size_t n)
{
	struct buffer *b = to;

	memcpy(b->at, records, n * b->size);
	b->at += n * b->size;
}

const char *bpft_decode_columns(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                                uint8_t flags, void *records)
{
	struct buffer b = { records, bpft_layout(version)->size };

	return bpft_decode_tiles(version, rows, column, n, flags, append, &b);
}

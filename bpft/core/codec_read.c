/* codec_read.c - column bytes become records, a tile of rows at a time; nothing in them is believed.
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
	unsigned sorted;               /* fields up to the last one whose encoding depends on changes */
	uint64_t changed[BPFT_TILE];   /* not 0: the key so far differs from the row before */
	uint8_t usual[256];            /* headers of a packet, by protocol */
	const char *why;               /* the first thing that was wrong */
	struct bpft_tile tile;         /* sums: those of the readers */
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
	for (enum field field = SRC; field <= DPORT; field++)
		if (r[field].encoding == BPFT_ENC_SORTED)
			w->sorted = field + 1;
	for (int proto = 0; proto < 256; proto++)
		w->usual[proto] = (uint8_t)bpft_usual_headers(w->version, r[PROTO].there ? proto : -1);
}

/* ---- a tile of n rows ------------------------------------------------------------------ */

static void not_above(struct work *w, const uint64_t *v, size_t n, uint64_t max)
{
	uint64_t bits = 0;
	bool above = false;

	for (size_t i = 0; max != UINT64_MAX && i < n; i++)
		bits |= v[i];
	if (bits <= max) /* nearly always; and no value is larger than the bits of all together */
		return;
	for (size_t i = 0; i < n; i++)
		above |= v[i] > max;
	if (above)
		fail(w, "a column holds a value that is too large for it");
}

static void next_lane(struct work *w, struct reader *r, unsigned k, size_t n)
{
	if (bpft_lane_next(&r->lane[k], r->v[k], n) < 0)
		fail(w, "a column does not hold exactly one value a row");
}

static void next_plain(struct work *w, struct reader *r, size_t n, uint64_t max)
{
	if (!r->there || w->why != NULL)
		return;
	for (unsigned k = 0; k < r->lanes; k++) {
		next_lane(w, r, k, n);
		not_above(w, r->v[k], n, max);
	}
}

/* Undo sorted_lane() of codec.c: sums of differences, begun anew at base where the key so far changes. */
static void add_up(const uint64_t *changed, uint64_t *v, size_t n, uint64_t base, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		v[i] = value = v[i] + (changed[i] ? base : value);
}

/* A row that differs from the one before it in this lane differs in the key so far.  before: the row before the tile. */
static void mark_changes(uint64_t *changed, const uint64_t *v, size_t n, uint64_t before)
{
	changed[0] |= v[0] ^ before;
	for (size_t i = 1; i < n; i++)
		changed[i] |= v[i] ^ v[i - 1];
}

static void next_key(struct work *w, enum field field, size_t n, uint64_t max)
{
	struct reader *r = &w->reader[field];

	if (!r->there || w->why != NULL)
		return;
	for (unsigned k = 0; k < r->lanes; k++) {
		uint64_t *v = r->v[k];

		next_lane(w, r, k, n);
		if (r->encoding == BPFT_ENC_SORTED)
			add_up(w->changed, v, n, r->base[k], r->last[k]);
		if (field + 1 < w->sorted || (field + 1 == w->sorted && k + 1 < r->lanes))
			mark_changes(w->changed, v, n, r->last[k]);
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
			uint64_t each = packets->v[0][i] + !packets->v[0][i];

			all->v[0][i] = each * all->v[0][i] + all->v[1][i];
		}
	if (data->encoding == BPFT_ENC_PREDICTED)
		for (size_t i = 0; i < n; i++) {
			uint64_t known = packets->v[0][i], each = known + !known;
			uint64_t more = each * bpft_unzigzag(data->v[0][i]) + data->v[1][i];

			data->v[0][i] = all->v[0][i] - known * w->usual[proto[i]] - more;
		}
}

/* How far left a field is shifted to where it lies in the word of a key's tail. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SHIFT(field) (8 * offsetof(struct bpft_key_tail, field))
#else
#define SHIFT(field) (64 - 8 * (offsetof(struct bpft_key_tail, field) + sizeof ((struct bpft_key_tail *)0)->field))
#endif

static inline uint64_t big(uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* The columns as words of keys: what no column is there for stays as it is, zero. */
static void assemble(struct work *w, size_t n)
{
	const struct reader *r = w->reader;
	uint64_t (*key)[BPFT_TILE] = w->tile.key, *tail = key[w->version == 4 ? 1 : 4];

	w->tile.n = n;
	for (size_t i = 0; w->version == 4 && (r[SRC].there || r[DST].there) && i < n; i++)
		key[0][i] = big(r[SRC].v[0][i] << 32 | r[DST].v[0][i]);
	for (unsigned k = 0; w->version == 6 && k < 4; k++)
		for (size_t i = 0; r[k < 2 ? SRC : DST].there && i < n; i++)
			key[k][i] = big(r[k < 2 ? SRC : DST].v[k % 2][i]);
	for (size_t i = 0; i < n; i++)
		tail[i] = (uint64_t)w->flags << SHIFT(flags);
	for (size_t i = 0; (r[SPORT].there || r[DPORT].there) && i < n; i++)
		tail[i] |= big(r[SPORT].v[0][i] << 48 | r[DPORT].v[0][i] << 32);
	for (size_t i = 0; r[PROTO].there && i < n; i++)
		tail[i] |= r[PROTO].v[0][i] << SHIFT(proto);
	for (size_t i = 0; r[DIRECTION].there && i < n; i++)
		tail[i] |= (r[DIRECTION].v[0][i] + BPFT_DIR_RX) << SHIFT(flags);
	for (size_t i = 0; r[VLAN].there && i < n; i++)
		tail[i] |= (r[VLAN].v[0][i] + 1) << SHIFT(vlan);
}

static bool next_tile(struct work *w, size_t n, bool first)
{
	const uint64_t address = w->version == 4 ? UINT32_MAX : UINT64_MAX;
	struct reader *r = w->reader;

	if (w->sorted) {
		memset(w->changed, 0, n * sizeof *w->changed);
		w->changed[0] = first;
	}
	for (enum field field = SRC; field <= DPORT; field++)
		next_key(w, field, n, field <= DST ? address : UINT16_MAX);
	next_plain(w, &r[PROTO], n, UINT8_MAX);
	next_plain(w, &r[DIRECTION], n, 1);
	next_plain(w, &r[VLAN], n, UINT16_MAX - 1);
	next_plain(w, &r[VERSION], n, 6);
	if (r[VERSION].there && r[VERSION].v[0][0] != (uint64_t)w->version)
		fail(w, "the records are of another IP version");
	next_sums(w, n);
	if (w->why != NULL)
		return false;
	assemble(w, n);
	return true;
}

const char *bpft_decode_tiles(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                              uint8_t flags, bpft_tile_fn *each, void *to)
{
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
	w->tile.other = flags & BPFT_OTHER;
	w->tile.packets = w->reader[PACKETS].v[0];
	w->tile.all = w->reader[ALL].v[0];
	w->tile.data = w->reader[DATA].v[0];
	open_all(w);
	for (size_t row = 0; row < rows && w->why == NULL; row += BPFT_TILE) {
		size_t some = rows - row < BPFT_TILE ? rows - row : BPFT_TILE;

		if (next_tile(w, some, row == 0))
			each(to, &w->tile);
	}
	for (struct reader *r = w->reader; r < w->reader + FIELDS; r++)
		for (unsigned k = 0; k < r->lanes; k++)
			bpft_lane_close(&r->lane[k]);
	why = w->why;
	free(w);
	return why;
}

struct buffer { uint8_t *at; size_t key; };

static void append(void *to, const struct bpft_tile *tile)
{
	struct buffer *b = to;

	for (size_t i = 0; i < tile->n; i++) {
		struct bpft_sums sums = { tile->packets[i], tile->all[i], tile->data[i] };

		for (size_t k = 0; k < b->key / 8; k++)
			memcpy(b->at + 8 * k, &tile->key[k][i], 8);
		memcpy(b->at + b->key, &sums, sizeof sums);
		b->at += b->key + sizeof sums;
	}
}

const char *bpft_decode_columns(int version, size_t rows, const struct bpft_column_bytes *column, size_t n,
                                uint8_t flags, void *records)
{
	struct buffer b = { records, bpft_layout(version)->packets };

	return bpft_decode_tiles(version, rows, column, n, flags, append, &b);
}

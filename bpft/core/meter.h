/* meter.h - frames of a source into a table, in batches. */
#ifndef BPFT_METER_H
#define BPFT_METER_H

#include "decode.h"
#include "half.h"

struct bpft_meter {
	struct bpft_decoder decoder;
	struct bpft_table *table;      /* borrowed; may be exchanged after a flush */
	struct bpft_counters counters; /* of the frames since the last flush */
	unsigned pending[2];           /* flows of IPv4 and IPv6 that the table does not have yet */
	struct bpft_flow batch[2][BPFT_BATCH];
};

static inline void bpft_meter_hand_over(struct bpft_meter *m, int half)
{
	bpft_table_add_flows(m->table, half ? 6 : 4, m->batch[half], m->pending[half]);
	m->counters.counted += m->pending[half];
	m->pending[half] = 0;
}

/* From here on the table knows all frames, and its counters agree with its records (C3). */
static inline void bpft_meter_flush(struct bpft_meter *m)
{
	bpft_meter_hand_over(m, 0);
	bpft_meter_hand_over(m, 1);
	bpft_table_add_counters(m->table, &m->counters);
	m->counters = (struct bpft_counters){0};
}

/* A decoded frame into the counters that every frame is in. */
static inline void bpft_meter_count(struct bpft_counters *n, const struct bpft_frame *frame, const struct bpft_flow *f)
{
	n->seen++;
	n->dir[f->dir].frames++;
	n->dir[f->dir].bytes += frame->wirelen;
	n->dir[f->dir].wire_frames += f->packets;
	n->dir[f->dir].wire_bytes += f->wire;
	if (frame->ns) { /* 0: the source knows no time */
		if (!n->first_ns || frame->ns < n->first_ns)
			n->first_ns = frame->ns;
		if (!n->last_ns || frame->ns > n->last_ns)
			n->last_ns = frame->ns;
	}
}

/* Decode a frame now (its bytes are not kept); its flow is added with others, its slot fetched meanwhile. */
static inline void bpft_meter_frame(struct bpft_meter *m, const struct bpft_frame *frame)
{
	struct bpft_flow *f = &m->batch[0][m->pending[0]]; /* most are IPv4 */

	bpft_decode(&m->decoder, frame, f);
	bpft_meter_count(&m->counters, frame, f);
	if (f->version == 4) {
		bpft_table_expect(m->table, 4, f);
		if (++m->pending[0] == BPFT_BATCH)
			bpft_meter_hand_over(m, 0);
	} else if (f->version == 6) {
		f = memcpy(&m->batch[1][m->pending[1]], f, sizeof *f);
		bpft_table_expect(m->table, 6, f);
		if (++m->pending[1] == BPFT_BATCH)
			bpft_meter_hand_over(m, 1);
	} else {
		m->counters.skipped[f->skip]++;
	}
}

#endif

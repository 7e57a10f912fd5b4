/* meter.h - frames of a source into a table, in batches. */
#ifndef BPFT_METER_H
#define BPFT_METER_H

#include "decode.h"
#include "table.h"

enum { BPFT_BATCH = 32 };

struct bpft_meter {
	struct bpft_decoder decoder;
	struct bpft_table *table; /* borrowed; may be exchanged after a flush */
	unsigned pending;
	int64_t first_ns, last_ns; /* of the pending frames that tell a time; 0: none does */
	struct bpft_flow batch[BPFT_BATCH];
};

static inline void bpft_meter_flush(struct bpft_meter *m)
{
	bpft_table_add_flows(m->table, m->batch, m->pending);
	bpft_table_add_times(m->table, m->first_ns, m->last_ns);
	m->first_ns = m->last_ns = 0;
	m->pending = 0;
}

/* Decode a frame now (its bytes are not kept); it is accounted at the next flush. */
static inline void bpft_meter_frame(struct bpft_meter *m, const struct bpft_frame *frame)
{
	if (frame->ns) { /* 0: the source knows no time */
		if (!m->first_ns || frame->ns < m->first_ns)
			m->first_ns = frame->ns;
		if (!m->last_ns || frame->ns > m->last_ns)
			m->last_ns = frame->ns;
	}
	bpft_decode(&m->decoder, frame, &m->batch[m->pending]);
	if (++m->pending == BPFT_BATCH)
		bpft_meter_flush(m);
}

#endif

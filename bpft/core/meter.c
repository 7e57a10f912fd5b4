/* meter.c - what the meter does once a batch, and for frames that are not plain. */
#include "meter.h"

void bpft_meter_hand_over(struct bpft_meter *m, int half)
{
	const unsigned n = (unsigned)(m->pending[half] / sizeof **m->batch);

	bpft_table_add_flows(m->table, half ? 6 : 4, m->batch[half], n);
	m->counters.counted += n;
	m->pending[half] = 0;
}

void bpft_meter_flush(struct bpft_meter *m)
{
	struct bpft_counters *n = &m->counters;

	bpft_meter_hand_over(m, 0);
	bpft_meter_hand_over(m, 1);
	for (int dir = 0; dir < 3; dir++) {
		n->seen += n->dir[dir].frames;
		n->dir[dir].wire_frames += n->dir[dir].frames;
		n->dir[dir].wire_bytes += n->dir[dir].bytes;
	}
	bpft_table_add_counters(m->table, n);
	*n = (struct bpft_counters){0};
}

void bpft_meter_any(struct bpft_meter *m, const struct bpft_frame *frame)
{
	struct bpft_flow f;
	const struct bpft_fate fate = bpft_decode(&m->decoder, frame, &f);
	struct bpft_counters *n = &m->counters;

	bpft_meter_count(n, frame, fate.dir, fate.more);
	n->dir[fate.dir].wire_frames += f.packets - 1;
	if (fate.version == 4)
		bpft_meter_flow(m, 4, memcpy(bpft_meter_place(m, 4), &f, sizeof f));
	else if (fate.version == 6)
		bpft_meter_flow(m, 6, memcpy(bpft_meter_place(m, 6), &f, sizeof f));
	else
		n->skipped[fate.skip]++;
}

void bpft_meter_frame(struct bpft_meter *m, const struct bpft_frame *frame)
{
	bpft_meter_live(m, frame);
}

/* meter.c - what the meter does once a batch, and for frames that are not plain. */
#include "meter.h"

static void add_fetched(struct bpft_meter *m, int half)
{
	struct bpft_batch *b = &m->fetched[half];

	bpft_table_add_flows(m->table, half ? 6 : 4, b->flows, b->n, b->folded);
	m->counters.counted += b->n;
	b->n = 0;
}

void bpft_meter_hand_over(struct bpft_meter *m, int half)
{
	const unsigned end = (unsigned)(m->filled[half] / sizeof **m->flows), begin = (end - 1) / BPFT_BATCH * BPFT_BATCH;
	const struct bpft_batch next = {m->flows[half] + begin, end - begin, bpft_table_counters(m->table)->folded};

	bpft_table_fetch_flows(m->table, half ? 6 : 4, next.flows, next.n);
	add_fetched(m, half);
	m->fetched[half] = next;
	if (end == 2 * BPFT_BATCH)
		m->filled[half] = 0;
}

void bpft_meter_flush(struct bpft_meter *m)
{
	struct bpft_counters *n = &m->counters;

	for (int half = 0; half < 2; half++) {
		if (m->filled[half] % (BPFT_BATCH * sizeof **m->flows))
			bpft_meter_hand_over(m, half);
		add_fetched(m, half);
		m->filled[half] = 0;
	}
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

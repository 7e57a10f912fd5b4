/* meter.h - frames of a source into a table, in batches. */
#ifndef BPFT_METER_H
#define BPFT_METER_H

#include "decode.h"
#include "half.h"

/* Flows of one IP version whose records are on their way into the cache. */
struct bpft_batch {
	struct bpft_flow *flows;
	unsigned n;
	uint64_t folded;               /* the table's count when they were fetched */
};

struct bpft_meter {
	struct bpft_decoder decoder;
	struct bpft_table *table;      /* borrowed; may be exchanged after a flush */
	/* Of the frames since the last flush; until then `seen` is not filled, and what was on the wire only where it differs. */
	struct bpft_counters counters;
	/* Of IPv4 and IPv6: room for two batches, used in turn.  A flow's slot is fetched when the flow is complete, its batch's
	 * records when that is full, and it is added when the next batch is. */
	struct bpft_flow flows[2][2 * BPFT_BATCH];
	size_t filled[2];              /* bytes of flows[], up to the flow that comes next */
	struct bpft_batch fetched[2];
};

/* Fetch the records of the batch that was filled, as far as it is, then add the batch before it. */
void bpft_meter_hand_over(struct bpft_meter *m, int half);
/* From here on the table knows all frames, and its counters agree with its records (C3). */
void bpft_meter_flush(struct bpft_meter *m);
/* Count a frame now: its bytes are not kept. */
void bpft_meter_frame(struct bpft_meter *m, const struct bpft_frame *frame);
/* ... that is not plain: the long way. */
void bpft_meter_any(struct bpft_meter *m, const struct bpft_frame *frame);

/* A frame into the counters that every frame is in; more: its bytes on the wire beyond those tapped. */
ALWAYS_INLINE void bpft_meter_count(struct bpft_counters *n, const struct bpft_frame *frame, uint8_t dir, uint32_t more)
{
	n->dir[dir].frames++;
	n->dir[dir].bytes += frame->wirelen;
	if (more)
		n->dir[dir].wire_bytes += more;
	if (n->last_ns > 0 && frame->ns >= n->last_ns)
		n->last_ns = frame->ns;
	else
		bpft_count_time(n, frame->ns);
}

/* The place of the flow that comes next of an IP version. */
ALWAYS_INLINE struct bpft_flow *bpft_meter_place(struct bpft_meter *m, const int version)
{
	return (struct bpft_flow *)(void *)((char *)m->flows[version != 4] + m->filled[version != 4]);
}

/* The flow there is complete: its slot is fetched until the batch is. */
ALWAYS_INLINE void bpft_meter_flow(struct bpft_meter *m, const int version, struct bpft_flow *f)
{
	const int half = version != 4;

	bpft_table_expect(m->table, version, f);
	m->filled[half] += sizeof *f;
	if (!(m->filled[half] % (BPFT_BATCH * sizeof *f)))
		bpft_meter_hand_over(m, half);
}

ALWAYS_INLINE bool bpft_meter_plain_of(struct bpft_meter *m, const struct bpft_frame *frame, const int version)
{
	struct bpft_flow *f = bpft_meter_place(m, version);

	if (!bpft_decode_plain(&m->decoder, frame, version, f))
		return false;
	bpft_meter_flow(m, version, f);
	return true;
}

/* A plain frame, whose source still has to count it.  Inlined where frames are made, so that these need not lie in memory,
 * and what a source does not know of them costs nothing.  false: it is not plain, bpft_meter_frame() does it. */
ALWAYS_INLINE bool bpft_meter_plain(struct bpft_meter *m, const struct bpft_frame *frame)
{
	switch (bpft_plain_version(frame)) {
	case 4:
		return bpft_meter_plain_of(m, frame, 4);
	case 6:
		return bpft_meter_plain_of(m, frame, 6);
	default:
		return false;
	}
}

/* bpft_meter_frame(), with plain frames inlined. */
ALWAYS_INLINE void bpft_meter_live(struct bpft_meter *m, const struct bpft_frame *frame)
{
	if (bpft_meter_plain(m, frame))
		bpft_meter_count(&m->counters, frame, frame->dir, bpft_untagged(frame));
	else
		bpft_meter_any(m, frame);
}

struct bpft_run {                      /* plain frames of a file, counted in registers */
	uint64_t frames;               /* filled by the source, which counts its turns anyway */
	uint64_t bytes;
	uint64_t first, last;          /* stamps as the file has them: what is later is larger; UINT64_MAX: none yet */
};
#define BPFT_RUN {.first = UINT64_MAX, .last = UINT64_MAX}

/* All but how many there are.  stamp: 0 is not known. */
ALWAYS_INLINE void bpft_run_count(struct bpft_run *run, uint64_t stamp, uint32_t wirelen)
{
	run->bytes += wirelen;
	if (likely(stamp >= run->last)) {
		run->last = stamp;
	} else if (stamp) {
		run->last = run->first == UINT64_MAX ? stamp : run->last;
		run->first = stamp < run->first ? stamp : run->first;
	}
}

/* first_ns, last_ns: what the stamps of the run mean. */
static inline void bpft_meter_add_run(struct bpft_meter *m, const struct bpft_run *run, int64_t first_ns, int64_t last_ns)
{
	m->counters.dir[BPFT_DIR_UNKNOWN].frames += run->frames;
	m->counters.dir[BPFT_DIR_UNKNOWN].bytes += run->bytes;
	if (run->first != UINT64_MAX) {
		bpft_count_time(&m->counters, first_ns);
		bpft_count_time(&m->counters, last_ns);
	}
}

#endif

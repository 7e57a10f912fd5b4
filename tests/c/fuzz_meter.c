/* fuzz_meter.c - any bytes as a capture file: read, decoded, accounted; what is promised of each step is checked.
 *
 * LLVMFuzzerTestOneInput() is libFuzzer's; mutate.c calls it where there is no libFuzzer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture_file.h"
#include "meter.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

enum { SOME = 100, FEW = 6, MERGED = 1 << 20 /* bytes; no interface hands over larger merged frames */ };

static bool never(void) { return false; }

/* What is decided at once for plain frames is what the rules say in full. */
static void same_the_long_way(const struct bpft_decoder *decoder, const struct bpft_frame *frame,
                              const struct bpft_flow *flow, const struct bpft_fate *fate)
{
	struct bpft_flow again;
	int version = bpft_plain_version(frame);

	if (version && bpft_decode_plain(decoder, frame, version, &again))
		CHECK(version == fate->version && again.packets == flow->packets && again.all == flow->all &&
		      again.data == flow->data && bpft_untagged(frame) == fate->more && frame->dir == fate->dir &&
		      !memcmp(&again.key, &flow->key, bpft_key_size(version)));
}

/* Decode a copy of just the captured bytes, so that the sanitizer sees a byte read behind them.  Returns the version. */
static int decode(struct bpft_decoder *decoder, const struct bpft_frame *frame, struct bpft_flow *flow)
{
	struct bpft_frame exact = *frame;
	uint8_t *copy = malloc(frame->caplen ? frame->caplen : 1);

	CHECK(copy);
	memcpy(copy, frame->data, frame->caplen);
	exact.data = frame->caplen ? copy : copy + 1;
	bpft_decoder_link(decoder, frame->linktype);
	struct bpft_fate fate = bpft_decode(decoder, &exact, flow);
	same_the_long_way(decoder, &exact, flow, &fate);
	free(copy);
	CHECK(fate.version == 0 || fate.version == 4 || fate.version == 6);
	CHECK(fate.version || fate.skip < BPFT_NSKIP);
	CHECK(fate.dir <= BPFT_DIR_TX);
	if (fate.version) {
		CHECK(flow->packets >= 1 && flow->data <= flow->all);
		CHECK(decoder->mtu || (flow->packets == 1 && flow->all <= frame->wirelen));
	}
	return fate.version;
}

static void check_sums(const struct bpft_sums *a, const struct bpft_sums *b)
{
	CHECK(a->packets == b->packets && a->all == b->all && a->data == b->data);
}

/* Frames seen are counted or skipped; views hold the table's sums, in order. */
static void check_table(struct bpft_table *t)
{
	const struct bpft_counters *n = bpft_table_counters(t);
	struct bpft_sums totals, viewed = {0};
	uint64_t skipped = 0;

	for (int i = 0; i < BPFT_NSKIP; i++)
		skipped += n->skipped[i];
	CHECK(n->seen == n->counted + skipped);
	bpft_table_totals(t, &totals);
	for (int version = 4; version <= 6; version += 2) {
		struct bpft_view view;
		size_t size = bpft_rec_size(version), key = bpft_key_size(version);
		CHECK(!bpft_view_make(&view, t, version, BPFT_SORT_KEY, 0, 0));
		CHECK(view.count == bpft_table_count(t, version));
		uint8_t *records = malloc(view.count * size + 1);
		CHECK(records && bpft_view_records(&view, 0, view.count, records) == view.count);
		for (size_t i = 0; i < view.count; i++) {
			const struct bpft_sums *sums = (const void *)(records + i * size + key);
			bool other = bpft_key_flags(records + i * size, version) & BPFT_OTHER;
			CHECK(!i || other || memcmp(records + (i - 1) * size, records + i * size, key) < 0);
			check_sums(bpft_table_get(t, version, records + i * size), sums);
			viewed.packets += sums->packets;
			viewed.all += sums->all;
			viewed.data += sums->data;
		}
		free(records);
		bpft_view_free(&view);
	}
	check_sums(&totals, &viewed);
}

/* The whole file as bpft reads it: plain records in one go, the rest one by one. */
static void check_quick(int fd, struct bpft_table *expected)
{
	struct bpft_meter m = {.decoder = {.linktype = -1}, .table = bpft_table_new(0)};
	struct bpft_run run = BPFT_RUN;
	char error[256] = "";

	CHECK(m.table && lseek(fd, 0, SEEK_SET) == 0);
	struct bpft_reader *reader = bpft_reader_open(fd, never, error);
	for (struct bpft_frame frame; reader;) {
		if (bpft_reader_plain(reader, BPFT_PLAIN, &frame) && frame.linktype == m.decoder.linktype && bpft_meter_plain(&m, &frame)) {
			run.frames++;
			bpft_run_count(&run, bpft_reader_stamp(reader), frame.wirelen);
			bpft_reader_take(reader, &frame);
			continue;
		}
		if (!bpft_reader_next(reader, &frame))
			break;
		bpft_decoder_link(&m.decoder, frame.linktype);
		bpft_meter_frame(&m, &frame);
	}
	if (reader)
		bpft_meter_add_run(&m, &run, bpft_reader_ns(reader, run.first), bpft_reader_ns(reader, run.last));
	bpft_reader_close(reader);
	bpft_meter_flush(&m);
	const struct bpft_counters *n = bpft_table_counters(m.table), *same = bpft_table_counters(expected);
	CHECK(!memcmp(n, same, sizeof *n));
	struct bpft_sums a, b;
	bpft_table_totals(m.table, &a);
	bpft_table_totals(expected, &b);
	check_sums(&a, &b);
	CHECK(bpft_table_count(m.table, 0) == bpft_table_count(expected, 0));
	check_table(m.table);
	bpft_table_free(m.table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bpft_decoder captured = {0}, live = {.mtu = 1500};
	struct bpft_meter whole = {.decoder = captured, .table = bpft_table_new(0)};
	struct bpft_meter few = {.decoder = captured, .table = bpft_table_new(FEW)};
	struct bpft_sums a, b, decoded = {0};
	struct bpft_flow flow;
	char error[256] = "";
	int fd = memfd_create("capture", 0);

	CHECK(whole.table && few.table && fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	struct bpft_reader *reader = bpft_reader_open(fd, never, error);
	CHECK(!reader == !!error[0]);
	for (unsigned n = SOME; n == SOME;) {
		struct bpft_frame frame;

		for (n = 0; n < SOME && reader && bpft_reader_next(reader, &frame); n++) {
			CHECK(frame.caplen <= BPFT_MAX_CAPLEN && frame.caplen <= frame.wirelen);
			if (decode(&captured, &frame, &flow)) {
				decoded.packets += flow.packets;
				decoded.all += flow.all;
				decoded.data += flow.data;
			}
			bpft_decoder_link(&whole.decoder, frame.linktype);
			bpft_decoder_link(&few.decoder, frame.linktype);
			bpft_meter_frame(&whole, &frame);
			bpft_meter_frame(&few, &frame);
			if (frame.wirelen <= MERGED)
				decode(&live, &frame, &flow);
		}
		bpft_meter_flush(&whole);
		bpft_meter_flush(&few);
		bpft_table_totals(few.table, &b); /* a cap folds, and loses nothing (C7) */
		check_sums(&decoded, &b);
		CHECK(bpft_table_count(few.table, 0) <= FEW);
	}
	bpft_reader_close(reader);
	check_quick(fd, whole.table);
	close(fd);
	bpft_table_totals(whole.table, &a);
	check_sums(&decoded, &a);
	check_table(whole.table);
	check_table(few.table);
	bpft_table_merge(few.table, whole.table);
	bpft_table_totals(few.table, &b);
	CHECK(b.all == 2 * a.all);
	bpft_table_free(whole.table);
	bpft_table_free(few.table);
	return 0;
}

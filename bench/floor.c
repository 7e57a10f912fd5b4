/* floor.c - the meter alone beside the least that any reader does: ns of CPU a packet, in one process, as JSON.
 *
 *   floor CAPTURE RUNS
 *
 * mapped: the record headers of the mapped file, one after the other.  read: the same through our reader.  decoded:
 * and each frame decoded.  metered: and accounted in a table.  Medians of RUNS turns.  Plain pcap files alone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture_file.h"
#include "meter.h"

enum { MOST = 64, MODES = 4 };
static const char *const mode_name[MODES] = {"mapped", "read", "decoded", "metered"};
static volatile uint64_t sink;   /* what is read is used */

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t walk_mapped(int fd)
{
	struct stat about;
	uint64_t packets = 0, sum = 0;

	if (fstat(fd, &about))
		exit(1);
	size_t size = (size_t)about.st_size;
	uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		exit(1);
	madvise(map, size, MADV_SEQUENTIAL);
	for (size_t at = 24; at + 16 <= size; packets++) {
		uint32_t length;

		memcpy(&length, map + at + 8, sizeof length);
		sum += length;
		at += 16 + (size_t)length;
	}
	sink = sum;
	munmap(map, size);
	return packets;
}

static inline bool decode_plain(const struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *flow)
{
	int version = bpft_plain_version(frame);

	if (version == 4)
		return bpft_decode_plain(dec, frame, 4, flow);
	return version == 6 && bpft_decode_plain(dec, frame, 6, flow);
}

static inline uint64_t walk(int fd, const unsigned mode)
{
	char error[256];
	struct bpft_reader *reader = bpft_reader_open(fd, NULL, error);
	struct bpft_meter meter = {.table = bpft_table_new(0)};
	struct bpft_frame frame, any;
	struct bpft_flow *flow = meter.flows[0];
	uint64_t packets = 0, sum = 0;

	if (!reader || !meter.table) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	bpft_decoder_link(&meter.decoder, reader->linktype);
	struct bpft_reader here = *reader; /* in registers */
	struct bpft_run run = BPFT_RUN;

	for (;; packets++) {
		bool plain = bpft_reader_plain(&here, BPFT_PLAIN, &frame);

		if (plain && mode == 1)
			sum += frame.caplen;
		else if (plain && mode == 2)
			plain = decode_plain(&meter.decoder, &frame, flow);
		else if (plain)
			plain = bpft_meter_plain(&meter, &frame);
		if (plain) {
			run.frames++;
			bpft_run_count(&run, bpft_reader_stamp(&here), frame.wirelen);
			bpft_reader_take(&here, &frame);
			sum += flow->all;
			continue;
		}
		*reader = here;
		if (!bpft_reader_next(reader, &any))
			break;
		here = *reader;
		if (mode == 2)
			bpft_decode(&meter.decoder, &any, flow);
		else if (mode == 3)
			bpft_meter_frame(&meter, &any);
	}
	bpft_meter_add_run(&meter, &run, bpft_reader_ns(reader, run.first), bpft_reader_ns(reader, run.last));
	bpft_meter_flush(&meter);
	sink = sum;
	bpft_reader_close(reader);
	bpft_table_free(meter.table);
	return packets;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double ns[MODES][MOST];
	int runs = argc == 3 ? atoi(argv[2]) : 0;

	if (runs < 1 || runs > MOST)
		return 127;
	for (int turn = -1; turn < runs; turn++) /* a warm-up first */
		for (unsigned mode = 0; mode < MODES; mode++) {
			int fd = open(argv[1], O_RDONLY);
			double begin = cpu();
			uint64_t packets = mode == 3 ? walk(fd, 3) : mode == 2 ? walk(fd, 2) : mode ? walk(fd, 1) : walk_mapped(fd);

			if (turn >= 0)
				ns[mode][turn] = (cpu() - begin) * 1e9 / (double)packets;
			close(fd);
		}
	for (unsigned mode = 0; mode < MODES; mode++) {
		qsort(ns[mode], (size_t)runs, sizeof **ns, ascending);
		printf("%s\"%s\": %.2f", mode ? ", " : "{", mode_name[mode], ns[mode][runs / 2]);
	}
	puts("}");
	return 0;
}

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

static uint64_t walk(int fd, unsigned mode)
{
	char error[256];
	struct bpft_reader *reader = bpft_reader_open(fd, NULL, error);
	struct bpft_meter meter = {.decoder = {.linktype = -1}, .table = bpft_table_new(0)};
	struct bpft_frame frame;
	uint64_t packets = 0, sum = 0;

	if (!reader || !meter.table) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	for (; bpft_reader_next(reader, &frame); packets++)
		if (mode == 1) {
			sum += frame.caplen;
		} else if (mode == 2) {
			bpft_decode(&meter.decoder, &frame, &meter.batch[0][packets % BPFT_BATCH]);
			sum += meter.batch[0][packets % BPFT_BATCH].all;
		} else {
			bpft_meter_frame(&meter, &frame);
		}
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
			uint64_t packets = mode ? walk(fd, mode) : walk_mapped(fd);

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

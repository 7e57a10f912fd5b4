/* cut.c - capture files that become shorter or longer while they are read, as a program in its own process: 0 all is well.
 *
 * What is mapped and cut short must not end the process (SIGBUS); what was whole is counted, and the end is told.  Built
 * three times: as it is, and where looking at a file is always, or never, found to be the better way.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture_file.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); exit(1); } } while (0)

enum { HEADER = 24, RECORD = 16 + 60, RECORDS = 120000 /* 9 MB: several windows */ };

/* A capture of so many frames of 60 bytes. */
static int capture(unsigned records)
{
	static const uint32_t header[6] = {0xA1B2C3D4, 0x00040002, 0, 0, 65535, 1};
	static uint8_t bytes[HEADER + (size_t)RECORDS * RECORD];
	int fd = memfd_create("capture", 0);

	memcpy(bytes, header, sizeof header);
	for (unsigned i = 0; i < records; i++) {
		uint32_t words[4] = {1700000000, i, 60, 60};
		memcpy(bytes + HEADER + (size_t)i * RECORD, words, sizeof words);
		memset(bytes + HEADER + (size_t)i * RECORD + 16, 0x55, 60);
	}
	CHECK(fd >= 0 && write(fd, bytes, HEADER + (size_t)records * RECORD) == (ssize_t)(HEADER + (size_t)records * RECORD));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Frames that are there, at most n; the sum of what stands in them is taken, so that every byte is looked at. */
static unsigned looked;          /* frames that were looked at in a map, by any reader */
static unsigned frames(struct bpft_reader *r, unsigned n)
{
	static volatile uint64_t sink;
	struct bpft_frame f;
	unsigned found = 0;

	while (found < n) {
		if (bpft_reader_plain(r, 60, &f))
			bpft_reader_take(r, &f);
		else if (!bpft_reader_next(r, &f))
			break;
		for (uint32_t i = 0; i < f.caplen; i++)
			sink += f.data[i];
		looked += r->far;
		found++;
	}
	return found;
}

/* Cut after `before` frames to so many bytes. */
static void check_cut(unsigned before, size_t size)
{
	char error[256];
	int fd = capture(RECORDS);
	struct bpft_reader *r = bpft_reader_open(fd, NULL, error);
	unsigned left = size > HEADER ? (unsigned)((size - HEADER) / RECORD) : 0, found;

	CHECK(r && frames(r, before) == before);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	found = before + frames(r, RECORDS);
	CHECK(bpft_reader_error(r) && strstr(bpft_reader_error(r), "cut short"));
	/* The record across the new end may have been taken for whole; of what had been read or copied before, all stands. */
	CHECK(found >= (left < before ? before : left) && found <= RECORDS);
	if (left > before)
		CHECK(found <= left + 1 + (256 << 10) / RECORD);
	bpft_reader_close(r);
	close(fd);
}

/* What is written meanwhile is read as well. */
static void check_growth(void)
{
	static uint8_t more[2 * RECORD];
	char error[256];
	int fd = capture(1000);
	struct bpft_reader *r = bpft_reader_open(fd, NULL, error);

	CHECK(r && frames(r, 10) == 10);
	CHECK(pread(fd, more, sizeof more, HEADER) == (ssize_t)sizeof more);
	CHECK(pwrite(fd, more, sizeof more, HEADER + 1000 * RECORD) == (ssize_t)sizeof more);
	CHECK(frames(r, RECORDS) == 992 && !bpft_reader_error(r));
	bpft_reader_close(r);
	close(fd);
}

/* A bus error that is nobody's ends the process as it always did. */
static void check_other_errors(void)
{
	int status;

	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		char error[256];
		struct bpft_reader *r = bpft_reader_open(capture(10), NULL, error);
		int fd = memfd_create("other", 0);
		volatile uint8_t *map = ftruncate(fd, 4096) ? NULL : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

		dup2(open("/dev/null", O_WRONLY), 2); /* what a sanitizer says of it */
		alarm(10);
		_exit(r && !ftruncate(fd, 0) ? map[0] : 77);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) == 1); /* a sanitizer tells it its own way */
}

/* Where looking is not the better way, 2 MB are looked at, then 8 read, 2 looked at, 16 read, 2 looked at, 32 read. */
static void check_choice(void)
{
	enum { TIMES = 4, LOOKED = 3 * (2 << 20), WINDOW = 256 << 10 /* bytes that may be read beyond what was to be */ };
	char error[256];
	int fd = capture(RECORDS);
	static uint8_t bytes[(size_t)RECORDS * RECORD];
	const unsigned all = RECORDS * (TIMES + 1);

	CHECK(pread(fd, bytes, sizeof bytes, HEADER) == (ssize_t)sizeof bytes);
	for (size_t i = 1; i <= TIMES; i++)
		CHECK(pwrite(fd, bytes, sizeof bytes, (off_t)(HEADER + i * sizeof bytes)) == (ssize_t)sizeof bytes);
	struct bpft_reader *r = bpft_reader_open(fd, NULL, error);
	looked = 0;
	CHECK(r && frames(r, UINT32_MAX) == all && !bpft_reader_error(r));
#ifdef LOOK_ALWAYS
	CHECK(looked == all);
#endif
#ifdef LOOK_NEVER
	CHECK(looked <= LOOKED / RECORD && looked >= (LOOKED - 2 * WINDOW) / RECORD - 3);
#endif
	bpft_reader_close(r);
	close(fd);
}

int main(void)
{
	check_growth();
	check_choice();
	for (unsigned before = 1; before < RECORDS; before = before * 5 + 3)
		for (size_t size = 0; size < (size_t)before * RECORD * 2 && size < (size_t)RECORDS * RECORD - 4096; size = size * 3 + 1000)
			check_cut(before, size);
	for (size_t size = (size_t)(RECORDS - 60) * RECORD + HEADER; size < (size_t)RECORDS * RECORD + HEADER; size += 13)
		check_cut(5, size);
	check_other_errors();
	return 0;
}

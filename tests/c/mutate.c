/* mutate.c - runs a fuzz target where the compiler has no libFuzzer: mutate SECONDS SEED-FILE...
 *
 * Each seed as it is, then changed at a few places, over and over.  The changes come from one number, so that a run is
 * repeated by its count; what the target dies of is left in crash-input.
 */
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SEED = 1 << 20, GROWTH = 256 };

static uint64_t state = 0x9E3779B97F4A7C15;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

struct seed { uint8_t *bytes; size_t size; };

static struct seed load(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct seed s = {.bytes = malloc(MAX_SEED)};

	if (!file || !s.bytes) {
		perror(path);
		exit(1);
	}
	s.size = fread(s.bytes, 1, MAX_SEED, file);
	fclose(file);
	return s;
}

/* A bit, a byte, a 32-bit word, a cut, a piece taken out or written twice. */
static size_t change(uint8_t *p, size_t size)
{
	static const uint32_t telling[] = {0, 1, 8, 12, 20, 0x40000, 0x7FFFFFFF, 0xFFFFFFFF};
	size_t at = size ? draw((uint32_t)size) : 0, n = 1 + draw(GROWTH / 8);

	if (at + 4 > size)
		return size;
	switch (draw(16)) {
	default:
		p[at] ^= (uint8_t)(1 << draw(8));
		return size;
	case 0: case 1: case 2: case 3:
		p[at] = (uint8_t)draw(256);
		return size;
	case 4: case 5:
		memcpy(p + at, &telling[draw(sizeof telling / sizeof *telling)], 4);
		return size;
	case 6:
		return at;
	case 7:
		if (at + n > size)
			return size;
		memmove(p + at, p + at + n, size - at - n);
		return size - n;
	case 8:
		if (at + n > size)
			return size;
		memmove(p + at + n, p + at, size - at);
		return size + n;
	}
}

static uint8_t input[MAX_SEED + 16 * GROWTH];
static size_t size;

/* What the target dies of is found in its input. */
static void keep(void)
{
	int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, input, size) != (ssize_t)size)
		perror("crash-input");
}

static void aborted(int number)
{
	(void)number;
	keep();
}

int main(int argc, char **argv)
{
	int n = argc - 2;
	struct seed *seeds = calloc(argc, sizeof *seeds);
	unsigned long runs = 0;

	if (n < 1 || !seeds) {
		fprintf(stderr, "usage: %s SECONDS SEED-FILE...\n", argv[0]);
		return 127;
	}
	signal(SIGABRT, aborted);
	__sanitizer_set_death_callback(keep);
	for (int i = 0; i < n; i++) {
		seeds[i] = load(argv[i + 2]);
		size = seeds[i].size;
		memcpy(input, seeds[i].bytes, size);
		LLVMFuzzerTestOneInput(input, size);
	}
	for (time_t end = time(NULL) + atoi(argv[1]); time(NULL) < end; runs++) {
		const struct seed *s = &seeds[draw((uint32_t)n)];
		size = s->size;
		memcpy(input, s->bytes, size);
		for (uint32_t changes = 1 + draw(12); changes; changes--)
			size = change(input, size);
		LLVMFuzzerTestOneInput(input, size);
	}
	for (int i = 0; i < n; i++)
		free(seeds[i].bytes);
	free(seeds);
	printf("%s: %d seeds, %lu mutated inputs\n", argv[0], n, runs);
	return 0;
}

/* capture_map.h - a capture file as it lies in the kernel's memory, looked at where that costs less than copying it. */
#ifndef BPFT_CAPTURE_MAP_H
#define BPFT_CAPTURE_MAP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpft_map {
	const uint8_t *base;      /* the byte at which the descriptor stood; NULL: nothing is mapped */
	size_t size;              /* bytes from there to the end that the file had */
	size_t released;          /* bytes let go, of the pages it lies in */
	size_t again;             /* ... from where looking is tried again */
	size_t pause;             /* bytes that were to be read before that; 0: looking is the better way */
	int fd;                   /* the caller's */
	uint64_t from;            /* offset of base in the file */
	volatile sig_atomic_t cut; /* what was looked at is no longer there: zeros were read in its place */
};

/* The rest of a regular file; false: it cannot be mapped, and is to be read.  One at a time in each thread, which looks
 * at it alone: a file that somebody cuts short meanwhile must not end the process (SIGBUS), so zeros take the place of
 * what is lost, and bpft_map_lost() tells. */
bool bpft_map_open(struct bpft_map *m, int fd);
void bpft_map_close(struct bpft_map *m);
/* Have n bytes at `at` at hand, or more; what lies before is let go, so that memory does not grow with the file.  Returns
 * up to where; NULL: they are to be read, which works or tells why it does not, or costs less. */
const uint8_t *bpft_map_show(struct bpft_map *m, const uint8_t *at, size_t n);
/* Whether of the first n bytes, or of all there were, some are lost: asked where what they say makes no sense. */
bool bpft_map_lost(const struct bpft_map *m, uint64_t n);

#endif

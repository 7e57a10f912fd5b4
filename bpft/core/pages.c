/* pages.c - anonymous mappings, aligned so that huge pages fit. */
#include <stdint.h>
#include <sys/mman.h>

#include "pages.h"

enum { HUGE = 2 << 20 };

void *bpft_pages_new(size_t bytes, size_t small)
{
	if (bytes < HUGE) {
		void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	uint8_t *p = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	uint8_t *start = (uint8_t *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (start > p)
		munmap(p, (size_t)(start - p));
	if (p + HUGE > start)
		munmap(start + bytes, (size_t)(p + HUGE - start));
#ifdef MADV_HUGEPAGE
	if (small < bytes)
		madvise(start + small, bytes - small, MADV_HUGEPAGE); /* refused: small pages do as well */
#else
	(void)small;
#endif
	return start;
}

void bpft_pages_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

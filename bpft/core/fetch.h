/* fetch.h - bytes on their way into the cache before they are looked at. */
#ifndef BPFT_FETCH_H
#define BPFT_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every line of them, in order: where the next header lies is known only from the one before it, and lines that come in
 * one by one, each when it is needed, cost far more than the bytes between headers do.  Those of long frames go no nearer
 * than the second-level cache, as the first can wait for few lines at once; not `far`: they are in it already.  `at` may
 * lie anywhere. */
static inline void bpft_fetch(const uint8_t *at, size_t bytes, bool far)
{
	enum { LINE = 64, SECOND_LEVEL = 2, FIRST_LEVEL = 3 };

	if (bytes <= 2 * LINE) {
		__builtin_prefetch(at, 0, FIRST_LEVEL);
		__builtin_prefetch(at + LINE, 0, FIRST_LEVEL);
	} else if (far) {
		for (size_t i = 0; i < bytes; i += LINE)
			__builtin_prefetch(at + i, 0, SECOND_LEVEL);
	}
}

#endif

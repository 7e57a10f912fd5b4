/* fetch.h - bytes on their way into the cache before they are looked at. */
#ifndef BPFT_FETCH_H
#define BPFT_FETCH_H

#include "flow.h"

enum bpft_level { BPFT_FIRST_LEVEL, BPFT_SECOND_LEVEL }; /* of the cache */

/* Every line of them, in order: where the next header lies is known only from the one before it, and lines that come in
 * one by one, each when it is needed, cost far more than the bytes between headers do.  `at` may lie anywhere. */
ALWAYS_INLINE void bpft_fetch(const uint8_t *at, size_t bytes, const enum bpft_level level)
{
	enum { LINE = 64 };

	for (size_t i = 0; i < bytes; i += LINE)
		if (level == BPFT_FIRST_LEVEL)
			__builtin_prefetch(at + i, 0, 3);
		else
			__builtin_prefetch(at + i, 0, 2);
}

#endif

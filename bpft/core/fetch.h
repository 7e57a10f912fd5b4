/* fetch.h - bytes on their way into the cache before they are looked at. */
#ifndef BPFT_FETCH_H
#define BPFT_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every line of them, in order: where the next header lies is known only from the one before it, and lines that come in
 * one by one, each when it is needed, cost far more than the bytes between headers do.  Of what is near already two will do,
 * which is not asked for short frames.  `at` may lie anywhere. */
static inline void bpft_fetch(const uint8_t *at, size_t bytes, bool far)
{
	enum { LINE = 64 };

	__builtin_prefetch(at);
	__builtin_prefetch(at + LINE);
	if (bytes > 2 * LINE && far)
		for (size_t i = 2 * LINE; i < bytes; i += LINE)
			__builtin_prefetch(at + i);
}

#endif

/* pages.h - large zeroed memory straight from the system, on huge pages where they help. */
#ifndef BPFT_PAGES_H
#define BPFT_PAGES_H

#include <stddef.h>

/* bytes of zeroed memory, or NULL.  From the byte `small` on huge pages are asked for: a table that stays
 * small touches none, a large one spares the processor most of its page-table walks. */
void *bpft_pages_new(size_t bytes, size_t small);
void bpft_pages_free(void *p, size_t bytes);

#endif

/* signals.h - handlers that set a flag and wake a pipe, nothing else. */
#ifndef BPFT_SIGNALS_H
#define BPFT_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

/* Handle these signals; wake_fd gets a byte for each (non-blocking, the caller's).  -1: errno says why. */
int bpft_signals_install(const int *numbers, size_t n, int wake_fd);
/* Was it pending?  Clears it; *typed: the kernel sent it, as for a typed Ctrl-C (si_code > 0, SEMANTICS P3). */
bool bpft_signals_take(int number, bool *typed);
/* Put the former handlers back. */
void bpft_signals_restore(void);

#endif

/* signals.c - flag-only signal handlers; the control loop acts on them in its own order (SEMANTICS E4). */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"

enum { NUMBERS = 65, PENDING = 1, TYPED = 2 };

static atomic_int flags[NUMBERS];
static atomic_int wake_fd = -1;
static struct sigaction former[NUMBERS];
static bool handled[NUMBERS];

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	/* BSD's codes for kill(2) and sigqueue(2) are positive too. */
	bool typed = info->si_code > 0 && info->si_code != SI_USER && info->si_code != SI_QUEUE;

	(void)context;
	atomic_fetch_or(&flags[number], typed ? PENDING | TYPED : PENDING);
	if (write(atomic_load(&wake_fd), "", 1) < 0) {
		/* A full pipe wakes as well. */
	}
	errno = saved;
}

int bpft_signals_install(const int *numbers, size_t n, int fd)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigemptyset(&action.sa_mask);
	atomic_store(&wake_fd, fd);
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] <= 0 || numbers[i] >= NUMBERS) {
			errno = EINVAL;
			return -1;
		}
		atomic_store(&flags[numbers[i]], 0);
		if (sigaction(numbers[i], &action, handled[numbers[i]] ? NULL : &former[numbers[i]]))
			return -1;
		handled[numbers[i]] = true;
	}
	return 0;
}

bool bpft_signals_take(int number, bool *typed)
{
	int was = number > 0 && number < NUMBERS ? atomic_exchange(&flags[number], 0) : 0;

	*typed = was & TYPED;
	return was & PENDING;
}

void bpft_signals_restore(void)
{
	for (int i = 1; i < NUMBERS; i++)
		if (handled[i]) {
			sigaction(i, &former[i], NULL);
			handled[i] = false;
		}
	atomic_store(&wake_fd, -1);
}

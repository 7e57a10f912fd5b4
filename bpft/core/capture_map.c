/* capture_map.c - a mapped file, and what becomes of it when somebody cuts it short (mmap(2), SIGBUS). */
#include <pthread.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture_map.h"

#ifdef MADV_POPULATE_READ
enum { POPULATE = MADV_POPULATE_READ };
#else
enum { POPULATE = 22 };          /* Linux 5.14; what does not know it refuses it */
#endif

#ifndef BPFT_MAP_WORTH           /* ns a page: those that lie together in large folios take 5, those that do not 250 */
#define BPFT_MAP_WORTH 130
#endif
enum { LARGE = 2 << 20 };        /* bytes: what one large folio holds is mapped at once, unless a part of it is let go */

static _Thread_local struct bpft_map *current;
static struct sigaction before;  /* who had SIGBUS */
static size_t page;              /* bytes */

static uint8_t *page_of(const void *at) { return (uint8_t *)((uintptr_t)at & ~(uintptr_t)(page - 1)); }

/* A page of the map whose bytes are gone: zeros from there on.  Anything else is for whoever had the signal before. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	struct bpft_map *m = current;
	const uint8_t *at = info->si_addr;

	(void)context;
	if (m && info->si_code > 0 && at >= page_of(m->base) && at < m->base + m->size) {
		uint8_t *first = page_of(at);
		size_t rest = (size_t)(m->base + m->size - first);

		m->cut = 1;
		if (mmap(first, rest, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			return;
	}
	sigaction(SIGBUS, &before, NULL);
	if (info->si_code <= 0) /* sent, not met: it does not come again by itself */
		raise(number);
}

/* Have the signal, also if somebody took it since the last time. */
static void install(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;

	pthread_mutex_lock(&lock);
	page = (size_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	if (!sigaction(SIGBUS, NULL, &now) && now.sa_sigaction != on_bus_error) {
		before = now;
		sigaction(SIGBUS, &action, NULL);
	}
	pthread_mutex_unlock(&lock);
}

bool bpft_map_open(struct bpft_map *m, int fd)
{
	struct stat about;
	off_t from = lseek(fd, 0, SEEK_CUR);

	*m = (struct bpft_map){.fd = fd};
	if (current || from < 0 || fstat(fd, &about) || !S_ISREG(about.st_mode) || about.st_size <= from)
		return false;
	install();
	size_t ahead = (size_t)from % page, size = (size_t)(about.st_size - from);
	uint8_t *p = mmap(NULL, size + ahead, PROT_READ, MAP_SHARED, fd, from - (off_t)ahead);
	if (p == MAP_FAILED)
		return false;
	posix_madvise(p, size + ahead, POSIX_MADV_SEQUENTIAL);
	m->base = p + ahead;
	m->size = size;
	m->from = (uint64_t)from;
	current = m;
	return true;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Map pages before they are looked at.  Where they cannot be had, or copying them would have taken less, what comes next is
 * to be read, at first for a while, then for longer.  false: they cannot be had. */
static bool populate(struct bpft_map *m, uint8_t *first, const uint8_t *end)
{
	enum { SOONEST = 8 << 20, LATEST = 128 << 20 /* bytes until it is tried again */, CALL = 4000 /* ns, by itself */ };
	const size_t bytes = (size_t)(end - first);
	const int64_t began = now_ns();
	const bool had = !madvise(first, bytes, POPULATE);

	if (had && now_ns() - began <= (int64_t)(bytes / page) * BPFT_MAP_WORTH + CALL) {
		m->pause = 0;
		return true;
	}
	m->pause = !m->pause ? SOONEST : m->pause < LATEST ? 2 * m->pause : LATEST;
	m->again = (size_t)((had ? end : first) - page_of(m->base)) + m->pause;
	return had;
}

const uint8_t *bpft_map_show(struct bpft_map *m, const uint8_t *at, size_t n)
{
	uint8_t *begin = page_of(m->base);
	const size_t whole = (size_t)(m->base + m->size - begin), behind = (size_t)(at - begin) / LARGE * LARGE;
	size_t shown = ((size_t)(at - begin) + n + LARGE - 1) / LARGE * LARGE;

	if (behind > m->released)
		madvise(begin + m->released, behind - m->released, MADV_DONTNEED);
	m->released = behind;
	if ((size_t)(at - begin) < m->again)
		return NULL;
	if (shown > whole)
		shown = whole;
	return populate(m, page_of(at), begin + shown) ? begin + shown : NULL;
}

void bpft_map_close(struct bpft_map *m)
{
	if (!m->base)
		return;
	munmap(page_of(m->base), (size_t)(m->base + m->size - page_of(m->base)));
	m->base = NULL;
	current = NULL;
}

bool bpft_map_lost(const struct bpft_map *m, uint64_t n)
{
	struct stat about;

	if (!m->base)
		return false;
	if (n > m->size)
		n = m->size;
	return m->cut || (!fstat(m->fd, &about) && (uint64_t)about.st_size < m->from + n);
}

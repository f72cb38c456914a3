/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory_guard.h"

#define BLOCK_SLOTS 127

/*
 * The signal handler reads slots while other threads write other ones, and may take no lock. A slot
 * is in use while its start is not 0: start is written last and cleared first (release), read first
 * and once more after the rest (acquire). The slot of a mapping that is being touched does
 * not change. Blocks are only ever added.
 */
struct slot {
	uintptr_t start;
	uintptr_t end;
	bool lost;
};

struct block {
	struct block *next;
	struct slot slots[BLOCK_SLOTS];
};

static struct block first_block;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who writes slots */
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction former;
static int event_fd = -1;

/* The slot of the mapping that holds an address, or NULL. */
static struct slot *
find_slot(uintptr_t addr)
{
	struct block *b = &first_block;

	for (; b != NULL; b = __atomic_load_n(&b->next, __ATOMIC_ACQUIRE)) {
		for (size_t i = 0; i < BLOCK_SLOTS; i++) {
			struct slot *s = &b->slots[i];
			const uintptr_t start = __atomic_load_n(&s->start, __ATOMIC_ACQUIRE);
			const uintptr_t end = __atomic_load_n(&s->end, __ATOMIC_ACQUIRE);

			if (start != 0 && addr >= start && addr < end &&
				__atomic_load_n(&s->start, __ATOMIC_RELAXED) == start)
				return s;
		}
	}
	return NULL;
}

/* A hugepage cannot be replaced in part, so it is always all of the mapping. */
static bool
replace_mapping(uintptr_t addr)
{
	struct slot *s = find_slot(addr);

	if (s == NULL)
		return false;
	/* Several threads may touch it at once: the first one to be here is enough. */
	if (__atomic_load_n(&s->lost, __ATOMIC_ACQUIRE))
		return true;
	if (mmap((void *)s->start, s->end - s->start, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return false;
	__atomic_store_n(&s->lost, true, __ATOMIC_RELEASE);
	eventfd_write(__atomic_load_n(&event_fd, __ATOMIC_ACQUIRE), 1);
	return true;
}

/* Not ours: as if we were not here. */
static void
pass_on(int number, siginfo_t *info, void *context)
{
	/* What the CPU could not do cannot be ignored: it would be tried again, for ever. */
	const bool fault = info->si_code > 0;

	if ((former.sa_flags & SA_SIGINFO) != 0) {
		former.sa_sigaction(number, info, context);
	} else if (former.sa_handler == SIG_DFL || (former.sa_handler == SIG_IGN && fault)) {
		signal(number, SIG_DFL);
		raise(number);
	} else if (former.sa_handler != SIG_IGN) {
		former.sa_handler(number);
	}
}

static void
on_sigbus(int number, siginfo_t *info, void *context)
{
	const int saved = errno;

	if (info->si_code != BUS_ADRERR || !replace_mapping((uintptr_t)info->si_addr))
		pass_on(number, info, context);
	errno = saved;
}

static void
install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, NULL, &former);
	sigaction(SIGBUS, &action, NULL);
}

static struct slot *
free_slot(void)
{
	struct block *b = &first_block;

	for (;;) {
		for (size_t i = 0; i < BLOCK_SLOTS; i++)
			if (b->slots[i].start == 0)
				return &b->slots[i];
		if (b->next == NULL)
			break;
		b = b->next;
	}
	struct block *more = calloc(1, sizeof(*more));

	if (more == NULL)
		return NULL;
	__atomic_store_n(&b->next, more, __ATOMIC_RELEASE);
	return &more->slots[0];
}

int
vhost_guard_add(void *addr, size_t len)
{
	struct slot *s;

	pthread_once(&installed, install);
	pthread_mutex_lock(&lock);
	s = free_slot();
	if (s != NULL) {
		s->lost = false;
		__atomic_store_n(&s->end, (uintptr_t)addr + len, __ATOMIC_RELAXED);
		__atomic_store_n(&s->start, (uintptr_t)addr, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return s == NULL ? -ENOMEM : 0;
}

void
vhost_guard_remove(void *addr)
{
	struct slot *s;

	pthread_mutex_lock(&lock);
	s = find_slot((uintptr_t)addr);
	if (s != NULL && s->start == (uintptr_t)addr)
		__atomic_store_n(&s->start, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

bool
vhost_guard_lost(const void *addr)
{
	bool lost;
	struct slot *s;

	pthread_mutex_lock(&lock);
	s = find_slot((uintptr_t)addr);
	lost = s != NULL && __atomic_load_n(&s->lost, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&lock);
	return lost;
}

/* Tried again for as long as it fails: a process may run out of descriptors for a while. */
int
vhost_guard_fd(void)
{
	int fd;

	pthread_once(&installed, install);
	pthread_mutex_lock(&lock);
	fd = event_fd;
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		__atomic_store_n(&event_fd, fd, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <rte_common.h>

#include "aside.h"
#include "postcopy.h"

/* Of Linux 5.11; older headers lack it. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int
open_fd(int flags)
{
	const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags);

	return fd < 0 ? -errno : fd;
}

int
vhost_postcopy_open(bool *user_only)
{
	struct uffdio_api api = { .api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS };
	int ret, fd = open_fd(0);

	*user_only = fd == -EPERM;
	if (*user_only)
		fd = open_fd(UFFD_USER_MODE_ONLY);
	if (fd < 0)
		return *user_only ? -EPERM : fd;
	if (ioctl(fd, UFFDIO_API, &api) != 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int
vhost_postcopy_register(int fd, const struct rte_vhost_memory *mem)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		struct uffdio_register reg = {
			.range.start = (uintptr_t)mem->regions[i].mmap_addr,
			.range.len = mem->regions[i].mmap_size,
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};

		if (ioctl(fd, UFFDIO_REGISTER, &reg) != 0)
			return -errno;
	}
	return 0;
}

void
vhost_postcopy_unregister(int fd, const struct rte_vhost_memory *mem)
{
	/* What is not registered is refused, which is as well. */
	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++) {
		struct uffdio_range range = {
			.start = (uintptr_t)mem->regions[i].mmap_addr,
			.len = mem->regions[i].mmap_size,
		};

		ioctl(fd, UFFDIO_UNREGISTER, &range);
	}
}

/* --- A front end that goes ----------------------------------------------------------------- */

struct vhost_postcopy_watch {
	pthread_t thread;
	int fd;
	int connection; /* a descriptor of our own: numbers are used again */
	int stop;       /* eventfd */
	struct rte_vhost_memory *mem;
};

static void *
watch_connection(void *arg)
{
	struct vhost_postcopy_watch *w = arg;
	struct pollfd fds[] = {
		{ .fd = w->connection, .events = POLLRDHUP },
		{ .fd = w->stop, .events = POLLIN },
	};
	int n;

	do
		n = poll(fds, RTE_DIM(fds), -1);
	while (n < 0 && errno == EINTR);
	if (fds[1].revents == 0)
		vhost_postcopy_unregister(w->fd, w->mem);
	return NULL;
}

static void
free_watch(struct vhost_postcopy_watch *w)
{
	if (w->connection >= 0)
		close(w->connection);
	if (w->stop >= 0)
		close(w->stop);
	free(w->mem);
	free(w);
}

struct vhost_postcopy_watch *
vhost_postcopy_watch(int fd, int connection, const struct rte_vhost_memory *mem)
{
	const size_t size = sizeof(*mem) + mem->nregions * sizeof(mem->regions[0]);
	struct vhost_postcopy_watch *w = calloc(1, sizeof(*w));
	int ret;

	if (w == NULL)
		return NULL;
	w->fd = fd;
	w->connection = fcntl(connection, F_DUPFD_CLOEXEC, 0);
	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->mem = malloc(size);
	ret = w->connection < 0 || w->stop < 0 ? errno : w->mem == NULL ? ENOMEM : 0;
	if (ret == 0) {
		memcpy(w->mem, mem, size);
		ret = vhost_thread_start(&w->thread, watch_connection, w);
	}
	if (ret == 0)
		return w;
	free_watch(w);
	errno = ret;
	return NULL;
}

void
vhost_postcopy_unwatch(struct vhost_postcopy_watch *watch)
{
	if (watch == NULL)
		return;
	eventfd_write(watch->stop, 1);
	pthread_join(watch->thread, NULL);
	free_watch(watch);
}

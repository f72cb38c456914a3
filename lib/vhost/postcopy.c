/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

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
	for (uint32_t i = 0; mem != NULL && i < mem->nregions; i++) {
		struct uffdio_range range = {
			.start = (uintptr_t)mem->regions[i].mmap_addr,
			.len = mem->regions[i].mmap_size,
		};

		ioctl(fd, UFFDIO_UNREGISTER, &range);
	}
}

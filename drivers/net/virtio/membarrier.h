/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * membarrier(2): full barriers in threads that run elsewhere, so that these do without.
 */

#ifndef VIRTIO_MEMBARRIER_H
#define VIRTIO_MEMBARRIER_H

#include <linux/membarrier.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int
virtio_membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

static inline bool
virtio_membarrier_knows(int cmd)
{
	const int known = virtio_membarrier(MEMBARRIER_CMD_QUERY);

	return known >= 0 && (known & cmd);
}

#endif /* VIRTIO_MEMBARRIER_H */

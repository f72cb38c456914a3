/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What can be found out about a descriptor that a front end sent, without asking whoever serves the
 * file: the front end may be that itself, and never answer.
 */

#ifndef VHOST_PEER_FD_H
#define VHOST_PEER_FD_H

#include <stdbool.h>
#include <sys/stat.h>

/** What the kernel knows of the file by now. @return 0, or -errno from statx(2) */
int vhost_peer_fd_stat(int fd, struct statx *st);

/** 1 in the environment: memory may lie on any file system, and whoever serves that is trusted. */
#define VHOST_ANY_MEMORY_ENV "VHOST_ANY_MEMORY"

/**
 * Whether the file may be mapped for threads that others depend on. Who touches a page that is not
 * there waits for whoever serves the file, and that may be no process. So these are: memory (memfd, tmpfs,
 * hugetlbfs), DAX devices, and files of a file system on a block device, which takes root to mount.
 *
 * @param st of vhost_peer_fd_stat()
 */
bool vhost_peer_fd_is_memory(int fd, const struct statx *st);

/** Whether it is an eventfd, which never blocks if it is not to, nor when it is watched. */
bool vhost_peer_fd_is_eventfd(int fd);

/** Whether it is a stream socket of the UNIX domain: to send never waits if it is not to. */
bool vhost_peer_fd_is_unix_stream(int fd);

#endif /* VHOST_PEER_FD_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What can be found out about a descriptor that a front end sent, without asking whoever serves the
 * file: the front end may be that itself, and never answer.
 */

#ifndef VHOST_PEER_FD_H
#define VHOST_PEER_FD_H

#include <sys/stat.h>

/** What the kernel knows of the file by now. @return 0, or -errno from statx(2) */
int vhost_peer_fd_stat(int fd, struct statx *st);

#endif /* VHOST_PEER_FD_H */

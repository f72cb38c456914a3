/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The two ways to a vhost-user back end: connect to where it listens, or listen for it.
 * Sockets are close-on-exec and do not wait longer than a bounded time to send.
 */

#ifndef VIRTIO_VHOST_USER_SOCKET_H
#define VIRTIO_VHOST_USER_SOCKET_H

#include <sys/types.h>

/** Which file a socket made: another one may be in its place by now. */
struct virtio_socket_file {
	dev_t dev;
	ino_t inode;
};

/**
 * Listen at @a path; a socket that a dead process left there is replaced.
 * @return a descriptor, or a negative errno after one line that begins with @a name
 */
int virtio_socket_listen(const char *name, const char *path, struct virtio_socket_file *file);

/** Remove what virtio_socket_listen() made, if it is there still. */
void virtio_socket_unlink(const char *path, const struct virtio_socket_file *file);

/** Accept who waits. @return a descriptor; -EAGAIN nobody does; another negative errno */
int virtio_socket_accept(int listenfd);

/** Connect to @a path. @return a descriptor; -EAGAIN nobody listens there, or accepts; another errno */
int virtio_socket_connect(const char *path);

/** What to do about a negative errno that these return, to be said behind it; or "". */
const char *virtio_socket_remedy(int error);

#endif /* VIRTIO_VHOST_USER_SOCKET_H */

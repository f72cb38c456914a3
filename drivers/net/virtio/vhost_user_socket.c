/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "vhost_user_socket.h"

static struct sockaddr_un
address(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	/* The argument parser bounds paths to what fits. */
	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	return sa;
}

/* @return a socket, or a negative errno: -EAGAIN when there are more who wait to be accepted */
static int
try_connect(const char *path)
{
	const struct sockaddr_un sa = address(path);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (sock < 0)
		return -errno;
	if (connect(sock, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return sock;
	error = errno;
	close(sock);
	return -error;
}

int
virtio_socket_connect(const char *path)
{
	int ret = try_connect(path);

	return ret == -ECONNREFUSED || ret == -ENOENT ? -EAGAIN : ret;
}

/* True if there is a socket at the path that nobody listens on. */
static bool
is_left_over(const char *path)
{
	struct stat st;
	int sock;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	sock = try_connect(path);
	if (sock >= 0)
		close(sock);
	return sock == -ECONNREFUSED;
}

int
virtio_socket_listen(const char *name, const char *path, struct virtio_socket_file *file)
{
	const struct sockaddr_un sa = address(path);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int ret;

	if (sock < 0) {
		ret = -errno;
		goto failed;
	}
	if (is_left_over(path))
		unlink(path);
	if (bind(sock, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		ret = -errno;
		goto failed;
	}
	if (lstat(path, &st) < 0 || listen(sock, 1) < 0) {
		ret = -errno;
		unlink(path);
		goto failed;
	}
	*file = (struct virtio_socket_file){ .dev = st.st_dev, .inode = st.st_ino };
	return sock;

failed:
	VIRTIO_LOG(ERR, "%s: cannot listen at %s: %s%s", name, path, strerror(-ret),
		ret == -EADDRINUSE ? " (by another process, or it is no socket)" : "");
	if (sock >= 0)
		close(sock);
	return ret;
}

void
virtio_socket_unlink(const char *path, const struct virtio_socket_file *file)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->inode)
		unlink(path);
}

int
virtio_socket_accept(int listenfd)
{
	int sock = accept4(listenfd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		return errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR ? -EAGAIN :
											 -errno;
	return sock;
}

const char *
virtio_socket_remedy(int error)
{
	switch (error) {
	case -EMFILE:
		return VIRTIO_EMFILE_REMEDY;
	case -ENFILE:
		return ": let the system have more of them (sysctl fs.file-max)";
	case -EACCES:
		return ": let this user write to the socket (chown, chmod)";
	default:
		return "";
	}
}

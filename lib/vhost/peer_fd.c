/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer_fd.h"

int
vhost_peer_fd_stat(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, st) == 0 ?
		0 :
		-errno;
}

/* The last component of what a symbolic link says, or false. */
static bool
link_ends_with(const char *path, const char *name)
{
	char target[PATH_MAX];
	const ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *last;

	if (n < 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	return strcmp(last != NULL ? last + 1 : target, name) == 0;
}

static bool
is_dax_device(const struct statx *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", st->stx_rdev_major,
		st->stx_rdev_minor);
	return S_ISCHR(st->stx_mode) && link_ends_with(path, "dax");
}

bool
vhost_peer_fd_is_memory(int fd, const struct statx *st)
{
	const char *any;

	/* Only tmpfs and hugetlbfs have seals, on files that nobody sealed as well. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	/* What a process or another host serves lies on no device: its major number is 0. */
	if (S_ISREG(st->stx_mode) && st->stx_dev_major != 0)
		return true;
	if (is_dax_device(st))
		return true;
	any = getenv(VHOST_ANY_MEMORY_ENV);
	return any != NULL && strcmp(any, "1") == 0;
}

bool
vhost_peer_fd_is_eventfd(int fd)
{
	char path[64], target[64];
	struct statx st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	/* Without /proc, we see no more than that it is no file, pipe or socket. */
	if (n < 0)
		return vhost_peer_fd_stat(fd, &st) == 0 && (st.stx_mode & S_IFMT) == 0;
	target[n] = '\0';
	/* No file can have that name: names of files begin with a slash. */
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

static int
socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

bool
vhost_peer_fd_is_unix_stream(int fd)
{
	return socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fuse_file.h"

#define FILE_NODE 2
/* The kernel insists on room for the largest write. */
#define REQUEST_MAX (1u << 18)
/* Tests have no more descriptors than that. */
#define FDS_MAX 1024

static void
answer(const struct fuse_file *f, const struct fuse_in_header *in, int error, const void *data,
	size_t len)
{
	struct {
		struct fuse_out_header header;
		char data[256];
	} out = {
		.header = { .len = sizeof(out.header) + len, .error = error, .unique = in->unique }
	};
	ssize_t n;

	if (len > 0)
		memcpy(out.data, data, len);
	n = write(f->device, &out, out.header.len);
	(void)n;
}

static struct fuse_attr
attributes(uint64_t node)
{
	return (struct fuse_attr){ .ino = node,
		.size = node == FILE_NODE ? FUSE_FILE_SIZE : 0,
		.mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = 4096 };
}

static void
serve(const struct fuse_file *f, const struct fuse_in_header *in)
{
	const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096 };
	const struct fuse_entry_out entry = { .nodeid = FILE_NODE, .attr = attributes(FILE_NODE) };
	const struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
	const struct fuse_open_out opened = { 0 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer(f, in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(f, in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(f, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(f, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(f, in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		answer(f, in, -ENOSYS, NULL, 0);
	}
}

static bool
is_to_fall_silent(const struct fuse_file *f)
{
	struct pollfd silence = { .fd = f->silence, .events = POLLIN };

	return poll(&silence, 1, 0) != 0;
}

/* In a child of a process with threads: nothing but system calls. */
static void __attribute__((noreturn)) serve_all(const struct fuse_file *f, void *request)
{
	struct pollfd fds[] = { { .fd = f->device, .events = POLLIN },
		{ .fd = f->silence, .events = POLLIN } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Of whatever the parent has, an end that is to be seen may stay open in it only. */
	for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
		if (fd != f->device && fd != f->silence)
			close(fd);
	while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
		const ssize_t n = read(f->device, request, REQUEST_MAX);

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(1);
		if (n > 0 && !is_to_fall_silent(f))
			serve(f, request);
	}
	for (;;)
		pause();
}

static bool
start_server(struct fuse_file *f)
{
	void *request = malloc(REQUEST_MAX);

	f->silence = eventfd(0, EFD_CLOEXEC);
	f->server = fork();
	if (f->server == 0)
		serve_all(f, request);
	free(request);
	/* The device goes with the server: then whoever waits gets an error. */
	close(f->device);
	return f->server > 0;
}

bool
fuse_file_open(struct fuse_file *f)
{
	char options[128], path[64];

	*f = (struct fuse_file){ .fd = -1, .dir = "/tmp/fuse-file-XXXXXX" };
	f->device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (f->device < 0 || mkdtemp(f->dir) == NULL)
		return false;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", f->device,
		getuid(), getgid());
	if (mount("unit", f->dir, "fuse", MS_NOSUID | MS_NODEV, options) != 0) {
		rmdir(f->dir);
		close(f->device);
		return false;
	}
	snprintf(path, sizeof(path), "%s/memory", f->dir);
	if (start_server(f))
		f->fd = open(path, O_RDWR | O_CLOEXEC);
	/* It stays while it is open, and nobody else finds it. */
	umount2(f->dir, MNT_DETACH);
	rmdir(f->dir);
	return f->fd >= 0;
}

void
fuse_file_fall_silent(struct fuse_file *f)
{
	eventfd_write(f->silence, 1);
}

void
fuse_file_end(struct fuse_file *f)
{
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	close(f->silence);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <cmocka.h>

#include "stuck_pipe.h"

static void *
write_page(void *arg)
{
	const struct stuck_pipe *p = arg;
	/* Without a reader, it is over before it begins. */
	const ssize_t n = write(p->writer, p->page, 1);

	(void)n;
	return NULL;
}

static void *
read_page(void *arg)
{
	const struct stuck_pipe *p = arg;
	const ssize_t n = recv(p->reader, p->page, 1, 0);

	(void)n;
	close(p->reader);
	return NULL;
}

/* Make a page that does not come, and have a thread hold the lock for want of it. */
static bool
get_stuck(struct stuck_pipe *p, void *(*hold)(void *arg))
{
	struct uffdio_api api = { .api = UFFD_API };
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd fault;

	p->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->uffd < 0) {
		close(p->reader);
		close(p->writer);
		return false;
	}
	assert_int_equal(ioctl(p->uffd, UFFDIO_API, &api), 0);
	p->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p->page, MAP_FAILED);
	reg.range.start = (uintptr_t)p->page;
	reg.range.len = size;
	assert_int_equal(ioctl(p->uffd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, hold, p), 0);
	/* It holds the lock when it misses its page. */
	fault = (struct pollfd){ .fd = p->uffd, .events = POLLIN };
	assert_int_equal(poll(&fault, 1, -1), 1);
	return true;
}

bool
stuck_pipe_open(struct stuck_pipe *p)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	p->reader = fds[0];
	p->writer = fds[1];
	return get_stuck(p, write_page);
}

bool
stuck_socket_open(struct stuck_pipe *p)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	p->reader = fds[0];
	p->writer = fds[1];
	assert_int_equal(write(p->writer, "", 1), 1);
	return get_stuck(p, read_page);
}

void
stuck_pipe_release(struct stuck_pipe *p)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	struct uffdio_range range = { .start = (uintptr_t)p->page, .len = size };

	assert_int_equal(ioctl(p->uffd, UFFDIO_UNREGISTER, &range), 0);
	pthread_join(p->thread, NULL);
	close(p->writer);
	close(p->uffd);
	munmap(p->page, size);
}

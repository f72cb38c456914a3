/* SPDX-License-Identifier: BSD-3-Clause */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "peer_fd.h"

/* Of what a descriptor is, closed after it was found out. */
static bool
is_memory(int fd)
{
	struct statx st;
	bool ret;

	assert_true(fd >= 0);
	assert_int_equal(vhost_peer_fd_stat(fd, &st), 0);
	ret = vhost_peer_fd_is_memory(fd, &st);
	close(fd);
	return ret;
}

static bool
is_eventfd(int fd)
{
	const bool ret = vhost_peer_fd_is_eventfd(fd);

	assert_true(fd >= 0);
	close(fd);
	return ret;
}

static bool
is_unix_stream(int fd)
{
	const bool ret = vhost_peer_fd_is_unix_stream(fd);

	assert_true(fd >= 0);
	close(fd);
	return ret;
}

static int
file_in(const char *dir)
{
	return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void
memory_is_served_by_nobody(void **state)
{
	const int huge = memfd_create("unit", MFD_CLOEXEC | MFD_HUGETLB);
	struct statx st;

	(void)state;
	assert_true(is_memory(memfd_create("unit", MFD_CLOEXEC)));
	assert_true(is_memory(memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
	/* A kernel may come without. */
	if (huge >= 0)
		assert_true(is_memory(huge));
	assert_true(is_memory(file_in("/dev/shm")));
	/* A file system on a disk, if this is one. */
	assert_int_equal(statx(AT_FDCWD, "/var/tmp", 0, STATX_BASIC_STATS, &st), 0);
	if (st.stx_dev_major != 0)
		assert_true(is_memory(file_in("/var/tmp")));
	/* Their server is not another process, but it is not known either. */
	assert_false(is_memory(open("/proc/self/mem", O_RDWR | O_CLOEXEC)));
	assert_false(is_memory(open("/dev/zero", O_RDWR | O_CLOEXEC)));
	assert_false(is_memory(eventfd(0, EFD_CLOEXEC)));
	assert_false(is_memory(socket(AF_UNIX, SOCK_STREAM, 0)));
}

/* All that is not memory, as long as it says so. */
static void
any_file_is_memory_if_its_server_is_trusted(void **state)
{
	(void)state;
	setenv(VHOST_ANY_MEMORY_ENV, "0", 1);
	assert_false(is_memory(open("/dev/zero", O_RDWR | O_CLOEXEC)));
	setenv(VHOST_ANY_MEMORY_ENV, "1", 1);
	assert_true(is_memory(open("/dev/zero", O_RDWR | O_CLOEXEC)));
	unsetenv(VHOST_ANY_MEMORY_ENV);
	assert_false(is_memory(open("/dev/zero", O_RDWR | O_CLOEXEC)));
}

static void
eventfd_is_told_from_what_is_like_it(void **state)
{
	(void)state;
	assert_true(is_eventfd(eventfd(0, EFD_CLOEXEC)));
	assert_true(is_eventfd(eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)));
	assert_false(is_eventfd(epoll_create1(EPOLL_CLOEXEC)));
	assert_false(is_eventfd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)));
	assert_false(is_eventfd(memfd_create("anon_inode:[eventfd]", MFD_CLOEXEC)));
	assert_false(is_eventfd(socket(AF_UNIX, SOCK_STREAM, 0)));
}

static void
channel_is_a_stream_socket_of_this_host(void **state)
{
	(void)state;
	assert_true(is_unix_stream(socket(AF_UNIX, SOCK_STREAM, 0)));
	assert_false(is_unix_stream(socket(AF_UNIX, SOCK_DGRAM, 0)));
	assert_false(is_unix_stream(socket(AF_INET, SOCK_STREAM, 0)));
	assert_false(is_unix_stream(eventfd(0, EFD_CLOEXEC)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_served_by_nobody),
		cmocka_unit_test(any_file_is_memory_if_its_server_is_trusted),
		cmocka_unit_test(eventfd_is_told_from_what_is_like_it),
		cmocka_unit_test(channel_is_a_stream_socket_of_this_host),
	};

	return cmocka_run_group_tests_name("peer_fd", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* A tap interface, in a network namespace of the test's own. */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_log.h>

#include "tap.h"

static void
set_flags(int sock, const char name[IFNAMSIZ], short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };

	memcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
	assert_int_equal(ioctl(sock, SIOCSIFFLAGS, &ifr), 0);
}

/* Asking must not take a descriptor: an interface that is down would have a link without one. */
static void
an_interface_is_down_for_who_has_no_descriptors_left(void **state)
{
	char name[IFNAMSIZ] = "tap%d";
	struct rlimit former, limit;
	int sock, fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("needs root, for a network namespace of its own\n");
		skip();
	}
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	fd = virtio_tap_open("port", name, false);
	if (fd < 0) {
		close(sock);
		print_message("needs /dev/net/tun, for a tap interface\n");
		skip();
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
	limit = former;
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_false(virtio_tap_is_up(fd, sock));
	set_flags(sock, name, IFF_UP);
	assert_true(virtio_tap_is_up(fd, sock));
	set_flags(sock, name, 0);
	assert_false(virtio_tap_is_up(fd, sock));
	setrlimit(RLIMIT_NOFILE, &former);
	/* Of a namespace that has no such interface, nobody can tell. */
	assert_true(virtio_tap_is_up(fd, -1));
	close(fd);
	close(sock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_down_for_who_has_no_descriptors_left),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What counts of the descriptors that are kept for a device, whatever keeps them, and what is asked for
 * before it is taken.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_log.h>

#include "budget.h"
#include "frontend.h"
#include "vdpa_driver.h"
#include "vhost_user_dispatch.h"

/* Few, so that they are soon taken. */
#define LIMIT 512u

static struct vhost_device *
a_device(void)
{
	const struct vhost_device_config config = { .path = "/unit/budget", .queue_num = 1 };
	struct vhost_device *dev = vhost_device_create(&config);

	assert_non_null(dev);
	return dev;
}

/* Take descriptors until there are so many left. @return how many were taken */
static unsigned int
take_descriptors(int *taken, unsigned int left)
{
	unsigned int n = 0;

	do
		taken[n] = dup(STDIN_FILENO);
	while ((unsigned int)taken[n++] + 1 < LIMIT - left);
	return n;
}

static void
close_descriptors(const int *fds, unsigned int n)
{
	while (n > 0)
		close(fds[--n]);
}

/* The most that a socket's front ends may have kept for them yet. */
static unsigned int
most_kept(const struct vhost_device *dev)
{
	unsigned int n = 0;
	char why[160];

	while (n < LIMIT && vhost_budget_fds(dev->path, STDIN_FILENO, n + 1, why, sizeof(why)))
		n++;
	return n;
}

/*
 * Where few are left, what is kept has half of them: of two numbers of those left, one after the other,
 * each that counts takes one.
 */
static unsigned int
kept(const struct vhost_device *dev, unsigned int than)
{
	unsigned int n = most_kept(dev);
	const int fd = dup(STDIN_FILENO);

	n += most_kept(dev);
	close(fd);
	return than - n;
}

static void
all_that_a_device_keeps_counts(void **state)
{
	struct vhost_device *dev;
	int taken[LIMIT];
	unsigned int n, none;

	(void)state;
	dev = a_device();
	n = take_descriptors(taken, 40);
	none = 0 - kept(dev, 0);
	assert_in_range(none, 30, 40);
	assert_int_equal(kept(dev, none), 0);

	dev->backend_fd = 0;
	assert_int_equal(kept(dev, none), 1);
	dev->backend_fd = -1;
	dev->miss_fd = 0;
	assert_int_equal(kept(dev, none), 1);
	dev->miss_fd = -1;
	/* A userfaultfd, and two of who watches the connection. */
	dev->postcopy.fd = 0;
	assert_int_equal(kept(dev, none), 3);
	dev->postcopy.fd = -1;
	assert_int_equal(kept(dev, none), 0);

	close_descriptors(taken, n);
	vhost_device_destroy(dev);
}

/* A vDPA driver has descriptors of its own for kicks and calls, which it makes when it likes. */
static void
what_a_vdpa_driver_may_take_is_left_for_it(void **state)
{
	struct rte_vdpa_device vdpa = { .type = RTE_VHOST_VDPA_DEVICE_TYPE_NET };
	struct vhost_device *dev;
	struct vhost_queue *q;
	unsigned int without;

	(void)state;
	dev = a_device();
	q = vhost_device_name_queue(dev, 1);
	assert_non_null(q);
	without = most_kept(dev);
	assert_true(without > LIMIT / 2);
	dev->vdpa = &vdpa;
	assert_int_equal(most_kept(dev), without);
	q->kickfd = q->errfd = 0;
	assert_int_equal(most_kept(dev), without - 1);
	q->callfd = 0;
	assert_int_equal(most_kept(dev), without - 2);
	dev->vdpa = NULL;
	assert_int_equal(most_kept(dev), without);
	q->kickfd = q->callfd = q->errfd = -1;
	vhost_device_destroy(dev);
}

/* Post-copy asks for what it takes before it takes it. */
static void
postcopy_finds_descriptors_or_is_refused(void **state)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_POSTCOPY_ADVISE, 0);
	struct rte_vhost_memory *mem = calloc(1, sizeof(*mem)), *shown;
	struct vhost_device *dev;
	int taken[LIMIT];
	unsigned int n;

	(void)state;
	assert_non_null(mem);
	dev = a_device();
	dev->connection = STDIN_FILENO;
	/* One that is left is not enough to watch a connection. */
	n = take_descriptors(taken, 40);
	while (most_kept(dev) > 1)
		taken[n++] = dup(STDIN_FILENO);
	dev->postcopy.mem = mem;
	assert_int_equal(vhost_user_postcopy_go(dev, &shown), -ENOSPC);
	assert_non_null(strstr(dev->error, "too many descriptors"));
	assert_null(dev->postcopy.watch);
	dev->postcopy.mem = NULL;
	while (most_kept(dev) > 0)
		taken[n++] = dup(STDIN_FILENO);
	dev->error[0] = 0;
	assert_int_equal(vhost_user_postcopy_advise(dev, NULL, &msg), -ENOSPC);
	assert_non_null(strstr(dev->error, "too many descriptors"));
	assert_int_equal(dev->postcopy.fd, -1);

	close_descriptors(taken, n);
	free(mem);
	vhost_device_destroy(dev);
}

static int
setup(void **state)
{
	struct rlimit limit;

	(void)state;
	rte_log_set_global_level(RTE_LOG_EMERG);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	limit.rlim_cur = LIMIT;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_a_device_keeps_counts),
		cmocka_unit_test(what_a_vdpa_driver_may_take_is_left_for_it),
		cmocka_unit_test(postcopy_finds_descriptors_or_is_refused),
	};

	return cmocka_run_group_tests_name("budget_kept", tests, setup, NULL);
}

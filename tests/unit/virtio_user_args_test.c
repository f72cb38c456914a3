/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>

#include "user_args.h"

static void
what_is_absent_has_its_default(void **state)
{
	struct virtio_user_args a;

	(void)state;
	assert_int_equal(virtio_user_args_parse("t", "path=/run/s", &a), 0);
	assert_string_equal(a.path, "/run/s");
	assert_false(a.mac_given);
	assert_int_equal(a.queues, 1);
	assert_int_equal(a.queue_size, 256);
	assert_false(a.cq);
	assert_false(a.server);
	assert_true(a.mrg_rxbuf);
	assert_true(a.in_order);
	assert_false(a.packed_vq);
	assert_false(a.vectorized);
	assert_int_equal(a.speed, RTE_ETH_SPEED_NUM_UNKNOWN);
}

static void
every_argument_arrives(void **state)
{
	const struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 0x1f } };
	struct virtio_user_args a;

	(void)state;
	assert_int_equal(virtio_user_args_parse("t",
				 "mac=02:00:00:00:00:1F,queues=16,queue_size=1000,packed_vq=1,"
				 "in_order=0,mrg_rxbuf=0,server=1,cq=1,speed=25000,vectorized=1,"
				 "path=relative/path",
				 &a),
		0);
	assert_string_equal(a.path, "relative/path");
	assert_true(a.mac_given);
	assert_memory_equal(&a.mac, &mac, sizeof(mac));
	assert_int_equal(a.queues, 16);
	assert_int_equal(a.queue_size, 1000);
	assert_true(a.cq);
	assert_true(a.server);
	assert_false(a.mrg_rxbuf);
	assert_false(a.in_order);
	assert_true(a.packed_vq);
	assert_true(a.vectorized);
	assert_int_equal(a.speed, 25000);
}

static void
several_queues_bring_a_control_queue(void **state)
{
	struct virtio_user_args a;

	(void)state;
	assert_int_equal(virtio_user_args_parse("t", "path=s,queues=2", &a), 0);
	assert_true(a.cq);
	assert_int_equal(virtio_user_args_parse("t", "path=s,queues=1,cq=1", &a), 0);
	assert_true(a.cq);
	assert_int_equal(virtio_user_args_parse("t", "path=s,queues=2,cq=0", &a), -EINVAL);
}

static void
limits_are_included_and_no_further(void **state)
{
	static const char *const good[] = { "path=s,queues=128", "path=s,queue_size=2",
		"path=s,queue_size=32768", "path=s,queue_size=0x100", "path=s,speed=100" };
	static const char *const bad[] = { "path=s,queues=0", "path=s,queues=129",
		"path=s,queue_size=1", "path=s,queue_size=32769", "path=s,queue_size=1000",
		"path=s,queue_size=65792", "path=s,queues=-1", "path=s,queues= 1",
		"path=s,queues=1x", "path=s,queues=", "path=s,speed=7", "path=s,speed=fast" };
	struct virtio_user_args a;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(good); i++)
		assert_int_equal(virtio_user_args_parse("t", good[i], &a), 0);
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(virtio_user_args_parse("t", bad[i], &a), -EINVAL);
}

static void
nonsense_is_refused(void **state)
{
	static const char *const bad[] = { "", "mac=02:00:00:00:00:01", "path=", "path",
		"path=s,mac=02:00:00:00:00", "path=s,mac=01:00:00:00:00:01",
		"path=s,mac=00:00:00:00:00:00", "path=s,server=2", "path=s,server=yes",
		"path=s,iface=", "path=s,iface=sixteen_bytes_16", "path=s,iface=a/b",
		"path=s,iface=..", "path=s,colour=red", "path=s,Queues=1",
		"path=s,=", "=,=,=", "path=s,cq=1,cq",
		/* Longer than a socket's address. */
		("path=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	struct virtio_user_args a;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(virtio_user_args_parse("t", bad[i], &a), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_absent_has_its_default),
		cmocka_unit_test(every_argument_arrives),
		cmocka_unit_test(several_queues_bring_a_control_queue),
		cmocka_unit_test(limits_are_included_and_no_further),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_log.h>
#include <rte_vhost.h>

#include "vhost_devargs.h"

#define PATH_107 \
	"/1234567890123456789012345678901234567890123456789012345678901234567890" \
	"123456789012345678901234567890123456"

static void
defaults_are_those_of_the_guide(void **state)
{
	struct vhost_devargs args;

	(void)state;
	assert_int_equal(vhost_devargs_parse("net_vhost0", "iface=/run/s", &args), 0);
	assert_string_equal(args.iface, "/run/s");
	assert_int_equal(args.queues, 1);
	assert_false(args.client);
	assert_int_equal(vhost_devargs_register_flags(&args),
		RTE_VHOST_USER_NET_STATS_ENABLE | RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	assert_int_equal(vhost_devargs_disabled_features(&args),
		1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6);
}

static void
every_switch_has_its_effect(void **state)
{
	static const struct {
		const char *text;
		uint64_t flags;
	} cases[] = {
		{ "client=1", RTE_VHOST_USER_CLIENT },
		{ "iommu-support=1", RTE_VHOST_USER_IOMMU_SUPPORT },
		{ "postcopy-support=1", RTE_VHOST_USER_POSTCOPY_SUPPORT },
		{ "linear-buffer=1", RTE_VHOST_USER_LINEARBUF_SUPPORT },
		{ "ext-buffer=1", RTE_VHOST_USER_EXTBUF_SUPPORT },
		{ "legacy-ol-flags=0", 0 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_devargs args;
		char text[64];

		snprintf(text, sizeof(text), "%s,iface=s", cases[i].text);
		assert_int_equal(vhost_devargs_parse("net_vhost0", text, &args), 0);
		assert_int_equal(vhost_devargs_register_flags(&args),
			cases[i].flags | RTE_VHOST_USER_NET_STATS_ENABLE |
				RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	}
}

static void
offload_arguments_are_read(void **state)
{
	struct vhost_devargs args;

	(void)state;
	assert_int_equal(vhost_devargs_parse("net_vhost0",
				 "iface=s,tso=1,legacy-ol-flags=1,queues=16", &args),
		0);
	assert_int_equal(args.queues, 16);
	assert_int_equal(vhost_devargs_disabled_features(&args), 0);
	assert_int_equal(vhost_devargs_register_flags(&args), RTE_VHOST_USER_NET_STATS_ENABLE);
}

static void
bounds_are_accepted(void **state)
{
	struct vhost_devargs args;

	(void)state;
	assert_int_equal(vhost_devargs_parse("net_vhost0", "queues=1024,iface=" PATH_107, &args),
		0);
	assert_int_equal(args.queues, 1024);
	assert_int_equal(strlen(args.iface), 107);
	assert_int_equal(vhost_devargs_parse("net_vhost0", "queues=0x10,iface=s", &args), 0);
	assert_int_equal(args.queues, 16);
}

static void
what_cannot_be_is_refused(void **state)
{
	static const char *const cases[] = {
		NULL,
		"",
		"queues=1",
		"iface=",
		"iface",
		"iface=" PATH_107 "8",
		"iface=s,iface=s",
		"iface=s,speed=10",
		"iface=s,Client=1",
		"iface=s,client",
		"iface=s,client=",
		"iface=s,client=2",
		"iface=s,client=-1",
		"iface=s,client=yes",
		"iface=s,client=1x",
		"iface=s,queues=0",
		"iface=s,queues=1025",
		"iface=s,queues=99999999999999999999",
		"iface=s,queues= 1",
		"iface=s,queues=+1",
		"iface=s,tso=0,tso=1",
		"iface=s,legacy-ol-flags=2",
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_devargs args;

		if (vhost_devargs_parse("net_vhost0", cases[i], &args) != -EINVAL)
			fail_msg("accepted '%s'", cases[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_guide),
		cmocka_unit_test(every_switch_has_its_effect),
		cmocka_unit_test(offload_arguments_are_read),
		cmocka_unit_test(bounds_are_accepted),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include "sim_port.h"
#include "sim_rig.h"
#include "unit_eal.h"

static unsigned int
ports_of_the_application(void)
{
	unsigned int n = 0;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
		n++;
	return n;
}

/**
 * The port that net_ring makes gives back on each queue what it was given to transmit, and has room
 * for fewer frames than the device.
 */
static void
a_port_gets_what_is_transmitted(void **state)
{
	const struct sim_hw_conf conf = {
		.name = "sim",
		.pairs = 8,
		.mtu = 1500,
		.port = true,
		.numa_node = SOCKET_ID_ANY,
	};
	struct sim_port port;

	(void)state;
	rig_start(SPLIT | EVENT, 1, false);
	sim_hw_destroy(rig.hw);
	assert_int_equal(sim_hw_create(&conf, &rig.hw), 0);
	assert_int_equal(sim_port_claim(&port, "sim", "net_ring0"), 0);
	assert_int_equal(sim_port_start(&port, 8, 1500, sim_hw_pool(rig.hw)), -ENODEV);

	/* It comes later than the device that wants it, and is nobody else's. */
	assert_int_equal(rte_vdev_init("net_ring0", NULL), 0);
	assert_int_equal(ports_of_the_application(), 0);
	assert_int_equal(sim_port_start(&port, 64, 1500, sim_hw_pool(rig.hw)), -ENOTSUP);
	assert_int_equal(sim_port_start(&port, 8, 1500, sim_hw_pool(rig.hw)), 0);

	sim_hw_freeze(rig.hw);
	assert_int_equal(sim_hw_connect(rig.hw, &port), 0);
	sim_hw_set_guest(rig.hw, rig.features, rig.memory.table);
	start_ring(&rig.pairs[0].rx);
	start_ring(&rig.pairs[0].tx);
	sim_hw_thaw(rig.hw);
	exchange(1, 20000, SIZE);
	assert_int_equal(counter(0, "packets"), 20000);
	assert_int_equal(counter(1, "packets"), 20000);
	assert_int_equal(drops(0) + drops(1), 0);

	/* Nobody receives: the port fills up, and what it does not take is counted. */
	while (counter(1, "drop_port_full") == 0) {
		want_call(&rig.pairs[0].tx);
		if (send_frames(&rig.pairs[0], SIZE) == 0)
			wait_for_call(1);
	}

	sim_hw_destroy(rig.hw);
	rig.hw = NULL;
	sim_port_release(&port);
	assert_int_equal(ports_of_the_application(), 1);
	assert_int_equal(rte_vdev_uninit("net_ring0"), 0);
	rig_stop(1);
}

static void
a_port_that_another_owns_is_refused(void **state)
{
	struct sim_port first, second;

	(void)state;
	assert_int_equal(rte_vdev_init("net_null0", NULL), 0);
	assert_int_equal(sim_port_claim(&first, "sim0", "net_null0"), 0);
	assert_int_equal(sim_port_claim(&second, "sim1", "net_null0"), -EBUSY);
	sim_port_release(&first);
	assert_int_equal(sim_port_claim(&second, "sim1", "net_null0"), 0);
	sim_port_release(&second);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_gets_what_is_transmitted),
		cmocka_unit_test(a_port_that_another_owns_is_refused),
	};

	return cmocka_run_group_tests(tests, unit_eal_setup, NULL);
}

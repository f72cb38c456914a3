/* SPDX-License-Identifier: BSD-3-Clause */

/* What a port on PCI tells of its link, and of a device that is gone. */

#include "virtio_pci_rig.h"

static void
assert_link(uint32_t speed, uint16_t duplex)
{
	struct rte_eth_link link;

	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_UP);
	assert_int_equal(link.link_speed, speed);
	assert_int_equal(link.link_duplex, duplex);
}

static void
speed_and_duplex_follow_the_device(void **state)
{
	(void)state;
	hw.features |= F(VIRTIO_NET_F_SPEED_DUPLEX);
	hw.config.speed = 10000;
	hw.config.duplex = 1;
	for (unsigned int lsc = 0; lsc < 2; lsc++) {
		wanted_interrupts.lsc = lsc;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_link(10000, RTE_ETH_LINK_FULL_DUPLEX);
		hw.config.speed = 100;
		hw.config.duplex = 0;
		if (lsc)
			interrupt.call(interrupt.arg);
		assert_link(100, RTE_ETH_LINK_HALF_DUPLEX);
		hw.config.speed = 10000;
		hw.config.duplex = UINT8_MAX;
		if (lsc)
			interrupt.call(interrupt.arg);
		assert_link(10000, RTE_ETH_LINK_FULL_DUPLEX);
		assert_int_equal(unplug(NULL), 0);
	}
}

static unsigned int removals;

static int
count_removal(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)arg;
	(void)ret;
	assert_int_equal(id, port);
	assert_int_equal(type, RTE_ETH_EVENT_INTR_RMV);
	removals++;
	return 0;
}

static void
a_device_that_is_gone_is_told_of_once_and_if_asked(void **state)
{
	struct rte_eth_link link;

	(void)state;
	for (unsigned int asked = 0; asked < 2; asked++) {
		plug(NULL);
		wanted_interrupts.rmv = asked;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV,
					 count_removal, NULL),
			0);
		removals = 0;
		assert_int_equal(rte_eth_dev_is_removed(port), 0);
		hw.status = UINT8_MAX;
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
			assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
			/* Not in the middle of that: the application may close the port for it. */
			assert_int_equal(removals, i > 0 && asked);
			ring_alarms();
		}
		assert_int_equal(rte_eth_dev_is_removed(port), 1);
		assert_int_equal(rte_eth_dev_rx_queue_stop(port, 0), 0);
		assert_int_equal(rte_eth_dev_rx_queue_start(port, 0), -EIO);
		assert_false(pci->dev.queues[0]->running);
		assert_int_equal(rte_eth_dev_stop(port), 0);
		ring_alarms();
		assert_int_equal(removals, asked);
		assert_int_equal(unplug(NULL), 0);
	}
}

/* With an interrupt for it, ethdev does not ask for the link. */
static void
the_link_goes_down_with_the_device_whoever_finds_out(void **state)
{
	struct rte_eth_link link;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_link(RTE_ETH_SPEED_NUM_UNKNOWN, RTE_ETH_LINK_FULL_DUPLEX);
	hw.status = UINT8_MAX;
	assert_int_equal(rte_eth_dev_is_removed(port), 1);
	ring_alarms();
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	/* Nobody is told of one that was no port yet. */
	assert_int_equal(unplug(NULL), 0);
	assert_true(make_port() < 0);
	assert_int_equal(ring_alarms(), 0);
}

int
main(void)
{
#define ON_PCI(test) cmocka_unit_test_setup_teardown(test, plug, unplug)
	const struct CMUnitTest tests[] = {
		ON_PCI(speed_and_duplex_follow_the_device),
		ON_PCI(a_device_that_is_gone_is_told_of_once_and_if_asked),
		ON_PCI(the_link_goes_down_with_the_device_whoever_finds_out),
	};

	return cmocka_run_group_tests(tests, pci_setup, NULL);
}

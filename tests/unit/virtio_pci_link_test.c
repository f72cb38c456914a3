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

static unsigned int told;
static bool told_up; /* what the link was then */
static rte_eth_dev_cb_fn then;

static int
hear(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	assert_int_equal(id, port);
	assert_false(interrupt.within);
	assert_int_equal(rte_eth_link_get_nowait(id, &link), 0);
	told++;
	told_up = link.link_status == RTE_ETH_LINK_UP;
	return then != NULL ? then(id, type, arg, ret) : 0;
}

/* For all ports: of one that closes, ethdev does not forget who wanted to hear. */
static void
listen_to_link(rte_eth_dev_cb_fn and_do)
{
	told = 0;
	then = and_do;
	assert_int_equal(rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, hear,
				 NULL),
		0);
}

static int
unplug_in_silence(void **state)
{
	rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, hear, NULL);
	return unplug(state);
}

static void
change_link(bool up)
{
	hw.config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	interrupt.within = true;
	interrupt.call(interrupt.arg);
	interrupt.within = false;
}

static int
stop_port(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)type;
	(void)arg;
	(void)ret;
	return rte_eth_dev_stop(id);
}

static int
close_port(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	assert_int_equal(stop_port(id, type, arg, ret), 0);
	assert_int_equal(rte_eth_dev_close(id), 0);
	return 0;
}

/* To stop, the port waits for its interrupt to be over. */
static void
a_program_may_stop_the_port_where_the_link_is_told(void **state)
{
	struct rte_eth_link link;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	listen_to_link(stop_port);
	change_link(false);
	/* Who asks need not wait to be told. */
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	assert_int_equal(ring_alarms(), 1);
	assert_int_equal(told, 1);
	assert_int_equal(hw.status, 0);
	assert_null(interrupt.call);
	assert_int_equal(ring_alarms(), 0);
}

static void
a_program_may_close_the_port_where_the_link_is_told(void **state)
{
	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	listen_to_link(close_port);
	change_link(false);
	assert_int_equal(ring_alarms(), 1);
	assert_int_equal(told, 1);
	assert_false(rte_eth_dev_is_valid_port(port));
	assert_int_equal(ring_alarms(), 0);
}

static int
change_once(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)id;
	(void)type;
	(void)arg;
	(void)ret;
	then = NULL;
	change_link(true);
	return 0;
}

static void
every_change_of_the_link_is_followed_by_news_of_it(void **state)
{
	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	listen_to_link(NULL);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(told, 1);
	assert_true(told_up);
	/* All that came before it is told is one piece of news. */
	for (unsigned int i = 0; i < 3; i++)
		change_link(i & 1);
	assert_int_equal(told, 1);
	assert_int_equal(ring_alarms(), 1);
	assert_int_equal(told, 2);
	assert_false(told_up);
	change_link(true);
	change_link(false);
	assert_int_equal(ring_alarms(), 1);
	assert_int_equal(told, 3);
	assert_false(told_up);
	/* What comes while it is told is another. */
	then = change_once;
	change_link(true);
	change_link(false);
	while (ring_alarms() > 0)
		;
	assert_int_equal(told, 5);
	assert_true(told_up);
	/* It is told by the port that stops, and not by one that did. */
	change_link(false);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(told, 6);
	assert_false(told_up);
	assert_int_equal(ring_alarms(), 0);
}

static void (*meanwhile)(void);

/* The interrupt comes while another thread has read what is not true any more. */
static void
overtake(uint32_t offset)
{
	if (offset != offsetof(struct virtio_net_config, status))
		return;
	hw.config_read = NULL;
	meanwhile();
	interrupt.within = true;
	interrupt.call(interrupt.arg);
	interrupt.within = false;
}

static void
gain_link(void)
{
	hw.config.status = VIRTIO_NET_S_LINK_UP;
}

static void
lose_link(void)
{
	hw.config.status = 0;
}

static void
break_down(void)
{
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void
a_link_that_changes_while_the_port_starts_is_shown_as_it_is_then(void **state)
{
	void (*const ways[])(void) = { gain_link, lose_link, break_down };
	struct rte_eth_link link;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		plug(NULL);
		wanted_interrupts.lsc = 1;
		hw.config.status = i == 0 ? 0 : VIRTIO_NET_S_LINK_UP;
		assert_int_equal(make_port(), 0);
		hw.config_read = overtake;
		meanwhile = ways[i];
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_null(hw.config_read);
		assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
		assert_int_equal(link.link_status, i == 0);
		assert_int_equal(unplug(NULL), 0);
	}
}

static void
go_away(uint8_t status)
{
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	hw.status_set = NULL;
	hw.status = UINT8_MAX;
	interrupt.within = true;
	interrupt.call(interrupt.arg);
	interrupt.within = false;
}

static void
a_device_that_goes_while_the_port_starts_does_not_run(void **state)
{
	struct rte_eth_link link;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	hw.status_set = go_away;
	hw.doorbell = UINT16_MAX;
	/* As ethdev has it for devices that are gone. */
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), -EIO);
	assert_null(hw.status_set);
	/* It was told of no buffers, as it is of receive queues that run. */
	assert_int_equal(hw.doorbell, UINT16_MAX);
	ring_alarms();
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
}

static void
waver(uint32_t offset)
{
	(void)offset;
	hw.config.status ^= VIRTIO_NET_S_LINK_UP;
}

static void
a_device_with_another_link_each_time_is_not_looked_at_for_ever(void **state)
{
	struct rte_eth_link link;

	(void)state;
	for (unsigned int lsc = 0; lsc < 2; lsc++) {
		plug(NULL);
		wanted_interrupts.lsc = lsc;
		assert_int_equal(make_port(), 0);
		hw.config_read = waver;
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		if (lsc)
			interrupt.call(interrupt.arg);
		assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
		assert_int_equal(unplug(NULL), 0);
	}
}

int
main(void)
{
#define ON_PCI(test) cmocka_unit_test_setup_teardown(test, plug, unplug)
#define LISTENING(test) cmocka_unit_test_setup_teardown(test, plug, unplug_in_silence)
	const struct CMUnitTest tests[] = {
		ON_PCI(speed_and_duplex_follow_the_device),
		ON_PCI(a_device_that_is_gone_is_told_of_once_and_if_asked),
		ON_PCI(the_link_goes_down_with_the_device_whoever_finds_out),
		LISTENING(a_program_may_stop_the_port_where_the_link_is_told),
		LISTENING(a_program_may_close_the_port_where_the_link_is_told),
		LISTENING(every_change_of_the_link_is_followed_by_news_of_it),
		ON_PCI(a_link_that_changes_while_the_port_starts_is_shown_as_it_is_then),
		ON_PCI(a_device_that_goes_while_the_port_starts_does_not_run),
		ON_PCI(a_device_with_another_link_each_time_is_not_looked_at_for_ever),
	};

	return cmocka_run_group_tests(tests, pci_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* A port on PCI devices that are odd, or fail, in ways that no emulator's do. */

#include "virtio_pci_rig.h"

#include <sys/eventfd.h>
#include <unistd.h>

static bool
is_control_queue(uint16_t index)
{
	return hw.enabled[index] && pci->control.ready && pci->control.index == index;
}

static void
control_queue_is_behind_all_pairs_with_mq_or_rss(void **state)
{
	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS);
	assert_int_equal(make_port(), 0);
	/* With one pair there is no use for MQ; RSS by itself has all pairs be there, too. */
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_RSS), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)),
		F(VIRTIO_NET_F_RSS));
	assert_true(is_control_queue(8));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)), 0);
	assert_true(is_control_queue(2));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(hw.agreed & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)),
		F(VIRTIO_NET_F_MQ));
	assert_true(is_control_queue(8));
}

/* The control queue's number would be 65536, which is that of the first receive queue in 16 bits. */
static void
one_pair_is_used_of_more_than_there_can_be(void **state)
{
	static const uint16_t odd[] = { 0, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX, UINT16_MAX };
	struct rte_eth_dev_info info;

	for (unsigned int i = 0; i < RTE_DIM(odd); i++) {
		plug(state);
		hw.features |= CONTROL | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS);
		hw.config.max_virtqueue_pairs = odd[i];
		assert_int_equal(make_port(), 0);
		assert_int_equal(rte_eth_dev_info_get(port, &info), 0);
		assert_int_equal(info.max_rx_queues, 1);
		assert_int_equal(info.reta_size, 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_true(is_control_queue(2));
		unplug(state);
	}
}

static void
rss_alone_is_enough_for_several_pairs(void **state)
{
	const struct rte_eth_conf transmit = { 0 };

	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_RSS);
	assert_int_equal(make_port(), 0);
	for (unsigned int i = 0; i < 2; i++) {
		hw.commands = 0;
		assert_int_equal(configure(3, i == 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE), 0);
		assert_true(hw.agreed & F(VIRTIO_NET_F_RSS));
		assert_true(is_control_queue(8));
		assert_true(hw.commands > 0);
		assert_int_equal(pci->dev.rss.types, VIRTIO_NET_RSS_HASH_TYPE_IPv4);
		assert_int_equal(pci->dev.rss.table[2], 2);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	/* Queues that nobody receives from are as many as those that transmit. */
	assert_int_equal(rte_eth_dev_configure(port, 0, 2, &transmit), 0);
	for (uint16_t i = 0; i < 2; i++)
		assert_int_equal(rte_eth_tx_queue_setup(port, i, QUEUE_SIZE, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_true(hw.agreed & F(VIRTIO_NET_F_RSS));
	assert_int_equal(pci->dev.rss.table[2], 0);
	/* So they are when the port begins anew. */
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(configure(3, RTE_ETH_MQ_RX_RSS), 0);
	assert_int_equal(rte_eth_dev_reset(port), 0);
	assert_int_equal(rte_eth_dev_configure(port, 0, 2, &transmit), 0);
	assert_int_equal(pci->dev.rss.table[2], 0);
}

/* A burst leaves it to a thread of DPDK's to tell, which looks at all queues for that. */
static void
nothing_looks_at_queues_once_the_port_is_stopped(void **state)
{
	struct rte_mbuf *m;
	struct virtio_queue *q;

	(void)state;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	q = pci->dev.queues[0];
	q->used->ring[0].id = QUEUE_SIZE;
	__atomic_store_n(&q->used->idx, 1, __ATOMIC_RELEASE);
	assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
	assert_true(virtio_queue_failed(q));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(ring_alarms(), 0);
	/* A secondary process may have been slower to tell. */
	pci->dev.transport->queue_failed(pci->dev.queues[0]);
	assert_int_equal(rte_eth_dev_close(port), 0);
	assert_int_equal(ring_alarms(), 0);
}

static int
reset_port(uint16_t id, enum rte_eth_event_type type, void *resets, void *ret)
{
	(void)ret;
	assert_int_equal(type, RTE_ETH_EVENT_INTR_RESET);
	assert_int_equal(rte_eth_dev_reset(id), 0);
	++*(unsigned int *)resets;
	return 0;
}

static void
a_program_may_reset_the_port_where_it_is_told_to(void **state)
{
	unsigned int resets = 0;

	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RESET, reset_port,
				 &resets),
		0);
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt.within = true;
	interrupt.call(interrupt.arg);
	interrupt.within = false;
	ring_alarms();
	assert_int_equal(resets, 1);
	assert_int_equal(hw.status, 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	/* One that is stopped is not told to, however late the device asked. */
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt.last = true;
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(ring_alarms(), 0);
}

static void
a_control_queue_of_a_size_that_is_none_of_ours_is_done_without(void **state)
{
	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_GUEST_ANNOUNCE);
	assert_int_equal(make_port(), 0);
	/* As those of legacy devices. */
	pci->dev.ring_sizes_fixed = true;
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_promiscuous_enable(port), 0);
	assert_int_equal(rte_eth_promiscuous_disable(port), 0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	hw.sizes[2] = 2 * VIRTIO_CONTROL_RING_SIZE;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(hw.agreed, FEATURES);
	assert_int_equal(hw.rings[2].size, 0);
	assert_int_equal(rte_eth_promiscuous_enable(port), -ENOTSUP);
}

/* Back ends announce the port of a driver that did not say that it does so itself. */
static void
a_port_that_would_not_hear_of_it_does_not_offer_to_announce_itself(void **state)
{
	(void)state;
	for (unsigned int which = 0; which < 3; which++) {
		plug(state);
		hw.features |= CONTROL | F(VIRTIO_NET_F_GUEST_ANNOUNCE);
		wanted_interrupts.lsc = which == 1;
		wanted_interrupts.rxq = which == 2;
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(interrupt.call != NULL, which > 0);
		assert_int_equal((hw.agreed & F(VIRTIO_NET_F_GUEST_ANNOUNCE)) != 0, which > 0);
		unplug(state);
	}
}

static void
a_start_without_interrupts_leaves_nothing_behind(void **state)
{
	unsigned int fds;

	(void)state;
	wanted_interrupts.rxq = 1;
	hw.features |= CONTROL | F(VIRTIO_NET_F_MQ);
	assert_int_equal(make_port(), 0);
	fds = unit_open_fds();
	interrupt.no_memory = true;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), -ENOMEM);
	assert_int_equal(unit_open_fds(), fds);
	interrupt.no_memory = false;
	interrupt.refuse = true;
	assert_true(rte_eth_dev_start(port) < 0);
	assert_int_equal(unit_open_fds(), fds);
	interrupt.refuse = false;
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(unit_open_fds(), fds + 2);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	wanted_interrupts.rxq = 0;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_registration_outlives_a_restart_but_not_the_port(void **state)
{
	struct rte_epoll_event event;
	unsigned int fds;
	int call;

	(void)state;
	/* Opens the thread's own descriptor, which stays. */
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	fds = unit_open_fds();
	wanted_interrupts.rxq = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD,
				 RTE_INTR_EVENT_ADD, NULL),
		0);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	call = dup(rte_intr_efds_index_get(bus.intr_handle, 0));
	assert_int_equal(eventfd_write(call, 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 5000), 1);
	assert_int_equal(unplug(NULL), 0);
	assert_int_equal(eventfd_write(call, 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	close(call);
	assert_int_equal(unit_open_fds(), fds);
}

/* Also to one that had to be reset once more, which makes it forget (virtio 1.2, 4.1.4.3.2). */
static void
the_device_knows_the_interrupt_of_a_queue_before_it_is_enabled(void **state)
{
	(void)state;
	for (unsigned int again = 0; again < 2; again++) {
		plug(state);
		hw.features |= CONTROL | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS);
		hw.last_vector = 2;
		wanted_interrupts.rxq = 1;
		assert_int_equal(make_port(), 0);
		pci->msix = true;
		if (again) {
			hw.features &= ~F(VIRTIO_NET_F_MQ) & ~F(VIRTIO_NET_F_RSS);
			hw.sizes[2] = 0;
		}
		assert_int_equal(configure(again ? 1 : 2, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(hw.config_vector, 0);
		for (uint16_t i = 0; i < (again ? 2 : 4); i++) {
			assert_true(hw.enabled[i]);
			assert_int_equal(hw.vectors[i], i & 1 ? VIRTIO_MSI_NO_VECTOR : 1 + i / 2);
		}
		assert_int_equal(pci->control.ready, !again);
		unplug(state);
	}
}

static void
a_device_with_too_few_vectors_is_not_started(void **state)
{
	(void)state;
	hw.features |= CONTROL | F(VIRTIO_NET_F_MQ);
	hw.last_vector = 1;
	wanted_interrupts.rxq = 1;
	assert_int_equal(make_port(), 0);
	pci->msix = true;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), -ENOTSUP);
	assert_null(interrupt.call);
	wanted_interrupts.rxq = 0;
	assert_int_equal(configure(2, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_equal(hw.config_vector, VIRTIO_MSI_NO_VECTOR);
}

/* By rte_dev_remove(), or by EAL when the program ends: the device is not to go on writing. */
static void
a_device_is_removed_while_its_port_runs(void **state)
{
	(void)state;
	wanted_interrupts.lsc = 1;
	assert_int_equal(make_port(), 0);
	assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
	assert_int_not_equal(hw.status, 0);
	assert_int_equal(net_virtio->remove(&bus), 0);
	assert_false(rte_eth_dev_is_valid_port(port));
	assert_int_equal(hw.status, 0);
	assert_null(interrupt.call);
	assert_int_equal(ring_alarms(), 0);
	/* One that is closed already has nothing left. */
	assert_int_equal(net_virtio->remove(&bus), 0);
}

/* Told by a command, or in the configuration of legacy devices; others keep what they have. */
static void
an_address_that_the_device_does_not_take_is_not_set(void **state)
{
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 9 } }, now;
	const uint64_t ways[] = { FEATURES,
		F(VIRTIO_F_ANY_LAYOUT) | F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_STATUS),
		FEATURES | CONTROL | F(VIRTIO_NET_F_CTRL_MAC_ADDR) };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		plug(state);
		hw.features = ways[i];
		assert_int_equal(make_port(), 0);
		assert_int_equal(configure(1, RTE_ETH_MQ_RX_NONE), 0);
		assert_int_equal(rte_eth_dev_default_mac_addr_set(port, &mac), i == 0 ? -EIO : 0);
		assert_int_equal(rte_eth_macaddr_get(port, &now), 0);
		assert_int_equal(now.addr_bytes[5], i == 0 ? 1 : 9);
		assert_int_equal(hw.config.mac[5], i == 1 ? 9 : 1);
		unplug(state);
	}
}

int
main(void)
{
#define ON_PCI(test) cmocka_unit_test_setup_teardown(test, plug, unplug)
	const struct CMUnitTest tests[] = {
		ON_PCI(control_queue_is_behind_all_pairs_with_mq_or_rss),
		ON_PCI(one_pair_is_used_of_more_than_there_can_be),
		ON_PCI(rss_alone_is_enough_for_several_pairs),
		ON_PCI(nothing_looks_at_queues_once_the_port_is_stopped),
		ON_PCI(an_address_that_the_device_does_not_take_is_not_set),
		ON_PCI(a_program_may_reset_the_port_where_it_is_told_to),
		ON_PCI(a_control_queue_of_a_size_that_is_none_of_ours_is_done_without),
		ON_PCI(a_port_that_would_not_hear_of_it_does_not_offer_to_announce_itself),
		ON_PCI(a_start_without_interrupts_leaves_nothing_behind),
		ON_PCI(the_device_knows_the_interrupt_of_a_queue_before_it_is_enabled),
		ON_PCI(a_device_with_too_few_vectors_is_not_started),
		ON_PCI(a_device_is_removed_while_its_port_runs),
		ON_PCI(a_registration_outlives_a_restart_but_not_the_port),
	};

	return cmocka_run_group_tests(tests, pci_setup, NULL);
}

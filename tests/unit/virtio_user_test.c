/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A virtio-user port against a scripted vhost-user back end: what it says in which order, and
 * what becomes of it when the back end goes away, comes back different, refuses, or talks nonsense.
 */

#include "virtio_user_rig.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <rte_interrupts.h>

#include "user.h"

static void
the_handshake_says_all_in_order(void **state)
{
	static const uint32_t expected[] = {
		VHOST_USER_SET_OWNER,
		VHOST_USER_GET_FEATURES,
		VHOST_USER_GET_PROTOCOL_FEATURES,
		VHOST_USER_SET_PROTOCOL_FEATURES,
		VHOST_USER_GET_QUEUE_NUM,
		VHOST_USER_GET_CONFIG, /* largest MTU */
		VHOST_USER_SET_STATUS,
		VHOST_USER_SET_FEATURES,
		VHOST_USER_SET_STATUS,
		VHOST_USER_GET_STATUS,
		VHOST_USER_SET_MEM_TABLE,
		VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_NUM,
		VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_NUM,
		VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_KICK,
		VHOST_USER_NET_SET_MTU,
		VHOST_USER_SET_STATUS,
		VHOST_USER_GET_STATUS,
		VHOST_USER_SET_VRING_ENABLE,
		VHOST_USER_SET_VRING_ENABLE,
	};
	struct scripted_backend b = honest("handshake", false);
	const unsigned int fds = unit_open_fds();

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ",packed_vq=1"), 0);
	assert_int_equal(start(1, 0), 0);
	assert_true(wait_link(true));
	assert_int_equal(b.messages, RTE_DIM(expected));
	for (unsigned int i = 0; i < RTE_DIM(expected); i++)
		assert_int_equal(b.requests[i], expected[i]);
	assert_int_equal(b.agreed & ~FEATURES, 0);
	assert_true(b.agreed & BIT(VIRTIO_F_RING_PACKED));
	assert_false(b.agreed & BIT(VIRTIO_NET_F_CSUM));
	for (unsigned int i = 0; i < 2; i++) {
		const struct scripted_ring *r = &b.ring[i];

		assert_int_equal(r->num, 64);
		assert_int_equal(r->base, 0x80008000);
		assert_true(r->kick >= 0 && r->call >= 0);
		assert_true(scripted_knows(&b, r->desc, 16 * r->num));
		assert_true(scripted_knows(&b, r->driver, 4));
		assert_true(scripted_knows(&b, r->device, 4));
	}
	exchange(&b, 0);
	assert_int_equal(rte_eth_dev_set_mtu(port(), 1280), 0);
	assert_int_equal(b.mtu, 1280);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_true(scripted_wait_enabled(&b, 0));
	assert_int_equal(b.status, 0);
	assert_true(wait_link(false));
	remove_port();
	scripted_stop(&b);
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_lost_back_end_is_looked_for_again(void **state)
{
	struct scripted_backend b = honest("lost", false);
	const unsigned int fds = unit_open_fds();

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	exchange(&b, 0);
	scripted_stop(&b);
	assert_true(wait_link(false));
	scripted_start(&b);
	assert_true(wait_link(true));
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_server_takes_back_ends_as_they_come_and_as_they_are(void **state)
{
	struct scripted_backend b = honest("server", true);
	const uint64_t variants[] = { FEATURES, FEATURES & ~BIT(VIRTIO_F_RING_PACKED),
		FEATURES & ~BIT(VIRTIO_NET_F_MRG_RXBUF),
		FEATURES & ~(BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_RING_F_INDIRECT_DESC)) };

	(void)state;
	assert_int_equal(probe(&b, ",packed_vq=1,mac=02:00:00:00:00:09"), 0);
	assert_int_equal(start(1, 0), 0);
	assert_true(wait_link(false));
	for (unsigned int i = 0; i < 2 * RTE_DIM(variants); i++) {
		b.features = variants[i % RTE_DIM(variants)];
		scripted_start(&b);
		assert_true(wait_link(true));
		assert_true(scripted_wait_enabled(&b, 2));
		assert_int_equal(b.agreed & ~b.features, 0);
		exchange(&b, 0);
		scripted_stop(&b);
		assert_true(wait_link(false));
	}
	remove_port();
}

static void
queue_pairs_are_enabled_as_asked(void **state)
{
	struct scripted_backend b = honest("pairs", false);

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ",queues=4"), 0);
	assert_int_equal(start(3, 0), 0);
	assert_true(scripted_wait_enabled(&b, 6));
	for (uint16_t i = 0; i < 3; i++)
		exchange(&b, i);
	assert_int_equal(rte_eth_promiscuous_enable(port()), 0);
	assert_int_equal(rte_eth_dev_rx_queue_stop(port(), 1), 0);
	assert_true(scripted_wait_enabled(&b, 5));
	assert_false(b.ring[2].enabled);
	assert_int_equal(rte_eth_dev_rx_queue_start(port(), 1), 0);
	assert_true(scripted_wait_enabled(&b, 6));
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start(1, 0), 0);
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
}

static void
a_queue_stopped_by_hand_stays_so_until_the_port_stops(void **state)
{
	struct scripted_backend b = honest("stopped", true);

	(void)state;
	assert_int_equal(probe(&b, ",queues=2"), 0);
	assert_int_equal(start(2, 0), 0);
	scripted_start(&b);
	assert_true(scripted_wait_enabled(&b, 4));
	assert_int_equal(rte_eth_dev_tx_queue_stop(port(), 1), 0);
	assert_true(scripted_wait_enabled(&b, 3));
	scripted_stop(&b);
	assert_true(wait_link(false));
	scripted_start(&b);
	assert_true(wait_link(true));
	assert_true(scripted_wait_enabled(&b, 3));
	assert_false(b.ring[3].enabled);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(rte_eth_dev_start(port()), 0);
	assert_true(scripted_wait_enabled(&b, 4));
	remove_port();
	scripted_stop(&b);
}

/* The port has more queues to transmit than to receive: nobody polls the others, or fills them. */
static void
rings_that_nobody_receives_from_are_not_enabled(void **state)
{
	const struct rte_eth_conf conf = { 0 };
	struct scripted_backend b = honest("spare", false);

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ",queues=3"), 0);
	assert_int_equal(rte_eth_dev_configure(port(), 1, 3, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port(), 0, 64, 0, NULL, pool), 0);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(rte_eth_tx_queue_setup(port(), i, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port()), 0);
	assert_true(scripted_wait_enabled(&b, 4));
	assert_true(b.ring[0].enabled);
	for (unsigned int i = 2; i < 6; i += 2) {
		/* It is there, which back ends may insist on. */
		assert_false(b.ring[i].enabled);
		assert_true(b.ring[i].num > 0 && b.ring[i].kick >= 0);
		assert_true(b.ring[i + 1].enabled);
	}
	exchange(&b, 0);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start(3, 0), 0);
	assert_true(scripted_wait_enabled(&b, 6));
	/* Without any, the first pair is there, which back ends wait for. */
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(rte_eth_dev_configure(port(), 0, 2, &conf), 0);
	for (uint16_t i = 0; i < 2; i++)
		assert_int_equal(rte_eth_tx_queue_setup(port(), i, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port()), 0);
	assert_true(scripted_wait_enabled(&b, 3));
	assert_true(b.ring[0].enabled && b.ring[1].enabled && b.ring[3].enabled);
	remove_port();
	scripted_stop(&b);
}

/* Each queue wakes on its own, also after the port was started again. */
static void
a_call_wakes_who_sleeps_on_the_queue(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct scripted_backend b = honest("sleeper", false);
	struct rte_epoll_event event;
	unsigned int fds;

	(void)state;
	/* Opens the thread's own descriptor, which stays. */
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	fds = unit_open_fds();
	scripted_start(&b);
	assert_int_equal(probe(&b, ",queues=3"), 0);
	for (unsigned int again = 0; again < 2; again++) {
		assert_int_equal(start_as(3, &conf), 0);
		assert_true(scripted_wait_enabled(&b, 6));
		for (uint16_t i = 0; i < 3; i++)
			assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), i, RTE_EPOLL_PER_THREAD,
						 RTE_INTR_EVENT_ADD, (void *)(uintptr_t)i),
				0);
		for (uint16_t i = 0; i < 3; i++) {
			assert_int_equal(rte_eth_dev_rx_intr_enable(port(), i), 0);
			/* What was sent while it was off is nobody's business any more. */
			while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0) > 0)
				;
			assert_int_equal(eventfd_write(b.ring[2 * i].call, 1), 0);
			assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 20000), 1);
			assert_int_equal((uintptr_t)event.epdata.data, i);
			assert_int_equal(rte_eth_dev_rx_intr_disable(port(), i), 0);
		}
		for (uint16_t i = 0; i < 3; i++)
			assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), i, RTE_EPOLL_PER_THREAD,
						 RTE_INTR_EVENT_DEL, NULL),
				0);
		assert_int_equal(rte_eth_dev_stop(port()), 0);
	}
	remove_port();
	scripted_stop(&b);
	assert_int_equal(unit_open_fds(), fds);
}

static void
call_and_wake(const struct scripted_backend *b, unsigned int ring)
{
	struct rte_epoll_event event;

	assert_int_equal(eventfd_write(b->ring[ring].call, 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 5000), 1);
	assert_int_equal((uintptr_t)event.epdata.data, ring);
}

static void
a_registration_outlives_a_restart_but_not_the_port(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct scripted_backend b = honest("registered", false);
	struct rte_epoll_event event;
	unsigned int fds;
	int calls[2];

	(void)state;
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	fds = unit_open_fds();
	scripted_start(&b);
	assert_int_equal(probe(&b, ",queues=2"), 0);
	assert_int_equal(start_as(2, &conf), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), (uint16_t)i,
					 RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, (void *)(2 * i)),
			0);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(rte_eth_dev_start(port()), 0);
	assert_true(scripted_wait_enabled(&b, 4));
	call_and_wake(&b, 0);
	call_and_wake(&b, 2);
	/* Nor does it matter that queues are set up again. */
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start_as(2, &conf), 0);
	assert_true(scripted_wait_enabled(&b, 4));
	call_and_wake(&b, 2);
	calls[1] = dup(b.ring[2].call);
	/* With another number of queues they are gone, */
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start_as(1, &conf), 0);
	assert_int_equal(eventfd_write(calls[1], 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), 0, RTE_EPOLL_PER_THREAD,
				 RTE_INTR_EVENT_ADD, NULL),
		0);
	assert_true(scripted_wait_enabled(&b, 2));
	call_and_wake(&b, 0);
	/* and with the port, though the back end still has the descriptor. */
	calls[0] = dup(b.ring[0].call);
	remove_port();
	assert_int_equal(eventfd_write(calls[0], 1), 0);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	scripted_stop(&b);
	close(calls[0]);
	close(calls[1]);
	assert_int_equal(unit_open_fds(), fds);
}

/* A frame into the ring of receive queue 0, with which the device raises no interrupt. */
static void
put_silently(struct reference_ring *rx)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	uint8_t buf[sizeof(hdr) + 100] = { 0 };
	struct reference_chain c;

	memcpy(buf, &hdr, sizeof(hdr));
	assert_true(reference_pop(rx, &c));
	reference_scatter(&c, buf, sizeof(buf));
	reference_push(rx, c.id, sizeof(buf), c.descs, 0);
}

static void
take_woken(void)
{
	struct rte_epoll_event event;
	struct rte_mbuf *m;

	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 5000), 1);
	assert_int_equal(rte_eth_dev_rx_intr_disable(port(), 0), 0);
	assert_int_equal(rte_eth_rx_burst(port(), 0, &m, 1), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
}

/* With event indices, the device is past the one that it would be asked to call at. */
static void
a_frame_that_came_before_wakes_who_sleeps_after(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_epoll_event event;

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		struct scripted_backend b = honest("before", false);
		struct reference_ring rx;
		struct virtio_queue q;

		scripted_start(&b);
		assert_int_equal(probe(&b, packed ? ",packed_vq=1" : ""), 0);
		assert_int_equal(start_as(1, &conf), 0);
		assert_true(b.agreed & BIT(VIRTIO_RING_F_EVENT_IDX));
		q = ring_of(&b, 0);
		reference_init(&rx, &q, packed, false);
		assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), 0, RTE_EPOLL_PER_THREAD,
					 RTE_INTR_EVENT_ADD, NULL),
			0);
		assert_int_equal(rte_eth_dev_rx_intr_enable(port(), 0), 0);
		while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0) > 0)
			;
		assert_int_equal(rte_eth_dev_rx_intr_disable(port(), 0), 0);

		put_silently(&rx);
		assert_int_equal(rte_eth_dev_rx_intr_enable(port(), 0), 0);
		take_woken();
		/* Who sleeps on a stopped queue is woken when it starts. */
		assert_int_equal(rte_eth_dev_rx_queue_stop(port(), 0), 0);
		put_silently(&rx);
		assert_int_equal(rte_eth_dev_rx_intr_enable(port(), 0), 0);
		assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
		assert_int_equal(rte_eth_dev_rx_queue_start(port(), 0), 0);
		take_woken();
		/* So is who sleeps on one that was closed for a moment. */
		assert_int_equal(rte_eth_dev_rx_intr_enable(port(), 0), 0);
		put_silently(&rx);
		assert_int_equal(rte_eth_dev_set_vlan_offload(port(), RTE_ETH_VLAN_STRIP_OFFLOAD),
			0);
		take_woken();
		assert_int_equal(rte_eth_dev_rx_intr_ctl_q(port(), 0, RTE_EPOLL_PER_THREAD,
					 RTE_INTR_EVENT_DEL, NULL),
			0);
		remove_port();
		scripted_stop(&b);
	}
}

static void
check_config_mac(const struct scripted_backend *b, const struct rte_ether_addr *mac)
{
	assert_memory_equal(b->config + offsetof(struct virtio_net_config, mac), mac, sizeof(*mac));
}

/* A device that filters by an address of its own is told the port's, each time that it comes. */
static void
an_address_is_written_where_no_command_sets_it(void **state)
{
	struct scripted_backend b = honest("address", true);
	struct rte_ether_addr given = { { 2, 0, 0, 0, 0, 9 } }, chosen = { { 2, 0, 0, 0, 0, 10 } };
	struct rte_ether_addr now;

	(void)state;
	b.features |= BIT(VIRTIO_NET_F_MAC);
	for (unsigned int cq = 0; cq < 2; cq++) {
		assert_int_equal(probe(&b,
					 cq ? ",mac=02:00:00:00:00:09,cq=1" :
					      ",mac=02:00:00:00:00:09"),
			0);
		assert_int_equal(start(1, 0), 0);
		scripted_start(&b);
		assert_true(wait_link(true));
		check_config_mac(&b, &given);
		assert_int_equal(rte_eth_dev_default_mac_addr_set(port(), &chosen), 0);
		check_config_mac(&b, &chosen);
		scripted_stop(&b);
		assert_true(wait_link(false));
		scripted_start(&b);
		assert_true(wait_link(true));
		check_config_mac(&b, &chosen);
		scripted_stop(&b);
		assert_true(wait_link(false));
		/* One that keeps its own: the application learns of it. */
		b.config_fixed = true;
		scripted_start(&b);
		assert_true(wait_link(true));
		assert_int_not_equal(rte_eth_dev_default_mac_addr_set(port(), &given), 0);
		assert_int_equal(rte_eth_macaddr_get(port(), &now), 0);
		assert_memory_equal(&now, &chosen, sizeof(now));
		exchange(&b, 0);
		b.config_fixed = false;
		scripted_stop(&b);
		remove_port();
	}
}

/* An answer without content is how it says so, and no reason to leave it. */
static void
a_back_end_without_a_configuration_says_so_and_stays(void **state)
{
	struct scripted_backend b = honest("none", false);
	struct rte_ether_addr chosen = { { 2, 0, 0, 0, 0, 12 } };

	(void)state;
	b.features |= BIT(VIRTIO_NET_F_MAC);
	b.config_none = true;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	assert_true(wait_link(true));
	assert_int_equal(rte_eth_dev_default_mac_addr_set(port(), &chosen), 0);
	exchange(&b, 0);
	assert_int_equal(b.connections, 1);
	remove_port();
	scripted_stop(&b);
}

/* All frames come here anyway. */
static void
further_addresses_are_taken_where_nothing_is_filtered(void **state)
{
	struct scripted_backend b = honest("addresses", false);
	struct rte_ether_addr other = { { 2, 0, 0, 0, 0, 11 } };

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ",cq=1"), 0);
	assert_int_equal(start(1, 0), 0);
	assert_int_equal(rte_eth_dev_mac_addr_add(port(), &other, 0), 0);
	assert_int_equal(rte_eth_dev_mac_addr_remove(port(), &other), 0);
	remove_port();
	scripted_stop(&b);
}

/* Whatever goes wrong at whatever message: the next back end that is honest gets a working port. */
static void
trouble_at_any_message_costs_the_connection_only(void **state)
{
	struct scripted_backend b = honest("trouble", true);
	const unsigned int fds = unit_open_fds();
	unsigned int messages;

	(void)state;
	/* Its address is read, written, and read again. */
	b.features |= BIT(VIRTIO_NET_F_MAC);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	scripted_start(&b);
	assert_true(wait_link(true));
	assert_true(scripted_wait_enabled(&b, 2));
	messages = b.messages;
	scripted_stop(&b);
	assert_true(wait_link(false));
	for (enum scripted_twist twist = SCRIPTED_HANG_UP; twist < SCRIPTED_TWISTS; twist++) {
		for (unsigned int at = 1; at <= messages; at++) {
			b.twist = twist;
			b.twist_at = at;
			scripted_start(&b);
			while (__atomic_load_n(&b.messages, __ATOMIC_RELAXED) < at &&
				__atomic_load_n(&b.connections, __ATOMIC_RELAXED) < 2)
				usleep(200);
			pthread_mutex_lock(&b.lock);
			b.twist_at = 0;
			pthread_mutex_unlock(&b.lock);
			if (twist == SCRIPTED_NOISE)
				scripted_hang_up(&b);
			assert_true(scripted_wait_enabled(&b, 2));
			assert_true(wait_link(true));
			scripted_stop(&b);
			assert_true(wait_link(false));
		}
	}
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_back_end_that_lies_in_a_ring_is_left(void **state)
{
	struct scripted_backend b = honest("liar", true);
	struct virtio_queue rxq;
	struct rte_mbuf *m;

	(void)state;
	assert_int_equal(probe(&b, ",in_order=0"), 0);
	assert_int_equal(start(1, 0), 0);
	scripted_start(&b);
	assert_true(wait_link(true));
	rxq = ring_of(&b, 0);
	rxq.used->ring[0].id = 1u << 31;
	__atomic_store_n(&rxq.used->idx, 1, __ATOMIC_RELEASE);
	assert_int_equal(rte_eth_rx_burst(port(), 0, &m, 1), 0);
	/* It comes again, and gets a new chance. */
	assert_true(scripted_wait_gone(&b, 0));
	assert_true(scripted_wait_enabled(&b, 2));
	assert_true(wait_link(true));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
}

static void
a_queue_that_failed_is_not_started_by_hand(void **state)
{
	struct scripted_backend b = honest("by-hand", false);
	struct virtio_queue *q;

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	q = rte_eth_devices[port()].data->rx_queues[0];
	assert_int_equal(rte_eth_dev_rx_queue_stop(port(), 0), 0);
	/* The burst that was just over found it; who is to hear of it has not yet. */
	strcpy(q->failure, "nonsense");
	assert_int_equal(rte_eth_dev_rx_queue_start(port(), 0), 0);
	assert_false(q->running);
	remove_port();
	scripted_stop(&b);
}

static void
a_back_end_that_lacks_what_is_needed_is_refused(void **state)
{
	struct scripted_backend b = honest("lacking", false);

	(void)state;
	b.features &= ~BIT(VIRTIO_F_VERSION_1);
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), -ENOTSUP);
	assert_true(wait_link(false));
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
	scripted_stop(&b);
	b = honest("lacking", false);
	b.pairs = 2;
	scripted_start(&b);
	assert_int_equal(probe(&b, ",queues=4"), 0);
	assert_int_not_equal(start(3, 0), 0);
	assert_int_equal(start(2, 0), 0);
	remove_port();
	scripted_stop(&b);
}

/* Have the port meet a back end that is twisted, and then honest. */
static void
meet_twisted(enum scripted_twist twist, uint16_t pairs, uint64_t protocol)
{
	struct scripted_backend b = honest("twisted", true);
	const unsigned int fds = unit_open_fds();
	struct virtio_user *u;

	b.pairs = pairs;
	b.protocol = protocol;
	b.twist = twist;
	assert_int_equal(probe(&b, ",queues=128"), 0);
	u = rte_eth_devices[port()].data->dev_private;
	u->patience_ms = 4 * SCRIPTED_SLOW_MS;
	assert_int_equal(start(pairs, 0), 0);
	scripted_start(&b);
	assert_true(scripted_wait_gone(&b, 0));
	u->patience_ms = VIRTIO_USER_PATIENCE_MS;
	pthread_mutex_lock(&b.lock);
	b.twist = SCRIPTED_HONEST;
	pthread_mutex_unlock(&b.lock);
	assert_true(wait_link(true));
	scripted_stop(&b);
	assert_true(wait_link(false));
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_back_end_that_does_not_read_is_left(void **state)
{
	(void)state;
	/* As many messages as no socket holds, none of which is answered. */
	meet_twisted(SCRIPTED_DEAF, 100, PF(MQ));
}

/* One is in time with each answer, and not with all. */
static void
a_back_end_that_takes_too_long_in_all_is_left(void **state)
{
	(void)state;
	meet_twisted(SCRIPTED_SLOW, 1, PROTOCOL);
}

/* One whose owner is busy, and has others waiting. */
static void
a_socket_that_somebody_listens_on_is_not_taken_away(void **state)
{
	struct scripted_backend b = honest("busy", true);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), waiting[8];
	unsigned int n = 0;

	(void)state;
	strcpy(sa.sun_path, b.path);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 0), 0);
	do
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (connect(waiting[n++], (const struct sockaddr *)&sa, sizeof(sa)) == 0);
	assert_int_not_equal(probe(&b, ""), 0);
	assert_int_equal(access(b.path, F_OK), 0);
	b.connects = false;
	assert_int_not_equal(probe(&b, ""), 0);
	while (n-- > 0)
		close(waiting[n]);
	close(listener);
	unlink(b.path);
}

static void
a_socket_that_somebody_put_in_its_place_stays(void **state)
{
	const struct scripted_backend b = honest("placed", true);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	strcpy(sa.sun_path, b.path);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(unlink(b.path), 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
	assert_int_equal(unlink(b.path), 0);
	close(listener);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
	assert_int_not_equal(access(b.path, F_OK), 0);
}

static void *
set_up_again(void *arg)
{
	bool *done = arg;

	if (rte_eth_rx_queue_setup(port(), 0, 64, 0, NULL, pool) == 0)
		__atomic_store_n(done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* A thread of its own sees that the back end is gone, and has bursts leave all queues for that. */
static void
a_queue_is_not_freed_while_another_thread_looks_at_it(void **state)
{
	struct scripted_backend b = honest("looks", false);
	struct virtio_device *dev;
	pthread_t thread;
	bool done = false;

	(void)state;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	dev = rte_eth_devices[port()].data->dev_private;
	/* A burst that takes its time. */
	__atomic_store_n(&dev->queues[0]->in_burst, 1, __ATOMIC_RELEASE);
	scripted_stop(&b);
	while (pthread_mutex_trylock(&dev->lock) == 0) {
		pthread_mutex_unlock(&dev->lock);
		usleep(200);
	}
	assert_int_equal(pthread_create(&thread, NULL, set_up_again, &done), 0);
	for (unsigned int i = 0; i < 100 && !__atomic_load_n(&done, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	assert_false(__atomic_load_n(&done, __ATOMIC_ACQUIRE));
	__atomic_store_n(&dev->queues[0]->in_burst, 0, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(done);
	remove_port();
}

static void
without_a_back_end_a_client_is_not_probed(void **state)
{
	const struct scripted_backend b = honest("nobody", false);
	const unsigned int fds = unit_open_fds();

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		assert_int_not_equal(probe(&b, ""), 0);
	assert_int_not_equal(probe(&b, ",colour=red"), 0);
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_socket_that_cannot_be_made_fails_the_probe(void **state)
{
	struct scripted_backend b = honest("", true);
	const unsigned int fds = unit_open_fds();

	(void)state;
	snprintf(b.path, sizeof(b.path), "/nonexistent/dir/sock");
	for (unsigned int i = 0; i < 100; i++)
		assert_int_not_equal(probe(&b, ""), 0);
	assert_int_equal(unit_open_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_handshake_says_all_in_order),
		cmocka_unit_test(a_lost_back_end_is_looked_for_again),
		cmocka_unit_test(a_server_takes_back_ends_as_they_come_and_as_they_are),
		cmocka_unit_test(queue_pairs_are_enabled_as_asked),
		cmocka_unit_test(a_queue_stopped_by_hand_stays_so_until_the_port_stops),
		cmocka_unit_test(rings_that_nobody_receives_from_are_not_enabled),
		cmocka_unit_test(a_call_wakes_who_sleeps_on_the_queue),
		cmocka_unit_test(a_frame_that_came_before_wakes_who_sleeps_after),
		cmocka_unit_test(a_registration_outlives_a_restart_but_not_the_port),
		cmocka_unit_test(an_address_is_written_where_no_command_sets_it),
		cmocka_unit_test(a_back_end_without_a_configuration_says_so_and_stays),
		cmocka_unit_test(further_addresses_are_taken_where_nothing_is_filtered),
		cmocka_unit_test(trouble_at_any_message_costs_the_connection_only),
		cmocka_unit_test(a_back_end_that_lies_in_a_ring_is_left),
		cmocka_unit_test(a_queue_that_failed_is_not_started_by_hand),
		cmocka_unit_test(a_back_end_that_lacks_what_is_needed_is_refused),
		cmocka_unit_test(a_back_end_that_does_not_read_is_left),
		cmocka_unit_test(a_back_end_that_takes_too_long_in_all_is_left),
		cmocka_unit_test(a_socket_that_somebody_listens_on_is_not_taken_away),
		cmocka_unit_test(a_socket_that_somebody_put_in_its_place_stays),
		cmocka_unit_test(a_queue_is_not_freed_while_another_thread_looks_at_it),
		cmocka_unit_test(without_a_back_end_a_client_is_not_probed),
		cmocka_unit_test(a_socket_that_cannot_be_made_fails_the_probe),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}

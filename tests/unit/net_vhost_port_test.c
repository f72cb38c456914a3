/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A net_vhost port and a net_virtio_user port in one process, with librte_vhost between them: what
 * an application sees of the back end's port through the ethdev API. Nothing here is a stand-in.
 */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "frontend.h"
#include "rte_eth_vhost.h"

#define QUEUES 2
#define MBUFS 4095
#define WAIT_MS 10000
#define BURST 32
#define AVAIL 0x4000 /* of a ring of the small front end */

static struct rte_mempool *pool;
static char path[64];
static uint16_t back, front;

/* Events may arrive in another thread. */
static unsigned int link_events, queue_events;

static int
on_event(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)port_id;
	(void)ret;
	(void)type;
	__atomic_fetch_add((unsigned int *)arg, 1, __ATOMIC_RELEASE);
	return 0;
}

static void
configure(uint16_t port, uint16_t queues, bool interrupts)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = interrupts };

	assert_int_equal(rte_eth_dev_configure(port, queues, queues, &conf), 0);
	for (uint16_t q = 0; q < queues; q++) {
		assert_int_equal(rte_eth_rx_queue_setup(port, q, 0, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, q, 0, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

static void
plug_back(bool interrupts)
{
	char args[128];

	snprintf(args, sizeof(args), "iface=%s,queues=%u", path, QUEUES);
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_vhost0", args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_vhost0", &back), 0);
	link_events = 0;
	queue_events = 0;
	rte_eth_dev_callback_register(back, RTE_ETH_EVENT_INTR_LSC, on_event, &link_events);
	rte_eth_dev_callback_register(back, RTE_ETH_EVENT_QUEUE_STATE, on_event, &queue_events);
	configure(back, QUEUES, interrupts);
}

static bool
link_is_up(void)
{
	struct rte_eth_link link;

	assert_int_equal(rte_eth_link_get_nowait(back, &link), 0);
	return link.link_status == RTE_ETH_LINK_UP;
}

static void
plug_front_as(const char *name, uint16_t queues, const char *more)
{
	char args[160];

	snprintf(args, sizeof(args), "path=%s,queues=%u%s", path, queues, more);
	assert_int_equal(rte_eal_hotplug_add("vdev", name, args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &front), 0);
	configure(front, queues, false);
	while (!link_is_up())
		sched_yield();
}

static void
plug_front(const char *more)
{
	plug_front_as("net_virtio_user0", QUEUES, more);
}

static void
unplug_front(void)
{
	rte_eth_dev_stop(front);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_virtio_user0"), 0);
	while (link_is_up())
		sched_yield();
}

static void
unplug_back(void)
{
	assert_int_equal(rte_eth_dev_stop(back), 0);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_vhost0"), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static struct rte_mbuf *
make_frame(uint32_t number, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *data;

	assert_non_null(m);
	data = (uint8_t *)rte_pktmbuf_append(m, len);
	assert_non_null(data);
	for (uint16_t i = 0; i < len; i++)
		data[i] = (uint8_t)(number * 7 + i);
	return m;
}

static void
check_frame(const struct rte_mbuf *m, uint32_t number, uint32_t len, uint16_t port)
{
	uint8_t copy[RTE_MBUF_DEFAULT_DATAROOM];
	const uint8_t *data = rte_pktmbuf_read(m, 0, len, copy);

	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->port, port);
	assert_non_null(data);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(data[i], (uint8_t)(number * 7 + i));
}

static void
send_all(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0;

	while (sent < n)
		sent += rte_eth_tx_burst(port, queue, pkts + sent, n - sent);
}

static void
receive_all(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	while (got < n)
		got += rte_eth_rx_burst(port, queue, pkts + got, n - got);
}

static void
send_one(void)
{
	struct rte_mbuf *m = make_frame(9, 60);

	send_all(front, 0, &m, 1);
}

static void
receive_one(void)
{
	struct rte_mbuf *m;

	receive_all(back, 0, &m, 1);
	rte_pktmbuf_free(m);
}

/* The front end frees what it has sent only when it sends again, or stops. */
static void
empty_rings(void)
{
	struct rte_mbuf *pkts[BURST];

	for (uint16_t q = 0; q < QUEUES; q++)
		for (int i = 0; i < 2; i++)
			rte_eth_rx_burst(back, q, pkts, BURST);
}

static void
events_tell_of_front_ends(void **state)
{
	struct rte_eth_vhost_queue_event event;
	unsigned int seen = 0;

	(void)state;
	plug_back(false);
	assert_false(link_is_up());
	assert_int_equal(rte_eth_vhost_get_vid_from_port_id(back), -1);
	assert_int_equal(rte_eth_vhost_get_queue_event(back, &event), -1);

	plug_front("");
	assert_true(rte_eth_vhost_get_vid_from_port_id(back) >= 0);
	while (seen != 0xf) {
		if (rte_eth_vhost_get_queue_event(back, &event) != 0) {
			sched_yield();
			continue;
		}
		assert_true(event.enable);
		assert_in_range(event.queue_id, 0, QUEUES - 1);
		assert_int_equal(seen & (1U << (2 * event.queue_id + event.rx)), 0);
		seen |= 1U << (2 * event.queue_id + event.rx);
	}
	while (__atomic_load_n(&link_events, __ATOMIC_ACQUIRE) != 1)
		sched_yield();
	while (__atomic_load_n(&queue_events, __ATOMIC_ACQUIRE) < 2 * QUEUES)
		sched_yield();

	unplug_front();
	while (__atomic_load_n(&link_events, __ATOMIC_ACQUIRE) != 2)
		sched_yield();
	assert_int_equal(rte_eth_vhost_get_vid_from_port_id(back), -1);
	assert_int_equal(rte_eth_vhost_get_queue_event(back, NULL), -1);
	assert_int_equal(rte_eth_vhost_get_vid_from_port_id(RTE_MAX_ETHPORTS - 1), -1);
	unplug_back();
}

static void
forget_queue_events(void)
{
	struct rte_eth_vhost_queue_event event;

	while (rte_eth_vhost_get_queue_event(back, &event) == 0)
		continue;
}

/* One dies and comes back, and is seen to come before it is seen to go; with fewer queues, too. */
static void
events_tell_of_the_front_end_that_has_the_port(void **state)
{
	struct rte_eth_vhost_queue_event event;
	uint16_t first;
	int vid;

	(void)state;
	plug_back(false);
	plug_front("");
	first = front;
	vid = rte_eth_vhost_get_vid_from_port_id(back);
	forget_queue_events();
	queue_events = 0;

	plug_front_as("net_virtio_user1", 1, "");
	while (rte_eth_vhost_get_vid_from_port_id(back) == vid)
		sched_yield();
	while (__atomic_load_n(&queue_events, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rte_eth_vhost_get_queue_event(back, &event), 0);
		assert_int_equal(event.queue_id, 1);
		assert_false(event.enable);
	}
	assert_int_equal(rte_eth_vhost_get_queue_event(back, &event), -1);

	rte_eth_dev_stop(first);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_virtio_user0"), 0);
	assert_int_equal(rte_eth_vhost_get_queue_event(back, &event), -1);
	send_one();
	receive_one();
	rte_eth_dev_stop(front);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_virtio_user1"), 0);
	while (link_is_up())
		sched_yield();
	unplug_back();
}

/* Its first ring is enabled while another one has the port, the second after that has gone. */
static void
events_tell_of_a_front_end_that_comes_while_one_goes(void **state)
{
	struct rte_eth_vhost_queue_event event;
	unsigned int seen = 0;
	struct frontend fe;

	(void)state;
	plug_back(false);
	plug_front("");
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_features(&fe, UINT64_C(1) << VIRTIO_F_VERSION_1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_true(fe_get_u64(&fe, VHOST_USER_GET_FEATURES) != 0);
	unplug_front();
	forget_queue_events();
	assert_int_equal(fe_setup_ring(&fe, 1), 0);
	while (!link_is_up())
		sched_yield();
	while (rte_eth_vhost_get_queue_event(back, &event) == 0) {
		assert_true(event.enable);
		assert_int_equal(event.queue_id, 0);
		seen |= 1U << event.rx;
	}
	assert_int_equal(seen, 3);
	fe_fini(&fe);
	while (link_is_up())
		sched_yield();
	unplug_back();
}

static void
frames_pass_both_ways(void **state)
{
	struct rte_eth_stats stats;
	uint64_t bytes = 0;

	plug_back(false);
	plug_front(*state);
	for (uint32_t round = 0; round < 300; round++) {
		struct rte_mbuf *pkts[BURST];
		uint16_t queue = round % QUEUES, n = 1 + round % BURST;
		uint16_t len = 14 + round * 5 % 1400;

		for (uint16_t i = 0; i < n; i++)
			pkts[i] = make_frame(round + i, len);
		send_all(front, queue, pkts, n);
		receive_all(back, queue, pkts, n);
		for (uint16_t i = 0; i < n; i++)
			check_frame(pkts[i], round + i, len, back);
		send_all(back, queue, pkts, n);
		receive_all(front, queue, pkts, n);
		for (uint16_t i = 0; i < n; i++)
			check_frame(pkts[i], round + i, len, front);
		rte_pktmbuf_free_bulk(pkts, n);
		bytes += n * len;
	}
	assert_int_equal(rte_eth_stats_get(back, &stats), 0);
	assert_int_equal(stats.ibytes, bytes);
	assert_int_equal(stats.obytes, bytes);
	assert_int_equal(stats.ipackets, stats.opackets);
	assert_int_equal(stats.q_ibytes[0] + stats.q_ibytes[1], bytes);
	assert_int_equal(rte_eth_stats_reset(back), 0);
	assert_int_equal(rte_eth_stats_get(back, &stats), 0);
	assert_int_equal(stats.ipackets + stats.opackets + stats.ibytes + stats.obytes, 0);
	unplug_front();
	unplug_back();
}

/* Chains, clones and frames that somebody else holds too, among ordinary ones. */
static void
every_kind_of_mbuf_is_sent_and_freed(void **state)
{
	struct rte_mbuf *pkts[4], *held;

	(void)state;
	plug_back(false);
	plug_front("");
	pkts[0] = make_frame(1, 100);
	pkts[1] = make_frame(2, 64);
	assert_int_equal(rte_pktmbuf_chain(pkts[1], make_frame(3, 1200)), 0);
	held = make_frame(4, 300);
	rte_mbuf_refcnt_update(held, 1);
	pkts[2] = held;
	pkts[3] = rte_pktmbuf_clone(held, pool);
	assert_non_null(pkts[3]);
	send_all(back, 0, pkts, 4);
	assert_int_equal(rte_mbuf_refcnt_read(held), 1);
	rte_pktmbuf_free(held);

	receive_all(front, 0, pkts, 4);
	check_frame(pkts[0], 1, 100, front);
	assert_int_equal(pkts[1]->pkt_len, 1264);
	check_frame(pkts[2], 4, 300, front);
	check_frame(pkts[3], 4, 300, front);
	rte_pktmbuf_free_bulk(pkts, 4);
	unplug_front();
	unplug_back();
}

static bool
interrupted(int timeout_ms)
{
	struct rte_epoll_event event;
	int n = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, timeout_ms);

	assert_in_range(n, 0, 1);
	return n == 1;
}

static void
forget_interrupts(void)
{
	while (interrupted(0))
		continue;
}

static void
check_interrupts(void)
{
	/* A frame that comes while nobody sleeps is told when somebody wants to. */
	assert_int_equal(rte_eth_dev_rx_intr_disable(back, 0), 0);
	empty_rings();
	forget_interrupts();
	send_one();
	assert_false(interrupted(0));
	assert_int_equal(rte_eth_dev_rx_intr_enable(back, 0), 0);
	assert_true(interrupted(WAIT_MS));
	receive_one();

	/* One that comes later kicks. */
	assert_int_equal(rte_eth_dev_rx_intr_enable(back, 0), 0);
	forget_interrupts();
	send_one();
	assert_true(interrupted(WAIT_MS));
	receive_one();

	/* And none does when nobody wants to know. */
	assert_int_equal(rte_eth_dev_rx_intr_disable(back, 0), 0);
	forget_interrupts();
	send_one();
	assert_false(interrupted(0));
	receive_one();
}

static void
kicks_wake_a_sleeper(void **state)
{
	(void)state;
	plug_back(true);
	assert_int_equal(rte_eth_dev_rx_intr_ctl_q(back, 0, RTE_EPOLL_PER_THREAD,
				 RTE_INTR_EVENT_ADD, NULL),
		0);
	for (int life = 0; life < 3; life++) {
		plug_front(life == 1 ? ",packed_vq=1" : "");
		check_interrupts();
		/* Asleep while the front end goes and another comes: it is told. */
		assert_int_equal(rte_eth_dev_rx_intr_enable(back, 0), 0);
		forget_interrupts();
		unplug_front();
	}
	plug_front("");
	assert_true(interrupted(WAIT_MS));
	empty_rings();
	forget_interrupts();
	send_one();
	assert_true(interrupted(WAIT_MS));
	receive_one();
	unplug_front();
	assert_int_equal(rte_eth_dev_rx_intr_ctl_q(back, 0, RTE_EPOLL_PER_THREAD,
				 RTE_INTR_EVENT_DEL, NULL),
		0);
	unplug_back();
}

static uint64_t
monitored(const struct rte_power_monitor_cond *cond)
{
	switch (cond->size) {
	case 1:
		return *(volatile uint8_t *)cond->addr;
	case 2:
		return *(volatile uint16_t *)cond->addr;
	case 4:
		return *(volatile uint32_t *)cond->addr;
	default:
		return *(volatile uint64_t *)cond->addr;
	}
}

static void
waiting_frames_show(void **state)
{
	struct rte_power_monitor_cond cond;

	plug_back(false);
	assert_int_equal(rte_eth_get_monitor_addr(back, 0, &cond), -EINVAL);
	assert_int_equal(rte_eth_rx_queue_count(back, 0), 0);
	plug_front(*state);
	empty_rings();
	assert_int_equal(rte_eth_rx_queue_count(back, 0), 0);
	assert_int_equal(rte_eth_get_monitor_addr(back, 0, &cond), 0);
	assert_int_equal(cond.fn(monitored(&cond), cond.opaque), 0);
	send_one();
	assert_int_equal(cond.fn(monitored(&cond), cond.opaque), -1);
	/* Of packed rings the library does not know the count without walking them. */
	if (*(const char *)*state == '\0')
		assert_int_equal(rte_eth_rx_queue_count(back, 0), 1);
	receive_one();
	unplug_front();
	unplug_back();
}

static unsigned int
read_xstats(struct rte_eth_xstat *xstats, struct rte_eth_xstat_name *names, unsigned int size)
{
	int n = rte_eth_xstats_get(back, xstats, size);

	assert_in_range(n, 1, size);
	assert_int_equal(rte_eth_xstats_get_names(back, names, size), n);
	return n;
}

static uint64_t
xstat(const char *name)
{
	struct rte_eth_xstat xstats[512];
	struct rte_eth_xstat_name names[512];
	unsigned int n = read_xstats(xstats, names, RTE_DIM(xstats));

	for (unsigned int i = 0; i < n; i++)
		if (strcmp(names[i].name, name) == 0)
			return xstats[i].value;
	fail_msg("no extended statistic is called %s", name);
	return 0;
}

static void
extended_statistics_outlive_front_ends(void **state)
{
	(void)state;
	plug_back(false);
	for (uint64_t life = 1; life <= 3; life++) {
		plug_front("");
		send_one();
		receive_one();
		assert_int_equal(xstat("rx_q0_good_packets"), life);
		unplug_front();
		assert_int_equal(xstat("rx_q0_good_packets"), life);
		assert_int_equal(xstat("rx_q0_good_bytes"), life * 60);
		assert_int_equal(xstat("tx_q1_good_packets"), 0);
	}
	assert_int_equal(rte_eth_xstats_reset(back), 0);
	assert_int_equal(xstat("rx_q0_good_packets"), 0);
	assert_int_equal(xstat("rx_good_packets"), 0);
	unplug_back();
}

static void
check_sent(uint64_t packets, uint64_t bytes, uint64_t errors)
{
	struct rte_eth_stats stats;

	assert_int_equal(rte_eth_stats_get(back, &stats), 0);
	assert_int_equal(stats.opackets, packets);
	assert_int_equal(stats.obytes, bytes);
	assert_int_equal(stats.oerrors, errors);
	assert_int_equal(stats.q_opackets[0], packets);
	assert_int_equal(stats.q_obytes[0], bytes);
}

/* Two frames that arrive, and between them one that no buffer holds and one whose headers are nowhere. */
static void
send_good_and_bad(void)
{
	struct rte_mbuf *pkts[4] = { make_frame(1, 100), make_frame(2, 1500), make_frame(3, 60),
		make_frame(4, 200) };

	assert_int_equal(rte_pktmbuf_chain(pkts[1], make_frame(3, 1500)), 0);
	pkts[2]->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	pkts[2]->l2_len = 14;
	pkts[2]->l3_len = 400;
	send_all(back, 0, pkts, 4);
	receive_all(front, 0, pkts, 2);
	check_frame(pkts[0], 1, 100, front);
	check_frame(pkts[1], 4, 200, front);
	rte_pktmbuf_free_bulk(pkts, 2);
}

static void
dropped_frames_are_errors_and_not_sent(void **state)
{
	plug_back(false);
	plug_front(*state);
	for (uint64_t n = 1; n <= 2; n++) {
		send_good_and_bad();
		check_sent(2 * n, 300 * n, 2 * n);
	}
	unplug_front();
	check_sent(4, 600, 4);
	assert_int_equal(rte_eth_stats_reset(back), 0);
	check_sent(0, 0, 0);
	assert_int_equal(xstat("tx_q0_too_large_drops"), 2);
	plug_front(*state);
	send_good_and_bad();
	check_sent(2, 300, 2);
	assert_int_equal(xstat("tx_q0_too_large_drops"), 3);

	/* In the middle of a connection, whose ring counts on. */
	assert_int_equal(rte_eth_xstats_reset(back), 0);
	check_sent(0, 0, 0);
	assert_int_equal(xstat("tx_q0_too_large_drops"), 0);
	send_good_and_bad();
	check_sent(2, 300, 2);
	unplug_front();
	check_sent(2, 300, 2);
	assert_int_equal(xstat("tx_q0_offload_drops"), 1);
	assert_int_equal(xstat("tx_q0_good_packets"), 2);
	unplug_back();
}

static void
check_received(uint64_t packets, uint64_t errors)
{
	struct rte_eth_stats stats;

	assert_int_equal(rte_eth_stats_get(back, &stats), 0);
	assert_int_equal(stats.ipackets, packets);
	assert_int_equal(stats.ierrors, errors);
	assert_int_equal(stats.q_errors[0], errors);
	assert_int_equal(stats.rx_nombuf, 0);
}

/* One that ends within its Ethernet header. */
static void
what_is_no_frame_is_an_input_error(void **state)
{
	struct rte_mbuf *pkts[2];

	plug_back(false);
	plug_front(*state);
	for (uint64_t n = 1; n <= 2; n++) {
		pkts[0] = make_frame(1, 1);
		pkts[1] = make_frame(2, 60);
		send_all(front, 0, pkts, 2);
		receive_all(back, 0, pkts, 1);
		check_frame(pkts[0], 2, 60, back);
		rte_pktmbuf_free(pkts[0]);
		check_received(n, n);
	}
	unplug_front();
	check_received(2, 2);
	assert_int_equal(rte_eth_stats_reset(back), 0);
	check_received(0, 0);
	assert_int_equal(xstat("rx_q0_bad_chain_drops"), 2);
	unplug_back();
}

/* Whoever has the number of the device may have librte_vhost count anew, and the port does not. */
static void
statistics_of_the_port_stay_when_those_of_rings_are_reset(void **state)
{
	plug_back(false);
	plug_front(*state);
	for (uint64_t n = 1; n <= 2; n++) {
		send_good_and_bad();
		check_sent(2 * n, 300 * n, 2 * n);
		assert_int_equal(rte_vhost_vring_stats_reset(rte_eth_vhost_get_vid_from_port_id(
								     back),
					 0),
			0);
		check_sent(2 * n, 300 * n, 2 * n);
		assert_int_equal(xstat("tx_q0_good_packets"), 2 * n);
	}
	assert_int_equal(rte_eth_xstats_reset(back), 0);
	send_good_and_bad();
	check_sent(2, 300, 2);
	unplug_front();
	check_sent(2, 300, 2);
	assert_int_equal(xstat("tx_q0_good_packets"), 2);
	unplug_back();
}

/* Buffers of a ring that the guest receives from, as many as its page has room for. */
static void
offer_buffers(struct frontend *fe, uint32_t ring, uint16_t n)
{
	uint8_t *at = fe->memory + (size_t)ring * FE_RING_SPACE;
	struct vring_desc *desc = (struct vring_desc *)at;
	struct vring_avail *avail = (struct vring_avail *)(at + AVAIL);

	for (uint16_t i = 0; i < n; i++) {
		desc[i] = (struct vring_desc){ .addr = FE_GPA + FE_MEMORY_SIZE / 2 + 2048u * i,
			.len = 2048,
			.flags = VRING_DESC_F_WRITE };
		avail->ring[i] = i;
	}
	__atomic_store_n(&avail->idx, n, __ATOMIC_RELEASE);
}

/* A front end may name rings while others of its run already. */
static void
rings_that_come_later_count_as_well(void **state)
{
	struct rte_mbuf *pkts[2];
	struct rte_eth_stats stats;
	struct frontend fe;

	(void)state;
	plug_back(false);
	fe_init(&fe, fe_connect(path), NULL);
	assert_int_equal(fe_set_features(&fe, UINT64_C(1) << VIRTIO_F_VERSION_1), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	for (uint32_t i = 0; i < 2 * QUEUES; i++) {
		offer_buffers(&fe, i, i & 1 ? 0 : 2);
		assert_int_equal(fe_setup_ring(&fe, i), 0);
		while (i == 1 && !link_is_up())
			sched_yield();
	}
	while (__atomic_load_n(&queue_events, __ATOMIC_ACQUIRE) < 2 * QUEUES)
		sched_yield();

	pkts[0] = make_frame(1, 100);
	pkts[0]->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	pkts[0]->l2_len = 14;
	pkts[0]->l3_len = 400;
	pkts[1] = make_frame(2, 100);
	send_all(back, 1, pkts, 2);
	assert_int_equal(rte_eth_stats_get(back, &stats), 0);
	assert_int_equal(stats.q_opackets[1], 1);
	assert_int_equal(stats.oerrors, 1);
	assert_int_equal(xstat("tx_q1_good_packets"), 1);
	assert_int_equal(xstat("rx_q1_good_packets"), 0);
	fe_fini(&fe);
	while (link_is_up())
		sched_yield();
	unplug_back();
}

/* New queues begin at zero; what the rings have counted since the last reset stays. */
static void
extended_statistics_outlive_configuration(void **state)
{
	plug_back(false);
	for (uint64_t life = 1; life <= 2; life++) {
		plug_front(*state);
		send_good_and_bad();
		assert_int_equal(rte_eth_dev_stop(back), 0);
		configure(back, 1, false);
		check_sent(0, 0, 0);
		assert_int_equal(xstat("tx_q0_good_packets"), 4 * life - 2);
		send_good_and_bad();
		check_sent(2, 300, 2);
		assert_int_equal(rte_eth_dev_stop(back), 0);
		configure(back, QUEUES, false);
		assert_int_equal(xstat("tx_q0_good_packets"), 4 * life);
		assert_int_equal(xstat("tx_q1_good_packets"), 0);
		unplug_front();
	}
	unplug_back();
}

static int
setup(void **state)
{
	static char args[][32] = { "unit", "--no-huge", "--single-file-segments", "--no-shconf",
		"--no-pci", "--no-telemetry", "--log-level=*:warning", "-m", "256", "-l", "0" };
	char *argv[RTE_DIM(args)];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return -1;
	snprintf(path, sizeof(path), "/tmp/net_vhost_port_test.%d.sock", (int)getpid());
	pool = rte_pktmbuf_pool_create("port", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	static char split[] = "", packed[] = ",packed_vq=1";
	static char small[] = ",mrg_rxbuf=0", small_packed[] = ",mrg_rxbuf=0,packed_vq=1";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_tell_of_front_ends),
		cmocka_unit_test(events_tell_of_the_front_end_that_has_the_port),
		cmocka_unit_test(events_tell_of_a_front_end_that_comes_while_one_goes),
		cmocka_unit_test_prestate(frames_pass_both_ways, split),
		cmocka_unit_test_prestate(frames_pass_both_ways, packed),
		cmocka_unit_test(every_kind_of_mbuf_is_sent_and_freed),
		cmocka_unit_test(kicks_wake_a_sleeper),
		cmocka_unit_test_prestate(waiting_frames_show, split),
		cmocka_unit_test_prestate(waiting_frames_show, packed),
		cmocka_unit_test(extended_statistics_outlive_front_ends),
		cmocka_unit_test_prestate(dropped_frames_are_errors_and_not_sent, small),
		cmocka_unit_test_prestate(dropped_frames_are_errors_and_not_sent, small_packed),
		cmocka_unit_test_prestate(what_is_no_frame_is_an_input_error, split),
		cmocka_unit_test_prestate(extended_statistics_outlive_configuration, small),
		cmocka_unit_test_prestate(statistics_of_the_port_stay_when_those_of_rings_are_reset,
			small),
		cmocka_unit_test(rings_that_come_later_count_as_well),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

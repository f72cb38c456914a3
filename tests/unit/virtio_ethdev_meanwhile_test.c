/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the application asks of a port in one thread while another one is in the middle of something: at
 * a moment that the test knows, as what it asks then comes from a mempool, or from the doorbell.
 */

#include "virtio_ethdev_rig.h"

#include <inttypes.h>
#include <unistd.h>

#include <rte_mempool.h>

/* Called once, when an mbuf is put into the pool or taken out of it, as the test says. */
static void (*at_put)(void), (*at_get)(void);

static const struct rte_mempool_ops *
rings(void)
{
	for (unsigned int i = 0; i < rte_mempool_ops_table.num_ops; i++)
		if (strcmp(rte_mempool_ops_table.ops[i].name, "ring_mp_mc") == 0)
			return &rte_mempool_ops_table.ops[i];
	return NULL;
}

static void
call_once(void (**call)(void))
{
	void (*const now)(void) = *call;

	*call = NULL;
	if (now != NULL)
		now();
}

static int
pool_alloc(struct rte_mempool *mp)
{
	return rings()->alloc(mp);
}

static void
pool_free(struct rte_mempool *mp)
{
	rings()->free(mp);
}

static int
pool_put(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	call_once(&at_put);
	return rings()->enqueue(mp, objs, n);
}

static int
pool_get(struct rte_mempool *mp, void **objs, unsigned int n)
{
	call_once(&at_get);
	return rings()->dequeue(mp, objs, n);
}

static unsigned int
pool_count(const struct rte_mempool *mp)
{
	return rings()->get_count(mp);
}

static const struct rte_mempool_ops calling_ops = {
	.name = "calling",
	.alloc = pool_alloc,
	.free = pool_free,
	.enqueue = pool_put,
	.dequeue = pool_get,
	.get_count = pool_count,
};
RTE_MEMPOOL_REGISTER_OPS(calling_ops);

static int
setup(void **state)
{
	if (make_port(state) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create_by_ops("calling", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0,
		"calling");
	return pool == NULL ? -1 : 0;
}

/* --- receive interrupts --- */

static void
want_interrupts(void)
{
	assert_int_equal(rte_eth_dev_rx_intr_enable(port, 0), 0);
}

static void
want_none(void)
{
	assert_int_equal(rte_eth_dev_rx_intr_disable(port, 0), 0);
}

static bool
device_may_interrupt(void)
{
	const struct virtio_queue *q = device.queues[0];

	if (virtio_has(&device, VIRTIO_F_RING_PACKED))
		return q->driver_event->flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	return q->avail->flags == 0;
}

static void
interrupts_are_as_asked_for_last(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		void (*const asks)(void) = i & 1 ? want_interrupts : want_none;
		void (**const when)(void) = i & 2 ? &at_put : &at_get;

		device.offered = FEATURES | (i & 4 ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(0, 0);
		if (i & 1)
			want_none();
		else
			want_interrupts();
		assert_int_equal(device_may_interrupt(), !(i & 1));
		/* What was in the rings goes into the pool then, and what fills them comes from it. */
		*when = asks;
		assert_int_equal(rte_eth_dev_stop(port), 0);
		assert_int_equal(rte_eth_dev_start(port), 0);
		assert_null(*when);
		assert_int_equal(device_may_interrupt(), i & 1);
		if (i < 7)
			assert_int_equal(rte_eth_dev_stop(port), 0);
	}
}

static pthread_t sleeper;

static void *
go_to_sleep(void *arg)
{
	want_interrupts();
	return arg;
}

static void
have_another_thread_go_to_sleep(void)
{
	const struct virtio_queue *q = device.queues[0];

	assert_int_equal(pthread_create(&sleeper, NULL, go_to_sleep, NULL), 0);
	/* It closes the queue, and waits. */
	for (unsigned int i = 0; i < 1000 && __atomic_load_n(&q->running, __ATOMIC_RELAXED); i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&q->in_burst, __ATOMIC_RELAXED), VIRTIO_PROCESS_PRIMARY);
}

static void
interrupts_are_asked_for_after_the_burst_of_another_thread(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct reference_chain chain = { 0 };
	struct reference_ring ring;
	struct rte_mbuf *m[32];

	(void)state;
	configure(0, 0);
	want_none();
	reference_init(&ring, device.queues[0], false, false);
	for (unsigned int i = 0; i < RTE_DIM(m); i++) {
		assert_true(reference_pop(&ring, &chain));
		reference_scatter(&chain, (const uint8_t *)&hdr, sizeof(hdr));
		reference_push(&ring, chain.id, sizeof(hdr) + 60, chain.descs, 0);
	}
	at_get = have_another_thread_go_to_sleep;
	assert_int_equal(rte_eth_rx_burst(port, 0, m, RTE_DIM(m)), RTE_DIM(m));
	assert_null(at_get);
	assert_int_equal(pthread_join(sleeper, NULL), 0);
	assert_true(device_may_interrupt());
	rte_pktmbuf_free_bulk(m, RTE_DIM(m));
}

/* --- statistics --- */

static bool reset_at_doorbell;

static void
ring_doorbell(struct virtio_queue *q)
{
	(void)q;
	if (reset_at_doorbell)
		assert_int_equal(rte_eth_xstats_reset(port), 0);
	reset_at_doorbell = false;
}

static void
reset_statistics(void)
{
	assert_int_equal(rte_eth_xstats_reset(port), 0);
}

/* Of the driver's own statistics, each that is not 0 is told, and no other one. */
struct told {
	const char *name;
	uint64_t value;
};

static void
assert_statistics(const struct told *expected, unsigned int n)
{
	struct rte_eth_xstat_name names[512];
	struct rte_eth_xstat stats[RTE_DIM(names)];
	const int all = rte_eth_xstats_get_names(port, names, RTE_DIM(names));

	assert_true(all > 0 && all <= (int)RTE_DIM(names));
	assert_int_equal(rte_eth_xstats_get(port, stats, RTE_DIM(stats)), all);
	for (int i = 0; i < all; i++) {
		uint64_t value = 0;

		if (strncmp(names[i].name, "rx_q", 4) != 0 &&
			strncmp(names[i].name, "tx_q", 4) != 0)
			continue;
		for (unsigned int j = 0; j < n; j++)
			if (strcmp(names[i].name, expected[j].name) == 0)
				value = expected[j].value;
		if (stats[i].value != value)
			fail_msg("%s is %" PRIu64 ", not %" PRIu64, names[i].name, stats[i].value,
				value);
	}
}

static uint16_t
transmit(uint32_t len, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		m[i] = frame(len);
	return rte_eth_tx_burst(port, 1, m, n);
}

/* The ring has room for 64 of them, which the device takes after the reset. */
static void
a_burst_that_is_cut_short_counts_what_was_sent(void **state)
{
	static const struct told expected[] = {
		{ "tx_q1_packets", 64 },
		{ "tx_q1_bytes", 6400 },
		{ "tx_q1_size_65_127_packets", 64 },
	};
	struct virtio_transport_ops ringing = transport;
	struct rte_mbuf *m[100];

	(void)state;
	ringing.notify = ring_doorbell;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		device.transport = &ringing;
		configure(0, 0);
		reset_at_doorbell = true;
		assert_int_equal(transmit(100, m, RTE_DIM(m)), 64);
		assert_false(reset_at_doorbell);
		device.transport = &transport;
		assert_statistics(expected, RTE_DIM(expected));
		rte_pktmbuf_free_bulk(&m[64], RTE_DIM(m) - 64);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* One in the middle of a burst that first frees what the device has sent of the one before. */
static void
a_dropped_frame_was_never_counted(void **state)
{
	static const struct told expected[] = {
		{ "tx_q1_packets", 2 },
		{ "tx_q1_bytes", 400 },
		{ "tx_q1_unsendable", 1 },
		{ "tx_q1_kicks", 1 },
		{ "tx_q1_size_128_255_packets", 2 },
	};
	struct reference_chain chain = { 0 };
	struct reference_ring ring;
	struct rte_mbuf *m[20];

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(0, 0);
		reference_init(&ring, device.queues[3], packed, false);
		assert_int_equal(transmit(100, m, 20), 20);
		while (reference_pop(&ring, &chain))
			reference_push(&ring, chain.id, 0, chain.descs, 0);
		m[0] = frame(200);
		m[1] = frame(20);
		for (unsigned int i = 0; i < VIRTIO_TX_SEGS_MAX; i++)
			assert_int_equal(rte_pktmbuf_chain(m[1], frame(20)), 0);
		m[2] = frame(200);
		at_put = reset_statistics;
		assert_int_equal(rte_eth_tx_burst(port, 1, m, 3), 3);
		assert_null(at_put);
		assert_statistics(expected, RTE_DIM(expected));
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* Two frames that are none, between two that are. */
static void
a_runt_was_never_counted(void **state)
{
	static const uint32_t sizes[] = { 60, 10, 9, 61 };
	static const struct told expected[] = {
		{ "rx_q0_packets", 2 },
		/* The first good one was counted before the reset. */
		{ "rx_q0_bytes", 61 },
		{ "rx_q0_malformed", 1 },
		{ "rx_q0_size_below_64_packets", 2 },
	};
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct reference_chain chain = { 0 };
	struct reference_ring ring;
	struct rte_mbuf *m[4];

	(void)state;
	for (unsigned int packed = 0; packed < 2; packed++) {
		device.offered = FEATURES | (packed ? F(VIRTIO_F_RING_PACKED) : 0);
		configure(0, 0);
		reference_init(&ring, device.queues[0], packed, false);
		for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
			assert_true(reference_pop(&ring, &chain));
			reference_scatter(&chain, (const uint8_t *)&hdr, sizeof(hdr));
			reference_push(&ring, chain.id, sizeof(hdr) + sizes[i], chain.descs, 0);
		}
		at_put = reset_statistics;
		assert_int_equal(rte_eth_rx_burst(port, 0, m, RTE_DIM(m)), 2);
		assert_null(at_put);
		assert_statistics(expected, RTE_DIM(expected));
		rte_pktmbuf_free_bulk(m, 2);
		assert_int_equal(rte_eth_dev_stop(port), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(interrupts_are_as_asked_for_last, forget),
		cmocka_unit_test_teardown(
			interrupts_are_asked_for_after_the_burst_of_another_thread, forget),
		cmocka_unit_test_teardown(a_burst_that_is_cut_short_counts_what_was_sent, forget),
		cmocka_unit_test_teardown(a_dropped_frame_was_never_counted, forget),
		cmocka_unit_test_teardown(a_runt_was_never_counted, forget),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

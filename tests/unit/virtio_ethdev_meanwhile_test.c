/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the application asks of a port in one thread while another one is in the middle of something: at
 * a moment that the test knows, as what it asks then comes from a mempool.
 */

#include "virtio_ethdev_rig.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(interrupts_are_as_asked_for_last, forget),
		cmocka_unit_test_teardown(
			interrupts_are_asked_for_after_the_burst_of_another_thread, forget),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the application asks of a port in one thread while another one is in the middle of something: at
 * a moment that the test knows, as what it asks then comes from a mempool.
 */

#include "virtio_ethdev_rig.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(interrupts_are_as_asked_for_last, forget),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

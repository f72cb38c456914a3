/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What processes that share a queue may rely on: how one bursts that does not own the port, and what the
 * owner does about one that died in there.
 */

#include "virtio_reference_device.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath.h"
#include "device.h"
#include "process.h"
#include "secondary.h"
#include "transport.h"
#include "unit_eal.h"

#define FEATURES (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
#define RING_SIZE 64
#define BATCH 16
/* Of a process that never joined, and so is dead. */
#define NOBODY 12345
#define PORT 3

static struct rte_mempool *pool;
static struct rte_eth_dev_data data = { .port_id = PORT, .name = "test" };
static struct rte_eth_dev eth = { .data = &data };
static unsigned int notified, notified_here, failed;

static void
count_notify(struct virtio_queue *q)
{
	(void)q;
	notified++;
}

static void
count_failure(struct virtio_queue *q)
{
	assert_true(virtio_queue_failed(q));
	failed++;
}

static const struct virtio_transport_ops transport = {
	.name = "test",
	.notify = count_notify,
	.queue_failed = count_failure,
};

static struct virtio_device device = {
	.transport = &transport,
	.eth = &eth,
	.name = "test",
	.port_id = PORT,
};

static void
count_notify_here(struct virtio_secondary *s, struct virtio_queue *q)
{
	assert_ptr_equal(rte_eth_devices[PORT].process_private, s);
	assert_ptr_equal(q->dev, &device);
	notified_here++;
}

static struct virtio_secondary here = { .notify = count_notify_here };

static struct virtio_queue *
make_queue(bool tx)
{
	struct virtio_queue *q = virtio_queue_create(&device, tx, RING_SIZE, SOCKET_ID_ANY);

	assert_non_null(q);
	q->batch = BATCH;
	q->nb_segs_max = VIRTIO_TX_SEGS_MAX;
	if (!tx) {
		q->pool = pool;
		q->room = RTE_PKTMBUF_HEADROOM;
		q->data_room = rte_pktmbuf_data_room_size(pool);
	}
	virtio_queue_reset(q, FEATURES);
	virtio_queue_run(q);
	return q;
}

static int
setup(void **state)
{
	if (unit_eal_setup(state) != 0 || virtio_queue_init() != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	rte_eth_devices[PORT].data = &data;
	rte_eth_devices[PORT].process_private = &here;
	return pool == NULL ? -1 : 0;
}

static int
be_primary(void **state)
{
	(void)state;
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	notified = notified_here = failed = 0;
	return 0;
}

/*
 * Nobody waits for a burst that never ends, and nothing in the ring is given back or sent, as it may be
 * somebody's now, until the ring is new.
 */
static void
the_burst_of_a_dead_process_is_not_waited_for(void **state)
{
	const unsigned int before = rte_mempool_avail_count(pool);
	struct virtio_queue *q = make_queue(false);
	const uint16_t lost = virtio_rx_fill(q);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)state;
	q->in_burst = NOBODY;
	virtio_queues_quiesce(&q, 1);
	assert_int_equal(q->in_burst, 0);
	assert_int_equal(failed, 1);
	assert_true(virtio_queue_failed(q));
	assert_string_equal(virtio_queue_culprit(q, "the device"), "a secondary process");
	virtio_queue_run(q);
	assert_int_equal(virtio_queue_inject(q, &m, 1), 0);
	virtio_queue_reset(q, FEATURES);
	assert_int_equal(rte_mempool_avail_count(pool), before - lost - 1);
	assert_false(virtio_queue_failed(q));
	assert_true(virtio_rx_fill(q) > 0);
	virtio_queue_run(q);
	assert_int_equal(virtio_rx_burst(q, &m, 1), 0);
	virtio_queue_destroy(q);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(pool), before - lost);
}

/* Polling in vain, as processes do most of the time, leaves no trace if it is cut short. */
static void
a_secondary_process_claims_a_queue_only_to_work(void **state)
{
	struct virtio_queue *q = make_queue(false);
	struct reference_ring ring;
	struct reference_chain c = { 0 };
	struct rte_mbuf *m = NULL;

	(void)state;
	virtio_rx_fill(q);
	reference_init(&ring, q, false, false);
	virtio_process = 2;
	q->in_burst = NOBODY;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_int_equal(q->in_burst, NOBODY);

	assert_true(reference_pop(&ring, &c));
	reference_push(&ring, c.id, sizeof(struct virtio_net_hdr_v1) + RTE_ETHER_MIN_LEN, c.descs,
		0);
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 1);
	assert_int_equal(q->in_burst, 0);
	rte_pktmbuf_free(m);

	/* Of a port that nobody has set up. */
	assert_int_equal(virtio_secondary_rx_burst(NULL, &m, 1), 0);
	assert_int_equal(virtio_secondary_tx_burst(NULL, &m, 1), 0);
	virtio_queue_destroy(q);
}

/* Buffers that a receive queue is short of are posted although nothing has come. */
static void
a_secondary_process_fills_an_empty_ring(void **state)
{
	struct virtio_queue *q = make_queue(false);
	struct rte_mbuf *m = NULL;

	(void)state;
	virtio_process = 2;
	assert_int_equal(q->free, RING_SIZE);
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_true(q->free < BATCH);
	virtio_queue_destroy(q);
}

/* Pointers of the transport are the primary's. */
static void
each_process_rings_its_own_doorbell(void **state)
{
	struct virtio_queue *q = make_queue(true);
	struct rte_mbuf *m;

	(void)state;
	m = rte_pktmbuf_alloc(pool);
	assert_int_equal(virtio_tx_burst(q, &m, 1), 1);
	assert_int_equal(notified, 1);
	assert_int_equal(notified_here, 0);

	virtio_process = 2;
	m = rte_pktmbuf_alloc(pool);
	assert_int_equal(virtio_secondary_tx_burst(q, &m, 1), 1);
	assert_int_equal(notified, 1);
	assert_int_equal(notified_here, 1);
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	virtio_queue_destroy(q);
}

/* A device that breaks the rules while a secondary process looks stops the queue for all. */
static void
a_secondary_process_leaves_failures_to_the_primary(void **state)
{
	struct virtio_queue *q = make_queue(false);
	struct rte_mbuf *m = NULL;

	(void)state;
	virtio_rx_fill(q);
	virtio_process = 2;
	q->used->idx = RING_SIZE + 1;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_true(virtio_queue_failed(q));
	assert_int_equal(q->running, 0);
	assert_int_equal(q->in_burst, 0);
	assert_int_equal(failed, 0);
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	virtio_queue_destroy(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_burst_of_a_dead_process_is_not_waited_for, be_primary),
		cmocka_unit_test_setup(a_secondary_process_claims_a_queue_only_to_work, be_primary),
		cmocka_unit_test_setup(a_secondary_process_fills_an_empty_ring, be_primary),
		cmocka_unit_test_setup(each_process_rings_its_own_doorbell, be_primary),
		cmocka_unit_test_setup(a_secondary_process_leaves_failures_to_the_primary,
			be_primary),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What processes that share a queue may rely on: how one bursts that does not own the port, and what the
 * owner does about one that died in there.
 */

#include "virtio_reference_device.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath.h"
#include "device.h"
#include "ethdev.h"
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

/* Messages between processes, all of which are this one: what is sent waits until it is delivered. */
static rte_mp_t primary;
static struct rte_mp_msg message;
static unsigned int messages;
static int ends[2]; /* of the pipe by which the primary knows that a process lives */

int __wrap_rte_mp_action_register(const char *name, rte_mp_t action);
int __wrap_rte_mp_sendmsg(struct rte_mp_msg *msg);
int __wrap_rte_mp_reply(struct rte_mp_msg *msg, const char *peer);
int __wrap_rte_mp_request_sync(struct rte_mp_msg *msg, struct rte_mp_reply *reply,
	const struct timespec *patience);

int
__wrap_rte_mp_action_register(const char *name, rte_mp_t action)
{
	(void)name;
	/* What secondary processes hear is of no interest. */
	if (primary == NULL)
		primary = action;
	return 0;
}

int
__wrap_rte_mp_sendmsg(struct rte_mp_msg *msg)
{
	message = *msg;
	messages++;
	return 0;
}

int
__wrap_rte_mp_reply(struct rte_mp_msg *msg, const char *peer)
{
	(void)peer;
	message = *msg;
	return 0;
}

int
__wrap_rte_mp_request_sync(struct rte_mp_msg *msg, struct rte_mp_reply *reply,
	const struct timespec *patience)
{
	(void)patience;
	if (msg->num_fds == 1)
		msg->fds[0] = ends[0];
	assert_int_equal(primary(msg, NULL), 0);
	reply->msgs = malloc(sizeof(message));
	assert_non_null(reply->msgs);
	*reply->msgs = message;
	reply->nb_sent = reply->nb_received = 1;
	return 0;
}

static void
deliver(void)
{
	const uint32_t process = virtio_process;

	virtio_process = VIRTIO_PROCESS_PRIMARY;
	assert_int_equal(primary(&message, NULL), 0);
	virtio_process = process;
}

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
	device.queues[tx] = q;
	return q;
}

static void
destroy(struct virtio_queue *q)
{
	device.queues[q->index] = NULL;
	virtio_queue_destroy(q);
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
	virtio_process_offer(&device);
	return pool == NULL ? -1 : 0;
}

static int
be_primary(void **state)
{
	(void)state;
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	notified = notified_here = failed = messages = 0;
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
	destroy(q);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(pool), before - lost);
}

/* Of eight frames, which the device has sent: freed, and in the ring as if they were not. */
static void
die_in_the_middle_of_freeing(struct virtio_queue *q)
{
	struct rte_mbuf *m[8];

	for (unsigned int i = 0; i < RTE_DIM(m); i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		m[i]->data_len = m[i]->pkt_len = 60;
		q->used->ring[i].id = i;
	}
	assert_int_equal(virtio_tx_burst(q, m, RTE_DIM(m)), RTE_DIM(m));
	__atomic_store_n(&q->used->idx, RTE_DIM(m), __ATOMIC_RELEASE);
	q->in_burst = NOBODY;
	rte_pktmbuf_free_bulk(m, RTE_DIM(m));
}

/* A new ring, as it gets one once the queue has failed. */
static void
assert_nothing_is_freed_twice(struct virtio_queue *q, unsigned int mbufs)
{
	assert_int_equal(rte_mempool_avail_count(pool), mbufs);
	assert_int_equal(q->in_burst, 0);
	assert_int_equal(failed, 1);
	assert_string_equal(virtio_queue_culprit(q, "the device"), "a secondary process");
	virtio_queue_reset(q, FEATURES);
	destroy(q);
	assert_int_equal(rte_mempool_avail_count(pool), mbufs);
}

static void
nobody_goes_on_with_the_burst_of_a_dead_process(void **state)
{
	const unsigned int before = rte_mempool_avail_count(pool);
	struct virtio_queue *q;
	struct rte_mbuf *m;

	(void)state;
	q = make_queue(true);
	die_in_the_middle_of_freeing(q);
	assert_int_equal(virtio_ethdev_tx_done_cleanup(q, 0), 0);
	assert_nothing_is_freed_twice(q, before);

	failed = 0;
	q = make_queue(true);
	die_in_the_middle_of_freeing(q);
	m = rte_pktmbuf_alloc(pool);
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	rte_pktmbuf_free(m);
	assert_nothing_is_freed_twice(q, before);
}

/* It does not know who lives. */
static void
a_secondary_process_leaves_dead_ones_to_the_primary(void **state)
{
	const unsigned int before = rte_mempool_avail_count(pool);
	struct virtio_queue *q = make_queue(true);
	struct rte_mbuf *m;

	(void)state;
	die_in_the_middle_of_freeing(q);
	virtio_process = 2;
	m = rte_pktmbuf_alloc(pool);
	/* One message, or two if the clock strikes meanwhile: not one for each burst. */
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(virtio_secondary_tx_burst(q, &m, 1), 0);
	rte_pktmbuf_free(m);
	assert_int_equal(q->in_burst, NOBODY);
	assert_int_equal(failed, 0);
	assert_in_range(messages, 1, 2);
	deliver();
	/* What another one has sent meanwhile is no news. */
	deliver();
	assert_nothing_is_freed_twice(q, before);
}

/* By mistake of the application, or a process stands still: nobody's frames are touched. */
static void
the_burst_of_a_living_process_is_nobody_elses(void **state)
{
	struct virtio_queue *q = make_queue(true);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t process;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(virtio_process_join("test"), 0);
	process = virtio_process;
	assert_int_not_equal(process, VIRTIO_PROCESS_PRIMARY);
	q->in_burst = process;
	assert_int_equal(virtio_secondary_tx_burst(q, &m, 1), 0);
	q->in_burst = VIRTIO_PROCESS_PRIMARY;
	assert_int_equal(virtio_secondary_tx_burst(q, &m, 1), 0);
	assert_int_equal(messages, 0);
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	assert_int_equal(q->in_burst, VIRTIO_PROCESS_PRIMARY);

	q->in_burst = process;
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	assert_int_equal(q->in_burst, process);
	assert_int_equal(failed, 0);
	close(ends[1]);
	/* As if a second had passed. */
	q->claim_seen = 0;
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	assert_int_equal(q->in_burst, 0);
	assert_int_equal(failed, 1);
	destroy(q);
	rte_pktmbuf_free(m);
}

/* A device that broke the rules is told of, even if who saw it is gone. */
static void
what_a_dead_process_found_is_told(void **state)
{
	struct virtio_queue *q = make_queue(true);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)state;
	virtio_process = 2;
	q->in_burst = NOBODY;
	virtio_queue_fail(q, "a mistake", 7);
	assert_int_equal(failed, 0);
	virtio_process = VIRTIO_PROCESS_PRIMARY;
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	assert_int_equal(failed, 1);
	destroy(q);
	rte_pktmbuf_free(m);
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
	/* Whoever goes as far as to claim finds this in the way, and tells. */
	q->in_burst = NOBODY;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_true(reference_pop(&ring, &c));
	reference_push(&ring, c.id, sizeof(struct virtio_net_hdr_v1) + RTE_ETHER_MIN_LEN, c.descs,
		0);
	q->running = 0;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_int_equal(virtio_secondary_tx_burst(q, &m, 1), 0);
	assert_int_equal(messages, 0);
	q->running = 1;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 0);
	assert_int_equal(messages, 1);
	assert_int_equal(q->in_burst, NOBODY);

	q->in_burst = 0;
	assert_int_equal(virtio_secondary_rx_burst(q, &m, 1), 1);
	assert_int_equal(q->in_burst, 0);
	rte_pktmbuf_free(m);

	/* Of a port that nobody has set up. */
	assert_int_equal(virtio_secondary_rx_burst(NULL, &m, 1), 0);
	assert_int_equal(virtio_secondary_tx_burst(NULL, &m, 1), 0);
	assert_int_equal(virtio_secondary_tx_done_cleanup(NULL, 0), -EINVAL);
	destroy(q);
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
	destroy(q);
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
	destroy(q);
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
	destroy(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_burst_of_a_dead_process_is_not_waited_for, be_primary),
		cmocka_unit_test_setup(nobody_goes_on_with_the_burst_of_a_dead_process, be_primary),
		cmocka_unit_test_setup(a_secondary_process_leaves_dead_ones_to_the_primary,
			be_primary),
		cmocka_unit_test_setup(the_burst_of_a_living_process_is_nobody_elses, be_primary),
		cmocka_unit_test_setup(what_a_dead_process_found_is_told, be_primary),
		cmocka_unit_test_setup(a_secondary_process_claims_a_queue_only_to_work, be_primary),
		cmocka_unit_test_setup(a_secondary_process_fills_an_empty_ring, be_primary),
		cmocka_unit_test_setup(each_process_rings_its_own_doorbell, be_primary),
		cmocka_unit_test_setup(a_secondary_process_leaves_failures_to_the_primary,
			be_primary),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

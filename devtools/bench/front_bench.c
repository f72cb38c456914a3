/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Cycles that the driver side of a ring takes for a frame, on one core with warm caches: the cost of the
 * instructions, without that of a device on another core. The device is that of the unit tests and is
 * not timed. For each ring mode and instruction set: the median over all laps of a ring, in bursts of 32,
 * posting and freeing of mbufs included.
 *
 *	front_bench [LAPS]
 */

#include "virtio_reference_device.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "datapath.h"
#include "device.h"
#include "transport.h"
#include "unit_eal.h"

#define BURST 32
#define RING_SIZE 256
#define FRAME 60

static struct rte_mempool *pool;
static unsigned int laps = 2000;

static struct rte_eth_dev_data data;
static struct rte_eth_dev eth = { .data = &data };

static void
ignore(struct virtio_queue *q)
{
	(void)q;
}

static void
stop(struct virtio_queue *q)
{
	fprintf(stderr, "front_bench: the device did wrong: %s\n", q->failure);
	abort();
}

static const struct virtio_transport_ops transport = {
	.name = "bench",
	.notify = ignore,
	.queue_failed = stop,
};

static struct virtio_device device = { .transport = &transport, .eth = &eth, .name = "bench" };

static const struct {
	const char *name;
	uint64_t features;
} modes[] = {
	{ "split", 0 },
	{ "split mergeable", VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) },
	{ "split offload",
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) },
	{ "split in order", VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) },
	{ "packed", VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) },
	{ "packed mergeable",
		VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) },
	{ "packed in order",
		VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) },
};

static const struct {
	const char *name;
	uint16_t bits; /* 0: scalar */
} vectors[] = {
	{ "scalar", 0 },
	{ "128", RTE_VECT_SIMD_128 },
	{ "256", RTE_VECT_SIMD_256 },
	{ "512", RTE_VECT_SIMD_512 },
};

static int
by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static struct virtio_queue *
make_queue(uint64_t features, bool tx)
{
	struct virtio_queue *q = virtio_queue_create(&device, tx, RING_SIZE, SOCKET_ID_ANY);

	if (q == NULL)
		abort();
	q->batch = tx ? RING_SIZE - RING_SIZE / 4 : BURST;
	q->nb_segs_max = VIRTIO_TX_SEGS_MAX;
	if (tx) {
		q->flags |= VIRTIO_QUEUE_FAST_FREE;
	} else {
		q->pool = pool;
		q->room = RTE_PKTMBUF_HEADROOM + 16;
		q->data_room = rte_pktmbuf_data_room_size(pool);
	}
	virtio_queue_reset(q,
		features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
			VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	virtio_queue_run(q);
	return q;
}

/* Have the device return what there is, frames in it if it was to receive. */
static void
turn(struct reference_ring *ring)
{
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct reference_chain c = { 0 };

	while (reference_pop(ring, &c)) {
		if (c.pieces[0].write)
			memcpy(c.pieces[0].addr, &hdr, sizeof(hdr));
		reference_push(ring, c.id, sizeof(hdr) + FRAME, c.descs, 0);
	}
}

static uint64_t
burst(struct virtio_queue *q, bool tx)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t cycles;
	uint16_t n;

	if (tx) {
		rte_pktmbuf_alloc_bulk(pool, pkts, BURST);
		for (unsigned int i = 0; i < BURST; i++)
			rte_pktmbuf_append(pkts[i], FRAME);
	}
	cycles = rte_rdtsc_precise();
	n = tx ? virtio_tx_burst(q, pkts, BURST) : virtio_rx_burst(q, pkts, BURST);
	cycles = rte_rdtsc_precise() - cycles;
	if (n != BURST)
		abort();
	if (!tx)
		rte_pktmbuf_free_bulk(pkts, BURST);
	return cycles;
}

static double
measure(uint64_t features, uint16_t bits, bool tx)
{
	uint32_t *samples = calloc(laps, sizeof(*samples));
	struct virtio_queue *q;
	struct reference_ring ring;
	double median;

	/* A new one each time: what is measured next finds its mbufs in the same places. */
	pool = rte_pktmbuf_pool_create("bench", 1023, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	if (pool == NULL)
		abort();
	device.vectorized = bits > 0;
	rte_vect_set_max_simd_bitwidth(bits > 0 ? bits : RTE_VECT_SIMD_DISABLED);
	q = make_queue(features, tx);
	reference_init(&ring, q, q->flags & VIRTIO_QUEUE_PACKED, q->flags & VIRTIO_QUEUE_IN_ORDER);
	if (!tx)
		virtio_rx_fill(q);
	for (unsigned int lap = 0; lap < laps; lap++) {
		for (unsigned int i = 0; i < RING_SIZE / BURST; i++) {
			if (!tx || i == 0)
				turn(&ring);
			samples[lap] += burst(q, tx);
		}
	}
	qsort(samples, laps, sizeof(*samples), by_value);
	median = (double)samples[laps / 2] / RING_SIZE;
	virtio_queue_destroy(q);
	rte_mempool_free(pool);
	free(samples);
	return median;
}

int
main(int argc, char **argv)
{
	char *end = NULL;

	if (argc > 1)
		laps = (unsigned int)strtoul(argv[1], &end, 0);
	if (laps == 0 || argc > 2 || (end != NULL && *end != '\0')) {
		fprintf(stderr, "Usage: front_bench [LAPS]\n");
		return 2;
	}
	if (unit_eal_setup(NULL) != 0 || virtio_queue_init() != 0)
		return 1;
	printf("%-18s %-8s %8s %8s  cycles a frame\n", "ring", "vectors", "receive", "transmit");
	for (size_t m = 0; m < RTE_DIM(modes); m++)
		for (size_t v = 0; v < RTE_DIM(vectors); v++)
			printf("%-18s %-8s %8.1f %8.1f\n", modes[m].name, vectors[v].name,
				measure(modes[m].features, vectors[v].bits, false),
				measure(modes[m].features, vectors[v].bits, true));
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Cycles that the device side of a ring takes for a frame, on one core with warm caches: the cost of the
 * instructions, without that of a driver on another core. The driver is that of the unit tests and is
 * not timed. For each ring mode, frame size and instruction set: the median over all bursts of 32.
 *
 *	ring_bench [ROUNDS]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define BURST 32
#define RING_SIZE 256
#define BUFFER 2048

static const struct {
	const char *name;
	uint64_t features;
} modes[] = {
	{ "split", F(VIRTIO_F_VERSION_1) },
	{ "split in order", F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_IN_ORDER) },
	{ "split offload", F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_CSUM) },
	{ "packed", F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_RING_PACKED) },
	{ "packed in order",
		F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER) },
};

static const uint16_t sizes[] = { 64, 256, 1518 };

static const struct {
	const char *name;
	uint16_t bits;
} vectors[] = {
	{ "base", RTE_VECT_SIMD_128 },
	{ "avx2", RTE_VECT_SIMD_256 },
	{ "avx512", RTE_VECT_SIMD_512 },
};

static struct rte_mempool *pool;
static unsigned int rounds = 200;

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Fill the ring with buffers of one descriptor, or two. */
static void
fill_ring(struct ring_driver *d, uint64_t base, uint32_t len, bool writable)
{
	for (uint32_t i = 0; i < RING_SIZE; i++) {
		struct ring_driver_seg seg = { .gpa = base + i * BUFFER, .len = len };

		assert_true(ring_driver_add(d, &seg, 1, writable, RING_DRIVER_DIRECT, i));
	}
	ring_driver_publish(d);
}

static void
empty_ring(struct ring_driver *d)
{
	uint32_t token, len;

	while (ring_driver_take(d, &token, &len))
		;
	assert_int_equal(d->free, RING_SIZE);
}

/* Median cycles of a frame in one direction. */
static double
measure(struct vhost_vring *vr, struct ring_driver *d, uint64_t base, uint16_t size, bool dequeue)
{
	uint32_t *samples = calloc(rounds * RING_SIZE / BURST, sizeof(*samples));
	struct rte_mbuf *pkts[BURST];
	unsigned int n = 0;

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, BURST), 0);
	for (int i = 0; i < BURST; i++)
		rte_pktmbuf_append(pkts[i], size);
	if (dequeue)
		rte_pktmbuf_free_bulk(pkts, BURST);

	for (unsigned int round = 0; round < rounds; round++) {
		fill_ring(d, base, dequeue ? vr->net_hdr_len + size : BUFFER - 64, !dequeue);
		for (int i = 0; i < RING_SIZE / BURST; i++) {
			uint64_t start = rte_rdtsc_precise();
			uint16_t done = dequeue ? vhost_net_dequeue(vr, pool, pkts, BURST) :
						  vhost_net_enqueue(vr, pkts, BURST);

			samples[n++] = rte_rdtsc_precise() - start;
			assert_int_equal(done, BURST);
			if (dequeue)
				rte_pktmbuf_free_bulk(pkts, BURST);
		}
		empty_ring(d);
	}
	if (!dequeue)
		rte_pktmbuf_free_bulk(pkts, BURST);
	qsort(samples, n, sizeof(*samples), by_value);

	double median = (double)samples[n / 2] / BURST;

	free(samples);
	return median;
}

static double
run(uint64_t features, uint16_t size, bool dequeue)
{
	struct guest_memory memory;
	struct ring_driver driver;
	static struct vhost_vring vr;
	uint16_t first = features & F(VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	uint64_t base;
	double cycles;

	guest_memory_init(&memory, 1, 1 << 20);
	ring_driver_init(&driver, &memory, features, RING_SIZE);
	/* As mbufs of a front end are: frames begin at a cache line, the header ends before it. */
	guest_memory_alloc_whole(&memory, RING_SIZE * BUFFER, 64, &base);
	vhost_vring_init(&vr, "bench");
	vhost_vring_set_features(&vr, features);
	assert_int_equal(vhost_vring_set_layout(&vr, &driver.layout), 0);
	assert_int_equal(vhost_vring_set_base(&vr, first, first), 0);
	vhost_vring_start(&vr, memory.table);
	cycles = measure(&vr, &driver, base + 64 - vr.net_hdr_len, size, dequeue);
	vhost_vring_stop(&vr);
	ring_driver_fini(&driver);
	guest_memory_fini(&memory);
	return cycles;
}

int
main(int argc, char **argv)
{
	char *end = NULL;

	if (argc > 1)
		rounds = strtoul(argv[1], &end, 0);
	if (rounds == 0 || argc > 2 || (end != NULL && *end != '\0')) {
		fprintf(stderr, "Usage: ring_bench [ROUNDS]\n");
		return 2;
	}
	if (unit_eal_setup(NULL) != 0)
		return 1;
	pool = rte_pktmbuf_pool_create("bench", 4095, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL)
		return 1;

	printf("%-16s %5s %-8s %8s %8s  cycles a frame\n", "ring", "bytes", "vectors", "dequeue",
		"enqueue");
	for (size_t m = 0; m < RTE_DIM(modes); m++) {
		for (size_t s = 0; s < RTE_DIM(sizes); s++) {
			for (size_t v = 0; v < RTE_DIM(vectors); v++) {
				rte_vect_set_max_simd_bitwidth(vectors[v].bits);
				printf("%-16s %5u %-8s %8.1f %8.1f\n", modes[m].name, sizes[s],
					vectors[v].name, run(modes[m].features, sizes[s], true),
					run(modes[m].features, sizes[s], false));
			}
		}
	}
	return 0;
}

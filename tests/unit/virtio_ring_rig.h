/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Queues of the virtio front end without a port around them: every ring mode, every instruction
 * set, and a transport that only counts.
 */

#ifndef VIRTIO_RING_RIG_H
#define VIRTIO_RING_RIG_H

#include "virtio_reference_device.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "datapath.h"
#include "device.h"
#include "ring_split.h"
#include "transport.h"
#include "unit_eal.h"

#define FRAME_MAX 9000
#define DATA_ROOM 512 /* smaller than most frames, so that these need several mbufs */
#define POOL_SIZE 4096
#define HELD_MAX 4096

static struct rte_mempool *pool;
static struct rte_mempool *other_pool;
static uint64_t seed;

static struct rte_eth_dev_data data;
static struct rte_eth_dev eth = { .data = &data };
static unsigned int notified;
static unsigned int failed;

static void
count_notify(struct virtio_queue *q)
{
	(void)q;
	notified++;
}

static void
count_failure(struct virtio_queue *q)
{
	assert_non_null(q->failure);
	failed++;
}

static const struct virtio_transport_ops transport = {
	.name = "test",
	.notify = count_notify,
	.queue_failed = count_failure,
};

static struct virtio_device device = { .transport = &transport, .eth = &eth, .name = "test" };

/* Deterministic, so that a failure comes back. */
static uint32_t
draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % below);
}

/* Content that depends on number and position, so that nothing can be mistaken for something else. */
static void
fill(uint8_t *buf, uint32_t len, uint32_t number)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static inline void
assert_frame(const struct rte_mbuf *m, uint32_t len, uint32_t number)
{
	uint8_t expected[FRAME_MAX], got[FRAME_MAX];

	assert_int_equal(m->pkt_len, len);
	fill(expected, len, number);
	assert_memory_equal(rte_pktmbuf_read(m, 0, len, got), expected, len);
}

struct mode {
	const char *name;
	uint16_t size;
	uint64_t features;
	bool shuffled; /* the device returns buffers in any order */
	bool batched;  /* the device writes only the last of several returns */
	uint64_t offloads;
};

#define F(bit) VIRTIO_FEATURE(bit)
#define BASE F(VIRTIO_F_VERSION_1)
#define MRG F(VIRTIO_NET_F_MRG_RXBUF)
#define PACKED F(VIRTIO_F_RING_PACKED)
#define ORDER F(VIRTIO_F_IN_ORDER)
#define EVENT F(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT F(VIRTIO_RING_F_INDIRECT_DESC)
#define CSUM (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM))

static const struct mode modes[] = {
	{ "split", 256, BASE | INDIRECT },
	{ "split, 10 byte header", 256, F(VIRTIO_F_ANY_LAYOUT) | INDIRECT },
	{ "split, two descriptors", 2, BASE | INDIRECT },
	{ "split, large", 8192, BASE | INDIRECT },
	{ "split, mergeable", 128, BASE | MRG | INDIRECT },
	{ "split, mergeable, event index", 64, BASE | MRG | EVENT | INDIRECT },
	{ "split, shuffled", 128, BASE | INDIRECT, .shuffled = true },
	{ "split, mergeable, shuffled", 128, BASE | MRG | INDIRECT, .shuffled = true },
	{ "split, in order", 256, BASE | MRG | ORDER | INDIRECT },
	{ "split, in order, batched", 64, BASE | ORDER | INDIRECT, .batched = true },
	{ "split, mergeable, in order, batched", 64, BASE | MRG | ORDER | INDIRECT,
		.batched = true },
	{ "split, chains", 256, BASE },
	{ "split, chains, shuffled", 64, BASE | MRG, .shuffled = true },
	{ "split, chains, in order", 128, BASE | MRG | ORDER, .batched = true },
	{ "split, offloads", 128, BASE | CSUM | INDIRECT },
	{ "split, mergeable, offloads", 128, BASE | MRG | CSUM | INDIRECT },
	{ "packed", 256, BASE | PACKED | INDIRECT },
	{ "packed, odd size", 97, BASE | PACKED | INDIRECT },
	{ "packed, three descriptors", 3, BASE | PACKED | INDIRECT },
	{ "packed, large", 32768, BASE | PACKED | INDIRECT },
	{ "packed, mergeable", 128, BASE | PACKED | MRG | INDIRECT },
	{ "packed, mergeable, event index", 100, BASE | PACKED | MRG | EVENT | INDIRECT },
	{ "packed, shuffled", 128, BASE | PACKED | INDIRECT, .shuffled = true },
	{ "packed, mergeable, shuffled", 77, BASE | PACKED | MRG | INDIRECT, .shuffled = true },
	{ "packed, in order", 256, BASE | PACKED | MRG | ORDER | INDIRECT },
	{ "packed, in order, batched", 99, BASE | PACKED | ORDER | INDIRECT, .batched = true },
	{ "packed, mergeable, in order, batched", 99, BASE | PACKED | MRG | ORDER | INDIRECT,
		.batched = true },
	{ "packed, chains", 256, BASE | PACKED },
	{ "packed, chains, shuffled", 65, BASE | PACKED | MRG, .shuffled = true },
	{ "packed, chains, in order", 100, BASE | PACKED | ORDER, .batched = true },
	{ "packed, offloads", 128, BASE | PACKED | CSUM | INDIRECT },
	{ "packed, mergeable, offloads", 128, BASE | PACKED | MRG | CSUM | INDIRECT },
};

static inline uint8_t
header_length(const struct mode *mode)
{
	return mode->features & (BASE | MRG) ? 12 : 10;
}

/* Vectors of 128 bits are those of Arm; here they are whatever the compiler makes of them. */
static const struct {
	virtio_burst_t scalar;
	virtio_burst_t narrow;
} narrow[] = {
	{ virtio_split_rx, virtio_split_rx_neon },
	{ virtio_split_rx_merge, virtio_split_rx_merge_neon },
	{ virtio_split_rx_offload, virtio_split_rx_offload_neon },
	{ virtio_split_rx_full, virtio_split_rx_full_neon },
	{ virtio_packed_rx, virtio_packed_rx_neon },
	{ virtio_packed_rx_merge, virtio_packed_rx_merge_neon },
	{ virtio_packed_rx_offload, virtio_packed_rx_offload_neon },
	{ virtio_packed_rx_full, virtio_packed_rx_full_neon },
	{ virtio_split_tx, virtio_split_tx_neon },
	{ virtio_split_tx_offload, virtio_split_tx_offload_neon },
	{ virtio_packed_tx, virtio_packed_tx_neon },
	{ virtio_packed_tx_offload, virtio_packed_tx_offload_neon },
};

/* What the processor is asked here, and not DPDK, as the driver does. */
static inline bool
has_256_bits(void)
{
#ifdef RTE_ARCH_X86
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
	return true;
#endif
}

static inline bool
has_512_bits(void)
{
#ifdef RTE_ARCH_X86
	return has_256_bits() && __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
	return true;
#endif
}

static const struct isa {
	const char *name;
	uint16_t bits;
	const char *vectors; /* as the driver calls them */
	bool (*here)(void);  /* NULL: everywhere */
} isas[] = {
	{ "scalar", 0, "" },
	{ "128 bits", RTE_VECT_SIMD_128, "" },
#ifdef RTE_ARCH_X86
	{ "256 bits", RTE_VECT_SIMD_256, ", AVX2", has_256_bits },
	{ "512 bits", RTE_VECT_SIMD_512, ", AVX-512", has_512_bits },
#else
	{ "256 bits", RTE_VECT_SIMD_256, ", NEON", has_256_bits },
	{ "512 bits", RTE_VECT_SIMD_512, ", NEON", has_512_bits },
#endif
};
#define ISAS RTE_DIM(isas)

static inline bool
isa_is_here(const struct isa *isa)
{
	return isa->here == NULL || isa->here();
}

/* The widest one that there is, and no wider than @a isa. */
static inline const char *
vectors_of(const struct isa *isa)
{
	while (!isa_is_here(isa))
		isa--;
	return isa->vectors;
}

/* Leave out the test that is running. */
#define skip_isa(isa) \
	do { \
		print_message("hardware: this processor has no vectors of %s (%s)\n", (isa)->name, \
			(isa)->vectors + 2); \
		skip(); \
	} while (0)

/* Instruction set of the queues that are made from now on. Wider ones than there are fall back. */
static void
use(const struct isa *isa)
{
	device.vectorized = isa->bits > RTE_VECT_SIMD_128;
	assert_int_equal(rte_vect_set_max_simd_bitwidth(RTE_MAX(isa->bits, RTE_VECT_SIMD_DISABLED)),
		0);
}

static void
use_narrow_functions(struct virtio_queue *q)
{
	for (unsigned int i = 0; i < RTE_DIM(narrow); i++)
		if (q->burst == narrow[i].scalar) {
			q->burst = narrow[i].narrow;
			return;
		}
}

static struct virtio_queue *
make_queue(const struct mode *mode, bool tx)
{
	struct virtio_queue *q = virtio_queue_create(&device, tx, mode->size, SOCKET_ID_ANY);

	assert_non_null(q);
	q->batch = (uint16_t)(1 + draw(RTE_MIN(mode->size, 64)));
	q->nb_segs_max = RTE_MIN(VIRTIO_TX_SEGS_MAX, mode->size - 1);
	if (!tx) {
		q->pool = pool;
		q->room = RTE_PKTMBUF_HEADROOM + 16;
		q->data_room = rte_pktmbuf_data_room_size(pool);
	}
	virtio_queue_reset(q, mode->features);
	if (rte_vect_get_max_simd_bitwidth() == RTE_VECT_SIMD_128)
		use_narrow_functions(q);
	virtio_queue_run(q);
	return q;
}

/* Strip tags from now on, of a receive queue that the device has given nothing back to. */
static inline void
strip_tags(struct virtio_queue *q, const struct mode *mode)
{
	virtio_queues_quiesce(&q, 1);
	q->flags |= VIRTIO_QUEUE_VLAN_STRIP;
	virtio_queue_reset(q, mode->features);
	if (rte_vect_get_max_simd_bitwidth() == RTE_VECT_SIMD_128)
		use_narrow_functions(q);
	virtio_queue_run(q);
}

static int
virtio_ring_rig_setup(void **state)
{
	if (unit_eal_setup(state) != 0 || virtio_queue_init() != 0)
		return -1;
	data.port_id = 7;
	for (unsigned int i = 0; i < ISAS; i++)
		if (!isa_is_here(&isas[i]))
			print_message("no %s on this processor: narrower ones do for them\n",
				isas[i].vectors + 2);
	pool = rte_pktmbuf_pool_create("pool", 40000, 0, 0, DATA_ROOM + RTE_PKTMBUF_HEADROOM + 28,
		SOCKET_ID_ANY);
	other_pool = rte_pktmbuf_pool_create("other", POOL_SIZE, 32, 16,
		DATA_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	return pool == NULL || other_pool == NULL ? -1 : 0;
}

#endif /* VIRTIO_RING_RIG_H */

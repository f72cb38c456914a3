/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>

#include <rte_cpuflags.h>
#include <rte_vect.h>

#include "datapath.h"
#include "device.h"
#include "log.h"
#include "ring_packed.h"
#include "ring_split.h"

/* What a queue must have for a row to fit; the first row that fits is taken. */
enum need {
	NEED_PACKED = 1 << 0,
	NEED_TX = 1 << 1,
	NEED_MERGE = 1 << 2,
	NEED_OFFLOAD = 1 << 3,
	NEED_CHAIN = 1 << 4, /* split ring without indirect descriptors */
	NEED_FORMAT = NEED_PACKED | NEED_TX,
};

/* Instruction sets, the one that is preferred first. */
enum isa { AVX512, AVX2, NEON, SCALAR, ISAS };

struct isa_info {
	const char *name; /* behind that of the functions */
	uint16_t bits;    /* not used where DPDK is limited to fewer */
	bool (*here)(void);
};

#ifdef VIRTIO_HAVE_AVX
static bool
has_avx512(void)
{
	return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) > 0 &&
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512BW) > 0 &&
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VL) > 0 &&
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_BMI2) > 0;
}

static bool
has_avx2(void)
{
	return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 &&
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_BMI2) > 0;
}
#endif

#ifdef VIRTIO_HAVE_NEON
/* Every 64-bit Arm processor has it. */
static bool
has_neon(void)
{
	return true;
}
#endif

static const struct isa_info isas[ISAS] = {
#ifdef VIRTIO_HAVE_AVX
	[AVX512] = { ", AVX-512", RTE_VECT_SIMD_512, has_avx512 },
	[AVX2] = { ", AVX2", RTE_VECT_SIMD_256, has_avx2 },
#endif
#ifdef VIRTIO_HAVE_NEON
	[NEON] = { ", NEON", RTE_VECT_SIMD_128, has_neon },
#endif
	[SCALAR] = { "" },
};

struct row {
	uint8_t format; /* NEED_PACKED and NEED_TX must be as here */
	uint8_t does;   /* what the function can do; a queue that needs more takes another row */
	const char *name;
	virtio_burst_t burst[ISAS];
};

#ifdef VIRTIO_HAVE_AVX
#define AVX(f) [AVX512] = f##_avx512, [AVX2] = f##_avx2,
#else
#define AVX(f)
#endif
#ifdef VIRTIO_HAVE_NEON
#define ARM(f) [NEON] = f##_neon,
#else
#define ARM(f)
#endif
#define ALL(f) \
	{ \
		AVX(f) ARM(f)[SCALAR] = f \
	}
#define ONLY(f) \
	{ \
		[SCALAR] = f \
	}

static const struct row rows[] = {
	{ 0, 0, "split", ALL(virtio_split_rx) },
	{ 0, NEED_MERGE, "split, mergeable", ALL(virtio_split_rx_merge) },
	{ 0, NEED_OFFLOAD, "split, offloads", ALL(virtio_split_rx_offload) },
	{ 0, NEED_MERGE | NEED_OFFLOAD, "split, mergeable, offloads", ALL(virtio_split_rx_full) },
	{ NEED_TX, 0, "split", ALL(virtio_split_tx) },
	{ NEED_TX, NEED_OFFLOAD, "split, offloads", ALL(virtio_split_tx_offload) },
	{ NEED_TX, NEED_OFFLOAD | NEED_CHAIN, "split, chains", ONLY(virtio_split_tx_chain) },
	{ NEED_PACKED, 0, "packed", ALL(virtio_packed_rx) },
	{ NEED_PACKED, NEED_MERGE, "packed, mergeable", ALL(virtio_packed_rx_merge) },
	{ NEED_PACKED, NEED_OFFLOAD, "packed, offloads", ALL(virtio_packed_rx_offload) },
	{ NEED_PACKED, NEED_MERGE | NEED_OFFLOAD, "packed, mergeable, offloads",
		ALL(virtio_packed_rx_full) },
	{ NEED_PACKED | NEED_TX, 0, "packed", ALL(virtio_packed_tx) },
	{ NEED_PACKED | NEED_TX, NEED_OFFLOAD, "packed, offloads", ALL(virtio_packed_tx_offload) },
};

/* 0 is none. */
static uint8_t
burst_id(unsigned int row, enum isa isa)
{
	static_assert(RTE_DIM(rows) * ISAS <= UINT8_MAX, "more burst functions than numbers");

	return (uint8_t)(1 + row * ISAS + isa);
}

static const struct row *
row_of(const struct virtio_queue *q)
{
	return &rows[(q->burst_id - 1) / ISAS];
}

static enum isa
isa_of(const struct virtio_queue *q)
{
	return (q->burst_id - 1) % ISAS;
}

/* A build without some instruction set has the same functions without it. */
static virtio_burst_t
burst_of(const struct virtio_queue *q)
{
	const virtio_burst_t burst = row_of(q)->burst[isa_of(q)];

	return likely(burst != NULL) ? burst : row_of(q)->burst[SCALAR];
}

/* That a buffer is not the mbuf's own is said by a flag, which has to outlive what is received. */
static void
mark_pinned(struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		m->ol_flags |= RTE_MBUF_F_EXTERNAL;
}

/* Apart, so that others do not pay for it. */
static uint16_t
receive_pinned(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	n = burst_of(q)(q, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		mark_pinned(pkts[i]);
	return n;
}

void
virtio_rx_give_back(const struct virtio_queue *q, struct rte_mbuf *m)
{
	if (q->pinned)
		mark_pinned(m);
	rte_pktmbuf_free(m);
}

virtio_burst_t
virtio_burst_here(const struct virtio_queue *q)
{
	return unlikely(q->pinned) ? receive_pinned : burst_of(q);
}

const char *
virtio_burst_name(const struct virtio_queue *q)
{
	return row_of(q)->name;
}

const char *
virtio_burst_isa(const struct virtio_queue *q)
{
	return isas[isa_of(q)].name;
}

#define RX_HEADER_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6))
#define TX_HEADER_FEATURES VIRTIO_FEATURE(VIRTIO_NET_F_CSUM)

static uint8_t
needs(const struct virtio_queue *q, uint64_t features)
{
	const bool tx = virtio_queue_is_tx(q);
	uint8_t need = 0;

	if (tx)
		need |= NEED_TX;
	if (q->flags & VIRTIO_QUEUE_PACKED)
		need |= NEED_PACKED;
	else if (tx && !(q->flags & VIRTIO_QUEUE_INDIRECT))
		need |= NEED_CHAIN;
	if (!tx && (features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)))
		need |= NEED_MERGE;
	if (features & (tx ? TX_HEADER_FEATURES : RX_HEADER_FEATURES))
		need |= NEED_OFFLOAD;
	if (!tx && (q->flags & VIRTIO_QUEUE_VLAN_STRIP))
		need |= NEED_OFFLOAD;
	return need;
}

/* The widest vectors that the processor has, DPDK may use, and the functions of a row come in. */
static enum isa
best_isa(const struct virtio_queue *q, const struct row *row)
{
	const uint16_t most = rte_vect_get_max_simd_bitwidth();
	enum isa isa;

	for (isa = q->dev->vectorized ? 0 : SCALAR; isa < SCALAR; isa++)
		if (row->burst[isa] != NULL && isas[isa].bits <= most && isas[isa].here())
			break;
	return isa;
}

void
virtio_datapath_select(struct virtio_queue *q, uint64_t features)
{
	const uint8_t need = needs(q, features);
	enum isa isa;

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		if (rows[i].format != (need & NEED_FORMAT) ||
			(need & ~NEED_FORMAT & ~rows[i].does) != 0)
			continue;
		isa = best_isa(q, &rows[i]);
		q->burst_id = burst_id(i, isa);
		q->burst = virtio_burst_here(q);
		break;
	}
	VIRTIO_LOG(DEBUG, "%s: %s queue %u uses the functions for: %s%s%s", q->dev->name,
		virtio_queue_is_tx(q) ? "transmit" : "receive", virtio_queue_id(q),
		virtio_burst_name(q), virtio_burst_isa(q),
		q->flags & VIRTIO_QUEUE_IN_ORDER ? ", in order" : "");
}

uint16_t
virtio_rx_fill(struct virtio_queue *q)
{
	return q->flags & VIRTIO_QUEUE_PACKED ? virtio_packed_rx_fill(q) : virtio_split_rx_fill(q);
}

uint16_t
virtio_tx_reclaim(struct virtio_queue *q, uint16_t limit)
{
	return q->flags & VIRTIO_QUEUE_PACKED ? virtio_packed_tx_reclaim(q, limit) :
						virtio_split_tx_reclaim(q, limit);
}

static uint16_t
packed_waiting(const struct virtio_queue *q, uint16_t limit)
{
	uint32_t pos = q->used_idx;
	bool wrap = q->used_wrap;
	uint16_t n = 0;

	/* Nobody holds the queue still: a position that a split ring had may be far outside. */
	while (n < limit && pos < q->size &&
		(virtio_packed_load(q, (uint16_t)pos).flags & VIRTIO_PACKED_PHASE) ==
			virtio_packed_used_flags(wrap)) {
		n++;
		if (++pos == q->size) {
			pos = 0;
			wrap = !wrap;
		}
	}
	return n;
}

uint16_t
virtio_queue_waiting(const struct virtio_queue *q, uint16_t limit)
{
	limit = RTE_MIN(limit, (uint16_t)(q->size - q->free));
	if (q->flags & VIRTIO_QUEUE_PACKED)
		return packed_waiting(q, limit);
	return RTE_MIN(limit, virtio_split_ready(q));
}

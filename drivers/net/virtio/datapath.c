/* SPDX-License-Identifier: BSD-3-Clause */

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

struct row {
	uint8_t format; /* NEED_PACKED and NEED_TX must be as here */
	uint8_t does;   /* what the function can do; a queue that needs more takes another row */
	virtio_burst_t burst;
	const char *name;
};

static const struct row rows[] = {
	{ 0, 0, virtio_split_rx, "split" },
	{ 0, NEED_MERGE, virtio_split_rx_merge, "split, mergeable" },
	{ 0, NEED_OFFLOAD, virtio_split_rx_offload, "split, offloads" },
	{ 0, NEED_MERGE | NEED_OFFLOAD, virtio_split_rx_full, "split, mergeable, offloads" },
	{ NEED_TX, 0, virtio_split_tx, "split" },
	{ NEED_TX, NEED_OFFLOAD, virtio_split_tx_offload, "split, offloads" },
	{ NEED_TX, NEED_OFFLOAD | NEED_CHAIN, virtio_split_tx_chain, "split, chains" },
	{ NEED_PACKED, 0, virtio_packed_rx, "packed" },
	{ NEED_PACKED, NEED_MERGE, virtio_packed_rx_merge, "packed, mergeable" },
	{ NEED_PACKED, NEED_OFFLOAD, virtio_packed_rx_offload, "packed, offloads" },
	{ NEED_PACKED, NEED_MERGE | NEED_OFFLOAD, virtio_packed_rx_full,
		"packed, mergeable, offloads" },
	{ NEED_PACKED | NEED_TX, 0, virtio_packed_tx, "packed" },
	{ NEED_PACKED | NEED_TX, NEED_OFFLOAD, virtio_packed_tx_offload, "packed, offloads" },
};

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

void
virtio_datapath_select(struct virtio_queue *q, uint64_t features)
{
	const uint8_t need = needs(q, features);

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		if (rows[i].format != (need & NEED_FORMAT) ||
			(need & ~NEED_FORMAT & ~rows[i].does) != 0)
			continue;
		q->burst = rows[i].burst;
		q->burst_name = rows[i].name;
		break;
	}
	VIRTIO_LOG(DEBUG, "%s: %s queue %u uses the functions for: %s%s", q->dev->name,
		virtio_queue_is_tx(q) ? "transmit" : "receive", virtio_queue_id(q), q->burst_name,
		q->flags & VIRTIO_QUEUE_IN_ORDER ? ", in order" : "");
}

uint16_t
virtio_rx_fill(struct virtio_queue *q)
{
	return q->flags & VIRTIO_QUEUE_PACKED ? virtio_packed_rx_fill(q) : virtio_split_rx_fill(q);
}

uint16_t
virtio_tx_reclaim(struct virtio_queue *q)
{
	if (q->flags & VIRTIO_QUEUE_PACKED)
		virtio_packed_tx_reclaim(q);
	else
		virtio_split_tx_reclaim(q);
	return q->free;
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

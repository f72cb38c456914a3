/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The burst functions of queues, one for each combination that deserves its own, and the table
 * that chooses among them.
 *
 * All run inside a claim on a running queue, return the number of frames received or taken, and
 * bound whatever they read from the ring. A device that breaks the rules stops its queue.
 */

#ifndef VIRTIO_DATAPATH_H
#define VIRTIO_DATAPATH_H

#include "queue.h"

/** Set q->burst and q->burst_id for the agreed features and the offloads of the queue. */
void virtio_datapath_select(struct virtio_queue *q, uint64_t features);

/** This process's function for what a queue's bursts do. It has one, as q->burst_id is set. */
virtio_burst_t virtio_burst_here(const struct virtio_queue *q);

/** What it does, and with which vectors, to go behind that. */
const char *virtio_burst_name(const struct virtio_queue *q);
const char *virtio_burst_isa(const struct virtio_queue *q);

/** Post as many fresh buffers as the ring and the pool have. @return buffers posted */
uint16_t virtio_rx_fill(struct virtio_queue *q);

/** Free what the device has transmitted, @a limit frames at most. @return frames freed */
uint16_t virtio_tx_reclaim(struct virtio_queue *q, uint16_t limit);

/** Buffers that the device has returned and nobody took yet, as far as a look at the ring tells. */
uint16_t virtio_queue_waiting(const struct virtio_queue *q, uint16_t limit);

/** Declare one kind of function in every instruction set; those are there that the build has. */
#define VIRTIO_BURST(name) \
	uint16_t virtio_##name(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
#define VIRTIO_BURST_VECTOR(name) \
	VIRTIO_BURST(name); \
	VIRTIO_BURST(name##_avx512); \
	VIRTIO_BURST(name##_avx2); \
	VIRTIO_BURST(name##_neon)

VIRTIO_BURST_VECTOR(split_rx);
VIRTIO_BURST_VECTOR(split_rx_merge);
VIRTIO_BURST_VECTOR(split_rx_offload);
VIRTIO_BURST_VECTOR(split_rx_full);
VIRTIO_BURST_VECTOR(packed_rx);
VIRTIO_BURST_VECTOR(packed_rx_merge);
VIRTIO_BURST_VECTOR(packed_rx_offload);
VIRTIO_BURST_VECTOR(packed_rx_full);

VIRTIO_BURST_VECTOR(split_tx);
VIRTIO_BURST_VECTOR(split_tx_offload);
VIRTIO_BURST(split_tx_chain);
VIRTIO_BURST_VECTOR(packed_tx);
VIRTIO_BURST_VECTOR(packed_tx_offload);

uint16_t virtio_split_rx_fill(struct virtio_queue *q);
uint16_t virtio_packed_rx_fill(struct virtio_queue *q);
uint16_t virtio_split_tx_reclaim(struct virtio_queue *q, uint16_t limit);
uint16_t virtio_packed_tx_reclaim(struct virtio_queue *q, uint16_t limit);

#endif /* VIRTIO_DATAPATH_H */

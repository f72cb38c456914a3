/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The burst functions of one instruction set, VIRTIO_VECTOR_ISA of VIRTIO_VECTOR_BYTES: included by
 * the file that is compiled for it, and by no other.
 */

#include "datapath.h"
#include "rx_vector.h"
#include "tx_vector.h"

#define VECTOR_NAME_OF(format, isa) virtio_##format##_##isa
#define VECTOR_NAME_IN(format, isa) VECTOR_NAME_OF(format, isa)
#define VECTOR_NAME(format) VECTOR_NAME_IN(format, VIRTIO_VECTOR_ISA)

#define VECTOR_RX(format, suffix, variant) \
	uint16_t VECTOR_NAME( \
		format##_rx##suffix)(struct virtio_queue * q, struct rte_mbuf * *pkts, uint16_t n) \
	{ \
		return virtio_##format##_receive(q, pkts, n, variant, vector_##format##_look, \
			vector_rx_init); \
	}

#define VECTOR_RX_FORMAT(format) \
	VECTOR_RX(format, , VIRTIO_RX_PLAIN) \
	VECTOR_RX(format, _merge, VIRTIO_RX_MERGE) \
	VECTOR_RX(format, _offload, VIRTIO_RX_OFFLOAD) \
	VECTOR_RX(format, _full, VIRTIO_RX_MERGE | VIRTIO_RX_OFFLOAD)

VECTOR_RX_FORMAT(split)
VECTOR_RX_FORMAT(packed)

#define VECTOR_TX(format, suffix, variant) \
	uint16_t VECTOR_NAME( \
		format##_tx##suffix)(struct virtio_queue * q, struct rte_mbuf * *pkts, uint16_t n) \
	{ \
		return virtio_##format##_transmit(q, pkts, n, variant, vector_##format##_tx_look); \
	}

VECTOR_TX(split, , VIRTIO_TX_PLAIN)
VECTOR_TX(split, _offload, VIRTIO_TX_OFFLOAD)
VECTOR_TX(packed, , VIRTIO_TX_PLAIN)
VECTOR_TX(packed, _offload, VIRTIO_TX_OFFLOAD)

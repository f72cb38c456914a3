/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CHECKSUM_H
#define TESTPMD_CHECKSUM_H

/**
 * @file
 * Sets the IPv4, UDP and TCP checksums of a frame that passes through: computed here, or left
 * to the device that will transmit it, with what the device needs to know in the mbuf.
 */

#include <stdint.h>

#include <rte_mbuf.h>

/** What the transmitting device does of it. */
struct checksum_offload {
	uint64_t device;    /* RTE_ETH_TX_OFFLOAD_*_CKSUM and _TCP_TSO that it does */
	uint16_t tso_segsz; /* 0 leaves long TCP segments as they are */
};

/**
 * Set what the frame has of these checksums. A frame that does not hold what its headers say,
 * or whose headers are spread over segments, is left alone.
 *
 * @return
 *   The RTE_MBUF_F_TX_* flags that were set: not 0 when the frame has to go through
 *   rte_eth_tx_prepare().
 */
uint64_t checksum_set(struct rte_mbuf *pkt, const struct checksum_offload *offload);

#endif /* TESTPMD_CHECKSUM_H */

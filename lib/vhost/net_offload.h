/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Checksum and segmentation offloads: what a virtio-net header says, as mbuf fields, and back.
 *
 * From the guest, two translations exist. Applications that set
 * RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS get receive flags, as from any other port: the checksum is
 * not in the frame but the data is good, and a frame larger than the MTU is a coalesced one. All
 * others get what librte_vhost gave of old: transmit flags and header lengths, so that the mbuf can
 * be sent on as it is.
 */

#ifndef VHOST_NET_OFFLOAD_H
#define VHOST_NET_OFFLOAD_H

#include <stdbool.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "vring.h"

/** Any of these in ol_flags makes the header of a frame to the guest other than zero. */
#define NET_OFFLOAD_TX_FLAGS \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG | \
		RTE_MBUF_F_TX_IP_CKSUM)

/**
 * Set offload fields of @a m, a frame from the guest, as @a hdr asks.
 * @return false if the header contradicts the frame
 */
bool net_offload_from_header(const struct vhost_vring *vr, const struct virtio_net_hdr *hdr,
	struct rte_mbuf *m);

/** A checksum that the guest finds at @a at in its frame, whatever the mbuf has there. */
struct net_offload_sum {
	uint32_t at; /**< UINT32_MAX: none, and behind the last one */
	uint16_t value;
};

/** What a frame's transmit flags come to. */
struct net_offload {
	struct virtio_net_hdr hdr;
	/** Of an IPv4 header, and of what is in it: in the order in which they stand. */
	struct net_offload_sum sums[3];
};

#define NET_OFFLOAD_NONE \
	{ \
		.sums = { { .at = UINT32_MAX }, { .at = UINT32_MAX }, { .at = UINT32_MAX } }, \
	}

/**
 * Fill @a out, which is NET_OFFLOAD_NONE, as the transmit flags of @a m ask. What the guest did not agree
 * to receive unfinished is finished, but not in the mbuf: its data may belong to others as well.
 * @return false if the frame cannot be given to this guest
 */
bool net_offload_to_header(const struct vhost_vring *vr, const struct rte_mbuf *m,
	struct net_offload *out);

#endif /* VHOST_NET_OFFLOAD_H */

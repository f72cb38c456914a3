/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One frame between an mbuf and descriptor chains of any shape: the careful way, which the bursts
 * take for what is not one plain descriptor. Nothing here is given back to the driver: the burst
 * does that with what these functions report.
 */

#ifndef VHOST_NET_FRAME_H
#define VHOST_NET_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "vring.h"
#include "vring_chain.h"

/** Longest frame taken from a guest: the largest segment there is, tagged twice. */
#define NET_FRAME_MAX (UINT16_MAX + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/** Shortest: nobody behind us should look at a header that is not there. */
#define NET_FRAME_MIN RTE_ETHER_HDR_LEN

/** Receive chains that one frame may be spread over. */
#define NET_FRAME_CHAINS_MAX 256

/** One chain to be given back. */
struct net_used {
	uint32_t len;
	uint16_t id;
	uint16_t slots; /**< packed: descriptors it takes in the ring */
};

/**
 * Take a frame out of the chain that @a c begins into the fresh mbuf @a m, to which segments from
 * @a pool are added.
 *
 * @return true with the frame in @a m; false when the frame was dropped and counted, with @a m
 *   fresh again. Either way @c c->id and @c c->slots tell what to give back, unless the ring is
 *   broken now, or waits for a mapping: then the chain stays where it is.
 */
bool net_frame_read(struct vhost_vring *vr, struct vring_chain *c, struct rte_mempool *pool,
	struct rte_mbuf *m);

enum net_frame_result {
	NET_FRAME_DELIVERED,
	NET_FRAME_DROPPED,   /**< counted; cannot be delivered to this guest */
	NET_FRAME_NO_BUFFER, /**< not now */
};

/**
 * Put the frame @a m into as many chains as it takes, beginning at the ring's avail position,
 * which moves behind every chain that is to be given back. Malformed chains are among these.
 *
 * @param[out] used chains to give back, NET_FRAME_CHAINS_MAX at most
 * @param[out] n number of them, whatever the result
 */
enum net_frame_result net_frame_write(struct vhost_vring *vr, const struct rte_mbuf *m,
	struct net_used *used, uint16_t *n);

#endif /* VHOST_NET_FRAME_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Offloads that a vhost port does in software: VLAN tags, which virtio does not carry beside the
 * frame, and checksums that the guest leaves to the device when the application knows no such thing. Those
 * that the application leaves to the guest are librte_vhost's.
 */

#ifndef VHOST_OFFLOAD_H
#define VHOST_OFFLOAD_H

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * Treat received frames: strip VLAN tags, complete checksums that the guest left partial.
 * @param fixups enum vhost_fixup
 */
void vhost_offload_rx(struct rte_mbuf **pkts, uint16_t n, uint8_t fixups);

/**
 * Treat one frame before transmission: insert its VLAN tag. The mbuf no longer asks for it then, so
 * treating it once more changes nothing.
 *
 * @param fixups enum vhost_fixup
 * @return 0; -EINVAL the mbuf is shared; -ENOSPC no headroom
 */
int vhost_offload_tx(struct rte_mbuf *m, uint8_t fixups);

#endif /* VHOST_OFFLOAD_H */

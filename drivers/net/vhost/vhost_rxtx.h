/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_RXTX_H
#define VHOST_RXTX_H

#include <stdint.h>

struct rte_mbuf;

/** Receive what the guest has transmitted. Data path of ethdev: one thread a queue. */
uint16_t vhost_port_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);

/** Transmit into the guest's receive buffers; what was taken is freed. One thread a queue. */
uint16_t vhost_port_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);

#endif /* VHOST_RXTX_H */

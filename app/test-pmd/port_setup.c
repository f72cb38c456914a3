/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_setup.h"

#include <stdio.h>

#include <rte_errno.h>

#include "engine.h"
#include "pool.h"

/* What a frame has and its MTU has not, when the device does not say. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN)

/* A device checks or fills these in when the csum engine asks it to. */
#define TX_CSUM_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

static uint32_t
frame_overhead(const struct rte_eth_dev_info *info)
{
	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		return info->max_rx_pktlen - info->max_mtu;
	return FRAME_OVERHEAD;
}

static int
choose_mtu(uint16_t id, const struct rte_eth_dev_info *info, uint32_t *mtu)
{
	uint32_t overhead = frame_overhead(info);
	uint32_t most = RTE_MIN((uint32_t)info->max_mtu + overhead, info->max_rx_pktlen);

	*mtu = 0;
	if (config.max_pkt_len == 0)
		return 0;
	if (config.max_pkt_len < info->min_mtu + overhead || config.max_pkt_len > most) {
		printf("Port %u: --max-pkt-len %u is outside the device's %u to %u\n", id,
			config.max_pkt_len, info->min_mtu + overhead, most);
		return -1;
	}
	*mtu = config.max_pkt_len - overhead;
	return 0;
}

/* Offloads the user asked for, less those the device has not, which are told about. */
static uint64_t
offloads_had(uint16_t id, const char *what, uint64_t asked, uint64_t capable,
	const char *(*name)(uint64_t))
{
	for (uint64_t missing = asked & ~capable; missing != 0; missing &= missing - 1)
		printf("Port %u: the device has no %s offload %s; going on without\n", id, what,
			name(missing & -missing));
	return asked & capable;
}

static uint64_t
choose_rx_offloads(uint16_t id, const struct rte_eth_dev_info *info, uint32_t mtu)
{
	uint32_t frame = (mtu != 0 ? mtu : RTE_ETHER_MTU) + frame_overhead(info);
	uint64_t asked = config.rx_offloads;

	if (config.rx_cksum)
		asked |= RTE_ETH_RX_OFFLOAD_CHECKSUM;
	if (config.lro)
		asked |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
	if (config.scatter || frame + RTE_PKTMBUF_HEADROOM > config.mbuf_size)
		asked |= RTE_ETH_RX_OFFLOAD_SCATTER;
	return offloads_had(id, "receive", asked, info->rx_offload_capa,
		rte_eth_dev_rx_offload_name);
}

static uint64_t
choose_tx_offloads(uint16_t id, const struct port *port, uint64_t rx_offloads)
{
	uint64_t capable = port->info.tx_offload_capa;
	uint64_t asked = config.tx_offloads | (port->csum_hw & TX_CSUM_OFFLOADS);
	bool segments = config.tx_segments > 1 || (rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;

	if (port->tso_segsz != 0)
		asked |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	asked = offloads_had(id, "transmit", asked, capable, rte_eth_dev_tx_offload_name);
	if (segments)
		asked |= capable & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	/* Only allowed when all mbufs that a queue frees come from one pool. */
	if (pool_count() == 1 && !segments)
		asked |= capable & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	return asked;
}

bool
port_takes_segments(const struct port *port, unsigned int segments)
{
	return segments == 1 || (port->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 ||
		(port->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0;
}

static int
check_queues(uint16_t id, const struct rte_eth_dev_info *info)
{
	if (config.rxq > info->max_rx_queues) {
		printf("Port %u: --rxq %u is more than the device's %u\n", id, config.rxq,
			info->max_rx_queues);
		return -1;
	}
	if (config.txq > info->max_tx_queues) {
		printf("Port %u: --txq %u is more than the device's %u\n", id, config.txq,
			info->max_tx_queues);
		return -1;
	}
	return 0;
}

static int
configure(uint16_t id, struct port *port)
{
	const struct rte_eth_dev_info *info = &port->info;
	struct rte_eth_conf conf = { 0 };
	uint32_t mtu;
	int ret;

	if (check_queues(id, info) < 0 || choose_mtu(id, info, &mtu) < 0)
		return -1;
	port->lsc = config.lsc_interrupt && (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
	port->rmv = config.rmv_interrupt && (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	conf.intr_conf.lsc = port->lsc;
	conf.intr_conf.rmv = port->rmv;
	conf.rxmode.mtu = mtu;
	conf.rxmode.offloads = choose_rx_offloads(id, info, mtu);
	if ((conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0)
		conf.rxmode.max_lro_pkt_size = info->max_lro_pkt_size;
	conf.txmode.offloads = choose_tx_offloads(id, port, conf.rxmode.offloads);
	if (config.rxq > 1) {
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
		if (conf.rx_adv_conf.rss_conf.rss_hf != 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	}
	ret = rte_eth_dev_configure(id, config.rxq, config.txq, &conf);
	if (ret != 0) {
		printf("Port %u: the device refuses %u receive and %u transmit queues (%s)\n", id,
			config.rxq, config.txq, rte_strerror(-ret));
		return -1;
	}
	port->rxq = config.rxq;
	port->txq = config.txq;
	port->rx_offloads = conf.rxmode.offloads;
	port->tx_offloads = conf.txmode.offloads;
	return 0;
}

static int
set_up_queues(uint16_t id, struct port *port, struct rte_mempool *pool)
{
	struct rte_eth_rxconf rxconf = port->info.default_rxconf;
	struct rte_eth_txconf txconf = port->info.default_txconf;
	int ret;

	rxconf.offloads = port->rx_offloads;
	txconf.offloads = port->tx_offloads;
	for (uint16_t q = 0; q < port->rxq; q++) {
		ret = rte_eth_rx_queue_setup(id, q, port->rxd, (unsigned int)port->socket, &rxconf,
			pool);
		if (ret != 0) {
			printf("Port %u: the device refuses receive queue %u with %u descriptors "
			       "and mbufs of %u bytes (%s)\n",
				id, q, port->rxd, config.mbuf_size, rte_strerror(-ret));
			return -1;
		}
	}
	for (uint16_t q = 0; q < port->txq; q++) {
		ret = rte_eth_tx_queue_setup(id, q, port->txd, (unsigned int)port->socket, &txconf);
		if (ret != 0) {
			printf("Port %u: the device refuses transmit queue %u with %u descriptors "
			       "(%s)\n",
				id, q, port->txd, rte_strerror(-ret));
			return -1;
		}
	}
	return 0;
}

/* What the user asked for, else what the device prefers, within what it can do. */
static int
choose_descriptors(uint16_t id, struct port *port)
{
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(id, &info);

	if (ret != 0)
		return ret;
	port->rxd = config.rxd != 0 ? config.rxd : info.default_rxportconf.ring_size;
	if (port->rxd == 0)
		port->rxd = RTE_ETH_DEV_FALLBACK_RX_RINGSIZE;
	port->txd = config.txd != 0 ? config.txd : info.default_txportconf.ring_size;
	if (port->txd == 0)
		port->txd = RTE_ETH_DEV_FALLBACK_TX_RINGSIZE;
	return rte_eth_dev_adjust_nb_rx_tx_desc(id, &port->rxd, &port->txd);
}

int
port_setup(uint16_t id, struct port *port)
{
	struct rte_mempool *pool = pool_get(port->socket);
	int ret;

	if (pool == NULL)
		return -1;
	printf("Configuring Port %u (socket %d)\n", id, RTE_MAX(port->socket, 0));
	if (configure(id, port) < 0)
		return -1;
	ret = choose_descriptors(id, port);
	if (ret != 0) {
		printf("Port %u: no descriptor count suits the device (%s)\n", id,
			rte_strerror(-ret));
		return -1;
	}
	if (set_up_queues(id, port, pool) < 0)
		return -1;
	ret = config.promiscuous ? rte_eth_promiscuous_enable(id) : 0;
	if (ret != 0 && ret != -ENOTSUP)
		printf("Port %u: promiscuous mode is not to be had (%s)\n", id, rte_strerror(-ret));
	return 0;
}

int
port_adopt(uint16_t id, struct port *port)
{
	struct rte_eth_rxq_info rx = { 0 };
	struct rte_eth_txq_info tx = { 0 };
	struct rte_eth_conf conf;

	if (rte_eth_dev_info_get(id, &port->info) != 0 || rte_eth_dev_conf_get(id, &conf) != 0 ||
		port->info.nb_rx_queues == 0 || port->info.nb_tx_queues == 0) {
		printf("Port %u: the primary process has not set it up: start it there, then here\n",
			id);
		return -1;
	}
	/* Not every driver tells. */
	rte_eth_rx_queue_info_get(id, 0, &rx);
	rte_eth_tx_queue_info_get(id, 0, &tx);
	port->rxq = port->info.nb_rx_queues;
	port->txq = port->info.nb_tx_queues;
	port->rxd = rx.nb_desc;
	port->txd = tx.nb_desc;
	port->rx_offloads = conf.rxmode.offloads;
	port->tx_offloads = conf.txmode.offloads;
	return pool_get(port->socket) != NULL ? 0 : -1;
}

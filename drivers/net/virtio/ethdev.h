/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A virtio device as a port of ethdev. ethdev.c is the port, ethdev_queue.c its queues,
 * ethdev_stats.c what they counted, ethdev_filter.c what the port listens to, and ethdev_rss.c
 * which queue gets it.
 */

#ifndef VIRTIO_ETHDEV_H
#define VIRTIO_ETHDEV_H

#include "device.h"

/**
 * Make @a eth the port of @a dev, whose transport and abilities are set. dev_private must point
 * to @a dev, which lives as long as the port.
 */
void virtio_ethdev_init(struct rte_eth_dev *eth, struct virtio_device *dev);

/** The same in a secondary process, for a port that is the primary's; all but its bursts. */
void virtio_ethdev_init_secondary(struct rte_eth_dev *eth);

/**
 * The bus lets go of the device @a name, whose port may be running, or closed already: close it.
 * @return 0, or what ethdev says
 */
int virtio_ethdev_remove(const char *name);

static inline struct virtio_device *
virtio_ethdev_device(const struct rte_eth_dev *eth)
{
	return eth->data->dev_private;
}

/* ethdev_queue.c */
int virtio_ethdev_rx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t descs,
	unsigned int node, const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int virtio_ethdev_tx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t descs,
	unsigned int node, const struct rte_eth_txconf *conf);
void virtio_ethdev_rx_queue_release(struct rte_eth_dev *eth, uint16_t id);
void virtio_ethdev_tx_queue_release(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_rx_queue_start(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_rx_queue_stop(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_tx_queue_start(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_tx_queue_stop(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_rx_intr_enable(struct rte_eth_dev *eth, uint16_t id);
int virtio_ethdev_rx_intr_disable(struct rte_eth_dev *eth, uint16_t id);
void virtio_ethdev_rxq_info(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_rxq_info *info);
void virtio_ethdev_txq_info(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_txq_info *info);
int virtio_ethdev_rx_burst_mode(struct rte_eth_dev *eth, uint16_t id,
	struct rte_eth_burst_mode *mode);
int virtio_ethdev_tx_burst_mode(struct rte_eth_dev *eth, uint16_t id,
	struct rte_eth_burst_mode *mode);
int virtio_ethdev_tx_done_cleanup(void *queue, uint32_t count);
uint32_t virtio_ethdev_rx_count(void *queue);
int virtio_ethdev_rx_status(void *queue, uint16_t offset);
int virtio_ethdev_tx_status(void *queue, uint16_t offset);
int virtio_ethdev_monitor_addr(void *queue, struct rte_power_monitor_cond *cond);

/**
 * Choose where in their mbufs the queues of a stopped port receive frames of @a mtu.
 * @return 0; -EINVAL, after a line in the log, if the mbufs of one are too small
 */
int virtio_ethdev_place_frames(struct rte_eth_dev *eth, uint16_t mtu);

/** Have queues that were set up before the port was configured do what it is configured for now. */
void virtio_ethdev_follow_offloads(struct rte_eth_dev *eth);

/** Make sure that both queues of the pairs in use exist, whatever the application set up. */
int virtio_ethdev_complete_pairs(struct rte_eth_dev *eth);

/** Free all queues. */
void virtio_ethdev_release_queues(struct rte_eth_dev *eth);

/* ethdev_filter.c */
int virtio_ethdev_mac_add(struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index,
	uint32_t pool);
void virtio_ethdev_mac_remove(struct rte_eth_dev *eth, uint32_t index);
int virtio_ethdev_multicast_set(struct rte_eth_dev *eth, struct rte_ether_addr *list, uint32_t n);
int virtio_ethdev_vlan_filter(struct rte_eth_dev *eth, uint16_t vlan, int on);

/** Tell a device that was just started what ethdev does not tell it again. */
int virtio_ethdev_filters_restore(struct rte_eth_dev *eth);

/* ethdev_rss.c */
void virtio_ethdev_rss_info(const struct virtio_device *dev, struct rte_eth_dev_info *info);

/** Take over what the port is configured with; the device gets it when it starts. */
int virtio_ethdev_rss_configure(struct rte_eth_dev *eth);
int virtio_ethdev_rss_update(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf);
int virtio_ethdev_rss_get(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf);
int virtio_ethdev_reta_update(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *groups,
	uint16_t size);
int virtio_ethdev_reta_query(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *groups,
	uint16_t size);

/* ethdev_stats.c */
int virtio_ethdev_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats);
int virtio_ethdev_stats_reset(struct rte_eth_dev *eth);
int virtio_ethdev_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *stats, unsigned int n);
int virtio_ethdev_xstats_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names,
	unsigned int n);

#endif /* VIRTIO_ETHDEV_H */

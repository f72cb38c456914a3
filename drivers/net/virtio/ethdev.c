/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <rte_malloc.h>

#include "control_queue.h"
#include "ethdev.h"
#include "log.h"
#include "offload.h"
#include "process.h"
#include "secondary.h"
#include "transport.h"

/* What each offload of the application asks of the device: it is offered if all bits are. */
struct offload {
	uint64_t offload;
	uint64_t features;
};

static const struct offload rx_offloads[] = {
	{ RTE_ETH_RX_OFFLOAD_VLAN_STRIP, 0 },
	{ RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) },
	{ RTE_ETH_RX_OFFLOAD_TCP_LRO,
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
			VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) |
			VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) },
	{ RTE_ETH_RX_OFFLOAD_SCATTER, VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) },
	{ RTE_ETH_RX_OFFLOAD_VLAN_FILTER,
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN) },
};

static const struct offload tx_offloads[] = {
	{ RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
			RTE_ETH_TX_OFFLOAD_VLAN_INSERT,
		0 },
	{ RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM,
		VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) },
	{ RTE_ETH_TX_OFFLOAD_TCP_TSO,
		VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) },
};

/* Bits that are asked for only when an offload needs them. */
#define OFFLOAD_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN))

static uint64_t
offloads_of(const struct offload *table, unsigned int n, uint64_t features)
{
	uint64_t offloads = 0;

	for (unsigned int i = 0; i < n; i++)
		if ((table[i].features & ~features) == 0)
			offloads |= table[i].offload;
	return offloads;
}

static uint64_t
features_for(const struct offload *table, unsigned int n, uint64_t offloads)
{
	uint64_t features = 0;

	for (unsigned int i = 0; i < n; i++)
		if (table[i].offload & offloads)
			features |= table[i].features;
	return features;
}

static int
dev_infos_get(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
	const struct virtio_device *dev = virtio_ethdev_device(eth);

	info->min_rx_bufsize = RTE_ETHER_MIN_LEN;
	info->max_rx_pktlen = (uint32_t)dev->max_mtu + VIRTIO_FRAME_OVERHEAD;
	info->max_lro_pkt_size = UINT16_MAX;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = dev->max_mtu;
	info->max_rx_queues = dev->max_pairs;
	info->max_tx_queues = dev->max_pairs;
	info->max_mac_addrs = dev->max_macs;
	info->rx_offload_capa = offloads_of(rx_offloads, RTE_DIM(rx_offloads), dev->offered);
	info->tx_offload_capa = offloads_of(tx_offloads, RTE_DIM(tx_offloads), dev->offered);
	info->rx_desc_lim = (struct rte_eth_desc_lim){
		.nb_max = VIRTIO_QUEUE_SIZE_MAX,
		.nb_min = VIRTIO_QUEUE_SIZE_MIN,
		.nb_align = 1,
	};
	info->tx_desc_lim = info->rx_desc_lim;
	info->tx_desc_lim.nb_seg_max = VIRTIO_TX_SEGS_MAX;
	info->tx_desc_lim.nb_mtu_seg_max = VIRTIO_TX_SEGS_MAX;
	info->default_rxportconf.ring_size = dev->queue_size;
	info->default_txportconf.ring_size = dev->queue_size;
	info->default_rxportconf.burst_size = 32;
	info->default_txportconf.burst_size = 32;
	info->default_rxportconf.nb_queues = 1;
	info->default_txportconf.nb_queues = 1;
	info->speed_capa = rte_eth_speed_bitflag(dev->speed, !dev->half_duplex);
	virtio_ethdev_rss_info(dev, info);
	info->err_handle_mode = RTE_ETH_ERROR_HANDLE_MODE_NONE;
	return 0;
}

/*
 * A device spreads frames over all pairs in use, and so over those that are there only for their
 * transmit queues. It takes a table of RSS to leave them out.
 */
static bool
has_spare_pairs(const struct rte_eth_dev *eth)
{
	const struct virtio_device *dev = virtio_ethdev_device(eth);
	const uint16_t n = eth->data->nb_rx_queues;

	return n != 0 && n != dev->pairs && !dev->single_rings;
}

/* Several pairs take one of the two ways to say how many: MQ, or RSS, where the device has it alone. */
static int
configure_pairs(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const uint64_t mq = VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
	const uint64_t rss = VIRTIO_FEATURE(VIRTIO_NET_F_RSS);
	const bool only_rss = dev->pairs > 1 && !(dev->offered & mq);
	const bool spare = has_spare_pairs(eth);
	const bool asked = eth->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG;

	if (dev->pairs > 1)
		dev->needed |= only_rss && (dev->offered & rss) ? rss : mq;
	else
		dev->wanted &= ~mq;
	if (spare && !(dev->offered & rss))
		VIRTIO_LOG(WARNING,
			"%s: frames may be lost that the device gives to one of %u receive queues, "
			"of which the port has %u: configure as many as there are transmit queues",
			dev->name, dev->pairs, eth->data->nb_rx_queues);
	if (!spare && !only_rss && !asked)
		dev->wanted &= ~rss;
	return dev->wanted & rss ? virtio_ethdev_rss_configure(eth) : 0;
}

static int
dev_configure(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const struct rte_eth_conf *conf = &eth->data->dev_conf;
	const uint64_t rx = features_for(rx_offloads, RTE_DIM(rx_offloads), conf->rxmode.offloads);
	const uint64_t tx = features_for(tx_offloads, RTE_DIM(tx_offloads), conf->txmode.offloads);
	int ret;

	if (conf->rxmode.mq_mode & ~RTE_ETH_MQ_RX_RSS_FLAG || conf->txmode.mq_mode) {
		VIRTIO_LOG(ERR,
			"%s: multi-queue modes %#x (receive) and %#x (transmit) are not "
			"supported: the device spreads frames over queues",
			dev->name, conf->rxmode.mq_mode, conf->txmode.mq_mode);
		return -EINVAL;
	}
	dev->pairs = RTE_MAX(eth->data->nb_rx_queues, eth->data->nb_tx_queues);
	eth->data->scattered_rx = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	dev->wanted = (dev->offered & ~OFFLOAD_FEATURES) | ((rx | tx) & dev->offered);
	dev->needed = tx & dev->offered;
	if (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER)
		dev->needed |= VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER)
		dev->needed |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
	virtio_ethdev_follow_offloads(eth);
	ret = configure_pairs(eth);
	return ret < 0 ? ret : dev->transport->set_mtu(dev, eth->data->mtu);
}

/* One event descriptor for each receive queue, so that an application can sleep on them. */
static int
setup_interrupts(struct rte_eth_dev *eth)
{
	const uint16_t n = eth->data->nb_rx_queues;
	struct rte_intr_handle *handle;

	handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_SHARED);
	if (handle == NULL || rte_intr_vec_list_alloc(handle, NULL, n) < 0 ||
		rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV) < 0 ||
		rte_intr_nb_efd_set(handle, n) < 0 || rte_intr_max_intr_set(handle, n + 1) < 0 ||
		rte_intr_efd_counter_size_set(handle, sizeof(uint64_t)) < 0)
		goto failed;
	for (uint16_t i = 0; i < n; i++) {
		const struct virtio_queue *q = eth->data->rx_queues[i];

		if (rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i) < 0 ||
			rte_intr_efds_index_set(handle, i, q->callfd) < 0)
			goto failed;
	}
	eth->intr_handle = handle;
	return 0;

failed:
	VIRTIO_LOG(ERR, "%s: cannot set up interrupts of %u receive queues",
		virtio_ethdev_device(eth)->name, n);
	rte_intr_vec_list_free(handle);
	rte_intr_instance_free(handle);
	return -ENOMEM;
}

static void
teardown_interrupts(struct rte_eth_dev *eth)
{
	if (eth->intr_handle == NULL || virtio_ethdev_device(eth)->bus_interrupts)
		return;
	/* The application may have descriptors in its epoll set, with events that go now. */
	rte_intr_free_epoll_fd(eth->intr_handle);
	rte_intr_vec_list_free(eth->intr_handle);
	rte_intr_instance_free(eth->intr_handle);
	eth->intr_handle = NULL;
}

/* What the application registered stays so when it starts the port again with as many queues. */
static int
renew_interrupts(struct rte_eth_dev *eth)
{
	const bool wanted = eth->data->dev_conf.intr_conf.rxq;
	const uint16_t n = wanted ? eth->data->nb_rx_queues : 0;

	if (virtio_ethdev_device(eth)->bus_interrupts)
		return 0;
	if (eth->intr_handle != NULL && rte_intr_nb_efd_get(eth->intr_handle) == n)
		return 0;
	teardown_interrupts(eth);
	return n > 0 ? setup_interrupts(eth) : 0;
}

static void
set_queue_states(struct rte_eth_dev *eth, bool started)
{
	const struct virtio_queue *q;

	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++) {
		q = eth->data->rx_queues[i];
		eth->data->rx_queue_state[i] = started && !q->stopped ?
			RTE_ETH_QUEUE_STATE_STARTED :
			RTE_ETH_QUEUE_STATE_STOPPED;
	}
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++) {
		q = eth->data->tx_queues[i];
		eth->data->tx_queue_state[i] = started && !q->stopped ?
			RTE_ETH_QUEUE_STATE_STARTED :
			RTE_ETH_QUEUE_STATE_STOPPED;
	}
}

/* As they are configured, whatever was started and stopped by hand before. */
static void
defer_queues(struct virtio_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	for (uint16_t i = 0; i < 2 * dev->pairs; i++)
		dev->queues[i]->stopped = dev->queues[i]->deferred;
	pthread_mutex_unlock(&dev->lock);
}

/* Where the buffers that the device has can take them: frames of the MTU need no second one. */
static int
check_room(const struct rte_eth_dev *eth, uint16_t mtu)
{
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++) {
		const struct virtio_queue *q = eth->data->rx_queues[i];

		if ((q->offloads & RTE_ETH_RX_OFFLOAD_SCATTER) ||
			(uint32_t)q->data_room - q->room >=
				mtu + RTE_ETHER_HDR_LEN + (uint32_t)RTE_VLAN_HLEN)
			continue;
		VIRTIO_LOG(ERR,
			"%s: the buffers that receive queue %u has posted are too small for MTU "
			"%u: stop the port, or use larger mbufs",
			virtio_ethdev_device(eth)->name, i, mtu);
		return -EINVAL;
	}
	return 0;
}

static int
check_set_up(const struct rte_eth_dev *eth, void *const *queues, uint16_t n, const char *what)
{
	for (uint16_t i = 0; i < n; i++) {
		if (queues[i] != NULL)
			continue;
		VIRTIO_LOG(ERR, "%s: %s queue %u of %u is not set up",
			virtio_ethdev_device(eth)->name, what, i, n);
		return -EINVAL;
	}
	return 0;
}

/* ethdev does not ask whether what was configured was set up as well, and for the same MTU. */
static int
check_queues(struct rte_eth_dev *eth)
{
	const struct rte_eth_dev_data *data = eth->data;
	int ret = check_set_up(eth, data->rx_queues, data->nb_rx_queues, "receive");

	if (ret == 0)
		ret = check_set_up(eth, data->tx_queues, data->nb_tx_queues, "transmit");
	return ret < 0 ? ret : virtio_ethdev_place_frames(eth, data->mtu);
}

/* A port that does not run holds no mbufs: applications free their pools before they close it. */
static void
empty_queues(struct virtio_device *dev)
{
	for (uint16_t i = 0; i < 2 * dev->pairs; i++)
		if (dev->queues[i] != NULL)
			virtio_queue_reset(dev->queues[i], dev->features);
	dev->features = 0;
}

static int
dev_start(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	int ret;

	ret = check_queues(eth);
	if (ret == 0)
		ret = virtio_ethdev_complete_pairs(eth);
	if (ret == 0)
		ret = renew_interrupts(eth);
	if (ret < 0)
		return ret;
	defer_queues(dev);
	ret = dev->transport->start(dev);
	if (ret == 0) {
		ret = virtio_ethdev_filters_restore(eth);
		if (ret < 0)
			dev->transport->stop(dev);
	}
	if (ret < 0) {
		empty_queues(dev);
		return ret;
	}
	set_queue_states(eth, true);
	virtio_process_tell_setup(dev);
	return 0;
}

static int
dev_stop(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	dev->transport->stop(dev);
	empty_queues(dev);
	set_queue_states(eth, false);
	eth->data->dev_started = 0;
	return 0;
}

static int
dev_close(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	virtio_process_forget(dev);
	if (eth->data->dev_started)
		dev_stop(eth);
	teardown_interrupts(eth);
	virtio_ethdev_release_queues(eth);
	dev->transport->close(dev);
	/* Freed with the port. */
	eth->data->mac_addrs = NULL;
	return 0;
}

int
virtio_ethdev_remove(const char *name)
{
	const struct rte_eth_dev *eth = rte_eth_dev_allocated(name);
	uint16_t port;
	int ret = 0;

	/* In a secondary process, a port that was closed can still be found. */
	if (eth == NULL || eth->state == RTE_ETH_DEV_UNUSED)
		return 0;
	port = eth->data->port_id;
	/* It is not a secondary process's to stop, nor need it be stopped for one that lets go of it. */
	if (eth->data->dev_started && rte_eal_process_type() == RTE_PROC_PRIMARY)
		ret = rte_eth_dev_stop(port);
	return ret < 0 ? ret : rte_eth_dev_close(port);
}

/* Stopped by ethdev before. What the device offers may be another now: the port starts anew. */
static int
dev_reset(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	int ret = 0;

	virtio_ethdev_release_queues(eth);
	dev->rss.queues = 0;
	if (dev->transport->reset != NULL)
		ret = dev->transport->reset(dev);
	dev->wanted = dev->offered & ~OFFLOAD_FEATURES;
	return ret;
}

static int
link_update(struct rte_eth_dev *eth, int wait)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	(void)wait;
	if (dev->transport->link_update != NULL)
		dev->transport->link_update(dev);
	return 0;
}

static int
is_removed(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	return dev->transport->is_removed != NULL && dev->transport->is_removed(dev);
}

static int
promiscuous_enable(struct rte_eth_dev *eth)
{
	return virtio_control_promiscuous(virtio_ethdev_device(eth), true);
}

static int
promiscuous_disable(struct rte_eth_dev *eth)
{
	return virtio_control_promiscuous(virtio_ethdev_device(eth), false);
}

static int
allmulticast_enable(struct rte_eth_dev *eth)
{
	return virtio_control_allmulticast(virtio_ethdev_device(eth), true);
}

static int
allmulticast_disable(struct rte_eth_dev *eth)
{
	return virtio_control_allmulticast(virtio_ethdev_device(eth), false);
}

static int
mac_addr_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	int ret = virtio_control_mac(dev, mac);

	/* Without a command for it few devices have a filter that would need to know. */
	if (ret == -ENOTSUP)
		ret = dev->transport->set_mac != NULL ? dev->transport->set_mac(dev, mac) : 0;
	if (ret == 0)
		rte_ether_addr_copy(mac, &dev->mac);
	return ret;
}

static int
mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const int ret = eth->data->dev_started ? check_room(eth, mtu) :
						 virtio_ethdev_place_frames(eth, mtu);

	return ret < 0 ? ret : dev->transport->set_mtu(dev, mtu);
}

static void
set_vlan_strip(struct rte_eth_dev *eth, bool strip)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	pthread_mutex_lock(&dev->lock);
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++) {
		struct virtio_queue *q = eth->data->rx_queues[i];

		/* Its setup will find what the port is configured for. */
		if (q == NULL)
			continue;
		q->offloads &= ~(uint64_t)RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
		if (strip)
			q->offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
		virtio_queue_strip_vlan(q, strip);
	}
	pthread_mutex_unlock(&dev->lock);
}

/* A device that filters cannot be talked out of it, nor the other into it, while it runs. */
static int
set_vlan_filter(struct rte_eth_dev *eth, bool filter)
{
	const uint64_t feature = VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
	struct virtio_device *dev = virtio_ethdev_device(eth);

	if (eth->data->dev_started && virtio_has(dev, VIRTIO_NET_F_CTRL_VLAN) != filter) {
		VIRTIO_LOG(ERR, "%s: stop the port to have VLANs filtered, or not any more",
			dev->name);
		return -EBUSY;
	}
	dev->wanted = filter ? dev->wanted | feature : dev->wanted & ~feature;
	dev->needed = filter ? dev->needed | feature : dev->needed & ~feature;
	return 0;
}

/* The port is configured already for what shall be; the mask says what of that is new. */
static int
vlan_offload_set(struct rte_eth_dev *eth, int mask)
{
	const uint64_t offloads = eth->data->dev_conf.rxmode.offloads;
	int ret = 0;

	if (mask & RTE_ETH_VLAN_FILTER_MASK)
		ret = set_vlan_filter(eth, offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
	if (ret == 0 && (mask & RTE_ETH_VLAN_STRIP_MASK))
		set_vlan_strip(eth, offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	return ret;
}

static const struct eth_dev_ops ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = dev_close,
	.is_removed = is_removed,
	.dev_infos_get = dev_infos_get,
	.link_update = link_update,
	.promiscuous_enable = promiscuous_enable,
	.promiscuous_disable = promiscuous_disable,
	.allmulticast_enable = allmulticast_enable,
	.allmulticast_disable = allmulticast_disable,
	.mac_addr_set = mac_addr_set,
	.mac_addr_add = virtio_ethdev_mac_add,
	.mac_addr_remove = virtio_ethdev_mac_remove,
	.set_mc_addr_list = virtio_ethdev_multicast_set,
	.vlan_filter_set = virtio_ethdev_vlan_filter,
	.rss_hash_update = virtio_ethdev_rss_update,
	.rss_hash_conf_get = virtio_ethdev_rss_get,
	.reta_update = virtio_ethdev_reta_update,
	.reta_query = virtio_ethdev_reta_query,
	.get_monitor_addr = virtio_ethdev_monitor_addr,
	.dev_reset = dev_reset,
	.mtu_set = mtu_set,
	.vlan_offload_set = vlan_offload_set,
	.stats_get = virtio_ethdev_stats_get,
	.stats_reset = virtio_ethdev_stats_reset,
	.xstats_get = virtio_ethdev_xstats_get,
	.xstats_get_names = virtio_ethdev_xstats_names,
	.xstats_reset = virtio_ethdev_stats_reset,
	.rx_queue_setup = virtio_ethdev_rx_queue_setup,
	.tx_queue_setup = virtio_ethdev_tx_queue_setup,
	.rx_queue_release = virtio_ethdev_rx_queue_release,
	.tx_queue_release = virtio_ethdev_tx_queue_release,
	.rx_queue_start = virtio_ethdev_rx_queue_start,
	.rx_queue_stop = virtio_ethdev_rx_queue_stop,
	.tx_queue_start = virtio_ethdev_tx_queue_start,
	.tx_queue_stop = virtio_ethdev_tx_queue_stop,
	.rx_queue_intr_enable = virtio_ethdev_rx_intr_enable,
	.rx_queue_intr_disable = virtio_ethdev_rx_intr_disable,
	.rxq_info_get = virtio_ethdev_rxq_info,
	.txq_info_get = virtio_ethdev_txq_info,
	.rx_burst_mode_get = virtio_ethdev_rx_burst_mode,
	.tx_burst_mode_get = virtio_ethdev_tx_burst_mode,
	.tx_done_cleanup = virtio_ethdev_tx_done_cleanup,
};

/* What is the primary's to do. Nothing was changed by ethdev before it asks for this. */
static int
start_elsewhere(struct rte_eth_dev *eth)
{
	VIRTIO_LOG(ERR, "%s: the primary process starts the port, not this one", eth->data->name);
	return -ENOTSUP;
}

static int
close_here(struct rte_eth_dev *eth)
{
	struct virtio_secondary *s = eth->process_private;

	s->close(s, eth);
	return 0;
}

/* As the primary saw it last. */
static int
link_is_known(struct rte_eth_dev *eth, int wait)
{
	(void)eth;
	(void)wait;
	return 0;
}

/* Looks at what is in shared memory, and bursts. Of all else ethdev says that it is not to be had. */
static const struct eth_dev_ops secondary_ops = {
	.dev_start = start_elsewhere,
	.dev_close = close_here,
	.dev_infos_get = dev_infos_get,
	.link_update = link_is_known,
	.rss_hash_conf_get = virtio_ethdev_rss_get,
	.reta_query = virtio_ethdev_reta_query,
	.get_monitor_addr = virtio_ethdev_monitor_addr,
	.stats_get = virtio_ethdev_stats_get,
	.stats_reset = virtio_ethdev_stats_reset,
	.xstats_get = virtio_ethdev_xstats_get,
	.xstats_get_names = virtio_ethdev_xstats_names,
	.xstats_reset = virtio_ethdev_stats_reset,
	.rxq_info_get = virtio_ethdev_rxq_info,
	.txq_info_get = virtio_ethdev_txq_info,
	.rx_burst_mode_get = virtio_ethdev_rx_burst_mode,
	.tx_burst_mode_get = virtio_ethdev_tx_burst_mode,
	.tx_done_cleanup = virtio_secondary_tx_done_cleanup,
};

static void
set_functions(struct rte_eth_dev *eth)
{
	eth->tx_pkt_prepare = virtio_tx_prepare;
	eth->rx_queue_count = virtio_ethdev_rx_count;
	eth->rx_descriptor_status = virtio_ethdev_rx_status;
	eth->tx_descriptor_status = virtio_ethdev_tx_status;
}

void
virtio_ethdev_init_secondary(struct rte_eth_dev *eth)
{
	eth->dev_ops = &secondary_ops;
	set_functions(eth);
}

void
virtio_ethdev_init(struct rte_eth_dev *eth, struct virtio_device *dev)
{
	dev->eth = eth;
	dev->port_id = eth->data->port_id;
	dev->layout = virtio_device_layout();
	dev->wanted = dev->offered & ~OFFLOAD_FEATURES;
	eth->dev_ops = &ops;
	eth->rx_pkt_burst = virtio_rx_burst;
	eth->tx_pkt_burst = virtio_tx_burst;
	set_functions(eth);
	dev->max_macs = RTE_MAX(dev->max_macs, 1);
	dev->macs[0] = dev->mac;
	eth->data->mac_addrs = dev->macs;
	eth->data->dev_flags |= RTE_ETH_DEV_INTR_LSC;
	eth->data->dev_link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_NONE,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = RTE_ETH_LINK_DOWN,
	};
}

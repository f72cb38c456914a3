/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include "control_queue.h"
#include "ethdev.h"
#include "log.h"

/* What the application calls kinds of frames, and what the device does. The first match answers. */
static const struct {
	uint64_t flows;
	uint32_t types;
} kinds[] = {
	{ RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER,
		VIRTIO_NET_RSS_HASH_TYPE_IPv4 },
	{ RTE_ETH_RSS_NONFRAG_IPV4_TCP, VIRTIO_NET_RSS_HASH_TYPE_TCPv4 },
	{ RTE_ETH_RSS_NONFRAG_IPV4_UDP, VIRTIO_NET_RSS_HASH_TYPE_UDPv4 },
	{ RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER,
		VIRTIO_NET_RSS_HASH_TYPE_IPv6 },
	{ RTE_ETH_RSS_NONFRAG_IPV6_TCP, VIRTIO_NET_RSS_HASH_TYPE_TCPv6 },
	{ RTE_ETH_RSS_NONFRAG_IPV6_UDP, VIRTIO_NET_RSS_HASH_TYPE_UDPv6 },
	{ RTE_ETH_RSS_IPV6_EX, VIRTIO_NET_RSS_HASH_TYPE_IP_EX },
	{ RTE_ETH_RSS_IPV6_TCP_EX, VIRTIO_NET_RSS_HASH_TYPE_TCP_EX },
	{ RTE_ETH_RSS_IPV6_UDP_EX, VIRTIO_NET_RSS_HASH_TYPE_UDP_EX },
};

static uint64_t
flows_of(uint32_t types)
{
	uint64_t flows = 0;

	for (unsigned int i = 0; i < RTE_DIM(kinds); i++)
		if (types & kinds[i].types)
			flows |= kinds[i].flows;
	return flows;
}

static uint32_t
types_of(uint64_t flows, uint32_t supported)
{
	uint32_t types = 0;

	for (unsigned int i = 0; i < RTE_DIM(kinds); i++)
		if (flows & kinds[i].flows)
			types |= kinds[i].types;
	return types & supported;
}

void
virtio_ethdev_rss_info(const struct virtio_device *dev, struct rte_eth_dev_info *info)
{
	if (!(dev->offered & VIRTIO_FEATURE(VIRTIO_NET_F_RSS)))
		return;
	info->hash_key_size = VIRTIO_RSS_KEY_BYTES;
	info->reta_size = dev->rss.table_size;
	info->flow_type_rss_offloads = flows_of(dev->rss.supported);
}

/* One half of a pair of ports sends to the same queue as the other: the key repeats every 16 bits. */
static void
default_key(uint8_t *key)
{
	for (unsigned int i = 0; i < VIRTIO_RSS_KEY_BYTES; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
}

static int
set_key(struct virtio_rss *rss, const struct rte_eth_rss_conf *conf)
{
	if (conf->rss_key == NULL)
		return 0;
	if (conf->rss_key_len != 0 && conf->rss_key_len != VIRTIO_RSS_KEY_BYTES)
		return -EINVAL;
	memcpy(rss->key, conf->rss_key, VIRTIO_RSS_KEY_BYTES);
	return 0;
}

int
virtio_ethdev_rss_configure(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const bool asked = eth->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG;
	const struct rte_eth_rss_conf *conf = &eth->data->dev_conf.rx_adv_conf.rss_conf;
	struct virtio_rss *rss = &dev->rss;

	if (rss->queues == 0)
		default_key(rss->key);
	/* Unasked, frames are spread as well as the device can: that is what one with MQ does. */
	rss->types = asked ? types_of(conf->rss_hf, rss->supported) : rss->supported;
	/* None is also what it was before it was ever configured, or is since it was reset. */
	if (rss->queues == 0 || rss->queues != eth->data->nb_rx_queues) {
		rss->queues = eth->data->nb_rx_queues;
		/* One is there even if nobody receives from it. */
		for (uint16_t i = 0; i < rss->table_size; i++)
			rss->table[i] = i % RTE_MAX(rss->queues, 1);
	}
	if (!asked || set_key(rss, conf) == 0)
		return 0;
	VIRTIO_LOG(ERR, "%s: an RSS key has %u bytes, not %u", dev->name, VIRTIO_RSS_KEY_BYTES,
		conf->rss_key_len);
	return -EINVAL;
}

/* Try what was changed on a device that runs, and take it back if the device refuses. */
static int
apply(struct rte_eth_dev *eth, const struct virtio_rss *before)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const int ret = eth->data->dev_started ? virtio_control_rss(dev, dev->pairs) : 0;

	if (ret < 0)
		dev->rss = *before;
	return ret;
}

static bool
has_rss(const struct virtio_device *dev)
{
	return dev->wanted & VIRTIO_FEATURE(VIRTIO_NET_F_RSS);
}

int
virtio_ethdev_rss_update(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const struct virtio_rss before = dev->rss;

	if (!has_rss(dev))
		return -ENOTSUP;
	if ((conf->rss_hf & ~flows_of(dev->rss.supported)) != 0 || set_key(&dev->rss, conf) < 0)
		return -EINVAL;
	dev->rss.types = types_of(conf->rss_hf, dev->rss.supported);
	return apply(eth, &before);
}

int
virtio_ethdev_rss_get(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf)
{
	const struct virtio_device *dev = virtio_ethdev_device(eth);

	if (!has_rss(dev))
		return -ENOTSUP;
	conf->rss_hf = flows_of(dev->rss.types);
	if (conf->rss_key != NULL && conf->rss_key_len >= VIRTIO_RSS_KEY_BYTES)
		memcpy(conf->rss_key, dev->rss.key, VIRTIO_RSS_KEY_BYTES);
	conf->rss_key_len = VIRTIO_RSS_KEY_BYTES;
	return 0;
}

int
virtio_ethdev_reta_update(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *groups,
	uint16_t size)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	const struct virtio_rss before = dev->rss;

	if (!has_rss(dev))
		return -ENOTSUP;
	if (size != dev->rss.table_size)
		return -EINVAL;
	for (uint16_t i = 0; i < size; i++) {
		const struct rte_eth_rss_reta_entry64 *g = &groups[i / RTE_ETH_RETA_GROUP_SIZE];
		const uint16_t at = i % RTE_ETH_RETA_GROUP_SIZE;

		if (!(g->mask & UINT64_C(1) << at))
			continue;
		if (g->reta[at] >= eth->data->nb_rx_queues) {
			dev->rss = before;
			return -EINVAL;
		}
		dev->rss.table[i] = g->reta[at];
	}
	return apply(eth, &before);
}

int
virtio_ethdev_reta_query(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *groups,
	uint16_t size)
{
	const struct virtio_device *dev = virtio_ethdev_device(eth);

	if (!has_rss(dev))
		return -ENOTSUP;
	if (size != dev->rss.table_size)
		return -EINVAL;
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *g = &groups[i / RTE_ETH_RETA_GROUP_SIZE];
		const uint16_t at = i % RTE_ETH_RETA_GROUP_SIZE;

		if (g->mask & UINT64_C(1) << at)
			g->reta[at] = dev->rss.table[i];
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include "log.h"
#include "net_config.h"
#include "transport.h"

/* virtio 1.2, 5.1.4. All other values but 1, which is full, say that it is not known. */
#define DUPLEX_HALF 0

uint64_t
virtio_net_control_features(uint64_t features)
{
	return features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) ?
		features :
		features & ~VIRTIO_NET_CONTROL_FEATURES;
}

static void
learn_rss(struct virtio_device *dev)
{
	struct virtio_rss *rss = &dev->rss;
	uint8_t key = 0;
	uint16_t table = 0;

	if (!(dev->offered & VIRTIO_FEATURE(VIRTIO_NET_F_RSS)))
		return;
	if (VIRTIO_NET_CONFIG_READ(dev, rss_max_key_size, &key) == 0 &&
		VIRTIO_NET_CONFIG_READ(dev, rss_max_indirection_table_length, &table) == 0 &&
		VIRTIO_NET_CONFIG_READ(dev, supported_hash_types, &rss->supported) == 0 &&
		key >= VIRTIO_RSS_KEY_BYTES && table >= RTE_ETH_RETA_GROUP_SIZE) {
		rss->table_size = (uint16_t)rte_align32prevpow2(
			RTE_MIN(table, VIRTIO_RSS_TABLE_MAX));
		return;
	}
	VIRTIO_LOG(WARNING,
		"%s: the device's RSS takes a key of %u bytes and a table of %u entries: not used",
		dev->name, key, table);
	dev->offered &= ~VIRTIO_FEATURE(VIRTIO_NET_F_RSS);
}

static void
learn_address(struct virtio_device *dev, uint64_t features)
{
	struct rte_ether_addr mac = { 0 };

	if ((features & VIRTIO_FEATURE(VIRTIO_NET_F_MAC)) &&
		VIRTIO_NET_CONFIG_READ(dev, mac, &mac) == 0 &&
		rte_is_valid_assigned_ether_addr(&mac))
		dev->mac = mac;
	else
		rte_eth_random_addr(dev->mac.addr_bytes);
}

/* Unknown, unless the device or the arguments say otherwise. */
void
virtio_net_config_learn_speed(struct virtio_device *dev, uint64_t features)
{
	uint32_t speed;
	uint8_t duplex;

	if (!(features & VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX)) ||
		VIRTIO_NET_CONFIG_READ(dev, speed, &speed) < 0 ||
		VIRTIO_NET_CONFIG_READ(dev, duplex, &duplex) < 0)
		return;
	if (!dev->speed_given)
		dev->speed = speed <= INT32_MAX ? speed : RTE_ETH_SPEED_NUM_UNKNOWN;
	dev->half_duplex = duplex == DUPLEX_HALF;
}

static void
learn_limits(struct virtio_device *dev, uint64_t features)
{
	uint16_t mtu;

	dev->max_mtu = VIRTIO_MTU_MAX - VIRTIO_FRAME_OVERHEAD;
	if ((features & VIRTIO_FEATURE(VIRTIO_NET_F_MTU)) &&
		VIRTIO_NET_CONFIG_READ(dev, mtu, &mtu) == 0 && mtu >= RTE_ETHER_MIN_MTU)
		dev->max_mtu = RTE_MIN(mtu, dev->max_mtu);
	virtio_net_config_learn_speed(dev, features);
}

void
virtio_net_config_learn(struct virtio_device *dev, uint64_t features)
{
	dev->max_macs = dev->offered & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) ? VIRTIO_MACS_MAX : 1;
	learn_rss(dev);
	learn_address(dev, features);
	learn_limits(dev, features);
}

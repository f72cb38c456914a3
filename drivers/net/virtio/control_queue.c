/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include "control_queue.h"
#include "log.h"
#include "transport.h"

/* While nothing is agreed on, what the port is configured for will be. */
static bool
can(const struct virtio_device *dev, unsigned int bit)
{
	const uint64_t features = dev->features != 0 ? dev->features : dev->wanted;

	return (features >> VIRTIO_NET_F_CTRL_VQ) & (features >> bit) & 1;
}

static int
rx_mode(struct virtio_device *dev, uint8_t cmd, bool on)
{
	const uint8_t data = on;

	if (!can(dev, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_RX, cmd, &data, sizeof(data));
}

int
virtio_control_promiscuous(struct virtio_device *dev, bool on)
{
	return rx_mode(dev, VIRTIO_NET_CTRL_RX_PROMISC, on);
}

int
virtio_control_allmulticast(struct virtio_device *dev, bool on)
{
	return rx_mode(dev, VIRTIO_NET_CTRL_RX_ALLMULTI, on);
}

int
virtio_control_mac(struct virtio_device *dev, const struct rte_ether_addr *mac)
{
	if (!can(dev, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac,
		sizeof(*mac));
}

int
virtio_control_vlan(struct virtio_device *dev, uint16_t vlan, bool on)
{
	if (!can(dev, VIRTIO_NET_F_CTRL_VLAN))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_VLAN,
		on ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL, &vlan, sizeof(vlan));
}

/* A count of addresses, and then these. @return where the next thing goes */
static uint8_t *
append_macs(uint8_t *at, const struct rte_ether_addr *macs, uint32_t n)
{
	memcpy(at, &n, sizeof(n));
	if (n > 0)
		memcpy(at + sizeof(n), macs, n * sizeof(*macs));
	return at + sizeof(n) + n * sizeof(*macs);
}

int
virtio_control_mac_table(struct virtio_device *dev, const struct rte_ether_addr *unicast,
	uint16_t unicast_count, const struct rte_ether_addr *multicast, uint16_t multicast_count)
{
	uint8_t data[2 * (sizeof(uint32_t) + VIRTIO_MACS_MAX * sizeof(struct rte_ether_addr))];
	uint8_t *end;

	if (!can(dev, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	if (unicast_count > VIRTIO_MACS_MAX || multicast_count > VIRTIO_MACS_MAX)
		return -ENOSPC;
	end = append_macs(data, unicast, unicast_count);
	end = append_macs(end, multicast, multicast_count);
	return dev->transport->control(dev, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
		data, (uint32_t)(end - data));
}

int
virtio_control_announced(struct virtio_device *dev)
{
	if (!can(dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK,
		NULL, 0);
}

/* struct virtio_net_rss_config with a table of ours: it is in the middle, and its size varies. */
struct rss_head {
	uint32_t types;
	uint16_t mask;
	uint16_t unclassified;
	uint16_t table[];
};

struct rss_tail {
	uint16_t max_tx;
	uint8_t key_len;
	uint8_t key[VIRTIO_RSS_KEY_BYTES];
} __rte_packed;

_Static_assert(sizeof(struct rss_head) + VIRTIO_RSS_TABLE_MAX * sizeof(uint16_t) +
			sizeof(struct rss_tail) <=
		sizeof(((struct virtio_control_mq *)NULL)->data),
	"RSS configuration does not fit");

static void
fill_rss(const struct virtio_rss *rss, uint16_t pairs, struct virtio_control_mq *mq)
{
	const size_t table = rss->table_size * sizeof(rss->table[0]);
	struct rss_head *head = (struct rss_head *)mq->data;
	struct rss_tail tail = { .max_tx = pairs, .key_len = VIRTIO_RSS_KEY_BYTES };

	*head = (struct rss_head){ .types = rss->types, .mask = rss->table_size - 1 };
	memcpy(head->table, rss->table, table);
	memcpy(tail.key, rss->key, sizeof(tail.key));
	memcpy((uint8_t *)head->table + table, &tail, sizeof(tail));
	mq->cmd = VIRTIO_NET_CTRL_MQ_RSS_CONFIG;
	mq->len = (uint32_t)(sizeof(*head) + table + sizeof(tail));
}

int
virtio_control_mq_fill(const struct virtio_device *dev, uint16_t pairs,
	struct virtio_control_mq *mq)
{
	const struct virtio_net_ctrl_mq data = { .virtqueue_pairs = pairs };

	if (can(dev, VIRTIO_NET_F_RSS)) {
		fill_rss(&dev->rss, pairs, mq);
		return 0;
	}
	if (!can(dev, VIRTIO_NET_F_MQ))
		return -ENOTSUP;
	memcpy(mq->data, &data, sizeof(data));
	mq->cmd = VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET;
	mq->len = sizeof(data);
	return 0;
}

int
virtio_control_rss(struct virtio_device *dev, uint16_t pairs)
{
	return can(dev, VIRTIO_NET_F_RSS) ? virtio_control_pairs(dev, pairs) : -ENOTSUP;
}

int
virtio_control_pairs(struct virtio_device *dev, uint16_t pairs)
{
	struct virtio_control_mq mq;

	if (virtio_control_mq_fill(dev, pairs, &mq) < 0)
		return pairs == 1 ? 0 : -ENOTSUP;
	return dev->transport->control(dev, VIRTIO_NET_CTRL_MQ, mq.cmd, mq.data, mq.len);
}

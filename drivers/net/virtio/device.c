/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <rte_alarm.h>
#include <rte_arp.h>

#include "datapath.h"
#include "device.h"
#include "log.h"
#include "transport.h"

#define LINK_LOOKS 100

void
virtio_device_place(struct virtio_device *dev, uint16_t index, struct virtio_queue *q)
{
	pthread_mutex_lock(&dev->lock);
	dev->queues[index] = q;
	pthread_mutex_unlock(&dev->lock);
}

void
virtio_device_arm(struct virtio_device *dev, uint64_t features)
{
	dev->features = features;
	for (uint16_t i = 0; i < 2 * dev->pairs; i++) {
		struct virtio_queue *q = dev->queues[i];

		virtio_queue_reset(q, features);
		if (!virtio_queue_is_tx(q) && virtio_queue_is_set_up(q) && virtio_rx_fill(q) == 0)
			VIRTIO_LOG(WARNING,
				"%s: mbuf pool %s is empty: receive queue %u has no "
				"buffers until mbufs are freed",
				dev->name, q->pool->name, virtio_queue_id(q));
	}
	for (uint16_t i = 0; i < 2 && i < 2 * dev->pairs; i++)
		VIRTIO_LOG(INFO, "%s: %s functions: %s%s%s", dev->name,
			i == 0 ? "receive" : "transmit", virtio_burst_name(dev->queues[i]),
			virtio_burst_isa(dev->queues[i]),
			dev->queues[i]->flags & VIRTIO_QUEUE_IN_ORDER ? ", in order" : "");
}

void
virtio_device_run(struct virtio_device *dev)
{
	for (uint16_t i = 0; i < 2 * dev->pairs; i++)
		if (!dev->queues[i]->stopped)
			virtio_queue_run(dev->queues[i]);
}

void
virtio_device_halt(struct virtio_device *dev)
{
	virtio_queues_quiesce(dev->queues, RTE_DIM(dev->queues));
}

/*
 * Without room for a header in front of it, a frame is not simple, and so is freed into its own pool.
 * The application may have promised that all frames are of one pool, which need not be ours.
 */
static void
take_headroom(struct rte_mbuf *m)
{
	memmove(m->buf_addr, rte_pktmbuf_mtod(m, const void *), m->data_len);
	m->data_off = 0;
}

void
virtio_device_announce(struct virtio_device *dev)
{
	const struct virtio_queue *rx = dev->queues[0];
	struct rte_mbuf *m = NULL;

	if (rx->pool != NULL)
		m = rte_net_make_rarp_packet(rx->pool, &dev->mac);
	if (m != NULL)
		take_headroom(m);
	if (m != NULL && virtio_queue_inject(dev->queues[1], &m, 1) == 1) {
		VIRTIO_LOG(INFO, "%s: announced itself, as the device asked", dev->name);
		return;
	}
	VIRTIO_LOG(WARNING, "%s: cannot announce itself: no mbuf, or no room to transmit",
		dev->name);
	rte_pktmbuf_free(m);
}

static bool
set_link(struct virtio_device *dev, bool up)
{
	const struct rte_eth_link link = {
		.link_speed = up ? dev->speed : RTE_ETH_SPEED_NUM_NONE,
		.link_duplex = dev->half_duplex ? RTE_ETH_LINK_HALF_DUPLEX :
						  RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	return rte_eth_linkstatus_set(dev->eth, &link) == 0;
}

/*
 * Threads may overtake each other here, so that each looks again after it showed: the last one to look shows
 * the truth. But not for ever, at a device that has another one each time.
 */
bool
virtio_device_look_at_link(struct virtio_device *dev)
{
	unsigned int looks = 0;
	bool up, changed = false;

	do {
		up = dev->transport->has_link(dev);
		changed |= set_link(dev, up);
	} while (up != dev->transport->has_link(dev) && ++looks < LINK_LOOKS);
	return changed;
}

static bool
take_news(struct virtio_device *dev)
{
	return __atomic_exchange_n(&dev->link_news, false, __ATOMIC_SEQ_CST);
}

static void
tell_link(struct virtio_device *dev)
{
	if (dev->eth->data->dev_conf.intr_conf.lsc)
		rte_eth_dev_callback_process(dev->eth, RTE_ETH_EVENT_INTR_LSC, NULL);
}

/* News is taken before it is told: what changes while the application looks is news again. */
static void
tell_news(void *dev)
{
	if (take_news(dev))
		tell_link(dev);
}

void
virtio_device_tell_link(struct virtio_device *dev)
{
	take_news(dev);
	tell_link(dev);
}

void
virtio_device_tell_link_soon(struct virtio_device *dev)
{
	if (!dev->eth->data->dev_conf.intr_conf.lsc ||
		__atomic_exchange_n(&dev->link_news, true, __ATOMIC_SEQ_CST))
		return;
	if (rte_eal_alarm_set(1, tell_news, dev) == 0)
		return;
	take_news(dev);
	VIRTIO_LOG(ERR, "%s: no memory to tell the program that the link changed", dev->name);
}

bool
virtio_device_cancel_news(struct virtio_device *dev)
{
	rte_eal_alarm_cancel(tell_news, dev);
	return take_news(dev);
}

/* FNV-1a: any mixture would do. */
static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t
virtio_device_layout(void)
{
	static const char version[] = "dpdk-vdpa " VDPA_VERSION;
	const uint64_t sizes[] = {
		sizeof(struct virtio_device),
		sizeof(struct virtio_queue),
		offsetof(struct virtio_device, queues),
		offsetof(struct virtio_queue, count),
		offsetof(struct virtio_queue, burst_id),
		offsetof(struct virtio_queue, offloads),
	};

	return mix(mix(UINT64_C(0xcbf29ce484222325), version, sizeof(version)), sizes,
		sizeof(sizes));
}

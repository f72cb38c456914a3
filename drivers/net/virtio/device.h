/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A virtio-net device as the port sees it, whatever carries it.
 *
 *     ethdev -> queue -> transport (PCI: modern, legacy)
 *                     -> transport (user) -> backend (vhost-user)
 *
 * The transport owns the conversation with the device and decides when the device runs. It calls
 * virtio_device_arm() and virtio_device_run() whenever it brings the device up, be it that the
 * application started the port, be it that a lost device came back; and virtio_device_halt()
 * before it lets go of it.
 */

#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <ethdev_driver.h>

#include "queue.h"

#define VIRTIO_PAIRS_MAX 128
#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

/** Largest frame that a virtio header and 16-bit lengths can carry, and so the largest MTU. */
#define VIRTIO_MTU_MAX 65535
#define VIRTIO_FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN)

/** Features that the queues and the port can make use of, whatever the transport. */
#define VIRTIO_NET_DRIVER_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT) | \
		VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | \
		VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
		VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_MTU) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6))

/** Each of them has its commands, or its number of queues, over the control queue. */
#define VIRTIO_NET_CONTROL_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_RSS) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))

/** With one of them, the control queue is behind all pairs that the device has. */
#define VIRTIO_NET_PAIRS_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_RSS))

/** Addresses that a port can have, and multicast addresses that it can listen to. */
#define VIRTIO_MACS_MAX 64

#define VIRTIO_RSS_KEY_BYTES 40
#define VIRTIO_RSS_TABLE_MAX 128

/** How the device spreads frames over queues. */
struct virtio_rss {
	/* Set by the transport, if it offers VIRTIO_NET_F_RSS. */
	uint32_t supported;  /**< VIRTIO_NET_RSS_HASH_TYPE_* */
	uint16_t table_size; /**< a power of two */

	/* What was chosen. */
	uint32_t types;
	uint16_t queues; /**< that the table was made for; 0: not yet */
	uint16_t table[VIRTIO_RSS_TABLE_MAX];
	uint8_t key[VIRTIO_RSS_KEY_BYTES];
};

struct virtio_transport_ops;

/** What is only the primary process's says so: secondary ones see the rest as it does. */
struct virtio_device {
	uint64_t layout; /**< virtio_device_layout(), once the port can be used */

	/* The primary's. */
	const struct virtio_transport_ops *transport;
	struct rte_eth_dev *eth;
	const char *name; /**< of the vdev, for the log */

	uint16_t port_id;

	uint64_t
		offered; /**< features that may be asked for: what the port's abilities follow from */
	uint64_t wanted;   /**< of those, what the application's configuration has use for */
	uint64_t needed;   /**< of those, what it cannot do without */
	uint64_t required; /**< what the arguments of the device make indispensable */
	uint64_t features; /**< what was agreed on when the device last came up; 0: port stopped */
	bool vectorized;   /**< vector burst functions are wanted, where there are some */

	bool by_iova;          /**< the device is given I/O addresses, not those of this process */
	uint16_t ring_align;   /**< of used rings and of rings as a whole; 0: of cache lines */
	bool ring_sizes_fixed; /**< rings have as many entries as the device says, no less */
	bool bus_interrupts;   /**< interrupts are the bus's: eth->intr_handle is not ours */
	bool single_rings; /**< rings are enabled one by one; those that are not get no frames */

	uint16_t max_pairs;
	uint16_t queue_size; /**< what the port recommends; the application may ask otherwise */
	uint16_t pairs;      /**< in use: set up at every start */
	uint16_t max_mtu;
	uint32_t speed;
	bool speed_given; /**< by the arguments: the device is not asked */
	bool half_duplex;
	bool link_news; /**< the application is to be told soon that the link changed; atomic */
	struct rte_ether_addr mac;
	uint16_t max_macs; /**< 1, or VIRTIO_MACS_MAX if the device filters by a table of them */
	uint16_t multicast_count;
	struct rte_ether_addr macs[VIRTIO_MACS_MAX]; /**< ethdev's list; the first one is mac */
	struct rte_ether_addr multicast[VIRTIO_MACS_MAX];
	struct virtio_rss rss;

	/**
	 * Held by whoever lets bursts into queues, keeps them out, or looks at queues in a thread
	 * other than the application's: of the table of queues, and of which of them may run.
	 */
	pthread_mutex_t lock;
	struct virtio_queue *queues[2 * VIRTIO_PAIRS_MAX]; /**< by virtqueue number */
};

/** True if feature @a bit was agreed on. */
static inline bool
virtio_has(const struct virtio_device *dev, unsigned int bit)
{
	return (dev->features >> bit) & 1;
}

/**
 * Make the rings new for @a features and choose their burst functions; fill the receive queues.
 * The queues must not be running. Allocates mbufs, but no other memory.
 */
void virtio_device_arm(struct virtio_device *dev, uint64_t features);

/**
 * Put a queue, or NULL, where those who hold the lock find it. A queue that was taken away nobody
 * else looks at any more when this returns.
 */
void virtio_device_place(struct virtio_device *dev, uint16_t index, struct virtio_queue *q);

/** Let bursts into all queues but those that the application stopped. */
void virtio_device_run(struct virtio_device *dev);

/** Keep bursts out of all queues; returns when none is inside. */
void virtio_device_halt(struct virtio_device *dev);

/** Tell the network where the port is now, with a frame of reverse ARP. The device is to run. */
void virtio_device_announce(struct virtio_device *dev);

/** A number for how this build of the driver lays out what processes share. */
uint64_t virtio_device_layout(void);

/**
 * Ask the transport for the link, and show it. In whichever thread.
 * @return whether that is new: the application is to be told
 */
bool virtio_device_look_at_link(struct virtio_device *dev);

/**
 * Tell the application that the link changed, if it wants to know, and whatever was to be told soon. It looks
 * for itself what the link is now. It may stop and close the port where it is told: no lock may be held, and
 * who is not called by the application does not look at the device afterwards.
 */
void virtio_device_tell_link(struct virtio_device *dev);

/**
 * The same, soon and in a thread of DPDK's, for threads that a port which stops or closes waits for. Changes
 * that come before the application is told are told at once.
 */
void virtio_device_tell_link_soon(struct virtio_device *dev);

/**
 * Tell nothing soon any more. The application's callback is waited for, unless this is called from it.
 * @return whether there was something that is not told now
 */
bool virtio_device_cancel_news(struct virtio_device *dev);

#endif /* VIRTIO_DEVICE_H */

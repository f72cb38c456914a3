/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A port of the front end on a transport that writes down what the device is asked over the control
 * queue. Rings are the test's to play the device on.
 */

#ifndef VIRTIO_ETHDEV_RIG_H
#define VIRTIO_ETHDEV_RIG_H

#include "virtio_reference_device.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "control_queue.h"
#include "ethdev.h"
#include "transport.h"
#include "unit_eal.h"

#define F(bit) VIRTIO_FEATURE(bit)
#define FEATURES \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_RX) | \
		F(VIRTIO_NET_F_CTRL_MAC_ADDR) | F(VIRTIO_NET_F_CTRL_VLAN) | F(VIRTIO_NET_F_MQ) | \
		F(VIRTIO_NET_F_RSS) | F(VIRTIO_RING_F_INDIRECT_DESC) | \
		F(VIRTIO_NET_F_GUEST_ANNOUNCE))
#define QUEUES 4
#define LOG_MAX 64

struct command {
	uint8_t class;
	uint8_t cmd;
	uint32_t len;
	uint8_t data[1024];
};

static struct command commands[LOG_MAX];
static unsigned int count;
static int refuse; /* what the device answers */
static unsigned int resets;
static uint16_t told_mtu;
static struct virtio_device device;
static struct rte_mempool *pool;
static uint16_t port;

static int
start(struct virtio_device *dev)
{
	virtio_device_arm(dev, dev->wanted);
	virtio_device_run(dev);
	return dev->pairs > 1 ? virtio_control_pairs(dev, dev->pairs) : 0;
}

static int
control(struct virtio_device *dev, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	struct command *c = &commands[count % LOG_MAX];

	(void)dev;
	assert_true(len <= sizeof(c->data));
	*c = (struct command){ .class = class, .cmd = cmd, .len = len };
	if (len > 0)
		memcpy(c->data, data, len);
	count++;
	return refuse;
}

static int
queue_setup(struct virtio_queue *q)
{
	(void)q;
	return 0;
}

static void
queue_release(struct virtio_queue *q)
{
	(void)q;
}

static void
device_close(struct virtio_device *dev)
{
	(void)dev;
}

static int
device_reset(struct virtio_device *dev)
{
	(void)dev;
	resets++;
	return 0;
}

static int
device_queue_enable(struct virtio_device *dev, uint16_t index, bool enable)
{
	struct virtio_queue *q = dev->queues[index];

	q->stopped = !enable;
	if (enable)
		virtio_queue_run(q);
	else
		virtio_queues_quiesce(&q, 1);
	return 0;
}

static void
notify(struct virtio_queue *q)
{
	(void)q;
}

static int
device_set_mtu(struct virtio_device *dev, uint16_t mtu)
{
	(void)dev;
	told_mtu = mtu;
	return 0;
}

static const struct virtio_transport_ops transport = {
	.name = "test",
	.start = start,
	.stop = virtio_device_halt,
	.close = device_close,
	.reset = device_reset,
	.queue_setup = queue_setup,
	.queue_release = queue_release,
	.queue_enable = device_queue_enable,
	.control = control,
	.set_mtu = device_set_mtu,
	.notify = notify,
	.queue_failed = notify,
};

static int
make_port(void **state)
{
	static struct rte_driver driver = { .name = "test" };
	static struct rte_device parent = { .name = "test", .driver = &driver };
	struct rte_eth_dev *eth;

	if (unit_eal_setup(state) < 0 || virtio_queue_init() < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	eth = rte_eth_dev_allocate("test");
	if (pool == NULL || eth == NULL)
		return -1;
	device = (struct virtio_device){
		.transport = &transport,
		.name = "test",
		.offered = FEATURES,
		.max_pairs = QUEUES,
		.queue_size = 64,
		.max_mtu = 1500,
		.max_macs = VIRTIO_MACS_MAX,
		.mac = { { 2, 0, 0, 0, 0, 1 } },
		.rss = { .supported = VIRTIO_NET_RSS_HASH_TYPE_IPv4 |
				VIRTIO_NET_RSS_HASH_TYPE_TCPv4 | VIRTIO_NET_RSS_HASH_TYPE_IPv6,
			.table_size = 128 },
	};
	eth->device = &parent;
	eth->data->dev_private = &device;
	virtio_ethdev_init(eth, &device);
	rte_eth_dev_probing_finish(eth);
	port = eth->data->port_id;
	return 0;
}

static void
configure_both(uint64_t offloads, uint64_t tx_offloads, uint64_t flows)
{
	const struct rte_eth_conf conf = {
		.rxmode = { .offloads = offloads,
			.mq_mode = flows != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE },
		.txmode.offloads = tx_offloads,
		.rx_adv_conf.rss_conf.rss_hf = flows,
	};

	assert_int_equal(rte_eth_dev_configure(port, QUEUES, QUEUES, &conf), 0);
	for (uint16_t i = 0; i < QUEUES; i++) {
		assert_int_equal(rte_eth_rx_queue_setup(port, i, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, i, 64, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(port), 0);
	count = 0;
}

static inline void
configure(uint64_t offloads, uint64_t flows)
{
	configure_both(offloads, 0, flows);
}

static int
forget(void **state)
{
	(void)state;
	if (rte_eth_dev_stop(port) != 0)
		return -1;
	device.offered = FEATURES;
	refuse = 0;
	count = 0;
	return 0;
}

static inline const struct command *
last(uint8_t class, uint8_t cmd)
{
	const struct command *c = &commands[(count - 1) % LOG_MAX];

	assert_true(count > 0);
	assert_int_equal(c->class, class);
	assert_int_equal(c->cmd, cmd);
	return c;
}

static inline unsigned int
sent(uint8_t class, uint8_t cmd)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++)
		n += commands[i].class == class && commands[i].cmd == cmd;
	return n;
}

static inline struct rte_mbuf *
frame(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, (uint16_t)len));
	memset(rte_pktmbuf_mtod(m, void *), 0, len);
	return m;
}

#endif /* VIRTIO_ETHDEV_RIG_H */

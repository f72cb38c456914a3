/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A virtio-user port and a scripted vhost-user back end, whose rings are the test's to play the device
 * on.
 */

#ifndef VIRTIO_USER_RIG_H
#define VIRTIO_USER_RIG_H

#include "virtio_reference_device.h"
#include "virtio_scripted_backend.h"

#include <stdio.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "unit_eal.h"

#define BIT(n) (UINT64_C(1) << (n))
#define PF(name) BIT(VHOST_USER_PF_##name)
#define FEATURES \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | \
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | \
		BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_MTU) | \
		BIT(VIRTIO_NET_F_CSUM) | BIT(VHOST_USER_FEATURE_PROTOCOL))
#define PROTOCOL (PF(MQ) | PF(REPLY_ACK) | PF(NET_MTU) | PF(STATUS) | PF(CONFIG))

static struct rte_mempool *pool;

static inline struct scripted_backend
honest(const char *path, bool connects)
{
	struct scripted_backend b = {
		.connects = connects,
		.features = FEATURES,
		.protocol = PROTOCOL,
		.pairs = 8,
	};

	snprintf(b.path, sizeof(b.path), "/tmp/%s.%d", path, (int)getpid());
	return b;
}

static inline int
probe(const struct scripted_backend *b, const char *more)
{
	char args[256];

	snprintf(args, sizeof(args), "path=%s,server=%d%s", b->path, b->connects, more);
	return rte_vdev_init("net_virtio_user0", args);
}

static uint16_t
port(void)
{
	uint16_t id;

	assert_int_equal(rte_eth_dev_get_port_by_name("net_virtio_user0", &id), 0);
	return id;
}

static int
start_as(uint16_t pairs, const struct rte_eth_conf *conf)
{
	int ret = rte_eth_dev_configure(port(), pairs, pairs, conf);

	for (uint16_t i = 0; i < pairs && ret == 0; i++)
		ret = rte_eth_rx_queue_setup(port(), i, 64, 0, NULL, pool);
	for (uint16_t i = 0; i < pairs && ret == 0; i++)
		ret = rte_eth_tx_queue_setup(port(), i, 64, 0, NULL);
	return ret == 0 ? rte_eth_dev_start(port()) : ret;
}

static int
start(uint16_t pairs, uint64_t rx_offloads)
{
	const struct rte_eth_conf conf = { .rxmode = { .offloads = rx_offloads } };

	return start_as(pairs, &conf);
}

static void
remove_port(void)
{
	rte_eth_dev_stop(port());
	assert_int_equal(rte_vdev_uninit("net_virtio_user0"), 0);
}

/* The link follows the back end in a thread of its own. */
static inline bool
wait_link(bool up)
{
	struct rte_eth_link link = { 0 };

	for (unsigned int i = 0; i < 20000; i++) {
		assert_int_equal(rte_eth_link_get_nowait(port(), &link), 0);
		if (link.link_status == (up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN))
			return true;
		usleep(1000);
	}
	return false;
}

static struct virtio_queue
ring_of(const struct scripted_backend *b, unsigned int index)
{
	const struct scripted_ring *r = &b->ring[index];

	return (struct virtio_queue){
		.desc = (struct vring_desc *)(uintptr_t)r->desc,
		.avail = (struct vring_avail *)(uintptr_t)r->driver,
		.used = (struct vring_used *)(uintptr_t)r->device,
		.size = (uint16_t)r->num,
	};
}

/* One frame each way through the rings of pair `pair`, as the back end sees them. */
static inline void
exchange(struct scripted_backend *b, uint16_t pair)
{
	const bool packed = b->agreed & BIT(VIRTIO_F_RING_PACKED);
	struct virtio_queue rxq = ring_of(b, 2 * pair), txq = ring_of(b, 2 * pair + 1);
	struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct reference_ring rx, tx;
	struct reference_chain c = { 0 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t buf[256] = { 0 };
	uint16_t got = 0;

	reference_init(&rx, &rxq, packed, false);
	reference_init(&tx, &txq, packed, false);
	assert_non_null(m);
	memset(rte_pktmbuf_append(m, 100), 0x5a, 100);
	assert_int_equal(rte_eth_tx_burst(port(), pair, &m, 1), 1);
	assert_true(reference_pop(&tx, &c));
	assert_int_equal(reference_gather(&c, buf, sizeof(buf)), 100 + sizeof(hdr));
	assert_int_equal(buf[sizeof(hdr)], 0x5a);
	assert_true(scripted_knows(b, (uintptr_t)c.pieces[0].addr, c.pieces[0].len));
	reference_push(&tx, c.id, 0, c.descs, 0);
	assert_true(reference_pop(&rx, &c));
	assert_true(scripted_knows(b, (uintptr_t)c.pieces[0].addr, c.pieces[0].len));
	memcpy(buf, &hdr, sizeof(hdr));
	reference_scatter(&c, buf, 100 + sizeof(hdr));
	reference_push(&rx, c.id, 100 + sizeof(hdr), c.descs, 0);
	for (unsigned int i = 0; i < 1000 && got == 0; i++)
		got = rte_eth_rx_burst(port(), pair, &m, 1);
	assert_int_equal(got, 1);
	assert_int_equal(m->pkt_len, 100);
	assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *), 0x5a);
	rte_pktmbuf_free(m);
}

static int
user_setup(void **state)
{
	if (unit_eal_setup(state) != 0)
		return -1;
	/* What goes wrong here goes wrong hundreds of times. */
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_EMERG);
	pool = rte_pktmbuf_pool_create("pool", 2048, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

#endif /* VIRTIO_USER_RIG_H */

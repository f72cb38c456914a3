/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include <rte_mempool.h>

#include "datapath.h"
#include "ethdev.h"
#include "log.h"
#include "ring_packed.h"
#include "transport.h"

/* Buffers posted at once: enough to spread the cost of it, few enough to keep the ring filled. */
#define RX_BATCH 32

/*
 * A header that ends where the frame begins, in the frame's first cache line rather than in the
 * one before it, is a line less to move between the cores of driver and device. 16 bytes of room
 * keep the frame aligned for whoever copies it.
 */
#define RX_HEADER_ROOM 16

/* Rings whose size may be any: those that cannot turn out to be split. */
static bool
has_any_size(const struct virtio_device *dev)
{
	return dev->required & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

static uint16_t
ring_size(struct virtio_device *dev, uint16_t index, uint16_t descs)
{
	uint16_t limit = dev->transport->queue_limit != NULL ?
		dev->transport->queue_limit(dev, index) :
		dev->queue_size;

	if (dev->ring_sizes_fixed || limit < VIRTIO_QUEUE_SIZE_MIN)
		return limit;
	if (!has_any_size(dev)) {
		limit = (uint16_t)rte_align32prevpow2(limit);
		descs = (uint16_t)rte_align32pow2(RTE_MIN(descs, limit));
	}
	return RTE_MAX(RTE_MIN(descs, limit), VIRTIO_QUEUE_SIZE_MIN);
}

static void
release(struct virtio_device *dev, uint16_t index)
{
	struct virtio_queue *q = dev->queues[index];

	if (q == NULL)
		return;
	virtio_device_place(dev, index, NULL);
	dev->transport->queue_release(q);
	virtio_queue_destroy(q);
}

static struct virtio_queue *
create(struct virtio_device *dev, uint16_t index, uint16_t descs, int node)
{
	const uint16_t size = ring_size(dev, index, descs);
	struct virtio_queue *q;

	release(dev, index);
	if (size < VIRTIO_QUEUE_SIZE_MIN || size > VIRTIO_QUEUE_SIZE_MAX ||
		(!has_any_size(dev) && !rte_is_power_of_2(size))) {
		VIRTIO_LOG(ERR, "%s: the device has no queue %u, or one of %u entries", dev->name,
			index, size);
		return NULL;
	}
	if (size < descs)
		VIRTIO_LOG(NOTICE,
			"%s: queue %u has %u descriptors and not the %u asked for, as that is what "
			"%s",
			dev->name, index, size, descs,
			dev->transport->queue_limit != NULL ? "the device has" :
							      "queue_size= and the device allow");
	q = virtio_queue_create(dev, index, size, node);
	if (q == NULL) {
		VIRTIO_LOG(ERR, "%s: no memory for queue %u of %u descriptors", dev->name, index,
			descs);
		return NULL;
	}
	if (dev->transport->queue_setup(q) < 0) {
		virtio_queue_destroy(q);
		return NULL;
	}
	/* Kept in range of what a frame of the ring's size needs beside a header. */
	q->nb_segs_max = RTE_MIN(VIRTIO_TX_SEGS_MAX, q->size - 1);
	virtio_device_place(dev, index, q);
	return q;
}

static bool
is_shared(const void *addr)
{
	const struct rte_memseg_list *list = rte_mem_virt2memseg_list(addr);

	return list != NULL && !list->external;
}

/* What is looked for in a pool: memory that the device cannot be given. */
struct reach {
	const struct virtio_queue *q;
	const void *beyond;
};

static void
look_at_chunk(struct rte_mempool *pool, void *arg, struct rte_mempool_memhdr *chunk, unsigned int i)
{
	struct reach *r = arg;

	(void)pool;
	(void)i;
	if (!is_shared(chunk->addr))
		r->beyond = chunk->addr;
}

static void
look_at_mbuf(struct rte_mempool *pool, void *arg, void *obj, unsigned int i)
{
	const struct rte_mbuf *m = obj;
	struct reach *r = arg;

	(void)pool;
	(void)i;
	if (r->q->dev->by_iova ? virtio_queue_buffer(r->q, m) == RTE_BAD_IOVA :
				 !is_shared(m->buf_addr))
		r->beyond = m->buf_addr;
}

/*
 * Back ends are given DPDK's memory, and nothing that the application brought. Devices have what was mapped
 * for them, which is up to who brought it; but it must have an address.
 */
static int
check_reach(const struct virtio_queue *q, uint16_t id)
{
	struct reach r = { .q = q };

	if (q->pinned)
		rte_mempool_obj_iter(q->pool, look_at_mbuf, &r);
	else if (!q->dev->by_iova)
		rte_mempool_mem_iter(q->pool, look_at_chunk, &r);
	if (r.beyond == NULL)
		return 0;
	VIRTIO_LOG(ERR,
		"%s: buffers of pool %s, of receive queue %u, are at %p, where the device %s",
		q->dev->name, q->pool->name, id, r.beyond,
		q->dev->by_iova ?
			"cannot reach them: give them I/O addresses (struct rte_pktmbuf_extmem)" :
			"cannot be given them: take memory of DPDK's, like memzones, and not the "
			"program's own");
	return -EINVAL;
}

/* By its flags, or by the operations that it was given by name. */
static bool
is_for_one_thread(const struct rte_mempool *pool)
{
	static const char *const names[] = { "ring_sp_sc", "ring_sp_mc", "ring_mp_sc" };
	bool is = pool->flags & (RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);

	for (unsigned int i = 0; i < RTE_DIM(names); i++)
		is |= strcmp(rte_mempool_get_ops(pool->ops_index)->name, names[i]) == 0;
	return is;
}

/*
 * Said of each pool once, and no error: as long as no device comes back or is to announce itself, only
 * the application's threads use it.
 */
static void
warn_of_pool(const struct rte_eth_dev *eth, const struct rte_mempool *pool, uint16_t id)
{
	bool known = false;

	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++) {
		const struct virtio_queue *q = eth->data->rx_queues[i];

		known |= q != NULL && q->pool == pool;
	}
	if (known || !is_for_one_thread(pool))
		return;
	VIRTIO_LOG(WARNING,
		"%s: mbuf pool %s, of receive queue %u, is for one thread at a time, and will be "
		"corrupted when the driver's own thread uses it, as when a device comes back: "
		"create it without RTE_MEMPOOL_F_SP_PUT and RTE_MEMPOOL_F_SC_GET",
		virtio_ethdev_device(eth)->name, pool->name, id);
}

static int
place_frames(struct virtio_queue *q, uint16_t mtu)
{
	const struct virtio_device *dev = q->dev;
	const uint32_t frame = mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	const uint32_t data_room = rte_pktmbuf_data_room_size(q->pool);
	const uint32_t room = data_room - RTE_MIN(data_room, (uint32_t)RTE_PKTMBUF_HEADROOM);
	const bool scatter = q->offloads & RTE_ETH_RX_OFFLOAD_SCATTER;
	const uint16_t pad = room >= frame + RX_HEADER_ROOM || scatter ? RX_HEADER_ROOM : 0;

	if ((room < frame && !scatter) || room < 2 * RX_HEADER_ROOM) {
		VIRTIO_LOG(ERR,
			"%s: mbufs of pool %s hold %u bytes, frames have %u with MTU %u: "
			"use larger mbufs, or ask for scattered receive",
			dev->name, q->pool->name, room, frame, mtu);
		return -EINVAL;
	}
	q->room = RTE_PKTMBUF_HEADROOM + pad;
	q->data_room = (uint16_t)RTE_MIN(data_room, (uint32_t)UINT16_MAX);
	return 0;
}

int
virtio_ethdev_place_frames(struct rte_eth_dev *eth, uint16_t mtu)
{
	int ret = 0;

	for (uint16_t i = 0; i < eth->data->nb_rx_queues && ret == 0; i++)
		if (eth->data->rx_queues[i] != NULL)
			ret = place_frames(eth->data->rx_queues[i], mtu);
	return ret;
}

static void
set_rx_offloads(struct virtio_queue *q, uint64_t offloads)
{
	q->offloads = offloads;
	q->flags &= (uint8_t)~VIRTIO_QUEUE_VLAN_STRIP;
	if (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP)
		q->flags |= VIRTIO_QUEUE_VLAN_STRIP;
}

static void
set_tx_offloads(struct virtio_queue *q, uint64_t offloads)
{
	q->offloads = offloads;
	q->flags &= (uint8_t)~VIRTIO_QUEUE_FAST_FREE;
	if (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
		q->flags |= VIRTIO_QUEUE_FAST_FREE;
}

/* No offload is a single queue's to have. */
void
virtio_ethdev_follow_offloads(struct rte_eth_dev *eth)
{
	const struct rte_eth_dev_data *data = eth->data;

	for (uint16_t i = 0; i < data->nb_rx_queues; i++)
		if (data->rx_queues[i] != NULL)
			set_rx_offloads(data->rx_queues[i], data->dev_conf.rxmode.offloads);
	for (uint16_t i = 0; i < data->nb_tx_queues; i++)
		if (data->tx_queues[i] != NULL)
			set_tx_offloads(data->tx_queues[i], data->dev_conf.txmode.offloads);
}

int
virtio_ethdev_rx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t descs,
	unsigned int node, const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	struct virtio_queue *q;

	if (pool == NULL) {
		VIRTIO_LOG(ERR, "%s: receive queue %u needs one mbuf pool", dev->name, id);
		return -EINVAL;
	}
	q = create(dev, 2 * id, descs, (int)node);
	if (q == NULL)
		return -ENOMEM;
	q->pool = pool;
	q->pinned = rte_pktmbuf_priv_flags(pool) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF;
	snprintf(q->pool_ops, sizeof(q->pool_ops), "%s",
		rte_mempool_get_ops(pool->ops_index)->name);
	set_rx_offloads(q, conf->offloads | eth->data->dev_conf.rxmode.offloads);
	q->deferred = conf->rx_deferred_start;
	q->batch = RTE_MIN(RX_BATCH, RTE_MAX(q->size / 4, 1));
	/*
	 * Up to a batch less one are missing in the ring. A device that waits for as many as a large
	 * frame takes must have them: nothing comes back, and nothing is posted, before it has.
	 */
	if (conf->rx_free_thresh > 0 && conf->rx_free_thresh < q->size)
		q->batch = RTE_MIN(conf->rx_free_thresh, RTE_MAX(q->size / 2, 1));
	if (check_reach(q, id) < 0 || place_frames(q, eth->data->mtu) < 0) {
		release(dev, q->index);
		return -EINVAL;
	}
	warn_of_pool(eth, pool, id);
	eth->data->rx_queues[id] = q;
	return 0;
}

int
virtio_ethdev_tx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t descs,
	unsigned int node, const struct rte_eth_txconf *conf)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);
	struct virtio_queue *q = create(dev, 2 * id + 1, descs, (int)node);

	if (q == NULL)
		return -ENOMEM;
	set_tx_offloads(q, conf->offloads | eth->data->dev_conf.txmode.offloads);
	q->deferred = conf->tx_deferred_start;
	q->batch = q->size - q->size / 4;
	if (conf->tx_free_thresh > 0 && conf->tx_free_thresh < q->size)
		q->batch = conf->tx_free_thresh;
	eth->data->tx_queues[id] = q;
	return 0;
}

void
virtio_ethdev_rx_queue_release(struct rte_eth_dev *eth, uint16_t id)
{
	release(virtio_ethdev_device(eth), 2 * id);
	eth->data->rx_queues[id] = NULL;
}

void
virtio_ethdev_tx_queue_release(struct rte_eth_dev *eth, uint16_t id)
{
	release(virtio_ethdev_device(eth), 2 * id + 1);
	eth->data->tx_queues[id] = NULL;
}

int
virtio_ethdev_complete_pairs(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	for (uint16_t i = 0; i < 2 * dev->pairs; i++)
		if (dev->queues[i] == NULL &&
			create(dev, i, dev->queue_size, eth->data->numa_node) == NULL)
			return -ENOMEM;
	return 0;
}

void
virtio_ethdev_release_queues(struct rte_eth_dev *eth)
{
	struct virtio_device *dev = virtio_ethdev_device(eth);

	for (uint16_t i = 0; i < RTE_DIM(dev->queues); i++)
		release(dev, i);
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		eth->data->rx_queues[i] = NULL;
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		eth->data->tx_queues[i] = NULL;
}

static int
queue_start(struct rte_eth_dev *eth, struct virtio_queue *q, uint8_t *state)
{
	int ret = q->dev->transport->queue_enable(q->dev, q->index, true);

	if (ret == 0)
		*state = RTE_ETH_QUEUE_STATE_STARTED;
	(void)eth;
	return ret;
}

static int
queue_stop(struct rte_eth_dev *eth, struct virtio_queue *q, uint8_t *state)
{
	int ret = q->dev->transport->queue_enable(q->dev, q->index, false);

	*state = RTE_ETH_QUEUE_STATE_STOPPED;
	(void)eth;
	return ret;
}

int
virtio_ethdev_rx_queue_start(struct rte_eth_dev *eth, uint16_t id)
{
	return queue_start(eth, eth->data->rx_queues[id], &eth->data->rx_queue_state[id]);
}

int
virtio_ethdev_rx_queue_stop(struct rte_eth_dev *eth, uint16_t id)
{
	return queue_stop(eth, eth->data->rx_queues[id], &eth->data->rx_queue_state[id]);
}

int
virtio_ethdev_tx_queue_start(struct rte_eth_dev *eth, uint16_t id)
{
	return queue_start(eth, eth->data->tx_queues[id], &eth->data->tx_queue_state[id]);
}

int
virtio_ethdev_tx_queue_stop(struct rte_eth_dev *eth, uint16_t id)
{
	return queue_stop(eth, eth->data->tx_queues[id], &eth->data->tx_queue_state[id]);
}

static bool
try_interrupt(struct virtio_queue *q)
{
	if (!virtio_queue_enter(q, virtio_process))
		return false;
	virtio_queue_interrupt(q);
	virtio_queue_leave(q);
	return true;
}

static int
set_interrupt(struct virtio_queue *q, bool enable)
{
	__atomic_store_n(&q->sleeps, enable, __ATOMIC_RELAXED);
	if (try_interrupt(q))
		return 0;
	/*
	 * Another thread is in a burst, or it is stopped, or closed for a moment by whoever holds the
	 * lock. While it is stopped, the wish is all: the ring may be the device's no more. Who lets
	 * bursts in again, which is done with the lock held, sees it.
	 */
	pthread_mutex_lock(&q->dev->lock);
	if (__atomic_load_n(&q->running, __ATOMIC_RELAXED)) {
		virtio_queues_quiesce(&q, 1);
		if (!virtio_queue_failed(q))
			virtio_queue_run(q);
	}
	pthread_mutex_unlock(&q->dev->lock);
	return 0;
}

int
virtio_ethdev_rx_intr_enable(struct rte_eth_dev *eth, uint16_t id)
{
	return set_interrupt(eth->data->rx_queues[id], true);
}

int
virtio_ethdev_rx_intr_disable(struct rte_eth_dev *eth, uint16_t id)
{
	return set_interrupt(eth->data->rx_queues[id], false);
}

void
virtio_ethdev_rxq_info(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_rxq_info *info)
{
	const struct virtio_queue *q = eth->data->rx_queues[id];

	info->mp = q->pool;
	info->nb_desc = q->size;
	info->scattered_rx = eth->data->scattered_rx;
	info->rx_buf_size = q->data_room - q->room;
	info->conf.rx_free_thresh = q->batch;
	info->conf.rx_deferred_start = q->deferred;
	info->conf.offloads = q->offloads;
}

void
virtio_ethdev_txq_info(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_txq_info *info)
{
	const struct virtio_queue *q = eth->data->tx_queues[id];

	info->nb_desc = q->size;
	info->conf.tx_free_thresh = q->batch;
	info->conf.tx_deferred_start = q->deferred;
	info->conf.offloads = q->offloads;
}

static int
burst_mode(const struct virtio_queue *q, struct rte_eth_burst_mode *mode)
{
	/* ethdev does not ask whether it was set up, nor does it below. */
	if (q == NULL)
		return -EINVAL;
	if (q->burst_id == 0)
		return -EAGAIN;
	snprintf(mode->info, sizeof(mode->info), "%s%s", virtio_burst_name(q), virtio_burst_isa(q));
	return 0;
}

int
virtio_ethdev_rx_burst_mode(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_burst_mode *mode)
{
	return burst_mode(eth->data->rx_queues[id], mode);
}

int
virtio_ethdev_tx_burst_mode(struct rte_eth_dev *eth, uint16_t id, struct rte_eth_burst_mode *mode)
{
	return burst_mode(eth->data->tx_queues[id], mode);
}

int
virtio_ethdev_tx_done_cleanup(void *queue, uint32_t count)
{
	struct virtio_queue *q = queue;
	const uint32_t limit = count == 0 ? UINT16_MAX : RTE_MIN(count, (uint32_t)UINT16_MAX);
	uint16_t freed;

	if (q == NULL)
		return -EINVAL;
	if (!virtio_queue_enter(q, virtio_process))
		return 0;
	freed = virtio_tx_reclaim(q, (uint16_t)limit);
	virtio_queue_leave(q);
	return freed;
}

/*
 * The three questions below only look, and so need no claim: one of them must not end the claim
 * of a burst that another core is in. While a ring is made new the answer is out of date.
 */
uint32_t
virtio_ethdev_rx_count(void *queue)
{
	return virtio_queue_waiting(queue, UINT16_MAX);
}

int
virtio_ethdev_rx_status(void *queue, uint16_t offset)
{
	const struct virtio_queue *q = queue;

	if (offset >= q->size)
		return -EINVAL;
	if (offset >= q->size - q->free)
		return RTE_ETH_RX_DESC_UNAVAIL;
	return virtio_queue_waiting(q, offset + 1) > offset ? RTE_ETH_RX_DESC_DONE :
							      RTE_ETH_RX_DESC_AVAIL;
}

/* Whether what is at the monitored address says that a buffer came back: then, no sleep. */
static int
split_woke(const uint64_t value, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	return value == opaque[0] ? 0 : -1;
}

static int
packed_woke(const uint64_t value, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	return (value & VIRTIO_PACKED_PHASE) == opaque[0] ? -1 : 0;
}

int
virtio_ethdev_monitor_addr(void *queue, struct rte_power_monitor_cond *cond)
{
	struct virtio_queue *q = queue;

	if (q == NULL)
		return -EINVAL;
	cond->size = sizeof(uint16_t);
	if (q->flags & VIRTIO_QUEUE_PACKED) {
		cond->addr = &q->packed[q->used_idx].flags;
		cond->fn = packed_woke;
		cond->opaque[0] = virtio_packed_used_flags(q->used_wrap);
	} else {
		cond->addr = &q->used->idx;
		cond->fn = split_woke;
		cond->opaque[0] = q->used_idx;
	}
	return 0;
}

int
virtio_ethdev_tx_status(void *queue, uint16_t offset)
{
	const struct virtio_queue *q = queue;

	if (offset >= q->size)
		return -EINVAL;
	/* From the next descriptor on come the free ones, then those that can be freed. */
	return offset < q->free + virtio_queue_waiting(q, UINT16_MAX) ? RTE_ETH_TX_DESC_DONE :
									RTE_ETH_TX_DESC_FULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HOSTILE_RIG_H
#define HOSTILE_RIG_H

/**
 * @file
 * A ring whose descriptors a test writes one by one, as no driver would, under the network data path;
 * with a pool that has to be full again when the ring stops. cmocka.h comes before it.
 */

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "net_frame.h"
#include "ring_driver.h"
#include "unit_eal.h"
#include "vring_chain.h"

#define F(bit) (UINT64_C(1) << (bit))
#define SIZE 16
#define POOL_SIZE 2047
#define REGION (1u << 20)
#define TABLE_MAX 2048
#define FRAME_LEN 100
#define HDR ((uint32_t)sizeof(struct virtio_net_hdr_v1))

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

static struct rte_mempool *pool;

/* What a case needs of the guest: a ring, buffers in the first region, tables in the second. */
static struct {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	uint64_t features;
	uint64_t good;  /**< a frame with its header, or room for one */
	uint64_t table; /**< room for TABLE_MAX descriptors */
	uint64_t end;   /**< first address behind all memory */
} rig;

static inline bool
is_packed(void)
{
	return (rig.features & F(VIRTIO_F_RING_PACKED)) != 0;
}

static inline void
rig_start(uint64_t features)
{
	rig.features = features | F(VIRTIO_F_VERSION_1);
	guest_memory_init(&rig.memory, 2, REGION);
	ring_driver_init(&rig.driver, &rig.memory, rig.features, SIZE);
	rig.good = guest_memory_alloc(&rig.memory, 2048, 64);
	rig.table = guest_memory_alloc(&rig.memory, TABLE_MAX * sizeof(struct vring_desc), 16);
	rig.end = guest_memory_region(&rig.memory, 2);
	ring_driver_attach(&rig.driver, &rig.vr, "hostile");
	vhost_vring_start(&rig.vr, rig.memory.table);
}

static inline void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

/* A descriptor of either format, at index @a i of the ring or of an indirect table. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static inline void
write_table_entry(uint64_t table, uint32_t i, const struct desc *d)
{
	uint64_t at = table + i * sizeof(struct vring_desc);

	if (is_packed()) {
		struct vring_packed_desc p = { .addr = d->addr, .len = d->len, .flags = d->flags };

		guest_memory_write(&rig.memory, at, &p, sizeof(p));
	} else {
		struct vring_desc s = { d->addr, d->len, d->flags, d->next };

		guest_memory_write(&rig.memory, at, &s, sizeof(s));
	}
}

/* Position at which the next chain is made available. */
static uint16_t ring_at;

/* Make @a n descriptors that stand in the ring from ring_at on available as one chain. */
static inline void
offer(const struct desc *descs, uint16_t n)
{
	if (is_packed()) {
		struct vring_packed_desc *ring = rig.driver.layout.desc;

		for (int i = n - 1; i >= 0; i--) {
			ring[ring_at + i].addr = descs[i].addr;
			ring[ring_at + i].len = descs[i].len;
			ring[ring_at + i].id = ring_at;
			ring[ring_at + i].flags = descs[i].flags | 1u << VRING_PACKED_DESC_F_AVAIL;
		}
	} else {
		struct vring_desc *ring = rig.driver.layout.desc;
		struct vring_avail *avail = rig.driver.layout.driver;

		for (uint16_t i = 0; i < n; i++)
			ring[ring_at + i] = (struct vring_desc){ descs[i].addr, descs[i].len,
				descs[i].flags, descs[i].next };
		avail->ring[avail->idx % SIZE] = ring_at;
		avail->idx++;
	}
	ring_at += n;
}

/* Chains that came back, and the length that the last of them had. */
static inline uint16_t
given_back(uint32_t *len)
{
	uint16_t n = 0;

	if (is_packed()) {
		struct vring_packed_desc *ring = rig.driver.layout.desc;
		uint16_t both = 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;

		for (uint16_t i = 0; i < SIZE; i++) {
			if ((ring[i].flags & both) == both) {
				*len = ring[i].len;
				n++;
			}
		}
	} else {
		struct vring_used *used = rig.driver.layout.device;

		n = used->idx;
		if (n > 0)
			*len = used->ring[(n - 1) % SIZE].len;
	}
	return n;
}

/* A chain as it should be: the good frame, or room for one. */
static inline void
offer_good(bool writable)
{
	struct desc d = { rig.good, HDR + FRAME_LEN, writable ? WRITE : 0, 0 };

	offer(&d, 1);
}

static inline int
rig_setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(POOL_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE);
	rte_log_set_level_pattern("lib.vhost.data", RTE_LOG_CRIT);
	return pool == NULL ? -1 : 0;
}

#endif /* HOSTILE_RIG_H */

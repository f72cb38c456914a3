/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A ring behind an IOMMU, without the messages that fill its tables: descriptors hold addresses of
 * the device, which lead to guest memory, or to nothing yet.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define HDR ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define REGION (1u << 16)
#define PAGE 4096u
#define SIZE 16
#define LEN 100
#define SHIFT UINT64_C(0x700000000000) /**< from guest physical to device addresses */

static struct rte_mempool *pool;

static struct {
	struct guest_memory memory;
	struct rte_vhost_memory *mapped; /**< by device address: the first region, or both */
	struct ring_driver driver;
	struct vhost_vring vr;
	uint64_t first, second; /**< buffers, one in each region */
} rig;

static const uint64_t formats[] = { 0, F(VIRTIO_F_IN_ORDER), F(VIRTIO_NET_F_MRG_RXBUF),
	F(VIRTIO_F_RING_PACKED), F(VIRTIO_F_RING_PACKED) | F(VIRTIO_NET_F_MRG_RXBUF) };

/* @a n regions mapped to be written, @a readable at least to be read. */
static void
map_regions(uint32_t n, uint32_t readable, bool start)
{
	static struct rte_vhost_memory *tables;
	const size_t size = sizeof(*rig.mapped) + 2 * sizeof(rig.mapped->regions[0]);
	struct vhost_vring_memory memory = { .guest = rig.memory.table };

	free(rig.mapped);
	free(tables);
	rig.mapped = calloc(1, size);
	tables = calloc(1, size);
	assert_non_null(rig.mapped);
	assert_non_null(tables);
	for (uint32_t i = 0; i < 2; i++) {
		rig.mapped->regions[i] = rig.memory.table->regions[i];
		rig.mapped->regions[i].guest_phys_addr += SHIFT;
		tables->regions[i] = rig.mapped->regions[i];
	}
	rig.mapped->nregions = n;
	tables->nregions = readable;
	memory.data = rig.mapped;
	memory.tables = tables;
	if (start)
		vhost_vring_start_iommu(&rig.vr, &memory);
	else
		vhost_vring_set_tables(&rig.vr, &memory);
	if (n == 0) {
		free(tables);
		tables = NULL;
	}
}

static void
rig_start(uint64_t features)
{
	features |= F(VIRTIO_F_VERSION_1);
	guest_memory_init(&rig.memory, 2, REGION);
	ring_driver_init(&rig.driver, &rig.memory, features, SIZE);
	rig.first = guest_memory_alloc(&rig.memory, 2 * PAGE, PAGE);
	rig.second = guest_memory_region(&rig.memory, 1) + PAGE;
	ring_driver_attach(&rig.driver, &rig.vr, "iommu");
	map_regions(1, 1, true);
}

static void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	map_regions(0, 0, false);
	free(rig.mapped);
	rig.mapped = NULL;
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

static void
offer(uint64_t gpa, bool writable, uint32_t token)
{
	const struct ring_driver_seg seg = { gpa + SHIFT, HDR + LEN };
	uint8_t bytes[HDR + LEN] = { 0 };

	memset(bytes + HDR, token, LEN);
	guest_memory_write(&rig.memory, gpa, bytes, sizeof(bytes));
	assert_true(ring_driver_add(&rig.driver, &seg, 1, writable, RING_DRIVER_DIRECT, token));
	ring_driver_publish(&rig.driver);
}

static uint16_t
enqueue(uint8_t value)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t n;

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, LEN), value, LEN);
	n = vhost_net_enqueue(&rig.vr, &m, 1);
	rte_pktmbuf_free(m);
	return n;
}

static void
a_frame_waits_for_its_mapping(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct rte_mbuf *pkts[4];

		rig_start(formats[i]);
		offer(rig.first, false, 1);
		offer(rig.second, false, 2);
		offer(rig.first + PAGE, false, 3);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 1);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts + 1, 3), 0);
		assert_int_equal(rig.vr.miss.kind, VHOST_VRING_MISS_UNMAPPED);
		assert_int_equal(rig.vr.miss.access, VHOST_ACCESS_RO);
		assert_int_equal(rig.vr.miss.addr, rig.second + SHIFT);

		/* No frame is lost, none passes another. */
		map_regions(2, 2, false);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts + 1, 3), 2);
		for (int k = 0; k < 3; k++)
			assert_int_equal(*rte_pktmbuf_mtod(pkts[k], uint8_t *), k + 1);
		rte_pktmbuf_free_bulk(pkts, 3);
		assert_int_equal(rig.vr.stats.iotlb_misses, 1);
		assert_int_equal(rig.vr.stats.iotlb_hits, 3);
		for (int k = 0; k < VHOST_VRING_DROP_MAX; k++)
			assert_int_equal(rig.vr.stats.drops[k], 0);
		rig_stop();
	}
}

static void
a_buffer_waits_for_its_mapping(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		uint8_t got;

		rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
		offer(rig.second, true, 1);
		assert_int_equal(enqueue(7), 0);
		assert_int_equal(rig.vr.miss.kind, VHOST_VRING_MISS_UNMAPPED);
		assert_int_equal(rig.vr.miss.access, VHOST_ACCESS_WO);
		assert_int_equal(rig.vr.miss.addr, rig.second + SHIFT);
		map_regions(2, 2, false);
		assert_int_equal(enqueue(8), 1);
		guest_memory_read(&rig.memory, rig.second + HDR, &got, 1);
		assert_int_equal(got, 8);
		assert_int_equal(rig.vr.stats.iotlb_misses, 1);
		assert_int_equal(rig.vr.stats.iotlb_hits, 1);
		rig_stop();
	}
}

/* Mapped, but not to be written: no mapping that might come would change that. */
static void
a_buffer_that_may_only_be_read_comes_back_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		uint32_t token, len;
		uint8_t got;

		rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
		map_regions(1, 2, false);
		offer(rig.second, true, 1);
		offer(rig.first, true, 2);
		assert_int_equal(enqueue(9), 1);
		assert_int_equal(rig.vr.miss.kind, VHOST_VRING_MISS_DENIED);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 1);
		guest_memory_read(&rig.memory, rig.second + HDR, &got, 1);
		assert_int_equal(got, 1);
		assert_true(ring_driver_take(&rig.driver, &token, &len));
		assert_int_equal(token, 1);
		assert_int_equal(len, 0);
		assert_true(ring_driver_take(&rig.driver, &token, &len));
		assert_int_equal(token, 2);
		rig_stop();
	}
}

/* What a burst translated ahead for the next one does not outlive the mapping. */
static void
a_mapping_that_is_taken_away_is_used_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct rte_mbuf *m;

		rig_start(formats[i]);
		map_regions(2, 2, false);
		offer(rig.first, false, 1);
		offer(rig.second, false, 2);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 1);
		rte_pktmbuf_free(m);
		map_regions(1, 1, false);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 0);
		assert_int_equal(rig.vr.miss.addr, rig.second + SHIFT);
		rig_stop();
	}
}

/* Of a buffer that is looked at ahead of its turn, both ends count. */
static void
a_buffer_that_is_mapped_in_part_lacks_the_rest(void **state)
{
	struct vhost_vring_buffer b = { .len = PAGE };
	uint64_t end, addr;

	(void)state;
	rig_start(0);
	end = guest_memory_region(&rig.memory, 1) + SHIFT;
	b.addr = end - PAGE;
	assert_false(vhost_vring_lacks(&rig.vr, &b, &addr));
	b.addr++;
	assert_true(vhost_vring_lacks(&rig.vr, &b, &addr));
	assert_int_equal(addr, end);
	b.addr = end + 5;
	assert_true(vhost_vring_lacks(&rig.vr, &b, &addr));
	assert_int_equal(addr, end + 5);
	b = (struct vhost_vring_buffer){ .addr = end - 1, .len = 0 };
	assert_false(vhost_vring_lacks(&rig.vr, &b, &addr));
	rig_stop();
}

/* The log counts pages of the guest, whatever the device calls them. */
static void
the_dirty_log_has_guest_pages(void **state)
{
	static uint8_t bitmap[GUEST_MEMORY_BASE / PAGE / 8 + 2 * REGION / PAGE / 8];
	const struct vhost_dirty_log log = { bitmap, sizeof(bitmap) };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		uint64_t buffer, ring;

		rig_start((formats[i] & ~F(VIRTIO_F_IN_ORDER)) | F(VHOST_F_LOG_ALL));
		map_regions(2, 2, false);
		memset(bitmap, 0, sizeof(bitmap));
		vhost_vring_set_log(&rig.vr, &log);
		/* Across a page's end. */
		offer(rig.second - 50, true, 1);
		assert_int_equal(enqueue(7), 1);
		buffer = (rig.second - 50) / PAGE;
		ring = rig.driver.layout.log_gpa / PAGE;
		for (uint64_t page = 0; page < 8 * sizeof(bitmap); page++)
			assert_int_equal(bitmap[page / 8] >> (page % 8) & 1,
				page == buffer || page == buffer + 1 || page == ring);
		rig_stop();
	}
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(63, RTE_MBUF_DEFAULT_BUF_SIZE);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_waits_for_its_mapping),
		cmocka_unit_test(a_buffer_waits_for_its_mapping),
		cmocka_unit_test(a_buffer_that_may_only_be_read_comes_back_empty),
		cmocka_unit_test(a_mapping_that_is_taken_away_is_used_no_more),
		cmocka_unit_test(a_buffer_that_is_mapped_in_part_lacks_the_rest),
		cmocka_unit_test(the_dirty_log_has_guest_pages),
	};

	return cmocka_run_group_tests_name("net_iommu", tests, setup, NULL);
}

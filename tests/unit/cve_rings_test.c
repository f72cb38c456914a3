/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published flaws of a vhost library that a guest reached through its rings, each provoked as its
 * advisory tells. Guest memory here stands between pages that end the test when they are touched, and
 * mbufs are counted: what the flaws did would show.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "memory.h"
#include "net_frame.h"
#include "ring_driver.h"
#include "unit_eal.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define HDR ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define REGION (1u << 16)
#define REGIONS 3
#define SIZE 64
#define POOL_SIZE 255
#define FRAME_LEN 200

static struct rte_mempool *pool;

static struct {
	struct guest_memory memory;
	struct ring_driver driver;
	struct vhost_vring vr;
	uint64_t end; /**< first address behind all memory */
} rig;

static const uint64_t formats[] = {
	0,
	F(VIRTIO_F_IN_ORDER),
	F(VIRTIO_NET_F_MRG_RXBUF),
	PACKED,
	PACKED | F(VIRTIO_F_IN_ORDER),
	PACKED | F(VIRTIO_NET_F_MRG_RXBUF),
};

static void
rig_start(uint64_t features)
{
	features |= F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC);
	guest_memory_init(&rig.memory, REGIONS, REGION);
	ring_driver_init(&rig.driver, &rig.memory, features, SIZE);
	rig.end = guest_memory_region(&rig.memory, REGIONS);
	ring_driver_attach(&rig.driver, &rig.vr, "cve");
	vhost_vring_start(&rig.vr, rig.memory.table);
}

static void
rig_stop(void)
{
	vhost_vring_stop(&rig.vr);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
	ring_driver_fini(&rig.driver);
	guest_memory_fini(&rig.memory);
}

static void
offer(uint64_t gpa, uint32_t len, bool writable, uint32_t token)
{
	const struct ring_driver_seg seg = { gpa, len };

	assert_true(ring_driver_add(&rig.driver, &seg, 1, writable, RING_DRIVER_DIRECT, token));
	ring_driver_publish(&rig.driver);
}

static void
fill(uint8_t *data, uint32_t len, uint8_t first)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = first + i * 3;
}

/* A frame as the guest sends it, at @a gpa. */
static void
write_frame(uint64_t gpa, uint32_t len, uint8_t first)
{
	uint8_t bytes[HDR + 4096] = { 0 };

	fill(bytes + HDR, len, first);
	guest_memory_write(&rig.memory, gpa, bytes, HDR + len);
}

static void
check_frame(const struct rte_mbuf *m, uint32_t len, uint8_t first)
{
	uint8_t expected[4096], got[4096];

	fill(expected, len, first);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, len, got), expected, len);
}

static uint64_t
drops(void)
{
	uint64_t n = 0;

	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
		n += rig.vr.stats.drops[i];
	return n;
}

/*
 * CVE-2018-1059: only the beginning of a guest physical range was translated; what lay behind the end
 * of its region was memory of the back end.
 */
static void
cve_2018_1059_buffers_end_with_their_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		struct rte_mbuf *pkts[4];

		/* All but the first byte of the frame lies outside of guest memory. */
		rig_start(formats[i]);
		offer(rig.end - HDR - 1, HDR + FRAME_LEN, false, 0);
		offer(rig.end - 1, HDR + FRAME_LEN, false, 1);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 0);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 2);
		rig_stop();

		rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
		offer(rig.end - HDR - 1, HDR + FRAME_LEN, true, 0);
		pkts[0] = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(pkts[0], FRAME_LEN);
		vhost_net_enqueue(&rig.vr, pkts, 1);
		assert_int_equal(rig.vr.stats.packets, 0);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 1);
		rte_pktmbuf_free(pkts[0]);
		rig_stop();
	}
}

/* Regions that follow each other in guest memory, and do not here. */
static void
cve_2018_1059_buffers_go_on_in_the_next_region(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		rig_start(formats[i]);
		for (uint32_t before = 1; before < HDR + FRAME_LEN; before++) {
			uint64_t gpa = guest_memory_region(&rig.memory, 2) - before;
			uint32_t token, len;
			struct rte_mbuf *m;

			write_frame(gpa, FRAME_LEN, before);
			offer(gpa, HDR + FRAME_LEN, false, 0);
			assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 1);
			check_frame(m, FRAME_LEN, before);
			rte_pktmbuf_free(m);
			assert_true(ring_driver_take(&rig.driver, &token, &len));
		}
		assert_int_equal(drops(), 0);
		rig_stop();
	}
}

/* The same for an indirect table, which was cast to host memory as a whole. */
static void
cve_2018_1059_indirect_tables_end_with_their_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		for (uint32_t entries = 0; entries < 4; entries++) {
			struct rte_mbuf *m;
			uint64_t table;

			/* Of four entries this many are in memory, and another half. */
			rig_start(formats[i]);
			table = rig.end - entries * sizeof(struct vring_desc) - 8;
			struct ring_driver_seg seg = { table, 4 * sizeof(struct vring_desc) };

			for (uint64_t at = table; at < rig.end; at++)
				*(uint8_t *)guest_memory_at(&rig.memory, at) = 0;
			for (uint32_t k = 0; k < entries; k++) {
				struct vring_desc d = { GUEST_MEMORY_BASE + 0x8000, 50,
					VRING_DESC_F_NEXT, k + 1 };

				if (formats[i] & PACKED)
					d.flags = d.next = 0;
				guest_memory_write(&rig.memory, table + k * sizeof(d), &d,
					sizeof(d));
			}
			assert_true(ring_driver_add(&rig.driver, &seg, 1, false, RING_DRIVER_DIRECT,
				0));
			if (formats[i] & PACKED) {
				struct vring_packed_desc *d = rig.driver.layout.desc;

				d->flags |= VRING_DESC_F_INDIRECT;
				rig.driver.first_flags |= VRING_DESC_F_INDIRECT;
			} else {
				struct vring_desc *d = rig.driver.layout.desc;

				d->flags |= VRING_DESC_F_INDIRECT;
			}
			ring_driver_publish(&rig.driver);
			assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 0);
			assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 1);
			rig_stop();
		}
	}
}

/* And for the areas of a ring: each has to lie in one region, all of it. */
static void
cve_2018_1059_ring_areas_end_with_their_region(void **state)
{
	const struct rte_vhost_mem_region *r;

	(void)state;
	rig_start(0);
	r = &rig.memory.table->regions[1];
	for (uint32_t i = 0; i < REGIONS; i++)
		rig.memory.table->regions[i].guest_user_addr = UINT64_C(0x7f0000000000) +
			i * REGION;
	assert_ptr_equal(vhost_memory_from_fe_va(rig.memory.table, r->guest_user_addr, REGION),
		(void *)(uintptr_t)r->host_user_addr);
	assert_null(vhost_memory_from_fe_va(rig.memory.table, r->guest_user_addr, REGION + 1));
	assert_null(
		vhost_memory_from_fe_va(rig.memory.table, r->guest_user_addr + REGION - 15, 16));
	assert_null(
		vhost_memory_from_fe_va(rig.memory.table, r->guest_user_addr + 16, UINT64_MAX - 8));
	rig_stop();
}

/*
 * CVE-2020-10725: a burst on a packed ring translated the addresses of several descriptors at once
 * and used the results unseen.
 */
static void
cve_2020_10725_each_address_of_a_batch_is_checked(void **state)
{
	static const uint64_t addresses[] = { 0, 0x1000, GUEST_MEMORY_BASE - 1, UINT64_MAX,
		UINT64_MAX - FRAME_LEN, UINT64_C(1) << 63 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		for (uint32_t bad = 0; bad < 4; bad++) {
			struct rte_mbuf *pkts[4];
			uint64_t good;
			uint16_t n;

			rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
			good = guest_memory_alloc(&rig.memory, 16 * 256, 64);
			/* Each place of a batch of four in turn, and all of them. */
			for (uint32_t k = 0; k < 16; k++)
				offer(k % 4 == bad || k >= 12 ?
						addresses[(k / 4 + bad) % RTE_DIM(addresses)] :
						good + k * 256,
					256, true, k);
			assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 4), 0);
			for (uint32_t k = 0; k < 4; k++)
				memset(rte_pktmbuf_append(pkts[k], FRAME_LEN), k, FRAME_LEN);
			n = vhost_net_enqueue(&rig.vr, pkts, 4);
			n += vhost_net_enqueue(&rig.vr, pkts, 4);
			n += vhost_net_enqueue(&rig.vr, pkts, 4);
			assert_int_equal(n, 9);
			assert_int_equal(rig.vr.stats.packets, 9);
			assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 7);
			rte_pktmbuf_free_bulk(pkts, 4);
			rig_stop();
		}
	}
}

/* The other direction had the same batches. */
static void
cve_2020_10725_each_address_of_a_batch_is_checked_sending(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		for (uint32_t bad = 0; bad < 4; bad++) {
			struct rte_mbuf *pkts[8];
			uint64_t good;

			rig_start(formats[i]);
			good = guest_memory_alloc(&rig.memory, 256, 64);
			write_frame(good, FRAME_LEN, 1);
			for (uint32_t k = 0; k < 8; k++)
				offer(k % 4 == bad ? UINT64_C(0x1000) * k : good, HDR + FRAME_LEN,
					false, k);
			assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 8), 6);
			for (uint32_t k = 0; k < 6; k++)
				check_frame(pkts[k], FRAME_LEN, 1);
			rte_pktmbuf_free_bulk(pkts, 6);
			assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], 2);
			rig_stop();
		}
	}
}

/* A chain whose first descriptors hold @a piece bytes each until the header is complete. */
static uint16_t
cut_header(struct ring_driver_seg *segs, uint64_t gpa, uint32_t piece, uint32_t len)
{
	uint32_t at = 0;
	uint16_t n = 0;

	for (; at < HDR; at += segs[n++].len)
		segs[n] = (struct ring_driver_seg){ gpa + at, RTE_MIN(piece, HDR - at) };
	if (len > 0)
		segs[n++] = (struct ring_driver_seg){ gpa + at, len };
	return n;
}

/*
 * CVE-2022-2132: a header in more than two descriptors made the length of what was left wrap, and the
 * copying went on until every mbuf was used up.
 */
static void
cve_2022_2132_headers_lie_in_any_number_of_descriptors(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		rig_start(formats[i]);
		uint64_t gpa = guest_memory_region(&rig.memory, 1) - 5;

		for (uint32_t piece = 1; piece <= HDR; piece++) {
			struct ring_driver_seg segs[HDR + 1];
			uint32_t token, len;
			struct rte_mbuf *m;
			uint16_t n = cut_header(segs, gpa, piece, FRAME_LEN);

			write_frame(gpa, FRAME_LEN, piece);
			assert_true(ring_driver_add(&rig.driver, segs, n, false,
				piece % 2 ? RING_DRIVER_DIRECT : RING_DRIVER_INDIRECT, piece));
			ring_driver_publish(&rig.driver);
			assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 1);
			assert_int_equal(m->nb_segs, 1);
			check_frame(m, FRAME_LEN, piece);
			rte_pktmbuf_free(m);
			assert_true(ring_driver_take(&rig.driver, &token, &len));
		}
		rig_stop();
	}
}

/* With nothing behind the header, or the header cut short. */
static void
cve_2022_2132_headers_without_a_frame_use_up_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		rig_start(formats[i]);
		uint64_t gpa = guest_memory_alloc(&rig.memory, 4096, 64);

		for (uint32_t piece = 1; piece <= HDR; piece++) {
			struct ring_driver_seg segs[HDR + 1];
			uint16_t n = cut_header(segs, gpa, piece, 0);
			uint32_t token, len;
			struct rte_mbuf *m;

			/* The second time without the last piece, the third time with an empty one. */
			for (int k = 0; k < 3; k++) {
				const uint64_t bad_headers =
					rig.vr.stats.drops[VHOST_VRING_DROP_BAD_HEADER];

				if (k == 1 && --n == 0)
					break;
				if (k == 2)
					segs[n++] = (struct ring_driver_seg){ gpa, 0 };
				assert_true(ring_driver_add(&rig.driver, segs, n, false,
					RING_DRIVER_DIRECT, piece));
				ring_driver_publish(&rig.driver);
				assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), 0);
				assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_HEADER] -
						bad_headers,
					k > 0);
				assert_int_equal(rte_mempool_avail_count(pool), POOL_SIZE);
				assert_true(ring_driver_take(&rig.driver, &token, &len));
			}
		}
		assert_false(rig.vr.broken);
		rig_stop();
	}
}

/* Receiving, the header was written through the same arithmetic. */
static void
cve_2022_2132_headers_are_written_over_descriptors(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
		uint64_t gpa = guest_memory_region(&rig.memory, 1) - 5;

		for (uint32_t piece = 1; piece <= HDR; piece++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
			uint8_t expected[HDR + FRAME_LEN] = { [HDR - 2] = 1 };
			uint8_t got[HDR + FRAME_LEN];
			struct ring_driver_seg segs[HDR + 1];
			uint16_t n = cut_header(segs, gpa, piece, FRAME_LEN);
			uint32_t token, len;

			fill((uint8_t *)rte_pktmbuf_append(m, FRAME_LEN), FRAME_LEN, piece);
			fill(expected + HDR, FRAME_LEN, piece);
			assert_true(ring_driver_add(&rig.driver, segs, n, true,
				piece % 2 ? RING_DRIVER_DIRECT : RING_DRIVER_INDIRECT, piece));
			ring_driver_publish(&rig.driver);
			assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
			rte_pktmbuf_free(m);
			assert_true(ring_driver_take(&rig.driver, &token, &len));
			assert_int_equal(len, HDR + FRAME_LEN);
			guest_memory_read(&rig.memory, gpa, got, sizeof(got));
			assert_memory_equal(got, expected, sizeof(got));
		}
		assert_int_equal(drops(), 0);
		rig_stop();
	}
}

/* Buffers that a whole header does not fit into: what is left of them is no length either. */
static void
cve_2022_2132_buffers_shorter_than_a_header_receive_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		for (uint32_t len = 0; len < HDR; len++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
			uint32_t token, written;

			/* Guest memory ends where the buffer does. */
			rig_start(formats[i] & ~F(VIRTIO_F_IN_ORDER));
			memset(rte_pktmbuf_append(m, FRAME_LEN), 0x5a, FRAME_LEN);
			offer(rig.end - len, len, true, 0);
			vhost_net_enqueue(&rig.vr, &m, 1);
			rte_pktmbuf_free(m);
			assert_int_equal(rig.vr.stats.packets, 0);
			if (ring_driver_take(&rig.driver, &token, &written))
				assert_int_equal(written, 0);
			rig_stop();
		}
	}
}

/*
 * CVE-2024-11614: where a checksum begins and goes to was believed, and the sum made and stored
 * outside of the frame.
 */
static void
cve_2024_11614_checksums_stay_within_the_frame(void **state)
{
	static const uint16_t edges[] = { 0, 1, 13, 14, 33, 34, FRAME_LEN - 18, FRAME_LEN - 3,
		FRAME_LEN - 2, FRAME_LEN - 1, FRAME_LEN, 0x7fff, 0x8000, 0xfffe, 0xffff };
	static const uint64_t flags[] = { 0, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS };
	static const uint16_t types[] = { RTE_ETHER_TYPE_IPV4, RTE_ETHER_TYPE_IPV6,
		RTE_ETHER_TYPE_VLAN, 0x88b5 };
	const size_t n = RTE_DIM(edges) * RTE_DIM(edges) * RTE_DIM(types) * RTE_DIM(flags);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
		rte_be16_t type = rte_cpu_to_be_16(types[i / 2 % RTE_DIM(types)]);
		bool within;
		struct rte_mbuf *m;
		uint64_t gpa;

		hdr.csum_start = edges[i / 8 % RTE_DIM(edges)];
		hdr.csum_offset = edges[i / 8 / RTE_DIM(edges)];
		within = hdr.csum_start + hdr.csum_offset + 2 <= FRAME_LEN;
		rig_start(F(VIRTIO_NET_F_CSUM) | (i % 3 == 0 ? PACKED : 0));
		rig.vr.mbuf_flags = flags[i % 2];
		/* The frame ends where guest memory does. */
		gpa = rig.end - HDR - FRAME_LEN;
		write_frame(gpa, FRAME_LEN, 1);
		guest_memory_write(&rig.memory, gpa, &hdr, sizeof(hdr));
		guest_memory_write(&rig.memory, gpa + HDR + 12, &type, sizeof(type));
		offer(gpa, HDR + FRAME_LEN, false, 0);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, &m, 1), within);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_OFFLOAD], !within);
		if (within) {
			assert_int_equal(m->pkt_len, FRAME_LEN);
			assert_true((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == 0 ||
				m->l2_len + m->l3_len < FRAME_LEN);
			rte_pktmbuf_free(m);
		}
		rig_stop();
	}
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(POOL_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cve_2018_1059_buffers_end_with_their_memory),
		cmocka_unit_test(cve_2018_1059_buffers_go_on_in_the_next_region),
		cmocka_unit_test(cve_2018_1059_indirect_tables_end_with_their_memory),
		cmocka_unit_test(cve_2018_1059_ring_areas_end_with_their_region),
		cmocka_unit_test(cve_2020_10725_each_address_of_a_batch_is_checked),
		cmocka_unit_test(cve_2020_10725_each_address_of_a_batch_is_checked_sending),
		cmocka_unit_test(cve_2022_2132_headers_lie_in_any_number_of_descriptors),
		cmocka_unit_test(cve_2022_2132_headers_without_a_frame_use_up_nothing),
		cmocka_unit_test(cve_2022_2132_headers_are_written_over_descriptors),
		cmocka_unit_test(cve_2022_2132_buffers_shorter_than_a_header_receive_nothing),
		cmocka_unit_test(cve_2024_11614_checksums_stay_within_the_frame),
	};

	return cmocka_run_group_tests_name("cve_rings", tests, setup, NULL);
}

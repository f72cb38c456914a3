/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames for which there is no room, in the guest's buffers or in mbufs: they wait, or are dropped and
 * counted, and those behind them arrive.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hostile_rig.h"

static void
a_frame_that_fits_no_buffer_does_not_hold_up_others(void **state)
{
	struct rte_mbuf *pkts[2];
	uint32_t len;

	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		rig_start(packed ? F(VIRTIO_F_RING_PACKED) : 0);
		ring_at = 0;
		offer_good(true);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 2), 0);
		rte_pktmbuf_append(pkts[0], FRAME_LEN + 1);
		rte_pktmbuf_append(pkts[1], FRAME_LEN);
		assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 2), 2);
		rte_pktmbuf_free_bulk(pkts, 2);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], 1);
		assert_int_equal(rig.vr.stats.packets, 1);
		assert_int_equal(given_back(&len), 1);
		assert_int_equal(len, HDR + FRAME_LEN);
		rig_stop();
	}
}

/* With mergeable buffers, and a ring of its own size in the place of the rig's. */
static void
rig_start_larger(struct ring_driver *d, uint16_t size)
{
	rig_start(F(VIRTIO_NET_F_MRG_RXBUF));
	vhost_vring_stop(&rig.vr);
	ring_driver_init(d, &rig.memory, rig.features, size);
	assert_int_equal(vhost_vring_set_layout(&rig.vr, &d->layout), 0);
	vhost_vring_start(&rig.vr, rig.memory.table);
}

/* Buffers of one byte each: more of them than a frame may be spread over. */
static void
a_frame_is_not_spread_over_any_number_of_buffers(void **state)
{
	const uint16_t size = 1024;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct ring_driver d;
	uint32_t token, len;

	(void)state;
	rig_start_larger(&d, size);
	for (uint16_t i = 0; i < size; i++) {
		struct ring_driver_seg seg = { rig.good, i == 0 ? HDR + 1 : 1 };

		assert_true(ring_driver_add(&d, &seg, 1, true, RING_DRIVER_DIRECT, i));
	}
	ring_driver_publish(&d);
	rte_pktmbuf_append(m, NET_FRAME_CHAINS_MAX + 1);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], 1);
	assert_false(ring_driver_take(&d, &token, &len));
	rte_pktmbuf_trim(m, 1);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
	for (uint32_t i = 0; i < NET_FRAME_CHAINS_MAX; i++) {
		assert_true(ring_driver_take(&d, &token, &len));
		assert_int_equal(token, i);
	}
	rte_pktmbuf_free(m);
	ring_driver_fini(&d);
	rig_stop();
}

/* A buffer without room is no part of a frame: it comes back, and the frame begins behind it. */
static void
a_frame_goes_on_in_no_buffer_without_room(void **state)
{
	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		const struct ring_driver_seg segs[] = { { 0, HDR + 10 }, { 0, 0 },
			{ 0, HDR + FRAME_LEN } };
		struct ring_driver d;
		struct virtio_net_hdr_v1 hdr;
		uint32_t token, len;

		rig_start(F(VIRTIO_NET_F_MRG_RXBUF) | (packed ? F(VIRTIO_F_RING_PACKED) : 0));
		vhost_vring_stop(&rig.vr);
		ring_driver_init(&d, &rig.memory, rig.features, SIZE);
		assert_int_equal(vhost_vring_set_layout(&rig.vr, &d.layout), 0);
		vhost_vring_start(&rig.vr, rig.memory.table);
		for (uint32_t i = 0; i < RTE_DIM(segs); i++) {
			const struct ring_driver_seg seg = { rig.good + i * 256, segs[i].len };

			assert_true(ring_driver_add(&d, &seg, 1, true, RING_DRIVER_DIRECT, i));
		}
		ring_driver_publish(&d);
		rte_pktmbuf_append(m, FRAME_LEN);
		assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
		for (uint32_t i = 0; i < RTE_DIM(segs); i++) {
			assert_true(ring_driver_take(&d, &token, &len));
			assert_int_equal(token, i);
			assert_int_equal(len, i == 2 ? HDR + FRAME_LEN : 0);
		}
		guest_memory_read(&rig.memory, rig.good + 2 * 256, &hdr, sizeof(hdr));
		assert_int_equal(hdr.num_buffers, 1);
		rte_pktmbuf_free(m);
		ring_driver_fini(&d);
		rig_stop();
	}
}

/* More malformed buffers than are dealt with at once do not cost the frame. */
static void
a_frame_waits_while_malformed_buffers_are_given_back(void **state)
{
	const uint16_t size = 1024, bad = NET_FRAME_CHAINS_MAX + 10;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct ring_driver d;
	uint32_t token, len;

	(void)state;
	rig_start_larger(&d, size);
	for (uint16_t i = 0; i <= bad; i++) {
		struct ring_driver_seg seg = { i < bad ? 0x1000 : rig.good, 200 };

		assert_true(ring_driver_add(&d, &seg, 1, true, RING_DRIVER_DIRECT, i));
	}
	ring_driver_publish(&d);
	rte_pktmbuf_append(m, FRAME_LEN);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 0);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
	assert_int_equal(rig.vr.stats.packets, 1);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], 0);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_BAD_ADDR], bad);
	for (uint16_t i = 0; i <= bad; i++) {
		assert_true(ring_driver_take(&d, &token, &len));
		assert_int_equal(token, i);
	}
	rte_pktmbuf_free(m);
	ring_driver_fini(&d);
	rig_stop();
}

static void
frames_wait_in_the_ring_while_the_pool_is_empty(void **state)
{
	struct rte_mbuf **all = calloc(POOL_SIZE, sizeof(*all)), *pkts[8];
	uint32_t len;

	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		rig_start(packed ? F(VIRTIO_F_RING_PACKED) : 0);
		ring_at = 0;
		for (int i = 0; i < 4; i++)
			offer_good(false);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, all, POOL_SIZE), 0);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 8), 0);
		assert_int_equal(given_back(&len), 0);
		/* With two, two frames; and the last two when there are mbufs again. */
		rte_pktmbuf_free_bulk(all, 2);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 8), 2);
		rte_pktmbuf_free_bulk(all + 2, POOL_SIZE - 2);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts + 2, 6), 2);
		rte_pktmbuf_free_bulk(pkts, 4);
		assert_int_equal(given_back(&len), 4);
		rig_stop();
	}
	free(all);
}

static void
a_frame_of_more_mbufs_than_there_are_is_dropped(void **state)
{
	struct desc d;
	struct rte_mbuf **all = calloc(POOL_SIZE, sizeof(*all)), *pkts[4];

	(void)state;
	rig_start(0);
	ring_at = 0;
	d = (struct desc){ rig.good, HDR + 3 * RTE_MBUF_DEFAULT_DATAROOM, 0, 0 };
	offer(&d, 1);
	offer_good(false);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, all, POOL_SIZE), 0);
	rte_pktmbuf_free_bulk(all, 2);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 1);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_NO_MBUF], 1);
	assert_int_equal(pkts[0]->pkt_len, FRAME_LEN);
	rte_pktmbuf_free(pkts[0]);
	rte_pktmbuf_free_bulk(all + 2, POOL_SIZE - 2);
	free(all);
	rig_stop();
}

static void
frames_that_find_no_buffer_are_counted(void **state)
{
	struct rte_mbuf *pkts[3];

	(void)state;
	for (uint64_t packed = 0; packed < 2; packed++) {
		rig_start(packed ? F(VIRTIO_F_RING_PACKED) : 0);
		ring_at = 0;
		offer_good(true);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 3), 0);
		for (size_t i = 0; i < RTE_DIM(pkts); i++)
			rte_pktmbuf_append(pkts[i], FRAME_LEN);
		assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 3), 1);
		rte_pktmbuf_free_bulk(pkts, 3);
		assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_NO_BUFFER], 2);
		rig_stop();
	}
}

static void
a_frame_longer_than_an_mbuf_is_refused_where_linear_ones_are_asked_for(void **state)
{
	struct desc d;
	struct rte_mbuf *pkts[4];

	(void)state;
	rig_start(0);
	rig.vr.mbuf_flags = RTE_VHOST_USER_LINEARBUF_SUPPORT;
	ring_at = 0;
	d = (struct desc){ rig.good, HDR + RTE_MBUF_DEFAULT_DATAROOM + 1, 0, 0 };
	offer(&d, 1);
	d.len--;
	offer(&d, 1);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 1);
	assert_int_equal(pkts[0]->pkt_len, RTE_MBUF_DEFAULT_DATAROOM);
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(rig.vr.stats.drops[VHOST_VRING_DROP_TOO_LARGE], 1);
	rig_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_that_fits_no_buffer_does_not_hold_up_others),
		cmocka_unit_test(a_frame_is_not_spread_over_any_number_of_buffers),
		cmocka_unit_test(a_frame_goes_on_in_no_buffer_without_room),
		cmocka_unit_test(a_frame_waits_while_malformed_buffers_are_given_back),
		cmocka_unit_test(frames_wait_in_the_ring_while_the_pool_is_empty),
		cmocka_unit_test(a_frame_of_more_mbufs_than_there_are_is_dropped),
		cmocka_unit_test(frames_that_find_no_buffer_are_counted),
		cmocka_unit_test(
			a_frame_longer_than_an_mbuf_is_refused_where_linear_ones_are_asked_for),
	};

	return cmocka_run_group_tests_name("net_room", tests, rig_setup, NULL);
}

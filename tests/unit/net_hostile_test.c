/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rings as a hostile or broken driver makes them. Each case spoils one thing: the frame it belongs to is
 * dropped and counted, its chain comes back, and the good frame behind it arrives; or the ring is
 * beyond repair, which is told once and costs nothing from then on. Memory outside of the guest's
 * regions is not to be touched: the regions stand between pages that end the test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "hostile_rig.h"

#define NOWHERE UINT64_C(0x1000)

/* One thing that is wrong with a chain. */
struct hostile {
	const char *name;
	struct desc ring[3];
	uint16_t n;
	struct desc table[4];
	uint32_t repeat; /**< the table's first entry this many times in all */
	enum vhost_vring_drop drop;
	bool no_indirect;
	uint8_t packed; /**< ONLY_SPLIT, ONLY_PACKED or both */
};

enum { BOTH, ONLY_SPLIT, ONLY_PACKED };

/* Addresses that are known when the test runs; everything else is an address as it is. */
enum { GOOD = 1, TABLE, SECOND_ENTRY, END, NEAR_END, TABLE_NEAR_END };

static uint64_t
resolve(uint64_t addr)
{
	switch (addr) {
	case GOOD:
		return rig.good;
	case TABLE:
		return rig.table;
	case SECOND_ENTRY:
		return rig.table + sizeof(struct vring_desc);
	case END:
		return rig.end;
	case NEAR_END:
		return rig.end - 64;
	case TABLE_NEAR_END:
		return rig.end - 24;
	default:
		return addr;
	}
}

#define BAD_CHAIN VHOST_VRING_DROP_BAD_CHAIN
#define BAD_ADDR VHOST_VRING_DROP_BAD_ADDR
#define TOO_LARGE VHOST_VRING_DROP_TOO_LARGE
#define BAD_HEADER VHOST_VRING_DROP_BAD_HEADER
#define ENTRY ((uint32_t)sizeof(struct vring_desc))

/* WRITE in these is what the direction wants; toggled for frames from the guest. */
static const struct hostile chains[] = {
	{ "address in no region", { { NOWHERE, 200, WRITE, 0 } }, 1, .drop = BAD_ADDR },
	{ "buffer that leaves memory", { { NEAR_END, 200, WRITE, 0 } }, 1, .drop = BAD_ADDR },
	{ "buffer that goes round the address space", { { UINT64_MAX - 10, 200, WRITE, 0 } }, 1,
		.drop = BAD_ADDR },
	{ "wrong direction", { { GOOD, 200, 0, 0 } }, 1, .drop = BAD_CHAIN },
	{ "wrong direction further on", { { GOOD, HDR, WRITE | NEXT, 1 }, { GOOD, 200, 0, 0 } }, 2,
		.drop = BAD_CHAIN },
	{ "next outside of the table", { { GOOD, HDR, WRITE | NEXT, SIZE } }, 1, .drop = BAD_CHAIN,
		.packed = ONLY_SPLIT },
	{ "chain that bites its tail", { { GOOD, 0, WRITE | NEXT, 0 } }, 1, .drop = BAD_CHAIN,
		.packed = ONLY_SPLIT },
	{ "loop of two", { { GOOD, 0, WRITE | NEXT, 1 }, { GOOD, 0, WRITE | NEXT, 0 } }, 2,
		.drop = BAD_CHAIN, .packed = ONLY_SPLIT },
	{ "indirect, not agreed", { { TABLE, ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, 200, WRITE, 0 } }, .drop = BAD_CHAIN, .no_indirect = true },
	{ "indirect with next", { { TABLE, ENTRY, INDIRECT | NEXT, 1 }, { GOOD, 200, WRITE, 0 } },
		2, .table = { { GOOD, 200, WRITE, 0 } }, .drop = BAD_CHAIN },
	{ "empty table", { { TABLE, 0, INDIRECT, 0 } }, 1, .drop = BAD_CHAIN },
	{ "table with half an entry", { { TABLE, ENTRY + 8, INDIRECT, 0 } }, 1,
		.table = { { GOOD, 200, WRITE, 0 } }, .drop = BAD_CHAIN },
	{ "table longer than any chain", { { TABLE, 1025 * ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, 0, WRITE | NEXT, 0 } }, .repeat = 1025, .drop = BAD_CHAIN },
	{ "table of 4 GiB", { { TABLE, UINT32_MAX - 15, INDIRECT, 0 } }, 1, .drop = BAD_CHAIN },
	{ "table in no region", { { NOWHERE, ENTRY, INDIRECT, 0 } }, 1, .drop = BAD_ADDR },
	{ "table that leaves memory", { { TABLE_NEAR_END, 4 * ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, HDR, WRITE | NEXT, 1 } }, .drop = BAD_ADDR },
	{ "table in a table", { { TABLE, ENTRY, INDIRECT, 0 } }, 1,
		.table = { { SECOND_ENTRY, ENTRY, INDIRECT, 0 }, { GOOD, 200, WRITE, 0 } },
		.drop = BAD_CHAIN },
	{ "table in itself", { { TABLE, ENTRY, INDIRECT, 0 } }, 1,
		.table = { { TABLE, ENTRY, INDIRECT, 0 } }, .drop = BAD_CHAIN },
	{ "next outside of an indirect table", { { TABLE, ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, HDR, WRITE | NEXT, 1 }, { GOOD, 200, WRITE, 0 } },
		.drop = BAD_CHAIN, .packed = ONLY_SPLIT },
	{ "loop in an indirect table", { { TABLE, 2 * ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, 0, WRITE | NEXT, 1 }, { GOOD, 0, WRITE | NEXT, 0 } },
		.drop = BAD_CHAIN, .packed = ONLY_SPLIT },
	{ "bad address in a table", { { TABLE, 2 * ENTRY, INDIRECT, 0 } }, 1,
		.table = { { GOOD, HDR, WRITE | NEXT, 1 }, { NOWHERE, 200, WRITE, 0 } },
		.drop = BAD_ADDR },
};

static const struct hostile sends[] = {
	{ "nothing at all", { { GOOD, 0, WRITE, 0 } }, 1, .drop = BAD_HEADER },
	{ "half a header", { { GOOD, HDR / 2, WRITE, 0 } }, 1, .drop = BAD_HEADER },
	{ "a header alone", { { GOOD, HDR, WRITE, 0 } }, 1, .drop = BAD_CHAIN },
	{ "less than an Ethernet header", { { GOOD, HDR + 13, WRITE, 0 } }, 1, .drop = BAD_CHAIN },
	{ "more than any frame", { { GOOD, HDR + NET_FRAME_MAX + 1, WRITE, 0 } }, 1,
		.drop = TOO_LARGE },
	{ "more than any frame, in pieces",
		{ { GOOD, 40000, WRITE | NEXT, 1 }, { GOOD, 40000, WRITE, 0 } }, 2,
		.drop = TOO_LARGE },
	{ "4 GiB", { { GOOD, UINT32_MAX, WRITE, 0 } }, 1, .drop = TOO_LARGE },
};

static const struct hostile receives[] = {
	{ "no room", { { GOOD, 0, WRITE, 0 } }, 1, .drop = BAD_CHAIN },
	{ "no room for a header", { { GOOD, HDR - 1, WRITE, 0 } }, 1, .drop = BAD_CHAIN },
};

static void
offer_hostile(const struct hostile *h, bool writable)
{
	uint16_t toggle = writable ? 0 : WRITE;
	struct desc descs[RTE_DIM(h->ring)];

	for (uint16_t i = 0; i < h->n; i++) {
		descs[i] = h->ring[i];
		descs[i].addr = resolve(h->ring[i].addr);
		if ((descs[i].flags & INDIRECT) == 0)
			descs[i].flags ^= toggle;
		descs[i].next += ring_at;
		if (h->ring[i].next == SIZE)
			descs[i].next = SIZE;
	}
	/* Of the table at the end of memory only one entry is there. */
	bool cut = h->ring[0].addr == TABLE_NEAR_END;
	uint64_t table = cut ? resolve(TABLE_NEAR_END) : rig.table;

	for (uint32_t i = 0; i < (cut ? 1 : RTE_MAX(h->repeat, RTE_DIM(h->table))); i++) {
		struct desc d = h->table[h->repeat > 0 ? 0 : i];

		d.addr = resolve(d.addr);
		if ((d.flags & INDIRECT) == 0)
			d.flags ^= toggle;
		if (h->repeat > 0)
			d.next = i + 1;
		write_table_entry(table, i, &d);
	}
	offer(descs, h->n);
}

static void
write_good_frame(uint8_t fill)
{
	uint8_t frame[HDR + FRAME_LEN] = { 0 };

	memset(frame + HDR, fill, FRAME_LEN);
	guest_memory_write(&rig.memory, rig.good, frame, sizeof(frame));
}

static void
check_counters(const struct hostile *h)
{
	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
		assert_int_equal(rig.vr.stats.drops[i], i == (int)h->drop);
	assert_int_equal(rig.vr.stats.packets, 1);
	assert_int_equal(rig.vr.stats.bytes, FRAME_LEN);
	assert_int_equal(rig.vr.stats.broken, 0);
}

/* The hostile frame is skipped, and the one behind it arrives. */
static void
check_send(const struct hostile *h, uint64_t features)
{
	struct rte_mbuf *pkts[8];
	uint8_t expected[FRAME_LEN];
	uint32_t len = 1;

	rig_start(features | (h->no_indirect ? 0 : F(VIRTIO_RING_F_INDIRECT_DESC)));
	ring_at = 0;
	write_good_frame(0xa5);
	offer_hostile(h, false);
	offer_good(false);

	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 8), 1);
	memset(expected, 0xa5, FRAME_LEN);
	assert_int_equal(pkts[0]->pkt_len, FRAME_LEN);
	assert_memory_equal(rte_pktmbuf_mtod(pkts[0], void *), expected, FRAME_LEN);
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(given_back(&len), 2);
	assert_int_equal(len, 0);
	check_counters(h);
	rig_stop();
}

/* The hostile buffer comes back empty, and the frame arrives in the one behind it. */
static void
check_receive(const struct hostile *h, uint64_t features)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t expected[HDR + FRAME_LEN] = { 0 }, got[HDR + FRAME_LEN];
	uint32_t len = 0;

	rig_start(features | (h->no_indirect ? 0 : F(VIRTIO_RING_F_INDIRECT_DESC)));
	ring_at = 0;
	offer_hostile(h, true);
	offer_good(true);

	memset(rte_pktmbuf_append(m, FRAME_LEN), 0x5a, FRAME_LEN);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 1);
	rte_pktmbuf_free(m);
	memset(expected + HDR, 0x5a, FRAME_LEN);
	expected[HDR - 2] = 1;
	guest_memory_read(&rig.memory, rig.good, got, sizeof(got));
	assert_memory_equal(got, expected, sizeof(got));
	assert_int_equal(given_back(&len), 2);
	assert_int_equal(len, HDR + FRAME_LEN);
	check_counters(h);
	rig_stop();
}

static const uint64_t feature_sets[] = {
	0,
	F(VIRTIO_F_IN_ORDER),
	F(VIRTIO_NET_F_MRG_RXBUF),
	F(VIRTIO_F_RING_PACKED),
	F(VIRTIO_F_RING_PACKED) | F(VIRTIO_NET_F_MRG_RXBUF),
};

static void
for_each_hostile(const struct hostile *list, size_t n,
	void (*check)(const struct hostile *, uint64_t))
{
	for (size_t f = 0; f < RTE_DIM(feature_sets); f++) {
		bool packed = (feature_sets[f] & F(VIRTIO_F_RING_PACKED)) != 0;

		for (size_t i = 0; i < n; i++) {
			if (list[i].packed == (packed ? ONLY_SPLIT : ONLY_PACKED))
				continue;
			print_message("%s, features %#" PRIx64 "\n", list[i].name, feature_sets[f]);
			check(&list[i], feature_sets[f]);
		}
	}
}

static void
malformed_frames_from_the_guest_are_skipped(void **state)
{
	(void)state;
	for_each_hostile(chains, RTE_DIM(chains), check_send);
	for_each_hostile(sends, RTE_DIM(sends), check_send);
}

static void
malformed_receive_buffers_come_back_empty(void **state)
{
	(void)state;
	for_each_hostile(chains, RTE_DIM(chains), check_receive);
	for_each_hostile(receives, RTE_DIM(receives), check_receive);
}

/* Nothing is taken, nothing given back, and it is told once. */
static void
expect_broken(void)
{
	struct rte_mbuf *pkts[32];
	uint32_t len;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 32), 0);
		assert_int_equal(vhost_vring_available(&rig.vr), 0);
	}
	assert_int_equal(given_back(&len), 0);
	assert_int_equal(rig.vr.stats.broken, 1);
	assert_true(rig.vr.broken);
}

static void
an_index_that_jumps_breaks_the_ring(void **state)
{
	static const uint16_t jumps[] = { SIZE + 1, 1000, 0x8000, UINT16_MAX };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(jumps); i++) {
		rig_start(0);
		((struct vring_avail *)rig.driver.layout.driver)->idx = jumps[i];
		assert_int_equal(vhost_vring_available(&rig.vr), 0);
		expect_broken();
		rig_stop();
	}
}

static void
a_head_outside_of_the_table_breaks_the_ring(void **state)
{
	(void)state;
	rig_start(0);
	struct vring_avail *avail = rig.driver.layout.driver;

	avail->ring[0] = SIZE;
	avail->idx = 1;
	expect_broken();
	rig_stop();

	/* In the middle of a frame, after a chain that is good. */
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	rig_start(F(VIRTIO_NET_F_MRG_RXBUF));
	avail = rig.driver.layout.driver;
	ring_at = 0;
	offer_good(true);
	avail->ring[1] = SIZE;
	avail->idx = 2;
	rte_pktmbuf_append(m, FRAME_LEN + 1);
	assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 0);
	assert_true(rig.vr.broken);
	rte_pktmbuf_free(m);
	rig_stop();
}

static void
frames_before_a_bad_head_still_arrive(void **state)
{
	struct rte_mbuf *pkts[32];
	uint32_t len;

	(void)state;
	rig_start(0);
	struct vring_avail *avail = rig.driver.layout.driver;

	ring_at = 0;
	offer_good(false);
	offer_good(false);
	avail->ring[2] = UINT16_MAX;
	avail->idx = 3;
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 32), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 32), 0);
	assert_int_equal(given_back(&len), 2);
	assert_int_equal(rig.vr.stats.broken, 1);
	rig_stop();
}

/* The chain behind the first frame was read ahead, and a frame of several mbufs is in it. */
static void
what_was_gathered_goes_with_a_ring_that_breaks(void **state)
{
	struct desc d;
	struct rte_mbuf *pkts[4];

	(void)state;
	rig_start(0);
	struct vring_avail *avail = rig.driver.layout.driver;

	ring_at = 0;
	d = (struct desc){ rig.good, HDR + 3 * RTE_MBUF_DEFAULT_DATAROOM, 0, 0 };
	offer(&d, 1);
	offer(&d, 1);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 1), 1);
	rte_pktmbuf_free(pkts[0]);
	avail->idx = SIZE + 2;
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 0);
	assert_int_equal(rig.vr.stats.broken, 1);
	rig_stop();
}

/* The same with what was gathered to receive into. */
static void
receive_buffers_that_were_gathered_go_with_a_ring_that_breaks(void **state)
{
	struct rte_mbuf *pkts[4];
	uint32_t len;

	(void)state;
	rig_start(0);
	struct vring_avail *avail = rig.driver.layout.driver;

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 4), 0);
	for (int i = 0; i < 4; i++)
		memset(rte_pktmbuf_append(pkts[i], FRAME_LEN), i, FRAME_LEN);
	ring_at = 0;
	offer_good(true);
	offer_good(true);
	assert_int_equal(vhost_net_enqueue(&rig.vr, pkts, 1), 1);
	avail->idx = SIZE + 2;
	assert_int_equal(vhost_net_enqueue(&rig.vr, pkts + 1, 3), 0);
	assert_int_equal(rig.vr.stats.broken, 1);
	assert_int_equal(given_back(&len), 1);
	rte_pktmbuf_free_bulk(pkts, 4);
	rig_stop();
}

/* What was read ahead as two chains is one when its turn comes: the second half is no frame of its own. */
static void
a_chain_that_grows_after_it_was_gathered_is_taken_once(void **state)
{
	struct vring_packed_desc *ring;
	struct rte_mbuf *pkts[4];

	(void)state;
	rig_start(F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER) | F(VIRTIO_RING_F_INDIRECT_DESC));
	ring = rig.driver.layout.desc;
	ring_at = 0;
	write_good_frame(1);
	offer_good(false);
	offer_good(false);
	offer(&(struct desc){ rig.table, ENTRY, INDIRECT, 0 }, 1);
	offer_good(false);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 2), 2);
	rte_pktmbuf_free_bulk(pkts, 2);

	ring[2].addr = rig.good;
	ring[2].len = HDR;
	ring[2].flags = 1u << VRING_PACKED_DESC_F_AVAIL | NEXT;
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 1);
	assert_int_equal(pkts[0]->pkt_len, HDR + FRAME_LEN);
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(rig.vr.avail_idx, 4);
	assert_int_equal(rig.vr.used_idx, 4);
	rig_stop();
}

/* Who looks ahead of the bursts meets the same driver. */
static void
looking_ahead_stays_within_the_table(void **state)
{
	static const uint16_t heads[] = { SIZE, SIZE + 1, 0x7fff, UINT16_MAX };
	struct vhost_vring_buffer buffers[4];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(heads); i++) {
		rig_start(0);
		struct vring_avail *avail = rig.driver.layout.driver;

		ring_at = 0;
		offer_good(false);
		avail->ring[1] = heads[i];
		avail->ring[2] = 0;
		avail->idx = 3;
		assert_int_equal(vhost_vring_peek(&rig.vr, buffers, RTE_DIM(buffers)), 1);
		avail->idx = heads[i];
		assert_int_equal(vhost_vring_peek(&rig.vr, buffers, RTE_DIM(buffers)),
			heads[i] == SIZE);
		rig_stop();
	}
}

static void
a_packed_chain_without_an_end_breaks_the_ring(void **state)
{
	struct desc descs[SIZE];

	(void)state;
	rig_start(F(VIRTIO_F_RING_PACKED));
	ring_at = 0;
	for (int i = 0; i < SIZE; i++)
		descs[i] = (struct desc){ rig.good, 10, NEXT, 0 };
	offer(descs, SIZE);
	expect_broken();
	rig_stop();

	/* As long as it has room for the frame, and when it has not. */
	for (uint32_t piece = 0; piece < 2; piece++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t len;

		rig_start(F(VIRTIO_F_RING_PACKED) | F(VIRTIO_NET_F_MRG_RXBUF));
		ring_at = 0;
		for (int i = 0; i < SIZE; i++)
			descs[i] = (struct desc){ rig.good, piece ? 1 : 200, WRITE | NEXT, 0 };
		offer(descs, SIZE);
		rte_pktmbuf_append(m, FRAME_LEN);
		assert_int_equal(vhost_net_enqueue(&rig.vr, &m, 1), 0);
		assert_int_equal(rig.vr.stats.broken, 1);
		assert_int_equal(given_back(&len), 0);
		rte_pktmbuf_free(m);
		rig_stop();
	}
}

/* However many malformed ones there are: who serves many rings comes to the next one. */
static void
a_burst_takes_no_more_chains_than_it_has_room_for_frames(void **state)
{
	(void)state;
	for (size_t f = 0; f < RTE_DIM(feature_sets); f++) {
		struct rte_mbuf *pkts[4];
		uint32_t len;

		rig_start(feature_sets[f] & ~F(VIRTIO_F_IN_ORDER));
		ring_at = 0;
		for (int i = 0; i < SIZE; i++)
			offer(&(struct desc){ NOWHERE, 200, 0, 0 }, 1);
		assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 0);
		assert_int_equal(given_back(&len), 4);
		rig_stop();
	}
}

static void
a_broken_ring_serves_again_after_a_restart(void **state)
{
	struct rte_mbuf *pkts[4];

	(void)state;
	rig_start(0);
	struct vring_avail *avail = rig.driver.layout.driver;

	avail->idx = SIZE + 1;
	expect_broken();
	avail->idx = 0;
	/* Memory and mappings that come are no restart. */
	vhost_vring_set_memory(&rig.vr, rig.memory.table);
	expect_broken();
	vhost_vring_heard_miss(&rig.vr);
	expect_broken();
	vhost_vring_stop(&rig.vr);
	vhost_vring_start(&rig.vr, rig.memory.table);
	ring_at = 0;
	offer_good(false);
	assert_int_equal(vhost_net_dequeue(&rig.vr, pool, pkts, 4), 1);
	rte_pktmbuf_free(pkts[0]);
	rig_stop();
}

/* A driver that writes anything anywhere in its ring and tables, all the time. */
static bool scribbling;

static void *
scribble(void *arg)
{
	uint64_t x = *(uint64_t *)arg | 1;
	struct vring_desc *descs = rig.driver.layout.desc;
	struct vring_avail *avail = rig.driver.layout.driver;
	volatile struct vring_used *used = rig.driver.layout.device;

	for (uint32_t n = 0; __atomic_load_n(&scribbling, __ATOMIC_RELAXED); n++) {
		/* Both run by turns where they have one core, and not for long. */
		if (n % 64 == 0)
			sched_yield();
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		volatile struct vring_desc *d = x & 1 ?
			&descs[x >> 8 & (SIZE - 1)] :
			(struct vring_desc *)guest_memory_at(&rig.memory, rig.table) +
				(x >> 8 & 63);

		d->addr = x & 2 ? rig.good + (x >> 16 & 1023) :
			x & 4   ? rig.table :
				  rig.end - (x >> 16 & 255);
		d->len = x & 8 ? 16 * (x >> 24 & 63) : x >> 32 & 2047;
		/* For packed rings this is the id, and the link the flags. */
		d->flags = x >> 40 & 7;
		d->next = is_packed() ? (x >> 40 & 7) | (x >> 48 & 1) << VRING_PACKED_DESC_F_AVAIL |
				(x >> 49 & 1) << VRING_PACKED_DESC_F_USED :
					x >> 44 & (SIZE - 1);
		if (!is_packed()) {
			__atomic_store_n(&avail->ring[x >> 50 & (SIZE - 1)], x >> 54 & (SIZE - 1),
				__ATOMIC_RELAXED);
			/* Not so much that the ring were broken all the time. */
			if ((uint16_t)(avail->idx - used->idx) < SIZE || (x >> 58) == 0)
				__atomic_fetch_add(&avail->idx, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

/* Chains that came to some end, good or bad. */
static uint64_t
chains_seen(void)
{
	uint64_t n = rig.vr.stats.packets;

	for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
		n += rig.vr.stats.drops[i];
	return n;
}

static void
restart(void)
{
	vhost_vring_stop(&rig.vr);
	if (!is_packed()) {
		uint16_t idx = ((struct vring_avail *)rig.driver.layout.driver)->idx;

		vhost_vring_set_base(&rig.vr, idx, idx);
		((struct vring_used *)rig.driver.layout.device)->idx = idx;
	}
	vhost_vring_start(&rig.vr, rig.memory.table);
}

static void
check_scribbling(uint64_t features, uint64_t seed)
{
	struct rte_mbuf *pkts[32];
	pthread_t thread;

	rig_start(features);
	__atomic_store_n(&scribbling, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, scribble, &seed), 0);
	while (chains_seen() < 20000) {
		uint16_t n = vhost_net_dequeue(&rig.vr, pool, pkts, 32);

		for (uint16_t k = 0; k < n; k++) {
			rte_mbuf_sanity_check(pkts[k], 1);
			assert_in_range(pkts[k]->pkt_len, NET_FRAME_MIN, NET_FRAME_MAX);
		}
		vhost_net_enqueue(&rig.vr, pkts, n);
		rte_pktmbuf_free_bulk(pkts, n);
		if (rig.vr.broken)
			restart();
		else if (n == 0)
			sched_yield();
	}
	__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	rig_stop();
}

static void
a_driver_that_writes_all_the_time_harms_nobody(void **state)
{
	const char *given = getenv("UNIT_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(feature_sets); i++) {
		print_message("features %#" PRIx64 ", seed %" PRIu64 "\n", feature_sets[i], seed);
		check_scribbling(feature_sets[i] | F(VIRTIO_RING_F_INDIRECT_DESC) |
				F(VIRTIO_NET_F_CSUM),
			seed + i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_frames_from_the_guest_are_skipped),
		cmocka_unit_test(malformed_receive_buffers_come_back_empty),
		cmocka_unit_test(an_index_that_jumps_breaks_the_ring),
		cmocka_unit_test(a_head_outside_of_the_table_breaks_the_ring),
		cmocka_unit_test(frames_before_a_bad_head_still_arrive),
		cmocka_unit_test(what_was_gathered_goes_with_a_ring_that_breaks),
		cmocka_unit_test(receive_buffers_that_were_gathered_go_with_a_ring_that_breaks),
		cmocka_unit_test(a_chain_that_grows_after_it_was_gathered_is_taken_once),
		cmocka_unit_test(looking_ahead_stays_within_the_table),
		cmocka_unit_test(a_packed_chain_without_an_end_breaks_the_ring),
		cmocka_unit_test(a_burst_takes_no_more_chains_than_it_has_room_for_frames),
		cmocka_unit_test(a_broken_ring_serves_again_after_a_restart),
		cmocka_unit_test(a_driver_that_writes_all_the_time_harms_nobody),
	};

	return cmocka_run_group_tests_name("net_hostile", tests, rig_setup, NULL);
}

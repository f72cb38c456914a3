/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The in-flight region by itself: what a successor finds after its predecessor died between any two
 * of its steps, and what it makes of a region that a hostile front end wrote.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_common.h>

#include "inflight.h"

#define SIZE 8
#define WRAP 0x8000
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)

/* A region in memory of its very size, so that a step outside of it is found. */
static struct vhost_inflight
new_region(bool packed, uint16_t size)
{
	struct vhost_inflight fl = { .size = size };

	fl.region = calloc(1, vhost_inflight_size(packed, size));
	assert_non_null(fl.region);
	return fl;
}

/* What the next back end has: the region, and nothing else. */
static void
die(struct vhost_inflight *fl)
{
	struct vhost_inflight next = { .region = fl->region, .size = fl->size };

	vhost_inflight_fini(fl);
	*fl = next;
}

static void
drop(struct vhost_inflight *fl)
{
	free(fl->region);
	vhost_inflight_fini(fl);
}

static void
assert_list(const struct vhost_inflight *fl, uint16_t n, const uint16_t *oldest_first)
{
	assert_int_equal(fl->resubmit.resubmit_num, n);
	for (uint16_t i = 0; i < n; i++)
		assert_int_equal(fl->resubmit.resubmit_list[n - 1 - i].index, oldest_first[i]);
}

static void
parts_have_the_documents_layout(void **state)
{
	(void)state;
	assert_int_equal(vhost_inflight_size(false, 128), 2112); /* 16 + 128 * 16, rounded to 64 */
	assert_int_equal(vhost_inflight_size(true, 128), 4160);  /* 32 + 128 * 32, likewise */
	assert_int_equal(offsetof(struct rte_vhost_inflight_info_split, used_idx), 14);
	assert_int_equal(offsetof(struct rte_vhost_inflight_desc_split, next), 6);
	assert_int_equal(offsetof(struct rte_vhost_inflight_info_packed, old_free_head), 14);
	assert_int_equal(offsetof(struct rte_vhost_inflight_desc_packed, addr), 24);
}

static void
split_successor_gets_what_was_not_given_back_oldest_last(void **state)
{
	struct vhost_inflight fl = new_region(false, SIZE);

	(void)state;
	assert_int_equal(vhost_inflight_recover_split(&fl, 0), 0);
	assert_list(&fl, 0, NULL);
	assert_int_equal(fl.split->version, 1);
	assert_int_equal(fl.split->desc_num, SIZE);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(vhost_inflight_take_split(&fl, (5 + 3 * i) % SIZE), 0);
	/* 5, 0, 3, 6 were taken; 0 is given back. */
	assert_int_equal(vhost_inflight_give_split(&fl, 0), 0);
	assert_int_equal(vhost_inflight_given_split(&fl, 1, 0), 0);
	die(&fl);
	assert_int_equal(vhost_inflight_recover_split(&fl, 1), 0);
	assert_list(&fl, 3, (const uint16_t[]){ 5, 3, 6 });

	/* What is taken next is younger than all of them. */
	assert_int_equal(vhost_inflight_take_split(&fl, 1), 0);
	die(&fl);
	assert_int_equal(vhost_inflight_recover_split(&fl, 1), 0);
	assert_list(&fl, 4, (const uint16_t[]){ 5, 3, 6, 1 });
	drop(&fl);
}

/* 3 chains taken, 2 of them given back in one batch; death after each step of that. */
static void
split_chain_is_done_once_wherever_death_comes(void **state)
{
	(void)state;
	for (int steps = 0; steps <= 5; steps++) {
		struct vhost_inflight fl = new_region(false, SIZE);
		/* The third step is the writing of the used index. */
		const uint16_t used = steps >= 3 ? 102 : 100;

		assert_int_equal(vhost_inflight_recover_split(&fl, 100), 0);
		for (uint16_t i = 0; i < 3; i++)
			assert_int_equal(vhost_inflight_take_split(&fl, i), 0);
		if (steps >= 1)
			assert_int_equal(vhost_inflight_give_split(&fl, 0), 0);
		if (steps >= 2)
			assert_int_equal(vhost_inflight_give_split(&fl, 2), 0);
		if (steps == 4)
			fl.split->desc[0].inflight = 0; /* within the next one */
		if (steps >= 5) {
			fl.split->desc[0].inflight = 0;
			assert_int_equal(vhost_inflight_given_split(&fl, 102, 2), 0);
		}
		die(&fl);
		assert_int_equal(vhost_inflight_recover_split(&fl, used), 0);
		if (steps >= 3)
			assert_list(&fl, 1, (const uint16_t[]){ 1 });
		else
			assert_list(&fl, 3, (const uint16_t[]){ 0, 1, 2 });
		assert_int_equal(fl.split->used_idx, used);
		drop(&fl);
	}
}

/* --- Packed -------------------------------------------------------------------------------- */

/* Make descriptors [at, at + n) a chain that the driver offers in the round of @a wrap. */
static void
offer(struct vring_packed_desc *ring, uint16_t at, uint16_t n, uint16_t id, bool wrap)
{
	for (uint16_t i = 0; i < n; i++)
		ring[(at + i) % SIZE] = (struct vring_packed_desc){ .addr = 0x1000u + at + i,
			.len = 100u + i,
			.id = id,
			.flags = (wrap ? AVAIL : USED) | (i + 1 < n ? VRING_DESC_F_NEXT : 0) };
}

static void
packed_region_keeps_descriptors_of_chains(void **state)
{
	struct vring_packed_desc ring[SIZE] = { 0 };
	struct vhost_inflight fl = new_region(true, SIZE);
	uint16_t base = WRAP, a, b;

	(void)state;
	assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
	assert_int_equal(base, WRAP);
	offer(ring, 0, 3, 7, true);
	offer(ring, 3, 1, 4, true);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 0, 2, &a), 0);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 3, 3, &b), 0);
	assert_int_equal(fl.packed->desc[a].num, 3);
	assert_int_equal(fl.packed->desc[fl.packed->desc[a].last].len, 102);
	assert_int_equal(fl.packed->desc[b].id, 4);
	assert_int_equal(fl.packed->desc[b].addr, 0x1003);
	die(&fl);
	assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
	assert_int_equal(base, WRAP);
	assert_list(&fl, 2, (const uint16_t[]){ a, b });
	drop(&fl);
}

/* Two chains are given back, the second one round the end of the ring; death after each step. */
static void
packed_chain_is_done_once_wherever_death_comes(void **state)
{
	(void)state;
	for (int steps = 0; steps <= 5; steps++) {
		struct vhost_inflight fl = new_region(true, SIZE);
		struct vring_packed_desc ring[SIZE] = { 0 };
		uint16_t base = 5 | WRAP, entry[3], again;

		assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
		offer(ring, 5, 2, 0, true);
		offer(ring, 7, 1, 1, true);
		offer(ring, 0, 2, 2, false);
		assert_int_equal(vhost_inflight_take_packed(&fl, ring, 5, 6, &entry[0]), 0);
		assert_int_equal(vhost_inflight_take_packed(&fl, ring, 7, 7, &entry[1]), 0);
		assert_int_equal(vhost_inflight_take_packed(&fl, ring, 0, 1, &entry[2]), 0);
		if (steps >= 1)
			assert_int_equal(vhost_inflight_give_packed(&fl, entry[0]), 0);
		if (steps >= 2)
			assert_int_equal(vhost_inflight_give_packed(&fl, entry[1]), 0);
		if (steps >= 3)
			ring[5].flags = AVAIL | USED;
		if (steps >= 4)
			fl.packed->desc[entry[0]].inflight = 0;
		if (steps >= 5)
			assert_int_equal(vhost_inflight_given_packed(&fl, entry[1]), 0);
		die(&fl);
		assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
		if (steps >= 3) {
			assert_int_equal(base, 0);
			assert_list(&fl, 1, &entry[2]);
		} else {
			assert_int_equal(base, 5 | WRAP);
			assert_list(&fl, 3, entry);
		}
		/* Entries that are not in flight can all be taken again, and no more. */
		for (uint16_t i = 0; i < (steps >= 3 ? 6 : 3); i++)
			assert_int_equal(vhost_inflight_take_packed(&fl, ring, 2, 2, &again), 0);
		assert_int_equal(vhost_inflight_take_packed(&fl, ring, 2, 2, &again), -1);
		drop(&fl);
	}
}

/* A burst writes the used descriptors 1 and 2 before 0; the driver has seen none of them. */
static void
packed_burst_that_was_not_published_is_undone(void **state)
{
	struct vring_packed_desc ring[SIZE], before[SIZE];
	struct vhost_inflight fl = new_region(true, SIZE);
	uint16_t base = WRAP;

	(void)state;
	for (uint16_t i = 0; i < SIZE; i++)
		offer(ring, i, 1, i, true);
	assert_int_equal(vhost_inflight_rewind_packed(&fl, ring, &base), 0);
	memcpy(before, ring, sizeof(ring));
	for (uint16_t i = 1; i < 3; i++) {
		fl.packed->desc[i].len = ring[i].len;
		fl.packed->desc[i].id = ring[i].id;
		fl.packed->desc[i].flags = ring[i].flags;
		fl.packed->desc[i].inflight = 1;
		ring[i].len = 0;
		ring[i].flags = AVAIL | USED;
	}
	for (int noted = 0; noted < 2; noted++) {
		union vhost_inflight_used used = vhost_inflight_used(fl.packed);

		used.idx = 3;
		if (noted)
			vhost_inflight_set_used(fl.packed, used);
		die(&fl);
		assert_int_equal(vhost_inflight_rewind_packed(&fl, ring, &base), 0);
		assert_int_equal(base, WRAP);
		assert_memory_equal(ring, before, sizeof(ring));
	}
	/* With the first one written, the burst has happened. */
	fl.packed->desc[1].inflight = 1;
	vhost_inflight_set_used(fl.packed,
		(union vhost_inflight_used){ .idx = 3, .wrap = 1, .old_wrap = 1 });
	ring[0].flags = AVAIL | USED;
	ring[1].flags = AVAIL | USED;
	assert_int_equal(vhost_inflight_rewind_packed(&fl, ring, &base), 0);
	assert_int_equal(base, 3 | WRAP);
	assert_int_equal(ring[1].flags, AVAIL | USED);
	assert_int_equal(fl.packed->desc[1].inflight, 0);
	drop(&fl);
}

/* --- Hostile regions ----------------------------------------------------------------------- */

static void
fill_random(void *at, size_t len)
{
	uint8_t *bytes = at;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rand();
}

/* Mostly small numbers, so that they are taken for indices now and then. */
static void
scribble(struct vhost_inflight *fl, bool packed)
{
	const size_t size = vhost_inflight_size(packed, fl->size);
	uint16_t *words = fl->region;

	fill_random(fl->region, size);
	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (rand() % 2 == 0)
			words[i] = (uint16_t)(rand() % (fl->size + 2));
	if (rand() % 8 != 0)
		fl->split->version = 1;
	if (packed && rand() % 8 != 0)
		vhost_inflight_set_used(fl->packed,
			(union vhost_inflight_used){ .idx = rand() % fl->size,
				.old_idx = rand() % fl->size,
				.wrap = rand() % 2,
				.old_wrap = rand() % 2 });
}

static void
hostile_region_leads_nowhere_else(void **state)
{
	struct vring_packed_desc *ring = calloc(SIZE, sizeof(*ring));

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		const bool packed = round % 2, net = round % 4 == 3;
		struct vhost_inflight fl = new_region(packed, SIZE);
		uint16_t base = (uint16_t)(rand() % SIZE), entry;
		int ret;

		fill_random(ring, SIZE * sizeof(*ring));
		scribble(&fl, packed);
		ret = !packed ? vhost_inflight_recover_split(&fl, (uint16_t)rand()) :
			net   ? vhost_inflight_rewind_packed(&fl, ring, &base) :
				vhost_inflight_recover_packed(&fl, ring, &base);
		if (ret == 0) {
			assert_true((base & ~WRAP) < SIZE);
			assert_true(fl.resubmit.resubmit_num <= SIZE);
		} else {
			assert_int_equal(ret, -EINVAL);
		}
		for (int i = 0; ret == 0 && i < SIZE; i++) {
			const uint16_t a = (uint16_t)(rand() % (SIZE + 2));
			const uint16_t b = (uint16_t)(rand() % (SIZE + 2));

			if (!packed) {
				vhost_inflight_take_split(&fl, a);
				vhost_inflight_give_split(&fl, b);
				vhost_inflight_given_split(&fl, a, b);
				continue;
			}
			vhost_inflight_take_packed(&fl, ring, a, b, &entry);
			scribble(&fl, packed);
			vhost_inflight_give_packed(&fl, a);
			vhost_inflight_given_packed(&fl, b);
			vhost_inflight_base_packed(&fl, &base);
		}
		drop(&fl);
	}
	free(ring);
}

static void
numbers_outside_of_the_ring_are_refused(void **state)
{
	struct vring_packed_desc ring[SIZE] = { 0 };
	struct vhost_inflight fl = new_region(false, SIZE);
	uint16_t base = WRAP, entry;

	(void)state;
	assert_int_equal(vhost_inflight_recover_split(&fl, 0), 0);
	assert_int_equal(vhost_inflight_take_split(&fl, SIZE), -1);
	assert_int_equal(vhost_inflight_give_split(&fl, SIZE), -1);
	assert_int_equal(vhost_inflight_given_split(&fl, 0, SIZE), -1);
	fl.split->version = 2;
	die(&fl);
	assert_int_equal(vhost_inflight_recover_split(&fl, 0), -EINVAL);
	drop(&fl);

	fl = new_region(true, SIZE);
	assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, SIZE, 0, &entry), -1);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 0, SIZE, &entry), -1);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, SIZE - 1, SIZE, &entry), -1);
	assert_int_equal(vhost_inflight_give_packed(&fl, SIZE), -1);
	assert_int_equal(vhost_inflight_given_packed(&fl, SIZE), -1);
	fl.packed->old_used_idx = SIZE;
	assert_int_equal(vhost_inflight_base_packed(&fl, &base), -1);
	die(&fl);
	assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), -EINVAL);
	assert_int_equal(vhost_inflight_rewind_packed(&fl, ring, &base), -EINVAL);
	drop(&fl);
}

/* Positions that a ring does not have, wrap counters of more than a bit, another version. */
static void
packed_region_that_is_damaged_is_told_from_a_good_one(void **state)
{
	static const union vhost_inflight_used cases[] = {
		{ .idx = 0, .wrap = 1, .old_idx = 0, .old_wrap = 1 },
		{ .idx = SIZE, .wrap = 1, .old_idx = 0, .old_wrap = 1 },
		{ .idx = 0, .wrap = 1, .old_idx = SIZE, .old_wrap = 1 },
		{ .idx = 0, .wrap = 2, .old_idx = 0, .old_wrap = 1 },
		{ .idx = 0, .wrap = 1, .old_idx = 0, .old_wrap = 2 },
		{ .idx = 0, .wrap = 1, .old_idx = 0, .old_wrap = 255 },
	};
	struct vring_packed_desc ring[SIZE] = { 0 };

	(void)state;
	for (uint16_t version = 0; version < 4; version++) {
		for (size_t i = 0; i < RTE_DIM(cases); i++) {
			struct vhost_inflight fl = new_region(true, SIZE);
			/* One that nobody has used is made anew. */
			const int ret = version == 0 || (version == 1 && i == 0) ? 0 : -EINVAL;
			uint16_t base = WRAP, kept;

			vhost_inflight_set_used(fl.packed, cases[i]);
			fl.packed->version = version;
			if (version != 0)
				assert_int_equal(vhost_inflight_base_packed(&fl, &kept),
					cases[i].old_idx < SIZE && cases[i].old_wrap < 2 ? 0 : -1);
			assert_int_equal(vhost_inflight_rewind_packed(&fl, ring, &base), ret);
			vhost_inflight_set_used(fl.packed, cases[i]);
			fl.packed->version = version;
			assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), ret);
			assert_int_equal(base, WRAP);
			drop(&fl);
		}
	}
}

/* What the front end writes over a chain that is in flight. */
static void
packed_chain_that_was_written_over_is_not_given_back(void **state)
{
	static const uint16_t bad[][2] = { { SIZE, 1 }, { UINT16_MAX, 1 }, { 0, 0 },
		{ 0, SIZE + 1 }, { 0, UINT16_MAX } };
	struct vring_packed_desc ring[SIZE] = { 0 };
	struct vhost_inflight fl = new_region(true, SIZE);
	uint16_t base = WRAP, entry;

	(void)state;
	assert_int_equal(vhost_inflight_recover_packed(&fl, ring, &base), 0);
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 0, 0, &entry), 0);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		fl.packed->desc[entry].last = bad[i][0];
		fl.packed->desc[entry].num = bad[i][1];
		assert_int_equal(vhost_inflight_give_packed(&fl, entry), -1);
		assert_int_equal(fl.packed->used_idx, 0);
	}
	fl.packed->desc[entry].last = entry;
	fl.packed->desc[entry].num = 1;
	fl.packed->used_idx = SIZE;
	assert_int_equal(vhost_inflight_give_packed(&fl, entry), -1);
	fl.packed->used_idx = 0;
	assert_int_equal(vhost_inflight_give_packed(&fl, entry), 0);
	assert_int_equal(fl.packed->used_idx, 1);
	/* The list of free entries leads out of the region, at once or behind one. */
	fl.packed->old_free_head = SIZE;
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 1, 1, &entry), -1);
	fl.packed->old_free_head = 1;
	fl.packed->desc[1].next = SIZE;
	assert_int_equal(vhost_inflight_take_packed(&fl, ring, 1, 2, &entry), -1);
	assert_int_equal(fl.packed->desc[1].inflight, 0);
	drop(&fl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_have_the_documents_layout),
		cmocka_unit_test(split_successor_gets_what_was_not_given_back_oldest_last),
		cmocka_unit_test(split_chain_is_done_once_wherever_death_comes),
		cmocka_unit_test(packed_region_keeps_descriptors_of_chains),
		cmocka_unit_test(packed_chain_is_done_once_wherever_death_comes),
		cmocka_unit_test(packed_burst_that_was_not_published_is_undone),
		cmocka_unit_test(hostile_region_leads_nowhere_else),
		cmocka_unit_test(numbers_outside_of_the_ring_are_refused),
		cmocka_unit_test(packed_region_that_is_damaged_is_told_from_a_good_one),
		cmocka_unit_test(packed_chain_that_was_written_over_is_not_given_back),
	};

	return cmocka_run_group_tests_name("inflight", tests, NULL, NULL);
}

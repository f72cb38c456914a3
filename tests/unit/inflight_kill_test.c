/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A back end that serves rings itself, notes in the in-flight region what it does, and is killed at
 * each of its instructions, one after the other. Its successor, and the successor of that, which is killed as
 * well, leave a ring in which every chain was given back exactly once.
 *
 * What a process leaves behind when it is killed is what shared memory is like then. So it lives once, and
 * behind each instruction that changed something, a copy of that memory goes to a successor.
 */

#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_ring.h>

#include <rte_common.h>

#include "inflight.h"
#include "single_step.h"
#include "unit_eal.h"

#define SIZE 8
#define FIRST 5 /* where the ring stands: chains go round its end */
#define WRAP 0x8000
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)
#define CHAINS 3
/* Of so many successors, one dies at every instruction, too. */
#ifdef UNIT_SANITIZED
#define SECOND_DEATHS 20
#else
#define SECOND_DEATHS 3
#endif

/* Descriptors of each chain. */
static const uint16_t lengths[CHAINS] = { 2, 1, 3 };

/* What outlives a back end. */
struct remains {
	struct vring_packed_desc packed[SIZE];
	struct {
		uint16_t avail_idx;
		uint16_t avail[SIZE];
		uint16_t used_idx;
		struct vring_used_elem used[SIZE];
	} split;
	uint8_t region[4096] __attribute__((aligned(64)));
};

struct chain {
	uint16_t name; /* what the region knows it by */
	uint16_t id;
	uint16_t n;
};

/* Where the back end that is stepped through lives, which is all that others see of it. */
static struct remains *shared;

/* --- Packed rings -------------------------------------------------------------------------- */

static uint16_t
advance(uint16_t at, uint16_t n)
{
	const uint16_t next = (at & ~WRAP) + n;

	return next < SIZE ? (at & WRAP) | next : ((at & WRAP) ^ WRAP) | (next - SIZE);
}

static uint16_t
available_flags(uint16_t at)
{
	return at & WRAP ? AVAIL : USED;
}

static uint16_t
used_flags(uint16_t at)
{
	return at & WRAP ? AVAIL | USED : 0;
}

static void
offer_packed(struct remains *r)
{
	uint16_t at = FIRST | WRAP;

	/* Those were used in this round. */
	for (uint16_t i = 0; i < FIRST; i++)
		r->packed[i].flags = used_flags(WRAP);
	for (uint16_t id = 0; id < CHAINS; id++) {
		for (uint16_t i = 0; i < lengths[id]; i++, at = advance(at, 1)) {
			const uint16_t next = i + 1 < lengths[id] ? VRING_DESC_F_NEXT : 0;

			r->packed[at & ~WRAP] = (struct vring_packed_desc){ .id = id,
				.flags = available_flags(at) | next };
		}
	}
}

static bool
take_packed(struct vhost_inflight *fl, const struct vring_packed_desc *ring, uint16_t *avail,
	struct chain *chain)
{
	uint16_t at = *avail, last;

	if ((ring[at & ~WRAP].flags & (AVAIL | USED)) != available_flags(at))
		return false;
	chain->n = 0;
	do {
		last = at & ~WRAP;
		chain->n++;
		at = advance(at, 1);
	} while (ring[last].flags & VRING_DESC_F_NEXT);
	chain->id = ring[last].id;
	if (vhost_inflight_take_packed(fl, ring, *avail & ~WRAP, last, &chain->name) != 0)
		return false;
	*avail = at;
	return true;
}

static void
give_packed(struct vhost_inflight *fl, struct vring_packed_desc *ring, uint16_t *used,
	const struct chain *chain)
{
	struct vring_packed_desc *desc = &ring[*used & ~WRAP];

	desc->id = chain->id;
	vhost_inflight_give_packed(fl, chain->name);
	__atomic_store_n(&desc->flags, used_flags(*used), __ATOMIC_RELEASE);
	vhost_inflight_given_packed(fl, chain->name);
	*used = advance(*used, chain->n);
}

/* @return whether it could go on; with @a used where the ring stands when all is done */
static bool
serve_packed(struct remains *r, uint16_t *used, uint16_t *left)
{
	struct vhost_inflight fl = { .region = r->region, .size = SIZE };
	struct chain chains[SIZE];
	uint16_t n = 0, avail;

	*used = FIRST | WRAP;
	if (vhost_inflight_recover_packed(&fl, r->packed, used) != 0)
		return false;
	avail = *used;
	*left = fl.resubmit.resubmit_num;
	for (uint16_t i = *left; i > 0; i--, n++) {
		const uint16_t name = fl.resubmit.resubmit_list[i - 1].index;

		chains[n] = (struct chain){ .name = name,
			.id = fl.packed->desc[name].id,
			.n = fl.packed->desc[name].num };
		avail = advance(avail, chains[n].n);
	}
	while (n < SIZE && take_packed(&fl, r->packed, &avail, &chains[n]))
		n++;
	while (n > 0)
		give_packed(&fl, r->packed, used, &chains[--n]);
	vhost_inflight_fini(&fl);
	return true;
}

/* How often each chain was given back; places that are passed over are the driver's again. */
static void
count_packed(const struct remains *r, unsigned int *given)
{
	uint16_t at = FIRST | WRAP;

	while ((r->packed[at & ~WRAP].flags & (AVAIL | USED)) == used_flags(at)) {
		const uint16_t id = r->packed[at & ~WRAP].id;

		assert_true(id < CHAINS);
		given[id]++;
		at = advance(at, lengths[id]);
	}
}

/* Every entry of the region can be used again. */
static void
check_packed_region(const struct remains *r)
{
	const struct rte_vhost_inflight_info_packed *info = (const void *)r->region;
	uint16_t n = 0;

	for (uint16_t at = info->old_free_head; at < SIZE && n <= SIZE; at = info->desc[at].next)
		n++;
	assert_int_equal(n, SIZE);
}

/* --- Split rings --------------------------------------------------------------------------- */

/* Heads are what packed rings have ids for. */
static void
offer_split(struct remains *r)
{
	r->split.avail_idx = r->split.used_idx = UINT16_MAX;
	for (uint16_t id = 0; id < CHAINS; id++)
		r->split.avail[r->split.avail_idx++ % SIZE] = id;
}

static void
give_split(struct vhost_inflight *fl, struct remains *r, uint16_t *used, uint16_t head)
{
	r->split.used[*used % SIZE].id = head;
	vhost_inflight_give_split(fl, head);
	__atomic_store_n(&r->split.used_idx, ++*used, __ATOMIC_RELEASE);
	vhost_inflight_given_split(fl, *used, head);
}

static void
check_split_region(const struct remains *r)
{
	const struct rte_vhost_inflight_info_split *info = (const void *)r->region;

	assert_int_equal(info->used_idx, r->split.used_idx);
}

static bool
serve_split(struct remains *r, uint16_t *used, uint16_t *left)
{
	struct vhost_inflight fl = { .region = r->region, .size = SIZE };
	uint16_t heads[SIZE], n = 0, avail;

	*used = r->split.used_idx;
	if (vhost_inflight_recover_split(&fl, *used) != 0)
		return false;
	*left = fl.resubmit.resubmit_num;
	for (uint16_t i = *left; i > 0; i--)
		heads[n++] = fl.resubmit.resubmit_list[i - 1].index;
	for (avail = *used + n; avail != r->split.avail_idx && n < SIZE; avail++, n++) {
		heads[n] = r->split.avail[avail % SIZE];
		vhost_inflight_take_split(&fl, heads[n]);
	}
	while (n > 0)
		give_split(&fl, r, used, heads[--n]);
	vhost_inflight_fini(&fl);
	return true;
}

static void
count_split(const struct remains *r, unsigned int *given)
{
	for (uint16_t at = UINT16_MAX; at != r->split.used_idx; at++) {
		assert_true(r->split.used[at % SIZE].id < CHAINS);
		given[r->split.used[at % SIZE].id]++;
	}
}

/* --- Lives and deaths ---------------------------------------------------------------------- */

static const struct format {
	void (*offer)(struct remains *r);
	bool (*serve)(struct remains *r, uint16_t *used, uint16_t *left);
	void (*count)(const struct remains *r, unsigned int *given);
	void (*check_region)(const struct remains *r); /* nothing is in flight any more */
} packed = { offer_packed, serve_packed, count_packed, check_packed_region },
  split = { offer_split, serve_split, count_split, check_split_region };

static const struct format *format;

static void
live(void)
{
	uint16_t used, left;

	_exit(format->serve(shared, &used, &left) ? 0 : 3);
}

/* A successor that nobody kills, and one more that has nothing left to do. */
static void
check_successors(const struct remains *dead, long step)
{
	struct remains r = *dead;
	unsigned int given[CHAINS] = { 0 };
	uint16_t used, again, left;

	assert_true(format->serve(&r, &used, &left));
	format->count(&r, given);
	for (int id = 0; id < CHAINS; id++)
		if (given[id] != 1)
			fail_msg("killed at step %ld: chain %d was given back %u times", step, id,
				given[id]);
	assert_true(format->serve(&r, &again, &left));
	assert_int_equal(left, 0);
	assert_int_equal(again, used);
	format->check_region(&r);
}

/* Kill at every instruction who goes on with @a begin; also who goes on with what is left then, if told to. */
static unsigned int
kill_everywhere(const struct remains *begin, bool twice)
{
	struct remains dead = *begin;
	unsigned int deaths = 0;
	long step = 0;
	pid_t pid;

	*shared = *begin;
	pid = single_step_begin(NULL, live);
	while (single_step(pid)) {
		step++;
		if (memcmp(shared, &dead, sizeof(dead)) == 0)
			continue;
		dead = *shared;
		check_successors(&dead, step);
		deaths++;
		if (twice && deaths % SECOND_DEATHS == 0) {
			kill_everywhere(&dead, false);
			/* The first one goes on with what it knows. */
			*shared = dead;
		}
	}
	return deaths;
}

static void
check_format(const struct format *f)
{
	struct remains begin = { 0 };
	unsigned int deaths;

	format = f;
	format->offer(&begin);
	deaths = kill_everywhere(&begin, true);
	print_message("%u states to go on from\n", deaths);
	/* Each chain is taken and given back in some steps. */
	assert_true(deaths >= 4 * CHAINS);
}

static void
split_chains_are_given_back_once_wherever_death_comes(void **state)
{
	(void)state;
	check_format(&split);
}

static void
packed_chains_are_given_back_once_wherever_death_comes(void **state)
{
	(void)state;
	check_format(&packed);
}

static int
setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	return shared == MAP_FAILED || vhost_inflight_size(true, SIZE) > sizeof(shared->region);
}

static int
teardown(void **state)
{
	(void)state;
	return munmap(shared, sizeof(*shared));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_chains_are_given_back_once_wherever_death_comes),
		cmocka_unit_test(packed_chains_are_given_back_once_wherever_death_comes),
	};

	return cmocka_run_group_tests_name("inflight_kill", tests, setup, teardown);
}

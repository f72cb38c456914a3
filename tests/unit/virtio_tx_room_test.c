/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Transmitting goes on once the device gave back what it was given, whatever it was that ran short:
 * descriptors, or tables for frames that need one.
 */

#include "virtio_ring_rig.h"

#define BURST 32

/* Not simple: of several segments, or of one that somebody else reads as well. */
static struct rte_mbuf *
complex_frame(uint16_t segs)
{
	struct rte_mbuf *head = NULL;

	for (uint16_t i = 0; i < segs; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		assert_non_null(rte_pktmbuf_append(m, 60));
		if (segs == 1) {
			head = rte_pktmbuf_clone(m, pool);
			rte_pktmbuf_free(m);
		} else if (head == NULL) {
			head = m;
		} else {
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		}
	}
	assert_non_null(head);
	return head;
}

/* As an application does that loses no frame: what was not taken is offered again. */
static void
offer(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, uint16_t segs, uint16_t *taken)
{
	*taken = virtio_tx_burst(q, pkts, n);
	memmove(pkts, &pkts[*taken], (n - *taken) * sizeof(*pkts));
	for (uint16_t i = n - *taken; i < n; i++)
		pkts[i] = complex_frame(segs);
}

static uint32_t
give_back_all(struct reference_ring *ring)
{
	struct reference_chain c = { 0 };
	uint32_t n = 0;

	while (reference_pop(ring, &c)) {
		reference_push(ring, c.id, 0, c.descs, 0);
		n++;
	}
	return n;
}

static void
fill_and_go_on(const struct mode *mode, uint16_t batch, uint16_t n, uint16_t segs)
{
	const unsigned int before = rte_mempool_avail_count(pool);
	struct virtio_queue *q = make_queue(mode, true);
	struct rte_mbuf *pkts[BURST];
	struct reference_ring ring;
	uint16_t taken;

	q->batch = batch;
	reference_init(&ring, q, mode->features & PACKED, mode->features & ORDER);
	for (uint16_t i = 0; i < n; i++)
		pkts[i] = complex_frame(segs);
	/* Rings turn by what went in after each round, so that they run short in several places. */
	for (unsigned int round = 0; round < 8; round++) {
		uint32_t in_ring = 0;

		do {
			offer(q, pkts, n, segs, &taken);
			in_ring += taken;
		} while (taken == n);
		/* Nothing changes until the device does something. */
		offer(q, pkts, n, segs, &taken);
		assert_int_equal(taken, 0);
		assert_int_equal(give_back_all(&ring), in_ring);
		offer(q, pkts, n, segs, &taken);
		if (taken != n)
			fail_msg("%s, %u entries, freed from %u on: of %u frames of %u segments "
				 "%u go into an empty ring",
				mode->name, mode->size, batch, n, segs, taken);
		assert_int_equal(give_back_all(&ring), n);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	virtio_queue_destroy(q);
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

static const struct mode formats[] = {
	{ "split", 0, BASE | INDIRECT },
	{ "split, in order", 0, BASE | ORDER | INDIRECT },
	{ "split, chains", 0, BASE },
	{ "packed", 0, BASE | PACKED | INDIRECT },
	{ "packed, in order", 0, BASE | PACKED | ORDER | INDIRECT },
	{ "packed, chains", 0, BASE | PACKED },
};

static void
fill_rings(const uint16_t *sizes, unsigned int n_sizes, uint16_t n, uint16_t segs)
{
	for (unsigned int i = 0; i < RTE_DIM(formats) * ISAS * n_sizes; i++) {
		struct mode mode = formats[i / n_sizes / ISAS];

		mode.size = sizes[i % n_sizes];
		use(&isas[i / n_sizes % ISAS]);
		fill_and_go_on(&mode, mode.size - mode.size / 4, n, segs);
		fill_and_go_on(&mode, 2, n, segs);
	}
}

static void
a_ring_of_more_descriptors_than_tables_goes_on(void **state)
{
	static const uint16_t sizes[] = { 1024, 2048 };

	(void)state;
	fill_rings(sizes, RTE_DIM(sizes), BURST, 1);
	fill_rings(sizes, RTE_DIM(sizes), BURST, 3);
}

/* Descriptors left over are enough for a frame of one, and for every burst, but not for the next. */
static void
a_ring_with_less_room_than_a_chain_needs_goes_on(void **state)
{
	static const uint16_t sizes[] = { 64, 256 };

	(void)state;
	for (uint16_t segs = 2; segs <= 8; segs++) {
		fill_rings(sizes, RTE_DIM(sizes), 1, segs);
		fill_rings(sizes, RTE_DIM(sizes), 3, segs);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_of_more_descriptors_than_tables_goes_on),
		cmocka_unit_test(a_ring_with_less_room_than_a_chain_needs_goes_on),
	};

	return cmocka_run_group_tests(tests, virtio_ring_rig_setup, NULL);
}

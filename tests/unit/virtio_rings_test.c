/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rings of the virtio front end against a reference device, in every format and with every
 * instruction set: which functions are chosen, resets, doorbells; and against a device that lies.
 */

#include "virtio_ring_rig.h"

#include "datapath.h"

/* A frame of up to `segs` segments whose mbufs vary in headroom, owner and pool. */
static struct rte_mbuf *
tx_frame(uint32_t len, uint32_t number, uint16_t segs)
{
	struct rte_mbuf *head = NULL, *last = NULL;
	static uint8_t buf[FRAME_MAX];
	uint32_t done = 0;

	fill(buf, len, number);
	for (uint16_t i = 0; i < segs; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(draw(3) == 0 ? other_pool : pool);
		uint32_t part = (len - done) / (segs - i);

		assert_non_null(m);
		m->data_off = (uint16_t)(draw(4) == 0 ? draw(16) : RTE_PKTMBUF_HEADROOM);
		memcpy(rte_pktmbuf_mtod(m, void *), buf + done, part);
		done += part;
		m->data_len = (uint16_t)part;
		if (draw(8) == 0) {
			/* Somebody else reads the data, too: headers may not be written there. */
			struct rte_mbuf *clone = rte_pktmbuf_clone(m, pool);

			assert_non_null(clone);
			rte_pktmbuf_free(m);
			m = clone;
			m->pkt_len = m->data_len;
		}
		if (head == NULL)
			head = m;
		else
			last->next = m;
		last = m;
	}
	head->nb_segs = segs;
	head->pkt_len = len;
	return head;
}

/* --- which functions --- */

/* What the driver has of 128 bits. */
#ifdef RTE_ARCH_ARM64
#define NARROW ", NEON"
#else
#define NARROW ""
#endif

#define OFFLOADS_OF_GUEST_TSO (F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6))

/* The names that burst_mode_get() and the log tell; those of instruction sets go behind them. */
static const struct choice {
	uint64_t features;
	bool strip;
	const char *rx;
	const char *tx;
} choices[] = {
	{ INDIRECT, false, "split", "split" },
	{ INDIRECT | MRG, false, "split, mergeable", "split" },
	{ INDIRECT | F(VIRTIO_NET_F_GUEST_CSUM), false, "split, offloads", "split" },
	{ INDIRECT | F(VIRTIO_NET_F_GUEST_TSO4), false, "split, offloads", "split" },
	{ INDIRECT | F(VIRTIO_NET_F_GUEST_TSO6), false, "split, offloads", "split" },
	{ INDIRECT, true, "split, offloads", "split" },
	{ INDIRECT | MRG, true, "split, mergeable, offloads", "split" },
	{ INDIRECT | MRG | OFFLOADS_OF_GUEST_TSO, false, "split, mergeable, offloads", "split" },
	{ INDIRECT | F(VIRTIO_NET_F_CSUM), false, "split", "split, offloads" },
	{ INDIRECT | MRG | CSUM, true, "split, mergeable, offloads", "split, offloads" },
	{ 0, false, "split", "split, chains" },
	{ MRG | CSUM, false, "split, mergeable, offloads", "split, chains" },
	{ INDIRECT | ORDER | EVENT, false, "split", "split" },
	{ PACKED | INDIRECT, false, "packed", "packed" },
	{ PACKED | INDIRECT | MRG, false, "packed, mergeable", "packed" },
	{ PACKED | INDIRECT | F(VIRTIO_NET_F_GUEST_CSUM), false, "packed, offloads", "packed" },
	{ PACKED | INDIRECT, true, "packed, offloads", "packed" },
	{ PACKED | INDIRECT | MRG, true, "packed, mergeable, offloads", "packed" },
	{ PACKED | INDIRECT | F(VIRTIO_NET_F_CSUM), false, "packed", "packed, offloads" },
	{ PACKED | INDIRECT | MRG | CSUM, false, "packed, mergeable, offloads",
		"packed, offloads" },
	/* Chains in a packed ring need no functions of their own. */
	{ PACKED, false, "packed", "packed" },
	{ PACKED | ORDER | EVENT | MRG | CSUM, false, "packed, mergeable, offloads",
		"packed, offloads" },
};

static void
assert_chosen(const struct virtio_queue *q, const char *name, const char *vectors)
{
	/* The one kind of function that there is without vectors only. */
	if (strstr(name, "chains") != NULL)
		vectors = "";
	if (strcmp(virtio_burst_name(q), name) != 0 || strcmp(virtio_burst_isa(q), vectors) != 0)
		fail_msg("expected '%s%s', got '%s%s'", name, vectors, virtio_burst_name(q),
			virtio_burst_isa(q));
}

static void
functions_are_those_of_features_and_vectors(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(choices) * ISAS; i++) {
		const struct choice *c = &choices[i / ISAS];
		const struct isa *isa = &isas[i % ISAS];
		const struct mode mode = { "", 64, BASE | c->features };
		struct virtio_queue *rx, *tx;

		use(isa);
		rx = make_queue(&mode, false);
		tx = make_queue(&mode, true);
		if (c->strip)
			strip_tags(rx, &mode);
		assert_chosen(rx, c->rx, vectors_of(isa));
		assert_chosen(tx, c->tx, vectors_of(isa));
		/* Whatever the width, it has to be asked for, and then is the limit. */
		device.vectorized = false;
		virtio_datapath_select(rx, mode.features);
		assert_chosen(rx, c->rx, "");
		device.vectorized = true;
		virtio_datapath_select(rx, mode.features);
		assert_chosen(rx, c->rx, isa->bits == RTE_VECT_SIMD_128 ? NARROW : vectors_of(isa));
		virtio_queue_destroy(rx);
		virtio_queue_destroy(tx);
	}
}

/* A process whose functions are elsewhere finds those of a queue by their number. */
static void
the_number_of_a_function_leads_to_it(void **state)
{
	(void)state;
	for (unsigned int j = 0; j < ISAS; j++) {
		use(&isas[j]);
		for (unsigned int i = 0; i < RTE_DIM(modes); i++)
			for (unsigned int tx = 0; tx < 2 && isas[j].bits != RTE_VECT_SIMD_128;
				tx++) {
				struct virtio_queue *q = make_queue(&modes[i], tx);

				assert_ptr_equal(virtio_burst_here(q), q->burst);
				virtio_queue_destroy(q);
			}
	}
}

/* --- in the middle of things --- */

static void
a_reset_recovers_every_mbuf(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(modes); i++) {
		const unsigned int before = rte_mempool_avail_count(pool);
		struct virtio_queue *rx = make_queue(&modes[i], false);
		struct virtio_queue *tx = make_queue(&modes[i], true);
		struct reference_ring ring;
		struct reference_chain c;

		seed = i;
		for (unsigned int round = 0; round < 20; round++) {
			struct rte_mbuf *m = tx_frame(200, round, (uint16_t)draw(2) + 1);

			virtio_rx_fill(rx);
			reference_init(&ring, tx, modes[i].features & PACKED, false);
			if (m->nb_segs > tx->nb_segs_max || virtio_tx_burst(tx, &m, 1) == 0)
				rte_pktmbuf_free(m);
			else if (reference_pop(&ring, &c) && draw(2))
				reference_push(&ring, c.id, 0, c.descs, 0);
			virtio_queue_reset(rx, modes[i].features);
			/* The format may change with the device that comes back. */
			virtio_queue_reset(tx, modes[i].features);
		}
		virtio_queue_destroy(rx);
		virtio_queue_destroy(tx);
		assert_int_equal(rte_mempool_avail_count(pool), before);
	}
}

static void
a_queue_that_is_not_running_moves_nothing(void **state)
{
	struct virtio_queue *q = make_queue(&modes[0], true);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)state;
	virtio_queues_quiesce(&q, 1);
	assert_int_equal(virtio_tx_burst(q, &m, 1), 0);
	assert_int_equal(q->in_burst, 0);
	virtio_queue_run(q);
	assert_int_equal(virtio_tx_burst(q, &m, 1), 1);
	virtio_queue_destroy(q);
}

static void
a_frame_of_too_many_segments_is_dropped_and_counted(void **state)
{
	struct virtio_queue *q = make_queue(&modes[0], true);
	const unsigned int before = rte_mempool_avail_count(pool);
	struct rte_mbuf *m;

	(void)state;
	seed = 3;
	m = tx_frame(VIRTIO_TX_SEGS_MAX + 1, 1, VIRTIO_TX_SEGS_MAX + 1);
	assert_int_equal(virtio_tx_burst(q, &m, 1), 1);
	assert_int_equal(q->count.errors, 1);
	assert_int_equal(q->count.packets, 0);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	virtio_queue_destroy(q);
}

/* --- a doorbell only for who asked --- */

static void
doorbell_in_mode(const struct mode *mode)
{
	struct virtio_queue *q = make_queue(mode, true);
	struct rte_mbuf *m;

	seed = 1;
	for (unsigned int i = 0; i < 3u * mode->size; i++) {
		const bool ask = draw(2);
		struct reference_ring ring;

		virtio_queue_reset(q, mode->features);
		reference_init(&ring, q, mode->features & PACKED, false);
		if (mode->features & PACKED)
			q->device_event->flags = ask ? VRING_PACKED_EVENT_FLAG_ENABLE :
						       VRING_PACKED_EVENT_FLAG_DISABLE;
		else if (mode->features & EVENT)
			*virtio_split_avail_event(q) = ask ? 0 : 5;
		else
			q->used->flags = ask ? 0 : VRING_USED_F_NO_NOTIFY;
		m = rte_pktmbuf_alloc(pool);
		m->data_len = m->pkt_len = 60;
		notified = 0;
		assert_int_equal(virtio_tx_burst(q, &m, 1), 1);
		assert_int_equal(notified, ask);
	}
	virtio_queue_destroy(q);
}

static void
the_doorbell_rings_only_for_a_device_that_asked(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(modes); i++)
		if (modes[i].size <= 256 && modes[i].size > 8)
			doorbell_in_mode(&modes[i]);
}

static void
ask_for_doorbell(struct virtio_queue *q, uint16_t pos, bool wrap)
{
	q->device_event->off_wrap = pos | (uint16_t)(wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
	q->device_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
}

/* The device takes the next frame and gives it back. @return false if there is none */
static bool
return_frame(struct reference_ring *ring, uint16_t *pos, bool *wrap, uint16_t size)
{
	struct reference_chain c = { 0 };

	if (!reference_pop(ring, &c))
		return false;
	reference_push(ring, c.id, 0, c.descs, 0);
	reference_step(pos, wrap, 1, size);
	return true;
}

/* The device asks for a doorbell at one position of a packed ring; see it rung at that one. */
static void
a_packed_event_index_rings_once_at_its_position(void **state)
{
	const struct mode mode = { "", 50, BASE | PACKED | EVENT | INDIRECT };
	struct virtio_queue *q = make_queue(&mode, true);
	struct reference_ring ring;
	uint16_t pos = 0;
	bool wrap = true;

	(void)state;
	seed = 9;
	q->batch = mode.size; /* It knows at the first frame how far the device is. */
	reference_init(&ring, q, true, false);
	for (unsigned int round = 0; round < 300; round++) {
		uint16_t event = pos + 20;
		const bool event_wrap = event >= mode.size ? !wrap : wrap;
		unsigned int rung_at = 0;

		event %= mode.size;
		ask_for_doorbell(q, event, event_wrap);
		for (unsigned int i = 0; i < 30; i++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			m->data_len = m->pkt_len = 60;
			notified = 0;
			assert_int_equal(virtio_tx_burst(q, &m, 1), 1);
			if (notified)
				rung_at = rung_at == 0 ? i : 1000;
		}
		for (unsigned int i = 0; i < 30; i++)
			assert_true(return_frame(&ring, &pos, &wrap, mode.size));
		assert_int_equal(rung_at, 20);
	}
	virtio_queue_destroy(q);
}

/*
 * The device asks for a doorbell, goes on for a while without one, and sleeps without having asked
 * anew: it is woken before the ring is full.
 */
static void
a_packed_event_index_left_behind_wakes_the_device(void **state)
{
	const struct mode mode = { "", 50, BASE | PACKED | EVENT | INDIRECT };
	struct virtio_queue *q = make_queue(&mode, true);
	struct reference_ring ring;
	struct rte_mbuf *m;
	uint16_t pos = 0;
	bool wrap = true;

	(void)state;
	seed = 10;
	reference_init(&ring, q, true, false);
	for (unsigned int round = 0; round < 1000; round++) {
		const unsigned int seen = draw(mode.size + 1);
		unsigned int slept = 0;

		ask_for_doorbell(q, pos, wrap);
		for (unsigned int i = 0; i < mode.size + seen; i++) {
			if (i == seen)
				notified = 0;
			m = tx_frame(60, i, 1);
			if (virtio_tx_burst(q, &m, 1) == 0) {
				rte_pktmbuf_free(m);
				break;
			}
			slept += i >= seen;
			if (i >= seen)
				continue;
			assert_true(return_frame(&ring, &pos, &wrap, mode.size));
		}
		assert_int_equal(slept, mode.size);
		assert_true(notified > 0);
		while (return_frame(&ring, &pos, &wrap, mode.size))
			;
	}
	virtio_queue_destroy(q);
}

/* --- a device that lies --- */

enum lie { BAD_ID, SAME_ID_TWICE, TOO_LONG, TOO_SHORT, TOO_MANY, TOO_FEW, TOO_MANY_BUFFERS, LIES };

static bool
tell_lie(struct virtio_queue *q, const struct mode *mode, enum lie lie)
{
	const bool tx = virtio_queue_is_tx(q);
	struct virtio_net_hdr_v1 hdr = { .num_buffers = UINT16_MAX };
	struct reference_ring ring;
	struct reference_chain c = { 0 };

	reference_init(&ring, q, mode->features & PACKED, false);
	assert_true(reference_pop(&ring, &c));
	switch (lie) {
	case BAD_ID:
		reference_push(&ring, mode->size, 60, 1, 0);
		return !(tx && !(mode->features & PACKED) && (mode->features & ORDER));
	case SAME_ID_TWICE:
		reference_push(&ring, c.id, 60, 1, 0);
		reference_push(&ring, c.id, 60, 1, 0);
		return !(tx && !(mode->features & PACKED) && (mode->features & ORDER));
	case TOO_LONG:
		reference_push(&ring, c.id, UINT32_MAX, 1, 0);
		return !tx;
	case TOO_SHORT:
		reference_push(&ring, c.id, 0, 1, 0);
		return !tx;
	case TOO_MANY:
		ring.used = mode->size;
		if (!(mode->features & PACKED))
			reference_push(&ring, 0, 60, 1, 0);
		return !(mode->features & PACKED);
	case TOO_FEW:
		/* In order, that is the last of four, where one is said to be back. */
		if (tx || (mode->features & PACKED) || !(mode->features & ORDER))
			return false;
		reference_push(&ring, c.id + 3, 60, 1, 0);
		return true;
	default:
		if (tx || !(mode->features & MRG))
			return false;
		memcpy(c.pieces[0].addr, &hdr, sizeof(hdr));
		reference_push(&ring, c.id, 60, 1, 0);
		return true;
	}
}

static void
lie_to(const struct mode *mode, bool tx, enum lie lie)
{
	struct virtio_queue *q = make_queue(mode, tx);
	struct rte_mbuf *pkts[8];
	bool caught;

	for (unsigned int i = 0; i < RTE_DIM(pkts); i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		pkts[i]->data_len = pkts[i]->pkt_len = 60;
	}
	if (tx) {
		assert_int_equal(virtio_tx_burst(q, pkts, 8), 8);
	} else {
		rte_pktmbuf_free_bulk(pkts, 8);
		virtio_rx_fill(q);
	}
	failed = 0;
	caught = tell_lie(q, mode, lie);
	if (tx)
		virtio_tx_reclaim(q, UINT16_MAX);
	else
		rte_pktmbuf_free_bulk(pkts, virtio_rx_burst(q, pkts, 8));
	assert_int_equal(failed, caught);
	assert_int_equal(q->running, !caught);
	if (caught)
		assert_int_equal(virtio_rx_burst(q, pkts, 8), 0);
	virtio_queue_destroy(q);
}

static void
a_lying_device_stops_its_queue_and_nothing_else(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(modes); i++) {
		const unsigned int before = rte_mempool_avail_count(pool);

		if (modes[i].size < 64 || modes[i].size > 1024)
			continue;
		for (unsigned int j = 0; j < LIES * ISAS; j++) {
			use(&isas[j / LIES]);
			lie_to(&modes[i], false, j % LIES);
			lie_to(&modes[i], true, j % LIES);
		}
		assert_int_equal(rte_mempool_avail_count(pool), before);
	}
}

/* --- frames that are too short to be some --- */

#define TAG_AT (2 * RTE_ETHER_ADDR_LEN)

/* A tagged frame of `len` bytes in buffers of which the first one has `first`, behind its header. */
static void
deliver_tagged(struct reference_ring *ring, const struct mode *mode, uint32_t len, uint32_t first)
{
	const uint32_t hdr_len = header_length(mode);
	const struct virtio_net_hdr_v1 hdr = { .num_buffers = first < len ? 2 : 1 };
	uint8_t buf[12 + 64] = { 0 };
	struct reference_chain c = { 0 };

	memcpy(buf, &hdr, hdr_len);
	memcpy(buf + hdr_len + TAG_AT, "\x81\x00\x01\x23", 4);
	assert_true(reference_pop(ring, &c));
	/* All of it, as if the buffer still had it from before. */
	reference_scatter(&c, buf, sizeof(buf));
	reference_push(ring, c.id, hdr_len + first, c.descs, 0);
	if (first == len)
		return;
	assert_true(reference_pop(ring, &c));
	reference_scatter(&c, buf, len - first);
	reference_push(ring, c.id, len - first, c.descs, 0);
}

static void
assert_tagged(const struct rte_mbuf *m, uint32_t len, uint32_t first, bool strip)
{
	const bool stripped = strip && first >= RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;

	assert_int_equal(m->pkt_len, stripped ? len - 4 : len);
	assert_int_equal(m->vlan_tci, stripped ? 0x123 : 0);
	assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED), stripped);
}

/* Between two that are long enough; `rest` bytes of it are in a further buffer. */
static void
receive_short(const struct mode *mode, bool strip, uint32_t len, uint32_t rest)
{
	const unsigned int before = rte_mempool_avail_count(pool);
	struct virtio_queue *q = make_queue(mode, false);
	const bool good = len >= RTE_ETHER_HDR_LEN;
	struct reference_ring ring;
	struct rte_mbuf *pkts[8];
	uint16_t n = 0;

	if (strip)
		strip_tags(q, mode);
	virtio_rx_fill(q);
	reference_init(&ring, q, mode->features & PACKED, mode->features & ORDER);
	deliver_tagged(&ring, mode, 60, 60);
	deliver_tagged(&ring, mode, len + rest, len);
	deliver_tagged(&ring, mode, 60, 60);
	for (unsigned int i = 0; i < 4; i++)
		n += virtio_rx_burst(q, &pkts[n], 8 - n);
	assert_false(virtio_queue_failed(q));
	assert_int_equal(n, 2 + good);
	assert_int_equal(q->count.packets, n);
	assert_int_equal(q->count.bytes, 120 + (good ? len + rest : 0));
	assert_int_equal(q->count.errors, !good);
	assert_tagged(pkts[0], 60, 60, strip);
	assert_tagged(pkts[n - 1], 60, 60, strip);
	if (good)
		assert_tagged(pkts[1], len + rest, len, strip);
	rte_pktmbuf_free_bulk(pkts, n);
	virtio_queue_destroy(q);
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

static void
frames_without_an_ethernet_header_are_dropped_and_counted(void **state)
{
	static const uint32_t lens[] = { 0, 3, 4, 13, 14, 17, 18 };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(modes) * ISAS * RTE_DIM(lens); i++) {
		const struct mode *mode = &modes[i / RTE_DIM(lens) / ISAS];
		const uint32_t len = lens[i % RTE_DIM(lens)];

		if (mode->size < 64 || mode->size > 1024)
			continue;
		use(&isas[i / RTE_DIM(lens) % ISAS]);
		for (unsigned int strip = 0; strip < 2; strip++) {
			receive_short(mode, strip, len, 0);
			if (mode->features & MRG)
				receive_short(mode, strip, len, 30);
		}
	}
}

/* Whatever a device writes, nobody but its queue is hurt: the sanitizers and the pool tell. */
static void
noise_in_a_ring_does_no_harm(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		const struct mode *mode = &modes[round % RTE_DIM(modes)];
		const unsigned int before = rte_mempool_avail_count(pool);
		struct virtio_queue *q;
		struct rte_mbuf *pkts[64];
		bool tx;

		seed = round;
		if (mode->size > 256)
			continue;
		use(&isas[draw(ISAS)]);
		tx = draw(2);
		q = make_queue(mode, tx);
		if (!tx)
			virtio_rx_fill(q);
		for (unsigned int i = 0; i < 20; i++) {
			uint8_t *at = (uint8_t *)q->used;

			if (mode->features & PACKED)
				at = (uint8_t *)&q->packed[draw(4)];
			at[draw(32)] = (uint8_t)draw(256);
			if (tx) {
				struct rte_mbuf *m = tx_frame(100, i, 1);

				if (virtio_tx_burst(q, &m, 1) == 0)
					rte_pktmbuf_free(m);
			} else {
				rte_pktmbuf_free_bulk(pkts, virtio_rx_burst(q, pkts, 64));
			}
		}
		virtio_queue_destroy(q);
		assert_int_equal(rte_mempool_avail_count(pool), before);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_those_of_features_and_vectors),
		cmocka_unit_test(the_number_of_a_function_leads_to_it),
		cmocka_unit_test(a_reset_recovers_every_mbuf),
		cmocka_unit_test(a_queue_that_is_not_running_moves_nothing),
		cmocka_unit_test(a_frame_of_too_many_segments_is_dropped_and_counted),
		cmocka_unit_test(the_doorbell_rings_only_for_a_device_that_asked),
		cmocka_unit_test(a_packed_event_index_rings_once_at_its_position),
		cmocka_unit_test(a_packed_event_index_left_behind_wakes_the_device),
		cmocka_unit_test(a_lying_device_stops_its_queue_and_nothing_else),
		cmocka_unit_test(frames_without_an_ethernet_header_are_dropped_and_counted),
		cmocka_unit_test(noise_in_a_ring_does_no_harm),
	};

	return cmocka_run_group_tests(tests, virtio_ring_rig_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Receive and transmit of the virtio front end against a reference device, in every ring format and
 * with every instruction set: random frames, headers, requests for offloads, kinds of mbufs, chain
 * shapes, burst sizes, orders of return, wrap-arounds. What comes of it is compared with what the
 * specification says, and with what comes of it without vectors.
 */

#include "virtio_ring_rig.h"

#include <stdlib.h>

#include <rte_errno.h>

#include "datapath.h"
#include "offload.h"

#define HEADER_MAX sizeof(struct virtio_net_hdr_v1)
#define TAG_AT (2 * RTE_ETHER_ADDR_LEN)
#define GUEST_OFFLOADS \
	(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6))
#define HOST_OFFLOADS (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6))
/* Of a ring's format, which larger ones wrap around at no more often. */
#define OFFLOADS_SIZE_MAX 1024

/* What a run saw, in one number: equal for all instruction sets. */
static uint64_t
digest(uint64_t before, uint64_t value)
{
	return (before ^ value) * UINT64_C(0x100000001b3);
}

static void
put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* --- receive --- */

struct rx_frame {
	uint8_t bytes[FRAME_MAX];
	uint32_t len;
	uint32_t first; /* bytes of its first buffer */
	uint32_t l4;    /* where its TCP or UDP header is; 0: it has none */
	struct virtio_net_hdr_v1 hdr;
	/* What mbufs say of it. */
	uint64_t flags;
	uint16_t tci;
};

struct rx_run {
	const struct mode *mode;
	struct virtio_queue *q;
	struct reference_ring ring;
	struct {
		uint32_t len;
		uint32_t number;
	} sent[HELD_MAX];
	uint32_t sent_head, sent_tail; /* free running */
	struct reference_chain held[REFERENCE_CHAIN_MAX];
	uint32_t nheld;
	uint32_t numbers;
	uint32_t room; /* bytes of a buffer: all have the same */
	uint64_t bytes;
	uint64_t digest;
};

/* Addresses, perhaps a tag, IP with or without options, TCP or UDP; or something else. */
static void
rx_headers(struct rx_frame *f)
{
	const bool tag = draw(3) == 0, v6 = draw(3) == 0, options = draw(4) == 0, tcp = draw(2);
	const uint32_t ip = TAG_AT + (tag ? 4 : 0) + 2;
	const uint32_t l4 = ip + (v6 ? 40 : options ? 24 : 20);
	uint8_t *p = &f->bytes[ip];

	put16(&f->bytes[TAG_AT], 0x88b5);
	f->l4 = 0;
	if (draw(5) == 0 || f->len < l4 + 20)
		return;
	f->l4 = l4;
	if (tag)
		put16(&f->bytes[TAG_AT], RTE_ETHER_TYPE_VLAN);
	put16(p - 2, v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	p[0] = v6 ? 0x60 : options ? 0x46 : 0x45;
	put16(&p[6], 0);
	p[v6 ? 6 : 9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
}

/* All that a device may write there, and what it may not. num_buffers is set by who delivers it. */
static void
rx_virtio_header(struct rx_frame *f)
{
	static const uint8_t flags[] = { 0, VIRTIO_NET_HDR_F_DATA_VALID,
		VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM,
		VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID, 0xfe, 0xff };
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_NONE,
		VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP,
		VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 0x7f };
	const uint32_t starts[] = { f->l4, f->l4, f->l4 + 28, draw(RTE_ETHER_HDR_LEN), draw(f->len),
		draw(UINT16_MAX + 1) };
	const uint32_t offsets[] = { 16, 6, draw(64), draw(UINT16_MAX + 1) };

	f->hdr = (struct virtio_net_hdr_v1){
		.flags = flags[draw(RTE_DIM(flags))],
		.gso_type = types[draw(RTE_DIM(types))],
		.hdr_len = (uint16_t)draw(UINT16_MAX + 1),
		.gso_size = (uint16_t)(draw(4) == 0 ? 0 : draw(UINT16_MAX + 1)),
		.csum_start = (uint16_t)starts[draw(RTE_DIM(starts))],
		.csum_offset = (uint16_t)offsets[draw(RTE_DIM(offsets))],
		.num_buffers = (uint16_t)draw(UINT16_MAX + 1),
	};
}

/* The frame of a number, always the same one. */
static void
rx_make(const struct rx_run *run, struct rx_frame *f, uint32_t len, uint32_t number)
{
	const uint64_t before = seed;

	seed = number;
	f->len = len;
	f->first = RTE_MIN(len, run->room - header_length(run->mode));
	f->flags = 0;
	f->tci = 0;
	fill(f->bytes, len, number);
	rx_headers(f);
	rx_virtio_header(f);
	seed = before;
}

/* The Internet checksum as RFC 1071 has it, put where it belongs if that is in the first buffer. */
static void
rx_finish_checksum(struct rx_frame *f)
{
	const uint32_t start = f->hdr.csum_start, field = start + f->hdr.csum_offset;
	uint32_t sum = 0;

	if (start < RTE_ETHER_HDR_LEN || field + 2 > f->first || start >= f->len)
		return;
	for (uint32_t i = start; i < f->len; i += 2)
		sum += f->bytes[i] << 8 | (i + 1 < f->len ? f->bytes[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	put16(&f->bytes[field], sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum);
}

/* Do to the frame what the driver has to do. */
static void
rx_expect(const struct rx_run *run, struct rx_frame *f)
{
	const bool strip = run->q->flags & VIRTIO_QUEUE_VLAN_STRIP;

	if (!(run->mode->features & GUEST_OFFLOADS) && !strip)
		return;
	if (!(f->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		f->flags = f->hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID ?
			RTE_MBUF_F_RX_L4_CKSUM_GOOD :
			0;
	else if (f->l4 != 0 && f->hdr.csum_start == f->l4)
		f->flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	else
		rx_finish_checksum(f);
	if (f->hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE && f->hdr.gso_size != 0)
		f->flags |= RTE_MBUF_F_RX_LRO;
	if (!strip || get16(&f->bytes[TAG_AT]) != RTE_ETHER_TYPE_VLAN)
		return;
	f->flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	f->tci = get16(&f->bytes[TAG_AT + 2]);
	f->len -= 4;
	memmove(&f->bytes[TAG_AT], &f->bytes[TAG_AT + 4], f->len - TAG_AT);
}

/* Have some buffers at hand; a shuffled device takes one from anywhere among them. */
static bool
rx_take(struct rx_run *run, struct reference_chain *c)
{
	const uint32_t want = run->mode->shuffled ? 16 : 1;
	uint32_t pick;

	while (run->nheld < want && reference_pop(&run->ring, &run->held[run->nheld])) {
		assert_int_equal(run->held[run->nheld].n, 1);
		assert_int_equal(run->held[run->nheld].descs, 1);
		run->room = run->held[run->nheld].pieces[0].len;
		run->nheld++;
	}
	if (run->nheld == 0)
		return false;
	pick = draw(run->nheld);
	*c = run->held[pick];
	run->held[pick] = run->held[--run->nheld];
	return true;
}

static void
rx_see(struct rx_run *run, const struct rte_mbuf *m)
{
	static struct rx_frame f;
	static uint8_t got[FRAME_MAX];
	const uint32_t at = run->sent_tail++ % HELD_MAX;
	uint32_t nb_segs = 0;

	assert_true(run->sent_tail - 1 != run->sent_head);
	rx_make(run, &f, run->sent[at].len, run->sent[at].number);
	run->bytes += f.len;
	rx_expect(run, &f);
	assert_int_equal(m->pkt_len, f.len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, f.len, got), f.bytes, f.len);
	assert_int_equal(m->ol_flags, f.flags);
	assert_int_equal(m->vlan_tci, f.tci);
	if (f.flags & RTE_MBUF_F_RX_LRO)
		assert_int_equal(m->tso_segsz, f.hdr.gso_size);
	assert_int_equal(m->port, 7);
	assert_int_equal(m->packet_type, 0);
	assert_int_equal(m->hash.rss, 0);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, nb_segs++) {
		assert_int_equal(rte_mbuf_refcnt_read(s), 1);
		run->digest = digest(run->digest, s->data_off | (uint64_t)s->data_len << 32);
	}
	assert_int_equal(m->nb_segs, nb_segs);
}

static void
rx_collect(struct rx_run *run)
{
	struct rte_mbuf *pkts[200];
	const uint16_t n = virtio_rx_burst(run->q, pkts, (uint16_t)draw(RTE_DIM(pkts)));

	assert_false(virtio_queue_failed(run->q));
	run->digest = digest(run->digest, rte_mempool_avail_count(pool));
	for (uint16_t i = 0; i < n; i++) {
		rx_see(run, pkts[i]);
		rte_pktmbuf_free(pkts[i]);
	}
	run->digest = digest(run->digest, n);
	run->digest = digest(run->digest, run->q->count.bytes);
	run->digest = digest(run->digest, run->q->free | (uint64_t)run->q->early << 16);
}

/* Deliver one frame. Where buffers run out, the driver takes what it has and posts new ones. */
static void
rx_deliver(struct rx_run *run)
{
	static uint8_t buf[FRAME_MAX + HEADER_MAX];
	static struct rx_frame f;
	const bool merge = run->mode->features & MRG;
	const uint32_t hdr_len = header_length(run->mode);
	const uint32_t most = merge && draw(4) == 0 ? FRAME_MAX : run->room - hdr_len;
	const uint32_t len = 14 + draw(most - 14);
	const uint32_t buffers = (len + hdr_len + run->room - 1) / run->room;
	struct reference_chain c = { 0 };
	uint32_t done = 0, part = 0;
	uint16_t filled = 0; /* buffers that are not returned yet */

	if (buffers > run->mode->size / 2)
		return;
	rx_make(run, &f, len, run->numbers);
	if (merge)
		f.hdr.num_buffers = (uint16_t)buffers;
	memcpy(buf, &f.hdr, hdr_len);
	memcpy(buf + hdr_len, f.bytes, len);
	while (done < len + hdr_len) {
		for (; !rx_take(run, &c); filled = 0, rx_collect(run))
			if (filled > 0)
				reference_push(&run->ring, c.id, part, filled, filled - 1);
		part = reference_scatter(&c, buf + done, len + hdr_len - done);
		done += part;
		filled++;
		if (run->mode->batched && done < len + hdr_len && draw(8) > 0)
			continue;
		reference_push(&run->ring, c.id, part, filled, filled - 1);
		filled = 0;
	}
	assert_true(run->sent_head - run->sent_tail < HELD_MAX);
	run->sent[run->sent_head % HELD_MAX].len = len;
	run->sent[run->sent_head++ % HELD_MAX].number = run->numbers++;
}

/* Of frames that are on their way, tags are stripped or not as it is when they are received. */
static void
rx_toggle_strip(struct rx_run *run)
{
	if (!(run->mode->features & GUEST_OFFLOADS) || draw(8) > 0)
		return;
	virtio_queue_strip_vlan(run->q, draw(2));
	if (rte_vect_get_max_simd_bitwidth() == RTE_VECT_SIMD_128)
		use_narrow_functions(run->q);
}

static uint64_t
receive_in_mode(const struct mode *mode)
{
	struct rx_run *run = calloc(1, sizeof(*run));
	const unsigned int before = rte_mempool_avail_count(pool);
	const uint32_t frames = 1500 + 3 * mode->size;
	struct reference_chain c = { 0 };
	uint64_t seen;

	run->mode = mode;
	run->q = make_queue(mode, false);
	virtio_rx_fill(run->q);
	reference_init(&run->ring, run->q, mode->features & PACKED, mode->features & ORDER);
	assert_true(rx_take(run, &c));
	run->held[run->nheld++] = c;
	while (run->numbers < frames) {
		for (uint32_t n = draw(40); n > 0; n--)
			rx_deliver(run);
		rx_toggle_strip(run);
		for (uint32_t n = draw(4); n > 0; n--)
			rx_collect(run);
	}
	for (uint32_t n = 0; n < frames && run->sent_tail != run->sent_head; n++)
		rx_collect(run);
	assert_int_equal(run->sent_head - run->sent_tail, 0);
	assert_int_equal(run->q->count.packets, run->numbers);
	assert_int_equal(run->q->count.bytes, run->bytes);
	assert_int_equal(run->q->count.errors, 0);
	virtio_queue_destroy(run->q);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	seen = run->digest;
	free(run);
	return seen;
}

/* --- transmit: mbufs of all kinds --- */

/* A buffer that is no mbuf's own. */
struct ext {
	struct rte_mbuf_ext_shared_info shared;
	uint8_t bytes[DATA_ROOM + RTE_PKTMBUF_HEADROOM];
};

static struct ext exts[512];
static uint16_t free_exts[RTE_DIM(exts)];
static uint32_t nfree_exts;
/* mbufs that somebody else has as well, and gives back when he is the last one. */
static struct rte_mbuf *kept[512];
static uint32_t nkept;
/* Which buffers came back, in which order. */
static uint64_t given_back;

static void
ext_free(void *addr, void *opaque)
{
	const struct ext *e = opaque;
	const uint16_t number = (uint16_t)(e - exts);

	assert_ptr_equal(addr, e->bytes);
	given_back = digest(given_back, number);
	free_exts[nfree_exts++] = number;
}

static void
owners_init(void)
{
	nkept = 0;
	given_back = 0;
	for (nfree_exts = 0; nfree_exts < RTE_DIM(exts); nfree_exts++)
		free_exts[nfree_exts] = (uint16_t)nfree_exts;
}

static void
keep(struct rte_mbuf *m)
{
	kept[nkept++] = m;
}

static void
give_back_kept(void)
{
	for (uint32_t i = 0; i < nkept;) {
		if (rte_mbuf_refcnt_read(kept[i]) > 1) {
			i++;
			continue;
		}
		given_back = digest(given_back, i);
		rte_pktmbuf_free_seg(kept[i]);
		kept[i] = kept[--nkept];
	}
}

static struct rte_mbuf *
allocate(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(draw(3) == 0 ? other_pool : pool);
	struct ext *e;

	assert_non_null(m);
	if (draw(10) > 0 || nfree_exts == 0)
		return m;
	e = &exts[free_exts[--nfree_exts]];
	e->shared.free_cb = ext_free;
	e->shared.fcb_opaque = e;
	rte_mbuf_ext_refcnt_set(&e->shared, 1);
	rte_pktmbuf_attach_extbuf(m, e->bytes, (uintptr_t)e->bytes, sizeof(e->bytes), &e->shared);
	return m;
}

/* Headers may be written to what nobody else has, and only there. */
static struct rte_mbuf *
share(struct rte_mbuf *m)
{
	struct rte_mbuf *clone;

	switch (nkept < RTE_DIM(kept) ? draw(24) : UINT32_MAX) {
	case 0: /* somebody has the same mbuf */
		rte_mbuf_refcnt_update(m, 1);
		keep(m);
		return m;
	case 1: /* somebody has the mbuf whose data this one refers to */
	case 2: /* nobody has it any more */
		clone = rte_pktmbuf_clone(m, pool);
		assert_non_null(clone);
		if (draw(2) && !RTE_MBUF_HAS_EXTBUF(m))
			keep(m);
		else
			rte_pktmbuf_free(m);
		return clone;
	default:
		return m;
	}
}

/* A frame whose segments vary in headroom, owner and pool, and of which one may be empty. */
static struct rte_mbuf *
tx_frame(uint32_t len, uint32_t number, uint16_t segs)
{
	const uint32_t empty = segs > 2 && draw(4) == 0 ? 1 + draw(segs - 2) : 0;
	struct rte_mbuf *head = NULL, *last = NULL;
	static uint8_t buf[FRAME_MAX];
	uint32_t done = 0;

	fill(buf, len, number);
	for (uint16_t i = 0; i < segs; i++) {
		struct rte_mbuf *m = allocate();
		const uint32_t part = i == empty && i > 0 ? 0 : (len - done) / (segs - i);

		m->data_off = (uint16_t)(draw(4) == 0 ? draw(16) : RTE_PKTMBUF_HEADROOM);
		assert_true(m->data_off + part <= m->buf_len);
		memcpy(rte_pktmbuf_mtod(m, void *), buf + done, part);
		done += part;
		m->data_len = (uint16_t)part;
		m->pkt_len = part;
		m = share(m);
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

/* --- transmit --- */

struct tx_sent {
	struct rte_mbuf
		*m; /* the queue's, and so it may be looked at until the device returns it */
	uint32_t len;
	uint32_t number;
	uint16_t tci;
	bool filled; /* it is as it was made */
	bool tagged;
};

struct tx_run {
	const struct mode *mode;
	struct virtio_queue *q;
	struct reference_ring ring;
	struct tx_sent sent[HELD_MAX];
	uint32_t sent_head, sent_tail; /* free running */
	struct {
		uint16_t id;
		uint16_t descs;
	} held[32768];
	uint32_t nheld;
	uint32_t numbers;
	uint64_t bytes;
	uint64_t digest;
};

/* Ask for this and that. What is not agreed on, only a frame that is to be prepared asks for. */
static void
tx_request(const struct tx_run *run, struct rte_mbuf *m, bool prepare)
{
	static const uint64_t l4[] = { 0, RTE_MBUF_F_TX_TCP_CKSUM, RTE_MBUF_F_TX_UDP_CKSUM,
		RTE_MBUF_F_TX_TCP_SEG, RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM };
	const bool v6 = draw(2);

	m->ol_flags |= v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (run->mode->features & F(VIRTIO_NET_F_CSUM) || prepare)
		m->ol_flags |= l4[draw(RTE_DIM(l4))];
	m->l2_len = prepare ? RTE_ETHER_HDR_LEN : draw(1 << RTE_MBUF_L2_LEN_BITS);
	m->l3_len = prepare ? (v6 ? 40 : 20) : draw(1 << RTE_MBUF_L3_LEN_BITS);
	m->l4_len = draw(1 << RTE_MBUF_L4_LEN_BITS);
	m->tso_segsz = (uint16_t)draw(UINT16_MAX + 1);
	m->outer_l2_len = 2 * draw(32);
	m->outer_l3_len = 2 * draw(32);
	m->vlan_tci = (uint16_t)draw(UINT16_MAX + 1);
	if (draw(4) == 0)
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) && draw(6) == 0)
		m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN | RTE_MBUF_F_TX_OUTER_IPV4;
	if (prepare && !v6 && draw(4) == 0)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (prepare && draw(20) == 0)
		m->ol_flags = (m->ol_flags & ~VIRTIO_TX_OFFLOAD_MASK) | RTE_MBUF_F_TX_SCTP_CKSUM;
}

/* Virtio 1.2, 5.1.6.2.1, with what mbufs say. */
static struct virtio_net_hdr_v1
tx_header(const struct rte_mbuf *m)
{
	const uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const bool tso = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	struct virtio_net_hdr_v1 hdr = { 0 };

	if (l4 == 0 && !tso)
		return hdr;
	hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr.csum_start = m->l2_len + m->l3_len;
	if (m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK)
		hdr.csum_start += m->outer_l2_len + m->outer_l3_len;
	hdr.csum_offset = l4 == RTE_MBUF_F_TX_UDP_CKSUM ? 6 : 16;
	if (!tso)
		return hdr;
	hdr.gso_type = m->ol_flags & RTE_MBUF_F_TX_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
							  VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = m->tso_segsz;
	hdr.hdr_len = m->l2_len + m->l3_len + m->l4_len;
	return hdr;
}

/* @return false if the driver refuses to prepare it */
static bool
tx_make(struct tx_run *run, struct tx_sent *s)
{
	const uint16_t most = RTE_MIN(run->q->nb_segs_max, 8);
	const uint16_t segs = draw(3) == 0 ? (uint16_t)(1 + draw(most)) : 1;
	bool prepare = draw(3) == 0;
	uint32_t ip;

	s->number = run->numbers++;
	/* Twice as long as most, a segment behind an empty one still fits. */
	s->m = tx_frame(segs * (14 + draw(DATA_ROOM / 2 - 14)), s->number, segs);
	/* Who has DPDK look at headers has them at even addresses. */
	prepare &= rte_pktmbuf_mtod(s->m, uintptr_t) % 2 == 0;
	tx_request(run, s->m, prepare);
	/* The protocol of an IPv6 header, where there is one: DPDK shifts it as a signed number. */
	if (prepare && (ip = virtio_tx_l3_at(s->m)) + 40 <= s->m->data_len)
		rte_pktmbuf_mtod(s->m, uint8_t *)[ip + 6] = IPPROTO_TCP;
	s->tci = s->m->vlan_tci;
	s->tagged = prepare && s->m->ol_flags & RTE_MBUF_F_TX_VLAN;
	s->filled = !prepare;
	if (prepare && virtio_tx_prepare(run->q, &s->m, 1) == 0) {
		run->digest = digest(run->digest, (uint32_t)rte_errno);
		rte_pktmbuf_free(s->m);
		return false;
	}
	s->len = s->m->pkt_len;
	return true;
}

static void
tx_send(struct tx_run *run)
{
	struct rte_mbuf *pkts[64];
	struct tx_sent sent[RTE_DIM(pkts)];
	const uint32_t want = draw(RTE_DIM(pkts));
	uint16_t n = 0, taken;

	for (uint32_t i = 0; i < want; i++)
		if (tx_make(run, &sent[n])) {
			pkts[n] = sent[n].m;
			n++;
		}
	taken = virtio_tx_burst(run->q, pkts, n);
	assert_false(virtio_queue_failed(run->q));
	for (uint16_t i = 0; i < taken; i++) {
		assert_true(run->sent_head - run->sent_tail < HELD_MAX);
		run->sent[run->sent_head++ % HELD_MAX] = sent[i];
		run->bytes += sent[i].len;
	}
	run->digest = digest(run->digest, taken | (uint64_t)run->q->free << 16);
	run->digest = digest(run->digest, run->q->early | (uint64_t)run->q->complex << 16);
	assert_int_equal(run->q->count.bytes, run->bytes);
	rte_pktmbuf_free_bulk(&pkts[taken], n - taken);
}

/* Each descriptor is of one segment, and the header with the first where that is nobody else's. */
static void
assert_pieces(const struct reference_chain *c, const struct rte_mbuf *m, uint32_t hdr_len)
{
	const bool own = rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
		m->data_off >= hdr_len;
	uint16_t at = 1;

	if (own) {
		assert_ptr_equal(c->pieces[0].addr, rte_pktmbuf_mtod(m, uint8_t *) - hdr_len);
		assert_int_equal(c->pieces[0].len, hdr_len + m->data_len);
		m = m->next;
	} else {
		assert_int_equal(c->pieces[0].len, hdr_len);
	}
	for (; m != NULL; m = m->next) {
		if (m->data_len == 0)
			continue;
		assert_true(at < c->n);
		assert_ptr_equal(c->pieces[at].addr, rte_pktmbuf_mtod(m, uint8_t *));
		assert_int_equal(c->pieces[at++].len, m->data_len);
	}
	assert_int_equal(at, c->n);
}

/* The device reads some frames, and compares them. */
static void
tx_read(struct tx_run *run, uint32_t n)
{
	static uint8_t expected[FRAME_MAX], got[FRAME_MAX + HEADER_MAX];
	const uint32_t hdr_len = header_length(run->mode);
	struct reference_chain c = { 0 };

	while (n-- > 0 && reference_pop(&run->ring, &c)) {
		const struct tx_sent *s = &run->sent[run->sent_tail % HELD_MAX];
		const struct virtio_net_hdr_v1 hdr = tx_header(s->m);

		assert_true(run->sent_tail != run->sent_head);
		run->sent_tail++;
		assert_int_equal(reference_gather(&c, got, sizeof(got)), s->len + hdr_len);
		assert_memory_equal(got, &hdr, hdr_len);
		assert_pieces(&c, s->m, hdr_len);
		fill(expected, s->len, s->number);
		if (s->filled)
			assert_memory_equal(got + hdr_len, expected, s->len);
		if (s->tagged) {
			assert_memory_equal(got + hdr_len, expected, TAG_AT);
			assert_int_equal(get16(got + hdr_len + TAG_AT), RTE_ETHER_TYPE_VLAN);
			assert_int_equal(get16(got + hdr_len + TAG_AT + 2), s->tci);
		}
		run->digest = digest(run->digest, c.id | (uint64_t)c.descs << 16);
		for (uint16_t i = 0; i < c.n; i++)
			run->digest = digest(run->digest, c.pieces[i].len);
		run->held[run->nheld].id = c.id;
		run->held[run->nheld++].descs = c.descs;
	}
}

static void
tx_return_one(struct tx_run *run, uint32_t pick)
{
	reference_push(&run->ring, run->held[pick].id, 0, run->held[pick].descs, 0);
	run->nheld--;
	memmove(&run->held[pick], &run->held[pick + 1], (run->nheld - pick) * sizeof(run->held[0]));
}

static void
tx_return(struct tx_run *run, uint32_t n)
{
	n = RTE_MIN(n, run->nheld);
	if (n > 0 && run->mode->batched) {
		uint16_t descs = 0;

		for (uint32_t i = 0; i < n; i++)
			descs += run->held[i].descs;
		reference_push(&run->ring, run->held[n - 1].id, 0, descs, n - 1);
		run->nheld -= n;
		memmove(run->held, &run->held[n], run->nheld * sizeof(run->held[0]));
		return;
	}
	while (n-- > 0)
		tx_return_one(run, run->mode->shuffled ? draw(run->nheld) : 0);
}

/* What has come back by now: buffers, references, and mbufs of either pool. */
static void
tx_count_back(struct tx_run *run)
{
	give_back_kept();
	run->digest = digest(run->digest, given_back);
	run->digest = digest(run->digest, nkept | (uint64_t)nfree_exts << 32);
	run->digest = digest(run->digest, rte_mempool_avail_count(pool));
	run->digest = digest(run->digest, rte_mempool_avail_count(other_pool));
}

static uint64_t
transmit_in_mode(const struct mode *mode)
{
	uint64_t seen;
	uint16_t most;
	struct tx_run *run = calloc(1, sizeof(*run));
	const unsigned int before = rte_mempool_avail_count(pool);
	const unsigned int other_before = rte_mempool_avail_count(other_pool);

	owners_init();
	run->mode = mode;
	run->q = make_queue(mode, true);
	reference_init(&run->ring, run->q, mode->features & PACKED, mode->features & ORDER);
	/* The device keeps up on the whole, as the pools are smaller than the largest rings. */
	while (run->sent_head < 3000u + 3u * RTE_MIN(mode->size, 8192)) {
		tx_send(run);
		tx_read(run, draw(128));
		tx_return(run, draw(128));
		most = (uint16_t)draw(20);
		assert_true(virtio_tx_reclaim(run->q, most) <= most);
		if (run->q->size - run->q->free > POOL_SIZE / 16) {
			tx_read(run, UINT32_MAX);
			tx_return(run, UINT32_MAX);
			virtio_tx_reclaim(run->q, UINT16_MAX);
		}
		tx_count_back(run);
	}
	tx_read(run, UINT32_MAX);
	assert_int_equal(run->sent_head - run->sent_tail, 0);
	tx_return(run, UINT32_MAX);
	virtio_tx_reclaim(run->q, UINT16_MAX);
	assert_int_equal(run->q->free, run->q->size);
	tx_count_back(run);
	assert_int_equal(nkept, 0);
	assert_int_equal(nfree_exts, RTE_DIM(exts));
	assert_int_equal(rte_mempool_avail_count(pool), before);
	assert_int_equal(rte_mempool_avail_count(other_pool), other_before);
	assert_int_equal(run->q->count.packets, run->sent_head);
	assert_int_equal(run->q->count.errors, 0);
	virtio_queue_destroy(run->q);
	seen = run->digest;
	free(run);
	return seen;
}

/* --- all modes, with and without offloads, with one instruction set --- */

struct direction {
	const char *name;
	uint64_t (*run)(const struct mode *mode);
	uint64_t scalar[2][RTE_DIM(modes)]; /* what was seen without vectors */
};

static struct direction receiving = { "receive", receive_in_mode };
static struct direction transmitting = { "transmit", transmit_in_mode };

static void
compare(struct direction *d, unsigned int offloads, unsigned int i)
{
	struct mode mode = modes[i];
	uint64_t seen, *scalar = &d->scalar[offloads][i];

	if (offloads)
		mode.features |= GUEST_OFFLOADS | HOST_OFFLOADS;
	device.features = mode.features;
	seed = 1 + i;
	seen = d->run(&mode);
	if (*scalar == 0)
		*scalar = seen;
	else if (seen != *scalar)
		fail_msg("%s, %s, %s offloads: it does not do what scalar does", d->name, mode.name,
			offloads ? "with" : "without");
}

/* The first instruction set is none, and what all others are compared with. */
static void
every_frame_arrives(struct direction *d, const struct isa *isa)
{
	if (!isa_is_here(isa))
		skip_isa(isa);
	for (unsigned int i = 0; i < 2 * RTE_DIM(modes); i++) {
		const unsigned int offloads = i % 2;

		if (offloads && modes[i / 2].size > OFFLOADS_SIZE_MAX)
			continue;
		use(isa);
		compare(d, offloads, i / 2);
	}
}

static void
every_received_frame_arrives_as_sent(void **state)
{
	every_frame_arrives(&receiving, &isas[*(const unsigned int *)*state]);
}

static void
every_transmitted_frame_arrives_as_sent(void **state)
{
	every_frame_arrives(&transmitting, &isas[*(const unsigned int *)*state]);
}

int
main(void)
{
	static unsigned int number[ISAS] = { 0, 1, 2, 3 };
#define CASE(test, i, isa) \
	{ \
#test "_" isa, test, NULL, NULL, &number[i] \
	}
#define CASES(test) \
	CASE(test, 0, "scalar"), CASE(test, 1, "128_bits"), CASE(test, 2, "256_bits"), \
		CASE(test, 3, "512_bits")
	const struct CMUnitTest tests[] = {
		CASES(every_received_frame_arrives_as_sent),
		CASES(every_transmitted_frame_arrives_as_sent),
	};

	return cmocka_run_group_tests(tests, virtio_ring_rig_setup, NULL);
}

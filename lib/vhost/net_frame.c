/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <linux/virtio_net.h>

#include <rte_malloc.h>

#include "dirty_log.h"
#include "net_frame.h"
#include "net_offload.h"
#include "packed.h"
#include "split.h"
#include "vring_private.h"

/** Why a walk that found too few bytes did: its own error, or else @a otherwise. */
static enum vhost_vring_drop
walk_error(const struct vring_chain *c, enum vhost_vring_drop otherwise)
{
	return c->error != VHOST_VRING_DROP_MAX ? c->error : otherwise;
}

/** Bytes that are left of a chain, whose walk stays where it is; more than a frame has is enough. */
static uint32_t
count_left(const struct vring_chain *c)
{
	struct vring_chain ahead = *c;
	uint32_t n = 0;

	while (n <= NET_FRAME_MAX && vring_chain_fill(&ahead)) {
		n += RTE_MIN(ahead.left, (uint32_t)NET_FRAME_MAX + 1);
		vring_chain_advance(&ahead, ahead.left);
	}
	return n;
}

static void
free_external(void *addr, void *opaque)
{
	(void)addr;
	rte_free(opaque);
}

/**
 * Move the frame's beginning, all that @a m holds, to a buffer of its own with @a more bytes of room.
 * The application asked for it: the one place where the data path allocates.
 * @return false if no mbuf can have such a buffer, or there is no memory
 */
static bool
make_external(struct rte_mbuf *m, uint32_t more)
{
	uint32_t len = m->pkt_len + more;
	/* Even: headers have fields of two bytes, at least. */
	uint32_t headroom = RTE_MIN((uint32_t)RTE_PKTMBUF_HEADROOM, UINT16_MAX - len) & ~1u;
	uint32_t shared_at = RTE_ALIGN_CEIL(headroom + len, (uint32_t)sizeof(uintptr_t));
	struct rte_mbuf_ext_shared_info *shared;
	uint8_t *buf;

	if (len > UINT16_MAX || RTE_MBUF_HAS_PINNED_EXTBUF(m))
		return false;
	buf = rte_malloc("vhost frame", shared_at + sizeof(*shared), RTE_CACHE_LINE_SIZE);
	if (buf == NULL)
		return false;
	shared = (struct rte_mbuf_ext_shared_info *)(void *)(buf + shared_at);
	shared->free_cb = free_external;
	shared->fcb_opaque = buf;
	rte_mbuf_ext_refcnt_set(shared, 1);

	memcpy(buf + headroom, rte_pktmbuf_mtod(m, void *), m->pkt_len);
	rte_pktmbuf_attach_extbuf(m, buf, rte_malloc_virt2iova(buf), headroom + len, shared);
	m->data_off = headroom;
	m->data_len = m->pkt_len;
	return true;
}

/** More room for a frame that @a seg, its last segment, holds no more of. */
static enum vhost_vring_drop
extend(struct vhost_vring *vr, const struct vring_chain *c, struct rte_mempool *pool,
	struct rte_mbuf *m, struct rte_mbuf **seg)
{
	/* A chain that has grown since it was counted is its driver's doing, and ends here. */
	if ((vr->mbuf_flags & RTE_VHOST_USER_EXTBUF_SUPPORT) != 0 && *seg == m &&
		!RTE_MBUF_HAS_EXTBUF(m) && make_external(m, count_left(c)))
		return VHOST_VRING_DROP_MAX;
	if ((vr->mbuf_flags & RTE_VHOST_USER_LINEARBUF_SUPPORT) != 0)
		return VHOST_VRING_DROP_TOO_LARGE;
	(*seg)->next = rte_pktmbuf_alloc(pool);
	if ((*seg)->next == NULL)
		return VHOST_VRING_DROP_NO_MBUF;
	*seg = (*seg)->next;
	m->nb_segs++;
	return VHOST_VRING_DROP_MAX;
}

/** Did the walk end for want of a mapping, which the ring waits for now? */
static bool
must_wait(struct vhost_vring *vr, const struct vring_chain *c)
{
	return c->error == VHOST_VRING_DROP_BAD_ADDR &&
		vring_wait_for_mapping(vr, c->gpa, c->bad_write);
}

/** Copy what is left of the chain into @a m. VHOST_VRING_DROP_MAX if that went well. */
static enum vhost_vring_drop
read_payload(struct vhost_vring *vr, struct vring_chain *c, struct rte_mempool *pool,
	struct rte_mbuf *m)
{
	struct rte_mbuf *seg = m;

	while (vring_chain_fill(c)) {
		uint32_t room = rte_pktmbuf_tailroom(seg);

		if (m->pkt_len == NET_FRAME_MAX)
			return VHOST_VRING_DROP_TOO_LARGE;
		if (room == 0) {
			enum vhost_vring_drop why = extend(vr, c, pool, m, &seg);

			if (why != VHOST_VRING_DROP_MAX)
				return why;
			continue;
		}

		uint32_t n = RTE_MIN(RTE_MIN(c->left, room), NET_FRAME_MAX - m->pkt_len);

		memcpy(rte_pktmbuf_mtod_offset(seg, uint8_t *, seg->data_len), c->at, n);
		vring_chain_advance(c, n);
		seg->data_len += n;
		m->pkt_len += n;
	}
	return walk_error(c,
		m->pkt_len < NET_FRAME_MIN ? VHOST_VRING_DROP_BAD_CHAIN : VHOST_VRING_DROP_MAX);
}

static enum vhost_vring_drop
read_frame(struct vhost_vring *vr, struct vring_chain *c, struct rte_mempool *pool,
	struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	enum vhost_vring_drop why;

	if (vring_chain_read(c, &hdr, vr->net_hdr_len) < vr->net_hdr_len)
		return walk_error(c, VHOST_VRING_DROP_BAD_HEADER);
	why = read_payload(vr, c, pool, m);
	if (why == VHOST_VRING_DROP_MAX && (vr->flags & VHOST_VRING_HOST_OFFLOAD) != 0 &&
		!net_offload_from_header(vr, &hdr.hdr, m))
		why = VHOST_VRING_DROP_OFFLOAD;
	return why;
}

bool
net_frame_read(struct vhost_vring *vr, struct vring_chain *c, struct rte_mempool *pool,
	struct rte_mbuf *m)
{
	rte_pktmbuf_reset(m);

	enum vhost_vring_drop why = read_frame(vr, c, pool, m);

	if (!vring_chain_finish(c)) {
		vring_set_broken(vr, "chain that has no end");
		why = VHOST_VRING_DROP_BAD_CHAIN;
	}
	if (why == VHOST_VRING_DROP_MAX)
		return true;

	if (!must_wait(vr, c))
		vr->stats.drops[why]++;
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	if (RTE_MBUF_HAS_EXTBUF(m) && !RTE_MBUF_HAS_PINNED_EXTBUF(m))
		rte_pktmbuf_detach_extbuf(m);
	return false;
}

/** Begin the chain at @a pos. False if there is none, or the ring is broken. */
static bool
begin_chain(struct vhost_vring *vr, const struct packed_position *pos, struct vring_chain *c)
{
	if ((vr->flags & VHOST_VRING_PACKED) != 0) {
		uint16_t flags = packed_load_word(vr->packed_desc, pos->idx) >> PACKED_FLAGS_SHIFT;

		if (!packed_flags_available(flags, pos->wrap))
			return false;
		vring_chain_begin_packed(c, vr, pos->idx, VRING_DESC_F_WRITE);
		return true;
	}

	/* More than this one are asked for, so that the index is read when none is known. */
	uint16_t before = pos->idx - vr->avail_idx;

	if (split_available(vr, before + 1) <= before)
		return false;

	uint16_t head = split_head(vr, pos->idx);

	if (head >= vr->size) {
		vring_set_broken(vr, "available chain begins outside of the table");
		return false;
	}
	vring_chain_begin_split(c, vr, head, VRING_DESC_F_WRITE);
	return true;
}

static void
step_over(const struct vhost_vring *vr, struct packed_position *pos, const struct vring_chain *c)
{
	if ((vr->flags & VHOST_VRING_PACKED) != 0)
		packed_advance(pos, c->slots, vr->size);
	else
		pos->idx++;
}

/** Where the header goes: its bytes may lie in as many descriptors. */
struct header_place {
	struct {
		uint8_t *at;
		uint64_t gpa;
		uint32_t len;
	} pieces[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
	uint32_t n;
};

/** Leave room for the header at the beginning of the chain; it is written when all is known. */
static bool
reserve_header(struct vring_chain *c, uint32_t len, struct header_place *place)
{
	for (; len > 0; place->n++) {
		if (!vring_chain_fill(c))
			return false;

		uint32_t n = RTE_MIN(c->left, len);

		place->pieces[place->n].at = c->at;
		place->pieces[place->n].gpa = c->gpa;
		place->pieces[place->n].len = n;
		vring_chain_advance(c, n);
		len -= n;
	}
	return true;
}

static void
write_header(const struct vhost_vring *vr, const struct header_place *place,
	const struct virtio_net_hdr_mrg_rxbuf *hdr)
{
	const uint8_t *from = (const uint8_t *)hdr;

	for (uint32_t i = 0; i < place->n; i++) {
		uint32_t len = place->pieces[i].len;

		memcpy(place->pieces[i].at, from, len);
		if (unlikely(vr->flags & VHOST_VRING_LOG))
			vring_log_written(vr, place->pieces[i].gpa, place->pieces[i].at, len);
		from += len;
	}
}

/** How far a frame has been copied. */
struct frame_position {
	const struct rte_mbuf *seg;
	uint32_t offset; /**< in the segment */
	uint32_t at;     /**< in the frame */
	const struct net_offload_sum
		*sum; /**< the next one that stands in for what is in the frame */
};

/** Bytes that come next in one piece, which the frame has. */
static uint32_t
next_piece(const struct frame_position *p, const uint8_t **src)
{
	uint32_t len = p->seg->data_len - p->offset, skip;

	if (p->at < p->sum->at) {
		*src = rte_pktmbuf_mtod_offset(p->seg, const uint8_t *, p->offset);
		return RTE_MIN(len, p->sum->at - p->at);
	}
	skip = p->at - p->sum->at;
	*src = (const uint8_t *)&p->sum->value + skip;
	return RTE_MIN(len, (uint32_t)sizeof(p->sum->value) - skip);
}

/** Pass over what was copied of a piece. */
static void
advance(struct frame_position *p, uint32_t len)
{
	p->offset += len;
	p->at += len;
	if (p->at == p->sum->at + sizeof(p->sum->value))
		p->sum++;
	while (p->seg != NULL && p->offset == p->seg->data_len) {
		p->seg = p->seg->next;
		p->offset = 0;
	}
}

/** Copy from the frame until it or the chain ends; @return bytes copied. */
static uint32_t
write_payload(struct vring_chain *c, struct frame_position *from)
{
	uint32_t done = 0, want, n = 0;
	const uint8_t *src;

	while (from->seg != NULL) {
		want = next_piece(from, &src);
		n = vring_chain_write(c, src, want);
		done += n;
		advance(from, n);
		if (n < want)
			break;
	}
	return done;
}

enum attempt_result {
	ATTEMPT_DELIVERED,
	ATTEMPT_BAD_CHAIN, /**< the chains taken are of no use: give them back empty, try again */
	ATTEMPT_NO_BUFFER,
	ATTEMPT_TOO_LARGE,
};

/** One attempt at a frame; @a used begins with the first chain of it. */
static enum attempt_result
attempt(struct vhost_vring *vr, const struct rte_mbuf *m, const struct net_offload *offload,
	struct packed_position *pos, struct net_used *used, uint16_t room, uint16_t *n)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { .hdr = offload->hdr };
	struct frame_position from = { .seg = m, .sum = offload->sums };
	struct header_place place = { .n = 0 };
	struct vring_chain c;

	for (*n = 0; from.seg != NULL;) {
		if (*n == room)
			return ATTEMPT_TOO_LARGE;
		if (!begin_chain(vr, pos, &c))
			return ATTEMPT_NO_BUFFER;

		bool good = *n > 0 || reserve_header(&c, vr->net_hdr_len, &place);
		uint32_t len = good ? write_payload(&c, &from) : 0;

		/* A frame goes on in another chain only if this one took some of it. */
		good = good && c.error == VHOST_VRING_DROP_MAX && (len > 0 || *n == 0);
		if (!vring_chain_finish(&c)) {
			vring_set_broken(vr, "chain that has no end");
			return ATTEMPT_NO_BUFFER;
		}
		if (must_wait(vr, &c))
			return ATTEMPT_NO_BUFFER;
		if (good && from.seg != NULL && (vr->flags & VHOST_VRING_MERGEABLE) == 0)
			return ATTEMPT_TOO_LARGE;

		used[*n] = (struct net_used){ .len = len + (*n == 0 ? vr->net_hdr_len : 0),
			.id = c.id,
			.slots = c.slots };
		++*n;
		step_over(vr, pos, &c);
		if (!good) {
			vr->stats.drops[walk_error(&c, VHOST_VRING_DROP_BAD_CHAIN)]++;
			return ATTEMPT_BAD_CHAIN;
		}
	}
	hdr.num_buffers = *n;
	write_header(vr, &place, &hdr);
	return ATTEMPT_DELIVERED;
}

enum net_frame_result
net_frame_write(struct vhost_vring *vr, const struct rte_mbuf *m, struct net_used *used,
	uint16_t *n)
{
	struct packed_position pos = packed_avail_position(vr);
	struct net_offload offload = NET_OFFLOAD_NONE;
	enum attempt_result result;
	uint16_t taken;

	*n = 0;
	if ((m->ol_flags & NET_OFFLOAD_TX_FLAGS) != 0 && !net_offload_to_header(vr, m, &offload)) {
		vr->stats.drops[VHOST_VRING_DROP_OFFLOAD]++;
		return NET_FRAME_DROPPED;
	}
	do {
		result = attempt(vr, m, &offload, &pos, used + *n, NET_FRAME_CHAINS_MAX - *n,
			&taken);
		if (result > ATTEMPT_BAD_CHAIN)
			break;
		if (result == ATTEMPT_BAD_CHAIN) {
			for (uint16_t i = 0; i < taken; i++)
				used[*n + i].len = 0;
		}
		*n += taken;
		vr->avail_idx = pos.idx;
		vr->avail_wrap = pos.wrap;
	} while (result != ATTEMPT_DELIVERED);

	if (result == ATTEMPT_DELIVERED)
		return NET_FRAME_DELIVERED;
	/* With the array full of what malformed chains left, the frame may yet fit: later. */
	if (result == ATTEMPT_NO_BUFFER || *n > 0)
		return NET_FRAME_NO_BUFFER;
	vr->stats.drops[VHOST_VRING_DROP_TOO_LARGE]++;
	return NET_FRAME_DROPPED;
}

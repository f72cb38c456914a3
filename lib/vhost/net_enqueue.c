/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames to the guest. See net_burst.h for how a burst goes, and for being compiled several times.
 */

#include <linux/virtio_net.h>

#include "net_burst.h"
#include "net_copy.h"
#include "net_offload.h"

/** The header of a frame in one buffer with nothing left to do, as one 12-byte store. */
static __rte_always_inline void
write_plain_header(uint8_t *at, uint32_t hdr_len)
{
	/* num_buffers is the last of 12 bytes; the header of 10 bytes is without it. */
	const uint32_t high = 1u << 16;
	uint64_t old_low;
	uint32_t old_high = 0;

	/*
	 * A driver that uses its buffers again finds the header of last time in them. Not writing
	 * it leaves its line shared instead of pulling it out of the driver's cache.
	 */
	memcpy(&old_low, at, sizeof(old_low));
	if (hdr_len == sizeof(struct virtio_net_hdr)) {
		memcpy(&old_high, at + sizeof(old_low), sizeof(uint16_t));
		if ((old_low | old_high) != 0)
			memset(at, 0, sizeof(struct virtio_net_hdr));
		return;
	}
	memcpy(&old_high, at + sizeof(old_low), sizeof(old_high));
	if (old_low != 0 || old_high != high) {
		memset(at, 0, sizeof(old_low));
		memcpy(at + sizeof(old_low), &high, sizeof(high));
	}
}

/** Put a frame into a plain buffer at @a at; false if it takes the careful way. */
static __rte_always_inline bool
copy_plain(const struct rte_mbuf *m, uint8_t *at, uint32_t buf_len, uint32_t hdr_len)
{
	if (unlikely(at == NULL || m->nb_segs != 1 || buf_len < hdr_len ||
		    m->pkt_len > buf_len - hdr_len || (m->ol_flags & NET_OFFLOAD_TX_FLAGS) != 0))
		return false;
	write_plain_header(at, hdr_len);
	net_copy(at + hdr_len, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	return true;
}

/** Totals of a burst. */
struct enqueued {
	uint16_t frames;  /**< dealt with */
	uint16_t packets; /**< delivered */
	uint64_t bytes;
	bool full;    /**< no buffer is there for the next one */
	bool dropped; /**< the last frame that was dealt with: the burst ends behind it */
};

/** The careful way for one frame; @return slots of the ring that it took. */
static __rte_always_inline uint16_t
enqueue_careful(struct vhost_vring *vr, struct rte_mbuf *m, struct net_given *given,
	struct enqueued *sum, const unsigned int mode)
{
	struct net_used used[NET_FRAME_CHAINS_MAX];
	uint16_t n, slots = 0;
	enum net_frame_result result = net_frame_write(vr, m, used, &n);

	for (uint16_t i = 0; i < n; i++) {
		net_give(given, used[i].id, used[i].len, used[i].slots, VRING_DESC_F_WRITE, mode);
		slots += (mode & NET_BURST_PACKED) ? used[i].slots : 1;
	}
	if (result == NET_FRAME_NO_BUFFER) {
		sum->full = true;
		return slots;
	}
	sum->frames++;
	if (result == NET_FRAME_DROPPED) {
		sum->dropped = true;
		return slots;
	}
	sum->packets++;
	sum->bytes += m->pkt_len;
	return slots;
}

static __rte_always_inline void
enqueue_batch(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n, struct net_given *given,
	struct enqueued *sum, const unsigned int mode)
{
	struct vhost_vring_batch *b = &vr->ahead;
	const uint32_t hdr_len = vr->net_hdr_len;
	uint16_t plain = 0, slot = 0;

	n = RTE_MIN(n, VHOST_VRING_BATCH);
	net_gather(vr, n, false, VRING_DESC_F_WRITE, mode);
	/* Of a ring that is broken by now, what was gathered earlier is of no use either. */
	if (unlikely(vr->broken))
		return;
	if (b->n == 0) {
		/* A packed ring may have a chain of several descriptors there. */
		if (mode & NET_BURST_PACKED)
			enqueue_careful(vr, pkts[0], given, sum, mode);
		else
			sum->full = true;
		return;
	}
	for (uint16_t i = 0; i < n && slot < b->n && !sum->full && !sum->dropped; i++) {
		struct rte_mbuf *m = pkts[i];
		uint16_t entry = b->first + slot;

		if (i + 1 < n && slot + 1 < b->n && b->at[entry + 1] != NULL)
			net_prefetch_rest(b->at[entry + 1] + hdr_len, pkts[i + 1]->data_len);
		if (likely(copy_plain(m, b->at[entry], b->len[entry], hdr_len))) {
			uint32_t len = m->data_len;

			net_give(given, b->id[entry], len + hdr_len, 1, VRING_DESC_F_WRITE, mode);
			sum->bytes += len;
			plain++;
			slot++;
		} else {
			net_take(vr, plain, mode);
			sum->packets += plain;
			sum->frames += plain;
			plain = 0;
			slot += enqueue_careful(vr, m, given, sum, mode);
		}
	}
	net_take(vr, plain, mode);
	sum->packets += plain;
	sum->frames += plain;
	net_forget(b, slot);
}

static NET_BURST_TEMPLATE uint16_t
enqueue_burst(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n, const unsigned int mode)
{
	struct net_given given = net_given_begin(vr, mode);
	struct enqueued sum = { 0 };

	/* Each batch deals with a frame at least, or finds the ring full or broken. */
	while (sum.frames < n && !sum.full && !sum.dropped && !vr->broken)
		enqueue_batch(vr, &pkts[sum.frames], n - sum.frames, &given, &sum, mode);

	if (likely(!sum.dropped))
		vr->stats.drops[VHOST_VRING_DROP_NO_BUFFER] += n - sum.frames;
	if (!net_publish(vr, &given, mode))
		return sum.frames;
	vring_call_if_wanted(vr);
	net_look_ahead(vr, sum.frames, VRING_DESC_F_WRITE, mode);
	vr->stats.packets += sum.packets;
	vr->stats.bytes += sum.bytes;
	return sum.frames;
}

#define ENQUEUE(name, mode) \
	static uint16_t name(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n) \
	{ \
		return enqueue_burst(vr, pkts, n, mode); \
	}

ENQUEUE(split, 0)
ENQUEUE(packed, NET_BURST_PACKED)
ENQUEUE(packed_tracked, NET_BURST_PACKED | NET_BURST_TRACKED)

const vhost_vring_enqueue_t NET_BURST_NAME(net_enqueue)[NET_BURST_MODES] = {
	[0] = split,
	[NET_BURST_PACKED] = packed,
	[NET_BURST_PACKED | NET_BURST_TRACKED] = packed_tracked,
};

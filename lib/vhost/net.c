/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The doors of the software data path: who may come in, which functions serve the ring, and what
 * is counted only on request.
 */

#include <rte_arp.h>
#include <rte_cpuflags.h>
#include <rte_ether.h>
#include <rte_vect.h>

#include "net_burst.h"

static const struct {
	const vhost_vring_enqueue_t *enqueue;
	const vhost_vring_dequeue_t *dequeue;
} bursts[] = {
	{ net_enqueue_base, net_dequeue_base },
#ifdef VHOST_HAVE_AVX
	{ net_enqueue_avx2, net_dequeue_avx2 },
	{ net_enqueue_avx512, net_dequeue_avx512 },
#endif
};

/** The widest instruction set that the CPU has and the application allows. */
static unsigned int
isa_level(void)
{
#ifdef VHOST_HAVE_AVX
	uint16_t bits = rte_vect_get_max_simd_bitwidth();

	if (bits >= RTE_VECT_SIMD_512 && rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VL) > 0 &&
		rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512BW) > 0)
		return 2;
	if (bits >= RTE_VECT_SIMD_256 && rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		return 1;
#endif
	return 0;
}

void
vhost_net_choose(struct vhost_vring *vr)
{
	unsigned int isa = isa_level(), mode = 0;

	if ((vr->flags & VHOST_VRING_PACKED) != 0)
		mode |= NET_BURST_PACKED | (vr->inflight != NULL ? NET_BURST_TRACKED : 0);
	vr->enqueue = bursts[isa].enqueue[mode];
	if ((vr->flags & VHOST_VRING_IN_ORDER) != 0)
		mode |= NET_BURST_IN_ORDER;
	if ((vr->flags & VHOST_VRING_HOST_OFFLOAD) != 0)
		mode |= NET_BURST_OFFLOAD;
	vr->dequeue = bursts[isa].dequeue[mode];
}

/** Bin of a frame's size: the bounds are those of RFC 2819, which counts 64 alone. */
static unsigned int
size_bin(uint32_t len)
{
	static const uint16_t ends[] = { 64, 65, 128, 256, 512, 1024, 1519 };
	unsigned int bin = 0;

	while (bin < RTE_DIM(ends) && len >= ends[bin])
		bin++;
	return bin;
}

static __rte_noinline void
count_frames(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_ether_addr *dst = rte_pktmbuf_mtod(pkts[i],
			struct rte_ether_addr *);

		vr->stats.size_bins[size_bin(pkts[i]->pkt_len)]++;
		if (pkts[i]->data_len < sizeof(*dst) || !rte_is_multicast_ether_addr(dst))
			continue;
		if (rte_is_broadcast_ether_addr(dst))
			vr->stats.broadcast++;
		else
			vr->stats.multicast++;
	}
}

/** Flags of what a ring does after a burst that most rings do not. */
#define NOT_FREE (VHOST_VRING_STATS | VHOST_VRING_IOMMU)

static void
after_burst(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n)
{
	if (vr->flags & VHOST_VRING_STATS)
		count_frames(vr, pkts, n);
	if ((vr->flags & VHOST_VRING_IOMMU) != 0 && n > 0) {
		vr->stats.iotlb_hits += n;
		vring_look_ahead(vr);
	}
}

/** The frame that tells where the guest is; once, but while there is no mbuf it stays owed. */
static __rte_noinline uint16_t
announce(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkt)
{
	struct rte_ether_addr mac;

	memcpy(&mac, vr->announce_mac, sizeof(mac));
	*pkt = rte_net_make_rarp_packet(pool, &mac);
	if (*pkt == NULL)
		return 0;
	vr->flags &= ~VHOST_VRING_ANNOUNCE;
	return 1;
}

/** What of a claimed ring a burst may touch: nothing, unless it runs, has memory and is whole. */
static __rte_always_inline bool
may_burst(const struct vhost_vring *vr)
{
	return vr->running && vr->mem != NULL && !vr->broken;
}

bool
vhost_net_owes_frame(const struct vhost_vring *vr)
{
	return (vr->flags & VHOST_VRING_ANNOUNCE) != 0 && may_burst(vr);
}

/** One burst of the ring's function; @return true if it ended behind a frame that it dropped. */
static __rte_always_inline bool
enqueue_some(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n, uint16_t *done)
{
	const uint64_t before = vr->stats.packets;
	const uint16_t dealt_with = vr->enqueue(vr, pkts + *done, n - *done);
	const uint16_t delivered = (uint16_t)(vr->stats.packets - before);

	if (vr->flags & NOT_FREE)
		after_burst(vr, pkts + *done, delivered);
	*done += dealt_with;
	return dealt_with != delivered;
}

uint16_t
vhost_net_enqueue(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t done = 0;

	if (unlikely(!vhost_vring_try_claim(vr)))
		return 0;
	while (likely(may_burst(vr))) {
		if (likely(!enqueue_some(vr, pkts, n, &done)) || done == n)
			break;
	}
	vhost_vring_release(vr);
	return done;
}

uint16_t
vhost_net_dequeue(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkts,
	uint16_t n)
{
	uint16_t done = 0;

	if (unlikely(!vhost_vring_try_claim(vr)))
		return 0;
	if (likely(may_burst(vr))) {
		done = vr->dequeue(vr, pool, pkts, n);
		if (vr->flags & (NOT_FREE | VHOST_VRING_ANNOUNCE)) {
			after_burst(vr, pkts, done);
			if ((vr->flags & VHOST_VRING_ANNOUNCE) != 0 && done < n)
				done += announce(vr, pool, &pkts[done]);
		}
	}
	vhost_vring_release(vr);
	return done;
}

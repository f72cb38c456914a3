/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The public API of a ring: how full it is, notifications in both directions, statistics. Whoever
 * looks into a ring holds its claim, so that its memory stays.
 */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "peer_event.h"
#include "vhost_notify.h"

static struct vhost_queue *
queue_of(int vid, uint16_t index)
{
	struct vhost_device *dev = vhost_device_get(vid);

	return dev == NULL ? NULL : vhost_device_find_queue(dev, index);
}

/*
 * Entries that the driver offers; and, if one is looked for, a frame that the library owes. Not without the
 * claim: whoever asks for kicks looks here what came before them, and sleeps if that is nothing.
 */
static uint32_t
waiting(int vid, uint16_t index, bool frames)
{
	struct vhost_queue *q = queue_of(vid, index);
	uint32_t n;

	if (q == NULL)
		return 0;
	vhost_vring_claim(&q->vring);
	n = vhost_vring_available(&q->vring);
	if (frames)
		n += vhost_net_owes_frame(&q->vring);
	vhost_vring_release(&q->vring);
	return n;
}

uint16_t
rte_vhost_avail_entries(int vid, uint16_t queue_id)
{
	return (uint16_t)waiting(vid, queue_id, false);
}

uint32_t
rte_vhost_rx_queue_count(int vid, uint16_t qid)
{
	return qid & 1 ? waiting(vid, qid, true) : 0;
}

/* --- Notifications ------------------------------------------------------------------------- */

int
rte_vhost_enable_guest_notification(int vid, uint16_t queue_id, int enable)
{
	struct vhost_queue *q = queue_of(vid, queue_id);

	if (q == NULL)
		return -1;
	/* Remembered for a ring that starts later, or anew. */
	q->kicks = enable ? VHOST_KICKS_ON : VHOST_KICKS_OFF;
	vhost_vring_claim(&q->vring);
	vhost_vring_enable_kicks(&q->vring, enable != 0);
	vhost_vring_release(&q->vring);
	return 0;
}

/*
 * A ring that someone else drives (a vDPA device that has its used entries relayed) is not running
 * here: all that is known of it is its descriptor.
 */
static bool
call_vdpa(struct vhost_device *dev, const struct vhost_queue *q)
{
	bool called;

	vhost_device_lock(dev);
	called = q->callfd >= 0 && vhost_peer_event_raise(q->callfd) == 0;
	vhost_device_unlock(dev);
	return called;
}

/* Read once: the callbacks of another connection may come between. */
static void
tell_notified(struct vhost_device *dev)
{
	const typeof(dev->ops.guest_notified) notified = __atomic_load_n(&dev->ops.guest_notified,
		__ATOMIC_RELAXED);

	if (notified != NULL)
		notified(dev->vid);
}

/* The caller of the public functions may hold the ring only while it is looked at. */
static int
call(int vid, uint16_t vring_idx, bool wait)
{
	struct vhost_device *dev = vhost_device_get(vid);
	struct vhost_queue *q = dev == NULL ? NULL : vhost_device_find_queue(dev, vring_idx);

	if (q == NULL)
		return -1;
	if (dev->vdpa != NULL) {
		if (call_vdpa(dev, q))
			tell_notified(dev);
		return 0;
	}
	if (wait)
		vhost_vring_claim(&q->vring);
	else if (!vhost_vring_try_claim(&q->vring))
		return -EAGAIN;
	/* An application may have taken up a ring that nobody enables: its driver knows no such thing. */
	if (q->based && !q->vring.running)
		vhost_vring_raise(&q->vring);
	else
		vhost_vring_call(&q->vring);
	vhost_vring_release(&q->vring);
	vhost_notify_settle(dev, q);
	return 0;
}

int
rte_vhost_vring_call(int vid, uint16_t vring_idx)
{
	return call(vid, vring_idx, true);
}

int
rte_vhost_vring_call_nonblock(int vid, uint16_t vring_idx)
{
	return call(vid, vring_idx, false);
}

void
rte_vhost_notify_guest(int vid, uint16_t queue_id)
{
	struct vhost_device *dev = vhost_device_get(vid);
	struct vhost_queue *q = dev == NULL ? NULL : vhost_device_find_queue(dev, queue_id);
	bool raised;

	if (q == NULL)
		return;
	vhost_vring_claim(&q->vring);
	raised = q->vring.running && vhost_vring_raise(&q->vring) != 0;
	vhost_vring_release(&q->vring);
	if (raised)
		tell_notified(dev);
}

/*
 * Where the next available entry will show: for split rings the driver's index, which will differ
 * from what we have seen; for packed rings the flags of the next descriptor, whose available bit
 * will be as the wrap counter is.
 */
int
rte_vhost_get_monitor_addr(int vid, uint16_t queue_id, struct rte_vhost_power_monitor_cond *pmc)
{
	struct vhost_queue *q = queue_of(vid, queue_id);
	struct vhost_vring *vr;
	int ret = -1;

	if (q == NULL || pmc == NULL)
		return -1;
	vr = &q->vring;
	vhost_vring_claim(vr);
	if (vr->running) {
		*pmc = (struct rte_vhost_power_monitor_cond){ .size = sizeof(uint16_t) };
		if (vr->flags & VHOST_VRING_PACKED) {
			pmc->addr = &vr->packed_desc[vr->avail_idx].flags;
			pmc->mask = UINT64_C(1) << VRING_PACKED_DESC_F_AVAIL;
			pmc->val = vr->avail_wrap ? pmc->mask : 0;
			pmc->match = 1;
		} else {
			pmc->addr = &vr->avail->idx;
			pmc->mask = UINT16_MAX;
			pmc->val = vr->avail_idx;
		}
		ret = 0;
	}
	vhost_vring_release(vr);
	return ret;
}

/* --- Statistics ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(name, member) \
	{ \
		name, offsetof(struct vhost_vring_stats, member) \
	}
	COUNTER("good_packets", packets),
	COUNTER("good_bytes", bytes),
	COUNTER("multicast_packets", multicast),
	COUNTER("broadcast_packets", broadcast),
	COUNTER("undersize_packets", size_bins[0]),
	COUNTER("size_64_packets", size_bins[1]),
	COUNTER("size_65_127_packets", size_bins[2]),
	COUNTER("size_128_255_packets", size_bins[3]),
	COUNTER("size_256_511_packets", size_bins[4]),
	COUNTER("size_512_1023_packets", size_bins[5]),
	COUNTER("size_1024_1518_packets", size_bins[6]),
	COUNTER("size_1519_max_packets", size_bins[7]),
	COUNTER("guest_notifications", calls),
	COUNTER("iotlb_hits", iotlb_hits),
	COUNTER("iotlb_misses", iotlb_misses),
	COUNTER("inflight_submitted", async_submitted),
	COUNTER("inflight_completed", async_completed),
	COUNTER("guest_notifications_suppressed", calls_suppressed),
	COUNTER("guest_notifications_offloaded", calls_owed),
	COUNTER("guest_notifications_error", calls_failed),
	COUNTER("no_buffer_drops", drops[VHOST_VRING_DROP_NO_BUFFER]),
	COUNTER("bad_chain_drops", drops[VHOST_VRING_DROP_BAD_CHAIN]),
	COUNTER("bad_address_drops", drops[VHOST_VRING_DROP_BAD_ADDR]),
	COUNTER("bad_header_drops", drops[VHOST_VRING_DROP_BAD_HEADER]),
	COUNTER("offload_drops", drops[VHOST_VRING_DROP_OFFLOAD]),
	COUNTER("too_large_drops", drops[VHOST_VRING_DROP_TOO_LARGE]),
	COUNTER("no_mbuf_drops", drops[VHOST_VRING_DROP_NO_MBUF]),
	COUNTER("broken_ring", broken),
#undef COUNTER
};

static_assert(VHOST_VRING_SIZE_BINS == 8 && VHOST_VRING_DROP_MAX == 7, "each has a name");

const char *
vhost_vring_counter(const struct vhost_vring *vr, unsigned int i, uint64_t *value)
{
	if (i >= RTE_DIM(counters))
		return NULL;
	*value = __atomic_load_n((const uint64_t *)RTE_PTR_ADD(&vr->stats, counters[i].offset),
		__ATOMIC_RELAXED);
	return counters[i].name;
}

/* The ring, if its device counts at all. */
static struct vhost_queue *
counted_queue(int vid, uint16_t queue_id)
{
	struct vhost_device *dev = vhost_device_get(vid);

	if (dev == NULL || (dev->flags & RTE_VHOST_USER_NET_STATS_ENABLE) == 0)
		return NULL;
	return vhost_device_find_queue(dev, queue_id);
}

/* Directions are the application's: it transmits into even rings. */
int
rte_vhost_vring_stats_get_names(int vid, uint16_t queue_id, struct rte_vhost_stat_name *name,
	unsigned int size)
{
	if (counted_queue(vid, queue_id) == NULL)
		return -1;
	if (name == NULL || size < RTE_DIM(counters))
		return RTE_DIM(counters);
	for (unsigned int i = 0; i < RTE_DIM(counters); i++)
		snprintf(name[i].name, sizeof(name[i].name), "%s_q%u_%s",
			queue_id & 1 ? "rx" : "tx", queue_id / 2, counters[i].name);
	return RTE_DIM(counters);
}

int
rte_vhost_vring_stats_get(int vid, uint16_t queue_id, struct rte_vhost_stat *stats, unsigned int n)
{
	const struct vhost_queue *q = counted_queue(vid, queue_id);

	if (q == NULL)
		return -1;
	if (stats == NULL || n < RTE_DIM(counters))
		return RTE_DIM(counters);
	for (unsigned int i = 0; i < RTE_DIM(counters); i++) {
		stats[i].id = i;
		vhost_vring_counter(&q->vring, i, &stats[i].value);
	}
	return RTE_DIM(counters);
}

int
rte_vhost_vring_stats_reset(int vid, uint16_t queue_id)
{
	struct vhost_queue *q = counted_queue(vid, queue_id);

	if (q == NULL)
		return -1;
	vhost_vring_claim(&q->vring);
	memset(&q->vring.stats, 0, sizeof(q->vring.stats));
	vhost_vring_release(&q->vring);
	return 0;
}

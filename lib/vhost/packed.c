/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_atomic.h>

#include "dirty_log.h"
#include "inflight.h"
#include "packed.h"

/** Slots from one position to another, going forward; positions differ by one round at most. */
static uint32_t
slots_between(const struct vhost_vring *vr, uint16_t from, bool from_wrap, uint16_t to,
	bool to_wrap)
{
	return from_wrap == to_wrap ? (uint32_t)to - from : (uint32_t)to + vr->size - from;
}

bool
packed_wants_call(struct vhost_vring *vr)
{
	bool first = !vr->call_valid;
	uint32_t given = slots_between(vr, vr->call_idx, vr->call_wrap, vr->used_idx,
		vr->used_wrap);

	vr->call_idx = vr->used_idx;
	vr->call_wrap = vr->used_wrap;
	vr->call_valid = true;

	/*
	 * Full fence: used descriptors are written before suppression is read. Pairs with the
	 * fence between the driver's writing of suppression and its last look at the ring.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);

	/* One load: offset and flags belong together. */
	uint32_t event = __atomic_load_n((const uint32_t
						 __attribute__((__may_alias__)) *)vr->driver_event,
		__ATOMIC_RELAXED);
	uint16_t flags = event >> 16 & 0x3;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC || (vr->flags & VHOST_VRING_EVENT_IDX) == 0)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;

	uint16_t offset = event & ((1u << PACKED_WRAP_BIT) - 1);
	bool wrap = event >> PACKED_WRAP_BIT & 1;

	/* Out of the ring: nonsense, which must not cost an interrupt somebody waits for. */
	if (first || offset >= vr->size)
		return true;
	/* In this round at or after used_idx: not reached yet. */
	if (wrap == vr->used_wrap && offset >= vr->used_idx)
		return false;

	return slots_between(vr, offset, wrap, vr->used_idx, vr->used_wrap) <= given;
}

void
packed_enable_kicks(struct vhost_vring *vr, bool enable)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

	if (enable && (vr->flags & VHOST_VRING_EVENT_IDX) != 0) {
		__atomic_store_n(&vr->device_event->off_wrap,
			(uint16_t)(vr->avail_idx | vr->avail_wrap << PACKED_WRAP_BIT),
			__ATOMIC_RELAXED);
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	} else if (enable) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	/* Release: the offset is written before the flags that give it a meaning. */
	__atomic_store_n(&vr->device_event->flags, flags, __ATOMIC_RELEASE);
	if ((vr->flags & VHOST_VRING_LOG) != 0)
		vring_log_hva(vr, vr->device_event, sizeof(*vr->device_event));
	/*
	 * Full fence: suppression is written before the caller's last look at the ring. Pairs with
	 * the driver's fence between making descriptors available and reading suppression.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint16_t
packed_count_available(const struct vhost_vring *vr)
{
	struct packed_position pos = packed_avail_position(vr);
	uint16_t n = 0;

	for (uint16_t i = 0; i < vr->size; i++) {
		uint16_t flags = packed_load_word(vr->packed_desc, pos.idx) >> PACKED_FLAGS_SHIFT;

		if (!packed_flags_available(flags, pos.wrap))
			break;
		n += (flags & VRING_DESC_F_NEXT) == 0;
		packed_advance(&pos, 1, vr->size);
	}
	return n;
}

void
packed_log_used(const struct vhost_vring *vr, uint16_t first)
{
	const struct vring_packed_desc *ring = vr->packed_desc;

	/* What was given back may go round the end of the ring, and be all of it. */
	if (vr->used_idx <= first) {
		vring_log_hva(vr, &ring[first], (vr->size - first) * sizeof(*ring));
		first = 0;
	}
	vring_log_hva(vr, &ring[first], (vr->used_idx - first) * sizeof(*ring));
}

void
packed_publish_tracked(struct vhost_vring *vr, const struct packed_used *used)
{
	struct rte_vhost_inflight_info_packed *info = vr->inflight;
	union vhost_inflight_used note = { .old_idx = used->first.idx,
		.old_wrap = used->first.wrap };
	struct packed_position pos = used->first;

	if (!used->any)
		return;
	/* Noted first: from the moment of publication on, this is where the ring goes on. */
	note.idx = used->next.idx;
	note.wrap = used->next.wrap;
	vhost_inflight_set_used(info, note);
	packed_publish(vr, used);
	/* What was kept is of no use now, and must be gone before the old position is. */
	do {
		if (info->desc[pos.idx].inflight != 0)
			__atomic_store_n(&info->desc[pos.idx].inflight, 0, __ATOMIC_RELEASE);
		packed_advance(&pos, 1, vr->size);
	} while (pos.idx != used->next.idx);
	note.old_idx = note.idx;
	note.old_wrap = note.wrap;
	vhost_inflight_set_used(info, note);
}

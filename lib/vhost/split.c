/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include <rte_atomic.h>

#include "dirty_log.h"
#include "split.h"

/** The index at which the driver wants its next interrupt stands behind the avail ring. */
static uint16_t
used_event(const struct vhost_vring *vr)
{
	return __atomic_load_n(&vr->avail->ring[vr->size], __ATOMIC_RELAXED);
}

bool
split_wants_call(struct vhost_vring *vr)
{
	uint16_t from = vr->call_idx, to = vr->used_idx;
	bool first = !vr->call_valid;

	vr->call_idx = to;
	vr->call_valid = true;

	/*
	 * Full fence: the used index is written before suppression is read. Pairs with the fence
	 * between the driver's writing of suppression and its last look at the used index, so
	 * that one of the two sees what the other did.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);

	if ((vr->flags & VHOST_VRING_EVENT_IDX) == 0)
		return (__atomic_load_n(&vr->avail->flags, __ATOMIC_RELAXED) &
			       VRING_AVAIL_F_NO_INTERRUPT) == 0;

	/* Wanted when the entry at used_event is among [from, to). */
	uint16_t behind = to - used_event(vr);

	return first || (behind != 0 && behind <= (uint16_t)(to - from));
}

void
split_enable_kicks(struct vhost_vring *vr, bool enable)
{
	uint64_t offset = offsetof(struct vring_used, flags);

	if ((vr->flags & VHOST_VRING_EVENT_IDX) != 0) {
		/* An index that the driver has passed already keeps it silent. */
		__atomic_store_n((uint16_t *)(void *)&vr->used->ring[vr->size],
			enable ? vr->avail_idx : (uint16_t)(vr->avail_idx - 1), __ATOMIC_RELAXED);
		offset = offsetof(struct vring_used, ring) +
			vr->size * sizeof(struct vring_used_elem);
	} else {
		__atomic_store_n(&vr->used->flags, enable ? 0 : VRING_USED_F_NO_NOTIFY,
			__ATOMIC_RELAXED);
	}
	if ((vr->flags & VHOST_VRING_LOG) != 0)
		vhost_dirty_log_mark(&vr->log, vr->log_gpa + offset, sizeof(uint16_t));
	/*
	 * Full fence: suppression is written before the caller's last look at the avail index.
	 * Pairs with the driver's fence between writing that index and reading suppression.
	 */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint16_t
split_count_available(const struct vhost_vring *vr)
{
	/* Acquire: as in split_available(); nothing is read behind it here, but may be next. */
	uint16_t n = __atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE) - vr->avail_idx;

	return n > vr->size ? 0 : n;
}

void
split_log_used(const struct vhost_vring *vr, uint16_t first, uint16_t end)
{
	uint16_t n = end - first;

	for (uint16_t i = 0; i < n; i++) {
		size_t slot = (uint16_t)(first + i) & (vr->size - 1);

		vhost_dirty_log_mark(&vr->log,
			vr->log_gpa + offsetof(struct vring_used, ring) +
				slot * sizeof(struct vring_used_elem),
			sizeof(struct vring_used_elem));
	}
	vhost_dirty_log_mark(&vr->log, vr->log_gpa, offsetof(struct vring_used, ring));
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include "vhost_notify.h"

/* The application did not take over an interrupt that the ring owes. */
static bool
pay(struct vhost_queue *q)
{
	bool raised;

	vhost_vring_claim(&q->vring);
	/* It may have been forgotten meanwhile: counters can be reset at any time. */
	if (q->vring.stats.calls_owed > 0)
		q->vring.stats.calls_owed--;
	raised = vhost_vring_raise(&q->vring) != 0;
	vhost_vring_release(&q->vring);
	return raised;
}

void
vhost_notify_settle(struct vhost_device *dev, struct vhost_queue *q)
{
	/* Read once: a late burst may find the callbacks of another connection here. */
	const typeof(dev->ops.guest_notify) notify = __atomic_load_n(&dev->ops.guest_notify,
		__ATOMIC_RELAXED);
	const typeof(dev->ops.guest_notified) notified = __atomic_load_n(&dev->ops.guest_notified,
		__ATOMIC_RELAXED);

	for (uint32_t n = vhost_vring_take_unsettled(&q->vring); n > 0; n--) {
		if (notify != NULL && (notify(dev->vid, q->index) || !pay(q)))
			continue;
		if (notified != NULL)
			notified(dev->vid);
	}
}

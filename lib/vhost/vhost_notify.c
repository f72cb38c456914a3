/* SPDX-License-Identifier: BSD-3-Clause */

#include "vhost_notify.h"

/* The application did not take over an interrupt that the ring owes. */
static bool
pay(struct vhost_queue *q)
{
	bool raised;

	vhost_vring_claim(&q->vring);
	q->vring.stats.calls_owed--;
	raised = vhost_vring_raise(&q->vring) != 0;
	vhost_vring_release(&q->vring);
	return raised;
}

void
vhost_notify_settle(struct vhost_device *dev, struct vhost_queue *q, uint64_t before)
{
	for (uint64_t n = vhost_notify_count(q) - before; n > 0; n--) {
		if (dev->ops.guest_notify != NULL &&
			(dev->ops.guest_notify(dev->vid, q->index) || !pay(q)))
			continue;
		if (dev->ops.guest_notified != NULL)
			dev->ops.guest_notified(dev->vid);
	}
}

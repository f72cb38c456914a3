/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Interrupts of the guest, as far as the application has a part in them: it may raise them itself
 * (guest_notify), and be told of those that were raised (guest_notified).
 *
 * A ring whose device has a guest_notify callback (VHOST_VRING_CALLS_OWED) raises nothing during a
 * burst, only counts what it owes, because no callback is made while a ring is claimed. Whoever
 * called the ring settles that here.
 */

#ifndef VHOST_NOTIFY_H
#define VHOST_NOTIFY_H

#include <stdbool.h>

#include "device.h"

/** Whether the application wants to know of interrupts: if not, there is nothing to settle. */
static inline bool
vhost_notify_wanted(const struct vhost_device *dev)
{
	return dev->ops.guest_notified != NULL || dev->ops.guest_notify != NULL;
}

/** Settle the interrupts that a ring has raised or owes. Any thread, no claim held. */
void vhost_notify_settle(struct vhost_device *dev, struct vhost_queue *q);

#endif /* VHOST_NOTIFY_H */

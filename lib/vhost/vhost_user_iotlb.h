/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Asking the front end for what its IOMMU maps. A ring that misses a mapping rings a doorbell; the
 * event loop asks on the back end's channel, and asks again while no answer comes. Answers are
 * IOTLB_MSG requests like any other.
 */

#ifndef VHOST_USER_IOTLB_H
#define VHOST_USER_IOTLB_H

#include "device.h"

struct event_loop;

/**
 * Have the rings of a device, which may have an IOMMU, listened to.
 * @return 0, or -errno
 */
int vhost_user_iotlb_watch(struct vhost_device *dev, struct event_loop *loop);

/** Undo it; no ring of the device runs, or will. */
void vhost_user_iotlb_unwatch(struct vhost_device *dev);

/** Ask for whatever rings are waiting for. In the event loop. */
void vhost_user_iotlb_ask(struct vhost_device *dev);

#endif /* VHOST_USER_IOTLB_H */

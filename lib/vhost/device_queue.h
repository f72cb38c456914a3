/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One ring of a device: where it lies in our memory, where it goes on, and letting the data path at
 * it. device.c decides when. All of it is for the event loop's thread.
 */

#ifndef VHOST_DEVICE_QUEUE_H
#define VHOST_DEVICE_QUEUE_H

#include "device.h"

/**
 * Translate the addresses of a ring that is ready, so that they can be asked for.
 *
 * @return 0; -EFAULT it does not lie in memory that is known now; -EINVAL no ring can be like this;
 *   with vhost_device_error() called
 */
int vhost_queue_place(struct vhost_device *dev, struct vhost_queue *q);

/** Does a ring that is placed lie where it is placed with this table of memory as well? */
bool vhost_queue_lies_in(const struct vhost_device *dev, const struct vhost_queue *q,
	const struct rte_vhost_memory *mem);

/** Does a part of a ring that is placed lie in [first, last], in the front end's addresses? */
bool vhost_queue_lies_within(const struct vhost_device *dev, const struct vhost_queue *q,
	uint64_t first, uint64_t last);

/**
 * Find out where a ring that is placed goes on, unless that is known, and what it has in flight. With the
 * device's lock.
 *
 * @return as vhost_queue_start()
 */
int vhost_queue_find_base(struct vhost_device *dev, struct vhost_queue *q);

/**
 * Let the data path at a ring that is placed, from where the front end, the ring itself, or the
 * in-flight region says. With the device's lock.
 *
 * @return 0; or a negative errno with vhost_device_error() called
 */
int vhost_queue_start(struct vhost_device *dev, struct vhost_queue *q);

/** Stop it, and note where. No-op on a stopped ring. With the device's lock. */
void vhost_queue_stop(struct vhost_queue *q);

/** Let the data path at a ring that was kept from it for a moment, with nothing else changed. */
void vhost_queue_let_in(const struct vhost_device *dev, struct vhost_queue *q);

/**
 * Whoever sleeps until the driver kicks was not told why the ring had nothing: have him look again, as
 * if it had.
 */
void vhost_queue_wake(const struct vhost_queue *q);

/** What a ring looks addresses up in now. */
struct vhost_vring_memory vhost_queue_memory(const struct vhost_device *dev,
	const struct vhost_queue *q);

/**
 * The front end knows where the ring stopped, or that it begins anew: what the in-flight region says is
 * of the past. An application with a data path of its own knows its own.
 */
void vhost_queue_forget_inflight(const struct vhost_device *dev, const struct vhost_queue *q);

#endif /* VHOST_DEVICE_QUEUE_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What front ends take of that which all of a process share: address space, mappings, descriptors, and
 * memory that is made for them.
 *
 * A front end that takes all there is harms others, whose connections then fail. So there is one rule
 * for those who may connect to one socket, and are taken for one: together, they may have no more than
 * they leave to all others. Whoever comes first gets half at most, and there is a half left for the
 * next one. Of descriptors, which are not only for front ends and often few, the rule holds only for the
 * last of them: most devices on most hosts never hear of it.
 *
 * What is asked for is counted when it is asked for: nothing here has a state of its own. In the event
 * loop.
 */

#ifndef VHOST_BUDGET_H
#define VHOST_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vhost_device;
struct vhost_queue;
struct vhost_user_message;

/** Bytes that all front ends may have mapped: half of what x86-64 gives a process. */
#define VHOST_BUDGET_BYTES (UINT64_C(1) << 46)

/** Mappings that all front ends may have: half of what Linux gives a process (vm.max_map_count). */
#define VHOST_BUDGET_MAPPINGS 32765

/** Bytes of all in-flight regions, which are made here, and filled when rings start. */
#define VHOST_BUDGET_INFLIGHT (UINT64_C(1) << 30)

/** Of the descriptors that a process may have, the last part in so many is shared by the rule. */
#define VHOST_BUDGET_FDS_PART 8

/**
 * May another part of a file be mapped for a device's front end?
 *
 * @param bytes that will be mapped
 * @param replaced bytes of those the device has now, which will be unmapped then
 * @return 0; -ENOSPC, with vhost_device_error() called
 */
int vhost_budget_map(struct vhost_device *dev, uint64_t bytes, uint64_t replaced);

/**
 * May a device have an in-flight region of so many bytes, instead of the one it has?
 *
 * @return 0; -ENOSPC, with vhost_device_error() called
 */
int vhost_budget_inflight(struct vhost_device *dev, uint64_t bytes);

/**
 * May the front ends of a socket have more descriptors kept for them?
 *
 * @param path of the socket, which this thread works for (aside.h): what is not closed yet counts
 * @param fd any descriptor of this process
 * @param more how many more
 * @param[out] why if not: what to tell
 */
bool vhost_budget_fds(const char *path, int fd, unsigned int more, char *why, size_t size);

/** The same for a device, while a message of its front end is served. @return 0, or -ENOSPC as above */
int vhost_budget_device_fds(struct vhost_device *dev, unsigned int more);

/** The same for the descriptors of a message that will be kept. @param q the ring it names, or NULL */
int vhost_budget_message_fds(struct vhost_device *dev, const struct vhost_queue *q,
	const struct vhost_user_message *msg);

#endif /* VHOST_BUDGET_H */

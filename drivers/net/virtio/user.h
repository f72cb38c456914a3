/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The transport whose device is another process (or, with other back ends, the kernel): rings
 * lie in DPDK's own memory, which the back end is given, and descriptors carry addresses of this
 * process.
 *
 * Who does what. A control thread for each device connects, notices that the back end is gone,
 * and brings the device up again; the application's thread starts and stops it; memory that
 * DPDK takes or gives back is told in whatever thread that happens. @c dev.lock serializes them.
 * It is taken inside DPDK's memory lock, never around it: no DPDK memory may be allocated under it.
 * The application is never called in the control thread for an event: it may close the port there.
 */

#ifndef VIRTIO_USER_H
#define VIRTIO_USER_H

#include <pthread.h>

#include <rte_thread.h>

#include "backend.h"
#include "device.h"
#include "user_args.h"

/** What this side does by itself for a back end that only moves frames. */
#define VIRTIO_USER_LOCAL_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | \
		VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR))

/** How long a client waits before it looks for a back end that is gone again. */
#define VIRTIO_USER_RETRY_MS 1000

/**
 * How long a back end may take over all that it is told and asked while the lock is held once: to
 * bring a device up, above all. DPDK's memory lock is held, too, and so it is who allocates that waits.
 */
#define VIRTIO_USER_PATIENCE_MS 10000

struct virtio_user {
	struct virtio_device dev; /* first: the port's dev_private */
	struct virtio_user_args args;
	const struct virtio_backend_ops *backend;
	void *backend_state;

	bool connected;
	bool started; /**< the application wants the device to run */
	bool running; /**< it does */
	bool link;    /**< a device that runs has a link, as far as the back end knows */
	bool quit;
	uint64_t backend_features; /**< what the connected back end offers */
	uint16_t backend_pairs;
	uint16_t backend_queue_size;
	uint16_t enabled_pairs; /**< what the control queue asked for */
	uint16_t mtu;           /**< what the application chose, or ethdev for it */
	struct virtio_backend_memory *memory;
	bool memory_changed; /**< since it was shared, while the device did not run */

	int patience_ms;     /**< VIRTIO_USER_PATIENCE_MS */
	int64_t deadline_ms; /**< of what goes on under the lock, by CLOCK_MONOTONIC */
	int doorbells[2 * VIRTIO_PAIRS_MAX]; /**< eventfds by virtqueue number */
	uint16_t doorbell_count;
	/** Likewise, for interrupts, from a queue's first setup on; -1: none yet. */
	int calls[2 * VIRTIO_PAIRS_MAX];

	int retry_ms; /**< until the next attempt to find a back end */
	bool put_off; /**< a server could or would not take who came: not at once again */
	int wakefd;
	rte_thread_t thread;
	bool mem_events;
	bool split_told; /**< that rings are split ones, where packed ones were asked for */
};

/**
 * Make the device that @a u->args describe: connect to the back end, or wait for one, and learn
 * what it can. dev.name and dev.eth must be set, everything else zero.
 * @return 0, or a negative errno after one line of why
 */
int virtio_user_create(struct virtio_user *u);

/** Undo virtio_user_create(). Bursts must be over. */
void virtio_user_destroy(struct virtio_user *u);

/**
 * user_choose.c: choose the back end by what the path of u->args leads to, and see that the other arguments
 * go with it. @return 0; -EINVAL, after a line in the log, if they do not
 */
int virtio_user_choose_backend(struct virtio_user *u);

/**
 * user_learn.c: what the port may offer: what driver and arguments allow, and a known back end has. Locked,
 * or nobody else is there yet.
 */
void virtio_user_learn(struct virtio_user *u);

/** Say so, once, if packed rings were asked for and are not among these @a features. */
void virtio_user_warn_of_split(struct virtio_user *u, uint64_t features);

/** From now on, the back end has virtio_user.patience_ms. Locked. */
void virtio_user_give_time(struct virtio_user *u);

/** Time that the back end still has, from 0 on. Locked. */
int virtio_user_left_ms(const struct virtio_user *u);

/** user_control.c: carry out a control command here, as the back end has no part in it. Locked. */
int virtio_user_control(struct virtio_user *u, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len);

/**
 * Tell a back end that has an address, but no command that changes it, of the port's. Those without
 * one give us every frame they have. Locked.
 * @return 0; -EIO, after a line in the log, if it keeps its own
 */
int virtio_user_tell_mac(struct virtio_user *u, const struct rte_ether_addr *mac);

/**
 * Tell a back end that asks for it of the port's MTU. Locked.
 * @return 0, also if it does not; -EREMOTEIO, after a line in the log, if it refuses; else it is lost
 */
int virtio_user_tell_mtu(struct virtio_user *u);

/** Unmap a queue's doorbell page, if it has one. Bursts must be kept out. */
void virtio_user_unmap_doorbell(struct virtio_queue *q);

/** Enable the first @a pairs of the queue pairs in use, and disable the others. Locked. */
int virtio_user_enable_pairs(struct virtio_user *u, uint16_t pairs);

/**
 * user_memory.c: what of DPDK's memory there is to share, but for what is about to go with this
 * @a change, which may be NULL. DPDK's memory lock must be held.
 * @return 0; -ENOSPC more regions than the table holds; -ENOTSUP memory without a descriptor
 */
int virtio_user_memory_collect(const char *name, struct virtio_backend_memory *mem,
	const struct virtio_backend_change *change);

/**
 * user_memory.c: from @a had, which the back end has, to @a mem, while rings run: no region that is in
 * use may be taken from it. A file that has grown gets regions for what is new, and one that has
 * shrunk loses those that nothing is left of.
 * @param next what it is to have: regions of @a had, and further ones
 * @param most regions that it takes
 * @return false if there is no such way
 */
bool virtio_user_memory_go_on(struct virtio_backend_memory *next,
	const struct virtio_backend_memory *had, const struct virtio_backend_memory *mem,
	uint64_t most);

#endif /* VIRTIO_USER_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What stands behind a virtio-user device and moves its frames: the operations that the transport
 * needs of it. All are called with the device locked, so one at a time, but for open and close.
 * Results are 0 or a negative errno; who fails says so in the log.
 */

#ifndef VIRTIO_BACKEND_H
#define VIRTIO_BACKEND_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct virtio_queue;
struct virtio_user;

/** A range of this process's memory and the file that it maps. */
struct virtio_backend_region {
	uint64_t addr;
	uint64_t size;
	uint64_t offset; /**< of addr in the file */
	int fd;          /**< stays the memory subsystem's */
};

#define VIRTIO_BACKEND_REGIONS_MAX 512

struct virtio_backend_memory {
	uint32_t n;
	struct virtio_backend_region regions[VIRTIO_BACKEND_REGIONS_MAX];
};

/** What happens to DPDK's memory: some has come, or is about to go. */
struct virtio_backend_change {
	const void *addr;
	size_t len;
	bool gone;
};

/** Whether memory from @a addr on is about to go. @param change NULL: none is */
static inline bool
virtio_backend_goes(const struct virtio_backend_change *change, uint64_t addr)
{
	return change != NULL && change->gone && addr - (uintptr_t)change->addr < change->len;
}

struct virtio_backend_ops {
	const char *name;
	uint64_t local_features; /**< what is done on this side, whatever the back end has */
	int look_ms;             /**< how often check() is called unasked; 0 never */
	int retry_max_ms;        /**< delay between attempts doubles up to this when they fail */
	bool split_sizes;        /**< rings of any format have sizes that are powers of two */
	uint16_t ring_align;     /**< dev.ring_align of virtio_device */

	/** Take what is needed to find a back end, e.g. listen. Not locked. */
	int (*open)(struct virtio_user *u);
	/** Undo open; the back end is disconnected already. Not locked. */
	void (*close)(struct virtio_user *u);

	/** Why connect() fails with -EAGAIN, and what to do. */
	const char *(*absent)(const struct virtio_user *u);
	/** Get in touch, without waiting. Fails with -EAGAIN, silently, when nobody is there now. */
	int (*connect)(struct virtio_user *u);
	/** Let go of the back end, which may be gone. */
	void (*disconnect)(struct virtio_user *u);
	/** Make the connection fail, to be disconnected by the control thread. */
	void (*give_up)(struct virtio_user *u);
	/** What tells that a back end came (while disconnected) or went: a descriptor or -1. */
	struct pollfd (*watch)(const struct virtio_user *u);
	/**
	 * Something happened to what is watched, or look_ms went by: tell what it was. Fails if the
	 * back end is lost. NULL: it is lost whenever something happened.
	 */
	int (*check)(struct virtio_user *u);

	/** First words: fill u->backend_features, and those of the other limits that it has. */
	int (*greet)(struct virtio_user *u);
	/** Agree on features. */
	int (*set_features)(struct virtio_user *u, uint64_t features);
	/**
	 * Share all of DPDK's memory, whose lock is held, with or without what changes of it. What
	 * was shared before and is not any more may be unmapped after this. Rings may run, and run
	 * again afterwards, if they have to be paused for it. @a change is NULL if nothing changes now;
	 * memory_changed of virtio_user tells whether something did since the last time.
	 */
	int (*share_memory)(struct virtio_user *u, const struct virtio_backend_change *change);
	/** Hand over a ring that was just reset. */
	int (*setup_ring)(struct virtio_user *u, struct virtio_queue *q);
	/** The back end does not touch the ring any more when this returns. */
	int (*stop_ring)(struct virtio_user *u, const struct virtio_queue *q);
	int (*enable_ring)(struct virtio_user *u, const struct virtio_queue *q, bool enable);
	/** Device status (virtio 1.2, 2.1). 0 if the back end does not care. */
	int (*set_status)(struct virtio_user *u, uint8_t status);
	/** Device configuration. -ENOTSUP, silently, if the back end has none. */
	int (*read_config)(struct virtio_user *u, uint32_t offset, void *buf, uint32_t len);
	/**
	 * Change the device's configuration; whether it took it, who reads it finds out. -ENOTSUP,
	 * silently, if it cannot be changed. NULL: the back end has none.
	 */
	int (*write_config)(struct virtio_user *u, uint32_t offset, const void *buf, uint32_t len);
	/** -ENOTSUP, silently, if the back end is not interested. */
	int (*set_mtu)(struct virtio_user *u, uint16_t mtu);
	/**
	 * Carry out a control command, or remember it for when the back end is there. NULL: the back
	 * end has no control queue.
	 */
	int (*control)(struct virtio_user *u, uint8_t class, uint8_t cmd, const void *data,
		uint32_t len);
	/** The device runs: carry out again what control() was asked for. May be NULL. */
	int (*restore)(struct virtio_user *u);
};

extern const struct virtio_backend_ops virtio_backend_vhost_user;
extern const struct virtio_backend_ops virtio_backend_vhost_vdpa;
extern const struct virtio_backend_ops virtio_backend_vhost_kernel;

#endif /* VIRTIO_BACKEND_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The driver side of a virtqueue, written from the specification to be plain rather than fast: what
 * the device side is tested against. It checks what a driver may expect: that used entries name what
 * was made available, in order if that was agreed, and nothing twice.
 */

#ifndef RING_DRIVER_H
#define RING_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_memory.h"
#include "vring.h"

#define RING_DRIVER_NONE UINT32_MAX

/** Descriptors that one buffer may take in the ring. */
#define RING_DRIVER_SEGS_MAX 64

/** One element of a buffer. */
struct ring_driver_seg {
	uint64_t gpa;
	uint32_t len;
};

/** What the driver remembers of a buffer that the device has. */
struct ring_driver_buffer {
	uint32_t token; /**< the caller's; RING_DRIVER_NONE: not in use */
	uint16_t descs; /**< descriptors it takes in the ring */
};

struct ring_driver {
	struct guest_memory *memory;
	uint64_t features;
	uint16_t size;
	struct vhost_vring_layout layout;
	uint16_t free;      /**< descriptors of the ring */
	uint16_t free_head; /**< split: head of the list through desc.next */
	uint16_t avail_idx; /**< split: as published or about to be; packed: position */
	uint16_t used_idx;  /**< next used entry looked at */
	bool avail_wrap;    /**< packed */
	bool used_wrap;     /**< packed */
	uint16_t first_pos; /**< packed: first descriptor not published yet */
	uint16_t first_flags;
	bool unpublished;
	struct ring_driver_buffer *buffers; /**< by head or buffer id */
	uint16_t *order;                    /**< ids in the order made available */
	uint32_t order_head, order_tail;
	uint32_t batch_left; /**< in order: buffers still to be told of from one used entry */
	uint32_t batch_len;
};

/** Place a ring of @a size entries in @a memory for virtio features @a features, all empty. */
void ring_driver_init(struct ring_driver *d, struct guest_memory *memory, uint64_t features,
	uint16_t size);
void ring_driver_fini(struct ring_driver *d);

/** The device side of it: set @a vr up for the ring and its features, not started yet. */
void ring_driver_attach(const struct ring_driver *d, struct vhost_vring *vr, const char *name);

/** How a buffer is laid out in descriptors. */
enum ring_driver_how {
	RING_DRIVER_DIRECT,
	RING_DRIVER_INDIRECT, /**< all of it in a table */
	RING_DRIVER_MIXED,    /**< the first descriptor in the ring, the others in a table */
};

/**
 * Add a buffer of @a n segments, writable by the device or not. The device sees it after
 * ring_driver_publish().
 * @return false if the ring has too few descriptors left
 */
bool ring_driver_add(struct ring_driver *d, const struct ring_driver_seg *segs, uint16_t n,
	bool writable, enum ring_driver_how how, uint32_t token);

void ring_driver_publish(struct ring_driver *d);

/** Take the next used buffer: its token and the length that the device wrote. */
bool ring_driver_take(struct ring_driver *d, uint32_t *token, uint32_t *len);

#endif /* RING_DRIVER_H */

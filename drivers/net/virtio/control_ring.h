/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The control virtqueue (virtio 1.2, 5.1.6.5) as a driver uses it: one command at a time, and the
 * device's answer is waited for. Whatever carries the device gives it memory and a doorbell.
 *
 * A device that does not answer in time may still do so later, into memory that the next command
 * would use. So the ring is dead from then on, and every further command fails at once, until it
 * is made new for a device that was reset.
 */

#ifndef VIRTIO_CONTROL_RING_H
#define VIRTIO_CONTROL_RING_H

#include <stdbool.h>
#include <stdint.h>

/** Memory that it takes, aligned to 4096 bytes and contiguous for the device. */
#define VIRTIO_CONTROL_RING_BYTES 12288

/** Entries at most: a command takes 3 of them at most. A device's ring may be smaller. */
#define VIRTIO_CONTROL_RING_SIZE 64
#define VIRTIO_CONTROL_RING_SIZE_MIN 4

/** Largest command data. */
#define VIRTIO_CONTROL_DATA_MAX 4000

struct virtio_control_ring {
	uint8_t *mem;
	uint64_t iova; /**< of mem, as the device knows it */
	uint16_t size;
	bool packed;
	bool dead;

	uint16_t head; /**< split: commands sent, free running; packed: position */
	uint16_t next; /**< split: descriptor to use next */
	uint16_t last; /**< id of the command sent last: its first descriptor */
	bool wrap;     /**< packed */
};

/** Addresses to tell the device, by what the specification calls them. */
struct virtio_control_ring_areas {
	uint64_t descriptors;
	uint64_t driver;
	uint64_t device;
};

/**
 * Make the ring new, in @a mem, which the device sees at @a iova.
 *
 * @param size
 *   VIRTIO_CONTROL_RING_SIZE_MIN..VIRTIO_CONTROL_RING_SIZE; a power of two.
 * @param features
 *   What was agreed on, of which RING_PACKED and RING_EVENT_IDX count.
 */
void virtio_control_ring_init(struct virtio_control_ring *r, void *mem, uint64_t iova,
	uint16_t size, uint64_t features);

struct virtio_control_ring_areas virtio_control_ring_areas(const struct virtio_control_ring *r);

/**
 * Put a command into the ring. The caller rings the doorbell and then calls
 * virtio_control_ring_wait().
 * @return 0; -EINVAL more data than VIRTIO_CONTROL_DATA_MAX; -EIO the ring is dead
 */
int virtio_control_ring_put(struct virtio_control_ring *r, uint8_t class, uint8_t cmd,
	const void *data, uint32_t len);

/**
 * Wait for the answer to the command that was put last.
 * @return 0; -EIO the device refused the command; -ETIMEDOUT no answer within @a timeout_ms;
 *   -EPROTO it returned what it was not given. After the last two the ring is dead.
 */
int virtio_control_ring_wait(struct virtio_control_ring *r, unsigned int timeout_ms);

#endif /* VIRTIO_CONTROL_RING_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The processes that use a port: the primary one, which made it, controls it and owns its device, and
 * secondary ones, which use its queues and read what is known of it.
 *
 * Joining. The first port that a secondary process attaches to makes it join: it gets a number, by
 * which the primary knows whose burst it is that a queue is in, and leaves the reading end of a pipe
 * there. The pipe has no writer any more when the process is gone, whatever its end was: that is how
 * the primary knows that a burst will never be over.
 *
 * Messages are DPDK's (rte_mp). Its thread in the primary takes the lock of a device, so nobody may
 * wait for an answer with such a lock held.
 */

#ifndef VIRTIO_PROCESS_H
#define VIRTIO_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct virtio_device;
struct virtio_queue;

#define VIRTIO_PROCESS_PRIMARY 1

/** Number of this process. */
extern uint32_t virtio_process __attribute__((visibility("hidden")));

/* For the primary process. */

/** Answer secondary processes that ask for the device, until virtio_process_forget(). */
void virtio_process_offer(struct virtio_device *dev);
void virtio_process_forget(struct virtio_device *dev);

/** The barrier of virtio_queues_quiesce(), for the threads of secondary processes. */
void virtio_process_barrier(void);

/** False if the process will never touch a queue again. */
bool virtio_process_lives(uint32_t process);

/** What the system calls it, for the log. */
int virtio_process_pid(uint32_t process);

/** Tell secondary processes that the port was set up: what they read of it may be elsewhere now. */
void virtio_process_tell_setup(const struct virtio_device *dev);

/* For secondary processes. */

/** Join, unless this process did so. @return 0, or a negative errno after one line of why */
int virtio_process_join(const char *port);

/**
 * Get descriptors that ring the doorbells of queues from @a first on.
 * @param fds
 *   Room for VIRTIO_PROCESS_FDS; these become the caller's.
 * @return how many, less if there are no more queues; a negative errno after one line of why
 */
int virtio_process_doorbells(const char *port, uint16_t first, int *fds);
#define VIRTIO_PROCESS_FDS 8

/**
 * Tell the primary process that a queue has failed, or that the claim of a process is in the way there
 * which may be dead. Not inside a burst.
 */
void virtio_process_tell_failure(const char *port, uint16_t index);

#endif /* VIRTIO_PROCESS_H */

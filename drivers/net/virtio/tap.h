/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Tap interfaces: where the frames of a vhost-kernel device enter and leave the kernel. All return
 * 0 or a negative errno, after a line in the log that begins with @a port.
 */

#ifndef VIRTIO_TAP_H
#define VIRTIO_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if.h>

#include <rte_ether.h>

/**
 * Open one queue of a tap interface, which is made if there is none of that name.
 * @param name
 *   Name, or a pattern with %d, or empty for tap%d; becomes the name that it has.
 * @param several
 *   The interface shall take further queues.
 * @return a descriptor, which does not block
 */
int virtio_tap_open(const char *port, char name[IFNAMSIZ], bool several);

/**
 * Agree on what frames look like between us and the interface.
 * @param features
 *   Of virtio: header size, byte order, and which unfinished frames we take.
 */
int virtio_tap_format(const char *port, int fd, uint64_t features);

/** Have the interface use this queue, or not; of interfaces with several queues only. */
int virtio_tap_attach(const char *port, int fd, bool attach);

/** Whether the interface's cable is plugged in, as the kernel sees it. Kernels before 5.0 cannot. */
void virtio_tap_carrier(int fd, bool on);

/** Give the interface an address. */
int virtio_tap_set_mac(const char *port, int fd, const struct rte_ether_addr *mac);

/** False if the interface was deleted. */
bool virtio_tap_exists(int fd);

/**
 * True if it is up, or in another network namespace, where nobody can tell.
 * @param sock
 *   Some socket of this network namespace, to ask with; there may be no descriptor left for a new
 *   one. -1: nobody can tell.
 */
bool virtio_tap_is_up(int fd, int sock);

#endif /* VIRTIO_TAP_H */

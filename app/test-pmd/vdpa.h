/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_VDPA_H
#define TESTPMD_VDPA_H

/**
 * @file
 * vDPA devices, and the vhost-user sockets they are offered on. One device serves one socket.
 * Main thread only, but for the callbacks that vdpa.c registers.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_vdpa.h>

/* What follows prints why it failed and returns -1, or returns 0. */

/** Offer a device on a socket: listening, or (client) connecting to one that a front end made. */
int vdpa_attach(const char *device, const char *socket, bool client);

/** DEVICE=SOCKET[,client|,server], as the option has it. */
int vdpa_attach_option(const char *text);

/** Take a device's socket away, by the name of either. */
int vdpa_detach(const char *name);

/** Take all of them away. */
void vdpa_detach_all(void);

/**
 * Names and values of the counters of a device's queue.
 *
 * @param names, values
 *   For the caller to free(); values[i].id is an index into names.
 * @return
 *   How many; 0 when the device gives none.
 */
size_t vdpa_counters(struct rte_vdpa_device *vdpa, uint16_t queue,
	struct rte_vdpa_stat_name **names, struct rte_vdpa_stat **values);

/** Virtqueues that a device has, two for each queue pair. */
uint16_t vdpa_queues(struct rte_vdpa_device *vdpa);

/** How many devices have a socket. */
unsigned int vdpa_attached(void);

/** Counters of attached devices that moved since the last call, a second. */
void vdpa_period_show(double seconds);

/** Call back for every vDPA device there is. */
void vdpa_foreach(void (*function)(struct rte_vdpa_device *device, const char *name, void *arg),
	void *arg);

/** The socket of a device, or NULL; whether a front end is there. */
const char *vdpa_socket_of(const char *device, bool *connected);

/**
 * What the front end of a device agreed on.
 *
 * @return
 *   Whether a front end is there.
 */
bool vdpa_negotiated(const char *device, uint64_t *features, uint64_t *protocol_features);

#endif /* TESTPMD_VDPA_H */

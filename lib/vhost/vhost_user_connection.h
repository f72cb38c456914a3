/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A connection: messages that come in, and how it ends. All of this is for the event loop's thread.
 */

#ifndef VHOST_USER_CONNECTION_H
#define VHOST_USER_CONNECTION_H

#include <stdbool.h>

#include "vhost_user_socket.h"

/** A peer is there: serve it. The descriptor is taken over. */
void vhost_user_connection_open(struct vhost_user_socket *s, int fd);

/**
 * Whether front ends of the socket have sent more than can be closed: then they can send no more, so that
 * others have descriptors as well.
 *
 * @param fd any descriptor; -1: a few that wait to be closed are enough
 */
bool vhost_user_is_held_up(struct vhost_user_socket *s, int fd);

/** Whether a connection runs on a vDPA device (NULL: any) and can be closed. */
bool vhost_user_has_connections(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa);

/**
 * Close the connections that run on a vDPA device (NULL: all). One that is in a callback of the
 * application is closed when that has returned. The caller holds a reference.
 */
void vhost_user_close_connections(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa);

/**
 * A vDPA device leaves: connections that are in a callback of the application do without it now, and are
 * closed when that has returned.
 */
void vhost_user_lose_vdpa(const struct rte_vdpa_device *vdpa);

/** Called when guest memory was taken away, by whomever: those who did lose their connection. */
void vhost_user_memory_lost(void *arg);

#endif /* VHOST_USER_CONNECTION_H */

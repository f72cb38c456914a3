/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A registered socket path and its connections: listening or connecting, accepting, reconnecting.
 *
 * A socket that was started lives in the event loop's thread. What other threads may change of it
 * is its offer, under a lock, which the next connection takes over. Nothing but its destruction
 * waits for the event loop: an application may hold a lock that its callbacks take.
 */

#ifndef VHOST_USER_SOCKET_H
#define VHOST_USER_SOCKET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "device.h"
#include "event_loop.h"

struct vhost_aside;
struct vhost_user_connection;

/** What applications set with rte_vhost_driver_*() before a front end comes. */
struct vhost_user_offer {
	uint64_t supported; /**< virtio features that can be turned on and off */
	uint64_t features;  /**< those that are on */
	uint64_t disabled;  /**< those that were turned off by name */
	uint64_t protocol_features;
	uint32_t queue_num;         /**< most that are offered; pairs of a network device */
	bool builtin_net;           /**< until the application sets features of its own */
	bool own_protocol_features; /**< the application set protocol features */
	struct rte_vhost_device_ops ops;
	struct rte_vdpa_device *vdpa;
};

/** What became of connections. Written by the event loop, read by anyone, each with one load. */
struct vhost_user_socket_counters {
	uint64_t connected; /**< got a device number */
	uint64_t refused;   /**< did not: none was left, or the application or the device refused */
	uint64_t expelled;  /**< of those connected, closed by us for something that they did */
	uint64_t attempts;  /**< to connect that failed, of a client */
};

/** Front ends that one socket serves at a time: nobody can take the numbers of all sockets. */
#define VHOST_USER_CONNECTIONS_MAX (RTE_MAX_VHOST_DEVICE / 8)

struct vhost_user_socket {
	TAILQ_ENTRY(vhost_user_socket) next; /**< for the registry in rte_vhost_driver.c */
	char path[VHOST_PATH_MAX];
	uint64_t flags; /**< RTE_VHOST_USER_* */

	pthread_mutex_t lock;
	struct vhost_user_offer offer;
	struct vhost_user_socket_counters counters;

	/* Event loop's. */
	struct vhost_aside *aside;
	unsigned int references; /**< registration, connections, callbacks in progress */
	bool started;
	bool removed;
	bool complained;       /**< the log has the reason why connecting fails */
	int listen_fd;         /**< server */
	int first_fd;          /**< client: connected by the starting thread, not served yet */
	uint64_t listen_inode; /**< of the socket file that is ours to unlink */
	uint64_t listen_dev;
	struct event_source *listener;
	struct event_source *timer; /**< retries */
	TAILQ_HEAD(vhost_user_connections, vhost_user_connection) connections;
	unsigned int nr_connections;
};

/**
 * Make a socket with the default offer.
 * @return NULL with errno set, the log says why: ENAMETOOLONG, EINVAL an empty path, ENOMEM
 */
struct vhost_user_socket *vhost_user_socket_create(const char *path, uint64_t flags);

/**
 * Listen, or begin to connect. Any thread, but not concurrently for one socket.
 * @return 0; or -errno, the log says why
 */
int vhost_user_socket_start(struct vhost_user_socket *s);

/**
 * Close all connections and free the socket. Any thread, also within a callback of one of its own
 * connections, which then ends when that callback has returned.
 */
void vhost_user_socket_destroy(struct vhost_user_socket *s);

/**
 * What a connection is offered: all of @a config but path and flags. Asks the vDPA device. Any
 * thread.
 * @return 0; -EIO the device does not say
 */
int vhost_user_offer_config(const struct vhost_user_offer *offer,
	struct vhost_device_config *config);

/** Give back a reference. In the event loop. */
void vhost_user_socket_put(struct vhost_user_socket *s);

/** A client without a peer looks for one again in a while, if it is to. In the event loop. */
void vhost_user_socket_seek_peer(struct vhost_user_socket *s);

/** Whether a connection runs on a vDPA device and can be closed. In the event loop. */
bool vhost_user_socket_uses_vdpa(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa);

/** Close the connections that run on a vDPA device. In the event loop. */
void vhost_user_socket_release_vdpa(struct vhost_user_socket *s,
	const struct rte_vdpa_device *vdpa);

/**
 * Call @a fn for each registered socket in turn until it returns false. Any thread.
 *
 * No socket comes or goes meanwhile, so @a fn is short, and calls nothing of rte_vhost_driver_*().
 */
void vhost_user_socket_walk(bool (*fn)(struct vhost_user_socket *s, void *arg), void *arg);

/** The loop that serves all sockets: made by the first call. NULL with errno set. */
struct event_loop *vhost_user_event_loop(void);

#endif /* VHOST_USER_SOCKET_H */

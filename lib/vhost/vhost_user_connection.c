/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "aside.h"
#include "budget.h"
#include "memory.h"
#include "memory_guard.h"
#include "vhost_log.h"
#include "vhost_user_connection.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_iotlb.h"

/* Descriptors of one socket that wait to be closed: far more than do in good times, and quite usual. */
#define FDS_HELD_UP_MAX 4096
#define FDS_HELD_UP_MIN 64

/* What one more front end takes: its connection, and to ask an IOMMU. */
#define FDS_TO_CONNECT 2

struct vhost_user_connection {
	TAILQ_ENTRY(vhost_user_connection) next; /* of its socket */
	TAILQ_ENTRY(vhost_user_connection) link; /* of all there are */
	struct vhost_user_socket *socket;
	struct vhost_device *dev;
	struct event_source *source; /* NULL: msg has to wait */
	int fd;
	bool busy;     /* application or driver may be in one of its callbacks now */
	bool doomed;   /* to be closed when that is over */
	uint32_t have; /* bytes of msg that have arrived, unless it was dispatched */
	struct vhost_user_message msg;
	struct vhost_user_ahead ahead;
};

/* All connections of the process; the event loop's. */
static TAILQ_HEAD(, vhost_user_connection) connections = TAILQ_HEAD_INITIALIZER(connections);

/* Nobody has to wait for the descriptors that may be in messages which nobody will read. */
static void
hang_up(int fd)
{
	shutdown(fd, SHUT_RDWR);
	vhost_aside_close(fd);
}

static void
connection_close(struct vhost_user_connection *c)
{
	struct vhost_user_socket *s = c->socket;
	struct vhost_aside *former = vhost_aside_enter(s->aside);

	/* Callbacks of the device that ends may unregister the socket. */
	c->busy = true;
	event_source_remove(c->source);
	vhost_device_destroy(c->dev);
	vhost_user_iotlb_unwatch(c->dev);
	if (c->have > 0)
		vhost_user_message_close_fds(&c->msg);
	vhost_user_ahead_close(&c->ahead);
	hang_up(c->fd);
	TAILQ_REMOVE(&s->connections, c, next);
	s->nr_connections--;
	TAILQ_REMOVE(&connections, c, link);
	free(c);
	vhost_user_socket_seek_peer(s);
	vhost_aside_enter(former);
	vhost_user_socket_put(s);
}

bool
vhost_user_is_held_up(struct vhost_user_socket *s, int fd)
{
	struct vhost_aside *former = vhost_aside_enter(s->aside);
	const unsigned int pending = vhost_aside_pending();
	char why[160];
	const bool held_up = pending > FDS_HELD_UP_MAX ||
		(pending > FDS_HELD_UP_MIN &&
			!vhost_budget_fds(s->path, fd, FDS_TO_CONNECT, why, sizeof(why)));

	vhost_aside_enter(former);
	return held_up;
}

/* Part of a message keeps all of its descriptors, and those of a later one are taken ahead. */
static bool
holds_too_much(struct vhost_user_connection *c)
{
	const int nfds = c->ahead.n + (c->have > 0 ? c->msg.nfds : 0);
	char why[160];

	if (nfds == 0 || vhost_budget_fds(c->socket->path, c->fd, 0, why, sizeof(why)))
		return false;
	VHOST_LOG(ERR, "%s: %s; closing the connection", c->dev->name, why);
	vhost_count(&c->socket->counters.expelled);
	return true;
}

/* Deal with a whole message, and close the connection if that is what it comes to. */
static void
connection_serve(struct vhost_user_connection *c)
{
	int ret;

	if (vhost_user_is_too_early(c->dev, &c->msg)) {
		event_source_remove(c->source);
		c->source = NULL;
		if (holds_too_much(c))
			connection_close(c);
		return;
	}
	c->have = 0;
	c->busy = true;
	ret = vhost_user_dispatch(c->dev, c->fd, &c->msg);
	c->busy = false;
	if (ret == 0 && vhost_user_is_held_up(c->socket, c->fd)) {
		VHOST_LOG(ERR,
			"%s: closing the descriptors that it sent takes too long; "
			"closing the connection",
			c->dev->name);
		ret = -EBUSY;
	}
	if (ret != 0)
		vhost_count(&c->socket->counters.expelled);
	if (ret != 0 || c->doomed)
		connection_close(c);
}

static void
tell_broken(struct vhost_user_connection *c, int err)
{
	if (err == -EPROTO) {
		vhost_count(&c->socket->counters.expelled);
		VHOST_LOG(ERR,
			"%s: message is cut off, too large, or has too many descriptors, or more "
			"than this process may have (ulimit -n); closing the connection",
			c->dev->name);
	} else if (err != -ECONNRESET) {
		VHOST_LOG(ERR, "%s: cannot receive: %s; closing the connection", c->dev->name,
			strerror(-err));
	}
}

static void
connection_readable(void *arg)
{
	struct vhost_user_connection *c = arg;
	struct vhost_aside *former = vhost_aside_enter(c->socket->aside);
	const int ret = vhost_user_receive_safely(c->fd, &c->msg, &c->have, &c->ahead);

	if (ret == 1) {
		connection_serve(c);
	} else if (ret != -EAGAIN || holds_too_much(c)) {
		if (ret < 0 && ret != -EAGAIN)
			tell_broken(c, ret);
		connection_close(c);
	}
	vhost_aside_enter(former);
}

static int
connection_watch(struct vhost_user_connection *c)
{
	c->source = event_loop_add_fd(vhost_user_event_loop(), c->fd, connection_readable, c);
	if (c->source != NULL)
		return 0;
	VHOST_LOG(ERR, "%s: cannot watch the connection: %s", c->dev->name, strerror(errno));
	return -1;
}

/* What the message in hand was too early for has happened. */
static void
connection_go_on(struct vhost_device *dev)
{
	struct vhost_user_connection *c;

	TAILQ_FOREACH(c, &connections, link)
		if (c->dev == dev)
			break;
	if (c == NULL || c->source != NULL)
		return;
	if (connection_watch(c) != 0)
		connection_close(c);
	else
		connection_serve(c);
}

/* Each connection whose memory was taken away; looked for anew, since callbacks may close others. */
static struct vhost_user_connection *
find_robbed(void)
{
	struct vhost_user_connection *c;

	TAILQ_FOREACH(c, &connections, link)
		if (!c->busy &&
			(vhost_memory_lost(c->dev->mem) || vhost_guard_lost(c->dev->log_map) ||
				vhost_guard_lost(c->dev->inflight.map.addr)))
			return c;
	return NULL;
}

void
vhost_user_memory_lost(void *arg)
{
	struct vhost_user_connection *c;
	eventfd_t count;

	(void)arg;
	eventfd_read(vhost_guard_fd(), &count);
	while ((c = find_robbed()) != NULL) {
		VHOST_LOG(ERR,
			"%s: guest memory is gone: its file was shortened, or no hugepages are left "
			"for it; closing the connection",
			c->dev->name);
		vhost_count(&c->socket->counters.expelled);
		connection_close(c);
	}
}

/* May one more connect? */
static bool
has_room(const struct vhost_user_socket *s, int fd)
{
	/* With what an IOMMU takes to be asked for mappings. */
	const unsigned int more = (s->flags & RTE_VHOST_USER_IOMMU_SUPPORT) != 0;
	char why[160];

	if (s->nr_connections >= VHOST_USER_CONNECTIONS_MAX)
		snprintf(why, sizeof(why), "%u front ends are connected", s->nr_connections);
	else if (vhost_budget_fds(s->path, fd, more, why, sizeof(why)))
		return true;
	VHOST_LOG(ERR, "%s: connection refused: %s", s->path, why);
	return false;
}

/* What a connection is offered now. */
static int
current_offer(struct vhost_user_socket *s, struct vhost_device_config *config)
{
	struct vhost_user_offer offer;

	pthread_mutex_lock(&s->lock);
	offer = s->offer;
	pthread_mutex_unlock(&s->lock);
	if (vhost_user_offer_config(&offer, config) != 0) {
		VHOST_LOG(ERR,
			"%s: connection refused: the vDPA device does not say what it can do",
			s->path);
		return -EIO;
	}
	config->path = s->path;
	config->flags = s->flags;
	return 0;
}

/* A connection with its device, of which nobody has heard yet; NULL, and the log says why. */
static struct vhost_user_connection *
connection_create(struct vhost_user_socket *s, int fd, const struct vhost_device_config *config)
{
	struct vhost_user_connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		VHOST_LOG(ERR, "%s: connection refused: out of memory", s->path);
		return NULL;
	}
	c->dev = vhost_device_create(config);
	if (c->dev == NULL) {
		free(c);
		return NULL;
	}
	c->dev->go_on = connection_go_on;
	c->dev->aside = s->aside;
	c->socket = s;
	c->fd = fd;
	s->references++;
	TAILQ_INSERT_TAIL(&s->connections, c, next);
	s->nr_connections++;
	TAILQ_INSERT_TAIL(&connections, c, link);
	return c;
}

/* @return 0; otherwise the connection is to be closed, and the log says why */
static int
connection_listen(struct vhost_user_connection *c, const struct vhost_device_config *config)
{
	int ret = 0;

	if (connection_watch(c) != 0)
		return -1;
	if ((config->features & vhost_user_iommu_features) != 0)
		ret = vhost_user_iotlb_watch(c->dev, vhost_user_event_loop());
	if (ret != 0)
		VHOST_LOG(ERR, "%s: cannot watch for misses of the IOMMU: %s", c->dev->name,
			strerror(-ret));
	return ret;
}

void
vhost_user_connection_open(struct vhost_user_socket *s, int fd)
{
	struct vhost_aside *former = vhost_aside_enter(s->aside);
	struct vhost_user_connection *c = NULL;
	struct vhost_device_config config;
	int ret;

	if (has_room(s, fd) && current_offer(s, &config) == 0)
		c = connection_create(s, fd, &config);
	if (c == NULL) {
		vhost_count(&s->counters.refused);
		hang_up(fd);
	} else {
		c->busy = true;
		ret = vhost_device_announce(c->dev);
		c->busy = false;
		vhost_count(ret == 0 ? &s->counters.connected : &s->counters.refused);
		if (ret != 0 || c->doomed || connection_listen(c, &config) != 0)
			connection_close(c);
	}
	vhost_aside_enter(former);
}

static struct vhost_user_connection *
find_idle(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa)
{
	struct vhost_user_connection *c;

	TAILQ_FOREACH(c, &s->connections, next) {
		if (vdpa != NULL && c->dev->vdpa != vdpa)
			continue;
		if (!c->busy)
			return c;
		c->doomed = true;
	}
	return NULL;
}

bool
vhost_user_has_connections(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa)
{
	return find_idle(s, vdpa) != NULL;
}

/* What is called in the course of it may close further ones, so the list is looked at anew each time. */
void
vhost_user_close_connections(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa)
{
	struct vhost_user_connection *c;

	while ((c = find_idle(s, vdpa)) != NULL)
		connection_close(c);
}

void
vhost_user_lose_vdpa(const struct rte_vdpa_device *vdpa)
{
	struct vhost_user_connection *c = TAILQ_FIRST(&connections);

	/* Its driver may do what it likes when it is called: look anew. */
	while (c != NULL) {
		if (c->busy && c->dev->vdpa == vdpa) {
			c->doomed = true;
			vhost_device_lose_vdpa(c->dev);
			c = TAILQ_FIRST(&connections);
		} else {
			c = TAILQ_NEXT(c, link);
		}
	}
}

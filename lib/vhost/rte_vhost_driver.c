/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The public API of sockets: registration, what is offered to front ends, vDPA devices.
 *
 * Other threads see a socket only while they hold the registry's lock; the event loop, which alone
 * frees sockets, also without it.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_errno.h>

#include "rte_vhost.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_telemetry.h"
#include "vhost_user_connection.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_socket.h"

#define FLAGS_KNOWN \
	(RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT | RTE_VHOST_USER_RESERVED_1 | \
		RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT | \
		RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS | RTE_VHOST_USER_NET_STATS_ENABLE | \
		RTE_VHOST_USER_ASYNC_CONNECT | RTE_VHOST_USER_IOMMU_SUPPORT | \
		RTE_VHOST_USER_POSTCOPY_SUPPORT)

static struct {
	pthread_mutex_t lock;
	TAILQ_HEAD(, vhost_user_socket) sockets;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.sockets = TAILQ_HEAD_INITIALIZER(registry.sockets),
};

static int
fail(int err)
{
	rte_errno = err;
	return -1;
}

static struct vhost_user_socket *
find_locked(const char *path)
{
	struct vhost_user_socket *s;

	TAILQ_FOREACH(s, &registry.sockets, next)
		if (strcmp(s->path, path) == 0)
			return s;
	return NULL;
}

/* Find a socket and lock its offer, or NULL with rte_errno set. */
static struct vhost_user_socket *
lock_socket(const char *path)
{
	struct vhost_user_socket *s = NULL;

	pthread_mutex_lock(&registry.lock);
	if (path != NULL)
		s = find_locked(path);
	if (s == NULL) {
		pthread_mutex_unlock(&registry.lock);
		fail(path == NULL ? EINVAL : ENOENT);
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	return s;
}

static void
unlock_socket(struct vhost_user_socket *s)
{
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&registry.lock);
}

void
vhost_user_socket_walk(bool (*fn)(struct vhost_user_socket *s, void *arg), void *arg)
{
	struct vhost_user_socket *s;
	bool more = true;

	pthread_mutex_lock(&registry.lock);
	TAILQ_FOREACH(s, &registry.sockets, next) {
		pthread_mutex_lock(&s->lock);
		more = more && fn(s, arg);
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&registry.lock);
}

/* --- vDPA devices that leave --------------------------------------------------------------- */

static struct vhost_user_socket *
find_user(const struct rte_vdpa_device *dev)
{
	struct vhost_user_socket *s;

	pthread_mutex_lock(&registry.lock);
	TAILQ_FOREACH(s, &registry.sockets, next)
		if (vhost_user_socket_uses_vdpa(s, dev))
			break;
	pthread_mutex_unlock(&registry.lock);
	return s;
}

/* Closing a connection calls the application, which may unregister any socket. */
static void
release_in_loop(void *arg)
{
	struct rte_vdpa_device *dev = arg;
	struct vhost_user_socket *s;

	while ((s = find_user(dev)) != NULL)
		vhost_user_socket_release_vdpa(s, dev);
	vhost_user_lose_vdpa(dev);
}

static void
release_vdpa(struct rte_vdpa_device *dev)
{
	struct vhost_user_socket *s;
	struct event_loop *loop = vhost_user_event_loop();

	pthread_mutex_lock(&registry.lock);
	TAILQ_FOREACH(s, &registry.sockets, next) {
		pthread_mutex_lock(&s->lock);
		if (s->offer.vdpa == dev)
			s->offer.vdpa = NULL;
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&registry.lock);
	if (loop != NULL)
		event_loop_run(loop, release_in_loop, dev);
}

/* For telemetry too, which a program linked with the archive does not name. */
RTE_INIT(vhost_follow_vdpa_devices)
{
	vdpa_on_release(release_vdpa);
	vhost_telemetry_register();
}

/* --- Registration -------------------------------------------------------------------------- */

int
rte_vhost_driver_register(const char *path, uint64_t flags)
{
	const uint64_t unknown = flags & ~FLAGS_KNOWN;
	struct vhost_user_socket *s;

	if (path == NULL)
		return fail(EINVAL);
	if (unknown != 0) {
		VHOST_LOG(ERR, "%s: cannot register: flags 0x%" PRIx64 " are not supported", path,
			unknown);
		return fail(ENOTSUP);
	}
	s = vhost_user_socket_create(path, flags);
	if (s == NULL)
		return fail(errno);
	pthread_mutex_lock(&registry.lock);
	if (find_locked(path) != NULL) {
		pthread_mutex_unlock(&registry.lock);
		VHOST_LOG(ERR, "%s: cannot register: it is registered already", path);
		vhost_user_socket_destroy(s);
		return fail(EEXIST);
	}
	TAILQ_INSERT_TAIL(&registry.sockets, s, next);
	pthread_mutex_unlock(&registry.lock);
	return 0;
}

int
rte_vhost_driver_unregister(const char *path)
{
	struct vhost_user_socket *s = lock_socket(path);

	if (s == NULL)
		return -1;
	TAILQ_REMOVE(&registry.sockets, s, next);
	unlock_socket(s);
	vhost_user_socket_destroy(s);
	return 0;
}

int
rte_vhost_driver_callback_register(const char *path, struct rte_vhost_device_ops const *const ops)
{
	struct vhost_user_socket *s = lock_socket(path);

	if (s == NULL)
		return -1;
	if (ops != NULL)
		s->offer.ops = *ops;
	else
		memset(&s->offer.ops, 0, sizeof(s->offer.ops));
	unlock_socket(s);
	return 0;
}

/* With the registry locked, so that the socket is not unregistered in between. */
int
rte_vhost_driver_start(const char *path)
{
	struct vhost_user_socket *s;
	int ret;

	if (path == NULL)
		return fail(EINVAL);
	pthread_mutex_lock(&registry.lock);
	s = find_locked(path);
	ret = s == NULL ? -ENOENT : vhost_user_socket_start(s);
	pthread_mutex_unlock(&registry.lock);
	if (s == NULL)
		VHOST_LOG(ERR, "%s: cannot start: it is not registered", path);
	return ret == 0 ? 0 : fail(-ret);
}

/* --- What is offered ----------------------------------------------------------------------- */

int
rte_vhost_driver_set_features(const char *path, uint64_t features)
{
	struct vhost_user_socket *s = lock_socket(path);

	if (s == NULL)
		return -1;
	s->offer.supported = s->offer.features = features;
	s->offer.builtin_net = false;
	unlock_socket(s);
	return 0;
}

int
rte_vhost_driver_enable_features(const char *path, uint64_t features)
{
	struct vhost_user_socket *s = lock_socket(path);
	uint64_t unknown;

	if (s == NULL)
		return -1;
	unknown = s->offer.vdpa == NULL ? features & ~s->offer.supported : 0;
	if (unknown == 0) {
		s->offer.features |= features & s->offer.supported;
		s->offer.disabled &= ~features;
	}
	unlock_socket(s);
	if (unknown == 0)
		return 0;
	VHOST_LOG(ERR, "%s: cannot enable features 0x%" PRIx64 ": not supported", path, unknown);
	return fail(EINVAL);
}

int
rte_vhost_driver_disable_features(const char *path, uint64_t features)
{
	struct vhost_user_socket *s = lock_socket(path);

	if (s == NULL)
		return -1;
	s->offer.features &= ~features;
	s->offer.disabled |= features;
	unlock_socket(s);
	return 0;
}

int
rte_vhost_driver_set_protocol_features(const char *path, uint64_t protocol_features)
{
	struct vhost_user_socket *s = lock_socket(path);
	uint64_t known;

	if (s == NULL)
		return -1;
	known = vhost_user_transport_protocol_features | vhost_user_device_protocol_features;
	if ((s->flags & RTE_VHOST_USER_POSTCOPY_SUPPORT) != 0)
		known |= vhost_user_postcopy_protocol_features;
	s->offer.protocol_features = protocol_features & known;
	s->offer.own_protocol_features = true;
	unlock_socket(s);
	if (protocol_features & ~known)
		VHOST_LOG(WARNING,
			"%s: protocol features 0x%" PRIx64 " are not supported and not offered",
			path, protocol_features & ~known);
	return 0;
}

/*
 * What a front end that connects now would be offered; no lock is held over the driver's
 * operations.
 */
static int
current_offer(const char *path, struct vhost_device_config *config)
{
	struct vhost_user_socket *s = lock_socket(path);
	struct vhost_user_offer offer;

	if (s == NULL)
		return -1;
	offer = s->offer;
	unlock_socket(s);
	return vhost_user_offer_config(&offer, config) == 0 ? 0 : fail(EIO);
}

int
rte_vhost_driver_get_features(const char *path, uint64_t *features)
{
	struct vhost_device_config config;

	if (features == NULL)
		return fail(EINVAL);
	if (current_offer(path, &config) != 0)
		return -1;
	*features = config.features;
	return 0;
}

int
rte_vhost_driver_get_protocol_features(const char *path, uint64_t *protocol_features)
{
	struct vhost_device_config config;

	if (protocol_features == NULL)
		return fail(EINVAL);
	if (current_offer(path, &config) != 0)
		return -1;
	*protocol_features = config.protocol_features;
	return 0;
}

int
rte_vhost_driver_get_queue_num(const char *path, uint32_t *queue_num)
{
	struct vhost_device_config config;

	if (queue_num == NULL)
		return fail(EINVAL);
	if (current_offer(path, &config) != 0)
		return -1;
	*queue_num = config.queue_num;
	return 0;
}

int
rte_vhost_driver_set_max_queue_num(const char *path, uint32_t max_queue_pairs)
{
	struct vhost_user_socket *s;

	if (max_queue_pairs == 0 || max_queue_pairs > VHOST_QUEUE_PAIRS_MAX) {
		VHOST_LOG(ERR, "%s: cannot offer %u queue pairs: 1 to %d are possible", path,
			max_queue_pairs, VHOST_QUEUE_PAIRS_MAX);
		return fail(EINVAL);
	}
	s = lock_socket(path);
	if (s == NULL)
		return -1;
	s->offer.queue_num = max_queue_pairs;
	unlock_socket(s);
	return 0;
}

/* --- vDPA ---------------------------------------------------------------------------------- */

int
rte_vhost_driver_attach_vdpa_device(const char *path, struct rte_vdpa_device *dev)
{
	struct vhost_user_socket *s;

	if (dev == NULL)
		return fail(EINVAL);
	s = lock_socket(path);
	if (s == NULL)
		return -1;
	/* Looked at under the lock: a device that leaves after this finds the socket. */
	if (!vdpa_is_registered(dev)) {
		unlock_socket(s);
		VHOST_LOG(ERR, "%s: cannot attach: there is no such vDPA device", path);
		return fail(ENODEV);
	}
	s->offer.vdpa = dev;
	unlock_socket(s);
	return 0;
}

int
rte_vhost_driver_detach_vdpa_device(const char *path)
{
	struct vhost_user_socket *s = lock_socket(path);

	if (s == NULL)
		return -1;
	s->offer.vdpa = NULL;
	unlock_socket(s);
	return 0;
}

struct rte_vdpa_device *
rte_vhost_driver_get_vdpa_device(const char *path)
{
	struct vhost_user_socket *s = lock_socket(path);
	struct rte_vdpa_device *dev;

	if (s == NULL)
		return NULL;
	dev = s->offer.vdpa;
	unlock_socket(s);
	return dev;
}

int
rte_vhost_driver_get_vdpa_dev_type(const char *path, uint32_t *type)
{
	struct vhost_user_socket *s;
	int ret = 0;

	if (type == NULL)
		return fail(EINVAL);
	s = lock_socket(path);
	if (s == NULL)
		return -1;
	if (s->offer.vdpa != NULL)
		*type = s->offer.vdpa->type;
	else
		ret = fail(ENODEV);
	unlock_socket(s);
	return ret;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "aside.h"
#include "memory_guard.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_user_connection.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_socket.h"

/* Between two attempts to connect, or to accept when there are no descriptors left. */
#define RETRY_MS 500

#define FEATURE(bit) (UINT64_C(1) << (bit))

/** What guests may leave to be segmented, each by a bit. Legacy drivers know one bit for all of it. */
#define SEGMENTS \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
		FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_HOST_UFO))

static struct event_loop *
start_event_loop(void)
{
	struct event_loop *loop = event_loop_create("vhost-events");
	int fd, err;

	if (loop == NULL)
		return NULL;
	vhost_user_close_fd = vhost_aside_close;
	fd = vhost_guard_fd();
	if (fd >= 0 && event_loop_add_fd(loop, fd, vhost_user_memory_lost, NULL) != NULL)
		return loop;
	err = errno;
	event_loop_destroy(loop);
	errno = err;
	return NULL;
}

struct event_loop *
vhost_user_event_loop(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct event_loop *loop;

	pthread_mutex_lock(&lock);
	if (loop == NULL)
		loop = start_event_loop();
	pthread_mutex_unlock(&lock);
	return loop;
}

static void
in_event_loop(void (*fn)(void *arg), void *arg)
{
	event_loop_run(vhost_user_event_loop(), fn, arg);
}

static bool
is_client(const struct vhost_user_socket *s)
{
	return (s->flags & RTE_VHOST_USER_CLIENT) != 0;
}

static bool
reconnects(const struct vhost_user_socket *s)
{
	return is_client(s) && (s->flags & RTE_VHOST_USER_NO_RECONNECT) == 0;
}

void
vhost_user_socket_put(struct vhost_user_socket *s)
{
	if (--s->references > 0)
		return;
	vhost_aside_release(s->aside);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
retry_later(struct vhost_user_socket *s)
{
	if (!s->removed)
		event_timer_arm(s->timer, RETRY_MS);
}

void
vhost_user_socket_seek_peer(struct vhost_user_socket *s)
{
	if (reconnects(s))
		retry_later(s);
}

/* --- Server -------------------------------------------------------------------------------- */

static bool
may_come_back(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM || err == EBUSY;
}

static void
listener_readable(void *arg)
{
	struct vhost_user_socket *s = arg;
	int fd = -1;

	errno = EBUSY;
	if (!vhost_user_is_held_up(s, s->listen_fd))
		fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		s->references++;
		vhost_user_connection_open(s, fd);
		vhost_user_socket_put(s);
		return;
	}
	if (!may_come_back(errno))
		return;
	/* The peer stays in the queue, and the descriptor readable: look again later. */
	VHOST_LOG(ERR, "%s: cannot accept a connection now: %s", s->path,
		errno == EBUSY ? "closing what earlier ones sent takes too long" : strerror(errno));
	event_source_remove(s->listener);
	s->listener = NULL;
	retry_later(s);
}

static void
listen_again(void *arg)
{
	struct vhost_user_socket *s = arg;

	s->listener = event_loop_add_fd(vhost_user_event_loop(), s->listen_fd, listener_readable,
		s);
	if (s->listener == NULL)
		retry_later(s);
}

static struct sockaddr_un
address_of(const struct vhost_user_socket *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memcpy(addr.sun_path, s->path, strlen(s->path));
	return addr;
}

/*
 * A socket file that is in the way: 0 if nobody listens there any more and it was removed.
 */
static int
remove_stale(const struct vhost_user_socket *s)
{
	const struct sockaddr_un addr = address_of(s);
	struct stat st;
	int fd, ret;

	if (lstat(s->path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		VHOST_LOG(ERR,
			"%s: cannot listen: a file that is no socket is there; "
			"remove it or choose another path",
			s->path);
		return -EADDRINUSE;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
	close(fd);
	if (ret != ECONNREFUSED) {
		VHOST_LOG(ERR,
			"%s: cannot listen: somebody else listens there; "
			"stop that program or choose another path",
			s->path);
		return -EADDRINUSE;
	}
	VHOST_LOG(INFO, "%s: removing the socket file of a program that is gone", s->path);
	return unlink(s->path) == 0 || errno == ENOENT ? 0 : -errno;
}

static const char *
bind_advice(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return "; create the directory first";
	case EACCES:
	case EPERM:
	case EROFS:
		return "; the directory must be writable";
	default:
		return "";
	}
}

static int
bind_path(struct vhost_user_socket *s)
{
	const struct sockaddr_un addr = address_of(s);
	struct stat st;
	int ret;

	if (bind(s->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		ret = -errno;
		if (ret == -EADDRINUSE) {
			ret = remove_stale(s);
			if (ret == -EADDRINUSE)
				return ret;
			if (ret == 0 &&
				bind(s->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) !=
					0)
				ret = -errno;
		}
		if (ret != 0) {
			VHOST_LOG(ERR, "%s: cannot make the socket: %s%s", s->path, strerror(-ret),
				bind_advice(-ret));
			return ret;
		}
	}
	if (stat(s->path, &st) != 0) {
		ret = -errno;
		VHOST_LOG(ERR, "%s: cannot look at the socket that was just made: %s", s->path,
			strerror(-ret));
		unlink(s->path);
		return ret;
	}
	s->listen_dev = st.st_dev;
	s->listen_inode = st.st_ino;
	return 0;
}

/* Unlink the socket file, unless somebody put another one in its place. */
static void
unlink_path(const struct vhost_user_socket *s)
{
	struct stat st;

	if (stat(s->path, &st) == 0 && st.st_dev == s->listen_dev && st.st_ino == s->listen_inode)
		unlink(s->path);
}

static int
start_server(struct vhost_user_socket *s, struct event_loop *loop)
{
	int ret;

	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd < 0) {
		ret = -errno;
		VHOST_LOG(ERR, "%s: cannot make a socket: %s", s->path, strerror(-ret));
		return ret;
	}
	ret = bind_path(s);
	if (ret != 0)
		goto close;
	if (listen(s->listen_fd, SOMAXCONN) != 0)
		goto unlink;
	s->timer = event_loop_add_timer(loop, listen_again, s);
	if (s->timer == NULL)
		goto unlink;
	event_timer_arm(s->timer, 0);
	VHOST_LOG(INFO, "%s: listening", s->path);
	return 0;

unlink:
	ret = -errno;
	VHOST_LOG(ERR, "%s: cannot listen: %s", s->path, strerror(-ret));
	unlink_path(s);
close:
	close(s->listen_fd);
	s->listen_fd = -1;
	return ret;
}

/* --- Client -------------------------------------------------------------------------------- */

/* @return a connected descriptor, or -errno */
static int
try_connect(struct vhost_user_socket *s)
{
	const struct sockaddr_un addr = address_of(s);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
		s->complained = false;
		return fd;
	}
	ret = -errno;
	vhost_count(&s->counters.attempts);
	if (fd >= 0)
		close(fd);
	if (!s->complained && reconnects(s))
		VHOST_LOG(INFO, "%s: cannot connect yet: %s; trying again until it works", s->path,
			strerror(-ret));
	else if (!s->complained)
		VHOST_LOG(ERR, "%s: cannot connect: %s", s->path, strerror(-ret));
	s->complained = true;
	return ret;
}

/* The timer's: serve the peer that was found when the socket was started, or look for one. */
static void
reconnect(void *arg)
{
	struct vhost_user_socket *s = arg;
	int fd = s->first_fd;

	s->first_fd = -1;
	s->references++;
	/* There is no descriptor to count with: a few that wait are enough to wait for them. */
	if (fd < 0 && TAILQ_EMPTY(&s->connections) && !vhost_user_is_held_up(s, -1))
		fd = try_connect(s);
	if (fd >= 0)
		vhost_user_connection_open(s, fd);
	/* Also when the connection was refused at once, by the application for one. */
	if (TAILQ_EMPTY(&s->connections))
		vhost_user_socket_seek_peer(s);
	vhost_user_socket_put(s);
}

static int
start_client(struct vhost_user_socket *s, struct event_loop *loop)
{
	const bool now = (s->flags & RTE_VHOST_USER_ASYNC_CONNECT) == 0;
	int fd = now ? try_connect(s) : -EINPROGRESS;
	int ret;

	if (fd < 0 && now && !reconnects(s))
		return fd;
	s->first_fd = fd;
	s->timer = event_loop_add_timer(loop, reconnect, s);
	if (s->timer == NULL) {
		ret = -errno;
		VHOST_LOG(ERR, "%s: cannot connect: timer: %s", s->path, strerror(-ret));
		if (fd >= 0)
			close(fd);
		s->first_fd = -1;
		return ret;
	}
	event_timer_arm(s->timer, fd >= 0 || !now ? 0 : RETRY_MS);
	return 0;
}

/* --- From any thread ----------------------------------------------------------------------- */

struct vhost_user_socket *
vhost_user_socket_create(const char *path, uint64_t flags)
{
	struct vhost_user_socket *s;

	if (path[0] == '\0' || strlen(path) >= VHOST_PATH_MAX) {
		errno = path[0] == '\0' ? EINVAL : ENAMETOOLONG;
		VHOST_LOG(ERR, "'%s': no path for a socket: 1 to %d characters are possible", path,
			VHOST_PATH_MAX - 1);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->aside = vhost_aside_create(in_event_loop);
	if (s == NULL || s->aside == NULL) {
		VHOST_LOG(ERR, "%s: cannot register: out of memory", path);
		free(s);
		errno = ENOMEM;
		return NULL;
	}
	memcpy(s->path, path, strlen(path) + 1);
	s->flags = flags;
	s->references = 1;
	s->listen_fd = s->first_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	TAILQ_INIT(&s->connections);

	s->offer.supported = vhost_user_net_features;
	if ((flags & RTE_VHOST_USER_IOMMU_SUPPORT) != 0)
		s->offer.supported |= vhost_user_iommu_features;
	/* A segment that the guest wants split later does not fit one mbuf. */
	if ((flags & RTE_VHOST_USER_LINEARBUF_SUPPORT) != 0 &&
		(flags & RTE_VHOST_USER_EXTBUF_SUPPORT) == 0)
		s->offer.supported &= ~(SEGMENTS | FEATURE(VIRTIO_NET_F_GSO));
	s->offer.features = s->offer.supported;
	s->offer.queue_num = VHOST_QUEUE_PAIRS_MAX;
	s->offer.builtin_net = true;
	s->offer.protocol_features = vhost_user_transport_protocol_features |
		vhost_user_device_protocol_features;
	if ((flags & RTE_VHOST_USER_POSTCOPY_SUPPORT) != 0)
		s->offer.protocol_features |= vhost_user_postcopy_protocol_features;
	return s;
}

int
vhost_user_socket_start(struct vhost_user_socket *s)
{
	struct event_loop *loop;
	int ret;

	if (s->started)
		return 0;
	loop = vhost_user_event_loop();
	if (loop == NULL) {
		ret = -errno;
		VHOST_LOG(ERR, "%s: cannot start a thread for sockets: %s", s->path,
			strerror(-ret));
		return ret;
	}
	ret = is_client(s) ? start_client(s, loop) : start_server(s, loop);
	s->started = ret == 0;
	return ret;
}

static void
destroy_in_loop(void *arg)
{
	struct vhost_user_socket *s = arg;

	struct vhost_aside *former = vhost_aside_enter(s->aside);

	s->removed = true;
	event_source_remove(s->listener);
	event_source_remove(s->timer);
	if (s->listen_fd >= 0) {
		unlink_path(s);
		/* Closing takes its time; who comes now is told at once that nobody listens. */
		shutdown(s->listen_fd, SHUT_RDWR);
	}
	/* Front ends that wait to be accepted may have sent something already. */
	vhost_aside_close(s->listen_fd);
	vhost_aside_close(s->first_fd);
	vhost_user_close_connections(s, NULL);
	vhost_aside_enter(former);
	vhost_user_socket_put(s);
}

void
vhost_user_socket_destroy(struct vhost_user_socket *s)
{
	if (s->started)
		event_loop_run(vhost_user_event_loop(), destroy_in_loop, s);
	else
		vhost_user_socket_put(s);
}

bool
vhost_user_socket_uses_vdpa(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa)
{
	return vhost_user_has_connections(s, vdpa);
}

void
vhost_user_socket_release_vdpa(struct vhost_user_socket *s, const struct rte_vdpa_device *vdpa)
{
	s->references++;
	vhost_user_close_connections(s, vdpa);
	vhost_user_socket_put(s);
}

/* A device decides what of the offer it can keep. The rings' IOMMU is not served yet. */
static int
offer_of_vdpa(const struct vhost_user_offer *offer, struct vhost_device_config *config)
{
	uint64_t features, protocol_features;

	if (rte_vdpa_get_features(offer->vdpa, &features) != 0 ||
		rte_vdpa_get_protocol_features(offer->vdpa, &protocol_features) != 0 ||
		rte_vdpa_get_queue_num(offer->vdpa, &config->queue_num) != 0)
		return -EIO;
	config->queue_num = RTE_MIN(config->queue_num, offer->queue_num);
	features &= offer->builtin_net ? ~offer->disabled : offer->features;
	features &= ~FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	config->features = features | FEATURE(VHOST_USER_FEATURE_PROTOCOL);
	config->protocol_features = offer->protocol_features &
		(vhost_user_transport_protocol_features |
			(vhost_user_device_protocol_features & protocol_features));
	return 0;
}

int
vhost_user_offer_config(const struct vhost_user_offer *offer, struct vhost_device_config *config)
{
	*config = (struct vhost_device_config){
		.features = offer->features,
		.protocol_features = offer->protocol_features,
		.queue_num = offer->queue_num,
		.builtin_net = offer->builtin_net,
		.ops = offer->ops,
		.vdpa = offer->vdpa,
	};
	if (offer->vdpa != NULL)
		return offer_of_vdpa(offer, config);
	/* An application that disabled some of it may not know of the bit for all. */
	if (offer->builtin_net && (offer->features & SEGMENTS) != SEGMENTS)
		config->features &= ~FEATURE(VIRTIO_NET_F_GSO);
	/* Only a vDPA device has a configuration space that the front end lacks. */
	if (!offer->own_protocol_features)
		config->protocol_features &= ~FEATURE(VHOST_USER_PF_CONFIG);
	/* What an application's device knows, only the application could carry over. */
	if (!offer->builtin_net)
		config->protocol_features &= ~(
			FEATURE(VHOST_USER_PF_DEVICE_STATE) | FEATURE(VHOST_USER_PF_RARP));
	/*
	 * An application that looks at messages expects those that it knows: that memory comes by
	 * SET_MEM_TABLE, above all. And buffers in flight are its own to track. It may ask for more.
	 */
	if (!offer->builtin_net && !offer->own_protocol_features)
		config->protocol_features &= ~(FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS) |
			FEATURE(VHOST_USER_PF_RESET_DEVICE) |
			FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD));
	return 0;
}

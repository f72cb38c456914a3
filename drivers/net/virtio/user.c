/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal_memconfig.h>
#include <rte_io.h>
#include <rte_memory.h>

#include "control_queue.h"
#include "log.h"
#include "net_config.h"
#include "transport.h"
#include "user.h"

/* Headers in front of frames are all that we write; one of these says that the device takes it. */
#define LAYOUT_FEATURES (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT))

static struct virtio_user *
user_of(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_user, dev);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

void
virtio_user_give_time(struct virtio_user *u)
{
	u->deadline_ms = now_ms() + u->patience_ms;
}

int
virtio_user_left_ms(const struct virtio_user *u)
{
	return (int)RTE_MAX(u->deadline_ms - now_ms(), 0);
}

/* The back end has as long for all that it is asked until the lock is released. */
static void
lock(struct virtio_user *u)
{
	pthread_mutex_lock(&u->dev.lock);
	virtio_user_give_time(u);
}

static void
unlock(struct virtio_user *u)
{
	pthread_mutex_unlock(&u->dev.lock);
}

/** Lock for whatever needs to know DPDK's memory. */
static void
lock_with_memory(struct virtio_user *u)
{
	rte_mcfg_mem_read_lock();
	lock(u);
}

static void
unlock_with_memory(struct virtio_user *u)
{
	unlock(u);
	rte_mcfg_mem_read_unlock();
}

static void
wake(struct virtio_user *u)
{
	eventfd_write(u->wakefd, 1);
}

static bool
user_has_link(struct virtio_device *dev)
{
	struct virtio_user *u = user_of(dev);

	return __atomic_load_n(&u->running, __ATOMIC_SEQ_CST) &&
		__atomic_load_n(&u->link, __ATOMIC_SEQ_CST);
}

/* The application may stop and close the port where it is told, and closing waits for such a thread. */
static __thread bool in_control_thread;

static void
show_link(struct virtio_user *u)
{
	if (!virtio_device_look_at_link(&u->dev))
		return;
	if (in_control_thread)
		virtio_device_tell_link_soon(&u->dev);
	else
		virtio_device_tell_link(&u->dev);
}

static void
set_running(struct virtio_user *u, bool running)
{
	__atomic_store_n(&u->running, running, __ATOMIC_SEQ_CST);
}

/* See that the back end has what cannot be done without. */
static int
check_features(const struct virtio_user *u, uint64_t features)
{
	const struct virtio_device *dev = &u->dev;
	const uint64_t missing = (dev->needed | dev->required) & ~features;

	if (missing != 0) {
		VIRTIO_LOG(ERR,
			"%s: the back end at %s lacks features %#" PRIx64 " that the port "
			"was configured with",
			dev->name, u->args.path, missing);
		return -ENOTSUP;
	}
	if ((features & LAYOUT_FEATURES) == 0) {
		VIRTIO_LOG(ERR,
			"%s: the back end at %s has neither VERSION_1 nor ANY_LAYOUT, and "
			"older ones are not supported",
			dev->name, u->args.path);
		return -ENOTSUP;
	}
	if (dev->pairs > u->backend_pairs) {
		VIRTIO_LOG(ERR, "%s: the back end at %s has %u queue pairs, the port uses %u",
			dev->name, u->args.path, u->backend_pairs, dev->pairs);
		return -ENOTSUP;
	}
	return 0;
}

/*
 * A receive ring without buffers would get its share of frames, and lose them. Of a port that only
 * transmits, the first one is enabled all the same: back ends wait for both of the first pair.
 */
static bool
is_to_run(const struct virtio_queue *q)
{
	return !q->stopped && (q->index == 0 || virtio_queue_is_set_up(q));
}

int
virtio_user_enable_pairs(struct virtio_user *u, uint16_t pairs)
{
	struct virtio_control_mq mq;
	int ret = 0;

	u->enabled_pairs = pairs;
	if (!u->running)
		return 0;
	for (uint16_t i = 0; i < 2 * u->dev.pairs && ret == 0; i++) {
		const struct virtio_queue *q = u->dev.queues[i];

		ret = u->backend->enable_ring(u, q, i < 2 * pairs && is_to_run(q));
	}
	if (ret == 0 && u->backend->control != NULL &&
		virtio_control_mq_fill(&u->dev, pairs, &mq) == 0)
		ret = u->backend->control(u, VIRTIO_NET_CTRL_MQ, mq.cmd, mq.data, mq.len);
	return ret;
}

/* A device that was told to run is not to touch the rings any more. Locked. */
static int
stop_device(struct virtio_user *u)
{
	int ret = 0;

	for (uint16_t i = 0; i < 2 * u->dev.pairs && ret == 0; i++)
		ret = u->backend->stop_ring(u, u->dev.queues[i]);
	return ret == 0 ? u->backend->set_status(u, 0) : ret;
}

/* From a connected back end to a running device. Locked with memory. */
static int
bring_up(struct virtio_user *u)
{
	const struct virtio_backend_ops *be = u->backend;
	struct virtio_device *dev = &u->dev;
	const uint64_t features = virtio_net_control_features(
		dev->wanted & (u->backend_features | be->local_features));
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	int ret;

	ret = check_features(u, features);
	if (ret < 0)
		return ret;
	virtio_user_warn_of_split(u, features);
	virtio_device_arm(dev, features);
	ret = be->set_status(u, status);
	if (ret == 0)
		ret = be->set_features(u, features & u->backend_features);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (ret == 0)
		ret = be->set_status(u, status);
	if (ret == 0)
		ret = be->share_memory(u, NULL);
	for (uint16_t i = 0; i < 2 * dev->pairs && ret == 0; i++)
		ret = be->setup_ring(u, dev->queues[i]);
	if (ret == 0) {
		ret = virtio_user_tell_mtu(u);
		/* One that keeps to its own has frames of up to that. */
		if (ret == -EREMOTEIO)
			ret = 0;
	}
	if (ret == 0)
		ret = be->set_status(u, status | VIRTIO_CONFIG_S_DRIVER_OK);
	if (ret < 0)
		return ret;
	virtio_device_run(dev);
	set_running(u, true);
	ret = virtio_user_enable_pairs(u, RTE_MAX(u->enabled_pairs, 1));
	if (ret == 0 && be->restore != NULL)
		ret = be->restore(u);
	if (ret < 0) {
		set_running(u, false);
		virtio_device_halt(dev);
		(void)stop_device(u);
	}
	return ret;
}

/* Unless it was us who refused, nobody knows where the connection stands. */
static bool
refused(int error)
{
	return error == -ENOTSUP || error == -ENOSPC || error == -ENOMEM || error == -ERANGE;
}

static int
user_start(struct virtio_device *dev)
{
	struct virtio_user *u = user_of(dev);
	int ret = 0;

	lock_with_memory(u);
	u->enabled_pairs = dev->pairs;
	if (u->connected)
		ret = bring_up(u);
	if (ret < 0 && !refused(ret))
		u->backend->give_up(u);
	/* Gone, not unwilling: the control thread looks for it again. */
	if (ret == -ECONNRESET)
		ret = 0;
	u->started = ret == 0;
	unlock_with_memory(u);
	wake(u);
	if (ret == 0)
		show_link(u);
	return ret;
}

static void
user_stop(struct virtio_device *dev)
{
	struct virtio_user *u = user_of(dev);

	lock(u);
	u->started = false;
	virtio_device_halt(dev);
	if (u->running) {
		set_running(u, false);
		if (stop_device(u) < 0)
			u->backend->give_up(u);
	}
	unlock(u);
	show_link(u);
}

static int
user_queue_enable(struct virtio_device *dev, uint16_t index, bool enable)
{
	struct virtio_user *u = user_of(dev);
	struct virtio_queue *q = dev->queues[index];
	int ret = 0;

	lock(u);
	q->stopped = !enable;
	if (!enable)
		virtio_queues_quiesce(&q, 1);
	if (u->running && index < 2 * u->enabled_pairs)
		ret = u->backend->enable_ring(u, q, enable);
	/* One that failed stands still until the back end comes anew. */
	if (u->running && enable && ret == 0 && !virtio_queue_failed(q))
		virtio_queue_run(q);
	unlock(u);
	return ret;
}

/* Asked while the port is made, when nobody else is there yet, or locked. */
static int
user_read_config(struct virtio_device *dev, uint32_t offset, void *buf, uint32_t len)
{
	struct virtio_user *u = user_of(dev);

	return u->backend->read_config(u, offset, buf, len);
}

static int
user_control(struct virtio_device *dev, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	struct virtio_user *u = user_of(dev);
	int ret;

	lock(u);
	ret = virtio_user_control(u, class, cmd, data, len);
	unlock(u);
	return ret;
}

static int
user_set_mac(struct virtio_device *dev, const struct rte_ether_addr *mac)
{
	struct virtio_user *u = user_of(dev);
	int ret;

	lock(u);
	ret = virtio_user_tell_mac(u, mac);
	if (ret == 0)
		dev->mac = *mac;
	unlock(u);
	return ret;
}

static int
user_set_mtu(struct virtio_device *dev, uint16_t mtu)
{
	struct virtio_user *u = user_of(dev);
	const uint16_t before = u->mtu;
	int ret = 0;

	lock(u);
	u->mtu = mtu;
	if (u->running)
		ret = virtio_user_tell_mtu(u);
	if (ret < 0)
		u->mtu = before;
	unlock(u);
	return ret;
}

static int
user_queue_setup(struct virtio_queue *q)
{
	struct virtio_user *u = user_of(q->dev);
	int *call = &u->calls[q->index];

	/* It outlives the queue: an application may have it in its epoll set. */
	if (*call < 0)
		*call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->kickfd = u->doorbells[q->index];
	q->callfd = *call;
	if (q->callfd >= 0)
		return 0;
	VIRTIO_LOG(ERR, "%s: no eventfd for queue %u: %s", q->dev->name, q->index, strerror(errno));
	return -errno;
}

void
virtio_user_unmap_doorbell(struct virtio_queue *q)
{
	if (q->doorbell != NULL)
		munmap((void *)(uintptr_t)q->doorbell, (size_t)sysconf(_SC_PAGESIZE));
	q->doorbell = NULL;
}

static void
user_queue_release(struct virtio_queue *q)
{
	virtio_user_unmap_doorbell(q);
	q->kickfd = -1;
	q->callfd = -1;
}

static void
user_notify(struct virtio_queue *q)
{
	if (q->doorbell != NULL)
		rte_write16(q->index, q->doorbell);
	else
		eventfd_write(q->kickfd, 1);
}

static int
user_doorbell_fd(struct virtio_device *dev, uint16_t index)
{
	const struct virtio_user *u = user_of(dev);

	return index < u->doorbell_count ? u->doorbells[index] : -1;
}

static void
user_queue_failed(struct virtio_queue *q)
{
	wake(user_of(q->dev));
}

/* Whoever is there may be another one than when the port was made. */
static int
user_reset(struct virtio_device *dev)
{
	const struct rte_ether_addr mac = dev->mac;
	struct virtio_user *u = user_of(dev);

	lock(u);
	if (u->connected)
		virtio_user_learn(u);
	/* The application may have chosen another one than the device's. */
	dev->mac = mac;
	unlock(u);
	return 0;
}

static void
user_close(struct virtio_device *dev)
{
	virtio_user_destroy(user_of(dev));
}

static const struct virtio_transport_ops user_ops = {
	.name = "user",
	.start = user_start,
	.stop = user_stop,
	.close = user_close,
	.reset = user_reset,
	.queue_setup = user_queue_setup,
	.queue_release = user_queue_release,
	.queue_enable = user_queue_enable,
	.read_config = user_read_config,
	.control = user_control,
	.set_mtu = user_set_mtu,
	.set_mac = user_set_mac,
	.has_link = user_has_link,
	.notify = user_notify,
	.doorbell_fd = user_doorbell_fd,
	.queue_failed = user_queue_failed,
};

/* Frames that were under way to a back end that is gone. */
struct leftover {
	struct rte_mbuf **mbufs;
	uint32_t n;
};

/*
 * Part from the back end. What the application transmitted is its own: freeing it may have it wait for DPDK's
 * memory, and so must not be done with a lock held. Locked; nobody is in a burst.
 */
static struct leftover
part(struct virtio_user *u)
{
	const struct virtio_device *dev = &u->dev;
	struct leftover left = { 0 };
	uint32_t room = 0;

	u->connected = false;
	u->backend->disconnect(u);
	/* A port that is stopped empties its rings itself. */
	for (uint16_t i = 0; i < dev->pairs && u->started; i++)
		room += dev->queues[2 * i + 1]->size;
	if (room > 0)
		left.mbufs = malloc(room * sizeof(*left.mbufs));
	for (uint16_t i = 0; i < dev->pairs && left.mbufs != NULL; i++)
		left.n += virtio_queue_take(dev->queues[2 * i + 1], left.mbufs + left.n);
	return left;
}

static void
free_leftover(const struct leftover *left)
{
	rte_pktmbuf_free_bulk(left->mbufs, left->n);
	free(left->mbufs);
}

/* The rings' owner is gone: keep bursts out before anything else. */
static void
lose(struct virtio_user *u, const char *why)
{
	struct leftover left;

	lock(u);
	virtio_device_halt(&u->dev);
	set_running(u, false);
	left = part(u);
	unlock(u);
	free_leftover(&left);
	VIRTIO_LOG(NOTICE, "%s: the back end at %s %s: link down", u->dev.name, u->args.path, why);
	show_link(u);
}

/*
 * A queue whose back end broke the rules costs that back end its connection. So does one that a
 * process died in: with a new connection come new rings.
 */
static bool
failed_queue(struct virtio_user *u)
{
	bool failed = false;

	lock(u);
	for (uint16_t i = 0; i < 2 * u->dev.pairs && u->running; i++) {
		const struct virtio_queue *q = u->dev.queues[i];

		if (!virtio_queue_failed(q))
			continue;
		VIRTIO_LOG(ERR, "%s: queue %u: %s %s (%u)", u->dev.name, i,
			virtio_queue_culprit(q, "the back end returned"), q->failure,
			q->failure_value);
		failed = true;
	}
	unlock(u);
	return failed;
}

/* Greet who is there, and bring up the device if the application wants it to run. */
static int
take_on(struct virtio_user *u)
{
	int ret = u->backend->greet(u);

	if (ret == 0)
		u->connected = true;
	if (ret == 0 && u->started)
		ret = bring_up(u);
	/* Not fatal. When the application starts the port, ethdev sets the address itself. */
	if (ret == 0)
		(void)virtio_user_tell_mac(u, &u->dev.mac);
	return ret;
}

/* Look for a back end. If nobody is there, somebody may be the next time. */
static void
find(struct virtio_user *u)
{
	struct leftover left = { 0 };
	int ret, found;

	lock_with_memory(u);
	found = u->backend->connect(u);
	ret = found == 0 ? take_on(u) : found;
	u->put_off = u->args.server && (found < 0 ? found != -EAGAIN : refused(ret));
	if (ret == 0 || found == -EAGAIN) {
		u->retry_ms = VIRTIO_USER_RETRY_MS;
	} else {
		left = part(u);
		u->retry_ms = RTE_MIN(2 * u->retry_ms, u->backend->retry_max_ms);
	}
	unlock_with_memory(u);
	free_leftover(&left);
	if (ret == 0)
		VIRTIO_LOG(NOTICE, "%s: back end at %s connected%s", u->dev.name, u->args.path,
			user_has_link(&u->dev) ? ": link up" : "");
	show_link(u);
}

/* See what became of a connected back end. */
static void
check(struct virtio_user *u, bool event)
{
	int ret = event ? -ENODEV : 0;

	if (u->backend->check != NULL) {
		lock(u);
		ret = u->backend->check(u);
		unlock(u);
		show_link(u);
	}
	if (ret < 0)
		lose(u, ret == -ENODEV ? "is gone" : "failed and is left");
}

static int
wait_ms(const struct virtio_user *u, bool retry)
{
	if (retry)
		return u->retry_ms;
	return u->connected && u->backend->look_ms > 0 ? u->backend->look_ms : -1;
}

static uint32_t
control_main(void *arg)
{
	struct virtio_user *u = arg;
	struct pollfd fds[2] = { { .fd = u->wakefd, .events = POLLIN } };
	uint64_t wakes;

	in_control_thread = true;
	while (!__atomic_load_n(&u->quit, __ATOMIC_ACQUIRE)) {
		const bool retry = !u->connected && (!u->args.server || u->put_off);

		fds[1] = u->backend->watch(u);
		/* Whoever waits there goes on waiting, and who was refused does not come back at once. */
		if (u->put_off)
			fds[1].fd = -1;
		if (poll(fds, 2, wait_ms(u, retry)) < 0 && errno != EINTR)
			break;
		if (fds[0].revents != 0 && read(u->wakefd, &wakes, sizeof(wakes)) < 0 &&
			errno != EAGAIN)
			break;
		if (__atomic_load_n(&u->quit, __ATOMIC_ACQUIRE))
			break;
		if (u->connected && failed_queue(u))
			lose(u, "is left for a queue that failed");
		else if (u->connected)
			check(u, fds[1].revents != 0);
		else if (fds[1].revents != 0 || (retry && fds[0].revents == 0))
			find(u);
	}
	return 0;
}

static void
memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	const struct virtio_backend_change change = {
		.addr = addr,
		.len = len,
		.gone = type == RTE_MEM_EVENT_FREE,
	};
	struct virtio_user *u = arg;

	lock(u);
	if (!u->running)
		u->memory_changed = true;
	else if (u->backend->share_memory(u, &change) < 0)
		u->backend->give_up(u);
	unlock(u);
}

/* The first meeting with the back end. A client must find one; a server need not. */
static int
meet(struct virtio_user *u)
{
	int ret;

	virtio_user_give_time(u);
	if (!u->args.server) {
		ret = u->backend->connect(u);
		if (ret == -EAGAIN)
			VIRTIO_LOG(ERR, "%s: no back end at %s: %s", u->dev.name, u->args.path,
				u->backend->absent(u));
		if (ret == 0)
			ret = u->backend->greet(u);
		if (ret < 0)
			return ret;
		u->connected = true;
	}
	virtio_user_learn(u);
	return 0;
}

/*
 * One for each queue that there may ever be, before there are queues: secondary processes get them
 * once, when they come.
 */
static int
make_doorbells(struct virtio_user *u)
{
	while (u->doorbell_count < 2 * u->args.queues) {
		const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (fd < 0) {
			VIRTIO_LOG(ERR, "%s: no eventfds for the doorbells of %u queue pairs: %s",
				u->dev.name, u->args.queues, strerror(errno));
			return -errno;
		}
		u->doorbells[u->doorbell_count++] = fd;
	}
	return 0;
}

static void
close_eventfds(struct virtio_user *u)
{
	while (u->doorbell_count > 0)
		close(u->doorbells[--u->doorbell_count]);
	for (uint16_t i = 0; i < RTE_DIM(u->calls); i++)
		if (u->calls[i] >= 0)
			close(u->calls[i]);
}

int
virtio_user_create(struct virtio_user *u)
{
	char name[16];
	int ret;

	u->dev.transport = &user_ops;
	u->dev.speed = u->args.speed;
	u->dev.speed_given = u->args.speed != RTE_ETH_SPEED_NUM_UNKNOWN;
	if (!rte_is_power_of_2(u->args.queue_size))
		u->dev.required = VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
	u->patience_ms = VIRTIO_USER_PATIENCE_MS;
	u->retry_ms = VIRTIO_USER_RETRY_MS;
	u->link = true;
	u->backend_queue_size = VIRTIO_QUEUE_SIZE_MAX;
	ret = virtio_user_choose_backend(u);
	if (ret < 0)
		return ret;
	pthread_mutex_init(&u->dev.lock, NULL);
	memset(u->calls, -1, sizeof(u->calls));
	u->memory = malloc(sizeof(*u->memory));
	u->wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (u->memory == NULL || u->wakefd < 0) {
		ret = -ENOMEM;
		goto fail_memory;
	}
	ret = make_doorbells(u);
	if (ret < 0)
		goto fail_memory;
	ret = u->backend->open(u);
	if (ret < 0)
		goto fail_memory;
	ret = meet(u);
	if (ret < 0)
		goto fail_open;
	snprintf(name, sizeof(name), "virtio-%u", u->dev.eth->data->port_id);
	ret = rte_vdpa_thread_create_control(&u->thread, name, control_main, u);
	if (ret < 0) {
		VIRTIO_LOG(ERR, "%s: cannot start control thread: %s", u->dev.name, strerror(-ret));
		goto fail_open;
	}
	/* Memory that never changes (--legacy-mem, --no-huge) has no events. */
	u->mem_events = rte_mem_event_callback_register("virtio_user", memory_event, u) == 0;
	return 0;

fail_open:
	u->backend->disconnect(u);
	u->backend->close(u);
fail_memory:
	close_eventfds(u);
	if (u->wakefd >= 0)
		close(u->wakefd);
	free(u->memory);
	pthread_mutex_destroy(&u->dev.lock);
	return ret;
}

void
virtio_user_destroy(struct virtio_user *u)
{
	if (u->mem_events)
		rte_mem_event_callback_unregister("virtio_user", u);
	__atomic_store_n(&u->quit, true, __ATOMIC_RELEASE);
	wake(u);
	rte_thread_join(u->thread, NULL);
	virtio_device_cancel_news(&u->dev);
	u->backend->disconnect(u);
	u->backend->close(u);
	close_eventfds(u);
	close(u->wakefd);
	free(u->memory);
	pthread_mutex_destroy(&u->dev.lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_byteorder.h>

#include "vhost_log.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of the back end's own state, which a front end takes from one back end to the next when
 * a guest migrates: through a pipe of its own, that is written to or read from here.
 *
 * What a network device knows and the front end does not tell again is little: positions of rings
 * travel with GET_VRING_BASE, and the rest is in guest memory. The state says what the guest has
 * agreed with its device, so that a back end which cannot keep that refuses it while the guest is
 * not lost yet.
 */

#define STATE_MAGIC 0x54535656u /* "VVST" */
#define STATE_VERSION 1

/* On the wire: little-endian. Smaller than any pipe has room for. */
struct state {
	rte_le32_t magic;
	rte_le32_t version;
	rte_le64_t features;
	rte_le16_t mtu;    /* 0: none was set */
	rte_le16_t queues; /* rings that were named */
	rte_le32_t reserved;
};

/* Bits of the answer to SET_DEVICE_STATE_FD. */
#define ANSWER_ERROR 1u
#define ANSWER_NO_FD (1u << 8)

enum direction {
	SAVE = 0,
	LOAD = 1,
};

/* A reader that is gone is an error, and no signal. */
static int
write_quietly(int fd, const void *data, size_t len)
{
	const struct timespec now = { 0 };
	sigset_t pipe_signal, former;
	ssize_t n;
	int ret;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &former);
	n = write(fd, data, len);
	ret = n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
	if (ret == -EPIPE && !sigismember(&former, SIGPIPE))
		sigtimedwait(&pipe_signal, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	return ret;
}

static int
save(const struct vhost_device *dev, int fd)
{
	const struct state state = {
		.magic = rte_cpu_to_le_32(STATE_MAGIC),
		.version = rte_cpu_to_le_32(STATE_VERSION),
		.features = rte_cpu_to_le_64(dev->features),
		.mtu = rte_cpu_to_le_16(dev->mtu),
		.queues = rte_cpu_to_le_16(dev->nr_queues),
	};

	return write_quietly(fd, &state, sizeof(state));
}

/* Read all there is: the front end has closed its end, or there is more to come than we know. */
static int
load(struct vhost_device *dev, int fd)
{
	struct state state;
	uint8_t data[sizeof(state) + 1];
	uint64_t features;
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(data) && (n = read(fd, data + have, sizeof(data) - have)) != 0) {
		if (n < 0 && errno != EINTR)
			return vhost_device_error(dev, -errno, "state of the device: %s",
				errno == EAGAIN ? "its end is missing" : strerror(errno));
		have += n > 0 ? (size_t)n : 0;
	}
	memcpy(&state, data, sizeof(state));
	if (have != sizeof(state) || rte_le_to_cpu_32(state.magic) != STATE_MAGIC ||
		rte_le_to_cpu_32(state.version) != STATE_VERSION)
		return vhost_device_error(dev, -EINVAL,
			"state of the device: %zu bytes that are none of ours", have);
	features = rte_le_to_cpu_64(state.features) & ~dev->offered_features;
	if (features != 0)
		return vhost_device_error(dev, -ENOTSUP,
			"state of the device: the guest uses features 0x%" PRIx64
			" that are not offered here",
			features);
	if (rte_le_to_cpu_16(state.queues) > dev->max_queues)
		return vhost_device_error(dev, -ENOTSUP,
			"state of the device: the guest uses %u rings, there are %u here",
			rte_le_to_cpu_16(state.queues), dev->max_queues);
	vhost_device_lock(dev);
	if (dev->mtu == 0)
		dev->mtu = rte_le_to_cpu_16(state.mtu);
	vhost_device_unlock(dev);
	return 0;
}

static bool
any_ring_is_live(const struct vhost_device *dev)
{
	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i] != NULL && dev->queues[i]->live)
			return true;
	return false;
}

static int
begin_transfer(struct vhost_device *dev, uint32_t direction, uint32_t phase, int fd)
{
	if (direction > LOAD || phase != 0)
		return vhost_device_error(dev, -EINVAL, "transfer of state %u in phase %u",
			direction, phase);
	/* Of an application's own device, the library knows nothing. */
	if (!dev->builtin_net)
		return vhost_device_error(dev, -ENOTSUP,
			"the application's device has a state of "
			"its own");
	if (any_ring_is_live(dev))
		return vhost_device_error(dev, -EBUSY, "rings run: the state is not at rest");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
		return vhost_device_error(dev, -errno, "state of the device: %s", strerror(errno));
	return direction == SAVE ? save(dev, fd) : 0;
}

int
vhost_user_set_device_state_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_device_state what = msg->payload.device_state;
	const int fd = vhost_user_take_fd(msg);
	const int ret = begin_transfer(dev, what.direction, what.phase, fd);

	(void)q;
	if (dev->state_fd >= 0)
		close(dev->state_fd);
	dev->state_fd = -1;
	dev->state_error = ret;
	if (ret == 0 && what.direction == LOAD) {
		dev->state_fd = fd;
		dev->state_error = -EINPROGRESS;
	} else {
		/* This tells the reader that all of it was written. */
		close(fd);
	}
	if (ret != 0)
		VHOST_LOG(ERR, "%s: cannot transfer the state of the device: %s", dev->name,
			dev->error);
	msg->payload.u64 = ANSWER_NO_FD | (ret != 0 ? ANSWER_ERROR : 0);
	msg->header.size = sizeof(msg->payload.u64);
	return VHOST_USER_REPLY;
}

int
vhost_user_check_device_state(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	if (dev->state_fd >= 0) {
		dev->state_error = load(dev, dev->state_fd);
		close(dev->state_fd);
		dev->state_fd = -1;
		if (dev->state_error != 0)
			VHOST_LOG(ERR, "%s: %s", dev->name, dev->error);
	}
	msg->payload.u64 = dev->state_error != 0;
	msg->header.size = sizeof(msg->payload.u64);
	dev->state_error = -EINVAL;
	return VHOST_USER_REPLY;
}

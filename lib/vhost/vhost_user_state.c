/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_byteorder.h>

#include "state_transfer.h"
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

/* Whoever asks for the result has been waiting for it. */
static void
transfer_is_over(void *arg)
{
	struct vhost_device *dev = arg;

	if (dev->go_on != NULL)
		dev->go_on(dev);
}

static int
save(struct vhost_device *dev, int fd)
{
	const struct state state = {
		.magic = rte_cpu_to_le_32(STATE_MAGIC),
		.version = rte_cpu_to_le_32(STATE_VERSION),
		.features = rte_cpu_to_le_64(dev->features),
		.mtu = rte_cpu_to_le_16(dev->mtu),
		.queues = rte_cpu_to_le_16(dev->nr_queues),
	};

	return vhost_transfer_start(fd, &state, sizeof(state), transfer_is_over, dev,
		&dev->transfer);
}

/* One byte more than there can be shows that there is more. */
static int
load(struct vhost_device *dev, int fd)
{
	return vhost_transfer_start(fd, NULL, sizeof(struct state) + 1, transfer_is_over, dev,
		&dev->transfer);
}

static int
take_over(struct vhost_device *dev, const void *data, size_t len)
{
	struct state state;
	uint64_t features;

	memcpy(&state, data, sizeof(state));
	if (len != sizeof(state) || rte_le_to_cpu_32(state.magic) != STATE_MAGIC ||
		rte_le_to_cpu_32(state.version) != STATE_VERSION)
		return vhost_device_error(dev, -EINVAL,
			"state of the device: %zu bytes that are none of ours", len);
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
	int ret;

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
	ret = direction == SAVE ? save(dev, fd) : load(dev, fd);
	return ret == 0 ? 0 : vhost_device_error(dev, ret, "%s", strerror(-ret));
}

static void
forget_transfer(struct vhost_device *dev)
{
	vhost_transfer_drop(dev->transfer);
	dev->transfer = NULL;
}

int
vhost_user_set_device_state_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_user_device_state what = msg->payload.device_state;
	int ret;

	(void)q;
	forget_transfer(dev);
	ret = begin_transfer(dev, what.direction, what.phase, msg->fds[0]);
	if (ret == 0)
		vhost_user_take_fd(msg);
	else
		VHOST_LOG(ERR, "%s: cannot transfer the state of the device: %s", dev->name,
			dev->error);
	msg->payload.u64 = ANSWER_NO_FD | (ret != 0 ? ANSWER_ERROR : 0);
	msg->header.size = sizeof(msg->payload.u64);
	return VHOST_USER_REPLY;
}

bool
vhost_user_is_too_early(const struct vhost_device *dev, const struct vhost_user_message *msg)
{
	return msg->header.request == VHOST_USER_CHECK_DEVICE_STATE && dev->transfer != NULL &&
		vhost_transfer_is_ending(dev->transfer);
}

static int
end_transfer(struct vhost_device *dev)
{
	const void *data;
	int ret;

	if (dev->transfer == NULL)
		return vhost_device_error(dev, -EINVAL,
			"state of the device: none was transferred");
	ret = vhost_transfer_result(dev->transfer, &data);
	if (ret < 0)
		return vhost_device_error(dev, ret, "state of the device: %s",
			ret == -EINPROGRESS ? "its end is missing" : strerror(-ret));
	return data != NULL ? take_over(dev, data, (size_t)ret) : 0;
}

int
vhost_user_check_device_state(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const int ret = end_transfer(dev);

	(void)q;
	forget_transfer(dev);
	if (ret != 0)
		VHOST_LOG(ERR, "%s: %s", dev->name, dev->error);
	msg->payload.u64 = ret != 0;
	msg->header.size = sizeof(msg->payload.u64);
	return VHOST_USER_REPLY;
}

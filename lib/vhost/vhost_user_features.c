/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_ether.h>

#include "device_queue.h"
#include "vdpa.h"
#include "vhost_log.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of what concerns the device as a whole: features, status, reset, MTU.
 */

#define FEATURE(bit) (UINT64_C(1) << (bit))

const uint64_t vhost_user_net_features = FEATURE(VIRTIO_F_VERSION_1) |
	FEATURE(VIRTIO_F_ANY_LAYOUT) | FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) |
	FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
	FEATURE(VHOST_F_LOG_ALL) | FEATURE(VHOST_USER_FEATURE_PROTOCOL) |
	FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_MQ) |
	/* The control queue is the front end's own business, so offering these costs nothing. */
	FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |
	FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |
	/* Offloads. */
	FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
	FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) |
	FEATURE(VIRTIO_NET_F_HOST_UFO) | FEATURE(VIRTIO_NET_F_GSO) |
	FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN) |
	FEATURE(VIRTIO_NET_F_GUEST_UFO);

const uint64_t vhost_user_iommu_features = FEATURE(VIRTIO_F_ACCESS_PLATFORM);

const uint64_t vhost_user_transport_protocol_features = FEATURE(VHOST_USER_PF_REPLY_ACK) |
	FEATURE(VHOST_USER_PF_RESET_DEVICE) | FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS) |
	FEATURE(VHOST_USER_PF_STATUS);

const uint64_t vhost_user_postcopy_protocol_features = FEATURE(VHOST_USER_PF_PAGEFAULT);

const uint64_t vhost_user_device_protocol_features = FEATURE(VHOST_USER_PF_MQ) |
	FEATURE(VHOST_USER_PF_LOG_SHMFD) | FEATURE(VHOST_USER_PF_NET_MTU) |
	FEATURE(VHOST_USER_PF_CONFIG) | FEATURE(VHOST_USER_PF_BACKEND_REQ) |
	FEATURE(VHOST_USER_PF_BACKEND_SEND_FD) | FEATURE(VHOST_USER_PF_HOST_NOTIFIER) |
	FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD) | FEATURE(VHOST_USER_PF_RARP) |
	FEATURE(VHOST_USER_PF_DEVICE_STATE);

static int
reply_u64(struct vhost_user_message *msg, uint64_t value)
{
	msg->payload.u64 = value;
	msg->header.size = sizeof(msg->payload.u64);
	return VHOST_USER_REPLY;
}

int
vhost_user_get_features(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	return reply_u64(msg, dev->offered_features);
}

int
vhost_user_set_features(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint64_t features = msg->payload.u64;
	const uint64_t changed = features ^ dev->features;

	(void)q;
	if (features & ~dev->offered_features)
		return vhost_device_error(dev, -EPROTO, "features 0x%" PRIx64 " were not offered",
			features & ~dev->offered_features);
	if (dev->has_features && changed == 0)
		return 0;
	if (dev->has_features && changed == FEATURE(VHOST_F_LOG_ALL)) {
		vhost_device_set_logging(dev, features);
		return 0;
	}
	if (dev->running)
		return vhost_device_error(dev, -EBUSY,
			"features 0x%" PRIx64 " cannot change while the device runs", changed);

	vhost_device_set_features(dev, features);
	return 0;
}

int
vhost_user_get_protocol_features(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	return reply_u64(msg, dev->offered_protocol_features);
}

int
vhost_user_set_protocol_features(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint64_t features = msg->payload.u64;

	(void)q;
	if (features & ~dev->offered_protocol_features)
		return vhost_device_error(dev, -EPROTO,
			"protocol features 0x%" PRIx64 " were not offered",
			features & ~dev->offered_protocol_features);
	vhost_device_lock(dev);
	dev->protocol_features = features;
	vhost_device_unlock(dev);
	return 0;
}

/* A connection has one owner, whoever holds its other end: there is nothing to keep. */
int
vhost_user_set_owner(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)dev;
	(void)q;
	(void)msg;
	return 0;
}

int
vhost_user_reset_device(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	(void)msg;
	vhost_device_reset(dev);
	return 0;
}

int
vhost_user_get_queue_num(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	return reply_u64(msg, dev->queue_num);
}

int
vhost_user_set_mtu(struct vhost_device *dev, struct vhost_queue *q, struct vhost_user_message *msg)
{
	const uint64_t mtu = msg->payload.u64;

	(void)q;
	if (mtu < RTE_ETHER_MIN_MTU || mtu > UINT16_MAX)
		return vhost_device_error(dev, -EINVAL, "MTU %" PRIu64 " is out of range", mtu);
	vhost_device_lock(dev);
	dev->mtu = (uint16_t)mtu;
	vhost_device_unlock(dev);
	return 0;
}

/* @return 0, or a negative errno and nobody tells the network */
static int
announce_guest(struct vhost_device *dev, const uint8_t *mac)
{
	struct vhost_queue *q = vhost_device_find_queue(dev, 1);

	if (dev->vdpa != NULL)
		return VDPA_OP(dev->vdpa, migration_done, dev->vid);
	if (!dev->builtin_net || q == NULL)
		return -ENOTSUP;
	vhost_vring_announce(&q->vring, mac);
	vhost_queue_wake(q);
	return 0;
}

/*
 * The guest has come here and does not tell the network itself. A vDPA device does that for it; else
 * the first ring that the guest transmits on gives out a frame that does. The network learns of
 * the guest sooner or later anyway: who cannot tell it goes on serving the guest.
 */
int
vhost_user_send_rarp(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	uint8_t mac[RTE_ETHER_ADDR_LEN];
	int ret;

	(void)q;
	/* The first bytes of the payload, in their order. */
	memcpy(mac, &msg->payload, sizeof(mac));
	ret = announce_guest(dev, mac);
	if (ret != 0)
		VHOST_LOG(WARNING,
			"%s: %s does not announce the guest (%d): the network learns where it is when it "
			"sends",
			dev->name, dev->vdpa != NULL ? "the vDPA driver" : "the back end", ret);
	return 0;
}

int
vhost_user_get_status(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	return reply_u64(msg, dev->status);
}

int
vhost_user_set_status(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const uint64_t status = msg->payload.u64;

	(void)q;
	if (status > UINT8_MAX)
		return vhost_device_error(dev, -EPROTO, "status 0x%" PRIx64 " has more than 8 bits",
			status);
	/* virtio 1.2, 2.1: writing 0 resets the device. */
	if (status == 0)
		vhost_device_reset(dev);
	else
		dev->status = (uint8_t)status;
	return 0;
}

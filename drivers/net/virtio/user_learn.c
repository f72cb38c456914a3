/* SPDX-License-Identifier: BSD-3-Clause */

#include "log.h"
#include "net_config.h"
#include "transport.h"
#include "user.h"

/* Of those that take a control queue, what is done on this side for a back end that has none. */
#define LOCAL_CONTROL_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | \
		(VIRTIO_USER_LOCAL_FEATURES & VIRTIO_NET_CONTROL_FEATURES))

static uint64_t
features_of_args(const struct virtio_user *u)
{
	const struct virtio_user_args *args = &u->args;
	uint64_t features = VIRTIO_NET_DRIVER_FEATURES | VIRTIO_USER_LOCAL_FEATURES |
		VIRTIO_NET_CONTROL_FEATURES | VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX);

	if (!args->mrg_rxbuf)
		features &= ~VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (!args->in_order)
		features &= ~VIRTIO_FEATURE(VIRTIO_F_IN_ORDER);
	if (!args->packed_vq)
		features &= ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
	if (!args->cq)
		features &= ~VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ);
	if (u->backend->control == NULL)
		features &= ~VIRTIO_NET_CONTROL_FEATURES | LOCAL_CONTROL_FEATURES;
	return virtio_net_control_features(features);
}

void
virtio_user_warn_of_split(struct virtio_user *u, uint64_t features)
{
	const bool split = u->args.packed_vq && !(features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));

	if (split && !u->split_told)
		VIRTIO_LOG(WARNING, "%s: %s has no packed rings: they will be split ones",
			u->dev.name, u->args.path);
	u->split_told = split;
}

void
virtio_user_learn(struct virtio_user *u)
{
	struct virtio_device *dev = &u->dev;

	dev->offered = features_of_args(u);
	dev->max_pairs = u->args.queues;
	dev->queue_size = u->args.queue_size;
	if (u->connected)
		dev->offered = virtio_net_control_features(
			dev->offered & (u->backend_features | u->backend->local_features));
	virtio_net_config_learn(dev, u->connected ? u->backend_features : 0);
	if (u->args.mac_given)
		dev->mac = u->args.mac;
	if (!u->connected)
		return;
	virtio_user_warn_of_split(u, dev->offered);
	if (dev->max_pairs > u->backend_pairs) {
		VIRTIO_LOG(WARNING, "%s: the back end at %s has %u of the %u queue pairs asked for",
			dev->name, u->args.path, u->backend_pairs, u->args.queues);
		dev->max_pairs = u->backend_pairs;
	}
	if (dev->queue_size > u->backend_queue_size) {
		VIRTIO_LOG(WARNING, "%s: queues of %s have %u entries and not the %u asked for",
			dev->name, u->args.path, u->backend_queue_size, u->args.queue_size);
		dev->queue_size = u->backend_queue_size;
	}
}

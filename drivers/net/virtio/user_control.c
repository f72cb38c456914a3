/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include "log.h"
#include "user.h"

/*
 * Control commands are seen here first. A back end that only moves frames knows nothing of them:
 * what they ask is done with its ring messages, or already so, as it hands us every frame it has.
 * To one that has a control queue they are relayed.
 */

static int
accept_frames(struct virtio_user *u, const void *data)
{
	(void)u;
	(void)data;
	return 0;
}

static int
set_mac(struct virtio_user *u, const void *data)
{
	memcpy(&u->dev.mac, data, sizeof(u->dev.mac));
	return 0;
}

static int
set_pairs(struct virtio_user *u, const void *data)
{
	struct virtio_net_ctrl_mq mq;

	memcpy(&mq, data, sizeof(mq));
	if (mq.virtqueue_pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN ||
		mq.virtqueue_pairs > u->dev.max_pairs)
		return -EINVAL;
	return virtio_user_enable_pairs(u, mq.virtqueue_pairs);
}

/* own: run() also tells a back end that has a control queue. */
static const struct command {
	bool own;
	uint8_t class;
	uint8_t cmd;
	uint32_t len;
	int (*run)(struct virtio_user *u, const void *data);
} commands[] = {
	{ false, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1, accept_frames },
	{ false, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1, accept_frames },
	{ false, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, RTE_ETHER_ADDR_LEN, set_mac },
	{ true, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		sizeof(struct virtio_net_ctrl_mq), set_pairs },
};

static const struct command *
find(uint8_t class, uint8_t cmd, uint32_t len)
{
	for (unsigned int i = 0; i < RTE_DIM(commands); i++)
		if (commands[i].class == class && commands[i].cmd == cmd && commands[i].len == len)
			return &commands[i];
	return NULL;
}

int
virtio_user_control(struct virtio_user *u, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len)
{
	const struct command *c = find(class, cmd, len);
	int ret = 0;

	if (u->backend->control != NULL && (c == NULL || !c->own))
		ret = u->backend->control(u, class, cmd, data, len);
	if (ret < 0 || (c == NULL && u->backend->control != NULL))
		return ret;
	if (c != NULL)
		return c->run(u, data);
	VIRTIO_LOG(ERR, "%s: control command %u.%u of %u bytes is not known", u->dev.name, class,
		cmd, len);
	return -EIO;
}

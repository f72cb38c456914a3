/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>

#include "log.h"
#include "user.h"

/*
 * Control commands are seen here first. A back end that only moves frames knows nothing of them:
 * what they ask is already so, as it hands us every frame it has. To one that has a control queue
 * they are relayed. How many pairs are in use is virtio_user_enable_pairs()'s business.
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
	struct rte_ether_addr mac;
	int ret = 0;

	memcpy(&mac, data, sizeof(mac));
	if (u->backend->control == NULL)
		ret = virtio_user_tell_mac(u, &mac);
	if (ret == 0)
		u->dev.mac = mac;
	return ret;
}

static int
read_mac(struct virtio_user *u, struct rte_ether_addr *mac)
{
	return u->backend->read_config(u, offsetof(struct virtio_net_config, mac), mac,
		sizeof(*mac));
}

static int
write_mac(struct virtio_user *u, const struct rte_ether_addr *mac)
{
	if (u->backend->write_config == NULL)
		return -ENOTSUP;
	return u->backend->write_config(u, offsetof(struct virtio_net_config, mac), mac,
		sizeof(*mac));
}

/* True for a device that has an address, and no command that changes it. */
static bool
keeps_mac(const struct virtio_user *u)
{
	return u->running && (u->backend_features & VIRTIO_FEATURE(VIRTIO_NET_F_MAC)) &&
		(u->backend->control == NULL || !virtio_has(&u->dev, VIRTIO_NET_F_CTRL_MAC_ADDR));
}

int
virtio_user_tell_mac(struct virtio_user *u, const struct rte_ether_addr *mac)
{
	struct rte_ether_addr now;
	int ret;

	/* Nobody knows the address of a device that does not let it be read. */
	if (!keeps_mac(u) || read_mac(u, &now) < 0 || rte_is_same_ether_addr(&now, mac))
		return 0;
	ret = write_mac(u, mac);
	if (ret == 0)
		ret = read_mac(u, &now);
	if (ret == 0 && rte_is_same_ether_addr(&now, mac))
		return 0;
	VIRTIO_LOG(WARNING,
		"%s: the device at %s keeps its own address, " RTE_ETHER_ADDR_PRT_FMT
		", and may give us no frames for " RTE_ETHER_ADDR_PRT_FMT,
		u->dev.name, u->args.path, RTE_ETHER_ADDR_BYTES(&now), RTE_ETHER_ADDR_BYTES(mac));
	/* Unless it refused, nobody knows where the connection stands. */
	if (ret < 0 && ret != -ENOTSUP)
		u->backend->give_up(u);
	return -EIO;
}

int
virtio_user_tell_mtu(struct virtio_user *u)
{
	const bool knows = virtio_has(&u->dev, VIRTIO_NET_F_MTU);
	int ret = -ENOTSUP;

	if (u->mtu == 0)
		return 0;
	if (knows)
		ret = u->backend->set_mtu(u, u->mtu);
	if (ret == -EREMOTEIO)
		VIRTIO_LOG(WARNING,
			"%s: the back end at %s refuses MTU %u: it may drop frames that are larger than "
			"its own",
			u->dev.name, u->args.path, u->mtu);
	if (ret != -ENOTSUP)
		return ret;
	/* What a device said that it takes at most, ethdev has seen to. */
	if (u->mtu > RTE_ETHER_MTU && !(knows && u->backend->control != NULL))
		VIRTIO_LOG(NOTICE,
			"%s: %s is not told of MTU %u, and may drop larger frames than it is set up "
			"for: set it up for them as well",
			u->dev.name, u->args.path, u->mtu);
	return 0;
}

/* len: 0 for any. */
static const struct command {
	uint8_t class;
	uint8_t cmd;
	uint32_t len;
	int (*run)(struct virtio_user *u, const void *data);
} commands[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1, accept_frames },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1, accept_frames },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0, accept_frames },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, RTE_ETHER_ADDR_LEN, set_mac },
};

static const struct command *
find(uint8_t class, uint8_t cmd, uint32_t len)
{
	for (unsigned int i = 0; i < RTE_DIM(commands); i++)
		if (commands[i].class == class && commands[i].cmd == cmd &&
			(commands[i].len == len || commands[i].len == 0))
			return &commands[i];
	return NULL;
}

int
virtio_user_control(struct virtio_user *u, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len)
{
	const struct command *c = find(class, cmd, len);
	int ret = 0;

	if (u->backend->control != NULL)
		ret = u->backend->control(u, class, cmd, data, len);
	if (ret < 0 || (c == NULL && u->backend->control != NULL))
		return ret;
	if (c != NULL)
		return c->run(u, data);
	VIRTIO_LOG(ERR, "%s: control command %u.%u of %u bytes is not known", u->dev.name, class,
		cmd, len);
	return -EIO;
}

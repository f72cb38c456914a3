/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include "peer_fd.h"
#include "vdpa.h"
#include "vhost_user_backend.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of the device configuration space, which is the vDPA device's, and of the channel on
 * which changes of it are told.
 */

/* How many bytes the message is about, or -EPROTO. */
static int
config_size(struct vhost_device *dev, const struct vhost_user_message *msg)
{
	const uint32_t size = msg->payload.config.size;
	const uint32_t offset = msg->payload.config.offset;

	if (size > VHOST_USER_CONFIG_MAX || offset > VHOST_USER_CONFIG_MAX - size ||
		msg->header.size < VHOST_USER_CONFIG_HEADER_SIZE + size)
		return vhost_device_error(dev, -EPROTO,
			"%u bytes from %u of configuration in %u bytes of payload", size, offset,
			msg->header.size);
	return (int)size;
}

int
vhost_user_get_config(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	struct vhost_user_config *config = &msg->payload.config;
	uint8_t space[VHOST_USER_CONFIG_MAX] = { 0 };
	const int size = config_size(dev, msg);
	int ret = -ENOTSUP;

	(void)q;
	if (size < 0)
		return size;
	if (dev->vdpa != NULL)
		ret = VDPA_OP(dev->vdpa, get_config, dev->vid, space, config->offset + size);
	/* An answer without content says that there is none. */
	if (ret < 0) {
		config->size = 0;
		msg->header.size = 0;
		return VHOST_USER_REPLY;
	}
	memcpy(config->region, &space[config->offset], size);
	msg->header.size = VHOST_USER_CONFIG_HEADER_SIZE + size;
	return VHOST_USER_REPLY;
}

int
vhost_user_set_config(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	struct vhost_user_config *config = &msg->payload.config;
	const int size = config_size(dev, msg);
	int ret = -ENOTSUP;

	(void)q;
	if (size < 0)
		return size;
	if (config->flags > 1)
		return vhost_device_error(dev, -EPROTO, "configuration flags 0x%x", config->flags);
	if (dev->vdpa != NULL)
		ret = VDPA_OP(dev->vdpa, set_config, dev->vid, config->region, config->offset, size,
			config->flags);
	if (ret != 0)
		return vhost_device_error(dev, -ENOTSUP,
			"the device does not take %d bytes of configuration at %u (%d)", size,
			config->offset, ret);
	return 0;
}

int
vhost_user_set_backend_req_fd(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	if (!vhost_peer_fd_is_unix_stream(msg->fds[0]))
		return vhost_device_error(dev, -EPROTO,
			"the descriptor is no stream socket of the UNIX domain");
	vhost_user_backend_set_fd(dev, vhost_user_take_fd(msg));
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "user.h"

/* What begins so is a device of the kernel even while it is not there. */
#define DEVICE_PREFIX "/dev/vhost-"
#define VHOST_NET "/dev/vhost-net"

/* What a path leads to, or will. */
static const struct virtio_backend_ops *
backend_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 ? !S_ISCHR(st.st_mode) :
				   strncmp(path, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) != 0)
		return &virtio_backend_vhost_user;
	if (strcmp(path, VHOST_NET) == 0)
		return &virtio_backend_vhost_kernel;
	return &virtio_backend_vhost_vdpa;
}

int
virtio_user_choose_backend(struct virtio_user *u)
{
	const char *path = u->args.path, *wrong = NULL;

	u->backend = backend_of(path);
	u->dev.ring_align = u->backend->ring_align;
	u->dev.single_rings = u->backend->control == NULL;
	if (u->args.iface[0] != '\0' && u->backend != &virtio_backend_vhost_kernel) {
		VIRTIO_LOG(ERR,
			"%s: iface=%s names an interface of the kernel, and %s has none: "
			"use path=" VHOST_NET,
			u->dev.name, u->args.iface, path);
		return -EINVAL;
	}
	if (u->backend == &virtio_backend_vhost_user)
		return 0;
	if (u->args.server)
		wrong = "server=1 is for sockets";
	else if (u->backend->split_sizes && !rte_is_power_of_2(u->args.queue_size))
		wrong = "its queue_size= must be a power of 2";
	if (wrong != NULL) {
		VIRTIO_LOG(ERR, "%s: %s is a device of the kernel: %s", u->dev.name, path, wrong);
		return -EINVAL;
	}
	/* It has filters that want to be set. */
	if (!u->args.cq_given && u->backend->control != NULL)
		u->args.cq = true;
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "user.h"
#include "vdpa_control.h"
#include "vhost_ioctl.h"

/** How long a device may think about a command, while it has time at all. */
#define ANSWER_TIMEOUT_MS 5000

/**
 * Entries of the ring. mlx5_vdpa of before Linux 6.9 has so many, whatever it is told, and needs
 * no more than a command has.
 */
#define RING_SIZE 16

/** Its address space, where a device has more than one. */
#define CONTROL_ASID 1

#define BACKEND(name) (UINT64_C(1) << VHOST_BACKEND_F_##name)

int
vdpa_control_open(const struct virtio_user *u, struct vdpa_control *c)
{
	*c = (struct vdpa_control){ .kickfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	/* Shared, as devices that are programs demand of what they are to reach. */
	c->mem = mmap(NULL, VIRTIO_CONTROL_RING_BYTES, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->kickfd >= 0 && c->mem != MAP_FAILED)
		return 0;
	VIRTIO_LOG(ERR, "%s: no memory or eventfd for a control queue: %s", u->dev.name,
		strerror(errno));
	vdpa_control_close(c);
	return -ENOMEM;
}

void
vdpa_control_close(struct vdpa_control *c)
{
	if (c->kickfd >= 0)
		close(c->kickfd);
	if (c->mem != MAP_FAILED)
		munmap(c->mem, VIRTIO_CONTROL_RING_BYTES);
	for (unsigned int i = 0; i < VDPA_SHADOWS; i++)
		free(c->shadow[i].data);
}

/* Put the queue's group into an address space of its own, if it is alone in that group. */
static uint32_t
separate(const struct vdpa_iova *v, uint32_t index)
{
	struct vhost_vring_state control = { .index = index };
	struct vhost_vring_state frames = { .index = 0 };
	unsigned int spaces = 1;

	if (!(v->features & BACKEND(IOTLB_ASID)) ||
		ioctl(v->fd, VHOST_VDPA_GET_AS_NUM, &spaces) < 0 || spaces <= CONTROL_ASID ||
		ioctl(v->fd, VHOST_VDPA_GET_VRING_GROUP, &control) < 0)
		return 0;
	for (frames.index = 0; frames.index < index; frames.index++)
		if (ioctl(v->fd, VHOST_VDPA_GET_VRING_GROUP, &frames) < 0 ||
			frames.num == control.num)
			return 0;
	control.index = control.num;
	control.num = CONTROL_ASID;
	return ioctl(v->fd, VHOST_VDPA_SET_GROUP_ASID, &control) < 0 ? 0 : CONTROL_ASID;
}

int
vdpa_control_setup(const struct virtio_user *u, struct vdpa_control *c, const struct vdpa_iova *v,
	uint32_t index, uint16_t size_max)
{
	const uint16_t size = RTE_MIN(size_max, RING_SIZE);
	struct vhost_vring_state enable = { .index = index, .num = 1 };
	struct virtio_control_ring_areas areas;
	int ret;

	if (size < VIRTIO_CONTROL_RING_SIZE_MIN) {
		VIRTIO_LOG(ERR,
			"%s: the control queue of %s has %u entries, and takes %u: use cq=0",
			u->dev.name, u->args.path, size, VIRTIO_CONTROL_RING_SIZE_MIN);
		return -ENOTSUP;
	}
	if (!vdpa_iova_hole(u, v, VIRTIO_CONTROL_RING_BYTES, &c->iova))
		return -ERANGE;
	c->index = index;
	c->asid = separate(v, index);
	ret = vdpa_iova_map(u, v, c->asid, c->iova, VIRTIO_CONTROL_RING_BYTES, c->mem);
	if (ret < 0)
		return ret;
	c->mapped = true;
	virtio_control_ring_init(&c->ring, c->mem, c->iova, size, u->dev.features);
	areas = virtio_control_ring_areas(&c->ring);
	ret = vhost_setup_ring(u, v->fd,
		&(struct vhost_ring){
			.index = index,
			.size = size,
			.descriptors = areas.descriptors,
			.driver = areas.driver,
			.device = areas.device,
			.kickfd = c->kickfd,
			.callfd = -1,
		});
	if (ret == 0)
		ret = VHOST_CALL(u, v->fd, VHOST_VDPA_SET_VRING_ENABLE, &enable);
	c->ready = ret == 0;
	VIRTIO_LOG(INFO, "%s: control queue %u in address space %u of %s", u->dev.name, index,
		c->asid, u->args.path);
	return ret;
}

void
vdpa_control_reset(struct vdpa_control *c, const struct vdpa_iova *v)
{
	if (c->mapped)
		vdpa_iova_unmap(v, c->asid, c->iova, VIRTIO_CONTROL_RING_BYTES);
	c->mapped = false;
	c->ready = false;
}

static int
relay(const struct virtio_user *u, struct vdpa_control *c, uint8_t class, uint8_t cmd,
	const void *data, uint32_t len)
{
	const unsigned int patience = (unsigned int)RTE_MIN(ANSWER_TIMEOUT_MS,
		virtio_user_left_ms(u));
	int ret;

	/* It was said. */
	if (c->ring.dead)
		return -ETIMEDOUT;
	ret = virtio_control_ring_put(&c->ring, class, cmd, data, len);
	if (ret == 0) {
		eventfd_write(c->kickfd, 1);
		ret = virtio_control_ring_wait(&c->ring, patience);
	}
	if (ret == -ETIMEDOUT)
		VIRTIO_LOG(ERR,
			"%s: %s did not answer control command %u.%u within %u ms%s: it gets no "
			"more until the port is started again",
			u->dev.name, u->args.path, class, cmd, patience,
			patience < ANSWER_TIMEOUT_MS ? ", which those before it left" : "");
	else if (ret < 0)
		VIRTIO_LOG(ERR, "%s: control command %u.%u of %u bytes to %s: %s", u->dev.name,
			class, cmd, len, u->args.path, ret == -EIO ? "it refused" : strerror(-ret));
	return ret;
}

/* Commands whose last one counts, until a reset undoes it, and the feature that they take. */
static const struct {
	uint8_t class;
	uint8_t cmd;
	uint8_t feature;
} shadowed[VDPA_SHADOWS] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR },
};

static void
remember_vlan(struct vdpa_control *c, uint8_t cmd, const void *data, uint32_t len)
{
	uint16_t id;

	if (len != sizeof(id))
		return;
	memcpy(&id, data, sizeof(id));
	id %= VDPA_VLANS;
	if (cmd == VIRTIO_NET_CTRL_VLAN_ADD)
		c->vlans[id / 64] |= UINT64_C(1) << id % 64;
	else
		c->vlans[id / 64] &= ~(UINT64_C(1) << id % 64);
}

static int
remember(struct vdpa_control *c, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	unsigned int i = 0;
	void *copy;

	if (class == VIRTIO_NET_CTRL_VLAN)
		remember_vlan(c, cmd, data, len);
	while (i < VDPA_SHADOWS && (shadowed[i].class != class || shadowed[i].cmd != cmd))
		i++;
	if (i == VDPA_SHADOWS || len == 0)
		return 0;
	copy = malloc(len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, data, len);
	free(c->shadow[i].data);
	c->shadow[i] = (struct vdpa_shadow){ .len = len, .data = copy };
	return 0;
}

int
vdpa_control_command(const struct virtio_user *u, struct vdpa_control *c, uint8_t class,
	uint8_t cmd, const void *data, uint32_t len)
{
	int ret = c->ready ? relay(u, c, class, cmd, data, len) : 0;

	return ret < 0 ? ret : remember(c, class, cmd, data, len);
}

int
vdpa_control_restore(const struct virtio_user *u, struct vdpa_control *c)
{
	int ret = 0;

	for (unsigned int i = 0; i < VDPA_SHADOWS && ret == 0; i++) {
		const struct vdpa_shadow *s = &c->shadow[i];

		if (s->data == NULL || !virtio_has(&u->dev, shadowed[i].feature))
			continue;
		ret = relay(u, c, shadowed[i].class, shadowed[i].cmd, s->data, s->len);
		/* A device that came back different does without what it cannot. */
		if (ret == -EIO && !c->ring.dead)
			ret = 0;
	}
	for (uint16_t id = 0; id < VDPA_VLANS && ret == 0; id++)
		if (virtio_has(&u->dev, VIRTIO_NET_F_CTRL_VLAN) && c->vlans[id / 64] >> id % 64 & 1)
			ret = relay(u, c, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &id,
				sizeof(id));
	return ret;
}

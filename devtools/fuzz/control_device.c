/* SPDX-License-Identifier: BSD-3-Clause */

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "control_device.h"

/* A command has no more buffers than these. */
#define PARTS_MAX 3

static const struct virtio_control_ring *asked;

int __real_virtio_control_ring_put(struct virtio_control_ring *r, uint8_t class, uint8_t cmd,
	const void *data, uint32_t len);

int
__wrap_virtio_control_ring_put(struct virtio_control_ring *r, uint8_t class, uint8_t cmd,
	const void *data, uint32_t len)
{
	const int ret = __real_virtio_control_ring_put(r, class, cmd, data, len);

	if (ret == 0)
		asked = r;
	return ret;
}

void
control_device_begin(void)
{
	asked = NULL;
}

/* The ring's memory as the device finds it behind an address, if it is there: a device scribbles. */
static void
put_ack(const struct virtio_control_ring *r, uint64_t addr, uint8_t ack)
{
	if (addr - r->iova < VIRTIO_CONTROL_RING_BYTES)
		r->mem[addr - r->iova] = ack;
}

static void
answer_split(const struct virtio_control_ring *r, uint8_t ack, uint32_t id_off)
{
	const struct vring_desc *d = (const struct vring_desc *)r->mem;
	struct vring_used *used = (struct vring_used *)(r->mem +
		(virtio_control_ring_areas(r).device - r->iova));
	uint16_t at = r->last;

	for (unsigned int n = 1; n < PARTS_MAX && d[at].flags & VRING_DESC_F_NEXT; n++)
		at = d[at].next & (r->size - 1);
	put_ack(r, d[at].addr, ack);
	used->ring[used->idx & (r->size - 1)] = (struct vring_used_elem){ r->last + id_off, 1 };
	used->idx++;
}

static void
answer_packed(const struct virtio_control_ring *r, uint8_t ack, uint32_t id_off)
{
	struct vring_packed_desc *d = (struct vring_packed_desc *)r->mem;
	uint16_t at = r->last;

	for (unsigned int n = 1; n < PARTS_MAX && d[at].flags & VRING_DESC_F_NEXT; n++)
		at = (at + 1) % r->size;
	put_ack(r, d[at].addr, ack);
	d[r->last].id += (uint16_t)id_off;
	/* Available in a lap whose flags differ: used means that both are as available was. */
	d[r->last].flags = d[r->last].flags & (1 << VRING_PACKED_DESC_F_AVAIL) ?
		1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED :
		0;
}

void
control_device_act(struct fuzz_input *in)
{
	const struct virtio_control_ring *r = asked;
	enum control_answer how;
	uint32_t id_off = 0;

	if (r == NULL)
		return;
	how = fuzz_u8(in) % CONTROL_ANSWERS;
	if (how == CONTROL_SILENT)
		return;
	if (how == CONTROL_SCRIBBLES) {
		memset(r->mem, fuzz_u8(in), fuzz_u16(in) % (VIRTIO_CONTROL_RING_BYTES + 1));
		return;
	}
	if (how == CONTROL_WRONG_ID)
		id_off = fuzz_u16(in);
	if (r->packed)
		answer_packed(r, how == CONTROL_REFUSES ? VIRTIO_NET_ERR : VIRTIO_NET_OK, id_off);
	else
		answer_split(r, how == CONTROL_REFUSES ? VIRTIO_NET_ERR : VIRTIO_NET_OK, id_off);
	asked = NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The public API of buffers in flight. The claim of the ring keeps the region where it is, and one
 * caller waiting for another.
 */

#include <linux/virtio_config.h>

#include "device.h"

/* The formats that a function is for. */
enum format {
	SPLIT,
	PACKED,
	EITHER,
};

static bool
is_format(const struct vhost_device *dev, enum format format)
{
	return format == EITHER ||
		(format == PACKED) == vhost_device_has_feature(dev, VIRTIO_F_RING_PACKED);
}

/* Claim a ring that has a part of a region; NULL if there is none, or the ring does not run. */
static struct vhost_queue *
claim(int vid, uint16_t index, enum format format)
{
	struct vhost_device *dev = vhost_device_get(vid);
	struct vhost_queue *q = dev == NULL ? NULL : vhost_device_find_queue(dev, index);

	if (q == NULL || !is_format(dev, format))
		return NULL;
	vhost_vring_claim(&q->vring);
	if (q->inflight.region != NULL)
		return q;
	vhost_vring_release(&q->vring);
	return NULL;
}

static int
release(struct vhost_queue *q, int ret)
{
	vhost_vring_release(&q->vring);
	return ret;
}

/* What is returned when there is nothing to store into: no harm, if it was not agreed on. */
static int
not_tracked(int vid)
{
	const struct vhost_device *dev = vhost_device_get(vid);

	return dev != NULL &&
			!vhost_device_has_protocol_feature(dev, VHOST_USER_PF_INFLIGHT_SHMFD) ?
		0 :
		-1;
}

int
rte_vhost_get_vhost_ring_inflight(int vid, uint16_t vring_idx,
	struct rte_vhost_ring_inflight *vring)
{
	struct vhost_queue *q = vring == NULL ? NULL : claim(vid, vring_idx, EITHER);

	if (q == NULL)
		return -1;
	vring->inflight_split = q->inflight.split;
	vring->resubmit_inflight = &q->inflight.resubmit;
	return release(q, 0);
}

int
rte_vhost_set_inflight_desc_split(int vid, uint16_t vring_idx, uint16_t idx)
{
	struct vhost_queue *q = claim(vid, vring_idx, SPLIT);

	return q == NULL ? not_tracked(vid) :
			   release(q, vhost_inflight_take_split(&q->inflight, idx));
}

int
rte_vhost_set_inflight_desc_packed(int vid, uint16_t vring_idx, uint16_t head, uint16_t last,
	uint16_t *inflight_entry)
{
	struct vhost_queue *q = inflight_entry == NULL ? NULL : claim(vid, vring_idx, PACKED);

	if (q == NULL)
		return inflight_entry == NULL ? -1 : not_tracked(vid);
	return release(q,
		vhost_inflight_take_packed(&q->inflight, q->vring.packed_desc, head, last,
			inflight_entry));
}

int
rte_vhost_set_last_inflight_io_split(int vid, uint16_t vring_idx, uint16_t idx)
{
	struct vhost_queue *q = claim(vid, vring_idx, SPLIT);

	return q == NULL ? not_tracked(vid) :
			   release(q, vhost_inflight_give_split(&q->inflight, idx));
}

int
rte_vhost_set_last_inflight_io_packed(int vid, uint16_t vring_idx, uint16_t head)
{
	struct vhost_queue *q = claim(vid, vring_idx, PACKED);

	return q == NULL ? not_tracked(vid) :
			   release(q, vhost_inflight_give_packed(&q->inflight, head));
}

int
rte_vhost_clr_inflight_desc_split(int vid, uint16_t vring_idx, uint16_t last_used_idx, uint16_t idx)
{
	struct vhost_queue *q = claim(vid, vring_idx, SPLIT);

	return q == NULL ? not_tracked(vid) :
			   release(q, vhost_inflight_given_split(&q->inflight, last_used_idx, idx));
}

int
rte_vhost_clr_inflight_desc_packed(int vid, uint16_t vring_idx, uint16_t head)
{
	struct vhost_queue *q = claim(vid, vring_idx, PACKED);

	return q == NULL ? not_tracked(vid) :
			   release(q, vhost_inflight_given_packed(&q->inflight, head));
}

int
rte_vhost_get_vring_base_from_inflight(int vid, uint16_t queue_id, uint16_t *last_avail_idx,
	uint16_t *last_used_idx)
{
	struct vhost_queue *q;
	uint16_t base;
	int ret;

	if (last_avail_idx == NULL || last_used_idx == NULL)
		return -1;
	q = claim(vid, queue_id, PACKED);
	if (q == NULL)
		return -1;
	ret = vhost_inflight_base_packed(&q->inflight, &base);
	if (ret == 0)
		*last_avail_idx = *last_used_idx = base;
	return release(q, ret);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>

#include "control_ring.h"

/*
 * Where things are in the memory: descriptors and behind them, as legacy devices expect it, the
 * driver's area in the first page, the device's area in the second one, and then the command.
 */
#define DEVICE_AREA 4096
#define COMMAND (DEVICE_AREA + 1024)
#define ANSWER (COMMAND + 32)
#define DATA (COMMAND + 64)

#define NO_ANSWER 0xff

_Static_assert(VIRTIO_CONTROL_RING_SIZE * sizeof(struct vring_desc) + sizeof(struct vring_avail) +
			(VIRTIO_CONTROL_RING_SIZE + 1) * sizeof(uint16_t) <=
		DEVICE_AREA,
	"descriptors and available ring do not fit");
_Static_assert(sizeof(struct vring_used) +
			VIRTIO_CONTROL_RING_SIZE * sizeof(struct vring_used_elem) +
			sizeof(uint16_t) <=
		COMMAND - DEVICE_AREA,
	"used ring does not fit");
_Static_assert(DATA + VIRTIO_CONTROL_DATA_MAX <= VIRTIO_CONTROL_RING_BYTES, "data does not fit");

/* One buffer of a command. */
struct part {
	uint32_t offset;
	uint32_t len;
	bool device_writes;
};

static struct vring_desc *
split_descs(const struct virtio_control_ring *r)
{
	return (struct vring_desc *)r->mem;
}

static uint32_t
driver_area(const struct virtio_control_ring *r)
{
	return r->size * (uint32_t)sizeof(struct vring_desc);
}

static struct vring_avail *
avail(const struct virtio_control_ring *r)
{
	return (struct vring_avail *)(r->mem + driver_area(r));
}

static struct vring_used *
used(const struct virtio_control_ring *r)
{
	return (struct vring_used *)(r->mem + DEVICE_AREA);
}

static struct vring_packed_desc *
packed_descs(const struct virtio_control_ring *r)
{
	return (struct vring_packed_desc *)r->mem;
}

void
virtio_control_ring_init(struct virtio_control_ring *r, void *mem, uint64_t iova, uint16_t size,
	uint64_t features)
{
	const bool packed = features >> VIRTIO_F_RING_PACKED & 1;

	*r = (struct virtio_control_ring){
		.mem = mem,
		.iova = iova,
		.size = size,
		.packed = packed,
		.wrap = true,
	};
	memset(mem, 0, VIRTIO_CONTROL_RING_BYTES);
	/*
	 * Answers are looked for, not waited for in an interrupt. With EVENT_IDX, split rings say so by
	 * an index that the device does not come past for long, and have no flag (virtio 1.2, 2.7.7.1).
	 */
	if (packed)
		((struct vring_packed_desc_event *)(r->mem + driver_area(r)))->flags =
			VRING_PACKED_EVENT_FLAG_DISABLE;
	else if (features >> VIRTIO_RING_F_EVENT_IDX & 1)
		avail(r)->ring[size] = UINT16_MAX / 2;
	else
		avail(r)->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

struct virtio_control_ring_areas
virtio_control_ring_areas(const struct virtio_control_ring *r)
{
	return (struct virtio_control_ring_areas){
		.descriptors = r->iova,
		.driver = r->iova + driver_area(r),
		.device = r->iova + DEVICE_AREA,
	};
}

static void
put_split(struct virtio_control_ring *r, const struct part *parts, unsigned int n)
{
	const uint16_t mask = r->size - 1;
	uint16_t at = r->next;

	for (unsigned int i = 0; i < n; i++) {
		const bool last = i + 1 == n;

		split_descs(r)[at] = (struct vring_desc){
			.addr = r->iova + parts[i].offset,
			.len = parts[i].len,
			.flags = (parts[i].device_writes ? VRING_DESC_F_WRITE : 0) |
				(last ? 0 : VRING_DESC_F_NEXT),
			.next = (at + 1) & mask,
		};
		at = (at + 1) & mask;
	}
	avail(r)->ring[r->head & mask] = r->next;
	r->last = r->next;
	r->next = at;
	r->head++;
	/* Pairs with the device's acquire: who sees the index sees the descriptors. */
	__atomic_store_n(&avail(r)->idx, r->head, __ATOMIC_RELEASE);
}

/* The id that the device returned, or -1 if it has not yet. */
static int64_t
returned_split(const struct virtio_control_ring *r)
{
	const uint16_t idx = __atomic_load_n(&used(r)->idx, __ATOMIC_ACQUIRE);

	if (idx == (uint16_t)(r->head - 1))
		return -1;
	if (idx != r->head)
		return UINT32_MAX;
	return used(r)->ring[(r->head - 1) & (r->size - 1)].id;
}

static uint16_t
packed_bits(bool wrap)
{
	return wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED;
}

static void
put_packed(struct virtio_control_ring *r, const struct part *parts, unsigned int n)
{
	struct vring_packed_desc *first = &packed_descs(r)[r->head];
	uint16_t first_flags = 0;

	r->last = r->head;
	for (unsigned int i = 0; i < n; i++) {
		struct vring_packed_desc *d = &packed_descs(r)[r->head];
		const uint16_t flags = packed_bits(r->wrap) |
			(parts[i].device_writes ? VRING_DESC_F_WRITE : 0) |
			(i + 1 == n ? 0 : VRING_DESC_F_NEXT);

		d->addr = r->iova + parts[i].offset;
		d->len = parts[i].len;
		d->id = r->last;
		if (i == 0)
			first_flags = flags;
		else
			d->flags = flags;
		if (++r->head == r->size) {
			r->head = 0;
			r->wrap = !r->wrap;
		}
	}
	/* Pairs with the device's acquire: the whole chain is there when its first one is. */
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
}

static int64_t
returned_packed(const struct virtio_control_ring *r)
{
	const struct vring_packed_desc *d = &packed_descs(r)[r->last];
	const uint16_t both = 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
	/* The lap that the command began in, which may have ended in its middle. */
	const bool wrap = r->head > r->last ? r->wrap : !r->wrap;
	const uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

	return (flags & both) == (wrap ? both : 0) ? d->id : -1;
}

int
virtio_control_ring_put(struct virtio_control_ring *r, uint8_t class, uint8_t cmd, const void *data,
	uint32_t len)
{
	const struct virtio_net_ctrl_hdr hdr = { .class = class, .cmd = cmd };
	struct part parts[3] = { { COMMAND, sizeof(hdr), false } };
	unsigned int n = 1;

	if (r->dead)
		return -EIO;
	if (len > VIRTIO_CONTROL_DATA_MAX)
		return -EINVAL;
	memcpy(r->mem + COMMAND, &hdr, sizeof(hdr));
	if (len > 0) {
		memcpy(r->mem + DATA, data, len);
		parts[n++] = (struct part){ DATA, len, false };
	}
	r->mem[ANSWER] = NO_ANSWER;
	parts[n++] = (struct part){ ANSWER, 1, true };
	if (r->packed)
		put_packed(r, parts, n);
	else
		put_split(r, parts, n);
	return 0;
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int
virtio_control_ring_wait(struct virtio_control_ring *r, unsigned int timeout_ms)
{
	const uint64_t end = now_us() + timeout_ms * UINT64_C(1000);
	struct timespec nap = { .tv_nsec = 20000 };
	int64_t id;

	while ((id = r->packed ? returned_packed(r) : returned_split(r)) < 0) {
		if (now_us() >= end) {
			r->dead = true;
			return -ETIMEDOUT;
		}
		nanosleep(&nap, NULL);
		nap.tv_nsec = RTE_MIN(2 * nap.tv_nsec, 1000000L);
	}
	if (id != r->last) {
		r->dead = true;
		return -EPROTO;
	}
	return __atomic_load_n(&r->mem[ANSWER], __ATOMIC_RELAXED) == VIRTIO_NET_OK ? 0 : -EIO;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include "ring_driver.h"

#define HAS(d, bit) (((d)->features & (UINT64_C(1) << (bit))) != 0)
#define AVAIL_BIT (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED_BIT (1u << VRING_PACKED_DESC_F_USED)

static struct vring_desc *
split_descs(const struct ring_driver *d)
{
	return d->layout.desc;
}

static struct vring_packed_desc *
packed_descs(const struct ring_driver *d)
{
	return d->layout.desc;
}

void
ring_driver_init(struct ring_driver *d, struct guest_memory *memory, uint64_t features,
	uint16_t size)
{
	uint64_t desc, driver, device, gpa;

	*d = (struct ring_driver){ .memory = memory,
		.features = features,
		.size = size,
		.free = size,
		.avail_wrap = true,
		.used_wrap = true };
	vhost_vring_area_sizes(features, size, &desc, &driver, &device);
	d->layout.size = size;
	d->layout.desc = guest_memory_alloc_whole(memory, desc, 16, &gpa);
	d->layout.driver = guest_memory_alloc_whole(memory, driver, 4, &gpa);
	d->layout.device = guest_memory_alloc_whole(memory, device, 4, &gpa);
	d->layout.log_gpa = gpa;
	memset(d->layout.desc, 0, desc);
	memset(d->layout.driver, 0, driver);
	memset(d->layout.device, 0, device);
	d->buffers = calloc(size, sizeof(d->buffers[0]));
	d->order = calloc(size, sizeof(d->order[0]));
	assert_non_null(d->buffers);
	assert_non_null(d->order);
	for (uint16_t i = 0; i < size; i++) {
		d->buffers[i].token = RING_DRIVER_NONE;
		if (!HAS(d, VIRTIO_F_RING_PACKED))
			split_descs(d)[i].next = (i + 1) % size;
	}
}

void
ring_driver_fini(struct ring_driver *d)
{
	free(d->buffers);
	free(d->order);
}

void
ring_driver_attach(const struct ring_driver *d, struct vhost_vring *vr, const char *name)
{
	/* Of a packed ring, the wrap counter begins with 1. */
	const uint16_t base = HAS(d, VIRTIO_F_RING_PACKED) ? 0x8000 : 0;

	vhost_vring_init(vr, name);
	vhost_vring_set_features(vr, d->features);
	assert_int_equal(vhost_vring_set_layout(vr, &d->layout), 0);
	assert_int_equal(vhost_vring_set_base(vr, base, base), 0);
}

/* A table anywhere in memory, as driver and device may meet it: crossing regions, misaligned. */
static struct ring_driver_seg
write_table(struct ring_driver *d, const struct ring_driver_seg *segs, uint16_t n, uint16_t flags)
{
	struct ring_driver_seg table = { .len = n * sizeof(struct vring_desc) };

	table.gpa = guest_memory_alloc(d->memory, table.len, 1);
	for (uint16_t i = 0; i < n; i++) {
		uint64_t at = table.gpa + i * sizeof(struct vring_desc);

		if (HAS(d, VIRTIO_F_RING_PACKED)) {
			struct vring_packed_desc desc = { .addr = segs[i].gpa,
				.len = segs[i].len,
				.flags = flags };

			guest_memory_write(d->memory, at, &desc, sizeof(desc));
		} else {
			bool last = i + 1 == n;
			struct vring_desc desc = { .addr = segs[i].gpa,
				.len = segs[i].len,
				.flags = flags | (last ? 0 : VRING_DESC_F_NEXT),
				.next = last ? 0 : i + 1 };

			guest_memory_write(d->memory, at, &desc, sizeof(desc));
		}
	}
	return table;
}

static void
add_split(struct ring_driver *d, const struct ring_driver_seg *segs, const uint16_t *flags,
	uint16_t n, uint32_t token)
{
	struct vring_desc *descs = split_descs(d);
	struct vring_avail *avail = d->layout.driver;
	uint16_t head = d->free_head, i = head;

	for (uint16_t k = 0; k < n; k++) {
		i = d->free_head;
		descs[i].addr = segs[k].gpa;
		descs[i].len = segs[k].len;
		descs[i].flags = flags[k] | (k + 1 < n ? VRING_DESC_F_NEXT : 0);
		d->free_head = descs[i].next;
	}
	d->buffers[head] = (struct ring_driver_buffer){ .token = token, .descs = n };
	d->order[d->order_tail++ % d->size] = head;
	avail->ring[d->avail_idx++ % d->size] = head;
}

static void
add_packed(struct ring_driver *d, const struct ring_driver_seg *segs, const uint16_t *flags,
	uint16_t n, uint32_t token)
{
	uint16_t id = 0;

	/* In order, an id is the position of its buffer, which is as good as any other. */
	if (HAS(d, VIRTIO_F_IN_ORDER))
		id = d->avail_idx;
	while (d->buffers[id].token != RING_DRIVER_NONE)
		id++;
	for (uint16_t k = 0; k < n; k++) {
		struct vring_packed_desc *desc = &packed_descs(d)[d->avail_idx];
		uint16_t all = flags[k] | (k + 1 < n ? VRING_DESC_F_NEXT : 0) |
			(d->avail_wrap ? AVAIL_BIT : USED_BIT);

		desc->addr = segs[k].gpa;
		desc->len = segs[k].len;
		desc->id = id;
		if (d->unpublished) {
			desc->flags = all;
		} else {
			d->unpublished = true;
			d->first_pos = d->avail_idx;
			d->first_flags = all;
		}
		if (++d->avail_idx == d->size) {
			d->avail_idx = 0;
			d->avail_wrap = !d->avail_wrap;
		}
	}
	d->buffers[id] = (struct ring_driver_buffer){ .token = token, .descs = n };
	d->order[d->order_tail++ % d->size] = id;
}

bool
ring_driver_add(struct ring_driver *d, const struct ring_driver_seg *segs, uint16_t n,
	bool writable, enum ring_driver_how how, uint32_t token)
{
	uint16_t flag = writable ? VRING_DESC_F_WRITE : 0;
	uint16_t direct = how == RING_DRIVER_DIRECT ? n : how == RING_DRIVER_MIXED ? 1 : 0;
	uint16_t descs = direct + (direct < n);
	struct ring_driver_seg in_ring[RING_DRIVER_SEGS_MAX];
	uint16_t flags[RING_DRIVER_SEGS_MAX];

	assert_true(descs <= RING_DRIVER_SEGS_MAX);
	if (descs > d->free)
		return false;
	for (uint16_t i = 0; i < direct; i++) {
		in_ring[i] = segs[i];
		flags[i] = flag;
	}
	if (direct < n) {
		in_ring[direct] = write_table(d, segs + direct, n - direct, flag);
		flags[direct] = VRING_DESC_F_INDIRECT;
	}
	d->free -= descs;
	if (HAS(d, VIRTIO_F_RING_PACKED))
		add_packed(d, in_ring, flags, descs, token);
	else
		add_split(d, in_ring, flags, descs, token);
	return true;
}

void
ring_driver_publish(struct ring_driver *d)
{
	struct vring_avail *avail = d->layout.driver;

	if (!HAS(d, VIRTIO_F_RING_PACKED)) {
		__atomic_store_n(&avail->idx, d->avail_idx, __ATOMIC_RELEASE);
	} else if (d->unpublished) {
		__atomic_store_n(&packed_descs(d)[d->first_pos].flags, d->first_flags,
			__ATOMIC_RELEASE);
		d->unpublished = false;
	}
}

/* Give the descriptors of a split chain back to the free list; in order, they come in ring order. */
static void
free_split(struct ring_driver *d, uint16_t head, uint16_t n)
{
	struct vring_desc *descs = split_descs(d);
	uint16_t last = head;

	if (HAS(d, VIRTIO_F_IN_ORDER))
		return;
	while (--n > 0)
		last = descs[last].next;
	descs[last].next = d->free_head;
	d->free_head = head;
}

/* The oldest buffer that the device has, if its id is @a id or any will do. */
static uint16_t
take_oldest(struct ring_driver *d)
{
	assert_int_not_equal(d->order_head, d->order_tail);
	return d->order[d->order_head++ % d->size];
}

/* How many buffers a used entry with @a id stands for when used entries come in order. */
static uint32_t
batch_of(const struct ring_driver *d, uint16_t id)
{
	for (uint32_t i = d->order_head; i != d->order_tail; i++) {
		if (d->order[i % d->size] == id)
			return i - d->order_head + 1;
	}
	fail_msg("used id %u was not made available", id);
	return 0;
}

static bool
next_used(struct ring_driver *d, uint16_t *id, uint32_t *len)
{
	if (!HAS(d, VIRTIO_F_RING_PACKED)) {
		struct vring_used *used = d->layout.device;
		struct vring_used_elem *elem = &used->ring[d->used_idx % d->size];

		if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == d->used_idx)
			return false;
		assert_true(elem->id < d->size);
		*id = elem->id;
		*len = elem->len;
		return true;
	}

	struct vring_packed_desc *desc = &packed_descs(d)[d->used_idx];
	uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
	uint16_t want = d->used_wrap ? AVAIL_BIT | USED_BIT : 0;

	if (d->free == d->size || (flags & (AVAIL_BIT | USED_BIT)) != want)
		return false;
	assert_true(desc->id < d->size);
	*id = desc->id;
	/* Without the flag the device tells that the length does not count. */
	*len = (flags & VRING_DESC_F_WRITE) != 0 ? desc->len : 0;
	return true;
}

static void
step_used(struct ring_driver *d, uint16_t descs)
{
	if (!HAS(d, VIRTIO_F_RING_PACKED)) {
		d->used_idx++;
		return;
	}
	d->used_idx += descs;
	if (d->used_idx >= d->size) {
		d->used_idx -= d->size;
		d->used_wrap = !d->used_wrap;
	}
}

bool
ring_driver_take(struct ring_driver *d, uint32_t *token, uint32_t *len)
{
	uint16_t id = 0;

	if (d->batch_left == 0) {
		if (!next_used(d, &id, len))
			return false;
		d->batch_left = HAS(d, VIRTIO_F_IN_ORDER) ? batch_of(d, id) : 1;
		d->batch_len = *len;
	}
	d->batch_left--;
	*len = d->batch_len;
	if (HAS(d, VIRTIO_F_IN_ORDER))
		id = take_oldest(d);

	struct ring_driver_buffer *b = &d->buffers[id];

	assert_int_not_equal(b->token, RING_DRIVER_NONE);
	*token = b->token;
	b->token = RING_DRIVER_NONE;
	d->free += b->descs;
	if (!HAS(d, VIRTIO_F_RING_PACKED))
		free_split(d, id, b->descs);
	step_used(d, b->descs);
	return true;
}

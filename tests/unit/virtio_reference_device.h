/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The device's side of a virtqueue, written from the specification (virtio 1.2, 2.7 and 2.8) and
 * for no other purpose than to be right: no batching, no caching, every rule asserted.
 */

#ifndef VIRTIO_REFERENCE_DEVICE_H
#define VIRTIO_REFERENCE_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_ring.h>

#include "queue.h"

#define REFERENCE_CHAIN_MAX 128

/** One piece of a buffer. */
struct reference_piece {
	uint8_t *addr;
	uint32_t len;
	bool write;
};

/** One buffer that the driver made available. */
struct reference_chain {
	uint16_t id;
	uint16_t descs; /**< of the ring itself */
	uint16_t n;
	struct reference_piece pieces[REFERENCE_CHAIN_MAX];
};

struct reference_ring {
	struct virtio_queue *q; /* where the areas lie; nothing else of it is looked at */
	uint16_t size;
	bool packed;
	bool in_order;
	uint16_t avail; /* packed: position */
	uint16_t used;
	bool avail_wrap;
	bool used_wrap;
};

static inline void
reference_init(struct reference_ring *r, struct virtio_queue *q, bool packed, bool in_order)
{
	*r = (struct reference_ring){
		.q = q,
		.size = q->size,
		.packed = packed,
		.in_order = in_order,
		.avail_wrap = true,
		.used_wrap = true,
	};
}

static inline void
reference_add(struct reference_chain *c, uint64_t addr, uint32_t len, uint16_t flags)
{
	assert_true(c->n < REFERENCE_CHAIN_MAX);
	assert_true(len > 0);
	c->pieces[c->n++] = (struct reference_piece){
		.addr = (uint8_t *)(uintptr_t)addr,
		.len = len,
		.write = flags & VRING_DESC_F_WRITE,
	};
}

static inline bool
reference_pop_split(struct reference_ring *r, struct reference_chain *c)
{
	const struct vring_desc *table = r->q->desc;
	uint16_t at, bound = r->size;

	c->descs = 0;
	c->n = 0;
	if (__atomic_load_n(&r->q->avail->idx, __ATOMIC_ACQUIRE) == r->avail)
		return false;
	at = r->q->avail->ring[r->avail % r->size];
	r->avail++;
	assert_true(at < r->size);
	c->id = at;
	if (table[at].flags & VRING_DESC_F_INDIRECT) {
		assert_false(table[at].flags & VRING_DESC_F_NEXT);
		bound = table[at].len / sizeof(struct vring_desc);
		table = (const struct vring_desc *)(uintptr_t)table[at].addr;
		at = 0;
		c->descs = 1;
	}
	for (;;) {
		assert_false(table[at].flags & VRING_DESC_F_INDIRECT);
		reference_add(c, table[at].addr, table[at].len, table[at].flags);
		if (table == r->q->desc)
			c->descs++;
		if (!(table[at].flags & VRING_DESC_F_NEXT))
			return true;
		if (r->in_order && table == r->q->desc)
			assert_int_equal(table[at].next, (at + 1) % r->size);
		at = table[at].next;
		assert_true(at < bound);
	}
}

static inline void
reference_step(uint16_t *pos, bool *wrap, uint16_t n, uint16_t size)
{
	*pos += n;
	if (*pos >= size) {
		*pos -= size;
		*wrap = !*wrap;
	}
}

static inline bool
reference_is_available(const struct reference_ring *r)
{
	const uint16_t flags = __atomic_load_n(&r->q->packed[r->avail].flags, __ATOMIC_ACQUIRE);
	const bool avail = flags & (1 << VRING_PACKED_DESC_F_AVAIL);
	const bool used = flags & (1 << VRING_PACKED_DESC_F_USED);

	return avail == r->avail_wrap && used != r->avail_wrap;
}

static inline bool
reference_pop_packed(struct reference_ring *r, struct reference_chain *c)
{
	const struct vring_packed_desc *d;

	c->descs = 0;
	c->n = 0;
	if (!reference_is_available(r))
		return false;
	for (;;) {
		/* The rest of a list is there when its first descriptor is. */
		assert_true(reference_is_available(r));
		d = &r->q->packed[r->avail];
		reference_step(&r->avail, &r->avail_wrap, 1, r->size);
		c->descs++;
		c->id = d->id;
		if (d->flags & VRING_DESC_F_INDIRECT) {
			const struct vring_packed_desc *table =
				(const struct vring_packed_desc *)(uintptr_t)d->addr;

			assert_int_equal(c->descs, 1);
			for (uint32_t i = 0; i < d->len / sizeof(*table); i++)
				reference_add(c, table[i].addr, table[i].len, table[i].flags);
			return true;
		}
		reference_add(c, d->addr, d->len, d->flags);
		if (!(d->flags & VRING_DESC_F_NEXT))
			return true;
	}
}

/** Take the next available buffer. @return false if there is none */
static inline bool
reference_pop(struct reference_ring *r, struct reference_chain *c)
{
	return r->packed ? reference_pop_packed(r, c) : reference_pop_split(r, c);
}

/**
 * Return a buffer, of which @a len bytes were written. @a batch counts buffers that are returned
 * with it although their own return is not written, which only an in-order device may do;
 * @a descs are those of all of them.
 */
static inline void
reference_push(struct reference_ring *r, uint16_t id, uint32_t len, uint16_t descs, uint16_t batch)
{
	if (r->packed) {
		struct vring_packed_desc *d = &r->q->packed[r->used];
		uint16_t flags = 0;

		if (r->used_wrap)
			flags = 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
		d->id = id;
		d->len = len;
		__atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
		reference_step(&r->used, &r->used_wrap, descs, r->size);
		return;
	}
	/* Where that of the first of them would be. */
	r->q->used->ring[r->used % r->size] = (struct vring_used_elem){ .id = id, .len = len };
	r->used += batch + 1;
	__atomic_store_n(&r->q->used->idx, r->used, __ATOMIC_RELEASE);
}

/** Copy a buffer's content out. @return bytes */
static inline uint32_t
reference_gather(const struct reference_chain *c, uint8_t *buf, uint32_t max)
{
	uint32_t len = 0;

	for (uint16_t i = 0; i < c->n; i++) {
		assert_false(c->pieces[i].write);
		assert_true(len + c->pieces[i].len <= max);
		memcpy(buf + len, c->pieces[i].addr, c->pieces[i].len);
		len += c->pieces[i].len;
	}
	return len;
}

/** Copy into a buffer as much as fits. @return bytes */
static inline uint32_t
reference_scatter(const struct reference_chain *c, const uint8_t *buf, uint32_t len)
{
	uint32_t done = 0;

	for (uint16_t i = 0; i < c->n && done < len; i++) {
		const uint32_t part = RTE_MIN(len - done, c->pieces[i].len);

		assert_true(c->pieces[i].write);
		memcpy(c->pieces[i].addr, buf + done, part);
		done += part;
	}
	return done;
}

#endif /* VIRTIO_REFERENCE_DEVICE_H */

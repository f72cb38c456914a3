/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include <rte_common.h>

#include "dirty_log.h"
#include "memory.h"
#include "vring_chain.h"
#include "vring_desc.h"
#include "vring_private.h"

void
vring_chain_begin_split(struct vring_chain *c, const struct vhost_vring *vr, uint16_t head,
	uint16_t direction)
{
	*c = (struct vring_chain){
		.id = head,
		.error = VHOST_VRING_DROP_MAX,
		.vr = vr,
		.tables = vr->tables,
		.table = vr->desc,
		.table_size = vr->size,
		.index = head,
		.budget = RTE_MAX(vr->size, VRING_CHAIN_MIN_BUDGET),
		.direction = direction,
		.more = true,
	};
}

void
vring_chain_begin_packed(struct vring_chain *c, const struct vhost_vring *vr, uint16_t pos,
	uint16_t direction)
{
	vring_chain_begin_split(c, vr, pos, direction);
}

static bool
fail(struct vring_chain *c, enum vhost_vring_drop why)
{
	c->error = why;
	c->left = 0;
	c->rest = 0;
	return false;
}

/** An entry of an indirect table that lies in more than one memory region. */
static bool
read_scattered(struct vring_chain *c, struct vring_desc_copy *d, bool packed)
{
	uint64_t words[2];
	uint64_t gpa = c->table_gpa + c->index * sizeof(words);
	uint64_t done = 0;

	while (done < sizeof(words)) {
		uint64_t len = sizeof(words) - done;
		const void *at = vhost_memory_from_gpa(c->tables, gpa + done, &len);

		if (at == NULL) {
			c->gpa = gpa + done;
			return false;
		}
		memcpy((uint8_t *)words + done, at, len);
		done += len;
	}
	*d = vring_desc_from_words(words[0], words[1], packed);
	return true;
}

/** The walk goes on in the table that @a d names, and ends there. */
static bool
enter_indirect(struct vring_chain *c, const struct vring_desc_copy *d)
{
	uint64_t len = d->len;

	if (c->indirect || (d->flags & VRING_DESC_F_NEXT) != 0 ||
		(c->vr->flags & VHOST_VRING_INDIRECT) == 0 || len == 0 ||
		len % sizeof(struct vring_desc) != 0 || len / sizeof(struct vring_desc) > c->budget)
		return fail(c, VHOST_VRING_DROP_BAD_CHAIN);

	c->indirect = true;
	c->index = 0;
	c->table_size = d->len / sizeof(struct vring_desc);
	c->table_gpa = d->addr;
	c->table = vhost_memory_from_gpa(c->tables, d->addr, &len);
	c->gpa = d->addr;
	if (c->table == NULL)
		return fail(c, VHOST_VRING_DROP_BAD_ADDR);
	/* Descriptors are read as aligned words, which a table anywhere need not be. */
	if (len < d->len || (uintptr_t)c->table % sizeof(vring_word) != 0)
		c->table = NULL;
	c->more = true;
	return true;
}

/** Where a packed chain goes on: in a table one after the other, in the ring round its end. */
static void
step_packed(struct vring_chain *c, const struct vring_desc_copy *d)
{
	c->index++;
	if (c->indirect) {
		c->more = c->index < c->table_size;
		return;
	}
	c->slots++;
	c->id = d->link;
	c->more = (d->flags & VRING_DESC_F_NEXT) != 0;
	if (c->index == c->table_size)
		c->index = 0;
}

static void
step_split(struct vring_chain *c, const struct vring_desc_copy *d)
{
	c->index = d->link;
	c->more = (d->flags & VRING_DESC_F_NEXT) != 0;
}

bool
vring_chain_next(struct vring_chain *c, struct vring_desc_copy *d)
{
	bool packed = (c->vr->flags & VHOST_VRING_PACKED) != 0;

	do {
		if (!c->more)
			return false;
		if (c->budget == 0 || c->index >= c->table_size ||
			(!c->indirect && c->slots == c->vr->size))
			return fail(c, VHOST_VRING_DROP_BAD_CHAIN);
		c->budget--;
		if (likely(c->table != NULL))
			*d = vring_desc_read(c->table, c->index, packed);
		else if (!read_scattered(c, d, packed))
			return fail(c, VHOST_VRING_DROP_BAD_ADDR);

		if (packed)
			step_packed(c, d);
		else
			step_split(c, d);
		if ((d->flags & VRING_DESC_F_INDIRECT) == 0)
			return true;
	} while (enter_indirect(c, d));
	return false;
}

bool
vring_chain_fill(struct vring_chain *c)
{
	while (c->left == 0) {
		if (c->rest == 0) {
			struct vring_desc_copy d;

			if (c->error != VHOST_VRING_DROP_MAX || !vring_chain_next(c, &d))
				return false;
			if ((d.flags & VRING_DESC_F_WRITE) != c->direction)
				return fail(c, VHOST_VRING_DROP_BAD_CHAIN);
			c->gpa = d.addr;
			c->rest = d.len;
			continue;
		}

		uint64_t len = c->rest;

		c->at = vhost_memory_from_gpa(c->vr->mem, c->gpa, &len);
		c->bad_write = c->at == NULL && c->direction == VRING_DESC_F_WRITE;
		if (c->at == NULL)
			return fail(c, VHOST_VRING_DROP_BAD_ADDR);
		c->left = (uint32_t)len;
		c->rest -= c->left;
	}
	return true;
}

uint32_t
vring_chain_read(struct vring_chain *c, void *dst, uint32_t len)
{
	uint32_t done = 0;

	while (done < len && vring_chain_fill(c)) {
		uint32_t n = RTE_MIN(c->left, len - done);

		memcpy((uint8_t *)dst + done, c->at, n);
		vring_chain_advance(c, n);
		done += n;
	}
	return done;
}

uint32_t
vring_chain_write(struct vring_chain *c, const void *src, uint32_t len)
{
	uint32_t done = 0;

	while (done < len && vring_chain_fill(c)) {
		uint32_t n = RTE_MIN(c->left, len - done);

		memcpy(c->at, (const uint8_t *)src + done, n);
		if (unlikely(c->vr->flags & VHOST_VRING_LOG))
			vring_log_written(c->vr, c->gpa, c->at, n);
		vring_chain_advance(c, n);
		done += n;
	}
	return done;
}

bool
vring_chain_finish(struct vring_chain *c)
{
	/* A split chain is named by its head; a table takes the one slot that points at it. */
	if ((c->vr->flags & VHOST_VRING_PACKED) == 0)
		return true;

	while (!c->indirect && c->more) {
		if (c->slots == c->vr->size)
			return false;
		struct vring_desc_copy d = vring_desc_read(c->table, c->index, true);

		step_packed(c, &d);
	}
	return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <linux/vhost_types.h>

#include <rte_common.h>

#include "memory.h"
#include "packed.h"
#include "split.h"
#include "vring_desc.h"
#include "vring_private.h"

/** Buffers that a burst looks at ahead of their turn. */
#define AHEAD 32

static struct vhost_vring_buffer
buffer_of(const struct vring_desc_copy *d)
{
	return (struct vhost_vring_buffer){ .addr = d->addr,
		.len = d->len,
		.table = (d->flags & VRING_DESC_F_INDIRECT) != 0 };
}

static uint16_t
peek_split(const struct vhost_vring *vr, struct vhost_vring_buffer *buffers, uint16_t n)
{
	uint16_t available = split_count_available(vr), i;

	for (i = 0; i < RTE_MIN(n, available); i++) {
		const uint16_t head = split_head(vr, vr->avail_idx + i);

		if (head >= vr->size)
			break;

		const struct vring_desc_copy d = vring_desc_read(vr->desc, head, false);

		buffers[i] = buffer_of(&d);
	}
	return i;
}

/** Of a packed ring, every descriptor counts: chains lie one behind the other. */
static uint16_t
peek_packed(const struct vhost_vring *vr, struct vhost_vring_buffer *buffers, uint16_t n)
{
	struct packed_position pos = packed_avail_position(vr);
	uint16_t i;

	for (i = 0; i < RTE_MIN(n, vr->size); i++) {
		const uint64_t word = packed_load_word(vr->packed_desc, pos.idx);
		const uint64_t addr = vring_desc_addr(vr->packed_desc, pos.idx);

		if (!packed_flags_available(word >> PACKED_FLAGS_SHIFT, pos.wrap))
			break;

		const struct vring_desc_copy d = vring_desc_from_words(addr, word, true);

		buffers[i] = buffer_of(&d);
		packed_advance(&pos, 1, vr->size);
	}
	return i;
}

uint16_t
vhost_vring_peek(const struct vhost_vring *vr, struct vhost_vring_buffer *buffers, uint16_t n)
{
	if (!vr->running || vr->mem == NULL || vr->broken == VHOST_VRING_BROKEN)
		return 0;
	return (vr->flags & VHOST_VRING_PACKED) != 0 ? peek_packed(vr, buffers, n) :
						       peek_split(vr, buffers, n);
}

bool
vhost_vring_lacks(const struct vhost_vring *vr, const struct vhost_vring_buffer *b, uint64_t *addr)
{
	const struct rte_vhost_memory *mem = b->table ? vr->tables : vr->mem;
	const uint64_t last = b->addr + (b->len > 0 ? b->len - 1 : 0);

	if (vhost_memory_find(mem, b->addr) == NULL)
		*addr = b->addr;
	else if (last >= b->addr && vhost_memory_find(mem, last) == NULL)
		*addr = last;
	else
		return false;
	return true;
}

void
vring_look_ahead(struct vhost_vring *vr)
{
	struct vhost_vring_buffer buffers[AHEAD];
	const uint16_t n = vhost_vring_peek(vr, buffers, AHEAD);
	uint64_t addr;

	for (uint16_t i = 0; i < n; i++) {
		if (!vhost_vring_lacks(vr, &buffers[i], &addr))
			continue;
		vring_tell_miss(vr, addr, VHOST_ACCESS_RO, VHOST_VRING_MISS_AHEAD);
		break;
	}
}

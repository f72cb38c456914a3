/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The bytes of one descriptor chain, whatever it looks like: split or packed, any number of
 * descriptors, an indirect table at its end, buffers and tables that cross memory regions,
 * descriptors of no length. This is the careful way through a chain; the bursts of net_enqueue.c
 * and net_dequeue.c take the short way where a chain is one plain descriptor.
 *
 * Every descriptor is read once, as the walk reaches it. The number of descriptors is bounded by
 * the ring size or VRING_CHAIN_MIN_BUDGET, whichever is more: Linux and Windows drivers are known to
 * put more entries into an indirect table than the ring is long.
 */

#ifndef VRING_CHAIN_H
#define VRING_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "vring.h"
#include "vring_desc.h"

#define VRING_CHAIN_MIN_BUDGET 1024

struct vring_chain {
	/* The bytes at hand; 0 left: vring_chain_fill() looks for more. */
	uint8_t *at;
	uint64_t gpa;  /**< of @a at */
	uint32_t left; /**< bytes at @a at that are contiguous here */
	uint32_t rest; /**< bytes of the same descriptor after them, in another memory region */

	/* What the used entry says. */
	uint16_t id;    /**< split: head; packed: buffer id, valid after vring_chain_finish() */
	uint16_t slots; /**< packed: descriptors that the chain takes in the ring */

	/** Why the walk ended early; VHOST_VRING_DROP_MAX if it did not. */
	enum vhost_vring_drop error;
	/** With VHOST_VRING_DROP_BAD_ADDR, @a gpa is that address; whether it was to be written. */
	bool bad_write;

	/* Where the walk goes on. */
	const struct vhost_vring *vr;
	const struct rte_vhost_memory *tables; /**< where an indirect table is looked up */
	const void *table;  /**< descriptors, or NULL if they are not contiguous here */
	uint64_t table_gpa; /**< of an indirect table */
	uint32_t table_size;
	uint32_t index;
	uint32_t budget;    /**< descriptors that may yet come */
	uint16_t direction; /**< VRING_DESC_F_WRITE or 0: what every descriptor must have */
	bool indirect;
	bool more;
};

/** Begin at the head that the driver put into the avail ring; @a head must be below the size. */
void vring_chain_begin_split(struct vring_chain *c, const struct vhost_vring *vr, uint16_t head,
	uint16_t direction);

/** Begin at the descriptor at @a pos, known to be available. */
void vring_chain_begin_packed(struct vring_chain *c, const struct vhost_vring *vr, uint16_t pos,
	uint16_t direction);

/**
 * Read the next descriptor of the chain, going into an indirect table where there is one. For who
 * wants descriptors and not their bytes: no address but a table's is looked up, and any direction goes.
 * False at the end of the chain, and on an error.
 */
bool vring_chain_next(struct vring_chain *c, struct vring_desc_copy *d);

/** See to it that bytes are at hand. False at the end of the chain, and on an error. */
bool vring_chain_fill(struct vring_chain *c);

/** Pass over @a len bytes that are at hand. */
static inline void
vring_chain_advance(struct vring_chain *c, uint32_t len)
{
	c->at += len;
	c->gpa += len;
	c->left -= len;
}

/** Copy up to @a len bytes out of the chain; @return bytes copied, fewer at its end. */
uint32_t vring_chain_read(struct vring_chain *c, void *dst, uint32_t len);

/** Copy up to @a len bytes into the chain and log it; @return bytes copied, fewer at its end. */
uint32_t vring_chain_write(struct vring_chain *c, const void *src, uint32_t len);

/**
 * Pass over what is left of the descriptors in the ring itself, so that id and slots hold.
 * @return false if the chain has no end: the ring is broken
 */
bool vring_chain_finish(struct vring_chain *c);

#endif /* VRING_CHAIN_H */

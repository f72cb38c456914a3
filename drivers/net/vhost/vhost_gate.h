/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The gate between a queue's bursts and the vhost device behind it.
 *
 * A device comes and goes when its front end does, in a thread of librte_vhost; bursts run on
 * lcores all the time. A burst passes the gate and learns which device it may use; closing the gate
 * returns once no burst is inside, so that the device may go. There is no lock, and the side
 * that runs millions of times a second does not even pay for a memory barrier:
 *
 *	burst                            close
 *	  inside = 1            (1)        vid = -1               (3)
 *	  vid valid? go on      (2)        inside? wait           (4)
 *	  inside = 0
 *
 * At least one side must see the other's store, which needs a full barrier between (1) and (2)
 * and one between (3) and (4). Closing makes membarrier(2) execute both: it returns when every
 * running thread of the process has gone through a full barrier, so that (1) is either visible
 * to (4), or comes with a (2) that sees (3). What is left for the burst is to keep the compiler
 * from swapping (1) and (2). Where the kernel offers no membarrier(2), both sides fence.
 *
 * A gate has one user at a time, as a queue has; opening and closing is serialized by the port.
 */

#ifndef VHOST_GATE_H
#define VHOST_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#define VHOST_GATE_CLOSED (-1)

struct vhost_gate {
	int vid;         /**< device that bursts may use, or VHOST_GATE_CLOSED */
	uint32_t inside; /**< 1 while a burst uses the device */
	bool fenced;     /**< no membarrier(2) here: bursts fence for themselves */
};

void vhost_gate_init(struct vhost_gate *gate);

/**
 * Let bursts use device @a vid from now on. What the caller wrote before is seen by them: the
 * store releases to the acquiring load in vhost_gate_enter().
 */
void vhost_gate_open(struct vhost_gate *gate, int vid);

/**
 * Step one of closing: no burst that enters after vhost_gates_barrier() gets a device. Split in
 * three so that a port with many queues pays for one barrier.
 */
void vhost_gate_shut(struct vhost_gate *gate);

/** Step two: make the stores of step one, and those of bursts already inside, visible. */
void vhost_gates_barrier(void);

/** Step three: wait, for one burst at most, until nobody is inside. */
void vhost_gate_drain(const struct vhost_gate *gate);

static inline bool
vhost_gate_is_open(const struct vhost_gate *gate)
{
	return __atomic_load_n(&gate->vid, __ATOMIC_RELAXED) != VHOST_GATE_CLOSED;
}

static __rte_always_inline void
vhost_gate_leave(struct vhost_gate *gate)
{
	/* Pairs with the acquiring load in vhost_gate_drain(): the device is not touched after. */
	__atomic_store_n(&gate->inside, 0, __ATOMIC_RELEASE);
}

/** @return the device to use until vhost_gate_leave(), or VHOST_GATE_CLOSED and nothing to leave */
static __rte_always_inline int
vhost_gate_enter(struct vhost_gate *gate)
{
	int vid;

	if (unlikely(!vhost_gate_is_open(gate)))
		return VHOST_GATE_CLOSED;
	__atomic_store_n(&gate->inside, 1, __ATOMIC_RELAXED);
	if (unlikely(gate->fenced))
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	vid = __atomic_load_n(&gate->vid, __ATOMIC_ACQUIRE);
	if (unlikely(vid == VHOST_GATE_CLOSED))
		vhost_gate_leave(gate);
	return vid;
}

#endif /* VHOST_GATE_H */

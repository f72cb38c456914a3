/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The hardware of vdpa_sim with a guest of the test's own around it. The guest kicks only when the
 * device wants it and waits for interrupts: a kick or an interrupt that gets lost ends in a wait that
 * never does.
 */

#ifndef SIM_RIG_H
#define SIM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include "guest_memory.h"
#include "ring_driver.h"
#include "sim_hw.h"

#define F(bit) (UINT64_C(1) << (bit))
#define SPLIT F(VIRTIO_F_VERSION_1)
#define PACKED (SPLIT | F(VIRTIO_F_RING_PACKED))
#define EVENT F(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER F(VIRTIO_F_IN_ORDER)
#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)

#define SIZE 64
#define BUFFER 2048
#define PAIRS 3
/** Frames that a device which has nowhere to put them takes. */
#define HELD 32
/** Frames under way at most; a port of the tests has room for more. */
#define WINDOW 512
#define REGION (1 << 20)

/** A ring as its driver has it. */
struct end {
	struct ring_driver driver;
	uint64_t buffers[SIZE]; /**< by token */
	uint32_t free[SIZE];    /**< tokens of buffers that the device does not have */
	uint32_t n_free;
	uint16_t kicked_at; /**< split: avail index when kicking was last decided */
	uint16_t qid;
	int kickfd;
	int callfd;
	uint16_t *doorbell; /**< rung instead of kicking, if there is one */
	uint64_t kicks;
	uint64_t done; /**< frames given to the device, or received */
};

struct pair {
	struct end rx;
	struct end tx;
};

extern struct rig {
	struct sim_hw *hw;
	struct guest_memory memory;
	uint64_t features;
	struct pair pairs[PAIRS];
} rig;

/** Make a device and a guest, and start their rings. */
void rig_start(uint64_t features, uint16_t pairs, bool doorbells);
void rig_stop(uint16_t pairs);

/** Start a ring from its beginning. Frozen. */
void start_ring(struct end *e);

uint32_t frame_len(uint64_t number);

/** Send up to @a n frames; @return how many there was room for. */
uint32_t send_frames(struct pair *p, uint32_t n);

/** Take what was received and compare it, byte for byte, with what was sent. */
uint32_t receive_frames(struct pair *p);

/** Offer up to @a n receive buffers. */
void post_buffers(struct pair *p, uint32_t n);

/** Run @a total frames round each pair, @a burst at a time and WINDOW at most under way. */
void exchange(uint16_t pairs, uint64_t total, uint32_t burst);

/** Ask for an interrupt with the next used buffer. */
void want_call(struct end *e);

/** Sleep until the device interrupts for either ring of any pair. */
void wait_for_call(uint16_t pairs);

/** Wait until the device asks for kicks of a ring: it sleeps, or is about to. */
void wait_for_sleep(const struct end *e);

/** A counter of a ring, and the sum of all drops, once the device has counted what is visible. */
uint64_t counter(uint16_t qid, const char *name);
uint64_t drops(uint16_t qid);

#endif /* SIM_RIG_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What the control side (sim_hw.c) and the thread (sim_thread.c) of a device share.
 */

#ifndef SIM_HW_PRIVATE_H
#define SIM_HW_PRIVATE_H

#include <pthread.h>

#include <rte_dev.h>
#include <rte_thread.h>

#include "sim_hw.h"

/** Frames moved at a time. */
#define SIM_BURST 32

/** What a doorbell reads when nobody rang: no ring has this number. */
#define SIM_DOORBELL_SILENT UINT32_MAX

/** What epoll hands back: a ring's number, or one of these. */
#define SIM_EVENT_WAKE UINT32_MAX
#define SIM_EVENT_PORT (UINT32_MAX - 1)

struct sim_ring {
	struct vhost_vring vr;
	uint64_t port_full; /**< transmitted frames that the port did not take */
	uint64_t discarded; /**< frames that waited for room when the device was reset */
	uint32_t *doorbell; /**< NULL without */
	int kickfd;
	char name[RTE_DEV_NAME_MAX_LEN + 16];
};

/** Frames on their way into a receive ring, which had no room for them yet. */
struct sim_hold {
	uint16_t first;
	uint16_t n;
	struct rte_mbuf *pkts[SIM_BURST];
};

/** Of a connected device, @c hold belongs to the port's queue of the same number. */
struct sim_pair {
	struct sim_ring rx;
	struct sim_ring tx;
	struct sim_hold hold;
};

struct sim_hw {
	/* Read by the thread every round; written frozen. */
	uint32_t freeze; /**< somebody wants the device to stand still */
	uint16_t pairs;
	uint16_t n_active;
	bool doorbells;
	bool connected;
	uint16_t port_id;
	struct rte_mempool *pool;
	struct sim_pair *pair;
	struct sim_pair **active; /**< pairs of which a ring runs */
	struct sim_pair **steer;  /**< by queue of the port: whose guest gets what it receives */

	/* Sleep. */
	int epfd;
	int wakefd;
	bool must_poll; /**< a running ring has no kick to wait for, or a port is there */

	/* Control. */
	pthread_mutex_t control; /**< held while frozen: one at a time changes the device */
	pthread_mutex_t lock;    /**< guards the handshake of freezing */
	pthread_cond_t changed;
	bool frozen;
	bool stop;
	rte_thread_t thread;
	const struct rte_vhost_memory *mem;
	uint64_t features;
	struct vhost_dirty_log log;
	int doorbell_fd;
	uint8_t *doorbell_pages;
	size_t doorbell_page; /**< bytes of one */
};

uint32_t sim_thread_main(void *hw);

static inline struct sim_ring *
sim_ring(const struct sim_hw *hw, uint16_t qid)
{
	struct sim_pair *pair = &hw->pair[qid / 2];

	return qid % 2 == 0 ? &pair->rx : &pair->tx;
}

#endif /* SIM_HW_PRIVATE_H */

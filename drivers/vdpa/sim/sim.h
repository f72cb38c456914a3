/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One vdpa_sim device: what its probe (sim_vdev.c) sets up and its operations (sim_ops.c) use.
 */

#ifndef SIM_H
#define SIM_H

#include <sys/queue.h>

#include <vdpa_driver.h>

#include "sim_devargs.h"
#include "sim_hw.h"
#include "sim_port.h"

struct sim {
	TAILQ_ENTRY(sim) next;
	const char *name;
	struct sim_devargs devargs;
	struct sim_port port; /**< all zero when the device loops */
	struct sim_hw *hw;
	struct rte_vdpa_device *vdpa;

	/* The connection that the device serves. */
	int vid; /**< -1 none */
	bool configured;
	struct rte_vhost_memory *mem;     /**< while configured */
	uint8_t ready[2 * SIM_PAIRS_MAX]; /**< by ring: the library called it ready */
};

extern struct rte_vdpa_dev_ops sim_ops;

/** The device that is registered as @a vdpa, or NULL. */
struct sim *sim_find(const struct rte_vdpa_device *vdpa);

#endif /* SIM_H */

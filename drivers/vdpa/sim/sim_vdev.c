/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <bus_vdev_driver.h>
#include <rte_errno.h>

#include "sim.h"
#include "sim_log.h"

RTE_LOG_REGISTER_DEFAULT(sim_logtype, NOTICE);

static TAILQ_HEAD(, sim) sims = TAILQ_HEAD_INITIALIZER(sims);
static pthread_mutex_t sims_lock = PTHREAD_MUTEX_INITIALIZER;

struct sim *
sim_find(const struct rte_vdpa_device *vdpa)
{
	struct sim *sim;

	pthread_mutex_lock(&sims_lock);
	TAILQ_FOREACH(sim, &sims, next) {
		if (sim->vdpa == vdpa)
			break;
	}
	pthread_mutex_unlock(&sims_lock);
	return sim;
}

static struct sim *
find_name(const char *name)
{
	return sim_find(rte_vdpa_find_device_by_name(name));
}

/** Undo what probing has done so far; the device is in no list and not registered. */
static void
sim_free(struct sim *sim)
{
	sim_hw_destroy(sim->hw);
	sim_port_release(&sim->port);
	free(sim->mem);
	free(sim);
}

static int
sim_build(struct sim *sim, const struct rte_vdev_device *vdev)
{
	struct sim_hw_conf conf = {
		.name = sim->name,
		.pairs = sim->devargs.pairs,
		.mtu = sim->devargs.mtu,
		.doorbells = sim->devargs.doorbells,
		.port = sim->devargs.port[0] != '\0',
		.numa_node = vdev->device.numa_node,
	};
	int ret;

	if (conf.port) {
		ret = sim_port_claim(&sim->port, sim->name, sim->devargs.port);
		if (ret != 0)
			return ret;
	}
	ret = sim_hw_create(&conf, &sim->hw);
	/* A port that is there already shows now whether it will do, not when a guest comes. */
	if (ret == 0 && sim->port.claimed)
		ret = sim_port_start(&sim->port, conf.pairs, conf.mtu, sim_hw_pool(sim->hw));
	return ret;
}

static int
sim_probe(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct sim_devargs devargs;
	struct sim *sim;
	int ret;

	/* Devices of the primary process are probed in all others, too. Its device is the only one. */
	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		SIM_LOG(INFO, "%s: is the primary process's", name);
		return 0;
	}
	ret = sim_devargs_parse(name, rte_vdev_device_args(vdev), &devargs);
	if (ret != 0)
		return ret;
	SIM_LOG(NOTICE, "%s: driver vdpa_sim of dpdk-vdpa " VDPA_VERSION, name);
	sim = calloc(1, sizeof(*sim));
	if (sim == NULL)
		return -ENOMEM;
	sim->name = name;
	sim->devargs = devargs;
	sim->vid = -1;
	ret = sim_build(sim, vdev);
	if (ret != 0) {
		sim_free(sim);
		return ret;
	}

	/* Found by its operations no later than it is found by applications. */
	pthread_mutex_lock(&sims_lock);
	sim->vdpa = rte_vdpa_register_device(&vdev->device, &sim_ops);
	if (sim->vdpa != NULL)
		TAILQ_INSERT_TAIL(&sims, sim, next);
	pthread_mutex_unlock(&sims_lock);
	if (sim->vdpa == NULL) {
		ret = -rte_errno;
		SIM_LOG(ERR, "%s: cannot register as a vDPA device: %s", name,
			rte_strerror(rte_errno));
		sim_free(sim);
	}
	return ret;
}

static int
sim_remove(struct rte_vdev_device *vdev)
{
	struct sim *sim = find_name(rte_vdev_device_name(vdev));

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	if (sim == NULL)
		return -ENODEV;
	/* Closes the connections that run on the device, which still finds itself meanwhile. */
	rte_vdpa_unregister_device(sim->vdpa);
	pthread_mutex_lock(&sims_lock);
	TAILQ_REMOVE(&sims, sim, next);
	pthread_mutex_unlock(&sims_lock);
	sim_free(sim);
	return 0;
}

static struct rte_vdev_driver sim_driver = {
	.probe = sim_probe,
	.remove = sim_remove,
};

RTE_PMD_REGISTER_VDEV(vdpa_sim, sim_driver);
RTE_PMD_REGISTER_PARAM_STRING(vdpa_sim, SIM_DEVARGS_SYNTAX);

/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdio.h>
#include <stdlib.h>

#include <linux/virtio_config.h>

#include <rte_telemetry.h>

#include "fault.h"
#include "fault_driver.h"
#include "fault_life.h"
#include "rte_vhost_inflight.h"
#include "vhost_user_dispatch.h"

struct app app = { .vid = -1 };

static struct rte_vdpa_device *vdpa;

static int
new_connection(int vid)
{
	(void)vid;
	app.connections++;
	return 0;
}

static int
new_device(int vid)
{
	__atomic_store_n(&app.vid, vid, __ATOMIC_SEQ_CST);
	return 0;
}

static void
destroy_device(int vid)
{
	(void)vid;
	__atomic_store_n(&app.vid, -1, __ATOMIC_SEQ_CST);
}

static void
destroy_connection(int vid)
{
	(void)vid;
	app.connections--;
}

/* As an application that serves rings does: it looks at each of them as it comes. */
static int
vring_state_changed(int vid, uint16_t ring, int enable)
{
	struct rte_vhost_vring where;

	(void)enable;
	rte_vhost_get_vhost_vring(vid, ring, &where);
	return 0;
}

static const struct rte_vhost_device_ops ops = {
	.new_connection = new_connection,
	.new_device = new_device,
	.destroy_device = destroy_device,
	.destroy_connection = destroy_connection,
	.vring_state_changed = vring_state_changed,
};

bool
app_serve(const struct life *life, const char *path)
{
	if (rte_vhost_driver_register(path, life->flags) != 0)
		return false;
	if (life->vdpa) {
		vdpa = fault_driver_register(FEATURES, new_device);
		if (vdpa == NULL || rte_vhost_driver_attach_vdpa_device(path, vdpa) != 0)
			return false;
	}
	if (life->application &&
		(rte_vhost_driver_set_features(path, FEATURES) != 0 ||
			rte_vhost_driver_set_protocol_features(path,
				vhost_user_transport_protocol_features |
					vhost_user_device_protocol_features) != 0))
		return false;
	return rte_vhost_driver_callback_register(path, &ops) == 0 &&
		rte_vhost_driver_start(path) == 0;
}

void
app_end_service(const char *path)
{
	rte_vhost_driver_unregister(path);
	if (vdpa != NULL)
		rte_vdpa_unregister_device(vdpa);
	vdpa = NULL;
}

/* --- What it does with a device ------------------------------------------------------------ */

/* The one chain of each is done and given back: of ring 0 what a back end before this one left. */
static void
serve_rings(int vid)
{
	for (uint16_t i = 0; i < 2; i++) {
		struct rte_vhost_ring_inflight inflight;
		struct rte_vhost_vring ring;
		uint16_t avail, used;

		if (rte_vhost_get_vhost_vring(vid, i, &ring) != 0)
			complain("ring %u of a device that runs cannot be had", i);
		if (rte_vhost_get_vhost_ring_inflight(vid, i, &inflight) == 0 && i == 0 &&
			inflight.resubmit_inflight->resubmit_num != 1)
			complain("what was in flight is not resubmitted");
		rte_vhost_get_vring_base(vid, i, &avail, &used);
		if (i == 1)
			rte_vhost_set_inflight_desc_split(vid, i, 0);
		rte_vhost_set_last_inflight_io_split(vid, i, 0);
		ring.used->ring[0] = (struct vring_used_elem){ 0 };
		__atomic_store_n(&ring.used->idx, 1, __ATOMIC_RELEASE);
		rte_vhost_clr_inflight_desc_split(vid, i, 1, 0);
		rte_vhost_set_vring_base(vid, i, 1, 1);
		rte_vhost_enable_guest_notification(vid, i, 1);
		rte_vhost_vring_call_nonblock(vid, i);
	}
}

void
app_work(const struct life *life, const char *path, struct rte_mempool *pool)
{
	const int vid = __atomic_load_n(&app.vid, __ATOMIC_SEQ_CST);
	struct rte_mbuf *pkts[4];
	struct rte_vhost_memory *mem;
	uint16_t n;

	if (rte_vhost_get_mem_table(vid, &mem) == 0)
		free(mem);
	rte_vhost_get_numa_node(vid);
	if (life->application) {
		serve_rings(vid);
	} else {
		n = rte_vhost_dequeue_burst(vid, 1, pool, pkts, RTE_DIM(pkts));
		rte_vhost_enqueue_burst(vid, 0, pkts, n);
		rte_pktmbuf_free_bulk(pkts, n);
	}
	rte_vhost_vring_call(vid, 0);
	rte_vhost_backend_config_change(vid, false);
	rte_vhost_backend_config_change(vid, true);
	app_tell(path);
}

/* --- Telemetry ----------------------------------------------------------------------------- */

/* What is registered before main(), in place of the process's telemetry, which would hide who failed. */
static struct {
	const char *command;
	telemetry_cb answer;
} commands[16];
static unsigned int n_commands;

int __wrap_rte_telemetry_register_cmd(const char *command, telemetry_cb answer, const char *help);

int
__wrap_rte_telemetry_register_cmd(const char *command, telemetry_cb answer, const char *help)
{
	(void)help;
	if (n_commands == RTE_DIM(commands))
		abort();
	commands[n_commands].command = command;
	commands[n_commands++].answer = answer;
	return 0;
}

/* Each with the parameters that it takes of these: it refuses the others. */
void
app_tell(const char *path)
{
	char device[16], ring[16];
	const char *const parameters[] = { NULL, device, ring, path, FAULT_DEVICE };

	snprintf(device, sizeof(device), "%d", app.vid);
	snprintf(ring, sizeof(ring), "%d,1", app.vid);
	for (unsigned int i = 0; i < n_commands; i++)
		for (unsigned int k = 0; k < RTE_DIM(parameters); k++) {
			struct rte_tel_data *d;

			fault_exempt(true);
			d = rte_tel_data_alloc();
			fault_exempt(false);
			commands[i].answer(commands[i].command, parameters[k], d);
			rte_tel_data_free(d);
		}
}

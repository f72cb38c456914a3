/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A program as a user of the installed package writes it: starts EAL with a software vDPA device
 * if it is told to, and serves it on a socket. Prints "installed: ok".
 */

#include <stdio.h>

#include <rte_eal.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

#define DEVICE "vdpa_sim0"

static int
fail(const char *what)
{
	fprintf(stderr, "installed: %s failed\n", what);
	return 1;
}

int
main(int argc, char **argv)
{
	struct rte_vdpa_device *device;
	const char *path = argv[argc - 1];
	uint32_t queues = 0;

	/* The last argument is the socket's path, EAL has the others. */
	if (rte_eal_init(argc - 1, argv) < 0)
		return fail("rte_eal_init");
	device = rte_vdpa_find_device_by_name(DEVICE);
	if (device == NULL)
		return fail("rte_vdpa_find_device_by_name(" DEVICE ")");
	if (rte_vdpa_get_queue_num(device, &queues) != 0 || queues == 0)
		return fail("rte_vdpa_get_queue_num");
	if (rte_vhost_driver_register(path, 0) != 0)
		return fail("rte_vhost_driver_register");
	if (rte_vhost_driver_attach_vdpa_device(path, device) != 0)
		return fail("rte_vhost_driver_attach_vdpa_device");
	if (rte_vhost_driver_get_vdpa_device(path) != device)
		return fail("rte_vhost_driver_get_vdpa_device");
	if (rte_vhost_driver_start(path) != 0)
		return fail("rte_vhost_driver_start");
	if (rte_vhost_driver_unregister(path) != 0)
		return fail("rte_vhost_driver_unregister");
	rte_eal_cleanup();
	printf("installed: ok, %u queue pairs\n", queues);
	return 0;
}

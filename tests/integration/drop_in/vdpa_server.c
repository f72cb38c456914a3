/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Puts a vDPA device on a vhost-user socket: the least that a program of librte_vhost has to do for one.
 * It is compiled with the headers, and linked with the library, of the distribution, whose EAL loads
 * the distribution's drivers.
 *
 *	vdpa_server EAL-OPTIONS -- DEVICE SOCKET
 */

#include <signal.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

static int
new_device(int vid)
{
	printf("front end %d has the device\n", vid);
	return 0;
}

static void
destroy_device(int vid)
{
	printf("front end %d has left it\n", vid);
}

static const struct rte_vhost_device_ops ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
};

static int
serve(const char *path, struct rte_vdpa_device *device)
{
	if (rte_vhost_driver_register(path, 0) != 0)
		return -1;
	if (rte_vhost_driver_callback_register(path, &ops) != 0 ||
		rte_vhost_driver_attach_vdpa_device(path, device) != 0 ||
		rte_vhost_driver_start(path) != 0) {
		rte_vhost_driver_unregister(path);
		return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct rte_vdpa_device *device;
	sigset_t ends;
	int n, number;

	/* Before there are other threads, which take it over. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	n = rte_eal_init(argc, argv);
	if (n < 0 || argc - n != 3) {
		fprintf(stderr, "usage: vdpa_server EAL-OPTIONS -- DEVICE SOCKET\n");
		return 2;
	}
	device = rte_vdpa_find_device_by_name(argv[n + 1]);
	if (device == NULL) {
		fprintf(stderr, "vdpa_server: no driver has made %s a vDPA device\n", argv[n + 1]);
		return 1;
	}
	if (serve(argv[n + 2], device) != 0) {
		fprintf(stderr, "vdpa_server: cannot serve %s on %s\n", argv[n + 1], argv[n + 2]);
		return 1;
	}
	printf("ready\n");
	sigwait(&ends, &number);
	rte_vhost_driver_unregister(argv[n + 2]);
	return rte_eal_cleanup();
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * dpdk-vdpa-testpmd: forwards frames between ports, and offers vDPA devices on vhost-user
 * sockets. What it does is in the modules; here they are brought up and taken down.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "config.h"
#include "console.h"
#include "devices.h"
#include "forward.h"
#include "hotplug.h"
#include "options.h"
#include "pool.h"
#include "port.h"
#include "session.h"
#include "stats_json.h"
#include "vdpa.h"
#include "vdpa_show.h"

/* The index of "--", after which our options stand; argc when there are none. */
static int
find_separator(int argc, char **argv)
{
	int i = 1;

	while (i < argc && strcmp(argv[i], "--") != 0)
		i++;
	return i;
}

/* A front end with all its queues hands over some 800 descriptors; shells allow 1024 by default. */
static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static const char *
eal_advice(int err)
{
	switch (err) {
	case EACCES:
	case ENOMEM:
		return ": without hugepages, or without permission for them, use "
		       "--no-huge --single-file-segments -m MB";
	case EINVAL:
		return ": see above why";
	case ENOENT:
		return ": see above why; XDG_RUNTIME_DIR names a run-time directory of your own";
	default:
		return "";
	}
}

static int
bring_up(void)
{
	if (devices_check() < 0 || fwd_init() < 0 || stats_json_open() < 0 || ports_init() < 0)
		return -1;
	if (port_count() == 0 && config.vdpa_count == 0)
		printf("testpmd: no port: 'port attach', or EAL's --vdev, gives one\n");
	if (hotplug_init() < 0)
		return -1;
	if (config.device_start && ports_start() < 0)
		return -1;
	for (unsigned int i = 0; i < config.vdpa_count; i++) {
		if (vdpa_attach_option(config.vdpa[i]) < 0)
			return -1;
	}
	session_set_period(config.stats_period);
	return console_init();
}

static int
run(void)
{
	bool started;

	if (config.cmdline_file != NULL && console_run_file(config.cmdline_file) < 0)
		return -1;
	if (console_quitting())
		return 0;
	if (config.interactive) {
		if (config.auto_start && !fwd_running())
			fwd_start(config.tx_first);
		console_open();
		session_run(true);
		console_close();
		return 0;
	}
	/* A process may serve vDPA devices alone. */
	started = fwd_running() || port_count() == 0 || fwd_start(config.tx_first) == 0;
	if (!started)
		return -1;
	if (config.stats_period == 0)
		printf("Press enter to exit\n");
	session_run(false);
	return 0;
}

static int
take_down(void)
{
	int ret;

	printf("\n");
	if (fwd_running())
		fwd_stop();
	ret = fwd_passed() ? 0 : -1;
	stats_json_append();
	stats_json_close();
	vdpa_summary();
	vdpa_detach_all();
	hotplug_free();
	ports_close();
	fwd_free();
	pools_free();
	console_free();
	session_free();
	printf("\nBye...\n");
	return ret;
}

int
main(int argc, char **argv)
{
	int separator = find_separator(argc, argv);
	bool help;
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	config_init();
	if (options_parse(argc - separator, argv + separator, &help) < 0)
		return EXIT_FAILURE;
	if (help) {
		options_help(argv[0]);
		return EXIT_SUCCESS;
	}
	allow_descriptors();
	if (session_init() < 0)
		return EXIT_FAILURE;
	rte_set_application_usage_hook(options_help);
	if (rte_eal_init(separator, argv) < 0) {
		fprintf(stderr, "testpmd: EAL does not start: %s%s\n",
			rte_errno != 0 ? rte_strerror(rte_errno) : "see above why",
			eal_advice(rte_errno));
		return EXIT_FAILURE;
	}
	ret = options_check();
	if (ret == 0) {
		ret = bring_up();
		if (ret == 0)
			ret = run();
		ret |= take_down();
	}
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

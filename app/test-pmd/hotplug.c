/* SPDX-License-Identifier: BSD-3-Clause */
#include "hotplug.h"

#include <errno.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "config.h"
#include "port.h"

/* Called by a thread of EAL's: from the kernel's events, or since VFIO asks for the device. */
static void
device_event(const char *device, enum rte_dev_event_type type, void *arg)
{
	RTE_SET_USED(arg);
	if (type == RTE_DEV_EVENT_REMOVE)
		port_device_pulled(device);
}

/* What EAL functions return or leave in rte_errno, in words. */
static const char *
reason(int ret)
{
	return rte_strerror(ret < -1 ? -ret : rte_errno);
}

static int
refuse(const char *what, int ret)
{
	fprintf(stderr, "Option --hot-plug: %s (%s); leave it away to do without\n", what,
		reason(ret));
	return -1;
}

int
hotplug_init(void)
{
	int ret;

	if (!config.hot_plug)
		return 0;
	ret = rte_dev_hotplug_handle_enable();
	if (ret != 0)
		return refuse("registers that vanish cannot be made up for", ret);
	ret = rte_dev_event_callback_register(NULL, device_event, NULL);
	if (ret != 0)
		return refuse("device events have no listener", ret);
	ret = rte_dev_event_monitor_start();
	if (ret != 0)
		return refuse("the kernel does not tell of device events", ret);
	return 0;
}

void
hotplug_free(void)
{
	if (!config.hot_plug)
		return;
	rte_dev_event_monitor_stop();
	/* One that runs just now is told of as such. */
	while (rte_dev_event_callback_unregister(NULL, device_event, NULL) == -EAGAIN)
		;
	rte_dev_hotplug_handle_disable();
}

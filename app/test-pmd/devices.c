/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices.h"

#include <stdbool.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_devargs.h>

static bool
probed(const char *name)
{
	struct rte_dev_iterator iterator;
	char filter[RTE_DEV_NAME_MAX_LEN + sizeof("bus=vdev,name=")];
	struct rte_device *device, *found = NULL;

	snprintf(filter, sizeof(filter), "bus=vdev,name=%s", name);
	/* To the end: that is what frees the iterator. */
	RTE_DEV_FOREACH(device, filter, &iterator)
		found = device;
	return found != NULL && rte_dev_is_probed(found);
}

int
devices_check(void)
{
	struct rte_devargs *devargs;
	int ret = 0;

	RTE_EAL_DEVARGS_FOREACH("vdev", devargs)
	{
		if (devargs->policy == RTE_DEV_ALLOWED && !probed(devargs->name)) {
			fprintf(stderr, "testpmd: no device %s: see above why\n", devargs->name);
			ret = -1;
		}
	}
	return ret;
}

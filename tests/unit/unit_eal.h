/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A group setup for tests of modules that need EAL: no hugepages, no buses, no files left.
 */

#ifndef UNIT_EAL_H
#define UNIT_EAL_H

#include <rte_common.h>
#include <rte_eal.h>

static int
unit_eal_setup(void **state)
{
	static char args[][32] = { "unit", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=lib.eal:warning", "-m", "64", "-l", "0" };
	char *argv[RTE_DIM(args)];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	return rte_eal_init(RTE_DIM(args), argv) < 0 ? -1 : 0;
}

#endif /* UNIT_EAL_H */

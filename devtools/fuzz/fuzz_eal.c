/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_eal.h>
#include <rte_log.h>

#include "fuzz.h"

void
fuzz_eal_init(void)
{
	static char args[][32] = { "fuzz", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=*:emergency", "-m", "64", "-l", "0" };
	char *argv[RTE_DIM(args)];

	for (size_t i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	fuzz_check(rte_eal_init(RTE_DIM(args), argv) >= 0);
}

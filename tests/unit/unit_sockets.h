/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * For tests that serve sockets, or connect to them: paths in a directory that is the test's own, and
 * gone when the test ends.
 */

#ifndef UNIT_SOCKETS_H
#define UNIT_SOCKETS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_log.h>

#include "unit_eal.h"

static char path[64] __rte_unused, other_path[64] __rte_unused;
static char unit_sockets_dir[] = "/tmp/unit-test-XXXXXX";

/* What peers do wrong on purpose would fill the log. */
static inline int
unit_sockets_begin(void)
{
	if (unit_eal_setup(NULL) != 0 || mkdtemp(unit_sockets_dir) == NULL)
		return -1;
	rte_log_set_global_level(RTE_LOG_EMERG);
	snprintf(path, sizeof(path), "%s/socket", unit_sockets_dir);
	snprintf(other_path, sizeof(other_path), "%s/other", unit_sockets_dir);
	return 0;
}

static inline int
unit_sockets_end(int ret)
{
	rmdir(unit_sockets_dir);
	return ret;
}

/** Run an array of tests, as cmocka_run_group_tests_name() does. */
#define unit_sockets_run(name, tests, setup, teardown) \
	(unit_sockets_begin() != 0 ? 1 : \
				     unit_sockets_end(cmocka_run_group_tests_name(name, tests, \
					     setup, teardown)))

#endif /* UNIT_SOCKETS_H */

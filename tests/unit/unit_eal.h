/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What tests of modules need that need EAL: a group setup with no hugepages, no buses and no files
 * left, and mbufs.
 */

#ifndef UNIT_EAL_H
#define UNIT_EAL_H

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "unit_fds.h"

/* Sanitizers make a test ten times as long: gcc and clang tell of them in their own ways. */
#if defined(__SANITIZE_ADDRESS__)
#define UNIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif

static inline int
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

/** EAL, and a pool of @a n mbufs with @a room bytes each. NULL if one of them cannot be had. */
static inline struct rte_mempool *
unit_eal_pool(unsigned int n, uint16_t room)
{
	if (unit_eal_setup(NULL) != 0)
		return NULL;
	return rte_pktmbuf_pool_create("unit", n, 0, 0, room, SOCKET_ID_ANY);
}

#endif /* UNIT_EAL_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tells what a socket offers that nobody has asked to offer anything: a line for each set of flags that it
 * can be registered with. It is compiled with the headers, and linked with the library, of the distribution,
 * and run on that and on ours.
 *
 *	offers EAL-OPTIONS -- DIRECTORY
 *
 * Each line is FLAGS FEATURES PROTOCOL-FEATURES QUEUE-PAIRS, the first three hexadecimal, or FLAGS refused.
 */

#include <inttypes.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_vhost.h>

static int
tell(const char *path, uint64_t flags)
{
	uint64_t features = 0, protocol_features = 0;
	uint32_t queues = 0;

	if (rte_vhost_driver_register(path, flags) != 0) {
		printf("0x%" PRIx64 " refused\n", flags);
		return 0;
	}
	if (rte_vhost_driver_get_features(path, &features) != 0 ||
		rte_vhost_driver_get_protocol_features(path, &protocol_features) != 0 ||
		rte_vhost_driver_get_queue_num(path, &queues) != 0)
		return -1;
	printf("0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " %u\n", flags, features, protocol_features,
		queues);
	return rte_vhost_driver_unregister(path);
}

int
main(int argc, char **argv)
{
	static const uint64_t flags[] = {
		0,
		RTE_VHOST_USER_CLIENT,
		RTE_VHOST_USER_IOMMU_SUPPORT,
		RTE_VHOST_USER_POSTCOPY_SUPPORT,
		RTE_VHOST_USER_EXTBUF_SUPPORT,
		RTE_VHOST_USER_LINEARBUF_SUPPORT,
		RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT,
		RTE_VHOST_USER_ASYNC_COPY,
		RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS,
		RTE_VHOST_USER_NET_STATS_ENABLE,
	};
	const int n = rte_eal_init(argc, argv);
	char path[256];

	if (n < 0 || n + 2 != argc)
		return 2;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		snprintf(path, sizeof(path), "%s/%zu", argv[n + 1], i);
		if (tell(path, flags[i]) != 0)
			return 1;
	}
	return rte_eal_cleanup();
}

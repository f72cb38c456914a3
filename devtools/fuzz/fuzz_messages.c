/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The message stream, with descriptors, to a device whose rings this library or the application
 * serves. See frontend.h.
 */

#include "frontend.h"
#include "loop.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const uint8_t kind = fuzz_u8(&in);
	const struct vhost_device_config config = {
		.path = "/fuzz/messages",
		.flags = RTE_VHOST_USER_NET_STATS_ENABLE,
		.features = vhost_user_net_features | (kind & 2 ? vhost_user_iommu_features : 0),
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features | vhost_user_postcopy_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = (kind & 1) == 0,
	};

	fuzz_loop_defer(kind & 4);
	fuzz_frontend_run(&in, &config);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_frontend_init();
	return 0;
}

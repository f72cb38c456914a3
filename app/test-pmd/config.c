/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <rte_mbuf.h>

#include "engine.h"

struct config config;

void
config_init(void)
{
	config = (struct config){
		.rxq = 1,
		.txq = 1,
		.lsc_interrupt = true,
		.rmv_interrupt = true,
		.promiscuous = true,
		.device_start = true,
		.mbuf_size = RTE_MBUF_DEFAULT_BUF_SIZE,
		.mbuf_cache = 250,
		.engine = fwd_engine_find("io"),
		.topology = TOPOLOGY_PAIRED,
		.nb_cores = 1,
		.burst = BURST_DEFAULT,
		.num_procs = 1,
		.retry_count = 64,
		.retry_delay = 1,
		.flush_rx = true,
		.tx_lengths = { 64 },
		.tx_segments = 1,
		.flowgen_flows = 1024,
		.seq_window = 64,
		.seq_timeout = 1000,
	};
	/* 02:00:00:00:00:NN, which is what testpmd addresses its peers as. */
	for (unsigned int i = 0; i < RTE_MAX_ETHPORTS; i++) {
		config.peer[i].addr_bytes[0] = RTE_ETHER_LOCAL_ADMIN_ADDR;
		config.peer[i].addr_bytes[5] = (uint8_t)i;
	}
}

uint32_t
config_tx_length(void)
{
	uint32_t length = 0;

	for (unsigned int i = 0; i < config.tx_segments; i++)
		length += config.tx_lengths[i];
	return length;
}

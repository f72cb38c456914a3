/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_CONFIG_H
#define TESTPMD_CONFIG_H

/**
 * @file
 * What the user asked for: filled by the options, changed by the console's commands, read
 * when ports are configured and when forwarding starts. The main thread owns it; the lcores get
 * copies of what they need in their streams.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_ether.h>

#include "parse.h"

#define BURST_MAX 512
#define BURST_DEFAULT 32
/* Whoever types 'stop' waits no longer than this for lcores that sleep. */
#define MAX_SLEEP_US 100000
#define QUEUES_MAX RTE_MAX_QUEUES_PER_PORT
#define VDPA_OPTIONS_MAX 64

enum port_topology { TOPOLOGY_PAIRED, TOPOLOGY_CHAINED, TOPOLOGY_LOOP };

struct fwd_engine;

struct config {
	/* Session. */
	bool interactive;
	bool auto_start;
	bool tx_first;
	uint32_t stats_period; /* seconds, 0 for never */
	const char *cmdline_file;
	const char *stats_json;             /* path of a file that gets a line every period */
	const char *vdpa[VDPA_OPTIONS_MAX]; /* DEVICE=SOCKET[,client] */
	unsigned int vdpa_count;

	/* Ports. */
	uint16_t rxq, txq;
	uint16_t rxd, txd;    /* 0 takes what the driver prefers */
	uint64_t port_mask;   /* 0 for all */
	uint32_t nb_ports;    /* 0 for all */
	uint32_t max_pkt_len; /* 0 keeps the device's MTU */
	bool lsc_interrupt;
	bool rmv_interrupt;
	bool hot_plug;
	bool promiscuous;
	bool device_start;
	bool scatter;
	bool rx_cksum;
	bool lro;
	uint64_t tx_offloads, rx_offloads;
	struct rte_ether_addr peer[RTE_MAX_ETHPORTS];

	/* Memory. */
	uint32_t total_mbufs; /* 0 for a default that fits the memory there is */
	uint32_t mbuf_size;   /* data room, headroom included */
	uint32_t mbuf_cache;

	/* Forwarding. */
	const struct fwd_engine *engine;
	enum port_topology topology;
	uint32_t nb_cores;
	uint64_t core_mask; /* 0 for all */
	uint16_t burst;
	uint16_t num_procs,
		proc_id;    /* processes that share the ports' queues, and which one this is */
	uint32_t max_sleep; /* microseconds an idle lcore sleeps at most, 0 for never */
	bool retry;         /* hand a full transmit queue its frames again */
	uint32_t retry_count;
	uint32_t retry_delay; /* microseconds */
	bool flush_rx;
	uint16_t verbose;
	const char *txpkts; /* as the option had it */
	uint16_t tx_lengths[TXPKTS_MAX_SEGS];
	unsigned int tx_segments;
	uint32_t tx_ip_src, tx_ip_dst; /* 0 for the engine's own */
	uint16_t tx_udp_src, tx_udp_dst;
	uint32_t flowgen_flows;

	/* Numbered frames. */
	uint64_t seq_count; /* frames a stream sends, 0 for no end */
	uint32_t seq_window;
	uint32_t seq_min_len, seq_max_len; /* 0 takes the length from txpkts */
	uint32_t seq_timeout; /* milliseconds without progress before frames are lost */
};

extern struct config config;

/** Fill in the defaults. */
void config_init(void);

/** Bytes of one generated frame: the sum of the txpkts. */
uint32_t config_tx_length(void);

#endif /* TESTPMD_CONFIG_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The device arguments of vdpa_sim, checked.
 */

#ifndef SIM_DEVARGS_H
#define SIM_DEVARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_dev.h>
#include <rte_ether.h>

/** Queue pairs at most: as many as a vhost-user message can number rings for. */
#define SIM_PAIRS_MAX 128

/** The smallest IPv4 link, and a jumbo frame whose buffers still come out of small pages. */
#define SIM_MTU_MIN RTE_ETHER_MIN_MTU
#define SIM_MTU_MAX 9600

/** Operations that can be told to fail, by the names they have in struct rte_vdpa_dev_ops. */
#define SIM_FAIL_OPS(X) \
	X(get_queue_num) \
	X(get_features) \
	X(get_protocol_features) \
	X(dev_conf) \
	X(dev_close) \
	X(set_vring_state) \
	X(set_features) \
	X(get_config) \
	X(set_config) \
	X(get_stats)

enum sim_fail {
#define SIM_FAIL_ENUM(op) SIM_FAIL_##op,
	SIM_FAIL_OPS(SIM_FAIL_ENUM)
#undef SIM_FAIL_ENUM
		SIM_FAIL_MAX
};

struct sim_devargs {
	uint16_t pairs;
	uint16_t mtu;
	struct rte_ether_addr mac;
	char port[RTE_DEV_NAME_MAX_LEN]; /**< ethdev that the pairs are connected to; "" to loop */
	bool doorbells;                  /**< notify through doorbell pages */
	uint32_t fail;                   /**< bit mask of enum sim_fail */
};

/** What a user may write, for PMD information. */
#define SIM_DEVARGS_SYNTAX \
	"queues=<1-128> " \
	"mode=loop|port " \
	"port=<ethdev name> " \
	"mac=<xx:xx:xx:xx:xx:xx> " \
	"mtu=<68-9600> " \
	"notify=kick|doorbell " \
	"fail=<operation>"

/**
 * Parse a device's arguments; what is not given has its default.
 *
 * @param name device, for the log
 * @param args as given after the name; NULL or empty for none
 * @return 0; -EINVAL with one line in the log that names the culprit
 */
int sim_devargs_parse(const char *name, const char *args, struct sim_devargs *devargs);

#endif /* SIM_DEVARGS_H */

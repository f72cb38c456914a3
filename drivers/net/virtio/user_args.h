/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Arguments of --vdev net_virtio_user: their names, what they may be, what they are when absent.
 */

#ifndef VIRTIO_USER_ARGS_H
#define VIRTIO_USER_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <rte_ether.h>

/** Where queues= and queue_size= start when nobody says otherwise. */
#define VIRTIO_USER_QUEUES_DEFAULT 1
#define VIRTIO_USER_QUEUE_SIZE_DEFAULT 256

struct virtio_user_args {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct rte_ether_addr mac;
	bool mac_given;
	char iface[16];  /**< of the kernel; IFNAMSIZ bytes */
	uint16_t queues; /**< pairs */
	uint16_t queue_size;
	bool cq;
	bool cq_given;
	bool server;
	bool mrg_rxbuf;
	bool in_order;
	bool packed_vq;
	bool vectorized;
	uint32_t speed; /**< Mbit/s, or RTE_ETH_SPEED_NUM_UNKNOWN */
};

/** RTE_PMD_REGISTER_PARAM_STRING of the driver. */
#define VIRTIO_USER_PARAMS \
	"path=<path> mac=<mac addr> cq=<0|1> queue_size=<int> queues=<int> iface=<string> " \
	"server=<0|1> mrg_rxbuf=<0|1> in_order=<0|1> packed_vq=<0|1> speed=<int> vectorized=<0|1>"

/**
 * Parse and check @a text, as given to the vdev called @a name.
 * @return 0; -EINVAL, after one line about the first thing that is wrong; -ENOMEM
 */
int virtio_user_args_parse(const char *name, const char *text, struct virtio_user_args *args);

#endif /* VIRTIO_USER_ARGS_H */

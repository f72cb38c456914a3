/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a vDPA driver gives to the library and may call in it. Applications use rte_vdpa.h.
 */

#ifndef VDPA_DRIVER_H
#define VDPA_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_compat.h>
#include <rte_os.h>

#include "rte_vdpa.h"
#include "rte_vhost.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Stands for every queue of a device where a queue number is asked for. */
#define RTE_VHOST_QUEUE_ALL UINT16_MAX

struct rte_vdpa_dev_ops {
	int (*get_queue_num)(struct rte_vdpa_device *dev, uint32_t *queue_num);
	int (*get_features)(struct rte_vdpa_device *dev, uint64_t *features);
	int (*get_protocol_features)(struct rte_vdpa_device *dev, uint64_t *protocol_features);
	int (*dev_conf)(int vid);
	int (*dev_close)(int vid);
	int (*dev_cleanup)(int vid);
	int (*set_vring_state)(int vid, int vring, int state);
	int (*set_features)(int vid);
	int (*migration_done)(int vid);
	int (*get_vfio_group_fd)(int vid);
	int (*get_vfio_device_fd)(int vid);
	int (*get_notify_area)(int vid, int qid, uint64_t *offset, uint64_t *size);
	int (*get_stats_names)(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names,
		unsigned int size);
	int (*get_stats)(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *stats,
		unsigned int n);
	int (*reset_stats)(struct rte_vdpa_device *dev, int qid);
	int (*get_config)(int vid, uint8_t *config, uint32_t size);
	int (*set_config)(int vid, uint8_t *config, uint32_t offset, uint32_t size,
		uint32_t flags);
	int (*get_dev_type)(struct rte_vdpa_device *dev, uint32_t *type);
};

struct rte_vdpa_device {
	RTE_TAILQ_ENTRY(rte_vdpa_device) next;
	struct rte_device *device;
	struct rte_vdpa_dev_ops *ops;
	uint32_t type; /**< RTE_VHOST_VDPA_DEVICE_TYPE_* */
};

__rte_internal
struct rte_vdpa_device *rte_vdpa_register_device(struct rte_device *rte_dev,
	struct rte_vdpa_dev_ops *ops);

__rte_internal
int rte_vdpa_unregister_device(struct rte_vdpa_device *dev);

__rte_internal
int rte_vhost_host_notifier_ctrl(int vid, uint16_t qid, bool enable);

__rte_internal
int rte_vdpa_relay_vring_used(int vid, uint16_t qid, void *vring_m);

#ifdef __cplusplus
}
#endif

#endif /* VDPA_DRIVER_H */

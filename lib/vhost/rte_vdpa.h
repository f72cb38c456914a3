/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef _RTE_VDPA_H_
#define _RTE_VDPA_H_ 
#ifdef __cplusplus
extern "C" {
#endif
#include <stdint.h>
#define RTE_VDPA_STATS_NAME_SIZE 64
struct rte_vdpa_device;
struct rte_vdpa_stat {
 uint64_t id;
 uint64_t value;
};
struct rte_vdpa_stat_name {
 char name[RTE_VDPA_STATS_NAME_SIZE];
};
struct rte_vdpa_device *
rte_vdpa_find_device_by_name(const char *name);
struct rte_device *
rte_vdpa_get_rte_device(struct rte_vdpa_device *vdpa_dev);
int
rte_vdpa_get_queue_num(struct rte_vdpa_device *dev, uint32_t *queue_num);
int
rte_vdpa_get_features(struct rte_vdpa_device *dev, uint64_t *features);
int
rte_vdpa_get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features);
int
rte_vdpa_get_stats_names(struct rte_vdpa_device *dev,
  struct rte_vdpa_stat_name *stats_names,
  unsigned int size);
int
rte_vdpa_get_stats(struct rte_vdpa_device *dev, uint16_t qid,
  struct rte_vdpa_stat *stats, unsigned int n);
int
rte_vdpa_reset_stats(struct rte_vdpa_device *dev, uint16_t qid);
#ifdef __cplusplus
}
#endif
#endif

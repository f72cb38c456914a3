/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef _RTE_VHOST_H_
#define _RTE_VHOST_H_ 
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <rte_common.h>
#include <rte_compat.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#ifdef __cplusplus
extern "C" {
#endif
#ifndef __cplusplus
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_net.h>
#endif
#define RTE_VHOST_USER_CLIENT (1ULL << 0)
#define RTE_VHOST_USER_NO_RECONNECT (1ULL << 1)
#define RTE_VHOST_USER_RESERVED_1 (1ULL << 2)
#define RTE_VHOST_USER_IOMMU_SUPPORT (1ULL << 3)
#define RTE_VHOST_USER_POSTCOPY_SUPPORT (1ULL << 4)
#define RTE_VHOST_USER_EXTBUF_SUPPORT (1ULL << 5)
#define RTE_VHOST_USER_LINEARBUF_SUPPORT (1ULL << 6)
#define RTE_VHOST_USER_ASYNC_COPY (1ULL << 7)
#define RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS (1ULL << 8)
#define RTE_VHOST_USER_NET_STATS_ENABLE (1ULL << 9)
#ifndef VIRTIO_NET_F_GUEST_ANNOUNCE
 #define VIRTIO_NET_F_GUEST_ANNOUNCE 21
#endif
#ifndef VIRTIO_NET_F_MQ
 #define VIRTIO_NET_F_MQ 22
#endif
#ifndef VIRTIO_NET_F_MTU
 #define VIRTIO_NET_F_MTU 3
#endif
#ifndef VIRTIO_F_ANY_LAYOUT
 #define VIRTIO_F_ANY_LAYOUT 27
#endif
#ifndef VHOST_USER_PROTOCOL_F_MQ
#define VHOST_USER_PROTOCOL_F_MQ 0
#endif
#ifndef VHOST_USER_PROTOCOL_F_LOG_SHMFD
#define VHOST_USER_PROTOCOL_F_LOG_SHMFD 1
#endif
#ifndef VHOST_USER_PROTOCOL_F_RARP
#define VHOST_USER_PROTOCOL_F_RARP 2
#endif
#ifndef VHOST_USER_PROTOCOL_F_REPLY_ACK
#define VHOST_USER_PROTOCOL_F_REPLY_ACK 3
#endif
#ifndef VHOST_USER_PROTOCOL_F_NET_MTU
#define VHOST_USER_PROTOCOL_F_NET_MTU 4
#endif
#ifndef VHOST_USER_PROTOCOL_F_SLAVE_REQ
#define VHOST_USER_PROTOCOL_F_SLAVE_REQ 5
#endif
#ifndef VHOST_USER_PROTOCOL_F_CRYPTO_SESSION
#define VHOST_USER_PROTOCOL_F_CRYPTO_SESSION 7
#endif
#ifndef VHOST_USER_PROTOCOL_F_PAGEFAULT
#define VHOST_USER_PROTOCOL_F_PAGEFAULT 8
#endif
#ifndef VHOST_USER_PROTOCOL_F_CONFIG
#define VHOST_USER_PROTOCOL_F_CONFIG 9
#endif
#ifndef VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD
#define VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD 10
#endif
#ifndef VHOST_USER_PROTOCOL_F_HOST_NOTIFIER
#define VHOST_USER_PROTOCOL_F_HOST_NOTIFIER 11
#endif
#ifndef VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD
#define VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD 12
#endif
#ifndef VHOST_USER_PROTOCOL_F_STATUS
#define VHOST_USER_PROTOCOL_F_STATUS 16
#endif
#ifndef VHOST_USER_F_PROTOCOL_FEATURES
#define VHOST_USER_F_PROTOCOL_FEATURES 30
#endif
#define RTE_MAX_VHOST_DEVICE 1024
#define RTE_VHOST_VDPA_DEVICE_TYPE_NET 0
#define RTE_VHOST_VDPA_DEVICE_TYPE_BLK 1
struct rte_vdpa_device;
struct rte_vhost_mem_region {
 uint64_t guest_phys_addr;
 uint64_t guest_user_addr;
 uint64_t host_user_addr;
 uint64_t size;
 void *mmap_addr;
 uint64_t mmap_size;
 int fd;
};
struct rte_vhost_memory {
 uint32_t nregions;
 struct rte_vhost_mem_region regions[];
};
struct rte_vhost_vring {
 union {
  struct vring_desc *desc;
  struct vring_packed_desc *desc_packed;
 };
 union {
  struct vring_avail *avail;
  struct vring_packed_desc_event *driver_event;
 };
 union {
  struct vring_used *used;
  struct vring_packed_desc_event *device_event;
 };
 uint64_t log_guest_addr;
 int callfd;
 int kickfd;
 uint16_t size;
};
enum rte_vhost_msg_result {
 RTE_VHOST_MSG_RESULT_ERR = -1,
 RTE_VHOST_MSG_RESULT_OK = 0,
 RTE_VHOST_MSG_RESULT_REPLY = 1,
 RTE_VHOST_MSG_RESULT_NOT_HANDLED,
};
typedef enum rte_vhost_msg_result (*rte_vhost_msg_handle)(int vid, void *msg);
struct rte_vhost_user_extern_ops {
 rte_vhost_msg_handle pre_msg_handle;
 rte_vhost_msg_handle post_msg_handle;
};
struct rte_vhost_device_ops {
 int (*new_device)(int vid);
 void (*destroy_device)(int vid);
 int (*vring_state_changed)(int vid, uint16_t queue_id, int enable);
 int (*features_changed)(int vid, uint64_t features);
 int (*new_connection)(int vid);
 void (*destroy_connection)(int vid);
 void (*guest_notified)(int vid);
 void *reserved[1];
};
struct rte_vhost_power_monitor_cond {
 volatile void *addr;
 uint64_t val;
 uint64_t mask;
 uint8_t size;
 uint8_t match;
};
#define RTE_VHOST_STATS_NAME_SIZE 64
struct rte_vhost_stat {
 uint64_t id;
 uint64_t value;
};
struct rte_vhost_stat_name {
 char name[RTE_VHOST_STATS_NAME_SIZE];
};
static __rte_always_inline uint64_t
rte_vhost_va_from_guest_pa(struct rte_vhost_memory *mem, uint64_t gpa, uint64_t *len)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];
		/* Wraps to something huge when gpa lies below the region: one test for both ends. */
		const uint64_t offset = gpa - r->guest_phys_addr;

		if (offset < r->size) {
			*len = RTE_MIN(*len, r->size - offset);
			return r->host_user_addr + offset;
		}
	}
	*len = 0;
	return 0;
}
#define RTE_VHOST_NEED_LOG(features) ((features) & (1ULL << VHOST_F_LOG_ALL))
void rte_vhost_log_write(int vid, uint64_t addr, uint64_t len);
void rte_vhost_log_used_vring(int vid, uint16_t vring_idx,
         uint64_t offset, uint64_t len);
int rte_vhost_enable_guest_notification(int vid, uint16_t queue_id, int enable);
int rte_vhost_driver_register(const char *path, uint64_t flags);
int rte_vhost_driver_unregister(const char *path);
int
rte_vhost_driver_attach_vdpa_device(const char *path,
  struct rte_vdpa_device *dev);
int
rte_vhost_driver_detach_vdpa_device(const char *path);
struct rte_vdpa_device *
rte_vhost_driver_get_vdpa_device(const char *path);
__rte_experimental
int
rte_vhost_driver_get_vdpa_dev_type(const char *path, uint32_t *type);
int rte_vhost_driver_set_features(const char *path, uint64_t features);
int rte_vhost_driver_enable_features(const char *path, uint64_t features);
int rte_vhost_driver_disable_features(const char *path, uint64_t features);
int rte_vhost_driver_get_features(const char *path, uint64_t *features);
int
rte_vhost_driver_set_protocol_features(const char *path,
  uint64_t protocol_features);
int
rte_vhost_driver_get_protocol_features(const char *path,
  uint64_t *protocol_features);
int
rte_vhost_driver_get_queue_num(const char *path, uint32_t *queue_num);
int rte_vhost_get_negotiated_features(int vid, uint64_t *features);
__rte_experimental
int
rte_vhost_get_negotiated_protocol_features(int vid,
        uint64_t *protocol_features);
int rte_vhost_driver_callback_register(const char *path,
 struct rte_vhost_device_ops const * const ops);
int rte_vhost_driver_start(const char *path);
int rte_vhost_get_mtu(int vid, uint16_t *mtu);
int rte_vhost_get_numa_node(int vid);
uint16_t rte_vhost_get_vring_num(int vid);
int rte_vhost_get_ifname(int vid, char *buf, size_t len);
uint16_t rte_vhost_avail_entries(int vid, uint16_t queue_id);
struct rte_mbuf;
struct rte_mempool;
uint16_t rte_vhost_enqueue_burst(int vid, uint16_t queue_id,
 struct rte_mbuf **pkts, uint16_t count);
uint16_t rte_vhost_dequeue_burst(int vid, uint16_t queue_id,
 struct rte_mempool *mbuf_pool, struct rte_mbuf **pkts, uint16_t count);
int rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem);
int rte_vhost_get_vhost_vring(int vid, uint16_t vring_idx,
         struct rte_vhost_vring *vring);
int rte_vhost_vring_call(int vid, uint16_t vring_idx);
__rte_experimental
int rte_vhost_vring_call_nonblock(int vid, uint16_t vring_idx);
uint32_t rte_vhost_rx_queue_count(int vid, uint16_t qid);
__rte_experimental
int
rte_vhost_get_monitor_addr(int vid, uint16_t queue_id,
  struct rte_vhost_power_monitor_cond *pmc);
int
rte_vhost_get_log_base(int vid, uint64_t *log_base, uint64_t *log_size);
int
rte_vhost_get_vring_base(int vid, uint16_t queue_id,
  uint16_t *last_avail_idx, uint16_t *last_used_idx);
int
rte_vhost_set_vring_base(int vid, uint16_t queue_id,
  uint16_t last_avail_idx, uint16_t last_used_idx);
int
rte_vhost_extern_callback_register(int vid,
  struct rte_vhost_user_extern_ops const * const ops, void *ctx);
struct rte_vdpa_device *
rte_vhost_get_vdpa_device(int vid);
__rte_experimental
int
rte_vhost_slave_config_change(int vid, bool need_reply);
int
rte_vhost_vring_stats_get_names(int vid, uint16_t queue_id,
  struct rte_vhost_stat_name *name, unsigned int size);
int
rte_vhost_vring_stats_get(int vid, uint16_t queue_id,
  struct rte_vhost_stat *stats, unsigned int n);
int
rte_vhost_vring_stats_reset(int vid, uint16_t queue_id);
#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Prints the layout of everything in rte_vhost.h and rte_vdpa.h that passes between a program and
 * the library. Built with the headers of this tree and with those of the installed DPDK, it must
 * print the same. With DRIVER_API, it adds what passes between a vDPA driver and the library, whose
 * header DPDK does not install: that is compared with vdpa_driver.layout.
 */

#include <stddef.h>
#include <stdio.h>

#include <rte_vdpa.h>
#include <rte_vhost.h>
#ifdef DRIVER_API
#include <vdpa_driver.h>
#endif

#define SIZE(type) printf("%s: %zu\n", #type, sizeof(type))
#define FIELD(type, field) \
	printf("%s.%s: %zu +%zu\n", #type, #field, offsetof(type, field), \
		sizeof(((type *)0)->field))
#define VALUE(name) printf("%s = %lld\n", #name, (long long)(name))

static void
memory(void)
{
	SIZE(struct rte_vhost_mem_region);
	FIELD(struct rte_vhost_mem_region, guest_phys_addr);
	FIELD(struct rte_vhost_mem_region, guest_user_addr);
	FIELD(struct rte_vhost_mem_region, host_user_addr);
	FIELD(struct rte_vhost_mem_region, size);
	FIELD(struct rte_vhost_mem_region, mmap_addr);
	FIELD(struct rte_vhost_mem_region, mmap_size);
	FIELD(struct rte_vhost_mem_region, fd);
	SIZE(struct rte_vhost_memory);
	FIELD(struct rte_vhost_memory, nregions);
	printf("struct rte_vhost_memory.regions: %zu\n",
		offsetof(struct rte_vhost_memory, regions));
}

static void
rings(void)
{
	SIZE(struct rte_vhost_inflight_desc_split);
	FIELD(struct rte_vhost_inflight_desc_split, inflight);
	FIELD(struct rte_vhost_inflight_desc_split, next);
	FIELD(struct rte_vhost_inflight_desc_split, counter);
	SIZE(struct rte_vhost_inflight_info_split);
	FIELD(struct rte_vhost_inflight_info_split, features);
	FIELD(struct rte_vhost_inflight_info_split, version);
	FIELD(struct rte_vhost_inflight_info_split, desc_num);
	FIELD(struct rte_vhost_inflight_info_split, last_inflight_io);
	FIELD(struct rte_vhost_inflight_info_split, used_idx);
	printf("struct rte_vhost_inflight_info_split.desc: %zu\n",
		offsetof(struct rte_vhost_inflight_info_split, desc));
	SIZE(struct rte_vhost_inflight_desc_packed);
	FIELD(struct rte_vhost_inflight_desc_packed, inflight);
	FIELD(struct rte_vhost_inflight_desc_packed, next);
	FIELD(struct rte_vhost_inflight_desc_packed, last);
	FIELD(struct rte_vhost_inflight_desc_packed, num);
	FIELD(struct rte_vhost_inflight_desc_packed, counter);
	FIELD(struct rte_vhost_inflight_desc_packed, id);
	FIELD(struct rte_vhost_inflight_desc_packed, flags);
	FIELD(struct rte_vhost_inflight_desc_packed, len);
	FIELD(struct rte_vhost_inflight_desc_packed, addr);
	SIZE(struct rte_vhost_inflight_info_packed);
	FIELD(struct rte_vhost_inflight_info_packed, features);
	FIELD(struct rte_vhost_inflight_info_packed, version);
	FIELD(struct rte_vhost_inflight_info_packed, desc_num);
	FIELD(struct rte_vhost_inflight_info_packed, free_head);
	FIELD(struct rte_vhost_inflight_info_packed, old_free_head);
	FIELD(struct rte_vhost_inflight_info_packed, used_idx);
	FIELD(struct rte_vhost_inflight_info_packed, old_used_idx);
	FIELD(struct rte_vhost_inflight_info_packed, used_wrap_counter);
	FIELD(struct rte_vhost_inflight_info_packed, old_used_wrap_counter);
	printf("struct rte_vhost_inflight_info_packed.desc: %zu\n",
		offsetof(struct rte_vhost_inflight_info_packed, desc));
	SIZE(struct rte_vhost_resubmit_desc);
	FIELD(struct rte_vhost_resubmit_desc, index);
	FIELD(struct rte_vhost_resubmit_desc, counter);
	SIZE(struct rte_vhost_resubmit_info);
	FIELD(struct rte_vhost_resubmit_info, resubmit_list);
	FIELD(struct rte_vhost_resubmit_info, resubmit_num);
	SIZE(struct rte_vhost_ring_inflight);
	FIELD(struct rte_vhost_ring_inflight, inflight_split);
	FIELD(struct rte_vhost_ring_inflight, inflight_packed);
	FIELD(struct rte_vhost_ring_inflight, resubmit_inflight);
	SIZE(struct rte_vhost_vring);
	FIELD(struct rte_vhost_vring, desc);
	FIELD(struct rte_vhost_vring, desc_packed);
	FIELD(struct rte_vhost_vring, avail);
	FIELD(struct rte_vhost_vring, driver_event);
	FIELD(struct rte_vhost_vring, used);
	FIELD(struct rte_vhost_vring, device_event);
	FIELD(struct rte_vhost_vring, log_guest_addr);
	FIELD(struct rte_vhost_vring, callfd);
	FIELD(struct rte_vhost_vring, kickfd);
	FIELD(struct rte_vhost_vring, size);
}

static void
callbacks(void)
{
	SIZE(struct rte_vhost_device_ops);
	FIELD(struct rte_vhost_device_ops, new_device);
	FIELD(struct rte_vhost_device_ops, destroy_device);
	FIELD(struct rte_vhost_device_ops, vring_state_changed);
	FIELD(struct rte_vhost_device_ops, features_changed);
	FIELD(struct rte_vhost_device_ops, new_connection);
	FIELD(struct rte_vhost_device_ops, destroy_connection);
	FIELD(struct rte_vhost_device_ops, guest_notified);
	SIZE(struct rte_vhost_user_extern_ops);
	FIELD(struct rte_vhost_user_extern_ops, pre_msg_handle);
	FIELD(struct rte_vhost_user_extern_ops, post_msg_handle);
	VALUE(RTE_VHOST_MSG_RESULT_ERR);
	VALUE(RTE_VHOST_MSG_RESULT_OK);
	VALUE(RTE_VHOST_MSG_RESULT_REPLY);
	VALUE(RTE_VHOST_MSG_RESULT_NOT_HANDLED);
}

static void
counters(void)
{
	SIZE(struct rte_vhost_stat);
	FIELD(struct rte_vhost_stat, id);
	FIELD(struct rte_vhost_stat, value);
	SIZE(struct rte_vhost_stat_name);
	SIZE(struct rte_vdpa_stat);
	FIELD(struct rte_vdpa_stat, id);
	FIELD(struct rte_vdpa_stat, value);
	SIZE(struct rte_vdpa_stat_name);
	SIZE(struct rte_vhost_power_monitor_cond);
	FIELD(struct rte_vhost_power_monitor_cond, addr);
	FIELD(struct rte_vhost_power_monitor_cond, val);
	FIELD(struct rte_vhost_power_monitor_cond, mask);
	FIELD(struct rte_vhost_power_monitor_cond, size);
	FIELD(struct rte_vhost_power_monitor_cond, match);
}

static void
constants(void)
{
	VALUE(RTE_VHOST_USER_CLIENT);
	VALUE(RTE_VHOST_USER_NO_RECONNECT);
	VALUE(RTE_VHOST_USER_IOMMU_SUPPORT);
	VALUE(RTE_VHOST_USER_POSTCOPY_SUPPORT);
	VALUE(RTE_VHOST_USER_EXTBUF_SUPPORT);
	VALUE(RTE_VHOST_USER_LINEARBUF_SUPPORT);
	VALUE(RTE_VHOST_USER_ASYNC_COPY);
	VALUE(RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
	VALUE(RTE_VHOST_USER_NET_STATS_ENABLE);
	VALUE(VHOST_USER_PROTOCOL_F_MQ);
	VALUE(VHOST_USER_PROTOCOL_F_LOG_SHMFD);
	VALUE(VHOST_USER_PROTOCOL_F_RARP);
	VALUE(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	VALUE(VHOST_USER_PROTOCOL_F_NET_MTU);
	VALUE(VHOST_USER_PROTOCOL_F_CRYPTO_SESSION);
	VALUE(VHOST_USER_PROTOCOL_F_PAGEFAULT);
	VALUE(VHOST_USER_PROTOCOL_F_CONFIG);
	VALUE(VHOST_USER_PROTOCOL_F_HOST_NOTIFIER);
	VALUE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
	VALUE(VHOST_USER_PROTOCOL_F_STATUS);
	VALUE(VHOST_USER_F_PROTOCOL_FEATURES);
	VALUE(RTE_VHOST_VDPA_DEVICE_TYPE_NET);
	VALUE(RTE_VHOST_VDPA_DEVICE_TYPE_BLK);
}

static void
drivers(void)
{
#ifdef DRIVER_API
	SIZE(struct rte_vdpa_dev_ops);
	FIELD(struct rte_vdpa_dev_ops, get_queue_num);
	FIELD(struct rte_vdpa_dev_ops, get_features);
	FIELD(struct rte_vdpa_dev_ops, get_protocol_features);
	FIELD(struct rte_vdpa_dev_ops, dev_conf);
	FIELD(struct rte_vdpa_dev_ops, dev_close);
	FIELD(struct rte_vdpa_dev_ops, dev_cleanup);
	FIELD(struct rte_vdpa_dev_ops, set_vring_state);
	FIELD(struct rte_vdpa_dev_ops, set_features);
	FIELD(struct rte_vdpa_dev_ops, migration_done);
	FIELD(struct rte_vdpa_dev_ops, get_vfio_group_fd);
	FIELD(struct rte_vdpa_dev_ops, get_vfio_device_fd);
	FIELD(struct rte_vdpa_dev_ops, get_notify_area);
	FIELD(struct rte_vdpa_dev_ops, get_stats_names);
	FIELD(struct rte_vdpa_dev_ops, get_stats);
	FIELD(struct rte_vdpa_dev_ops, reset_stats);
	FIELD(struct rte_vdpa_dev_ops, get_config);
	FIELD(struct rte_vdpa_dev_ops, set_config);
	FIELD(struct rte_vdpa_dev_ops, get_dev_type);
	SIZE(struct rte_vdpa_device);
	FIELD(struct rte_vdpa_device, next);
	FIELD(struct rte_vdpa_device, device);
	FIELD(struct rte_vdpa_device, ops);
	FIELD(struct rte_vdpa_device, type);
	VALUE(RTE_VHOST_QUEUE_ALL);
#endif
}

int
main(void)
{
	memory();
	rings();
	callbacks();
	counters();
	constants();
	drivers();
	return 0;
}

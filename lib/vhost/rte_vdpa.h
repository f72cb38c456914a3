/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * vDPA devices, for applications.
 *
 * A vDPA device moves frames between a guest's virtio rings and the outside without an
 * application copying them. This header finds devices and asks what they can do and what they
 * have counted. To put one to work, attach it to a vhost-user socket with
 * rte_vhost_driver_attach_vdpa_device() of rte_vhost.h.
 *
 * Devices appear when their bus probes them (an `--allow` or `--vdev` option of EAL, or
 * rte_dev_probe()) and disappear when they are removed (rte_dev_remove()). All of them are found
 * with the device class `vdpa`:
 *
 * @code{.c}
 * struct rte_dev_iterator it;
 * struct rte_device *dev;
 *
 * RTE_DEV_FOREACH(dev, "class=vdpa", &it)
 *	printf("%s\n", rte_dev_name(dev));
 * @endcode
 *
 * Every function may be called from any thread, data path threads excepted: a driver may take a
 * lock or wait for firmware. A device pointer is good until the device is removed. One that was
 * kept for longer is recognized and answered with an error for as long as no other device has been
 * given the same memory.
 */

#ifndef _RTE_VDPA_H_
#define _RTE_VDPA_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_device;

/** Bytes of a counter's name, the closing zero among them. */
#define RTE_VDPA_STATS_NAME_SIZE 64

/** A vDPA device. What it holds is known to the library and to drivers only. */
struct rte_vdpa_device;

/** One counter of one queue. */
struct rte_vdpa_stat {
	uint64_t id;    /**< index of its name among those of rte_vdpa_get_stats_names() */
	uint64_t value; /**< since the device was probed or the queue's counters were reset */
};

/** The name of one counter. */
struct rte_vdpa_stat_name {
	char name[RTE_VDPA_STATS_NAME_SIZE]; /**< zero-terminated */
};

/**
 * Find a device by its name.
 *
 * @param name
 *   Name of the device on its bus, as in rte_dev_name(): "vdpa_sim0", "0000:af:00.2".
 * @return
 *   The device, owned by the library; NULL if there is none of that name or @p name is NULL.
 */
struct rte_vdpa_device *rte_vdpa_find_device_by_name(const char *name);

/**
 * Get the generic device that a vDPA device sits on: its name, bus and NUMA node.
 *
 * @param vdpa_dev
 *   The vDPA device.
 * @return
 *   The generic device, owned by its bus; NULL if @p vdpa_dev is not a registered device.
 */
struct rte_device *rte_vdpa_get_rte_device(struct rte_vdpa_device *vdpa_dev);

/**
 * Ask how many queues a device has.
 *
 * @param dev
 *   The vDPA device.
 * @param[out] queue_num
 *   For a network device the number of queue pairs, for other types that of queues. Undefined
 *   after a failure.
 * @return
 *   0; -1 if @p dev is not a registered device, @p queue_num is NULL, or the device cannot tell.
 */
int rte_vdpa_get_queue_num(struct rte_vdpa_device *dev, uint32_t *queue_num);

/**
 * Ask which virtio features a device offers.
 *
 * @param dev
 *   The vDPA device.
 * @param[out] features
 *   Bit mask, bit N being feature N of the virtio specification (virtio 1.2, section 6 and the
 *   "Feature bits" of each device type), and VHOST_F_LOG_ALL. Undefined after a failure.
 * @return
 *   0; -1 if @p dev is not a registered device, @p features is NULL, or the device cannot tell.
 */
int rte_vdpa_get_features(struct rte_vdpa_device *dev, uint64_t *features);

/**
 * Ask which vhost-user protocol features a device supports.
 *
 * @param dev
 *   The vDPA device.
 * @param[out] features
 *   Bit mask of VHOST_USER_PROTOCOL_F_*. Undefined after a failure.
 * @return
 *   0; -1 if @p dev is not a registered device, @p features is NULL, or the device cannot tell.
 */
int rte_vdpa_get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features);

/**
 * Get the names of the counters that each queue of a device has.
 *
 * The name at index i belongs to the counter whose id is i. Names and their order do not change
 * while the device exists, and are the same for all of its queues.
 *
 * @param dev
 *   The vDPA device.
 * @param[out] stats_names
 *   Room for @p size names, or NULL to learn how many there are.
 * @param size
 *   Elements of @p stats_names; ignored when that is NULL.
 * @return
 *   - number of names filled in, @p size at most; when @p stats_names is NULL, number of counters
 *   - -EINVAL: @p dev is NULL
 *   - -ENODEV: @p dev is not a registered device
 *   - -ENOTSUP: the device does not count
 *   - another negative errno from the device
 */
int rte_vdpa_get_stats_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *stats_names,
	unsigned int size);

/**
 * Read the counters of one queue.
 *
 * The counters are read while the queue runs: each is exact, but they are not of one instant.
 *
 * @param dev
 *   The vDPA device.
 * @param qid
 *   Queue, counted from 0 as in vhost-user: of a network device, queue pair N receives on 2N and
 *   transmits on 2N + 1, in the eyes of the guest.
 * @param[out] stats
 *   Room for @p n counters. Element i is the counter with id i.
 * @param n
 *   Elements of @p stats.
 * @return
 *   - number of counters filled in, @p n at most
 *   - -EINVAL: @p dev or @p stats is NULL, @p n is 0, or the device has no queue @p qid
 *   - -ENODEV: @p dev is not a registered device
 *   - -ENOTSUP: the device does not count
 *   - another negative errno from the device
 */
int rte_vdpa_get_stats(struct rte_vdpa_device *dev, uint16_t qid, struct rte_vdpa_stat *stats,
	unsigned int n);

/**
 * Set the counters of one queue to zero.
 *
 * @param dev
 *   The vDPA device.
 * @param qid
 *   Queue, as in rte_vdpa_get_stats().
 * @return
 *   - 0
 *   - -EINVAL: @p dev is NULL, or the device has no queue @p qid
 *   - -ENODEV: @p dev is not a registered device
 *   - -ENOTSUP: the device does not count, or cannot reset
 *   - another negative errno from the device
 */
int rte_vdpa_reset_stats(struct rte_vdpa_device *dev, uint16_t qid);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_VDPA_H_ */

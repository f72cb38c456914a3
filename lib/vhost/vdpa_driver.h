/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a vDPA driver gives to the library and may call in it. Applications use rte_vdpa.h.
 *
 * A driver registers a device when its bus probes it, with a table of operations. The library
 * serves the vhost-user connection and calls the operations:
 *
 *	dev_conf ---> running ---> dev_close ---> ... dev_conf again, or dev_cleanup
 *
 * A vid is the number of a connection, as everywhere in rte_vhost.h. From an operation a driver
 * reads with rte_vhost.h what was negotiated: rte_vhost_get_negotiated_features(),
 * rte_vhost_get_mem_table(), rte_vhost_get_vhost_vring(), rte_vhost_get_vring_base(),
 * rte_vhost_get_log_base(). rte_vhost_get_vdpa_device() tells the device of a vid.
 *
 * Operations that take a vid are called by the thread that serves the connection, one at a time
 * for each connection. Those that take a device may be called by any thread, concurrently. An
 * operation runs without a lock of the library held.
 *
 * Operations return 0 or a negative errno unless said otherwise. An operation that is not marked
 * as required may be NULL.
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

/** What a driver can be asked to do with its devices. */
struct rte_vdpa_dev_ops {
	/** Tell the number of queue pairs (network device) or queues (other types). Required. */
	int (*get_queue_num)(struct rte_vdpa_device *dev, uint32_t *queue_num);

	/** Tell the virtio features offered, VHOST_F_LOG_ALL if writes can be logged. Required. */
	int (*get_features)(struct rte_vdpa_device *dev, uint64_t *features);

	/**
	 * Tell the vhost-user protocol features supported. Required.
	 * What the library does not know of them is not offered to a front end.
	 */
	int (*get_protocol_features)(struct rte_vdpa_device *dev, uint64_t *protocol_features);

	/**
	 * Start. Required.
	 *
	 * Features are agreed, memory is known, and at least one ring is ready. Until
	 * dev_close() the memory table does not change, and the mappings it names stay.
	 * A failure ends the connection.
	 */
	int (*dev_conf)(int vid);

	/**
	 * Stop. Required.
	 *
	 * When it returns, the device reads and writes guest memory no more, and the driver has
	 * said with rte_vhost_set_vring_base() how far each ring has come.
	 */
	int (*dev_close)(int vid);

	/** The connection ends: free what belonged to this vid. */
	int (*dev_cleanup)(int vid);

	/**
	 * A ring became ready (@p state 1) or stopped being so (@p state 0). Required.
	 *
	 * Called before dev_conf() too, and while the device runs whenever something of a ring
	 * changes, its kick or call descriptor among them: state 0, the change, state 1. The
	 * driver reads the ring's description anew with state 1, and uses no descriptor of it
	 * after it returned from state 0.
	 */
	int (*set_vring_state)(int vid, int vring, int state);

	/**
	 * The negotiated features changed while the device runs: VHOST_F_LOG_ALL came or went, or
	 * the dirty log was replaced. Required. A driver that fails is closed and configured anew.
	 */
	int (*set_features)(int vid);

	/** Migration has ended and the guest runs here: announce it to the network. */
	int (*migration_done)(int vid);

	/** Return the VFIO group of the device as a descriptor that stays the driver's, or -1. */
	int (*get_vfio_group_fd)(int vid);

	/**
	 * Return a descriptor that stays the driver's, in which doorbell pages are mapped by a
	 * front end, or -1.
	 */
	int (*get_vfio_device_fd)(int vid);

	/**
	 * Tell where the doorbell page of a ring lies in the file of get_vfio_device_fd().
	 * @p offset and @p size are bytes, multiples of the page size.
	 */
	int (*get_notify_area)(int vid, int qid, uint64_t *offset, uint64_t *size);

	/** As rte_vdpa_get_stats_names(); the device is registered, @p size 0 without names. */
	int (*get_stats_names)(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names,
		unsigned int size);

	/** As rte_vdpa_get_stats(); the driver checks @p qid. */
	int (*get_stats)(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *stats,
		unsigned int n);

	/** As rte_vdpa_reset_stats(); the driver checks @p qid. */
	int (*reset_stats)(struct rte_vdpa_device *dev, int qid);

	/** Fill in the first @p size bytes of the device configuration space. */
	int (*get_config)(int vid, uint8_t *config, uint32_t size);

	/**
	 * The front end writes @p size bytes of the configuration space from @p offset on.
	 * @p flags is 0 for the guest's driver writing, 1 for state that comes with a migration.
	 * The driver checks offset and size.
	 */
	int (*set_config)(int vid, uint8_t *config, uint32_t offset, uint32_t size, uint32_t flags);

	/** Tell the type, RTE_VHOST_VDPA_DEVICE_TYPE_*. A device without it is a network device. */
	int (*get_dev_type)(struct rte_vdpa_device *dev, uint32_t *type);
};

/** A vDPA device as its driver sees it; allocated by the library, read only for drivers. */
struct rte_vdpa_device {
	RTE_TAILQ_ENTRY(rte_vdpa_device) next; /**< the library's */
	struct rte_device *device;             /**< generic device it sits on */
	struct rte_vdpa_dev_ops *ops;          /**< operations of its driver */
	uint32_t type;                         /**< RTE_VHOST_VDPA_DEVICE_TYPE_* */
};

/**
 * Make a device known.
 *
 * Applications find it from then on, and its operations may be called before this returns:
 * get_dev_type() by this very function. Thread-safe.
 *
 * @param rte_dev
 *   The generic device, of any bus; stays valid until the vDPA device is unregistered. Its name is
 *   the vDPA device's, and no other registered device has it.
 * @param ops
 *   Operations; stay the driver's, and valid until the device is unregistered.
 * @return
 *   The device, or NULL with rte_errno set: EINVAL (an argument is NULL, or a required operation
 *   is missing), EEXIST (there is a device of that name), EIO (get_dev_type() failed), ENOMEM.
 */
__rte_internal struct rte_vdpa_device *rte_vdpa_register_device(struct rte_device *rte_dev,
	struct rte_vdpa_dev_ops *ops);

/**
 * Take a device back.
 *
 * Sockets it is attached to are detached from it, connections that run on it are closed (so
 * dev_close() and dev_cleanup() are called), and queries in progress are waited for: after this no
 * operation of the device runs. Hence not to be called from an operation, nor with a lock
 * held that an operation takes. In a callback of an application it may be: the driver is called for
 * what it has to give back, and the connection is closed when the callback has returned.
 * Thread-safe.
 *
 * @param dev
 *   The device; freed.
 * @return
 *   0, or -1 with rte_errno ENODEV if @p dev is not registered.
 */
__rte_internal int rte_vdpa_unregister_device(struct rte_vdpa_device *dev);

/**
 * Give doorbell pages to the front end, or take them away, so that the guest's notifications reach
 * the device without leaving the guest. The pages are those of get_vfio_device_fd() and
 * get_notify_area(). To be called from dev_conf(), dev_close() or set_vring_state().
 *
 * @param vid
 *   Connection.
 * @param qid
 *   Ring, or RTE_VHOST_QUEUE_ALL.
 * @param enable
 *   Give or take away. When one of several cannot be given, none is.
 * @return
 *   0, the front end was asked: one that cannot map a page goes on to kick. -EINVAL no such
 *   connection or ring; -ENOTSUP the front end did not negotiate virtio 1 or the protocol features
 *   BACKEND_REQ, BACKEND_SEND_FD and HOST_NOTIFIER, or the driver lacks the operations; another
 *   negative errno from the driver or from sendmsg(2).
 */
__rte_internal int rte_vhost_host_notifier_ctrl(int vid, uint16_t qid, bool enable);

/**
 * Carry used entries over from a ring that the device writes to the ring that the guest reads.
 *
 * For migrating a guest whose device cannot log its writes: the device is given a used ring in the
 * driver's memory, and for each entry that appears there, the driver calls this. Of each buffer, as
 * many bytes as its used entry tells are marked in the dirty log, then the entries are made visible to
 * the guest.
 * Neither is the used ring itself logged, see rte_vhost_log_used_vring(), nor the guest interrupted, see
 * rte_vhost_vring_call(). Split rings only. One thread at a time for each ring.
 *
 * @param vid
 *   Connection.
 * @param qid
 *   Ring.
 * @param vring_m
 *   The ring that the device writes, a `struct vring` of the same size as the guest's.
 * @return
 *   Number of entries carried over; -1 if there is no such connection or ring, if it is packed,
 *   or if guest or device wrote something impossible, in which case nothing was made visible.
 */
__rte_internal int rte_vdpa_relay_vring_used(int vid, uint16_t qid, void *vring_m);

#ifdef __cplusplus
}
#endif

#endif /* VDPA_DRIVER_H */

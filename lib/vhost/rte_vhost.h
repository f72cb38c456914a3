/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef _RTE_VHOST_H_
#define _RTE_VHOST_H_

/**
 * @file
 * The back end of vhost-user: virtio devices served to virtual machines and containers.
 *
 * A *front end* (QEMU, virtio-user in a container) owns a virtio device and its guest's memory. It
 * connects to a Unix socket, shares the memory, says where the virtqueues lie, and leaves the
 * moving of data to this side, the *back end*.
 *
 * An application registers a socket path, with the callbacks it wants, and starts it:
 *
 *	rte_vhost_driver_register(path, flags);
 *	rte_vhost_driver_callback_register(path, &ops);
 *	rte_vhost_driver_start(path);
 *
 * Each front end that connects gets a device number, the *vid*, which callbacks carry and all other
 * functions take. Once the front end has made its device ready, the application is told
 * (`new_device`) and moves packets with rte_vhost_enqueue_burst() and rte_vhost_dequeue_burst(),
 * until it is told to stop (`destroy_device`).
 *
 * Or a vDPA device (rte_vdpa.h) is attached to the socket with
 * rte_vhost_driver_attach_vdpa_device(): then that device moves the data, and the application
 * sees only the comings and goings.
 *
 * **Virtqueues** are numbered from 0. Of a network device, the guest receives on even ones, into
 * which the application enqueues, and transmits on odd ones, from which it dequeues; queue pair N
 * is the virtqueues 2N and 2N + 1 (virtio 1.2, 5.1.2).
 *
 * **Byte order.** Everything here is in the host's byte order, whichever order the guest uses.
 *
 * **Threads.** Unless said otherwise, a function may be called by any thread at any time, from
 * within callbacks too, and a vid that is not in use (any more) is an error and nothing worse. All
 * sockets are served by one thread of the library, which makes the callbacks: while one runs, no
 * other message of any front end is handled, so callbacks should be short. No lock of the library
 * is held during a callback. Only rte_vhost_driver_unregister() waits for callbacks: it must not be
 * called with a lock held that a callback takes.
 *
 * **Errors.** Functions that return -1 set rte_errno where a value is named in their description.
 */

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
/* These headers are not for C++. */
#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#endif

/**
 * @name Flags of a socket
 * @{
 */
/** Connect to a front end that listens, instead of listening. */
#define RTE_VHOST_USER_CLIENT (1ULL << 0)
/** With RTE_VHOST_USER_CLIENT: connect once, do not try again after a failure or the end. */
#define RTE_VHOST_USER_NO_RECONNECT (1ULL << 1)
/** Had a meaning in earlier releases; ignored. */
#define RTE_VHOST_USER_RESERVED_1 (1ULL << 2)
/**
 * Offer VIRTIO_F_ACCESS_PLATFORM: the guest's device may stand behind an IOMMU. The library's network
 * data path translates addresses; rte_vhost_get_mem_table() does not know of an IOMMU.
 */
#define RTE_VHOST_USER_IOMMU_SUPPORT (1ULL << 3)
/**
 * Offer post-copy migration: a guest may run here before its memory has come. Whoever touches what is
 * missing waits for it. Needs userfaultfd(2), which the kernel has to permit. Not with vDPA devices.
 */
#define RTE_VHOST_USER_POSTCOPY_SUPPORT (1ULL << 4)
/** The application takes frames larger than a mbuf's data room in one external buffer. */
#define RTE_VHOST_USER_EXTBUF_SUPPORT (1ULL << 5)
/** The application takes no frame that is spread over several mbufs. */
#define RTE_VHOST_USER_LINEARBUF_SUPPORT (1ULL << 6)
/** Let DMA devices copy. Not supported: registration fails. */
#define RTE_VHOST_USER_ASYNC_COPY (1ULL << 7)
/**
 * Set mbuf offload flags of dequeued frames as a port's receive function does (RTE_MBUF_F_RX_*). With
 * RTE_MBUF_F_RX_L4_CKSUM_NONE, packet_type, l2_len and l3_len say where the checksum belongs.
 * Without it they are transmit flags and header lengths, so that the mbuf can be sent on as it is.
 */
#define RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS (1ULL << 8)
/** Keep statistics of each virtqueue, for rte_vhost_vring_stats_get(). */
#define RTE_VHOST_USER_NET_STATS_ENABLE (1ULL << 9)
/**
 * With RTE_VHOST_USER_CLIENT: rte_vhost_driver_start() does not connect itself, not even at first,
 * and so does not fail when that is not possible. As in DPDK releases after 22.11.
 */
#define RTE_VHOST_USER_ASYNC_CONNECT (1ULL << 10)
/** @} */

/**
 * @name Bit numbers of virtio features that old kernel headers may lack
 * @{
 */
#ifndef VIRTIO_NET_F_MTU
#define VIRTIO_NET_F_MTU 3 /**< device has a maximal MTU */
#endif
#ifndef VIRTIO_NET_F_GUEST_ANNOUNCE
#define VIRTIO_NET_F_GUEST_ANNOUNCE 21 /**< guest announces itself */
#endif
#ifndef VIRTIO_NET_F_MQ
#define VIRTIO_NET_F_MQ 22 /**< several queue pairs */
#endif
#ifndef VIRTIO_F_ANY_LAYOUT
#define VIRTIO_F_ANY_LAYOUT 27 /**< descriptors end anywhere */
#endif
#ifndef VHOST_USER_F_PROTOCOL_FEATURES
#define VHOST_USER_F_PROTOCOL_FEATURES 30 /**< protocol features are spoken */
#endif
/** @} */

/**
 * @name Bit numbers of vhost-user protocol features
 * As in the vhost-user protocol document, "Protocol features".
 * @{
 */
#ifndef VHOST_USER_PROTOCOL_F_MQ
#define VHOST_USER_PROTOCOL_F_MQ 0 /**< more than one queue pair */
#endif
#ifndef VHOST_USER_PROTOCOL_F_LOG_SHMFD
#define VHOST_USER_PROTOCOL_F_LOG_SHMFD 1 /**< dirty log in shared memory */
#endif
#ifndef VHOST_USER_PROTOCOL_F_RARP
#define VHOST_USER_PROTOCOL_F_RARP 2 /**< back end announces the guest after migration */
#endif
#ifndef VHOST_USER_PROTOCOL_F_REPLY_ACK
#define VHOST_USER_PROTOCOL_F_REPLY_ACK 3 /**< acknowledgement of any request */
#endif
#ifndef VHOST_USER_PROTOCOL_F_NET_MTU
#define VHOST_USER_PROTOCOL_F_NET_MTU 4 /**< front end tells the MTU */
#endif
#ifndef VHOST_USER_PROTOCOL_F_SLAVE_REQ
#define VHOST_USER_PROTOCOL_F_SLAVE_REQ 5 /**< channel for requests of the back end */
#endif
#ifndef VHOST_USER_PROTOCOL_F_BACKEND_REQ
#define VHOST_USER_PROTOCOL_F_BACKEND_REQ 5 /**< the same, under the name of DPDK 23.07 */
#endif
#ifndef VHOST_USER_PROTOCOL_F_CRYPTO_SESSION
#define VHOST_USER_PROTOCOL_F_CRYPTO_SESSION 7 /**< crypto sessions */
#endif
#ifndef VHOST_USER_PROTOCOL_F_PAGEFAULT
#define VHOST_USER_PROTOCOL_F_PAGEFAULT 8 /**< post-copy migration */
#endif
#ifndef VHOST_USER_PROTOCOL_F_CONFIG
#define VHOST_USER_PROTOCOL_F_CONFIG 9 /**< configuration space served by the back end */
#endif
#ifndef VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD
#define VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD 10 /**< descriptors on the back end's channel */
#endif
#ifndef VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD
#define VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD 10 /**< the same, under the name of DPDK 23.07 */
#endif
#ifndef VHOST_USER_PROTOCOL_F_HOST_NOTIFIER
#define VHOST_USER_PROTOCOL_F_HOST_NOTIFIER 11 /**< doorbell pages mapped into the guest */
#endif
#ifndef VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD
#define VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD 12 /**< in-flight descriptors in shared memory */
#endif
#ifndef VHOST_USER_PROTOCOL_F_STATUS
#define VHOST_USER_PROTOCOL_F_STATUS 16 /**< virtio device status */
#endif
/** @} */

/** Most devices at a time; a vid is below it. One socket serves an eighth of them at most. */
#define RTE_MAX_VHOST_DEVICE 1024

/**
 * @name Types of vDPA devices, rte_vhost_driver_get_vdpa_dev_type()
 * @{
 */
#define RTE_VHOST_VDPA_DEVICE_TYPE_NET 0 /**< network */
#define RTE_VHOST_VDPA_DEVICE_TYPE_BLK 1 /**< block */
/** @} */

struct rte_mbuf;
struct rte_mempool;
struct rte_vdpa_device;

/* --- Guest memory -------------------------------------------------------------------------- */

/** A stretch of guest memory. All sizes are bytes. */
struct rte_vhost_mem_region {
	uint64_t guest_phys_addr; /**< where the guest sees it: what descriptors contain */
	uint64_t guest_user_addr; /**< where the front end sees it */
	uint64_t host_user_addr;  /**< where this process sees it */
	uint64_t size;            /**< of the region */
	void *mmap_addr;          /**< of the mapping in this process that holds the region */
	uint64_t mmap_size;       /**< of that mapping */
	int fd;                   /**< of the memory; the library's */
};

/** All guest memory, sorted by guest physical address. */
struct rte_vhost_memory {
	uint32_t nregions;                     /**< entries of @a regions */
	struct rte_vhost_mem_region regions[]; /**< none overlaps another */
};

/**
 * Translate a guest physical address.
 *
 * @param mem table from rte_vhost_get_mem_table(), valid as long as the device runs
 * @param gpa guest physical address
 * @param[in,out] len
 *   Bytes wanted; on return those of them that are contiguous in this process, 0 for a @p gpa in no
 *   region.
 * @return
 *   Address in this process, or 0.
 */
static __rte_always_inline uint64_t
rte_vhost_va_from_guest_pa(struct rte_vhost_memory *mem, uint64_t gpa, uint64_t *len)
{
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];
		/*
		 * Wraps to something huge when gpa lies below the region: one test for both ends.
		 */
		const uint64_t offset = gpa - r->guest_phys_addr;

		if (offset < r->size) {
			*len = RTE_MIN(*len, r->size - offset);
			return r->host_user_addr + offset;
		}
	}
	*len = 0;
	return 0;
}

/* --- Virtqueues ---------------------------------------------------------------------------- */

/** Where a virtqueue lies in this process, and its notifiers. */
struct rte_vhost_vring {
	union {
		struct vring_desc *desc;               /**< split: descriptor table */
		struct vring_packed_desc *desc_packed; /**< packed: descriptor ring */
	};
	union {
		struct vring_avail *avail;                    /**< split: available ring */
		struct vring_packed_desc_event *driver_event; /**< packed: of the driver */
	};
	union {
		struct vring_used *used;                      /**< split: used ring */
		struct vring_packed_desc_event *device_event; /**< packed: of the device */
	};
	uint64_t log_guest_addr; /**< guest physical address of the used ring, for the dirty log */
	int callfd;              /**< eventfd that interrupts the driver, or -1: it polls */
	int kickfd;              /**< eventfd by which the driver notifies, or -1: poll the ring */
	uint16_t size;           /**< entries, at most 32768 */
};

/** What to wait on with rte_power_monitor() until a driver makes buffers available. */
struct rte_vhost_power_monitor_cond {
	volatile void *addr; /**< address to watch */
	uint64_t val;        /**< value to compare with */
	uint64_t mask;       /**< bits of what is read that are compared */
	uint8_t size;        /**< bytes to read at @a addr */
	uint8_t match;       /**< 1: do not sleep if the values are equal; 0: if they differ */
};

/* --- Buffers in flight, for crash recovery --------------------------------------------------- */

#include <rte_vhost_inflight.h>

/* --- Callbacks ----------------------------------------------------------------------------- */

/** What a handler of messages did, struct rte_vhost_user_extern_ops. */
enum rte_vhost_msg_result {
	/** Refused: the front end is told if it asked for that, or loses its connection. */
	RTE_VHOST_MSG_RESULT_ERR = -1,
	RTE_VHOST_MSG_RESULT_OK = 0, /**< handled; acknowledged if the front end asked for that */
	RTE_VHOST_MSG_RESULT_REPLY = 1,   /**< handled; the message now holds the answer to send */
	RTE_VHOST_MSG_RESULT_NOT_HANDLED, /**< not for this handler */
};

/**
 * Look at, or handle, a message of the front end.
 *
 * @param vid device
 * @param[in,out] msg
 *   The message, as the vhost-user document says: request, flags and size of 32 bits each, then the
 *   payload; room for an answer of the largest payload. Valid during the call.
 * @return
 *   What was done.
 */
typedef enum rte_vhost_msg_result (*rte_vhost_msg_handle)(int vid, void *msg);

/** Handlers of messages that are the application's; either may be NULL. */
struct rte_vhost_user_extern_ops {
	/** Before the library: what this one handles, the library does not see. */
	rte_vhost_msg_handle pre_msg_handle;
	/** After it; may also handle requests that the library does not know. */
	rte_vhost_msg_handle post_msg_handle;
};

/**
 * What an application is told, each once for each transition; any may be NULL.
 *
 * Of one connection, in this order: new_connection, new_device, destroy_device, (new_device,
 * destroy_device,) destroy_connection. vring_state_changed comes with enable 1 for the first
 * virtqueues before new_device, for later ones when they become ready, and with 0 for each of them
 * in turn, at the latest after destroy_device.
 */
struct rte_vhost_device_ops {
	/** The device runs: move packets. A negative result refuses it. */
	int (*new_device)(int vid);
	/**
	 * Stop: when this returns, no thread of the application may use the device's virtqueues.
	 */
	void (*destroy_device)(int vid);
	/**
	 * A virtqueue is ready and enabled (@p enable 1), or no more (0). The result is ignored.
	 */
	int (*vring_state_changed)(int vid, uint16_t queue_id, int enable);
	/**
	 * Features changed while the device runs: VHOST_F_LOG_ALL, as migration begins or ends.
	 * The result is ignored.
	 */
	int (*features_changed)(int vid, uint64_t features);
	/** A front end connected. A negative result closes the connection. */
	int (*new_connection)(int vid);
	/** The connection ended; the vid is free when this returns. */
	void (*destroy_connection)(int vid);
	/** The driver was interrupted: made by the thread that did, right after it. */
	void (*guest_notified)(int vid);
	/**
	 * The driver wants an interrupt: made by the thread whose burst or call it follows, with no
	 * lock of the library held. If the application returns true, it is the one to raise the
	 * interrupt, with rte_vhost_notify_guest(), from any thread and whenever it likes; so that a
	 * thread that moves packets makes no system call. If it returns false, the interrupt is
	 * raised now. Experimental, as in DPDK 23.07; NULL in programs built before.
	 */
	bool (*guest_notify)(int vid, uint16_t queue_id);
};

/* --- Sockets ------------------------------------------------------------------------------- */

/**
 * Register a socket. Nothing is created before rte_vhost_driver_start().
 *
 * @param path path of the socket, up to 107 characters; copied
 * @param flags RTE_VHOST_USER_*
 * @return
 *   0, or -1 with rte_errno: EINVAL no path, ENAMETOOLONG, EEXIST it is registered, ENOTSUP a flag
 *   is not supported, ENOMEM.
 */
int rte_vhost_driver_register(const char *path, uint64_t flags);

/**
 * Take a socket out of service: its connections are closed, with all callbacks that go with that,
 * and its file is removed, before this returns. When called from within a callback of one of those
 * connections, that one ends after the callback has returned.
 *
 * @param path as registered
 * @return
 *   0, or -1 with rte_errno ENOENT (not registered) or EINVAL.
 */
int rte_vhost_driver_unregister(const char *path);

/**
 * Set the callbacks for front ends that connect from now on.
 *
 * @param path as registered
 * @param ops
 *   Callbacks; copied. NULL for none.
 * @return
 *   0, or -1 with rte_errno ENOENT or EINVAL.
 */
int rte_vhost_driver_callback_register(const char *path,
	struct rte_vhost_device_ops const *const ops);

/**
 * Start a socket: listen for front ends, or connect to one (RTE_VHOST_USER_CLIENT).
 *
 * A socket file that nobody listens on any more is replaced. A client whose front end is not there
 * yet goes on trying, unless RTE_VHOST_USER_NO_RECONNECT is set. To start a started socket is no
 * error.
 *
 * @param path as registered
 * @return
 *   0, or -1 with rte_errno: ENOENT not registered, or its directory does not exist; EADDRINUSE
 *   somebody listens there, or the file is no socket; EACCES; or another of socket(7). The log has
 *   a line that says what to do.
 */
int rte_vhost_driver_start(const char *path);

/**
 * @name What a socket offers
 * To front ends that connect from now on; one that is connected keeps what it was offered.
 * @{
 */
/**
 * Offer these virtio features (a mask of bits) and no others, and take the virtqueues as the
 * application's own: the library's network data path is not used, and a device runs when every
 * virtqueue that the front end named is ready.
 * @param path as registered
 * @param features mask of bits
 * @return 0, or -1 with rte_errno ENOENT or EINVAL
 */
int rte_vhost_driver_set_features(const char *path, uint64_t features);

/**
 * Turn on features that were turned off.
 * @param path as registered
 * @param features mask of bits
 * @return 0, or -1 with rte_errno: ENOENT; EINVAL one of them is not supported, none was turned on
 */
int rte_vhost_driver_enable_features(const char *path, uint64_t features);

/**
 * Turn off features. Of a vDPA device as well.
 * @param path as registered
 * @param features mask of bits
 * @return 0, or -1 with rte_errno ENOENT or EINVAL
 */
int rte_vhost_driver_disable_features(const char *path, uint64_t features);

/**
 * Tell what would be offered now: with a vDPA device attached, what that supports.
 * @param path as registered
 * @param[out] features mask of bits
 * @return 0, or -1 with rte_errno: ENOENT; EINVAL; EIO the vDPA device does not tell
 */
int rte_vhost_driver_get_features(const char *path, uint64_t *features);

/**
 * Offer these vhost-user protocol features (a mask of bits), as far as the library supports them.
 * Without this, an application with a device of its own (rte_vhost_driver_set_features()) is not
 * offered for those that change what its handlers of messages see, or what it has to do: CONFIG,
 * INFLIGHT_SHMFD, RESET_DEVICE, and CONFIGURE_MEM_SLOTS, with which memory comes region by region.
 * @param path as registered
 * @param protocol_features mask of bits
 * @return 0, or -1 with rte_errno ENOENT or EINVAL
 */
int rte_vhost_driver_set_protocol_features(const char *path, uint64_t protocol_features);

/**
 * As rte_vhost_driver_get_features(), of protocol features.
 * @param path as registered
 * @param[out] protocol_features mask of bits
 * @return as there
 */
int rte_vhost_driver_get_protocol_features(const char *path, uint64_t *protocol_features);

/**
 * Tell how many queue pairs (network device) or virtqueues (others) are offered: 128, or what the
 * vDPA device has, or what rte_vhost_driver_set_max_queue_num() allows, whichever is less.
 * @param path as registered
 * @param[out] queue_num that number
 * @return 0, or -1 with rte_errno ENOENT, EINVAL or EIO
 */
int rte_vhost_driver_get_queue_num(const char *path, uint32_t *queue_num);
/** @} */

/**
 * Limit the queue pairs (network device; virtqueues of others) that are offered to front ends that
 * connect from now on, which may name no virtqueue beyond them. With a vDPA device attached, what
 * the device has is a limit as well.
 *
 * @param path as registered
 * @param max_queue_pairs 1 to 128
 * @return
 *   0, or -1 with rte_errno ENOENT or EINVAL.
 */
__rte_experimental int rte_vhost_driver_set_max_queue_num(const char *path,
	uint32_t max_queue_pairs);

/* --- vDPA ---------------------------------------------------------------------------------- */

/**
 * Let a vDPA device serve the front ends that connect from now on. A device serves one connection.
 * It detaches itself, and closes the connection, when it is removed.
 *
 * @param path as registered
 * @param dev from rte_vdpa_find_device_by_name()
 * @return
 *   0, or -1 with rte_errno: ENOENT; EINVAL; ENODEV there is no such device.
 */
int rte_vhost_driver_attach_vdpa_device(const char *path, struct rte_vdpa_device *dev);

/**
 * Undo that; a front end that is connected keeps the device.
 * @param path as registered
 * @return 0, or -1 with rte_errno ENOENT or EINVAL
 */
int rte_vhost_driver_detach_vdpa_device(const char *path);

/**
 * Tell the device that is attached.
 * @param path as registered
 * @return the device, or NULL if there is none
 */
struct rte_vdpa_device *rte_vhost_driver_get_vdpa_device(const char *path);

/**
 * Tell the type of the device that is attached.
 * @param path as registered
 * @param[out] type RTE_VHOST_VDPA_DEVICE_TYPE_*
 * @return 0, or -1 with rte_errno: ENOENT; EINVAL; ENODEV none is attached
 */
__rte_experimental int rte_vhost_driver_get_vdpa_dev_type(const char *path, uint32_t *type);

/**
 * Tell the vDPA device that serves a front end.
 * @param vid device of the front end
 * @return the device, or NULL if there is none
 */
struct rte_vdpa_device *rte_vhost_get_vdpa_device(int vid);

/**
 * Tell the front end that the configuration space has changed, so that it reads it anew.
 *
 * @param vid device
 * @param need_reply
 *   Wait for the front end's answer, up to 3 seconds. Not waited for in callbacks and driver
 *   operations, during which the front end may itself be waiting.
 * @return
 *   0; -ENODEV no such vid; -ENOTSUP protocol feature SLAVE_REQ was not negotiated; -EIO the front
 *   end refused or did not answer; -EBUSY front ends of this socket hold up as much as may be; -ENOMEM
 *   or -EAGAIN no memory or thread to wait with; or what sendmsg(2) gave.
 */
__rte_experimental int rte_vhost_backend_config_change(int vid, bool need_reply);

/**
 * rte_vhost_backend_config_change() under the name that it has in DPDK 22.11.
 * @param vid as there
 * @param need_reply as there
 * @return as there
 */
__rte_experimental int rte_vhost_slave_config_change(int vid, bool need_reply);

/* --- What is known of a device ------------------------------------------------------------- */

/**
 * Tell the virtio features agreed on.
 * @param vid device
 * @param[out] features mask of bits
 * @return 0, or -1: no such vid
 */
int rte_vhost_get_negotiated_features(int vid, uint64_t *features);

/**
 * Tell the protocol features agreed on.
 * @param vid device
 * @param[out] protocol_features mask of bits
 * @return 0, or -1: no such vid
 */
__rte_experimental int rte_vhost_get_negotiated_protocol_features(int vid,
	uint64_t *protocol_features);

/**
 * Tell the MTU that the front end set, in bytes; 0 if it set none.
 * @param vid device
 * @param[out] mtu bytes
 * @return 0; -ENODEV no such vid; -EAGAIN the device does not run; -ENOTSUP VIRTIO_NET_F_MTU was
 *   not negotiated
 */
int rte_vhost_get_mtu(int vid, uint16_t *mtu);

/**
 * Tell the NUMA node that guest memory is on.
 * @param vid device
 * @return the node, or -1: unknown
 */
int rte_vhost_get_numa_node(int vid);

/**
 * Tell how many virtqueues there are: one more than the highest that the front end has named, so
 * that there may be gaps.
 * @param vid device
 * @return the number, 0 if there is no such vid
 */
uint16_t rte_vhost_get_vring_num(int vid);

/**
 * Tell the path of the socket.
 * @param vid device
 * @param[out] buf filled with the path, cut off to fit, with a terminator
 * @param len bytes of @p buf
 * @return 0, or -1: no such vid, or no room
 */
int rte_vhost_get_ifname(int vid, char *buf, size_t len);

/**
 * Get a copy of the memory table.
 *
 * @param vid device
 * @param[out] mem
 *   The copy, to be freed by the caller with free(3). What it describes stays mapped, where it is, from
 *   new_device to destroy_device: the device is stopped before any of it goes. When something is added,
 *   an application that looks at messages (rte_vhost_extern_callback_register()) goes on, and asks for
 *   another copy behind SET_MEM_TABLE or ADD_MEM_REG; any other is stopped and started again.
 * @return
 *   0, or -1: no such vid, no memory known yet, or no memory for the copy.
 */
int rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem);

/**
 * Tell where a virtqueue lies.
 *
 * @param vid device
 * @param vring_idx virtqueue
 * @param[out] vring
 *   Addresses are NULL until the virtqueue is ready, and valid until the device stops; descriptors
 *   stay the library's, and may be replaced by the front end: vring_state_changed tells, with 0
 *   before and 1 after it, those whose rings the library does not serve itself.
 * @return
 *   0, or -1: no such vid or virtqueue.
 */
int rte_vhost_get_vhost_vring(int vid, uint16_t vring_idx, struct rte_vhost_vring *vring);

/**
 * Tell how far a virtqueue has come: for split ones the two indices; for packed ones each is the
 * position in bits 0 to 14, the wrap counter in bit 15.
 *
 * @param vid device
 * @param queue_id virtqueue
 * @param[out] last_avail_idx next available entry to take
 * @param[out] last_used_idx next used entry to write
 * @return 0, or -1: no such vid or virtqueue
 */
int rte_vhost_get_vring_base(int vid, uint16_t queue_id, uint16_t *last_avail_idx,
	uint16_t *last_used_idx);

/**
 * Say how far a virtqueue has come; for those who serve it themselves: vDPA drivers, and
 * applications with a data path of their own. The front end is told when it stops the virtqueue.
 *
 * @param vid device
 * @param queue_id virtqueue
 * @param last_avail_idx as rte_vhost_get_vring_base()
 * @param last_used_idx as rte_vhost_get_vring_base()
 * @return 0, or -1: no such vid or virtqueue, or no position within the ring
 */
int rte_vhost_set_vring_base(int vid, uint16_t queue_id, uint16_t last_avail_idx,
	uint16_t last_used_idx);

/**
 * Have messages of a front end handled by the application; to be called from new_connection.
 *
 * @param vid device
 * @param ops handlers; copied
 * @param ctx not used
 * @return
 *   0, or -1: no such vid.
 */
int rte_vhost_extern_callback_register(int vid, struct rte_vhost_user_extern_ops const *const ops,
	void *ctx);

/* --- Moving packets ------------------------------------------------------------------------ */

/**
 * Put packets into a virtqueue that the guest receives on, and interrupt it if it wants that.
 *
 * The packets are copied: the mbufs stay the caller's. One thread at a time gets packets through a
 * virtqueue; a second one finds it busy and gets 0, without waiting. Never blocks.
 *
 * @param vid device
 * @param queue_id an even virtqueue
 * @param pkts packets; offload flags as for transmission
 * @param count how many
 * @return
 *   How many were taken; the others found no buffer. 0 for a device or virtqueue that does not run.
 */
uint16_t rte_vhost_enqueue_burst(int vid, uint16_t queue_id, struct rte_mbuf **pkts,
	uint16_t count);

/**
 * Take packets that the guest transmits. As rte_vhost_enqueue_burst() in all else.
 *
 * @param vid device
 * @param queue_id an odd virtqueue
 * @param mbuf_pool
 *   Where mbufs come from. When it is empty, packets stay in the virtqueue.
 * @param[out] pkts
 *   The packets, to be freed by the caller. Offload flags: RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS.
 * @param count entries of @p pkts
 * @return
 *   How many packets there were.
 */
uint16_t rte_vhost_dequeue_burst(int vid, uint16_t queue_id, struct rte_mempool *mbuf_pool,
	struct rte_mbuf **pkts, uint16_t count);

/**
 * Tell how many buffers the driver has made available and nobody took yet.
 * Waits for a burst that is at work on the virtqueue.
 * @param vid device
 * @param queue_id virtqueue
 * @return the number; 0 if there is no such vid or virtqueue
 */
uint16_t rte_vhost_avail_entries(int vid, uint16_t queue_id);

/**
 * As rte_vhost_avail_entries(), of a virtqueue that the guest transmits on.
 * @param vid device
 * @param qid virtqueue
 * @return as there, and one more if a frame that tells where the guest is waits to be taken; 0 for any
 *   other virtqueue
 */
uint32_t rte_vhost_rx_queue_count(int vid, uint16_t qid);

/* --- Notifications ------------------------------------------------------------------------- */

/**
 * Ask the driver for notifications, or tell it that none are needed. Remembered for a virtqueue
 * that does not run now. Waits for a burst that is at work.
 *
 * A notification is an event on @a kickfd of struct rte_vhost_vring. Having asked, look for buffers
 * once more before sleeping: one that came in between was not notified. Ask anew each time: with
 * VIRTIO_RING_F_EVENT_IDX the driver notifies for the next buffer only, counted from this call on
 * (virtio 1.2, 2.7.10 and 2.8.10).
 *
 * @param vid device
 * @param queue_id virtqueue
 * @param enable 1 or 0
 * @return 0, or -1: no such vid or virtqueue
 */
int rte_vhost_enable_guest_notification(int vid, uint16_t queue_id, int enable);

/**
 * Interrupt the driver, if it wants that, for those who write the used ring themselves. Waits for a
 * burst that is at work.
 * @param vid device
 * @param vring_idx virtqueue
 * @return 0, or -1: no such vid or virtqueue
 */
int rte_vhost_vring_call(int vid, uint16_t vring_idx);

/**
 * The same without waiting.
 * @param vid device
 * @param vring_idx virtqueue
 * @return as above; -EAGAIN a burst is at work
 */
__rte_experimental int rte_vhost_vring_call_nonblock(int vid, uint16_t vring_idx);

/**
 * Raise an interrupt that the guest_notify callback took over: whether the driver wants it has been
 * looked at. Waits for a burst that is at work. May be called from the callback itself. Does nothing
 * if there is no such vid or virtqueue, or it does not run, or the driver polls.
 *
 * @param vid device
 * @param queue_id virtqueue
 */
__rte_experimental void rte_vhost_notify_guest(int vid, uint16_t queue_id);

/**
 * Tell what memory to watch for the driver to make the next buffer available.
 * @param vid device
 * @param queue_id virtqueue
 * @param[out] pmc filled; valid while the virtqueue runs and nobody takes buffers from it
 * @return 0, or -1: no such vid or virtqueue, or it does not run
 */
__rte_experimental int rte_vhost_get_monitor_addr(int vid, uint16_t queue_id,
	struct rte_vhost_power_monitor_cond *pmc);

/* --- Dirty log ----------------------------------------------------------------------------- */

/** Do these features ask that writes to guest memory be logged? */
#define RTE_VHOST_NEED_LOG(features) ((features) & (1ULL << VHOST_F_LOG_ALL))

/**
 * Log a write to guest memory, for those who write it themselves; to be called after the write.
 * Does nothing unless the guest is being migrated.
 *
 * @param vid device
 * @param addr guest physical address
 * @param len bytes
 */
void rte_vhost_log_write(int vid, uint64_t addr, uint64_t len);

/**
 * Log a write to the used ring, likewise.
 *
 * @param vid device
 * @param vring_idx virtqueue
 * @param offset of what was written, bytes from the begin of the used ring
 * @param len bytes
 */
void rte_vhost_log_used_vring(int vid, uint16_t vring_idx, uint64_t offset, uint64_t len);

/**
 * Tell where the dirty log is: a bitmap, one bit for each page of 4096 bytes, set by atomic
 * operations.
 *
 * @param vid device
 * @param[out] log_base address in this process, 0 if there is none
 * @param[out] log_size bytes
 * @return 0, or -1: no such vid
 */
int rte_vhost_get_log_base(int vid, uint64_t *log_base, uint64_t *log_size);

/* --- Statistics ---------------------------------------------------------------------------- */

/** Most bytes of a counter's name, with its terminator. */
#define RTE_VHOST_STATS_NAME_SIZE 64

/** A counter. */
struct rte_vhost_stat {
	uint64_t id;    /**< index of its name */
	uint64_t value; /**< since the connection began, or the last reset */
};

/** The name of a counter, as "rx_q0_good_packets". */
struct rte_vhost_stat_name {
	char name[RTE_VHOST_STATS_NAME_SIZE]; /**< ends with a zero byte */
};

/**
 * Tell the names of a virtqueue's counters. The prefix is the application's direction and queue
 * pair: tx for even virtqueues, rx for odd ones.
 *
 * @param vid device of a socket that was registered with RTE_VHOST_USER_NET_STATS_ENABLE
 * @param queue_id virtqueue
 * @param[out] name names, or NULL to ask for their number only
 * @param size entries of @p name
 * @return
 *   The number of counters; if it is larger than @p size, nothing was filled in. -1: no such vid or
 *   virtqueue, or nothing is counted.
 */
int rte_vhost_vring_stats_get_names(int vid, uint16_t queue_id, struct rte_vhost_stat_name *name,
	unsigned int size);

/**
 * Tell the values of a virtqueue's counters, in the order of their names.
 * @param vid device
 * @param queue_id virtqueue
 * @param[out] stats values, or NULL to ask for their number only
 * @param n entries of @p stats
 * @return as rte_vhost_vring_stats_get_names()
 */
int rte_vhost_vring_stats_get(int vid, uint16_t queue_id, struct rte_vhost_stat *stats,
	unsigned int n);

/**
 * Set a virtqueue's counters to 0. Waits for a burst that is at work.
 * @param vid device
 * @param queue_id virtqueue
 * @return 0, or -1 as above
 */
int rte_vhost_vring_stats_reset(int vid, uint16_t queue_id);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_VHOST_H_ */

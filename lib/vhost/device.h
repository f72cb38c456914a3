/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The device behind one connection: what the front end said about it, and what the application or
 * the vDPA driver was told in turn.
 *
 * Message handlers write down facts (features, memory, ring addresses, status) and nothing else.
 * vhost_device_update() looks at the facts and makes every transition that follows from them: it is
 * the only place that starts or stops a ring or a device and that calls out.
 *
 * Threads. Facts are written by the thread that serves connections (the event loop), which reads
 * them freely. Everybody else reads them with vhost_device_lock() held, so the event loop
 * takes it for every change of what public getters return, and for nothing that may take long. It
 * calls out without any lock.
 *
 * Lifetime. Devices are slots of a static array, and the queues of a slot, once allocated, stay:
 * a burst on a number whose connection is gone finds a stopped ring.
 */

#ifndef VHOST_DEVICE_H
#define VHOST_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "inflight.h"
#include "iotlb.h"
#include "memory.h"
#include "rte_vhost.h"
#include "vhost_user_wire.h"
#include "vring.h"

struct event_source;
struct vhost_postcopy_watch;
struct vhost_aside;
struct vhost_state_transfer;
struct rte_vdpa_device;

#define VHOST_QUEUE_PAIRS_MAX 128
#define VHOST_QUEUES_MAX (2 * VHOST_QUEUE_PAIRS_MAX)

/** Longest socket path, with its terminator: that of sockaddr_un. */
#define VHOST_PATH_MAX 108
#define VHOST_NAME_MAX (VHOST_PATH_MAX + 32)

/** Whether the application asked for kicks, or against them, before the ring ran. */
enum vhost_kicks {
	VHOST_KICKS_AS_IS, /**< it did neither: as the driver initialised the ring */
	VHOST_KICKS_OFF,
	VHOST_KICKS_ON,
};

/** Pages that a ring behind an IOMMU may have asked for ahead of their turn. */
#define VHOST_ASKED_AHEAD 64

/** A ring with what the front end said about it. */
struct vhost_queue {
	struct vhost_vring vring;

	/* Facts. */
	struct vhost_vring_addr addr; /**< in front-end addresses */
	uint16_t index;
	bool named;     /**< by this connection; the memory may be from an earlier one */
	uint16_t size;  /**< SET_VRING_NUM; 0 until it came */
	bool has_addr;  /**< SET_VRING_ADDR came */
	bool has_kick;  /**< SET_VRING_KICK came: the ring is to run; GET_VRING_BASE ends that */
	bool enabled;   /**< SET_VRING_ENABLE's last word */
	bool suspended; /**< stopped for a moment, while something of it changes */
	int kickfd;     /**< -1 none: the device polls */
	int callfd;     /**< -1 none: the driver polls */
	int errfd;
	enum vhost_kicks kicks;
	/** Where to go on, as vhost_vring_set_base() takes it. Kept in the ring while it runs. */
	uint16_t avail_base;
	uint16_t used_base;

	uint64_t asked_addr; /**< mapping that the front end was asked for last */
	uint64_t asked_ms;   /**< when; 0 never */
	/** Pages asked for ahead of their turn, each at a place that follows from it, with access; 0 none. */
	uint64_t asked_ahead[VHOST_ASKED_AHEAD];

	/* What follows from them. */
	/** While the ring has its base; whoever uses it has the claim. */
	struct vhost_inflight inflight;
	bool placed;    /**< addresses are translated into vring */
	bool scattered; /**< they were found to lie in several pieces, and the log has it */
	bool based;     /**< where it goes on is known, until it stops; changes with the claim */
	bool live;      /**< said to be ready, to the application and the vDPA driver */

	char name[VHOST_NAME_MAX + 16];
};

/** The in-flight region that the front end keeps: SET_INFLIGHT_FD. */
struct vhost_inflight_region {
	struct vhost_mapping map; /**< addr NULL: there is none */
	uint64_t size;            /**< bytes from map.at on */
	uint16_t queues;          /**< rings that it has parts for */
	uint16_t queue_size;      /**< entries of a ring that there is room for */
};

/** Guest memory that comes after the guest: see postcopy.h. */
struct vhost_postcopy {
	int fd;         /**< userfaultfd, from ADVISE on, or -1 */
	bool listening; /**< from LISTEN to END */
	struct vhost_postcopy_watch *watch;
	/** Regions that the front end does not serve yet; may have those of the device's table. */
	struct rte_vhost_memory *mem;
};

/** What a device is born with: the registration of its socket at the time. */
struct vhost_device_config {
	const char *path;
	uint64_t flags;             /**< RTE_VHOST_USER_* */
	uint64_t features;          /**< virtio features offered */
	uint64_t protocol_features; /**< protocol features offered */
	uint32_t queue_num;         /**< offered: pairs of a network device, else queues */
	bool builtin_net;           /**< the data path of this library serves the rings */
	struct rte_vhost_device_ops ops;
	struct rte_vdpa_device *vdpa;
};

/** What came from the front end. Written by the event loop, read by anyone, each with one load. */
struct vhost_message_counters {
	uint64_t requests[VHOST_USER_REQUEST_MAX]; /**< index 0: those without a name */
	uint64_t refused;                          /**< of them, however the front end was told */
};

struct vhost_device {
	/* Data path: who has a device number finds its rings here. Written once each. */
	struct vhost_queue *queues[VHOST_QUEUES_MAX];

	int vid;
	bool used; /**< the slot has a connection */
	pthread_mutex_t lock;
	char path[VHOST_PATH_MAX];
	char name[VHOST_NAME_MAX]; /**< path and number, for the log */

	/* Constant while the connection lasts. */
	uint64_t flags;
	uint64_t offered_features;
	uint64_t offered_protocol_features;
	uint32_t queue_num;
	uint32_t max_queues; /**< rings that the front end may name */
	bool builtin_net;
	struct rte_vhost_device_ops ops;
	struct rte_vdpa_device *vdpa;

	/* Facts. */
	uint64_t features;
	uint64_t protocol_features;
	bool has_features; /**< SET_FEATURES came */
	uint8_t status;    /**< virtio device status, if protocol feature STATUS is spoken */
	uint16_t mtu;
	uint16_t nr_queues; /**< 1 + highest queue that the front end named */
	struct rte_vhost_memory *mem;
	uint32_t mem_repeats; /**< regions told again: vhost_user_add_mem_reg() */
	bool memory_shrank;   /**< a region was removed since the last whole table */
	bool memory_lent;     /**< the application has, or had, a copy of the table */
	struct vhost_dirty_log log;
	void *log_map; /**< mapping that holds the log */
	uint64_t log_map_size;
	struct vhost_inflight_region inflight;
	struct vhost_postcopy postcopy;
	int connection; /**< socket that the message in hand came on */
	/** Of the device's state, or NULL; and what to call when it is over, or NULL. */
	struct vhost_state_transfer *transfer;
	void (*go_on)(struct vhost_device *dev);
	struct vhost_iotlb iotlb;         /**< with VIRTIO_F_ACCESS_PLATFORM: what is mapped */
	struct vhost_iotlb_tables tables; /**< of it, which the rings read */
	/** Which rings ring when they miss a mapping, or -1; and who is called then, and later. */
	int miss_fd;
	struct event_source *miss_source;
	struct event_source *miss_timer;
	int backend_fd;              /**< SET_BACKEND_REQ_FD, or -1 */
	pthread_mutex_t answer_lock; /**< held by who waits for an answer on it */
	struct vhost_aside *aside;   /**< of the socket, for as long as it is connected; or NULL */
	bool suspended;              /**< stopped for a moment, while something of it changes */
	bool closing;                /**< the connection ends */
	bool cleaned_up;             /**< and the vDPA driver knows */

	/* What follows from them. */
	bool engaged; /**< has all it takes to run, but for being suspended */
	bool running; /**< the application and the vDPA driver run it */
	bool refused; /**< the application did not want it; until it would be stopped */

	struct rte_vhost_user_extern_ops extern_ops;

	struct vhost_message_counters messages;

	/** Why the request in hand was refused: vhost_device_error(). */
	char error[384];
};

extern struct vhost_device vhost_devices[RTE_MAX_VHOST_DEVICE];

/** Add one to a counter that only this thread writes and others read. */
static inline void
vhost_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/** The device of a number, or NULL when there is no connection of that number now. */
static inline struct vhost_device *
vhost_device_get(int vid)
{
	struct vhost_device *dev;

	if ((unsigned int)vid >= RTE_MAX_VHOST_DEVICE)
		return NULL;
	dev = &vhost_devices[vid];
	return __atomic_load_n(&dev->used, __ATOMIC_ACQUIRE) ? dev : NULL;
}

/** The queue of an index, or NULL when the front end has not named it. */
static inline struct vhost_queue *
vhost_device_find_queue(struct vhost_device *dev, uint32_t index)
{
	struct vhost_queue *q;

	if (index >= VHOST_QUEUES_MAX)
		return NULL;
	q = __atomic_load_n(&dev->queues[index], __ATOMIC_ACQUIRE);
	return q != NULL && __atomic_load_n(&q->named, __ATOMIC_ACQUIRE) ? q : NULL;
}

static inline void
vhost_device_lock(struct vhost_device *dev)
{
	pthread_mutex_lock(&dev->lock);
}

static inline void
vhost_device_unlock(struct vhost_device *dev)
{
	pthread_mutex_unlock(&dev->lock);
}

static inline bool
vhost_device_has_feature(const struct vhost_device *dev, unsigned int bit)
{
	return (dev->features >> bit) & 1;
}

static inline bool
vhost_device_has_protocol_feature(const struct vhost_device *dev, unsigned int bit)
{
	return (dev->protocol_features >> bit) & 1;
}

/** Do ring addresses and descriptors hold addresses that an IOMMU translates? */
static inline bool
vhost_device_has_iommu(const struct vhost_device *dev)
{
	return vhost_device_has_feature(dev, VIRTIO_F_ACCESS_PLATFORM);
}

/*
 * All that follows is for the event loop's thread.
 */

/**
 * A connection begins: take a free number.
 * @return the device; NULL, and the log says why, if there is no number left
 */
struct vhost_device *vhost_device_create(const struct vhost_device_config *config);

/**
 * Tell the application of the connection.
 * @return 0; -ECONNREFUSED it does not want it, nor to hear any more of it: to be destroyed
 */
int vhost_device_announce(struct vhost_device *dev);

/**
 * The driver of the device's vDPA device leaves while the application is in one of its callbacks: have it
 * let go of the device now. The connection has no use from then on, and is closed when that callback
 * has returned.
 */
void vhost_device_lose_vdpa(struct vhost_device *dev);

/** The connection ended: stop everything, tell everybody, give back all that the front end sent. */
void vhost_device_destroy(struct vhost_device *dev);

/**
 * Make the transitions that follow from the facts.
 *
 * @return 0; or a negative errno, with vhost_device_error() called, if the connection cannot go on
 */
int vhost_device_update(struct vhost_device *dev);

/** Stop rings and device, in order to change what they use; vhost_device_resume() undoes it. */
void vhost_device_suspend(struct vhost_device *dev);
void vhost_device_resume(struct vhost_device *dev);

/** Tell the application, and nobody else, that a ring goes, or is back: something of it is replaced. */
void vhost_device_tell_ring(struct vhost_device *dev, const struct vhost_queue *q, bool up);

/**
 * Have a ring that was kicked ready for an application that drives it: where it lies, where it goes on and
 * what is in flight, whether it is enabled or not.
 * @return as vhost_device_update(); 0 as well if that cannot be known yet
 */
int vhost_device_ready_queue(struct vhost_device *dev, struct vhost_queue *q);

/** The same for all of them, where memory changed: an application may take them up behind that message. */
int vhost_device_ready_queues(struct vhost_device *dev);

/** Stop one ring in order to change what it uses; the device goes on. As above. */
void vhost_device_suspend_queue(struct vhost_device *dev, struct vhost_queue *q);

/**
 * The queue of an index below VHOST_QUEUES_MAX that the front end names: allocated if need be.
 * @return NULL if there is no memory for it
 */
struct vhost_queue *vhost_device_name_queue(struct vhost_device *dev, uint32_t index);

/**
 * Forget what the front end said about rings and status, as a virtio device does when it is reset.
 */
void vhost_device_reset(struct vhost_device *dev);

/** Take over features while the device does not run. What an IOMMU maps is forgotten if it comes or goes. */
void vhost_device_set_features(struct vhost_device *dev, uint64_t features);

/**
 * Take over features while rings run: VHOST_F_LOG_ALL comes or goes, or the log was replaced.
 * Tells the vDPA driver and the application. When it returns, neither rings nor driver use another log.
 */
void vhost_device_set_logging(struct vhost_device *dev, uint64_t features);

/**
 * Let rings use what the IOMMU maps now: to be called when mappings or guest memory changed. When it
 * returns, no ring uses what was mapped before.
 * @return 0; -ENOMEM, and no ring of the device does anything any more
 */
int vhost_device_remap(struct vhost_device *dev);

/**
 * Use another table of memory, of which rings that do not lie in what is gone notice nothing. Where
 * regions of both tables lie has to be the same. When it returns, no ring uses the former table; behind
 * an IOMMU, when vhost_device_remap() does. Not with a vDPA device.
 *
 * @return false: the application has a copy of the former table, which goes on to be used, and has to be
 *   stopped first
 */
bool vhost_device_change_memory(struct vhost_device *dev, struct rte_vhost_memory *mem);

/** Mappings of [iova, iova + size) are gone: rings that lie there wait until they come back. */
void vhost_device_unmap(struct vhost_device *dev, uint64_t iova, uint64_t size);

/** Pages are waited for no more; memory that is held back is forgotten. */
void vhost_device_end_postcopy(struct vhost_device *dev);

/** Say why something is refused. @return @a err, for `return vhost_device_error(...)` */
int vhost_device_error(struct vhost_device *dev, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* VHOST_DEVICE_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One virtqueue seen from the device: where its three areas lie, how far it has come, who may
 * touch it now, and what it counted. Split and packed rings (virtio 1.2, 2.7 and 2.8) share this
 * one structure; what differs stands behind the functions that vhost_vring_start() chooses.
 *
 * Nothing here knows a vhost device or a socket: librte_vhost drives rings on behalf of a front
 * end, and a software vDPA device drives rings of its own with the same code.
 *
 * Claiming. A ring is touched by whoever holds its claim and by nobody else. The data path tries
 * for the claim once a burst and, when it does not get it, reports an empty burst: it never
 * waits. The control path waits for the claim (one burst at most), changes what it wants, and
 * releases it. A ring that is not started refuses bursts, so its owner needs no claim to set it
 * up. Application callbacks are never made with a claim held.
 *
 * Broken rings. What the guest wrote can be so wrong that nothing sane follows it: an available
 * index further ahead than the ring is long, a chain head outside of the table, a packed chain
 * that fills the whole ring and goes on. Such a ring is told about once and refuses every burst
 * until it is started again, as a device that needs a reset does. The front end hears of it, once, if it
 * gave an eventfd for that.
 *
 * IOMMU. A ring that comes upon an address which is not mapped says so (struct vhost_vring_miss) and
 * refuses bursts, with the buffer still in the ring, until vhost_vring_set_tables() gives it something
 * else to look into. Rings without an IOMMU know nothing of this.
 *
 * Lifetime. Memory of a struct vhost_vring is never returned to the heap while the process may still
 * hold a device number that names it: a late burst finds a stopped ring, not freed memory.
 */

#ifndef VRING_H
#define VRING_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <rte_common.h>
#include <rte_pause.h>

#include "rte_vhost.h"

struct rte_mbuf;
struct rte_mempool;

#define VHOST_VRING_SIZE_MAX 32768

enum vhost_vring_flag {
	VHOST_VRING_PACKED = 1 << 0,
	VHOST_VRING_EVENT_IDX = 1 << 1,
	VHOST_VRING_IN_ORDER = 1 << 2,
	VHOST_VRING_MERGEABLE = 1 << 3,
	VHOST_VRING_INDIRECT = 1 << 4,
	VHOST_VRING_LOG = 1 << 5, /**< mark what is written in the dirty log */
	VHOST_VRING_STATS =
		1 << 6, /**< count size bins and casts, not only what is free to count */
	VHOST_VRING_HOST_OFFLOAD = 1 << 7, /**< the guest may ask for checksums and segmentation */
	VHOST_VRING_CALLS_OWED = 1 << 8,   /**< interrupts are counted, the owner raises them */
	VHOST_VRING_IOMMU = 1 << 9,        /**< what is not mapped now may be later */
	VHOST_VRING_ANNOUNCE = 1 << 10,    /**< a frame that tells of the guest is owed */
};

/** Why a frame went no further. Each has a counter and a name in the statistics. */
enum vhost_vring_drop {
	VHOST_VRING_DROP_NO_BUFFER, /**< the guest offered no buffer, or too few */
	VHOST_VRING_DROP_BAD_CHAIN, /**< chain that loops, is too long, too short, or out of bounds */
	VHOST_VRING_DROP_BAD_ADDR,   /**< address in no memory region */
	VHOST_VRING_DROP_BAD_HEADER, /**< no whole virtio-net header */
	VHOST_VRING_DROP_OFFLOAD, /**< offload that contradicts the frame, or was not agreed to */
	VHOST_VRING_DROP_TOO_LARGE, /**< longer than a frame can be, or than the other end's buffers */
	VHOST_VRING_DROP_NO_MBUF, /**< the mempool had none left */
	VHOST_VRING_DROP_MAX
};

/** Frame size bins: < 64, 64, 65-127, 128-255, 256-511, 512-1023, 1024-1518, more. */
#define VHOST_VRING_SIZE_BINS 8

struct vhost_vring_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t multicast;
	uint64_t broadcast;
	uint64_t size_bins[VHOST_VRING_SIZE_BINS];
	uint64_t drops[VHOST_VRING_DROP_MAX];
	uint64_t iotlb_hits;       /**< frames whose addresses were all mapped, behind an IOMMU */
	uint64_t iotlb_misses;     /**< addresses that were not */
	uint64_t calls;            /**< interrupts raised */
	uint64_t calls_suppressed; /**< interrupts that the driver asked not to get */
	uint64_t calls_owed;       /**< interrupts left to somebody else to raise */
	uint64_t calls_failed;     /**< interrupts that the kernel would not raise */
	uint64_t kicks;            /**< notifications received, counted by whoever waits for them */
	uint64_t broken;           /**< times the ring was found broken */
	uint64_t async_submitted;  /**< frames given to a DMA engine: none is */
	uint64_t async_completed;  /**< and those that it is done with */
};

/** Where the driver placed the ring, in our addresses. */
struct vhost_vring_layout {
	void *desc;
	void *driver;     /**< avail ring, or driver event suppression structure */
	void *device;     /**< used ring, or device event suppression structure */
	uint64_t log_gpa; /**< guest physical address of the used ring, for the dirty log */
	uint16_t size;    /**< entries: for split rings a power of two */
};

/** The bitmap that a migration source reads: one bit for each 4 KiB page of guest memory. */
struct vhost_dirty_log {
	uint8_t *base;
	uint64_t size; /**< bytes */
};

/** Chains that a batch of the data path works on. */
#define VHOST_VRING_BATCH 32

/**
 * Chains at the avail position, read and translated before their turn: the first ones of the next
 * burst are, so that their cache lines are on the way while the application works.
 */
struct vhost_vring_batch {
	uint8_t *at[VHOST_VRING_BATCH]; /**< the one plain buffer of a chain; NULL: not so simple */
	uint32_t len[VHOST_VRING_BATCH];
	uint16_t id[VHOST_VRING_BATCH]; /**< split: head; packed: buffer id */
	uint16_t first;                 /**< entry that stands at the avail position */
	uint16_t n;
};

/**
 * What a ring looks addresses up in. All are the same but behind an IOMMU, where descriptors hold
 * addresses of the device, and not all memory may be written.
 */
struct vhost_vring_memory {
	const struct rte_vhost_memory *data;   /**< buffers of the ring's direction */
	const struct rte_vhost_memory *tables; /**< indirect descriptor tables */
	const struct rte_vhost_memory *guest;  /**< guest physical memory, for the dirty log */
};

/** Why a ring refuses bursts though it runs. */
enum vhost_vring_halt {
	VHOST_VRING_GOES = 0,
	VHOST_VRING_BROKEN, /**< until it is started again */
	VHOST_VRING_WAITS,  /**< for a mapping: until it gets other tables */
};

/** What a ring behind an IOMMU has to tell. */
enum vhost_vring_miss_kind {
	VHOST_VRING_MISS_NONE = 0,
	VHOST_VRING_MISS_UNMAPPED, /**< the ring waits for a mapping */
	VHOST_VRING_MISS_DENIED,   /**< the guest made it write what it may only read */
	VHOST_VRING_MISS_AHEAD,    /**< buffers that are not mapped will have their turn soon */
};

/** Written by who has the claim, unless @a kind says that it was not read yet. */
struct vhost_vring_miss {
	uint64_t addr;
	uint8_t access; /**< VHOST_ACCESS_RO or VHOST_ACCESS_WO */
	uint8_t kind;   /**< enum vhost_vring_miss_kind */
};

struct vhost_vring;

/** The data path of a ring that is claimed. Enqueueing ends behind a frame that was dropped. */
typedef uint16_t (
	*vhost_vring_enqueue_t)(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n);
typedef uint16_t (*vhost_vring_dequeue_t)(struct vhost_vring *vr, struct rte_mempool *pool,
	struct rte_mbuf **pkts, uint16_t n);

/**
 * The struct is three groups of cache lines: what every burst reads and only the control path
 * writes, what the data path writes and nobody else reads meanwhile, and what is seldom touched.
 */
struct __rte_cache_aligned vhost_vring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	const struct rte_vhost_memory *mem;
	vhost_vring_enqueue_t enqueue;
	vhost_vring_dequeue_t dequeue;
	int callfd; /**< eventfd that interrupts the guest, or -1 */
	uint16_t size;
	uint16_t flags;      /**< enum vhost_vring_flag */
	uint8_t net_hdr_len; /**< bytes before each frame: 10 or 12 */
	bool running;

	/* Written by the data path. Positions: split rings count freely, packed rings within size. */
	uint32_t claimed __rte_cache_aligned; /**< 0 free, 1 held */
	uint16_t avail_idx;                   /**< next entry to take */
	uint16_t used_idx;                    /**< next entry to give back */
	uint16_t avail_seen; /**< split: avail->idx as last read, so that it is read rarely */
	uint16_t call_idx;   /**< used_idx when suppression was last looked at */
	bool avail_wrap;     /**< packed: driver's wrap counter expected at avail_idx */
	bool used_wrap;      /**< packed: wrap counter to write at used_idx */
	bool call_wrap;      /**< packed: used_wrap that belongs to call_idx */
	bool call_valid;     /**< call_idx holds a position; cleared on start */
	uint8_t broken;      /**< refuses bursts: enum vhost_vring_halt */
	uint32_t unsettled;  /**< interrupts that vhost_vring_take_unsettled() was not told of */
	/** Region that translated last and is tried first. Of the table that @a mem names, or NULL. */
	const struct rte_vhost_mem_region *region;

	struct vhost_vring_stats stats __rte_cache_aligned;

	struct vhost_vring_batch ahead __rte_cache_aligned;

	/* Seldom touched. */
	uint64_t features;
	uint64_t log_gpa;
	struct vhost_dirty_log log;
	const struct rte_vhost_memory *tables; /**< struct vhost_vring_memory */
	const struct rte_vhost_memory *guest;
	struct vhost_vring_miss miss; /**< behind an IOMMU */
	int miss_fd;                  /**< eventfd that tells the owner of it, or -1 */
	int errfd;               /**< eventfd that tells the front end of a broken ring, or -1 */
	uint8_t announce_mac[6]; /**< with VHOST_VRING_ANNOUNCE: of the guest */
	/** Packed rings: where to keep what a burst overwrites (inflight.h), or NULL. */
	struct rte_vhost_inflight_info_packed *inflight;
	const char *name; /**< for the log: device and queue; owned by whoever owns the ring */
	uint64_t
		mbuf_flags; /**< RTE_VHOST_USER_{EXTBUF,LINEARBUF}_SUPPORT, NET_COMPLIANT_OL_FLAGS */
};

/** Make @a vr a stopped ring with no memory, no fds and zero counters. */
void vhost_vring_init(struct vhost_vring *vr, const char *name);

/**
 * Take over the negotiated virtio features (bit mask). The ring must be stopped.
 * VHOST_VRING_STATS and VHOST_VRING_CALLS_OWED are no features: they are the owner's to set in
 * @c flags, and stay as they are.
 */
void vhost_vring_set_features(struct vhost_vring *vr, uint64_t features);

/**
 * Say where the ring lies. The ring must be stopped.
 *
 * The areas must be mapped for as long as the ring runs, and as long as their layout needs; sizes
 * are vhost_vring_area_sizes().
 *
 * @return 0; -EINVAL size 0, over VHOST_VRING_SIZE_MAX or (split) no power of two, or areas misaligned
 */
int vhost_vring_set_layout(struct vhost_vring *vr, const struct vhost_vring_layout *layout);

/** Bytes of the three areas of a ring of @a size entries under @a features. */
void vhost_vring_area_sizes(uint64_t features, uint16_t size, uint64_t *desc, uint64_t *driver,
	uint64_t *device);

/**
 * Set where the ring goes on: for split rings the two indices; for packed rings each value is
 * position in bits 0 to 14 and wrap counter in bit 15, as vhost-user carries them.
 * @return 0; -EINVAL a packed position that is not within the ring
 */
int vhost_vring_set_base(struct vhost_vring *vr, uint16_t avail, uint16_t used);

/**
 * Packed rings: keep track in an in-flight region that has room for the ring, or do not (NULL). The
 * ring must be stopped.
 */
void vhost_vring_set_inflight(struct vhost_vring *vr, struct rte_vhost_inflight_info_packed *info);

/** What vhost_vring_set_base() would need to go on from here. */
void vhost_vring_get_base(const struct vhost_vring *vr, uint16_t *avail, uint16_t *used);

/**
 * Start: choose the data path functions for flags and CPU, and let bursts in.
 * Features, layout and base must have been set.
 */
void vhost_vring_start(struct vhost_vring *vr, const struct rte_vhost_memory *mem);

/** The same behind an IOMMU. */
void vhost_vring_start_iommu(struct vhost_vring *vr, const struct vhost_vring_memory *mem);

/** Stop: returns once no burst is inside, and none gets in any more. No-op on a stopped ring. */
void vhost_vring_stop(struct vhost_vring *vr);

/**
 * Change an eventfd (-1 for none), the memory table or the dirty log (NULL for none) of a ring
 * that may be running. They return when no burst uses the old one any more.
 */
void vhost_vring_set_callfd(struct vhost_vring *vr, int callfd);
void vhost_vring_set_errfd(struct vhost_vring *vr, int errfd);
void vhost_vring_set_memory(struct vhost_vring *vr, const struct rte_vhost_memory *mem);
void vhost_vring_set_tables(struct vhost_vring *vr, const struct vhost_vring_memory *mem);
void vhost_vring_set_log(struct vhost_vring *vr, const struct vhost_dirty_log *log);

/** The first descriptor of an available buffer, or any of it. */
struct vhost_vring_buffer {
	uint64_t addr;
	uint32_t len;
	bool table; /**< a table of descriptors is there */
};

/**
 * Look at up to @a n buffers that will have their turn next, without taking them. With the claim.
 * @return how many there are
 */
uint16_t vhost_vring_peek(const struct vhost_vring *vr, struct vhost_vring_buffer *buffers,
	uint16_t n);

/** Is a buffer's beginning or end, which goes to @a addr, mapped nowhere? With the claim. */
bool vhost_vring_lacks(const struct vhost_vring *vr, const struct vhost_vring_buffer *b,
	uint64_t *addr);

/**
 * What the ring had to tell was heard; if it waits for want of a say, let it try again.
 * @return whether it did wait: somebody may sleep who has found nothing in it
 */
bool vhost_vring_heard_miss(struct vhost_vring *vr);

/**
 * Give out one frame, with the next burst from the guest that has room for it, that tells the network
 * where the guest with this MAC address is now: a reverse ARP request.
 */
void vhost_vring_announce(struct vhost_vring *vr, const uint8_t mac[6]);

/** Try for the claim. Pairs with vhost_vring_release(): what one holder did, the next one sees. */
static inline bool
vhost_vring_try_claim(struct vhost_vring *vr)
{
	return __atomic_exchange_n(&vr->claimed, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void
vhost_vring_release(struct vhost_vring *vr)
{
	__atomic_store_n(&vr->claimed, 0, __ATOMIC_RELEASE);
}

/** Wait for the claim: control path only. Waits for one burst at most. */
void vhost_vring_claim(struct vhost_vring *vr);

/**
 * Put frames into the guest's receive buffers, in order, and interrupt it if it wants that.
 *
 * Copies: the mbufs stay the caller's. Frames past the returned count found no buffer and may be
 * offered again. A frame that can never be delivered (larger than any buffer the guest may offer)
 * is counted as dropped and passed over, so that it does not hold up those behind it.
 * The caller needs no claim. One caller at a time gets frames through; a concurrent one gets 0.
 *
 * @return frames dealt with, 0 to @a n
 */
uint16_t vhost_net_enqueue(struct vhost_vring *vr, struct rte_mbuf **pkts, uint16_t n);

/** Will the next vhost_net_dequeue() give out a frame that tells where the guest is? With the claim. */
bool vhost_net_owes_frame(const struct vhost_vring *vr);

/**
 * Take frames that the guest sends. Each is copied into mbufs from @a pool that are the caller's
 * to free. A malformed frame is consumed, counted and skipped. While @a pool is empty, frames stay
 * in the ring.
 *
 * @return frames taken, 0 to @a n
 */
uint16_t vhost_net_dequeue(struct vhost_vring *vr, struct rte_mempool *pool, struct rte_mbuf **pkts,
	uint16_t n);

/**
 * Interrupt the guest now if event suppression allows. For callers that write the used ring on
 * their own as well: what this library gave back is interrupted for by the bursts themselves.
 * The caller holds the claim.
 *
 * @return 1 if the guest was interrupted, or is owed an interrupt; 0 if not
 */
int vhost_vring_call(struct vhost_vring *vr);

/** Interrupt the guest, whatever it wants. The caller holds the claim. @return 1, or 0 if it failed */
int vhost_vring_raise(struct vhost_vring *vr);

/** Interrupts that bursts and vhost_vring_call() raised, or owe, since this was last called. */
uint32_t vhost_vring_take_unsettled(struct vhost_vring *vr);

/** Ask the guest for kicks, or tell it that none are needed. The caller holds the claim. */
void vhost_vring_enable_kicks(struct vhost_vring *vr, bool enable);

/**
 * Buffers that the guest has made available and nobody took yet. After vhost_vring_enable_kicks(true)
 * a caller must look once more before it sleeps: a buffer that came in between had no kick.
 */
uint16_t vhost_vring_available(const struct vhost_vring *vr);

/**
 * Name and value of one of a ring's counters, for @a i from 0 on. Any thread.
 * @return the name, without direction and queue; NULL if there are no more
 */
const char *vhost_vring_counter(const struct vhost_vring *vr, unsigned int i, uint64_t *value);

#endif /* VRING_H */

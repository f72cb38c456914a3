/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * One virtqueue seen from the driver: the ring that it shares with the device, the mbufs that are
 * in it, and who may touch it now.
 *
 * Descriptors are used round robin, and a buffer's id is the number of its (first) descriptor.
 * A device that returns buffers in the order in which it got them, as nearly all do, finds an
 * available ring whose content never changes, and the driver finds the next returned buffer
 * without looking anything up. Buffers that come back early are handed on at once; their
 * descriptors wait until the ones before them are back too. Two positions describe that:
 *
 *     tail             head            descriptors in [tail, head) are the device's or wait;
 *      v                v              mbufs[] of those is NULL exactly for those that wait,
 *   ...[###.##.#########]..........    and @c early counts them
 *
 * Claiming. A burst runs with @c in_burst set and starts only while @c running is. To change a
 * ring, the control path clears @c running, makes every core see that, and waits for @c in_burst
 * to go. The price is the control path's (a membarrier(2)), not the data path's. @c in_burst says
 * which process it is that the burst runs in: one that died in there is not waited for. Nor is its
 * claim taken over: what it was about is known to nobody, and so the queue fails. Whoever finds a
 * queue claimed moves nothing.
 */

#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dma.h"
#include "process.h"

#define VIRTIO_QUEUE_SIZE_MAX 32768
#define VIRTIO_QUEUE_SIZE_MIN 2

/** Segments of one frame to transmit: what one indirect table holds beside a header. */
#define VIRTIO_TX_SEGS_MAX 62

/** Several fields of a structure in one access, which the compiler must not think apart from them. */
typedef uint64_t __attribute__((may_alias)) virtio_word64;
typedef uint32_t __attribute__((may_alias)) virtio_word32;
typedef uint16_t __attribute__((may_alias)) virtio_word16;

enum virtio_queue_flag {
	VIRTIO_QUEUE_PACKED = 1 << 0,
	VIRTIO_QUEUE_IN_ORDER = 1 << 1,
	VIRTIO_QUEUE_EVENT_IDX = 1 << 2,
	VIRTIO_QUEUE_INDIRECT = 1 << 3,
	VIRTIO_QUEUE_TX = 1 << 4,
	VIRTIO_QUEUE_FAST_FREE = 1
		<< 5, /**< one pool, no mbuf referenced twice: the app's promise */
	VIRTIO_QUEUE_VLAN_STRIP = 1 << 6,
};

struct virtio_device;
struct virtio_queue;

typedef uint16_t (*virtio_burst_t)(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n);

/** What a device did wrong, in words. */
#define VIRTIO_FAILURE_MAX 80

/**
 * Header and descriptor table of a frame that needs more than one descriptor. They are taken
 * round robin, apart from descriptors, so that there may be fewer of them.
 */
struct virtio_tx_table {
	struct virtio_net_hdr_v1 hdr;
	uint8_t pad[sizeof(struct vring_desc) - sizeof(struct virtio_net_hdr_v1)];
	union {
		struct vring_desc split[VIRTIO_TX_SEGS_MAX + 1];
		struct vring_packed_desc packed[VIRTIO_TX_SEGS_MAX + 1];
	};
};

/** virtio_queue.span[]: descriptors that a frame took, and whether it took a table. 0 means 1. */
#define VIRTIO_SPAN_TABLE 0x8000u
#define VIRTIO_SPAN_MASK 0x7fffu

/** Lengths that frames are counted by: each counter is of frames of at least so many bytes. */
#define VIRTIO_SIZES 0, 64, 65, 128, 256, 512, 1024, 1519
#define VIRTIO_SIZE_BOUNDS 8

/** What a queue counts, from its creation on. Nothing that was counted is ever taken back. */
struct virtio_queue_counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors;  /**< receive: malformed; transmit: not sendable */
	uint64_t no_mbuf; /**< receive: times that the pool was empty when buffers were due */
	uint64_t kicks;
	uint64_t sizes[VIRTIO_SIZE_BOUNDS];
};

/*
 * Lies in memory that secondary processes map as well, each of which has its functions and constants
 * elsewhere, and its own descriptors: what is only the primary process's says so.
 */
struct __rte_cache_aligned virtio_queue {
	/* First line: constant while the queue runs. */
	virtio_burst_t burst; /**< the primary's; others find theirs by burst_id */
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	struct rte_mbuf **mbufs; /**< by descriptor */
	union {
		struct rte_mempool *pool;       /**< receive: where buffers come from */
		struct virtio_tx_table *tables; /**< transmit */
	};
	uint16_t size;
	uint16_t mask; /**< size - 1; split rings only */
	uint16_t
		batch; /**< receive: buffers posted at once; transmit: returned before they are freed */
	uint8_t hdr_len; /**< bytes before each frame: 10 or 12 */
	uint8_t flags;   /**< enum virtio_queue_flag */
	union {
		uint32_t buf_len; /**< receive: bytes posted per buffer, header included */
		uint16_t table_mask;
	};
	uint16_t buf_off;    /**< receive: from the mbuf's buf_addr to where the device writes */
	uint16_t addr_field; /**< where an mbuf has its buffer's address as the device knows it */

	/* Second line: written by bursts. */
	uint32_t running __rte_cache_aligned;
	uint32_t in_burst;  /**< number of the process that is; 0: none */
	uint16_t head;      /**< next descriptor; split: free running, packed: position */
	uint16_t tail;      /**< first descriptor that is not back; likewise */
	uint16_t free;      /**< descriptors that are neither posted nor waiting */
	uint16_t early;     /**< buffers that came back before their turn */
	uint16_t avail_idx; /**< split: buffers posted, free running */
	uint16_t used_idx;  /**< buffers taken back: split free running, packed position */
	uint16_t complex;   /**< transmit: frames in the ring that have a span */
	uint16_t table_head;
	uint16_t table_tail;
	bool head_wrap;           /**< packed */
	bool used_wrap;           /**< packed */
	uint64_t rearm;           /**< receive: data_off, refcnt, nb_segs, port of a fresh mbuf */
	struct rte_mbuf *merging; /**< receive: frame whose remaining buffers are yet to come */
	struct rte_mbuf *merge_last;
	uint64_t table_shift; /**< transmit: from our address of a table to the device's */

	/* Third line: counted by bursts, read by anybody. */
	struct virtio_queue_counters count __rte_cache_aligned;
	uint16_t merge_missing;
	uint16_t merge_csum_start; /**< of a checksum that merging is to get; 0: of none */
	int kickfd;                /**< of transports whose doorbell is an eventfd; the primary's */
	uint16_t *span;            /**< transmit, by descriptor */
	volatile uint16_t *doorbell; /**< of transports whose doorbell is a register */

	/* Seldom touched. */
	int callfd __rte_cache_aligned; /**< the primary's */
	uint16_t index;                 /**< virtqueue number: pair * 2, + 1 for transmit */
	bool stopped;                   /**< by the application, queue by queue */
	bool pinned;                    /**< receive: buffers are not the mbufs' own */
	bool deferred;                  /**< as configured: stopped when the port starts */
	uint8_t burst_id;               /**< of what burst does, in any process; 0: it is not set */
	/**
	 * The application sleeps on this queue. It says so at any time, and nobody else changes
	 * this: who lets bursts in, with the device's lock held, has the ring say the same.
	 */
	bool sleeps;
	bool torn; /**< somebody died inside a burst: nothing is known of what is in the ring */
	uint32_t claim_seen; /**< second in which it was last looked at whose claim is in the way */
	uint32_t failure_value;
	/** What the device did wrong, or empty; the queue stands still until it is reset. */
	char failure[VIRTIO_FAILURE_MAX];
	struct virtio_device *dev;
	struct virtio_queue_counters count_base; /**< as of the last reset of statistics */
	/** Transmit: of frames that the burst under way has dropped, by the bounds of count.sizes[]. */
	uint32_t dropped[VIRTIO_SIZE_BOUNDS];
	struct virtio_dma ring; /**< the ring, and for transmit the tables behind it */
	char pool_ops
		[RTE_MEMPOOL_OPS_NAMESIZE]; /**< what the primary calls the operations of pool */
	uint16_t merge_csum_offset; /**< receive: of the checksum, from merge_csum_start on */
	uint16_t nb_segs_max;       /**< transmit: segments of a frame that the ring can carry */
	uint16_t room;      /**< receive: data_off of frames, with room for the header in front */
	uint16_t data_room; /**< receive: bytes of a buffer from its buf_addr on */
	uint64_t offloads;
};

/**
 * Allocate a queue with memory for a ring of either format.
 * @return the queue, not running and without descriptors; NULL with errno set
 */
struct virtio_queue *virtio_queue_create(struct virtio_device *dev, uint16_t index, uint16_t size,
	int numa_node);

/** Give back the mbufs that are in the ring, and free the queue. NULL is ignored. */
void virtio_queue_destroy(struct virtio_queue *q);

/**
 * Make the ring what the device expects of a new one: format and flags as negotiated, indices
 * zero, empty. mbufs that were in it are freed. The queue must not be running.
 */
void virtio_queue_reset(struct virtio_queue *q, uint64_t features);

/**
 * Let bursts in, and wake whoever sleeps on a receive queue that has frames. The device's lock is
 * held, or nobody else knows the queue.
 */
void virtio_queue_run(struct virtio_queue *q);

/**
 * Keep bursts out of @a n queues; returns once none is inside any more. NULL entries are
 * skipped. Control path only.
 */
void virtio_queues_quiesce(struct virtio_queue *const *queues, uint16_t n);

/**
 * Strip tags of received frames from now on, or let them be. Bursts find the queue closed for a
 * moment. The device's lock is held.
 */
void virtio_queue_strip_vlan(struct virtio_queue *q, bool strip);

/**
 * Transmit from the control path: the application's bursts find the queue closed for a moment. Nothing that
 * was sent before is freed.
 * @return frames taken, none if the queue does not run or has no room
 */
uint16_t virtio_queue_inject(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n);

/**
 * Take what was transmitted out of a ring that nobody uses until it is reset: for whoever holds a lock, to be
 * freed without it.
 * @param mbufs room for as many as virtio_queue.size; some may be NULL
 * @return how many
 */
uint16_t virtio_queue_take(struct virtio_queue *q, struct rte_mbuf **mbufs);

/** Inside a burst: drop and count a frame to transmit that the ring can never carry. */
void virtio_queue_drop(struct virtio_queue *q, struct rte_mbuf *m);

/** Inside a burst, or where none can be: give back a received mbuf, with those after it. NULL is ignored. */
void virtio_rx_give_back(const struct virtio_queue *q, struct rte_mbuf *m);

/** Must have succeeded once before any queue is used: prepares what quiescing needs. */
int virtio_queue_init(void);

/** True when bursts must order their claim themselves, because the kernel cannot. */
extern bool virtio_queue_fence __attribute__((visibility("hidden")));

/**
 * The device broke the rules: count it, stop the queue until it is reset, and wake the control
 * path. Called inside a burst.
 */
void virtio_queue_fail(struct virtio_queue *q, const char *what, uint32_t value);

/**
 * If the burst is one of @a process, which is no more, end it, and fail the queue: its mbufs are not
 * given back, as nobody can tell whose they are. For the primary process, any thread of it.
 */
void virtio_queue_abandon(struct virtio_queue *q, uint32_t process);

/** The same, if whoever claims the queue is found to be no more. */
void virtio_queue_check_claim(struct virtio_queue *q);

/** Somebody else's claim was in the way of a burst: have the primary process check it. */
void virtio_queue_find_claimed(struct virtio_queue *q);

/** Who did what q->failure says, where @a device is what the device is called. */
static inline const char *
virtio_queue_culprit(const struct virtio_queue *q, const char *device)
{
	return q->torn ? "a secondary process" : device;
}

/** True if it did. What q->failure and q->failure_value say can then be read. */
static inline bool
virtio_queue_failed(const struct virtio_queue *q)
{
	return __atomic_load_n(&q->failure[0], __ATOMIC_ACQUIRE) != '\0';
}

/** The two bursts that every queue is entered by; they claim, then run q->burst. */
uint16_t virtio_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t virtio_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);

/** The same in a secondary process. */
uint16_t virtio_secondary_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t virtio_secondary_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);

/**
 * Claim the queue for a burst of this process, which is virtio_process. @return false, with nothing
 * claimed, if it is not running, or claimed: by another thread, which is a mistake of the
 * application's, or by a process that died.
 *
 * The store must be visible to the control path before running is read. That is a store followed
 * by a load, which only a full fence orders; virtio_queues_quiesce() executes it on our behalf.
 */
static __rte_always_inline bool
virtio_queue_enter(struct virtio_queue *q, uint32_t process)
{
	/* Another's claim is evidence. To look costs nothing: the line is written to next anyway. */
	if (unlikely(__atomic_load_n(&q->in_burst, __ATOMIC_RELAXED) != 0)) {
		virtio_queue_find_claimed(q);
		return false;
	}
	__atomic_store_n(&q->in_burst, process, __ATOMIC_RELAXED);
	if (unlikely(virtio_queue_fence))
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	/* Pairs with the release in virtio_queue_run(): a reset ring is seen whole. */
	if (likely(__atomic_load_n(&q->running, __ATOMIC_ACQUIRE)))
		return true;
	__atomic_store_n(&q->in_burst, 0, __ATOMIC_RELEASE);
	return false;
}

static __rte_always_inline void
virtio_queue_leave(struct virtio_queue *q)
{
	/* Pairs with the acquire in virtio_queues_quiesce(). */
	__atomic_store_n(&q->in_burst, 0, __ATOMIC_RELEASE);
}

static inline bool
virtio_queue_is_tx(const struct virtio_queue *q)
{
	return q->index & 1;
}

/** True but for what only completes a pair: without a pool, a receive queue never has buffers. */
static inline bool
virtio_queue_is_set_up(const struct virtio_queue *q)
{
	return virtio_queue_is_tx(q) || q->pool != NULL;
}

/** Number of the queue as the application counts. */
static inline uint16_t
virtio_queue_id(const struct virtio_queue *q)
{
	return q->index / 2;
}

/** Where an mbuf's buffer begins, as the device knows it. */
static __rte_always_inline uint64_t
virtio_queue_buffer(const struct virtio_queue *q, const struct rte_mbuf *m)
{
	return *(const virtio_word64 *)((const char *)m + q->addr_field);
}

/**
 * Ask the device for the queue's interrupts if q->sleeps, else for none. Whoever sleeps on it is
 * woken for frames that are there already. The queue is claimed, or does not run.
 */
void virtio_queue_interrupt(struct virtio_queue *q);

/** Ring the device's doorbell: it asked for that. */
void virtio_queue_notify(struct virtio_queue *q);

#endif /* VIRTIO_QUEUE_H */

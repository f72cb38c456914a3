/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "datapath.h"
#include "device.h"
#include "log.h"
#include "membarrier.h"
#include "queue.h"
#include "rte_vdpa_compat.h"
#include "secondary.h"
#include "transport.h"

/* Descriptors that a frame of ours takes at most: its header and itself. */
#define INJECT_ROOM 2

bool virtio_queue_fence;

int
virtio_queue_init(void)
{
	if (virtio_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0) {
		VIRTIO_LOG(INFO, "membarrier(2) is not allowed here: every burst pays for a fence");
		virtio_queue_fence = true;
	}
	return 0;
}

/* Every area begins on a cache line of its own, used ones where the transport wants them. */
static size_t
avail_at(const struct virtio_queue *q)
{
	return RTE_CACHE_LINE_ROUNDUP(q->size * sizeof(struct vring_desc));
}

static size_t
used_at(const struct virtio_queue *q)
{
	const size_t end = avail_at(q) + sizeof(struct vring_avail) +
		(q->size + 1u) * sizeof(uint16_t);

	return RTE_ALIGN(end, RTE_MAX((size_t)q->dev->ring_align, (size_t)RTE_CACHE_LINE_SIZE));
}

static size_t
ring_bytes(const struct virtio_queue *q)
{
	return RTE_CACHE_LINE_ROUNDUP(used_at(q) + sizeof(struct vring_used) +
		q->size * sizeof(struct vring_used_elem) + sizeof(uint16_t));
}

/* Tables for frames of many segments: enough that the ring is what runs full, within reason. */
static uint16_t
table_count(uint16_t size)
{
	return (uint16_t)rte_align32prevpow2(RTE_MIN(size, 256));
}

/* What the device reads and writes beside frames. */
static int
allocate_shared(struct virtio_queue *q, int node)
{
	const uint16_t tables = virtio_queue_is_tx(q) ? table_count(q->size) : 0;
	const size_t bytes = ring_bytes(q) + tables * sizeof(*q->tables);
	const size_t align = RTE_MAX((size_t)q->dev->ring_align, (size_t)RTE_CACHE_LINE_SIZE);
	char name[8];

	snprintf(name, sizeof(name), "vq%u", q->index);
	if (virtio_dma_alloc(&q->ring, q->dev, name, bytes, align, node) < 0)
		return -ENOMEM;
	if (tables > 0) {
		q->tables = (struct virtio_tx_table *)((uint8_t *)q->ring.mem + ring_bytes(q));
		q->table_mask = tables - 1;
		q->table_shift = q->ring.addr - (uintptr_t)q->ring.mem;
	}
	return 0;
}

struct virtio_queue *
virtio_queue_create(struct virtio_device *dev, uint16_t index, uint16_t size, int node)
{
	struct virtio_queue *q;

	q = rte_zmalloc_socket("virtio queue", sizeof(*q), RTE_CACHE_LINE_SIZE, node);
	if (q == NULL)
		goto no_memory;
	q->dev = dev;
	q->index = index;
	q->size = size;
	q->mask = size - 1;
	q->kickfd = -1;
	q->callfd = -1;
	q->addr_field = dev->by_iova ? VDPA_MBUF_IOVA_OFFSET : offsetof(struct rte_mbuf, buf_addr);
	q->mbufs = rte_zmalloc_socket("virtio mbufs", size * sizeof(*q->mbufs), RTE_CACHE_LINE_SIZE,
		node);
	if (virtio_queue_is_tx(q))
		q->span = rte_zmalloc_socket("virtio spans", size * sizeof(*q->span),
			RTE_CACHE_LINE_SIZE, node);
	if (q->mbufs == NULL || (virtio_queue_is_tx(q) && q->span == NULL) ||
		allocate_shared(q, node) < 0)
		goto no_memory;
	q->desc = q->ring.mem;
	q->avail = (struct vring_avail *)((uint8_t *)q->ring.mem + avail_at(q));
	q->used = (struct vring_used *)((uint8_t *)q->ring.mem + used_at(q));
	return q;

no_memory:
	virtio_queue_destroy(q);
	errno = ENOMEM;
	return NULL;
}

/* The mbuf of one of the descriptors that are not free, counted from the oldest; most of a chain have none. */
static struct rte_mbuf *
mbuf_in_ring(const struct virtio_queue *q, uint32_t i)
{
	const uint32_t pos = (q->flags & VIRTIO_QUEUE_PACKED ? q->tail : q->tail & q->mask) + i;

	return q->mbufs[pos < q->size ? pos : pos - q->size];
}

uint16_t
virtio_queue_take(struct virtio_queue *q, struct rte_mbuf **mbufs)
{
	const uint16_t n = q->torn ? 0 : (uint16_t)(q->size - q->free);

	for (uint16_t i = 0; i < n; i++)
		mbufs[i] = mbuf_in_ring(q, i);
	q->free += n;
	return n;
}

/* Take every mbuf out of the ring. */
static void
drain(struct virtio_queue *q)
{
	if (q->torn) {
		VIRTIO_LOG(WARNING, "%s: queue %u: up to %u mbufs are lost", q->dev->name, q->index,
			q->size);
		q->torn = false;
		q->merging = NULL;
		return;
	}
	for (uint16_t i = 0; i < q->size - q->free; i++)
		rte_pktmbuf_free(mbuf_in_ring(q, i));
	virtio_rx_give_back(q, q->merging);
	q->merging = NULL;
}

void
virtio_queue_destroy(struct virtio_queue *q)
{
	if (q == NULL)
		return;
	if (q->burst_id != 0)
		drain(q);
	virtio_dma_free(&q->ring);
	rte_free(q->mbufs);
	rte_free(q->span);
	rte_free(q);
}

static uint8_t
ring_flags(uint64_t features)
{
	uint8_t flags = 0;

	if (features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))
		flags |= VIRTIO_QUEUE_PACKED;
	if (features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER))
		flags |= VIRTIO_QUEUE_IN_ORDER;
	if (features & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX))
		flags |= VIRTIO_QUEUE_EVENT_IDX;
	if (features & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
		flags |= VIRTIO_QUEUE_INDIRECT;
	return flags;
}

static void
reset_packed(struct virtio_queue *q)
{
	q->driver_event = (struct vring_packed_desc_event *)((uint8_t *)q->ring.mem + avail_at(q));
	q->device_event = (struct vring_packed_desc_event *)((uint8_t *)q->ring.mem + used_at(q));
	q->head_wrap = true;
	q->used_wrap = true;
}

/*
 * What never changes while the ring lives: available entries name the descriptors in their
 * order, and each descriptor is chained to the next one, as in-order devices require.
 */
static void
reset_split(struct virtio_queue *q)
{
	q->avail = (struct vring_avail *)((uint8_t *)q->ring.mem + avail_at(q));
	q->used = (struct vring_used *)((uint8_t *)q->ring.mem + used_at(q));
	for (uint32_t i = 0; i < q->size; i++) {
		q->avail->ring[i] = (uint16_t)i;
		q->desc[i].next = (uint16_t)(i + 1) & q->mask;
		if (!virtio_queue_is_tx(q)) {
			q->desc[i].flags = VRING_DESC_F_WRITE;
			q->desc[i].len = q->buf_len;
		}
	}
}

void
virtio_queue_reset(struct virtio_queue *q, uint64_t features)
{
	const uint8_t kept = q->flags & (VIRTIO_QUEUE_FAST_FREE | VIRTIO_QUEUE_VLAN_STRIP);

	if (q->burst_id != 0)
		drain(q);
	q->flags = kept | ring_flags(features);
	q->hdr_len = features &
			(VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
				VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)) ?
		sizeof(struct virtio_net_hdr_v1) :
		sizeof(struct virtio_net_hdr);
	if (!virtio_queue_is_tx(q)) {
		q->buf_off = q->room - q->hdr_len;
		q->buf_len = q->data_room - q->buf_off;
		q->rearm = q->room | UINT64_C(1) << 16 | UINT64_C(1) << 32 |
			(uint64_t)q->dev->eth->data->port_id << 48;
	}
	q->head = 0;
	q->tail = 0;
	q->free = q->size;
	q->early = 0;
	q->avail_idx = 0;
	q->used_idx = 0;
	q->complex = 0;
	q->table_head = 0;
	q->table_tail = 0;
	q->merge_csum_start = 0;
	memset(q->dropped, 0, sizeof(q->dropped));
	q->failure[0] = '\0';
	memset(q->ring.mem, 0, ring_bytes(q));
	memset(q->mbufs, 0, q->size * sizeof(*q->mbufs));
	if (virtio_queue_is_tx(q))
		memset(q->span, 0, q->size * sizeof(*q->span));
	if (q->flags & VIRTIO_QUEUE_PACKED)
		reset_packed(q);
	else
		reset_split(q);
	virtio_datapath_select(q, features);
	virtio_queue_interrupt(q);
}

void
virtio_queue_run(struct virtio_queue *q)
{
	/* The wish may be a new one, and what came while it was closed have raised no interrupt. */
	virtio_queue_interrupt(q);
	/* Pairs with the acquire in virtio_queue_enter(). */
	__atomic_store_n(&q->running, 1, __ATOMIC_RELEASE);
}

void
virtio_queue_abandon(struct virtio_queue *q, uint32_t process)
{
	/*
	 * Of several threads that find out, one is this burst's from here on, if it was not over
	 * before the process died. The ring is not made new before it knows that it is torn.
	 */
	if (!__atomic_compare_exchange_n(&q->in_burst, &process, VIRTIO_PROCESS_PRIMARY, false,
		    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	q->torn = true;
	/* What it had found wrong with the device, it did not live to tell. */
	if (virtio_queue_failed(q))
		q->dev->transport->queue_failed(q);
	else
		virtio_queue_fail(q, "died inside a burst, with process id",
			(uint32_t)virtio_process_pid(process));
	virtio_queue_leave(q);
}

void
virtio_queue_check_claim(struct virtio_queue *q)
{
	const uint32_t process = __atomic_load_n(&q->in_burst, __ATOMIC_ACQUIRE);

	if (process != 0 && !virtio_process_lives(process))
		virtio_queue_abandon(q, process);
}

/* To check takes a system call and to ask for it a message, and bursts come by the million. */
static bool
is_to_be_checked(struct virtio_queue *q)
{
	const uint32_t now = (uint32_t)time(NULL);

	return __atomic_exchange_n(&q->claim_seen, now, __ATOMIC_RELAXED) != now;
}

void
virtio_queue_find_claimed(struct virtio_queue *q)
{
	const uint32_t process = __atomic_load_n(&q->in_burst, __ATOMIC_RELAXED);

	/* What is of this process, or of the primary, is not of a dead one. */
	if (process == 0 || process == virtio_process || process == VIRTIO_PROCESS_PRIMARY ||
		!is_to_be_checked(q))
		return;
	if (virtio_process == VIRTIO_PROCESS_PRIMARY)
		virtio_queue_check_claim(q);
	else
		virtio_secondary_tell_failure(q);
}

/* A burst takes no time, unless somebody holds its process still. */
static void
complain_of_wait(const struct virtio_queue *q, uint32_t process)
{
	VIRTIO_LOG(WARNING,
		"%s: queue %u: process %d stands still inside a burst, which has to end: "
		"let it go on, or end it",
		q->dev->name, q->index, virtio_process_pid(process));
}

static void
await_burst(struct virtio_queue *q)
{
	const time_t patience = 1;
	time_t until = 0, now;
	uint32_t process;

	/* Pairs with the release in virtio_queue_leave(): what the burst did is seen. */
	while ((process = __atomic_load_n(&q->in_burst, __ATOMIC_ACQUIRE)) != 0) {
		sched_yield();
		if (process == VIRTIO_PROCESS_PRIMARY)
			continue;
		virtio_queue_check_claim(q);
		now = time(NULL);
		if (until == 0)
			until = now + patience;
		if (now > until) {
			complain_of_wait(q, process);
			until = INT64_MAX;
		}
	}
}

void
virtio_queues_quiesce(struct virtio_queue *const *queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (queues[i] != NULL)
			__atomic_store_n(&queues[i]->running, 0, __ATOMIC_RELAXED);

	/*
	 * The other half of virtio_queue_enter(): past this, a burst either sees the queue not
	 * running, or its claim is seen below.
	 */
	rte_smp_mb();
	if (!virtio_queue_fence)
		virtio_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	virtio_process_barrier();

	for (uint16_t i = 0; i < n; i++)
		if (queues[i] != NULL)
			await_burst(queues[i]);
}

void
virtio_queue_strip_vlan(struct virtio_queue *q, bool strip)
{
	const bool was_running = __atomic_load_n(&q->running, __ATOMIC_RELAXED);

	virtio_queues_quiesce(&q, 1);
	if (strip)
		q->flags |= VIRTIO_QUEUE_VLAN_STRIP;
	else
		q->flags &= (uint8_t)~VIRTIO_QUEUE_VLAN_STRIP;
	/* That of a stopped port has its functions chosen when it starts. */
	if (q->burst_id != 0 && q->dev->features != 0)
		virtio_datapath_select(q, q->dev->features);
	if (was_running && !virtio_queue_failed(q))
		virtio_queue_run(q);
}

void
virtio_queue_fail(struct virtio_queue *q, const char *what, uint32_t value)
{
	if (virtio_queue_failed(q))
		return;
	q->failure_value = value;
	q->count.errors++;
	__atomic_store_n(&q->running, 0, __ATOMIC_RELAXED);
	snprintf(&q->failure[1], sizeof(q->failure) - 1, "%s", &what[1]);
	/* Pairs with the acquire in virtio_queue_failed(): the first letter says that all is there. */
	__atomic_store_n(&q->failure[0], what[0], __ATOMIC_RELEASE);
	/* A secondary process tells after the burst. */
	if (virtio_process == VIRTIO_PROCESS_PRIMARY)
		q->dev->transport->queue_failed(q);
}

void
virtio_queue_notify(struct virtio_queue *q)
{
	q->count.kicks++;
	if (likely(virtio_process == VIRTIO_PROCESS_PRIMARY))
		q->dev->transport->notify(q);
	else
		virtio_secondary_notify(q);
}

/*
 * Split rings with event indices cannot say "none": they name an index, which is kept half a
 * ring of indices away from where the device is, and so is met once in 65536 buffers.
 */
static void
split_interrupt(struct virtio_queue *q, bool enable)
{
	uint16_t event = enable ? q->used_idx : (uint16_t)(q->used_idx + UINT16_MAX / 2);

	if (q->flags & VIRTIO_QUEUE_EVENT_IDX)
		__atomic_store_n(&q->avail->ring[q->size], event, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, enable ? 0 : VRING_AVAIL_F_NO_INTERRUPT,
			__ATOMIC_RELAXED);
}

static void
packed_interrupt(struct virtio_queue *q, bool enable)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

	if (enable && (q->flags & VIRTIO_QUEUE_EVENT_IDX)) {
		__atomic_store_n(&q->driver_event->off_wrap,
			q->used_idx | (uint16_t)(q->used_wrap << VRING_PACKED_EVENT_F_WRAP_CTR),
			__ATOMIC_RELAXED);
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	} else if (enable) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	/* The offset is read only under these flags. */
	__atomic_store_n(&q->driver_event->flags, flags, __ATOMIC_RELEASE);
}

/* As if the device had raised the queue's interrupt. */
static void
wake_sleeper(const struct virtio_queue *q)
{
	const struct rte_intr_handle *handle = q->dev->eth->intr_handle;
	const uint16_t id = virtio_queue_id(q);

	if (handle != NULL && id < rte_intr_nb_efd_get(handle))
		eventfd_write(rte_intr_efds_index_get(handle, id), 1);
}

void
virtio_queue_interrupt(struct virtio_queue *q)
{
	const bool enable = __atomic_load_n(&q->sleeps, __ATOMIC_RELAXED);

	if (q->flags & VIRTIO_QUEUE_PACKED)
		packed_interrupt(q, enable);
	else
		split_interrupt(q, enable);
	/*
	 * A look at the ring, here or by the caller, must not come before the device sees this. What is
	 * there by now raises no interrupt any more: the device is past the event.
	 */
	rte_smp_mb();
	if (enable && virtio_queue_waiting(q, 1) != 0)
		wake_sleeper(q);
}

/* Lengths from which on each counter counts. */
static const uint16_t size_bounds[VIRTIO_SIZE_BOUNDS] = { VIRTIO_SIZES };

typedef int32_t bounds_vector __attribute__((vector_size(16)));

/* How many of some frames each counter is to count. */
struct tally {
	bounds_vector of[2];
};

/*
 * Compare all frames of a burst with all bounds: a comparison is 0 or -1. No branch, and no counter in
 * memory that the next frame would have to wait for.
 */
static __rte_always_inline struct tally
take_tally(struct rte_mbuf *const *pkts, uint16_t n)
{
	bounds_vector bounds[2];
	struct tally t = { 0 };

	for (unsigned int i = 0; i < VIRTIO_SIZE_BOUNDS; i++)
		bounds[i / 4][i % 4] = size_bounds[i] - 1;
	for (uint16_t i = 0; i < n; i++) {
		const int32_t len = (int32_t)pkts[i]->pkt_len;
		const bounds_vector lens = { len, len, len, len };

		t.of[0] -= lens > bounds[0];
		t.of[1] -= lens > bounds[1];
	}
	return t;
}

static __rte_always_inline void
count_sizes(struct virtio_queue *q, const struct tally *t)
{
	for (unsigned int i = 0; i < VIRTIO_SIZE_BOUNDS; i++)
		q->count.sizes[i] += (uint32_t)t->of[i / 4][i % 4];
}

void
virtio_queue_drop(struct virtio_queue *q, struct rte_mbuf *m)
{
	const struct tally t = take_tally(&m, 1);

	for (unsigned int i = 0; i < VIRTIO_SIZE_BOUNDS; i++)
		q->dropped[i] += (uint32_t)t.of[i / 4][i % 4];
	q->count.errors++;
	rte_pktmbuf_free(m);
}

/* What every burst is, whoever calls it and whatever it runs. */
static __rte_always_inline uint16_t
receive(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, virtio_burst_t burst)
{
	n = burst(q, pkts, n);
	if (n > 0) {
		const struct tally t = take_tally(pkts, n);

		count_sizes(q, &t);
	}
	virtio_queue_leave(q);
	return n;
}

/* Take @a n frames that were not sent out of the tally of a burst, and those that it dropped. */
static __rte_noinline void
correct_tally(struct virtio_queue *q, struct tally *t, struct rte_mbuf *const *pkts, uint16_t n)
{
	const struct tally left = take_tally(pkts, n);

	for (unsigned int i = 0; i < VIRTIO_SIZE_BOUNDS; i++)
		t->of[i / 4][i % 4] -= left.of[i / 4][i % 4] + (int32_t)q->dropped[i];
	memset(q->dropped, 0, sizeof(q->dropped));
}

static __rte_always_inline uint16_t
send_counted(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, virtio_burst_t burst)
{
	/* They are ours to look at until they are sent, and those that are not, still after that. */
	struct tally t = take_tally(pkts, n);
	const uint64_t errors = q->count.errors;
	const uint16_t sent = burst(q, pkts, n);

	if (unlikely(sent < n || q->count.errors != errors))
		correct_tally(q, &t, pkts + sent, n - sent);
	count_sizes(q, &t);
	return sent;
}

static __rte_always_inline uint16_t
transmit(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n, virtio_burst_t burst)
{
	n = send_counted(q, pkts, n, burst);
	virtio_queue_leave(q);
	return n;
}

uint16_t
virtio_queue_inject(struct virtio_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	const bool was_running = __atomic_load_n(&q->running, __ATOMIC_RELAXED);
	const uint16_t batch = q->batch;

	if (!was_running)
		return 0;
	virtio_queues_quiesce(&q, 1);
	if (virtio_queue_failed(q))
		return 0;
	/* Nothing of the application's is freed here: what it does then may wait for our caller's locks. */
	q->batch = 0;
	n = q->free < INJECT_ROOM * n ? 0 : send_counted(q, pkts, n, q->burst);
	q->batch = batch;
	if (!virtio_queue_failed(q))
		virtio_queue_run(q);
	return n;
}

uint16_t
virtio_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct virtio_queue *q = queue;

	if (unlikely(!virtio_queue_enter(q, VIRTIO_PROCESS_PRIMARY)))
		return 0;
	return receive(q, pkts, n, q->burst);
}

uint16_t
virtio_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct virtio_queue *q = queue;

	if (unlikely(!virtio_queue_enter(q, VIRTIO_PROCESS_PRIMARY)))
		return 0;
	return transmit(q, pkts, n, q->burst);
}

/*
 * A process that polls may be killed at any moment. It claims the queue only when there is something
 * to do, so that most of these moments are no harm to the queue.
 */

/* The application has not set up the queue yet, or it stands still. */
static bool
is_closed(const struct virtio_queue *q)
{
	return q == NULL || !__atomic_load_n(&q->running, __ATOMIC_RELAXED);
}

static bool
is_idle(const struct virtio_queue *q)
{
	return virtio_queue_waiting(q, 1) == 0 && q->free < q->batch;
}

uint16_t
virtio_secondary_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct virtio_queue *q = queue;

	if (unlikely(is_closed(q)) || is_idle(q) ||
		unlikely(!virtio_queue_enter(q, virtio_process)))
		return 0;
	n = receive(q, pkts, n, virtio_burst_here(q));
	if (unlikely(virtio_queue_failed(q)))
		virtio_secondary_tell_failure(q);
	return n;
}

uint16_t
virtio_secondary_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct virtio_queue *q = queue;

	if (unlikely(is_closed(q) || !virtio_queue_enter(q, virtio_process)))
		return 0;
	n = transmit(q, pkts, n, virtio_burst_here(q));
	if (unlikely(virtio_queue_failed(q)))
		virtio_secondary_tell_failure(q);
	return n;
}

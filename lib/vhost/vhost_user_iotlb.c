/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "device_queue.h"
#include "event_loop.h"
#include "vhost_log.h"
#include "vhost_user_backend.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_iotlb.h"

/* A question that had no answer is asked again: the guest may have mapped the address since. */
#define ASK_AGAIN_MS 100

/* Pages of an IOMMU are no smaller. */
#define PAGE_SHIFT 12
#define PAGE_MASK ((UINT64_C(1) << PAGE_SHIFT) - 1)

/* --- What the front end tells -------------------------------------------------------------- */

static int
update(struct vhost_device *dev, const struct vhost_iotlb_msg *m)
{
	const struct vhost_iotlb_entry entry = { .iova = m->iova,
		.size = m->size,
		.fe_va = m->uaddr,
		.access = m->perm };
	const int ret = vhost_iotlb_insert(&dev->iotlb, dev->mem, &entry);

	if (ret == 0)
		return 0;
	return vhost_device_error(dev, ret,
		"cannot map 0x%" PRIx64 " size 0x%" PRIx64 " to front-end address 0x%" PRIx64
		" for access %u: %s",
		entry.iova, entry.size, entry.fe_va, entry.access,
		ret == -EINVAL ? "that does not lie within one region of guest memory" :
				 strerror(-ret));
}

/* Pages that were asked for are noted by number and access; 0 is none. */
#define NOTED_ACCESS_SHIFT 60

static uint64_t
note_of(uint64_t addr, uint8_t access)
{
	return addr >> PAGE_SHIFT | (uint64_t)access << NOTED_ACCESS_SHIFT;
}

/* Where it is noted that an address was asked for, and not answered yet. */
static uint64_t *
place_of(struct vhost_queue *q, uint64_t addr)
{
	return &q->asked_ahead[(addr >> PAGE_SHIFT) % RTE_DIM(q->asked_ahead)];
}

/*
 * These addresses were answered for, or what is asked for next will be something else. An answer that
 * does not give the access that was asked for is none: asked at once, the front end would give it again.
 */
static void
forget_asked(struct vhost_device *dev, uint64_t iova, uint64_t size, uint8_t access)
{
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		struct vhost_queue *q = dev->queues[i];

		if (q == NULL)
			continue;
		if (q->asked_addr - iova < size)
			q->asked_ms = 0;
		for (size_t k = 0; k < RTE_DIM(q->asked_ahead); k++) {
			/* An address anywhere in the page may have been asked for. */
			const uint64_t at = q->asked_ahead[k] << PAGE_SHIFT;

			if ((q->asked_ahead[k] >> NOTED_ACCESS_SHIFT & access) != 0 &&
				at - (iova & ~PAGE_MASK) < size + PAGE_MASK)
				q->asked_ahead[k] = 0;
		}
	}
}

int
vhost_user_iotlb_msg(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	const struct vhost_iotlb_msg m = msg->payload.iotlb;
	int ret = 0;

	(void)q;
	if (!vhost_device_has_iommu(dev))
		return vhost_device_error(dev, -ENOTSUP,
			"VIRTIO_F_ACCESS_PLATFORM was not negotiated");
	switch (m.type) {
	case VHOST_IOTLB_UPDATE:
		ret = update(dev, &m);
		forget_asked(dev, m.iova, m.size, m.perm);
		break;
	case VHOST_IOTLB_INVALIDATE:
		vhost_iotlb_remove(&dev->iotlb, m.iova, m.size);
		vhost_device_unmap(dev, m.iova, m.size);
		forget_asked(dev, m.iova, m.size, VHOST_ACCESS_RW);
		break;
	default:
		ret = vhost_device_error(dev, -EPROTO, "IOTLB message of type %u", m.type);
	}
	if (ret == 0 && vhost_device_remap(dev) != 0)
		ret = vhost_device_error(dev, -ENOMEM, "no memory for the tables of the IOMMU");
	return ret;
}

/* --- What it is asked ---------------------------------------------------------------------- */

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
send_miss(struct vhost_device *dev, const struct vhost_queue *q, uint8_t type, uint64_t addr,
	uint8_t access)
{
	struct vhost_user_message msg = { .header.request = VHOST_USER_BACKEND_IOTLB_MSG };
	int ret;

	msg.header.size = sizeof(msg.payload.iotlb);
	msg.payload.iotlb = (struct vhost_iotlb_msg){ .iova = addr, .perm = access, .type = type };
	ret = vhost_user_backend_request(dev, &msg);
	if (ret != 0)
		VHOST_LOG(DEBUG, "%s: ring %u: cannot ask for address 0x%" PRIx64 ": %s", dev->name,
			q->index, addr, strerror(-ret));
}

/*
 * Ask for buffers before their turn: a frame that comes for a buffer which has to be asked for first
 * finds no buffer. What has no answer when its turn comes is asked for again then.
 */
static void
ask_ahead(struct vhost_device *dev, struct vhost_queue *q)
{
	struct vhost_vring_buffer buffers[VHOST_ASKED_AHEAD];
	uint64_t missing[VHOST_ASKED_AHEAD];
	uint8_t access[VHOST_ASKED_AHEAD];
	uint16_t n, count = 0;

	vhost_vring_claim(&q->vring);
	n = vhost_vring_peek(&q->vring, buffers, RTE_DIM(buffers));
	for (uint16_t i = 0; i < n; i++) {
		if (!vhost_vring_lacks(&q->vring, &buffers[i], &missing[count]))
			continue;
		/* The guest receives on even rings. */
		access[count++] = buffers[i].table || (q->index & 1) != 0 ? VHOST_ACCESS_RO :
									    VHOST_ACCESS_WO;
	}
	vhost_vring_release(&q->vring);

	for (uint16_t i = 0; i < count; i++) {
		uint64_t *asked = place_of(q, missing[i]);

		/* One whose place is taken is asked for when its turn comes. */
		if (*asked != 0)
			continue;
		*asked = note_of(missing[i], access[i]);
		send_miss(dev, q, VHOST_IOTLB_MISS, missing[i], access[i]);
	}
}

static void
heard_miss(struct vhost_queue *q)
{
	if (vhost_vring_heard_miss(&q->vring))
		vhost_queue_wake(q);
}

/* @return true if the ring waits for an answer */
static bool
ask_for_queue(struct vhost_device *dev, struct vhost_queue *q, uint64_t now)
{
	struct vhost_vring_miss *m = &q->vring.miss;
	bool again;

	/* Acquire: address and access were written before. Pairs with the data path's release. */
	switch (__atomic_load_n(&m->kind, __ATOMIC_ACQUIRE)) {
	case VHOST_VRING_MISS_DENIED:
		VHOST_LOG(DEBUG, "%s: ring %u: address 0x%" PRIx64 " may not be written", dev->name,
			q->index, m->addr);
		send_miss(dev, q, VHOST_IOTLB_ACCESS_FAIL, m->addr, m->access);
		heard_miss(q);
		return false;
	case VHOST_VRING_MISS_AHEAD:
		ask_ahead(dev, q);
		heard_miss(q);
		return false;
	case VHOST_VRING_MISS_UNMAPPED:
		again = q->asked_ms != 0 && q->asked_addr == m->addr;
		if (!again || now - q->asked_ms >= ASK_AGAIN_MS) {
			q->asked_addr = m->addr;
			q->asked_ms = now;
			/* To what was asked ahead of its turn the answer may be under way. */
			if (again || *place_of(q, m->addr) != note_of(m->addr, m->access))
				send_miss(dev, q, VHOST_IOTLB_MISS, m->addr, m->access);
			*place_of(q, m->addr) = note_of(m->addr, m->access);
		}
		ask_ahead(dev, q);
		return true;
	default:
		return false;
	}
}

/* A ring that was stopped, or is disabled, has a miss of the past: nobody waits for that. */
static bool
may_ask(const struct vhost_queue *q)
{
	return q != NULL && q->named && q->has_kick && (q->vring.running || !q->placed);
}

void
vhost_user_iotlb_ask(struct vhost_device *dev)
{
	const uint64_t now = now_ms();
	bool waits = false;

	for (uint16_t i = 0; i < dev->nr_queues; i++)
		if (may_ask(dev->queues[i]))
			waits |= ask_for_queue(dev, dev->queues[i], now);
	if (waits && dev->miss_timer != NULL)
		event_timer_arm(dev->miss_timer, ASK_AGAIN_MS);
}

/* --- When ---------------------------------------------------------------------------------- */

static void
doorbell_rang(void *arg)
{
	struct vhost_device *dev = arg;
	eventfd_t count;

	eventfd_read(dev->miss_fd, &count);
	vhost_user_iotlb_ask(dev);
}

static void
time_to_ask(void *arg)
{
	vhost_user_iotlb_ask(arg);
}

int
vhost_user_iotlb_watch(struct vhost_device *dev, struct event_loop *loop)
{
	int ret;

	dev->miss_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->miss_fd < 0)
		return -errno;
	dev->miss_source = event_loop_add_fd(loop, dev->miss_fd, doorbell_rang, dev);
	if (dev->miss_source == NULL)
		goto fail;
	dev->miss_timer = event_loop_add_timer(loop, time_to_ask, dev);
	if (dev->miss_timer == NULL)
		goto fail;
	return 0;

fail:
	ret = -errno;
	vhost_user_iotlb_unwatch(dev);
	return ret;
}

void
vhost_user_iotlb_unwatch(struct vhost_device *dev)
{
	event_source_remove(dev->miss_source);
	event_source_remove(dev->miss_timer);
	dev->miss_source = dev->miss_timer = NULL;
	if (dev->miss_fd >= 0)
		close(dev->miss_fd);
	dev->miss_fd = -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aside.h"
#include "budget.h"
#include "device.h"

struct holding {
	uint64_t bytes;
	uint64_t inflight; /* of these, those of in-flight regions */
	uint32_t mappings;
	uint32_t fds;
	uint32_t promised; /* descriptors that a vDPA driver may duplicate yet, or has */
};

static void
add_table(struct holding *h, const struct rte_vhost_memory *mem)
{
	if (mem == NULL)
		return;
	for (uint32_t i = 0; i < mem->nregions; i++)
		h->bytes += mem->regions[i].mmap_size;
	h->mappings += mem->nregions;
	h->fds += mem->nregions;
}

static void
add_mapping(struct holding *h, const void *addr, uint64_t len)
{
	if (addr == NULL)
		return;
	h->bytes += len;
	h->mappings++;
}

static void
add_notifiers(struct holding *h, const struct vhost_device *dev)
{
	for (uint16_t i = 0; i < dev->nr_queues; i++) {
		const struct vhost_queue *q = dev->queues[i];
		uint32_t notifiers;

		if (q == NULL || !q->named)
			continue;
		notifiers = (q->kickfd >= 0) + (q->callfd >= 0);
		h->fds += notifiers + (q->errfd >= 0);
		if (dev->vdpa != NULL)
			h->promised += notifiers;
	}
}

/* Descriptors of post-copy migration: one for faults, two of who watches the connection. */
#define POSTCOPY_FDS 3

static void
add_device(struct holding *h, const struct vhost_device *dev)
{
	/* Regions that are in both of these count twice while they are. */
	add_table(h, dev->mem);
	add_table(h, dev->postcopy.mem);
	add_mapping(h, dev->log_map, dev->log_map_size);
	add_mapping(h, dev->inflight.map.addr, dev->inflight.map.len);
	h->inflight += dev->inflight.size;
	add_notifiers(h, dev);
	/* The connection itself is the first of them. */
	h->fds += 1 + (dev->miss_fd >= 0) + (dev->backend_fd >= 0) + (dev->transfer != NULL) +
		(dev->postcopy.fd >= 0 ? POSTCOPY_FDS : 0);
}

/* What those have who connected to a path, or (NULL) all. */
static struct holding
holding_of(const char *path)
{
	struct holding h = { 0 };

	for (int vid = 0; vid < RTE_MAX_VHOST_DEVICE; vid++) {
		const struct vhost_device *dev = &vhost_devices[vid];

		if (dev->used && (path == NULL || strcmp(dev->path, path) == 0))
			add_device(&h, dev);
	}
	return h;
}

/* --- Memory -------------------------------------------------------------------------------- */

#define MIB(bytes) ((bytes) >> 20)
#define KIB(bytes) ((bytes) >> 10)

int
vhost_budget_map(struct vhost_device *dev, uint64_t bytes, uint64_t replaced)
{
	const struct holding own = holding_of(dev->path), all = holding_of(NULL);
	const uint64_t own_then = own.bytes - replaced + bytes;
	const uint64_t all_then = all.bytes - replaced + bytes;

	if (bytes > VHOST_BUDGET_BYTES || all_then > VHOST_BUDGET_BYTES ||
		own_then > VHOST_BUDGET_BYTES - all_then)
		return vhost_device_error(dev, -ENOSPC,
			"no address space for %" PRIu64 " MiB: of %" PRIu64
			", this socket has %" PRIu64 ", all have %" PRIu64
			", and none may have more than is left",
			MIB(bytes), MIB(VHOST_BUDGET_BYTES), MIB(own.bytes), MIB(all.bytes));
	if (all.mappings >= VHOST_BUDGET_MAPPINGS ||
		own.mappings >= VHOST_BUDGET_MAPPINGS - all.mappings)
		return vhost_device_error(dev, -ENOSPC,
			"too many mappings: of %u, this socket has %u, all have %u, and none may "
			"have more than are left",
			VHOST_BUDGET_MAPPINGS, own.mappings, all.mappings);
	return 0;
}

int
vhost_budget_inflight(struct vhost_device *dev, uint64_t bytes)
{
	const struct holding own = holding_of(dev->path), all = holding_of(NULL);
	const uint64_t own_then = own.inflight - dev->inflight.size + bytes;
	const uint64_t all_then = all.inflight - dev->inflight.size + bytes;

	if (all_then <= VHOST_BUDGET_INFLIGHT && own_then <= VHOST_BUDGET_INFLIGHT - all_then)
		return 0;
	return vhost_device_error(dev, -ENOSPC,
		"no memory for an in-flight region of %" PRIu64 " KiB: of %" PRIu64
		", this socket has %" PRIu64 ", all have %" PRIu64
		", and none may have more than is left",
		KIB(bytes), KIB(VHOST_BUDGET_INFLIGHT), KIB(own.inflight), KIB(all.inflight));
}

/* --- Descriptors --------------------------------------------------------------------------- */

static unsigned int
most_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	return (unsigned int)limit.rlim_cur;
}

/*
 * The kernel gives the lowest number that is free: those below it are taken. At least @a taken are: a gap
 * among these is not where there is room, as the next descriptor fills it.
 */
static unsigned int
descriptors_left(int fd, unsigned int taken, unsigned int most)
{
	const int next = fcntl(fd, F_DUPFD_CLOEXEC, taken);

	if (next < 0)
		return 0;
	close(next);
	return most - RTE_MIN((unsigned int)next, most);
}

bool
vhost_budget_fds(const char *path, int fd, unsigned int more, char *why, size_t size)
{
	const unsigned int most = most_descriptors();
	struct holding own = holding_of(path);
	const unsigned int wanted = more + own.promised;
	const unsigned int pending = vhost_aside_pending();
	unsigned int left = descriptors_left(fd, pending, most);

	own.fds += pending;
	left -= RTE_MIN(left, wanted);
	if (left >= most / VHOST_BUDGET_FDS_PART || own.fds + wanted <= left)
		return true;
	snprintf(why, size,
		"too many descriptors: of %u (ulimit -n), this socket has %u, and %u more would leave "
		"%u; none may have more than are left",
		most, own.fds, wanted, left);
	return false;
}

int
vhost_budget_device_fds(struct vhost_device *dev, unsigned int more)
{
	return vhost_budget_fds(dev->path, dev->connection, more, dev->error, sizeof(dev->error)) ?
		0 :
		-ENOSPC;
}

/* Descriptors that a message makes us keep, less those that it makes us give up. */
static int
kept_more(const struct vhost_device *dev, const struct vhost_queue *q,
	const struct vhost_user_message *msg)
{
	switch (msg->header.request) {
	case VHOST_USER_SET_MEM_TABLE:
		return msg->nfds - (dev->mem != NULL ? (int)dev->mem->nregions : 0);
	case VHOST_USER_ADD_MEM_REG:
		return msg->nfds;
	case VHOST_USER_SET_VRING_KICK:
		return q->kickfd < 0;
	case VHOST_USER_SET_VRING_CALL:
		return q->callfd < 0;
	case VHOST_USER_SET_VRING_ERR:
		return q->errfd < 0;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		return dev->backend_fd < 0;
	case VHOST_USER_SET_DEVICE_STATE_FD:
		return dev->transfer == NULL;
	default:
		return 0;
	}
}

int
vhost_budget_message_fds(struct vhost_device *dev, const struct vhost_queue *q,
	const struct vhost_user_message *msg)
{
	const int more = msg->nfds > 0 ? kept_more(dev, q, msg) : 0;

	return more > 0 ? vhost_budget_device_fds(dev, (unsigned int)more) : 0;
}

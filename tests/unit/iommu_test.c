/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A front end whose device stands behind an IOMMU: addresses of rings and in descriptors are the
 * device's own, mapped page by page when the back end asks.
 */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_log.h>
#include <rte_mbuf.h>

#include "frontend.h"
#include "unit_eal.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_iotlb.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_IOMMU (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ACCESS_PLATFORM))
#define F_PACKED FEATURE(VIRTIO_F_RING_PACKED)
#define F_INDIRECT FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define F_LOG FEATURE(VHOST_F_LOG_ALL)
#define F_MRG FEATURE(VIRTIO_NET_F_MRG_RXBUF)

/* Where the device sees guest memory: far from where it is. */
#define IOVA UINT64_C(0xfff00000000)
#define PAGE 4096u
#define RX 0
#define TX 1
#define AVAIL_END (0x4000 + 4 + 2 * FE_RING_SIZE) /* behind an avail ring, from its ring on */
#define BUFFERS (2u << 20)                        /* offset of buffers in memory, a page each */
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define FRAME 100

static struct rte_mempool *pool;
static struct frontend fe;
static int channel; /* our end of what the back end asks on */
static bool running, ring_up[2];

/* --- The application ----------------------------------------------------------------------- */

static int
on_new_device(int vid)
{
	(void)vid;
	__atomic_store_n(&running, true, __ATOMIC_RELEASE);
	return 0;
}

static void
on_destroy_device(int vid)
{
	(void)vid;
	__atomic_store_n(&running, false, __ATOMIC_RELEASE);
}

static int
on_vring(int vid, uint16_t index, int enable)
{
	(void)vid;
	ring_up[index] = enable;
	return 0;
}

static const struct rte_vhost_device_ops ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring,
};

/* --- The front end ------------------------------------------------------------------------- */

static int
send_iotlb(uint8_t type, uint64_t iova, uint64_t size, uint64_t uaddr, uint8_t perm)
{
	struct vhost_user_message msg = fe_iotlb_message(type, iova, size, uaddr, perm);

	return fe_send(&fe, &msg);
}

/* Map what lies at an offset in memory. */
static void
map(uint64_t offset, uint64_t size, uint8_t perm)
{
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA + offset, size, FE_VA + offset, perm),
		0);
}

static void
unmap(uint64_t offset, uint64_t size)
{
	assert_int_equal(send_iotlb(VHOST_IOTLB_INVALIDATE, IOVA + offset, size, 0, 0), 0);
}

/* The next question of the back end, which is there already. */
static void
assert_asked(uint8_t type, uint64_t offset, uint8_t perm)
{
	struct vhost_user_message msg;

	assert_int_equal(vhost_user_receive(channel, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_BACKEND_IOTLB_MSG);
	assert_int_equal(msg.header.flags, VHOST_USER_VERSION);
	assert_int_equal(msg.header.size, sizeof(struct vhost_iotlb_msg));
	assert_int_equal(msg.payload.iotlb.type, type);
	assert_int_equal(msg.payload.iotlb.iova, IOVA + offset);
	assert_int_equal(msg.payload.iotlb.perm, perm);
}

static void
assert_not_asked(void)
{
	struct vhost_user_message msg;

	assert_int_equal(vhost_user_receive(channel, &msg), -EAGAIN);
}

static uint64_t
ring_offset(uint32_t index)
{
	return (uint64_t)index * FE_RING_SPACE;
}

static int
set_addr(uint32_t index)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	const uint64_t at = IOVA + ring_offset(index);

	msg.payload.addr = (struct vhost_vring_addr){ .index = index,
		.desc_user_addr = at,
		.avail_user_addr = at + 0x4000,
		.used_user_addr = at + 0x8000,
		.log_guest_addr = at + 0x8000 };
	return fe_send(&fe, &msg);
}

static int
setup_ring(uint32_t index)
{
	int ret = fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, index, FE_RING_SIZE);

	ret |= fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, index, fe.packed ? 0x8000 : 0);
	ret |= set_addr(index);
	ret |= fe_set_call(&fe, index);
	ret |= fe_set_kick(&fe, index);
	return ret;
}

static void
negotiate(uint64_t features)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	channel = fds[0];
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_BACKEND_REQ) |
					 FEATURE(VHOST_USER_PF_LOG_SHMFD)),
		0);
	assert_int_equal(fe_set_backend_fd(&fe, fds[1]), 0);
	close(fds[1]);
	fe.packed = features & F_PACKED;
	assert_int_equal(fe_set_features(&fe, F_IOMMU | features), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
}

static void
begin(uint64_t features)
{
	const struct vhost_device_config config = {
		.path = "/unit/iommu",
		.features = vhost_user_net_features | vhost_user_iommu_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
		.ops = ops,
	};

	fe_init(&fe, -1, vhost_device_create(&config));
	assert_non_null(fe.dev);
	negotiate(features);
}

static void
end(void)
{
	vhost_device_destroy(fe.dev);
	assert_false(running);
	fe_fini(&fe);
	close(channel);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* All of both rings mapped, and nothing else. */
static void
run(uint64_t features)
{
	begin(features);
	map(0, 2 * FE_RING_SPACE, VHOST_ACCESS_RW);
	assert_int_equal(setup_ring(RX), 0);
	assert_int_equal(setup_ring(TX), 0);
	if (features & FEATURE(VHOST_USER_FEATURE_PROTOCOL)) {
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, RX, 1), 0);
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, TX, 1), 0);
	}
	assert_true(running);
	assert_not_asked();
}

/* --- The driver ---------------------------------------------------------------------------- */

static struct vring_desc *
descs(uint32_t index)
{
	return (struct vring_desc *)(fe.memory + ring_offset(index));
}

/* Make a chain available that is one descriptor, number @a i of them. */
static void
offer(uint32_t index, uint16_t i, uint64_t iova, uint32_t len, uint16_t flags)
{
	struct vring_avail *avail = (struct vring_avail *)(fe.memory + ring_offset(index) + 0x4000);

	if (fe.packed) {
		struct vring_packed_desc *d = (struct vring_packed_desc *)descs(index) + i;

		*d = (struct vring_packed_desc){ .addr = iova, .len = len, .id = i };
		__atomic_store_n(&d->flags, flags | 1u << VRING_PACKED_DESC_F_AVAIL,
			__ATOMIC_RELEASE);
		return;
	}
	descs(index)[i] = (struct vring_desc){ .addr = iova, .len = len, .flags = flags };
	avail->ring[i] = i;
	__atomic_store_n(&avail->idx, (uint16_t)(i + 1), __ATOMIC_RELEASE);
}

static uint8_t *
buffer(uint32_t i)
{
	return fe.memory + BUFFERS + (size_t)i * PAGE;
}

static void
transmit(uint16_t i)
{
	memset(buffer(i), 0, HEADER);
	memset(buffer(i) + HEADER, 0x40 + i, FRAME);
	offer(TX, i, IOVA + BUFFERS + i * PAGE, HEADER + FRAME, 0);
}

/* Take a frame from the guest; @return whether there was one, with the contents of number @a i. */
static bool
dequeued(uint16_t i)
{
	struct rte_mbuf *m;
	const uint8_t *data;

	if (rte_vhost_dequeue_burst(fe.dev->vid, TX, pool, &m, 1) == 0)
		return false;
	data = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(m->pkt_len, FRAME);
	for (int k = 0; k < FRAME; k++)
		assert_int_equal(data[k], 0x40 + i);
	rte_pktmbuf_free(m);
	return true;
}

static uint16_t
enqueue(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t n;

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, (uint16_t)len), 0x77, len);
	n = rte_vhost_enqueue_burst(fe.dev->vid, RX, &m, 1);
	rte_pktmbuf_free(m);
	return n;
}

/* --- Rings --------------------------------------------------------------------------------- */

static void
ring_waits_until_its_addresses_are_mapped(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(setup_ring(RX), 0);
	assert_asked(VHOST_IOTLB_MISS, 0x8000, VHOST_ACCESS_WO);
	assert_int_equal(setup_ring(TX), 0);
	assert_asked(VHOST_IOTLB_MISS, ring_offset(TX) + 0x8000, VHOST_ACCESS_WO);
	/* Not again for each message that follows. */
	assert_int_equal(fe_set_call(&fe, RX), 0);
	assert_not_asked();
	assert_false(running || ring_up[RX]);

	map(0x8000, PAGE, VHOST_ACCESS_RW);
	assert_asked(VHOST_IOTLB_MISS, 0x4000, VHOST_ACCESS_RO);
	map(0x4000, PAGE, VHOST_ACCESS_RO);
	assert_asked(VHOST_IOTLB_MISS, 0, VHOST_ACCESS_RO);
	assert_false(ring_up[RX]);
	map(0, PAGE, VHOST_ACCESS_RO);
	assert_true(ring_up[RX] && !running);
	map(ring_offset(TX), FE_RING_SPACE, VHOST_ACCESS_RW);
	assert_true(ring_up[TX] && running);
	assert_ptr_equal(fe.dev->queues[TX]->vring.desc,
		(uint8_t *)(uintptr_t)fe.dev->mem->regions[0].host_user_addr + ring_offset(TX));
	assert_not_asked();
	end();
}

static void
packed_ring_needs_its_descriptors_written(void **state)
{
	(void)state;
	begin(F_PACKED);
	map(0, FE_RING_SPACE, VHOST_ACCESS_RO);
	assert_int_equal(setup_ring(RX), 0);
	assert_false(ring_up[RX]);
	map(0x8000, PAGE, VHOST_ACCESS_RW);
	assert_false(ring_up[RX]);
	map(0, PAGE, VHOST_ACCESS_RW);
	assert_true(ring_up[RX]);
	end();
}

static void
ring_stops_when_it_is_unmapped_and_comes_back(void **state)
{
	(void)state;
	run(0);
	map(BUFFERS, PAGE, VHOST_ACCESS_RW);
	transmit(0);
	assert_true(dequeued(0));
	/* A buffer of the guest is nothing to the ring. */
	unmap(BUFFERS, PAGE);
	assert_true(ring_up[TX] && running);
	/* Nor is what lies behind it, but the last byte of it is. */
	unmap(ring_offset(TX) + AVAIL_END, 1);
	assert_true(ring_up[TX] && running);
	unmap(ring_offset(TX) + AVAIL_END - 1, 1);
	assert_true(ring_up[RX] && !ring_up[TX] && !running);
	assert_asked(VHOST_IOTLB_MISS, ring_offset(TX) + AVAIL_END - 1, VHOST_ACCESS_RO);
	assert_false(dequeued(0));

	map(ring_offset(TX) + 0x4000, PAGE, VHOST_ACCESS_RW);
	assert_true(ring_up[TX] && running);
	map(BUFFERS + PAGE, PAGE, VHOST_ACCESS_RW);
	transmit(1);
	assert_true(dequeued(1));
	/* All of it at once. */
	assert_int_equal(send_iotlb(VHOST_IOTLB_INVALIDATE, 0, UINT64_MAX, 0, 0), 0);
	assert_false(ring_up[TX] || ring_up[RX] || running);
	end();
}

/* --- Buffers ------------------------------------------------------------------------------- */

static void
frame_waits_for_its_mapping(void **state)
{
	eventfd_t kicks;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		run(packed ? F_PACKED : 0);
		map(BUFFERS, PAGE, VHOST_ACCESS_RO);
		transmit(0);
		transmit(1);
		transmit(2);
		assert_true(dequeued(0));
		for (int i = 0; i < 3; i++)
			assert_false(dequeued(1));
		vhost_user_iotlb_ask(fe.dev);
		assert_asked(VHOST_IOTLB_MISS, BUFFERS + PAGE, VHOST_ACCESS_RO);
		/* And the one behind it, before its turn; each once. */
		assert_asked(VHOST_IOTLB_MISS, BUFFERS + 2 * PAGE, VHOST_ACCESS_RO);
		assert_false(dequeued(1));
		vhost_user_iotlb_ask(fe.dev);
		assert_not_asked();
		/* An answer to another question does not help. */
		map(BUFFERS + 9 * PAGE, PAGE, VHOST_ACCESS_RO);
		assert_false(dequeued(1));
		eventfd_read(fe.kick[TX], &kicks);
		map(BUFFERS + PAGE, PAGE, VHOST_ACCESS_RO);
		/* Whoever sleeps until the guest kicks is woken up. */
		assert_int_equal(eventfd_read(fe.kick[TX], &kicks), 0);
		assert_true(dequeued(1));
		assert_false(dequeued(2));
		map(BUFFERS + 2 * PAGE, PAGE, VHOST_ACCESS_RW);
		assert_true(dequeued(2));
		for (int i = 0; i < VHOST_VRING_DROP_MAX; i++)
			assert_int_equal(fe.dev->queues[TX]->vring.stats.drops[i], 0);
		end();
	}
}

static bool
kicked(void)
{
	eventfd_t kicks;

	return eventfd_read(fe.kick[TX], &kicks) == 0;
}

/* What was missed while another question was not heard yet is told when the ring is tried again. */
static void
sleeper_is_woken_for_a_ring_that_had_no_say(void **state)
{
	(void)state;
	run(0);
	map(BUFFERS, PAGE, VHOST_ACCESS_RO);
	transmit(0);
	transmit(1);
	/* It tells of the next buffer, and then comes upon it. */
	assert_true(dequeued(0));
	assert_false(dequeued(1));
	kicked();
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(VHOST_IOTLB_MISS, BUFFERS + PAGE, VHOST_ACCESS_RO);
	assert_true(kicked());
	assert_false(dequeued(1));
	map(BUFFERS + PAGE, PAGE, VHOST_ACCESS_RO);
	assert_true(kicked());
	assert_true(dequeued(1));
	end();
}

static void
sleeper_is_woken_for_a_ring_that_was_started_anew(void **state)
{
	(void)state;
	run(0);
	transmit(0);
	assert_false(dequeued(0));
	kicked();
	/* It is not asked for what the ring has forgotten. */
	assert_int_equal(fe_set_features(&fe, fe.features | F_LOG), 0);
	assert_true(kicked());
	assert_false(dequeued(0));
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(VHOST_IOTLB_MISS, BUFFERS, VHOST_ACCESS_RO);
	end();
}

/* A guest that maps buffers one by one has the next one where the last one was. */
static void
what_was_answered_is_asked_for_again_at_once(void **state)
{
	const struct vring_desc desc = { .addr = IOVA + BUFFERS + PAGE, .len = HEADER + FRAME };

	(void)state;
	run(F_INDIRECT);
	map(BUFFERS, PAGE, VHOST_ACCESS_RO);
	memcpy(buffer(0), &desc, sizeof(desc));
	memset(buffer(1) + HEADER, 0x40, FRAME);
	for (uint16_t i = 0; i < 3; i++) {
		offer(TX, i, IOVA + BUFFERS, sizeof(desc), VRING_DESC_F_INDIRECT);
		assert_false(dequeued(0));
		vhost_user_iotlb_ask(fe.dev);
		assert_asked(VHOST_IOTLB_MISS, BUFFERS + PAGE, VHOST_ACCESS_RO);
		map(BUFFERS + PAGE, PAGE, VHOST_ACCESS_RO);
		assert_true(dequeued(0));
		unmap(BUFFERS + PAGE, PAGE);
	}
	end();
}

static void
nothing_is_asked_for_a_ring_that_was_stopped(void **state)
{
	(void)state;
	run(0);
	transmit(0);
	assert_false(dequeued(0));
	fe_get_base(&fe, TX);
	assert_not_asked();
	end();

	/* One that never ran, since it was not mapped, as well. */
	begin(0);
	assert_int_equal(setup_ring(RX), 0);
	assert_asked(VHOST_IOTLB_MISS, 0x8000, VHOST_ACCESS_WO);
	fe.dev->queues[RX]->asked_ms = 0;
	fe_get_base(&fe, RX);
	assert_not_asked();
	end();

	/* A ring that is disabled has time until it is enabled. */
	run(FEATURE(VHOST_USER_FEATURE_PROTOCOL));
	transmit(0);
	assert_false(dequeued(0));
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, TX, 0), 0);
	assert_not_asked();
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_ENABLE, TX, 1), 0);
	assert_false(dequeued(0));
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(VHOST_IOTLB_MISS, BUFFERS, VHOST_ACCESS_RO);
	end();
}

static void
other_rings_go_on_meanwhile(void **state)
{
	(void)state;
	run(0);
	transmit(0);
	assert_false(dequeued(0));
	map(BUFFERS + 10 * PAGE, PAGE, VHOST_ACCESS_RW);
	assert_false(dequeued(0));
	offer(RX, 0, IOVA + BUFFERS + 10 * PAGE, PAGE, VRING_DESC_F_WRITE);
	assert_int_equal(enqueue(FRAME), 1);
	assert_int_equal(buffer(10)[HEADER], 0x77);
	end();
}

static void
read_only_memory_is_never_written(void **state)
{
	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		run(packed ? F_PACKED : 0);
		map(BUFFERS, PAGE, VHOST_ACCESS_RO);
		map(BUFFERS + PAGE, PAGE, VHOST_ACCESS_WO);
		memset(buffer(0), 0x11, PAGE);
		offer(RX, 0, IOVA + BUFFERS, PAGE, VRING_DESC_F_WRITE);
		offer(RX, 1, IOVA + BUFFERS + PAGE, PAGE, VRING_DESC_F_WRITE);
		assert_int_equal(enqueue(FRAME), 1);
		for (uint32_t i = 0; i < PAGE; i++)
			assert_int_equal(buffer(0)[i], 0x11);
		assert_int_equal(buffer(1)[HEADER], 0x77);
		assert_int_equal(fe.dev->queues[RX]->vring.stats.drops[VHOST_VRING_DROP_BAD_ADDR],
			1);
		vhost_user_iotlb_ask(fe.dev);
		assert_asked(VHOST_IOTLB_ACCESS_FAIL, BUFFERS, VHOST_ACCESS_WO);
		end();
	}
}

static void
frame_over_several_pages_waits_for_all_of_them(void **state)
{
	struct vring_used *used;

	(void)state;
	run(F_MRG);
	used = fe_used(&fe, RX);
	for (uint16_t i = 0; i < 4; i++)
		offer(RX, i, IOVA + BUFFERS + i * PAGE, 1024, VRING_DESC_F_WRITE);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(enqueue(2500), 0);
		vhost_user_iotlb_ask(fe.dev);
		assert_asked(VHOST_IOTLB_MISS, BUFFERS + i * PAGE, VHOST_ACCESS_WO);
		assert_int_equal(used->idx, 0);
		map(BUFFERS + i * PAGE, PAGE, VHOST_ACCESS_RW);
	}
	assert_int_equal(enqueue(2500), 1);
	assert_int_equal(used->idx, 3);
	end();
}

/* A table of descriptors is read, whatever is done with what they name. */
static void
indirect_table_of_a_receive_ring_may_be_read_only(void **state)
{
	struct vring_desc table[2] = {
		{ .addr = IOVA + BUFFERS + PAGE, .len = 64, .flags = 3, .next = 1 },
		{ .addr = IOVA + BUFFERS + 2 * PAGE, .len = 1024, .flags = VRING_DESC_F_WRITE },
	};

	(void)state;
	run(F_INDIRECT);
	map(BUFFERS + PAGE, 2 * PAGE, VHOST_ACCESS_RW);
	memcpy(buffer(0), table, sizeof(table));
	offer(RX, 0, IOVA + BUFFERS, sizeof(table), VRING_DESC_F_INDIRECT);
	assert_int_equal(enqueue(FRAME), 0);
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(VHOST_IOTLB_MISS, BUFFERS, VHOST_ACCESS_RO);
	map(BUFFERS, PAGE, VHOST_ACCESS_RO);
	assert_int_equal(enqueue(FRAME), 1);
	assert_int_equal(buffer(2)[0], 0x77);
	end();
}

static void
pages_are_logged_where_the_guest_has_them(void **state)
{
	struct vhost_user_message msg;
	const uint64_t size = (FE_GPA + FE_MEMORY_SIZE) / PAGE / 8;
	uint8_t *log;
	int fd;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		run(packed ? F_PACKED : 0);
		fd = memfd_create("unit-log", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(log, MAP_FAILED);
		msg = fe_message(VHOST_USER_SET_LOG_BASE, sizeof(struct vhost_user_log));
		msg.payload.log = (struct vhost_user_log){ .mmap_size = size };
		msg.fds[0] = fd;
		msg.nfds = 1;
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_int_equal(fe_set_features(&fe, fe.features | F_LOG), 0);
		assert_int_equal(set_addr(RX), 0);
		map(BUFFERS, PAGE, VHOST_ACCESS_RW);
		offer(RX, 0, IOVA + BUFFERS, PAGE, VRING_DESC_F_WRITE);
		assert_int_equal(enqueue(FRAME), 1);
		/* The buffer, and where used entries are: nothing else. */
		for (uint64_t i = 0; i < size * 8; i++) {
			const uint64_t page = i * PAGE - FE_GPA;
			const bool dirty = log[i / 8] >> (i % 8) & 1;

			if (page == BUFFERS || page == (packed ? 0 : 0x8000))
				assert_true(dirty);
			else if (page != 0x8000)
				assert_false(dirty);
		}
		munmap(log, size);
		close(fd);
		end();
	}
}

/* --- Messages ------------------------------------------------------------------------------ */

static void
mappings_go_with_the_memory_they_lie_in(void **state)
{
	(void)state;
	run(0);
	map(BUFFERS, PAGE, VHOST_ACCESS_RW);
	transmit(0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_true(running);
	assert_true(dequeued(0));
	end();
}

static void
mappings_go_with_the_iommu(void **state)
{
	(void)state;
	begin(0);
	/* A ring that lies at the same addresses with and without it. */
	assert_int_equal(fe_setup_ring(&fe, RX), 0);
	assert_false(ring_up[RX]);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, FE_VA, FE_RING_SPACE, FE_VA, 3), 0);
	assert_true(ring_up[RX]);
	assert_int_equal(fe_set_features(&fe, FEATURE(VIRTIO_F_VERSION_1)), 0);
	assert_true(ring_up[RX]);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_set_features(&fe, F_IOMMU), 0);
	assert_false(ring_up[RX]);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, FE_VA, FE_RING_SPACE, FE_VA, 3), 0);
	assert_true(ring_up[RX]);
	end();
}

static void
impossible_messages_are_refused(void **state)
{
	struct vhost_user_message reset = fe_message(VHOST_USER_RESET_OWNER, 0);

	(void)state;
	run(0);
	assert_int_equal(send_iotlb(VHOST_IOTLB_MISS, IOVA, PAGE, FE_VA, VHOST_ACCESS_RO), -EPROTO);
	assert_int_equal(send_iotlb(0, IOVA, PAGE, FE_VA, VHOST_ACCESS_RO), -EPROTO);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA, 0, FE_VA, VHOST_ACCESS_RO), -EINVAL);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA, PAGE, FE_VA, 7), -EINVAL);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA, FE_MEMORY_SIZE + 1, FE_VA, 3),
		-EINVAL);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA, PAGE, FE_VA - 1, 3), -EINVAL);
	assert_true(running);
	assert_int_equal(fe_send(&fe, &reset), 0);
	assert_false(running);
	assert_int_equal(fe.dev->iotlb.n, 0);
	assert_int_equal(send_iotlb(VHOST_IOTLB_UPDATE, IOVA, PAGE, FE_VA, 3), -ENOTSUP);
	end();
}

/* --- With the thread that serves connections ----------------------------------------------- */

/* Wait for a question, and answer it with a page. @return its offset */
static uint64_t
answer(void)
{
	struct pollfd pfd = { .fd = channel, .events = POLLIN };
	struct vhost_user_message msg;
	uint64_t offset;

	assert_int_equal(poll(&pfd, 1, 20000), 1);
	assert_int_equal(vhost_user_receive(channel, &msg), 1);
	assert_int_equal(msg.payload.iotlb.type, VHOST_IOTLB_MISS);
	offset = (msg.payload.iotlb.iova - IOVA) & ~(uint64_t)(PAGE - 1);
	map(offset, PAGE, VHOST_ACCESS_RW);
	return offset;
}

static void
doorbell_wakes_the_thread_that_asks(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/unit-iommu-%d", getpid());
	assert_int_equal(rte_vhost_driver_register(path, RTE_VHOST_USER_IOMMU_SUPPORT), 0);
	assert_int_equal(rte_vhost_driver_callback_register(path, &ops), 0);
	assert_int_equal(rte_vhost_driver_start(path), 0);
	fe_init(&fe, fe_connect(path), NULL);
	assert_true(fe_get_u64(&fe, VHOST_USER_GET_FEATURES) & FEATURE(VIRTIO_F_ACCESS_PLATFORM));
	negotiate(0);
	assert_int_equal(setup_ring(RX), 0);
	assert_int_equal(setup_ring(TX), 0);
	/* Three areas of two rings, all of which lie on pages of their own. */
	while (!__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		struct pollfd pfd = { .fd = channel, .events = POLLIN };

		if (poll(&pfd, 1, 1) == 1)
			answer();
	}
	fe.dev = &vhost_devices[0];
	transmit(0);
	assert_false(dequeued(0));
	fe.dev = NULL;
	/* Left alone, it asks again. */
	struct vhost_user_message msg;
	struct pollfd pfd = { .fd = channel, .events = POLLIN };

	for (int asked = 0; asked < 2;) {
		assert_int_equal(poll(&pfd, 1, 20000), 1);
		assert_int_equal(vhost_user_receive(channel, &msg), 1);
		/* Among what was asked again for the rings, on a slow machine. */
		asked += msg.payload.iotlb.iova == IOVA + BUFFERS;
	}
	map(BUFFERS, PAGE, VHOST_ACCESS_RO);
	fe.dev = &vhost_devices[0];
	while (!dequeued(0))
		usleep(1000);
	fe.dev = NULL;
	fe_fini(&fe);
	close(channel);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		usleep(1000);
	assert_int_equal(rte_vhost_driver_unregister(path), 0);
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(255, 4096);
	if (getenv("UNIT_LOG") == NULL)
		rte_log_set_global_level(RTE_LOG_EMERG);
	else
		rte_log_set_level_pattern("lib.vhost*", RTE_LOG_DEBUG);
	return pool == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_waits_until_its_addresses_are_mapped),
		cmocka_unit_test(packed_ring_needs_its_descriptors_written),
		cmocka_unit_test(ring_stops_when_it_is_unmapped_and_comes_back),
		cmocka_unit_test(frame_waits_for_its_mapping),
		cmocka_unit_test(sleeper_is_woken_for_a_ring_that_had_no_say),
		cmocka_unit_test(sleeper_is_woken_for_a_ring_that_was_started_anew),
		cmocka_unit_test(what_was_answered_is_asked_for_again_at_once),
		cmocka_unit_test(nothing_is_asked_for_a_ring_that_was_stopped),
		cmocka_unit_test(other_rings_go_on_meanwhile),
		cmocka_unit_test(read_only_memory_is_never_written),
		cmocka_unit_test(frame_over_several_pages_waits_for_all_of_them),
		cmocka_unit_test(indirect_table_of_a_receive_ring_may_be_read_only),
		cmocka_unit_test(pages_are_logged_where_the_guest_has_them),
		cmocka_unit_test(mappings_go_with_the_memory_they_lie_in),
		cmocka_unit_test(mappings_go_with_the_iommu),
		cmocka_unit_test(impossible_messages_are_refused),
		cmocka_unit_test(doorbell_wakes_the_thread_that_asks),
	};

	return cmocka_run_group_tests_name("iommu", tests, setup, teardown);
}

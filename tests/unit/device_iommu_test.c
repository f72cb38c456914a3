/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where rings lie whose addresses an IOMMU translates: in one piece of guest memory, or nowhere.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>
#include <rte_mbuf.h>

#include "recorder.h"
#include "unit_eal.h"
#include "vhost_user_dispatch.h"
#include "vhost_user_iotlb.h"

#define F_IOMMU (F_V1 | FEATURE(VIRTIO_F_ACCESS_PLATFORM))
#define PAGE 4096u

/* Where the device sees guest memory. */
#define IOVA UINT64_C(0xfff00000000)
/* Areas of a ring, from there on. The used ring begins in one page and ends in the next one. */
#define AVAIL 0x4000
#define USED 0x8800
#define USED_END 0x9000 /* the page */
#define ELSEWHERE (1u << 20)

static struct rte_mempool *pool;
static struct frontend fe;
static int channel; /* our end of what the back end asks on */
static char *log_text;
static size_t log_len;
static FILE *log_stream;

static void
begin(uint64_t features)
{
	struct vhost_device_config cfg = recorder_config(false);
	int fds[2];

	cfg.features |= vhost_user_iommu_features;
	recorder_begin(&fe, &cfg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	channel = fds[0];
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_BACKEND_REQ)),
		0);
	assert_int_equal(fe_set_backend_fd(&fe, fds[1]), 0);
	close(fds[1]);
	fe.packed = features & F_PACKED;
	assert_int_equal(fe_set_features(&fe, F_IOMMU | features), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	log_stream = open_memstream(&log_text, &log_len);
	assert_non_null(log_stream);
	rte_openlog_stream(log_stream);
}

static void
end(void)
{
	rte_openlog_stream(NULL);
	fclose(log_stream);
	free(log_text);
	recorder_end(&fe);
	close(channel);
}

/* Times that the log tells of a ring in pieces, of which the first names all of them. */
static unsigned int
refusals(const char *area, uint64_t at, uint64_t piece)
{
	const char *line;
	unsigned int n = 0;
	char expected[sizeof(fe.dev->name) + 100];

	fflush(log_stream);
	for (line = log_text; (line = strstr(line, "cannot start")) != NULL; line++)
		n++;
	if (n == 0)
		return 0;
	snprintf(expected, sizeof(expected), "%s: ring 0 cannot start: its %s area at 0x%lx, size ",
		fe.dev->name, area, at);
	line = strstr(log_text, expected);
	assert_non_null(line);
	snprintf(expected, sizeof(expected), "what is at 0x%lx does not follow", piece);
	assert_non_null(strstr(line, expected));
	return n;
}

static int
tell(uint8_t type, uint64_t iova, uint64_t size, uint64_t fe_va, uint8_t access)
{
	struct vhost_user_message msg = fe_iotlb_message(type, iova, size, fe_va, access);

	return fe_send(&fe, &msg);
}

/* Map pages of the device to some of the front end's. */
static void
map(uint64_t offset, uint64_t size, uint64_t to, uint8_t access)
{
	assert_int_equal(tell(VHOST_IOTLB_UPDATE, IOVA + offset, size, FE_VA + to, access), 0);
}

static void
unmap(uint64_t offset, uint64_t size)
{
	assert_int_equal(tell(VHOST_IOTLB_INVALIDATE, IOVA + offset, size, 0, 0), 0);
}

static void
assert_asked(uint64_t iova, uint8_t access)
{
	struct vhost_user_message msg;

	assert_int_equal(vhost_user_receive(channel, &msg), 1);
	assert_int_equal(msg.payload.iotlb.type, VHOST_IOTLB_MISS);
	assert_int_equal(msg.payload.iotlb.iova, iova);
	assert_int_equal(msg.payload.iotlb.perm, access);
}

static void
assert_not_asked(void)
{
	struct vhost_user_message msg;

	vhost_user_iotlb_ask(fe.dev);
	assert_int_equal(vhost_user_receive(channel, &msg), -EAGAIN);
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Give the same answer again and again: what is asked then was asked for in its own time. */
static void
assert_asked_slowly(uint64_t offset, uint8_t access)
{
	const uint64_t since = now_ms();
	struct vhost_user_message msg;
	unsigned int asked = 0;
	struct rte_mbuf *m;

	for (int i = 0; i < 100; i++) {
		map(offset, PAGE, offset, access);
		assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, &m, 1), 0);
		vhost_user_iotlb_ask(fe.dev);
		while (vhost_user_receive(channel, &msg) == 1)
			asked++;
	}
	assert_true(asked <= 1 + (now_ms() - since) / 100);
}

static void
set_up_ring(uint32_t index, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));

	msg.payload.addr = (struct vhost_vring_addr){ .index = index,
		.desc_user_addr = desc,
		.avail_user_addr = avail,
		.used_user_addr = used };
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, index, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, index,
				 fe.packed ? 0x8000 : 0),
		0);
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_int_equal(fe_set_call(&fe, index), 0);
	assert_int_equal(fe_set_kick(&fe, index), 0);
}

static void
ring_in_pieces_is_told_of_once_and_tried_with_other_mappings(void **state)
{
	(void)state;
	begin(0);
	map(0, USED_END, 0, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	assert_asked(IOVA + USED_END, VHOST_ACCESS_WO);
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 0);

	/* Nothing is missing now, and nothing is asked for, however often it is looked at. */
	map(USED_END, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
	assert_false(told.ring[0]);
	assert_not_asked();
	assert_int_equal(fe_set_call(&fe, 0), 0);
	map(ELSEWHERE, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
	unmap(ELSEWHERE, PAGE);
	assert_false(told.ring[0]);
	assert_not_asked();
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 1);

	unmap(USED_END, PAGE);
	assert_asked(IOVA + USED_END, VHOST_ACCESS_WO);
	map(USED_END, PAGE, USED_END, VHOST_ACCESS_RW);
	assert_true(told.ring[0]);
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 1);

	/* A ring that ran is stopped for it; a guest that does it again cannot fill the log. */
	unmap(USED_END, PAGE);
	assert_asked(IOVA + USED_END, VHOST_ACCESS_WO);
	map(USED_END, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
	assert_false(told.ring[0]);
	assert_not_asked();
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 1);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	assert_false(told.ring[0]);
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 2);

	/* A mapping that is replaced, without being taken away before, is as good. */
	map(USED_END, PAGE, USED_END, VHOST_ACCESS_RW);
	assert_true(told.ring[0]);
	end();
}

static void
every_area_is_in_one_piece(void **state)
{
	/* Whatever area is the one that begins in one page and ends in the next. */
	const struct {
		const char *name;
		uint64_t desc, avail, used;
	} areas[] = {
		{ "descriptor", PAGE - 16, 0x4000, 0x8000 },
		{ "driver", 0x4000, PAGE - 16, 0x8000 },
		{ "device", 0x4000, 0x8000, PAGE - 16 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(areas); i++) {
		begin(0);
		map(0, FE_RING_SPACE, 0, VHOST_ACCESS_RW);
		map(0, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
		set_up_ring(0, IOVA + areas[i].desc, IOVA + areas[i].avail, IOVA + areas[i].used);
		assert_false(told.ring[0]);
		assert_not_asked();
		assert_int_equal(refusals(areas[i].name, IOVA + PAGE - 16, IOVA + PAGE), 1);
		end();
	}
}

/* A front end that does not grant what is asked for would be asked as fast as it answers. */
static void
answer_without_the_access_is_no_reason_to_ask_at_once(void **state)
{
	const uint64_t tx = IOVA + FE_RING_SPACE;
	struct vring_desc *desc;
	struct rte_mbuf *m;

	(void)state;
	begin(0);
	map(0, USED_END, 0, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	assert_asked(IOVA + USED_END, VHOST_ACCESS_WO);
	assert_asked_slowly(USED_END, VHOST_ACCESS_RO);
	assert_false(told.ring[0]);
	map(USED_END, PAGE, USED_END, VHOST_ACCESS_RW);
	assert_true(told.ring[0]);
	end();

	/* Nor for what a ring comes upon. */
	begin(0);
	map(0, 2 * FE_RING_SPACE, 0, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	set_up_ring(1, tx, tx + AVAIL, tx + USED);
	assert_true(told.running);
	desc = (struct vring_desc *)(fe.memory + FE_RING_SPACE);
	*desc = (struct vring_desc){ .addr = IOVA + ELSEWHERE, .len = 128 };
	((struct vring_avail *)(fe.memory + FE_RING_SPACE + AVAIL))->idx = 1;
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, &m, 1), 0);
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(IOVA + ELSEWHERE, VHOST_ACCESS_RO);
	assert_asked_slowly(ELSEWHERE, VHOST_ACCESS_WO);
	map(ELSEWHERE, PAGE, ELSEWHERE, VHOST_ACCESS_RO);
	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, &m, 1), 1);
	rte_pktmbuf_free(m);
	end();
}

/* Make a descriptor available that the driver has written at its place. */
static void
offer(uint32_t ring, uint16_t i, uint64_t offset, uint32_t len, uint16_t flags)
{
	uint8_t *at = fe.memory + (size_t)ring * FE_RING_SPACE;
	struct vring_avail *avail = (struct vring_avail *)(at + AVAIL);

	((struct vring_desc *)at)[i] = (struct vring_desc){ .addr = IOVA + offset,
		.len = len,
		.flags = flags };
	avail->ring[i] = i;
	__atomic_store_n(&avail->idx, (uint16_t)(i + 1), __ATOMIC_RELEASE);
}

static void
take_frame(void)
{
	struct rte_mbuf *m;

	assert_int_equal(rte_vhost_dequeue_burst(fe.dev->vid, 1, pool, &m, 1), 1);
	rte_pktmbuf_free(m);
}

static void
give_frame(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 64));
	assert_int_equal(rte_vhost_enqueue_burst(fe.dev->vid, 0, &m, 1), 1);
	rte_pktmbuf_free(m);
}

/*
 * What is read is asked for to be read, wherever it is missing, and what is written to be written; a table
 * of descriptors is read. Each is asked for once.
 */
static void
buffers_are_asked_for_ahead_of_their_turn(void **state)
{
	const uint64_t tx = IOVA + FE_RING_SPACE;
	/* Pages whose notes have one and the same place. */
	const uint64_t twin = ELSEWHERE + PAGE + (uint64_t)VHOST_ASKED_AHEAD * PAGE;

	(void)state;
	begin(FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	map(0, 2 * FE_RING_SPACE, 0, VHOST_ACCESS_RW);
	map(ELSEWHERE, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	set_up_ring(1, tx, tx + AVAIL, tx + USED);
	assert_true(told.running);

	offer(1, 0, ELSEWHERE, 128, 0);
	offer(1, 1, ELSEWHERE, 128, 0);
	offer(1, 2, ELSEWHERE + PAGE + 100, 128, 0);
	offer(1, 3, ELSEWHERE + PAGE - 64, 128, 0);
	offer(1, 4, twin, 128, 0);
	offer(1, 5, ELSEWHERE - 64, 128, 0);
	offer(1, 6, ELSEWHERE + 9 * PAGE, 32, VRING_DESC_F_INDIRECT);
	take_frame();
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(IOVA + ELSEWHERE + PAGE + 100, VHOST_ACCESS_RO);
	assert_asked(IOVA + ELSEWHERE - 64, VHOST_ACCESS_RO);
	assert_asked(IOVA + ELSEWHERE + 9 * PAGE, VHOST_ACCESS_RO);
	assert_not_asked();
	/* Answers, of parts of a page too, make room for others; what was taken away is asked for again. */
	map(ELSEWHERE + PAGE + 32, 512, ELSEWHERE + PAGE + 32, VHOST_ACCESS_RO);
	unmap(ELSEWHERE + 9 * PAGE, PAGE);
	take_frame();
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(IOVA + twin, VHOST_ACCESS_RO);
	assert_asked(IOVA + ELSEWHERE + 9 * PAGE, VHOST_ACCESS_RO);
	assert_not_asked();

	offer(0, 0, ELSEWHERE, 256, VRING_DESC_F_WRITE);
	offer(0, 1, ELSEWHERE + 20 * PAGE, 256, VRING_DESC_F_WRITE);
	offer(0, 2, ELSEWHERE + 21 * PAGE, 32, VRING_DESC_F_INDIRECT);
	/* Of what ends behind what is mapped, the end is missing. */
	offer(0, 3, ELSEWHERE + 2 * PAGE - 56, 256, VRING_DESC_F_WRITE);
	map(ELSEWHERE + PAGE, PAGE, ELSEWHERE + PAGE, VHOST_ACCESS_RW);
	/* A table that may not be written is not missing. */
	offer(0, 4, ELSEWHERE + 30 * PAGE, 32, VRING_DESC_F_INDIRECT);
	map(ELSEWHERE + 30 * PAGE, PAGE, ELSEWHERE + 30 * PAGE, VHOST_ACCESS_RO);
	give_frame();
	vhost_user_iotlb_ask(fe.dev);
	assert_asked(IOVA + ELSEWHERE + 20 * PAGE, VHOST_ACCESS_WO);
	assert_asked(IOVA + ELSEWHERE + 21 * PAGE, VHOST_ACCESS_RO);
	assert_asked(IOVA + ELSEWHERE + 2 * PAGE + 199, VHOST_ACCESS_WO);
	assert_not_asked();
	end();
}

/* Mappings that may not be joined, since access to them differs, are one piece all the same. */
static void
area_may_lie_in_mappings_of_unequal_access(void **state)
{
	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		begin(packed ? F_PACKED : 0);
		map(0, FE_RING_SPACE, 0, VHOST_ACCESS_RW);
		map(PAGE, PAGE, PAGE, packed ? VHOST_ACCESS_WO : VHOST_ACCESS_RO);
		map(USED_END, PAGE, USED_END, VHOST_ACCESS_WO);
		set_up_ring(0, IOVA + PAGE / 2, IOVA + AVAIL, IOVA + USED);
		assert_true(told.ring[0]);
		assert_ptr_equal(fe.dev->queues[0]->vring.desc,
			(uint8_t *)(uintptr_t)fe.dev->mem->regions[0].host_user_addr + PAGE / 2);
		assert_not_asked();
		end();
	}
}

/* What follows for the front end need not follow here. */
static void
area_in_two_regions_is_in_two_pieces(void **state)
{
	struct vhost_user_message msg;

	(void)state;
	begin(0);
	msg = fe_memory_message(fe.memfd, FE_MEMORY_SIZE);
	msg.header.size += sizeof(struct vhost_user_region);
	msg.payload.mem_table.nregions = 2;
	msg.payload.mem_table.regions[1] = msg.payload.mem_table.regions[0];
	msg.payload.mem_table.regions[0].size = USED_END;
	msg.payload.mem_table.regions[1].size -= USED_END;
	msg.payload.mem_table.regions[1].gpa += USED_END;
	msg.payload.mem_table.regions[1].fe_va += USED_END;
	msg.payload.mem_table.regions[1].mmap_offset += USED_END;
	msg.fds[msg.nfds++] = fe.memfd;
	assert_int_equal(fe_send(&fe, &msg), 0);
	map(0, USED_END, 0, VHOST_ACCESS_RW);
	map(USED_END, PAGE, USED_END, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	assert_false(told.ring[0]);
	assert_not_asked();
	assert_int_equal(refusals("device", IOVA + USED, IOVA + USED_END), 1);
	end();
}

/* Such a ring would not be found by the addresses of a mapping that goes. */
static void
area_does_not_go_on_behind_the_last_address(void **state)
{
	const uint64_t last_page = UINT64_MAX - PAGE + 1;

	(void)state;
	begin(0);
	map(0, USED, 0, VHOST_ACCESS_RW);
	assert_int_equal(tell(VHOST_IOTLB_UPDATE, last_page, PAGE, FE_VA + ELSEWHERE,
				 VHOST_ACCESS_RW),
		0);
	assert_int_equal(tell(VHOST_IOTLB_UPDATE, 0, PAGE, FE_VA + ELSEWHERE + PAGE,
				 VHOST_ACCESS_RW),
		0);
	set_up_ring(0, IOVA, IOVA + AVAIL, last_page + PAGE / 2);
	assert_false(told.ring[0]);
	assert_not_asked();
	assert_int_equal(refusals("device", last_page + PAGE / 2, 0), 1);
	end();
}

/* The table of the front end, and a region more. */
static int
add_region(uint64_t fe_va)
{
	struct vhost_user_message msg = fe_memory_message(fe.memfd, FE_MEMORY_SIZE);
	const struct vhost_user_region more = { .gpa = msg.payload.mem_table.regions[0].gpa +
			FE_MEMORY_SIZE,
		.size = 2 * PAGE,
		.fe_va = fe_va,
		.mmap_offset = ELSEWHERE };

	msg.payload.mem_table.regions[1] = more;
	msg.payload.mem_table.nregions = 2;
	msg.header.size += sizeof(more);
	msg.fds[msg.nfds++] = fe.memfd;
	return fe_send(&fe, &msg);
}

static void
rings_go_on_in_memory_that_stays(void **state)
{
	const uint64_t tx = IOVA + FE_RING_SPACE;
	const uint64_t more = UINT64_C(1) << 40;
	struct vhost_user_message msg;

	(void)state;
	begin(0);
	map(0, 2 * FE_RING_SPACE, 0, VHOST_ACCESS_RW);
	map(ELSEWHERE, PAGE, ELSEWHERE, VHOST_ACCESS_RW);
	set_up_ring(0, IOVA, IOVA + AVAIL, IOVA + USED);
	set_up_ring(1, tx, tx + AVAIL, tx + USED);
	assert_true(told.running);

	assert_int_equal(add_region(FE_VA + more), 0);
	offer(1, 0, ELSEWHERE, 128, 0);
	take_frame();
	map(more, PAGE, more, VHOST_ACCESS_RW);
	offer(1, 1, more, 128, 0);
	take_frame();
	/* What lies in memory that goes is missing, and nothing else. */
	assert_int_equal(fe_set_memory(&fe), 0);
	offer(1, 2, ELSEWHERE, 128, 0);
	take_frame();
	offer(1, 3, more, 128, 0);
	vhost_user_iotlb_ask(fe.dev);
	assert_int_equal(fe.dev->mem->nregions, 1);
	assert_ptr_equal(fe.dev->queues[1]->vring.guest, fe.dev->mem);
	assert_ptr_equal(fe.dev->queues[1]->vring.mem, fe.dev->tables.readable);
	assert_int_equal(told.destroy_device, 0);
	assert_int_equal(told.ring_down[0] + told.ring_down[1], 0);

	/* Rings whose memory has gone stop, and one that is mapped to what came in its place starts. */
	msg = fe_memory_message(fe.memfd, FE_RING_SPACE);
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_true(!told.ring[0] && !told.ring[1]);
	map(0, FE_RING_SPACE, 0, VHOST_ACCESS_RW);
	assert_true(told.ring[0] && !told.ring[1]);
	end();
}

static int
setup(void **state)
{
	pool = unit_eal_pool(255, 2048);
	return pool == NULL ? -1 : recorder_setup(state);
}

static int
teardown(void **state)
{
	const int ret = recorder_teardown(state);

	rte_mempool_free(pool);
	return ret | rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_in_pieces_is_told_of_once_and_tried_with_other_mappings),
		cmocka_unit_test(every_area_is_in_one_piece),
		cmocka_unit_test(answer_without_the_access_is_no_reason_to_ask_at_once),
		cmocka_unit_test(buffers_are_asked_for_ahead_of_their_turn),
		cmocka_unit_test(area_may_lie_in_mappings_of_unequal_access),
		cmocka_unit_test(area_in_two_regions_is_in_two_pieces),
		cmocka_unit_test(rings_go_on_in_memory_that_stays),
		cmocka_unit_test(area_does_not_go_on_behind_the_last_address),
	};

	return cmocka_run_group_tests_name("device_iommu", tests, setup, teardown);
}

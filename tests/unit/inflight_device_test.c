/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The in-flight region as a front end asks for it and hands it on, what an application with a data
 * path of its own does with it, and published flaws of in-flight regions elsewhere.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include <rte_log.h>

#include "recorder.h"
#include "vhost_user_dispatch.h"

#define F_INFLIGHT FEATURE(VHOST_USER_PF_INFLIGHT_SHMFD)
#define F_REPLY_ACK FEATURE(VHOST_USER_PF_REPLY_ACK)
#define WRAP 0x8000
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)

static void
begin(struct frontend *fe, bool builtin_net, uint64_t features)
{
	struct vhost_device_config cfg = recorder_config(false);

	cfg.builtin_net = builtin_net;
	recorder_begin(fe, &cfg);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, F_INFLIGHT | F_REPLY_ACK),
		0);
	fe->packed = features & F_PACKED;
	assert_int_equal(fe_set_features(fe, features), 0);
}

static void
start_rings(struct frontend *fe)
{
	assert_int_equal(fe_set_memory(fe), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	assert_true(told.running);
}

static struct vhost_user_message
inflight_message(uint32_t request, uint16_t queues, uint16_t size)
{
	struct vhost_user_message msg = fe_message(request, sizeof(struct vhost_user_inflight));

	msg.payload.inflight.num_queues = queues;
	msg.payload.inflight.queue_size = size;
	return msg;
}

/* Ask for a region. @return its descriptor, the test's; @a inflight says what it is */
static int
get_region(struct frontend *fe, struct vhost_user_inflight *inflight)
{
	struct vhost_user_message msg = inflight_message(VHOST_USER_GET_INFLIGHT_FD, 2,
		FE_RING_SIZE);

	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_GET_INFLIGHT_FD);
	assert_int_equal(msg.header.size, sizeof(struct vhost_user_inflight));
	assert_int_equal(msg.nfds, 1);
	*inflight = msg.payload.inflight;
	return msg.fds[0];
}

static int
set_region(struct frontend *fe, const struct vhost_user_inflight *inflight, int fd)
{
	struct vhost_user_message msg = inflight_message(VHOST_USER_SET_INFLIGHT_FD, 0, 0);

	msg.payload.inflight = *inflight;
	msg.fds[msg.nfds++] = fd;
	return fe_send(fe, &msg);
}

static unsigned int
mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, "vhost-inflight") != NULL;
	fclose(maps);
	return n;
}

static void
region_travels_from_one_back_end_to_the_next(void **state)
{
	struct rte_vhost_ring_inflight ring;
	struct vhost_user_inflight inflight;
	struct frontend fe, next;
	uint16_t avail, used;
	int fd;

	(void)state;
	begin(&fe, false, F_V1);
	fd = get_region(&fe, &inflight);
	/* Nobody can take it away from who has it mapped. */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(set_region(&fe, &inflight, fd), 0);
	start_rings(&fe);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(fe.dev->vid, 1, &ring), 0);
	assert_int_equal(ring.resubmit_inflight->resubmit_num, 0);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(rte_vhost_set_inflight_desc_split(fe.dev->vid, 1, 10 + i), 0);
	assert_int_equal(rte_vhost_set_last_inflight_io_split(fe.dev->vid, 1, 11), 0);
	assert_int_equal(rte_vhost_clr_inflight_desc_split(fe.dev->vid, 1, 1, 11), 0);
	assert_int_equal(rte_vhost_set_inflight_desc_split(fe.dev->vid, 1, FE_RING_SIZE), -1);
	recorder_end(&fe);

	begin(&next, false, F_V1);
	assert_int_equal(set_region(&next, &inflight, fd), 0);
	fe_used(&next, 1)->idx = 1;
	start_rings(&next);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(next.dev->vid, 0, &ring), 0);
	assert_int_equal(ring.resubmit_inflight->resubmit_num, 0);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(next.dev->vid, 1, &ring), 0);
	assert_int_equal(ring.resubmit_inflight->resubmit_num, 2);
	assert_int_equal(ring.resubmit_inflight->resubmit_list[1].index, 10);
	assert_int_equal(ring.resubmit_inflight->resubmit_list[0].index, 12);
	/* Taking goes on behind what was taken. */
	assert_int_equal(rte_vhost_get_vring_base(next.dev->vid, 1, &avail, &used), 0);
	assert_int_equal(avail, 3);
	assert_int_equal(used, 1);
	recorder_end(&next);
	close(fd);
}

/* An application has its buffers in flight while the ring is stopped and goes on. */
static void
a_stopped_ring_of_an_application_keeps_what_is_in_flight(void **state)
{
	struct rte_vhost_ring_inflight ring;
	struct vhost_user_inflight inflight;
	struct frontend fe;

	(void)state;
	begin(&fe, false, F_V1);
	close(get_region(&fe, &inflight));
	start_rings(&fe);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(rte_vhost_set_inflight_desc_split(fe.dev->vid, 1, i), 0);
	fe_get_base(&fe, 1);
	assert_int_equal(fe_set_kick(&fe, 1), 0);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(fe.dev->vid, 1, &ring), 0);
	assert_int_equal(ring.resubmit_inflight->resubmit_num, 3);
	recorder_end(&fe);
}

static void
packed_functions_follow_the_ring(void **state)
{
	struct rte_vhost_ring_inflight ring;
	struct vhost_user_inflight inflight;
	struct vring_packed_desc *descs;
	uint16_t avail, used, entry;
	struct frontend fe;
	int fd;

	(void)state;
	begin(&fe, false, F_V1 | F_PACKED);
	fd = get_region(&fe, &inflight);
	start_rings(&fe);
	descs = (struct vring_packed_desc *)fe.memory;
	descs[0] = (struct vring_packed_desc){ .id = 9, .flags = AVAIL | VRING_DESC_F_NEXT };
	descs[1] = (struct vring_packed_desc){ .id = 9, .flags = AVAIL };
	assert_int_equal(rte_vhost_set_inflight_desc_packed(fe.dev->vid, 0, 0, 1, &entry), 0);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(fe.dev->vid, 0, &ring), 0);
	assert_int_equal(ring.inflight_packed->desc[entry].id, 9);
	assert_int_equal(ring.inflight_packed->desc[entry].num, 2);
	assert_int_equal(rte_vhost_get_vring_base_from_inflight(fe.dev->vid, 0, &avail, &used), 0);
	assert_int_equal(avail, WRAP);
	assert_int_equal(rte_vhost_set_last_inflight_io_packed(fe.dev->vid, 0, entry), 0);
	descs[0].flags = AVAIL | USED;
	assert_int_equal(rte_vhost_clr_inflight_desc_packed(fe.dev->vid, 0, entry), 0);
	assert_int_equal(rte_vhost_get_vring_base_from_inflight(fe.dev->vid, 0, &avail, &used), 0);
	assert_int_equal(avail, 2 | WRAP);
	assert_int_equal(used, 2 | WRAP);
	/* Of the other format, of no ring, of no device. */
	assert_int_equal(rte_vhost_set_inflight_desc_split(fe.dev->vid, 0, 0), -1);
	assert_int_equal(rte_vhost_clr_inflight_desc_split(fe.dev->vid, 0, 0, 0), -1);
	assert_int_equal(rte_vhost_set_last_inflight_io_split(fe.dev->vid, 0, 0), -1);
	assert_int_equal(rte_vhost_set_last_inflight_io_packed(fe.dev->vid, 7, 0), -1);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(-1, 0, &ring), -1);
	assert_int_equal(rte_vhost_get_vring_base_from_inflight(fe.dev->vid + 1, 0, &avail, &used),
		-1);
	recorder_end(&fe);
	close(fd);
}

static void
nothing_is_tracked_unless_it_was_agreed_on(void **state)
{
	const struct vhost_device_config cfg = recorder_config(false);
	struct rte_vhost_ring_inflight ring;
	struct frontend fe;
	uint16_t entry;

	(void)state;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	start_rings(&fe);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(fe.dev->vid, 0, &ring), -1);
	assert_int_equal(rte_vhost_set_inflight_desc_split(fe.dev->vid, 0, 0), 0);
	assert_int_equal(rte_vhost_set_inflight_desc_packed(fe.dev->vid, 0, 0, 0, &entry), 0);
	assert_int_equal(rte_vhost_clr_inflight_desc_packed(fe.dev->vid, 0, 0), 0);
	recorder_end(&fe);
}

/* The back end died in round 2 of a packed ring, and the front end knows nothing of it. */
static void
packed_network_ring_goes_on_where_the_region_says(void **state)
{
	struct vhost_user_inflight inflight;
	struct frontend fe, next;
	int fd;

	(void)state;
	begin(&fe, true, F_V1 | F_PACKED);
	fd = get_region(&fe, &inflight);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 1, FE_RING_SIZE), 0);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 1, 77), 0);
	assert_int_equal(fe_set_addr(&fe, 1), 0);
	assert_int_equal(fe_set_kick(&fe, 1), 0);
	assert_true(told.running);
	recorder_end(&fe);

	begin(&next, true, F_V1 | F_PACKED);
	assert_int_equal(set_region(&next, &inflight, fd), 0);
	start_rings(&next);
	/* The driver may wait to be told of what the dead one gave back. */
	eventfd_t calls;

	assert_int_equal(eventfd_read(next.call[1], &calls), 0);
	assert_int_equal(fe_get_base(&next, 1), 77 << 16 | 77);

	/* A front end that was told where a ring stopped knows better than the region. */
	assert_int_equal(fe_set_state(&next, VHOST_USER_SET_VRING_BASE, 1, WRAP | 5), 0);
	assert_int_equal(fe_set_kick(&next, 1), 0);
	assert_int_equal(fe_get_base(&next, 1), (WRAP | 5u) << 16 | WRAP | 5u);
	recorder_end(&next);
	close(fd);
}

/* Disabled, the ring has stopped before the front end asks where. */
static void
disabled_ring_is_forgotten_when_it_is_stopped(void **state)
{
	struct vhost_user_inflight inflight;
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1 | F_PACKED | F_PROTOCOL);
	close(get_region(&fe, &inflight));
	assert_int_equal(fe_set_memory(&fe), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(fe_setup_ring(&fe, i), 0);
		assert_int_equal(recorder_enable(&fe, i, true), 0);
	}
	assert_true(told.running);
	assert_int_equal(recorder_enable(&fe, 1, false), 0);
	assert_int_equal(fe_get_base(&fe, 1), (unsigned int)WRAP << 16 | WRAP);
	assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_BASE, 1, WRAP | 5), 0);
	assert_int_equal(fe_set_kick(&fe, 1), 0);
	assert_int_equal(recorder_enable(&fe, 1, true), 0);
	assert_int_equal(fe_get_base(&fe, 1), (WRAP | 5u) << 16 | WRAP | 5u);
	recorder_end(&fe);
}

static void
ring_that_the_region_has_no_room_for_does_not_start(void **state)
{
	struct vhost_user_message msg = inflight_message(VHOST_USER_GET_INFLIGHT_FD, 2,
		FE_RING_SIZE - 1);
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1);
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_int_equal(fe_answer(&fe, &msg), 1);
	close(msg.fds[0]);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), -EINVAL);
	recorder_end(&fe);
}

static void
a_region_may_come_while_rings_run(void **state)
{
	struct rte_vhost_ring_inflight ring;
	struct vhost_user_inflight inflight;
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1);
	start_rings(&fe);
	close(get_region(&fe, &inflight));
	assert_true(told.running);
	assert_int_equal(told.new_device, 2);
	assert_int_equal(rte_vhost_get_vhost_ring_inflight(fe.dev->vid, 0, &ring), 0);
	recorder_end(&fe);
}

/* --- Published flaws ----------------------------------------------------------------------- */

/* More rings than there are, or than the region has room for, led out of the mapping. */
static void
CVE_2021_3839_rings_beyond_the_region(void **state)
{
	struct vhost_user_inflight inflight, bad;
	struct frontend fe;
	int fd;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		begin(&fe, true, F_V1 | (packed ? F_PACKED : 0));
		fd = get_region(&fe, &inflight);
		bad = inflight;
		bad.num_queues = UINT16_MAX;
		assert_int_equal(set_region(&fe, &bad, fd), -EPROTO);
		bad.num_queues = 3;
		assert_int_equal(set_region(&fe, &bad, fd), -EPROTO);
		bad.num_queues = 0;
		assert_int_equal(set_region(&fe, &bad, fd), -EPROTO);
		bad = inflight;
		bad.queue_size = UINT16_MAX;
		assert_int_equal(set_region(&fe, &bad, fd), -EPROTO);
		bad.queue_size = 2 * FE_RING_SIZE;
		assert_int_equal(set_region(&fe, &bad, fd), -EPROTO);
		/* Ring 2 has no part of a region for two. */
		assert_int_equal(set_region(&fe, &inflight, fd), 0);
		start_rings(&fe);
		assert_int_equal(fe_setup_ring(&fe, 2), 0);
		assert_null(fe.dev->queues[2]->inflight.region);
		recorder_end(&fe);
		close(fd);
	}
}

/* Nor does a region of such sizes begin to exist, whoever makes it. */
static void
CVE_2021_3839_regions_that_no_device_has(void **state)
{
	const struct {
		uint16_t queues, size;
	} bad[] = { { 0, FE_RING_SIZE }, { 0, 0 }, { 2, 0 }, { 2, VHOST_VRING_SIZE_MAX + 1 },
		{ 2, UINT16_MAX }, { UINT16_MAX, 1 } };
	struct frontend fe;
	int large;

	(void)state;
	begin(&fe, true, F_V1);
	large = memfd_create("large", MFD_CLOEXEC);
	assert_int_equal(ftruncate(large, 8 << 20), 0);
	for (size_t i = 0; i <= RTE_DIM(bad); i++) {
		/* The last one has a ring more than the device. */
		const uint16_t queues = i < RTE_DIM(bad) ? bad[i].queues :
							   (uint16_t)(fe.dev->max_queues + 1);
		const uint16_t size = i < RTE_DIM(bad) ? bad[i].size : 1;
		struct vhost_user_message msg = inflight_message(VHOST_USER_GET_INFLIGHT_FD, queues,
			size);
		const struct vhost_user_inflight inflight = { .mmap_size = 8 << 20,
			.num_queues = queues,
			.queue_size = size };

		assert_int_equal(fe_send(&fe, &msg), -EPROTO);
		assert_int_equal(set_region(&fe, &inflight, large), -EPROTO);
		assert_null(fe.dev->inflight.map.addr);
	}
	close(large);
	recorder_end(&fe);
}

/* Sizes that are right for split rings, when they become packed ones. */
static void
CVE_2021_3839_rings_that_grow_with_the_format(void **state)
{
	struct vhost_user_inflight inflight;
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1);
	close(get_region(&fe, &inflight));
	fe.packed = true;
	assert_int_equal(fe_set_features(&fe, F_V1 | F_PACKED), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(fe_setup_ring(&fe, 0), 0);
	assert_int_equal(fe_setup_ring(&fe, 1), -EINVAL);
	recorder_end(&fe);
}

/* Offset and size that add up to less than either. */
static void
CVE_2020_10722_offset_and_size_that_wrap(void **state)
{
	struct vhost_user_inflight inflight;
	struct vhost_user_message msg;
	struct frontend fe;
	int fd, large;

	(void)state;
	begin(&fe, true, F_V1);
	fd = get_region(&fe, &inflight);
	inflight.mmap_offset = UINT64_MAX - inflight.mmap_size + 1;
	assert_int_equal(set_region(&fe, &inflight, fd), -EPROTO);
	inflight.mmap_offset = 1;
	assert_int_equal(set_region(&fe, &inflight, fd), -EPROTO);
	/* Within its file, but not where its counters may be. */
	large = memfd_create("large", MFD_CLOEXEC);
	assert_int_equal(ftruncate(large, (off_t)inflight.mmap_size + 4), 0);
	inflight.mmap_offset = 4;
	assert_int_equal(set_region(&fe, &inflight, large), -EPROTO);
	close(large);
	recorder_end(&fe);

	/* The dirty log is where it was found. */
	const struct vhost_device_config cfg = recorder_config(false);

	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_LOG_SHMFD)),
		0);
	msg = fe_message(VHOST_USER_SET_LOG_BASE, sizeof(struct vhost_user_log));
	msg.payload.log = (struct vhost_user_log){ .mmap_size = 0x1000,
		.mmap_offset = UINT64_MAX - 0xfff };
	msg.fds[msg.nfds++] = fe.memfd;
	assert_int_equal(fe_send(&fe, &msg), -EPROTO);
	recorder_end(&fe);
	close(fd);
}

/* An index whose upper bits were cut off named another ring. */
static void
CVE_2020_10723_ring_index_that_is_cut_off(void **state)
{
	const uint32_t indices[] = { UINT32_MAX, 1u << 16, (1u << 16) + 1, 1u << 8,
		VHOST_QUEUES_MAX };
	const uint32_t requests[] = { VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
		VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_VRING_ENABLE };
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1);
	for (size_t i = 0; i < RTE_DIM(indices); i++)
		for (size_t k = 0; k < RTE_DIM(requests); k++)
			assert_int_equal(fe_set_state(&fe, requests[k], indices[i], 1), -EPROTO);
	for (size_t i = 0; i < RTE_DIM(indices); i++) {
		struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
			sizeof(struct vhost_vring_addr));

		msg.payload.addr.index = indices[i];
		assert_int_equal(fe_send(&fe, &msg), -EPROTO);
	}
	assert_int_equal(fe.dev->nr_queues, 0);
	recorder_end(&fe);
}

/* Every request for a region leaked the last one: descriptor and mapping. */
static void
CVE_2020_10726_regions_without_end(void **state)
{
	struct vhost_user_inflight inflight;
	struct frontend fe;
	int fd, next;

	(void)state;
	begin(&fe, true, F_V1);
	fd = get_region(&fe, &inflight);
	next = unit_open_fds();
	for (int i = 0; i < 100; i++) {
		close(get_region(&fe, &inflight));
		assert_int_equal(set_region(&fe, &inflight, fd), 0);
	}
	assert_int_equal(unit_open_fds(), next);
	assert_int_equal(mappings(), 1);
	recorder_end(&fe);
	assert_int_equal(mappings(), 0);
	close(fd);
}

/* Sizes of a ring that come again and again leaked what was allocated for the last one. */
static void
CVE_2019_14818_sizes_without_end(void **state)
{
	struct vhost_user_inflight inflight;
	struct frontend fe;
	int fd;

	(void)state;
	begin(&fe, false, F_V1);
	fd = get_region(&fe, &inflight);
	start_rings(&fe);
	fe_get_base(&fe, 0);
	const unsigned int next = unit_open_fds();
	const size_t allocated = mallinfo2().uordblks;

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(fe_set_state(&fe, VHOST_USER_SET_VRING_NUM, 0,
					 FE_RING_SIZE >> (i % 2)),
			0);
		assert_int_equal(fe_set_kick(&fe, 0), 0);
		assert_int_equal(fe.dev->queues[0]->inflight.size, FE_RING_SIZE >> (i % 2));
		fe_get_base(&fe, 0);
		assert_null(fe.dev->queues[0]->inflight.resubmit.resubmit_list);
	}
	assert_int_equal(unit_open_fds(), next);
	/* Of a sanitizer's heap nothing is told here; it sees leaks itself. */
	assert_true(mallinfo2().uordblks < allocated + 1000 * sizeof(void *));
	recorder_end(&fe);
	close(fd);
}

/* Descriptors that do not belong to a message were never closed. */
static void
CVE_2022_0669_more_descriptors_than_belong(void **state)
{
	const uint32_t requests[] = { VHOST_USER_GET_INFLIGHT_FD, VHOST_USER_SET_INFLIGHT_FD };
	struct frontend fe;

	(void)state;
	begin(&fe, true, F_V1);
	const unsigned int next = unit_open_fds();

	for (size_t k = 0; k < RTE_DIM(requests); k++) {
		/* One belongs to the second of them. */
		for (int n = (int)k + 1; n <= VHOST_USER_MEM_TABLE_MAX; n++) {
			struct vhost_user_message msg = inflight_message(requests[k], 2, 64);

			msg.payload.inflight.mmap_size = 4096;
			for (int i = 0; i < n; i++)
				msg.fds[msg.nfds++] = fe.memfd;
			assert_int_equal(fe_send(&fe, &msg), -EPROTO);
			assert_int_equal(unit_open_fds(), next);
		}
	}
	recorder_end(&fe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_travels_from_one_back_end_to_the_next),
		cmocka_unit_test(a_stopped_ring_of_an_application_keeps_what_is_in_flight),
		cmocka_unit_test(packed_functions_follow_the_ring),
		cmocka_unit_test(nothing_is_tracked_unless_it_was_agreed_on),
		cmocka_unit_test(packed_network_ring_goes_on_where_the_region_says),
		cmocka_unit_test(disabled_ring_is_forgotten_when_it_is_stopped),
		cmocka_unit_test(ring_that_the_region_has_no_room_for_does_not_start),
		cmocka_unit_test(a_region_may_come_while_rings_run),
		cmocka_unit_test(CVE_2021_3839_rings_beyond_the_region),
		cmocka_unit_test(CVE_2021_3839_regions_that_no_device_has),
		cmocka_unit_test(CVE_2021_3839_rings_that_grow_with_the_format),
		cmocka_unit_test(CVE_2020_10722_offset_and_size_that_wrap),
		cmocka_unit_test(CVE_2020_10723_ring_index_that_is_cut_off),
		cmocka_unit_test(CVE_2020_10726_regions_without_end),
		cmocka_unit_test(CVE_2019_14818_sizes_without_end),
		cmocka_unit_test(CVE_2022_0669_more_descriptors_than_belong),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("inflight_device", tests, recorder_setup,
		recorder_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <dev_driver.h>
#include <rte_log.h>

#include "recorder.h"
#include "vdpa_driver.h"
#include "vring_chain.h"

#define F_EVENT FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define F_INDIRECT FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define F_DOORBELLS \
	(FEATURE(VHOST_USER_PF_BACKEND_REQ) | FEATURE(VHOST_USER_PF_BACKEND_SEND_FD) | \
		FEATURE(VHOST_USER_PF_HOST_NOTIFIER) | FEATURE(VHOST_USER_PF_REPLY_ACK))
#define PAGE 4096u
#define QUEUES 4

/* --- A driver with doorbells --------------------------------------------------------------- */

static int doorbell_file = -1;
static int failing_queue = -1;

static int
number(struct rte_vdpa_device *dev, uint32_t *num)
{
	(void)dev;
	*num = QUEUES / 2;
	return 0;
}

static int
features(struct rte_vdpa_device *dev, uint64_t *value)
{
	(void)dev;
	*value = F_V1 | F_PROTOCOL;
	return 0;
}

static int
on_vid(int vid)
{
	(void)vid;
	return 0;
}

static int
on_vring(int vid, int vring, int state)
{
	(void)vid;
	(void)vring;
	(void)state;
	return 0;
}

static int
device_fd(int vid)
{
	(void)vid;
	return doorbell_file;
}

static int
notify_area(int vid, int qid, uint64_t *offset, uint64_t *size)
{
	(void)vid;
	if (qid == failing_queue)
		return -EIO;
	*offset = (uint64_t)qid * PAGE;
	*size = PAGE;
	return 0;
}

static struct rte_vdpa_dev_ops doorbell_ops = {
	.get_queue_num = number,
	.get_features = features,
	.get_protocol_features = features,
	.dev_conf = on_vid,
	.dev_close = on_vid,
	.set_vring_state = on_vring,
	.set_features = on_vid,
	.get_vfio_device_fd = device_fd,
	.get_notify_area = notify_area,
};

static struct rte_vdpa_device *vdpa;

static int
setup(void **state)
{
	static struct rte_device device = { .name = "unit_doorbells" };

	(void)state;
	doorbell_file = memfd_create("doorbells", MFD_CLOEXEC);
	vdpa = rte_vdpa_register_device(&device, &doorbell_ops);
	return doorbell_file >= 0 && vdpa != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	close(doorbell_file);
	return rte_vdpa_unregister_device(vdpa);
}

/** A front end with its rings set up; @return the end of the back-end channel that it holds. */
static int
bring_up(struct frontend *fe, uint64_t virtio_features, uint64_t protocol_features)
{
	struct vhost_device_config cfg = recorder_config(false);
	int fds[2];

	cfg.vdpa = vdpa;
	cfg.queue_num = QUEUES / 2;
	cfg.features |= F_EVENT;
	recorder_begin(fe, &cfg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, protocol_features), 0);
	if ((protocol_features & FEATURE(VHOST_USER_PF_BACKEND_REQ)) != 0)
		assert_int_equal(fe_set_backend_fd(fe, fds[1]), 0);
	close(fds[1]);
	assert_int_equal(fe_set_features(fe, virtio_features), 0);
	fe->packed = (virtio_features & F_PACKED) != 0;
	assert_int_equal(fe_set_memory(fe), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_int_equal(fe_setup_ring(fe, i), 0);
		assert_int_equal(recorder_enable(fe, i, true), 0);
	}
	return fds[0];
}

/* --- Doorbells ----------------------------------------------------------------------------- */

/** One request as the front end gets it: for a ring's doorbell page, or against it. */
static void
expect_notifier(int channel, uint16_t qid, bool enable)
{
	struct stat ours, theirs;
	struct vhost_user_message msg;

	assert_int_equal(vhost_user_receive(channel, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_USER_BACKEND_VRING_HOST_NOTIFIER);
	/* No answer is asked for, which would keep all other front ends waiting as well. */
	assert_int_equal(msg.header.flags, VHOST_USER_VERSION);
	assert_int_equal(msg.header.size, sizeof(msg.payload.area));
	assert_int_equal(msg.payload.area.u64 & VHOST_USER_VRING_INDEX_MASK, qid);
	if (!enable) {
		assert_int_equal(msg.payload.area.u64, qid | VHOST_USER_VRING_NOFD);
		assert_int_equal(msg.nfds, 0);
		return;
	}
	assert_int_equal(msg.payload.area.u64, qid);
	assert_int_equal(msg.payload.area.offset, qid * PAGE);
	assert_int_equal(msg.payload.area.size, PAGE);
	assert_int_equal(msg.nfds, 1);
	assert_int_equal(fstat(msg.fds[0], &theirs), 0);
	assert_int_equal(fstat(doorbell_file, &ours), 0);
	assert_int_equal(theirs.st_ino, ours.st_ino);
	vhost_user_message_close_fds(&msg);
}

static void
expect_silence(int channel)
{
	char byte;

	assert_int_equal(recv(channel, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
doorbells_are_given_and_taken_away(void **state)
{
	struct frontend fe;
	unsigned int held;
	int channel;

	(void)state;
	channel = bring_up(&fe, F_V1 | F_PROTOCOL, F_DOORBELLS);
	held = unit_open_fds();
	assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, RTE_VHOST_QUEUE_ALL, true), 0);
	for (uint16_t i = 0; i < QUEUES; i++)
		expect_notifier(channel, i, true);
	assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, 2, false), 0);
	expect_notifier(channel, 2, false);
	assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, 2, true), 0);
	expect_notifier(channel, 2, true);
	expect_silence(channel);
	assert_int_equal(unit_open_fds(), held);
	close(channel);
	recorder_end(&fe);
}

static void
all_doorbells_are_given_or_none(void **state)
{
	struct frontend fe;
	int channel;

	(void)state;
	channel = bring_up(&fe, F_V1 | F_PROTOCOL, F_DOORBELLS);
	failing_queue = 2;
	assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, RTE_VHOST_QUEUE_ALL, true),
		-EIO);
	failing_queue = -1;
	expect_notifier(channel, 0, true);
	expect_notifier(channel, 1, true);
	expect_notifier(channel, 2, false);
	expect_notifier(channel, 1, false);
	expect_notifier(channel, 0, false);
	expect_silence(channel);
	close(channel);
	recorder_end(&fe);
}

static void
doorbells_need_to_be_negotiated(void **state)
{
	const uint64_t bits[] = { FEATURE(VHOST_USER_PF_BACKEND_REQ),
		FEATURE(VHOST_USER_PF_BACKEND_SEND_FD), FEATURE(VHOST_USER_PF_HOST_NOTIFIER) };
	struct frontend fe;
	int channel;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bits); i++) {
		channel = bring_up(&fe, F_V1 | F_PROTOCOL, F_DOORBELLS & ~bits[i]);
		assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, 0, true), -ENOTSUP);
		close(channel);
		recorder_end(&fe);
	}
	channel = bring_up(&fe, F_PROTOCOL, F_DOORBELLS);
	assert_int_equal(rte_vhost_host_notifier_ctrl(fe.dev->vid, 0, true), -ENOTSUP);
	expect_silence(channel);
	close(channel);
	recorder_end(&fe);
}

static void
doorbells_of_nothing_are_refused(void **state)
{
	struct frontend fe;
	int channel, vid;

	(void)state;
	channel = bring_up(&fe, F_V1 | F_PROTOCOL, F_DOORBELLS);
	vid = fe.dev->vid;
	assert_int_equal(rte_vhost_host_notifier_ctrl(vid, QUEUES, true), -EINVAL);
	assert_int_equal(rte_vhost_host_notifier_ctrl(vid + 1, 0, true), -EINVAL);
	assert_int_equal(rte_vhost_host_notifier_ctrl(-1, 0, true), -EINVAL);
	expect_silence(channel);
	close(channel);
	recorder_end(&fe);
	assert_int_equal(rte_vhost_host_notifier_ctrl(vid, 0, true), -EINVAL);
}

/* --- The end of a migration ------------------------------------------------------------------ */

static int
announce_nothing(int vid)
{
	(void)vid;
	return -EIO;
}

static void
a_driver_need_not_announce_the_guest(void **state)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SEND_RARP, sizeof(uint64_t));
	struct frontend fe;

	(void)state;
	close(bring_up(&fe, F_V1 | F_PROTOCOL, FEATURE(VHOST_USER_PF_RARP)));
	assert_int_equal(fe_send(&fe, &msg), 0);
	doorbell_ops.migration_done = announce_nothing;
	assert_int_equal(fe_send(&fe, &msg), 0);
	doorbell_ops.migration_done = NULL;
	recorder_end(&fe);
}

/* --- The used ring of a device that does not log ------------------------------------------- */

/** The ring that a device without a log writes, in its driver's memory. */
static struct {
	uint8_t avail[sizeof(struct vring_avail) + 2 * (FE_RING_SIZE + 1)] __rte_aligned(4);
	uint8_t used[sizeof(struct vring_used) + 8 * FE_RING_SIZE] __rte_aligned(4);
	struct vring vring;
} mediated;

static uint8_t bitmap[(FE_GPA + FE_MEMORY_SIZE) >> 15];

/** A connection that logs, with a relay for its ring 0. */
static int
begin_relay(struct frontend *fe, uint64_t more)
{
	int channel = bring_up(fe, F_V1 | F_PROTOCOL | more, 0);

	memset(&mediated, 0, sizeof(mediated));
	memset(bitmap, 0, sizeof(bitmap));
	mediated.vring.num = FE_RING_SIZE;
	mediated.vring.avail = (void *)mediated.avail;
	mediated.vring.used = (void *)mediated.used;
	fe->dev->log = (struct vhost_dirty_log){ bitmap, sizeof(bitmap) };
	return channel;
}

static void
end_relay(struct frontend *fe, int channel)
{
	fe->dev->log = (struct vhost_dirty_log){ 0 };
	close(channel);
	recorder_end(fe);
}

static struct vring_desc *
guest_desc(const struct frontend *fe)
{
	return (struct vring_desc *)fe->memory;
}

/** The device uses the chain that begins at a descriptor. */
static void
use(uint16_t id, uint32_t len)
{
	const uint16_t idx = mediated.vring.used->idx;

	mediated.vring.used->ring[idx % FE_RING_SIZE] = (struct vring_used_elem){ id, len };
	__atomic_store_n(&mediated.vring.used->idx, idx + 1, __ATOMIC_RELEASE);
}

static bool
is_dirty(uint64_t gpa)
{
	return (bitmap[gpa >> 15] >> (gpa >> 12 & 7)) & 1;
}

static unsigned int
dirty_pages(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(bitmap); i++)
		n += __builtin_popcount(bitmap[i]);
	return n;
}

/** Where buffers lie: behind the rings. */
#define BUFFER(page) (FE_GPA + (FE_MEMORY_SIZE / 2) + (uint64_t)(page)*PAGE)

static void
used_entries_are_carried_over(void **state)
{
	struct frontend fe;
	int channel = begin_relay(&fe, F_EVENT);
	struct vring_used *used = fe_used(&fe, 0);

	(void)state;
	for (uint16_t i = 0; i < FE_RING_SIZE; i++)
		guest_desc(
			&fe)[i] = (struct vring_desc){ BUFFER(i % 64), 64, VRING_DESC_F_WRITE, 0 };
	assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), 0);
	for (uint32_t round = 0; round < 1000; round++) {
		const uint32_t n = round % 7;

		for (uint32_t i = 0; i < n; i++)
			use((uint16_t)((round * 7 + i) % FE_RING_SIZE), round + i);
		assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), n);
		assert_int_equal(used->idx, mediated.vring.used->idx);
		/* The device is asked to tell of the next entry. */
		assert_int_equal(mediated.vring.avail->ring[FE_RING_SIZE], used->idx);
		for (uint32_t i = 0; i < n; i++) {
			const struct vring_used_elem *elem =
				&used->ring[(used->idx - n + i) % FE_RING_SIZE];

			assert_int_equal(elem->id, (round * 7 + i) % FE_RING_SIZE);
			assert_int_equal(elem->len, round + i);
		}
	}
	end_relay(&fe, channel);
}

static void
written_buffers_are_logged(void **state)
{
	struct frontend fe;
	int channel = begin_relay(&fe, F_INDIRECT);
	struct vring_desc *desc = guest_desc(&fe);
	struct vring_desc *table = (struct vring_desc *)(fe.memory + (BUFFER(100) - FE_GPA));

	(void)state;
	/* Two pages, the second of them touched by one byte; then one that is only read. */
	desc[3] = (struct vring_desc){ BUFFER(0), PAGE + 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
		9 };
	desc[9] = (struct vring_desc){ BUFFER(5), PAGE, 0, 0 };
	use(3, PAGE + 1);
	assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), 1);
	assert_true(is_dirty(BUFFER(0)) && is_dirty(BUFFER(1)));
	assert_int_equal(dirty_pages(), 2);

	/* The same through a table. */
	table[0] = (struct vring_desc){ BUFFER(7), 10, VRING_DESC_F_NEXT, 1 };
	table[1] = (struct vring_desc){ BUFFER(8), 10, VRING_DESC_F_WRITE, 0 };
	desc[4] = (struct vring_desc){ BUFFER(100), 2 * sizeof(*table), VRING_DESC_F_INDIRECT, 0 };
	use(4, 10);
	assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), 1);
	assert_true(is_dirty(BUFFER(8)));
	assert_int_equal(dirty_pages(), 3);
	end_relay(&fe, channel);
}

/** What the guest offered is no measure of what the device wrote: marking it all would be its choice. */
static void
no_more_is_logged_than_was_written(void **state)
{
	static const struct {
		uint32_t written;
		unsigned int pages; /**< of which the guest finds some dirty */
	} cases[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ PAGE + 1, 2 },
		{ 8 * PAGE + 1, 9 },
		/* More than the buffer has: a device in error. */
		{ 17 * PAGE, 16 },
		{ UINT32_MAX, 16 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frontend fe;
		int channel = begin_relay(&fe, 0);
		struct vring_desc *desc = guest_desc(&fe);

		desc[0] = (struct vring_desc){ BUFFER(40), PAGE, VRING_DESC_F_NEXT, 1 };
		desc[1] = (struct vring_desc){ BUFFER(0), 8 * PAGE,
			VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 };
		desc[2] = (struct vring_desc){ BUFFER(8), 8 * PAGE, VRING_DESC_F_WRITE, 0 };
		use(0, cases[i].written);
		assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), 1);
		assert_int_equal(dirty_pages(), cases[i].pages);
		end_relay(&fe, channel);
	}
}

/** A table as long as memory has room for would keep the relay, and all who wait for its lock. */
static void
a_table_is_no_longer_than_any_chain(void **state)
{
	static const uint32_t entries[] = { VRING_CHAIN_MIN_BUDGET - 1, VRING_CHAIN_MIN_BUDGET };

	(void)state;
	for (size_t n = 0; n < RTE_DIM(entries); n++) {
		const bool fits = n == 0;
		struct frontend fe;
		int channel = begin_relay(&fe, F_INDIRECT);
		struct vring_desc *table = (void *)(fe.memory + (BUFFER(0) - FE_GPA));

		for (uint32_t i = 0; i < entries[n]; i++)
			table[i] = (struct vring_desc){ BUFFER(64), 1,
				i + 1 < entries[n] ? VRING_DESC_F_NEXT : 0, i + 1 };
		guest_desc(&fe)[0] = (struct vring_desc){ BUFFER(0), entries[n] * sizeof(*table),
			VRING_DESC_F_INDIRECT, 0 };
		use(0, 0);
		assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring),
			fits ? 1 : -1);
		end_relay(&fe, channel);
	}
}

static void
impossible_entries_are_not_carried_over(void **state)
{
	static const struct {
		const char *what;
		uint16_t id;
		struct vring_desc desc[2];  /**< 0 and 1 of the ring */
		struct vring_desc table[2]; /**< at BUFFER(0) */
		bool no_indirect;
	} cases[] = {
		{ "outside of the ring", .id = FE_RING_SIZE },
		{ "next outside of the ring",
			.desc = { { BUFFER(1), 1, VRING_DESC_F_NEXT, FE_RING_SIZE } } },
		{ "loop",
			.desc = { { BUFFER(1), 1, VRING_DESC_F_NEXT, 1 },
				{ BUFFER(1), 1, VRING_DESC_F_NEXT, 0 } } },
		{ "table outside of memory",
			.desc = { { FE_GPA + FE_MEMORY_SIZE, 16, VRING_DESC_F_INDIRECT, 0 } } },
		{ "table that runs out of memory",
			.desc = { { FE_GPA + FE_MEMORY_SIZE - 8, 32, VRING_DESC_F_INDIRECT, 0 } } },
		{ "empty table", .desc = { { BUFFER(0), 0, VRING_DESC_F_INDIRECT, 0 } } },
		{ "half an entry", .desc = { { BUFFER(0), 24, VRING_DESC_F_INDIRECT, 0 } } },
		{ "table that was not agreed",
			.desc = { { BUFFER(0), 16, VRING_DESC_F_INDIRECT, 0 } },
			.no_indirect = true },
		{ "table with a descriptor behind it",
			.desc = { { BUFFER(0), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT,
				1 } } },
		{ "table in a table", .desc = { { BUFFER(0), 32, VRING_DESC_F_INDIRECT, 0 } },
			.table = { { BUFFER(0), 32, VRING_DESC_F_INDIRECT, 0 } } },
		{ "next outside of a table",
			.desc = { { BUFFER(0), 32, VRING_DESC_F_INDIRECT, 0 } },
			.table = { { BUFFER(1), 1, VRING_DESC_F_NEXT, 2 } } },
		{ "loop in a table", .desc = { { BUFFER(0), 32, VRING_DESC_F_INDIRECT, 0 } },
			.table = { { BUFFER(1), 1, VRING_DESC_F_NEXT, 1 },
				{ BUFFER(1), 1, VRING_DESC_F_NEXT, 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frontend fe;
		int channel = begin_relay(&fe, cases[i].no_indirect ? 0 : F_INDIRECT);

		memcpy(guest_desc(&fe), cases[i].desc, sizeof(cases[i].desc));
		memcpy(fe.memory + (BUFFER(0) - FE_GPA), cases[i].table, sizeof(cases[i].table));
		use(cases[i].id, 0);
		if (rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring) != -1)
			fail_msg("%s: expected -1", cases[i].what);
		assert_int_equal(fe_used(&fe, 0)->idx, 0);
		end_relay(&fe, channel);
	}
}

static void
a_relay_needs_a_split_ring_and_a_sane_device(void **state)
{
	struct frontend fe;
	int channel = begin_relay(&fe, 0);
	const int vid = fe.dev->vid;

	(void)state;
	assert_int_equal(rte_vdpa_relay_vring_used(vid, 0, NULL), -1);
	assert_int_equal(rte_vdpa_relay_vring_used(vid, QUEUES, &mediated.vring), -1);
	assert_int_equal(rte_vdpa_relay_vring_used(vid + 1, 0, &mediated.vring), -1);
	mediated.vring.used->idx = FE_RING_SIZE + 1;
	assert_int_equal(rte_vdpa_relay_vring_used(vid, 0, &mediated.vring), -1);
	end_relay(&fe, channel);

	channel = begin_relay(&fe, F_PACKED);
	assert_int_equal(rte_vdpa_relay_vring_used(fe.dev->vid, 0, &mediated.vring), -1);
	end_relay(&fe, channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doorbells_are_given_and_taken_away),
		cmocka_unit_test(all_doorbells_are_given_or_none),
		cmocka_unit_test(doorbells_need_to_be_negotiated),
		cmocka_unit_test(doorbells_of_nothing_are_refused),
		cmocka_unit_test(a_driver_need_not_announce_the_guest),
		cmocka_unit_test(used_entries_are_carried_over),
		cmocka_unit_test(written_buffers_are_logged),
		cmocka_unit_test(no_more_is_logged_than_was_written),
		cmocka_unit_test(a_table_is_no_longer_than_any_chain),
		cmocka_unit_test(impossible_entries_are_not_carried_over),
		cmocka_unit_test(a_relay_needs_a_split_ring_and_a_sane_device),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests(tests, setup, teardown);
}

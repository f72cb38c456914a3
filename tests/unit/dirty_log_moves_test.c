/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The dirty log is set, moved and taken away by messages while another thread runs bursts, as when a
 * guest migrates. A page that is written while a log is set is marked in the log of that time or in the one it
 * moved to; no page is marked that the device may not write, nor anything in a log that is not set; and
 * nobody touches a log that was replaced, whose place in memory nobody may touch from then on.
 */

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "frontend.h"
#include "ring_driver.h"
#include "unit_eal.h"
#include "vhost_user_dispatch.h"

#define F(bit) (UINT64_C(1) << (bit))
#define V1 F(VIRTIO_F_VERSION_1)
#define LOG F(VHOST_F_LOG_ALL)
#define RX 0
#define TX 1
#define RINGS 2
#define RING_SIZE 32
#define BURST 8
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#ifdef UNIT_SANITIZED
#define ROUNDS 60
#else
#define ROUNDS 300
#endif

#define PAGE 4096u
#define FIRST_PAGE (GUEST_MEMORY_BASE / PAGE)
#define PAGES (FE_MEMORY_SIZE / PAGE)
/* Each log is all of its pages, between pages of the same file that are nobody's. */
#define LOG_SIZE (3 * PAGE)
#define LOG_AT(log) (PAGE + (log) * (LOG_SIZE + PAGE))
#define FILE_SIZE LOG_AT(2)

static_assert((FIRST_PAGE + PAGES) / 8 <= LOG_SIZE, "a log has a bit for every page");

static struct rte_mempool *pool;

static struct {
	struct frontend fe;
	struct guest_memory memory;
	struct ring_driver rings[RINGS];
	uint64_t ring_page[RINGS];          /**< which the device writes */
	uint64_t areas[RINGS][RING_SIZE];   /**< two pages for each buffer */
	uint64_t buffers[RINGS][RING_SIZE]; /**< where in it, or 0: the device has none */
	bool may_write[PAGES];
	int file;
	uint8_t *logs;               /**< the file, as the migrating side sees it */
	uint8_t collected[LOG_SIZE]; /**< what was taken out of logs that are not set any more */
	unsigned int epoch;          /**< odd: there may be no log */
	void *old_place;             /**< of the log before, where nothing is now */
	uint64_t old_size;

	pthread_t thread;
	bool stop;
	sem_t progress;           /**< a burst that moved something has ended */
	unsigned int held[RINGS]; /**< bursts that moved something, all of them under a log */
	const char *complaint;    /**< of the thread, if any */
	uint64_t complaint_page;
} rig;

/* --- Marks --------------------------------------------------------------------------------- */

static bool
has(const uint8_t *bitmap, uint64_t page)
{
	return (__atomic_load_n(&bitmap[page / 8], __ATOMIC_SEQ_CST) & 1u << page % 8) != 0;
}

/* Marks go from a log to the collection, so look in that order. */
static bool
is_marked(uint64_t page)
{
	return has(rig.logs + LOG_AT(0), page) || has(rig.logs + LOG_AT(1), page) ||
		has(rig.collected, page);
}

/* By who knows that the device does not write the page now. */
static void
forget(uint64_t page)
{
	uint8_t *const bitmaps[] = { rig.logs + LOG_AT(0), rig.logs + LOG_AT(1), rig.collected };

	for (size_t i = 0; i < RTE_DIM(bitmaps); i++)
		__atomic_fetch_and(&bitmaps[i][page / 8], (uint8_t) ~(1u << page % 8),
			__ATOMIC_SEQ_CST);
}

/* Of a log that is not set: it is empty from then on. */
static void
collect(int log)
{
	uint8_t *const bits = rig.logs + LOG_AT(log);

	for (uint32_t i = 0; i < LOG_SIZE; i++) {
		const uint8_t taken = __atomic_load_n(&bits[i], __ATOMIC_SEQ_CST);

		if (taken == 0)
			continue;
		__atomic_fetch_or(&rig.collected[i], taken, __ATOMIC_SEQ_CST);
		__atomic_fetch_and(&bits[i], (uint8_t)~taken, __ATOMIC_SEQ_CST);
	}
}

static void
expect_empty(uint32_t offset, uint32_t len, const char *what)
{
	for (uint32_t i = offset; i < offset + len; i++)
		if (__atomic_load_n(&rig.logs[i], __ATOMIC_SEQ_CST) != 0)
			fail_msg("%s: byte %u of the file is 0x%x", what, i, rig.logs[i]);
}

/* --- Bursts, in a thread of their own ------------------------------------------------------ */

static void
complain(const char *what, uint64_t page)
{
	if (rig.complaint == NULL) {
		rig.complaint_page = page;
		rig.complaint = what;
	}
}

/* Give the device all buffers that it has not; their pages have no mark then. */
static void
post(int ring)
{
	static uint32_t shift;

	for (uint32_t i = 0; i < RING_SIZE; i++) {
		struct ring_driver_seg seg = { .len = HEADER + 1500 };

		if (rig.buffers[ring][i] != 0)
			continue;
		shift = (shift + 1237) % PAGE;
		seg.gpa = rig.areas[ring][i] + shift;
		memset(guest_memory_at(&rig.memory, seg.gpa), 0, HEADER);
		if (!ring_driver_add(&rig.rings[ring], &seg, 1, ring == RX, RING_DRIVER_DIRECT, i))
			break;
		rig.buffers[ring][i] = seg.gpa;
		forget(rig.areas[ring][i] / PAGE);
		forget(rig.areas[ring][i] / PAGE + 1);
	}
	forget(rig.ring_page[ring]);
}

static uint16_t
burst(int ring)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	if (ring == TX) {
		n = rte_vhost_dequeue_burst(rig.fe.dev->vid, TX, pool, pkts, BURST);
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	if (rte_pktmbuf_alloc_bulk(pool, pkts, BURST) != 0)
		return 0;
	for (uint16_t i = 0; i < BURST; i++)
		memset(rte_pktmbuf_append(pkts[i], 60 + 180 * i), 0x55, 60 + 180 * i);
	n = rte_vhost_enqueue_burst(rig.fe.dev->vid, RX, pkts, BURST);
	rte_pktmbuf_free_bulk(pkts, BURST);
	return n;
}

/* Take buffers back; what was written under a log has to be marked. */
static void
take_back(int ring, bool logged)
{
	uint32_t token, len;

	while (ring_driver_take(&rig.rings[ring], &token, &len)) {
		const uint64_t gpa = rig.buffers[ring][token];

		rig.buffers[ring][token] = 0;
		for (uint64_t page = gpa / PAGE; logged && page * PAGE < gpa + len; page++)
			if (ring == RX && !is_marked(page))
				complain("a buffer was written and is not marked", page);
	}
	if (logged && !is_marked(rig.ring_page[ring]))
		complain("a ring was written and is not marked", rig.ring_page[ring]);
}

static void *
run_bursts(void *arg)
{
	for (int ring = RX; !__atomic_load_n(&rig.stop, __ATOMIC_SEQ_CST); ring ^= RX ^ TX) {
		unsigned int epoch;
		bool logged;
		uint16_t n;

		post(ring);
		ring_driver_publish(&rig.rings[ring]);
		epoch = __atomic_load_n(&rig.epoch, __ATOMIC_SEQ_CST);
		n = burst(ring);
		/* Was there a log from before it began until after it ended? */
		logged = n > 0 && epoch % 2 == 0 &&
			epoch == __atomic_load_n(&rig.epoch, __ATOMIC_SEQ_CST);
		take_back(ring, logged);
		rig.held[ring] += logged;
		if (n > 0)
			sem_post(&rig.progress);
	}
	return arg;
}

/* --- The migrating side -------------------------------------------------------------------- */

/* Have bursts begin and end: the first one may have begun before. */
static void
let_bursts_pass(void)
{
	while (sem_trywait(&rig.progress) == 0)
		;
	for (int i = 0; i < 3; i++)
		sem_wait(&rig.progress);
}

static void
set_log(int log)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));
	void *const place = rig.fe.dev->log_map;
	const uint64_t size = rig.fe.dev->log_map_size;

	msg.payload.log = (struct vhost_user_log){ .mmap_size = LOG_SIZE,
		.mmap_offset = LOG_AT(log) };
	msg.fds[msg.nfds++] = rig.file;
	assert_int_equal(fe_send(&rig.fe, &msg), 0);
	assert_int_equal(fe_answer(&rig.fe, &msg), 1);
	/* Nothing else comes where the old one was, so that whoever goes on to mark it dies of that. */
	if (rig.old_place != NULL)
		munmap(rig.old_place, rig.old_size);
	rig.old_place = place;
	rig.old_size = size;
	if (place != NULL)
		assert_ptr_equal(mmap(place, size, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			place);
}

static void
set_logging(bool on)
{
	assert_int_equal(fe_set_features(&rig.fe, (rig.fe.features & ~LOG) | (on ? LOG : 0)), 0);
}

/* @return which log is set then */
static int
change_log(int round, int log)
{
	const int other = !log;

	expect_empty(LOG_AT(other), LOG_SIZE, "a mark in the log that was left");
	if (round % 3 != 0) {
		set_log(other);
		collect(log);
		return other;
	}
	__atomic_add_fetch(&rig.epoch, 1, __ATOMIC_SEQ_CST);
	set_logging(false);
	collect(log);
	let_bursts_pass();
	if (round % 2 == 0)
		set_log(other);
	let_bursts_pass();
	expect_empty(LOG_AT(0), LOG_SIZE, "a mark while nothing is logged");
	expect_empty(LOG_AT(1), LOG_SIZE, "a mark while nothing is logged");
	set_logging(true);
	__atomic_add_fetch(&rig.epoch, 1, __ATOMIC_SEQ_CST);
	return round % 2 == 0 ? other : log;
}

/* --- Set-up -------------------------------------------------------------------------------- */

static uint64_t
va_of(const void *at)
{
	return FE_VA + (uint64_t)((const uint8_t *)at - rig.fe.memory);
}

static uint64_t
page_of(const void *at)
{
	return FIRST_PAGE + (uint64_t)((const uint8_t *)at - rig.fe.memory) / PAGE;
}

static void
start_ring(uint32_t index, uint64_t features)
{
	const bool packed = (features & F(VIRTIO_F_RING_PACKED)) != 0;
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	struct ring_driver *ring = &rig.rings[index];

	guest_memory_alloc(&rig.memory, 0, PAGE);
	ring_driver_init(ring, &rig.memory, features, RING_SIZE);
	rig.ring_page[index] = page_of(packed ? ring->layout.desc : ring->layout.device);
	rig.may_write[rig.ring_page[index] - FIRST_PAGE] = true;
	rig.may_write[page_of(ring->layout.device) - FIRST_PAGE] = true;
	for (int i = 0; i < RING_SIZE; i++) {
		rig.areas[index][i] = guest_memory_alloc(&rig.memory, 2 * PAGE, PAGE);
		rig.may_write[rig.areas[index][i] / PAGE - FIRST_PAGE] = index == RX;
		rig.may_write[rig.areas[index][i] / PAGE + 1 - FIRST_PAGE] = index == RX;
	}
	msg.payload.addr = (struct vhost_vring_addr){
		.index = index,
		.flags = 1 << VHOST_VRING_F_LOG,
		.desc_user_addr = va_of(ring->layout.desc),
		.avail_user_addr = va_of(ring->layout.driver),
		.used_user_addr = va_of(ring->layout.device),
		.log_guest_addr = ring->layout.log_gpa,
	};
	assert_int_equal(fe_set_state(&rig.fe, VHOST_USER_SET_VRING_NUM, index, RING_SIZE), 0);
	assert_int_equal(fe_set_state(&rig.fe, VHOST_USER_SET_VRING_BASE, index,
				 packed ? 0x80008000 : 0),
		0);
	assert_int_equal(fe_send(&rig.fe, &msg), 0);
	assert_int_equal(fe_set_call(&rig.fe, index), 0);
	assert_int_equal(fe_set_kick(&rig.fe, index), 0);
}

static void
begin(uint64_t features)
{
	const struct vhost_device_config config = {
		.path = "/unit/dirty-log-moves",
		.features = vhost_user_net_features,
		.protocol_features = vhost_user_transport_protocol_features |
			vhost_user_device_protocol_features,
		.queue_num = VHOST_QUEUE_PAIRS_MAX,
		.builtin_net = true,
	};
	struct vhost_user_message msg;

	memset(&rig, 0, sizeof(rig));
	fe_init(&rig.fe, -1, vhost_device_create(&config));
	assert_non_null(rig.fe.dev);
	/* The front end's memory, where the driver of rings looks for it. */
	rig.memory.region_size = FE_MEMORY_SIZE;
	rig.memory.table = calloc(1,
		sizeof(*rig.memory.table) + sizeof(rig.memory.table->regions[0]));
	assert_non_null(rig.memory.table);
	rig.memory.table->nregions = 1;
	rig.memory.table->regions[0] = (struct rte_vhost_mem_region){
		.guest_phys_addr = GUEST_MEMORY_BASE,
		.guest_user_addr = FE_VA,
		.host_user_addr = (uintptr_t)rig.fe.memory,
		.size = FE_MEMORY_SIZE,
	};
	guest_memory_reset(&rig.memory);
	rig.file = memfd_create("log", MFD_CLOEXEC);
	assert_true(rig.file >= 0);
	assert_int_equal(ftruncate(rig.file, FILE_SIZE), 0);
	rig.logs = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rig.file, 0);
	assert_ptr_not_equal(rig.logs, MAP_FAILED);
	sem_init(&rig.progress, 0, 0);

	assert_int_equal(fe_set_u64(&rig.fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 config.protocol_features),
		0);
	assert_int_equal(fe_set_features(&rig.fe, features | V1 | LOG), 0);
	msg = fe_memory_message(rig.fe.memfd, FE_MEMORY_SIZE);
	msg.payload.mem_table.regions[0].gpa = GUEST_MEMORY_BASE;
	assert_int_equal(fe_send(&rig.fe, &msg), 0);
	set_log(0);
	for (uint32_t i = 0; i < RINGS; i++)
		start_ring(i, features | V1);
}

static void
end(void)
{
	vhost_device_destroy(rig.fe.dev);
	for (int i = 0; i < RINGS; i++)
		ring_driver_fini(&rig.rings[i]);
	if (rig.old_place != NULL)
		munmap(rig.old_place, rig.old_size);
	munmap(rig.logs, FILE_SIZE);
	close(rig.file);
	sem_destroy(&rig.progress);
	free(rig.memory.table);
	fe_fini(&rig.fe);
}

static void
check_marks(void)
{
	collect(0);
	collect(1);
	for (uint64_t page = 0; page < LOG_SIZE * 8; page++) {
		const uint64_t ours = page - FIRST_PAGE;

		if (has(rig.collected, page) && (ours >= PAGES || !rig.may_write[ours]))
			fail_msg("page %" PRIu64 " is marked, and nobody may write it", page);
	}
	expect_empty(0, FILE_SIZE, "a mark outside of the logs");
}

static void
moves(uint64_t features)
{
	int log = 0;

	begin(features);
	assert_int_equal(pthread_create(&rig.thread, NULL, run_bursts, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		let_bursts_pass();
		log = change_log(round, log);
	}
	let_bursts_pass();
	__atomic_store_n(&rig.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(rig.thread, NULL);
	if (rig.complaint != NULL)
		fail_msg("page %" PRIu64 ": %s", rig.complaint_page, rig.complaint);
	assert_true(rig.held[RX] > 0);
	assert_true(rig.held[TX] > 0);
	check_marks();
	end();
}

static void
no_mark_is_lost_when_the_log_moves_under_split_rings(void **state)
{
	(void)state;
	moves(0);
}

static void
no_mark_is_lost_when_the_log_moves_under_packed_rings(void **state)
{
	(void)state;
	moves(F(VIRTIO_F_RING_PACKED));
}

static int
setup(void **state)
{
	(void)state;
	pool = unit_eal_pool(255, RTE_MBUF_DEFAULT_BUF_SIZE);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mark_is_lost_when_the_log_moves_under_split_rings),
		cmocka_unit_test(no_mark_is_lost_when_the_log_moves_under_packed_rings),
	};

	return cmocka_run_group_tests_name("dirty_log_moves", tests, setup, NULL);
}

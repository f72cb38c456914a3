/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Devices of vdpa_sim behind the library, as front ends use them: more than one at a time, and while the
 * device fails.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <bus_vdev_driver.h>
#include <rte_log.h>

#include "frontend.h"
#include "unit_eal.h"
#include "vdpa_driver.h"
#include "vhost_user_dispatch.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_SIM (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VHOST_USER_FEATURE_PROTOCOL))
#define F_LOG FEATURE(VHOST_F_LOG_ALL)
#define DEVICE "vdpa_sim0"

enum rte_proc_type_t __wrap_rte_eal_process_type(void);

static void
make_device(const char *args)
{
	assert_int_equal(rte_vdev_init(DEVICE, args), 0);
	assert_non_null(rte_vdpa_find_device_by_name(DEVICE));
}

static void
begin(struct frontend *fe, const char *path)
{
	const struct vhost_device_config config = {
		.path = path,
		.features = F_SIM | F_LOG,
		.protocol_features = FEATURE(VHOST_USER_PF_LOG_SHMFD),
		.queue_num = 1,
		.builtin_net = true,
		.vdpa = rte_vdpa_find_device_by_name(DEVICE),
	};

	fe_init(fe, -1, vhost_device_create(&config));
	assert_non_null(fe->dev);
	assert_int_equal(fe_set_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, config.protocol_features),
		0);
}

static void
end(struct frontend *fe)
{
	vhost_device_destroy(fe->dev);
	fe_fini(fe);
}

static int
start_ring(struct frontend *fe, uint32_t index)
{
	int ret = fe_setup_ring(fe, index);

	return ret != 0 ? ret : fe_set_state(fe, VHOST_USER_SET_VRING_ENABLE, index, 1);
}

/* --- The driver ---------------------------------------------------------------------------- */

#define RX 0
#define TX 1
#define BUFFERS (2u << 20) /* offset of buffers in memory, two pages for each frame */
#define PAGE 4096u
#define FRAME 100u
#define HEADER 12u

/* Make one descriptor of a page available, number @a i of them. */
static void
offer(struct frontend *fe, uint32_t ring, uint16_t i, uint32_t len, uint16_t flags)
{
	uint8_t *at = fe->memory + (size_t)ring * FE_RING_SPACE;
	struct vring_avail *avail = (struct vring_avail *)(at + 0x4000);

	((struct vring_desc *)at)[i] = (struct vring_desc){ .addr = FE_GPA + BUFFERS +
			(2 * i + ring) * PAGE,
		.len = len,
		.flags = flags };
	avail->ring[i] = i;
	__atomic_store_n(&avail->idx, (uint16_t)(i + 1), __ATOMIC_RELEASE);
	assert_int_equal(eventfd_write(fe->kick[ring], 1), 0);
}

/* Send frame number @a i, and wait until the device brings it back. */
static void
loop_frame(struct frontend *fe, uint16_t i)
{
	struct pollfd call = { .fd = fe->call[RX], .events = POLLIN };
	uint8_t *sent = fe->memory + BUFFERS + (2 * i + TX) * PAGE;
	eventfd_t calls;

	memset(sent, 0, HEADER);
	memset(sent + HEADER, 0x40 + i, FRAME);
	offer(fe, RX, i, PAGE, VRING_DESC_F_WRITE);
	offer(fe, TX, i, HEADER + FRAME, 0);
	while (__atomic_load_n(&fe_used(fe, RX)->idx, __ATOMIC_ACQUIRE) != (uint16_t)(i + 1)) {
		assert_int_equal(poll(&call, 1, 20000), 1);
		eventfd_read(fe->call[RX], &calls);
	}
	assert_memory_equal(fe->memory + BUFFERS + (2 * i + RX) * PAGE + HEADER, sent + HEADER,
		FRAME);
}

/* --- Tests --------------------------------------------------------------------------------- */

static void
a_front_end_waits_while_rings_of_another_are_ready(void **state)
{
	struct frontend first, second;

	(void)state;
	make_device("queues=1");
	begin(&first, "/unit/sim-first");
	begin(&second, "/unit/sim-second");
	assert_int_equal(fe_set_features(&first, F_SIM), 0);
	assert_int_equal(fe_set_features(&second, F_SIM), 0);
	assert_int_equal(fe_set_memory(&first), 0);
	assert_int_equal(fe_set_memory(&second), 0);

	assert_int_equal(start_ring(&first, RX), 0);
	assert_true(start_ring(&second, RX) < 0);
	end(&second);
	assert_int_equal(start_ring(&first, TX), 0);
	loop_frame(&first, 0);
	loop_frame(&first, 1);
	end(&first);

	begin(&second, "/unit/sim-second");
	assert_int_equal(fe_set_features(&second, F_SIM), 0);
	assert_int_equal(fe_set_memory(&second), 0);
	assert_int_equal(start_ring(&second, RX), 0);
	assert_int_equal(start_ring(&second, TX), 0);
	loop_frame(&second, 0);
	end(&second);
	assert_int_equal(rte_vdev_uninit(DEVICE), 0);
}

#define LOG_SIZE ((FE_GPA + FE_MEMORY_SIZE) / PAGE / 8)

static uint8_t *
set_log(struct frontend *fe)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_LOG_BASE,
		sizeof(struct vhost_user_log));
	const int fd = memfd_create("unit-log", MFD_CLOEXEC);
	uint8_t *log;

	assert_int_equal(ftruncate(fd, (off_t)LOG_SIZE), 0);
	log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(log, MAP_FAILED);
	msg.payload.log = (struct vhost_user_log){ .mmap_size = LOG_SIZE };
	msg.fds[msg.nfds++] = fd;
	assert_int_equal(fe_send(fe, &msg), 0);
	close(fd);
	return log;
}

/* The first page of memory has a bit that begins a byte. */
static bool
is_logged(const uint8_t *log, uint64_t offset)
{
	const uint64_t page = (FE_GPA + offset) / PAGE;

	return log[page / 8] >> (page % 8) & 1;
}

static void
a_log_is_replaced_though_the_device_cannot_change_logging(void **state)
{
	uint8_t *former, *log;
	struct frontend fe;

	(void)state;
	make_device("queues=1,fail=set_features");
	begin(&fe, "/unit/sim");
	former = set_log(&fe);
	assert_int_equal(fe_set_features(&fe, F_SIM | F_LOG), 0);
	assert_int_equal(fe_set_memory(&fe), 0);
	assert_int_equal(start_ring(&fe, RX), 0);
	assert_int_equal(start_ring(&fe, TX), 0);
	loop_frame(&fe, 0);
	assert_true(is_logged(former, BUFFERS));
	log = set_log(&fe);
	memset(former, 0, LOG_SIZE);
	loop_frame(&fe, 1);
	assert_true(is_logged(log, BUFFERS + 2 * PAGE));
	assert_false(is_logged(former, BUFFERS + 2 * PAGE));
	end(&fe);
	munmap(former, LOG_SIZE);
	munmap(log, LOG_SIZE);
	assert_int_equal(rte_vdev_uninit(DEVICE), 0);
}

static enum rte_proc_type_t process_type = RTE_PROC_PRIMARY;

/* What drivers are told. */
enum rte_proc_type_t
__wrap_rte_eal_process_type(void)
{
	return process_type;
}

/* A failure there would undo what the primary process does. */
static void
a_secondary_process_leaves_the_device_to_the_primary(void **state)
{
	(void)state;
	process_type = RTE_PROC_SECONDARY;
	assert_int_equal(rte_vdev_init(DEVICE, "queues=1"), 0);
	assert_null(rte_vdpa_find_device_by_name(DEVICE));
	assert_int_equal(rte_vdev_uninit(DEVICE), 0);
	process_type = RTE_PROC_PRIMARY;
	make_device("queues=1");
	assert_int_equal(rte_vdev_uninit(DEVICE), 0);
}

static int
setup(void **state)
{
	if (unit_eal_setup(state) != 0)
		return -1;
	rte_log_set_global_level(getenv("UNIT_LOG") == NULL ? RTE_LOG_EMERG : RTE_LOG_DEBUG);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_end_waits_while_rings_of_another_are_ready),
		cmocka_unit_test(a_log_is_replaced_though_the_device_cannot_change_logging),
		cmocka_unit_test(a_secondary_process_leaves_the_device_to_the_primary),
	};

	return cmocka_run_group_tests_name("sim_device", tests, setup, NULL);
}

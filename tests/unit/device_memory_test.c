/* SPDX-License-Identifier: BSD-3-Clause */

/* Guest memory that changes while a device runs: who goes on, and who is stopped. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_log.h>

#include "recorder.h"

static struct vhost_user_region
ring_region(uint32_t index)
{
	const uint64_t at = (uint64_t)index * FE_RING_SPACE;

	return (struct vhost_user_region){ .gpa = FE_GPA + at,
		.size = FE_RING_SPACE,
		.fe_va = FE_VA + at,
		.mmap_offset = at };
}

/* A table of other memory: for a vDPA device, and for rings that the application drives. */
static void
memory_changes_only_while_nobody_uses_it(void **state)
{
	struct vhost_user_message msg;
	struct frontend fe;

	(void)state;
	for (int with_vdpa = 0; with_vdpa < 2; with_vdpa++) {
		recorder_bring_up(&fe, with_vdpa, F_V1);
		fe.dev->builtin_net = false;
		/* What is as it was is no change. */
		assert_int_equal(fe_set_memory(&fe), 0);
		assert_int_equal(told.destroy_device, 0);
		assert_int_equal(fe_mappings(), 2);
		msg = fe_memory_message(fe.memfd, FE_MEMORY_SIZE - 4096);
		assert_int_equal(fe_send(&fe, &msg), 0);
		assert_int_equal(told.destroy_device, 1);
		assert_int_equal(told.new_device, 2);
		assert_int_equal(told.close, with_vdpa);
		assert_int_equal(told.conf, 2 * with_vdpa);
		assert_ptr_equal(fe.dev->queues[0]->vring.desc,
			(void *)(uintptr_t)fe.dev->mem->regions[0].host_user_addr);
		assert_int_equal(fe_mappings(), 2);
		recorder_end(&fe);
	}
}

/* A table of the first @a n rings' memory, a region for each. */
static struct vhost_user_message
table_message(const struct frontend *fe, uint32_t n)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_MEM_TABLE,
		offsetof(struct vhost_user_mem_table, regions) +
			n * sizeof(struct vhost_user_region));

	msg.payload.mem_table.nregions = n;
	for (uint32_t i = 0; i < n; i++) {
		msg.payload.mem_table.regions[i] = ring_region(i);
		msg.fds[msg.nfds++] = fe->memfd;
	}
	return msg;
}

static int
table_of_rings(struct frontend *fe, uint32_t n)
{
	struct vhost_user_message msg = table_message(fe, n);

	return fe_send(fe, &msg);
}

static void
bring_up_in_regions(struct frontend *fe, const struct vhost_device_config *cfg, uint32_t regions)
{
	recorder_begin(fe, cfg);
	assert_int_equal(fe_set_features(fe, F_V1), 0);
	assert_int_equal(table_of_rings(fe, regions), 0);
	assert_int_equal(fe_setup_ring(fe, 0), 0);
	assert_int_equal(fe_setup_ring(fe, 1), 0);
	assert_true(told.running);
}

static void
rings_go_on_in_what_a_new_table_keeps(void **state)
{
	const struct vhost_device_config cfg = recorder_config(false);
	struct vhost_user_message msg;
	struct frontend fe;
	void *desc;

	(void)state;
	for (int builtin = 0; builtin < 2; builtin++) {
		bring_up_in_regions(&fe, &cfg, 2);
		fe.dev->builtin_net = builtin;
		desc = fe.dev->queues[1]->vring.desc;
		assert_int_equal(table_of_rings(&fe, 4), 0);
		assert_int_equal(fe.dev->mem->nregions, 4);
		assert_int_equal(fe_mappings(), 5);
		assert_int_equal(table_of_rings(&fe, 2), 0);
		assert_int_equal(fe.dev->mem->nregions, 2);
		assert_int_equal(fe_mappings(), 3);
		assert_ptr_equal(fe.dev->queues[1]->vring.mem, fe.dev->mem);
		assert_ptr_equal(fe.dev->queues[1]->vring.desc, desc);
		assert_int_equal(told.destroy_device, 0);
		assert_int_equal(told.ring_down[0] + told.ring_down[1], 0);
		recorder_end(&fe);
	}

	/* Of rings of this library, those stop and start whose memory is not where it was. */
	bring_up_in_regions(&fe, &cfg, 2);
	msg = table_message(&fe, 2);
	msg.payload.mem_table.regions[1].mmap_offset += FE_RING_SPACE;
	assert_int_equal(fe_send(&fe, &msg), 0);
	assert_int_equal(told.ring_down[0], 0);
	assert_int_equal(told.ring_down[1], 1);
	assert_int_equal(told.ring_up[1], 2);
	assert_int_equal(told.destroy_device, 0);
	assert_ptr_equal((uint8_t *)fe.dev->queues[1]->vring.desc,
		(void *)(uintptr_t)fe.dev->mem->regions[1].host_user_addr);
	assert_int_equal(fe_mappings(), 3);
	recorder_end(&fe);
}

static enum rte_vhost_msg_result
look_on(int vid, void *msg)
{
	(void)vid;
	(void)msg;
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* It hears of what is new itself, or is started again; of what goes, it lets go before. */
static void
application_with_a_copy_hears_of_a_new_table(void **state)
{
	static const struct rte_vhost_user_extern_ops handlers = { .post_msg_handle = look_on };
	const struct vhost_device_config cfg = recorder_config(false);
	struct rte_vhost_memory *mem;
	struct frontend fe;

	(void)state;
	for (int hears = 0; hears < 2; hears++) {
		bring_up_in_regions(&fe, &cfg, 2);
		fe.dev->builtin_net = false;
		if (hears)
			assert_int_equal(rte_vhost_extern_callback_register(fe.dev->vid, &handlers,
						 NULL),
				0);
		assert_int_equal(rte_vhost_get_mem_table(fe.dev->vid, &mem), 0);
		assert_int_equal(table_of_rings(&fe, 3), 0);
		assert_int_equal(told.destroy_device, hears ? 0 : 1);
		/* What it has a copy of is still there. */
		assert_int_equal(mem->regions[1].host_user_addr,
			fe.dev->mem->regions[1].host_user_addr);
		assert_int_equal(table_of_rings(&fe, 2), 0);
		assert_int_equal(told.destroy_device, hears ? 1 : 2);
		assert_true(told.running);
		free(mem);
		recorder_end(&fe);
	}
}

static int
region_of_a_ring(struct frontend *fe, uint32_t request, uint32_t index)
{
	struct vhost_user_message msg = fe_message(request, sizeof(struct vhost_user_mem_reg));

	msg.payload.mem_reg.region = ring_region(index);
	if (request == VHOST_USER_ADD_MEM_REG)
		msg.fds[msg.nfds++] = fe->memfd;
	return fe_send(fe, &msg);
}

static void
ring_waits_for_memory_that_is_taken_away(void **state)
{
	const struct vhost_device_config cfg = recorder_config(false);
	struct frontend fe;

	(void)state;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS)),
		0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(region_of_a_ring(&fe, VHOST_USER_ADD_MEM_REG, i), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(fe_setup_ring(&fe, i), 0);
	assert_true(told.running && told.ring[2]);

	/* Of a ring that the device can do without, and of one that it cannot; the others go on. */
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_REM_MEM_REG, 2), 0);
	assert_true(told.running && !told.ring[2]);
	assert_int_equal(told.destroy_device, 0);
	assert_int_equal(told.ring_down[0] + told.ring_down[1], 0);
	assert_ptr_equal(fe.dev->queues[0]->vring.mem, fe.dev->mem);
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_REM_MEM_REG, 1), 0);
	assert_true(!told.running && told.ring[0] && !told.ring[1]);
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_ADD_MEM_REG, 1), 0);
	assert_true(told.running && told.ring[1]);
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_ADD_MEM_REG, 2), 0);
	assert_true(told.running && told.ring[2]);
	assert_int_equal(told.destroy_device, 1);
	assert_int_equal(told.ring_down[0], 0);
	assert_int_equal(fe_mappings(), 4);
	recorder_end(&fe);
}

static void
application_with_the_table_is_stopped_before_it_changes(void **state)
{
	const struct vhost_device_config cfg = recorder_config(false);
	struct rte_vhost_memory *mem;
	struct frontend fe;

	(void)state;
	recorder_begin(&fe, &cfg);
	assert_int_equal(fe_set_u64(&fe, VHOST_USER_SET_PROTOCOL_FEATURES,
				 FEATURE(VHOST_USER_PF_CONFIGURE_MEM_SLOTS)),
		0);
	assert_int_equal(fe_set_features(&fe, F_V1), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(region_of_a_ring(&fe, VHOST_USER_ADD_MEM_REG, i), 0);
		assert_int_equal(fe_setup_ring(&fe, i), 0);
	}
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_ADD_MEM_REG, 2), 0);
	assert_int_equal(told.new_device, 1);
	assert_int_equal(rte_vhost_get_mem_table(fe.dev->vid, &mem), 0);
	assert_int_equal(mem->nregions, 3);
	assert_int_equal(region_of_a_ring(&fe, VHOST_USER_REM_MEM_REG, 2), 0);
	assert_int_equal(told.destroy_device, 1);
	assert_int_equal(told.new_device, 2);
	free(mem);
	recorder_end(&fe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_changes_only_while_nobody_uses_it),
		cmocka_unit_test(rings_go_on_in_what_a_new_table_keeps),
		cmocka_unit_test(application_with_a_copy_hears_of_a_new_table),
		cmocka_unit_test(ring_waits_for_memory_that_is_taken_away),
		cmocka_unit_test(application_with_the_table_is_stopped_before_it_changes),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("device_memory", tests, recorder_setup,
		recorder_teardown);
}

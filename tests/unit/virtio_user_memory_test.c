/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a virtio-user port tells a vhost-user back end of DPDK's memory, which is in as many files as DPDK
 * likes, and grows and shrinks while frames flow.
 */

#include "virtio_user_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_memory.h>

#define PAGES 40
#define PAGE 4096u

/* --- pages that DPDK has besides its own, in a file each or all in one; see meson.build --- */

int __wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t call, void *arg);
int __real_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t call, void *arg);
int __wrap_rte_memseg_get_fd_thread_unsafe(const struct rte_memseg *ms);
int __real_rte_memseg_get_fd_thread_unsafe(const struct rte_memseg *ms);
int __wrap_rte_memseg_get_fd_offset_thread_unsafe(const struct rte_memseg *ms, size_t *offset);
int __real_rte_memseg_get_fd_offset_thread_unsafe(const struct rte_memseg *ms, size_t *offset);
int __wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t call,
	void *arg);
int __wrap_rte_mem_event_callback_unregister(const char *name, void *arg);

static struct {
	uint8_t *base;
	unsigned int n;
	struct rte_memseg page[PAGES];
	int fd[PAGES];
	rte_mem_event_callback_t event;
	void *event_arg;
} more;

static bool
is_more(const struct rte_memseg *ms)
{
	return ms >= more.page && ms < more.page + PAGES;
}

int
__wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t call, void *arg)
{
	const struct rte_memseg_list list = { 0 };
	int ret = __real_rte_memseg_walk_thread_unsafe(call, arg);

	for (unsigned int i = 0; i < more.n && ret == 0; i++)
		ret = call(&list, &more.page[i], arg);
	return ret;
}

int
__wrap_rte_memseg_get_fd_thread_unsafe(const struct rte_memseg *ms)
{
	return is_more(ms) ? more.fd[ms - more.page] : __real_rte_memseg_get_fd_thread_unsafe(ms);
}

int
__wrap_rte_memseg_get_fd_offset_thread_unsafe(const struct rte_memseg *ms, size_t *offset)
{
	if (!is_more(ms))
		return __real_rte_memseg_get_fd_offset_thread_unsafe(ms, offset);
	*offset = (size_t)(ms - more.page) * PAGE;
	return 0;
}

int
__wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t call, void *arg)
{
	(void)name;
	more.event = call;
	more.event_arg = arg;
	return 0;
}

int
__wrap_rte_mem_event_callback_unregister(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return 0;
}

static void
more_begin(bool one_file)
{
	const int file = memfd_create("more", MFD_CLOEXEC);

	assert_int_equal(ftruncate(file, PAGES * PAGE), 0);
	more.base = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	assert_ptr_not_equal(more.base, MAP_FAILED);
	for (unsigned int i = 0; i < PAGES; i++) {
		more.page[i] = (struct rte_memseg){ .addr = more.base + i * PAGE, .len = PAGE };
		more.fd[i] = one_file ? file : dup(file);
	}
	if (!one_file)
		close(file);
}

static void
more_end(void)
{
	more.n = 0;
	munmap(more.base, PAGES * PAGE);
	for (unsigned int i = 0; i < PAGES; i++)
		if (i == 0 || more.fd[i] != more.fd[0])
			close(more.fd[i]);
}

/* As DPDK does it: what is new is there when it is told of, and so is what goes. */
static void
more_change(unsigned int n)
{
	const bool grows = n > more.n;
	const unsigned int from = RTE_MIN(n, more.n), to = RTE_MAX(n, more.n);

	if (grows)
		more.n = n;
	more.event(grows ? RTE_MEM_EVENT_ALLOC : RTE_MEM_EVENT_FREE, more.base + from * PAGE,
		(to - from) * PAGE, more.event_arg);
	more.n = n;
}

/* How often it was asked for something. */
static unsigned int
asked(const struct scripted_backend *b, uint32_t request)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < b->messages; i++)
		n += b->requests[i % 512] == request;
	return n;
}

static void
check_pages(const struct scripted_backend *b)
{
	for (unsigned int i = 0; i < PAGES; i++)
		assert_int_equal(scripted_knows(b, (uintptr_t)more.base + i * PAGE, PAGE),
			i < more.n);
}

/* --- the tests --- */

static void
memory_in_many_files_is_told_file_by_file_while_rings_run(void **state)
{
	struct scripted_backend b = honest("files", false);
	const unsigned int fds = unit_open_fds();

	(void)state;
	b.protocol |= PF(CONFIGURE_MEM_SLOTS);
	more_begin(false);
	more.n = 20;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	check_pages(&b);
	for (unsigned int n = 19; n < PAGES; n += 5) {
		more_change(n);
		check_pages(&b);
	}
	more_change(1);
	check_pages(&b);
	assert_int_equal(asked(&b, VHOST_USER_SET_MEM_TABLE), 0);
	assert_int_equal(asked(&b, VHOST_USER_SET_VRING_ENABLE), 2);
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
	more_end();
	assert_int_equal(unit_open_fds(), fds);
}

/* Descriptors may lead there as soon as DPDK has it. */
static void
memory_that_comes_is_known_before_it_is_used(void **state)
{
	struct scripted_backend b = honest("known", false);
	unsigned int answers;

	(void)state;
	b.protocol = (b.protocol | PF(CONFIGURE_MEM_SLOTS)) & ~PF(REPLY_ACK);
	more_begin(false);
	more.n = 2;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	answers = asked(&b, VHOST_USER_GET_FEATURES);
	for (unsigned int n = 3; n < PAGES; n++) {
		more_change(n);
		assert_int_equal(asked(&b, VHOST_USER_GET_FEATURES), ++answers);
		check_pages(&b);
	}
	remove_port();
	scripted_stop(&b);
	more_end();
}

static void
a_file_that_grows_is_told_in_pieces_while_rings_run(void **state)
{
	struct scripted_backend b = honest("file", false);
	unsigned int removed, added;
	uint32_t regions;

	(void)state;
	b.protocol |= PF(CONFIGURE_MEM_SLOTS);
	more_begin(true);
	more.n = 10;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	regions = b.regions;
	check_pages(&b);
	more_change(15);
	check_pages(&b);
	more_change(30);
	check_pages(&b);
	assert_int_equal(b.regions, regions + 2);
	more_change(10);
	check_pages(&b);
	assert_int_equal(b.regions, regions);
	assert_int_equal(asked(&b, VHOST_USER_SET_VRING_ENABLE), 2);
	/* A region that is in use in part stays.. */
	removed = asked(&b, VHOST_USER_REM_MEM_REG);
	more_change(5);
	assert_int_equal(b.regions, regions);
	assert_int_equal(asked(&b, VHOST_USER_REM_MEM_REG), removed);
	assert_int_equal(asked(&b, VHOST_USER_SET_VRING_ENABLE), 2);
	/* ..until there is other memory in its place. */
	more_change(10);
	check_pages(&b);
	assert_int_equal(b.regions, regions);
	assert_int_equal(asked(&b, VHOST_USER_REM_MEM_REG), removed + 1);
	assert_int_equal(asked(&b, VHOST_USER_SET_VRING_ENABLE), 2 + 4);
	assert_true(scripted_wait_enabled(&b, 2));
	more_change(20);
	check_pages(&b);
	assert_int_equal(b.regions, regions + 1);
	/* Where rings may be anywhere, it is in one piece. */
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(start(1, 0), 0);
	check_pages(&b);
	assert_int_equal(b.regions, regions);
	exchange(&b, 0);
	/* Where something else was while it stood still, all is told anew. */
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	added = asked(&b, VHOST_USER_ADD_MEM_REG);
	more_change(15);
	more_change(20);
	assert_int_equal(start(1, 0), 0);
	check_pages(&b);
	assert_int_equal(b.regions, regions);
	assert_int_equal(asked(&b, VHOST_USER_ADD_MEM_REG), added + regions);
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
	more_end();
}

static void
pieces_are_put_together_before_there_are_too_many(void **state)
{
	struct scripted_backend b = honest("pieces", false);

	(void)state;
	b.protocol |= PF(CONFIGURE_MEM_SLOTS);
	b.slots = 4;
	more_begin(true);
	more.n = 1;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	for (unsigned int n = 2; n <= PAGES; n++) {
		more_change(n);
		check_pages(&b);
		assert_in_range(b.regions, 1, b.slots);
	}
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
	more_end();
}

static void
a_table_is_told_anew_while_rings_pause(void **state)
{
	struct scripted_backend b = honest("table", false);

	(void)state;
	more_begin(false);
	more.n = 3;
	scripted_start(&b);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	check_pages(&b);
	more_change(6);
	check_pages(&b);
	assert_int_equal(asked(&b, VHOST_USER_SET_MEM_TABLE), 2);
	assert_int_equal(asked(&b, VHOST_USER_SET_VRING_ENABLE), 2 + 4);
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	remove_port();
	scripted_stop(&b);
	more_end();
}

/* @return what the log says of a port that is started with so many files of memory */
static char *
start_refused(unsigned int files)
{
	char *text = NULL;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);

	more.n = files;
	rte_openlog_stream(log);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_ERR);
	assert_int_equal(start(1, 0), -ENOSPC);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_EMERG);
	rte_openlog_stream(NULL);
	fclose(log);
	return text;
}

static void
too_many_files_are_refused_with_one_line_that_says_what_to_do(void **state)
{
	static const struct {
		uint64_t slots; /* 0: it knows nothing of slots */
		unsigned int takes;
	} kinds[] = { { 0, 8 }, { 20, 20 } };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		struct scripted_backend b = honest("refuses", false);
		char *text, takes[16];

		if (kinds[i].slots != 0)
			b.protocol |= PF(CONFIGURE_MEM_SLOTS);
		b.slots = kinds[i].slots;
		more_begin(false);
		scripted_start(&b);
		assert_int_equal(probe(&b, ""), 0);
		text = start_refused(PAGES);
		snprintf(takes, sizeof(takes), " takes %u: ", kinds[i].takes);
		assert_non_null(strstr(text, takes));
		assert_non_null(strstr(text, "--single-file-segments"));
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		free(text);
		/* As many as it takes, DPDK's own among them. */
		more.n = kinds[i].takes - 1;
		assert_int_equal(start(1, 0), 0);
		assert_int_equal(b.regions, kinds[i].takes);
		exchange(&b, 0);
		remove_port();
		scripted_stop(&b);
		more_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_in_many_files_is_told_file_by_file_while_rings_run),
		cmocka_unit_test(memory_that_comes_is_known_before_it_is_used),
		cmocka_unit_test(a_file_that_grows_is_told_in_pieces_while_rings_run),
		cmocka_unit_test(pieces_are_put_together_before_there_are_too_many),
		cmocka_unit_test(a_table_is_told_anew_while_rings_pause),
		cmocka_unit_test(too_many_files_are_refused_with_one_line_that_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}

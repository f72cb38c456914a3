/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_log.h>

#include "sim_devargs.h"

static char *log_text;
static size_t log_size;
static FILE *log_stream;

/** Lines logged since the last call of log_start(). */
static unsigned int
log_lines(void)
{
	unsigned int lines = 0;

	fflush(log_stream);
	log_text[log_size] = '\0';
	for (size_t i = 0; i < log_size; i++)
		lines += log_text[i] == '\n';
	return lines;
}

static void
log_start(void)
{
	rewind(log_stream);
}

static struct sim_devargs
parse(const char *args)
{
	struct sim_devargs devargs;

	log_start();
	assert_int_equal(sim_devargs_parse("vdpa_sim0", args, &devargs), 0);
	assert_int_equal(log_lines(), 0);
	return devargs;
}

static void
without_arguments_there_are_defaults(void **state)
{
	const char *const none[] = { NULL, "" };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(none); i++) {
		struct sim_devargs devargs = parse(none[i]);

		assert_int_equal(devargs.pairs, 1);
		assert_int_equal(devargs.mtu, 1500);
		assert_string_equal(devargs.port, "");
		assert_false(devargs.doorbells);
		assert_int_equal(devargs.fail, 0);
		assert_true(rte_is_valid_assigned_ether_addr(&devargs.mac));
		assert_true(rte_is_local_admin_ether_addr(&devargs.mac));
	}
}

static void
every_argument_is_taken(void **state)
{
	struct sim_devargs devargs = parse(
		"queues=128,mode=port,port=net_tap0,mac=02:00:00:00:00:7f,"
		"mtu=9600,notify=doorbell,fail=dev_conf,fail=get_stats");
	const struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 0x7f } };

	(void)state;
	assert_int_equal(devargs.pairs, 128);
	assert_string_equal(devargs.port, "net_tap0");
	assert_true(rte_is_same_ether_addr(&devargs.mac, &mac));
	assert_int_equal(devargs.mtu, 9600);
	assert_true(devargs.doorbells);
	assert_int_equal(devargs.fail, 1u << SIM_FAIL_dev_conf | 1u << SIM_FAIL_get_stats);
}

static void
a_port_implies_its_mode(void **state)
{
	(void)state;
	assert_string_equal(parse("port=net_null0").port, "net_null0");
	assert_string_equal(parse("mode=loop").port, "");
}

static void
wrong_arguments_are_refused_with_one_line_that_names_them(void **state)
{
	static const struct {
		const char *args;
		const char *named; /* in the log */
	} wrong[] = {
		{ "colour=blue", "unknown argument 'colour'" },
		{ "queues=1,colour=blue", "unknown argument 'colour'" },
		{ "queues", "'queues='" },
		{ "queues=", "'queues='" },
		{ "queues=0", "'queues=0'" },
		{ "queues=129", "'queues=129'" },
		{ "queues=65537", "'queues=65537'" },
		{ "queues=-1", "'queues=-1'" },
		{ "queues=2x", "'queues=2x'" },
		{ "queues= 2", "'queues= 2'" },
		{ "queues=99999999999999999999", "'queues=99999999999999999999'" },
		{ "queues=1,queues=2", "'queues' is given more than once" },
		{ "mode=ring", "'mode=ring'" },
		{ "mode=port", "needs 'port='" },
		{ "mode=loop,port=net_tap0", "contradicts" },
		{ "port=", "'port='" },
		{ "mac=01:00:5e:00:00:01", "'mac=01:00:5e:00:00:01'" },
		{ "mac=00:00:00:00:00:00", "'mac=00:00:00:00:00:00'" },
		{ "mac=2:3", "'mac=2:3'" },
		{ "mtu=67", "'mtu=67'" },
		{ "mtu=9601", "'mtu=9601'" },
		{ "notify=smoke", "'notify=smoke'" },
		{ "fail=", "'fail='" },
		{ "fail=dev", "'fail=dev'" },
		{ "=", "unknown argument ''" },
	};
	struct sim_devargs devargs;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		log_start();
		assert_int_equal(sim_devargs_parse("vdpa_sim7", wrong[i].args, &devargs), -EINVAL);
		if (log_lines() != 1 || strstr(log_text, wrong[i].named) == NULL ||
			strstr(log_text, "vdpa_sim7: ") == NULL)
			fail_msg("'%s': expected one line with \"%s\", got: %s", wrong[i].args,
				wrong[i].named, log_text);
	}
}

static void
a_port_name_that_is_too_long_is_refused(void **state)
{
	char args[128] = "port=";
	struct sim_devargs devargs;

	(void)state;
	memset(args + 5, 'x', RTE_DEV_NAME_MAX_LEN);
	assert_int_equal(sim_devargs_parse("vdpa_sim0", args, &devargs), -EINVAL);
	args[5 + RTE_DEV_NAME_MAX_LEN - 1] = '\0';
	assert_int_equal(sim_devargs_parse("vdpa_sim0", args, &devargs), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_arguments_there_are_defaults),
		cmocka_unit_test(every_argument_is_taken),
		cmocka_unit_test(a_port_implies_its_mode),
		cmocka_unit_test(wrong_arguments_are_refused_with_one_line_that_names_them),
		cmocka_unit_test(a_port_name_that_is_too_long_is_refused),
	};
	int failed;

	log_stream = open_memstream(&log_text, &log_size);
	if (log_stream == NULL)
		return 1;
	rte_openlog_stream(log_stream);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_openlog_stream(NULL);
	fclose(log_stream);
	free(log_text);
	return failed;
}

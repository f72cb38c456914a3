/* SPDX-License-Identifier: BSD-3-Clause */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_common.h>

#include "config.h"
#include "engine.h"
#include "json.h"
#include "options.h"

#define WORDS_MAX 16

static char said[1024];
static bool help;

/* What stream prints goes to another one; returns what restore() wants. */
static int
divert(FILE *stream, FILE *to)
{
	int saved = dup(fileno(stream));

	assert_non_null(to);
	fflush(stream);
	dup2(fileno(to), fileno(stream));
	return saved;
}

/* Undo divert(), and take what was printed. */
static void
restore(FILE *stream, int saved, FILE *to, char *text, size_t size)
{
	fflush(stream);
	dup2(saved, fileno(stream));
	close(saved);
	rewind(to);
	memset(text, 0, size);
	fread(text, 1, size - 1, to);
	fclose(to);
}

/* Parse the words of a line; what is printed on standard error is in said. */
static int
parse(const char *line)
{
	static char words[1024];
	char *argv[WORDS_MAX + 2] = { words };
	FILE *capture = tmpfile();
	int argc = 1, ret, saved;

	config_init();
	snprintf(words, sizeof(words), "-- %s", line);
	argv[0] = strtok(words, " ");
	while ((argv[argc] = strtok(NULL, " ")) != NULL)
		assert_true(++argc < WORDS_MAX);
	saved = divert(stderr, capture);
	ret = options_parse(argc, argv, &help);
	restore(stderr, saved, capture, said, sizeof(said));
	return ret;
}

static void
nothing_said_leaves_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_false(help);
	assert_false(config.interactive);
	assert_int_equal(config.rxq, 1);
	assert_int_equal(config.burst, 32);
	assert_string_equal(config.engine->name, "io");
	assert_int_equal(config_tx_length(), 64);
	assert_int_equal(config.peer[3].addr_bytes[5], 3);
}

/* "--NAME=.. (default VALUE" in the line of an option. */
static void
assert_default(const char *text, const char *name, uint64_t value)
{
	char option[32], wanted[48];
	const char *row, *told;

	snprintf(option, sizeof(option), "--%s=", name);
	row = strstr(text, option);
	assert_non_null(row);
	told = strstr(row, "(default ");
	snprintf(wanted, sizeof(wanted), "(default %" PRIu64, value);
	if (told == NULL || told > strchr(row, '\n') ||
		strncmp(told, wanted, strlen(wanted)) != 0 ||
		(told[strlen(wanted)] != ')' && told[strlen(wanted)] != ':'))
		fail_msg("%s: expected %s in: %.120s", option, wanted, row);
}

static void
help_tells_the_defaults_there_are(void **state)
{
	static char text[16384];
	FILE *capture = tmpfile();
	int saved;

	(void)state;
	config_init();
	saved = divert(stdout, capture);
	options_help("testpmd");
	restore(stdout, saved, capture, text, sizeof(text));
	assert_default(text, "nb-cores", config.nb_cores);
	assert_default(text, "max-sleep", config.max_sleep);
	assert_default(text, "num-procs", config.num_procs);
	assert_default(text, "proc-id", config.proc_id);
	assert_default(text, "rxq", config.rxq);
	assert_default(text, "txq", config.txq);
	assert_default(text, "burst", config.burst);
	assert_default(text, "txpkts", config_tx_length());
	assert_default(text, "flowgen-flows", config.flowgen_flows);
	assert_default(text, "mbuf-size", config.mbuf_size);
	assert_default(text, "mbcache", config.mbuf_cache);
	assert_default(text, "seq-window", config.seq_window);
	assert_default(text, "seq-timeout", config.seq_timeout);
}

static void
options_land_where_they_belong(void **state)
{
	(void)state;
	assert_int_equal(parse("-i --rxq=4 --txq 2 --rxd=256 --txd=512 --nb-cores=3 --burst=64 "
			       "--forward-mode=mac --portmask=0x5 --no-lsc-interrupt"),
		0);
	assert_true(config.interactive);
	assert_int_equal(config.rxq, 4);
	assert_int_equal(config.txq, 2);
	assert_int_equal(config.rxd, 256);
	assert_int_equal(config.txd, 512);
	assert_int_equal(config.nb_cores, 3);
	assert_int_equal(config.burst, 64);
	assert_string_equal(config.engine->name, "mac");
	assert_int_equal(config.port_mask, 5);
	assert_false(config.lsc_interrupt);
	assert_int_equal(parse("--portlist=0,2 --eth-peer=1,02:03:04:05:06:07 --txpkts=64,100 "
			       "--vdpa a=/x,client --vdpa b=/y --port-topology=chained --numa"),
		0);
	assert_int_equal(config.port_mask, 5);
	assert_int_equal(config.peer[1].addr_bytes[5], 7);
	assert_int_equal(config.tx_segments, 2);
	assert_int_equal(config.vdpa_count, 2);
	assert_string_equal(config.vdpa[0], "a=/x,client");
	assert_int_equal(config.topology, TOPOLOGY_CHAINED);
	assert_int_equal(parse("--rxq=2 --help"), 0);
	assert_true(help);
}

/* One line that names the option, what was wrong with it, and what would be right. */
static void
wrong_options_are_told_in_one_line(void **state)
{
	static const struct {
		const char *line;
		const char *word, *mend;
	} cases[] = {
		{ "--nonsense", "--nonsense", "--help" },
		{ "--rxqq=2", "--rxqq=2", "is --rxq meant" },
		{ "-x", "-x", "--help" },
		{ "--rxq", "--rxq", "--rxq=N" },
		{ "--rxq=0", "'0'", "from 1 to" },
		{ "--rxq=two", "'two'", "from 1 to" },
		{ "--rxd=65536", "'65536'", "to 65535" },
		{ "--interactive=yes", "--interactive", "no value" },
		{ "--forward-mode=fast", "fast", "one of io mac" },
		{ "--port-topology=ring", "ring", "paired, chained or loop" },
		{ "--portmask=0", "'0'", "0x3" },
		{ "--portlist=3-1", "'3-1'", "0,2-3" },
		{ "--burst=513", "513", "from 1 to 512" },
		{ "--txpkts=10", "10", "at least 42" },
		{ "--txpkts=64,", "64,", "segment lengths" },
		{ "--txpkts=3000", "3000", "--mbuf-size" },
		{ "--eth-peer=1", "'1'", "PORT,XX" },
		{ "--eth-peer=999999,02:00:00:00:00:00", "999999", "PORT,XX" },
		{ "--tx-ip=1.2.3.4", "1.2.3.4", "two IPv4 addresses" },
		{ "--tx-udp=0", "'0'", "ports" },
		{ "--vdpa=vdpa_sim0", "vdpa_sim0", "DEVICE=SOCKET" },
		{ "--seq-size=10", "10", "MIN-MAX" },
		{ "--seq-window=0", "0", "frames" },
		{ "start", "'start'", "--rxq 2" },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		if (parse(cases[i].line) != -1)
			fail_msg("%s was taken", cases[i].line);
		if (strstr(said, cases[i].word) == NULL || strstr(said, cases[i].mend) == NULL)
			fail_msg("%s: expected %s and %s in: %s", cases[i].line, cases[i].word,
				cases[i].mend, said);
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	}
}

static void
segments_may_be_as_long_as_the_mbufs_asked_for(void **state)
{
	(void)state;
	assert_int_equal(parse("--txpkts=3000 --mbuf-size=4096"), 0);
	assert_int_equal(parse("--mbuf-size=4096 --txpkts=3968"), 0);
	assert_int_equal(parse("--mbuf-size=4096 --txpkts=3969"), -1);
}

static void
json_is_punctuated(void **state)
{
	char *text;
	size_t size;
	struct json json = { .out = open_memstream(&text, &size) };

	(void)state;
	json_object(&json, NULL);
	json_number(&json, "n", UINT64_MAX);
	json_list(&json, "empty");
	json_end_list(&json);
	json_list(&json, "l");
	json_string(&json, NULL, "a\"b\\c\n");
	json_string(&json, NULL, NULL);
	json_object(&json, NULL);
	json_bool(&json, "t", true);
	json_end_object(&json);
	json_end_list(&json);
	json_seconds(&json, "s", 1.5);
	json_end_object(&json);
	fclose(json.out);
	assert_string_equal(text,
		"{\"n\":18446744073709551615,\"empty\":[],"
		"\"l\":[\"a\\\"b\\\\c\\u000a\",null,{\"t\":true}],\"s\":1.500000}");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_leaves_the_defaults),
		cmocka_unit_test(help_tells_the_defaults_there_are),
		cmocka_unit_test(options_land_where_they_belong),
		cmocka_unit_test(wrong_options_are_told_in_one_line),
		cmocka_unit_test(segments_may_be_as_long_as_the_mbufs_asked_for),
		cmocka_unit_test(json_is_punctuated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

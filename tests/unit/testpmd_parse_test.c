/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "parse.h"

static void
numbers_are_decimal_or_hexadecimal_and_nothing_else(void **state)
{
	static const struct {
		const char *word;
		int ret;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "0x10", 0, 16 },
		{ "0XfF", 0, 255 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -1, 0 },
		{ "", -1, 0 },
		{ "-1", -1, 0 },
		{ "+1", -1, 0 },
		{ " 1", -1, 0 },
		{ "1 ", -1, 0 },
		{ "1k", -1, 0 },
		{ "0x", -1, 0 },
		{ "0xg", -1, 0 },
		{ "ten", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint64_t value = 99;

		assert_int_equal(parse_number(cases[i].word, 0, UINT64_MAX, &value), cases[i].ret);
		assert_true(value == (cases[i].ret == 0 ? cases[i].value : 99));
	}
}

static void
numbers_stay_within_their_bounds(void **state)
{
	uint64_t value = 99;

	(void)state;
	assert_int_equal(parse_number("4", 5, 7, &value), -1);
	assert_int_equal(parse_number("8", 5, 7, &value), -1);
	assert_int_equal(value, 99);
	assert_int_equal(parse_number("5", 5, 7, &value), 0);
	assert_int_equal(parse_number("7", 5, 7, &value), 0);
	assert_int_equal(value, 7);
}

static void
segment_lengths_are_a_list_without_holes(void **state)
{
	static const char *const wrong[] = { "", ",", "64,", ",64", "64,,64", "0", "64,0", "65536",
		"64;64", "64 64", "x" };
	uint16_t lengths[4] = { 0 };
	unsigned int count = RTE_DIM(lengths);

	(void)state;
	assert_int_equal(parse_lengths("64,1400,65535", lengths, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(lengths[0], 64);
	assert_int_equal(lengths[1], 1400);
	assert_int_equal(lengths[2], 65535);
	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		count = RTE_DIM(lengths);
		assert_int_equal(parse_lengths(wrong[i], lengths, &count), -1);
		assert_int_equal(count, RTE_DIM(lengths));
		assert_int_equal(lengths[0], 64);
	}
}

static void
segment_lengths_fit_the_room_there_is(void **state)
{
	uint16_t lengths[2];
	unsigned int count = RTE_DIM(lengths);

	(void)state;
	assert_int_equal(parse_lengths("1,2", lengths, &count), 0);
	count = RTE_DIM(lengths);
	assert_int_equal(parse_lengths("1,2,3", lengths, &count), -1);
}

static void
ranges_are_one_number_or_two_in_order(void **state)
{
	uint32_t low = 0, high = 0;

	(void)state;
	assert_int_equal(parse_range("64", 60, 100, &low, &high), 0);
	assert_int_equal(low, 64);
	assert_int_equal(high, 64);
	assert_int_equal(parse_range("60-100", 60, 100, &low, &high), 0);
	assert_int_equal(low, 60);
	assert_int_equal(high, 100);
	assert_int_equal(parse_range("59-100", 60, 100, &low, &high), -1);
	assert_int_equal(parse_range("60-101", 60, 100, &low, &high), -1);
	assert_int_equal(parse_range("70-60", 60, 100, &low, &high), -1);
	assert_int_equal(parse_range("60-", 60, 100, &low, &high), -1);
	assert_int_equal(parse_range("-60", 60, 100, &low, &high), -1);
	assert_int_equal(parse_range("60-70-80", 60, 100, &low, &high), -1);
	assert_int_equal(low, 60);
	assert_int_equal(high, 100);
}

static void
port_lists_and_masks_say_the_same(void **state)
{
	uint64_t list = 0, mask = 0;

	(void)state;
	assert_int_equal(parse_list("0,2-4,63", &list), 0);
	assert_int_equal(parse_mask("0x800000000000001d", &mask), 0);
	assert_true(list == mask);
	assert_int_equal(parse_mask("1D", &mask), 0);
	assert_int_equal(mask, 0x1d);
	assert_int_equal(parse_list("64", &list), -1);
	assert_int_equal(parse_list("3-2", &list), -1);
	assert_int_equal(parse_list("1,", &list), -1);
	assert_int_equal(parse_mask("0", &mask), -1);
	assert_int_equal(parse_mask("0x1g", &mask), -1);
	assert_int_equal(parse_mask("-1", &mask), -1);
	assert_int_equal(parse_mask("1ffffffffffffffff", &mask), -1);
}

static void
addresses_are_whole(void **state)
{
	struct rte_ether_addr mac = { 0 };
	uint32_t first = 0, second = 0;

	(void)state;
	assert_int_equal(parse_mac("02:00:00:00:00:1F", &mac), 0);
	assert_int_equal(mac.addr_bytes[5], 0x1f);
	assert_int_equal(parse_mac("02:00:00:00:00", &mac), -1);
	assert_int_equal(parse_mac("02:00:00:00:00:01:02", &mac), -1);
	assert_int_equal(mac.addr_bytes[5], 0x1f);
	assert_int_equal(parse_ip_pair("10.0.0.1,192.168.1.2", &first, &second), 0);
	assert_int_equal(first, 0x0a000001);
	assert_int_equal(second, 0xc0a80102);
	assert_int_equal(parse_ip_pair("10.0.0.1", &first, &second), -1);
	assert_int_equal(parse_ip_pair("10.0.0,10.0.0.1", &first, &second), -1);
	assert_int_equal(parse_ip_pair("10.0.0.1,10.0.0.1,", &first, &second), -1);
	assert_int_equal(first, 0x0a000001);
}

static void
misspelt_words_find_the_name_that_was_meant(void **state)
{
	static const char *const names[] = { "rxq", "txq", "forward-mode", "stats-period" };
	char long_word[1024];

	(void)state;
	assert_string_equal(parse_nearest("rxqq", names, RTE_DIM(names)), "rxq");
	assert_string_equal(parse_nearest("forwardmode", names, RTE_DIM(names)), "forward-mode");
	assert_string_equal(parse_nearest("stat-perid", names, RTE_DIM(names)), "stats-period");
	assert_null(parse_nearest("vdpa", names, RTE_DIM(names)));
	memset(long_word, 'x', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	assert_null(parse_nearest(long_word, names, RTE_DIM(names)));
}

static void
choices_are_exact(void **state)
{
	static const char *const names[] = { "paired", "chained", "loop" };

	(void)state;
	assert_int_equal(parse_choice("loop", names, RTE_DIM(names)), 2);
	assert_int_equal(parse_choice("loo", names, RTE_DIM(names)), -1);
	assert_int_equal(parse_choice("", names, RTE_DIM(names)), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal_and_nothing_else),
		cmocka_unit_test(numbers_stay_within_their_bounds),
		cmocka_unit_test(segment_lengths_are_a_list_without_holes),
		cmocka_unit_test(segment_lengths_fit_the_room_there_is),
		cmocka_unit_test(ranges_are_one_number_or_two_in_order),
		cmocka_unit_test(port_lists_and_masks_say_the_same),
		cmocka_unit_test(addresses_are_whole),
		cmocka_unit_test(misspelt_words_find_the_name_that_was_meant),
		cmocka_unit_test(choices_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

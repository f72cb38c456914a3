/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reply.h"

static const struct rte_ether_addr SELF = { { 0x02, 0, 0, 0, 0, 0x99 } };

/* Who has 10.0.0.1? 10.0.0.2 asks, as a Linux host writes it. */
static const uint8_t ARP_REQUEST[] = {
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	0x52,
	0x54,
	0x00,
	0x12,
	0x34,
	0x56,
	0x08,
	0x06,
	0x00,
	0x01,
	0x08,
	0x00,
	0x06,
	0x04,
	0x00,
	0x01,
	0x52,
	0x54,
	0x00,
	0x12,
	0x34,
	0x56,
	0x0a,
	0x00,
	0x00,
	0x02,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x0a,
	0x00,
	0x00,
	0x01,
};

static const uint8_t ARP_REPLY[] = {
	0x52,
	0x54,
	0x00,
	0x12,
	0x34,
	0x56,
	0x02,
	0x00,
	0x00,
	0x00,
	0x00,
	0x99,
	0x08,
	0x06,
	0x00,
	0x01,
	0x08,
	0x00,
	0x06,
	0x04,
	0x00,
	0x02,
	0x02,
	0x00,
	0x00,
	0x00,
	0x00,
	0x99,
	0x0a,
	0x00,
	0x00,
	0x01,
	0x52,
	0x54,
	0x00,
	0x12,
	0x34,
	0x56,
	0x0a,
	0x00,
	0x00,
	0x02,
};

/* An echo request from 10.0.0.2 to 10.0.0.1, identifier 1, sequence 1, four bytes of data. */
static const uint8_t ECHO_REQUEST[] = {
	0x02,
	0x00,
	0x00,
	0x00,
	0x00,
	0x99,
	0x52,
	0x54,
	0x00,
	0x12,
	0x34,
	0x56,
	0x08,
	0x00,
	0x45,
	0x00,
	0x00,
	0x20,
	0x00,
	0x00,
	0x40,
	0x00,
	0x40,
	0x01,
	0x26,
	0xdb,
	0x0a,
	0x00,
	0x00,
	0x02,
	0x0a,
	0x00,
	0x00,
	0x01,
	0x08,
	0x00,
	0x33,
	0x37,
	0x00,
	0x01,
	0x00,
	0x01,
	0x61,
	0x62,
	0x63,
	0x64,
};

#define IP_AT 14
#define ICMP_AT (IP_AT + 20)

static uint32_t
folded_sum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The request with its checksum put right, so that a test may vary it. */
static void
echo_request(uint8_t *frame)
{
	uint32_t sum;

	memcpy(frame, ECHO_REQUEST, sizeof(ECHO_REQUEST));
	frame[ICMP_AT + 2] = frame[ICMP_AT + 3] = 0;
	sum = ~folded_sum(frame + ICMP_AT, sizeof(ECHO_REQUEST) - ICMP_AT);
	frame[ICMP_AT + 2] = (uint8_t)(sum >> 8);
	frame[ICMP_AT + 3] = (uint8_t)sum;
}

static void
arp_requests_are_answered_byte_for_byte(void **state)
{
	uint8_t frame[sizeof(ARP_REQUEST)];

	(void)state;
	memcpy(frame, ARP_REQUEST, sizeof(frame));
	assert_true(reply_make(frame, sizeof(frame), &SELF));
	assert_memory_equal(frame, ARP_REPLY, sizeof(frame));
	/* A reply is no request. */
	assert_false(reply_make(frame, sizeof(frame), &SELF));
	assert_memory_equal(frame, ARP_REPLY, sizeof(frame));
}

static void
pings_come_back_with_a_right_checksum(void **state)
{
	uint8_t frame[sizeof(ECHO_REQUEST)];

	(void)state;
	/* Every checksum there can be: the data makes it go round. */
	for (uint32_t data = 0; data <= UINT16_MAX; data++) {
		echo_request(frame);
		frame[ICMP_AT + 8] = (uint8_t)(data >> 8);
		frame[ICMP_AT + 9] = (uint8_t)data;
		frame[ICMP_AT + 2] = frame[ICMP_AT + 3] = 0;
		uint32_t sum = ~folded_sum(frame + ICMP_AT, sizeof(frame) - ICMP_AT);

		frame[ICMP_AT + 2] = (uint8_t)(sum >> 8);
		frame[ICMP_AT + 3] = (uint8_t)sum;
		assert_true(reply_make(frame, sizeof(frame), &SELF));
		assert_int_equal(folded_sum(frame + ICMP_AT, sizeof(frame) - ICMP_AT), 0xffff);
	}
	assert_int_equal(frame[ICMP_AT], 0);
	assert_memory_equal(frame, ECHO_REQUEST + 6, 6);
	assert_memory_equal(frame + 6, ECHO_REQUEST, 6);
	assert_memory_equal(frame + IP_AT + 12, ECHO_REQUEST + IP_AT + 16, 4);
	assert_memory_equal(frame + IP_AT + 16, ECHO_REQUEST + IP_AT + 12, 4);
}

static void
a_vlan_tag_is_kept(void **state)
{
	uint8_t frame[sizeof(ARP_REQUEST) + 4];

	(void)state;
	memcpy(frame, ARP_REQUEST, 12);
	memcpy(frame + 12, "\x81\x00\x00\x05", 4);
	memcpy(frame + 16, ARP_REQUEST + 12, sizeof(ARP_REQUEST) - 12);
	assert_true(reply_make(frame, sizeof(frame), &SELF));
	assert_memory_equal(frame, ARP_REPLY, 12);
	assert_memory_equal(frame + 12, "\x81\x00\x00\x05", 4);
	assert_memory_equal(frame + 16, ARP_REPLY + 12, sizeof(ARP_REPLY) - 12);
}

/* One byte changed makes it something that is not to be answered. */
static void
everything_else_is_left_alone(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *what;
	} changes[] = {
		{ 12, 0x86, "another protocol" },
		{ IP_AT, 0x65, "not version 4" },
		{ IP_AT, 0x44, "a header shorter than a header" },
		{ IP_AT, 0x4f, "a header longer than the frame" },
		{ IP_AT + 7, 1, "a later fragment" },
		{ IP_AT + 9, 17, "UDP" },
		{ IP_AT + 16, 224, "multicast" },
		{ ICMP_AT, 0, "an echo reply" },
		{ ICMP_AT, 3, "destination unreachable" },
		{ ICMP_AT + 1, 1, "a code that echo has not" },
	};
	uint8_t frame[sizeof(ECHO_REQUEST)], before[sizeof(ECHO_REQUEST)];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		echo_request(frame);
		frame[changes[i].at] = changes[i].value;
		memcpy(before, frame, sizeof(before));
		if (reply_make(frame, sizeof(frame), &SELF))
			fail_msg("answered %s", changes[i].what);
		assert_memory_equal(frame, before, sizeof(frame));
	}
}

/* In a buffer of its own size: a byte read behind it is seen by the address sanitizer. */
static void
frames_cut_anywhere_are_left_alone(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(ARP_REQUEST); length++) {
		uint8_t *frame = malloc(length + 1);

		assert_non_null(frame);
		memcpy(frame, ARP_REQUEST, length);
		assert_false(reply_make(frame, (uint32_t)length, &SELF));
		memcpy(frame, ECHO_REQUEST, length);
		assert_true(reply_make(frame, (uint32_t)length, &SELF) == (length >= ICMP_AT + 8));
		free(frame);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_requests_are_answered_byte_for_byte),
		cmocka_unit_test(pings_come_back_with_a_right_checksum),
		cmocka_unit_test(a_vlan_tag_is_kept),
		cmocka_unit_test(everything_else_is_left_alone),
		cmocka_unit_test(frames_cut_anywhere_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "unit_eal.h"

#define IP_AT sizeof(struct rte_ether_hdr)
#define UDP_AT (IP_AT + sizeof(struct rte_ipv4_hdr))

static const struct frame_flow FLOW = {
	.dst = { { 0x02, 0, 0, 0, 0, 0x01 } },
	.src = { { 0x02, 0, 0, 0, 0, 0x02 } },
	.ip_src = 0x0a010203,
	.ip_dst = 0xc0a80001,
	.udp_src = 1111,
	.udp_dst = 9,
};

/* RFC 1071 as it is written: big-endian words, added up, carries folded in. */
static uint32_t
add_words(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
assert_checksums(const uint8_t *data, uint32_t length)
{
	uint32_t udp_length = length - (uint32_t)UDP_AT;
	uint8_t pseudo[12];

	assert_int_equal(add_words(0, data + IP_AT, sizeof(struct rte_ipv4_hdr)), 0xffff);
	memcpy(pseudo, data + IP_AT + 12, 8);
	pseudo[8] = 0;
	pseudo[9] = 17;
	pseudo[10] = (uint8_t)(udp_length >> 8);
	pseudo[11] = (uint8_t)udp_length;
	assert_int_equal(add_words(add_words(0, pseudo, sizeof(pseudo)), data + UDP_AT, udp_length),
		0xffff);
	/* Zero would mean that there is none. */
	assert_true(data[UDP_AT + 6] != 0 || data[UDP_AT + 7] != 0);
}

static uint16_t
big_endian(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void
frames_of_every_length_say_what_they_are(void **state)
{
	uint8_t *data = malloc(FRAME_MAX_LEN + 1);

	(void)state;
	assert_non_null(data);
	for (uint32_t length = FRAME_HDR_LEN; length <= FRAME_MAX_LEN; length = length < 200 ?
			length + 1 :
			length == FRAME_MAX_LEN ? length + 1 :
						  RTE_MIN(length + 1009, (uint32_t)FRAME_MAX_LEN)) {
		data[length] = 0xee;
		frame_write(data, length, &FLOW);
		assert_int_equal(data[length], 0xee);
		assert_memory_equal(data, &FLOW.dst, 6);
		assert_memory_equal(data + 6, &FLOW.src, 6);
		assert_int_equal(big_endian(data + 12), 0x0800);
		assert_int_equal(big_endian(data + IP_AT + 2), length - IP_AT);
		assert_int_equal(big_endian(data + UDP_AT), 1111);
		assert_int_equal(big_endian(data + UDP_AT + 2), 9);
		assert_int_equal(big_endian(data + UDP_AT + 4), length - UDP_AT);
		assert_checksums(data, length);
	}
	free(data);
}

static void
redirected_frames_keep_their_checksums(void **state)
{
	uint8_t original[64], data[64];

	(void)state;
	frame_write(original, sizeof(original), &FLOW);
	for (uint32_t i = 0; i < 300000; i++) {
		/* Neighbours, as a generator uses them, and addresses far away. */
		uint32_t to = i % 2 == 0 ? FLOW.ip_dst + i : i * 2654435761u;

		memcpy(data, original, sizeof(data));
		frame_redirect(data, to);
		assert_int_equal(data[IP_AT + 16], to >> 24);
		assert_int_equal(data[IP_AT + 19], to & 0xff);
		assert_checksums(data, sizeof(data));
	}
}

static void
templates_become_frames_of_the_segments_asked_for(void **state)
{
	static const uint16_t lengths[] = { 60, 1, 200 };
	struct rte_mempool *pool;
	struct frame_template *template;
	struct rte_mbuf *pkts[100];
	uint16_t made;

	(void)state;
	pool = rte_pktmbuf_pool_create("frames", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	assert_non_null(pool);
	template = frame_template_new(&FLOW, lengths, RTE_DIM(lengths), SOCKET_ID_ANY);
	assert_non_null(template);
	assert_int_equal(template->length, 261);

	made = frame_make(template, pool, pkts, RTE_DIM(pkts));
	assert_int_equal(made, RTE_DIM(pkts));
	for (unsigned int i = 0; i < made; i++) {
		uint8_t copy[261];

		rte_mbuf_sanity_check(pkts[i], 1);
		assert_int_equal(pkts[i]->pkt_len, 261);
		assert_int_equal(pkts[i]->nb_segs, 3);
		assert_int_equal(pkts[i]->next->data_len, 1);
		assert_non_null(rte_pktmbuf_read(pkts[i], 0, 261, copy));
		assert_checksums(rte_pktmbuf_read(pkts[i], 0, 261, copy), 261);
	}
	rte_pktmbuf_free_bulk(pkts, made);
	assert_int_equal(rte_mempool_avail_count(pool), 1023);
	frame_template_free(template);
	rte_mempool_free(pool);
}

static void
a_pool_that_runs_dry_loses_nothing(void **state)
{
	static const uint16_t lengths[] = { 42, 100 };
	struct rte_mempool *pool;
	struct frame_template *template;
	struct rte_mbuf *pkts[512];
	uint16_t made;

	(void)state;
	pool = rte_pktmbuf_pool_create("dry", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(pool);
	template = frame_template_new(&FLOW, lengths, RTE_DIM(lengths), SOCKET_ID_ANY);
	assert_non_null(template);
	made = frame_make(template, pool, pkts, RTE_DIM(pkts));
	assert_true(made > 0 && made <= 255);
	rte_pktmbuf_free_bulk(pkts, made);
	assert_int_equal(rte_mempool_avail_count(pool), 511);
	frame_template_free(template);
	rte_mempool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_length_say_what_they_are),
		cmocka_unit_test(redirected_frames_keep_their_checksums),
		cmocka_unit_test(templates_become_frames_of_the_segments_asked_for),
		cmocka_unit_test(a_pool_that_runs_dry_loses_nothing),
	};

	return cmocka_run_group_tests(tests, unit_eal_setup, NULL);
}

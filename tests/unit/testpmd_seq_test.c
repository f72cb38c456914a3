/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>

#include "seq.h"

#define ROOM 70000

/* A frame in up to four segments, without a pool behind them. */
struct frame {
	uint8_t data[ROOM];
	struct rte_mbuf segments[4];
};

static struct frame *
frame_new(void)
{
	struct frame *frame = calloc(1, sizeof(*frame));

	assert_non_null(frame);
	return frame;
}

/* Cut length bytes of data behind cuts[i] bytes each. */
static struct rte_mbuf *
cut(struct frame *frame, uint32_t length, const uint32_t *cuts, unsigned int count)
{
	uint32_t from = 0;

	for (unsigned int i = 0; i <= count; i++) {
		uint32_t to = i < count ? cuts[i] : length;

		frame->segments[i] = (struct rte_mbuf){
			.buf_addr = frame->data + from,
			.data_len = (uint16_t)(to - from),
			.next = i < count ? &frame->segments[i + 1] : NULL,
		};
		from = to;
	}
	frame->segments[0].pkt_len = length;
	frame->segments[0].nb_segs = (uint16_t)(count + 1);
	return &frame->segments[0];
}

static void
write_frame(struct frame *frame, uint16_t length, uint64_t number)
{
	struct seq_frame what = { .epoch = 0xcafe, .stream = 3, .number = number };
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)frame->data;

	memset(frame->data, 0xee, sizeof(frame->data));
	memset(ether, 0x02, sizeof(*ether));
	ether->ether_type = RTE_BE16(SEQ_ETHER_TYPE);
	seq_write(frame->data + sizeof(*ether), length, &what);
}

static void
frames_of_every_length_are_read_as_written(void **state)
{
	struct frame *frame = frame_new();

	(void)state;
	for (uint32_t length = SEQ_MIN_LEN; length <= SEQ_MAX_LEN;
		length += length < 300 ? 1 : 977) {
		struct seq_frame read;

		write_frame(frame, (uint16_t)length, length * 3);
		assert_int_equal(seq_read(cut(frame, length, NULL, 0), &read), SEQ_GOOD);
		assert_int_equal(read.epoch, 0xcafe);
		assert_int_equal(read.stream, 3);
		assert_int_equal(read.number, length * 3);
		/* Nothing behind the frame was written. */
		assert_int_equal(frame->data[length], 0xee);
	}
	free(frame);
}

static void
segments_make_no_difference(void **state)
{
	struct frame *frame = frame_new();
	struct seq_frame read;

	(void)state;
	write_frame(frame, 100, 7);
	for (uint32_t a = 0; a <= 100; a++) {
		for (uint32_t b = a; b <= 100; b += 3) {
			uint32_t cuts[] = { a, b, RTE_MIN(b + 1, 100u) };

			assert_int_equal(seq_read(cut(frame, 100, cuts, 3), &read), SEQ_GOOD);
			assert_int_equal(read.number, 7);
		}
	}
	free(frame);
}

static void
every_flipped_bit_behind_the_addresses_is_noticed(void **state)
{
	struct frame *frame = frame_new();
	struct seq_frame read;

	(void)state;
	write_frame(frame, 90, 12345);
	for (unsigned int bit = 0; bit < 90 * 8; bit++) {
		enum seq_check found;

		frame->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		found = seq_read(cut(frame, 90, NULL, 0), &read);
		if (bit / 8 < 2 * RTE_ETHER_ADDR_LEN)
			assert_int_equal(found, SEQ_GOOD);
		else if (bit / 8 < sizeof(struct rte_ether_hdr))
			assert_int_equal(found, SEQ_FOREIGN);
		else
			assert_int_equal(found, SEQ_CORRUPT);
		frame->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(frame);
}

static void
frames_that_were_cut_or_stretched_are_corrupt(void **state)
{
	struct frame *frame = frame_new();
	struct seq_frame read;

	(void)state;
	write_frame(frame, 90, 1);
	assert_int_equal(seq_read(cut(frame, 89, NULL, 0), &read), SEQ_CORRUPT);
	assert_int_equal(seq_read(cut(frame, 91, NULL, 0), &read), SEQ_CORRUPT);
	assert_int_equal(seq_read(cut(frame, SEQ_MIN_LEN - 1, NULL, 0), &read), SEQ_FOREIGN);
	assert_int_equal(seq_read(cut(frame, 0, NULL, 0), &read), SEQ_FOREIGN);
	/* But for the padding that Ethernet asks for. */
	write_frame(frame, 40, 2);
	assert_int_equal(seq_read(cut(frame, 60, NULL, 0), &read), SEQ_GOOD);
	assert_int_equal(seq_read(cut(frame, 59, NULL, 0), &read), SEQ_CORRUPT);
	free(frame);
}

static struct seq_tracker *
tracker_new(uint64_t first)
{
	struct seq_tracker *tracker = malloc(sizeof(*tracker));

	assert_non_null(tracker);
	seq_tracker_init(tracker, first);
	return tracker;
}

static void
an_unbroken_sequence_is_all_in_order(void **state)
{
	struct seq_tracker *tracker = tracker_new(0);

	(void)state;
	for (uint64_t n = 0; n < 3 * SEQ_MEMORY; n++)
		assert_int_equal(seq_track(tracker, n), SEQ_IN_ORDER);
	assert_int_equal(tracker->unique, 3 * SEQ_MEMORY);
	assert_int_equal(seq_missing(tracker), 0);
	assert_int_equal(tracker->late + tracker->duplicate + tracker->unknown, 0);
	free(tracker);
}

static void
gaps_are_missing_until_they_are_filled(void **state)
{
	struct seq_tracker *tracker = tracker_new(10);

	(void)state;
	assert_int_equal(seq_track(tracker, 10), SEQ_IN_ORDER);
	assert_int_equal(seq_track(tracker, 14), SEQ_IN_ORDER);
	assert_int_equal(seq_missing(tracker), 3);
	assert_int_equal(seq_track(tracker, 12), SEQ_LATE);
	assert_int_equal(seq_missing(tracker), 2);
	assert_int_equal(seq_track(tracker, 12), SEQ_DUPLICATE);
	assert_int_equal(seq_track(tracker, 14), SEQ_DUPLICATE);
	assert_int_equal(seq_track(tracker, 9), SEQ_UNKNOWN);
	assert_int_equal(seq_missing(tracker), 2);
	assert_int_equal(tracker->unique, 3);
	assert_int_equal(tracker->late, 1);
	assert_int_equal(tracker->duplicate, 2);
	assert_int_equal(tracker->unknown, 1);
	free(tracker);
}

static void
what_is_too_old_to_tell_is_not_called_a_duplicate(void **state)
{
	struct seq_tracker *tracker = tracker_new(0);

	(void)state;
	seq_track(tracker, 0);
	assert_int_equal(seq_track(tracker, SEQ_MEMORY), SEQ_IN_ORDER);
	assert_int_equal(seq_track(tracker, 0), SEQ_UNKNOWN);
	assert_int_equal(seq_track(tracker, 1), SEQ_LATE);
	assert_int_equal(seq_track(tracker, 1), SEQ_DUPLICATE);
	/* A jump beyond the memory forgets all of it. */
	assert_int_equal(seq_track(tracker, 10 * SEQ_MEMORY + 1), SEQ_IN_ORDER);
	assert_int_equal(seq_track(tracker, 9 * SEQ_MEMORY + 2), SEQ_LATE);
	assert_int_equal(seq_track(tracker, 9 * SEQ_MEMORY + 1), SEQ_UNKNOWN);
	free(tracker);
}

/* Against a memory of everything, for numbers that stay within the tracker's. */
static void
random_arrivals_are_told_as_they_are(void **state)
{
	enum { NUMBERS = 400000 };
	struct seq_tracker *tracker = tracker_new(0);
	uint8_t *seen = calloc(NUMBERS, 1);
	uint64_t newest = 0, unique = 0;

	(void)state;
	assert_non_null(seen);
	srand(1);
	for (unsigned int i = 0; i < 2 * NUMBERS; i++) {
		uint64_t back = (uint64_t)rand() % 20000, n;
		enum seq_verdict verdict;

		n = rand() % 3 != 0 ? newest + (uint64_t)rand() % 3 :
				      newest - RTE_MIN(newest, back);
		if (n >= NUMBERS)
			break;
		verdict = seq_track(tracker, n);
		if (seen[n] != 0)
			assert_int_equal(verdict, SEQ_DUPLICATE);
		else if (n < newest)
			assert_int_equal(verdict, SEQ_LATE);
		else
			assert_int_equal(verdict, SEQ_IN_ORDER);
		unique += seen[n] == 0;
		seen[n] = 1;
		newest = RTE_MAX(newest, n);
		assert_int_equal(tracker->unique, unique);
		assert_int_equal(seq_missing(tracker), newest + 1 - unique);
	}
	assert_true(newest > 4 * SEQ_MEMORY);
	free(seen);
	free(tracker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_length_are_read_as_written),
		cmocka_unit_test(segments_make_no_difference),
		cmocka_unit_test(every_flipped_bit_behind_the_addresses_is_noticed),
		cmocka_unit_test(frames_that_were_cut_or_stretched_are_corrupt),
		cmocka_unit_test(an_unbroken_sequence_is_all_in_order),
		cmocka_unit_test(gaps_are_missing_until_they_are_filled),
		cmocka_unit_test(what_is_too_old_to_tell_is_not_called_a_duplicate),
		cmocka_unit_test(random_arrivals_are_told_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

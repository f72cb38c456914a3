/* SPDX-License-Identifier: BSD-3-Clause */
#include "seq.h"

#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash_crc.h>

/* Shortest frame that Ethernet knows, without its FCS: shorter ones may arrive padded to it. */
#define PADDED_LEN 60U

#define GOLDEN_RATIO UINT64_C(0x9e3779b97f4a7c15)

/* Where the CRC begins: behind the Ethernet header and itself. */
#define CRC_FROM (sizeof(struct rte_ether_hdr) + offsetof(struct seq_header, magic))

/* Bytes that differ from frame to frame and from word to word, and cost little. */
static void
fill(uint8_t *data, size_t length, uint64_t number)
{
	uint64_t state = number * GOLDEN_RATIO;

	for (; length >= sizeof(state); length -= sizeof(state)) {
		uint64_t word;

		state += GOLDEN_RATIO;
		word = rte_cpu_to_le_64(state ^ state >> 29);
		memcpy(data, &word, sizeof(word));
		data += sizeof(word);
	}
	for (; length != 0; length--)
		*data++ = (uint8_t)(state >> 8 * length);
}

/* rte_hash_crc() loads words from where they are not aligned; this copies them. */
static uint32_t
crc32c(const uint8_t *data, uint32_t length, uint32_t crc)
{
	for (; length >= sizeof(uint64_t); length -= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		crc = rte_hash_crc_8byte(word, crc);
		data += sizeof(word);
	}
	for (; length != 0; length--)
		crc = rte_hash_crc_1byte(*data++, crc);
	return crc;
}

void
seq_write(uint8_t *payload, uint16_t length, const struct seq_frame *frame)
{
	struct seq_header header = {
		.magic = rte_cpu_to_le_32(SEQ_MAGIC),
		.epoch = rte_cpu_to_le_32(frame->epoch),
		.stream = rte_cpu_to_le_16(frame->stream),
		.length = rte_cpu_to_le_16(length),
		.number = rte_cpu_to_le_64(frame->number),
	};

	fill(payload + sizeof(header), length - SEQ_MIN_LEN, frame->number);
	memcpy(payload, &header, sizeof(header));
	header.crc = rte_cpu_to_le_32(
		crc32c(payload + offsetof(struct seq_header, magic), length - CRC_FROM, 0));
	memcpy(payload, &header.crc, sizeof(header.crc));
}

/* The CRC of length bytes from an offset on, over the segments. */
static uint32_t
segments_crc(const struct rte_mbuf *segment, uint32_t offset, uint32_t length)
{
	uint32_t crc = 0;

	for (; segment != NULL && length != 0; segment = segment->next) {
		uint32_t here;

		if (offset >= segment->data_len) {
			offset -= segment->data_len;
			continue;
		}
		here = RTE_MIN(segment->data_len - offset, length);
		crc = crc32c(rte_pktmbuf_mtod_offset(segment, const uint8_t *, offset), here, crc);
		length -= here;
		offset = 0;
	}
	return crc;
}

enum seq_check
seq_read(const struct rte_mbuf *pkt, struct seq_frame *frame)
{
	uint8_t copy[SEQ_MIN_LEN];
	const uint8_t *start = rte_pktmbuf_read(pkt, 0, sizeof(copy), copy);
	struct rte_ether_hdr ether;
	struct seq_header header;
	uint16_t length;

	if (start == NULL)
		return SEQ_FOREIGN;
	memcpy(&ether, start, sizeof(ether));
	memcpy(&header, start + sizeof(ether), sizeof(header));
	if (ether.ether_type != RTE_BE16(SEQ_ETHER_TYPE))
		return SEQ_FOREIGN;
	length = rte_le_to_cpu_16(header.length);
	if (header.magic != rte_cpu_to_le_32(SEQ_MAGIC) || length < SEQ_MIN_LEN)
		return SEQ_CORRUPT;
	if (pkt->pkt_len != RTE_MAX((uint32_t)length, PADDED_LEN) && pkt->pkt_len != length)
		return SEQ_CORRUPT;
	if (segments_crc(pkt, CRC_FROM, length - CRC_FROM) != rte_le_to_cpu_32(header.crc))
		return SEQ_CORRUPT;
	frame->epoch = rte_le_to_cpu_32(header.epoch);
	frame->stream = rte_le_to_cpu_16(header.stream);
	frame->number = rte_le_to_cpu_64(header.number);
	return SEQ_GOOD;
}

void
seq_tracker_init(struct seq_tracker *tracker, uint64_t first)
{
	memset(tracker, 0, sizeof(*tracker));
	tracker->first = first;
	tracker->next = first;
}

static void
mark(struct seq_tracker *tracker, uint64_t number, bool seen)
{
	uint64_t bit = number % SEQ_MEMORY, mask = UINT64_C(1) << (bit % 64);

	if (seen)
		tracker->seen[bit / 64] |= mask;
	else
		tracker->seen[bit / 64] &= ~mask;
}

enum seq_verdict
seq_track(struct seq_tracker *tracker, uint64_t number)
{
	if (likely(number >= tracker->next)) {
		/* Bits of the numbers that were skipped held what was SEQ_MEMORY before them. */
		if (number - tracker->next >= SEQ_MEMORY)
			memset(tracker->seen, 0, sizeof(tracker->seen));
		else
			for (uint64_t skipped = tracker->next; skipped < number; skipped++)
				mark(tracker, skipped, false);
		mark(tracker, number, true);
		tracker->next = number + 1;
		tracker->unique++;
		return SEQ_IN_ORDER;
	}
	if (number < tracker->first || tracker->next - number > SEQ_MEMORY) {
		tracker->unknown++;
		return SEQ_UNKNOWN;
	}
	if (seq_seen(tracker, number)) {
		tracker->duplicate++;
		return SEQ_DUPLICATE;
	}
	mark(tracker, number, true);
	tracker->unique++;
	tracker->late++;
	return SEQ_LATE;
}

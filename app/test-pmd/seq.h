/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_SEQ_H
#define TESTPMD_SEQ_H

/**
 * @file
 * Numbered frames, which prove that a path neither loses, repeats, reorders nor changes what it
 * carries.
 *
 * A frame is an Ethernet header, which a path may rewrite and nobody checks, then a header that
 * says which run, which stream and which number it is, then filling that follows from these. A
 * CRC over all but the Ethernet header and itself is what tells whether it arrived as it left.
 *
 * A *tracker* is told the number of every good frame of one stream, and says whether it is new,
 * late or a repetition. It remembers the last SEQ_MEMORY numbers.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

/* IEEE 802's local experimental EtherType 1: no equipment makes anything of it. */
#define SEQ_ETHER_TYPE 0x88b5
#define SEQ_MAGIC UINT32_C(0x71655376)

/** On the wire, after the Ethernet header; little endian. */
struct seq_header {
	uint32_t crc; /* CRC-32C of everything behind it */
	uint32_t magic;
	uint32_t epoch; /* of the generator's run: frames left over from another do not count */
	uint16_t stream;
	uint16_t length; /* of the frame, Ethernet header included */
	uint64_t number;
} __rte_packed;

#define SEQ_MIN_LEN (sizeof(struct rte_ether_hdr) + sizeof(struct seq_header))
#define SEQ_MAX_LEN UINT16_MAX

/** Numbers further behind the newest are neither new nor old, but unknown. */
#define SEQ_MEMORY 65536U

enum seq_verdict {
	SEQ_IN_ORDER,
	SEQ_LATE, /* new, after a later one */
	SEQ_DUPLICATE,
	SEQ_UNKNOWN, /* too old to tell */
};

struct seq_tracker {
	uint64_t first;  /* the number that counting began with */
	uint64_t next;   /* one more than the newest */
	uint64_t unique; /* numbers seen, each once */
	uint64_t late;
	uint64_t duplicate;
	uint64_t unknown;
	uint64_t seen[SEQ_MEMORY / 64]; /* by number modulo SEQ_MEMORY, of the last SEQ_MEMORY */
};

/** What a received frame says. */
struct seq_frame {
	uint32_t epoch;
	uint16_t stream;
	uint64_t number;
};

enum seq_check {
	SEQ_GOOD,
	SEQ_FOREIGN, /* not a numbered frame at all */
	SEQ_CORRUPT,
};

/** Write a frame's part behind the Ethernet header: length bytes less that header's. */
void seq_write(uint8_t *payload, uint16_t length, const struct seq_frame *frame);

/** Whether a frame, in however many segments, is as it was written. */
enum seq_check seq_read(const struct rte_mbuf *pkt, struct seq_frame *frame);

/** Start a tracker, which expects that number first. */
void seq_tracker_init(struct seq_tracker *tracker, uint64_t first);

enum seq_verdict seq_track(struct seq_tracker *tracker, uint64_t number);

/** Whether a number within the memory was seen. */
static inline bool
seq_seen(const struct seq_tracker *tracker, uint64_t number)
{
	uint64_t bit = number % SEQ_MEMORY;

	return (tracker->seen[bit / 64] >> (bit % 64) & 1) != 0;
}

/** Numbers before the newest that were not seen. */
static inline uint64_t
seq_missing(const struct seq_tracker *tracker)
{
	return tracker->next - tracker->first - tracker->unique;
}

#endif /* TESTPMD_SEQ_H */

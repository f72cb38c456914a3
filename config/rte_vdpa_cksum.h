/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RTE_VDPA_CKSUM_H
#define RTE_VDPA_CKSUM_H

/**
 * @file
 * The internet checksum's sum over an mbuf of any segments.
 */

#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

/**
 * Sum of a frame from @a start to its end, which may be in any segment. DPDK has rte_raw_cksum_mbuf() for
 * that, which loses carries of segments that begin at an odd distance from @a start (22.11).
 *
 * @return the sum folded to 16 bits, not its complement, in the byte order of frames
 */
static inline uint16_t
vdpa_raw_cksum_from(const struct rte_mbuf *m, uint32_t start)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL; m = m->next) {
		const uint32_t skip = RTE_MIN(start, (uint32_t)m->data_len);
		const uint32_t len = m->data_len - skip;
		const uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, skip),
			len);

		/* What begins at an odd place has its bytes in each other's places. */
		sum += done % 2 != 0 ? rte_bswap16(part) : part;
		done += len;
		start -= skip;
	}
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

#endif /* RTE_VDPA_CKSUM_H */

/* SPDX-License-Identifier: BSD-3-Clause */

#include <stddef.h>

#include "sim_hw_private.h"

#define IN_RING(member) offsetof(struct sim_ring, member)
#define DROP(reason) IN_RING(vr.stats.drops[VHOST_VRING_DROP_##reason])

static const struct {
	const char *name;
	size_t offset; /**< of a uint64_t in struct sim_ring */
} counters[] = {
	{ "packets", IN_RING(vr.stats.packets) },
	{ "bytes", IN_RING(vr.stats.bytes) },
	{ "drop_no_buffer", DROP(NO_BUFFER) },
	{ "drop_bad_chain", DROP(BAD_CHAIN) },
	{ "drop_bad_addr", DROP(BAD_ADDR) },
	{ "drop_bad_header", DROP(BAD_HEADER) },
	{ "drop_offload", DROP(OFFLOAD) },
	{ "drop_too_large", DROP(TOO_LARGE) },
	{ "drop_no_mbuf", DROP(NO_MBUF) },
	{ "drop_port_full", IN_RING(port_full) },
	{ "drop_reset", IN_RING(discarded) },
	{ "kicks", IN_RING(vr.stats.kicks) },
	{ "calls", IN_RING(vr.stats.calls) },
	{ "calls_suppressed", IN_RING(vr.stats.calls_suppressed) },
	{ "ring_broken", IN_RING(vr.stats.broken) },
};

unsigned int
sim_hw_counters(void)
{
	return RTE_DIM(counters);
}

const char *
sim_hw_counter_name(unsigned int id)
{
	return counters[id].name;
}

static uint64_t *
counter(struct sim_ring *ring, unsigned int id)
{
	return RTE_PTR_ADD(ring, counters[id].offset);
}

uint64_t
sim_hw_counter(const struct sim_hw *hw, uint16_t qid, unsigned int id)
{
	return __atomic_load_n(counter(sim_ring(hw, qid), id), __ATOMIC_RELAXED);
}

void
sim_hw_reset_counters(struct sim_hw *hw, uint16_t qid)
{
	for (unsigned int id = 0; id < RTE_DIM(counters); id++)
		*counter(sim_ring(hw, qid), id) = 0;
}

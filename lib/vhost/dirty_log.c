/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_common.h>

#include "dirty_log.h"
#include "vring.h"

void
vhost_dirty_log_mark(const struct vhost_dirty_log *log, uint64_t gpa, uint64_t len)
{
	if (log->base == NULL || len == 0)
		return;

	/* A guest may place a buffer anywhere, the end of the address space included. */
	uint64_t last_byte = len - 1 > UINT64_MAX - gpa ? UINT64_MAX : gpa + (len - 1);
	uint64_t page = gpa >> VHOST_DIRTY_LOG_PAGE_SHIFT;
	uint64_t last = last_byte >> VHOST_DIRTY_LOG_PAGE_SHIFT;

	if (log->size == 0 || page / 8 >= log->size)
		return;
	last = RTE_MIN(last, log->size * 8 - 1);

	for (; page <= last; page++) {
		/*
		 * Release: who sees the bit sees the page's new bytes. Pairs with the exchange
		 * by which the migrating side takes bits before it reads the pages.
		 */
		__atomic_fetch_or(&log->base[page / 8], (uint8_t)(1u << (page % 8)),
			__ATOMIC_RELEASE);
	}
}

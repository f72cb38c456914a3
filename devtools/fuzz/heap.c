/* SPDX-License-Identifier: BSD-3-Clause */

#include "heap.h"

void *
__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int node)
{
	void *mem = aligned_alloc(RTE_MAX(align, 64u), RTE_ALIGN_CEIL(size, RTE_MAX(align, 64u)));

	(void)type;
	(void)node;
	fuzz_check(mem != NULL);
	return memset(mem, 0, size);
}

void
__wrap_rte_free(void *mem)
{
	free(mem);
}

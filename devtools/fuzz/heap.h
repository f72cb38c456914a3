/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The C library's heap in place of DPDK's, which the sanitizers do not know. What is linked with it is
 * given --wrap for each of these functions: see meson.build.
 */

#ifndef FUZZ_HEAP_H
#define FUZZ_HEAP_H

#include "fuzz.h"

void *__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int node);
void __wrap_rte_free(void *mem);

#endif /* FUZZ_HEAP_H */

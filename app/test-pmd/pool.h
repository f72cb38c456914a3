/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_POOL_H
#define TESTPMD_POOL_H

/** @file One mbuf pool for each NUMA socket that has a port, made when its first port needs it. */

#include <rte_mempool.h>

/**
 * The pool of a socket.
 *
 * @param socket
 *   SOCKET_ID_ANY stands for the main lcore's.
 * @return
 *   NULL, with a line that says why, when there is no memory for one.
 */
struct rte_mempool *pool_get(int socket);

/** Free them all; no port may hold an mbuf any more. */
void pools_free(void);

/** How many sockets have a pool. */
unsigned int pool_count(void);

#endif /* TESTPMD_POOL_H */

/* SPDX-License-Identifier: BSD-3-Clause */

#include "tx_build.h"

void
virtio_tx_free_simple(const struct virtio_queue *q, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t first = 0;

	if (n == 0)
		return;
	if (!(q->flags & VIRTIO_QUEUE_FAST_FREE))
		for (uint16_t i = 1; i < n; i++)
			if (mbufs[i]->pool != mbufs[first]->pool) {
				rte_mempool_put_bulk(mbufs[first]->pool, (void **)&mbufs[first],
					i - first);
				first = i;
			}
	rte_mempool_put_bulk(mbufs[first]->pool, (void **)&mbufs[first], n - first);
}

void
virtio_tx_free_any(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

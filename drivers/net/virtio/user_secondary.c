/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "secondary.h"

struct user_secondary {
	struct virtio_secondary base;
	uint16_t count;
	int doorbells[2 * VIRTIO_PAIRS_MAX + VIRTIO_PROCESS_FDS];
};

/* Always the eventfd: the page that a vDPA device may have for doorbells is mapped in the primary. */
static void
notify(struct virtio_secondary *s, struct virtio_queue *q)
{
	const struct user_secondary *u = container_of(s, struct user_secondary, base);

	if (likely(q->index < u->count))
		eventfd_write(u->doorbells[q->index], 1);
}

static void
let_go(struct virtio_secondary *s, struct rte_eth_dev *eth)
{
	struct user_secondary *u = container_of(s, struct user_secondary, base);

	(void)eth;
	for (uint16_t i = 0; i < u->count; i++)
		close(u->doorbells[i]);
	free(u);
}

int
virtio_user_attach(struct rte_eth_dev *eth)
{
	struct user_secondary *u;
	int ret = virtio_secondary_check(eth);

	if (ret < 0)
		return ret;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	u->base = (struct virtio_secondary){ .notify = notify, .close = let_go };
	do {
		ret = virtio_process_doorbells(eth->data->name, u->count, &u->doorbells[u->count]);
		u->count += RTE_MAX(ret, 0);
	} while (ret == VIRTIO_PROCESS_FDS && u->count < 2 * VIRTIO_PAIRS_MAX);
	if (ret < 0) {
		let_go(&u->base, eth);
		return ret;
	}
	virtio_secondary_finish(eth, &u->base);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "log.h"
#include "pci.h"
#include "secondary.h"

struct pci_secondary {
	struct virtio_secondary base;
	struct rte_pci_device *bus;
	struct rte_pci_ioport legacy;
	bool mapped;     /**< the device, by DPDK */
	void *doorbells; /**< what is mapped here instead, or NULL */
	size_t doorbells_len;
};

/* BARs are mapped at the same addresses in all processes, or not at all. */
static void
notify_modern(struct virtio_secondary *s, struct virtio_queue *q)
{
	(void)s;
	virtio_pci_modern_notify(q);
}

static void
notify_legacy(struct virtio_secondary *s, struct virtio_queue *q)
{
	struct pci_secondary *p = container_of(s, struct pci_secondary, base);

	virtio_pci_legacy_ring(&p->legacy, q);
}

static void
unmap(struct pci_secondary *p)
{
	if (p->mapped)
		rte_pci_unmap_device(p->bus);
	if (p->doorbells != NULL)
		munmap(p->doorbells, p->doorbells_len);
}

static void
let_go(struct virtio_secondary *s, struct rte_eth_dev *eth)
{
	struct pci_secondary *p = container_of(s, struct pci_secondary, base);

	(void)eth;
	if (p->base.notify == notify_legacy)
		rte_pci_ioport_unmap(&p->legacy);
	unmap(p);
	free(p);
}

/* Pages of a BAR at the addresses that the primary has them at. */
static int
map_doorbells(struct pci_secondary *p, const struct virtio_pci_window *w)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t before = w->offset % page;
	void *const wanted = (void *)((uintptr_t)w->addr - before);
	char path[PATH_MAX];
	int fd;

	p->doorbells_len = RTE_ALIGN_CEIL(before + w->len, page);
	snprintf(path, sizeof(path), "%s/%s/resource%u", rte_pci_get_sysfs_path(), p->bus->name,
		w->bar);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	p->doorbells = mmap(wanted, p->doorbells_len, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)(w->offset - before));
	close(fd);
	if (p->doorbells == wanted)
		return 0;
	if (p->doorbells != MAP_FAILED)
		munmap(p->doorbells, p->doorbells_len);
	p->doorbells = NULL;
	return -1;
}

/*
 * uio_pci_generic takes the device its access to memory away whenever anybody closes its file, be it that
 * a process dies. So that file is the primary's alone: here, a doorbell is all that it takes.
 */
static int
map(struct pci_secondary *p, const struct virtio_pci *pci)
{
	if (p->bus->kdrv == RTE_PCI_KDRV_UIO_GENERIC)
		return pci->is_legacy ? 0 : map_doorbells(p, &pci->modern.notify);
	p->mapped = rte_pci_map_device(p->bus) == 0;
	return p->mapped ? 0 : -1;
}

/* The device itself is not touched: it is the primary's, and may be running. */
static int
open_device(struct pci_secondary *p, const struct virtio_pci *pci, const char *name)
{
	if (map(p, pci) < 0) {
		VIRTIO_LOG(ERR,
			"%s: its registers cannot be mapped where the primary process has them",
			name);
		return -ENODEV;
	}
	p->base.notify = notify_modern;
	if (!pci->is_legacy)
		return 0;
	p->base.notify = notify_legacy;
	if (virtio_pci_legacy_map(p->bus, &p->legacy) < 0) {
		unmap(p);
		return -ENODEV;
	}
	return 0;
}

int
virtio_pci_attach(struct rte_eth_dev *eth)
{
	struct pci_secondary *p;
	int ret = virtio_secondary_check(eth);

	if (ret < 0)
		return ret;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->base.close = let_go;
	p->bus = RTE_DEV_TO_PCI(eth->device);
	ret = open_device(p, eth->data->dev_private, eth->data->name);
	if (ret < 0) {
		free(p);
		return ret;
	}
	virtio_secondary_finish(eth, &p->base);
	return 0;
}

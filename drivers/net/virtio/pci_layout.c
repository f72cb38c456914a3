/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include <rte_common.h>

#include "pci_layout.h"

/* What a structure has to be like to be used. */
static const struct rule {
	uint8_t type;
	uint32_t min_len;
	uint32_t align;
	size_t window;
	const char *missing;
} rules[] = {
	{ VIRTIO_PCI_CAP_COMMON_CFG, sizeof(struct virtio_pci_common_cfg), 4,
		offsetof(struct virtio_pci_layout, common),
		"no common configuration that lies in a mapped BAR" },
	{ VIRTIO_PCI_CAP_NOTIFY_CFG, sizeof(uint16_t), 2,
		offsetof(struct virtio_pci_layout, notify),
		"no notification structure that lies in a mapped BAR" },
	{ VIRTIO_PCI_CAP_ISR_CFG, 1, 1, offsetof(struct virtio_pci_layout, isr),
		"no interrupt status that lies in a mapped BAR" },
	{ VIRTIO_PCI_CAP_DEVICE_CFG, 1, 4, offsetof(struct virtio_pci_layout, device), NULL },
};

static struct virtio_pci_window *
window_of(struct virtio_pci_layout *layout, const struct rule *rule)
{
	return (struct virtio_pci_window *)((char *)layout + rule->window);
}

static const struct rule *
rule_of(uint8_t type)
{
	for (unsigned int i = 0; i < RTE_DIM(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

/* Of several structures of a kind the device prefers the first; we take the first that is sound. */
static void
consider(const uint8_t *config, uint8_t at, const struct virtio_pci_bar *bars,
	struct virtio_pci_layout *layout)
{
	const struct rule *rule;
	struct virtio_pci_window *window;
	struct virtio_pci_notify_cap cap = { 0 };
	const struct virtio_pci_bar *bar;
	uint8_t size;

	memcpy(&cap, config + at, RTE_MIN(sizeof(cap), (size_t)VIRTIO_PCI_CONFIG_BYTES - at));
	rule = rule_of(cap.cap.cfg_type);
	if (rule == NULL || cap.cap.bar >= VIRTIO_PCI_BARS)
		return;
	size = rule->type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof(cap) : sizeof(cap.cap);
	window = window_of(layout, rule);
	bar = &bars[cap.cap.bar];
	if (window->addr != NULL || cap.cap.cap_len < size || at + size > VIRTIO_PCI_CONFIG_BYTES ||
		bar->addr == NULL || cap.cap.length < rule->min_len ||
		cap.cap.offset % rule->align != 0 ||
		(uint64_t)cap.cap.offset + cap.cap.length > bar->len)
		return;
	*window = (struct virtio_pci_window){
		.addr = bar->addr + cap.cap.offset,
		.len = cap.cap.length,
		.offset = cap.cap.offset,
		.bar = cap.cap.bar,
	};
	if (rule->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		layout->notify_multiplier = cap.notify_off_multiplier;
}

static uint8_t
first_capability(const uint8_t *config)
{
	return config[PCI_STATUS] & PCI_STATUS_CAP_LIST ? config[PCI_CAPABILITY_LIST] & ~3u : 0;
}

static uint8_t
next_capability(const uint8_t *config, uint8_t at)
{
	return config[at + PCI_CAP_LIST_NEXT] & ~3u;
}

/* As many as there is room for: a list that goes in circles ends too. */
#define CAPABILITIES_MAX (VIRTIO_PCI_CONFIG_BYTES / 4)

bool
virtio_pci_layout_msix(const uint8_t *config)
{
	uint8_t at = first_capability(config);

	for (unsigned int n = CAPABILITIES_MAX; at >= PCI_STD_HEADER_SIZEOF && n > 0; n--) {
		/* The enable bit is the highest of the two bytes of flags. */
		if (config[at + PCI_CAP_LIST_ID] == PCI_CAP_ID_MSIX)
			return config[at + PCI_MSIX_FLAGS + 1] & (PCI_MSIX_FLAGS_ENABLE >> 8);
		at = next_capability(config, at);
	}
	return false;
}

int
virtio_pci_layout_find(const uint8_t *config, const struct virtio_pci_bar *bars,
	struct virtio_pci_layout *layout, const char **wrong)
{
	uint8_t at = first_capability(config);
	bool vendor = false;

	*layout = (struct virtio_pci_layout){ 0 };
	for (unsigned int n = CAPABILITIES_MAX; at >= PCI_STD_HEADER_SIZEOF && n > 0; n--) {
		if (config[at + PCI_CAP_LIST_ID] == PCI_CAP_ID_VNDR) {
			vendor = true;
			consider(config, at, bars, layout);
		}
		at = next_capability(config, at);
	}
	if (!vendor)
		return -ENOENT;
	for (unsigned int i = 0; i < RTE_DIM(rules); i++) {
		if (rules[i].missing == NULL || window_of(layout, &rules[i])->addr != NULL)
			continue;
		*wrong = rules[i].missing;
		return -EPROTO;
	}
	return 0;
}

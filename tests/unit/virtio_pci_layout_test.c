/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where a virtio device on PCI has its registers: what of its capabilities is used, and that none
 * of them leads out of a BAR.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include <rte_common.h>

#include "pci_layout.h"

#define BAR_BYTES 0x4000

static uint8_t config[VIRTIO_PCI_CONFIG_BYTES];
static uint8_t memory[BAR_BYTES];
static struct virtio_pci_bar bars[VIRTIO_PCI_BARS];
static struct virtio_pci_layout layout;
static const char *wrong;

static struct virtio_pci_notify_cap *
cap_at(uint8_t at)
{
	return (struct virtio_pci_notify_cap *)&config[at];
}

static void
put_cap(uint8_t at, uint8_t next, uint8_t type, uint32_t offset, uint32_t length)
{
	const bool notify = type == VIRTIO_PCI_CAP_NOTIFY_CFG;
	struct virtio_pci_cap cap = {
		.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_next = next,
		.cap_len = notify ? sizeof(struct virtio_pci_notify_cap) : sizeof(cap),
		.cfg_type = type,
		.bar = 4,
		.offset = offset,
		.length = length,
	};

	memcpy(&config[at], &cap, sizeof(cap));
	if (notify)
		cap_at(at)->notify_off_multiplier = 4;
}

/* A device as QEMU makes it. */
static int
sound_device(void **state)
{
	(void)state;
	memset(config, 0, sizeof(config));
	memset(bars, 0, sizeof(bars));
	bars[4] = (struct virtio_pci_bar){ .addr = memory, .len = BAR_BYTES };
	config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	config[PCI_CAPABILITY_LIST] = 0x40;
	put_cap(0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, 0, 0x1000);
	put_cap(0x50, 0x60, VIRTIO_PCI_CAP_ISR_CFG, 0x1000, 0x1000);
	put_cap(0x60, 0x70, VIRTIO_PCI_CAP_DEVICE_CFG, 0x2000, 0x1000);
	put_cap(0x70, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, 0x3000, 0x1000);
	wrong = NULL;
	return 0;
}

static int
find(void)
{
	return virtio_pci_layout_find(config, bars, &layout, &wrong);
}

static void
finds_all_four(void **state)
{
	(void)state;
	assert_int_equal(find(), 0);
	assert_ptr_equal(layout.common.addr, memory);
	assert_ptr_equal(layout.isr.addr, memory + 0x1000);
	assert_ptr_equal(layout.device.addr, memory + 0x2000);
	assert_ptr_equal(layout.notify.addr, memory + 0x3000);
	assert_int_equal(layout.notify.bar, 4);
	assert_int_equal(layout.notify.offset, 0x3000);
	assert_int_equal(layout.notify.len, 0x1000);
	assert_int_equal(layout.notify_multiplier, 4);
}

static void
takes_the_first_sound_one_of_a_kind(void **state)
{
	(void)state;
	put_cap(0x70, 0x90, VIRTIO_PCI_CAP_NOTIFY_CFG, 0x3000, 0x1000);
	put_cap(0x90, 0xb0, VIRTIO_PCI_CAP_COMMON_CFG, 0x800, 0x100);
	put_cap(0xb0, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, 0x3800, 0x100);
	assert_int_equal(find(), 0);
	assert_ptr_equal(layout.common.addr, memory);
	cap_at(0x40)->cap.bar = 5; /* not mapped */
	cap_at(0x70)->cap.bar = 6; /* reserved */
	assert_int_equal(find(), 0);
	assert_ptr_equal(layout.common.addr, memory + 0x800);
	assert_ptr_equal(layout.notify.addr, memory + 0x3800);
}

static void
device_configuration_is_optional(void **state)
{
	(void)state;
	cap_at(0x60)->cap.length = 0;
	assert_int_equal(find(), 0);
	assert_null(layout.device.addr);
}

static void
device_without_capabilities_is_legacy(void **state)
{
	(void)state;
	config[PCI_STATUS] = 0;
	assert_int_equal(find(), -ENOENT);
	config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	for (uint8_t at = 0x40; at <= 0x70; at += 0x10)
		config[at] = PCI_CAP_ID_MSIX;
	assert_int_equal(find(), -ENOENT);
	config[PCI_CAPABILITY_LIST] = 0x10;
	assert_int_equal(find(), -ENOENT);
}

static void
refuses_what_leaves_its_bar(void **state)
{
	static const struct {
		uint32_t offset, length;
	} outside[] = {
		{ BAR_BYTES, 0x1000 },
		{ BAR_BYTES - 0x10, 0x100 },
		{ 0, BAR_BYTES + 1 },
		{ UINT32_MAX & ~3u, 0x100 },
		{ 0x100, UINT32_MAX },
		{ 2, 0x100 }, /* not aligned */
		{ 0, sizeof(struct virtio_pci_common_cfg) - 1 },
	};

	for (unsigned int i = 0; i < RTE_DIM(outside); i++) {
		sound_device(state);
		put_cap(0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, outside[i].offset,
			outside[i].length);
		assert_int_equal(find(), -EPROTO);
		assert_non_null(strstr(wrong, "common"));
	}
	sound_device(state);
	put_cap(0x70, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_BYTES - 1, 2);
	assert_int_equal(find(), -EPROTO);
	assert_non_null(strstr(wrong, "notification"));
	sound_device(state);
	put_cap(0x50, 0x60, VIRTIO_PCI_CAP_ISR_CFG, BAR_BYTES, 1);
	assert_int_equal(find(), -EPROTO);
	assert_non_null(strstr(wrong, "interrupt"));
}

static void
refuses_a_capability_cut_short(void **state)
{
	(void)state;
	cap_at(0x70)->cap.cap_len = sizeof(struct virtio_pci_cap);
	assert_int_equal(find(), -EPROTO);
	sound_device(state);
	/* At the very end of the space, without room for its multiplier. */
	cap_at(0x60)->cap.cap_next = 0xf0;
	put_cap(0xf0 - 4, 0, 0, 0, 0);
	memcpy(&config[0xf0], &config[0x70], sizeof(struct virtio_pci_cap));
	assert_int_equal(find(), -EPROTO);
}

static void
a_list_in_circles_ends(void **state)
{
	(void)state;
	cap_at(0x70)->cap.cap_next = 0x40;
	assert_int_equal(find(), 0);
	cap_at(0x40)->cap.cap_next = 0x40;
	assert_int_equal(find(), -EPROTO);
}

static void
random_configuration_stays_inside(void **state)
{
	(void)state;
	srand(1);
	for (unsigned int n = 0; n < 200000; n++) {
		const struct virtio_pci_window *w;

		sound_device(state);
		for (unsigned int i = 0; i < 1 + n % 16; i++)
			config[0x34 + rand() % 0x50] = (uint8_t)rand();
		if (find() != 0)
			continue;
		for (w = &layout.common; w <= &layout.device; w++) {
			if (w->addr == NULL)
				continue;
			assert_true(w->addr >= memory && w->len > 0);
			assert_true(w->addr + w->len <= memory + BAR_BYTES);
		}
		assert_true(layout.common.len >= sizeof(struct virtio_pci_common_cfg));
		virtio_pci_layout_msix(config);
	}
}

static void
tells_whether_msix_is_enabled(void **state)
{
	(void)state;
	assert_false(virtio_pci_layout_msix(config));
	cap_at(0x70)->cap.cap_next = 0x98;
	config[0x98] = PCI_CAP_ID_MSIX;
	config[0x98 + PCI_MSIX_FLAGS] = 3;
	assert_false(virtio_pci_layout_msix(config));
	config[0x98 + PCI_MSIX_FLAGS + 1] = PCI_MSIX_FLAGS_ENABLE >> 8;
	assert_true(virtio_pci_layout_msix(config));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds_all_four, sound_device),
		cmocka_unit_test_setup(takes_the_first_sound_one_of_a_kind, sound_device),
		cmocka_unit_test_setup(device_configuration_is_optional, sound_device),
		cmocka_unit_test_setup(device_without_capabilities_is_legacy, sound_device),
		cmocka_unit_test_setup(refuses_what_leaves_its_bar, sound_device),
		cmocka_unit_test_setup(refuses_a_capability_cut_short, sound_device),
		cmocka_unit_test_setup(a_list_in_circles_ends, sound_device),
		cmocka_unit_test_setup(random_configuration_stays_inside, sound_device),
		cmocka_unit_test_setup(tells_whether_msix_is_enabled, sound_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>

#include <linux/pci_regs.h>

#include "heap.h"
#include "pci_device.h"

/*
 * CALLS stands in for the driver's code for registers, so that a device can lie about each of them.
 * REGISTERS is memory behind a BAR, under that code: it keeps what it is told, and changes while the
 * driver sleeps. PORTS is behind that of a legacy device.
 */
enum kind { CALLS, REGISTERS, PORTS, KINDS };

#define CONFIG_BYTES 64
#define PORT_BYTES (VIRTIO_PCI_CONFIG_OFF(1) + CONFIG_BYTES)
#define LAST_QUEUE (2 * PCI_DEVICE_PAIRS)

/* Which BAR its structures are in, and where. */
#define BAR 4
#define BAR_BYTES 4096
#define COMMON 0
#define ISR 0x100
#define DEVICE 0x200
#define NOTIFY 0x300
#define MULTIPLIER 4

/* Legacy devices are told of rings by the number of their page, in 32 bits. */
#define IOVA_MASK ((UINT64_C(1) << 43) - 1)

static struct fuzz_input *input;
static struct rte_pci_device bus;

static struct {
	enum kind kind;
	bool lies;
	bool msix;
	uint64_t features;
	uint8_t status;
	uint8_t config[CONFIG_BYTES];
	uint16_t doorbell;
	uint16_t set_up; /* the queue that was, last */
	uint16_t selected;
	rte_intr_callback_fn interrupt;
	void *interrupt_arg;
	uint8_t pci_config[VIRTIO_PCI_CONFIG_BYTES];
	uint8_t ports[PORT_BYTES];
	uint8_t *bar;
} hw;

void
fuzz_scribble(struct fuzz_input *in, void *area, size_t size)
{
	const size_t at = fuzz_u16(in) % size;

	fuzz_bytes(in, (uint8_t *)area + at, RTE_MIN(size - at, (size_t)fuzz_u8(in) % 32));
}

/* --- memory and bus --- */

const struct rte_memzone *
__wrap_rte_memzone_reserve_aligned(const char *name, size_t len, int node, unsigned int flags,
	unsigned int align)
{
	struct rte_memzone *zone = calloc(1, sizeof(*zone));

	(void)flags;
	fuzz_check(zone != NULL && strlen(name) < RTE_MEMZONE_NAMESIZE);
	zone->addr = __wrap_rte_zmalloc_socket(name, len, align, node);
	zone->iova = (uintptr_t)zone->addr & IOVA_MASK;
	zone->len = len;
	return zone;
}

int
__wrap_rte_memzone_free(const struct rte_memzone *zone)
{
	free(zone->addr);
	free((void *)(uintptr_t)zone);
	return 0;
}

int
__wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at)
{
	fuzz_check(dev == &bus && at == 0 && len <= sizeof(hw.pci_config));
	memcpy(buf, hw.pci_config, len);
	return (int)len;
}

void
__wrap_rte_pci_unmap_device(struct rte_pci_device *dev)
{
	(void)dev;
}

/* --- registers in place of the driver's --- */

static uint64_t
hw_features(struct virtio_pci *pci)
{
	(void)pci;
	return hw.features;
}

static void
hw_set_features(struct virtio_pci *pci, uint64_t features)
{
	fuzz_check((features & ~hw.features) == 0);
	(void)pci;
}

static uint8_t
hw_status(struct virtio_pci *pci)
{
	(void)pci;
	return hw.lies ? fuzz_u8(input) : hw.status;
}

static void
hw_set_status(struct virtio_pci *pci, uint8_t status)
{
	(void)pci;
	hw.status = status;
}

static uint8_t
hw_isr(struct virtio_pci *pci)
{
	(void)pci;
	return fuzz_u8(input);
}

static void
hw_read_config(struct virtio_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	uint8_t *out = buf;

	(void)pci;
	for (uint32_t i = 0; i < len; i++)
		out[i] = hw.lies                  ? fuzz_u8(input) :
			offset + i < CONFIG_BYTES ? hw.config[offset + i] :
						    0;
}

static void
hw_write_config(struct virtio_pci *pci, uint32_t offset, const void *buf, uint32_t len)
{
	(void)pci;
	fuzz_check(offset + len <= CONFIG_BYTES);
	memcpy(&hw.config[offset], buf, len);
}

static uint16_t
hw_queue_size(struct virtio_pci *pci, uint16_t index)
{
	(void)pci;
	if (hw.lies)
		return fuzz_u16(input) & 0x80ff;
	return index <= LAST_QUEUE ? PCI_DEVICE_QUEUE_SIZE : 0;
}

static int
hw_queue_setup(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
	volatile uint16_t **doorbell)
{
	(void)pci;
	if (hw.lies && (fuzz_u8(input) & 1))
		return -EIO;
	fuzz_check(ring->size > 0 && ring->descriptors != 0);
	*doorbell = &hw.doorbell;
	hw.set_up = ring->index;
	return 0;
}

static void
hw_notify(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell)
{
	fuzz_check(doorbell == &hw.doorbell && index == pci->control.index);
}

static uint16_t
hw_vector(struct virtio_pci *pci, uint16_t vector)
{
	(void)pci;
	return hw.lies ? fuzz_u16(input) : vector;
}

static uint16_t
hw_queue_vector(struct virtio_pci *pci, uint16_t index, uint16_t vector)
{
	fuzz_check(index <= LAST_QUEUE);
	return hw_vector(pci, vector);
}

static void
hw_queue_enable(struct virtio_pci *pci, uint16_t index)
{
	(void)pci;
	/* Of a device that lies, the control queue has any number. */
	fuzz_check(index == hw.set_up);
}

static const struct virtio_pci_registers registers = {
	.name = "fuzz",
	.features = hw_features,
	.set_features = hw_set_features,
	.status = hw_status,
	.set_status = hw_set_status,
	.isr = hw_isr,
	.read_config = hw_read_config,
	.write_config = hw_write_config,
	.queue_size = hw_queue_size,
	.queue_setup = hw_queue_setup,
	.queue_vector = hw_queue_vector,
	.config_vector = hw_vector,
	.queue_enable = hw_queue_enable,
	.notify = hw_notify,
};

int __real_virtio_pci_modern_open(struct virtio_pci *pci);

int
__wrap_virtio_pci_modern_open(struct virtio_pci *pci)
{
	if (hw.kind != CALLS)
		return __real_virtio_pci_modern_open(pci);
	pci->regs = &registers;
	return 0;
}

/* --- registers under the driver's code --- */

static uint8_t *
put_capability(uint8_t *at, uint8_t type, uint32_t offset, uint32_t len, uint8_t size)
{
	const struct virtio_pci_cap cap = {
		.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_next = (uint8_t)(at - hw.pci_config) + size,
		.cap_len = size,
		.cfg_type = type,
		.bar = BAR,
		.offset = offset,
		.length = len,
	};

	memcpy(at, &cap, sizeof(cap));
	return at + size;
}

static void
make_pci_config(void)
{
	const uint32_t multiplier = MULTIPLIER;
	uint8_t *at = hw.pci_config + PCI_STD_HEADER_SIZEOF;

	hw.pci_config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	hw.pci_config[PCI_CAPABILITY_LIST] = PCI_STD_HEADER_SIZEOF;
	if (hw.kind == REGISTERS) {
		at = put_capability(at, VIRTIO_PCI_CAP_COMMON_CFG, COMMON,
			sizeof(struct virtio_pci_common_cfg), sizeof(struct virtio_pci_cap));
		at = put_capability(at, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1,
			sizeof(struct virtio_pci_cap));
		at = put_capability(at, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, CONFIG_BYTES,
			sizeof(struct virtio_pci_cap));
		at = put_capability(at, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY,
			MULTIPLIER * (LAST_QUEUE + 1), sizeof(struct virtio_pci_notify_cap));
		memcpy(at - sizeof(multiplier), &multiplier, sizeof(multiplier));
	}
	at[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	hw.msix = fuzz_u8(input) & 1;
	if (hw.msix)
		at[PCI_MSIX_FLAGS + 1] = PCI_MSIX_FLAGS_ENABLE >> 8;
	for (uint8_t n = fuzz_u8(input) % 4; n > 0; n--)
		fuzz_scribble(input, hw.pci_config, sizeof(hw.pci_config));
}

/* Both halves of the features are read out of one register. */
static void
make_bar(void)
{
	struct virtio_pci_common_cfg common = {
		.device_feature = (uint32_t)(hw.features >> 32) | (uint32_t)hw.features,
		.num_queues = LAST_QUEUE + 1,
		.queue_size = PCI_DEVICE_QUEUE_SIZE,
	};

	free(hw.bar);
	hw.bar = calloc(1, BAR_BYTES);
	fuzz_check(hw.bar != NULL);
	memcpy(hw.bar + COMMON, &common, sizeof(common));
	memcpy(hw.bar + DEVICE, hw.config, sizeof(hw.config));
	bus.mem_resource[BAR].addr = hw.bar;
	bus.mem_resource[BAR].len = BAR_BYTES;
}

static void
make_ports(void)
{
	const uint32_t features = (uint32_t)hw.features;

	memcpy(&hw.ports[VIRTIO_PCI_HOST_FEATURES], &features, sizeof(features));
	memcpy(&hw.ports[VIRTIO_PCI_CONFIG_OFF(hw.msix)], hw.config, sizeof(hw.config));
}

int
__wrap_rte_pci_ioport_map(struct rte_pci_device *dev, int bar, struct rte_pci_ioport *p)
{
	(void)p;
	fuzz_check(dev == &bus && bar == 0);
	return hw.kind == PORTS ? 0 : -1;
}

int
__wrap_rte_pci_ioport_unmap(struct rte_pci_ioport *p)
{
	(void)p;
	return 0;
}

void
__wrap_rte_pci_ioport_read(struct rte_pci_ioport *p, void *buf, size_t len, off_t at)
{
	const uint16_t size = hw_queue_size(NULL, hw.selected);

	(void)p;
	if (hw.lies) {
		fuzz_bytes(input, buf, len);
		return;
	}
	memset(buf, 0, len);
	if (at == VIRTIO_PCI_QUEUE_NUM)
		memcpy(buf, &size, RTE_MIN(len, sizeof(size)));
	else if (at + len <= sizeof(hw.ports))
		memcpy(buf, &hw.ports[at], len);
}

void
__wrap_rte_pci_ioport_write(struct rte_pci_ioport *p, const void *buf, size_t len, off_t at)
{
	(void)p;
	if (at == VIRTIO_PCI_QUEUE_SEL)
		memcpy(&hw.selected, buf, RTE_MIN(len, sizeof(hw.selected)));
	fuzz_check(at + len <= sizeof(hw.ports));
	memcpy(&hw.ports[at], buf, len);
}

/* --- interrupts --- */

int
__wrap_rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn call,
	void *arg)
{
	fuzz_check(handle == bus.intr_handle && hw.interrupt == NULL);
	hw.interrupt = call;
	hw.interrupt_arg = arg;
	return 0;
}

int
__wrap_rte_intr_callback_unregister_sync(const struct rte_intr_handle *handle,
	rte_intr_callback_fn call, void *arg)
{
	(void)handle;
	fuzz_check(hw.interrupt == call && hw.interrupt_arg == arg);
	hw.interrupt = NULL;
	return 1;
}

int
__wrap_rte_intr_enable(const struct rte_intr_handle *handle)
{
	(void)handle;
	return hw.lies && (fuzz_u8(input) & 1) ? -1 : 0;
}

int
__wrap_rte_intr_disable(const struct rte_intr_handle *handle)
{
	(void)handle;
	return 0;
}

int
__wrap_rte_intr_ack(const struct rte_intr_handle *handle)
{
	(void)handle;
	return 0;
}

/* --- what it is and does --- */

void
pci_device_init(void)
{
	bus.intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	fuzz_check(bus.intr_handle != NULL);
	/* Files for the queues' interrupts, and none that could raise them. */
	fuzz_check(rte_intr_type_set(bus.intr_handle, RTE_INTR_HANDLE_VFIO_MSIX) == 0);
	/* Whose ports take no permission. */
	bus.kdrv = RTE_PCI_KDRV_VFIO;
}

void
pci_device_begin(struct fuzz_input *in, struct virtio_pci *pci)
{
	uint8_t *bar = hw.bar;

	input = in;
	memset(&hw, 0, sizeof(hw));
	hw.bar = bar;
	hw.kind = fuzz_u8(input) % KINDS;
	hw.features = fuzz_u64(input);
	/* Both bits of layout, by which devices are old: the driver sends others away. */
	hw.features |= hw.kind == PORTS ? VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT) :
					  VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	hw.lies = fuzz_u8(input) & 1;
	fuzz_bytes(input, hw.config, 32);
	make_pci_config();
	make_bar();
	make_ports();
	pci->bus = &bus;
}

void
pci_device_lie(bool lies)
{
	hw.lies = lies;
}

void
pci_device_scribble(void)
{
	if (hw.kind == CALLS)
		fuzz_scribble(input, hw.config, sizeof(hw.config));
	else if (hw.kind == PORTS)
		fuzz_scribble(input, hw.ports, sizeof(hw.ports));
	else if (fuzz_u8(input) & 1)
		fuzz_scribble(input, hw.bar + DEVICE, CONFIG_BYTES);
	else
		fuzz_scribble(input, hw.bar + COMMON, sizeof(struct virtio_pci_common_cfg));
}

void
pci_device_act(void)
{
	control_device_act(input);
	if (hw.lies && hw.kind == REGISTERS)
		pci_device_scribble();
}

void
pci_device_interrupt(void)
{
	if (hw.interrupt != NULL)
		hw.interrupt(hw.interrupt_arg);
}

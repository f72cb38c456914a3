/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The front end and a hostile device, beside its rings: a PCI device with registers, configuration
 * and answers on the control queue as the input has them, under a port that is configured, started,
 * used, stopped and closed; and a vhost-user back end that answers what the input has. Time is the
 * target's: waiting for a device costs nothing.
 *
 * Besides what the sanitizers find: a device that does not answer is not waited for longer than was
 * promised, no mbuf and no descriptor is lost, and what ethdev is told is within its limits.
 */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_eal_memconfig.h>
#include <rte_memzone.h>

#include "control_queue.h"
#include "ethdev.h"
#include "heap.h"
#include "pci.h"
#include "transport.h"
#include "user.h"
#include "vhost_user_wire.h"

#define POOL_SIZE 1023
#define PAIRS_MAX 4
#define QUEUE_SIZE 64
#define CONFIG_BYTES 64

/* Waiting for all that one step may ask of a device: reset twice, and some commands. */
#define PATIENCE_US (8 * (VIRTIO_PCI_CONTROL_MS + 2000) * UINT64_C(1000))

static struct rte_mempool *pool;
static uint64_t now_us;
static struct fuzz_input *input;
static int listener;

/* --- what the driver finds in place of DPDK and of time; see meson.build --- */

const struct rte_memzone *__wrap_rte_memzone_reserve_aligned(const char *name, size_t len, int node,
	unsigned int flags, unsigned int align);
int __wrap_rte_memzone_free(const struct rte_memzone *zone);
int __wrap_rte_pci_read_config(const struct rte_pci_device *dev, void *buf, size_t len, off_t at);
void __wrap_rte_pci_unmap_device(struct rte_pci_device *dev);
int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg);
void __wrap_rte_delay_us_sleep(unsigned int us);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_virtio_pci_modern_open(struct virtio_pci *pci);

const struct rte_memzone *
__wrap_rte_memzone_reserve_aligned(const char *name, size_t len, int node, unsigned int flags,
	unsigned int align)
{
	struct rte_memzone *zone = calloc(1, sizeof(*zone));

	(void)flags;
	fuzz_check(zone != NULL && strlen(name) < RTE_MEMZONE_NAMESIZE);
	zone->addr = __wrap_rte_zmalloc_socket(name, len, align, node);
	zone->iova = (uintptr_t)zone->addr;
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
	(void)dev;
	(void)at;
	memset(buf, 0, len);
	return -1;
}

void
__wrap_rte_pci_unmap_device(struct rte_pci_device *dev)
{
	(void)dev;
}

/* At once: what the alarm's thread would do is part of the step. */
static rte_eal_alarm_callback alarm_call;
static void *alarm_arg;

int
__wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback call, void *arg)
{
	(void)us;
	alarm_call = call;
	alarm_arg = arg;
	return 0;
}

int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback call, void *arg)
{
	(void)call;
	(void)arg;
	alarm_call = NULL;
	return 0;
}

void
__wrap_rte_delay_us_sleep(unsigned int us)
{
	now_us += us;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = (time_t)(now_us / 1000000),
		.tv_nsec = (long)(now_us % 1000000) * 1000 };
	return 0;
}

int
__wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	now_us += (uint64_t)ts->tv_sec * 1000000 + (uint64_t)ts->tv_nsec / 1000 + 1;
	return 0;
}

/* Everything that the peer has to say was said, and it has read all that it was told. */
int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	(void)n;
	if (fds->events == POLLOUT)
		return 1;
	now_us += (uint64_t)ms * 1000;
	return 0;
}

/* --- a device on PCI --- */

enum answer { HONEST, REFUSES, SILENT, SCRIBBLES, WRONG_ID, ANSWERS };

static struct {
	uint64_t features;
	uint8_t status;
	bool lies; /* registers are whatever comes next in the input */
	uint16_t queues;
	uint8_t config[CONFIG_BYTES];
	uint16_t doorbell;
	struct virtio_pci_ring rings[2 * PAIRS_MAX + 1];
} hw;

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
	return index < hw.queues ? QUEUE_SIZE : 0;
}

static int
hw_queue_setup(struct virtio_pci *pci, const struct virtio_pci_ring *ring,
	volatile uint16_t **doorbell)
{
	(void)pci;
	if (hw.lies && (fuzz_u8(input) & 1))
		return -EIO;
	fuzz_check(ring->size > 0 && ring->descriptors != 0);
	hw.rings[RTE_MIN(ring->index, RTE_DIM(hw.rings) - 1)] = *ring;
	*doorbell = &hw.doorbell;
	return 0;
}

static void
scribble(void *area, size_t size)
{
	const size_t at = fuzz_u16(input) % size;

	fuzz_bytes(input, (uint8_t *)area + at, RTE_MIN(size - at, (size_t)fuzz_u8(input) % 32));
}

static void
answer_split(const struct virtio_control_ring *r, uint8_t ack, uint32_t id_off)
{
	struct vring_desc *d = (struct vring_desc *)r->mem;
	struct vring_used *used =
		(struct vring_used *)(uintptr_t)virtio_control_ring_areas(r).device;
	uint16_t at = r->last;

	while (d[at].flags & VRING_DESC_F_NEXT)
		at = d[at].next & (r->size - 1);
	*(uint8_t *)(uintptr_t)d[at].addr = ack;
	used->ring[used->idx & (r->size - 1)] = (struct vring_used_elem){ r->last + id_off, 1 };
	used->idx++;
}

static void
answer_packed(const struct virtio_control_ring *r, uint8_t ack, uint32_t id_off)
{
	struct vring_packed_desc *d = (struct vring_packed_desc *)r->mem;
	uint16_t at = r->last;

	while (d[at].flags & VRING_DESC_F_NEXT)
		at = (at + 1) % r->size;
	*(uint8_t *)(uintptr_t)d[at].addr = ack;
	d[r->last].id += (uint16_t)id_off;
	/* Available in a lap whose flags differ: used means that both are as available was. */
	d[r->last].flags = d[r->last].flags & (1 << VRING_PACKED_DESC_F_AVAIL) ?
		1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED :
		0;
}

static void
hw_notify(struct virtio_pci *pci, uint16_t index, volatile uint16_t *doorbell)
{
	const struct virtio_control_ring *r = &pci->control.ring;
	const enum answer how = fuzz_u8(input) % ANSWERS;
	/* Before a device scribbles it answers: chains that it wrote itself it does not follow. */
	void (*answer)(const struct virtio_control_ring *, uint8_t,
		uint32_t) = r->packed ? answer_packed : answer_split;

	fuzz_check(doorbell == &hw.doorbell && index == pci->control.index);
	if (how == HONEST)
		answer(r, VIRTIO_NET_OK, 0);
	else if (how == REFUSES)
		answer(r, VIRTIO_NET_ERR, 0);
	else if (how == WRONG_ID)
		answer(r, VIRTIO_NET_OK, fuzz_u16(input));
	else if (how == SCRIBBLES)
		memset(r->mem, fuzz_u8(input), fuzz_u16(input) % VIRTIO_CONTROL_RING_BYTES);
}

static const struct virtio_pci_registers registers = {
	.name = "fuzz",
	.features = hw_features,
	.set_features = hw_set_features,
	.status = hw_status,
	.set_status = hw_set_status,
	.read_config = hw_read_config,
	.write_config = hw_write_config,
	.queue_size = hw_queue_size,
	.queue_setup = hw_queue_setup,
	.notify = hw_notify,
};

int
__wrap_virtio_pci_modern_open(struct virtio_pci *pci)
{
	pci->regs = &registers;
	return 0;
}

/* --- a port on it --- */

enum port_step {
	START,
	STOP,
	CONTROL,
	LINK,
	RECEIVE,
	TRANSMIT,
	SCRIBBLE, /**< into a queue's ring */
	QUEUE_ONOFF,
	LIE,
	CONFIG,
	LOOK,
	PORT_STEPS
};

static struct rte_eth_dev_data data;
static struct rte_eth_dev eth = { .data = &data };
static struct rte_pci_device bus;
static void *rx_queues[PAIRS_MAX], *tx_queues[PAIRS_MAX];

static int
configure(void)
{
	const struct eth_dev_ops *ops = eth.dev_ops;
	const struct rte_eth_rxconf rxconf = { 0 };
	const struct rte_eth_txconf txconf = { 0 };
	struct rte_eth_dev_info info = { 0 };
	uint16_t pairs;

	fuzz_check(ops->dev_infos_get(&eth, &info) == 0);
	fuzz_check(info.max_rx_queues > 0 && info.max_rx_queues <= VIRTIO_PAIRS_MAX);
	fuzz_check(info.min_mtu <= info.max_mtu);
	pairs = RTE_MIN(info.max_rx_queues, 1 + fuzz_u8(input) % PAIRS_MAX);
	data.nb_rx_queues = pairs;
	data.nb_tx_queues = pairs;
	data.dev_conf.rxmode.offloads = fuzz_u32(input) & info.rx_offload_capa;
	data.dev_conf.txmode.offloads = fuzz_u32(input) & info.tx_offload_capa;
	if (ops->dev_configure(&eth) < 0)
		return -1;
	for (uint16_t i = 0; i < pairs; i++)
		if (ops->rx_queue_setup(&eth, i, QUEUE_SIZE, 0, &rxconf, pool) < 0 ||
			ops->tx_queue_setup(&eth, i, QUEUE_SIZE, 0, &txconf) < 0)
			return -1;
	return 0;
}

static void
control(void)
{
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, fuzz_u8(input) } };

	switch (fuzz_u8(input) % 4) {
	case 0:
		eth.dev_ops->promiscuous_enable(&eth);
		break;
	case 1:
		eth.dev_ops->allmulticast_disable(&eth);
		break;
	case 2:
		eth.dev_ops->mac_addr_set(&eth, &mac);
		break;
	default:
		eth.dev_ops->mtu_set(&eth, 64 + fuzz_u8(input));
		break;
	}
}

static void
bursts(bool tx)
{
	struct virtio_queue *q = (tx ? tx_queues : rx_queues)[fuzz_u8(input) % data.nb_rx_queues];
	struct rte_mbuf *pkts[32];
	uint16_t n;

	if (tx) {
		fuzz_check(rte_pktmbuf_alloc_bulk(pool, pkts, 32) == 0);
		for (unsigned int i = 0; i < 32; i++)
			rte_pktmbuf_append(pkts[i], 60);
		n = eth.tx_pkt_burst(q, pkts, 32);
		rte_pktmbuf_free_bulk(&pkts[n], 32 - n);
	} else {
		n = eth.rx_pkt_burst(q, pkts, 32);
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

static void
queue_onoff(void)
{
	const uint16_t id = fuzz_u8(input) % data.nb_rx_queues;

	/* ethdev asks for this only of a port that is started. */
	if (!data.dev_started)
		return;
	switch (fuzz_u8(input) % 4) {
	case 0:
		eth.dev_ops->rx_queue_stop(&eth, id);
		break;
	case 1:
		eth.dev_ops->rx_queue_start(&eth, id);
		break;
	case 2:
		eth.dev_ops->tx_queue_stop(&eth, id);
		break;
	default:
		eth.dev_ops->tx_queue_start(&eth, id);
		break;
	}
}

static void
port_step(void)
{
	const uint64_t before = now_us;
	struct virtio_queue *q;

	switch ((enum port_step)(fuzz_u8(input) % PORT_STEPS)) {
	case START:
		if (!data.dev_started)
			data.dev_started = eth.dev_ops->dev_start(&eth) == 0;
		break;
	case STOP:
		if (data.dev_started)
			eth.dev_ops->dev_stop(&eth);
		data.dev_started = 0;
		break;
	case CONTROL:
		control();
		break;
	case LINK:
		eth.dev_ops->link_update(&eth, 0);
		break;
	case RECEIVE:
		bursts(false);
		break;
	case TRANSMIT:
		bursts(true);
		break;
	case SCRIBBLE:
		q = rx_queues[fuzz_u8(input) % data.nb_rx_queues];
		scribble(q->used, sizeof(*q->used) + q->size * sizeof(q->used->ring[0]));
		break;
	case QUEUE_ONOFF:
		queue_onoff();
		break;
	case LIE:
		hw.lies = fuzz_u8(input) & 1;
		break;
	case CONFIG:
		scribble(hw.config, sizeof(hw.config));
		break;
	case LOOK:
		q = rx_queues[fuzz_u8(input) % data.nb_rx_queues];
		fuzz_check(eth.rx_queue_count(q) <= QUEUE_SIZE);
		break;
	default:
		break;
	}
	if (alarm_call != NULL) {
		rte_eal_alarm_callback call = alarm_call;

		alarm_call = NULL;
		call(alarm_arg);
	}
	fuzz_check(now_us - before < PATIENCE_US);
}

static void
run_port(void)
{
	struct virtio_pci *pci = calloc(1, sizeof(*pci));
	int ret;

	fuzz_check(pci != NULL);
	memset(&hw, 0, sizeof(hw));
	memset(&data, 0, sizeof(data));
	hw.features = fuzz_u64(input) | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	hw.queues = 2 * PAIRS_MAX + 1;
	hw.lies = fuzz_u8(input) & 1;
	fuzz_bytes(input, hw.config, 32);
	data = (struct rte_eth_dev_data){
		.rx_queues = rx_queues,
		.tx_queues = tx_queues,
		.mtu = RTE_ETHER_MTU,
		.numa_node = SOCKET_ID_ANY,
		.dev_private = pci,
	};
	TAILQ_INIT(&eth.link_intr_cbs);
	pci->bus = &bus;
	pci->dev.name = "fuzz";
	pci->dev.eth = &eth;
	pci->dev.speed = RTE_ETH_SPEED_NUM_UNKNOWN;
	ret = virtio_pci_create(pci);
	if (ret == 0) {
		virtio_ethdev_init(&eth, &pci->dev);
		ret = configure();
		while (ret == 0 && input->left > 0)
			port_step();
		if (data.dev_started)
			eth.dev_ops->dev_stop(&eth);
		data.dev_started = 0;
		eth.dev_ops->dev_close(&eth);
	}
	alarm_call = NULL;
	free(pci);
}

/* --- a vhost-user back end --- */

/* What the back end has to say next, perhaps with a descriptor that nobody asked for. */
static void
say(int peer)
{
	struct vhost_user_message msg = { 0 };
	const uint8_t how = fuzz_u8(input);

	msg.header.request = fuzz_u8(input);
	msg.header.flags = how & 1 ? fuzz_u32(input) : VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	msg.header.size = how & 2 ? fuzz_u16(input) % sizeof(msg.payload) : sizeof(uint64_t);
	fuzz_bytes(input, &msg.payload, RTE_MIN(msg.header.size, 64u));
	if (how & 4) {
		msg.fds[0] = peer;
		msg.nfds = 1;
	}
	if (how & 8)
		fuzz_check(send(peer, &msg, fuzz_u8(input), MSG_DONTWAIT | MSG_NOSIGNAL) <= 256);
	else
		vhost_user_send(peer, &msg);
}

static int
ask(struct virtio_user *u, struct virtio_queue *q, uint8_t what)
{
	const struct virtio_backend_ops *be = u->backend;
	uint8_t config[CONFIG_BYTES];
	int ret;

	u->deadline_ms = (int64_t)(now_us / 1000) + VIRTIO_USER_PATIENCE_MS;
	switch (what % 9) {
	case 0:
		ret = be->set_features(u, fuzz_u64(input));
		break;
	case 1:
		rte_mcfg_mem_read_lock();
		ret = be->share_memory(u, NULL, 0);
		rte_mcfg_mem_read_unlock();
		break;
	case 2:
		ret = be->setup_ring(u, q);
		break;
	case 3:
		ret = be->stop_ring(u, q);
		break;
	case 4:
		ret = be->enable_ring(u, q, true);
		break;
	case 5:
		ret = be->set_status(u, fuzz_u8(input));
		break;
	case 6:
		ret = be->read_config(u, 0, config, fuzz_u8(input) % (CONFIG_BYTES + 1));
		break;
	case 7:
		ret = be->set_mtu(u, fuzz_u16(input));
		break;
	default:
		ret = be->greet(u);
		fuzz_check(
			ret < 0 || (u->backend_pairs > 0 && u->backend_pairs <= VIRTIO_PAIRS_MAX));
		break;
	}
	return ret == -ENOTSUP ? 0 : ret;
}

/* A peer that does not read has who writes to it wait, for a bounded time but a real one. */
static void
hear(int peer)
{
	char words[4096];

	while (recv(peer, words, sizeof(words), MSG_DONTWAIT) > 0)
		;
}

static void
run_backend(void)
{
	struct virtio_user *u = calloc(1, sizeof(*u));
	struct virtio_queue *q = aligned_alloc(64, sizeof(*q));
	uint8_t what = 8;
	int peer, ret;

	fuzz_check(u != NULL && q != NULL);
	memset(q, 0, sizeof(*q));
	q->kickfd = q->callfd = listener;
	q->size = QUEUE_SIZE;
	u->dev.name = "fuzz";
	u->backend = &virtio_backend_vhost_user;
	u->memory = calloc(1, sizeof(*u->memory));
	snprintf(u->args.path, sizeof(u->args.path), "/tmp/fuzz-virtio-%d", getpid());
	fuzz_check(u->backend->open(u) == 0);
	fuzz_check(u->backend->connect(u) == 0);
	peer = accept(listener, NULL, NULL);
	fuzz_check(peer >= 0);
	do {
		for (uint8_t n = fuzz_u8(input) % 8; n > 0; n--)
			say(peer);
		ret = ask(u, q, what);
		hear(peer);
		what = fuzz_u8(input);
	} while (ret == 0 && input->left > 0);
	u->backend->disconnect(u);
	u->backend->close(u);
	close(peer);
	free(u->memory);
	free(u);
	free(q);
}

static void
remove_socket(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/fuzz-virtio-%d", getpid());
	unlink(path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)argc;
	(void)argv;
	fuzz_eal_init();
	fuzz_check(virtio_queue_init() == 0);
	pool = rte_pktmbuf_pool_create("fuzz", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	fuzz_check(pool != NULL);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/fuzz-virtio-%d", getpid());
	fuzz_check(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	fuzz_check(listen(listener, 4) == 0);
	return atexit(remove_socket);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { .at = bytes, .left = size };
	int before = dup(listener), after;

	fuzz_check(before >= 0);
	close(before);
	input = &in;
	now_us = 0;
	if (fuzz_u8(input) & 1)
		run_backend();
	else
		run_port();
	/* The lowest descriptor that is free is the one that was. */
	after = dup(listener);
	close(after);
	fuzz_check(after == before);
	fuzz_check(rte_mempool_avail_count(pool) == POOL_SIZE);
	return 0;
}

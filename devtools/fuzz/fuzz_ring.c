/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ring contents: a driver that writes what it likes into descriptors, rings and buffers, between
 * bursts in both directions, in each format and with each offload. The first bytes of an input say
 * what was agreed, the others are the steps of enum step.
 *
 * Besides what the sanitizers find: no access leaves guest memory, whose regions stand between pages
 * that may not be touched, and the last of which holds whatever length a descriptor can tell; frames
 * are consistent in themselves; no mbuf is lost; nothing is written
 * to guest memory that is not in the dirty log, where one is kept.
 */

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "fuzz.h"
#include "inflight.h"
#include "net_frame.h"
#include "vring.h"

#define F(bit) (UINT64_C(1) << (bit))
#define PAGE 4096u
#define REGIONS 3
#define REGION_SIZE (4 * PAGE)
#define MEMORY_SIZE (REGIONS * REGION_SIZE)
#define BASE UINT64_C(0x100000)
/* One more region, which takes memory only where it is touched; the log does not reach there. */
#define GIANT_BASE (UINT64_C(1) << 40)
#define GIANT_SIZE (UINT64_C(5) << 30)
#define POOL_SIZE 255
#define BURST 32

/* Where the areas of the largest ring lie; behind them everything is buffers. */
#define RING_SIZE_MAX 64
#define DRIVER_AREA 0x400
#define DEVICE_AREA 0x600
#define BUFFERS 0xa00

/* In an input, addresses from this one on are in the largest region, and lengths end at 4 GiB. */
#define GIANT 0xf000
#define LONG 0xff00

enum step {
	WRITE_BYTES,
	WRITE_DESC, /**< anywhere, as a table entry or in the ring */
	OFFER_CHAIN,
	JUMP, /**< split: any available index; packed: any event structure */
	DEQUEUE,
	ENQUEUE,
	KICKS,
	SET_LOG,
	SET_MEMORY,
	RESTART,
	STEPS
};

static struct {
	struct rte_vhost_memory *tables[2]; /**< all regions, and all but the last two */
	uint8_t before[MEMORY_SIZE];
	uint8_t bitmap[(BASE + MEMORY_SIZE) / PAGE / 8 + 1];
	struct rte_mempool *pool;
	struct rte_vhost_inflight_info_packed *inflight; /**< room for the largest ring */
	struct vhost_vring vr;
	struct vhost_vring_layout layout;
	const struct rte_vhost_memory *memory; /**< the table in use */
	int callfd;
	bool logged;
	uint16_t avail; /**< the driver's: split an index, packed a position */
	bool wrap;
} rig;

static uint8_t *
at(uint64_t offset)
{
	return (uint8_t *)(uintptr_t)rig.tables[0]->regions[offset / REGION_SIZE].host_user_addr +
		offset % REGION_SIZE;
}

static void
map_region(uint32_t i, uint64_t gpa, uint64_t size)
{
	uint8_t *map = mmap(NULL, size + 2 * PAGE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	fuzz_check(map != MAP_FAILED);
	fuzz_check(mprotect(map + PAGE, size, PROT_READ | PROT_WRITE) == 0);
	/* What is touched is given back after each input: the less the better. */
	fuzz_check(madvise(map + PAGE, size, MADV_NOHUGEPAGE) == 0);
	for (size_t t = 0; t < RTE_DIM(rig.tables); t++)
		rig.tables[t]->regions[i] = (struct rte_vhost_mem_region){ .guest_phys_addr = gpa,
			.host_user_addr = (uintptr_t)map + PAGE,
			.size = size,
			.fd = -1 };
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_eal_init();
	rig.pool = rte_pktmbuf_pool_create("fuzz", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	fuzz_check(rig.pool != NULL);
	rig.inflight = calloc(1,
		sizeof(*rig.inflight) + RING_SIZE_MAX * sizeof(rig.inflight->desc[0]));
	fuzz_check(rig.inflight != NULL);
	rig.callfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fuzz_check(rig.callfd >= 0);
	for (size_t i = 0; i < RTE_DIM(rig.tables); i++) {
		rig.tables[i] = calloc(1,
			sizeof(*rig.tables[i]) + (REGIONS + 1) * sizeof(rig.tables[i]->regions[0]));
		fuzz_check(rig.tables[i] != NULL);
		rig.tables[i]->nregions = i == 0 ? REGIONS + 1 : REGIONS - 1;
	}
	for (uint32_t i = 0; i < REGIONS; i++)
		map_region(i, BASE + i * REGION_SIZE, REGION_SIZE);
	map_region(REGIONS, GIANT_BASE, GIANT_SIZE);
	rig.layout = (struct vhost_vring_layout){ .desc = at(0),
		.driver = at(DRIVER_AREA),
		.device = at(DEVICE_AREA),
		.log_gpa = BASE + DEVICE_AREA };
	return 0;
}

/* --- What the driver does ------------------------------------------------------------------ */

static bool
is_packed(void)
{
	return (rig.vr.flags & VHOST_VRING_PACKED) != 0;
}

/* Mostly somewhere in memory, now and then in the largest region, or anywhere. */
static uint64_t
take_gpa(struct fuzz_input *in)
{
	uint16_t offset = fuzz_u16(in);

	if (offset == UINT16_MAX)
		return fuzz_u64(in);
	return offset >= GIANT ? GIANT_BASE + (offset - GIANT) : BASE + offset;
}

/* Mostly short; the longest are as long as it goes. */
static uint32_t
take_len(struct fuzz_input *in)
{
	uint16_t len = fuzz_u16(in);

	if (len == UINT16_MAX)
		return fuzz_u32(in);
	return len >= LONG ? UINT32_MAX - (UINT16_MAX - len) : len;
}

static void
write_bytes(struct fuzz_input *in)
{
	uint64_t offset = fuzz_u16(in) % MEMORY_SIZE;

	for (uint8_t n = fuzz_u8(in); n > 0 && offset < MEMORY_SIZE; n--, offset++)
		*at(offset) = fuzz_u8(in);
}

static void
write_desc(struct fuzz_input *in)
{
	uint64_t offset = fuzz_u16(in) % (MEMORY_SIZE - sizeof(struct vring_desc));
	struct vring_desc d = { .addr = take_gpa(in), .len = take_len(in) };

	d.flags = fuzz_u16(in);
	d.next = fuzz_u16(in);
	for (size_t i = 0; i < sizeof(d); i++)
		*at(offset + i) = ((const uint8_t *)&d)[i];
}

static void
offer_split(struct fuzz_input *in, uint16_t n)
{
	struct vring_desc *descs = rig.layout.desc;
	struct vring_avail *avail = rig.layout.driver;
	uint16_t size = rig.layout.size, head = fuzz_u8(in);

	for (uint16_t i = 0; i < n; i++) {
		uint16_t flags = fuzz_u8(in) & 7;

		descs[(head + i) % size] = (struct vring_desc){ take_gpa(in), take_len(in), flags,
			(head + i + 1) % size };
	}
	avail->ring[rig.avail % size] = head % size;
	avail->idx = ++rig.avail;
}

static void
offer_packed(struct fuzz_input *in, uint16_t n)
{
	struct vring_packed_desc *descs = rig.layout.desc;

	for (uint16_t i = 0; i < n; i++) {
		struct vring_packed_desc *d = &descs[rig.avail];

		d->flags = (fuzz_u8(in) & 7) |
			1u << (rig.wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
		d->addr = take_gpa(in);
		d->len = take_len(in);
		d->id = fuzz_u8(in);
		if (++rig.avail == rig.layout.size) {
			rig.avail = 0;
			rig.wrap = !rig.wrap;
		}
	}
}

static void
jump(struct fuzz_input *in)
{
	if (is_packed())
		*(uint32_t *)rig.layout.driver = fuzz_u32(in);
	else
		((struct vring_avail *)rig.layout.driver)->idx = fuzz_u16(in);
}

/* --- What the device does ------------------------------------------------------------------ */

static void
check_log(void)
{
	for (uint64_t offset = 0; offset < MEMORY_SIZE; offset += PAGE) {
		uint64_t page = (BASE + offset) / PAGE;

		fuzz_check((rig.bitmap[page / 8] & 1u << page % 8) != 0 ||
			memcmp(rig.before + offset, at(offset), PAGE) == 0);
	}
}

static void
remember_memory(void)
{
	memset(rig.bitmap, 0, sizeof(rig.bitmap));
	for (uint64_t offset = 0; offset < MEMORY_SIZE; offset += PAGE)
		memcpy(rig.before + offset, at(offset), PAGE);
}

static void
check_frame(const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
	const char *why;

	fuzz_check(rte_mbuf_check(m, 1, &why) == 0);
	fuzz_check(m->pkt_len >= NET_FRAME_MIN && m->pkt_len <= NET_FRAME_MAX);
	if (rig.vr.mbuf_flags & RTE_VHOST_USER_LINEARBUF_SUPPORT)
		fuzz_check(m->nb_segs == 1);
	if (l4 != 0)
		fuzz_check(m->l2_len + m->l3_len + 8u <= m->pkt_len);
	if (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) {
		fuzz_check(m->tso_segsz != 0);
		fuzz_check(m->l2_len + m->l3_len + 0u + m->l4_len <= m->pkt_len);
	}
}

static void
dequeue(struct fuzz_input *in)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t want = fuzz_u8(in) % BURST + 1;
	uint16_t n = vhost_net_dequeue(&rig.vr, rig.pool, pkts, want);

	fuzz_check(n <= want);
	for (uint16_t i = 0; i < n; i++)
		check_frame(pkts[i]);
	rte_pktmbuf_free_bulk(pkts, n);
}

/* A frame as an application may pass it: lengths within the frame, any flags. */
static struct rte_mbuf *
make_frame(struct fuzz_input *in)
{
	static const uint64_t flags[] = { RTE_MBUF_F_TX_TCP_CKSUM, RTE_MBUF_F_TX_SCTP_CKSUM,
		RTE_MBUF_F_TX_TCP_SEG, RTE_MBUF_F_TX_UDP_SEG, RTE_MBUF_F_TX_IP_CKSUM,
		RTE_MBUF_F_TX_IPV4, RTE_MBUF_F_TX_IPV6, RTE_MBUF_F_TX_TUNNEL_VXLAN };
	uint32_t len = RTE_ETHER_HDR_LEN + fuzz_u16(in) % 9000;
	uint8_t chosen = fuzz_u8(in), cut = fuzz_u8(in);
	uint32_t piece = cut == 0 ? RTE_MBUF_DEFAULT_DATAROOM : RTE_MAX(cut * 8u, len / 8 + 1);
	struct rte_mbuf *m = NULL, **link = &m;
	uint16_t segs = 0;

	for (uint32_t left = len; left > 0; link = &(*link)->next, segs++) {
		uint32_t n = RTE_MIN(RTE_MIN(left, piece), (uint32_t)RTE_MBUF_DEFAULT_DATAROOM);

		*link = rte_pktmbuf_alloc(rig.pool);
		fuzz_check(*link != NULL);
		fuzz_bytes(in, rte_pktmbuf_append(*link, n), RTE_MIN(n, 40u));
		left -= n;
	}
	m->nb_segs = segs;
	m->pkt_len = len;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		if (chosen & 1u << i)
			m->ol_flags |= flags[i];
	}
	m->l2_len = fuzz_u8(in);
	m->l3_len = fuzz_u8(in);
	m->l4_len = fuzz_u8(in);
	m->tso_segsz = fuzz_u16(in);
	return m;
}

static void
enqueue(struct fuzz_input *in)
{
	struct rte_mbuf *pkts[8];
	uint16_t want = fuzz_u8(in) % RTE_DIM(pkts) + 1;

	for (uint16_t i = 0; i < want; i++)
		pkts[i] = make_frame(in);
	fuzz_check(vhost_net_enqueue(&rig.vr, pkts, want) <= want);
	for (uint16_t i = 0; i < want; i++)
		fuzz_check(rte_mbuf_refcnt_read(pkts[i]) == 1);
	rte_pktmbuf_free_bulk(pkts, want);
}

static void
set_log(struct fuzz_input *in)
{
	struct vhost_dirty_log log = { rig.bitmap, sizeof(rig.bitmap) };

	rig.logged = (rig.vr.flags & VHOST_VRING_LOG) != 0 && (fuzz_u8(in) & 1) != 0;
	vhost_vring_set_log(&rig.vr, rig.logged ? &log : NULL);
}

static void
restart(void)
{
	uint16_t base = rig.avail | (is_packed() && rig.wrap ? 1u << 15 : 0);

	vhost_vring_stop(&rig.vr);
	fuzz_check(vhost_vring_set_base(&rig.vr, base, base) == 0);
	vhost_vring_start(&rig.vr, rig.memory);
}

/* --- An input ------------------------------------------------------------------------------ */

static void
agree(struct fuzz_input *in)
{
	static const uint8_t bits[] = { VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_F_VERSION_1,
		VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
		VHOST_F_LOG_ALL, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM,
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_UFO };
	uint16_t chosen = fuzz_u16(in);
	uint8_t size = fuzz_u8(in);
	uint64_t features = 0;

	for (size_t i = 0; i < RTE_DIM(bits); i++) {
		if (chosen & 1u << i)
			features |= F(bits[i]);
	}
	vhost_vring_init(&rig.vr, "fuzz");
	rig.vr.flags |= VHOST_VRING_STATS;
	vhost_vring_set_features(&rig.vr, features);
	rig.vr.mbuf_flags = (chosen & 1 << 13 ? RTE_VHOST_USER_LINEARBUF_SUPPORT : 0) |
		(chosen & 1 << 14 ? RTE_VHOST_USER_EXTBUF_SUPPORT : 0) |
		(chosen & 1 << 15 ? RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS : 0);
	rig.layout.size = is_packed() ? size % RING_SIZE_MAX + 1 : 1 << size % 7;
	fuzz_check(vhost_vring_set_layout(&rig.vr, &rig.layout) == 0);
	vhost_vring_set_callfd(&rig.vr, rig.callfd);
	memset(rig.inflight->desc, 0, RING_SIZE_MAX * sizeof(rig.inflight->desc[0]));
	if (is_packed() && (chosen & 1 << 12))
		vhost_vring_set_inflight(&rig.vr, rig.inflight);
	rig.memory = rig.tables[0];
	rig.logged = false;
	rig.avail = 0;
	rig.wrap = true;
	restart();
}

static void
step(struct fuzz_input *in)
{
	switch ((enum step)(fuzz_u8(in) % STEPS)) {
	case WRITE_BYTES:
		write_bytes(in);
		break;
	case WRITE_DESC:
		write_desc(in);
		break;
	case OFFER_CHAIN:
		if (is_packed())
			offer_packed(in, fuzz_u8(in) % 8 + 1);
		else
			offer_split(in, fuzz_u8(in) % 8 + 1);
		break;
	case JUMP:
		jump(in);
		break;
	case DEQUEUE:
		dequeue(in);
		break;
	case ENQUEUE:
		enqueue(in);
		break;
	case KICKS:
		vhost_vring_enable_kicks(&rig.vr, (fuzz_u8(in) & 1) != 0);
		fuzz_check(vhost_vring_available(&rig.vr) <= rig.layout.size);
		break;
	case SET_LOG:
		set_log(in);
		break;
	case SET_MEMORY:
		rig.memory = rig.tables[fuzz_u8(in) & 1];
		vhost_vring_set_memory(&rig.vr, rig.memory);
		break;
	case RESTART:
	case STEPS:
		restart();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	eventfd_t calls;

	for (uint64_t offset = 0; offset < MEMORY_SIZE; offset += PAGE)
		memset(at(offset), 0, PAGE);
	agree(&in);
	while (in.left > 0) {
		bool device = in.at[0] % STEPS >= DEQUEUE && in.at[0] % STEPS <= KICKS;

		if (device && rig.logged)
			remember_memory();
		step(&in);
		if (device && rig.logged)
			check_log();
	}
	vhost_vring_stop(&rig.vr);
	fuzz_check(rte_mempool_avail_count(rig.pool) == POOL_SIZE);
	fuzz_check(madvise((void *)(uintptr_t)rig.tables[0]->regions[REGIONS].host_user_addr,
			   GIANT_SIZE, MADV_DONTNEED) == 0);
	(void)!eventfd_read(rig.callfd, &calls);
	return 0;
}

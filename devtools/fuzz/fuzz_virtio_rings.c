/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The front end's rings and a hostile device: one that writes what it likes into rings, tables and
 * buffers between bursts, in each format, with each instruction set. The first bytes of an input
 * say what was agreed, the others are the steps of enum step.
 *
 * Besides what the sanitizers find, which watch rings and queues as these are from the C library's
 * heap here: frames are consistent in themselves, no mbuf is lost or handed out twice, and no
 * descriptor says more than there is.
 */

#include <linux/virtio_config.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "datapath.h"
#include "device.h"
#include "heap.h"
#include "offload.h"
#include "transport.h"

#define F(bit) (UINT64_C(1) << (bit))
#define POOL_SIZE 1023
#define DATA_ROOM 256
#define RING_SIZE_MAX 64
#define BURST 64

enum step {
	BURST_NOW,
	RETURN_ONE,  /**< as a device should, or nearly so */
	WRITE_RING,  /**< anywhere in descriptors, driver's and device's area */
	WRITE_TABLE, /**< anywhere in tables for frames of many segments */
	WRITE_HEADER,
	LOOK, /**< what is waiting? */
	FILL,
	INTERRUPTS,
	RESET,
	RETURN_SHORT, /**< few bytes, before what looks like a tag */
	STEPS
};

/* Bit for bit of an input's first two bytes. */
static const uint64_t features[] = {
	F(VIRTIO_F_VERSION_1),
	F(VIRTIO_F_RING_PACKED),
	F(VIRTIO_F_IN_ORDER),
	F(VIRTIO_NET_F_MRG_RXBUF),
	F(VIRTIO_RING_F_INDIRECT_DESC),
	F(VIRTIO_RING_F_EVENT_IDX),
	F(VIRTIO_NET_F_CSUM),
	F(VIRTIO_NET_F_GUEST_CSUM),
};

static const uint16_t vectors[] = { RTE_VECT_SIMD_DISABLED, RTE_VECT_SIMD_256, RTE_VECT_SIMD_512,
	RTE_VECT_SIMD_128 };

static struct rte_eth_dev_data data = { .port_id = 7 };
static struct rte_eth_dev eth = { .data = &data };
static struct rte_mempool *pool;

/* The honest half of the device. */
static struct {
	struct virtio_queue *q;
	uint64_t agreed;
	uint16_t used; /* split: index, packed: position */
	bool wrap;
} rig;

static void
ignore(struct virtio_queue *q)
{
	(void)q;
}

static void
see_failure(struct virtio_queue *q)
{
	fuzz_check(virtio_queue_failed(q) && !q->running);
}

static const struct virtio_transport_ops transport = {
	.name = "fuzz",
	.notify = ignore,
	.queue_failed = see_failure,
};

static struct virtio_device device = { .transport = &transport, .eth = &eth, .name = "fuzz" };

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_eal_init();
	fuzz_check(virtio_queue_init() == 0);
	pool = rte_pktmbuf_pool_create("fuzz", POOL_SIZE, 0, 0, DATA_ROOM + RTE_PKTMBUF_HEADROOM,
		SOCKET_ID_ANY);
	fuzz_check(pool != NULL);
	return 0;
}

static void
open_queue(struct fuzz_input *in)
{
	const uint8_t bits = fuzz_u8(in);
	const uint8_t how = fuzz_u8(in);
	const bool tx = how & 1;
	uint16_t size = 2 + fuzz_u8(in) % (RING_SIZE_MAX - 1);

	rig.agreed = 0;
	for (unsigned int i = 0; i < RTE_DIM(features); i++)
		if (bits & (1u << i))
			rig.agreed |= features[i];
	if (!(rig.agreed & F(VIRTIO_F_RING_PACKED)))
		size = (uint16_t)rte_align32prevpow2(size);
	rte_vect_set_max_simd_bitwidth(vectors[how >> 1 & 3]);
	device.vectorized = true;
	rig.q = virtio_queue_create(&device, tx, size, SOCKET_ID_ANY);
	fuzz_check(rig.q != NULL);
	rig.q->batch = RTE_MAX(1, RTE_MIN((how >> 3 & 3) * 8, size));
	rig.q->nb_segs_max = RTE_MIN(VIRTIO_TX_SEGS_MAX, size - 1);
	if (how & 0x20)
		rig.q->flags |= tx ? VIRTIO_QUEUE_FAST_FREE : VIRTIO_QUEUE_VLAN_STRIP;
	if (!tx) {
		rig.q->pool = pool;
		rig.q->room = RTE_PKTMBUF_HEADROOM + (how & 0x40 ? 16 : 0);
		rig.q->data_room = rte_pktmbuf_data_room_size(pool);
	}
}

static void
restart_queue(void)
{
	virtio_queues_quiesce(&rig.q, 1);
	virtio_queue_reset(rig.q, rig.agreed);
	rig.used = 0;
	rig.wrap = true;
	if (!virtio_queue_is_tx(rig.q))
		virtio_rx_fill(rig.q);
	virtio_queue_run(rig.q);
}

/* A frame as the application must see it, whatever the device said. */
static void
check_frame(const struct rte_mbuf *m)
{
	uint32_t len = 0;
	uint16_t segs = 0;

	fuzz_check(m->port == data.port_id);
	fuzz_check(m->nb_segs <= rig.q->size);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		fuzz_check(rte_mbuf_refcnt_read(s) == 1);
		fuzz_check(RTE_MBUF_DIRECT(s));
		fuzz_check((uint32_t)s->data_off + s->data_len <= s->buf_len);
		len += s->data_len;
		segs++;
	}
	fuzz_check(segs == m->nb_segs);
	fuzz_check(len == m->pkt_len);
	fuzz_check(m->data_len >= RTE_ETHER_HDR_LEN);
}

static void
receive(uint16_t n)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t got = virtio_rx_burst(rig.q, pkts, n);

	fuzz_check(got <= n);
	for (uint16_t i = 0; i < got; i++) {
		check_frame(pkts[i]);
		/* Whoever has it twice writes it twice. */
		memset(rte_pktmbuf_mtod(pkts[i], void *), i, pkts[i]->data_len);
	}
	rte_pktmbuf_free_bulk(pkts, got);
}

/* A frame as applications have them: of several segments, cloned, with little headroom. */
static struct rte_mbuf *
make_frame(uint8_t kind)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *more;

	if (m == NULL)
		return NULL;
	if (kind & 8)
		m->data_off = kind & 16 ? 0 : 11;
	rte_pktmbuf_append(m, 60);
	for (uint8_t i = 0; i < (kind & 7); i++) {
		more = rte_pktmbuf_alloc(pool);
		if (more == NULL)
			break;
		rte_pktmbuf_append(more, 10);
		rte_pktmbuf_chain(m, more);
	}
	if (kind & 32) {
		more = rte_pktmbuf_clone(m, pool);
		rte_pktmbuf_free(m);
		m = more;
	}
	if (m != NULL && (kind & 64)) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
	}
	return m;
}

static void
transmit(struct fuzz_input *in, uint16_t n)
{
	struct rte_mbuf *pkts[BURST];
	const uint8_t kind = fuzz_u8(in);
	uint16_t made = 0, taken;

	/* Every third one is of the kind. */
	while (made < n && (pkts[made] = make_frame(made % 3 == 0 ? kind : 0)) != NULL)
		made++;
	taken = virtio_tx_burst(rig.q, pkts, made);
	fuzz_check(taken <= made);
	rte_pktmbuf_free_bulk(&pkts[taken], made - taken);
}

/* Return what the ring has at the device's position, or nearly so. */
static void
return_buffer(uint8_t id_off, uint8_t skip, uint32_t len)
{
	struct virtio_queue *q = rig.q;

	if (rig.agreed & F(VIRTIO_F_RING_PACKED)) {
		struct vring_packed_desc *d = &q->packed[rig.used];

		d->id += id_off;
		d->len = len;
		d->flags = rig.wrap ?
			1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED :
			0;
		rig.used += 1 + skip % q->size;
		if (rig.used >= q->size) {
			rig.used -= q->size;
			rig.wrap = !rig.wrap;
		}
		return;
	}
	rig.used += skip;
	q->used->ring[rig.used & q->mask] = (struct vring_used_elem){
		.id = (uint32_t)q->avail->ring[rig.used & q->mask] + id_off,
		.len = len,
	};
	q->used->idx = ++rig.used;
}

static void
return_one(struct fuzz_input *in)
{
	const uint8_t id_off = fuzz_u8(in), skip = fuzz_u8(in);

	return_buffer(id_off, skip, fuzz_u16(in));
}

/* What a tag is looked for in is there, from an earlier frame, and the frame ends before it. */
static void
return_short(struct fuzz_input *in)
{
	struct virtio_queue *q = rig.q;
	const struct rte_mbuf *m = q->mbufs[rig.used % q->size];
	const uint32_t len = fuzz_u8(in) % (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN);

	if (m != NULL && !virtio_queue_is_tx(q))
		memcpy((uint8_t *)m->buf_addr + q->room + 2 * RTE_ETHER_ADDR_LEN, "\x81", 2);
	return_buffer(0, 0, q->hdr_len + len);
}

static size_t
ring_bytes(const struct virtio_queue *q)
{
	return (size_t)((const uint8_t *)&q->used->ring[q->size] - (const uint8_t *)q->ring.mem) +
		sizeof(uint16_t);
}

static void
write_at(struct fuzz_input *in, void *area, size_t size)
{
	const size_t at = fuzz_u16(in) % size;
	const size_t len = RTE_MIN(size - at, (size_t)fuzz_u8(in) % 32 + 1);

	fuzz_bytes(in, (uint8_t *)area + at, len);
}

/* The buffer of one descriptor: as much of it as a device was told, which must be in the mbuf. */
static void
write_header(struct fuzz_input *in)
{
	struct virtio_queue *q = rig.q;
	const uint16_t slot = fuzz_u8(in) % q->size;
	const struct rte_mbuf *m = q->mbufs[slot];

	if (m == NULL || virtio_queue_is_tx(q))
		return;
	fuzz_check(q->buf_off + q->buf_len <= m->buf_len);
	write_at(in, (uint8_t *)m->buf_addr + q->buf_off, q->hdr_len + 32u);
}

static void
step(struct fuzz_input *in)
{
	struct virtio_queue *q = rig.q;
	uint16_t n;

	switch ((enum step)(fuzz_u8(in) % STEPS)) {
	case BURST_NOW:
		n = fuzz_u8(in) % (BURST + 1);
		if (virtio_queue_is_tx(q))
			transmit(in, n);
		else
			receive(n);
		break;
	case RETURN_ONE:
		return_one(in);
		break;
	case WRITE_RING:
		write_at(in, q->ring.mem, ring_bytes(q));
		break;
	case WRITE_TABLE:
		if (virtio_queue_is_tx(q))
			write_at(in, q->tables, (q->table_mask + 1u) * sizeof(*q->tables));
		break;
	case WRITE_HEADER:
		write_header(in);
		break;
	case LOOK:
		n = fuzz_u16(in);
		fuzz_check(virtio_queue_waiting(q, n) <= RTE_MIN(n, q->size));
		break;
	case FILL:
		if (!q->running)
			break;
		if (virtio_queue_is_tx(q))
			fuzz_check(virtio_tx_reclaim(q, 1 + q->size / 2) <= q->size);
		else
			fuzz_check(virtio_rx_fill(q) <= q->size);
		break;
	case INTERRUPTS:
		q->sleeps = fuzz_u8(in) & 1;
		virtio_queue_interrupt(q);
		break;
	case RESET:
		restart_queue();
		break;
	case RETURN_SHORT:
		return_short(in);
		break;
	default:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct fuzz_input in = { .at = input, .left = size };

	open_queue(&in);
	restart_queue();
	while (in.left > 0)
		step(&in);
	virtio_queues_quiesce(&rig.q, 1);
	virtio_queue_destroy(rig.q);
	fuzz_check(rte_mempool_avail_count(pool) == POOL_SIZE);
	return 0;
}

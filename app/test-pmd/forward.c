/* SPDX-License-Identifier: BSD-3-Clause */
#include "forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "frame.h"
#include "pool.h"
#include "port.h"
#include "port_setup.h"
#include "stats.h"

/* RFC 2544's benchmarking network (198.18.0.1 and .2; RTE_IPV4() overflows an int), and the
 * discard port. */
#define FLOW_IP_SRC UINT32_C(0xc6120001)
#define FLOW_IP_DST UINT32_C(0xc6120002)
#define FLOW_UDP_PORT 9

/* A first burst that a queue refuses is offered again so often: its consumer may be starting. */
#define FIRST_BURST_TRIES 4096

/* One stream and who serves it, before there is memory for either. */
struct plan_stream {
	uint16_t rx_port, rx_queue, tx_port, tx_queue;
	uint16_t group; /* streams of a group stay on one lcore */
	uint16_t lcore; /* index into the plan's lcores */
};

struct plan {
	const struct fwd_engine *engine;
	uint16_t ports[RTE_MAX_ETHPORTS];
	unsigned int port_count;
	struct plan_stream *streams;
	unsigned int stream_count;
	unsigned int lcores[RTE_MAX_LCORE];
	unsigned int lcore_count;
};

static struct {
	bool running;
	const struct fwd_engine *engine;
	struct fwd_stream **streams;
	unsigned int stream_count;
	struct fwd_lcore *lcores;
	unsigned int lcore_count;
	uint16_t pending; /* streams that have not come to their end */
	int done_fd;
} fwd = { .done_fd = -1 };

static bool
port_chosen(uint16_t id)
{
	return config.port_mask == 0 || (id < 64 && (config.port_mask >> id & 1) != 0);
}

static unsigned int
choose_ports(uint16_t *ids)
{
	unsigned int count = 0;

	FOREACH_PORT(id) {
		if (!port_chosen(id) || !port_find(id)->started)
			continue;
		if (config.nb_ports != 0 && count == config.nb_ports)
			break;
		ids[count++] = id;
	}
	return count;
}

/* Where what the port at an index receives goes to. */
static unsigned int
peer_index(unsigned int index, unsigned int count)
{
	switch (config.topology) {
	case TOPOLOGY_LOOP:
		return index;
	case TOPOLOGY_CHAINED:
		return (index + 1) % count;
	default:
		return (index ^ 1) < count ? index ^ 1 : index;
	}
}

/* Processes that share a port have a row of its queues each. */
static bool
queue_is_ours(uint16_t queue, uint16_t queues)
{
	return queue >= (uint32_t)queues * config.proc_id / config.num_procs &&
		queue < (uint32_t)queues * (config.proc_id + 1) / config.num_procs;
}

static unsigned int
queues_of(const struct port *rx, const struct port *tx, unsigned int flags)
{
	return (flags & FWD_RX) != 0 ? rx->rxq : tx->txq;
}

/* Streams that share a transmit queue share a group. */
static uint16_t
group_of(const struct plan *plan, const struct plan_stream *stream, uint16_t *groups)
{
	if ((plan->engine->flags & FWD_TX) != 0) {
		for (unsigned int i = 0; i < plan->stream_count; i++) {
			if (plan->streams[i].tx_port == stream->tx_port &&
				plan->streams[i].tx_queue == stream->tx_queue)
				return plan->streams[i].group;
		}
	}
	return (*groups)++;
}

static uint16_t
plan_streams(struct plan *plan)
{
	unsigned int flags = plan->engine->flags;
	uint16_t groups = 0;

	for (uint16_t q = 0; q < QUEUES_MAX; q++) {
		for (unsigned int i = 0; i < plan->port_count; i++) {
			uint16_t rx_port = plan->ports[i];
			bool same = (flags & FWD_SAME_PORT) != 0;
			uint16_t tx_port = plan->ports[same ? i : peer_index(i, plan->port_count)];
			const struct port *tx = port_find(tx_port);
			struct plan_stream stream = {
				.rx_port = rx_port,
				.rx_queue = q,
				.tx_port = tx_port,
				.tx_queue = q % tx->txq,
			};

			if (!queue_is_ours(q, queues_of(port_find(rx_port), tx, flags)))
				continue;
			stream.group = group_of(plan, &stream, &groups);
			plan->streams[plan->stream_count++] = stream;
		}
	}
	return groups;
}

/* A stream that goes from a port to another stays among the queues of one process. */
static int
check_shares(const struct plan *plan)
{
	const uint16_t queues = port_find(plan->ports[0])->rxq;

	for (unsigned int i = 0; i < plan->port_count && config.num_procs > 1; i++) {
		const struct port *port = port_find(plan->ports[i]);

		if (port->rxq == queues && port->txq == queues)
			continue;
		printf("Ports that processes share need as many queues as each other, of both "
		       "kinds: port %u has %u to receive and %u to transmit\n",
			plan->ports[i], port->rxq, port->txq);
		return -1;
	}
	return 0;
}

static int
plan_make(struct plan *plan)
{
	unsigned int lcore, queues = 0;
	uint16_t groups;

	*plan = (struct plan){ .engine = config.engine };
	plan->port_count = choose_ports(plan->ports);
	if (plan->port_count == 0) {
		printf("No port to forward on: 'port attach', 'port start', or another --portmask\n");
		return -1;
	}
	for (unsigned int i = 0; i < plan->port_count; i++) {
		const struct port *port = port_find(plan->ports[i]);

		queues += RTE_MAX(port->rxq, port->txq);
	}
	if (check_shares(plan) < 0)
		return -1;
	/* A port's own receive queues, or its peer's transmit queues: twice the sum holds both. */
	plan->streams = calloc(2 * (size_t)queues, sizeof(*plan->streams));
	if (plan->streams == NULL) {
		printf("No memory for %u streams\n", 2 * queues);
		return -1;
	}
	groups = plan_streams(plan);
	if (groups == 0) {
		printf("No queue is left for process %u of %u: ports need more, see --rxq and --txq\n",
			config.proc_id, config.num_procs);
		free(plan->streams);
		return -1;
	}
	RTE_LCORE_FOREACH_WORKER(lcore) {
		if (config.core_mask != 0 && (lcore >= 64 || (config.core_mask >> lcore & 1) == 0))
			continue;
		if (plan->lcore_count < RTE_MIN(config.nb_cores, groups))
			plan->lcores[plan->lcore_count++] = lcore;
	}
	if (plan->lcore_count == 0) {
		printf("No lcore to forward on: the first one reads commands, give EAL a second with -l\n");
		free(plan->streams);
		return -1;
	}
	for (unsigned int i = 0; i < plan->stream_count; i++)
		plan->streams[i].lcore = (uint16_t)((uint32_t)plan->streams[i].group *
			plan->lcore_count / groups);
	return 0;
}

static void
plan_print(const struct plan *plan)
{
	printf("%s packet forwarding - ports=%u - cores=%u - streams=%u\n", plan->engine->name,
		plan->port_count, plan->lcore_count, plan->stream_count);
	for (unsigned int l = 0; l < plan->lcore_count; l++) {
		unsigned int mine = 0;

		for (unsigned int i = 0; i < plan->stream_count; i++)
			mine += plan->streams[i].lcore == l;
		printf("Logical Core %u (socket %u) forwards packets on %u streams:\n",
			plan->lcores[l], rte_lcore_to_socket_id(plan->lcores[l]), mine);
		for (unsigned int i = 0; i < plan->stream_count; i++) {
			const struct plan_stream *s = &plan->streams[i];

			if (s->lcore != l)
				continue;
			printf("  RX P=%u/Q=%u (socket %d) -> TX P=%u/Q=%u (socket %d) peer=" RTE_ETHER_ADDR_PRT_FMT
			       "\n",
				s->rx_port, s->rx_queue, RTE_MAX(port_find(s->rx_port)->socket, 0),
				s->tx_port, s->tx_queue, RTE_MAX(port_find(s->tx_port)->socket, 0),
				RTE_ETHER_ADDR_BYTES(&config.peer[s->tx_port]));
		}
	}
}

void
fwd_show_config(void)
{
	struct plan plan;

	if (plan_make(&plan) < 0)
		return;
	plan_print(&plan);
	printf("\n  %s packet forwarding packets/burst=%u%s\n", config.engine->name, config.burst,
		config.retry ? " with retry" : "");
	if (config.max_sleep != 0)
		printf("  idle lcores sleep up to %u us\n", config.max_sleep);
	for (unsigned int i = 0; i < plan.port_count; i++) {
		const struct port *port = port_find(plan.ports[i]);

		printf("  port %u: RX queue number: %u Tx queue number: %u\n", plan.ports[i],
			port->rxq, port->txq);
		printf("    Rx offloads=0x%" PRIx64 " Tx offloads=0x%" PRIx64 "\n",
			port->rx_offloads, port->tx_offloads);
		printf("    RX desc=%u TX desc=%u\n", port->rxd, port->txd);
	}
	free(plan.streams);
}

void
fwd_free(void)
{
	for (unsigned int i = 0; i < fwd.stream_count; i++) {
		struct fwd_stream *stream = fwd.streams[i];

		if (stream == NULL)
			continue;
		if (fwd.engine->end != NULL)
			fwd.engine->end(stream);
		frame_template_free(stream->template);
		rte_free(stream);
	}
	for (unsigned int i = 0; i < fwd.lcore_count; i++)
		free(fwd.lcores[i].streams);
	free(fwd.streams);
	rte_free(fwd.lcores);
	fwd.streams = NULL;
	fwd.lcores = NULL;
	fwd.stream_count = 0;
	fwd.lcore_count = 0;
}

static struct frame_template *
template_new(const struct fwd_stream *stream, int socket)
{
	struct frame_flow flow = {
		.dst = stream->peer,
		.src = stream->self,
		.ip_src = config.tx_ip_src != 0 ? config.tx_ip_src : FLOW_IP_SRC,
		.ip_dst = config.tx_ip_dst != 0 ? config.tx_ip_dst : FLOW_IP_DST,
		.udp_src = config.tx_udp_src != 0 ? config.tx_udp_src : FLOW_UDP_PORT,
		.udp_dst = config.tx_udp_dst != 0 ? config.tx_udp_dst : FLOW_UDP_PORT,
	};

	return frame_template_new(&flow, config.tx_lengths, config.tx_segments, socket);
}

/* On failure the stream is half made, and fwd_free() frees what there is of it. */
static int
stream_make(const struct plan *plan, unsigned int id)
{
	const struct plan_stream *planned = &plan->streams[id];
	int socket = (int)rte_lcore_to_socket_id(plan->lcores[planned->lcore]);
	struct fwd_stream *stream;

	stream = rte_zmalloc_socket("fwd_stream", sizeof(*stream), RTE_CACHE_LINE_SIZE, socket);
	fwd.streams[id] = stream;
	if (stream == NULL)
		return -ENOMEM;
	stream->rx_port = planned->rx_port;
	stream->rx_queue = planned->rx_queue;
	stream->tx_port = planned->tx_port;
	stream->tx_queue = planned->tx_queue;
	stream->burst = config.burst;
	stream->id = (uint16_t)id;
	stream->retry_count = config.retry ? config.retry_count : 0;
	stream->retry_delay = config.retry_delay;
	stream->peer = config.peer[planned->tx_port];
	stream->self = port_find(planned->tx_port)->mac;
	stream->pool = pool_get(port_find(planned->tx_port)->socket);
	stream->engine = plan->engine;
	if (stream->pool == NULL)
		return -ENOMEM;
	if ((plan->engine->flags & FWD_TX) != 0) {
		stream->template = template_new(stream, socket);
		if (stream->template == NULL)
			return -ENOMEM;
	}
	return plan->engine->begin != NULL ? plan->engine->begin(stream) : 0;
}

static int
lcores_make(const struct plan *plan, uint32_t tx_first)
{
	fwd.lcores = rte_zmalloc("fwd_lcores", plan->lcore_count * sizeof(*fwd.lcores),
		RTE_CACHE_LINE_SIZE);
	if (fwd.lcores == NULL)
		return -ENOMEM;
	fwd.lcore_count = plan->lcore_count;
	for (unsigned int l = 0; l < plan->lcore_count; l++) {
		struct fwd_lcore *lcore = &fwd.lcores[l];

		lcore->lcore_id = plan->lcores[l];
		lcore->engine = plan->engine;
		lcore->tx_first = tx_first;
		lcore->max_sleep = config.max_sleep;
		lcore->streams = calloc(plan->stream_count, sizeof(struct fwd_stream *));
		if (lcore->streams == NULL)
			return -ENOMEM;
		for (unsigned int i = 0; i < plan->stream_count; i++) {
			if (plan->streams[i].lcore == l)
				lcore->streams[lcore->stream_count++] = fwd.streams[i];
		}
	}
	return 0;
}

static int
streams_make(const struct plan *plan, uint32_t tx_first)
{
	int ret = 0;

	fwd_free();
	fwd.engine = plan->engine;
	fwd.streams = calloc(plan->stream_count, sizeof(struct fwd_stream *));
	if (fwd.streams == NULL)
		return -ENOMEM;
	fwd.stream_count = plan->stream_count;
	for (unsigned int i = 0; i < plan->stream_count && ret == 0; i++)
		ret = stream_make(plan, i);
	if (ret == 0)
		ret = lcores_make(plan, tx_first);
	if (ret != 0)
		fwd_free();
	return ret;
}

static void
send_first(struct fwd_stream *stream)
{
	struct rte_mbuf *pkts[BURST_MAX];
	uint16_t count = frame_make(stream->template, stream->pool, pkts, stream->burst);
	uint64_t sent_bytes;
	uint16_t sent = 0;

	for (unsigned int tries = 0; sent < count && tries < FIRST_BURST_TRIES; tries++) {
		sent += rte_eth_tx_burst(stream->tx_port, stream->tx_queue, pkts + sent,
			(uint16_t)(count - sent));
		if (sent < count)
			rte_pause();
	}
	sent_bytes = (uint64_t)sent * stream->template->length;
	stream->counters.tx_packets += sent;
	stream->counters.tx_bytes += sent_bytes;
	stream->counters.tx_dropped += (uint16_t)(count - sent);
	rte_pktmbuf_free_bulk(pkts + sent, (unsigned int)(count - sent));
}

static int
lcore_main(void *arg)
{
	struct fwd_lcore *lcore = arg;

	/* Linux adds 50 microseconds to any sleep, unless told otherwise. */
	if (lcore->max_sleep != 0)
		prctl(PR_SET_TIMERSLACK, 1000UL);
	for (unsigned int n = 0; n < lcore->tx_first && !fwd_stopping(lcore); n++) {
		for (unsigned int i = 0; i < lcore->stream_count; i++)
			send_first(lcore->streams[i]);
	}
	lcore->engine->run(lcore);
	return 0;
}

/* What waits in the queues from before would be counted as this run's. */
static void
flush_queues(const struct plan *plan)
{
	struct rte_mbuf *pkts[BURST_MAX];

	for (unsigned int i = 0; i < plan->port_count; i++) {
		const uint16_t queues = port_find(plan->ports[i])->rxq;

		for (uint16_t q = 0; q < queues; q++) {
			uint16_t count;
			/* A peer that never stops sending does not keep us from starting. */
			unsigned int bursts = queue_is_ours(q, queues) ? 64 : 0;

			for (count = 1; count != 0 && bursts != 0; bursts--) {
				count = rte_eth_rx_burst(plan->ports[i], q, pkts, BURST_MAX);
				rte_pktmbuf_free_bulk(pkts, count);
			}
		}
	}
}

static int
check_segments(const struct plan *plan)
{
	for (unsigned int i = 0; i < plan->port_count; i++) {
		if (port_takes_segments(port_find(plan->ports[i]), config.tx_segments))
			continue;
		printf("Port %u was not set up for frames of %u segments: "
		       "'port stop %u' and 'port start %u' do that\n",
			plan->ports[i], config.tx_segments, plan->ports[i], plan->ports[i]);
		return -1;
	}
	return 0;
}

int
fwd_init(void)
{
	fwd.done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fwd.done_fd >= 0)
		return 0;
	fprintf(stderr, "No descriptor for the end of forwarding: %s\n", strerror(errno));
	return -1;
}

int
fwd_start(uint32_t tx_first)
{
	struct plan plan;
	int ret;

	if (fwd.running) {
		printf("Packet forwarding already started\n");
		return -1;
	}
	if (tx_first != 0 && (config.engine->flags & (FWD_RX | FWD_TX)) != (FWD_RX | FWD_TX)) {
		printf("'start tx_first' needs an engine that receives and transmits, which %s does not\n",
			config.engine->name);
		return -1;
	}
	if (plan_make(&plan) < 0)
		return -1;
	ret = check_segments(&plan);
	if (ret == 0) {
		ret = streams_make(&plan, tx_first);
		if (ret != 0)
			printf("Forwarding does not start: %s\n", rte_strerror(-ret));
	}
	if (ret == 0) {
		plan_print(&plan);
		if (config.flush_rx)
			flush_queues(&plan);
		stats_fwd_begin();
		fwd.pending = (uint16_t)fwd.stream_count;
		fwd.running = true;
		for (unsigned int l = 0; l < fwd.lcore_count; l++)
			rte_eal_remote_launch(lcore_main, &fwd.lcores[l], fwd.lcores[l].lcore_id);
	}
	free(plan.streams);
	return ret == 0 ? 0 : -1;
}

void
fwd_stop(void)
{
	if (!fwd.running) {
		printf("Packet forwarding not started\n");
		return;
	}
	printf("Telling cores to stop...\n");
	for (unsigned int l = 0; l < fwd.lcore_count; l++)
		__atomic_store_n(&fwd.lcores[l].stop, true, __ATOMIC_RELAXED);
	printf("Waiting for lcores to finish...\n");
	for (unsigned int l = 0; l < fwd.lcore_count; l++)
		rte_eal_wait_lcore(fwd.lcores[l].lcore_id);
	fwd.running = false;
	stats_fwd_end();
	stats_fwd_show();
	printf("\nDone.\n");
}

bool
fwd_running(void)
{
	return fwd.running;
}

bool
fwd_uses_port(uint16_t id)
{
	for (unsigned int i = 0; fwd.running && i < fwd.stream_count; i++) {
		if (fwd.streams[i]->rx_port == id || fwd.streams[i]->tx_port == id)
			return true;
	}
	return false;
}

bool
fwd_passed(void)
{
	return config.seq_count == 0 || fwd.engine == NULL || fwd.engine->passed == NULL ||
		fwd.engine->passed();
}

unsigned int
fwd_streams(struct fwd_stream *const **streams)
{
	*streams = fwd.streams;
	return fwd.stream_count;
}

const struct fwd_engine *
fwd_last_engine(void)
{
	return fwd.engine;
}

int
fwd_done_fd(void)
{
	return fwd.done_fd;
}

void
fwd_stream_done(void)
{
	uint64_t one = 1;

	if (__atomic_sub_fetch(&fwd.pending, 1, __ATOMIC_RELAXED) == 0 &&
		write(fwd.done_fd, &one, sizeof(one)) != sizeof(one))
		printf("The main thread cannot be told that all streams are done\n");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>
#include <rte_ethdev.h>

#include "config.h"
#include "forward.h"
#include "json.h"
#include "port.h"
#include "seq_stats.h"
#include "stats.h"
#include "vdpa.h"

static FILE *file;

static void
write_xstats(struct json *json, uint16_t id)
{
	int count = rte_eth_xstats_get_names(id, NULL, 0);
	struct rte_eth_xstat_name *names = NULL;
	struct rte_eth_xstat *values = NULL;

	json_object(json, "xstats");
	if (count > 0) {
		names = calloc((size_t)count, sizeof(*names));
		values = calloc((size_t)count, sizeof(*values));
	}
	if (names != NULL && values != NULL &&
		rte_eth_xstats_get_names(id, names, (unsigned int)count) == count &&
		rte_eth_xstats_get(id, values, (unsigned int)count) == count) {
		for (int i = 0; i < count; i++)
			json_number(json, names[values[i].id].name, values[i].value);
	}
	json_end_object(json);
	free(names);
	free(values);
}

static void
write_port(struct json *json, uint16_t id)
{
	const struct port *port = port_find(id);
	struct rte_eth_link link = { 0 };
	struct rte_eth_stats stats = { 0 };

	if (port->closed || rte_eth_stats_get(id, &stats) != 0)
		return;
	if (rte_eth_link_get_nowait(id, &link) != 0)
		link.link_status = RTE_ETH_LINK_DOWN;
	json_object(json, NULL);
	json_number(json, "port", id);
	json_string(json, "device", port->device);
	json_string(json, "driver", port->info.driver_name);
	json_bool(json, "started", port->started);
	json_bool(json, "link", link.link_status == RTE_ETH_LINK_UP);
	json_number(json, "rx_packets", stats.ipackets);
	json_number(json, "rx_bytes", stats.ibytes);
	json_number(json, "rx_missed", stats.imissed);
	json_number(json, "rx_errors", stats.ierrors);
	json_number(json, "rx_nombuf", stats.rx_nombuf);
	json_number(json, "tx_packets", stats.opackets);
	json_number(json, "tx_bytes", stats.obytes);
	json_number(json, "tx_errors", stats.oerrors);
	write_xstats(json, id);
	json_end_object(json);
}

static void
write_stream(struct json *json, const struct fwd_stream *stream)
{
	struct fwd_counters c = stats_stream(stream);

	json_object(json, NULL);
	json_number(json, "rx_port", stream->rx_port);
	json_number(json, "rx_queue", stream->rx_queue);
	json_number(json, "tx_port", stream->tx_port);
	json_number(json, "tx_queue", stream->tx_queue);
	json_number(json, "rx_packets", c.rx_packets);
	json_number(json, "rx_bytes", c.rx_bytes);
	json_number(json, "tx_packets", c.tx_packets);
	json_number(json, "tx_bytes", c.tx_bytes);
	json_number(json, "tx_dropped", c.tx_dropped);
	json_end_object(json);
}

static void
write_seq(struct json *json)
{
	struct seq_stats s;

	if (!seq_stats_all(&s))
		return;
	json_object(json, "seq");
	json_number(json, "sent", s.sent);
	json_number(json, "received", s.received);
	json_number(json, "lost", s.lost);
	json_number(json, "duplicate", s.duplicate);
	json_number(json, "reordered", s.reordered);
	json_number(json, "corrupt", s.corrupt);
	json_number(json, "misrouted", s.misrouted);
	json_number(json, "foreign", s.foreign);
	json_number(json, "in_flight", s.in_flight);
	json_bool(json, "complete", s.complete);
	json_bool(json, "passed", seq_stats_passed());
	json_end_object(json);
}

static void
write_vdpa_queue(struct json *json, struct rte_vdpa_device *vdpa, uint16_t queue)
{
	struct rte_vdpa_stat_name *names;
	struct rte_vdpa_stat *values;
	size_t count = vdpa_counters(vdpa, queue, &names, &values);

	json_object(json, NULL);
	json_number(json, "queue", queue);
	for (size_t i = 0; i < count; i++) {
		if (values[i].id < count)
			json_number(json, names[values[i].id].name, values[i].value);
	}
	json_end_object(json);
	free(names);
	free(values);
}

static void
write_vdpa(struct rte_vdpa_device *vdpa, const char *name, void *arg)
{
	struct json *json = arg;
	bool ready = false;
	const char *socket = vdpa_socket_of(name, &ready);
	uint16_t queues = vdpa_queues(vdpa);

	json_object(json, NULL);
	json_string(json, "device", name);
	json_string(json, "socket", socket);
	json_bool(json, "ready", ready);
	json_list(json, "queues");
	for (uint16_t q = 0; q < queues; q++)
		write_vdpa_queue(json, vdpa, q);
	json_end_list(json);
	json_end_object(json);
}

void
stats_json_write(FILE *out)
{
	struct json json = { .out = out };
	struct fwd_stream *const *streams;
	unsigned int count = fwd_streams(&streams);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_object(&json, NULL);
	json_seconds(&json, "time", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
	json_string(&json, "mode", fwd_last_engine() != NULL ? fwd_last_engine()->name : NULL);
	json_bool(&json, "forwarding", fwd_running());
	json_list(&json, "ports");
	FOREACH_PORT(id)
		write_port(&json, id);
	json_end_list(&json);
	json_list(&json, "streams");
	for (unsigned int i = 0; i < count; i++)
		write_stream(&json, streams[i]);
	json_end_list(&json);
	write_seq(&json);
	json_list(&json, "vdpa");
	vdpa_foreach(write_vdpa, &json);
	json_end_list(&json);
	json_end_object(&json);
	putc('\n', out);
	fflush(out);
}

int
stats_json_open(void)
{
	if (config.stats_json == NULL)
		return 0;
	file = fopen(config.stats_json, "we");
	if (file != NULL)
		return 0;
	printf("Option --stats-json: %s cannot be written: %s\n", config.stats_json,
		strerror(errno));
	return -1;
}

void
stats_json_append(void)
{
	if (file != NULL)
		stats_json_write(file);
}

void
stats_json_close(void)
{
	if (file != NULL)
		fclose(file);
	file = NULL;
}

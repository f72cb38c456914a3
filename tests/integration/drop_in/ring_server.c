/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A storage-like back end that serves its rings itself, split or packed: an application of librte_vhost that uses
 * none of its data path. It is compiled with the headers, and linked with the library, of the
 * distribution, and run on that and on ours.
 *
 *	ring_server EAL-OPTIONS -- SOCKET [PLACE TIMES]
 *
 * Each request is a chain: what the driver wrote comes back, backwards, in what it may read. Requests are
 * taken up to eight at a time and completed in reverse order, with track kept of what is in flight.
 * Of messages, it answers GET_CONFIG itself, before the library sees it, and one that the library
 * does not know, after it. While a new table of memory comes, it lets go of its rings, as storage targets do.
 *
 * With a PLACE it kills itself when it comes there for so many times. Places are between any two steps in
 * which a request is done, where the ring, the region of what is in flight and the data are at odds.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_eal.h>
#include <rte_vhost.h>

#define FEATURE(bit) (1ULL << (bit))
#define FEATURES \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) | \
		FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VHOST_F_LOG_ALL))
#define PROTOCOL_FEATURES \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
		FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) | \
		FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
#define SET_MEM_TABLE 5
#define SET_VRING_KICK 12
#define GET_CONFIG 24
#define DOUBLE 64 /* nobody's but ours: doubles a number */
#define RINGS 4
#define AT_A_TIME 8
/* As a disk has some under way at all times, but finishes when nothing more comes for a while. */
#define UNDER_WAY 4
#define PATIENCE_NS 2000000
#define DATA_MAX 65536
#define SEGMENTS_MAX 4
#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED (1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BIT 15

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t offset, size, flags;
			uint8_t region[256];
		} __attribute__((packed)) config;
	};
} __attribute__((packed));

/* A chain, copied: of a packed ring, its descriptors may be the driver's again before it is done. */
struct request {
	uint16_t name; /* what the region knows it by: its head, or an entry of the region */
	uint16_t id;
	uint16_t n;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
	} segments[SEGMENTS_MAX];
};

struct ring {
	struct rte_vhost_vring vring;
	struct rte_vhost_ring_inflight inflight;
	bool tracked;
	uint16_t avail, used; /* of a packed ring with the wrap counters, as rte_vhost.h has them */
	struct request taken[AT_A_TIME];
	unsigned int n;
	uint64_t last_ns; /* when a request last came */
};

/* What differs with the format. */
struct format {
	/* Copy the next chain and note that it is taken. @return whether there was one */
	bool (*take)(struct ring *ring, uint16_t index, struct request *request);
	/* Write a used element, make it visible, and note both. */
	void (*give)(struct ring *ring, uint16_t index, const struct request *request,
		uint32_t len);
	/* Copy a chain that the one before us had taken. */
	void (*take_again)(struct ring *ring, uint16_t name, struct request *request);
};

static struct {
	pthread_mutex_t lock; /* callbacks come from the library's thread */
	bool runs;
	bool pauses; /* until a message was handled */
	int vid;
	uint16_t rings;
	struct ring ring[RINGS];
	struct {
		bool there, tracked;
	} kicked[RINGS]; /* what was to be had when a ring was kicked */
	const struct format *format;
	struct rte_vhost_memory *mem;
} device = { .lock = PTHREAD_MUTEX_INITIALIZER };

static volatile sig_atomic_t stop;

/* Where it may kill itself, in the order in which a request comes there. */
enum place { TAKEN, DONE, WRITTEN, ANNOUNCED, VISIBLE, GIVEN, PLACES };
static const char *const places[PLACES] = { "taken", "done", "written", "announced", "visible",
	"given" };
static enum place last_place = PLACES;
static unsigned long times;

static void
pass(enum place place)
{
	if (place == last_place && --times == 0)
		raise(SIGKILL);
}

/* --- Split rings --------------------------------------------------------------------------- */

static void
add_segment(struct request *request, uint64_t addr, uint32_t len, uint16_t flags)
{
	if (request->n == SEGMENTS_MAX) {
		fprintf(stderr, "a request of more than %u segments\n", SEGMENTS_MAX);
		exit(1);
	}
	request->segments[request->n].addr = addr;
	request->segments[request->n].len = len;
	request->segments[request->n++].flags = flags;
}

static void
take_split_again(struct ring *ring, uint16_t head, struct request *request)
{
	*request = (struct request){ .name = head, .id = head };
	for (uint16_t i = head;; i = ring->vring.desc[i].next) {
		const struct vring_desc *desc = &ring->vring.desc[i];

		add_segment(request, desc->addr, desc->len, desc->flags);
		if (!(desc->flags & VRING_DESC_F_NEXT))
			return;
	}
}

static bool
take_split(struct ring *ring, uint16_t index, struct request *request)
{
	if (ring->avail == __atomic_load_n(&ring->vring.avail->idx, __ATOMIC_ACQUIRE))
		return false;
	take_split_again(ring, ring->vring.avail->ring[ring->avail++ % ring->vring.size], request);
	if (ring->tracked)
		rte_vhost_set_inflight_desc_split(device.vid, index, request->name);
	return true;
}

static void
give_split(struct ring *ring, uint16_t index, const struct request *request, uint32_t len)
{
	struct vring_used *used = ring->vring.used;

	used->ring[ring->used % ring->vring.size] = (struct vring_used_elem){ .id = request->id,
		.len = len };
	ring->used++;
	pass(WRITTEN);
	if (ring->tracked)
		rte_vhost_set_last_inflight_io_split(device.vid, index, request->name);
	pass(ANNOUNCED);
	/* Release: the entry is there before the index says so. */
	__atomic_store_n(&used->idx, ring->used, __ATOMIC_RELEASE);
	pass(VISIBLE);
	if (ring->tracked)
		rte_vhost_clr_inflight_desc_split(device.vid, index, ring->used, request->name);
}

static const struct format split = { take_split, give_split, take_split_again };

/* --- Packed rings -------------------------------------------------------------------------- */

static uint16_t
place(uint16_t position)
{
	return position & ((1u << WRAP_BIT) - 1);
}

static uint16_t
advance(const struct ring *ring, uint16_t position, uint16_t n)
{
	const uint16_t next = place(position) + n;

	if (next < ring->vring.size)
		return position + n;
	return (next - ring->vring.size) | ((position ^ 1u << WRAP_BIT) & 1u << WRAP_BIT);
}

static bool
take_packed(struct ring *ring, uint16_t index, struct request *request)
{
	const uint16_t first = place(ring->avail);
	const uint16_t flags = __atomic_load_n(&ring->vring.desc_packed[first].flags,
		__ATOMIC_ACQUIRE);
	const bool wrap = ring->avail >> WRAP_BIT;
	uint16_t last = first;

	if (!!(flags & PACKED_AVAIL) != wrap || !!(flags & PACKED_USED) == wrap)
		return false;
	*request = (struct request){ 0 };
	for (uint16_t at = ring->avail;; at = advance(ring, at, 1)) {
		const struct vring_packed_desc *desc = &ring->vring.desc_packed[place(at)];

		last = place(at);
		add_segment(request, desc->addr, desc->len, desc->flags);
		request->id = desc->id;
		if (!(desc->flags & VRING_DESC_F_NEXT))
			break;
	}
	ring->avail = advance(ring, ring->avail, request->n);
	if (ring->tracked &&
		rte_vhost_set_inflight_desc_packed(device.vid, index, first, last,
			&request->name) != 0) {
		fprintf(stderr, "no room for a chain in the region\n");
		exit(1);
	}
	return true;
}

static void
give_packed(struct ring *ring, uint16_t index, const struct request *request, uint32_t len)
{
	struct vring_packed_desc *desc = &ring->vring.desc_packed[place(ring->used)];
	const uint16_t flags = VRING_DESC_F_WRITE |
		(ring->used >> WRAP_BIT ? PACKED_AVAIL | PACKED_USED : 0);

	desc->id = request->id;
	desc->len = len;
	pass(WRITTEN);
	if (ring->tracked)
		rte_vhost_set_last_inflight_io_packed(device.vid, index, request->name);
	pass(ANNOUNCED);
	/* Release: the rest of it is there before the flags say so. */
	__atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
	pass(VISIBLE);
	ring->used = advance(ring, ring->used, request->n);
	if (ring->tracked)
		rte_vhost_clr_inflight_desc_packed(device.vid, index, request->name);
}

static void
take_packed_again(struct ring *ring, uint16_t entry, struct request *request)
{
	const struct rte_vhost_inflight_info_packed *region = ring->inflight.inflight_packed;
	uint16_t at = entry;

	*request = (struct request){ .name = entry };
	for (uint16_t n = region->desc[entry].num; n > 0; n--) {
		add_segment(request, region->desc[at].addr, region->desc[at].len,
			region->desc[at].flags);
		request->id = region->desc[at].id;
		at = region->desc[at].next;
	}
	ring->avail = advance(ring, ring->avail, request->n);
}

static const struct format packed = { take_packed, give_packed, take_packed_again };

/* --- Requests ------------------------------------------------------------------------------ */

static uint8_t *
guest_data(uint64_t gpa, uint32_t size)
{
	uint64_t len = size;
	uint8_t *at = (uint8_t *)(uintptr_t)rte_vhost_va_from_guest_pa(device.mem, gpa, &len);

	if (len != size) {
		fprintf(stderr, "%u bytes at guest address 0x%llx are not there\n", size,
			(unsigned long long)gpa);
		exit(1);
	}
	return at;
}

/* Answer a request. @return bytes that were written for the driver */
static uint32_t
perform(const struct request *request)
{
	static uint8_t data[DATA_MAX];
	uint32_t read = 0, written = 0;

	for (uint16_t i = 0; i < request->n; i++) {
		const uint32_t len = request->segments[i].len;
		uint8_t *at = guest_data(request->segments[i].addr, len);

		if (request->segments[i].flags & VRING_DESC_F_WRITE) {
			for (uint32_t k = 0; k < len && written < read; k++)
				at[k] = data[read - 1 - written++];
			rte_vhost_log_write(device.vid, request->segments[i].addr, len);
		} else if (read + len <= DATA_MAX) {
			memcpy(data + read, at, len);
			read += len;
		}
	}
	return written;
}

static void
complete(struct ring *ring, uint16_t index, const struct request *request)
{
	const uint32_t len = perform(request);

	pass(DONE);
	device.format->give(ring, index, request, len);
	pass(GIVEN);
	/* The distribution's library holds its rings while handlers of messages wait for the lock. */
	if (rte_vhost_vring_call_nonblock(device.vid, index) != 0)
		eventfd_write(ring->vring.callfd, 1);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void
take(struct ring *ring, uint16_t index)
{
	while (ring->n < AT_A_TIME && device.format->take(ring, index, &ring->taken[ring->n])) {
		ring->n++;
		ring->last_ns = now_ns();
		pass(TAKEN);
	}
}

/* Complete the youngest until no more than some are left. */
static void
complete_but(struct ring *ring, uint16_t index, unsigned int left)
{
	while (ring->n > left)
		complete(ring, index, &ring->taken[--ring->n]);
}

static void
serve(void)
{
	for (uint16_t i = 0; i < device.rings; i++) {
		struct ring *ring = &device.ring[i];

		take(ring, i);
		complete_but(ring, i, now_ns() - ring->last_ns < PATIENCE_NS ? UNDER_WAY : 0);
	}
}

/* --- Callbacks ----------------------------------------------------------------------------- */

/* What the one before us had taken and not completed. */
static void
resubmit(struct ring *ring, uint16_t index)
{
	const struct rte_vhost_resubmit_info *info = ring->inflight.resubmit_inflight;

	struct request again[AT_A_TIME];

	if (!ring->tracked || info == NULL)
		return;
	printf("ring %u: %u requests in flight\n", index, info->resubmit_num);
	if (info->resubmit_num > AT_A_TIME) {
		fprintf(stderr, "more than were ever taken\n");
		exit(1);
	}
	for (uint16_t i = 0; i < info->resubmit_num; i++)
		device.format->take_again(ring, info->resubmit_list[i].index, &again[i]);
	/* The oldest one first, unlike before: what is written twice is not the same then. */
	for (uint16_t i = info->resubmit_num; i > 0; i--)
		complete(ring, index, &again[i - 1]);
}

static bool
is_packed(int vid)
{
	uint64_t features = 0;

	rte_vhost_get_negotiated_features(vid, &features);
	return (features & FEATURE(VIRTIO_F_RING_PACKED)) != 0;
}

/*
 * Behind this message, a ring is what it will be: programs take it up here, lest they wait for others.
 */
static void
ring_was_kicked(int vid, uint16_t index)
{
	struct rte_vhost_ring_inflight inflight = { 0 };
	struct rte_vhost_vring vring;
	uint16_t avail, used;

	if (index >= RINGS)
		return;
	device.kicked[index].there = rte_vhost_get_vhost_vring(vid, index, &vring) == 0 &&
		vring.desc != NULL && vring.size != 0 &&
		rte_vhost_get_vring_base(vid, index, &avail, &used) == 0 &&
		(is_packed(vid) || used == vring.used->idx);
	device.kicked[index].tracked = rte_vhost_get_vhost_ring_inflight(vid, index, &inflight) ==
			0 &&
		inflight.inflight_split != NULL;
}

static int
take_rings_up(int vid)
{
	int ret;

	device.vid = vid;
	device.rings = RTE_MIN(rte_vhost_get_vring_num(vid), RINGS);
	device.format = is_packed(vid) ? &packed : &split;
	ret = rte_vhost_get_mem_table(vid, &device.mem);
	for (uint16_t i = 0; ret == 0 && i < device.rings; i++) {
		struct ring *ring = &device.ring[i];

		memset(ring, 0, sizeof(*ring));
		ret = rte_vhost_get_vhost_vring(vid, i, &ring->vring);
		ret |= rte_vhost_get_vring_base(vid, i, &ring->avail, &ring->used);
		ring->tracked = rte_vhost_get_vhost_ring_inflight(vid, i, &ring->inflight) == 0 &&
			ring->inflight.inflight_split != NULL;
		/* Of a packed ring, nothing but the region knows how far a dead one came. */
		if (ring->tracked && device.format == &packed)
			ret |= rte_vhost_get_vring_base_from_inflight(vid, i, &ring->avail,
				&ring->used);
		if (ring->vring.desc == NULL || !device.kicked[i].there ||
			device.kicked[i].tracked != ring->tracked) {
			printf("ring %u was not there behind its kick\n", i);
			ret = -1;
		}
	}
	device.runs = ret == 0;
	return ret;
}

static void
let_go_of_rings(void)
{
	device.runs = false;
	for (uint16_t i = 0; i < device.rings; i++) {
		complete_but(&device.ring[i], i, 0);
		rte_vhost_set_vring_base(device.vid, i, device.ring[i].avail, device.ring[i].used);
	}
	free(device.mem);
	device.mem = NULL;
}

static int
new_device(int vid)
{
	int ret = 0;

	pthread_mutex_lock(&device.lock);
	if (!device.runs) {
		ret = take_rings_up(vid);
		for (uint16_t i = 0; ret == 0 && i < device.rings; i++) {
			rte_vhost_enable_guest_notification(vid, i, 0);
			resubmit(&device.ring[i], i);
		}
	}
	pthread_mutex_unlock(&device.lock);
	printf("device %s with %u rings\n", ret == 0 ? "runs" : "cannot run", device.rings);
	return ret;
}

static void
destroy_device(int vid)
{
	(void)vid;
	pthread_mutex_lock(&device.lock);
	if (device.runs)
		let_go_of_rings();
	pthread_mutex_unlock(&device.lock);
	printf("device stopped\n");
}

static void
pause_rings(void)
{
	pthread_mutex_lock(&device.lock);
	device.pauses = device.runs;
	if (device.pauses)
		let_go_of_rings();
	pthread_mutex_unlock(&device.lock);
}

static void
resume_rings(int vid)
{
	int ret;

	pthread_mutex_lock(&device.lock);
	if (device.pauses) {
		ret = take_rings_up(vid);
		printf("memory of %u regions %s\n", ret == 0 ? device.mem->nregions : 0,
			ret == 0 ? "taken up" : "has no rings");
	}
	device.pauses = false;
	pthread_mutex_unlock(&device.lock);
}

static enum rte_vhost_msg_result
before_library(int vid, void *arg)
{
	static const uint8_t config[] = "ring server's configuration space";
	struct message *msg = arg;

	(void)vid;
	if (msg->request == SET_MEM_TABLE)
		pause_rings();
	if (msg->request != GET_CONFIG)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (msg->config.offset > sizeof(config) ||
		msg->config.size > sizeof(config) - msg->config.offset)
		return RTE_VHOST_MSG_RESULT_ERR;
	memcpy(msg->config.region, config + msg->config.offset, msg->config.size);
	return RTE_VHOST_MSG_RESULT_REPLY;
}

static enum rte_vhost_msg_result
behind_library(int vid, void *arg)
{
	struct message *msg = arg;

	if (msg->request == SET_MEM_TABLE)
		resume_rings(vid);
	if (msg->request == SET_VRING_KICK)
		ring_was_kicked(vid, msg->u64 & 0xff);
	if (msg->request != DOUBLE)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	msg->u64 *= 2;
	return RTE_VHOST_MSG_RESULT_REPLY;
}

static int
new_connection(int vid)
{
	static const struct rte_vhost_user_extern_ops handlers = {
		.pre_msg_handle = before_library,
		.post_msg_handle = behind_library,
	};

	return rte_vhost_extern_callback_register(vid, &handlers, NULL);
}

static const struct rte_vhost_device_ops ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.new_connection = new_connection,
};

/* ------------------------------------------------------------------------------------------- */

static void
on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* Where to end, if anywhere. */
static bool
read_end(int argc, char **argv)
{
	if (argc == 0)
		return true;
	if (argc != 2)
		return false;
	for (last_place = 0; last_place < PLACES; last_place++)
		if (strcmp(places[last_place], argv[0]) == 0)
			break;
	times = strtoul(argv[1], NULL, 10);
	return last_place < PLACES && times > 0;
}

int
main(int argc, char **argv)
{
	const int n = rte_eal_init(argc, argv);
	const char *path = n >= 0 && n + 1 < argc ? argv[n + 1] : NULL;

	if (path == NULL || !read_end(argc - n - 2, argv + n + 2))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, on_signal);
	if (rte_vhost_driver_register(path, 0) != 0 ||
		rte_vhost_driver_set_features(path, FEATURES) != 0 ||
		rte_vhost_driver_set_protocol_features(path, PROTOCOL_FEATURES) != 0 ||
		rte_vhost_driver_callback_register(path, &ops) != 0 ||
		rte_vhost_driver_start(path) != 0)
		return 1;
	printf("serving %s\n", path);
	while (!stop) {
		pthread_mutex_lock(&device.lock);
		if (device.runs)
			serve();
		pthread_mutex_unlock(&device.lock);
		sched_yield();
	}
	return rte_vhost_driver_unregister(path) == 0 ? 0 : 1;
}

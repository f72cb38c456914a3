/* SPDX-License-Identifier: BSD-3-Clause */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "device.h"
#include "log.h"
#include "membarrier.h"
#include "process.h"
#include "secondary.h"
#include "transport.h"

#define CHANNEL "dpdk_vdpa_virtio"

#define ANSWER_SECONDS 5

static_assert(VIRTIO_PROCESS_FDS <= RTE_MP_MAX_FD_NUM, "more descriptors than a message has");

enum request {
	REQUEST_JOIN = 1,  /* with the reading end of the pipe */
	REQUEST_DOORBELLS, /* answered with descriptors */
	REQUEST_FAILURE,   /* not answered */
	REQUEST_SETUP,     /* from the primary to all, not answered */
};

struct message {
	uint32_t request;
	uint16_t queue;
	int32_t pid;
	char port[RTE_ETH_NAME_MAX_LEN];

	/* In answers. */
	int32_t result; /* or a negative errno */
	uint32_t process;
	bool fence; /* the primary cannot order bursts of others: they do so themselves */
};

static_assert(sizeof(struct message) <= RTE_MP_MAX_PARAM_LEN, "larger than a message");

struct process {
	TAILQ_ENTRY(process) next;
	uint32_t number;
	int pid;
	int pipe;
};

uint32_t virtio_process = VIRTIO_PROCESS_PRIMARY;

/* The lock comes before that of any device. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct virtio_device *devices[RTE_MAX_ETHPORTS];

/* Apart, as it is taken with a device's lock held. */
static pthread_mutex_t processes_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, process) processes = TAILQ_HEAD_INITIALIZER(processes);
static uint32_t last_number = VIRTIO_PROCESS_PRIMARY;

static bool
is_gone(const struct process *p)
{
	struct pollfd pfd = { .fd = p->pipe, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP);
}

/* Locked. Numbers are not used twice: that of a process that is not listed is of a dead one. */
static struct process *
find(uint32_t number)
{
	struct process *p;

	TAILQ_FOREACH(p, &processes, next)
		if (p->number == number)
			return p;
	return NULL;
}

bool
virtio_process_lives(uint32_t number)
{
	struct process *p;
	bool lives;

	if (number == VIRTIO_PROCESS_PRIMARY)
		return true;
	pthread_mutex_lock(&processes_lock);
	p = find(number);
	lives = p != NULL && !is_gone(p);
	pthread_mutex_unlock(&processes_lock);
	return lives;
}

int
virtio_process_pid(uint32_t number)
{
	const struct process *p;
	int pid;

	pthread_mutex_lock(&processes_lock);
	p = find(number);
	pid = p != NULL ? p->pid : 0;
	pthread_mutex_unlock(&processes_lock);
	return pid;
}

void
virtio_process_barrier(void)
{
	bool others;

	/*
	 * A process that is not listed yet will find out that a queue does not run: it gets to know
	 * of queues after that.
	 */
	pthread_mutex_lock(&processes_lock);
	others = !TAILQ_EMPTY(&processes);
	pthread_mutex_unlock(&processes_lock);
	if (others)
		virtio_membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

/* A queue that somebody died in stands still until its ring is new. */
static void
abandon_queues_of(uint32_t number)
{
	for (unsigned int i = 0; i < RTE_DIM(devices); i++) {
		struct virtio_device *dev = devices[i];

		if (dev == NULL)
			continue;
		pthread_mutex_lock(&dev->lock);
		for (uint16_t j = 0; j < RTE_DIM(dev->queues); j++) {
			struct virtio_queue *q = dev->queues[j];

			if (q != NULL)
				virtio_queue_abandon(q, number);
		}
		pthread_mutex_unlock(&dev->lock);
	}
}

/* Who comes may take over the queues of who is gone. Called with the lock held. */
static void
forget_the_dead(void)
{
	for (;;) {
		struct process *p;

		pthread_mutex_lock(&processes_lock);
		TAILQ_FOREACH(p, &processes, next)
			if (is_gone(p))
				break;
		pthread_mutex_unlock(&processes_lock);
		if (p == NULL)
			return;
		/* Only this thread takes processes out. */
		abandon_queues_of(p->number);
		pthread_mutex_lock(&processes_lock);
		TAILQ_REMOVE(&processes, p, next);
		pthread_mutex_unlock(&processes_lock);
		close(p->pipe);
		free(p);
	}
}

/* --- What the primary is asked, in DPDK's thread ------------------------------------------- */

static struct virtio_device *
find_device(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(devices); i++)
		if (devices[i] != NULL && strcmp(devices[i]->name, name) == 0)
			return devices[i];
	return NULL;
}

/* Takes over the descriptor, unless it fails. */
static int
let_in(const struct message *m, int fd, struct message *a)
{
	struct process *p = malloc(sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	forget_the_dead();
	pthread_mutex_lock(&processes_lock);
	*p = (struct process){ .number = ++last_number, .pid = m->pid, .pipe = fd };
	TAILQ_INSERT_TAIL(&processes, p, next);
	pthread_mutex_unlock(&processes_lock);
	a->process = p->number;
	a->fence = virtio_queue_fence || !virtio_membarrier_knows(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	return 0;
}

static int
give_doorbells(const struct message *m, struct rte_mp_msg *reply)
{
	struct virtio_device *dev = find_device(m->port);
	int fd;

	if (dev == NULL || dev->transport->doorbell_fd == NULL)
		return -ENODEV;
	for (uint32_t i = m->queue; reply->num_fds < VIRTIO_PROCESS_FDS; i++) {
		fd = i < RTE_DIM(dev->queues) ? dev->transport->doorbell_fd(dev, i) : -1;
		if (fd < 0)
			break;
		reply->fds[reply->num_fds++] = fd;
	}
	return 0;
}

static void
hear_of_failure(const struct message *m)
{
	struct virtio_device *dev = find_device(m->port);
	struct virtio_queue *q;

	if (dev == NULL || m->queue >= RTE_DIM(dev->queues))
		return;
	pthread_mutex_lock(&dev->lock);
	q = dev->queues[m->queue];
	/* If nothing failed, it is about a claim. That somebody died in there was told from here. */
	if (q != NULL && !virtio_queue_failed(q))
		virtio_queue_check_claim(q);
	else if (q != NULL && !q->torn)
		dev->transport->queue_failed(q);
	pthread_mutex_unlock(&dev->lock);
}

static void
close_all(const struct rte_mp_msg *msg)
{
	for (int i = 0; i < msg->num_fds; i++)
		close(msg->fds[i]);
}

/* The letters of a message are somebody else's until they end somewhere. */
static int
read_message(const struct rte_mp_msg *msg, struct message *m)
{
	if (msg->len_param != sizeof(*m))
		return -EINVAL;
	memcpy(m, msg->param, sizeof(*m));
	m->port[sizeof(m->port) - 1] = '\0';
	return 0;
}

static int
answer(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = { .name = CHANNEL, .len_param = sizeof(struct message) };
	struct message *a = (struct message *)reply.param, m = { 0 };

	a->result = read_message(msg, &m);
	if (msg->num_fds != (m.request == REQUEST_JOIN))
		a->result = -EINVAL;
	if (a->result == 0) {
		pthread_mutex_lock(&lock);
		if (m.request == REQUEST_JOIN)
			a->result = let_in(&m, msg->fds[0], a);
		else if (m.request == REQUEST_DOORBELLS)
			a->result = give_doorbells(&m, &reply);
		else if (m.request == REQUEST_FAILURE)
			hear_of_failure(&m);
		pthread_mutex_unlock(&lock);
	}
	if (a->result < 0)
		close_all(msg);
	return m.request == REQUEST_FAILURE ? 0 : rte_mp_reply(&reply, peer);
}

void
virtio_process_offer(struct virtio_device *dev)
{
	pthread_mutex_lock(&lock);
	devices[dev->port_id] = dev;
	pthread_mutex_unlock(&lock);
	/* It may be there, and there are none where the program takes no other processes. */
	if (rte_mp_action_register(CHANNEL, answer) < 0 && rte_errno != EEXIST &&
		rte_errno != ENOTSUP)
		VIRTIO_LOG(WARNING, "%s: secondary processes cannot use it: %s", dev->name,
			rte_strerror(rte_errno));
}

void
virtio_process_forget(struct virtio_device *dev)
{
	pthread_mutex_lock(&lock);
	devices[dev->port_id] = NULL;
	pthread_mutex_unlock(&lock);
}

static void
compose(struct rte_mp_msg *msg, enum request request, const char *port, uint16_t queue)
{
	struct message *m = (struct message *)msg->param;

	*msg = (struct rte_mp_msg){ .name = CHANNEL, .len_param = sizeof(*m) };
	m->request = request;
	m->queue = queue;
	m->pid = getpid();
	snprintf(m->port, sizeof(m->port), "%s", port);
}

void
virtio_process_tell_setup(const struct virtio_device *dev)
{
	struct rte_mp_msg msg;
	bool others;

	pthread_mutex_lock(&processes_lock);
	others = !TAILQ_EMPTY(&processes);
	pthread_mutex_unlock(&processes_lock);
	if (!others)
		return;
	compose(&msg, REQUEST_SETUP, dev->name, 0);
	rte_mp_sendmsg(&msg);
}

/* --- What a secondary process asks ---------------------------------------------------------- */

/* @return what the primary says; descriptors in the answer are the caller's */
static int
ask(struct rte_mp_msg *msg, const char *port, struct rte_mp_msg *got)
{
	const struct timespec patience = { .tv_sec = ANSWER_SECONDS };
	struct rte_mp_reply reply = { 0 };
	struct message m;
	int ret;

	if (rte_mp_request_sync(msg, &reply, &patience) < 0 || reply.nb_received != 1) {
		free(reply.msgs);
		VIRTIO_LOG(ERR,
			"%s: the primary process does not answer: the port is not one of this "
			"driver there, or it hangs",
			port);
		return -ETIMEDOUT;
	}
	*got = reply.msgs[0];
	free(reply.msgs);
	ret = read_message(got, &m);
	if (ret == 0)
		ret = m.result;
	if (ret < 0)
		VIRTIO_LOG(ERR, "%s: the primary process refuses: %s", port, strerror(-ret));
	return ret;
}

static int
ask_to_join(const char *port, int pipe)
{
	struct rte_mp_msg msg, got;
	struct message m;
	int ret;

	compose(&msg, REQUEST_JOIN, port, 0);
	msg.fds[0] = pipe;
	msg.num_fds = 1;
	ret = ask(&msg, port, &got);
	if (ret < 0)
		return ret;
	memcpy(&m, got.param, sizeof(m));
	virtio_process = m.process;
	virtio_queue_fence |= m.fence;
	return 0;
}

static int
hear(const struct rte_mp_msg *msg, const void *peer)
{
	struct message m;

	(void)peer;
	if (read_message(msg, &m) == 0 && m.request == REQUEST_SETUP)
		virtio_secondary_refresh(m.port);
	return 0;
}

int
virtio_process_join(const char *port)
{
	int ends[2], ret;

	if (virtio_process != VIRTIO_PROCESS_PRIMARY)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		VIRTIO_LOG(ERR, "%s: no pipe to the primary process: %s", port, strerror(errno));
		return -errno;
	}
	if (virtio_membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0)
		virtio_queue_fence = true;
	ret = rte_mp_action_register(CHANNEL, hear) < 0 && rte_errno != EEXIST ? -rte_errno : 0;
	if (ret == 0)
		ret = ask_to_join(port, ends[0]);
	close(ends[0]);
	/* The other end closes when this process ends. */
	if (ret < 0)
		close(ends[1]);
	return ret;
}

int
virtio_process_doorbells(const char *port, uint16_t first, int *fds)
{
	struct rte_mp_msg msg, got;
	int ret;

	compose(&msg, REQUEST_DOORBELLS, port, first);
	ret = ask(&msg, port, &got);
	if (ret < 0)
		return ret;
	memcpy(fds, got.fds, got.num_fds * sizeof(*fds));
	return got.num_fds;
}

void
virtio_process_tell_failure(const char *port, uint16_t index)
{
	struct rte_mp_msg msg;

	compose(&msg, REQUEST_FAILURE, port, index);
	rte_mp_sendmsg(&msg);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include "virtio_scripted_backend.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 20
#define LOOK_AGAIN_MS 20

static void
forget(struct scripted_backend *b)
{
	for (unsigned int i = 0; i < SCRIPTED_RINGS; i++) {
		if (b->ring[i].kick >= 0)
			close(b->ring[i].kick);
		if (b->ring[i].call >= 0)
			close(b->ring[i].call);
		b->ring[i] = (struct scripted_ring){ .kick = -1, .call = -1 };
	}
	b->messages = 0;
	b->regions = 0;
	b->agreed = 0;
	b->agreed_protocol = 0;
	b->status = 0;
	memset(b->config, 0x42, sizeof(b->config));
}

static void
take_fd(struct vhost_user_message *m, int *fd)
{
	if (m->nfds == 0)
		return;
	if (*fd >= 0)
		close(*fd);
	*fd = m->fds[0];
	m->fds[0] = -1;
}

static void
take_table(struct scripted_backend *b, const struct vhost_user_message *m)
{
	b->regions = m->payload.mem_table.nregions;
	if (b->regions != (uint32_t)m->nfds || b->regions > VHOST_USER_MEM_TABLE_MAX)
		b->regions = 0;
	memcpy(b->region, m->payload.mem_table.regions, b->regions * sizeof(b->region[0]));
}

static void
drop_region(struct scripted_backend *b, const struct vhost_user_region *r)
{
	for (uint32_t i = 0; i < b->regions; i++)
		if (memcmp(&b->region[i], r, sizeof(*r)) == 0) {
			b->region[i] = b->region[--b->regions];
			return;
		}
}

static bool
in_config(const struct vhost_user_config *c)
{
	return c->offset <= SCRIPTED_CONFIG && c->size <= SCRIPTED_CONFIG - c->offset;
}

/* Remember what a message says. */
static void
note(struct scripted_backend *b, struct vhost_user_message *m)
{
	struct scripted_ring *r = &b->ring[m->payload.state.index % SCRIPTED_RINGS];

	switch (m->header.request) {
	case VHOST_USER_SET_FEATURES:
		b->agreed = m->payload.u64;
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		b->agreed_protocol = m->payload.u64;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		take_table(b, m);
		break;
	case VHOST_USER_ADD_MEM_REG:
		if (b->regions < SCRIPTED_REGIONS && m->nfds == 1)
			b->region[b->regions++] = m->payload.mem_reg.region;
		break;
	case VHOST_USER_REM_MEM_REG:
		drop_region(b, &m->payload.mem_reg.region);
		break;
	case VHOST_USER_SET_VRING_NUM:
		r->num = m->payload.state.num;
		break;
	case VHOST_USER_SET_VRING_BASE:
		r->base = m->payload.state.num;
		break;
	case VHOST_USER_SET_VRING_ADDR:
		r->desc = m->payload.addr.desc_user_addr;
		r->driver = m->payload.addr.avail_user_addr;
		r->device = m->payload.addr.used_user_addr;
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		r->enabled = m->payload.state.num;
		break;
	case VHOST_USER_SET_VRING_KICK:
		take_fd(m, &b->ring[m->payload.u64 % SCRIPTED_RINGS].kick);
		break;
	case VHOST_USER_SET_VRING_CALL:
		take_fd(m, &b->ring[m->payload.u64 % SCRIPTED_RINGS].call);
		break;
	case VHOST_USER_GET_VRING_BASE:
		r->enabled = false;
		break;
	case VHOST_USER_SET_STATUS:
		b->status = (uint8_t)m->payload.u64;
		break;
	case VHOST_USER_SET_CONFIG:
		if (!b->config_fixed && in_config(&m->payload.config))
			memcpy(b->config + m->payload.config.offset, m->payload.config.region,
				m->payload.config.size);
		break;
	case VHOST_USER_NET_SET_MTU:
		b->mtu = (uint16_t)m->payload.u64;
		break;
	default:
		break;
	}
}

/* Turn a request into its answer. @return false if it needs none */
static bool
answer(struct scripted_backend *b, struct vhost_user_message *m)
{
	bool confirm = m->header.flags & VHOST_USER_FLAG_NEED_REPLY;

	m->header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	switch (m->header.request) {
	case VHOST_USER_GET_FEATURES:
		m->payload.u64 = b->features;
		break;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		m->payload.u64 = b->protocol;
		break;
	case VHOST_USER_GET_QUEUE_NUM:
		m->payload.u64 = b->pairs;
		break;
	case VHOST_USER_GET_MAX_MEM_SLOTS:
		m->payload.u64 = b->slots != 0 ? b->slots : SCRIPTED_REGIONS;
		break;
	case VHOST_USER_GET_STATUS:
		m->payload.u64 = b->twist_at == b->messages && b->twist == SCRIPTED_REFUSE ?
			0 :
			b->status;
		break;
	case VHOST_USER_GET_CONFIG:
		if (b->config_none)
			m->header.size = 0;
		else if (in_config(&m->payload.config))
			memcpy(m->payload.config.region, b->config + m->payload.config.offset,
				m->payload.config.size);
		return true;
	case VHOST_USER_GET_VRING_BASE:
		m->payload.state.num = 0;
		return true;
	default:
		if (!confirm)
			return false;
		m->payload.u64 = b->twist_at == b->messages && b->twist == SCRIPTED_REFUSE;
		break;
	}
	m->header.size = sizeof(m->payload.u64);
	return true;
}

/* One message. @return false when the connection is over */
static bool
serve(struct scripted_backend *b)
{
	struct vhost_user_message m;
	enum scripted_twist twist = SCRIPTED_HONEST;
	bool reply, late;

	if (vhost_user_receive(b->sock, &m) != 1)
		return false;
	pthread_mutex_lock(&b->lock);
	b->requests[b->messages++ % 512] = m.header.request;
	if (b->messages == b->twist_at)
		twist = b->twist;
	late = b->twist == SCRIPTED_SLOW && b->ring[0].call >= 0;
	note(b, &m);
	vhost_user_message_close_fds(&m);
	reply = answer(b, &m);
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	if (twist == SCRIPTED_HANG_UP)
		return false;
	if (late)
		usleep(SCRIPTED_SLOW_MS * 1000);
	if (twist == SCRIPTED_WRONG_SIZE)
		m.header.size += 4;
	if (twist == SCRIPTED_WRONG_REQUEST)
		m.header.request ^= 3;
	if (twist == SCRIPTED_NOT_A_REPLY)
		m.header.flags = VHOST_USER_VERSION;
	if (twist == SCRIPTED_NOISE) {
		memset(&m.header, 0xee, sizeof(m.header));
		m.header.size = 64;
		reply = true;
	}
	m.nfds = 0;
	return !reply || vhost_user_send(b->sock, &m) == 0;
}

static struct sockaddr_un
address(const struct scripted_backend *b)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strncpy(sa.sun_path, b->path, sizeof(sa.sun_path) - 1);
	return sa;
}

/* Find a front end. @return false when told to quit */
static bool
find(struct scripted_backend *b)
{
	const struct sockaddr_un sa = address(b);
	struct pollfd fds[2] = { { .fd = b->quit[0], .events = POLLIN },
		{ .fd = b->listenfd, .events = POLLIN } };

	for (;;) {
		if (b->connects) {
			b->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (connect(b->sock, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
				return true;
			close(b->sock);
		}
		poll(fds, 2, b->connects ? LOOK_AGAIN_MS : -1);
		if (fds[0].revents)
			return false;
		if (fds[1].revents) {
			b->sock = accept(b->listenfd, NULL, NULL);
			return b->sock >= 0;
		}
	}
}

static bool
is_deaf(struct scripted_backend *b)
{
	bool deaf;

	pthread_mutex_lock(&b->lock);
	deaf = b->twist == SCRIPTED_DEAF && b->ring[0].call >= 0;
	pthread_mutex_unlock(&b->lock);
	return deaf;
}

static void *
run(void *arg)
{
	struct scripted_backend *b = arg;

	while (find(b)) {
		struct pollfd fds[2] = { { .fd = b->quit[0], .events = POLLIN },
			{ .fd = b->sock, .events = POLLIN } };

		pthread_mutex_lock(&b->lock);
		forget(b);
		b->connected = true;
		b->connections++;
		pthread_mutex_unlock(&b->lock);
		do {
			fds[1].events = is_deaf(b) ? POLLRDHUP : POLLIN;
			poll(fds, 2, -1);
		} while (!fds[0].revents && !(fds[1].revents & POLLRDHUP) && serve(b));
		pthread_mutex_lock(&b->lock);
		close(b->sock);
		b->sock = -1;
		forget(b);
		b->connected = false;
		pthread_cond_broadcast(&b->changed);
		pthread_mutex_unlock(&b->lock);
		if (fds[0].revents)
			break;
	}
	return NULL;
}

void
scripted_start(struct scripted_backend *b)
{
	const struct sockaddr_un sa = address(b);

	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	for (unsigned int i = 0; i < SCRIPTED_RINGS; i++)
		b->ring[i] = (struct scripted_ring){ .kick = -1, .call = -1 };
	b->sock = -1;
	b->listenfd = -1;
	b->connected = false;
	b->connections = 0;
	if (pipe(b->quit) < 0)
		return;
	if (!b->connects) {
		unlink(b->path);
		b->listenfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(b->listenfd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
			listen(b->listenfd, 4) < 0)
			return;
	}
	pthread_create(&b->thread, NULL, run, b);
}

void
scripted_stop(struct scripted_backend *b)
{
	close(b->quit[1]);
	pthread_join(b->thread, NULL);
	close(b->quit[0]);
	if (b->listenfd >= 0) {
		close(b->listenfd);
		unlink(b->path);
	}
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->changed);
}

void
scripted_hang_up(struct scripted_backend *b)
{
	pthread_mutex_lock(&b->lock);
	if (b->sock >= 0)
		shutdown(b->sock, SHUT_RDWR);
	pthread_mutex_unlock(&b->lock);
}

static struct timespec
deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += PATIENCE_S;
	return ts;
}

static unsigned int
count_enabled(const struct scripted_backend *b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SCRIPTED_RINGS; i++)
		n += b->ring[i].enabled;
	return n;
}

bool
scripted_wait_enabled(struct scripted_backend *b, unsigned int n)
{
	const struct timespec end = deadline();
	bool there;

	pthread_mutex_lock(&b->lock);
	while (count_enabled(b) != n)
		if (pthread_cond_timedwait(&b->changed, &b->lock, &end) == ETIMEDOUT)
			break;
	there = count_enabled(b) == n;
	pthread_mutex_unlock(&b->lock);
	return there;
}

bool
scripted_wait_gone(struct scripted_backend *b, unsigned int connections)
{
	const struct timespec end = deadline();
	bool gone;

	pthread_mutex_lock(&b->lock);
	while (!(gone = b->connections > connections + b->connected))
		if (pthread_cond_timedwait(&b->changed, &b->lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&b->lock);
	return gone;
}

bool
scripted_knows(const struct scripted_backend *b, uint64_t addr, uint64_t len)
{
	for (uint32_t i = 0; i < b->regions; i++) {
		const struct vhost_user_region *r = &b->region[i];

		if (addr >= r->fe_va && addr + len <= r->fe_va + r->size)
			return true;
	}
	return false;
}

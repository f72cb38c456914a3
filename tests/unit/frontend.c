/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend.h"
#include "vhost_user_dispatch.h"

#define MEMORY_NAME "unit-frontend"

void
fe_init(struct frontend *fe, int sock, struct vhost_device *dev)
{
	int fds[2];

	memset(fe, 0, sizeof(*fe));
	fe->sock = sock;
	fe->peer = -1;
	fe->dev = dev;
	if (dev != NULL) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		fe->sock = fds[0];
		fe->peer = fds[1];
	}
	fe->memfd = memfd_create(MEMORY_NAME, MFD_CLOEXEC);
	assert_true(fe->memfd >= 0);
	assert_int_equal(ftruncate(fe->memfd, FE_MEMORY_SIZE), 0);
	fe->memory = mmap(NULL, FE_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fe->memfd, 0);
	assert_ptr_not_equal(fe->memory, MAP_FAILED);
	for (uint32_t i = 0; i < FE_RINGS; i++)
		fe->kick[i] = fe->call[i] = -1;
}

void
fe_fini(struct frontend *fe)
{
	for (uint32_t i = 0; i < FE_RINGS; i++) {
		if (fe->kick[i] >= 0)
			close(fe->kick[i]);
		if (fe->call[i] >= 0)
			close(fe->call[i]);
	}
	munmap(fe->memory, FE_MEMORY_SIZE);
	close(fe->memfd);
	close(fe->sock);
	if (fe->peer >= 0)
		close(fe->peer);
}

int
fe_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		usleep(1000);
	return fd;
}

struct vhost_user_message
fe_message(uint32_t request, uint32_t size)
{
	struct vhost_user_message msg = { 0 };

	msg.header.request = request;
	msg.header.flags = VHOST_USER_VERSION;
	msg.header.size = size;
	return msg;
}

struct vhost_user_message
fe_iotlb_message(uint8_t type, uint64_t iova, uint64_t size, uint64_t fe_va, uint8_t access)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_IOTLB_MSG,
		sizeof(struct vhost_iotlb_msg));

	msg.payload.iotlb = (struct vhost_iotlb_msg){ .iova = iova,
		.size = size,
		.uaddr = fe_va,
		.perm = access,
		.type = type };
	return msg;
}

int
fe_send(struct frontend *fe, struct vhost_user_message *msg)
{
	if (fe->dev == NULL)
		return vhost_user_send(fe->sock, msg);
	/* The dispatcher owns what it is given. */
	for (int i = 0; i < msg->nfds; i++)
		msg->fds[i] = dup(msg->fds[i]);
	return vhost_user_dispatch(fe->dev, fe->peer, msg);
}

int
fe_answer(struct frontend *fe, struct vhost_user_message *msg)
{
	return vhost_user_receive(fe->sock, msg);
}

int
fe_set_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	struct vhost_user_message msg = fe_message(request, sizeof(uint64_t));

	msg.payload.u64 = value;
	return fe_send(fe, &msg);
}

uint64_t
fe_get_u64(struct frontend *fe, uint32_t request)
{
	struct vhost_user_message msg = fe_message(request, 0);
	const int ret = fe_send(fe, &msg);

	if (fe->impatient)
		return 0;
	assert_int_equal(ret, 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	assert_int_equal(msg.header.size, sizeof(uint64_t));
	return msg.payload.u64;
}

int
fe_set_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_message msg = fe_message(request, sizeof(struct vhost_vring_state));

	msg.payload.state.index = index;
	msg.payload.state.num = num;
	return fe_send(fe, &msg);
}

int
fe_set_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd)
{
	struct vhost_user_message msg = fe_message(request, sizeof(uint64_t));

	msg.payload.u64 = index | (fd < 0 ? VHOST_USER_VRING_NOFD : 0);
	if (fd >= 0)
		msg.fds[msg.nfds++] = fd;
	return fe_send(fe, &msg);
}

int
fe_set_backend_fd(struct frontend *fe, int fd)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_BACKEND_REQ_FD, 0);

	msg.fds[msg.nfds++] = fd;
	return fe_send(fe, &msg);
}

int
fe_set_features(struct frontend *fe, uint64_t features)
{
	fe->features = features;
	return fe_set_u64(fe, VHOST_USER_SET_FEATURES, features);
}

struct vhost_user_message
fe_memory_message(int fd, uint64_t size)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_MEM_TABLE,
		offsetof(struct vhost_user_mem_table, regions) + sizeof(struct vhost_user_region));

	msg.payload.mem_table.nregions = 1;
	msg.payload.mem_table.regions[0] = (struct vhost_user_region){ .gpa = FE_GPA,
		.size = size,
		.fe_va = FE_VA };
	msg.fds[msg.nfds++] = fd;
	return msg;
}

int
fe_set_memory(struct frontend *fe)
{
	struct vhost_user_message msg = fe_memory_message(fe->memfd, FE_MEMORY_SIZE);

	return fe_send(fe, &msg);
}

int
fe_set_addr(struct frontend *fe, uint32_t index)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_SET_VRING_ADDR,
		sizeof(struct vhost_vring_addr));
	const uint64_t base = FE_VA + (uint64_t)index * FE_RING_SPACE;

	msg.payload.addr = (struct vhost_vring_addr){
		.index = index,
		.desc_user_addr = base,
		.avail_user_addr = base + 0x4000,
		.used_user_addr = base + 0x8000,
	};
	return fe_send(fe, &msg);
}

struct vring_used *
fe_used(struct frontend *fe, uint32_t index)
{
	return (struct vring_used *)(fe->memory + (size_t)index * FE_RING_SPACE + 0x8000);
}

static int
notifier(int *fd)
{
	if (*fd < 0)
		*fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return *fd;
}

int
fe_set_kick(struct frontend *fe, uint32_t index)
{
	return fe_set_fd(fe, VHOST_USER_SET_VRING_KICK, index, notifier(&fe->kick[index]));
}

int
fe_set_call(struct frontend *fe, uint32_t index)
{
	return fe_set_fd(fe, VHOST_USER_SET_VRING_CALL, index, notifier(&fe->call[index]));
}

uint32_t
fe_get_base(struct frontend *fe, uint32_t index)
{
	struct vhost_user_message msg = fe_message(VHOST_USER_GET_VRING_BASE,
		sizeof(struct vhost_vring_state));

	msg.payload.state.index = index;
	assert_int_equal(fe_send(fe, &msg), 0);
	assert_int_equal(fe_answer(fe, &msg), 1);
	assert_int_equal(msg.payload.state.index, index);
	return msg.payload.state.num;
}

int
fe_setup_ring(struct frontend *fe, uint32_t index)
{
	int ret = 0;

	ret |= fe_set_state(fe, VHOST_USER_SET_VRING_NUM, index, FE_RING_SIZE);
	ret |= fe_set_state(fe, VHOST_USER_SET_VRING_BASE, index, fe->packed ? 0x8000 : 0);
	ret |= fe_set_addr(fe, index);
	ret |= fe_set_call(fe, index);
	ret |= fe_set_kick(fe, index);
	return ret;
}

int
fe_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

void
fe_assert_closed(struct frontend *fe)
{
	struct vhost_user_message msg;
	int ret;

	do
		ret = fe_answer(fe, &msg);
	while (ret == 1);
	assert_true(ret == 0 || ret == -ECONNRESET);
}

unsigned int
fe_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, MEMORY_NAME) != NULL;
	fclose(maps);
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A small vhost-user front end for tests: guest memory in a memfd, rings at fixed places in it, and
 * the messages that set them up. It talks over a socket, or calls the dispatcher directly.
 */

#ifndef FRONTEND_H
#define FRONTEND_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "unit_fds.h"
#include "vhost_user_wire.h"

#define FE_MEMORY_SIZE (4u << 20)
#define FE_GPA UINT64_C(0x100000000)
#define FE_VA UINT64_C(0x7f0000000000)
#define FE_RING_SPACE (64u << 10)
#define FE_RING_SIZE 256
#define FE_RINGS (FE_MEMORY_SIZE / FE_RING_SPACE)

struct frontend {
	int sock; /**< our end */
	int peer; /**< the other end, when the dispatcher is called directly, or -1 */
	struct vhost_device *dev; /**< to call the dispatcher for, or NULL: use the socket */
	int memfd;
	uint8_t *memory;
	uint64_t features;
	bool packed;
	bool impatient; /**< fe_get_u64() gives 0, whether there is somebody to answer or not */
	int kick[FE_RINGS];
	int call[FE_RINGS];
};

/** With a connected socket, or with -1 and a device to call the dispatcher for. */
void fe_init(struct frontend *fe, int sock, struct vhost_device *dev);
void fe_fini(struct frontend *fe);

/** A socket connected to a path; waits for the server to be there. */
int fe_connect(const char *path);

/** A socket that listens at a path. */
int fe_listen(const char *path);

/** Wait until the back end has closed the connection, whatever it says before. */
void fe_assert_closed(struct frontend *fe);

struct vhost_user_message fe_message(uint32_t request, uint32_t size);

/** What the front end's IOMMU says of [iova, iova + size): that it leads to @a fe_va, or nowhere. */
struct vhost_user_message fe_iotlb_message(uint8_t type, uint64_t iova, uint64_t size,
	uint64_t fe_va, uint8_t access);

/** Hand the message over. @return what the dispatcher or the socket gave */
int fe_send(struct frontend *fe, struct vhost_user_message *msg);

/** Receive an answer. @return as vhost_user_receive() */
int fe_answer(struct frontend *fe, struct vhost_user_message *msg);

int fe_set_u64(struct frontend *fe, uint32_t request, uint64_t value);
uint64_t fe_get_u64(struct frontend *fe, uint32_t request);
int fe_set_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num);
int fe_set_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd);
int fe_set_backend_fd(struct frontend *fe, int fd);

int fe_set_features(struct frontend *fe, uint64_t features);
/** SET_MEM_TABLE of one region at FE_GPA and FE_VA: the first @a size bytes of the file. */
struct vhost_user_message fe_memory_message(int fd, uint64_t size);
int fe_set_memory(struct frontend *fe);
int fe_set_addr(struct frontend *fe, uint32_t index);
int fe_set_kick(struct frontend *fe, uint32_t index);
int fe_set_call(struct frontend *fe, uint32_t index);
uint32_t fe_get_base(struct frontend *fe, uint32_t index);

/**
 * Everything that makes one ring ready: size, base, addresses, call, kick. @return 0 or an error
 */
int fe_setup_ring(struct frontend *fe, uint32_t index);

/** The split ring at its place in memory. */
struct vring_used *fe_used(struct frontend *fe, uint32_t index);

/** Mappings of front-end memory that this process has, those of the front ends included. */
unsigned int fe_mappings(void);

#endif /* FRONTEND_H */

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A vhost-user back end that a test leads by the hand: it answers as the protocol demands but
 * where it is told not to, remembers what it was told, and can hang up at any message.
 */

#ifndef VIRTIO_SCRIPTED_BACKEND_H
#define VIRTIO_SCRIPTED_BACKEND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vhost_user_wire.h"

#define SCRIPTED_RINGS 16
#define SCRIPTED_REGIONS 64
#define SCRIPTED_SLOW_MS 40
#define SCRIPTED_CONFIG 64

/** How an answer goes wrong. */
enum scripted_twist {
	SCRIPTED_HONEST,
	SCRIPTED_HANG_UP, /**< instead of an answer */
	SCRIPTED_WRONG_SIZE,
	SCRIPTED_WRONG_REQUEST,
	SCRIPTED_NOT_A_REPLY,
	SCRIPTED_NOISE,  /**< bytes that are no message */
	SCRIPTED_REFUSE, /**< says no where it may */
	SCRIPTED_TWISTS, /* what follows is not done at one message, but from the first ring's on */
	SCRIPTED_DEAF,   /**< does not read */
	SCRIPTED_SLOW,   /**< answers after SCRIPTED_SLOW_MS */
};

struct scripted_ring {
	uint32_t num;
	uint32_t base;
	uint64_t desc, driver, device;
	int kick, call;
	bool enabled;
};

struct scripted_backend {
	/* What it is like; set while it does not run. */
	char path[64];
	bool connects; /**< to a front end that listens, rather than listening itself */
	uint64_t features;
	uint64_t protocol;
	uint64_t pairs;
	uint64_t slots;    /**< of memory; 0 for as many as it remembers */
	bool config_fixed; /**< nothing changes it */
	bool config_none;  /**< it answers that there is none */
	enum scripted_twist twist;
	unsigned int twist_at; /**< at which message, counted from 1; 0 none */

	/* What it was told; under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int connections;
	unsigned int messages; /**< of this connection */
	uint32_t requests[512];
	uint64_t agreed;
	uint64_t agreed_protocol;
	uint8_t status;
	uint16_t mtu;
	uint8_t config[SCRIPTED_CONFIG]; /**< of the connection; all bytes are 0x42 at first */
	uint32_t regions;
	struct vhost_user_region region[SCRIPTED_REGIONS];
	struct scripted_ring ring[SCRIPTED_RINGS];
	bool connected;

	pthread_t thread;
	int listenfd;
	int sock;
	int quit[2];
};

/** Begin to listen, or to look for a front end, in a thread of its own. */
void scripted_start(struct scripted_backend *b);

/** Hang up, if connected, and be gone. */
void scripted_stop(struct scripted_backend *b);

/** Hang up, and go on listening or looking. */
void scripted_hang_up(struct scripted_backend *b);

/** Wait until @a n rings are enabled. @return false if that takes too long */
bool scripted_wait_enabled(struct scripted_backend *b, unsigned int n);

/** Wait for the end of a connection that began after @a connections were counted. */
bool scripted_wait_gone(struct scripted_backend *b, unsigned int connections);

/** True if [addr, addr + len) is in memory that it was given. */
bool scripted_knows(const struct scripted_backend *b, uint64_t addr, uint64_t len);

#endif /* VIRTIO_SCRIPTED_BACKEND_H */

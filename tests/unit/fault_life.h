/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Both sides of the life that is lived again and again with another call failing: the application's
 * (fault_app.c) and the front end's (fault_talk.c).
 */

#ifndef FAULT_LIFE_H
#define FAULT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "frontend.h"
#include "vdpa_driver.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

#define FEATURES \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VHOST_F_LOG_ALL) | \
		FEATURE(VHOST_USER_FEATURE_PROTOCOL))

/** How lives differ. */
struct life {
	uint64_t flags; /**< of the socket */
	bool stale;     /**< a server that died has left its socket */
	bool vdpa;
	bool application; /**< serves the rings itself */
	bool iommu;       /**< the guest has one, and its addresses are told one by one */
	bool postcopy;    /**< the guest arrives, its memory behind it */
};

/** End the process: it is not as it should be. */
void __attribute__((format(printf, 1, 2), noreturn)) complain(const char *fmt, ...);

/** What the application knows of its front ends. */
struct app {
	int vid; /**< of the device that runs, or -1 */
	int connections;
};
extern struct app app;

static inline bool
app_runs(void)
{
	return __atomic_load_n(&app.vid, __ATOMIC_SEQ_CST) >= 0;
}

/** Set up the socket and start it. @return whether all went well; if not, rte_errno says why */
bool app_serve(const struct life *life, const char *path);

/** What an application does with a device that runs. */
void app_work(const struct life *life, const char *path, struct rte_mempool *pool);

/** Ask telemetry all that it knows. */
void app_tell(const char *path);

void app_end_service(const char *path);

/** Everything that a front end can say. @return whether all went well */
bool talk(struct frontend *fe, const struct life *life, void (*work)(const struct life *life));

#endif /* FAULT_LIFE_H */

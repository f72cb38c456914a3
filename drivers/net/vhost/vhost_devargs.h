/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a user writes behind `--vdev net_vhost0,`.
 */

#ifndef VHOST_DEVARGS_H
#define VHOST_DEVARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/un.h>

/** Room for a socket path and its terminating zero, as the kernel has it. */
#define VHOST_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

/** PMD info: every argument and what it takes. */
#define VHOST_DEVARGS_HELP \
	"iface=<path> queues=<1-1024> client=<0|1> iommu-support=<0|1> postcopy-support=<0|1> " \
	"tso=<0|1> linear-buffer=<0|1> ext-buffer=<0|1> legacy-ol-flags=<0|1>"

struct vhost_devargs {
	char iface[VHOST_PATH_MAX];
	uint16_t
		queues; /**< receive and transmit queues that the application may configure, each */
	bool client;
	bool iommu_support;
	bool postcopy_support;
	bool tso;
	bool linear_buffer;
	bool ext_buffer;
	bool legacy_ol_flags;
};

/**
 * Read the arguments of device @a name. What is wrong with them is logged in one line.
 *
 * @param[out] args filled with the defaults where @a text says nothing
 * @return 0; -EINVAL unknown argument, one given twice, a bad value, or no iface; -ENOMEM
 */
int vhost_devargs_parse(const char *name, const char *text, struct vhost_devargs *args);

/** Flags of rte_vhost_driver_register() that the arguments ask for. */
uint64_t vhost_devargs_register_flags(const struct vhost_devargs *args);

/** Virtio features that the arguments take away from what librte_vhost would offer. */
uint64_t vhost_devargs_disabled_features(const struct vhost_devargs *args);

#endif /* VHOST_DEVARGS_H */

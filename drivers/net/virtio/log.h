/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_LOG_H
#define VIRTIO_LOG_H

#include "rte_vdpa_compat.h"

extern int virtio_logtype;

/** One line, no newline; begins with the name of the port or vdev that it is about. */
#define VIRTIO_LOG(level, ...) VDPA_LOG(virtio_logtype, level, __VA_ARGS__)

/** What to do about EMFILE, to be said behind it. */
#define VIRTIO_EMFILE_REMEDY \
	": let this program have more of them (ulimit -n, LimitNOFILE= of a service, " \
	"--ulimit nofile= of a container)"

#endif /* VIRTIO_LOG_H */

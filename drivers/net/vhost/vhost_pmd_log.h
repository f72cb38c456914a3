/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_PMD_LOG_H
#define VHOST_PMD_LOG_H

#include <rte_vdpa_compat.h>

extern int vhost_pmd_logtype;

#define VHOST_LOG(level, ...) VDPA_LOG(vhost_pmd_logtype, level, __VA_ARGS__)

#endif /* VHOST_PMD_LOG_H */

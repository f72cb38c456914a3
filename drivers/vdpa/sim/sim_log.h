/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef SIM_LOG_H
#define SIM_LOG_H

#include <rte_vdpa_compat.h>

extern int sim_logtype;
#define SIM_LOG(level, ...) VDPA_LOG(sim_logtype, level, __VA_ARGS__)

#endif /* SIM_LOG_H */

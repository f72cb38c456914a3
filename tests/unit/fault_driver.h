/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A vDPA device for the tests of failures: it moves nothing, gives its doorbells to the front end, and
 * supports all there is.
 */

#ifndef FAULT_DRIVER_H
#define FAULT_DRIVER_H

#include "vdpa_driver.h"

#define FAULT_DEVICE "fault_vdpa"

/** Get what the device needs that must not fail. @return 0, or -1 */
int fault_driver_init(void);

/** Register the device. @return as rte_vdpa_register_device() */
struct rte_vdpa_device *fault_driver_register(uint64_t features, int (*on_start)(int vid));

#endif /* FAULT_DRIVER_H */

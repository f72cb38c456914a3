/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The registry of vDPA devices, as the rest of the library sees it.
 *
 * A device is in the registry from rte_vdpa_register_device() to rte_vdpa_unregister_device().
 * Its operations are called by two parties: the queries of rte_vdpa.h, from any thread, which this
 * module counts; and the connections that run on the device, from the thread that serves them.
 * Whoever keeps the connections says with vdpa_on_release() how they let go of a device, and
 * unregistration waits for both, so an operation never runs on a device whose driver has left.
 */

#ifndef VDPA_H
#define VDPA_H

#include <errno.h>
#include <stdbool.h>

#include "vdpa_driver.h"

/** Call an operation that drivers may leave out: -ENOTSUP when this one did. */
#define VDPA_OP(dev, op, ...) ((dev)->ops->op != NULL ? (dev)->ops->op(__VA_ARGS__) : -ENOTSUP)

/** Whether @a dev, which need not point to anything any more, is in the registry now. */
bool vdpa_is_registered(const struct rte_vdpa_device *dev);

/**
 * How connections and sockets let go of a device that is about to leave.
 *
 * The function is called in the thread that unregisters the device, without a lock, when the device
 * cannot be found any more. When it returns, no connection calls an operation of the device.
 */
typedef void (*vdpa_release_fn)(struct rte_vdpa_device *dev);

/** Set what unregistration calls; to be done before there are connections. */
void vdpa_on_release(vdpa_release_fn release);

/**
 * Call @a fn for each registered device in turn. Any thread. No device comes or goes meanwhile, so
 * @a fn is short, and calls no operation of a device.
 */
void vdpa_walk(void (*fn)(struct rte_vdpa_device *dev, void *arg), void *arg);

#endif /* VDPA_H */

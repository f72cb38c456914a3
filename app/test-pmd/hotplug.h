/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_HOTPLUG_H
#define TESTPMD_HOTPLUG_H

/**
 * @file
 * Devices that are pulled out of the running machine (--hot-plug): the program survives that their
 * registers vanish, and their ports are closed. Main thread only.
 */

/**
 * Watch for it, if that was asked for; 0, or -1 after a line on why that cannot be. hotplug_free() is due
 * after both.
 */
int hotplug_init(void);

/** Watch no longer. */
void hotplug_free(void);

#endif /* TESTPMD_HOTPLUG_H */

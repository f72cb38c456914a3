/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef TESTPMD_DEVICES_H
#define TESTPMD_DEVICES_H

/**
 * Whether every virtual device of EAL's --vdev is there; names those that are not. EAL itself goes
 * on without them, and the user would wonder where they are.
 *
 * @return 0; -1 one is missing
 */
int devices_check(void);

#endif /* TESTPMD_DEVICES_H */

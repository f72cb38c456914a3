/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_VDPA_SHOW_H
#define TESTPMD_VDPA_SHOW_H

/** @file What vDPA devices are and have counted, for people. A NULL device stands for all. */

void vdpa_list(void);
void vdpa_info(const char *device);

/** @param queue -1 for all. */
void vdpa_stats(const char *device, int queue);
void vdpa_stats_reset(const char *device, int queue);
/** What the devices that have a socket have counted. */
void vdpa_summary(void);

#endif /* TESTPMD_VDPA_SHOW_H */

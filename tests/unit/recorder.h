/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * An application and a vDPA driver that write down what they are told, and check that it makes
 * sense: what starts was stopped, what stops was running.
 */

#ifndef RECORDER_H
#define RECORDER_H

#include "frontend.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define F_PROTOCOL FEATURE(VHOST_USER_FEATURE_PROTOCOL)
#define F_LOG FEATURE(VHOST_F_LOG_ALL)
#define F_V1 FEATURE(VIRTIO_F_VERSION_1)
#define F_PACKED FEATURE(VIRTIO_F_RING_PACKED)
#define DRIVER_OK 0xf

struct told {
	int new_device, destroy_device;
	int new_connection, destroy_connection;
	int features_changed;
	int ring_up[FE_RINGS], ring_down[FE_RINGS];
	bool running;
	bool ring[FE_RINGS];

	int conf, close, cleanup, set_features;
	int vring_up[FE_RINGS], vring_down[FE_RINGS];
	bool configured;
	bool vring[FE_RINGS];
};

extern struct told told;

/** What the callbacks return: 0, unless a test says otherwise. */
extern int new_device_result, new_connection_result, conf_result, vring_up_result;
extern int set_features_result;

/** Register and unregister the vDPA device: a group's setup and teardown. */
int recorder_setup(void **state);
int recorder_teardown(void **state);

struct vhost_device_config recorder_config(bool with_vdpa);

/** A front end with a device of its own, which nobody was told anything of yet. */
void recorder_begin(struct frontend *fe, const struct vhost_device_config *cfg);

/** recorder_begin(), and all it takes for the device to run with two rings. */
void recorder_bring_up(struct frontend *fe, bool with_vdpa, uint64_t features);

/** Take both away; nothing may be left running. */
void recorder_end(struct frontend *fe);

int recorder_negotiate_status(struct frontend *fe);
int recorder_enable(struct frontend *fe, uint32_t index, bool on);
int recorder_status(struct frontend *fe, uint8_t value);

#endif /* RECORDER_H */

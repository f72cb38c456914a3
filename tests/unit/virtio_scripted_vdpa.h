/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A vDPA device of the kernel that the test answers for, behind the calls that reach the kernel: it is as no
 * device of the lab is. A test that has it wraps getrlimit64, ioctl, open64 and write.
 */

#ifndef VIRTIO_SCRIPTED_VDPA_H
#define VIRTIO_SCRIPTED_VDPA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vhost.h>
#include <linux/virtio_net.h>

/** A device file that takes all that is written to it. */
#define DEVICE "/dev/null"

/* What the device was told, a letter each. */
enum heard {
	RESET = 'r',
	IS_RESET = '0',
	STATUS = 's',
	DRIVER_OK = 'd',
	SUSPEND = 'S',
	BEGIN = '(',
	END = ')',
	MAP = '+',
	UNMAP = '-'
};

struct scripted_vdpa {
	pthread_mutex_t lock; /* the port has a thread of its own */
	int fd;
	uint32_t class;
	uint64_t backend_features; /* that it has */
	uint64_t backend_agreed;
	uint64_t offers;
	uint64_t features;    /* that were set last */
	int features_error;   /* of these; 0: it takes them */
	int open_error;       /* 0: it can be opened */
	int map_error;        /* 0: memory can be mapped */
	unsigned int lingers; /* times that its status is still the old one after a reset */
	uint8_t old_status;
	uint16_t entries;                /* of any queue at most */
	const uint16_t *sizes;           /* of each queue; NULL: it does not tell */
	uint32_t queues;                 /* 0: it does not tell */
	unsigned int spaces;             /* 0: it does not tell */
	uint32_t control_group;          /* of queue 2; all others are in group 0 */
	int asid_error;                  /* of giving a group a space; 0: it takes it */
	uint32_t control_asid;           /* of the last message about less than frames' memory */
	struct vhost_vring_state num[8]; /* as set */
	uint8_t refuses;                 /* bits of the status that it does not take */
	int class_error;                 /* of the question for its class; 0: it answers */
	int suspend_error;               /* 0: it can be suspended */
	uint8_t message_version; /* of messages of the IOTLB; 0: there were different ones */
	char heard[4096];
	size_t n_heard;
	uint8_t status;
	int told; /* of changes of the configuration; -1: nobody is */
	struct virtio_net_config config;
};

extern struct scripted_vdpa hw;

/** A sound device, about which nothing was said yet. */
void new_device(uint64_t backend_features);

/** What was heard from now on is told by heard(). */
void forget(void);

/** What it was told, a letter of enum heard each. */
const char *heard(void);

/** Change the link, and tell who wants to know. @return false if nobody does */
bool set_link(bool up);

#endif /* VIRTIO_SCRIPTED_VDPA_H */

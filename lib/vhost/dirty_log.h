/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * The dirty log: a bitmap in memory shared with the front end, one bit for each 4 KiB page of guest
 * physical memory. While a guest migrates, whatever writes its memory sets the bits of the pages it
 * wrote; the migrating side collects and clears them, and sends those pages once more.
 */

#ifndef VHOST_DIRTY_LOG_H
#define VHOST_DIRTY_LOG_H

#include <stdint.h>

#define VHOST_DIRTY_LOG_PAGE_SHIFT 12

struct vhost_dirty_log;

/**
 * Set the bits of every page that [gpa, gpa + len) touches. To be called after the write that it
 * tells of. Pages past the end of the bitmap are ignored: its size is the front end's promise.
 * Any number of threads may mark the same log.
 */
void vhost_dirty_log_mark(const struct vhost_dirty_log *log, uint64_t gpa, uint64_t len);

#endif /* VHOST_DIRTY_LOG_H */

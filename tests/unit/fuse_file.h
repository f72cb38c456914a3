/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A file of a file system that a child of the test serves, by FUSE: it answers for as long as the test
 * wants. If the test dies, so does the child, and nobody waits for it any more.
 */

#ifndef FUSE_FILE_H
#define FUSE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#define FUSE_FILE_SIZE (1u << 20)

struct fuse_file {
	int fd; /**< the file */
	int device;
	int silence; /**< eventfd: no request is answered any more */
	char dir[32];
	pid_t server;
};

/** @return false: there is no FUSE here, or mounting is not permitted */
bool fuse_file_open(struct fuse_file *f);

/** Answer nothing from now on. */
void fuse_file_fall_silent(struct fuse_file *f);

/** Whoever waits for an answer gets an error. The file itself is the caller's to close. */
void fuse_file_end(struct fuse_file *f);

#endif /* FUSE_FILE_H */

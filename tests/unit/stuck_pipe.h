/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A pipe that nobody can read or close: a thread of its own writes to it from memory whose page does
 * not come, and holds the pipe's lock meanwhile, as any process can that shares a pipe.
 */

#ifndef STUCK_PIPE_H
#define STUCK_PIPE_H

#include <pthread.h>
#include <stdbool.h>

struct stuck_pipe {
	int reader; /**< to be handed over, then closed */
	int uffd;
	void *page;
	int writer;
	pthread_t thread;
};

/** @return false: the kernel does not permit userfaultfd */
bool stuck_pipe_open(struct stuck_pipe *p);

/** Let its page come: whoever waits for the pipe goes on. */
void stuck_pipe_release(struct stuck_pipe *p);

#endif /* STUCK_PIPE_H */

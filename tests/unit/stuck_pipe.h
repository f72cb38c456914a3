/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A pipe that nobody can read or close, or a socket that nobody can read: a thread of its own writes to
 * it from, or reads it to, memory whose page does not come, and holds its lock meanwhile, as any process
 * can that shares it.
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

/** The same with a socket; its peer is the writer, and the reader stays open until the release. */
bool stuck_socket_open(struct stuck_pipe *p);

/** Let its page come: whoever waits for the pipe goes on. */
void stuck_pipe_release(struct stuck_pipe *p);

#endif /* STUCK_PIPE_H */

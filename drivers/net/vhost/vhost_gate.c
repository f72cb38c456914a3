/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "vhost_gate.h"

static pthread_once_t membarrier_once = PTHREAD_ONCE_INIT;
static bool membarrier_works;

static void
membarrier_register(void)
{
	membarrier_works = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
				   0) == 0;
}

void
vhost_gate_init(struct vhost_gate *gate)
{
	pthread_once(&membarrier_once, membarrier_register);
	*gate = (struct vhost_gate){ .vid = VHOST_GATE_CLOSED, .fenced = !membarrier_works };
}

void
vhost_gate_open(struct vhost_gate *gate, int vid)
{
	__atomic_store_n(&gate->vid, vid, __ATOMIC_RELEASE);
}

void
vhost_gate_shut(struct vhost_gate *gate)
{
	__atomic_store_n(&gate->vid, VHOST_GATE_CLOSED, __ATOMIC_RELAXED);
}

void
vhost_gates_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (membarrier_works)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void
vhost_gate_drain(const struct vhost_gate *gate)
{
	/* Yield rather than spin: the burst may be waiting for the CPU that this thread runs on. */
	while (__atomic_load_n(&gate->inside, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
}

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * A process that is led through its life instruction by instruction, to be killed at any of them.
 */

#ifndef SINGLE_STEP_H
#define SINGLE_STEP_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/**
 * Begin such a life.
 * @param prepare called before anybody counts steps, unless it is NULL. @return whether life can go on
 * @param live called then; ends with _exit(0)
 * @return the process, about to call @a live
 */
static inline pid_t
single_step_begin(bool (*prepare)(void), void (*live)(void))
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if ((prepare != NULL && !prepare()) || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		live();
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

/** Have it do one instruction. @return false if that was its last one */
static inline bool
single_step(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		return false;
	}
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTRAP);
	return true;
}

static inline void
single_step_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif /* SINGLE_STEP_H */

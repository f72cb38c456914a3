/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_common.h>

#include "aside.h"

/* Of one socket, in progress: more than that will not be done either. */
#define JOBS_MAX 16

#define ROOM_MIN 16u

struct vhost_aside {
	vhost_aside_in_loop in_loop;
	unsigned int references; /* its owner's, and one of each thread */
	unsigned int jobs;       /* threads of vhost_aside_run() */
	bool closing;            /* there is a thread that closes */
	int *fds;                /* what it has to close yet */
	unsigned int nr_fds;
	unsigned int room;
};

struct job {
	struct vhost_aside *aside;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

/* Of everything here. Held for a moment, whatever is held up. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned int threads;

static __thread struct vhost_aside *current;

int
vhost_thread_start(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, former;
	pthread_t detached;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	ret = pthread_create(thread != NULL ? thread : &detached, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (ret == 0 && thread == NULL)
		pthread_detach(detached);
	return ret;
}

struct vhost_aside *
vhost_aside_create(vhost_aside_in_loop in_loop)
{
	struct vhost_aside *a = calloc(1, sizeof(*a));

	if (a != NULL) {
		a->in_loop = in_loop;
		a->references = 1;
	}
	return a;
}

static void
put(struct vhost_aside *a)
{
	if (--a->references > 0)
		return;
	free(a->fds);
	free(a);
}

void
vhost_aside_release(struct vhost_aside *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&lock);
	put(a);
	pthread_mutex_unlock(&lock);
}

struct vhost_aside *
vhost_aside_get(struct vhost_aside *a)
{
	pthread_mutex_lock(&lock);
	if (a != NULL)
		a->references++;
	pthread_mutex_unlock(&lock);
	return a;
}

struct vhost_aside *
vhost_aside_enter(struct vhost_aside *aside)
{
	struct vhost_aside *former = current;

	current = aside;
	return former;
}

bool
vhost_aside_is_entered(void)
{
	return current != NULL;
}

/* With the lock held. */
static int
start(struct vhost_aside *a, void *(*fn)(void *arg), void *arg)
{
	const int ret = vhost_thread_start(NULL, fn, arg);

	if (ret != 0)
		return -ret;
	a->references++;
	threads++;
	return 0;
}

static void
end(struct vhost_aside *a)
{
	put(a);
	if (--threads == 0)
		pthread_cond_broadcast(&ended);
}

static void *
close_all(void *arg)
{
	struct vhost_aside *a = arg;

	pthread_mutex_lock(&lock);
	while (a->nr_fds > 0) {
		const int fd = a->fds[--a->nr_fds];

		pthread_mutex_unlock(&lock);
		close(fd);
		pthread_mutex_lock(&lock);
	}
	a->closing = false;
	end(a);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static bool
make_room(struct vhost_aside *a)
{
	const unsigned int room = RTE_MAX(2 * a->room, ROOM_MIN);
	int *fds;

	if (a->nr_fds < a->room)
		return true;
	fds = realloc(a->fds, room * sizeof(*fds));
	if (fds == NULL)
		return false;
	a->fds = fds;
	a->room = room;
	return true;
}

/* With the lock held. */
static bool
close_later(struct vhost_aside *a, int fd)
{
	if (!make_room(a))
		return false;
	if (!a->closing && start(a, close_all, a) != 0)
		return false;
	a->closing = true;
	a->fds[a->nr_fds++] = fd;
	return true;
}

void
vhost_aside_close(int fd)
{
	bool taken = false;

	if (fd < 0)
		return;
	if (current != NULL) {
		pthread_mutex_lock(&lock);
		taken = close_later(current, fd);
		pthread_mutex_unlock(&lock);
	}
	if (!taken)
		close(fd);
}

unsigned int
vhost_aside_pending(void)
{
	unsigned int n = 0;

	pthread_mutex_lock(&lock);
	if (current != NULL)
		n = current->nr_fds;
	pthread_mutex_unlock(&lock);
	return n;
}

static void
job_is_done(void *arg)
{
	const struct job *job = arg;
	struct vhost_aside *former = vhost_aside_enter(job->aside);

	job->done(job->arg);
	vhost_aside_enter(former);
}

static void *
do_job(void *arg)
{
	struct job *job = arg;

	job->work(job->arg);
	if (job->done != NULL)
		job->aside->in_loop(job_is_done, job);
	pthread_mutex_lock(&lock);
	job->aside->jobs--;
	end(job->aside);
	pthread_mutex_unlock(&lock);
	free(job);
	return NULL;
}

int
vhost_aside_run(void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct vhost_aside *a = current;
	struct job *job;
	int ret = -EBUSY;

	if (a == NULL) {
		work(arg);
		if (done != NULL)
			done(arg);
		return 0;
	}
	job = malloc(sizeof(*job));
	if (job == NULL)
		return -ENOMEM;
	*job = (struct job){ .aside = a, .work = work, .done = done, .arg = arg };
	pthread_mutex_lock(&lock);
	if (a->jobs < JOBS_MAX)
		ret = start(a, do_job, job);
	if (ret == 0)
		a->jobs++;
	pthread_mutex_unlock(&lock);
	if (ret != 0)
		free(job);
	return ret;
}

void
vhost_aside_settle(void)
{
	pthread_mutex_lock(&lock);
	while (threads > 0)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}

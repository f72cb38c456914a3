/* SPDX-License-Identifier: BSD-3-Clause */

/* A virtio-user port that listens, and cannot or will not take who comes. */

#include "virtio_user_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Far more than there are in the time that this takes, and far less than who does not wait makes. */
#define ATTEMPTS_MAX 50

int __wrap_accept4(int sock, struct sockaddr *addr, socklen_t *len, int flags);
int __real_accept4(int sock, struct sockaddr *addr, socklen_t *len, int flags);

static unsigned int attempts; /* that failed for want of a descriptor */

int
__wrap_accept4(int sock, struct sockaddr *addr, socklen_t *len, int flags)
{
	const int fd = __real_accept4(sock, addr, len, flags);

	if (fd < 0 && errno == EMFILE)
		__atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST);
	return fd;
}

static bool
wait_attempts(unsigned int n)
{
	for (unsigned int i = 0; i < 20000; i++) {
		if (__atomic_load_n(&attempts, __ATOMIC_SEQ_CST) >= n)
			return true;
		usleep(1000);
	}
	return false;
}

static unsigned int
count(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Have no descriptor left; one that is closed is one that there is again. */
static struct rlimit
use_up_descriptors(void)
{
	struct rlimit former, limit;
	const int first_free = dup(STDERR_FILENO);

	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
	limit = former;
	limit.rlim_cur = (rlim_t)first_free;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return former;
}

static void
who_comes_while_there_are_no_descriptors_is_taken_when_there_are(void **state)
{
	struct scripted_backend b = honest("full", true);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int peer = socket(AF_UNIX, SOCK_STREAM, 0);
	struct rlimit former;
	char *text = NULL;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	rte_openlog_stream(log);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_ERR);
	strcpy(sa.sun_path, b.path);
	former = use_up_descriptors();
	assert_int_equal(connect(peer, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_true(wait_attempts(2));
	setrlimit(RLIMIT_NOFILE, &former);
	/* One that gave up in the meantime costs nobody anything. */
	close(peer);
	scripted_start(&b);
	assert_true(wait_link(true));
	assert_true(attempts <= ATTEMPTS_MAX);
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_EMERG);
	rte_openlog_stream(NULL);
	fclose(log);
	assert_int_equal(count(text, "cannot accept the back end that waits at"), 1);
	assert_non_null(strstr(text, "ulimit -n"));
	free(text);
	scripted_stop(&b);
	remove_port();
}

/* It comes back at once, each time; there is no line in the log for each of them. */
static void
who_is_refused_again_and_again_is_not_asked_in_all_the_time(void **state)
{
	struct scripted_backend b = honest("eager", true);
	unsigned int connections = 0;

	(void)state;
	b.features &= ~BIT(VIRTIO_F_VERSION_1);
	assert_int_equal(probe(&b, ""), 0);
	assert_int_equal(start(1, 0), 0);
	scripted_start(&b);
	/* Half a second from the first one on, which may be long in coming. */
	for (unsigned int i = 0, n = 0; i < 20000 && n < 500 && connections <= ATTEMPTS_MAX; i++) {
		usleep(1000);
		connections = __atomic_load_n(&b.connections, __ATOMIC_SEQ_CST);
		n += connections > 0;
	}
	assert_in_range(connections, 1, ATTEMPTS_MAX);
	pthread_mutex_lock(&b.lock);
	b.features = FEATURES;
	pthread_mutex_unlock(&b.lock);
	assert_true(wait_link(true));
	assert_true(scripted_wait_enabled(&b, 2));
	exchange(&b, 0);
	scripted_stop(&b);
	remove_port();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_while_there_are_no_descriptors_is_taken_when_there_are),
		cmocka_unit_test(who_is_refused_again_and_again_is_not_asked_in_all_the_time),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}

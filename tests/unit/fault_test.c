/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each system call and each allocation of the control path fails once.
 *
 * A whole life, from the registration of a socket to its end, with a front end that goes through
 * everything it can say, is lived again and again, each time in a fresh process and with the next call
 * failing, until there are no more calls. Whatever fails: nothing crashes or hangs, the application
 * or the log is told, nothing is leaked, and the next life is without blemish.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "aside.h"
#include "fault.h"
#include "fault_driver.h"
#include "fault_life.h"
#include "unit_eal.h"
#include "vhost_user_socket.h"

#define LIFE_SECONDS 60

static char path[64];
static struct rte_mempool *pool;

/* What a child found: in memory that it shares with its parent. */
struct verdict {
	char failed[32]; /* the call that failed, empty if there was none */
	char complaint[512];
	bool told;  /* the log has a word of it */
	bool whole; /* the life was as it should be, in spite of the fault */
	unsigned int fds, mappings;
	long allocations;
};
static struct verdict *verdict;

static void __attribute__((noreturn)) end(int status)
{
#ifdef FAULT_COVERAGE
	/* What exit() would do too, with much that is not a forked child's business. */
	void __gcov_dump(void);

	__gcov_dump();
#endif
	_exit(status);
}

void
complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(verdict->complaint, sizeof(verdict->complaint), fmt, ap);
	va_end(ap);
	end(1);
}

/* --- A life -------------------------------------------------------------------------------- */

static int
connect_to(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		complain("cannot connect to %s, which was started: %s", path, strerror(errno));
	return fd;
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
work(const struct life *life)
{
	app_work(life, path, pool);
}

/* @return whether everything was as it should be */
static bool
live(const struct life *life)
{
	const bool client = (life->flags & RTE_VHOST_USER_CLIENT) != 0;
	struct frontend fe;
	int listener = -1;
	bool ok;

	fault_exempt(true);
	if (life->stale) {
		unlink(path);
		close(fe_listen(path));
	}
	if (client)
		listener = fe_listen(path);
	fault_exempt(false);
	ok = app_serve(life, path);
	fault_exempt(true);
	if (ok) {
		fe_init(&fe, client ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : connect_to(),
			NULL);
		ok = talk(&fe, life, work);
		fe_fini(&fe);
	} else if (rte_errno == 0) {
		complain("a call of the application failed without saying why");
	}
	if (client) {
		close(listener);
		unlink(path);
	}
	fault_exempt(false);
	app_end_service(path);
	fault_exempt(true);
	/* What was removed is freed behind the callback that removed it. */
	for (int i = 0; i < 2; i++)
		if (vhost_user_event_loop() != NULL)
			event_loop_run(vhost_user_event_loop(), nothing, NULL);
	if (app.connections != 0 || app_runs())
		complain("%d connections and vid %d are left of a life", app.connections, app.vid);
	return ok;
}

/* In a child: a life with a fault, then one without. */
static void __attribute__((noreturn)) two_lives(const struct life *life, unsigned int n)
{
	const char *failed;
	char *text = NULL;
	size_t len = 0;
	FILE *log;

	alarm(LIFE_SECONDS);
	fault_exempt(true);
	log = open_memstream(&text, &len);
	rte_openlog_stream(log);
	fault_arm(n);
	verdict->whole = live(life);
	failed = fault_disarm();
	fflush(log);
	verdict->told = len > 0;
	rte_openlog_stream(stderr);
	fclose(log);
	if (failed != NULL)
		snprintf(verdict->failed, sizeof(verdict->failed), "%s", failed);
	/* Else nobody could say of a word in the log that it is about the fault. */
	if (n == 0 && verdict->told)
		complain("the log tells of a life without a fault: %s", text);
	if (!verdict->whole && !verdict->told)
		complain("nothing in the log tells why it went wrong");
	if (strcmp(verdict->failed, "munmap") == 0 && !verdict->told)
		complain("nothing in the log tells that memory stays mapped");
	if (!live(life))
		complain("the next life went wrong; the log of the first: %s", text);
	vhost_aside_settle();
	verdict->fds = unit_open_fds();
	verdict->mappings = fe_mappings();
	free(text);
	verdict->allocations = fault_allocations();
	end(0);
}

static void
child(const struct life *life, unsigned int n)
{
	pid_t pid;
	int status;

	memset(verdict, 0, sizeof(*verdict));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		two_lives(life, n);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("call %u (%s) failing: killed by signal %d (%s)", n, verdict->failed,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		fail_msg("call %u (%s) failing: %s", n, verdict->failed,
			verdict->complaint[0] != '\0' ? verdict->complaint : "exit status not 0");
}

/* Fail every call in turn; @return how many there are */
static unsigned int
fail_each_call(const struct life *life)
{
	struct verdict flawless;
	unsigned int survived = 0;
	unsigned int n;

	child(life, 0);
	assert_true(verdict->whole);
	flawless = *verdict;
	assert_int_equal(flawless.mappings, 0);
	for (n = 1;; n++) {
		child(life, n);
		if (verdict->failed[0] == '\0')
			break;
		survived += verdict->whole;
		if (verdict->fds != flawless.fds || verdict->mappings != 0 ||
			verdict->allocations != flawless.allocations)
			fail_msg("call %u (%s) failing leaves %u descriptors, %u mappings and %ld "
				 "allocations, not %u, 0 and %ld",
				n, verdict->failed, verdict->fds, verdict->mappings,
				verdict->allocations, flawless.fds, flawless.allocations);
	}
	print_message("%u calls failed in turn, %u of them without consequence\n", n - 1, survived);
	return n - 1;
}

static void
server_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_NET_STATS_ENABLE |
			RTE_VHOST_USER_EXTBUF_SUPPORT,
		.stale = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
client_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_CLIENT };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
application_survives_every_failure(void **state)
{
	const struct life life = { .application = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
vdpa_device_survives_every_failure(void **state)
{
	const struct life life = { .vdpa = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
iommu_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_IOMMU_SUPPORT, .iommu = true };

	(void)state;
	assert_true(fail_each_call(&life) > 100);
}

static void
postcopy_survives_every_failure(void **state)
{
	const struct life life = { .flags = RTE_VHOST_USER_POSTCOPY_SUPPORT, .postcopy = true };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	(void)state;
	if (fd < 0) {
		print_message("this kernel does not let us have a userfaultfd\n");
		skip();
	}
	close(fd);
	assert_true(fail_each_call(&life) > 100);
}

static bool
only(const struct CMUnitTest *tests, size_t n, const char *name)
{
	cmocka_set_test_filter(name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(tests[i].name, name) == 0)
			return true;
	fprintf(stderr, "fault_test: there is no test '%s'\n", name);
	return false;
}

/* fault_test [NAME]: all of them, or one. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_survives_every_failure),
		cmocka_unit_test(client_survives_every_failure),
		cmocka_unit_test(application_survives_every_failure),
		cmocka_unit_test(vdpa_device_survives_every_failure),
		cmocka_unit_test(iommu_survives_every_failure),
		cmocka_unit_test(postcopy_survives_every_failure),
	};
	char dir[] = "/tmp/fault-test-XXXXXX";
	int ret;

	if (argc > 1 && !only(tests, RTE_DIM(tests), argv[1]))
		return 2;
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	if (verdict == MAP_FAILED || unit_eal_setup(NULL) != 0 || mkdtemp(dir) == NULL)
		return 1;
	pool = rte_pktmbuf_pool_create("fault", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL || fault_driver_init() != 0)
		return 1;
	/* What is to be told is told as a warning or an error. */
	rte_log_set_global_level(RTE_LOG_WARNING);
	snprintf(path, sizeof(path), "%s/socket", dir);
	ret = cmocka_run_group_tests_name("fault", tests, NULL, NULL);
	rmdir(dir);
	return ret;
}

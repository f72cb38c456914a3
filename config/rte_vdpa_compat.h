/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RTE_VDPA_COMPAT_H
#define RTE_VDPA_COMPAT_H

/**
 * @file
 * What differs between the DPDK releases this tree is built with, and logging on top of it.
 *
 * 22.11 is the release the tree is tested with. Everything here is a difference that is known,
 * under the name that the newer release uses wherever there is such a name. A difference in
 * driver callbacks is not told by release number but tried by the build (config/meson.build),
 * and arrives as RTE_VDPA_HAVE_*.
 *
 * Differences that need no code, only a habit that works with every release:
 * - __rte_cache_aligned and __rte_aligned() of a type stand between `struct` and the tag, where the
 *   headers of newer releases have them; gcc and clang take them after the closing brace as well.
 * - RTE_MARKER fields are gone from struct rte_mbuf in 24.11: take the address of a real field.
 * - IPv6 addresses are an array in 22.11 and a struct in 24.11: go through memcpy() and
 *   sizeof(), never through a subscript.
 * - rte_kvargs_process() handlers are not called for a key without a value from 24.11 on, and
 *   with a NULL value before: check for NULL.
 * - Shared memory is read and written with the compiler's __atomic builtins on plain fields.
 *   They mean the same with and without DPDK's own stdatomic option of 23.11.
 */

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_icmp.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_thread.h>
#include <rte_version.h>

/*
 * Logging. A component names its log types once, in one source file:
 *
 *	RTE_LOG_REGISTER_SUFFIX(vhost_config_logtype, config, INFO);
 *
 * which appears to users as "lib.vhost.config" (the build defines RTE_LOG_DEFAULT_LOGTYPE for
 * each library and driver), and in its private header a macro of its own:
 *
 *	extern int vhost_config_logtype;
 *	#define VHOST_LOG(level, ...) VDPA_LOG(vhost_config_logtype, level, __VA_ARGS__)
 *
 * A message is one line and carries no newline. Its level is one of EMERG ALERT CRIT ERR
 * WARNING NOTICE INFO DEBUG. VDPA_LOG_DP is for the data path: levels above RTE_LOG_DP_LEVEL
 * leave no code behind.
 */
#define VDPA_LOG(type, level, fmt, ...) \
	((void)rte_log(RTE_LOG_##level, (uint32_t)(type), fmt "\n", ##__VA_ARGS__))

#define VDPA_LOG_DP(type, level, fmt, ...) \
	((void)((RTE_LOG_##level <= RTE_LOG_DP_LEVEL) ? \
			rte_log(RTE_LOG_##level, (uint32_t)(type), fmt "\n", ##__VA_ARGS__) : \
			0))

/*
 * Where an mbuf has its buffer's I/O address. A DPDK built without that field runs only with I/O
 * addresses that are virtual ones. The option that leaves it out has another name since 23.03.
 */
#if defined(RTE_IOVA_IN_MBUF) ? RTE_IOVA_IN_MBUF : RTE_IOVA_AS_PA
#define VDPA_MBUF_IOVA_OFFSET offsetof(struct rte_mbuf, buf_iova)
#else
#define VDPA_MBUF_IOVA_OFFSET offsetof(struct rte_mbuf, buf_addr)
#endif

/* 23.03 has telemetry say "uint" for every unsigned number, where 22.11 said "u64". */
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

/* 24.11 names the ICMP types after the protocol and deprecates the names that 22.11 has. */
#ifndef RTE_ICMP_TYPE_ECHO_REQUEST
#define RTE_ICMP_TYPE_ECHO_REPLY RTE_IP_ICMP_ECHO_REPLY
#define RTE_ICMP_TYPE_ECHO_REQUEST RTE_IP_ICMP_ECHO_REQUEST
#endif

/*
 * Threads that are not data path lcores. 23.11 has rte_thread_create_control() on rte_thread_t
 * and no rte_ctrl_thread_create() any more; 22.11 has only the latter, on pthread_t.
 */
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define RTE_VDPA_HAVE_CTRL_THREAD 1
#endif

#ifdef RTE_VDPA_HAVE_CTRL_THREAD
struct rte_vdpa_thread_start {
	rte_thread_func func;
	void *arg;
};

static inline void *
rte_vdpa_thread_main(void *opaque)
{
	struct rte_vdpa_thread_start start = *(struct rte_vdpa_thread_start *)opaque;

	free(opaque);
	return (void *)(uintptr_t)start.func(start.arg);
}
#endif

/**
 * Start a control thread: one that runs on the CPUs that EAL keeps off its lcores.
 *
 * @param id
 *   Filled with the thread, for rte_thread_join().
 * @param name
 *   At most 15 characters, as seen in ps and top.
 * @return
 *   0, or a negative errno.
 */
static inline int
rte_vdpa_thread_create_control(rte_thread_t *id, const char *name, rte_thread_func func, void *arg)
{
#ifdef RTE_VDPA_HAVE_CTRL_THREAD
	struct rte_vdpa_thread_start *start = malloc(sizeof(*start));
	pthread_t thread;
	int ret;

	if (start == NULL)
		return -ENOMEM;
	start->func = func;
	start->arg = arg;
	ret = rte_ctrl_thread_create(&thread, name, NULL, rte_vdpa_thread_main, start);
	if (ret != 0) {
		free(start);
		return ret;
	}
	id->opaque_id = (uintptr_t)thread;
	return 0;
#else
	int ret = rte_thread_create_control(id, name, func, arg);

	return ret > 0 ? -ret : ret;
#endif
}

#endif /* RTE_VDPA_COMPAT_H */

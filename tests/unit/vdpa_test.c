/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <bus_vdev_driver.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "vdpa.h"

#define QUEUE_NUM 4
#define FEATURES UINT64_C(0x130000000)
#define PROTOCOL_FEATURES UINT64_C(0x8021)
#define COUNTERS 3

/* A driver whose devices answer from constants. */

static int
get_queue_num(struct rte_vdpa_device *dev, uint32_t *queue_num)
{
	(void)dev;
	*queue_num = QUEUE_NUM;
	return 0;
}

static int
get_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = FEATURES;
	return 0;
}

static int
get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = PROTOCOL_FEATURES;
	return 0;
}

static int
on_vid(int vid)
{
	(void)vid;
	return 0;
}

static int
set_vring_state(int vid, int vring, int state)
{
	(void)vid;
	(void)vring;
	(void)state;
	return 0;
}

static int
get_stats_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names, unsigned int size)
{
	static const char *const all[COUNTERS] = { "packets", "bytes", "drops" };

	(void)dev;
	if (names == NULL) {
		assert_int_equal(size, 0);
		return COUNTERS;
	}
	for (unsigned int i = 0; i < RTE_MIN(size, (unsigned int)COUNTERS); i++)
		strcpy(names[i].name, all[i]);
	return RTE_MIN(size, (unsigned int)COUNTERS);
}

static int
get_stats(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *stats, unsigned int n)
{
	(void)dev;
	if (qid >= 2 * QUEUE_NUM)
		return -EINVAL;
	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)COUNTERS); i++)
		stats[i] = (struct rte_vdpa_stat){ .id = i, .value = 100 * qid + i };
	return RTE_MIN(n, (unsigned int)COUNTERS);
}

static int
reset_stats(struct rte_vdpa_device *dev, int qid)
{
	(void)dev;
	return qid < 2 * QUEUE_NUM ? 0 : -EINVAL;
}

static struct rte_vdpa_dev_ops full_ops = {
	.get_queue_num = get_queue_num,
	.get_features = get_features,
	.get_protocol_features = get_protocol_features,
	.dev_conf = on_vid,
	.dev_close = on_vid,
	.set_vring_state = set_vring_state,
	.set_features = on_vid,
	.get_stats_names = get_stats_names,
	.get_stats = get_stats,
	.reset_stats = reset_stats,
};

static struct rte_vdpa_dev_ops least_ops = {
	.get_queue_num = get_queue_num,
	.get_features = get_features,
	.get_protocol_features = get_protocol_features,
	.dev_conf = on_vid,
	.dev_close = on_vid,
	.set_vring_state = set_vring_state,
	.set_features = on_vid,
};

/* It sits on a bus, so that devices come and go as they do for applications. */

static int
probe(struct rte_vdev_device *vdev)
{
	return rte_vdpa_register_device(&vdev->device, &full_ops) != NULL ? 0 : -1;
}

static int
remove_device(struct rte_vdev_device *vdev)
{
	return rte_vdpa_unregister_device(rte_vdpa_find_device_by_name(rte_vdev_device_name(vdev)));
}

static struct rte_vdev_driver vdev_driver = {
	.probe = probe,
	.remove = remove_device,
};

RTE_PMD_REGISTER_VDEV(vdpa_test, vdev_driver);

static struct rte_device
generic(const char *name)
{
	return (struct rte_device){ .name = name };
}

static void
a_registered_device_is_found_by_name(void **state)
{
	struct rte_device a = generic("a"), b = generic("b");
	struct rte_vdpa_device *da, *db;

	(void)state;
	assert_null(rte_vdpa_find_device_by_name("a"));
	da = rte_vdpa_register_device(&a, &full_ops);
	db = rte_vdpa_register_device(&b, &least_ops);
	assert_non_null(da);
	assert_non_null(db);
	assert_ptr_equal(rte_vdpa_find_device_by_name("a"), da);
	assert_ptr_equal(rte_vdpa_find_device_by_name("b"), db);
	assert_null(rte_vdpa_find_device_by_name("ab"));
	assert_null(rte_vdpa_find_device_by_name(NULL));
	assert_ptr_equal(rte_vdpa_get_rte_device(da), &a);
	assert_true(vdpa_is_registered(da));

	assert_int_equal(rte_vdpa_unregister_device(da), 0);
	assert_null(rte_vdpa_find_device_by_name("a"));
	assert_false(vdpa_is_registered(da));
	assert_ptr_equal(rte_vdpa_find_device_by_name("b"), db);
	assert_int_equal(rte_vdpa_unregister_device(db), 0);
}

static void
a_name_is_registered_once(void **state)
{
	struct rte_device a = generic("a"), other = generic("a");
	struct rte_vdpa_device *dev;

	(void)state;
	dev = rte_vdpa_register_device(&a, &full_ops);
	assert_non_null(dev);
	rte_errno = 0;
	assert_null(rte_vdpa_register_device(&other, &full_ops));
	assert_int_equal(rte_errno, EEXIST);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
}

static void
a_driver_without_a_required_operation_is_refused(void **state)
{
	const size_t required[] = {
		offsetof(struct rte_vdpa_dev_ops, get_queue_num),
		offsetof(struct rte_vdpa_dev_ops, get_features),
		offsetof(struct rte_vdpa_dev_ops, get_protocol_features),
		offsetof(struct rte_vdpa_dev_ops, dev_conf),
		offsetof(struct rte_vdpa_dev_ops, dev_close),
		offsetof(struct rte_vdpa_dev_ops, set_vring_state),
		offsetof(struct rte_vdpa_dev_ops, set_features),
	};
	struct rte_device a = generic("a");

	(void)state;
	for (size_t i = 0; i < RTE_DIM(required); i++) {
		struct rte_vdpa_dev_ops ops = full_ops;

		memset((char *)&ops + required[i], 0, sizeof(void *));
		rte_errno = 0;
		assert_null(rte_vdpa_register_device(&a, &ops));
		assert_int_equal(rte_errno, EINVAL);
	}
	assert_null(rte_vdpa_register_device(&a, NULL));
	assert_null(rte_vdpa_register_device(NULL, &full_ops));
}

static int type_answer;

static int
get_dev_type(struct rte_vdpa_device *dev, uint32_t *type)
{
	(void)dev;
	*type = RTE_VHOST_VDPA_DEVICE_TYPE_BLK;
	return type_answer;
}

static void
the_driver_tells_the_type(void **state)
{
	struct rte_vdpa_dev_ops ops = least_ops;
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;

	(void)state;
	dev = rte_vdpa_register_device(&a, &least_ops);
	assert_int_equal(dev->type, RTE_VHOST_VDPA_DEVICE_TYPE_NET);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);

	ops.get_dev_type = get_dev_type;
	type_answer = 0;
	dev = rte_vdpa_register_device(&a, &ops);
	assert_int_equal(dev->type, RTE_VHOST_VDPA_DEVICE_TYPE_BLK);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);

	type_answer = -EIO;
	assert_null(rte_vdpa_register_device(&a, &ops));
	assert_int_equal(rte_errno, EIO);
}

static void
queries_reach_the_driver(void **state)
{
	struct rte_vdpa_stat_name names[COUNTERS + 1];
	struct rte_vdpa_stat stats[COUNTERS + 1];
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;
	uint64_t features;
	uint32_t queues;

	(void)state;
	dev = rte_vdpa_register_device(&a, &full_ops);
	assert_int_equal(rte_vdpa_get_queue_num(dev, &queues), 0);
	assert_int_equal(queues, QUEUE_NUM);
	assert_int_equal(rte_vdpa_get_features(dev, &features), 0);
	assert_int_equal(features, FEATURES);
	assert_int_equal(rte_vdpa_get_protocol_features(dev, &features), 0);
	assert_int_equal(features, PROTOCOL_FEATURES);
	assert_int_equal(rte_vdpa_get_stats_names(dev, NULL, 77), COUNTERS);
	assert_int_equal(rte_vdpa_get_stats_names(dev, names, RTE_DIM(names)), COUNTERS);
	assert_string_equal(names[2].name, "drops");
	assert_int_equal(rte_vdpa_get_stats(dev, 5, stats, RTE_DIM(stats)), COUNTERS);
	assert_int_equal(stats[2].id, 2);
	assert_int_equal(stats[2].value, 502);
	assert_int_equal(rte_vdpa_get_stats(dev, 5, stats, 1), 1);
	assert_int_equal(rte_vdpa_reset_stats(dev, 5), 0);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
}

static void
wrong_arguments_are_refused(void **state)
{
	struct rte_vdpa_stat stats[COUNTERS];
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;

	(void)state;
	dev = rte_vdpa_register_device(&a, &full_ops);
	assert_int_equal(rte_vdpa_get_queue_num(dev, NULL), -1);
	assert_int_equal(rte_vdpa_get_features(dev, NULL), -1);
	assert_int_equal(rte_vdpa_get_protocol_features(dev, NULL), -1);
	assert_int_equal(rte_vdpa_get_stats(dev, 0, NULL, COUNTERS), -EINVAL);
	assert_int_equal(rte_vdpa_get_stats(dev, 0, stats, 0), -EINVAL);
	assert_int_equal(rte_vdpa_get_stats(NULL, 0, stats, COUNTERS), -EINVAL);
	assert_int_equal(rte_vdpa_get_stats_names(NULL, NULL, 0), -EINVAL);
	assert_int_equal(rte_vdpa_reset_stats(NULL, 0), -EINVAL);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
}

static void
a_device_that_does_not_count_says_so(void **state)
{
	struct rte_vdpa_stat stats[COUNTERS];
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;

	(void)state;
	dev = rte_vdpa_register_device(&a, &least_ops);
	assert_int_equal(rte_vdpa_get_stats_names(dev, NULL, 0), -ENOTSUP);
	assert_int_equal(rte_vdpa_get_stats(dev, 0, stats, COUNTERS), -ENOTSUP);
	assert_int_equal(rte_vdpa_reset_stats(dev, 0), -ENOTSUP);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
}

static void
a_device_that_left_is_refused(void **state)
{
	struct rte_vdpa_stat stats[COUNTERS];
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;
	uint64_t features;
	uint32_t queues;

	(void)state;
	dev = rte_vdpa_register_device(&a, &full_ops);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
	assert_int_equal(rte_vdpa_get_queue_num(dev, &queues), -1);
	assert_int_equal(rte_vdpa_get_features(dev, &features), -1);
	assert_int_equal(rte_vdpa_get_protocol_features(dev, &features), -1);
	assert_int_equal(rte_vdpa_get_stats_names(dev, NULL, 0), -ENODEV);
	assert_int_equal(rte_vdpa_get_stats(dev, 0, stats, COUNTERS), -ENODEV);
	assert_int_equal(rte_vdpa_reset_stats(dev, 0), -ENODEV);
	assert_null(rte_vdpa_get_rte_device(dev));
	assert_null(rte_vdpa_get_rte_device(NULL));
	assert_int_equal(rte_vdpa_unregister_device(dev), -1);
	assert_int_equal(rte_errno, ENODEV);
}

static const struct rte_vdpa_device *released;

static void
release(struct rte_vdpa_device *dev)
{
	assert_false(vdpa_is_registered(dev));
	assert_ptr_equal(dev->ops, &full_ops);
	released = dev;
}

static void
connections_are_told_to_let_go(void **state)
{
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;

	(void)state;
	vdpa_on_release(release);
	dev = rte_vdpa_register_device(&a, &full_ops);
	released = NULL;
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
	assert_ptr_equal(released, dev);
	vdpa_on_release(NULL);
}

/* A query that stays in the driver until the test lets it out. */
static sem_t query_inside, query_may_end;
static bool query_ended;

static int
slow_get_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	(void)dev;
	*features = 0;
	sem_post(&query_inside);
	sem_wait(&query_may_end);
	__atomic_store_n(&query_ended, true, __ATOMIC_SEQ_CST);
	return 0;
}

static void *
query(void *dev)
{
	uint64_t features;

	rte_vdpa_get_features(dev, &features);
	return NULL;
}

static void
let_query_end(struct rte_vdpa_device *dev)
{
	(void)dev;
	sem_post(&query_may_end);
}

static void
unregistration_waits_for_queries(void **state)
{
	struct rte_vdpa_dev_ops ops = full_ops;
	struct rte_device a = generic("a");
	struct rte_vdpa_device *dev;
	pthread_t thread;

	(void)state;
	sem_init(&query_inside, 0, 0);
	sem_init(&query_may_end, 0, 0);
	ops.get_features = slow_get_features;
	dev = rte_vdpa_register_device(&a, &ops);
	assert_int_equal(pthread_create(&thread, NULL, query, dev), 0);
	sem_wait(&query_inside);
	vdpa_on_release(let_query_end);
	assert_int_equal(rte_vdpa_unregister_device(dev), 0);
	assert_true(__atomic_load_n(&query_ended, __ATOMIC_SEQ_CST));
	pthread_join(thread, NULL);
	vdpa_on_release(NULL);
}

static void *
come_and_go(void *arg)
{
	struct rte_device a = generic(arg);

	for (int i = 0; i < 2000; i++) {
		struct rte_vdpa_device *dev = rte_vdpa_register_device(&a, &full_ops);
		uint32_t queues;

		if (dev == NULL || rte_vdpa_find_device_by_name(a.name) != dev ||
			rte_vdpa_get_queue_num(dev, &queues) != 0 ||
			rte_vdpa_unregister_device(dev) != 0)
			return arg;
	}
	return NULL;
}

static void
devices_come_and_go_in_parallel(void **state)
{
	static char names[4][2] = { "a", "b", "c", "d" };
	pthread_t threads[RTE_DIM(names)];
	void *failed;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(names); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, names[i]), 0);
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

/** Join the names of what an iterator string selects. */
static void
iterate(const char *str, char *names, size_t size)
{
	char writable[64]; /* EAL cuts the string it is given into layers */
	struct rte_dev_iterator it;
	struct rte_device *dev;
	size_t len = 0;

	snprintf(writable, sizeof(writable), "%s", str);
	names[0] = '\0';
	RTE_DEV_FOREACH(dev, writable, &it) {
		len += snprintf(names + len, size - len, "%s ", rte_dev_name(dev));
		assert_true(len < size);
	}
}

static void
the_class_iterates_over_devices_of_a_bus(void **state)
{
	char names[128];

	(void)state;
	iterate("class=vdpa", names, sizeof(names));
	assert_string_equal(names, "");
	assert_int_equal(rte_vdev_init("vdpa_test0", NULL), 0);
	iterate("class=vdpa", names, sizeof(names));
	assert_string_equal(names, "vdpa_test0 ");
	assert_int_equal(rte_vdev_init("vdpa_test1", NULL), 0);
	iterate("class=vdpa", names, sizeof(names));
	assert_string_equal(names, "vdpa_test0 vdpa_test1 ");
	iterate("bus=vdev/class=vdpa", names, sizeof(names));
	assert_string_equal(names, "vdpa_test0 vdpa_test1 ");
	iterate("bus=vdev,name=vdpa_test1/class=vdpa", names, sizeof(names));
	assert_string_equal(names, "vdpa_test1 ");
	iterate("class=vdpa,colour=blue", names, sizeof(names));
	assert_string_equal(names, "");

	assert_int_equal(rte_vdev_uninit("vdpa_test0"), 0);
	iterate("class=vdpa", names, sizeof(names));
	assert_string_equal(names, "vdpa_test1 ");
	assert_int_equal(rte_vdev_uninit("vdpa_test1"), 0);
	iterate("class=vdpa", names, sizeof(names));
	assert_string_equal(names, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_registered_device_is_found_by_name),
		cmocka_unit_test(a_name_is_registered_once),
		cmocka_unit_test(a_driver_without_a_required_operation_is_refused),
		cmocka_unit_test(the_driver_tells_the_type),
		cmocka_unit_test(queries_reach_the_driver),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(a_device_that_does_not_count_says_so),
		cmocka_unit_test(a_device_that_left_is_refused),
		cmocka_unit_test(connections_are_told_to_let_go),
		cmocka_unit_test(unregistration_waits_for_queries),
		cmocka_unit_test(devices_come_and_go_in_parallel),
		cmocka_unit_test(the_class_iterates_over_devices_of_a_bus),
	};

	rte_openlog_stream(stdout);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

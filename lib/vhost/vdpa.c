/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_class.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_kvargs.h>
#include <rte_vdpa_compat.h>

#include "vdpa.h"
#include "vhost_telemetry.h"

RTE_LOG_REGISTER_SUFFIX(vdpa_logtype, vdpa, INFO);
#define LOG(level, ...) VDPA_LOG(vdpa_logtype, level, __VA_ARGS__)

/** A device with what only the registry may touch. Drivers and users point to @c dev. */
struct entry {
	struct rte_vdpa_device dev;
	unsigned int users; /**< queries that are in the driver now */
};

RTE_TAILQ_HEAD(device_list, rte_vdpa_device);

/* No operation is called with the lock held: what a driver does in one is its own business. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle; /**< some entry's users became 0 */
	struct device_list devices;
	vdpa_release_fn release;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.devices = TAILQ_HEAD_INITIALIZER(registry.devices),
};

static struct entry *
entry_of(struct rte_vdpa_device *dev)
{
	return container_of(dev, struct entry, dev);
}

/** The device at this address, or NULL: @a dev may be a pointer that was kept for too long. */
static struct rte_vdpa_device *
find_locked(const struct rte_vdpa_device *dev)
{
	struct rte_vdpa_device *it;

	TAILQ_FOREACH(it, &registry.devices, next) {
		if (it == dev)
			return it;
	}
	return NULL;
}

static struct rte_vdpa_device *
find_name_locked(const char *name)
{
	struct rte_vdpa_device *it;

	TAILQ_FOREACH(it, &registry.devices, next) {
		if (strcmp(rte_dev_name(it->device), name) == 0)
			return it;
	}
	return NULL;
}

/** Keep @a dev from leaving until unuse(); false if it is not registered. */
static bool
use(struct rte_vdpa_device *dev)
{
	bool found;

	pthread_mutex_lock(&registry.lock);
	found = find_locked(dev) != NULL;
	if (found)
		entry_of(dev)->users++;
	pthread_mutex_unlock(&registry.lock);
	return found;
}

static void
unuse(struct rte_vdpa_device *dev)
{
	pthread_mutex_lock(&registry.lock);
	if (--entry_of(dev)->users == 0)
		pthread_cond_broadcast(&registry.idle);
	pthread_mutex_unlock(&registry.lock);
}

/** Name of an operation that a device cannot do without and that @a ops lacks, or NULL. */
static const char *
missing_op(const struct rte_vdpa_dev_ops *ops)
{
	const struct {
		const char *name;
		bool present;
	} required[] = {
		{ "get_queue_num", ops->get_queue_num != NULL },
		{ "get_features", ops->get_features != NULL },
		{ "get_protocol_features", ops->get_protocol_features != NULL },
		{ "dev_conf", ops->dev_conf != NULL },
		{ "dev_close", ops->dev_close != NULL },
		{ "set_vring_state", ops->set_vring_state != NULL },
		{ "set_features", ops->set_features != NULL },
	};

	for (size_t i = 0; i < RTE_DIM(required); i++) {
		if (!required[i].present)
			return required[i].name;
	}
	return NULL;
}

struct rte_vdpa_device *
rte_vdpa_register_device(struct rte_device *rte_dev, struct rte_vdpa_dev_ops *ops)
{
	const char *name, *missing;
	struct entry *entry;
	int ret;

	if (rte_dev == NULL || rte_dev_name(rte_dev) == NULL || ops == NULL) {
		rte_errno = EINVAL;
		return NULL;
	}
	name = rte_dev_name(rte_dev);
	missing = missing_op(ops);
	if (missing != NULL) {
		LOG(ERR, "%s: cannot register: its driver has no %s()", name, missing);
		rte_errno = EINVAL;
		return NULL;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		LOG(ERR, "%s: cannot register: out of memory", name);
		rte_errno = ENOMEM;
		return NULL;
	}
	entry->dev.device = rte_dev;
	entry->dev.ops = ops;
	entry->dev.type = RTE_VHOST_VDPA_DEVICE_TYPE_NET;
	ret = VDPA_OP(&entry->dev, get_dev_type, &entry->dev, &entry->dev.type);
	if (ret != 0 && ret != -ENOTSUP) {
		LOG(ERR, "%s: cannot register: its driver does not tell its type (%d)", name, ret);
		free(entry);
		rte_errno = EIO;
		return NULL;
	}

	pthread_mutex_lock(&registry.lock);
	if (find_name_locked(name) != NULL) {
		pthread_mutex_unlock(&registry.lock);
		LOG(ERR, "%s: cannot register: a vDPA device of this name exists", name);
		free(entry);
		rte_errno = EEXIST;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&registry.devices, &entry->dev, next);
	pthread_mutex_unlock(&registry.lock);
	return &entry->dev;
}

int
rte_vdpa_unregister_device(struct rte_vdpa_device *dev)
{
	vdpa_release_fn release;

	pthread_mutex_lock(&registry.lock);
	if (find_locked(dev) == NULL) {
		pthread_mutex_unlock(&registry.lock);
		rte_errno = ENODEV;
		return -1;
	}
	TAILQ_REMOVE(&registry.devices, dev, next);
	release = registry.release;
	pthread_mutex_unlock(&registry.lock);

	if (release != NULL)
		release(dev);

	pthread_mutex_lock(&registry.lock);
	while (entry_of(dev)->users > 0)
		pthread_cond_wait(&registry.idle, &registry.lock);
	pthread_mutex_unlock(&registry.lock);
	free(entry_of(dev));
	return 0;
}

void
vdpa_on_release(vdpa_release_fn release)
{
	pthread_mutex_lock(&registry.lock);
	registry.release = release;
	pthread_mutex_unlock(&registry.lock);
}

void
vdpa_walk(void (*fn)(struct rte_vdpa_device *dev, void *arg), void *arg)
{
	struct rte_vdpa_device *dev;

	pthread_mutex_lock(&registry.lock);
	TAILQ_FOREACH(dev, &registry.devices, next)
		fn(dev, arg);
	pthread_mutex_unlock(&registry.lock);
}

bool
vdpa_is_registered(const struct rte_vdpa_device *dev)
{
	bool found;

	pthread_mutex_lock(&registry.lock);
	found = find_locked(dev) != NULL;
	pthread_mutex_unlock(&registry.lock);
	return found;
}

struct rte_vdpa_device *
rte_vdpa_find_device_by_name(const char *name)
{
	struct rte_vdpa_device *dev;

	if (name == NULL)
		return NULL;
	pthread_mutex_lock(&registry.lock);
	dev = find_name_locked(name);
	pthread_mutex_unlock(&registry.lock);
	return dev;
}

struct rte_device *
rte_vdpa_get_rte_device(struct rte_vdpa_device *vdpa_dev)
{
	struct rte_device *device = NULL;

	pthread_mutex_lock(&registry.lock);
	if (find_locked(vdpa_dev) != NULL)
		device = vdpa_dev->device;
	pthread_mutex_unlock(&registry.lock);
	return device;
}

int
rte_vdpa_get_queue_num(struct rte_vdpa_device *dev, uint32_t *queue_num)
{
	int ret;

	if (queue_num == NULL || !use(dev))
		return -1;
	ret = dev->ops->get_queue_num(dev, queue_num);
	unuse(dev);
	return ret == 0 ? 0 : -1;
}

int
rte_vdpa_get_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	int ret;

	if (features == NULL || !use(dev))
		return -1;
	ret = dev->ops->get_features(dev, features);
	unuse(dev);
	return ret == 0 ? 0 : -1;
}

int
rte_vdpa_get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features)
{
	int ret;

	if (features == NULL || !use(dev))
		return -1;
	ret = dev->ops->get_protocol_features(dev, features);
	unuse(dev);
	return ret == 0 ? 0 : -1;
}

int
rte_vdpa_get_stats_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *stats_names,
	unsigned int size)
{
	int ret;

	if (dev == NULL)
		return -EINVAL;
	if (!use(dev))
		return -ENODEV;
	ret = VDPA_OP(dev, get_stats_names, dev, stats_names, stats_names == NULL ? 0 : size);
	unuse(dev);
	return ret;
}

int
rte_vdpa_get_stats(struct rte_vdpa_device *dev, uint16_t qid, struct rte_vdpa_stat *stats,
	unsigned int n)
{
	int ret;

	if (dev == NULL || stats == NULL || n == 0)
		return -EINVAL;
	if (!use(dev))
		return -ENODEV;
	ret = VDPA_OP(dev, get_stats, dev, qid, stats, n);
	unuse(dev);
	return ret;
}

int
rte_vdpa_reset_stats(struct rte_vdpa_device *dev, uint16_t qid)
{
	int ret;

	if (dev == NULL)
		return -EINVAL;
	if (!use(dev))
		return -ENODEV;
	ret = VDPA_OP(dev, reset_stats, dev, qid);
	unuse(dev);
	return ret;
}

/**
 * "class=vdpa": give the device after @a start, of those that sit on the generic device which
 * EAL's iterator has come to. There is nothing else to select vDPA devices by.
 */
static void *
iterate(const void *start, const char *str, const struct rte_dev_iterator *it)
{
	static const char *const keys[] = { "class", NULL };
	struct rte_vdpa_device *dev;
	struct rte_kvargs *kvargs;

	if (str != NULL) {
		kvargs = rte_kvargs_parse(str, keys);
		if (kvargs == NULL) {
			LOG(ERR, "cannot iterate over '%s': class vdpa has no properties", str);
			rte_errno = EINVAL;
			return NULL;
		}
		rte_kvargs_free(kvargs);
	}

	pthread_mutex_lock(&registry.lock);
	if (start == NULL) {
		dev = TAILQ_FIRST(&registry.devices);
	} else {
		dev = find_locked(start);
		if (dev != NULL)
			dev = TAILQ_NEXT(dev, next);
	}
	while (dev != NULL && it->device != NULL && it->device != dev->device)
		dev = TAILQ_NEXT(dev, next);
	pthread_mutex_unlock(&registry.lock);
	return dev;
}

static struct rte_class vdpa_class = {
	.dev_iterate = iterate,
};

RTE_REGISTER_CLASS(vdpa, vdpa_class);

/* Here, since a program linked with the archive gets what it names, which is not telemetry. */
RTE_INIT(vdpa_tell_telemetry)
{
	vdpa_telemetry_register();
}

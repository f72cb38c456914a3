/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "budget.h"
#include "memory.h"
#include "postcopy.h"
#include "vhost_log.h"
#include "vhost_user_dispatch.h"

/*
 * Handlers of post-copy migration. In this order: ADVISE, the front end gets a userfaultfd; LISTEN,
 * from now on pages may be missing; memory, of which the front end is told where it is mapped here,
 * and which is used only after it has said that it can serve faults; END.
 */

/* An answer without a descriptor tells the front end that there will be none. */
int
vhost_user_postcopy_advise(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	bool user_only;
	int fd, ret;

	(void)q;
	vhost_device_end_postcopy(dev);
	ret = vhost_budget_device_fds(dev, 1);
	if (ret != 0)
		return ret;
	fd = vhost_postcopy_open(&user_only);
	msg->header.size = 0;
	if (fd < 0) {
		VHOST_LOG(ERR,
			"%s: no post-copy migration: the kernel does not permit userfaultfd: %s; "
			"run with CAP_SYS_PTRACE, or set sysctl vm.unprivileged_userfaultfd to 1",
			dev->name, strerror(-fd));
		return VHOST_USER_REPLY;
	}
	if (user_only)
		VHOST_LOG(INFO,
			"%s: post-copy migration: system calls that are given guest memory will "
			"fail while it is on its way",
			dev->name);
	dev->postcopy.fd = fd;
	msg->fds[0] = dup(fd);
	msg->nfds = msg->fds[0] >= 0;
	return VHOST_USER_REPLY;
}

int
vhost_user_postcopy_listen(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	(void)msg;
	if (dev->postcopy.fd < 0)
		return vhost_device_error(dev, -EINVAL,
			"pages cannot be waited for: no userfaultfd was asked for, or got");
	/* Where that is mapped, the front end was not told. */
	if (dev->mem != NULL)
		return vhost_device_error(dev, -EBUSY, "guest memory is in use already");
	dev->postcopy.listening = true;
	return 0;
}

int
vhost_user_postcopy_end(struct vhost_device *dev, struct vhost_queue *q,
	struct vhost_user_message *msg)
{
	(void)q;
	msg->payload.u64 = dev->postcopy.listening ? 0 : 1;
	msg->header.size = sizeof(msg->payload.u64);
	vhost_device_end_postcopy(dev);
	return VHOST_USER_REPLY;
}

bool
vhost_user_postcopy_is_go(const struct vhost_device *dev, const struct vhost_user_message *msg)
{
	return dev->postcopy.listening && msg->nfds == 0 &&
		msg->header.size == sizeof(msg->payload.u64) && msg->payload.u64 == 0;
}

int
vhost_user_postcopy_go(struct vhost_device *dev, struct rte_vhost_memory **mem)
{
	int ret;

	*mem = NULL;
	if (dev->postcopy.mem == NULL)
		return 0;
	ret = vhost_postcopy_register(dev->postcopy.fd, dev->postcopy.mem);
	if (ret != 0)
		return vhost_device_error(dev, ret,
			"cannot wait for pages of guest memory (userfaultfd): %s", strerror(-ret));
	ret = vhost_budget_device_fds(dev, 2);
	if (ret != 0)
		return ret;
	vhost_postcopy_unwatch(dev->postcopy.watch);
	dev->postcopy.watch = vhost_postcopy_watch(dev->postcopy.fd, dev->connection,
		dev->postcopy.mem);
	if (dev->postcopy.watch == NULL)
		return vhost_device_error(dev, -errno,
			"cannot watch the connection while pages are waited for: %s",
			strerror(errno));
	*mem = dev->postcopy.mem;
	dev->postcopy.mem = NULL;
	return 0;
}

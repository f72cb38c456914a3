/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "device.h"
#include "log.h"
#include "tap.h"

#define TUN_DEVICE "/dev/net/tun"

/* What a device hands us unfinished, and what a tap calls it. */
static const struct {
	unsigned int feature;
	unsigned int offload;
} offloads[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
};

static int
complain(const char *port, const char *name, const char *what, int error)
{
	const char *remedy = "";

	if (error == EPERM)
		remedy = ": it takes CAP_NET_ADMIN, or an interface that was made for this user "
			 "('ip tuntap add NAME mode tap user USER')";
	else if (error == EACCES)
		remedy = ": let this user read and write " TUN_DEVICE
			 " (chmod 666, as udev has it)";
	else if (error == EINVAL)
		remedy = ": there is one of that name of another kind: with several queues it "
			 "has to be made by 'ip tuntap add NAME mode tap multi_queue'";
	else if (error == EBUSY)
		remedy = ": another program has it";
	VIRTIO_LOG(ERR, "%s: cannot %s tap interface '%s': %s%s", port, what, name, strerror(error),
		remedy);
	return -error;
}

static int
ask(const char *port, int fd, unsigned long request, void *arg, const char *what)
{
	struct ifreq ifr = { 0 };
	int error;

	if (ioctl(fd, request, arg) >= 0)
		return 0;
	error = errno;
	(void)ioctl(fd, TUNGETIFF, &ifr);
	return complain(port, ifr.ifr_name, what, error);
}

static int
try_open(char name[IFNAMSIZ], short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
	if (ioctl(fd, TUNSETIFF, &ifr) >= 0) {
		memcpy(name, ifr.ifr_name, sizeof(ifr.ifr_name));
		return fd;
	}
	error = errno;
	close(fd);
	return -error;
}

int
virtio_tap_open(const char *port, char name[IFNAMSIZ], bool several)
{
	const short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int fd;

	if (access(TUN_DEVICE, F_OK) < 0) {
		VIRTIO_LOG(ERR,
			"%s: %s: %s: load module tun (modprobe tun), or give the container "
			"that device",
			port, TUN_DEVICE, strerror(errno));
		return -ENODEV;
	}
	fd = try_open(name, several ? flags | IFF_MULTI_QUEUE : flags);
	/* One queue of an interface that could have several. */
	if (fd == -EINVAL && !several)
		fd = try_open(name, flags | IFF_MULTI_QUEUE);
	return fd < 0 ? complain(port, name, "open", -fd) : fd;
}

int
virtio_tap_format(const char *port, int fd, uint64_t features)
{
	const bool modern = features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	int little_endian = modern;
	int header = sizeof(struct virtio_net_hdr);
	unsigned int take = 0;
	int ret;

	if (modern || features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF))
		header = sizeof(struct virtio_net_hdr_v1);
	for (unsigned int i = 0; i < RTE_DIM(offloads); i++)
		if (features & VIRTIO_FEATURE(offloads[i].feature))
			take |= offloads[i].offload;
	ret = ask(port, fd, TUNSETVNETHDRSZ, &header, "set the header size of");
	if (ret == 0)
		ret = ask(port, fd, TUNSETVNETLE, &little_endian, "set the byte order of");
	if (ret == 0)
		ret = ask(port, fd, TUNSETOFFLOAD, (void *)(uintptr_t)take, "set offloads of");
	return ret;
}

int
virtio_tap_attach(const char *port, int fd, bool attach)
{
	struct ifreq ifr = { .ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ask(port, fd, TUNSETQUEUE, &ifr, attach ? "attach to" : "detach from");
}

void
virtio_tap_carrier(int fd, bool on)
{
	int carrier = on;

	(void)ioctl(fd, TUNSETCARRIER, &carrier);
}

int
virtio_tap_set_mac(const char *port, int fd, const struct rte_ether_addr *mac)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(*mac));
	return ask(port, fd, SIOCSIFHWADDR, &ifr, "set the address of");
}

bool
virtio_tap_exists(int fd)
{
	struct ifreq ifr = { 0 };

	return ioctl(fd, TUNGETIFF, &ifr) >= 0;
}

bool
virtio_tap_is_up(int fd, int sock)
{
	struct ifreq ifr = { 0 };

	if (ioctl(fd, TUNGETIFF, &ifr) < 0 || ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return true;
	return ifr.ifr_flags & IFF_UP;
}

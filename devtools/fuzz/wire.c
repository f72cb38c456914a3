/* SPDX-License-Identifier: BSD-3-Clause */

#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

/* Linux takes no more with one sendmsg(2). */
#define FDS_MAX 253

void
fuzz_wire_take(struct fuzz_input *in, struct fuzz_wire *wire)
{
	*wire = (struct fuzz_wire){ .how = fuzz_u8(in) };
	if (wire->how & FUZZ_WIRE_CUT) {
		wire->cuts = 1 + fuzz_u8(in) % RTE_DIM(wire->lengths);
		for (uint8_t i = 0; i < wire->cuts; i++)
			wire->lengths[i] = fuzz_u16(in);
	}
	if (wire->how & FUZZ_WIRE_SIZE)
		wire->size = fuzz_u32(in);
	if (wire->how & FUZZ_WIRE_FLAGS)
		wire->flags = fuzz_u8(in);
	if (wire->how & FUZZ_WIRE_LENGTH)
		wire->length = fuzz_u16(in);
	if (wire->how & FUZZ_WIRE_FDS)
		wire->nfds = fuzz_u8(in);
	if (wire->how & FUZZ_WIRE_LATE_FDS)
		wire->fds_with = fuzz_u8(in) % (wire->cuts + 1);
}

static void
send_piece(int sock, const void *bytes, size_t len, const int *fds, size_t nfds)
{
	union {
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
	}
	/* The receiver may be gone, or have too much to read already. */
	(void)!sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static size_t
collect_fds(const struct vhost_user_message *msg, const struct fuzz_wire *wire, int more, int *fds)
{
	size_t n = (size_t)msg->nfds;

	memcpy(fds, msg->fds, n * sizeof(fds[0]));
	for (uint8_t i = 0; i < wire->nfds && n < FDS_MAX; i++)
		fds[n++] = more;
	return n;
}

void
fuzz_wire_send(int sock, struct vhost_user_message *msg, const struct fuzz_wire *wire, int more,
	void (*arrived)(void))
{
	uint8_t bytes[FUZZ_WIRE_MAX] = { 0 };
	size_t len = sizeof(msg->header) + msg->header.size, at = 0, piece;
	int fds[FDS_MAX];
	const size_t nfds = collect_fds(msg, wire, more, fds);

	if (wire->how & FUZZ_WIRE_SIZE)
		msg->header.size = wire->size;
	if (wire->how & FUZZ_WIRE_LENGTH)
		len = wire->length % FUZZ_WIRE_MAX;
	msg->header.flags ^= wire->flags;
	memcpy(bytes, &msg->header, sizeof(msg->header));
	memcpy(bytes + sizeof(msg->header), &msg->payload, sizeof(msg->payload));
	for (uint8_t i = 0; at < len; at += piece, i++) {
		piece = i < wire->cuts ? 1 + wire->lengths[i] % (len - at) : len - at;
		send_piece(sock, bytes + at, piece, fds, i == wire->fds_with ? nfds : 0);
		if ((wire->how & FUZZ_WIRE_GLUE) == 0)
			arrived();
	}
	vhost_user_message_close_fds(msg);
	if (wire->how & FUZZ_WIRE_HANG_UP) {
		shutdown(sock, SHUT_WR);
		arrived();
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * Eventfds that a front end gave us: call, err, and kick descriptors.
 *
 * Whether a write to an eventfd may block is a property of the open file, which the front end
 * shares: it may allow blocking at any time, and fill the counter so that the next write waits for
 * ever, with the thread that serves others, or a lock that others wait for. So they are not written
 * to. A completion of asynchronous I/O adds to the counter of an eventfd that is named with the
 * request, and never waits (io_submit(2), IOCB_FLAG_RESFD). What is requested is to poll that eventfd,
which completes at once.
 *
 * A thread keeps its own context for that, from the first time until it ends. Where the kernel
 * refuses one, eventfds are written to after all, if there is room in them at that moment.
 */

#ifndef VHOST_PEER_EVENT_H
#define VHOST_PEER_EVENT_H

/**
 * Add 1 to an eventfd's counter. One that is full stays so: the event is pending anyway. Any
 * thread; never waits, but for what is said above.
 *
 * @return 0; -EINVAL no eventfd; -EBADF not open; or another errno of io_submit(2) or write(2)
 */
int vhost_peer_event_raise(int fd);

#endif /* VHOST_PEER_EVENT_H */

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Traffic for a guest that is being moved, and a check that its memory arrives as it was.
 *
 * Sends numbered frames on an interface whose other end gives them back. What comes back is left in
 * the socket's queue, in the very memory that the device wrote it to and that no processor has
 * touched since, until HELD frames are there; only then the oldest one is read and compared. A
 * move that forgets a page which the device has written is seen here, as is a lost frame. Beside
 * it a pattern in ordinary memory is checked and written anew, page by page.
 *
 * SIGUSR1 makes it print its counters, SIGTERM makes it read what is still held, print, and end.
 * SIGUSR2 slows it down, and lets it go again: slow enough that during a move the device writes to
 * buffers that no processor has touched since before it, and that none touches until it is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HELD 256
#define FRAME_WORDS 170 /* of 8 bytes behind the Ethernet header: 1374 bytes in all */
#define PATTERN_PAGES 4096
#define PAGE_WORDS 512
#define ETHERTYPE 0x88b5 /* for local experiments */
#define PATIENCE_SECONDS 20
#define SLOW_US 4000
#define QUEUE_BYTES (16 << 20)

struct frame {
	struct ether_header ether;
	uint64_t number; /* the words behind it follow from it */
	uint64_t words[FRAME_WORDS - 1];
} __attribute__((packed));

static struct {
	uint64_t sent, received, lost, unexpected, corrupt, pages_checked, pages_bad;
} counters;

static volatile sig_atomic_t report_wanted, end_wanted, slow;

static void
on_signal(int number)
{
	if (number == SIGUSR1)
		report_wanted = 1;
	else if (number == SIGUSR2)
		slow = !slow;
	else
		end_wanted = 1;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
report(void)
{
	printf("sent=%ju received=%ju lost=%ju unexpected=%ju corrupt=%ju pages_checked=%ju "
	       "pages_bad=%ju\n",
		(uintmax_t)counters.sent, (uintmax_t)counters.received, (uintmax_t)counters.lost,
		(uintmax_t)counters.unexpected, (uintmax_t)counters.corrupt,
		(uintmax_t)counters.pages_checked, (uintmax_t)counters.pages_bad);
	fflush(stdout);
}

/* A word that says where and when it was written. */
static uint64_t
word_of(uint64_t seed, uint64_t index)
{
	return (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ index * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static int
open_link(const char *interface, uint8_t address[ETHER_ADDR_LEN])
{
	struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_ll link = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	socklen_t size = sizeof(link);
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1, bytes = QUEUE_BYTES;

	if (fd < 0 || link.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&link, size) < 0 ||
		getsockname(fd, (struct sockaddr *)&link, &size) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		die(interface);
	memcpy(address, link.sll_addr, ETHER_ADDR_LEN);
	return fd;
}

static void
send_frame(int fd, struct frame *frame)
{
	frame->number = counters.sent;
	for (unsigned int i = 0; i < FRAME_WORDS - 1; i++)
		frame->words[i] = word_of(frame->number, i);
	if (send(fd, frame, sizeof(*frame), 0) == (ssize_t)sizeof(*frame))
		counters.sent++;
	else if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
		die("send");
}

/* next is the number of the oldest frame that is still held, or on its way. */
static uint64_t
receive_frame(int fd, uint64_t next)
{
	struct frame frame;
	ssize_t size = recv(fd, &frame, sizeof(frame), 0);

	if (size < 0) {
		if (errno != EAGAIN)
			return next;
		counters.lost += counters.sent - next;
		return counters.sent;
	}
	if (size != (ssize_t)sizeof(frame) || frame.number < next ||
		frame.number >= counters.sent) {
		counters.unexpected++;
		return next;
	}
	for (unsigned int i = 0; i < FRAME_WORDS - 1; i++) {
		if (frame.words[i] != word_of(frame.number, i)) {
			counters.corrupt++;
			break;
		}
	}
	counters.received++;
	counters.lost += frame.number - next;
	return frame.number + 1;
}

/* Check a page of the pattern as the last round left it, and write this round's. */
static void
next_page(uint64_t *pattern)
{
	uint64_t page = counters.pages_checked % PATTERN_PAGES;
	uint64_t round = counters.pages_checked / PATTERN_PAGES;
	uint64_t *words = &pattern[page * PAGE_WORDS];

	for (unsigned int i = 0; i < PAGE_WORDS; i++) {
		if (words[i] != word_of(page + round * PATTERN_PAGES, i)) {
			counters.pages_bad++;
			break;
		}
	}
	for (unsigned int i = 0; i < PAGE_WORDS; i++)
		words[i] = word_of(page + (round + 1) * PATTERN_PAGES, i);
	counters.pages_checked++;
}

static uint64_t *
new_pattern(void)
{
	uint64_t *pattern = mmap(NULL, PATTERN_PAGES * PAGE_WORDS * sizeof(*pattern),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pattern == MAP_FAILED)
		die("mmap");
	for (uint64_t page = 0; page < PATTERN_PAGES; page++)
		for (unsigned int i = 0; i < PAGE_WORDS; i++)
			pattern[page * PAGE_WORDS + i] = word_of(page, i);
	return pattern;
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct frame frame = { .ether.ether_type = htons(ETHERTYPE) };
	uint64_t next = 0, *pattern;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "Usage: traffic INTERFACE\n");
		return 2;
	}
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	pattern = new_pattern();
	fd = open_link(argv[1], frame.ether.ether_shost);
	memcpy(frame.ether.ether_dhost, frame.ether.ether_shost, ETHER_ADDR_LEN);
	report(); /* signals are welcome from now on */
	while (!end_wanted) {
		send_frame(fd, &frame);
		if (counters.sent - next >= HELD)
			next = receive_frame(fd, next);
		next_page(pattern);
		if (slow)
			usleep(SLOW_US);
		if (report_wanted) {
			report_wanted = 0;
			report();
		}
	}
	while (next < counters.sent)
		next = receive_frame(fd, next);
	for (unsigned int page = 0; page < PATTERN_PAGES; page++)
		next_page(pattern);
	report();
	return 0;
}

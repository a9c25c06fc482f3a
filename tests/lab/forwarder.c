/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wire made of two ports, for tests and measurements only: forwards everything that has no fault.
 *   forwarder [-m|-r|-d] NIC NIC   prints "ready", and its counts when it gets SIGTERM or a NIC is gone
 *             -m: merges TCP segments, -r: over a socket that refuses them, -d: over one that drops them
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/port.h"

#define MARK 0xf15b

struct side {
	const char *name;
	struct port *port;
	uint64_t received, sent, failed, refused;
	uint64_t seen,
		unseen; /* frames that were said to wait before they were asked for; that then were none */
	uint64_t fault[PORT_FAULT_RUNT + 1];
};

static volatile sig_atomic_t stop;
static enum { ALONE, MERGED, REFUSED, DROPPED } how;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int open_merged(const char *name, int *ret_fd)
{
	static const int on = 1;
	int r;

	if (how == REFUSED) {
		*ret_fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* of nobody: ENOTCONN */
		return *ret_fd < 0 ? -errno : 0;
	}
	r = port_open_merged((int)if_nametoindex(name), MARK, ret_fd);
	if (!r && how == DROPPED) /* who goes past the queueing has to cut himself: ENOBUFS */
		setsockopt(*ret_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return r;
}

static int side_open(struct side *side, const char *name)
{
	struct port_info info;
	int fd, r;

	side->name = name;
	r = port_open((int)if_nametoindex(name), MARK, &fd, &info);
	if (!r)
		r = port_listen(fd, &info);
	if (!r)
		r = port_attach(fd, &info, &side->port);
	if (!r && how != ALONE && !(r = open_merged(name, &fd)))
		r = port_use_merged(side->port, fd);
	if (r)
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
	return r;
}

/* -ENODEV ends the program; a NIC that is down is waited for. */
static int forward(struct side *from, struct side *to)
{
	struct port_frame frames[PORT_BURST];
	uint32_t sent, failed;
	int n;

	do {
		bool waits = port_rx_waits(from->port);

		n = port_rx_burst(from->port, frames);
		from->seen += waits;
		from->unseen += waits && n <= 0;
		for (int i = 0; i < n; i++) {
			from->received++;
			from->fault[frames[i].fault]++;
			if (!frames[i].fault &&
				port_tx(to->port, frames[i].data, frames[i].len) < 0)
				to->refused++;
		}
		port_tx_flush(to->port, &sent, &failed);
		to->sent += sent;
		to->failed += failed;
		port_rx_release(from->port);
	} while (n == PORT_BURST && !stop);
	return n;
}

static void print_counts(struct side *side)
{
	struct port_stats stats = { 0 };

	port_stats(side->port, &stats);
	printf("{\"nic\": \"%s\", \"received\": %" PRIu64 ", \"sent\": %" PRIu64
	       ", \"failed\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"oversize\": %" PRIu64
	       ", \"checksum\": %" PRIu64 ", \"runt\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"merged\": %" PRIu64 ", \"seen\": %" PRIu64 ", \"unseen\": %" PRIu64 "}\n",
		side->name, side->received, side->sent, side->failed, side->refused,
		side->fault[PORT_FAULT_OVERSIZE], side->fault[PORT_FAULT_CHECKSUM],
		side->fault[PORT_FAULT_RUNT], stats.lost, stats.merged, side->seen, side->unseen);
}

static int run(struct side *a, struct side *b)
{
	while (!stop) {
		struct pollfd fds[2] = { { port_fd(a->port), POLLIN, 0 },
			{ port_fd(b->port), POLLIN, 0 } };

		if (poll(fds, 2, 200) < 0)
			continue;
		if (forward(a, b) == -ENODEV || forward(b, a) == -ENODEV)
			return -ENODEV;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct side a = { 0 }, b = { 0 };
	struct sigaction action = { .sa_handler = on_signal };
	int r;

	if (argc == 4) {
		how = argv[1][1] == 'r' ? REFUSED : argv[1][1] == 'd' ? DROPPED : MERGED;
		argc--;
		argv++;
	}
	if (argc != 3 || side_open(&a, argv[1]) || side_open(&b, argv[2]))
		return 2;
	sigaction(SIGTERM, &action, NULL);
	puts("ready");
	fflush(stdout);
	r = run(&a, &b);
	print_counts(&a);
	print_counts(&b);
	port_free(a.port);
	port_free(b.port);
	return r == -ENODEV ? 3 : 0;
}

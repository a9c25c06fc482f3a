/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames - load for the benchmark, one tool with three verbs. Only for test namespaces.
 *
 *   frames flood NIC DST_MAC SRC_IP DST_IP KPPS MILLISECONDS   60-byte UDP frames of 64 flows;
 *                                       KPPS 0 = as fast as it goes. Prints sent frames and ns.
 *   frames echo PORT                    UDP echo until killed
 *   frames ping DST_IP PORT COUNT       64-byte UDP ping-pong; prints median and p99 in ns
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME_LEN = 60, PING_LEN = 64, WARM_UP = 1000 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static uint16_t ip_checksum(const void *header)
{
	uint16_t word[10];
	uint32_t sum = 0;

	memcpy(word, header, sizeof(word));
	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~((sum >> 16) + sum);
}

struct packet {
	struct ether_header ether;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t fill[FRAME_LEN - 42];
} __attribute__((packed));

static int open_nic(const char *nic, uint8_t mac[static 6])
{
	struct ifreq request = { 0 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", nic);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -1;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	to.sll_ifindex = (int)if_nametoindex(nic);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1 : fd;
}

static void make_packets(
	struct packet packet[static BATCH], const uint8_t from[static 6], char **argv)
{
	for (int i = 0; i < BATCH; i++) {
		struct packet *p = &packet[i];

		*p = (struct packet){
			.ether.ether_type = htons(ETHERTYPE_IP),
			.ip = { .version = 4,
				.ihl = 5,
				.ttl = 64,
				.protocol = IPPROTO_UDP,
				.tot_len = htons(FRAME_LEN - 14),
				.saddr = inet_addr(argv[4]),
				.daddr = inet_addr(argv[5]) },
			.udp = { .source = htons((uint16_t)(20000 + i)),
				.dest = htons(9),
				.len = htons(FRAME_LEN - 34) },
		};
		sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &p->ether.ether_dhost[0],
			&p->ether.ether_dhost[1], &p->ether.ether_dhost[2],
			&p->ether.ether_dhost[3], &p->ether.ether_dhost[4],
			&p->ether.ether_dhost[5]);
		memcpy(p->ether.ether_shost, from, 6);
		p->ip.check = ip_checksum(&p->ip);
	}
}

static int flood(char **argv)
{
	static struct packet packet[BATCH];
	struct mmsghdr message[BATCH] = { 0 };
	struct iovec part[BATCH];
	double per_ns = strtod(argv[6], NULL) / 1e6;
	int64_t start, end, now;
	uint64_t sent = 0;
	uint8_t mac[6];
	int fd = open_nic(argv[2], mac);

	if (fd < 0)
		return fail(argv[2]);
	make_packets(packet, mac, argv);
	for (int i = 0; i < BATCH; i++) {
		part[i] = (struct iovec){ &packet[i], FRAME_LEN };
		message[i].msg_hdr.msg_iov = &part[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
	start = now_ns();
	end = start + strtol(argv[7], NULL, 10) * 1000000;
	while ((now = now_ns()) < end) {
		double due = per_ns > 0 ? (double)(now - start) * per_ns - (double)sent : BATCH;
		int n;

		if (due < 1)
			continue;
		n = sendmmsg(fd, message, due < BATCH ? (unsigned)due : BATCH, 0);
		if (n > 0)
			sent += (unsigned)n;
		else if (errno != ENOBUFS && errno != EAGAIN)
			return fail("sendmmsg");
	}
	printf("%llu %lld\n", (unsigned long long)sent, (long long)(now_ns() - start));
	return 0;
}

static int echo(char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10)) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048];

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("bind");
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* -1: no answer within half a second. */
static int64_t round_trip(int fd)
{
	char buf[PING_LEN] = { 0 };
	int64_t start = now_ns();

	if (send(fd, buf, sizeof(buf), 0) < 0 || recv(fd, buf, sizeof(buf), 0) < 0)
		return -1;
	return now_ns() - start;
}

static int ping(char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10)),
		.sin_addr.s_addr = inet_addr(argv[2]) };
	struct timeval patience = { .tv_usec = 500000 };
	long count = strtol(argv[4], NULL, 10);
	long lost = 0;
	long n = 0;
	int64_t *took = calloc((size_t)count, sizeof(*took));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (!took || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (long i = 0; i < WARM_UP; i++)
		round_trip(fd);
	for (long i = 0; i < count && lost < 20; i++) {
		took[n] = round_trip(fd);
		if (took[n] < 0)
			lost++;
		else
			n++;
	}
	qsort(took, (size_t)n, sizeof(*took), by_size);
	if (n)
		printf("%lld %lld %ld\n", (long long)took[n / 2], (long long)took[n * 99 / 100],
			lost);
	free(took);
	return n ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "flood") == 0)
		return flood(argv);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		return echo(argv);
	if (argc == 5 && strcmp(argv[1], "ping") == 0)
		return ping(argv);
	fprintf(stderr, "usage: frames flood|echo|ping ...; see the head of frames.c\n");
	return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numbers - numbered UDP frames at a given rate, and which of them arrive. Only for test namespaces.
 *
 *   numbers send NIC DST_MAC SECONDS STREAM...   STREAM: SRC,SPORT,DST,DPORT,BYTES,PPS; SPORT 0:
 *                                       each frame from another one, 20000 to 59999. Prints
 *                                       "DPORT SENT" of each.
 *   numbers take NIC                    writes a struct taken of each to standard output until it is killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME_MAX = 1514, STREAMS_MAX = 8, MAGIC = 0x46624e75, BUFFER = 1 << 28 };

struct packet {
	struct ether_header ether;
	struct iphdr ip;
	struct udphdr udp;
	uint32_t magic, number;
	int64_t sent_ns;
	uint8_t fill[FRAME_MAX - 58];
} __attribute__((packed));

struct stream {
	struct packet packet[BATCH];
	unsigned bytes, pps;
	bool many_ports;
	uint64_t sent;
};

struct taken {
	int64_t sent_ns, taken_ns; /* CLOCK_REALTIME */
	uint32_t number;
	uint32_t port;
};

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ns_of(&t);
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

static int open_nic(const char *nic, uint8_t mac[static 6])
{
	struct ifreq request = { 0 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int size = BUFFER, one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", nic);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -1;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	to.sll_ifindex = (int)if_nametoindex(nic);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1 : fd;
}

static bool make_stream(struct stream *s, const char *text, const uint8_t from[static 6],
	const uint8_t to[static 6])
{
	char src[16], dst[16];
	unsigned sport, dport;

	if (sscanf(text, "%15[0-9.],%u,%15[0-9.],%u,%u,%u", src, &sport, dst, &dport, &s->bytes,
		    &s->pps) != 6 ||
		s->bytes < offsetof(struct packet, fill) || s->bytes > FRAME_MAX)
		return false;
	s->many_ports = sport == 0;
	for (int i = 0; i < BATCH; i++) {
		struct packet *p = &s->packet[i];
		uint16_t len = (uint16_t)(s->bytes - sizeof(p->ether));

		p->ether.ether_type = htons(ETHERTYPE_IP);
		p->ip = (struct iphdr){ .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.tot_len = htons(len),
			.saddr = inet_addr(src),
			.daddr = inet_addr(dst) };
		p->udp = (struct udphdr){ .source = htons((uint16_t)sport),
			.dest = htons((uint16_t)dport),
			.len = htons((uint16_t)(len - sizeof(p->ip))) };
		p->magic = htonl(MAGIC);
		memcpy(p->ether.ether_dhost, to, 6);
		memcpy(p->ether.ether_shost, from, 6);
		p->ip.check = ip_checksum(&p->ip);
	}
	return true;
}

/* What is due; how many were sent. */
static int send_due(int fd, struct stream *s, int64_t since_ns)
{
	struct mmsghdr message[BATCH] = { 0 };
	struct iovec part[BATCH];
	int64_t now = now_ns();
	double due = (double)(now - since_ns) * s->pps / 1e9 - (double)s->sent;
	int n = due < BATCH ? (int)due : BATCH;

	for (int i = 0; i < n; i++) {
		struct packet *p = &s->packet[i];

		p->number = htonl((uint32_t)s->sent + (uint32_t)i);
		p->sent_ns = now;
		if (s->many_ports)
			p->udp.source = htons((uint16_t)(20000 + (s->sent + (unsigned)i) % 40000));
		part[i] = (struct iovec){ p, s->bytes };
		message[i].msg_hdr.msg_iov = &part[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
	n = n > 0 ? sendmmsg(fd, message, (unsigned)n, 0) : 0;
	if (n > 0)
		s->sent += (unsigned)n;
	return n;
}

static int send_streams(char **argv, int n)
{
	static struct stream stream[STREAMS_MAX];
	const struct timespec nap = { .tv_nsec = 200000 };
	uint8_t mac[6], to[6];
	int fd = open_nic(argv[2], mac);
	int64_t since = now_ns(), until = since + strtol(argv[4], NULL, 10) * 1000000000;

	if (fd < 0)
		return fail(argv[2]);
	sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to[0], &to[1], &to[2], &to[3], &to[4],
		&to[5]);
	for (int i = 0; i < n; i++)
		if (!make_stream(&stream[i], argv[5 + i], mac, to))
			return fail(argv[5 + i]);
	while (now_ns() < until) {
		bool idle = true;

		for (int i = 0; i < n; i++) {
			int sent = send_due(fd, &stream[i], since);

			if (sent < 0 && errno != ENOBUFS && errno != EAGAIN)
				return fail("sendmmsg");
			idle &= sent <= 0;
		}
		if (idle)
			nanosleep(&nap, NULL);
	}
	for (int i = 0; i < n; i++)
		printf("%u %llu\n", ntohs(stream[i].packet[0].udp.dest),
			(unsigned long long)stream[i].sent);
	return 0;
}

static int64_t time_of(struct msghdr *m)
{
	struct timespec t = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
			memcpy(&t, CMSG_DATA(c), sizeof(t));
	return ns_of(&t);
}

static int take(char **argv)
{
	static struct packet packet[BATCH];
	static uint8_t control[BATCH][64];
	struct mmsghdr message[BATCH] = { 0 };
	struct iovec part[BATCH];
	uint8_t mac[6];
	int fd = open_nic(argv[2], mac);

	if (fd < 0)
		return fail(argv[2]);
	fputs("ready\n", stderr);
	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			part[i] = (struct iovec){ &packet[i], sizeof(packet[i]) };
			message[i].msg_hdr = (struct msghdr){ .msg_iov = &part[i],
				.msg_iovlen = 1,
				.msg_control = control[i],
				.msg_controllen = sizeof(control[i]) };
		}
		n = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			const struct packet *p = &packet[i];
			struct taken t = { p->sent_ns, time_of(&message[i].msg_hdr),
				ntohl(p->number), ntohs(p->udp.dest) };

			if (p->magic == htonl(MAGIC))
				fwrite(&t, sizeof(t), 1, stdout);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc > 5 && argc <= 5 + STREAMS_MAX && strcmp(argv[1], "send") == 0)
		return send_streams(argv, argc - 5);
	if (argc == 3 && strcmp(argv[1], "take") == 0)
		return take(argv);
	fprintf(stderr, "usage: numbers send|take ...; see the head of numbers.c\n");
	return 2;
}

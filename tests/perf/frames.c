/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames - load for the benchmark, one tool with some verbs. Only for test namespaces.
 *
 *   frames flood NIC DST_MAC SRC_IP DST_IP KPPS MILLISECONDS   60-byte UDP frames of 64 flows;
 *                                       KPPS 0 = as fast as it goes. Prints sent frames and ns.
 *   frames answer ...                   the same, as answers to those of `flood`
 *   frames storm NIC DST_MAC SRC_IP SRC_IP6 KPPS MILLISECONDS OWN   what a honeypot sends that runs amok:
 *                                       SYN, UDP, ping of both families, STORM_TUPLES destinations; of
 *                                       8 frames OWN have its own source. UDP comes in trains of STORM_TRAIN
 *                                       frames, as one super-frame (UDP segmentation offload): a whole
 *                                       frame a call is too slow for a million a second. Prints as `flood`.
 *   frames echo PORT                    UDP echo until killed
 *   frames ping DST_IP PORT COUNT       64-byte UDP ping-pong; prints median and p99 in ns
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME_LEN = 60, PING_LEN = 64, WARM_UP = 1000, STORM_TUPLES = 1000000 };
enum { STORM_TRAIN = 48, STORM_PAYLOAD = 18 };
enum { GSO_UDP_L4 = 5 }; /* VIRTIO_NET_HDR_GSO_UDP_L4, younger than the headers of Debian 12 */

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

static void read_mac(const char *text, uint8_t mac[static 6])
{
	sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		&mac[5]);
}

static void make_packets(
	struct packet packet[static BATCH], const uint8_t from[static 6], char **argv)
{
	bool answer = strcmp(argv[1], "answer") == 0;

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
			.udp = { .source = htons((uint16_t)(answer ? 9 : 20000 + i)),
				.dest = htons((uint16_t)(answer ? 20000 + i : 9)),
				.len = htons(FRAME_LEN - 34) },
		};
		read_mac(argv[3], p->ether.ether_dhost);
		memcpy(p->ether.ether_shost, from, 6);
		p->ip.check = ip_checksum(&p->ip);
	}
}

/* A batch of frames to send again and again; what is to be changed before each time. */
struct load {
	struct mmsghdr message[BATCH];
	struct iovec part[BATCH];
	void (*change)(struct load *load, unsigned n);
	void *context;
	unsigned frames[BATCH]; /* that a message is, on a wire */
};

/* At so many frames a nanosecond, 0 = as fast as it goes. */
static int send_load(int fd, struct load *load, double per_ns, int64_t for_ns)
{
	int64_t start = now_ns(), end = start + for_ns, now;
	uint64_t sent = 0;

	while ((now = now_ns()) < end) {
		double due = per_ns > 0 ? (double)(now - start) * per_ns - (double)sent : BATCH;
		int n;

		if (due < 1)
			continue;
		if (load->change)
			load->change(load, due < BATCH ? (unsigned)due : BATCH);
		n = sendmmsg(fd, load->message, due < BATCH ? (unsigned)due : BATCH, 0);
		for (int i = 0; i < n; i++)
			sent += load->frames[i];
		if (n <= 0 && errno != ENOBUFS && errno != EAGAIN)
			return fail("sendmmsg");
	}
	printf("%llu %lld\n", (unsigned long long)sent, (long long)(now_ns() - start));
	return 0;
}

static int flood(char **argv)
{
	static struct packet packet[BATCH];
	static struct load load;
	uint8_t mac[6];
	int fd = open_nic(argv[2], mac);

	if (fd < 0)
		return fail(argv[2]);
	make_packets(packet, mac, argv);
	for (int i = 0; i < BATCH; i++) {
		load.part[i] = (struct iovec){ &packet[i], FRAME_LEN };
		load.message[i].msg_hdr.msg_iov = &load.part[i];
		load.message[i].msg_hdr.msg_iovlen = 1;
		load.frames[i] = 1;
	}
	return send_load(fd, &load, strtod(argv[6], NULL) / 1e6,
		strtol(argv[7], NULL, 10) * INT64_C(1000000));
}

/* ---- storm ---- */

/* What goes over the socket: what a network card would do for the sender, and the frame. */
struct storm_frame {
	struct virtio_net_hdr offload;
	uint8_t bytes[54 + sizeof(struct udphdr) + STORM_TRAIN * STORM_PAYLOAD];
} __attribute__((packed));

struct storm {
	uint8_t mac[2][6]; /* to, from */
	struct in_addr ip;
	struct in6_addr ip6;
	uint64_t random;
	unsigned own; /* of 8 */
	struct storm_frame frame[BATCH];
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 29) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 32;
}

/* SYN, UDP or ping, as `kind` says; ports from the tuple. Its length. */
static size_t put_transport(uint8_t *at, unsigned kind, bool v6, uint64_t tuple)
{
	const struct tcphdr tcp = { .source = (uint16_t)tuple,
		.dest = (uint16_t)(tuple >> 16),
		.seq = (uint32_t)tuple,
		.doff = 5,
		.syn = 1,
		.window = 0xffff };
	const struct udphdr udp = { .source = (uint16_t)tuple,
		.dest = (uint16_t)(tuple >> 16),
		.len = htons(sizeof(udp) + STORM_TRAIN * STORM_PAYLOAD) };
	const struct icmphdr ping = { .type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
		.un.echo.id = (uint16_t)tuple };

	if (kind == 0)
		memcpy(at, &tcp, sizeof(tcp));
	else if (kind == 1)
		memcpy(at, &udp, sizeof(udp));
	else
		memcpy(at, &ping, sizeof(ping));
	return kind == 0   ? sizeof(tcp)
	       : kind == 1 ? sizeof(udp) + STORM_TRAIN * STORM_PAYLOAD
			   : sizeof(ping);
}

static size_t put_ip4(const struct storm *s, uint8_t *at, unsigned kind, uint64_t tuple, bool own)
{
	static const uint8_t proto[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	size_t len = put_transport(at + sizeof(struct iphdr), kind, false, tuple);
	struct iphdr ip = { .version = 4,
		.ihl = 5,
		.ttl = 64,
		.tot_len = htons((uint16_t)(sizeof(ip) + len)),
		.protocol = proto[kind],
		.saddr = own ? s->ip.s_addr
			     : htonl(0x0a000000 | ((uint32_t)(tuple >> 8) & 0xffffff)),
		.daddr = htonl(0xc6120000 | ((uint32_t)(tuple >> 32) & 0x1ffff)) }; /* 198.18/15 */

	ip.check = ip_checksum(&ip);
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip) + len;
}

static size_t put_ip6(const struct storm *s, uint8_t *at, unsigned kind, uint64_t tuple, bool own)
{
	static const uint8_t proto[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	size_t len = put_transport(at + sizeof(struct ip6_hdr), kind, true, tuple);
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28),
		.ip6_plen = htons((uint16_t)len),
		.ip6_nxt = proto[kind],
		.ip6_hlim = 64,
		.ip6_src = s->ip6,
		.ip6_dst = { .s6_addr = { 0x20, 0x01, 0x0d, 0xb8, 0xff } } };

	memcpy(ip.ip6_dst.s6_addr + 8, &tuple, sizeof(tuple));
	if (!own)
		memcpy(ip.ip6_src.s6_addr + 6, &tuple, sizeof(tuple));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip) + len;
}

/* The offload of a train: its checksum is left to the card, as every stack does. */
static struct virtio_net_hdr train(bool v6)
{
	const uint16_t header = 14 + (v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));

	return (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = GSO_UDP_L4,
		.hdr_len = (uint16_t)(header + sizeof(struct udphdr)),
		.gso_size = STORM_PAYLOAD,
		.csum_start = header,
		.csum_offset = 6 };
}

static void next_storm(struct load *load, unsigned n)
{
	static const struct virtio_net_hdr none;
	struct storm *s = load->context;

	for (unsigned i = 0; i < n; i++) {
		uint64_t random = mix(s->random++), tuple = mix(random % STORM_TUPLES + 1);
		unsigned kind = (unsigned)(tuple % 3);
		bool own = (random >> 40) % 8 < s->own, v6 = tuple >> 63;
		struct storm_frame *frame = &s->frame[i];
		uint8_t *at = frame->bytes;
		size_t len;

		frame->offload = kind == 1 ? train(v6) : none;
		at[12] = v6 ? 0x86 : 0x08;
		at[13] = v6 ? 0xdd : 0x00;
		memset(at + 14, 0, sizeof(frame->bytes) - 14);
		len = 14 + (v6 ? put_ip6 : put_ip4)(s, at + 14, kind, tuple, own);
		load->part[i].iov_len =
			sizeof(frame->offload) + (len < FRAME_LEN ? FRAME_LEN : len);
		load->frames[i] = kind == 1 ? STORM_TRAIN : 1;
	}
}

static int storm(char **argv)
{
	static struct storm s;
	static struct load load = { .change = next_storm, .context = &s };
	int fd = open_nic(argv[2], s.mac[1]), one = 1, none = 0;

	/* The direct way drops a train that a NIC without this offload would have to cut. */
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &none, sizeof(none)) < 0 ||
		inet_pton(AF_INET, argv[4], &s.ip) != 1 ||
		inet_pton(AF_INET6, argv[5], &s.ip6) != 1)
		return fail(argv[2]);
	read_mac(argv[3], s.mac[0]);
	s.own = (unsigned)strtoul(argv[8], NULL, 10);
	s.random = (uint64_t)now_ns() << 20;
	for (int i = 0; i < BATCH; i++) {
		memcpy(s.frame[i].bytes, s.mac, sizeof(s.mac));
		load.part[i].iov_base = &s.frame[i];
		load.message[i].msg_hdr.msg_iov = &load.part[i];
		load.message[i].msg_hdr.msg_iovlen = 1;
	}
	return send_load(fd, &load, strtod(argv[6], NULL) / 1e6,
		strtol(argv[7], NULL, 10) * INT64_C(1000000));
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
	if (argc == 8 && (strcmp(argv[1], "flood") == 0 || strcmp(argv[1], "answer") == 0))
		return flood(argv);
	if (argc == 9 && strcmp(argv[1], "storm") == 0)
		return storm(argv);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		return echo(argv);
	if (argc == 5 && strcmp(argv[1], "ping") == 0)
		return ping(argv);
	fprintf(stderr,
		"usage: frames flood|answer|storm|echo|ping ...; see the head of frames.c\n");
	return 2;
}

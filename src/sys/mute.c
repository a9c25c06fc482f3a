/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/mute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/inet_sum.h"
#include "sys/nic_link.h"
#include "sys/nic_setup.h"
#include "sys/port_offload.h"

#define NIC  "probed0"
#define PEER "prober0"

enum {
	FRAME_SIZE = 128,
	LINK_UP_MS = 250,
	LINK_UP_UNPREPARED_MS = 2500, /* duplicate address detection has to end first */
	ANSWER_MS = 60,
	ICMP = 1,
	IGMP = 2,
	TCP = 6,
	UDP = 17,
	ICMP6 = 58,
};

/* The NIC gets an address after its preparation: harder than anything a data NIC meets. */
static const uint8_t nic_ip[4] = { 192, 0, 2, 77 }, our_ip[4] = { 192, 0, 2, 78 };
static const uint8_t all_ip[4] = { 255, 255, 255, 255 }, group_ip[4] = { 224, 0, 0, 1 };
static const uint8_t no_ip[4];
static const uint8_t our_mac[6] = { 0x02, 0x46, 0x42, 0, 0, 1 };
static const uint8_t all_mac[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t group_mac[6] = { 0x01, 0, 0x5e, 0, 0, 1 };
static const uint8_t group6_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
static const uint8_t group6_ip[16] = { 0xff, 0x02, [15] = 1 };

struct probe {
	uint8_t data[FRAME_SIZE];
	size_t len;
	uint8_t nic_mac[6], nic_ip6[16], our_ip6[16];
};

static void add(struct probe *p, const void *bytes, size_t len)
{
	memcpy(p->data + p->len, bytes, len);
	p->len += len;
}

static void start(struct probe *p, const uint8_t *dst, uint16_t ethertype)
{
	uint16_t type = htons(ethertype);

	memset(p->data, 0, sizeof(p->data));
	p->len = 0;
	add(p, dst, 6);
	add(p, our_mac, 6);
	add(p, &type, 2);
}

static void arp(struct probe *p, const uint8_t *dst, const uint8_t *sender)
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	start(p, dst, ETH_P_ARP);
	add(p, head, sizeof(head));
	add(p, our_mac, 6);
	add(p, sender, 4);
	add(p, (uint8_t[6]){ 0 }, 6);
	add(p, nic_ip, 4);
}

/* Sums in the pseudo header, which checksum_complete expects in the field. */
static void close_sum(struct probe *p, size_t l4, size_t field, const uint8_t *addresses,
	size_t addresses_len, uint8_t proto)
{
	uint16_t sum = inet_sum_fold(proto + (p->len - l4) + inet_sum(addresses, addresses_len));

	p->data[l4 + field] = (uint8_t)(sum >> 8);
	p->data[l4 + field + 1] = (uint8_t)sum;
	port_checksum_complete(p->data, p->len, l4, field);
}

/* `field`: offset of the checksum in the body. ICMP and IGMP have no pseudo header. */
static void ip4(struct probe *p, const uint8_t *mac, const uint8_t *dst, uint8_t proto,
	const void *body, size_t len, size_t field)
{
	uint8_t ttl = proto == IGMP ? 1 : 64;
	const uint8_t head[] = { 0x45, 0, 0, (uint8_t)(20 + len), 0, 1, 0, 0, ttl, proto, 0, 0 };

	start(p, mac, ETH_P_IP);
	add(p, head, sizeof(head));
	add(p, our_ip, 4);
	add(p, dst, 4);
	port_checksum_complete(p->data, p->len, ETH_HLEN, 10);
	add(p, body, len);
	if (proto == ICMP || proto == IGMP)
		port_checksum_complete(p->data, p->len, ETH_HLEN + 20, field);
	else
		close_sum(p, ETH_HLEN + 20, field, p->data + ETH_HLEN + 12, 8, proto);
}

/* With `alert` a hop-by-hop router alert (RFC 2711), which MLD needs. */
static void ip6(struct probe *p, const uint8_t *mac, const uint8_t *dst, const void *body,
	size_t len, bool alert)
{
	static const uint8_t option[] = { ICMP6, 0, 5, 2, 0, 0, 1, 0 };
	const uint8_t head[] = { 0x60, 0, 0, 0, 0, (uint8_t)(len + (alert ? 8 : 0)),
		alert ? 0 : ICMP6, alert ? 1 : 255 };
	size_t l4 = ETH_HLEN + 40 + (alert ? 8 : 0);

	start(p, mac, ETH_P_IPV6);
	add(p, head, sizeof(head));
	add(p, p->our_ip6, 16);
	add(p, dst, 16);
	if (alert)
		add(p, option, sizeof(option));
	add(p, body, len);
	close_sum(p, l4, 2, p->data + ETH_HLEN + 8, 32, ICMP6);
}

static const uint8_t echo4[16] = { 8, [5] = 1, [7] = 1 };
static const uint8_t echo6[16] = { 128, [5] = 1, [7] = 1 };

static void arp_broadcast(struct probe *p)
{
	arp(p, all_mac, our_ip);
}

static void arp_unicast(struct probe *p)
{
	arp(p, p->nic_mac, our_ip);
}

static void arp_probe(struct probe *p) /* RFC 5227 */
{
	arp(p, all_mac, no_ip);
}

static void ping(struct probe *p)
{
	ip4(p, p->nic_mac, nic_ip, ICMP, echo4, sizeof(echo4), 2);
}

static void ping_broadcast(struct probe *p)
{
	ip4(p, all_mac, all_ip, ICMP, echo4, sizeof(echo4), 2);
}

static void ping_group(struct probe *p)
{
	ip4(p, group_mac, group_ip, ICMP, echo4, sizeof(echo4), 2);
}

static void tcp_syn(struct probe *p)
{
	static const uint8_t syn[20] = { 0x30, 0x39, 0, 22, [7] = 1, [12] = 0x50, 2, 4 };

	ip4(p, p->nic_mac, nic_ip, TCP, syn, sizeof(syn), 16);
}

static void udp_closed(struct probe *p)
{
	static const uint8_t udp[12] = { 0x30, 0x39, 0x82, 0x9a, 0, 12 };

	ip4(p, p->nic_mac, nic_ip, UDP, udp, sizeof(udp), 6);
}

static void igmp_query(struct probe *p) /* RFC 2236: answer within 0.1 s */
{
	static const uint8_t query[8] = { 0x11, 1 };

	ip4(p, group_mac, group_ip, IGMP, query, sizeof(query), 2);
}

static void ping6_group(struct probe *p)
{
	ip6(p, group6_mac, group6_ip, echo6, sizeof(echo6), false);
}

static void ping6(struct probe *p)
{
	ip6(p, p->nic_mac, p->nic_ip6, echo6, sizeof(echo6), false);
}

static void solicit(struct probe *p, const uint8_t *mac, const uint8_t *dst)
{
	uint8_t body[32] = { 135, [24] = 1, [25] = 1 };

	memcpy(body + 8, p->nic_ip6, 16);
	memcpy(body + 26, our_mac, 6);
	ip6(p, mac, dst, body, sizeof(body), false);
}

static void ns_group(struct probe *p) /* RFC 4861, to the solicited-node address */
{
	uint8_t mac[6] = { 0x33, 0x33, 0xff };
	uint8_t ip[16] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

	memcpy(mac + 3, p->nic_ip6 + 13, 3);
	memcpy(ip + 13, p->nic_ip6 + 13, 3);
	solicit(p, mac, ip);
}

static void ns_unicast(struct probe *p)
{
	solicit(p, p->nic_mac, p->nic_ip6);
}

static void mld_query(struct probe *p) /* RFC 2710: answer within 10 ms */
{
	static const uint8_t query[24] = { 130, [5] = 10 };

	ip6(p, group6_mac, group6_ip, query, sizeof(query), true);
}

static const struct {
	const char *name;
	void (*make)(struct probe *p);
} probes[MUTE_PROBES] = {
	{ "ARP request, broadcast", arp_broadcast },
	{ "ARP request, unicast", arp_unicast },
	{ "ARP request, sender 0.0.0.0", arp_probe },
	{ "ICMP echo", ping },
	{ "TCP SYN", tcp_syn },
	{ "UDP to a closed port", udp_closed },
	{ "ICMP echo to 255.255.255.255", ping_broadcast },
	{ "ICMP echo to 224.0.0.1", ping_group },
	{ "IGMP query", igmp_query },
	{ "ICMPv6 echo to ff02::1", ping6_group },
	{ "ICMPv6 echo", ping6 },
	{ "neighbour solicitation, multicast", ns_group },
	{ "neighbour solicitation, unicast", ns_unicast },
	{ "MLD query", mld_query },
};

const char *mute_probe_name(unsigned probe)
{
	return probe < MUTE_PROBES ? probes[probe].name : "link up";
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Counts what arrives at the peer within `ms`: all of it comes from the NIC. */
static unsigned listen_for(int fd, int ms)
{
	int64_t end = now_ms() + ms, left;
	uint8_t byte;
	unsigned n = 0;

	while ((left = end - now_ms()) > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)left) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
			n++;
	}
	return n;
}

static int open_peer(int ifindex)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* fe80::/64 with the modified EUI-64 of the MAC (RFC 4291, appendix A). */
static void link_local(const uint8_t *mac, uint8_t ip[static 16])
{
	const uint8_t bytes[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff,
		0xfe, mac[3], mac[4], mac[5] };

	memcpy(ip, bytes, 16);
}

static int run_probes(int fd, const struct nic_link *nic, struct mute_result *result)
{
	struct probe p;

	memcpy(p.nic_mac, nic->mac, 6);
	link_local(nic->mac, p.nic_ip6);
	link_local(our_mac, p.our_ip6);
	for (unsigned i = 0; i < MUTE_PROBES; i++) {
		probes[i].make(&p);
		if (send(fd, p.data, p.len, 0) < 0)
			return -errno;
		result->answers[i] = listen_for(fd, ANSWER_MS);
		result->total += result->answers[i];
	}
	return 0;
}

/* The NIC goes up last, with somebody listening. */
static int bring_up(int netlink, bool prepared, const struct nic_link *nic,
	const struct nic_link *peer, struct nic_error *ret_error)
{
	const char *name = NIC;
	int r = prepared ? nic_setup_namespace(ret_error) : 0;

	r = r ? r : nic_link_set_up(netlink, peer->ifindex, true);
	if (!r && prepared)
		r = nic_setup(netlink, "fishbowl-mute", &name, 1, ret_error);
	else if (!r)
		r = nic_link_set_up(netlink, nic->ifindex, true);
	return r ? r : nic_link_add_address(netlink, nic->ifindex, nic_ip, 24);
}

static int test_pair(
	int netlink, bool prepared, struct mute_result *result, struct nic_error *ret_error)
{
	struct nic_link nic, peer;
	int r = nic_link_add_veth(netlink, NIC, PEER), fd;

	r = r ? r : nic_link_find(netlink, NIC, &nic);
	r = r ? r : nic_link_find(netlink, PEER, &peer);
	if (r)
		return r;
	fd = open_peer(peer.ifindex);
	if (fd < 0)
		return fd;
	r = bring_up(netlink, prepared, &nic, &peer, ret_error);
	if (!r) {
		result->at_link_up = listen_for(fd, prepared ? LINK_UP_MS : LINK_UP_UNPREPARED_MS);
		result->total = result->at_link_up;
		r = run_probes(fd, &nic, result);
	}
	close(fd);
	return r;
}

/* The namespace has no name: it goes with its last descriptor. */
int mute_test(bool prepared, struct mute_result *ret_result, struct nic_error *ret_error)
{
	struct mute_result result = { 0 };
	int origin = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int netlink, r;

	ret_error->text[0] = 0;
	if (origin < 0 || unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		if (origin >= 0)
			close(origin);
		return nic_fail(ret_error, r, "self-test: no network namespace: %s", strerror(-r));
	}
	netlink = nic_link_socket(0);
	r = netlink < 0 ? netlink : test_pair(netlink, prepared, &result, ret_error);
	if (netlink >= 0)
		close(netlink);
	if (setns(origin, CLONE_NEWNET) < 0)
		r = -errno;
	close(origin);
	if (r)
		return ret_error->text[0] ? r
					  : nic_fail(ret_error, r, "self-test: %s", strerror(-r));
	*ret_result = result;
	return 0;
}

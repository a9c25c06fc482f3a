/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/nic_link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 1024, ANSWER_MAX = 1 << 16, FLUSH_MAX = 64 };

struct request {
	struct nlmsghdr head;
	uint8_t body[REQUEST_MAX - sizeof(struct nlmsghdr)];
};

static struct request request_make(uint16_t type, uint16_t flags, const void *body, size_t len)
{
	struct request req = {
		.head = { .nlmsg_len = (uint32_t)NLMSG_SPACE(len),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags },
	};

	memcpy(req.body, body, len);
	return req;
}

/* All requests are small and of known size; returns the attribute to close a nest with. */
static struct rtattr *request_add(struct request *req, uint16_t type, const void *data, size_t len)
{
	struct rtattr *attr = (struct rtattr *)((uint8_t *)req + req->head.nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	req->head.nlmsg_len += (uint32_t)RTA_SPACE(len);
	return attr;
}

static void request_end(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((uint8_t *)req + req->head.nlmsg_len - (uint8_t *)nest);
}

int nic_link_socket(uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(
		AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

typedef int answer_fn(struct nlmsghdr *msg, void *user);

static int answer_end(struct nlmsghdr *msg)
{
	struct nlmsgerr *error = NLMSG_DATA(msg);

	return msg->nlmsg_type == NLMSG_ERROR ? error->error : 0;
}

/* Sends, then feeds every answer to `fn` until the end or an error. The kernel is trusted. */
static int exchange(int netlink, struct request *req, answer_fn *fn, void *user)
{
	static uint32_t seq;
	static _Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];

	req->head.nlmsg_seq = ++seq;
	if (send(netlink, req, req->head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(netlink, buf, sizeof(buf), 0);
		unsigned left = (unsigned)n;

		if (n < 0)
			return -errno;
		for (struct nlmsghdr *msg = (struct nlmsghdr *)buf; NLMSG_OK(msg, left);
			msg = NLMSG_NEXT(msg, left)) {
			if (msg->nlmsg_seq != seq)
				continue;
			if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)
				return answer_end(msg);
			if (fn)
				fn(msg, user);
		}
	}
}

static void read_stats(struct rtattr *attr, struct nic_link *link)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t len = RTA_PAYLOAD(attr);

	memcpy(&stats, RTA_DATA(attr), len < sizeof(stats) ? len : sizeof(stats));
	link->rx_frames = stats.rx_packets;
	link->tx_frames = stats.tx_packets;
	link->rx_bytes = stats.rx_bytes;
	link->tx_bytes = stats.tx_bytes;
	link->rx_dropped = stats.rx_dropped;
	link->tx_dropped = stats.tx_dropped;
}

static struct nic_link read_link(struct nlmsghdr *msg)
{
	struct ifinfomsg *info = NLMSG_DATA(msg);
	struct nic_link link = { .ifindex = info->ifi_index, .flags = info->ifi_flags };
	int left = (int)IFLA_PAYLOAD(msg);

	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t len = RTA_PAYLOAD(a);

		if (a->rta_type == IFLA_IFNAME)
			memcpy(link.name, RTA_DATA(a), len < IFNAMSIZ ? len : IFNAMSIZ - 1);
		else if (a->rta_type == IFLA_MTU && len == 4)
			memcpy(&link.mtu, RTA_DATA(a), 4);
		else if (a->rta_type == IFLA_MASTER && len == 4)
			memcpy(&link.master, RTA_DATA(a), 4);
		else if (a->rta_type == IFLA_QDISC)
			link.queues = strncmp(RTA_DATA(a), "noqueue", len) != 0;
		else if (a->rta_type == IFLA_ADDRESS && len == 6)
			memcpy(link.mac, RTA_DATA(a), 6);
		else if (a->rta_type == IFLA_STATS64)
			read_stats(a, &link);
	}
	return link;
}

struct list {
	struct nic_link *links;
	int n, max;
};

static int add_link(struct nlmsghdr *msg, void *user)
{
	struct list *list = user;

	if (msg->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (list->n < list->max)
		list->links[list->n] = read_link(msg);
	list->n++;
	return 0;
}

int nic_link_find(int netlink, const char *name, struct nic_link *ret_link)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct request req = request_make(RTM_GETLINK, NLM_F_ACK, &info, sizeof(info));
	struct nic_link link = { 0 };
	struct list list = { .links = &link, .max = 1 };
	int r;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	request_add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	r = exchange(netlink, &req, add_link, &list);
	if (r < 0)
		return r;
	*ret_link = link;
	return 0;
}

int nic_link_list(int netlink, struct nic_link *ret_links, int max)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct request req = request_make(RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	struct list list = { .links = ret_links, .max = max };
	int r = exchange(netlink, &req, add_link, &list);

	return r < 0 ? r : list.n;
}

int nic_link_set_up(int netlink, int ifindex, bool up)
{
	struct ifinfomsg info = {
		.ifi_index = ifindex,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct request req = request_make(RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));

	return exchange(netlink, &req, NULL, NULL);
}

int nic_link_move(int netlink, int ifindex, int ns)
{
	struct ifinfomsg info = { .ifi_index = ifindex };
	struct request req = request_make(RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));

	request_add(&req, IFLA_NET_NS_FD, &ns, sizeof(ns));
	return exchange(netlink, &req, NULL, NULL);
}

int nic_link_add_veth(int netlink, const char *name, const char *peer)
{
	struct ifinfomsg info = { 0 };
	struct request req = request_make(
		RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	struct rtattr *link, *data, *other;

	request_add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	link = request_add(&req, IFLA_LINKINFO, NULL, 0);
	request_add(&req, IFLA_INFO_KIND, "veth", 4);
	data = request_add(&req, IFLA_INFO_DATA, NULL, 0);
	other = request_add(&req, VETH_INFO_PEER, &info, sizeof(info));
	request_add(&req, IFLA_IFNAME, peer, strlen(peer) + 1);
	request_end(&req, other);
	request_end(&req, data);
	request_end(&req, link);
	return exchange(netlink, &req, NULL, NULL);
}

int nic_link_add_address(int netlink, int ifindex, const uint8_t ip[static 4], uint8_t bits)
{
	struct ifaddrmsg info = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = bits,
		.ifa_index = (uint32_t)ifindex,
	};
	struct request req =
		request_make(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &info, sizeof(info));

	request_add(&req, IFA_LOCAL, ip, 4);
	request_add(&req, IFA_ADDRESS, ip, 4);
	return exchange(netlink, &req, NULL, NULL);
}

/* Requests that delete what a dump shows: the message itself, with another type. */
struct flush {
	int ifindex, n;
	struct request req[FLUSH_MAX];
};

static int add_deletion(struct nlmsghdr *msg, void *user)
{
	struct ifaddrmsg *info = NLMSG_DATA(msg);
	struct flush *flush = user;
	struct request *req = &flush->req[flush->n];

	if (msg->nlmsg_type != RTM_NEWADDR || (int)info->ifa_index != flush->ifindex ||
		flush->n == FLUSH_MAX || msg->nlmsg_len > sizeof(*req))
		return 0;
	memcpy(req, msg, msg->nlmsg_len);
	req->head.nlmsg_type = RTM_DELADDR;
	req->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	req->head.nlmsg_pid = 0;
	flush->n++;
	return 0;
}

int nic_link_flush(int netlink, int ifindex)
{
	struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
	struct request req = request_make(RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	static struct flush flush;
	int r;

	do {
		flush.ifindex = ifindex;
		flush.n = 0;
		r = exchange(netlink, &req, add_deletion, &flush);
		for (int i = 0; !r && i < flush.n; i++) {
			r = exchange(netlink, &flush.req[i], NULL, NULL);
			/* A secondary address goes with its primary one. */
			if (r == -EADDRNOTAVAIL)
				r = 0;
		}
	} while (!r && flush.n == FLUSH_MAX);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AF_PACKET back end: one socket with a TPACKET_V2 receive ring and transmit ring, both with
 * vnet headers. Received frames stay in their slots until release. A frame larger than a slot (a
 * super-frame) is queued whole on the socket as well (PACKET_COPY_THRESH) and read from there.
 * Frames to send carry hdr_len = their length, so the kernel copies them out of the slot.
 */
#include "sys/port_backend.h"

#include <assert.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys/port_merge.h"
#include "sys/port_offload.h"

#ifndef PACKET_COPY_THRESH
#define PACKET_COPY_THRESH 7
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* Linux 6.2; older headers do not name it */
#endif

enum {
	BLOCK_SIZE = 1 << 16,
	RX_RING_SIZE = 8 << 20,
	TX_RING_SIZE = 512 << 10, /* emptied with each burst: small, it stays in the cache */
	QUEUE_SIZE =
		4 << 20, /* super-frames that wait to be read; and frames a NIC has not sent yet */
	TAG_SIZE = 4,
	VNET_SIZE = sizeof(struct virtio_net_hdr),
	/* Header, address, alignment, vnet header, room for a tag in front of the frame. */
	RX_HEAD = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) + 16 + VNET_SIZE,
	TX_HEAD = TPACKET_ALIGN(sizeof(struct tpacket2_hdr)),
	SUPER_SIZE = 68 << 10, /* an IP packet of 64 KiB with its frame */
	/* Shorter than its vnet header: the kernel skips the slot (PACKET_LOSS), without a log line. */
	TX_UNSENDABLE = 0,
	TCP_SUM_AT = 16,
};

/* Super-frames on their way out, in the shape in which the kernel takes them. */
struct merged {
	int fd;
	bool refused;    /* the kernel does not take such frames */
	uint8_t room[9]; /* so that none is behind vnet */
	struct virtio_net_hdr vnet;
	struct port_merge merge; /* begins with the frame */
};

static_assert(offsetof(struct merged, merge) == offsetof(struct merged, vnet) + VNET_SIZE &&
		      offsetof(struct port_merge, frame) == 0,
	"one piece");

struct port_packet {
	struct port base;
	uint8_t *map;
	size_t map_size;
	uint32_t frame_max;
	uint32_t rx_next, rx_held;          /* next slot; slots before it that are not released */
	uint32_t tx_next, tx_done, tx_used; /* next free slot; oldest not accounted for; how many */
	uint32_t sent, failed;              /* since the last flush */
	int tx_error;
	bool down; /* the NIC was set down and has not received since */
	struct port_stats stats;
	struct port_segmenter segmenter;
	int64_t super_time_ns;
	uint8_t *super;        /* SUPER_SIZE: the super-frame that is being cut */
	uint8_t *segments;     /* PORT_BURST times slot_size */
	struct merged *merged; /* NULL: every frame goes by itself */
};

static struct port_packet *packet_of(struct port *port)
{
	return (struct port_packet *)port;
}

/* ---- the privileged half ---- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(int fd, uint32_t mark)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ SOL_PACKET, PACKET_VERSION, TPACKET_V2 },
		{ SOL_PACKET, PACKET_RESERVE, TAG_SIZE },
		{ SOL_PACKET, PACKET_VNET_HDR, 1 },
		{ SOL_PACKET, PACKET_COPY_THRESH, 1 },
		{ SOL_PACKET, PACKET_IGNORE_OUTGOING, 1 },
		{ SOL_PACKET, PACKET_QDISC_BYPASS, 1 },
		{ SOL_PACKET, PACKET_LOSS, 1 },
		{ SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_SIZE },
		{ SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_SIZE },
	};
	int r = set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);

	for (size_t i = 0; !r && i < sizeof(options) / sizeof(*options); i++)
		r = set_int(fd, options[i].level, options[i].option, options[i].value);
	return r;
}

static int make_ring(int fd, int option, uint32_t slots, uint32_t slot_size)
{
	struct tpacket_req req = {
		.tp_block_size = BLOCK_SIZE,
		.tp_block_nr = slots / (BLOCK_SIZE / slot_size),
		.tp_frame_size = slot_size,
		.tp_frame_nr = slots,
	};

	return setsockopt(fd, SOL_PACKET, option, &req, sizeof(req)) < 0 ? -errno : 0;
}

static int set_promiscuous(int fd, int ifindex)
{
	struct packet_mreq request = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };

	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) < 0
		       ? -errno
		       : 0;
}

static uint32_t slot_size_for(uint32_t mtu)
{
	uint32_t size = 2048;

	while (size < RX_HEAD + ETH_HLEN + mtu + PORT_TAG_MAX)
		size *= 2;
	return size;
}

static int read_info(int fd, int ifindex, struct port_info *ret_info)
{
	struct ifreq req = { .ifr_ifindex = ifindex };
	uint32_t slot_size, mtu;

	if (ioctl(fd, SIOCGIFNAME, &req) < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EPROTONOSUPPORT;
	if (ioctl(fd, SIOCGIFMTU, &req) < 0)
		return -errno;
	mtu = (uint32_t)req.ifr_mtu;
	if (mtu > PORT_MTU_MAX)
		return -EMSGSIZE;
	slot_size = slot_size_for(mtu);
	*ret_info = (struct port_info){
		.ifindex = ifindex,
		.mtu = mtu,
		.slot_size = slot_size,
		.rx_slots = RX_RING_SIZE / slot_size,
		.tx_slots = TX_RING_SIZE / slot_size,
	};
	return 0;
}

static int set_up(int fd, int ifindex, uint32_t mark, struct port_info *ret_info)
{
	int r = read_info(fd, ifindex, ret_info);

	r = r ? r : set_options(fd, mark);
	r = r ? r : make_ring(fd, PACKET_RX_RING, ret_info->rx_slots, ret_info->slot_size);
	r = r ? r : make_ring(fd, PACKET_TX_RING, ret_info->tx_slots, ret_info->slot_size);
	return r ? r : set_promiscuous(fd, ifindex);
}

int port_open_merged(int ifindex, uint32_t mark, int *ret_fd)
{
	/* Of protocol 0: nothing arrives. Not past the queueing: who goes past it has to cut himself. */
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);
	r = r ? r : set_int(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	r = r ? r : set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_SIZE);
	if (!r && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int port_listen(int fd, const struct port_info *info)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = info->ifindex,
	};

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

int port_open(int ifindex, uint32_t mark, int *ret_fd, struct port_info *ret_info)
{
	/* Protocol 0: nothing arrives before port_listen(). */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct port_info info;
	int r;

	if (fd < 0)
		return -errno;
	r = set_up(fd, ifindex, mark, &info);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_info = info;
	return 0;
}

/* ---- receiving ---- */

static struct tpacket2_hdr *rx_slot(struct port_packet *p, uint32_t n)
{
	return (struct tpacket2_hdr *)(p->map + (size_t)n * p->base.info.slot_size);
}

static struct tpacket2_hdr *tx_slot(struct port_packet *p, uint32_t n)
{
	return (struct tpacket2_hdr *)(p->map + (size_t)(p->base.info.rx_slots + n) *
							p->base.info.slot_size);
}

static uint32_t slot_status(const struct tpacket2_hdr *slot)
{
	return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
}

static void slot_set_status(struct tpacket2_hdr *slot, uint32_t status)
{
	__atomic_store_n(&slot->tp_status, status, __ATOMIC_RELEASE);
}

/* Puts the tag that the kernel moved out of the frame back. TAG_SIZE bytes before it are free. */
static uint8_t *insert_tag(const struct tpacket2_hdr *slot, uint32_t status, uint8_t *data)
{
	uint16_t tpid = status & TP_STATUS_VLAN_TPID_VALID ? slot->tp_vlan_tpid : ETH_P_8021Q;
	uint16_t tag[2] = { htons(tpid), htons(slot->tp_vlan_tci) };

	memmove(data - TAG_SIZE, data, 2 * ETH_ALEN);
	memcpy(data - TAG_SIZE + 2 * ETH_ALEN, tag, TAG_SIZE);
	return data - TAG_SIZE;
}

/* What a slot says of its frame, read once. */
struct arrival {
	struct tpacket2_hdr *slot;
	uint32_t status;
	uint8_t *data;
	uint32_t len;  /* in the slot */
	uint32_t wire; /* of the frame without the tag in the slot's header */
	struct virtio_net_hdr vnet;
};

static bool has_tag(const struct arrival *a)
{
	return a->status & TP_STATUS_VLAN_VALID;
}

static struct arrival read_slot(struct tpacket2_hdr *slot, uint32_t status)
{
	struct arrival a = {
		.slot = slot,
		.status = status,
		.data = (uint8_t *)slot + slot->tp_mac,
		.len = slot->tp_snaplen,
		.wire = slot->tp_len,
	};

	memcpy(&a.vnet, a.data - VNET_SIZE, VNET_SIZE);
	return a;
}

static int64_t arrival_time(const struct arrival *a)
{
	return (int64_t)a->slot->tp_sec * 1000000000 + a->slot->tp_nsec;
}

/* Frames that fit their slot. */
static struct port_frame plain_frame(struct port_packet *p, const struct arrival *a)
{
	uint32_t tag = has_tag(a) ? TAG_SIZE : 0;
	struct port_frame frame = { .time_ns = arrival_time(a), .data = a->data, .len = a->len };

	if (a->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && a->len == a->wire &&
		port_checksum_complete(a->data, a->len, a->vnet.csum_start, a->vnet.csum_offset) <
			0)
		frame.fault = PORT_FAULT_CHECKSUM;
	if (tag && a->len >= 2 * ETH_ALEN)
		frame.data = insert_tag(a->slot, a->status, a->data);
	frame.len += tag;
	frame.wire_len = a->wire + tag;
	if (frame.wire_len < ETH_HLEN)
		frame.fault = PORT_FAULT_RUNT;
	else if (frame.wire_len > frame.len || frame.wire_len > p->frame_max)
		frame.fault = PORT_FAULT_OVERSIZE;
	return frame;
}

/* Reads the frame of this slot from the socket. Frames that belong to other slots (it cannot
 * happen, but a mix-up would forge traffic) are told by length and beginning, and dropped. */
static int read_copy(struct port_packet *p, const struct arrival *a, uint8_t *ret_data)
{
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, VNET_SIZE }, { ret_data, SUPER_SIZE - TAG_SIZE } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	uint32_t tries = p->base.info.rx_slots;

	while (tries--) {
		ssize_t n = recvmsg(p->base.fd, &msg, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EBADF))
			return -errno;
		if (n == (ssize_t)(VNET_SIZE + a->wire) && !memcmp(ret_data, a->data, a->len))
			return 0;
	}
	return -EBADMSG;
}

static int gso_of(const struct arrival *a)
{
	switch (a->vnet.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return PORT_GSO_TCP4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return PORT_GSO_TCP6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return PORT_GSO_UDP;
	}
	return -1;
}

/* Starts cutting a super-frame; a negative number when it cannot be done faithfully. */
static int begin_super(struct port_packet *p, const struct arrival *a)
{
	uint8_t *data = p->super + TAG_SIZE;
	size_t tag = has_tag(a) ? TAG_SIZE : 0;
	int gso = gso_of(a);

	if (a->len == a->wire)
		memcpy(data, a->data, a->len);
	else if (!(a->status & TP_STATUS_COPY) || a->wire > SUPER_SIZE - TAG_SIZE ||
		 read_copy(p, a, data) < 0)
		return -EMSGSIZE;
	if (gso < 0 || !(a->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || a->wire < ETH_HLEN)
		return -EMSGSIZE;
	if (tag)
		data = insert_tag(a->slot, a->status, data);
	p->super_time_ns = arrival_time(a);
	return port_segment_begin(data, a->wire + tag, (enum port_gso)gso, a->vnet.csum_start + tag,
		a->vnet.gso_size, p->frame_max, &p->segmenter);
}

/* Fills `frames` from the super-frame that is being cut; how many. */
static int take_segments(struct port_packet *p, struct port_frame *frames, int room, int at)
{
	int n = 0;

	while (n < room) {
		uint8_t *data = p->segments + (size_t)(at + n) * p->base.info.slot_size;
		size_t len = port_segment_next(&p->segmenter, data);

		if (!len)
			break;
		frames[n++] = (struct port_frame){ .data = data,
			.len = (uint32_t)len,
			.wire_len = (uint32_t)len,
			.time_ns = p->super_time_ns };
	}
	return n;
}

static int take_slot(struct port_packet *p, struct port_frame *frames, int at)
{
	struct tpacket2_hdr *slot = rx_slot(p, p->rx_next);
	uint32_t status = slot_status(slot);
	struct arrival a;

	if (!(status & TP_STATUS_USER))
		return 0;
	a = read_slot(slot, status);
	p->rx_next = (p->rx_next + 1) % p->base.info.rx_slots;
	p->rx_held++;
	if (a.vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		if (begin_super(p, &a) == 0)
			return take_segments(p, frames + at, PORT_BURST - at, at);
		frames[at] = plain_frame(p, &a);
		frames[at].fault = PORT_FAULT_OVERSIZE;
		return 1;
	}
	if (a.status & TP_STATUS_COPY)
		read_copy(p, &a, p->super); /* too large in any case; takes it off the socket */
	frames[at] = plain_frame(p, &a);
	return 1;
}

static bool nic_gone(const struct port_packet *p)
{
	struct sockaddr_ll address = { 0 };
	socklen_t len = sizeof(address);

	return getsockname(p->base.fd, (struct sockaddr *)&address, &len) == 0 &&
	       address.sll_ifindex != p->base.info.ifindex;
}

/* Why the socket is silent: nothing there, or the NIC is down or gone. The kernel tells the socket
 * once, when the NIC goes down, and no more when it is then removed. */
static int socket_error(struct port_packet *p)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(p->base.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error)
		p->down = true;
	if (p->down && nic_gone(p))
		return -ENODEV;
	return -error;
}

static bool packet_rx_waits(struct port *port)
{
	struct port_packet *p = packet_of(port);

	return slot_status(rx_slot(p, p->rx_next)) & TP_STATUS_USER;
}

static int packet_rx_burst(struct port *port, struct port_frame *ret_frames)
{
	struct port_packet *p = packet_of(port);
	int n = take_segments(p, ret_frames, PORT_BURST, 0);

	while (n < PORT_BURST) {
		int taken = take_slot(p, ret_frames, n);

		if (!taken)
			break;
		n += taken;
	}
	if (n)
		p->down = false;
	return n ? n : socket_error(p);
}

static void packet_rx_release(struct port *port)
{
	struct port_packet *p = packet_of(port);
	uint32_t slots = p->base.info.rx_slots;

	for (; p->rx_held; p->rx_held--)
		slot_set_status(
			rx_slot(p, (p->rx_next + slots - p->rx_held) % slots), TP_STATUS_KERNEL);
}

/* ---- sending ---- */

static void account_sent(struct port_packet *p)
{
	while (p->tx_used) {
		uint32_t status = slot_status(tx_slot(p, p->tx_done));

		if (status != TP_STATUS_AVAILABLE && status != TP_STATUS_SENDING)
			break;
		p->tx_done = (p->tx_done + 1) % p->base.info.tx_slots;
		p->tx_used--;
		p->sent++;
	}
}

/* Gives up all frames that the kernel has not taken. Its next slot is the oldest of them. */
static void give_up(struct port_packet *p)
{
	uint32_t slots = p->base.info.tx_slots;

	for (uint32_t i = 0; i < p->tx_used; i++)
		slot_set_status(tx_slot(p, (p->tx_done + i) % slots), TP_STATUS_AVAILABLE);
	p->failed += p->tx_used;
	p->tx_used = 0;
	p->tx_next = p->tx_done;
}

/* The driver refused the oldest frame; the kernel would try it again for ever. */
static void skip_oldest(struct port_packet *p)
{
	struct tpacket2_hdr *slot = tx_slot(p, p->tx_done);

	slot->tp_len = TX_UNSENDABLE;
	slot_set_status(slot, TP_STATUS_SEND_REQUEST);
	p->tx_done = (p->tx_done + 1) % p->base.info.tx_slots;
	p->tx_used--;
	p->failed++;
}

static int send_error(int error)
{
	return error == ENXIO ? -ENODEV : error == ENETDOWN ? -ENETDOWN : -ENOBUFS;
}

/* Hands the queue to the kernel. Each turn accounts for at least one frame. */
static void kick(struct port_packet *p)
{
	while (p->tx_used) {
		ssize_t n = sendto(p->base.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		int error = n < 0 ? errno : 0;

		account_sent(p);
		if (!p->tx_used)
			return;
		if (error == ENOBUFS) {
			p->tx_error = -ENOBUFS;
			skip_oldest(p);
			if (p->tx_used)
				continue;
			/* Let the kernel pass the slot, so that its idea of the next is ours. */
			sendto(p->base.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
			return;
		}
		p->tx_error = send_error(error);
		give_up(p);
	}
}

/* By itself. */
static int queue(struct port_packet *p, const uint8_t *data, uint32_t len)
{
	struct tpacket2_hdr *slot;
	uint8_t *to;

	if (p->tx_used == p->base.info.tx_slots)
		kick(p);
	slot = tx_slot(p, p->tx_next);
	if (p->tx_used == p->base.info.tx_slots || slot_status(slot) != TP_STATUS_AVAILABLE)
		return -ENOBUFS;
	to = (uint8_t *)slot + TX_HEAD;
	*(struct virtio_net_hdr *)(void *)to = (struct virtio_net_hdr){ .hdr_len = (uint16_t)len };
	memcpy(to + VNET_SIZE, data, len);
	slot->tp_len = VNET_SIZE + len;
	slot_set_status(slot, TP_STATUS_SEND_REQUEST);
	p->tx_next = (p->tx_next + 1) % p->base.info.tx_slots;
	p->tx_used++;
	__builtin_prefetch(tx_slot(p, p->tx_next), 1); /* the kernel has written its head since */
	return 0;
}

static void queue_or_fail(struct port_packet *p, const uint8_t *data, size_t len)
{
	if (queue(p, data, (uint32_t)len) < 0) {
		p->tx_error = -ENOBUFS;
		p->failed++;
	}
}

/* What the kernel did not take in one: in the frames in which it came. */
static void send_cut(struct port_packet *p, const struct port_merge *merge, size_t l4)
{
	struct port_segmenter segmenter;
	uint8_t frame[ETH_HLEN + PORT_MTU_MAX + PORT_TAG_MAX];
	size_t len;

	if (port_segment_begin(merge->frame, merge->len,
		    merge->version == 4 ? PORT_GSO_TCP4 : PORT_GSO_TCP6, l4, merge->size,
		    p->frame_max, &segmenter) < 0) {
		p->failed += merge->n;
		return;
	}
	while ((len = port_segment_next(&segmenter, frame)))
		queue_or_fail(p, frame, len);
}

/* The kernel tells of the last frame it cut only, when it tells of a device: those before it may have left. */
static bool may_have_left(int error)
{
	return error == ENOBUFS || error == ENOMEM || error == ENETDOWN || error == ENXIO;
}

/* None of it goes a second time. */
static void fail_super(struct port_packet *p, const struct port_merge *merge, int error)
{
	p->tx_error = send_error(error);
	p->failed += merge->n;
}

/* Without one the kernel drops a super-frame and tells nobody. Of a frame of the ring it does tell. */
static bool has_carrier(const struct port_packet *p)
{
	struct ifreq req = { .ifr_ifindex = p->base.info.ifindex };

	return ioctl(p->base.fd, SIOCGIFNAME, &req) == 0 &&
	       ioctl(p->base.fd, SIOCGIFFLAGS, &req) == 0 && req.ifr_flags & IFF_RUNNING;
}

/* Behind what is queued. */
static void send_super(struct port_packet *p, struct merged *merged)
{
	struct port_merge *merge = &merged->merge;
	size_t l4;

	kick(p);
	port_merge_end(merge, &l4);
	if (!has_carrier(p)) {
		send_cut(p, merge, l4);
		return;
	}
	merged->vnet = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type =
			merge->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = (uint16_t)merge->payload,
		.gso_size = (uint16_t)merge->size,
		.csum_start = (uint16_t)l4,
		.csum_offset = TCP_SUM_AT };
	if (sendto(merged->fd, &merged->vnet, VNET_SIZE + merge->len, MSG_DONTWAIT, NULL, 0) >= 0) {
		p->sent += merge->n;
		p->stats.merged += merge->n;
		return;
	}
	if (may_have_left(errno)) {
		fail_super(p, merge, errno);
		return;
	}
	merged->refused = errno != EAGAIN;
	send_cut(p, merge, l4);
}

/* What was taken until now. */
static void send_merged(struct port_packet *p)
{
	struct port_merge *merge = &p->merged->merge;

	if (merge->n > 1)
		send_super(p, p->merged);
	else if (merge->n == 1)
		queue_or_fail(p, merge->frame, merge->len);
	merge->n = 0;
}

/* What is too long without a tag is the driver's to judge, frame by frame. */
static bool merges(struct port_packet *p, const uint8_t *data, uint32_t len)
{
	return p->merged && !p->merged->refused && len <= ETH_HLEN + p->base.info.mtu &&
	       port_merge_take(&p->merged->merge, data, len);
}

static int packet_tx(struct port *port, const uint8_t *data, uint32_t len)
{
	struct port_packet *p = packet_of(port);

	if (len < ETH_HLEN)
		return -EINVAL;
	if (len > p->frame_max)
		return -EMSGSIZE;
	if (merges(p, data, len))
		return 0;
	if (p->merged)
		send_merged(p);
	return merges(p, data, len) ? 0 : queue(p, data, len);
}

static int packet_tx_flush(struct port *port, uint32_t *ret_sent, uint32_t *ret_failed)
{
	struct port_packet *p = packet_of(port);
	int error;

	if (p->merged)
		send_merged(p);
	kick(p);
	error = p->tx_error;
	*ret_sent = p->sent;
	*ret_failed = p->failed;
	p->sent = p->failed = 0;
	p->tx_error = 0;
	return error;
}

/* ---- life ---- */

/* The kernel's counters restart at each reading. */
static int packet_stats(struct port *port, struct port_stats *ret_stats)
{
	struct port_packet *p = packet_of(port);
	struct tpacket_stats now;
	socklen_t len = sizeof(now);

	if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) < 0)
		return -errno;
	p->stats.received += now.tp_packets;
	p->stats.lost += now.tp_drops;
	*ret_stats = p->stats;
	return 0;
}

static int packet_use_merged(struct port *port, int fd)
{
	struct port_packet *p = packet_of(port);

	p->merged = calloc(1, sizeof(*p->merged));
	if (!p->merged) {
		close(fd);
		return -ENOMEM;
	}
	p->merged->fd = fd;
	return 0;
}

static void packet_free(struct port *port)
{
	struct port_packet *p = packet_of(port);

	if (p->map)
		munmap(p->map, p->map_size);
	close(port->fd);
	if (p->merged)
		close(p->merged->fd);
	free(p->merged);
	free(p->super);
	free(p->segments);
	free(p);
}

static const struct port_ops packet_ops = {
	.rx_waits = packet_rx_waits,
	.rx_burst = packet_rx_burst,
	.rx_release = packet_rx_release,
	.use_merged = packet_use_merged,
	.tx = packet_tx,
	.tx_flush = packet_tx_flush,
	.stats = packet_stats,
	.free = packet_free,
};

static bool info_possible(const struct port_info *info)
{
	return info->mtu <= PORT_MTU_MAX && info->slot_size == slot_size_for(info->mtu) &&
	       info->rx_slots == RX_RING_SIZE / info->slot_size &&
	       info->tx_slots == TX_RING_SIZE / info->slot_size;
}

static int map_rings(struct port_packet *p)
{
	const struct port_info *info = &p->base.info;
	void *map;

	p->map_size = (size_t)(info->rx_slots + info->tx_slots) * info->slot_size;
	map = mmap(NULL, p->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->base.fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	p->map = map;
	p->super = malloc(SUPER_SIZE);
	p->segments = malloc((size_t)PORT_BURST * info->slot_size);
	return p->super && p->segments ? 0 : -ENOMEM;
}

int port_attach(int fd, const struct port_info *info, struct port **ret_port)
{
	struct port_packet *p = info_possible(info) ? calloc(1, sizeof(*p)) : NULL;
	int r;

	if (!p) {
		close(fd);
		return info_possible(info) ? -ENOMEM : -EINVAL;
	}
	p->base = (struct port){ .ops = &packet_ops, .fd = fd, .info = *info };
	p->frame_max = ETH_HLEN + info->mtu + PORT_TAG_MAX;
	r = map_rings(p);
	if (r < 0) {
		packet_free(&p->base);
		return r;
	}
	*ret_port = &p->base;
	return 0;
}

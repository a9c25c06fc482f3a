/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port - frames in and out of one NIC: rx_burst -> verdict -> tx -> flush -> release.
 *
 * In two halves by privilege. port_open (supervisor: CAP_NET_RAW, CAP_NET_ADMIN) makes a descriptor
 * and a plain struct port_info, port_listen makes it receive; both travel to fb-gate, whose port_attach needs no privilege.
 * System calls of the attached half: mmap, munmap, close (attach and free only); sendto, recvmsg,
 * getsockopt, getsockname, ioctl (SIOCGIFNAME, SIOCGIFFLAGS). The caller adds what it waits with (poll or epoll_wait).
 *
 * A frame is delivered as it was, or would have been, on a wire: VLAN tags in place, checksums that
 * a virtual NIC left open filled in, TSO and USO super-frames cut into their segments. What cannot
 * be had like that carries a fault and must not be forwarded. doc/design/port.md has the reasons.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PORT_BURST   64    /* most frames of one port_rx_burst */
#define PORT_MTU_MAX 16000 /* bytes; above it port_open says -EMSGSIZE */
#define PORT_TAG_MAX 4     /* a frame may be this much longer than MTU + Ethernet header */

enum port_fault {
	PORT_FAULT_NONE,
	PORT_FAULT_OVERSIZE, /* longer than the port can carry; `data` holds its beginning */
	PORT_FAULT_CHECKSUM, /* offload of a kind that cannot be completed; `data` is as received */
	PORT_FAULT_RUNT,     /* shorter than an Ethernet header */
};

struct port_frame {
	uint8_t *data;     /* writable, contiguous, valid until port_rx_release */
	uint32_t len;      /* bytes at `data` */
	uint32_t wire_len; /* bytes of the frame; differs from len only with PORT_FAULT_OVERSIZE */
	int64_t time_ns;   /* the kernel's receive time, since 1970 UTC */
	enum port_fault fault;
};

/* What port_attach has to know; plain data for a message. */
struct port_info {
	int32_t ifindex;
	uint32_t mtu;
	uint32_t slot_size; /* bytes of a ring slot */
	uint32_t rx_slots;
	uint32_t tx_slots;
};

struct port_stats {
	uint64_t received; /* frames the kernel put into the ring, or lost, since port_attach */
	uint64_t lost;     /* frames the kernel could not put there: ring full */
	uint64_t merged;   /* frames that were sent together with others */
};

struct port;

/* Opens a port on `ifindex` of the current network namespace; it receives nothing yet, since the kernel takes
 * some 30 ms for what is done here. Every frame sent carries `mark`.
 * -ENODEV, -EPERM, -ENETDOWN, -ENOMEM; -EMSGSIZE: the MTU is above PORT_MTU_MAX;
 * -EPROTONOSUPPORT: not an Ethernet NIC. *ret_fd is close-on-exec and the caller's. */
int port_open(int ifindex, uint32_t mark, int *ret_fd, struct port_info *ret_info);
/* From now on it receives, in whatever namespace this is called. -ENODEV, -ENETDOWN. */
int port_listen(int fd, const struct port_info *info);

/* A second descriptor of it, which sends segments of a TCP stream that come one after the other as one
 * (port_merge.h). Only for a NIC whose kernel cuts them, exactly and at once: one that neither does
 * segmentation or checksums itself nor has a queue, in which a frame could be overtaken. -errno as above. */
int port_open_merged(int ifindex, uint32_t mark, int *ret_fd);

/* Takes over `fd` (also closed on failure). -EINVAL: impossible info. */
int port_attach(int fd, const struct port_info *info, struct port **ret_port);
/* Takes over what port_open_merged() made. -ENOMEM: then it is closed, and all goes one by one. */
int port_use_merged(struct port *port, int fd);
struct port *port_free(struct port *port);

/* For poll: POLLIN means port_rx_burst, POLLERR too (it returns the error). */
int port_fd(const struct port *port);
const struct port_info *port_info(const struct port *port);

/* Whether a frame waits; asks nobody, so it costs no system call and knows nothing of the NIC going down. */
bool port_rx_waits(struct port *port);

/* Up to PORT_BURST frames in the order of the wire; never waits. Call it again before polling when
 * it returned PORT_BURST, and release each burst before the next. 0 = none.
 * -ENETDOWN, told once: the NIC was set down, or is going (the port works again once it is up);
 * -ENODEV: it is gone. The kernel wakes nobody for that: after -ENETDOWN call from time to time. */
int port_rx_burst(struct port *port, struct port_frame ret_frames[static PORT_BURST]);
void port_rx_release(struct port *port);

/* Queues a frame. -EINVAL: shorter than an Ethernet header; -EMSGSIZE: longer than the NIC carries;
 * -ENOBUFS: no room, also after a flush. */
int port_tx(struct port *port, const uint8_t *data, uint32_t len);

/* Sends what is queued; never waits. Each frame queued since the last flush is counted in one of
 * the two. 0, or why the last failed: -ENETDOWN, -ENODEV, -ENOBUFS (no carrier, or the driver did
 * not take it). The counts are set in any case. */
int port_tx_flush(struct port *port, uint32_t *ret_sent, uint32_t *ret_failed);

/* Totals since port_attach. */
int port_stats(struct port *port, struct port_stats *ret_stats);

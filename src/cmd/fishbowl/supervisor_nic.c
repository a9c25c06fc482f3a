/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/files.h"

enum { MARK = 0x46425348 };

static uint64_t read_count(const char *nic, const char *what)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", nic, what);
	return file_text_read(AT_FDCWD, path, text, sizeof(text)) < 0 ? 0
								      : strtoull(text, NULL, 10);
}

static int bring_up(const char *nic)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, nic, strnlen(nic, IFNAMSIZ - 1));
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		r = -errno;
	request.ifr_flags |= IFF_UP;
	if (r == 0 && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		r = -errno;
	close(fd);
	return r;
}

int sup_nics_prepare(struct supervisor *s)
{
	s->n_ports = 0;
	snprintf(s->port[s->n_ports++].name, CHAN_NIC_MAX, "%s", s->conf->top.outside);
	for (size_t i = 0; i < s->conf->top.inside.n; i++)
		snprintf(s->port[s->n_ports++].name, CHAN_NIC_MAX, "%s",
			s->conf->top.inside.text[i]);
	for (unsigned i = 0; i < s->n_ports; i++) {
		int r = bring_up(s->port[i].name);

		if (r < 0) {
			fprintf(stderr,
				"fishbowl: NIC %s: %s; `ip link` lists the NICs of this "
				"network namespace\n",
				s->port[i].name, strerror(-r));
			return r;
		}
	}
	return 0;
}

static void complain_port(const struct sup_port *port, int r)
{
	const char *remedy = r == -EMSGSIZE          ? "its MTU is too large: set a smaller one"
			     : r == -EPROTONOSUPPORT ? "it is no Ethernet NIC: name another"
			     : r == -EPERM
				     ? "CAP_NET_RAW and CAP_NET_ADMIN are needed: run it as root"
				     : "look at it with `ip link`";

	fprintf(stderr, "fishbowl: NIC %s: %s; %s\n", port->name, strerror(-r), remedy);
}

int sup_ports_open(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];
		unsigned index = if_nametoindex(port->name);
		int r;

		port->present = port->link = index > 0;
		memset(&port->info, 0, sizeof(port->info));
		if (index == 0)
			continue; /* taken up when it is back */
		r = port_open((int)index, MARK, &port->fd, &port->info);
		if (r < 0) {
			complain_port(port, r);
			sup_ports_close(s);
			return r;
		}
	}
	return 0;
}

void sup_ports_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		if (s->port[i].fd >= 0)
			close(s->port[i].fd);
		s->port[i].fd = -1;
	}
}

void sup_nics_watch(struct supervisor *s)
{
	(void)s;
}

void sup_nics_count(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];

		port->rx_packets = read_count(port->name, "rx_packets");
		port->rx_bytes = read_count(port->name, "rx_bytes");
		port->tx_packets = read_count(port->name, "tx_packets");
		port->tx_bytes = read_count(port->name, "tx_bytes");
	}
}

uint64_t sup_nics_received(struct supervisor *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_ports; i++)
		n += s->port[i].rx_packets - s->port[i].base;
	return n;
}

/* What the NICs counted before this gate took over and no gate has seen is no difference: it arrived
 * while none ran. Per port the gates' own counts are the measure. */
void sup_nics_rebase(struct supervisor *s)
{
	const struct counts_gate *counts = sup_gate_counts(s);

	sup_nics_count(s);
	for (unsigned i = 0; i < s->n_ports; i++)
		s->port[i].base = s->port[i].rx_packets - counts->port[i].kernel;
}

void sup_nics_restore(struct supervisor *s)
{
	(void)s;
}

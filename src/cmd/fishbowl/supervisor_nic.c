/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/mute.h"
#include "sys/nic.h"

static_assert(NIC_MAX == CHAN_PORTS_MAX, "a port for each NIC");

/* A NIC set up as the data NICs are must not answer anything: else nothing is started. */
static int prove_mute(const struct supervisor *s)
{
	struct mute_result result;
	struct nic_error error;
	int r;

	if (!s->conf->top.self_test)
		return 0;
	r = mute_test(true, &result, &error);
	if (r < 0) {
		fprintf(stderr, "fishbowl: self-test: %s (self_test = false leaves it out)\n",
			error.text);
		return r;
	}
	if (result.total == 0) {
		sup_say("self-test: %d probes, no answer", MUTE_PROBES);
		return 0;
	}
	for (unsigned i = 0; i < MUTE_PROBES; i++)
		if (result.answers[i])
			fprintf(stderr, "fishbowl: self-test: this kernel answers %s\n",
				mute_probe_name(i));
	fprintf(stderr,
		"fishbowl: self-test: %u frames from a NIC that must be mute; the gateway "
		"would be visible and is not started\n",
		result.total);
	return -EPERM;
}

int sup_nics_prepare(struct supervisor *s)
{
	const char *names[NIC_MAX] = { s->conf->top.outside };
	struct nic_error error;
	int r = prove_mute(s);

	if (r < 0)
		return r;
	s->n_ports = 1;
	for (size_t i = 0; i < s->conf->top.inside.n && s->n_ports < NIC_MAX; i++)
		names[s->n_ports++] = s->conf->top.inside.text[i];
	r = nic_prepare(names, s->n_ports, s->conf->top.data_netns, &s->nics, &error);
	if (r < 0) {
		fprintf(stderr, "fishbowl: %s\n", error.text);
		return r;
	}
	for (unsigned i = 0; i < s->n_ports; i++) {
		snprintf(s->port[i].name, CHAN_NIC_MAX, "%s", names[i]);
		s->port[i].present = s->port[i].link = true; /* changes are told */
	}
	nic_watch_fds(s->nics, s->watch_fd);
	sup_say("data NICs: %u, mute%s%s", s->n_ports,
		nic_namespace(s->nics)[0] ? ", in the namespace " : "", nic_namespace(s->nics));
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

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void sup_ports_prepare(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];

		close_fd(&port->spare_fd);
		if (port->present)
			(void)nic_port_open(s->nics, i, &port->spare_fd, &port->spare_info);
	}
}

/* The one that was opened ahead, unless the NIC is another one since. */
static int open_port(struct supervisor *s, unsigned i)
{
	struct sup_port *port = &s->port[i];
	int r = -ENOENT;

	if (port->spare_fd >= 0) {
		port->fd = port->spare_fd;
		port->info = port->spare_info;
		port->spare_fd = -1;
		r = port_listen(port->fd, &port->info);
		if (r < 0)
			close_fd(&port->fd);
	}
	if (r < 0) {
		r = nic_port_open(s->nics, i, &port->fd, &port->info);
		if (r == 0)
			r = port_listen(port->fd, &port->info);
	}
	return r;
}

int sup_ports_open(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];
		int r;

		memset(&port->info, 0, sizeof(port->info));
		if (!port->present)
			continue; /* taken up when it is back */
		r = open_port(s, i);
		if (r == -ENODEV && s->running) { /* it went this moment */
			close_fd(&port->fd);
			continue;
		}
		if (r < 0) {
			complain_port(port, r);
			sup_ports_close(s);
			return r;
		}
		(void)nic_port_open_merged(s->nics, i, &port->merged_fd);
	}
	return 0;
}

void sup_ports_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		close_fd(&s->port[i].fd);
		close_fd(&s->port[i].merged_fd);
		close_fd(&s->port[i].spare_fd);
	}
}

/* A NIC that is back is another one to the kernel: it is prepared anew, and a new gate gets a socket
 * on it. The flow table goes on. */
static void take_up(struct supervisor *s, unsigned i)
{
	struct nic_error error;

	if (nic_again(s->nics, i, &error) < 0) {
		sup_control(s, REASON_NIC_BACK, s->port[i].name, "not usable: %s", error.text);
		return;
	}
	s->port[i].present = s->port[i].link = true;
	sup_control(s, REASON_NIC_BACK, s->port[i].name, "prepared again");
	if (!s->stopping)
		sup_gate_replace(s);
}

static void on_change(struct supervisor *s, const struct nic_event *event)
{
	struct sup_port *port = &s->port[event->nic];

	switch (event->change) {
	case NIC_LINK_DOWN:
		port->link = false;
		sup_control(s, REASON_LINK_DOWN, port->name, "%s", "");
		break;
	case NIC_LINK_UP:
		port->link = true;
		sup_control(s, REASON_LINK_UP, port->name, "%s", "");
		break;
	case NIC_GONE:
		port->present = port->link = false;
		sup_control(s, REASON_NIC_GONE, port->name, "%s", "");
		break;
	case NIC_BACK:
		take_up(s, event->nic);
		break;
	case NIC_UNCUT:
		sup_say("NIC %s: it has a queue now, or makes segments or checksums itself; "
			"its frames go one by one",
			port->name);
		if (!s->stopping)
			sup_gate_replace(s);
		break;
	}
}

void sup_nics_watch(struct supervisor *s)
{
	struct nic_event events[NIC_MAX];
	int n;

	while ((n = nic_watch_read(s->nics, events)) > 0)
		for (int i = 0; i < n; i++)
			on_change(s, &events[i]);
}

void sup_nics_count(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];
		struct nic_counters counters;

		if (nic_counters(s->nics, i, &counters) < 0)
			continue;
		port->rx_packets = counters.rx_frames;
		port->rx_bytes = counters.rx_bytes;
		port->tx_packets = counters.tx_frames;
		port->tx_bytes = counters.tx_bytes;
	}
}

void sup_nics_received(const struct supervisor *s, uint64_t *ret_least, uint64_t *ret_most)
{
	uint64_t least = 0, most = 0;

	for (unsigned i = 0; i < s->n_ports; i++) {
		least += s->port[i].rx_packets - s->port[i].base_open;
		most += s->port[i].rx_packets - s->port[i].base;
	}
	*ret_least = least;
	*ret_most = most;
}

/* What the NICs counted before this gate took over and no gate has seen is no difference: it arrived
 * while none ran. Per port the gates' own counts are the measure. What arrives while the sockets are
 * opened may have reached one or not. */
void sup_nics_rebase(struct supervisor *s, bool open)
{
	const struct counts_gate *counts = sup_gate_counts(s);

	sup_nics_count(s);
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct sup_port *port = &s->port[i];

		port->base_open = port->rx_packets - counts->port[i].kernel;
		if (!open)
			port->base = port->base_open;
	}
}

void sup_nics_restore(struct supervisor *s)
{
	int r = nic_restore(s->nics);

	if (r < 0)
		sup_say("data NICs: not all could be put back: %s", strerror(-r));
	s->nics = nic_set_free(s->nics);
}

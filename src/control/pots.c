/* SPDX-License-Identifier: Apache-2.0 */
/* Honeypots by address and by MAC, what is learnt of them, and the way of a frame between ports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/inside.h"

static uint32_t hash_word(uint64_t word)
{
	return (uint32_t)((word ^ word >> 32) * 0x9e3779b97f4a7c15 >> 32);
}

/* IPv4 differs in its last 4 bytes only. */
static uint32_t hash_ip(const struct ip *ip)
{
	uint64_t word;

	memcpy(&word, ip->byte + 8, sizeof(word));
	return hash_word(word);
}

static uint32_t hash_mac(const struct mac *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac, sizeof(*mac));
	return hash_word(word);
}

uint16_t pots_find_ip(const struct gate *gate, const struct ip *ip)
{
	uint32_t at;

	if (!gate->by_ip)
		return NO_HONEYPOT;
	for (at = hash_ip(ip) & gate->by_ip_mask;; at = (at + 1) & gate->by_ip_mask) {
		const struct map_row *row = &gate->by_ip[at];

		if (row->pot == NO_HONEYPOT || ip_equal(&row->ip, ip))
			return row->pot;
	}
}

static void add_ip(struct gate *gate, const struct ip *ip, uint16_t pot)
{
	uint32_t at = hash_ip(ip) & gate->by_ip_mask;

	while (gate->by_ip[at].pot != NO_HONEYPOT && !ip_equal(&gate->by_ip[at].ip, ip))
		at = (at + 1) & gate->by_ip_mask;
	if (gate->by_ip[at].pot == NO_HONEYPOT)
		gate->by_ip[at] = (struct map_row){ .ip = *ip, .pot = pot };
}

uint16_t pots_find_mac(const struct gate *gate, const struct mac *mac)
{
	uint32_t at = hash_mac(mac) % MAC_ROWS;

	for (;; at = (at + 1) % MAC_ROWS) {
		uint16_t pot = gate->by_mac[at];

		if (pot == NO_HONEYPOT || mac_equal(&gate->shared->learnt[pot].mac, mac))
			return pot;
	}
}

/* A honeypot has one MAC address, so there is always room. */
static void add_mac(struct gate *gate, uint16_t pot)
{
	const struct mac *mac = &gate->shared->learnt[pot].mac;
	uint32_t at = hash_mac(mac) % MAC_ROWS;

	while (gate->by_mac[at] != NO_HONEYPOT)
		at = (at + 1) % MAC_ROWS;
	gate->by_mac[at] = pot;
}

static void init_pot(struct gate *gate, uint16_t n)
{
	const struct conf_a_honeypot *h = &gate->conf->honeypot[n];
	struct learnt *l = &gate->shared->learnt[n];
	struct pot *pot = &gate->pot[n];

	pot->attempts.attempt = &gate->attempts[(size_t)n * ATTEMPTS_MAX];
	pot->mac_fixed = h->has_mac;
	if (h->inside >= 0)
		pot->nic_port = (uint8_t)(h->inside + 1);
	else if (gate->n_ports == 2)
		pot->nic_port = 1;
	if (h->has_mac) {
		if (!l->mac_known || !mac_equal(&l->mac, &h->mac))
			l->port = 0;
		l->mac = h->mac;
		l->mac_known = 1;
	}
	if (pot->nic_port)
		l->port = pot->nic_port;
	if (l->mac_known && pots_find_mac(gate, &l->mac) == NO_HONEYPOT)
		add_mac(gate, n);
	for (size_t i = 0; i < h->n_addresses; i++)
		add_ip(gate, &h->address[i], n);
}

int pots_init(struct gate *gate)
{
	size_t n = gate->conf->n_honeypots, addresses = 0;
	uint32_t size = 2;

	for (size_t i = 0; i < n; i++)
		addresses += gate->conf->honeypot[i].n_addresses;
	while (size < 2 * addresses + 2)
		size *= 2;
	gate->pot = calloc(n + 1, sizeof(*gate->pot));
	gate->attempts = calloc(n + 1, ATTEMPTS_MAX * sizeof(*gate->attempts));
	gate->by_ip = calloc(size, sizeof(*gate->by_ip));
	gate->by_mac = calloc(MAC_ROWS, sizeof(*gate->by_mac));
	if (!gate->pot || !gate->attempts || !gate->by_ip || !gate->by_mac)
		return -ENOMEM;
	gate->by_ip_mask = size - 1;
	for (uint32_t i = 0; i < size; i++)
		gate->by_ip[i].pot = NO_HONEYPOT;
	for (uint32_t i = 0; i < MAC_ROWS; i++)
		gate->by_mac[i] = NO_HONEYPOT;
	for (size_t i = 0; i < n; i++)
		init_pot(gate, (uint16_t)i);
	return 0;
}

void pots_done(struct gate *gate)
{
	free(gate->pot);
	free(gate->attempts);
	free(gate->by_ip);
	free(gate->by_mac);
}

/* Which address the frame says it is from; of ::, whom it looks for (duplicate address detection). */
static const struct ip *claimed_ip(const struct judge *j)
{
	const struct frame *f = j->frame;

	if (f->is_arp) {
		static const struct ip any4 = { .byte = { [10] = 0xff, [11] = 0xff } };

		return ip_equal(&f->arp_sender, &any4) ? &f->arp_target : &f->arp_sender;
	}
	if (!j->packet)
		return NULL;
	if (f->is_nd && ip_is_unset(&j->packet->src))
		return &f->nd_target;
	return &j->packet->src;
}

static bool port_fits(const struct gate *gate, uint16_t pot, unsigned port)
{
	uint8_t known = gate->shared->learnt[pot].port;

	return known == 0 || known == port;
}

/* The first frame of a honeypot whose MAC address nobody told us. */
static bool learn_mac(struct gate *gate, uint16_t pot, const struct mac *mac)
{
	struct learnt *l = &gate->shared->learnt[pot];

	if (l->mac_known || mac->byte[0] & 1)
		return false;
	l->mac = *mac;
	l->mac_known = 1;
	add_mac(gate, pot);
	return true;
}

void pots_identify(struct judge *j)
{
	struct gate *gate = j->gate;
	const struct ip *ip = claimed_ip(j);
	uint16_t by_mac = pots_find_mac(gate, &j->frame->src_mac);
	uint16_t by_ip = ip ? pots_find_ip(gate, ip) : NO_HONEYPOT;

	if (by_ip == NO_HONEYPOT && gate->conf->n_honeypots == 1)
		by_ip = 0; /* whose else: so that its first frame may be one without an address */
	j->honeypot = by_mac != NO_HONEYPOT ? by_mac : by_ip;
	if (j->honeypot == NO_HONEYPOT || !port_fits(gate, j->honeypot, j->in_port))
		return;
	if (by_mac == NO_HONEYPOT && !learn_mac(gate, by_ip, &j->frame->src_mac))
		return;
	gate->shared->learnt[j->honeypot].port = (uint8_t)j->in_port;
	j->mac_ok = true;
}

static void route_inside(struct judge *j, uint16_t to)
{
	struct gate *gate = j->gate;
	uint32_t self = 1u << j->in_port;
	uint8_t port = to == NO_HONEYPOT ? 0 : gate->shared->learnt[to].port;

	if (port == 0 || port >= gate->n_ports) {
		j->answer.direction = DIRECTION_OUTBOUND;
		j->answer.out_ports = (1u << GATE_OUTSIDE | gate->inside_mask) & ~self;
		return;
	}
	j->answer.direction = DIRECTION_INTERNAL;
	j->answer.out_ports = (1u << port) & ~self;
}

void pots_route(struct judge *j)
{
	struct gate *gate = j->gate;
	uint16_t to = j->frame->dst_mac.byte[0] & 1 ? NO_HONEYPOT
						    : pots_find_mac(gate, &j->frame->dst_mac);
	uint8_t port = to == NO_HONEYPOT ? 0 : gate->shared->learnt[to].port;

	if (j->in_port != GATE_OUTSIDE) {
		route_inside(j, to);
		return;
	}
	j->answer.direction = DIRECTION_INBOUND;
	j->answer.out_ports = port && port < gate->n_ports ? 1u << port : gate->inside_mask;
}

static int find_link_local(const struct learnt *l, const struct ip *ip)
{
	for (int i = 0; i < l->n_link_locals && i < LINK_LOCALS_MAX; i++)
		if (ip_equal(&l->link_local[i], ip))
			return i;
	return -1;
}

static bool heard_outside(const struct gate *gate, const struct ip *ip)
{
	for (unsigned i = 0; i < OUTSIDERS_MAX; i++)
		if (ip_equal(&gate->outsider[i], ip))
			return true;
	return false;
}

/* Link-local addresses are its own as it uses them, up to a few, unless somebody else uses them. */
static bool owns_link_local(const struct gate *gate, uint16_t pot, const struct ip *ip)
{
	struct learnt *l = &gate->shared->learnt[pot];

	if (find_link_local(l, ip) >= 0)
		return true;
	if (l->n_link_locals >= LINK_LOCALS_MAX || pots_find_ip(gate, ip) != NO_HONEYPOT ||
		heard_outside(gate, ip))
		return false;
	for (size_t i = 0; i < gate->conf->n_honeypots; i++)
		if (find_link_local(&gate->shared->learnt[i], ip) >= 0)
			return false;
	l->link_local[l->n_link_locals] = *ip;
	l->n_link_locals++;
	return true;
}

bool pots_owns(const struct judge *j, const struct ip *ip)
{
	if (j->honeypot == NO_HONEYPOT)
		return false;
	if (pots_find_ip(j->gate, ip) == j->honeypot)
		return true;
	if (ip_is_v4(ip) || !ip_is_link_local(ip))
		return false;
	return owns_link_local(j->gate, j->honeypot, ip);
}

bool pots_is_near(const struct gate *gate, uint16_t pot, const struct ip *ip)
{
	const struct conf_a_honeypot *h;
	size_t net = ip_is_v4(ip) ? 15 : 8;

	if (pot == NO_HONEYPOT)
		return false;
	h = &gate->conf->honeypot[pot];
	for (size_t i = 0; i < h->n_addresses; i++)
		if (memcmp(&h->address[i], ip, net) == 0)
			return true;
	return false;
}

/* Whose link-local address a frame from outside says it is: its sender's, or one that somebody
 * defends or is about to take. */
static const struct ip *outsider_of(const struct judge *j)
{
	const struct frame_packet *p = j->packet;
	bool for_target = j->frame->is_nd &&
			  (p->icmp_type == 136 || (p->icmp_type == 135 && ip_is_unset(&p->src)));
	const struct ip *ip = for_target ? &j->frame->nd_target : &p->src;

	return p->version == 6 && !ip_is_v4(ip) && ip_is_link_local(ip) ? ip : NULL;
}

void pots_hear(struct judge *j)
{
	struct gate *gate = j->gate;
	const struct ip *ip = j->packet ? outsider_of(j) : NULL;

	/* What a honeypot sent may come back. */
	if (!ip || heard_outside(gate, ip) ||
		pots_find_mac(gate, &j->frame->src_mac) != NO_HONEYPOT)
		return;
	gate->outsider[gate->next_outsider++ % OUTSIDERS_MAX] = *ip;
	for (size_t i = 0; i < gate->conf->n_honeypots; i++) {
		struct learnt *l = &gate->shared->learnt[i];
		int at = find_link_local(l, ip);

		if (at < 0)
			continue;
		l->link_local[at] = l->link_local[l->n_link_locals - 1];
		l->n_link_locals--;
	}
}

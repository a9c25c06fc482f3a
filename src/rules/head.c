/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule asks about headers: addresses, ports, flow, and the fields of IP, TCP and ICMP. */
#include <netinet/in.h>
#include <string.h>

#include "base/cur.h"
#include "frame/frame.h"
#include "rules/engine.h"

void head_new_unit(struct rules *rules)
{
	rules->pcre_unit = 0;
	if (++rules->nets_generation)
		return;
	for (unsigned i = 0; i < 2; i++)
		memset(rules->nets_stamp[i], 0, rules->head->nets.n * sizeof(uint32_t));
	rules->nets_generation = 1;
}

bool head_in_nets(struct rules *rules, uint32_t set, const struct ip *ip)
{
	const struct image_nets *nets = &rules->nets[set];
	const struct image_range *range =
		(const struct image_range *)(const void *)(rules->base + nets->ranges.at);

	if (nets->any)
		return true;
	range = image_range_before(range, nets->ranges.n, ip);
	return range && ip_order(ip, &range->last) <= 0;
}

/* The same, asked once a unit. `which`: 0 the source, 1 the destination of the packet. */
static bool in_nets(
	struct rules *rules, uint32_t set, const struct frame_packet *packet, unsigned which)
{
	if (rules->nets[set].any)
		return true;
	if (rules->nets_stamp[which][set] != rules->nets_generation) {
		rules->nets_stamp[which][set] = rules->nets_generation;
		rules->nets_answer[which][set] =
			head_in_nets(rules, set, which ? &packet->dst : &packet->src);
	}
	return rules->nets_answer[which][set];
}

unsigned head_ways(struct rules *rules, const struct rules_unit *unit)
{
	uint32_t pivot = rules->head->pivot;
	bool from, to;

	if (!unit->packet || pivot == IMAGE_NONE)
		return ~0u;
	from = in_nets(rules, pivot, unit->packet, 0);
	to = in_nets(rules, pivot, unit->packet, 1);
	return from == to ? ~0u : 1u << (from ? IMAGE_OUT_OF : IMAGE_INTO);
}

static bool in_ports(
	const struct rules *rules, uint32_t set, const struct frame_packet *packet, uint16_t port)
{
	const struct image_ports *ports = &rules->ports[set];
	const struct rule_port_range *range =
		(const struct rule_port_range *)(const void *)(rules->base + ports->ranges.at);

	if (ports->any)
		return true;
	if (!packet->has_transport)
		return false;
	for (uint32_t i = 0; i < ports->ranges.n; i++)
		if (port >= range[i].first && port <= range[i].last)
			return true;
	return false;
}

static bool has_ports(const struct frame_packet *packet)
{
	return packet->proto == IPPROTO_TCP || packet->proto == IPPROTO_UDP ||
	       packet->proto == IPPROTO_SCTP;
}

static bool fits_addresses(struct rules *rules, const struct frame_packet *packet,
	const struct image_rule *rule, bool turned)
{
	unsigned src = turned, dst = !turned;
	uint16_t sport = turned ? packet->dport : packet->sport;
	uint16_t dport = turned ? packet->sport : packet->dport;

	if (has_ports(packet) && (!in_ports(rules, rule->sport, packet, sport) ||
					 !in_ports(rules, rule->dport, packet, dport)))
		return false;
	return in_nets(rules, rule->src, packet, src) && in_nets(rules, rule->dst, packet, dst);
}

uint8_t head_carrier(const struct frame_packet *packet)
{
	if (!packet)
		return IMAGE_NO_IP;
	return (uint8_t)image_carrier(packet->proto);
}

static bool fits_flow(const struct rules_unit *unit, const struct image_rule *rule)
{
	uint16_t flow = rule->flow;
	bool fragment = unit->reassembled || (unit->packet && unit->packet->is_fragment);

	if (flow == 0)
		return true;
	if (flow & RULE_FLOW_TO_SERVER && (unit->side != 0 || !unit->flow))
		return false;
	if (flow & RULE_FLOW_TO_CLIENT && (unit->side != 1 || !unit->flow))
		return false;
	if (flow & RULE_FLOW_ESTABLISHED && !(flow & RULE_FLOW_STATELESS) &&
		(!unit->established || !unit->flow))
		return false;
	if (flow & RULE_FLOW_NOT_ESTABLISHED && unit->established)
		return false;
	if (flow & RULE_FLOW_ONLY_STREAM && unit->kind == RULES_PACKET)
		return false;
	if (flow & RULE_FLOW_NO_STREAM && unit->kind == RULES_STREAM)
		return false;
	return !(flow & RULE_FLOW_ONLY_FRAG && !fragment) &&
	       !(flow & RULE_FLOW_NO_FRAG && fragment);
}

bool app_fits(uint16_t wanted, enum proto_id app)
{
	if (wanted & RULE_APP_ALONE)
		return (wanted & ~RULE_APP_ALONE) == (unsigned)app;
	return proto_includes((enum proto_id)wanted, app);
}

static bool fits_proto(const struct rules_unit *unit, const struct image_rule *rule)
{
	const struct frame_packet *packet = unit->packet;
	enum proto_id app = unit->tx ? proto_tx_state(unit->tx).proto : unit->app;

	if (!(rule->carriers >> head_carrier(packet) & 1))
		return false;
	if (rule->app && !app_fits(rule->app, app))
		return false;
	if (!packet)
		return true;
	if (rule->proto == RULE_PROTO_SCTP && packet->proto != IPPROTO_SCTP)
		return false;
	return !rule->only_version || rule->only_version == packet->version;
}

bool head_fits(struct rules *rules, const struct rules_unit *unit, const struct image_rule *rule)
{
	if (!fits_proto(unit, rule) || !fits_flow(unit, rule))
		return false;
	if (!unit->packet)
		return true;
	return fits_addresses(rules, unit->packet, rule, false) ||
	       (rule->flags & IMAGE_BOTH_WAYS && fits_addresses(rules, unit->packet, rule, true));
}

bool head_may_fit(struct rules *rules, const struct rules_unit *unit, const struct image_rule *rule)
{
	const struct frame_packet *packet = unit->packet;

	if (!packet)
		return true;
	if (!(rule->carriers >> head_carrier(packet) & 1) ||
		(rule->only_version && rule->only_version != packet->version))
		return false;
	return fits_addresses(rules, packet, rule, false) ||
	       fits_addresses(rules, packet, rule, true);
}

/* ------------------------------------------------------------------ fields */

static int64_t value_of(const struct rule_value *value, const uint64_t *vars)
{
	if (!value->is_var)
		return value->number;
	return vars ? (int64_t)vars[value->var] : 0;
}

bool head_compare(const struct rule_compare *compare, const uint64_t *vars, uint64_t number)
{
	int64_t n = number > INT64_MAX ? INT64_MAX : (int64_t)number;
	int64_t a = value_of(&compare->a, vars), b = value_of(&compare->b, vars);

	switch (compare->op) {
	case RULE_EQ:
		return n == a;
	case RULE_NE:
		return n != a;
	case RULE_LT:
		return n < a;
	case RULE_LE:
		return n <= a;
	case RULE_GT:
		return n > a;
	case RULE_GE:
		return n >= a;
	case RULE_RANGE:
		return n > a && n < b;
	case RULE_RANGE_INCLUSIVE:
		return n >= a && n <= b;
	case RULE_OUTSIDE:
		return n < a || n > b;
	}
	return false;
}

static bool compare_flags(const struct rule_flags *flags, uint8_t have)
{
	have &= (uint8_t)~flags->ignore;
	switch (flags->how) {
	case RULE_FLAGS_EXACT:
		return have == flags->bits;
	case RULE_FLAGS_ALL:
		return (have & flags->bits) == flags->bits;
	case RULE_FLAGS_ANY:
		return have & flags->bits;
	case RULE_FLAGS_NONE:
		return (have & flags->bits) != flags->bits;
	}
	return false;
}

static struct cur bytes_of(const struct rules_unit *unit, uint32_t from, uint32_t to)
{
	const struct frame *frame = unit->frame;

	if (!frame || from > to || to > frame->len)
		return cur_make(NULL, 0);
	return cur_make(frame->data + from, to - from);
}

static struct cur ip_header(const struct rules_unit *unit)
{
	return bytes_of(unit, unit->packet->l3_at, unit->packet->l4_at);
}

/* A 16-bit field `skip` bytes behind the IPv4 header's start. */
static bool ipv4_field(const struct rules_unit *unit, size_t skip, uint16_t *ret_field)
{
	struct cur c = ip_header(unit);

	if (unit->packet->version != 4)
		return false;
	cur_skip(&c, skip);
	*ret_field = cur_be16(&c);
	return cur_ok(&c);
}

static bool field_tos(const struct rules_unit *unit, uint64_t *ret)
{
	struct cur c = ip_header(unit);
	uint16_t first = cur_be16(&c);

	if (!cur_ok(&c))
		return false;
	*ret = unit->packet->version == 4 ? first & 0xff : first >> 4 & 0xff;
	return true;
}

/* RFC 791, 3.1. */
static bool has_ip_option(const struct rules_unit *unit, const struct image_word *word)
{
	struct cur c = ip_header(unit);

	if (unit->packet->version != 4)
		return false;
	cur_skip(&c, 20);
	if (word->value == 0)
		return cur_left(&c) > 0;
	while (cur_left(&c) > 0) {
		uint8_t kind = cur_u8(&c), len;

		if (kind == word->value || (kind == 0 && word->value == RULE_IPOPTS_EOL))
			return true;
		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		len = cur_u8(&c);
		cur_skip(&c, len < 2 ? SIZE_MAX : (size_t)len - 2);
	}
	return false;
}

/* The value of a TCP option (RFC 9293, 3.2). */
static bool tcp_option(
	const struct rules_unit *unit, uint8_t kind, uint8_t size, uint64_t *ret_value)
{
	struct cur c = bytes_of(unit, unit->packet->l4_at, unit->packet->payload_at);

	cur_skip(&c, 20);
	while (cur_left(&c) > 0) {
		uint8_t at = cur_u8(&c), len;

		if (at == 0)
			break;
		if (at == 1)
			continue;
		len = cur_u8(&c);
		if (at == kind && len == size + 2) {
			*ret_value = size == 1 ? cur_u8(&c) : cur_be16(&c);
			return cur_ok(&c);
		}
		cur_skip(&c, len < 2 ? SIZE_MAX : (size_t)len - 2);
	}
	return false;
}

/* Identifier and sequence number of what asks and what answers it (RFC 792, RFC 4443). */
static bool icmp_field(const struct rules_unit *unit, size_t skip, uint64_t *ret)
{
	const struct frame_packet *packet = unit->packet;
	struct cur c = bytes_of(unit, packet->l4_at, packet->end_at);
	bool has = packet->proto == IPPROTO_ICMP
			   ? packet->icmp_type == 0 || packet->icmp_type == 8 ||
				     (packet->icmp_type >= 13 && packet->icmp_type <= 18)
			   : packet->icmp_type == 128 || packet->icmp_type == 129;

	cur_skip(&c, skip);
	*ret = cur_be16(&c);
	return has && cur_ok(&c);
}

static bool is_tcp(const struct frame_packet *packet)
{
	return packet->proto == IPPROTO_TCP && packet->has_transport;
}

static bool is_icmp(const struct frame_packet *packet)
{
	return (packet->proto == IPPROTO_ICMP || packet->proto == IPPROTO_ICMPV6) &&
	       packet->has_transport;
}

/* The number that a keyword is about; false: the packet has none. */
static bool number_of(const struct rules_unit *unit, uint8_t keyword, uint64_t *ret)
{
	const struct frame_packet *packet = unit->packet;
	uint16_t field = 0;

	switch (keyword) {
	case RULE_DSIZE:
		*ret = unit->len;
		return unit->kind == RULES_PACKET;
	case RULE_TTL:
		*ret = packet->ttl;
		return true;
	case RULE_TOS:
		return field_tos(unit, ret);
	case RULE_ID:
		*ret = ipv4_field(unit, 4, &field) ? field : 0;
		return packet->version == 4;
	case RULE_FRAGOFFSET:
		*ret = packet->fragment_offset / 8;
		return true;
	case RULE_IP_PROTO:
		*ret = packet->proto;
		return true;
	case RULE_SEQ:
		*ret = packet->tcp_seq;
		return is_tcp(packet);
	case RULE_ACK:
		*ret = packet->tcp_ack;
		return is_tcp(packet);
	case RULE_WINDOW:
		*ret = packet->tcp_window;
		return is_tcp(packet);
	case RULE_TCP_MSS:
		return is_tcp(packet) && tcp_option(unit, 2, 2, ret);
	case RULE_TCP_WSCALE:
		return is_tcp(packet) && tcp_option(unit, 3, 1, ret);
	case RULE_ITYPE:
		*ret = packet->icmp_type;
		return is_icmp(packet);
	case RULE_ICODE:
		*ret = packet->icmp_code;
		return is_icmp(packet);
	case RULE_ICMP_ID:
		return is_icmp(packet) && icmp_field(unit, 4, ret);
	case RULE_ICMP_SEQ:
		return is_icmp(packet) && icmp_field(unit, 6, ret);
	default:
		return false;
	}
}

/* ------------------------------------------------------------------ of the conversation */

static bool check_sides(uint8_t side, const struct rule_compare *compare, const uint64_t of[2])
{
	bool client = head_compare(compare, NULL, of[0]);
	bool server = head_compare(compare, NULL, of[1]);

	return side == 0   ? client
	       : side == 1 ? server
	       : side == 2 ? client && server
			   : client || server;
}

/* flow.pkts and flow.bytes: "both" is their sum. */
static bool check_counts(const struct image_option *option, const uint64_t of[2])
{
	if (option->list == 2)
		return head_compare(&option->compare, NULL, of[0] + of[1]);
	return check_sides((uint8_t)option->list, &option->compare, of);
}

static bool has_event(struct look *look, const struct image_word *word)
{
	const char *text = (const char *)image_bytes(look->rules, word->text);

	for (const char *const *name = look->unit->events; name && *name; name++)
		if (strcmp(*name, text) == 0)
			return true;
	return false;
}

static bool check_app(const struct look *look, const struct image_option *option)
{
	const struct rules_unit *unit = look->unit;
	enum proto_id app = unit->tx ? proto_tx_state(unit->tx).proto : unit->app;

	if (option->negated && app == PROTO_NONE)
		return false;
	return proto_includes((enum proto_id)option->word.value, app) != option->negated;
}

static bool check_age(const struct look *look, const struct image_option *option)
{
	int64_t age = look->unit->wall_ns - look->unit->flow_start_ns;

	return look->unit->flow &&
	       head_compare(&option->compare, NULL, age > 0 ? (uint64_t)age / 1000000000 : 0);
}

static bool check_packet(struct look *look, const struct image_option *option)
{
	const struct rules_unit *unit = look->unit;
	uint16_t field = 0;
	uint64_t number;

	if (!unit->packet)
		return false;
	switch (option->keyword) {
	case RULE_FLAGS:
		return is_tcp(unit->packet) &&
		       compare_flags(&option->flags, unit->packet->tcp_flags) != option->negated;
	case RULE_FRAGBITS:
		return ipv4_field(unit, 6, &field) &&
		       compare_flags(&option->flags, (uint8_t)(field >> 13)) != option->negated;
	case RULE_IPOPTS:
		return has_ip_option(unit, &option->word) != option->negated;
	case RULE_SAMEIP:
		return ip_equal(&unit->packet->src, &unit->packet->dst) != option->negated;
	default:
		return number_of(unit, option->keyword, &number) &&
		       head_compare(&option->compare, NULL, number) != option->negated;
	}
}

static bool check(struct look *look, const struct image_option *option)
{
	const struct rules_unit *unit = look->unit;

	switch (option->keyword) {
	case RULE_FLOWBITS:
		return marks_check_bits(unit->flow, &option->bits);
	case RULE_XBITS:
		return track_check_bits(look->rules, unit, &option->bits);
	case RULE_FLOWINT:
		return marks_check_int(unit->flow, &option->integer);
	case RULE_STREAM_SIZE:
		return unit->flow &&
		       check_sides(option->stream_size.side, &option->stream_size.compare,
			       unit->stream_bytes) != option->negated;
	case RULE_FLOW_AGE:
		return check_age(look, option);
	case RULE_FLOW_PKTS:
		return unit->flow && check_counts(option, unit->flow_packets);
	case RULE_FLOW_BYTES:
		return unit->flow && check_counts(option, unit->flow_bytes);
	case RULE_APP_PROTOCOL:
		return check_app(look, option);
	case RULE_DECODE_EVENT:
	case RULE_STREAM_EVENT:
		return has_event(look, &option->word) != option->negated;
	case RULE_APP_EVENT:
	case RULE_NUMBER:
	case RULE_SSL_VERSION:
	case RULE_SSL_STATE:
	case RULE_DCE_IFACE:
		return tx_check(look, option);
	case RULE_DETECTION_FILTER: /* counts what matches otherwise: asked last */
		return true;
	default:
		return check_packet(look, option);
	}
}

bool head_checks(struct look *look)
{
	const struct image_list *checks = &look->rule->checks;

	for (uint32_t i = 0; i < checks->n; i++)
		if (!check(look, &look->rules->option[checks->at + i]))
			return false;
	return true;
}

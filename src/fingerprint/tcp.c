/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/tcp.h"

#include <netinet/tcp.h>

#include "base/cur.h"
#include "base/out.h"
#include "frame/frame.h"

enum {
	IP4_DF = 0x4000, /* RFC 791; and the bit before it, which must be 0 */
	IP4_ZERO = 0x8000,
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	TCP_HEADER = 20,
	ECN_BITS = 3,
	SCALE_MAX = 14,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
	TCP_AE = 1,         /* in the byte of the data offset (RFC 7560) */
	SENDSYN_MSS = 1331, /* p0f's own prober */
	ETHERNET_MTU = 1500,
	TIMESTAMP_BYTES = 12, /* what they take of each segment */
	MSS_MIN = 100,        /* less is no base to divide by */
};

/* ---- reading ---- */

static void read_ip4(struct cur c, struct tcp_look *look)
{
	uint16_t id, flags;

	look->ip_options = (uint8_t)(cur_left(&c) - IP4_HEADER);
	cur_skip(&c, 1);
	look->tos = cur_u8(&c);
	cur_skip(&c, 2);
	id = cur_be16(&c);
	flags = cur_be16(&c);
	if (look->tos & ECN_BITS)
		look->quirks |= QUIRK_ECN;
	if (flags & IP4_ZERO)
		look->quirks |= QUIRK_ZERO_BIT;
	if (flags & IP4_DF)
		look->quirks |= QUIRK_DF | (id != 0 ? QUIRK_ID_SET : 0);
	else if (id == 0)
		look->quirks |= QUIRK_ID_ZERO;
}

static void read_ip6(struct cur c, struct tcp_look *look)
{
	uint32_t first = cur_be32(&c);

	look->ip_options = (uint8_t)(cur_left(&c) + 4 - IP6_HEADER);
	look->tos = (uint8_t)(first >> 20);
	if (first & 0xfffff)
		look->quirks |= QUIRK_FLOW;
	if (look->tos & ECN_BITS)
		look->quirks |= QUIRK_ECN;
}

static struct cur bytes_of(const struct frame *frame, uint32_t from, uint32_t to)
{
	struct cur c = cur_make(frame->data, frame->len);

	cur_limit(&c, to);
	cur_skip(&c, from);
	return c;
}

/* The value of an option, of which its length says `want` bytes with kind and length. */
static struct cur take_value(struct cur *c, uint8_t want, struct tcp_look *look)
{
	uint8_t len = cur_u8(c);

	if (len != want)
		look->quirks |= QUIRK_OPTIONS_BAD;
	return cur_sub(c, want - 2u);
}

static void take_timestamp(struct cur value, struct tcp_look *look)
{
	look->timestamp = cur_be32(&value);
	if (value.bad)
		return;
	look->has_timestamp = true;
	if (look->timestamp == 0)
		look->quirks |= QUIRK_TS_ZERO;
	if (!look->response && cur_be32(&value) != 0)
		look->quirks |= QUIRK_TS_PEER;
}

static void take_any(struct cur *c, uint8_t kind)
{
	uint8_t len = cur_u8(c);

	if (len < (kind == TCPOPT_SACK ? 10 : 2) || (kind == TCPOPT_SACK && len > 34))
		cur_fail(c);
	else
		cur_skip(c, len - 2u);
}

static void take_end(struct cur *c, struct tcp_look *look)
{
	look->eol_pad = (uint8_t)cur_left(c);
	while (cur_left(c) > 0)
		if (cur_u8(c) != 0)
			look->quirks |= QUIRK_OPTIONS_AFTER;
}

static void take_option(struct cur *c, uint8_t kind, struct tcp_look *look)
{
	struct cur value;

	switch (kind) {
	case TCPOPT_EOL:
		take_end(c, look);
		break;
	case TCPOPT_NOP:
		break;
	case TCPOPT_MAXSEG:
		value = take_value(c, TCPOLEN_MAXSEG, look);
		look->mss = value.bad ? look->mss : cur_be16(&value);
		break;
	case TCPOPT_WINDOW:
		value = take_value(c, TCPOLEN_WINDOW, look);
		look->scale = value.bad ? look->scale : cur_u8(&value);
		if (look->scale > SCALE_MAX)
			look->quirks |= QUIRK_SCALE;
		break;
	case TCPOPT_SACK_PERMITTED:
		take_value(c, TCPOLEN_SACK_PERMITTED, look);
		break;
	case TCPOPT_TIMESTAMP:
		take_timestamp(take_value(c, TCPOLEN_TIMESTAMP, look), look);
		break;
	default:
		take_any(c, kind);
		break;
	}
}

static void read_options(struct cur c, struct tcp_look *look)
{
	while (cur_left(&c) > 0 && look->n_options < SIGNATURES_OPTIONS_MAX) {
		uint8_t kind = cur_u8(&c);

		look->options[look->n_options++] = kind;
		take_option(&c, kind, look);
	}
	if (c.bad)
		look->quirks |= QUIRK_OPTIONS_BAD;
}

static void read_tcp(struct cur c, uint8_t flags, struct tcp_look *look)
{
	uint32_t seq, ack;
	uint8_t offset;
	uint16_t urgent;

	cur_skip(&c, 4);
	seq = cur_be32(&c);
	ack = cur_be32(&c);
	offset = cur_u8(&c);
	cur_skip(&c, 1);
	look->window = cur_be16(&c);
	cur_skip(&c, 2);
	urgent = cur_be16(&c);
	if ((flags & (TCP_ECE | TCP_CWR)) || (offset & TCP_AE))
		look->quirks |= QUIRK_ECN;
	if (seq == 0)
		look->quirks |= QUIRK_SEQ_ZERO;
	if (look->response && ack == 0)
		look->quirks |= QUIRK_ACK_ZERO;
	if (!look->response && ack != 0)
		look->quirks |= QUIRK_ACK_SET;
	if (flags & TH_URG)
		look->quirks |= QUIRK_URGENT;
	else if (urgent != 0)
		look->quirks |= QUIRK_URGENT_SET;
	if (flags & TH_PUSH)
		look->quirks |= QUIRK_PUSH;
	read_options(c, look);
}

static bool is_whole_tcp(const struct frame_packet *p)
{
	return p->proto == IPPROTO_TCP && p->has_transport && !p->is_fragment &&
	       (p->version == 4 || p->version == 6);
}

bool tcp_look_read(
	const struct frame *frame, const struct frame_packet *p, struct tcp_look *ret_look)
{
	struct tcp_look look = { .version = p->version, .ttl = p->ttl };
	struct cur ip = bytes_of(frame, p->l3_at, p->l4_at);
	struct cur tcp = bytes_of(frame, p->l4_at, p->payload_at);
	size_t ip_len = cur_left(&ip), tcp_len = cur_left(&tcp);

	if (!is_whole_tcp(p) || (p->tcp_flags & (TH_SYN | TH_RST | TH_FIN)) != TH_SYN ||
		ip_len < (p->version == 4 ? IP4_HEADER : IP6_HEADER) || tcp_len < TCP_HEADER)
		return false;
	look.response = p->tcp_flags & TH_ACK;
	look.header_len = (uint16_t)(ip_len + tcp_len);
	look.payload = p->end_at > p->payload_at;
	if (p->version == 4)
		read_ip4(ip, &look);
	else
		read_ip6(ip, &look);
	read_tcp(tcp, p->tcp_flags, &look);
	*ret_look = look;
	return true;
}

bool tcp_timestamp(const struct frame *frame, const struct frame_packet *p, uint32_t *ret_timestamp)
{
	struct cur c = bytes_of(frame, p->l4_at, p->payload_at);
	struct tcp_look look = { .response = true };

	if (!is_whole_tcp(p))
		return false;
	cur_skip(&c, TCP_HEADER);
	read_options(c, &look);
	if (look.has_timestamp)
		*ret_timestamp = look.timestamp;
	return look.has_timestamp;
}

/* ---- matching ---- */

/* What the window is a multiple of. */
struct multiple {
	uint16_t n; /* 0: of nothing known */
	bool of_mtu;
};

static bool is_multiple(uint16_t window, int32_t of, bool of_mtu, struct multiple *ret_multiple)
{
	if (of <= 0 || window % of != 0)
		return false;
	*ret_multiple = (struct multiple){ .n = (uint16_t)(window / of), .of_mtu = of_mtu };
	return true;
}

/* Systems take for it their MSS, with or without what timestamps need, that of Ethernet whatever the link is, the
 * MTU, or the peer's MSS; the first that divides it. */
static struct multiple window_multiple(const struct tcp_look *look, uint16_t peer_mss)
{
	const int32_t ip4 = IP4_HEADER + TCP_HEADER, ip6 = IP6_HEADER + TCP_HEADER;
	const bool is_ip6 = look->version == 6;
	const struct {
		int32_t of;
		bool of_mtu;
	} base[] = {
		{ look->mss, false },
		{ look->timestamp != 0 ? look->mss - TIMESTAMP_BYTES : 0, false },
		{ ETHERNET_MTU - ip4, false },
		{ ETHERNET_MTU - ip4 - TIMESTAMP_BYTES, false },
		{ is_ip6 ? ETHERNET_MTU - ip6 : 0, false },
		{ is_ip6 ? ETHERNET_MTU - ip6 - TIMESTAMP_BYTES : 0, false },
		{ look->mss + ip4, true },
		{ look->mss + look->header_len, true },
		{ is_ip6 ? look->mss + ip6 : 0, true },
		{ ETHERNET_MTU, true },
		{ peer_mss, false },
		{ peer_mss - TIMESTAMP_BYTES, false },
	};
	struct multiple found = { 0 };

	if (look->window == 0 || look->mss < MSS_MIN)
		return found;
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++)
		if (is_multiple(look->window, base[i].of, base[i].of_mtu, &found))
			break;
	return found;
}

static bool window_fits(
	const struct signature_tcp *s, const struct tcp_look *look, const struct multiple *multiple)
{
	switch ((enum window_kind)s->window_kind) {
	case WINDOW_IS:
		return s->window == look->window;
	case WINDOW_MULTIPLE:
		return look->window % s->window == 0;
	case WINDOW_MSS:
		return s->window == multiple->n && !multiple->of_mtu;
	case WINDOW_MTU:
		return s->window == multiple->n && multiple->of_mtu;
	case WINDOW_ANY:
		break;
	}
	return true;
}

static bool layout_fits(const struct signature_tcp *s, const struct tcp_look *look)
{
	return s->n_options == look->n_options &&
	       memcmp(s->options, look->options, sizeof(s->options)) == 0 &&
	       s->eol_pad == look->eol_pad && s->ip_options == look->ip_options;
}

static bool values_fit(
	const struct signature_tcp *s, const struct tcp_look *look, const struct multiple *multiple)
{
	return (s->version == 0 || s->version == look->version) &&
	       (s->mss < 0 || s->mss == look->mss) && (s->scale < 0 || s->scale == look->scale) &&
	       (s->payload < 0 || s->payload == look->payload) && window_fits(s, look, multiple);
}

enum fit { FITS_NOT, FITS_FUZZILY, FITS };

static uint32_t quirks_of_other_version(uint8_t version)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < TCP_QUIRKS; i++)
		if (tcp_quirk_version(i) != 0 && tcp_quirk_version(i) != version)
			mask |= 1u << i;
	return mask;
}

/* Routers clear DF and the identification with it, and set ECN. */
static enum fit quirks_fit(const struct signature_tcp *s, const struct tcp_look *look)
{
	uint32_t wanted = s->quirks & ~quirks_of_other_version(look->version);
	uint32_t missing = wanted & ~look->quirks, added = look->quirks & ~wanted;

	if (missing == 0 && added == 0)
		return FITS;
	return (missing & ~(uint32_t)(QUIRK_DF | QUIRK_ID_SET)) == 0 &&
			       (added & ~(uint32_t)(QUIRK_ID_ZERO | QUIRK_ECN)) == 0
		       ? FITS_FUZZILY
		       : FITS_NOT;
}

static enum fit ttl_fits(const struct signature_tcp *s, const struct tcp_look *look)
{
	if (s->ttl_random)
		return look->ttl <= s->ttl ? FITS : FITS_NOT;
	return look->ttl <= s->ttl && s->ttl - look->ttl <= TCP_HOPS_MAX ? FITS : FITS_FUZZILY;
}

static enum fit signature_fits(
	const struct signature_tcp *s, const struct tcp_look *look, const struct multiple *multiple)
{
	enum fit quirks, ttl;

	if (!layout_fits(s, look) || !values_fit(s, look, multiple))
		return FITS_NOT;
	quirks = quirks_fit(s, look);
	ttl = ttl_fits(s, look);
	return quirks < ttl ? quirks : ttl;
}

/* From the TTLs that systems begin with. */
static uint8_t guess_hops(uint8_t ttl)
{
	uint8_t first = ttl <= 32 ? 32 : ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255;

	return (uint8_t)(first - ttl);
}

static uint8_t hops_of(const struct signature_tcp *s, const struct tcp_look *look)
{
	bool known =
		s && look->ttl <= s->ttl && (s->ttl_random || s->ttl - look->ttl <= TCP_HOPS_MAX);

	return known ? (uint8_t)(s->ttl - look->ttl) : guess_hops(look->ttl);
}

/* The first specific one that fits; else the first generic one; else the first that fits fuzzily, if that is not a
 * program's. */
static const struct signature_tcp *choose(const struct signatures *set, const struct tcp_look *look,
	const struct multiple *multiple, bool *ret_fuzzy)
{
	size_t n = signatures_count(set, look->response ? SIGNATURE_SYN_ACK : SIGNATURE_SYN);
	const struct signature_tcp *all = signatures_tcp(set, look->response), *generic = NULL,
				   *fuzzy = NULL;

	*ret_fuzzy = false;
	for (size_t i = 0; i < n; i++) {
		enum fit fit = signature_fits(&all[i], look, multiple);

		if (fit == FITS && !signatures_label(set, all[i].label)->generic)
			return &all[i];
		if (fit == FITS && !generic)
			generic = &all[i];
		if (fit == FITS_FUZZILY && !fuzzy)
			fuzzy = &all[i];
	}
	if (generic)
		return generic;
	if (fuzzy && signatures_label(set, fuzzy->label)->application)
		return NULL;
	*ret_fuzzy = fuzzy != NULL;
	return fuzzy;
}

void tcp_match(const struct signatures *set, const struct tcp_look *look, uint16_t peer_mss,
	struct tcp_match *ret_match)
{
	struct multiple multiple = window_multiple(look, peer_mss);
	struct tcp_match m = { 0 };

	m.signature = choose(set, look, &multiple, &m.fuzzy);
	m.label = m.signature ? signatures_label(set, m.signature->label) : NULL;
	m.hops = hops_of(m.signature, look);
	*ret_match = m;
}

/* ---- text ---- */

static void put_option(struct out *o, uint8_t kind, const struct tcp_look *look)
{
	switch (kind) {
	case TCPOPT_EOL:
		out_fmt(o, "eol+%u", look->eol_pad);
		break;
	case TCPOPT_NOP:
		out_str(o, "nop");
		break;
	case TCPOPT_MAXSEG:
		out_str(o, "mss");
		break;
	case TCPOPT_WINDOW:
		out_str(o, "ws");
		break;
	case TCPOPT_SACK_PERMITTED:
		out_str(o, "sok");
		break;
	case TCPOPT_SACK:
		out_str(o, "sack");
		break;
	case TCPOPT_TIMESTAMP:
		out_str(o, "ts");
		break;
	default:
		out_fmt(o, "?%u", kind);
		break;
	}
}

static void put_window(struct out *o, const struct tcp_look *look, uint16_t peer_mss)
{
	struct multiple multiple = window_multiple(look, peer_mss);

	if (multiple.n > 0)
		out_fmt(o, "%s*%u", multiple.of_mtu ? "mtu" : "mss", multiple.n);
	else
		out_fmt(o, "%u", look->window);
}

void tcp_look_text(struct out *o, const struct tcp_look *look, uint16_t peer_mss)
{
	uint8_t hops = guess_hops(look->ttl);
	bool first = true;

	out_fmt(o, "%u:%u+", look->version, look->ttl);
	if (hops > TCP_HOPS_MAX)
		out_char(o, '?');
	else
		out_u64(o, hops);
	out_fmt(o, ":%u:", look->ip_options);
	if (look->response && look->mss == SENDSYN_MSS)
		out_char(o, '*');
	else
		out_u64(o, look->mss);
	out_char(o, ':');
	put_window(o, look, peer_mss);
	out_fmt(o, ",%u:", look->scale);
	for (unsigned i = 0; i < look->n_options; i++) {
		if (i > 0)
			out_char(o, ',');
		put_option(o, look->options[i], look);
	}
	out_char(o, ':');
	for (unsigned i = 0; i < TCP_QUIRKS; i++) {
		if (!(look->quirks >> i & 1))
			continue;
		if (!first)
			out_char(o, ',');
		out_str(o, tcp_quirk_name(i));
		first = false;
	}
	out_str(o, look->payload ? ":+" : ":0");
}

uint32_t tcp_look_mtu(const struct tcp_look *look)
{
	if (look->mss == 0)
		return 0;
	return (uint32_t)look->mss + (look->version == 4 ? IP4_HEADER : IP6_HEADER) + TCP_HEADER;
}

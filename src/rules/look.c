/* SPDX-License-Identifier: Apache-2.0 */
/* A unit and the rules: candidates by the prefilter, evaluated in order, and what is said of those that match. */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "frame/frame.h"
#include "rules/engine.h"

#define STOPPERS_ASKED 1024 /* of a conversation that begins; of more, one will fit */
#define SORT_SMALL     64   /* candidates that are moved one by one */

/* ------------------------------------------------------------------ candidates */

void look_begin(struct rules *rules)
{
	rules->n_candidates = 0;
	if (++rules->generation == 0) {
		memset(rules->stamp, 0, rules->head->rules.n * sizeof(*rules->stamp));
		rules->generation = 1;
	}
}

void look_add(struct rules *rules, uint32_t rule)
{
	if (rules->stamp[rule] == rules->generation)
		return;
	rules->stamp[rule] = rules->generation;
	rules->candidate[rules->n_candidates++] = rule;
}

static void add_all(struct rules *rules, struct image_list list)
{
	const uint32_t *number = (const uint32_t *)(const void *)(rules->base + list.at);

	for (uint32_t i = 0; i < list.n; i++)
		look_add(rules, number[i]);
}

/* The bytes of a packet or stream. */
static struct area payload_of(const struct rules_unit *unit)
{
	bool stream =
		unit->packet && unit->packet->proto == IPPROTO_TCP && unit->kind != RULES_PACKET;

	return (struct area){
		.at = unit->bytes,
		.len = unit->len,
		.offset = stream ? unit->offset : 0,
		.complete = !stream || unit->kind == RULES_FLOW_END,
		.stream = stream,
	};
}

static bool probe_fits(const struct rules_unit *unit, const struct image_probe *probe)
{
	struct area area = payload_of(unit);
	uint64_t end = area.offset + area.len < probe->to ? area.offset + area.len : probe->to;

	if (probe->to == 0)
		return true;
	for (uint64_t i = area.offset > probe->from ? area.offset : probe->from; i < end; i++)
		if (area.at[i - area.offset] == probe->byte[0] ||
			area.at[i - area.offset] == probe->byte[1])
			return true;
	return false;
}

static bool is_wanted(
	const struct rules *rules, const struct rules_unit *unit, const struct image_rule *rule)
{
	if (unit->quiet && !(rule->flags & IMAGE_ACTS))
		return false;
	if (!rules->prefilter)
		return true;
	if (unit->kind == RULES_PACKET && unit->len > rule->most_payload)
		return false;
	return probe_fits(unit, &rule->probe);
}

/* The same of a list that has all rules. */
static void add_wanted(struct rules *rules, const struct rules_unit *unit, struct image_list list)
{
	const uint32_t *number = (const uint32_t *)(const void *)(rules->base + list.at);

	for (uint32_t i = 0; i < list.n; i++)
		if (is_wanted(rules, unit, &rules->rule[number[i]]))
			look_add(rules, number[i]);
}

/* Whose rules are asked for (bits by enum image_reader), and where the bytes begin in what these read. */
struct scan {
	struct rules *rules;
	uint32_t group;
	unsigned readers;
	uint64_t offset;
	bool keep; /* what is found, in rules->found */
};

static const struct image_literal *literals_of(
	const struct rules *rules, const struct image_group *group)
{
	return (const struct image_literal *)(const void *)(rules->base + group->literals.at);
}

/* How many bytes from `offset` on are in reach; streams are longer than IMAGE_NONE. */
static uint64_t in_reach(uint64_t offset, uint32_t reach)
{
	if (reach == IMAGE_NONE)
		return UINT64_MAX;
	return offset < reach ? reach - offset : 0;
}

static void add_found(struct scan *scan, uint32_t number, uint64_t end)
{
	struct rules *rules = scan->rules;
	const struct image_literal *literal =
		&literals_of(rules, &rules->group[scan->group])[number];

	for (unsigned reader = 0; reader < IMAGE_READERS; reader++)
		if (scan->readers >> reader & 1 && in_reach(end - 1, literal->reach[reader]))
			add_all(rules, literal->rules[reader]);
}

/* Of a literal only the first place is told: if that is out of a rule's reach, so are the others. */
static int on_literal(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	struct scan *scan = context;
	struct rules *rules = scan->rules;

	(void)from;
	(void)flags;
	if (id >= rules->group[scan->group].literals.n)
		return 0;
	if (scan->keep && rules->n_found < LOOK_FOUND_MAX)
		rules->found[rules->n_found] = (struct found){ scan->group, id, (uint32_t)to };
	rules->n_found += scan->keep;
	add_found(scan, id, scan->offset + to);
	return 0;
}

static void scan_group(struct scan *scan, const uint8_t *bytes, uint32_t len)
{
	struct rules *rules = scan->rules;
	uint64_t most = in_reach(scan->offset, rules->group[scan->group].reach);

	if (!rules->prefilter)
		for (uint32_t i = 0; i < rules->group[scan->group].literals.n; i++)
			add_found(scan, i, 1);
	else if (len > 0 && most > 0)
		hs_scan(rules->database[scan->group], (const char *)bytes,
			len < most ? len : (uint32_t)most, 0, rules->scratch, on_literal, scan);
}

void look_tx_group(struct rules *rules, uint32_t group, const uint8_t *bytes, uint32_t len)
{
	struct scan scan = { rules, .group = group, .readers = 1 << IMAGE_OF_TX };

	scan_group(&scan, bytes, len);
}

/* Byte by byte, from the lowest. */
static void sort_by_bits(uint32_t *at, uint32_t *other, uint32_t n)
{
	for (unsigned shift = 0; shift < 32; shift += 8) {
		uint32_t to[257] = { 0 };

		for (uint32_t i = 0; i < n; i++)
			to[(at[i] >> shift & 0xff) + 1]++;
		for (unsigned i = 1; i < 257; i++)
			to[i] += to[i - 1];
		for (uint32_t i = 0; i < n; i++)
			other[to[at[i] >> shift & 0xff]++] = at[i];
		memcpy(at, other, n * sizeof(*at));
	}
}

/* They come in runs that are in order, and are few: no memory is asked for, as qsort() would. */
void look_sort(struct rules *rules)
{
	uint32_t *at = rules->candidate, n = rules->n_candidates;

	if (n > SORT_SMALL) {
		sort_by_bits(at, rules->sorted, n);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		uint32_t number = at[i], to = i;

		for (; to > 0 && at[to - 1] > number; to--)
			at[to] = at[to - 1];
		at[to] = number;
	}
}

static bool group_fits(const struct rules *rules, const struct image_group *group,
	const struct rules_unit *unit, uint8_t carrier)
{
	const struct rule_port_range *range =
		(const struct rule_port_range *)(const void *)(rules->base + group->ports.at);
	uint16_t port;

	if (group->tx || group->carrier != carrier || group->side != unit->side ||
		group->acts != unit->quiet)
		return false;
	if (!rules->prefilter)
		return true;
	if (!(rules->ways >> group->way & 1))
		return false;
	if (group->ports.n == 0 || !unit->packet)
		return true;
	port = unit->side == 0 ? unit->packet->dport : unit->packet->sport;
	for (uint32_t i = 0; i < group->ports.n; i++)
		if (port >= range[i].first && port <= range[i].last)
			return true;
	return false;
}

/* What the groups of the unit find in its bytes [from, to). */
static void scan_groups(struct rules *rules, const struct rules_unit *unit, unsigned readers,
	uint32_t from, uint32_t to)
{
	uint8_t carrier = head_carrier(unit->packet);
	const struct image_list *run = &rules->group_run[carrier][unit->side][unit->quiet];
	struct scan scan = { rules, .readers = readers, .keep = unit->kind == RULES_PACKET };

	scan.offset = from + (unit->kind == RULES_STREAM ? unit->offset : 0);
	for (scan.group = run->at; from < to && scan.group < run->at + run->n; scan.group++)
		if (group_fits(rules, &rules->group[scan.group], unit, carrier))
			scan_group(&scan, unit->bytes + from, to - from);
}

/* What the packet had that brought the new bytes of the stream. */
static void add_repeated(struct rules *rules, const struct rules_unit *unit)
{
	struct scan scan = { rules, .readers = 1 << IMAGE_OF_STREAM };

	for (uint32_t i = 0; i < rules->n_found; i++) {
		const struct found *found = &rules->found[i];

		scan.group = found->group;
		add_found(&scan, found->literal, unit->offset + unit->fresh + found->end);
	}
}

/* A literal may have begun before the new bytes. */
static void add_stream_literals(struct rules *rules, const struct rules_unit *unit)
{
	const uint32_t most = IMAGE_LITERAL_MAX - 1, fresh = unit->fresh;
	uint32_t to = unit->len;

	if (unit->repeats && rules->prefilter && rules->n_found <= LOOK_FOUND_MAX) {
		add_repeated(rules, unit);
		to = fresh == 0 ? 0 : unit->len - fresh > most ? fresh + most : unit->len;
	}
	scan_groups(rules, unit, 1 << IMAGE_OF_STREAM, fresh > most ? fresh - most : 0, to);
}

/* Whether rules that need SYN to be set are candidates. */
static bool may_begin(const struct rules *rules, const struct rules_unit *unit)
{
	return !unit->packet || unit->packet->tcp_flags & TH_SYN || !rules->prefilter;
}

static void add_plain(struct rules *rules, const struct rules_unit *unit, uint8_t where)
{
	uint8_t carrier = head_carrier(unit->packet);
	bool syn = may_begin(rules, unit);

	for (uint32_t i = 0; i < rules->head->plains.n; i++) {
		const struct image_plain *plain = &rules->plain[i];

		if (plain->where == where && plain->carrier == carrier &&
			plain->side == unit->side && (syn || !plain->syn) &&
			(rules->ways >> plain->way & 1 || !rules->prefilter))
			add_wanted(rules, unit, plain->rules);
	}
}

static void add_by_address(struct rules *rules, const struct rules_unit *unit,
	const struct image_index *index, const struct ip *ip)
{
	const struct ip *bound = (const struct ip *)(const void *)(rules->base + index->bounds.at);
	const struct image_list *span =
		(const struct image_list *)(const void *)(rules->base + index->spans.at);
	uint32_t low = 0, high = index->bounds.n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ip_order(&bound[middle], ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0)
		add_wanted(rules, unit, span[low - 1]);
}

static void add_indexed(struct rules *rules, const struct rules_unit *unit)
{
	uint8_t carrier = head_carrier(unit->packet);
	bool syn = may_begin(rules, unit);

	for (uint32_t i = 0; unit->packet && i < rules->head->indexes.n; i++) {
		const struct image_index *index = &rules->index[i];

		if (index->carrier == carrier && (syn || !index->syn))
			add_by_address(rules, unit, index,
				index->source ? &unit->packet->src : &unit->packet->dst);
	}
}

/* ------------------------------------------------------------------ one rule */

/* A header as bytes; false: the packet has none. */
static bool header_of(const struct rules_unit *unit, uint16_t buffer, struct area *ret)
{
	const struct frame_packet *packet = unit->packet;
	uint32_t from, to;
	bool has;

	if (!unit->frame)
		return false;
	from = packet ? packet->l4_at : 0;
	to = packet ? packet->payload_at : 0;
	has = packet && packet->has_transport;
	switch (buffer) {
	case BUFFER_ETHER_HDR:
		from = 0;
		to = unit->frame->l3_at;
		has = true;
		break;
	case BUFFER_IPV4_HDR:
	case BUFFER_IPV6_HDR:
		has = packet && packet->version == (buffer == BUFFER_IPV4_HDR ? 4 : 6);
		from = packet ? packet->l3_at : 0;
		to = packet ? packet->l4_at : 0;
		break;
	case BUFFER_TCP_HDR:
		has &= packet && packet->proto == IPPROTO_TCP;
		break;
	case BUFFER_UDP_HDR:
		has &= packet && packet->proto == IPPROTO_UDP;
		break;
	case BUFFER_ICMPV4_HDR:
		has &= packet && packet->proto == IPPROTO_ICMP;
		break;
	case BUFFER_ICMPV6_HDR:
		has &= packet && packet->proto == IPPROTO_ICMPV6;
		break;
	case BUFFER_SCTP_HDR:
		has &= packet && packet->proto == IPPROTO_SCTP;
		break;
	default:
		return false;
	}
	if (!has || from > to || to > unit->frame->len)
		return false;
	*ret = (struct area){ .at = unit->frame->data + from, .len = to - from, .complete = true };
	return true;
}

static bool payload_section(struct look *look, const struct image_section *section)
{
	struct area area = payload_of(look->unit);

	if (section->buffer != BUFFER_PAYLOAD && !header_of(look->unit, section->buffer, &area))
		return false;
	if (section->transforms.n && !transform_area(look, section, &area))
		return false;
	return match_section(look, section, &area);
}

static bool is_of_packet(const struct image_section *section)
{
	return proto_buffer_info((enum proto_buffer_id)section->buffer)->flags & BUFFER_PACKET;
}

static bool sections_match(struct look *look, struct waiting *waiting)
{
	bool all = true;

	for (uint32_t i = 0; i < look->rule->sections.n; i++) {
		const struct image_section *section =
			&look->rules->section[look->rule->sections.at + i];
		bool is;

		if (section->nested)
			continue;
		if (is_of_packet(section)) {
			if (waiting && waiting->payload)
				continue;
			is = payload_section(look, section);
			if (waiting && look->unit->tx)
				waiting->payload = is;
		} else {
			is = tx_section(look, section);
		}
		all &= is;
		/* A transaction's rule may still get the other part later; of the rest one no is enough. */
		if (!is && !(waiting && look->unit->tx))
			return false;
		if (!is && !look->more)
			return false;
	}
	return all;
}

static bool filters_match(struct look *look)
{
	const struct image_list *checks = &look->rule->checks;

	for (uint32_t i = 0; i < checks->n; i++) {
		const struct image_option *option = &look->rules->option[checks->at + i];

		if (option->keyword == RULE_DETECTION_FILTER &&
			!track_filter(look, &option->filter))
			return false;
	}
	if (look->rule->flags & IMAGE_THRESHOLD &&
		look->rule->threshold.type == RULE_FILTER_DETECTION_FILTER)
		return track_filter(look, &look->rule->threshold);
	return true;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static enum answer evaluate(struct look *look, struct waiting *waiting)
{
	if (!head_fits(look->rules, look->unit, look->rule))
		return ANSWER_NEVER;
	if (!head_checks(look))
		return ANSWER_NO;
	return sections_match(look, waiting) ? ANSWER_YES : ANSWER_NO;
}

enum answer look_rule(struct look *look, struct waiting *waiting)
{
	struct rules_cost *cost = &look->rules->cost[look->number];
	int64_t start = look->rules->take_time ? now_ns() : 0;
	enum answer answer;

	look->anchor_end = -1;
	look->stuck = IMAGE_NONE;
	look->rules->pcre_steps = 0;
	answer = evaluate(look, waiting);
	if (answer == ANSWER_YES && !filters_match(look))
		answer = ANSWER_NO;
	cost->checks++;
	cost->matches += answer == ANSWER_YES;
	if (look->rules->take_time)
		cost->ns += (uint64_t)(now_ns() - start);
	return answer;
}

static void act(struct look *look)
{
	const struct image_list *actions = &look->rule->actions;

	for (uint32_t i = 0; i < actions->n; i++) {
		const struct image_option *option = &look->rules->option[actions->at + i];

		if (option->keyword == RULE_FLOWBITS)
			marks_change_bits(look->unit->flow, &option->bits);
		else if (option->keyword == RULE_XBITS)
			track_change_bits(look->rules, look->unit, &option->bits);
		else if (option->keyword == RULE_FLOWINT)
			marks_change_int(look->unit->flow, &option->integer);
	}
}

/* Does what follows from a match, and adds the hit if anybody needs to know. */
size_t look_report(struct look *look, struct rules_hit *hits, size_t n)
{
	struct rules_hit hit = {
		.rule = look->number,
		.action = look->rule->action,
		.alert = !(look->rule->flags & IMAGE_NOALERT),
		.n_edits = look->n_edits,
	};

	act(look);
	if (!track_tells(look, &hit.action))
		hit.alert = false;
	memcpy(hit.edit, look->edit, look->n_edits * sizeof(*look->edit));
	if (!hit.alert && hit.n_edits == 0 && (hit.action == RULE_ALERT || hit.action == RULE_LOG))
		return n;
	if (n < RULES_HITS_MAX)
		hits[n++] = hit;
	return n;
}

static size_t report_tired(struct look *look, struct rules_hit *hits, size_t n)
{
	if (n < RULES_HITS_MAX)
		hits[n++] = (struct rules_hit){ .rule = look->number,
			.action = look->rule->action,
			.tired = true,
			.n_edits = (look->rule->flags & IMAGE_REPLACES) != 0 };
	return n;
}

/* ------------------------------------------------------------------ packets and streams */

static uint64_t packets_of(const struct rules_unit *unit)
{
	return unit->flow_packets[0] + unit->flow_packets[1];
}

static bool is_pass(const struct look *look)
{
	return look->rule->action == RULE_PASS;
}

/* What a match means for later ones; false: it has been told of this packet. */
static bool remember(struct look *look, bool first)
{
	const struct rules_unit *unit = look->unit;
	bool once = look->rule->flags & IMAGE_ONCE;

	if (unit->kind != RULES_PACKET && look->anchor_end >= 0)
		marks_set_place(unit->flow, unit->side, look->number, (uint64_t)look->anchor_end);
	return !first || marks_first_hit(unit->flow, look->number, packets_of(unit), once);
}

/* Member by member: zeroing the edits too takes longer than most evaluations. */
void look_start(
	struct look *look, struct rules *rules, const struct rules_unit *unit, uint32_t number)
{
	static_assert(offsetof(struct look, edit) == 200, "a new member is to be set here");
	look->rules = rules;
	look->unit = unit;
	look->rule = &rules->rule[number];
	look->number = number;
	memset(look->var, 0, sizeof(look->var));
	look->steps = 0;
	look->tired = false;
	look->more = false;
	look->stuck = IMAGE_NONE;
	look->from = 0;
	look->anchor_end = -1;
	look->n_edits = 0;
}

static void wait_for_more(struct look *look, enum answer answer)
{
	const struct rules_unit *unit = look->unit;
	struct waiting_list *list = marks_waiting(unit->flow, unit->side);
	struct waiting *waiting;

	if (unit->kind != RULES_STREAM || !list || !look->rules->prefilter ||
		look->rule->flags & IMAGE_PLAIN)
		return; /* a candidate again anyway */
	if (answer != ANSWER_NO || !look->more) {
		waiting_drop(list, look->number);
		return;
	}
	waiting = waiting_find(list, look->number);
	if (!waiting) {
		waiting = waiting_add(list, look->number);
		if (waiting)
			waiting->since = unit->offset + unit->len;
		else
			look->tired = true;
	}
	if (waiting)
		waiting->stuck = look->stuck;
}

/* A rule that replaces does so at every place: again behind the last one until there is none. */
static size_t look_on(struct look *look, struct rules_hit *hits, size_t n)
{
	bool first = true;

	while (look_rule(look, NULL) == ANSWER_YES && n < RULES_HITS_MAX) {
		int64_t end = look->anchor_end;

		if (!remember(look, first))
			return n;
		first = false;
		n = look_report(look, hits, n);
		if (is_pass(look) && look->unit->kind != RULES_PACKET)
			marks_pass(look->unit->flow);
		if (!(look->rule->flags & IMAGE_REPLACES) || end <= look->from)
			return n;
		look->from = end;
		look->n_edits = 0;
		look->more = false;
	}
	return n;
}

static size_t look_at(struct rules *rules, const struct rules_unit *unit, uint32_t number,
	struct rules_hit *hits, size_t n)
{
	bool once = rules->rule[number].flags & IMAGE_ONCE;
	struct look look;
	enum answer answer = ANSWER_NO;
	size_t before = n;

	if (marks_was_hit(unit->flow, number, packets_of(unit), once))
		return n;
	look_start(&look, rules, unit, number);
	if (unit->kind != RULES_PACKET)
		look.from = (int64_t)marks_place(unit->flow, unit->side, number);
	n = look_on(&look, hits, n);
	if (n > before)
		answer = ANSWER_YES;
	wait_for_more(&look, answer);
	return look.tired && n == before ? report_tired(&look, hits, n) : n;
}

static bool stops(const struct rules *rules, const struct rules_hit *hits, size_t n)
{
	return n > 0 && rules->rule[hits[n - 1].rule].action == RULE_PASS && !hits[n - 1].tired;
}

/* Whether the new bytes can have changed what the rule waits for. */
static bool has_news(
	struct rules *rules, const struct rules_unit *unit, const struct waiting *waiting)
{
	const struct image_option *stuck = &rules->option[waiting->stuck];
	struct area area = payload_of(unit);
	const struct image_rule *rule = &rules->rule[waiting->rule];

	if (!rules->prefilter || unit->kind == RULES_FLOW_END || waiting->stuck == IMAGE_NONE ||
		stuck->keyword != RULE_CONTENT || stuck->negated)
		return true;
	for (uint32_t s = 0; s < rule->sections.n; s++) {
		const struct image_section *section = &rules->section[rule->sections.at + s];

		for (uint32_t i = section->first; i < section->first + section->n; i++) {
			const struct image_option *option = &rules->option[i];
			int64_t from;

			if (option->keyword != RULE_CONTENT || option->negated ||
				i > waiting->stuck)
				continue;
			from = (int64_t)unit->fresh - option->content.bytes.len + 1;
			if (match_find(rules, &option->content, &area, from, unit->len) >= 0)
				return true;
		}
	}
	return false;
}

static void add_waiting(struct rules *rules, const struct rules_unit *unit)
{
	struct waiting_list *list = marks_waiting(unit->flow, unit->side);

	for (uint32_t i = 0; list && i < list->n;) {
		/* Nothing of what was there when it began to wait is kept. */
		if (unit->offset > list->at[i].since) {
			list->at[i] = list->at[--list->n];
			continue;
		}
		if (has_news(rules, unit, &list->at[i]))
			look_add(rules, list->at[i].rule);
		i++;
	}
}

static void find_candidates(struct rules *rules, const struct rules_unit *unit)
{
	bool tcp = unit->packet && unit->packet->proto == IPPROTO_TCP;

	/* What belongs to no stream is looked at as if it were one. */
	bool both = tcp && unit->kind == RULES_PACKET && !unit->streamed;

	look_begin(rules);
	if (unit->kind != RULES_STREAM || !unit->repeats) /* else as of the packet */
		rules->ways = head_ways(rules, unit);
	if (unit->kind == RULES_PACKET) {
		rules->n_found = 0;
		scan_groups(
			rules, unit, 1 << IMAGE_OF_PACKET | both << IMAGE_OF_STREAM, 0, unit->len);
		add_plain(rules, unit, IMAGE_PACKET);
		add_indexed(rules, unit);
	}
	if (unit->kind == RULES_STREAM)
		add_stream_literals(rules, unit);
	if (unit->kind == RULES_STREAM || both)
		add_plain(rules, unit, IMAGE_STREAM);
	if (unit->kind == RULES_STREAM || unit->kind == RULES_FLOW_END)
		add_waiting(rules, unit);
	look_sort(rules);
}

size_t rules_look(struct rules *rules, const struct rules_unit *unit,
	struct rules_hit ret_hits[static RULES_HITS_MAX])
{
	size_t n = 0;

	if (marks_passed(unit->flow))
		return 0;
	head_new_unit(rules);
	if (unit->kind == RULES_TX)
		return unit->tx ? tx_look(rules, unit, ret_hits) : 0;
	find_candidates(rules, unit);
	for (uint32_t i = 0; i < rules->n_candidates && !stops(rules, ret_hits, n); i++)
		n = look_at(rules, unit, rules->candidate[i], ret_hits, n);
	if (n > 0)
		rules->n_found = LOOK_FOUND_MAX + 1; /* the caller may change the bytes */
	return n;
}

bool rules_may_stop(struct rules *rules, const struct rules_unit *unit)
{
	if (rules->n_stoppers > STOPPERS_ASKED)
		return true;
	head_new_unit(rules);
	for (uint32_t i = 0; i < rules->n_stoppers; i++)
		if (head_may_fit(rules, unit, &rules->rule[rules->stopper[i]]))
			return true;
	return false;
}

/* ------------------------------------------------------------------ tails */

#define TAIL_CHECKS 64 /* rules with one beginning that are asked whether their header fits */

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

/* -1, 0, 1 as the content sorts before, begins with, sorts behind the bytes. */
static int compare_tail(const struct rules *rules, const struct image_tail *tail,
	const uint8_t *bytes, uint32_t len)
{
	const uint8_t *content = image_bytes(rules, tail->bytes);

	for (uint32_t i = 0; i < len; i++) {
		if (i == tail->bytes.len)
			return -1;
		if (content[i] != lower(bytes[i]))
			return content[i] < lower(bytes[i]) ? -1 : 1;
	}
	return 0;
}

static bool exact_case(const struct rules *rules, const struct image_tail *tail,
	const uint8_t *bytes, uint32_t len)
{
	const struct image_content *content = &rules->option[tail->option].content;

	return content->nocase || memcmp(image_bytes(rules, content->bytes), bytes, len) == 0;
}

/* Whether a content of a rule whose header fits begins with the bytes and goes on. */
static bool begins(
	struct rules *rules, const struct rules_unit *unit, const uint8_t *bytes, uint32_t len)
{
	uint32_t low = 0, high = rules->head->tails.n, checks = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_tail(rules, &rules->tail[middle], bytes, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < rules->head->tails.n; low++) {
		const struct image_tail *tail = &rules->tail[low];

		if (compare_tail(rules, tail, bytes, len) != 0)
			return false;
		if (tail->bytes.len <= len || !exact_case(rules, tail, bytes, len))
			continue;
		if (++checks > TAIL_CHECKS || head_fits(rules, unit, &rules->rule[tail->rule]))
			return true;
	}
	return false;
}

uint32_t rules_tail(struct rules *rules, const struct rules_unit *unit)
{
	uint32_t longest = rules->tail_longest;
	uint32_t len = longest - 1 < unit->len ? longest - 1 : unit->len;

	if (longest < 2)
		return 0;
	head_new_unit(rules);
	for (; len >= rules->head->tail_min && len > 0; len--) {
		const uint8_t *bytes = unit->bytes + unit->len - len;

		if (rules->tail_first[lower(bytes[0])] && begins(rules, unit, bytes, len))
			return len;
	}
	return 0;
}

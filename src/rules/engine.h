/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine - what the files of the evaluation share. Private to src/rules.
 *
 * rules/look.c finds candidates and reports hits; rules/head.c asks about headers, rules/match.c about
 * bytes, rules/marks.c keeps what belongs to a conversation, rules/track.c what belongs to addresses.
 */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs.h>
#include <pcre2.h>

#include "rules/image.h"
#include "rules/rules.h"

#define LOOK_SCRATCH   (PROTO_BODY_ROOM_MAX + 1024) /* bytes a transform or Base64 may make */
#define LOOK_INSTANCES 64 /* of one buffer in one transaction that are looked at */
#define LOOK_SCANNED \
	1024 /* that are searched for what rules look for; what is among those further on is undecided */
#define LOOK_PCRE_STEPS \
	20 /* what running an expression counts among RULES_STEPS_MAX, beside its bytes */

#define LOOK_FOUND_MAX 64 /* literals of a packet that are kept for its stream */

struct track;

struct rules {
	const uint8_t *base; /* the image, of size bytes */
	size_t size;
	uint32_t opened; /* pieces of it: rules_open_more() */
	const struct image_head *head;
	const struct image_rule *rule;
	const struct image_option *option;
	const struct image_section *section;
	const struct image_transform *transform;
	const struct image_nets *nets;
	const struct image_ports *ports;
	const struct image_group *group;
	const struct image_plain *plain;
	const struct image_index *index;
	const struct image_tail *tail;
	const struct image_suppress *suppress;

	hs_database_t **database; /* by group */
	/* The groups among which those of a packet or stream are, by carrier, side, and whether only rules that act
	 * are asked for. */
	struct image_list group_run[IMAGE_CARRIERS][2][2];
	hs_scratch_t *scratch;
	pcre2_code **pcre; /* by number, made when first needed */
	bool *pcre_bad;
	pcre2_compile_context *pcre_compile;
	pcre2_match_context *pcre_match;
	pcre2_match_data *pcre_data;
	uint32_t pcre_steps, pcre_unit; /* of the evaluation, of the unit at hand */

	/* Candidates of the unit at hand. */
	uint32_t *candidate, n_candidates;
	uint32_t *sorted;              /* room of look_sort() */
	uint32_t *stopper, n_stoppers; /* rules that may keep a frame from leaving as it came */
	uint32_t *stamp, generation;   /* by rule: it is among them */
	/* What the last packet had, for the stream that has its bytes next; LOOK_FOUND_MAX and more: not all are here. */
	struct found {
		uint32_t group, literal, end;
	} found[LOOK_FOUND_MAX];
	uint32_t n_found;
	unsigned ways; /* that the unit goes: bits by enum image_way */
	/* What is known of the unit's addresses, by set. */
	uint32_t *nets_stamp[2], nets_generation;
	bool *nets_answer[2];

	struct track *track;
	struct rules_cost *cost; /* by rule; NULL: not counted */
	bool take_time;
	bool prefilter;
	uint8_t *made[2];      /* LOOK_SCRATCH bytes each: of transforms */
	uint8_t *decoded;      /* LOOK_SCRATCH bytes: of base64_decode */
	uint32_t tail_longest; /* of the contents that are replaced */
	bool tail_first[256];  /* bytes with which one of them begins, lowercase */
};

static inline const uint8_t *image_bytes(const struct rules *rules, struct image_text text)
{
	return rules->base + text.at;
}

/* Bytes that are looked into. `offset` is that of at[0] in what they are part of. */
struct area {
	const uint8_t *at;
	uint32_t len;
	uint64_t offset;
	bool complete; /* nothing will be added */
	bool stream;   /* what cannot be known before its end is decided by what is there */
};

/* One evaluation of one rule. */
struct look {
	struct rules *rules;
	const struct rules_unit *unit;
	const struct image_rule *rule;
	uint32_t number;
	uint64_t var[RULE_VARS_MAX];
	uint32_t steps;
	bool tired;
	bool more;          /* with more bytes it could become true */
	uint32_t stuck;     /* the last option that wanted them */
	int64_t from;       /* the anchor must begin here or later, offset in the area's whole */
	int64_t anchor_end; /* where it ended; -1: there is none */
	uint8_t n_edits;
	struct rules_edit edit[RULES_EDITS_MAX];
};

enum answer {
	ANSWER_NO, /* not from here: another place of what came before may help */
	ANSWER_YES,
	ANSWER_NEVER, /* no place of what came before will help */
};

/* head.c: what carries a packet (enum image_carrier). */
uint8_t head_carrier(const struct frame_packet *packet);
/* Whether the rule's header and checks fit. `more`: not yet known, but may be later. */
bool head_fits(struct rules *rules, const struct rules_unit *unit, const struct image_rule *rule);
bool head_checks(struct look *look);
/* Whether it could fit another packet of the same conversation. */
bool head_may_fit(
	struct rules *rules, const struct rules_unit *unit, const struct image_rule *rule);
/* Whether a rule for one protocol looks at what is of another. */
bool app_fits(uint16_t wanted, enum proto_id app);
bool head_compare(const struct rule_compare *compare, const uint64_t *vars, uint64_t number);
bool head_in_nets(struct rules *rules, uint32_t set, const struct ip *ip);
void head_new_unit(struct rules *rules);
/* Which ways the unit goes: bits by enum image_way. */
unsigned head_ways(struct rules *rules, const struct rules_unit *unit);

/* match.c */
bool match_section(struct look *look, const struct image_section *section, const struct area *area);
uint64_t match_value(const struct look *look, const struct rule_value *value);
/* First place at or behind `from` where the content is, with its end at `to` at most; -1: none. */
int64_t match_find(const struct rules *rules, const struct image_content *content,
	const struct area *area, int64_t from, int64_t to);
/* The option could match if there were more bytes. */
void match_want_more(struct look *look, const struct image_option *option);

/* number.c: byte_test, byte_jump, byte_extract, byte_math at `*cursor`. */
enum answer number_take(struct look *look, const struct image_option *option,
	const struct area *area, int64_t *cursor);

/* oddity.c: asn1, rpc, ftpbounce; base64. */
bool oddity_asn1(const struct image_option *option, const struct area *area, int64_t cursor);
bool oddity_rpc(const struct image_option *option, const struct area *area);
bool oddity_ftpbounce(const struct look *look, const struct area *area, int64_t cursor);
uint32_t oddity_base64(
	const uint8_t *bytes, uint32_t len, bool rfc2045, uint8_t *ret, uint32_t room);

/* transform.c: the section's transforms of an area, in the rules' scratch; false: nothing is left to look at. */
bool transform_area(struct look *look, const struct image_section *section, struct area *area);

/* pcre.c: to be called once pcre_match is there. */
void pcre_count_steps(struct rules *rules);
/* Returns 1, 0, or -1 when a limit was reached. Places are in `subject`. */
int pcre_run(struct rules *rules, const struct image_pcre *pcre, const uint8_t *subject,
	uint32_t len, uint32_t start, bool not_start, size_t *ret_start, size_t *ret_end);

/* marks.c: what a conversation remembers. */
bool marks_check_bits(const struct rules_flow *flow, const struct rule_bits *bits);
void marks_change_bits(struct rules_flow *flow, const struct rule_bits *bits);
bool marks_check_int(const struct rules_flow *flow, const struct rule_int *rule);
void marks_change_int(struct rules_flow *flow, const struct rule_int *rule);
/* True once for a rule and packet (and for `once`, once for the conversation). */
bool marks_first_hit(struct rules_flow *flow, uint32_t rule, uint64_t packets, bool once);
bool marks_was_hit(const struct rules_flow *flow, uint32_t rule, uint64_t packets, bool once);
/* Where the rule's last match in the side's stream ended; 0: none. */
uint64_t marks_place(const struct rules_flow *flow, unsigned side, uint32_t rule);
void marks_set_place(struct rules_flow *flow, unsigned side, uint32_t rule, uint64_t end);
bool marks_passed(const struct rules_flow *flow);
void marks_pass(struct rules_flow *flow);

/* Rules that wait for more bytes of a stream or transaction. */
struct waiting {
	uint32_t rule, stuck;
	uint64_t since; /* bytes of the stream that there were */
	bool payload;   /* of a transaction's rule: what it wants of the payload was there */
};
struct waiting_list {
	struct waiting *at;
	uint32_t n, room;
};
/* The entry of the rule, made if need be; NULL: no room (RULES_CANDIDATES_MAX), no memory. */
struct waiting *waiting_add(struct waiting_list *list, uint32_t rule);
struct waiting *waiting_find(const struct waiting_list *list, uint32_t rule);
void waiting_drop(struct waiting_list *list, uint32_t rule);
struct waiting_list *marks_waiting(struct rules_flow *flow, unsigned side);

/* track.c: thresholds and marks of addresses. */
struct track *track_new(void);
struct track *track_free(struct track *track);
bool track_check_bits(
	struct rules *rules, const struct rules_unit *unit, const struct rule_bits *bits);
void track_change_bits(
	struct rules *rules, const struct rules_unit *unit, const struct rule_bits *bits);
/* detection_filter: counts, and says whether the rule matches. */
bool track_filter(struct look *look, const struct rule_threshold *filter);
/* Whether to tell of the hit; `*action` may become another by a rate_filter. */
bool track_tells(struct look *look, uint8_t *action);

/* tx.c */
size_t tx_look(struct rules *rules, const struct rules_unit *unit, struct rules_hit *hits);
bool tx_section(struct look *look, const struct image_section *section);
bool tx_check(struct look *look, const struct image_option *option);

/* look.c, for tx.c. */
void look_add(struct rules *rules, uint32_t rule);
void look_tx_group(struct rules *rules, uint32_t group, const uint8_t *bytes, uint32_t len);
void look_begin(struct rules *rules);
void look_start(
	struct look *look, struct rules *rules, const struct rules_unit *unit, uint32_t number);
void look_sort(struct rules *rules);
enum answer look_rule(struct look *look, struct waiting *waiting);
size_t look_report(struct look *look, struct rules_hit *hits, size_t n);

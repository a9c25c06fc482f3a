/* SPDX-License-Identifier: Apache-2.0 */
/* The text becomes a flat array of members in writing order; a list is followed by its members. */
#include "cmd/fishbowl/replay_nets.h"

#include <errno.h>
#include <stdlib.h>

enum kind { ANY, PREFIX, HOME, LIST };

struct member {
	enum kind kind;
	bool negated;
	struct ip_prefix prefix;
	size_t end; /* index behind it and all that is inside it */
};

struct replay_nets {
	const struct replay_nets *home;
	size_t n;
	struct member member[REPLAY_NETS_MAX];
};

struct parser {
	const char *at;
	const struct replay_nets *home;
	struct replay_nets *nets;
	const char *fault;
};

static int refuse(struct parser *p, const char *fault)
{
	p->fault = fault;
	return -EINVAL;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

static int parse_word(struct parser *p, struct member *member)
{
	char word[IP_TEXT_MAX];
	size_t len = strcspn(p->at, ",[]! \t");

	if (len == 0)
		return refuse(p, "an address, a network or [a list] is missing");
	if (len >= sizeof(word))
		return refuse(p, "a word is too long to be an address");
	memcpy(word, p->at, len);
	word[len] = '\0';
	p->at += len;
	if (strcmp(word, "any") == 0) {
		member->kind = ANY;
		return member->negated ? refuse(p, "'!any' would hold no address") : 0;
	}
	if (strcmp(word, "$HOME_NET") == 0) {
		member->kind = HOME;
		return p->home ? 0 : refuse(p, "$HOME_NET may only be used in --external");
	}
	member->kind = PREFIX;
	if (ip_prefix_parse(word, &member->prefix) < 0)
		return refuse(p,
			"not an address or network such as 10.0.0.5, 10.0.0.0/8 or fd00::/8 "
			"(the bits behind the prefix must be zero)");
	return 0;
}

static int parse_member(struct parser *p, unsigned depth);

/* Behind the "[". */
static int parse_list(struct parser *p, unsigned depth)
{
	do {
		int r = parse_member(p, depth);

		if (r < 0)
			return r;
	} while (*p->at == ',' && p->at++);
	if (*p->at != ']')
		return refuse(p, "a list must end with ']' and have ',' between its members");
	p->at++;
	return 0;
}

static int parse_member(struct parser *p, unsigned depth)
{
	struct member *member;
	int r;

	if (depth > REPLAY_NETS_DEPTH_MAX)
		return refuse(p, "too many lists inside lists");
	if (p->nets->n == REPLAY_NETS_MAX)
		return refuse(p, "too many networks");
	member = &p->nets->member[p->nets->n++];
	skip_blanks(p);
	if (*p->at == '!') {
		member->negated = true;
		p->at++;
		skip_blanks(p);
	}
	if (*p->at == '[') {
		member->kind = LIST;
		p->at++;
		r = parse_list(p, depth + 1);
	} else {
		r = parse_word(p, member);
	}
	member->end = p->nets->n;
	skip_blanks(p);
	return r;
}

int replay_nets_parse(const char *text, const struct replay_nets *home,
	struct replay_nets **ret_nets, const char **ret_fault)
{
	struct parser p = { .at = text, .home = home, .nets = calloc(1, sizeof(*p.nets)) };
	int r;

	if (!p.nets)
		return -ENOMEM;
	p.nets->home = home;
	r = parse_member(&p, 0);
	if (r == 0 && *p.at)
		r = refuse(&p, "several networks must stand in brackets: [10.0.0.0/8,fd00::/8]");
	if (r < 0) {
		*ret_fault = p.fault;
		replay_nets_free(p.nets);
		return r;
	}
	*ret_nets = p.nets;
	return 0;
}

struct replay_nets *replay_nets_free(struct replay_nets *nets)
{
	free(nets);
	return NULL;
}

static bool list_holds(const struct replay_nets *nets, size_t at, size_t end, const struct ip *ip);

static bool member_holds(const struct replay_nets *nets, size_t at, const struct ip *ip)
{
	const struct member *member = &nets->member[at];

	switch (member->kind) {
	case ANY:
		return true;
	case PREFIX:
		return ip_in_prefix(ip, &member->prefix);
	case HOME:
		return replay_nets_hold(nets->home, ip);
	case LIST:
		return list_holds(nets, at + 1, member->end, ip);
	}
	return false;
}

static bool list_holds(const struct replay_nets *nets, size_t at, size_t end, const struct ip *ip)
{
	bool plain = false, held = false;

	for (; at < end; at = nets->member[at].end) {
		const struct member *member = &nets->member[at];

		if (!member->negated) {
			plain = true;
			held = held || member_holds(nets, at, ip);
		} else if (member_holds(nets, at, ip)) {
			return false;
		}
	}
	return held || !plain;
}

bool replay_nets_hold(const struct replay_nets *nets, const struct ip *ip)
{
	return list_holds(nets, 0, nets->n, ip);
}

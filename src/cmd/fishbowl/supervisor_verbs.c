/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of `fishbowl ctl` about conversations and the whole gateway, and what only asks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/supervisor_ctl.h"
#include "vault/vault.h"

/* ---- the whole gateway ---- */

void ctl_lockdown(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	char said[SUP_SAID_MAX];
	uint64_t id = 0;
	int r;

	if (!sup_no_more_args(q, 0, answer) || !sup_no_time(q, answer))
		return;
	sup_attended(s);
	r = sup_lockdown(s, q->operator, q->reason, &id);
	(void)sup_order_outcome(s, q, r, answer);
	snprintf(said, sizeof(said),
		"LOCKDOWN: nothing passes, in any direction (order %" PRIu64 ")%s%s", id,
		s->policy.nics_locked ? "; the data NICs drop everything" : "; the data NICs: ",
		s->policy.nics_locked ? "" : s->policy.nic_error);
	json_object_set_new(answer, "order", json_integer((json_int_t)id));
	json_object_set_new(answer, "nics_locked", json_boolean(s->policy.nics_locked));
	sup_order_record(s, q, NULL, said);
	sup_order_say(s, q, r, said, answer);
	if (r != 0 && !s->policy.nics_locked)
		sup_answer_error(answer,
			"neither the gate nor the NICs' table could be told (%s); kill fb-gate",
			s->policy.nic_error);
}

void ctl_unlock(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	struct orders *orders = &s->policy.orders;
	bool was = orders_lockdown(orders);
	struct orders before;

	if (!sup_no_more_args(q, 0, answer) || !sup_no_time(q, answer))
		return;
	if (!was) {
		sup_answer_error(answer, "there is no lockdown");
		return;
	}
	if (!sup_change_begin(s, &before, answer))
		return;
	for (size_t i = orders->n; i-- > 0;)
		if (orders->order[i].verb == ORDER_LOCKDOWN)
			orders_remove(orders, i);
	s->policy.damage[0] = '\0';
	sup_change_end(s, q, &before, NULL, "the lockdown is lifted", answer);
	if (s->policy.nic_error[0])
		sup_answer_error(answer,
			"the data NICs could not be unlocked: %s; it is tried "
			"again",
			s->policy.nic_error);
}

void ctl_ack(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	char said[SUP_SAID_MAX], absent[32], limit[32];
	bool was = s->policy.absence == SUP_ABSENT;
	struct orders before;

	if (!sup_no_more_args(q, 0, answer) || !sup_no_time(q, answer))
		return;
	if (s->conf->top.attendance == 0) {
		sup_order_record(s, q, NULL, "noted");
		sup_answer_say(answer, "noted; the setting attendance is off");
		return;
	}
	snprintf(said, sizeof(said), "somebody is there again after %s%s; the next time within %s",
		sup_age_text(sup_absent_ns(s), absent), was ? "; the roach motel is lifted" : "",
		sup_age_text((int64_t)s->conf->top.attendance * SUP_NS_PER_S, limit));
	if (sup_change_begin(s, &before, answer))
		sup_change_end(s, q, &before, NULL, said, answer);
}

/* Decimal as in the records, or 0x and hex as in the capture's comments. */
void ctl_kill_flow(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	const char *text = q->n_args ? q->arg[0] : "";
	char said[SUP_SAID_MAX], *end;
	uint64_t id = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	int r;

	if (!sup_no_more_args(q, 1, answer) || !sup_no_time(q, answer))
		return;
	if (id == 0 || *end) {
		sup_answer_error(answer, "which conversation? Write its flow_id as in "
					 "`fishbowl events`");
		return;
	}
	r = sup_policy_kill_flow(s, id);
	sup_attended(s);
	if (r == -ENOENT)
		sup_answer_error(answer, "no conversation %" PRIu64 " is open", id);
	else if (r < 0)
		sup_answer_error(answer, r == -ENOTCONN
						 ? "no gate is running now: no conversation passes"
						 : "fb-gate does not answer; try again");
	snprintf(said, sizeof(said), "conversation %" PRIu64 "%s", id,
		r == 0 ? " is ended: nothing of it passes" : " was not ended");
	sup_order_record(s, q, NULL, said);
	if (r == 0) {
		(void)sup_order_outcome(s, q, r, answer);
		sup_order_say(s, q, r, said, answer);
	}
}

static const char *const file_words[] = {
	[FILE_PIN] = "pin", [FILE_UNPIN] = "unpin", [FILE_PURGE] = "purge"
};
static const char *const file_done[] = { [FILE_PIN] = "is kept until it is unpinned",
	[FILE_UNPIN] = "may go for a budget again",
	[FILE_PURGE] = "is removed" };

static bool parse_file_order(
	const struct sup_request *q, uint32_t *ret_what, uint8_t ret_sha256[static 32])
{
	enum { WORDS = sizeof(file_words) / sizeof(file_words[0]) };
	uint32_t what = 0;

	if (q->n_args != 2 || vault_sha256_read(q->arg[1], ret_sha256) != 32)
		return false;
	while (what < WORDS && strcmp(q->arg[0], file_words[what]) != 0)
		what++;
	*ret_what = what;
	return what < WORDS;
}

/* It may hold evidence: who, when and why are in the record, done or not. */
void ctl_file(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	char said[SUP_SAID_MAX];
	uint8_t sha256[32];
	uint32_t what;
	int r;

	if (!sup_no_time(q, answer))
		return;
	if (!parse_file_order(q, &what, sha256)) {
		sup_answer_error(answer, "write pin, unpin or purge, and the SHA-256 in full");
		return;
	}
	sup_attended(s);
	r = sup_file_order(s, what, sha256);
	snprintf(said, sizeof(said), "file %s %s%s", q->arg[1],
		r == 0 ? file_done[what] : "was not changed: ",
		r == 0         ? ""
		: r == -ENOENT ? "no such file is kept"
		: r == -EAGAIN ? "fb-vault is busy; try again"
			       : strerror(-r));
	sup_order_record(s, q, NULL, said);
	if (r < 0)
		sup_answer_error(answer, "%s", said);
	else
		sup_answer_say(answer, "%s", said);
}

void ctl_reload(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	static char said[16384];

	if (!sup_no_more_args(q, 0, answer) || !sup_no_time(q, answer))
		return;
	sup_attended(s);
	if (sup_reload(s, q->operator, said, sizeof(said)) < 0)
		sup_answer_error(answer, "%s", said);
	else
		sup_answer_say(answer, "%s", said);
}

void ctl_orders(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	json_t *list = json_array();

	(void)q;
	for (size_t i = 0; i < s->policy.orders.n; i++)
		json_array_append_new(list, sup_order_describe(&s->policy.orders.order[i]));
	json_object_set_new(answer, "orders", list);
}

void ctl_status(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	(void)q;
	sup_status(s, answer);
}

void ctl_audit(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	(void)q;
	sup_audit_begin(s);
	json_object_set_new(answer, "number", json_integer((json_int_t)s->audit.id));
}

void ctl_stop(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	(void)answer;
	sup_control_by(s, REASON_OPERATOR, q->operator, NULL, "fishbowl", "stop");
	s->stopping++;
	s->stop_since_ns = sup_now();
}

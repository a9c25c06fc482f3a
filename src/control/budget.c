/* SPDX-License-Identifier: Apache-2.0 */
#include "control/budget.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "control/gate.h"

enum { MAGIC = 0x42424746, VERSION = 1, NS = 1000000000 };

/* A ring of the times of the last `cap` conversations: the n-th is at start + n % cap. It holds at least as
 * many as the limit, and after a limit was lowered more: it may be raised again. */
struct times_log {
	uint64_t head; /* conversations ever */
	uint32_t cap, start;
};

struct entry {
	char name[CONF_NAME_MAX];
	uint64_t mark;
	struct times_log log[BUDGET_CLASSES];
};

struct head {
	uint32_t magic, version;
	uint32_t whole; /* 0 while the layout is being changed */
	uint32_t n;
	int64_t offset_ns; /* memory's clock = steady time + this */
	int64_t last_ns;   /* when it was last used, by its own clock */
	uint64_t check;    /* of the layout */
	struct entry entry[CONF_HONEYPOTS_MAX];
};

struct memory {
	struct head head;
	int64_t time[GATE_BUDGET_TIMES_MAX];
};

/* What the memory is to become. */
struct plan {
	struct head head;
	uint64_t n_times;
	int64_t *time;
};

struct budget {
	struct memory *m;
	struct limit {
		int64_t period_ns;
		uint32_t count;
	} limit[CONF_HONEYPOTS_MAX][BUDGET_CLASSES];
};

size_t budget_memory_size(void)
{
	return sizeof(struct memory);
}

/* The process may be killed between any two stores; only the compiler must not reorder them. */
static void order_stores(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static struct conf_rate rate_of(const struct conf_limit *limit, enum budget_class class)
{
	switch (class) {
	case BUDGET_TCP:
		return limit->tcp;
	case BUDGET_UDP:
		return limit->udp;
	case BUDGET_ICMP:
		return limit->icmp;
	case BUDGET_DNS:
		return limit->dns;
	default:
		return limit->other;
	}
}

/* FNV-1a over what says where things are, not over what changes with each conversation. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len--)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

static uint64_t layout_check(const struct head *m)
{
	uint64_t hash = hash_bytes(0xcbf29ce484222325, &m->n, sizeof(m->n));

	for (uint32_t i = 0; i < m->n; i++) {
		const struct entry *e = &m->entry[i];

		hash = hash_bytes(hash, e->name, sizeof(e->name));
		for (unsigned c = 0; c < BUDGET_CLASSES; c++) {
			hash = hash_bytes(hash, &e->log[c].cap, sizeof(e->log[c].cap));
			hash = hash_bytes(hash, &e->log[c].start, sizeof(e->log[c].start));
		}
	}
	return hash;
}

static int64_t *log_time(int64_t *time, const struct times_log *log, uint64_t n)
{
	return &time[log->start + n % log->cap];
}

static uint64_t log_used(const struct times_log *log)
{
	return log->head < log->cap ? log->head : log->cap;
}

static void use_up(int64_t *time, struct times_log *log, int64_t now)
{
	for (uint32_t i = 0; i < log->cap; i++)
		time[log->start + i] = now;
	log->head = log->cap;
}

/* Times must not decrease, nor lie ahead. One exception: budget_take() writes over the oldest before it
 * moves the head, so the oldest may be the newest when it was interrupted; that errs on the safe side. */
static bool log_makes_sense(struct memory *m, const struct times_log *log)
{
	uint64_t used = log_used(log), first = log->head - used;
	int64_t before = 0;

	for (uint64_t n = first; n < log->head; n++) {
		int64_t t = *log_time(m->time, log, n);

		if (t < 0 || t > m->head.last_ns)
			return false;
		if (n == first && used == log->cap)
			continue;
		if (t < before)
			return false;
		before = t;
	}
	return true;
}

static bool layout_makes_sense(const struct head *m)
{
	if (m->magic != MAGIC || m->version != VERSION || m->whole != 1 ||
		m->n > CONF_HONEYPOTS_MAX || m->last_ns < 0 || m->check != layout_check(m))
		return false;
	for (uint32_t i = 0; i < m->n; i++)
		for (unsigned c = 0; c < BUDGET_CLASSES; c++)
			if (m->entry[i].log[c].start > GATE_BUDGET_TIMES_MAX ||
				m->entry[i].log[c].cap >
					GATE_BUDGET_TIMES_MAX - m->entry[i].log[c].start)
				return false;
	return true;
}

static bool is_fresh(const struct head *m)
{
	static const struct entry none;
	const char *head = (const char *)m;

	for (size_t i = 0; i < offsetof(struct head, entry); i++)
		if (head[i])
			return false;
	return memcmp(&m->entry[0], &none, sizeof(none)) == 0;
}

static const struct entry *find_entry(const struct head *m, const char *name)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (strncmp(m->entry[i].name, name, sizeof(m->entry[i].name)) == 0)
			return &m->entry[i];
	return NULL;
}

/* The layout that the configuration asks for, with empty logs; `old` may be NULL. */
static int lay_out(const struct conf *conf, const struct head *old, struct plan *plan)
{
	struct head *h = &plan->head;

	*h = (struct head){ .magic = MAGIC, .version = VERSION, .n = (uint32_t)conf->n_honeypots };
	plan->n_times = 0;
	for (size_t i = 0; i < conf->n_honeypots; i++) {
		struct entry *e = &h->entry[i];
		const struct entry *was = old ? find_entry(old, conf->honeypot[i].name) : NULL;

		memcpy(e->name, conf->honeypot[i].name, sizeof(e->name));
		for (unsigned c = 0; c < BUDGET_CLASSES; c++) {
			uint64_t used = was ? log_used(&was->log[c]) : 0;
			uint32_t count = rate_of(&conf->honeypot[i].limit, c).count;

			if (count == CONF_RATE_UNLIMITED) /* nothing to remember */
				count = 0;
			e->log[c].cap = used > count ? (uint32_t)used : count;
			e->log[c].start = (uint32_t)plan->n_times;
			plan->n_times += e->log[c].cap;
			if (plan->n_times > GATE_BUDGET_TIMES_MAX)
				return -E2BIG;
		}
	}
	h->check = layout_check(h);
	plan->time = calloc(plan->n_times + 1, sizeof(*plan->time));
	return plan->time ? 0 : -ENOMEM;
}

static void copy_log(
	struct memory *from, const struct times_log *old, int64_t *to, struct times_log *log)
{
	uint64_t keep = log_used(old) < log->cap ? log_used(old) : log->cap;

	for (uint64_t n = old->head - keep; n < old->head; n++)
		to[log->start + log->head++] = *log_time(from->time, old, n);
}

static void keep_used(struct memory *m, struct plan *plan)
{
	for (uint32_t i = 0; i < plan->head.n; i++) {
		struct entry *e = &plan->head.entry[i];
		const struct entry *was = find_entry(&m->head, e->name);

		if (!was)
			continue;
		e->mark = was->mark;
		for (unsigned c = 0; c < BUDGET_CLASSES; c++)
			copy_log(m, &was->log[c], plan->time, &e->log[c]);
	}
}

/* Killed in here: `whole` is 0, and the next start finds the budgets used up. */
static void replace(struct memory *m, const struct plan *plan)
{
	m->head.magic = MAGIC;
	order_stores();
	m->head.whole = 0;
	order_stores();
	memcpy(m->time, plan->time, plan->n_times * sizeof(m->time[0]));
	m->head = plan->head;
	order_stores();
	m->head.whole = 1;
}

static int64_t clock_now(struct head *h, int64_t steady_ns)
{
	int64_t now = steady_ns + h->offset_ns;

	if (now > h->last_ns)
		h->last_ns = now;
	return h->last_ns;
}

static void use_up_all(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->head.n; i++)
		for (unsigned c = 0; c < BUDGET_CLASSES; c++)
			use_up(plan->time, &plan->head.entry[i].log[c], plan->head.last_ns);
}

static void check_logs(struct memory *m)
{
	for (uint32_t i = 0; i < m->head.n; i++)
		for (unsigned c = 0; c < BUDGET_CLASSES; c++)
			if (!log_makes_sense(m, &m->head.entry[i].log[c]))
				use_up(m->time, &m->head.entry[i].log[c], m->head.last_ns);
}

static void take_over_known(struct memory *m, struct plan *plan, int64_t steady_ns, bool same_boot)
{
	check_logs(m);
	if (!same_boot)
		m->head.offset_ns = m->head.last_ns - steady_ns;
	if (m->head.check == plan->head.check)
		return;
	plan->head.offset_ns = m->head.offset_ns;
	plan->head.last_ns = m->head.last_ns;
	keep_used(m, plan);
	replace(m, plan);
}

static int take_over(struct memory *m, const struct conf *conf, int64_t steady_ns, bool same_boot,
	struct plan *plan)
{
	bool known = layout_makes_sense(&m->head);
	int result = lay_out(conf, known ? &m->head : NULL, plan);

	if (result == -E2BIG && known) /* limits were lowered and others raised */
		result = lay_out(conf, NULL, plan);
	if (result < 0)
		return result;
	if (known) {
		take_over_known(m, plan, steady_ns, same_boot);
		return 0;
	}
	plan->head.last_ns = steady_ns;
	if (!is_fresh(&m->head))
		use_up_all(plan);
	replace(m, plan);
	return 0;
}

static void set_limits(struct budget *b, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_honeypots; i++)
		for (unsigned c = 0; c < BUDGET_CLASSES; c++) {
			struct conf_rate rate = rate_of(&conf->honeypot[i].limit, c);

			b->limit[i][c] = (struct limit){ .count = rate.count,
				.period_ns = (int64_t)rate.period_s * NS };
		}
}

int budget_open(void *memory, const struct conf *conf, int64_t steady_ns, bool same_boot,
	struct budget **ret_budget)
{
	struct budget *b = calloc(1, sizeof(*b));
	struct plan *plan = calloc(1, sizeof(*plan));
	int result = b && plan ? take_over(memory, conf, steady_ns, same_boot, plan) : -ENOMEM;

	if (plan)
		free(plan->time);
	free(plan);
	if (result < 0) {
		free(b);
		return result;
	}
	b->m = memory;
	set_limits(b, conf);
	*ret_budget = b;
	return 0;
}

struct budget *budget_close(struct budget *budget)
{
	free(budget);
	return NULL;
}

bool budget_allows(
	struct budget *budget, unsigned honeypot, enum budget_class class, int64_t steady_ns)
{
	struct memory *m = budget->m;
	const struct times_log *log = &m->head.entry[honeypot].log[class];
	const struct limit *limit = &budget->limit[honeypot][class];
	int64_t now = clock_now(&m->head, steady_ns);

	if (limit->count == 0)
		return false;
	if (limit->count == CONF_RATE_UNLIMITED)
		return true;
	if (log->head < limit->count)
		return true;
	return *log_time(m->time, log, log->head - limit->count) <= now - limit->period_ns;
}

void budget_take(
	struct budget *budget, unsigned honeypot, enum budget_class class, int64_t steady_ns)
{
	struct memory *m = budget->m;
	struct times_log *log = &m->head.entry[honeypot].log[class];

	if (log->cap == 0)
		return;
	*log_time(m->time, log, log->head) = clock_now(&m->head, steady_ns);
	order_stores();
	log->head++;
}

enum budget_mark budget_mark(const struct budget *budget, unsigned honeypot)
{
	return (enum budget_mark)budget->m->head.entry[honeypot].mark;
}

void budget_set_mark(struct budget *budget, unsigned honeypot, enum budget_mark mark)
{
	order_stores();
	budget->m->head.entry[honeypot].mark = mark;
	order_stores();
}

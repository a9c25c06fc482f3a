/* SPDX-License-Identifier: Apache-2.0 */
#include "control/budget.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "conf/conf.h"
#include "control/policy.h"
#include "control/volume.h"

enum { MAGIC = 0x42424746, VERSION = 2, NS = 1000000000 };
/* A log keeps so many times whatever its limit, so that a limit that is set later knows them. */
enum { TIMES_MIN = 64 };
/* The honeynet is one more entry behind the honeypots. */
enum { ENTRIES_MAX = CONF_HONEYPOTS_MAX + 1, ALL = BUDGET_CLASSES, LOGS };
enum { SEEN_DESTINATIONS, SEEN_PORTS, SEEN_NETS, SEENS };
enum { PACKETS, PACKETS_SUM, BYTES, BYTES_SUM, REPLY_PACKETS, REPLY_BYTES, VOLUMES };

static const char honeynet_name[CONF_NAME_MAX] = "\1honeynet";

/* A ring of the times of the last `cap` conversations: the n-th is at start + n % cap. It holds at least as
 * many as the limit, and after a limit was lowered more: it may be raised again. */
struct times_log {
	uint64_t head; /* conversations ever */
	uint32_t cap, start;
};

/* Places for `cap` keys; a log of networks is written in turn like the times. */
struct seen_log {
	uint64_t head;
	uint32_t cap, start;
};

struct seen {
	int64_t ns; /* 0: empty */
	struct ip key;
};

struct entry {
	char name[CONF_NAME_MAX];
	uint64_t mark;
	struct times_log log[LOGS];
	struct seen_log seen[SEENS];
	struct volume volume[VOLUMES];
};

struct head {
	uint32_t magic, version;
	uint32_t whole;    /* 0 while the layout is being changed */
	uint32_t n;        /* entries, the honeynet's among them */
	int64_t offset_ns; /* memory's clock = steady time + this */
	int64_t last_ns;   /* when it was last used, by its own clock */
	uint64_t secret;   /* for the jitter */
	uint64_t check;    /* of the layout */
};

struct memory {
	struct head head;
	struct entry entry[ENTRIES_MAX];
	int64_t time[BUDGET_TIMES_MAX];
	struct seen seen[BUDGET_SEEN_MAX];
};

/* What the memory is to become. */
struct plan {
	struct head head;
	struct entry *entry; /* head.n of them */
	uint64_t n_times, n_seen;
	int64_t *time;
	struct seen *seen;
};

struct count_limit {
	int64_t period_ns;
	uint32_t count; /* CONF_RATE_UNLIMITED: none */
};

struct limits {
	struct count_limit log[LOGS], seen[SEENS];
	struct volume_limit volume[VOLUMES];
	uint32_t jitter; /* percent */
};

struct budget {
	struct memory *m;
	const struct conf *conf;
	uint32_t honeynet;    /* number of its entry */
	struct limits *limit; /* of each entry */
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

/* ---- limits ---- */

static const enum reason log_reason[LOGS] = { [BUDGET_TCP] = REASON_TCP_LIMIT,
	[BUDGET_UDP] = REASON_UDP_LIMIT,
	[BUDGET_ICMP] = REASON_ICMP_LIMIT,
	[BUDGET_OTHER] = REASON_OTHER_LIMIT,
	[BUDGET_DNS] = REASON_DNS_LIMIT,
	[BUDGET_NTP] = REASON_NTP_LIMIT,
	[BUDGET_DHCP] = REASON_DHCP_LIMIT,
	[BUDGET_NEIGHBOUR] = REASON_NEIGHBOUR_LIMIT,
	[ALL] = REASON_ALL_LIMIT };
static const enum reason seen_reason[SEENS] = { REASON_DESTINATION_LIMIT, REASON_PORT_LIMIT,
	REASON_NET_LIMIT };
static const enum reason volume_reason[VOLUMES] = { REASON_PACKET_RATE, REASON_PACKET_RATE,
	REASON_BYTE_RATE, REASON_BYTE_RATE, REASON_PACKET_RATE, REASON_BYTE_RATE };

static struct count_limit count_of(const struct conf_rate *rate)
{
	return (struct count_limit){ .count = rate->count,
		.period_ns = (int64_t)rate->period_s * NS };
}

static struct volume_limit volume_of(const struct conf_volume *volume)
{
	return (struct volume_limit){ .amount = volume->amount,
		.period_ns = (int64_t)volume->period_s * NS };
}

static void set_pot_limits(struct limits *to, const struct conf_limit *from)
{
	const struct conf_rate *log[LOGS] = { &from->tcp, &from->udp, &from->icmp, &from->other,
		&from->dns, &from->ntp, &from->dhcp, &from->neighbour, &from->all };
	const struct conf_rate *seen[SEENS] = { &from->destinations, &from->ports, &from->net };
	const struct conf_volume *volume[VOLUMES] = { &from->packets, &from->packets_sum,
		&from->bytes, &from->bytes_sum, &from->reply_packets, &from->reply_bytes };

	for (unsigned i = 0; i < LOGS; i++)
		to->log[i] = count_of(log[i]);
	for (unsigned i = 0; i < SEENS; i++)
		to->seen[i] = count_of(seen[i]);
	for (unsigned i = 0; i < VOLUMES; i++)
		to->volume[i] = volume_of(volume[i]);
	to->jitter = (uint32_t)from->jitter;
}

static void set_honeynet_limits(struct limits *to, const struct conf_honeynet *from)
{
	static const struct conf_rate none = { .count = CONF_RATE_UNLIMITED, .period_s = 1 };
	static const struct conf_volume no_volume = { .amount = UINT64_MAX, .period_s = 1 };
	const struct conf_rate *log[LOGS] = { &from->tcp, &from->udp, &from->icmp, &from->other,
		&none, &none, &none, &none, &from->all };
	const struct conf_volume *volume[VOLUMES] = { &from->packets, &from->packets_sum,
		&from->bytes, &from->bytes_sum, &no_volume, &no_volume };

	for (unsigned i = 0; i < LOGS; i++)
		to->log[i] = count_of(log[i]);
	for (unsigned i = 0; i < SEENS; i++)
		to->seen[i] = count_of(&none);
	for (unsigned i = 0; i < VOLUMES; i++)
		to->volume[i] = volume_of(volume[i]);
	to->jitter = 0;
}

static void set_limits(struct limits *limit, const struct policy *policy)
{
	for (uint32_t i = 0; i < policy->n_pots; i++)
		set_pot_limits(&limit[i], &policy_pot(policy, i)->limit);
	set_honeynet_limits(&limit[policy->n_pots], &policy->honeynet);
}

/* ---- layout ---- */

/* FNV-1a over what says where things are, not over what changes with each conversation. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len--)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

static uint64_t hash_place(uint64_t hash, uint32_t cap, uint32_t start)
{
	return hash_bytes(hash_bytes(hash, &cap, sizeof(cap)), &start, sizeof(start));
}

static uint64_t layout_check(uint32_t n, const struct entry *entry)
{
	/* Another version may have had other sizes. */
	const size_t sizes[] = { n, sizeof(struct memory), offsetof(struct memory, seen),
		sizeof(struct entry) };
	uint64_t hash = hash_bytes(0xcbf29ce484222325, sizes, sizeof(sizes));

	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = &entry[i];

		hash = hash_bytes(hash, e->name, sizeof(e->name));
		for (unsigned c = 0; c < LOGS; c++)
			hash = hash_place(hash, e->log[c].cap, e->log[c].start);
		for (unsigned c = 0; c < SEENS; c++)
			hash = hash_place(hash, e->seen[c].cap, e->seen[c].start);
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

static void use_up_seen(struct seen *seen, struct seen_log *log, int64_t now)
{
	for (uint32_t i = 0; i < log->cap; i++)
		seen[log->start + i] = (struct seen){ .ns = now > 0 ? now : 1 };
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

static bool seen_makes_sense(struct memory *m, const struct seen_log *log)
{
	for (uint32_t i = 0; i < log->cap; i++)
		if (m->seen[log->start + i].ns < 0 || m->seen[log->start + i].ns > m->head.last_ns)
			return false;
	return true;
}

static bool lies_in(uint32_t start, uint32_t cap, uint32_t max)
{
	return start <= max && cap <= max - start;
}

static bool layout_makes_sense(const struct memory *m)
{
	const struct head *h = &m->head;

	if (h->magic != MAGIC || h->version != VERSION || h->whole != 1 || h->n > ENTRIES_MAX ||
		h->last_ns < 0 || h->check != layout_check(h->n, m->entry))
		return false;
	for (uint32_t i = 0; i < h->n; i++) {
		const struct entry *e = &m->entry[i];

		for (unsigned c = 0; c < LOGS; c++)
			if (!lies_in(e->log[c].start, e->log[c].cap, BUDGET_TIMES_MAX))
				return false;
		for (unsigned c = 0; c < SEENS; c++)
			if (!lies_in(e->seen[c].start, e->seen[c].cap, BUDGET_SEEN_MAX))
				return false;
	}
	return true;
}

static bool is_fresh(const struct memory *m)
{
	static const struct head no_head;
	static const struct entry no_entry;

	return memcmp(&m->head, &no_head, sizeof(no_head)) == 0 &&
	       memcmp(&m->entry[0], &no_entry, sizeof(no_entry)) == 0;
}

static const struct entry *find_entry(const struct memory *m, const char *name)
{
	for (uint32_t i = 0; i < m->head.n; i++)
		if (strncmp(m->entry[i].name, name, sizeof(m->entry[i].name)) == 0)
			return &m->entry[i];
	return NULL;
}

static uint32_t times_cap(const struct count_limit *limit, const struct times_log *was)
{
	uint64_t used = was ? log_used(was) : 0;
	uint32_t cap = limit->count == CONF_RATE_UNLIMITED ? 0 : limit->count;

	if (cap < TIMES_MIN)
		cap = TIMES_MIN;
	return used > cap ? (uint32_t)used : cap;
}

static uint32_t seen_cap(unsigned kind, const struct count_limit *limit)
{
	if (limit->count == CONF_RATE_UNLIMITED)
		return 0;
	return kind == SEEN_NETS && limit->count < BUDGET_NETS ? BUDGET_NETS : limit->count;
}

static int place_entry(
	struct plan *plan, struct entry *e, const struct limits *limit, const struct entry *was)
{
	for (unsigned c = 0; c < LOGS; c++) {
		e->log[c].cap = times_cap(&limit->log[c], was ? &was->log[c] : NULL);
		e->log[c].start = (uint32_t)plan->n_times;
		plan->n_times += e->log[c].cap;
		if (plan->n_times > BUDGET_TIMES_MAX)
			return -E2BIG;
	}
	for (unsigned c = 0; c < SEENS; c++) {
		e->seen[c].cap = seen_cap(c, &limit->seen[c]);
		e->seen[c].start = (uint32_t)plan->n_seen;
		plan->n_seen += e->seen[c].cap;
		if (plan->n_seen > BUDGET_SEEN_MAX)
			return -E2BIG;
	}
	return 0;
}

int budget_check(const struct policy *policy)
{
	struct limits *limit = calloc(policy->n_pots + 1, sizeof(*limit));
	struct entry *unused = calloc(1, sizeof(*unused));
	struct plan plan = { 0 };
	int r = limit && unused ? 0 : -ENOMEM;

	if (r == 0)
		set_limits(limit, policy);
	for (uint32_t i = 0; r == 0 && i <= policy->n_pots; i++)
		r = place_entry(&plan, unused, &limit[i], NULL);
	free(unused);
	free(limit);
	return r;
}

/* The layout that the limits ask for, with empty logs; `old` may be NULL. */
static int lay_out(const struct conf *conf, const struct limits *limit, const struct memory *old,
	struct plan *plan)
{
	uint32_t n = (uint32_t)conf->n_honeypots + 1;

	plan->head = (struct head){ .magic = MAGIC, .version = VERSION, .n = n };
	plan->entry = calloc(n, sizeof(*plan->entry));
	if (!plan->entry)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct entry *e = &plan->entry[i];
		const char *name = i + 1 < n ? conf->honeypot[i].name : honeynet_name;
		int r;

		memcpy(e->name, name, sizeof(e->name));
		r = place_entry(plan, e, &limit[i], old ? find_entry(old, name) : NULL);
		if (r < 0)
			return r;
	}
	plan->head.check = layout_check(n, plan->entry);
	plan->time = calloc(plan->n_times + 1, sizeof(*plan->time));
	plan->seen = calloc(plan->n_seen + 1, sizeof(*plan->seen));
	return plan->time && plan->seen ? 0 : -ENOMEM;
}

/* ---- what was used, into another layout ---- */

static void copy_log(
	struct memory *from, const struct times_log *old, int64_t *to, struct times_log *log)
{
	uint64_t keep = log_used(old) < log->cap ? log_used(old) : log->cap;

	for (uint64_t n = old->head - keep; n < old->head; n++)
		to[log->start + log->head++] = *log_time(from->time, old, n);
}

/* The newest ones, as many as there is room for. */
static void copy_seen(
	const struct seen *from, const struct seen_log *old, struct seen *to, struct seen_log *log)
{
	struct seen *at = &to[log->start];

	for (uint32_t i = 0; i < old->cap && log->cap > 0; i++) {
		const struct seen *next = &from[old->start + (old->head + i) % old->cap];
		uint32_t place = 0;

		if (next->ns == 0)
			continue;
		if (log->head < log->cap) {
			at[log->head++] = *next;
			continue;
		}
		for (uint32_t n = 1; n < log->cap; n++)
			if (at[n].ns < at[place].ns)
				place = n;
		if (next->ns > at[place].ns)
			at[place] = *next;
	}
}

static void keep_used(struct memory *m, struct plan *plan)
{
	for (uint32_t i = 0; i < plan->head.n; i++) {
		struct entry *e = &plan->entry[i];
		const struct entry *was = find_entry(m, e->name);

		if (!was)
			continue;
		e->mark = was->mark;
		memcpy(e->volume, was->volume, sizeof(e->volume));
		for (unsigned c = 0; c < LOGS; c++)
			copy_log(m, &was->log[c], plan->time, &e->log[c]);
		for (unsigned c = 0; c < SEENS; c++)
			copy_seen(m->seen, &was->seen[c], plan->seen, &e->seen[c]);
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
	memcpy(m->seen, plan->seen, plan->n_seen * sizeof(m->seen[0]));
	memcpy(m->entry, plan->entry, plan->head.n * sizeof(m->entry[0]));
	m->head.version = plan->head.version;
	m->head.n = plan->head.n;
	m->head.offset_ns = plan->head.offset_ns;
	m->head.last_ns = plan->head.last_ns;
	m->head.secret = plan->head.secret;
	m->head.check = plan->head.check;
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

/* A period as long as the limit's, from now on. */
static void use_up_all(struct plan *plan)
{
	int64_t now = plan->head.last_ns;

	for (uint32_t i = 0; i < plan->head.n; i++) {
		struct entry *e = &plan->entry[i];

		for (unsigned c = 0; c < LOGS; c++)
			if (c != BUDGET_NEIGHBOUR) /* without it nobody reaches the honeypot */
				use_up(plan->time, &e->log[c], now);
		for (unsigned c = 0; c < SEENS; c++)
			use_up_seen(plan->seen, &e->seen[c], now);
		for (unsigned c = 0; c < VOLUMES; c++) {
			e->volume[c] = (struct volume){ .total = 1 };
			volume_mend(&e->volume[c], now);
		}
	}
}

static void check_logs(struct memory *m)
{
	for (uint32_t i = 0; i < m->head.n; i++) {
		struct entry *e = &m->entry[i];

		for (unsigned c = 0; c < LOGS; c++)
			if (!log_makes_sense(m, &e->log[c]))
				use_up(m->time, &e->log[c], m->head.last_ns);
		for (unsigned c = 0; c < SEENS; c++)
			if (!seen_makes_sense(m, &e->seen[c]))
				use_up_seen(m->seen, &e->seen[c], m->head.last_ns);
		for (unsigned c = 0; c < VOLUMES; c++)
			volume_mend(&e->volume[c], m->head.last_ns);
	}
}

static void move(struct memory *m, struct plan *plan)
{
	if (m->head.check == plan->head.check)
		return;
	plan->head.offset_ns = m->head.offset_ns;
	plan->head.last_ns = m->head.last_ns;
	plan->head.secret = m->head.secret;
	keep_used(m, plan);
	replace(m, plan);
}

/* ---- opening ---- */

static uint64_t make_secret(void)
{
	uint64_t secret;

	return getrandom(&secret, sizeof(secret), GRND_NONBLOCK) == sizeof(secret) ? secret : 1;
}

static void plan_done(struct plan *plan)
{
	free(plan->entry);
	free(plan->time);
	free(plan->seen);
	*plan = (struct plan){ 0 };
}

static int plan_layout(const struct budget *b, struct memory *m, bool known, struct plan *plan)
{
	int r = lay_out(b->conf, b->limit, known ? m : NULL, plan);

	if (r == -E2BIG && known) { /* limits were lowered and others raised */
		plan_done(plan);
		r = lay_out(b->conf, b->limit, NULL, plan);
	}
	return r;
}

static int take_over(struct budget *b, int64_t steady_ns, bool same_boot, struct plan *plan)
{
	struct memory *m = b->m;
	bool known = layout_makes_sense(m);
	int r = plan_layout(b, m, known, plan);

	if (r < 0)
		return r;
	if (known) {
		check_logs(m);
		if (!same_boot)
			m->head.offset_ns = m->head.last_ns - steady_ns;
		move(m, plan);
		return 0;
	}
	plan->head.last_ns = steady_ns;
	plan->head.secret = make_secret();
	if (!is_fresh(m))
		use_up_all(plan);
	replace(m, plan);
	return 0;
}

/* Windows of another length begin now rather than with the next frame that is asked about. */
static void begin_volumes(struct budget *b, int64_t steady_ns)
{
	int64_t now = clock_now(&b->m->head, steady_ns);

	for (uint32_t i = 0; i <= b->honeynet; i++)
		for (unsigned v = 0; v < VOLUMES; v++)
			(void)volume_allows(
				&b->m->entry[i].volume[v], &b->limit[i].volume[v], 0, now);
}

static int open_budget(
	struct budget *b, const struct policy *policy, int64_t steady_ns, bool same_boot)
{
	struct plan plan = { 0 };
	int r;

	b->limit = calloc(b->honeynet + 1, sizeof(*b->limit));
	if (!b->limit)
		return -ENOMEM;
	set_limits(b->limit, policy);
	r = take_over(b, steady_ns, same_boot, &plan);
	plan_done(&plan);
	if (r == 0)
		begin_volumes(b, steady_ns);
	return r;
}

int budget_open(void *memory, const struct conf *conf, const struct policy *policy,
	int64_t steady_ns, bool same_boot, struct budget **ret_budget)
{
	struct budget *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->m = memory;
	b->conf = conf;
	b->honeynet = (uint32_t)conf->n_honeypots;
	r = open_budget(b, policy, steady_ns, same_boot);
	if (r < 0)
		budget_close(b);
	else
		*ret_budget = b;
	return r;
}

struct budget *budget_close(struct budget *budget)
{
	if (budget)
		free(budget->limit);
	free(budget);
	return NULL;
}

int budget_set_policy(struct budget *b, const struct policy *policy, int64_t steady_ns)
{
	struct limits *limit = calloc(b->honeynet + 1, sizeof(*limit)), *old = b->limit;
	struct plan plan = { 0 };
	int r;

	if (!limit)
		return -ENOMEM;
	set_limits(limit, policy);
	b->limit = limit;
	r = plan_layout(b, b->m, true, &plan);
	if (r == 0) {
		clock_now(&b->m->head, steady_ns);
		move(b->m, &plan);
		begin_volumes(b, steady_ns);
	} else {
		b->limit = old;
	}
	free(r == 0 ? old : limit);
	plan_done(&plan);
	return r;
}

/* ---- asking and taking ---- */

/* Lowered by a part that is the same for a whole period and different each period. */
static uint32_t jittered(const struct budget *b, unsigned entry, unsigned log, int64_t now)
{
	const struct limits *limit = &b->limit[entry];
	const struct count_limit *of = &limit->log[log];
	uint64_t span = (uint64_t)of->count * limit->jitter / 100, hash = b->m->head.secret;
	const uint64_t of_what[] = { entry, log, (uint64_t)(now / of->period_ns) };

	if (span == 0)
		return of->count;
	hash = hash_bytes(hash, of_what, sizeof(of_what));
	return of->count - (uint32_t)((hash ^ hash >> 31) % (span + 1));
}

static bool log_allows(const struct budget *b, unsigned entry, unsigned n, int64_t now)
{
	struct memory *m = b->m;
	const struct times_log *log = &m->entry[entry].log[n];
	const struct count_limit *limit = &b->limit[entry].log[n];
	uint32_t count;

	if (limit->count == CONF_RATE_UNLIMITED)
		return true;
	count = jittered(b, entry, n, now);
	if (count == 0)
		return false;
	if (log->head < count)
		return true;
	return *log_time(m->time, log, log->head - count) <= now - limit->period_ns;
}

static void log_take(struct memory *m, unsigned entry, unsigned n, int64_t now)
{
	struct times_log *log = &m->entry[entry].log[n];

	*log_time(m->time, log, log->head) = now;
	order_stores();
	log->head++;
}

static struct ip net_of(const struct ip *ip)
{
	struct ip net = *ip;

	memset(net.byte + (ip_is_v4(ip) ? 15 : 8), 0, ip_is_v4(ip) ? 1 : 8);
	return net;
}

static struct ip seen_key(unsigned kind, const struct budget_item *item)
{
	struct ip key = { .byte = { (uint8_t)(item->port >> 8), (uint8_t)item->port } };

	if (kind == SEEN_PORTS)
		return key;
	return kind == SEEN_NETS ? net_of(&item->dst) : item->dst;
}

/* The key's place, or the one that it may have; NULL: all others are in use. */
static struct seen *seen_place(
	struct budget *b, unsigned entry, unsigned kind, const struct ip *key, int64_t now)
{
	const struct seen_log *log = &b->m->entry[entry].seen[kind];
	struct seen *seen = &b->m->seen[log->start], *place = NULL;
	int64_t since = now - b->limit[entry].seen[kind].period_ns;

	for (uint32_t i = 0; i < log->cap; i++) {
		bool old = seen[i].ns == 0 || seen[i].ns <= since;

		if (!old && ip_equal(&seen[i].key, key))
			return &seen[i];
		if (old)
			place = &seen[i];
	}
	return place;
}

/* Counts this network's conversations in the window; all are in use when even the oldest is in it. */
static bool nets_allow(struct budget *b, unsigned entry, const struct ip *key, int64_t now)
{
	const struct seen_log *log = &b->m->entry[entry].seen[SEEN_NETS];
	const struct count_limit *limit = &b->limit[entry].seen[SEEN_NETS];
	const struct seen *seen = &b->m->seen[log->start];
	int64_t since = now - limit->period_ns;
	uint32_t n = 0;

	if (seen[log->head % log->cap].ns != 0 && seen[log->head % log->cap].ns > since)
		return false;
	for (uint32_t i = 0; i < log->cap; i++)
		n += seen[i].ns != 0 && seen[i].ns > since && ip_equal(&seen[i].key, key);
	return n < limit->count;
}

static bool seen_allows(struct budget *b, unsigned entry, unsigned kind,
	const struct budget_item *item, int64_t now)
{
	const struct count_limit *limit = &b->limit[entry].seen[kind];
	struct ip key = seen_key(kind, item);

	if (limit->count == CONF_RATE_UNLIMITED || (kind == SEEN_PORTS && !item->has_port))
		return true;
	if (limit->count == 0)
		return false;
	if (kind == SEEN_NETS)
		return nets_allow(b, entry, &key, now);
	return seen_place(b, entry, kind, &key, now) != NULL;
}

static void seen_take(struct budget *b, unsigned entry, unsigned kind,
	const struct budget_item *item, int64_t now)
{
	struct seen_log *log = &b->m->entry[entry].seen[kind];
	struct ip key = seen_key(kind, item);
	struct seen *place;

	if (log->cap == 0 || (kind == SEEN_PORTS && !item->has_port))
		return;
	place = kind == SEEN_NETS ? &b->m->seen[log->start + log->head % log->cap]
				  : seen_place(b, entry, kind, &key, now);
	if (!place)
		return;
	place->ns = now > 0 ? now : 1;
	order_stores();
	place->key = key;
	order_stores();
	log->head += kind == SEEN_NETS;
}

static bool is_conversation(enum budget_class class)
{
	return class < BUDGET_DNS;
}

enum reason budget_refuses(
	struct budget *b, unsigned honeypot, const struct budget_item *item, int64_t steady_ns)
{
	int64_t now = clock_now(&b->m->head, steady_ns);

	if (!log_allows(b, honeypot, item->class, now))
		return log_reason[item->class];
	if (!is_conversation(item->class))
		return REASON_NONE;
	if (!log_allows(b, honeypot, ALL, now))
		return REASON_ALL_LIMIT;
	if (!log_allows(b, b->honeynet, item->class, now) || !log_allows(b, b->honeynet, ALL, now))
		return REASON_HONEYNET_LIMIT;
	for (unsigned kind = 0; kind < SEENS; kind++)
		if (!seen_allows(b, honeypot, kind, item, now))
			return seen_reason[kind];
	return REASON_NONE;
}

void budget_take(
	struct budget *b, unsigned honeypot, const struct budget_item *item, int64_t steady_ns)
{
	int64_t now = clock_now(&b->m->head, steady_ns);

	log_take(b->m, honeypot, item->class, now);
	if (!is_conversation(item->class))
		return;
	log_take(b->m, honeypot, ALL, now);
	log_take(b->m, b->honeynet, item->class, now);
	log_take(b->m, b->honeynet, ALL, now);
	for (unsigned kind = 0; kind < SEENS; kind++)
		seen_take(b, honeypot, kind, item, now);
}

static enum reason volumes_refuse(struct budget *b, unsigned entry, enum budget_way way,
	const uint64_t amount[static VOLUMES], int64_t now)
{
	unsigned from = way == BUDGET_REPLY ? REPLY_PACKETS : PACKETS;
	unsigned to = way == BUDGET_REPLY ? VOLUMES : REPLY_PACKETS;

	for (unsigned i = from; i < to; i++)
		if (!volume_allows(&b->m->entry[entry].volume[i], &b->limit[entry].volume[i],
			    amount[i], now))
			return entry == b->honeynet ? REASON_HONEYNET_RATE : volume_reason[i];
	return REASON_NONE;
}

static void volumes_take(struct budget *b, unsigned entry, enum budget_way way,
	const uint64_t amount[static VOLUMES])
{
	unsigned from = way == BUDGET_REPLY ? REPLY_PACKETS : PACKETS;
	unsigned to = way == BUDGET_REPLY ? VOLUMES : REPLY_PACKETS;

	for (unsigned i = from; i < to; i++)
		volume_take(&b->m->entry[entry].volume[i], &b->limit[entry].volume[i], amount[i]);
}

enum reason budget_send(struct budget *b, unsigned honeypot, enum budget_way way, uint64_t packets,
	uint64_t bytes, int64_t steady_ns)
{
	const uint64_t amount[VOLUMES] = { packets, packets, bytes, bytes, packets, bytes };
	int64_t now = clock_now(&b->m->head, steady_ns);
	enum reason reason = volumes_refuse(b, honeypot, way, amount, now);

	if (reason == REASON_NONE && way == BUDGET_BEGUN) /* the honeynet has no limit on answers */
		reason = volumes_refuse(b, b->honeynet, way, amount, now);
	if (reason != REASON_NONE)
		return reason;
	volumes_take(b, honeypot, way, amount);
	if (way == BUDGET_BEGUN)
		volumes_take(b, b->honeynet, way, amount);
	return REASON_NONE;
}

/* ---- marks ---- */

enum budget_mark budget_mark(const struct budget *budget, unsigned honeypot)
{
	return (enum budget_mark)budget->m->entry[honeypot].mark;
}

void budget_set_mark(struct budget *budget, unsigned honeypot, enum budget_mark mark)
{
	order_stores();
	budget->m->entry[honeypot].mark = mark;
	order_stores();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what the parts of the gate share: its state, and one frame on its way to a verdict.
 * Private to src/control. */
#pragma once

#include "base/ip.h"
#include "conf/conf.h"
#include "control/budget.h"
#include "control/attempts.h"
#include "control/dns.h"
#include "control/gate.h"
#include "control/peers.h"
#include "control/policy.h"
#include "control/shape.h"
#include "flow/flow.h"
#include "frame/frame.h"

#define NO_HONEYPOT GATE_NO_HONEYPOT

enum { NS_PER_S = 1000000000, LINK_LOCALS_MAX = 4, OUTSIDERS_MAX = 64 };

/* What is learnt of a honeypot; kept in the flow memory, so that a crash does not forget it. */
struct learnt {
	struct mac mac;
	uint8_t mac_known;
	uint8_t port; /* 0: not known */
	uint8_t n_link_locals;
	uint8_t zero[7];
	struct ip link_local[LINK_LOCALS_MAX];
};

struct tallies {
	uint64_t received, bytes, dropped, in_flows, flows_total;
};

/* Undo log of the frame being counted: whoever finds it armed puts everything back. */
struct undo {
	uint32_t armed, n;
	struct tallies tallies;
	uint64_t reason, reason_count;
	struct {
		uint32_t slot;
		struct flow_tally tally;
	} flow[4 * FRAME_DEPTH_MAX];
};

/* A record being handed over: whoever finds it asks emitted() whether it was taken. */
enum handing { HANDING_NOTHING, HANDING_FLOW, HANDING_INCIDENT };

struct shared {
	uint32_t magic, version;
	uint32_t slots, whole;
	uint64_t boot;
	uint64_t last_id;
	struct tallies tallies;
	uint64_t by_reason[REASON_COUNT];
	struct undo undo;
	uint64_t handing, handing_seq; /* enum handing */
	uint32_t n_names;
	char name[CONF_HONEYPOTS_MAX][CONF_NAME_MAX];
	struct learnt learnt[CONF_HONEYPOTS_MAX];
	int32_t nic[GATE_PORTS_MAX];
	uint64_t secret;
	struct peer peer[PEERS];
	_Alignas(64) char flow_memory[]; /* of the table */
};

/* A honeypot, as far as it need not survive. */
struct pot {
	uint32_t refused;  /* refused conversations in the flow table */
	uint32_t internal; /* conversations with other honeypots in it, begun by this one */
	int64_t drops_s;   /* second of drops_n */
	uint32_t drops_n;  /* drop records in it */
	uint8_t nic_port;  /* from the configuration; 0 = any */
	bool mac_fixed;    /* from the configuration */
	struct attempts attempts;
	struct shape_line line;
};

struct fragment_key {
	struct ip src, dst;
	uint32_t id;
	uint8_t version, proto;
	uint8_t outbound;
	uint8_t zero;
};

struct fragment {
	struct fragment_key key;
	int64_t until_ns; /* steady; 0 = unused */
	uint32_t slot;
	uint64_t flow_id;
};

enum { FRAGMENT_WAYS = 4, FRAGMENT_SETS = 2 * GATE_FRAGMENTS_MAX / FRAGMENT_WAYS };

struct series {
	struct record record; /* of its first frame; texts point into the configuration */
	uint64_t count;
	int64_t since_ns; /* steady */
	uint16_t honeypot;
};

/* An address and whose it is. */
struct map_row {
	struct ip ip;
	uint16_t pot; /* NO_HONEYPOT: empty */
};

enum { MAC_ROWS = 4 * CONF_HONEYPOTS_MAX, SERIES_PER_POT = REASON_COUNT };

struct gate {
	const struct conf *conf;
	struct shared *shared;
	struct flow_table *table;
	struct budget *budget;
	gate_emit *emit;
	gate_emitted *emitted;
	void *emit_context;
	uint64_t boot;
	bool observe;
	bool records_full; /* the last record was not taken */
	bool last_passed;  /* the frame judged last, and it has not failed since */
	unsigned n_ports;
	uint32_t inside_mask; /* all inside ports */
	uint64_t open_frames;
	uint32_t finish_slot; /* gate_finish() got so far */
	const struct policy *policy;
	struct attempt *attempts; /* ATTEMPTS_MAX a honeypot */
	struct pot *pot;          /* n_honeypots of them, and one for whoever is none */
	struct map_row *by_ip;
	uint32_t by_ip_mask;
	uint16_t *by_mac;                  /* MAC_ROWS of them, NO_HONEYPOT: empty */
	struct ip outsider[OUTSIDERS_MAX]; /* link-local addresses heard outside, the last ones */
	unsigned next_outsider;
	struct fragment *fragment; /* FRAGMENT_SETS * FRAGMENT_WAYS */
	struct series *series;     /* one a honeypot and reason, and one an anomaly behind them */
	uint32_t *series_open;     /* which of them count at the moment, in order of their start */
	uint32_t n_series_open, n_series;
};

/* One frame on its way. */
struct judge {
	struct gate *gate;
	const struct frame *frame;         /* of a datagram in parts: the whole */
	const struct frame_packet *packet; /* the outer one; NULL: not IP */
	bool whole;                        /* `frame` stands for all parts */
	bool again;                        /* a part of a datagram that was judged already */
	uint32_t wire_len;                 /* of the frame that is counted now */
	uint32_t frames, bytes;            /* all that leaves when it passes: the parts together */
	struct gate_time now;
	uint64_t packet_id;
	unsigned in_port;
	struct gate_answer answer;
	uint16_t honeypot; /* whose the frame is, or to whom it goes */
	bool mac_ok;       /* it came from a honeypot's MAC address, at its port */
	bool has_key;
	struct flow_key key;
	uint8_t source; /* end of the key that sent the packet */
	uint32_t slot;  /* its live flow, or FLOW_NONE */
	uint32_t old;   /* a flow that ends if this frame passes, or FLOW_NONE */
	enum flow_end old_end;
	uint32_t quoted;         /* flow that an ICMP error quotes, or FLOW_NONE */
	enum reason permission;  /* why a frame of a conversation may leave */
	bool reply;              /* that somebody outside began */
	bool began;              /* let out as the beginning of a conversation */
	bool stray;              /* TCP that belongs to nothing, outside or inside a tunnel */
	enum budget_class class; /* of the outer packet */
	unsigned n_items;
	unsigned listed, listed_known; /* bit n: enum list_kind n */
	bool refused_new;              /* stopped as a new conversation */
	bool first;                    /* first frame of its flow, or of no flow */
	/* What it begins: itself, conversations inside it, questions. The first n_items are set. */
	struct budget_item item[FRAME_DEPTH_MAX + DNS_PIPELINE_MAX];
};

static inline bool judge_leaves(const struct judge *j)
{
	return j->answer.direction == DIRECTION_OUTBOUND;
}

/* pots.c: who is who, and which way. */
int pots_init(struct gate *gate);
void pots_done(struct gate *gate);
uint16_t pots_find_ip(const struct gate *gate, const struct ip *ip);
uint16_t pots_find_mac(const struct gate *gate, const struct mac *mac);
void pots_identify(struct judge *j); /* a frame from inside: sets honeypot, mac_ok */
void pots_route(struct judge *j);    /* sets direction and out_ports */
bool pots_owns(const struct judge *j, const struct ip *ip);
/* In one /24 or /64 with an address of the honeypot: probably on its own network. */
bool pots_is_near(const struct gate *gate, uint16_t pot, const struct ip *ip);
void pots_hear(
	struct judge *j); /* a frame from outside: whose link-local address is no honeypot's */

/* fragment.c */
struct fragment *fragment_find(struct judge *j);
void fragment_note(struct judge *j, uint32_t slot);

/* lists.c: whether one of the frame's addresses is listed. What a flow was cleared by is remembered. */
bool lists_have(struct judge *j, enum list_kind kind);
void lists_note(struct judge *j, uint32_t slot); /* `slot` was touched: it is the frame's flow */

/* chain.c: sets verdict and reason of a frame that leaves or stays inside. */
void chain_judge(struct judge *j);
/* The same for a frame from outside, which few things stop. */
void chain_judge_inbound(struct judge *j);
/* The flow of inner packet `i` below the outer flow `parent`, its end that sent it; FLOW_NONE. */
uint32_t account_inner(const struct judge *j, unsigned i, uint64_t parent, uint8_t *ret_source);

/* account.c: flows of a frame; counts, so that a crash at any instruction counts it whole or not. */
void account_look_up(struct judge *j);
void account_frame(struct judge *j);
void account_undo(struct gate *gate);
uint64_t account_next_id(const struct gate *gate); /* what the next flow will be called */

/* gate.c: why a conversation passes where nothing is controlled. */
enum reason gate_observed_reason(enum direction direction);

/* report.c: records. All of them say false when there was no room. */
void report_init_head(const struct judge *j, struct record *ret_record);
bool report_incident(struct judge *j);
void report_drop(struct judge *j);
void report_series(struct judge *j, enum reason reason);
void report_anomalies(struct judge *j);
bool report_ended_flows(struct gate *gate, int64_t wall_ns, uint32_t max);
bool report_due_series(struct gate *gate, const struct gate_time *now, bool all);
void report_settle(struct gate *gate); /* after a crash: the record that was being handed over */

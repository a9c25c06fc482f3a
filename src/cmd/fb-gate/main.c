/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fb-gate - the only process on the frame path. It gets two or more sockets that can do nothing but
 * move frames, maps its rings, gives up everything else, and forwards what the gate lets through.
 */
#include <assert.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ring.h"
#include "cmd/fb-gate/loop.h"
#include "conf/conf.h"
#include "control/policy.h"
#include "proto/proto.h"

static_assert(COUNTS_REASONS_MAX >= REASON_COUNT, "every reason has a place");
static_assert(COUNTS_PORTS_MAX >= CHAN_PORTS_MAX && CHAN_PORTS_MAX >= GATE_PORTS_MAX,
	"every port has a place");

enum { EVENT_SHARE = 8 };

/* Beside what every process may: sending, the sockets' state and counters, and letting go of a NIC
 * that went away. */
static const struct jail_call calls[] = {
	{ SCMP_SYS(sendto), JAIL_FREE }, { SCMP_SYS(getsockopt), JAIL_FREE },
	{ SCMP_SYS(getsockname), JAIL_FREE }, { SCMP_SYS(ioctl), JAIL_NIC },
	{ SCMP_SYS(munmap), JAIL_FREE }, { SCMP_SYS(close), JAIL_FREE },
	{ SCMP_SYS(mmap),
		JAIL_NO_EXEC }, /* another policy, other rules, and room to move budgets */
	{ SCMP_SYS(sched_yield), JAIL_FREE }, /* between two looks for a frame */
	{ SCMP_SYS(brk), JAIL_FREE },         /* free() may give memory back */
	{ SCMP_SYS(mremap), JAIL_FREE },      /* realloc() of what other rules need */
	{ SCMP_SYS(getrandom), JAIL_FREE },   /* keys of their hash tables */
	{ SCMP_SYS(futex), JAIL_FREE },       /* call_once() of tables of protocols and records */
	{ SCMP_SYS(sysinfo), JAIL_FREE },     /* qsort() asks how much memory there is */
};

static int fail(const char *what, int r)
{
	fprintf(stderr, "fb-gate: %s: %s\n", what, strerror(-r));
	return r;
}

static struct conf *load_conf(const struct child *child)
{
	char path[64];
	char *faults = NULL;
	struct conf *conf;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", child_fd(child, ROLE_CONF, 0));
	if (conf_load(path, &conf, &faults) == 0)
		return conf;
	fprintf(stderr, "fb-gate: %s\n", faults ? faults : "out of memory");
	free(faults);
	return NULL;
}

/* Records are packed straight into the ring. */
static int put_record(struct ring *ring, const struct record *record)
{
	struct ring_entry *entry;
	size_t room = record_room(record);
	void *payload = ring_reserve(ring, (uint32_t)room, &entry);
	int size;

	if (!payload)
		return -ENOSPC;
	size = record_pack(record, payload, room);
	if (size < 0)
		return size;
	entry->kind = RECORD_KIND_DATA;
	entry->time_ns = record->head.time_ns;
	ring_commit(ring, (uint32_t)size);
	return 0;
}

/* What is decided at a conversation's end comes after its record: the gate counts on it that none goes before the
 * one that it hands over (gate_emitted). */
static int emit(void *context, const struct record *record)
{
	struct loop *loop = context;
	struct record flow = *record;
	int r;

	if (record->type != EVENT_FLOW)
		return put_record(loop->records, record);
	loop_describe_flow(loop, &flow);
	r = put_record(loop->records, &flow);
	if (r == 0)
		loop_end_flow(loop, record->head.flow_id);
	return r;
}

static uint64_t emitted(void *context)
{
	const struct loop *loop = context;

	return ring_next_seq(loop->records);
}

static int open_ring(struct child *child, enum chan_role role, struct ring **ret_ring)
{
	size_t size;
	void *memory = child_map(child, role, &size);

	return memory ? ring_open(memory, size, ret_ring) : -errno;
}

static int open_gate(struct loop *loop, const struct conf *conf)
{
	struct child *child = loop->child;
	size_t flow_size, budget_size, policy_size;
	struct gate_setup setup = {
		.conf = conf,
		.emit = emit,
		.emitted = emitted,
		.emit_context = loop,
		.boot = child->start.boot,
		.same_boot = child->start.same_boot,
		.now = loop->now,
	};
	const void *memory;

	for (unsigned i = 0; i < child->start.n_ports; i++)
		setup.nic[i] = child->start.port_info[i].ifindex;
	memory = child_map_read(child, ROLE_POLICY, &policy_size);
	setup.policy = memory ? policy_check(memory, policy_size) : NULL;
	if (!setup.policy)
		return -EBADMSG;
	setup.flow_memory = child_map(child, ROLE_FLOW_TABLE, &flow_size);
	setup.budget_memory = child_map(child, ROLE_BUDGET_STATE, &budget_size);
	if (!setup.flow_memory || !setup.budget_memory || flow_size < gate_flow_memory_size(conf) ||
		budget_size < gate_budget_memory_size(conf))
		return -EINVAL;
	return gate_new(&setup, &loop->gate);
}

static int open_rules(struct loop *loop)
{
	size_t size = 0;
	const void *memory = child_map_read(loop->child, ROLE_RULES, &size);

	return loop_rules_new(loop, memory, size);
}

static int attach_ports(struct loop *loop)
{
	const struct child *child = loop->child;

	loop->n_ports = child->start.n_ports;
	for (unsigned i = 0; i < loop->n_ports; i++) {
		struct loop_port *port = &loop->port[i];
		int fd = child_fd(child, ROLE_PORT, i), r;
		int merged_fd = child_fd(child, ROLE_PORT_MERGED, i);

		port->counts = &loop->counts->port[i];
		port->missed_before = port->counts->missed;
		port->kernel_before = port->counts->kernel;
		if (fd < 0)
			continue; /* its NIC is not there; a new gate is started when it is */
		r = port_attach(fd, &child->start.port_info[i], &port->port);
		if (r == 0 && merged_fd >= 0)
			(void)port_use_merged(port->port, merged_fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_up(struct loop *loop, const struct conf *conf)
{
	size_t size;
	int r = open_ring(loop->child, ROLE_FRAME_RING, &loop->frames);

	if (r < 0)
		return fail("frame.ring", r);
	r = open_ring(loop->child, ROLE_GATE_RECORDS, &loop->records);
	if (r < 0)
		return fail("record-gate.ring", r);
	loop->counts = child_map(loop->child, ROLE_COUNTS, &size);
	if (!loop->counts || size < sizeof(*loop->counts))
		return fail("gate.counts", -EINVAL);
	loop->counts->starts++;
	loop->event_fd = child_fd(loop->child, ROLE_FRAME_EVENT, 0);
	loop->event_at = ring_data_size(loop->frames) / EVENT_SHARE;
	r = open_gate(loop, conf);
	if (r < 0)
		return fail("policy, flow table and budgets", r);
	if ((r = whole_new(&loop->whole)) < 0 || (r = later_new(&loop->later)) < 0)
		return fail("memory", r);
	loop->conf = conf;
	loop->emit = emit;
	if ((r = open_rules(loop)) < 0)
		return fail("rules", r);
	r = attach_ports(loop);
	return r < 0 ? fail("data NICs", r) : 0;
}

int main(void)
{
	const struct jail jail = { .calls = calls, .n_calls = sizeof(calls) / sizeof(calls[0]) };
	static struct child child;
	static struct loop loop;
	struct conf *conf;
	int r;

	if (child_start(CHAN_GATE, &child) < 0)
		return 1;
	loop.child = &child;
	proto_prepare();
	loop_clock(&loop);
	conf = load_conf(&child);
	if (!conf || set_up(&loop, conf) < 0)
		return 1;
	r = child_ready(&child, &jail);
	if (r < 0) {
		fail("sandbox", r);
		return 1;
	}
	if (loop_run(&loop) == LOOP_FINISH)
		loop_finish(&loop);
	_exit(0); /* nothing to tidy: the files are the supervisor's, the rest ends with the process */
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/supervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ring.h"

void sup_record(struct supervisor *s, struct record *record)
{
	uint8_t packed[RECORD_PLAIN_MAX];
	struct ring_entry *entry;
	void *payload;
	int size;

	if (record->head.time_ns == 0)
		record->head.time_ns = sup_wall();
	size = record_pack(record, packed, sizeof(packed));
	payload = size > 0 && s->records ? ring_reserve(s->records, (uint32_t)size, &entry) : NULL;
	if (!payload) {
		s->records_lost++;
		return;
	}
	memcpy(payload, packed, (size_t)size);
	entry->kind = RECORD_KIND_DATA;
	entry->time_ns = record->head.time_ns;
	ring_commit(s->records, (uint32_t)size);
}

void sup_control_by(struct supervisor *s, enum reason reason, const char *operator,
	const char * honeypot, const char *process, const char *detail)
{
	struct record record = { .type = EVENT_CONTROL };

	record.head.reason = (uint16_t)reason;
	record.head.honeypot = text_of(honeypot ? honeypot : "");
	record.control.process = text_of(process);
	record.control.operator= text_of(operator);
	record.control.detail = text_of(detail);
	sup_record(s, &record);
	sup_say("%s: %s%s%s%s%s", process, reason_text(reason), operator[0] ? ", " : "", operator,
		detail[0] ? ": " : "", detail);
}

void sup_control(
	struct supervisor *s, enum reason reason, const char *process, const char *fmt, ...)
{
	char detail[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	sup_control_by(s, reason, "", NULL, process, detail);
}

void sup_stats(struct supervisor *s)
{
	const struct counts_gate *counts = sup_gate_counts(s);
	struct record record = { .type = EVENT_STATS };
	uint64_t missed = 0;

	for (unsigned i = 0; i < s->n_ports; i++)
		missed += counts->port[i].missed;
	record.stats.uptime_s = (uint64_t)((sup_now() - s->started_ns) / SUP_NS_PER_S);
	record.stats.kernel_packets = counts->received + missed;
	record.stats.kernel_drops = missed;
	record.stats.passed = counts->passed;
	record.stats.dropped = counts->dropped;
	record.stats.bytes = counts->bytes;
	record.stats.flows_active = counts->flows_active;
	record.stats.flows_total = counts->flows_total;
	sup_record(s, &record);
}

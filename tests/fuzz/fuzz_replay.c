/* SPDX-License-Identifier: Apache-2.0 */
/* A whole capture file through reader, frames, gate with a policy, flow log and JSON: what
 * `fishbowl replay -c` does with it. */
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "capture/reader.h"
#include "cmd/fishbowl/replay.h"
#include "cmd/fishbowl/replay_summary.h"
#include "conf/conf.h"
#include "control/policy.h"
#include "event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLOWS = 64 };

static char line[RECORD_JSON_MAX];

static void on_record(void *context, const struct record *record)
{
	struct out o = out_make(line, sizeof(line));

	(void)context;
	record_json(&o, record, NULL);
	if (!out_ok(&o))
		abort(); /* the bound of a JSON line must hold */
}

/* One honeypot, web 10.0.0.5 and 2001:db8::5, with the default limits and a small flow table. */
static struct conf *configuration(void)
{
	static struct ip address[2];
	static struct conf_a_honeypot honeypot = { .name = "web", .inside = -1, .n_addresses = 2 };
	static struct conf *conf;

	if (conf)
		return conf;
	if (conf_default(&conf) < 0 || ip_parse("10.0.0.5", &address[0]) < 0 ||
		ip_parse("2001:db8::5", &address[1]) < 0)
		abort();
	conf->flow.max = FLOWS;
	honeypot.address = address;
	honeypot.limit = conf->limit;
	conf->honeypot = &honeypot;
	conf->n_honeypots = 1;
	return conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char summary[REPLAY_SUMMARY_MAX];
	static struct policy *image;
	struct policy_source source = { .conf = configuration(), .generation = 1 };
	struct replay_setup setup = { .conf = source.conf, .policy = true, .emit = on_record };
	struct out o = out_make(summary, sizeof(summary));
	struct capture_packet packet;
	struct capture_reader *reader;
	struct gate_answer answer;
	struct replay *replay;

	if (!image && policy_build(&source, &image) < 0)
		abort();
	setup.image = image;
	if (replay_new(&setup, &replay) < 0 || capture_reader_new_memory(data, size, &reader) < 0)
		abort();
	while (capture_reader_next(reader, &packet) == 1)
		replay_packet(replay, &packet, capture_reader_interface(reader, packet.interface),
			&answer);
	replay_finish(replay);
	replay_summary(&o, replay, true);
	if (!out_ok(&o))
		abort();
	capture_reader_free(reader);
	replay_free(replay);
	return 0;
}

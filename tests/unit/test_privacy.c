/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/privacy.h"
#include "flow/flow.h"
#include "gate_bench.h"

#define POT   "10.0.0.1"
#define OTHER "10.0.0.2"
#define OUT   "198.51.100.7"
#define DNS   "192.0.2.53"

enum { SAID = 100, HEADERS_UDP = 14 + 20 + 8, HEADERS_TCP = 14 + 20 + 20 };

static struct bench *b;
static struct ip resolver;

static int set_up(void **state)
{
	(void)state;
	b = bench_new(2, 64);
	resolver = address(DNS);
	b->conf->resolver = &resolver;
	b->conf->n_resolvers = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bench_free(b);
	return 0;
}

static struct policy *policy_with(int privacy, const char *bannered)
{
	struct policy *policy;
	char *text = (char *)(uintptr_t)bannered;

	b->conf->privacy.policy = privacy;
	b->conf->privacy.bannered = (struct conf_texts){ .text = &text, .n = bannered != NULL };
	policy = bench_policy(b);
	b->conf->privacy.bannered = (struct conf_texts){ 0 };
	return policy;
}

static void put_said(struct bytes *f)
{
	for (unsigned i = 0; i < SAID; i++)
		put8(f, 'x');
}

/* Bytes kept of a frame with SAID bytes of payload, from `src` to `dst`. */
static uint32_t keep(const struct policy *policy, enum direction direction, unsigned side,
	const char *src, const char *dst, bool tcp, unsigned sport, unsigned dport)
{
	struct gate_answer answer = { .direction = direction, .side = (uint8_t)side };
	struct bytes f = { 0 };
	struct frame frame;

	put_ethernet(&f, 1, 2, 0x0800);
	put_ip(&f, src, dst, tcp ? 6 : 17, (tcp ? 20 : 8) + SAID);
	if (tcp)
		put_tcp(&f, sport, dport, 7, 0x18);
	else
		put_udp(&f, sport, dport, SAID);
	put_said(&f);
	frame_parse(f.at, f.len, FRAME_LINK_ETHERNET, &frame);
	return privacy_keep(policy, &answer, &frame);
}

static void full(void **state)
{
	struct policy *p = policy_with(CONF_PRIVACY_FULL, NULL);

	(void)state;
	assert_int_equal(
		keep(p, DIRECTION_OUTBOUND, 0, POT, OUT, true, 4000, 25), HEADERS_TCP + SAID);
	free(p);
}

/* What comes to a honeypot is the owner's; what it says to others is not, either way. */
static void minimise(void **state)
{
	struct policy *p = policy_with(CONF_PRIVACY_MINIMISE, NULL);

	(void)state;
	assert_int_equal(
		keep(p, DIRECTION_INBOUND, 0, OUT, POT, true, 4000, 22), HEADERS_TCP + SAID);
	assert_int_equal(
		keep(p, DIRECTION_OUTBOUND, 1, POT, OUT, true, 22, 4000), HEADERS_TCP + SAID);
	assert_int_equal(keep(p, DIRECTION_OUTBOUND, 0, POT, OUT, true, 4000, 25), HEADERS_TCP);
	assert_int_equal(keep(p, DIRECTION_INBOUND, 1, OUT, POT, true, 25, 4000), HEADERS_TCP);
	assert_int_equal(keep(p, DIRECTION_OUTBOUND, 0, POT, OUT, false, 4000, 53), HEADERS_UDP);
	assert_int_equal(
		keep(p, DIRECTION_OUTBOUND, 0, POT, DNS, false, 4000, 53), HEADERS_UDP + SAID);
	assert_int_equal(
		keep(p, DIRECTION_INTERNAL, 0, POT, OTHER, true, 4000, 22), HEADERS_TCP + SAID);
	free(p);
}

static void banner_only(void **state)
{
	struct policy *p = policy_with(CONF_PRIVACY_BANNER_ONLY, "10.0.0.1 tcp/21-22");

	(void)state;
	assert_int_equal(
		keep(p, DIRECTION_INBOUND, 0, OUT, POT, true, 4000, 22), HEADERS_TCP + SAID);
	assert_int_equal(
		keep(p, DIRECTION_OUTBOUND, 1, POT, OUT, true, 21, 4000), HEADERS_TCP + SAID);
	assert_int_equal(keep(p, DIRECTION_INBOUND, 0, OUT, POT, true, 4000, 23), HEADERS_TCP);
	assert_int_equal(keep(p, DIRECTION_INBOUND, 0, OUT, POT, false, 4000, 22), HEADERS_UDP);
	assert_int_equal(keep(p, DIRECTION_INBOUND, 0, OUT, OTHER, true, 4000, 22), HEADERS_TCP);
	assert_int_equal(keep(p, DIRECTION_OUTBOUND, 0, POT, OUT, true, 4000, 22), HEADERS_TCP);
	assert_int_equal(keep(p, DIRECTION_INTERNAL, 0, OTHER, POT, true, 4000, 22), HEADERS_TCP);
	free(p);
}

/* Parts of a datagram, other protocols, what is not IP, and what is too short for its headers. */
static void other_frames(void **state)
{
	struct policy *p = policy_with(CONF_PRIVACY_BANNER_ONLY, "10.0.0.1 tcp/22");
	struct gate_answer answer = { .direction = DIRECTION_INBOUND };
	struct bytes part = { 0 }, foreign = { 0 }, tcp = { 0 };
	struct frame frame;

	(void)state;
	put_ethernet(&part, 1, 2, 0x0800);
	put_ip4(&part, OUT, POT, 6, SAID, 9, 0x2010);
	put_said(&part);
	frame_parse(part.at, part.len, FRAME_LINK_ETHERNET, &frame);
	assert_int_equal(privacy_keep(p, &answer, &frame), 14 + 20);
	put_ethernet(&foreign, 1, 2, 0x88b5);
	put_said(&foreign);
	frame_parse(foreign.at, foreign.len, FRAME_LINK_ETHERNET, &frame);
	assert_int_equal(privacy_keep(p, &answer, &frame), 14);
	put_ethernet(&tcp, 1, 2, 0x0800);
	put_ip(&tcp, OUT, POT, 6, 20 + SAID);
	put_tcp(&tcp, 4000, 23, 7, 0x18);
	put_said(&tcp);
	for (uint32_t len = 0; len <= tcp.len; len++) {
		frame_parse(tcp.at, len, FRAME_LINK_ETHERNET, &frame);
		assert_true(privacy_keep(p, &answer, &frame) <= len);
		assert_true(privacy_keep(p, &answer, &frame) <= HEADERS_TCP);
	}
	free(p);
}

static void consent(void **state)
{
	struct policy *none = policy_with(CONF_PRIVACY_FULL, NULL);
	struct policy *some = policy_with(CONF_PRIVACY_FULL, "10.0.0.0/24 tcp/22");
	struct flow flow = { .key = { .ip = { address(POT), address(OUT) },
				     .port = { 22, 4000 },
				     .proto = 6,
				     .version = 4 },
		.starter = 1,
		.direction = DIRECTION_INBOUND };

	(void)state;
	assert_null(privacy_consent(none, &flow));
	assert_string_equal(privacy_consent(some, &flow), "shown");
	flow.key.port[0] = 23;
	assert_string_equal(privacy_consent(some, &flow), "none");
	flow.direction = DIRECTION_OUTBOUND;
	assert_null(privacy_consent(some, &flow));
	free(none);
	free(some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(minimise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(banner_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(consent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 22 } };

static struct bytes client, server;

static void put_list(struct bytes *b, const char *list)
{
	put32(b, (uint32_t)strlen(list));
	put(b, list, strlen(list));
}

static void put_kex(struct bytes *b)
{
	static const char *const lists[10] = { "kex-a,kex-b", "key", "enc-cs", "enc-sc", "mac-cs",
		"mac-sc", "zip-cs", "zip-sc", "", "" };
	uint32_t at = b->len, len;

	put32(b, 0);
	put8(b, 4);
	put8(b, 20);
	put_zero(b, 16);
	for (unsigned i = 0; i < 10; i++)
		put_list(b, lists[i]);
	put_zero(b, 5 + 4);
	len = b->len - at - 4;
	b->at[at + 2] = (uint8_t)(len >> 8);
	b->at[at + 3] = (uint8_t)len;
}

static void put_new_keys(struct bytes *b)
{
	put(b, "\0\0\0\x0c\x0a\x15", 6);
	put_zero(b, 10);
	put(b, "encrypted", 9);
}

static void test_handshake(void **state)
{
	struct kit_part parts[2];

	(void)state;
	client.len = server.len = 0;
	put(&client, "SSH-2.0-me_1.0 a comment\r\n", 26);
	put_kex(&client);
	put_new_keys(&client);
	put(&server, "hello\r\nSSH-1.99-you\n", 20);
	put_kex(&server);
	put_new_keys(&server);
	parts[0] = (struct kit_part){ 0, client.at, client.len };
	parts[1] = (struct kit_part){ 1, server.at, server.len };
	kit_check(&tcp, parts, 2,
		"ssh \"ssh\":{\"client\":{\"proto_version\":\"2.0\",\"software_version\":"
		"\"me_1.0\",\"comments\":\"a "
		"comment\",\"hassh\":{\"hash\":\"c27f86993de0199e50f93f4913e99884\",\"string\":"
		"\"kex-a,kex-b;enc-cs;mac-cs;zip-cs\"}},\"server\":{\"proto_version\":\"1.99\","
		"\"software_version\":\"you\",\"hassh\":{\"hash\":"
		"\"96e9a5f769e0950a3b2eebcddb4118e7\",\"string\":"
		"\"kex-a,kex-b;enc-sc;mac-sc;zip-sc\"}}}\n");
	assert_true(kit_has(&tcp, parts, 2, "ssh.proto=1.99\n"));
	assert_true(kit_has(&tcp, parts, 2, "ssh.software=you\n"));
	assert_true(kit_has(&tcp, parts, 2, "ssh.comments=a comment\n"));
}

static void test_what_is_wrong_is_an_event(void **state)
{
	static const struct kit_part no_version[] = { { 0, "SSH-\r\n", 6 } };
	static const struct kit_part length[] = { { 0, "SSH-2.0-x\r\n\xff\xff\xff\xff..", 17 } };

	(void)state;
	kit_check(&tcp, no_version, 1, NULL);
	assert_true(kit_has(&tcp, no_version, 1, "!ssh.invalid_banner"));
	kit_check(&tcp, length, 1, NULL);
	assert_true(kit_has(&tcp, length, 1, "!ssh.invalid_record"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_what_is_wrong_is_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

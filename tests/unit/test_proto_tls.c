/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificate.h"
#include "hello_kit.h"
#include "proto_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 443 } };

static uint32_t begin_record(struct bytes *b, unsigned type)
{
	put8(b, type);
	put16(b, 0x0301);
	return begin(b, 2);
}

static struct bytes client, server;

static void put_client_hello(struct bytes *b)
{
	uint32_t record = begin_record(b, 22), message, extensions;

	put8(b, 1);
	message = begin(b, 3);
	put16(b, 0x0303);
	for (unsigned i = 0; i < 32; i++)
		put8(b, 0x40 + i);
	put8(b, 0);
	put(b, "\0\6\x0a\x0a\x13\x01\xc0\x2f", 8);
	put(b, "\1\0", 2);
	extensions = begin(b, 2);
	EXTENSION(b, 0x1a1a, "");
	EXTENSION(b, 0,
		"\0\x0e\0\0\x0b"
		"example.org");
	EXTENSION(b, 10, "\0\4\0\x1d\0\x17");
	EXTENSION(b, 11, "\1\0");
	EXTENSION(b, 13, "\0\4\4\3\x08\4");
	EXTENSION(b, 16, "\0\x0c\2h2\x08http/1.1");
	end(b, extensions, 2);
	end(b, message, 3);
	end(b, record, 2);
}

static void put_server_hello(struct bytes *b)
{
	uint32_t record = begin_record(b, 22), message, list;

	put8(b, 2);
	message = begin(b, 3);
	put16(b, 0x0303);
	put_zero(b, 32);
	put(b, "\0\xc0\x2f\0", 4);
	put(b, "\0\4\xff\1\0\0", 6); /* extensions: renegotiation_info */
	end(b, message, 3);
	put8(b, 11);
	message = begin(b, 3);
	list = begin(b, 3);
	put8(b, 0);
	put16(b, sizeof(certificate));
	put(b, certificate, sizeof(certificate));
	end(b, list, 3);
	end(b, message, 3);
	end(b, record, 2);
}

static void put_finished(struct bytes *b)
{
	put(b, "\x14\3\3\0\1\1\x16\3\3\0\4abcd\x17\3\3\0\3xyz", 6 + 9 + 8);
}

static void test_handshake(void **state)
{
	struct kit_part parts[2];

	(void)state;
	client.len = server.len = 0;
	put_client_hello(&client);
	put_finished(&client);
	put_server_hello(&server);
	put_finished(&server);
	parts[0] = (struct kit_part){ 0, client.at, client.len };
	parts[1] = (struct kit_part){ 1, server.at, server.len };
	kit_check(&tcp, parts, 2,
		"tls \"tls\":{\"subject\":\"C=DE, O=Fishbowl, CN=www.example.com\","
		"\"issuerdn\":\"C=DE, O=Fishbowl, CN=www.example.com\",\"serial\":\"00:8A:07:E0\","
		"\"fingerprint\":\"80:56:f1:a9:c8:9c:b5:d0:4d:83:09:a4:de:de:9e:12:21:f6:95:9a\","
		"\"notbefore\":\"2026-11-26T00:56:36\",\"notafter\":\"2036-11-23T00:56:36\","
		"\"subjectaltname\":[\"www.example.com\",\"example.org\"],\"sni\":\"example.org\","
		"\"version\":\"TLS "
		"1.2\",\"ja3\":{\"hash\":\"7cfd168d6dfb329b99460ce1f6af8c6c\",\"string\":"
		"\"771,4865-49199,0-10-11-13-16,29-23,0\"},\"ja3s\":{\"hash\":"
		"\"fbe78c619e7ea20046131294ad087f05\","
		"\"string\":\"771,49199,65281\"},\"ja4\":\"t12d0205h2_c1929292aa6b_876bcc86782c\","
		"\"client_alpns\":[\"h2\",\"http/1.1\"],\"client_handshake\":{\"version\":"
		"\"TLS 1.2\",\"ciphers\":[4865,49199],\"exts\":[0,10,11,13,16],"
		"\"sig_algs\":[1027,2052]},\"server_handshake\":{\"version\":\"TLS 1.2\","
		"\"cipher\":49199,\"exts\":[65281]}}\n");
	assert_true(kit_has(&tcp, parts, 2, "tls.sni=example.org\n"));
	assert_true(
		kit_has(&tcp, parts, 2, "tls.cert_subject=C=DE, O=Fishbowl, CN=www.example.com\n"));
	assert_true(kit_has(&tcp, parts, 2, "tls.random_time=@ABC\n"));
	assert_true(kit_has(&tcp, parts, 2, "tls.random_time=\\x00\\x00\\x00\\x00\n"));
	assert_true(kit_has(&tcp, parts, 2, "tls.cert_chain_len=1\n"));
}

static void test_published_fingerprint(void **state)
{
	uint32_t record;
	struct kit_part part;

	(void)state;
	client.len = 0;
	record = begin_record(&client, 22);
	put_browser_hello(&client);
	end(&client, record, 2);
	part = (struct kit_part){ 0, client.at, client.len };
	kit_check(&tcp, &part, 1, NULL);
	assert_true(kit_has(&tcp, &part, 1, "ja4.hash=t13d1516h2_8daaf6152771_e5627efa2ab1\n"));
	assert_true(kit_has(&tcp, &part, 1,
		"ja3.string=771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-"
		"157-47-53,0-23-65281-10-11-35-16-5-13-18-51-45-43-27-17513-21,29-23-24,0\n"));
}

/* The first protocol in JA4: its ends, or those of its hex digits. */
static void test_odd_protocols(void **state)
{
	static const struct {
		const char *alpn, *shown;
		size_t len;
	} odd[] = { { "\0\2\1x", "xx", 4 }, { "\0\3\2\xab\xcd", "ad", 5 },
		{ "\0\5\4\x30\x31\xab\xcd", "3d", 7 }, { "\0\2\1\xab", "ab", 4 },
		{ "\0\0", "00", 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char line[64];
		uint32_t record, message, list;
		struct kit_part part;

		client.len = 0;
		record = begin_record(&client, 22);
		put8(&client, 1);
		message = begin(&client, 3);
		put16(&client, 0x0303);
		put_zero(&client, 32);
		put(&client, "\0\0\2\x13\1\1\0", 7);
		list = begin(&client, 2);
		put_extension(&client, 16, odd[i].alpn, odd[i].len);
		end(&client, list, 2);
		end(&client, message, 3);
		end(&client, record, 2);
		part = (struct kit_part){ 0, client.at, client.len };
		snprintf(line, sizeof(line), "ja4.hash=t12i0101%s_", odd[i].shown);
		assert_true(kit_has(&tcp, &part, 1, line));
	}
}

/* Each is told as an event, after a hello that is well. */
static void test_what_is_wrong_is_an_event(void **state)
{
	static const struct {
		const char *bytes, *event;
		size_t len;
	} wrong[] = {
#define WRONG(bytes, event) { bytes, event, sizeof(bytes) - 1 }
		WRONG("\x63\3\3\0\1a", "!tls.invalid_record_type"),
		WRONG("\x16\7\7\0\1a", "!tls.invalid_record_version"),
		WRONG("\x16\3\3\xff\xff", "!tls.invalid_record_length"),
		WRONG("\x18\3\2\0\3\1\x40\0", "!tls.overflow_heartbeat_message"),
		WRONG("\x16\3\3\0\4\x0b\xff\xff\xff", "!tls.invalid_handshake_message"),
		WRONG("\x16\3\3\0\x0d\x0b\0\0\x09\0\0\6\0\0\3abc", "!tls.certificate_invalid_der"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct kit_part part;

		client.len = 0;
		put_client_hello(&client);
		put(&client, wrong[i].bytes, wrong[i].len);
		part = (struct kit_part){ 0, client.at, client.len };
		kit_check(&tcp, &part, 1, NULL);
		assert_true(kit_has(&tcp, &part, 1, wrong[i].event));
	}
}

static void test_what_is_not_tls(void **state)
{
	static const struct kit_part http = { 0, "GET / HTTP/1.1\r\n\r\n", 18 };

	(void)state;
	assert_null(strstr(kit_run(&tcp, &http, 1, 0, SIZE_MAX), "tls"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_published_fingerprint),
		cmocka_unit_test(test_odd_protocols),
		cmocka_unit_test(test_what_is_wrong_is_an_event),
		cmocka_unit_test(test_what_is_not_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/dns.h"
#include "packets.h"

static const struct dns_guard guard = { .name_max = DNS_NAME_DEFAULT_MAX,
	.entropy_tenths = DNS_ENTROPY_DEFAULT_TENTHS };
static struct bytes b;

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static enum dns_fault look_len(const struct bytes *bytes, uint32_t len, bool tcp)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum dns_fault fault;

	if (!copy)
		abort();
	memcpy(copy, bytes->at, len);
	fault = dns_question_look(copy, len, tcp, &guard);
	free(copy);
	return fault;
}

static void expect(enum dns_fault fault)
{
	assert_string_equal(dns_fault_name(look_len(&b, b.len, false)), dns_fault_name(fault));
}

static void put_name(const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		put8(&b, (unsigned)len);
		put(&b, name, len);
		name += len + (name[len] == '.');
	}
	put8(&b, 0);
}

static void question(const char *name, unsigned type, unsigned extra)
{
	b.len = 0;
	put32(&b, 0x12340120);
	put32(&b, 0x00010000);
	put32(&b, extra);
	put_name(name);
	put16(&b, type);
	put16(&b, 1);
}

/* EDNS with this much for options, which the caller puts. */
static void put_edns(unsigned len)
{
	put8(&b, 0);
	put16(&b, 41);
	put16(&b, 1232);
	put32(&b, 0x8000);
	put16(&b, len);
}

/* As hosts ask for them. */
static const char *const ordinary[] = {
	"www.example.com",
	"com",
	"",
	"localhost",
	"a.root-servers.net",
	"security.debian.org",
	"deb.debian.org",
	"ftp.de.debian.org",
	"debian.map.fastlydns.net",
	"archive.ubuntu.com",
	"de.archive.ubuntu.com",
	"security.ubuntu.com",
	"connectivity-check.ubuntu.com",
	"motd.ubuntu.com",
	"mirrorlist.centos.org",
	"mirrors.fedoraproject.org",
	"0.debian.pool.ntp.org",
	"2.centos.pool.ntp.org",
	"time.windows.com",
	"ctldl.windowsupdate.com",
	"settings-win.data.microsoft.com",
	"v10.events.data.microsoft.com",
	"fe2cr.update.microsoft.com.akadns.net",
	"sls.update.microsoft.com",
	"au.download.windowsupdate.com.edgesuite.net",
	"login.microsoftonline.com",
	"mystorageaccount.blob.core.windows.net",
	"mystorageaccount01.privatelink.blob.core.windows.net",
	"md-hdd-q1xbzkzp4rkm.z26.blob.storage.azure.net",
	"00a1b2c3-d4e5-46f7-8901-23456789abcd.ods.opinsights.azure.com",
	"weu-production-webapp-frontend.azurewebsites.net",
	"waws-prod-am2-221.westeurope.cloudapp.azure.com",
	"fonts.gstatic.com",
	"lh3.googleusercontent.com",
	"r3---sn-4g5ednsl.googlevideo.com",
	"r1---sn-h0jelnez-5hne.gvt1.com",
	"accounts.google.com",
	"connectivitycheck.gstatic.com",
	"clients2.googleusercontent.com",
	"optimizationguide-pa.googleapis.com",
	"d111111abcdef8.cloudfront.net",
	"d2m3ikv8mpgiy8.cloudfront.net",
	"my-bucket-with-a-long-name.s3.eu-central-1.amazonaws.com",
	"company-backups-2024-archive.s3.dualstack.us-west-2.amazonaws.com",
	"s3-us-west-2.amazonaws.com",
	"ec2-203-0-113-25.compute-1.amazonaws.com",
	"ec2-198-51-100-12.eu-central-1.compute.amazonaws.com",
	"ip-10-0-3-117.eu-west-1.compute.internal",
	"production-loadbalancer-1234567890.eu-west-1.elb.amazonaws.com",
	"internal-api-gateway-lb-987654321.us-east-1.elb.amazonaws.com",
	"a3k7odshaiipe8-ats.iot.us-east-1.amazonaws.com",
	"mydb.cluster-c1xyzabc2def.us-east-1.rds.amazonaws.com",
	"a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
	"e1234.dscb.akamaiedge.net",
	"a1887.dscq.akamai.net",
	"www.bbc.co.uk.pri.bbc.co.uk",
	"e6858.dsce9.akamaiedge.net",
	"cdn-0.nflximg.com",
	"ipv4-c012-fra001-ix.1.oca.nflxvideo.net",
	"star-mini.c10r.facebook.com",
	"scontent-frt3-1.xx.fbcdn.net",
	"prod.detectportal.prod.cloudops.mozgcp.net",
	"contile-images.services.mozilla.com",
	"firefox-settings-attachments.cdn.mozilla.net",
	"static.203-0-113-77.clients.your-server.de",
	"p5b0d1234.dip0.t-ipconnect.de",
	"dslb-188-099-123-045.188.099.pools.vodafone-ip.de",
	"cpe-203-0-113-7.socal.res.rr.com",
	"_ldap._tcp.dc._msdcs.corp.example.com",
	"_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.corp.example.com",
	"_kerberos._tcp.Default-First-Site-Name._sites.corp.example.com",
	"_ldap._tcp.a1b2c3d4-e5f6-4890-abcd-ef1234567890.domains._msdcs.corp.example.com",
	"a1b2c3d4-e5f6-4890-abcd-ef1234567890._msdcs.corp.example.com",
	"_services._dns-sd._udp.local",
	"_googlecast._tcp.local",
	"Office Printer (2nd floor)._ipp._tcp.example.com",
	"_sip._tls.example.com",
	"_xmpp-server._tcp.jabber.example.org",
	"_matrix-fed._tcp.example.org",
	"_acme-challenge.www.example.com",
	"_dmarc.mail.example.com",
	"_mta-sts.example.com",
	"20230601._domainkey.gmail.com",
	"selector1-contoso-com._domainkey.contoso.onmicrosoft.com",
	"6gbrjpgwjskckoa6a5zn6fwqkn67xbtw._domainkey.amazonses.com",
	"s1._domainkey.newsletter.example.com",
	"2.0.0.127.zen.spamhaus.org",
	"113.2.0.192.b.barracudacentral.org",
	"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org",
	"mail-relay-outbound.zen.dbl.spamhaus.org",
	"4.3.2.1.in-addr.arpa",
	"25.0-63.2.0.192.in-addr.arpa",
	"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	"xn--mnchen-3ya.example.de",
	"www.xn--80ak6aa92e.com",
	"xn--fiqs8s.xn--0zwm56d.xn--fiqs8s",
	"www.xn--hxajbheg2az3al.xn--jxalpdlp",
	"xn--bcher-kva.xn--tda.shop.example.ch",
	"registry-1.docker.io",
	"production.cloudflare.docker.com",
	"objects.githubusercontent.com",
	"pipelines.actions.githubusercontent.com",
	"pypi.python.org",
	"files.pythonhosted.org",
	"registry.npmjs.org",
	"kubernetes.default.svc.cluster.local",
	"prometheus-kube-prometheus-alertmanager.monitoring.svc.cluster.local",
	"api.telegram.org",
	"o1158394.ingest.us.sentry.io",
	"incoming.telemetry.mozilla.org",
	"safebrowsing.googleapis.com",
	"ocsp.int-x3.letsencrypt.org",
	"r3.o.lencr.org",
	"ocsp.digicert.com",
	"crl3.digicert.com",
	"wpad.corp.example.com",
	"isatap.corp.example.com",
	"WWW.ExAmPLe.cOm",
	"iRc.LiBeRa.ChAt",
	"llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch.co.uk",
	"the-quick-brown-fox-jumps-over-the-lazy-dog.blog.wordpress.com",
};

static void test_ordinary_names(void **state)
{
	static const uint16_t type[] = { 1, 28, 2, 5, 6, 12, 15, 16, 33, 35, 43, 48, 52, 64, 65,
		257 };

	(void)state;
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		question(ordinary[i], type[i % (sizeof(type) / sizeof(type[0]))], 0);
		if (look_len(&b, b.len, false) != DNS_FINE)
			fail_msg("%s: %s", ordinary[i], dns_fault_name(look_len(&b, b.len, false)));
	}
}

static uint64_t seed;

static unsigned number(unsigned below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)((seed >> 33) % below);
}

/* How tunnels write a payload: the letters, and where the labels end. */
static const struct tunnel {
	const char *tool, *letters;
	const char *before, *after; /* labels around the data */
	unsigned label, least;      /* longest label; characters from which on it is to be found */
} tunnels[] = {
	{ "iodine base32", "abcdefghijklmnopqrstuvwxyz012345", "0", "t.evil.com", 57, 36 },
	{ "iodine base64", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789+", "1",
		"t.evil.com", 57, 36 },
	{ "dnscat2", "0123456789abcdef", "", "dnscat.evil.com", 62, 32 },
	{ "dnscat2 short labels", "0123456789abcdef", "", "evil.com", 24, 56 },
	{ "dns2tcp", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "",
		"=auth.dns2tcp.evil.com", 63, 36 },
	{ "Cobalt Strike", "0123456789abcdef", "post.2", "12a3b4c5.ns1.evil.com", 56, 36 },
	{ "base36 short labels", "abcdefghijklmnopqrstuvwxyz0123456789", "", "cdn.evil.co.uk", 12,
		48 },
	{ "base32 with hyphens", "abcdefghijklmnopqrstuvwxyz234567-", "www", "evil.com", 30, 48 },
	{ "symbols", "!#$%&()*+,/:;<=>?@[]^`{|}~", "", "evil.com", 63, 36 },
};

/* A name with n characters of payload. */
static void tunnel_name(const struct tunnel *t, unsigned n, char name[static 512])
{
	size_t at = (size_t)snprintf(name, 512, "%s", t->before);
	size_t in_label = at - (size_t)(strrchr(name, '.') ? strrchr(name, '.') + 1 - name : 0);

	while (n--) {
		if (in_label == t->label) {
			name[at++] = '.';
			in_label = 0;
		}
		name[at++] = t->letters[number((unsigned)strlen(t->letters))];
		in_label++;
	}
	snprintf(name + at, 512 - at, ".%s", t->after);
}

static unsigned found(const struct tunnel *t, unsigned n, unsigned of)
{
	unsigned sum = 0;
	char name[512];

	for (unsigned i = 0; i < of; i++) {
		tunnel_name(t, n, name);
		question(name, 16, 0);
		sum += look_len(&b, b.len, false) != DNS_FINE;
	}
	return sum;
}

static void test_tunnels(void **state)
{
	char name[512];

	(void)state;
	seed = 1;
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		const struct tunnel *t = &tunnels[i];
		unsigned most = 88 - (unsigned)strlen(t->before) - (unsigned)strlen(t->after);

		printf("%-22s", t->tool);
		for (unsigned n = 16; n <= 64; n += 8)
			printf(" %u:%u", n, found(t, n, 1000));
		printf(" of 1000\n");
		/* Of those that stay below the limit of length. */
		for (unsigned k = 0; k < 200; k++) {
			tunnel_name(t, t->least + number(most - t->least), name);
			question(name, 16, 0);
			if (look_len(&b, b.len, false) != DNS_TUNNEL)
				fail_msg(
					"%s: %s", name, dns_fault_name(look_len(&b, b.len, false)));
		}
		tunnel_name(t, 150, name); /* the tool as it comes */
		question(name, 16, 0);
		expect(DNS_NAME_LONG);
	}
}

/* Bytes as in iodine's base128 and raw encodings. */
static void test_bytes(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		question("x.evil.com", 1, 0);
		b.at[13] = (uint8_t)byte;
		expect(byte < ' ' || byte > '~' ? DNS_BYTES : DNS_FINE);
	}
}

static void test_selectors(void **state)
{
	(void)state;
	question("6gbrjpgwjskckoa6a5zn6fwqkn67xbtw7._domainkey.evil.com", 16, 0);
	expect(DNS_TUNNEL); /* one more than a hash */
	question("6gbrjpgwjskckoa6a5zn6fwqkn67xbtw.6gbrjpgwjskckoa6a5zn6fwqkn67xbtw._domainkey.a.b",
		16, 0);
	expect(DNS_TUNNEL);
	question("6gbrjpgwjskckoa6a5zn6fwqkn67xbtw._domainkez.evil.com", 16, 0);
	expect(DNS_TUNNEL);
}

static void test_guard(void **state)
{
	struct dns_guard g = guard;

	(void)state;
	question("abcdefghijkl.mnopqrstuvwx.evil.com", 1, 0);
	assert_int_equal(dns_question_look(b.at, b.len, false, &g), DNS_TUNNEL);
	g.entropy_tenths = 50; /* no 24 characters have that much */
	assert_int_equal(dns_question_look(b.at, b.len, false, &g), DNS_FINE);
	g.name_max = (uint16_t)(b.len - 12 - 4);
	assert_int_equal(dns_question_look(b.at, b.len, false, &g), DNS_FINE);
	g.name_max--;
	assert_int_equal(dns_question_look(b.at, b.len, false, &g), DNS_NAME_LONG);
	g.name_max = 65535; /* 255 hold anyway */
	question("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		1, 0);
	assert_int_equal(dns_question_look(b.at, b.len, false, &g), DNS_NAME_LONG);
	for (unsigned n = 0; n < 2; n++) { /* 127 labels of one character: all that fits */
		b.len = 12;
		for (unsigned i = 0; i < 127 + n; i++)
			put16(&b, 0x0161);
		put8(&b, 0);
		put32(&b, 0x00010001);
		assert_int_equal(
			dns_question_look(b.at, b.len, false, &g), n ? DNS_NAME_LONG : DNS_TUNNEL);
	}
}

static void test_head(void **state)
{
	static const struct {
		unsigned at, bits;
		enum dns_fault fault;
	} row[] = {
		{ 2, 0x80, DNS_RESPONSE },
		{ 2, 0x28, DNS_OPCODE }, /* update */
		{ 2, 0x20, DNS_OPCODE }, /* notify */
		{ 2, 0x04, DNS_FLAGS },  /* AA */
		{ 2, 0x02, DNS_FLAGS },  /* TC */
		{ 2, 0x01, DNS_FINE },   /* RD */
		{ 3, 0x80, DNS_FLAGS },  /* RA */
		{ 3, 0x40, DNS_FLAGS },
		{ 3, 0x30, DNS_FINE }, /* AD, CD */
		{ 3, 0x01, DNS_FLAGS },
		{ 4, 0x01, DNS_COUNTS },
		{ 5, 0x03, DNS_COUNTS },
		{ 5, 0x00, DNS_FINE },
		{ 7, 0x01, DNS_COUNTS },
		{ 9, 0x01, DNS_COUNTS },
		{ 11, 0x03, DNS_COUNTS },
		{ 11, 0x01, DNS_SHORT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		question("www.example.com", 1, 0);
		b.at[row[i].at] |= (uint8_t)row[i].bits;
		expect(row[i].fault);
	}
	question("www.example.com", 1, 0);
	b.at[5] = 0;
	expect(DNS_COUNTS);
}

static void test_question(void **state)
{
	static const uint16_t refused[] = { 0, 10, 41, 128, 249, 250, 251, 252, 253, 254, 255, 262,
		32767, 65280, 65399, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		question("www.example.com", refused[i], 0);
		expect(DNS_TYPE);
	}
	for (unsigned class = 0; class < 256; class ++) {
		question("www.example.com", 1, 0);
		b.at[b.len - 1] = (uint8_t) class;
		expect(class == 1 ? DNS_FINE : DNS_CLASS);
	}
	for (unsigned kind = 0x40; kind <= 0xc0; kind += 0x40) {
		question("www.example.com", 1, 0);
		b.at[16] = (uint8_t)(kind | 12);
		expect(DNS_LABEL);
	}
	question("www.example.com", 1, 0);
	put8(&b, 0);
	expect(DNS_TRAILING);
}

static void test_edns(void **state)
{
	(void)state;
	question("www.example.com", 1, 1);
	put_edns(0);
	expect(DNS_FINE);
	put8(&b, 0);
	expect(DNS_TRAILING);
	question("www.example.com", 1, 1);
	put_edns(12); /* a cookie */
	put32(&b, 0x000a0008);
	put_zero(&b, 8);
	expect(DNS_FINE);
	b.at[b.len - 9] = 9; /* longer than the record */
	expect(DNS_EXTRA);
	for (unsigned len = DNS_OPTIONS_MAX; len <= DNS_OPTIONS_MAX + 1; len++) {
		question("www.example.com", 1, 1);
		put_edns(len);
		put16(&b, 12);
		put16(&b, len - 4);
		put_zero(&b, len - 4);
		expect(len > DNS_OPTIONS_MAX ? DNS_OPTION : DNS_FINE);
		b.at[b.len - 1] = 1; /* padding is of zeros */
		expect(DNS_OPTION);
	}
	question("www.example.com", 1, 2);
	put_edns(0);
	put_edns(0);
	expect(DNS_EXTRA);
	question("www.example.com", 1, 1);
	put_edns(0);
	b.at[b.len - 6] = 1; /* code */
	expect(DNS_EXTRA);
	question("www.example.com", 1, 1);
	put_edns(0);
	b.at[b.len - 9] = 1; /* an A record */
	expect(DNS_EXTRA);
}

static void put_signature(unsigned len)
{
	put_name("key.example.com");
	put32(&b, 250 << 16 | 255);
	put32(&b, 0);
	put16(&b, len);
	put_zero(&b, len);
}

static void test_signature(void **state)
{
	(void)state;
	question("www.example.com", 1, 1);
	put_signature(61);
	expect(DNS_FINE);
	question("www.example.com", 1, 2);
	put_edns(0);
	put_signature(61);
	expect(DNS_FINE);
	question("www.example.com", 1, 2);
	put_signature(61);
	put_edns(0);
	expect(DNS_EXTRA);
	question("www.example.com", 1, 1);
	put_signature(DNS_TSIG_MAX + 1);
	expect(DNS_OPTION);
}

/* A message cut off anywhere is no message, over TCP neither. */
static void test_prefixes_and_tcp(void **state)
{
	struct bytes tcp = { 0 };

	(void)state;
	question("www.example.com", 28, 2);
	put_edns(12);
	put32(&b, 0x000a0008);
	put_zero(&b, 8);
	put_signature(20);
	put16(&tcp, b.len);
	put(&tcp, b.at, b.len);
	expect(DNS_FINE);
	assert_int_equal(look_len(&tcp, tcp.len, true), DNS_FINE);
	for (uint32_t len = 0; len < b.len; len++)
		assert_int_equal(look_len(&b, len, false), DNS_SHORT);
	for (uint32_t len = 0; len < tcp.len; len++)
		assert_int_equal(look_len(&tcp, len, true), DNS_LENGTH);
	put16(&b, 0);
	assert_int_equal(look_len(&b, b.len, true), DNS_LENGTH);
	tcp.len = 0;
	put16(&tcp, 0);
	assert_int_equal(look_len(&tcp, tcp.len, true), DNS_SHORT);
	assert_string_equal(dns_fault_name(DNS_TUNNEL), "tunnel");
}

/* A stub resolver sends its questions for A and AAAA together. */
static void test_pipeline(void **state)
{
	struct bytes tcp = { 0 };

	(void)state;
	for (unsigned n = 1; n <= DNS_PIPELINE_MAX + 1; n++) {
		question("www.example.com", n == 3 ? 10 : 28, 0);
		put16(&tcp, b.len);
		put(&tcp, b.at, b.len);
		assert_int_equal(look_len(&tcp, tcp.len - 1, true), DNS_LENGTH);
		if (n == 3) {
			assert_int_equal(look_len(&tcp, tcp.len, true), DNS_TYPE);
			tcp.at[tcp.len - 3] = 28;
		}
		assert_int_equal(look_len(&tcp, tcp.len, true),
			n <= DNS_PIPELINE_MAX ? DNS_FINE : DNS_LENGTH);
		assert_int_equal(dns_question_count(tcp.at, tcp.len),
			n <= DNS_PIPELINE_MAX ? n : DNS_PIPELINE_MAX);
	}
	assert_int_equal(dns_question_count(tcp.at, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary_names),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_edns),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_prefixes_and_tcp),
		cmocka_unit_test(test_pipeline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/x509.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "proto/quic_keys.h"

static EVP_MD *md[HASH_KINDS];

/* By itself before main(), for those who forget it. */
__attribute__((constructor)) void proto_prepare(void)
{
	static const char *const names[HASH_KINDS] = { "MD5", "SHA1", "SHA256" };
	const unsigned char none[] = { 0x30, 0 }, *at = none;

	if (md[0])
		return;
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS, NULL);
	for (unsigned i = 0; i < HASH_KINDS; i++)
		md[i] = EVP_MD_fetch(NULL, names[i], NULL);
	X509_free(d2i_X509(NULL, &at, sizeof(none)));
	quic_keys_prepare();
	json_object_seed(0); /* out of a file */
	tzset();
}

bool hash_hex(enum hash_kind kind, const void *bytes, size_t len, char between, struct out *o)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned size;

	if (!md[kind] || !EVP_Digest(bytes, len, hash, &size, md[kind], NULL))
		return false;
	for (unsigned i = 0; i < size; i++) {
		if (i && between)
			out_char(o, between);
		out_hex(o, hash + i, 1);
	}
	return true;
}

/* Wide strings as UTF-8; all others as they are, so that a NUL in a name is seen. */
static void name_value(struct out *o, const ASN1_STRING *value)
{
	int type = ASN1_STRING_type(value);
	unsigned char *utf8;
	int len;

	if (type != V_ASN1_BMPSTRING && type != V_ASN1_UNIVERSALSTRING) {
		out_bytes(o, (const char *)ASN1_STRING_get0_data(value),
			(size_t)ASN1_STRING_length(value));
		return;
	}
	len = ASN1_STRING_to_UTF8(&utf8, value);
	if (len < 0)
		return;
	out_bytes(o, (const char *)utf8, (size_t)len);
	OPENSSL_free(utf8);
}

static void name_kind(struct out *o, const ASN1_OBJECT *object)
{
	int nid = OBJ_obj2nid(object);
	char text[128];

	if (nid != NID_undef) {
		out_str(o, OBJ_nid2sn(nid));
	} else if (OBJ_obj2txt(text, sizeof(text), object, 1) > 0) {
		out_str(o, text);
	}
}

/* C=FR, O=Stamus, CN=SELKS: in the order in which they stand. */
static void add_name(struct proto_fields *f, enum proto_buffer_id id, const X509_NAME *name)
{
	char text[X509_NAME_MAX];
	struct out o = out_make(text, sizeof(text));

	for (int i = 0; name && i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);

		if (i)
			out_str(&o, ", ");
		name_kind(&o, X509_NAME_ENTRY_get_object(entry));
		out_char(&o, '=');
		name_value(&o, X509_NAME_ENTRY_get_data(entry));
	}
	proto_fields_add(f, id, text, o.len);
}

/* The bytes of the number as it is encoded: a 00 before a high first bit. */
static void add_serial(struct proto_fields *f, const ASN1_INTEGER *serial)
{
	struct cur c = cur_make(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	char text[256];
	struct out o = out_make(text, sizeof(text));

	cur_limit(&c, 64);
	if (cur_ahead(c, 0) & 0x80)
		out_str(&o, "00:");
	for (bool first = true; cur_left(&c); first = false)
		out_fmt(&o, first ? "%02X" : ":%02X", cur_u8(&c));
	proto_fields_add(f, BUFFER_TLS_CERT_SERIAL, text, o.len);
}

static void add_alternative(struct proto_fields *f, const GENERAL_NAME *name)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
		proto_fields_add(f, BUFFER_TLS_SUBJECTALTNAME, ASN1_STRING_get0_data(value),
			(size_t)ASN1_STRING_length(value));
}

static void add_alternatives(struct proto_fields *f, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < X509_SANS_MAX; i++)
		add_alternative(f, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
}

static int64_t seconds(const ASN1_TIME *time)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void add_fingerprint(struct proto_fields *f, const uint8_t *der, size_t len)
{
	char text[64];
	struct out o = out_make(text, sizeof(text));

	if (hash_hex(HASH_SHA1, der, len, ':', &o))
		proto_fields_add(f, BUFFER_TLS_CERT_FINGERPRINT, text, o.len);
}

bool x509_read(struct proto_fields *f, const uint8_t *der, size_t len, struct x509_times *ret_times)
{
	const unsigned char *at = der;
	X509 *cert;

	add_fingerprint(f, der, len);
	if (len > X509_DER_MAX)
		return false;
	cert = d2i_X509(NULL, &at, (long)len);
	if (!cert)
		return false;
	add_name(f, BUFFER_TLS_CERT_SUBJECT, X509_get_subject_name(cert));
	add_name(f, BUFFER_TLS_CERT_ISSUER, X509_get_issuer_name(cert));
	add_serial(f, X509_get0_serialNumber(cert));
	add_alternatives(f, cert);
	*ret_times = (struct x509_times){ seconds(X509_get0_notBefore(cert)),
		seconds(X509_get0_notAfter(cert)) };
	X509_free(cert);
	return true;
}

void x509_time_text(struct out *o, int64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;
	char text[32];

	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		out_str(o, text);
}

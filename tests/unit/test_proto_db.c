/* SPDX-License-Identifier: Apache-2.0 */
/* Databases: MySQL, PostgreSQL, Microsoft SQL Server, Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

/* On no port of any of them: they are known by what they say. */
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 4444 } };

static int show_logins(void **state)
{
	(void)state;
	kit_show_logins = true;
	return 0;
}

#define MYSQL_GREETING                                                            \
	"J\0\0\0\n8.0.30\0\x08\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15\0\0\0" \
	"\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0"
#define MYSQL_RESPONSE                                                     \
	"\x14\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae" \
	"\xaf\xb0\xb1\xb2\xb3"
#define MYSQL_ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define MYSQL_LOGIN                                                        \
	"U\0\0\1\r\xa2\x08\0\0\0\0\1!" MYSQL_ZEROS "root\0" MYSQL_RESPONSE \
	"shop\0mysql_native_password\0"
#define MYSQL_DENIED "\xff\x15\4#28000Access denied"
#define MYSQL_HASH                                           \
	"$mysqlna$6162636465666768696a6b6c6d6e6f7071727374*" \
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3"
#define MYSQL_SAYS "mysql \"mysql\":{\"version\":\"8.0.30\",\"thread_id\":8,"
#define MYSQL_ERROR                                                                    \
	"\"response\":\"error\",\"error_code\":1045,\"sqlstate\":\"28000\",\"error\":" \
	"\"Access denied\"}\n"

static void test_mysql(void **state)
{
	static const struct kit_part parts[] = { S(MYSQL_GREETING), C(MYSQL_LOGIN),
		S("\7\0\0\2\0\0\0\2\0\0\0"), C("\x09\0\0\0\3SELECT 1"), S("\1\0\0\1\1\3\0\0\2def"),
		C("\6\0\0\0\2mysql"), S("\x16\0\0\1" MYSQL_DENIED),
		C("5\0\0\0\x11"
		  "eve\0" MYSQL_RESPONSE "db\0!\0mysql_native_password\0"),
		S("\x16\0\0\1" MYSQL_DENIED), C("\1\0\0\0\1") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login mysql_native_password root - " MYSQL_HASH " success\n" MYSQL_SAYS
		"\"user\":\"root\",\"database\":\"shop\",\"plugin\":\"mysql_native_password\","
		"\"response\":\"ok\"}\n"
		"mysql \"mysql\":{\"command\":\"query\",\"query\":\"SELECT 1\","
		"\"response\":\"rows\"}\n"
		"mysql \"mysql\":{\"command\":\"init_db\",\"database\":\"mysql\"," MYSQL_ERROR
		"login mysql_native_password eve - " MYSQL_HASH " failure\n"
		"mysql \"mysql\":{\"command\":\"change_user\",\"user\":\"eve\",\"database\":\"db\","
		"\"plugin\":\"mysql_native_password\"," MYSQL_ERROR
		"mysql \"mysql\":{\"command\":\"quit\"}\n");
}

/* Who is told that there is no such database, or that it is not his, has been let in before. */
static void test_mysql_no_database(void **state)
{
	static const struct kit_part none[] = { S(MYSQL_GREETING), C(MYSQL_LOGIN),
		S("\x10\0\0\2\xff\x19\4#42000Unknown") };
	static const struct kit_part others[] = { S(MYSQL_GREETING), C(MYSQL_LOGIN),
		S("\x16\0\0\2\xff\x14\4#42000Access denied") };

	(void)state;
	kit_check_lines(&tcp, PARTS(none), "login ",
		"login mysql_native_password root - " MYSQL_HASH " success\n");
	kit_check_lines(&tcp, PARTS(others), "login ",
		"login mysql_native_password root - " MYSQL_HASH " success\n");
}

/* In packets up to an empty one; not waited for; cut off. */
static void test_mysql_local_file(void **state)
{
#define MYSQL_IN   S(MYSQL_GREETING), C(MYSQL_LOGIN), S("\7\0\0\2\0\0\0\2\0\0\0")
#define MYSQL_LOAD C("\x05\0\0\0\3LOAD"), S("\x0c\0\0\1\xfb/etc/passwd")
	static const struct kit_part whole[] = { MYSQL_IN, MYSQL_LOAD,
		C("\5\0\0\2root:\2\0\0\3x\n\0\0\0\4"), S("\x09\0\0\1\xff\xff\xff\1\1\1\0\0\0"),
		S("\7\0\0\5\0\0\0\2\0\0\0"), C("\1\0\0\0\1") };
	static const struct kit_part refused[] = { MYSQL_IN, MYSQL_LOAD, C("\5\0\0\2root:"),
		S("\x16\0\0\3" MYSQL_DENIED), C("\1\0\0\3x\0\0\0\4\1\0\0\0\1") };
	/* Of an answer of more than 255 packets, a row that begins with NULL. */
	static const struct kit_part row[] = { MYSQL_IN, C("\5\0\0\0\3SHOW"), S("\1\0\0\1\1"),
		S("\3\0\0\1\xfb\1x"), C("\1\0\0\0\1") };
	static const struct kit_part ended[] = { MYSQL_IN, MYSQL_LOAD, C("\5\0\0\2roo") };

	(void)state;
	kit_check_lines(&tcp, PARTS(whole), "file ", "file /etc/passwd 7\n");
	kit_check_lines(&tcp, PARTS(whole), "mysql \"mysql\":{\"command\"",
		"mysql \"mysql\":{\"command\":\"query\",\"query\":\"LOAD\","
		"\"local_file\":\"/etc/passwd\",\"response\":\"ok\"}\n"
		"mysql \"mysql\":{\"command\":\"quit\"}\n");
	kit_check_lines(&tcp, PARTS(refused), "file ", "file /etc/passwd 5 cut\n");
	kit_check_lines(&tcp, PARTS(refused), "mysql \"mysql\":{\"command\":\"quit",
		"mysql \"mysql\":{\"command\":\"quit\"}\n");
	kit_check_lines(&tcp, PARTS(row), "mysql \"mysql\":{\"command\":\"quit",
		"mysql \"mysql\":{\"command\":\"quit\"}\n");
	kit_check_lines(&tcp, PARTS(ended), "file ", "file /etc/passwd 3 cut\n");
}

/* What is sent in hex, in packets longer than what is kept, and two in one; too short. */
static void test_mysql_hex(void **state)
{
#define MYSQL_H7   "41424344454647"
#define MYSQL_H8   MYSQL_H7 "48"
#define MYSQL_H56  MYSQL_H8 MYSQL_H8 MYSQL_H8 MYSQL_H8 MYSQL_H8 MYSQL_H8 MYSQL_H8
#define MYSQL_H64  MYSQL_H56 MYSQL_H8
#define MYSQL_H128 MYSQL_H64 MYSQL_H64
#define MYSQL_H512 MYSQL_H64 MYSQL_H64 MYSQL_H64 MYSQL_H64 MYSQL_H64 MYSQL_H64 MYSQL_H64 MYSQL_H64
	static const struct kit_part parts[] = { MYSQL_IN,
		C("\x24\x14\0\0\3SELECT 0x" MYSQL_H512 MYSQL_H512 MYSQL_H512),
		C(MYSQL_H512 MYSQL_H512 " INTO DUMPFILE '/p/udf.so'"), S("\7\0\0\1\0\0\0\2\0\0\0"),
		C("\x18\x02\0\0\3"
		  "INSERT t VALUES(x'" MYSQL_H128 "',0x" MYSQL_H128 ")"),
		S("\7\0\0\1\0\0\0\2\0\0\0"),
		C("\x26\x01\0\0\3"
		  "SELECT unhex(\"" MYSQL_H128 "\") INTO OUTFILE \"C:\\\\a\""),
		S("\7\0\0\1\0\0\0\2\0\0\0"),
		C("\x1c\x01\0\0\3"
		  "SELECT 0x4142, 'dumpfile', '" MYSQL_H64 MYSQL_H56 MYSQL_H7 "'"),
		S("\7\0\0\1\0\0\0\2\0\0\0"), C("\1\0\0\0\1") };
	static const struct kit_part ended[] = { MYSQL_IN,
		C("\0\x20\0\0\3SELECT 0x" MYSQL_H512 MYSQL_H512), C(MYSQL_H512 MYSQL_H512) };

	(void)state;
	kit_check_lines(&tcp, PARTS(parts), "file ",
		"file /p/udf.so 2560\nfile  128\nfile  128\nfile C:\\x5ca 128\n");
	kit_check_lines(&tcp, PARTS(parts), "mysql \"mysql\":{\"command\":\"quit",
		"mysql \"mysql\":{\"command\":\"quit\"}\n");
	kit_check_lines(&tcp, PARTS(ended), "file ", "file  2048 cut\n");
}

static void test_passwords_set(void **state)
{
	static const struct {
		const char *statement, *told;
	} cases[] = {
		{ "CREATE USER 'eve'@'%' IDENTIFIED BY 'pw'", "set sql eve pw - unknown\n" },
		{ "create user if not exists eve@localhost identified with sha256_password by "
		  "'p;w'",
			"set sql eve p;w - unknown\n" },
		{ "CREATE USER a IDENTIFIED BY 'x', 'b'@'%' IDENTIFIED BY 'y'",
			"set sql a x - unknown\nset sql b y - unknown\n" },
		{ "GRANT ALL ON *.* TO `eve`@'%' IDENTIFIED BY \"pw\" WITH GRANT OPTION",
			"set sql eve pw - unknown\n" },
		{ "GRANT ALL ON *.* TO eve IDENTIFIED BY PASSWORD '*6BB4'",
			"set sql eve - *6BB4 unknown\n" },
		{ "SET PASSWORD = PASSWORD('pw')", "set sql - pw - unknown\n" },
		{ "SET PASSWORD FOR 'root'@'%' = PASSWORD('pw')", "set sql root pw - unknown\n" },
		{ "set password for root = 'it''s'", "set sql root it''s - unknown\n" },
		{ "set password for root = 'p\\'w'", "set sql root p\\x5c'w - unknown\n" },
		{ "UPDATE mysql.user SET Password=PASSWORD('pw') WHERE User='root'; FLUSH "
		  "PRIVILEGES",
			"set sql root pw - unknown\n" },
		{ "USE mysql;UPDATE user SET authentication_string=PASSWORD('pw') WHERE user = "
		  "'root'",
			"set sql root pw - unknown\n" },
		{ "ALTER USER postgres WITH ENCRYPTED PASSWORD 'pw'",
			"set sql postgres pw - unknown\n" },
		{ "SELECT 1; CREATE ROLE eve LOGIN SUPERUSER PASSWORD 'pw'",
			"set sql eve pw - unknown\n" },
		{ "ALTER LOGIN [sa] WITH PASSWORD = N'pw' UNLOCK", "set sql sa pw - unknown\n" },
		{ "exec sp_addlogin 'eve', 'pw'; EXEC sp_addsrvrolemember 'eve', 'sysadmin'",
			"set sql eve pw - unknown\n" },
		{ "EXEC sp_password NULL, 'pw', 'sa'", "set sql sa pw - unknown\n" },
		/* None: they ask for one, or are not whole. */
		{ "SELECT * FROM users WHERE user = 'eve' AND password = 'pw'", "" },
		{ "UPDATE wp_users SET password = 'pw', password = 'w' WHERE user = 'eve'", "" },
		{ "CREATE TABLE user (password CHAR(9) DEFAULT 'x', user CHAR(9))", "" },
		{ "SET @password = 'pw'", "" },
		{ "ALTER ROLE postgres PASSWORD NULL", "" },
		{ "ALTER USER postgres PASSWORD 'p", "" },
		{ "INSERT INTO t VALUES ('CREATE USER eve IDENTIFIED BY \\'pw\\'')", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char packet[256] = "\0\0\0\0\3";
		size_t len = strlen(cases[i].statement);
		const struct kit_part parts[] = { MYSQL_IN, { 0, packet, len + 5 } };

		packet[0] = (char)(len + 1);
		memcpy(packet + 5, cases[i].statement, len);
		kit_check_lines(&tcp, PARTS(parts), "set ", cases[i].told);
	}
}

/* The server asks again, for the password itself. */
static void test_mysql_switch(void **state)
{
	static const struct kit_part parts[] = { S(MYSQL_GREETING), C(MYSQL_LOGIN),
		S("\x16\0\0\2\xfemysql_clear_password\0"), C("\7\0\0\3secret\0"),
		S("\x16\0\0\4" MYSQL_DENIED) };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login mysql_clear_password root secret " MYSQL_HASH " failure\n" MYSQL_SAYS
		"\"user\":\"root\",\"database\":\"shop\",\"plugin\":\"mysql_native_"
		"password\"," MYSQL_ERROR);
}

static void test_mysql_old(void **state)
{
	static const struct kit_part parts[] = { S(MYSQL_GREETING),
		C("\x17\0\0\1\r \0\0\1old\0IJKLMNOP\0test\0"), S("\7\0\0\2\0\0\0\2\0\0\0") };
	static const struct kit_part alone[] = { S("\x16\0\0\0\xff\x6a\4Host is not allowed") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login mysql_old_password old - $mysql$6162636465666768*494a4b4c4d4e4f50 "
		"success\n" MYSQL_SAYS "\"user\":\"old\",\"database\":\"test\","
		"\"response\":\"ok\"}\n");
	kit_check(&tcp, PARTS(alone),
		"mysql \"mysql\":{\"response\":\"error\",\"error_code\":1130,"
		"\"error\":\"Host is not allowed\"}\n");
}

static void test_mysql_tls(void **state)
{
	static const struct kit_part parts[] = { S(MYSQL_GREETING),
		C(" \0\0\1\r\xaa\x08\0\0\0\0\1!" MYSQL_ZEROS "\x16\3\1\0\5\1\0\0\1\0") };
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	kit_check(&tcp, PARTS(parts),
		MYSQL_SAYS "\"tls\":true}\ntls - !tls.handshake_invalid_length\n");
	kit_feed(conn, 1, parts[0].bytes, parts[0].len);
	kit_feed(conn, 0, parts[1].bytes, parts[1].len);
	assert_int_equal(proto_conn_before(conn), PROTO_MYSQL);
	assert_int_equal(proto_conn_app(conn), PROTO_TLS);
	proto_conn_free(conn);
}

/* Lengths that lie; a command longer than is looked at; nobody waits for the end of rows. */
static void test_mysql_hostile(void **state)
{
	static char command[4 + 60000] = "\x60\xea\0\0\3", rows[4 + 9000] = "\x28\x23\0\1\2";
	const struct kit_part lies[] = { S(MYSQL_GREETING),
		C("U\0\0\1\r\xa2\x08\0\0\0\0\1!" MYSQL_ZEROS "root\0\xff" MYSQL_RESPONSE
		  "hop\0mysql_native_password\0"),
		S("\7\0\0\2\0\0\0\2\0\0\0") };
	const struct kit_part large[] = { S(MYSQL_GREETING), C(MYSQL_LOGIN),
		S("\7\0\0\2\0\0\0\2\0\0\0"), { 0, command, sizeof(command) },
		{ 1, rows, sizeof(rows) }, C("\1\0\0\0\1") };
	const char *said;

	(void)state;
	kit_check(&tcp, PARTS(lies), "mysql \"mysql\":{\"version\":\"8.0.30\",\"thread_id\":8}\n");
	said = kit_run(&tcp, PARTS(large), 1000, SIZE_MAX);
	assert_non_null(
		strstr(said, "\"response\":\"rows\"}\nmysql \"mysql\":{\"command\":\"quit\"}\n"));
}

#define PG_STARTUP "\0\0\0006\0\3\0\0user\0bob\0database\0shop\0application_name\0psql\0\0"
#define PG_WELCOME                                                                   \
	"R\0\0\0\x08\0\0\0\0S\0\0\0\x11TimeZone\0UTC\0S\0\0\0\x14is_superuser\0on\0" \
	"K\0\0\0\x0c\0\0\0M\0\0\0XZ\0\0\0\5I"
#define PG_SAYS_STARTUP                                                               \
	"\"request\":{\"protocol_version\":\"3.0\",\"startup_parameters\":{\"user\":" \
	"\"bob\",\"optional_parameters\":[{\"database\":\"shop\"},"                   \
	"{\"application_name\":\"psql\"}]}},"
#define PG_SAYS_WELCOME                                                          \
	"\"message\":\"authentication_ok\",\"process_id\":77,\"secret_key\":88," \
	"\"parameter_status\":[{\"time_zone\":\"UTC\"},{\"is_superuser\":\"on\"}]}}\n"

static void test_pgsql(void **state)
{
	static const struct kit_part parts[] = { C("\0\0\0\x08\4\xd2\x16/"), S("N"), C(PG_STARTUP),
		S("R\0\0\0\x08\0\0\0\3"), C("p\0\0\0\x0bsecret\0"), S(PG_WELCOME),
		C("Q\0\0\0\x14SELECT a FROM t\0"),
		S("T\0\0\0\x1a\0\1a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0D\0\0\0\r\0\1\0\0"
		  "\0\3abcD\0\0\0\n\0\1\xff\xff\xff\xff"
		  "C\0\0\0\rSELECT 2\0Z\0\0\0\5I"),
		C("P\0\0\0\x11\0SELECT $1\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0"
		  "\0\0S\0\0\0\4"),
		S("1\0\0\0\0042\0\0\0\4E\0\0\0!SERROR\0C42601\0Msyntax error\0\0Z\0\0\0\5I"),
		C("X\0\0\0\4") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"pgsql \"pgsql\":{\"tx_id\":1,\"request\":{\"message\":\"SSL Request\"},"
		"\"response\":{\"ssl_accepted\":false}}\n"
		"pgsql \"pgsql\":{\"tx_id\":2," PG_SAYS_STARTUP "\"response\":{\"message\":"
		"\"authentication_cleartext_password\"}}\n"
		"login password bob secret - success\n"
		"pgsql \"pgsql\":{\"tx_id\":3,\"request\":{\"password_redacted\":true},"
		"\"response\":{" PG_SAYS_WELCOME
		"pgsql \"pgsql\":{\"tx_id\":4,\"request\":{\"simple_query\":\"SELECT a FROM t\"},"
		"\"response\":{\"field_count\":1,\"data_rows\":2,\"data_size\":3,"
		"\"command_completed\":\"SELECT 2\"}}\n"
		"pgsql \"pgsql\":{\"tx_id\":5,\"request\":{\"extended_query\":\"SELECT $1\"},"
		"\"response\":{\"severity_localizable\":\"ERROR\",\"code\":\"42601\","
		"\"message\":\"syntax error\"}}\n"
		"pgsql \"pgsql\":{\"tx_id\":6,\"request\":{\"message\":"
		"\"termination_message\"}}\n");
}

static void test_pgsql_md5(void **state)
{
	static const struct kit_part parts[] = { C(PG_STARTUP), S("R\0\0\0\x0c\0\0\0\5\x88'N5"),
		C("p\0\0\0(md5e4cfa9552468cae5d48ca2822ca36e22\0"),
		S("E\0\0\0QSFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for use"
		  "r \"bob\"\0Fauth.c\0\0") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"pgsql \"pgsql\":{\"tx_id\":1," PG_SAYS_STARTUP
		"\"response\":{\"authentication_md5_password\":\"\\\\x88'N5\"}}\n"
		"login md5 bob - $postgres$bob*88274e35*e4cfa9552468cae5d48ca2822ca36e22 failure\n"
		"pgsql \"pgsql\":{\"tx_id\":2,\"request\":{\"password_redacted\":true},"
		"\"response\":{\"severity_localizable\":\"FATAL\",\"severity_non_localizable\":"
		"\"FATAL\",\"code\":\"28P01\",\"message\":\"password authentication failed for "
		"user \\\"bob\\\"\",\"file\":\"auth.c\"}}\n");
}

static void test_pgsql_scram(void **state)
{
	static const struct kit_part parts[] = { C(PG_STARTUP),
		S("R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"),
		C("p\0\0\0)SCRAM-SHA-256\0\0\0\0\x13n,,n=,r=clientnonce"),
		S("R\0\0\0002\0\0\0\x0br=clientnonceservernonce,s=c2FsdA==,i=4096"),
		C("p\0\0\0.c=biws,r=clientnonceservernonce,p=cHJvb2Y="),
		S("R\0\0\0\x16\0\0\0\x0cv=c2lnbmF0dXJl" PG_WELCOME) };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"pgsql \"pgsql\":{\"tx_id\":1," PG_SAYS_STARTUP
		"\"response\":{\"authentication_sasl\":\"SCRAM-SHA-256\"}}\n"
		"pgsql \"pgsql\":{\"tx_id\":2,\"request\":{\"sasl_authentication_mechanism\":"
		"\"SCRAM-SHA-256\",\"sasl_param\":\"n,,n=,r=clientnonce\"},\"response\":{"
		"\"authentication_sasl_continue\":"
		"\"r=clientnonceservernonce,s=c2FsdA==,i=4096\"}}\n"
		"login scram-sha-256 bob - c=biws,r=clientnonceservernonce,p=cHJvb2Y= success\n"
		"pgsql \"pgsql\":{\"tx_id\":3,\"request\":{\"password_redacted\":true},"
		"\"response\":{\"authentication_sasl_final\":\"v=c2lnbmF0dXJl\"," PG_SAYS_WELCOME);
}

static void test_pgsql_other(void **state)
{
	static const struct kit_part tls[] = { C("\0\0\0\x08\4\xd2\x16/"), S("S"),
		C("\x16\3\1\0\5\1\0\0\1\0") };
	static const struct kit_part cancel[] = { C("\0\0\0\x10\4\xd2\x16.\0\0\0M\0\0\0X") };
	static const struct kit_part lies[] = { C(PG_STARTUP "Q\0\0\0\3"),
		S("R\0\0\0\x08\0\0\0\0E\xff\xff\xff\xff") };

	(void)state;
	kit_check(&tcp, PARTS(tls),
		"pgsql \"pgsql\":{\"tx_id\":1,\"request\":{\"message\":\"SSL Request\"},"
		"\"response\":{\"ssl_accepted\":true}}\ntls - !tls.handshake_invalid_length\n");
	kit_check(&tcp, PARTS(cancel),
		"pgsql \"pgsql\":{\"tx_id\":1,\"request\":{\"message\":\"cancel_request\","
		"\"process_id\":77,\"secret_key\":88}}\n");
	kit_check(&tcp, PARTS(lies),
		"pgsql \"pgsql\":{\"tx_id\":1,\"request\":{\"protocol_version\":\"3.0\","
		"\"startup_parameters\":{\"user\":\"bob\",\"optional_parameters\":"
		"[{\"database\":\"shop\"},{\"application_name\":\"psql\"}]}}}\n"
		"login - bob - - unknown\n");
}

#define TDS_PRELOGIN(type, encryption)                                                            \
	type "\1\0 \0\0\1\0\0\0\x10\0\6\1\0\x16\0\1\2\0\x17\0\1\xff\x0b\0\x08\x34\0\0" encryption \
	     "\0"
#define TDS_SAYS_PRELOGIN(encryption)                                                           \
	"mssql "                                                                                \
	"\"mssql\":{\"command\":\"prelogin\",\"version\":\"11.0.2100\",\"encryption\":"         \
	"\"" encryption "\",\"server\":{\"version\":\"11.0.2100\",\"encryption\":\"" encryption \
	"\"}}\n"
#define TDS_SAYS_LOGIN                                                                        \
	"mssql \"mssql\":{\"command\":\"login\",\"tds_version\":\"7.4\",\"hostname\":\"pc\"," \
	"\"user\":\"sa\",\"app_name\":\"app\",\"server\":\"srv\",\"library\":\"ODBC\","
#define TDS_LOGIN                                                                   \
	"\x10\1\0\x86\0\0\1\0~\0\0\0\4\0\0t\0\x10\0\0\7\0\0\0d\0\0\0\0\0\0\0\xe0"   \
	"\3\0\0\0\0\0\0\x09\4\0\0^\0\2\0b\0\2\0f\0\2\0j\0\3\0p\0\3\0v\0\0\0v\0\4"   \
	"\0~\0\0\0~\0\0\0\0\0\0\0\0\0~\0\0\0~\0\0\0~\0\0\0\0\0\0\0p\0c\0s\0a\0\x92" \
	"\xa5\xb3\xa5"                                                              \
	"a\0p\0p\0s\0r\0v\0O\0D\0B\0C\0"
#define TDS_DONE "\xfd\0\0\0\0\0\0\0\0\0\0\0\0"

static void test_mssql(void **state)
{
	static const struct kit_part parts[] = { C(TDS_PRELOGIN("\x12", "\2")),
		S(TDS_PRELOGIN("\4", "\2")),
		C("\x10\1\0\x98\0\0\1\0\x90\0\0\0\4\0\0t\0\x10\0\0\7\0\0\0d\0\0\0\0\0\0\0\xe0"
		  "\3\0\0\0\0\0\0\x09\4\0\0^\0\2\0b\0\2\0f\0\5\0p\0\3\0v\0\3\0|\0\0\0|\0\4"
		  "\0\x84\0\0\0\x84\0\6\0\0\0\0\0\0\0\x90\0\0\0\x90\0\0\0\x90\0\0\0\0\0\0\0"
		  "p\0c\0s\0a\0\xa0\xa5\xeb\xa5\x92\xa5\x92\xa5\xb6\xa5"
		  "a\0p\0p\0s\0r\0v\0O\0D\0B\0C\0m\0a\0s\0t\0e\0r\0"),
		S("\4\1\0\\\0\0\1\0\xe3\x0f\0\1\6m\0a\0s\0t\0e\0r\0\0\xad"
		  "2\0\1t\0\0\4\x14M\0i\0c\0r\0o\0s\0o\0f\0t\0 \0S\0Q\0L\0 \0S\0e\0r\0v\0e\0r\0"
		  "\x0b\0\x08\x34" TDS_DONE),
		C("\1\1\0J\0\0\1\0\x16\0\0\0\x12\0\0\0\2\0\0\0\0\0\0\0\0\0\1\0\0\0E\0X\0E\0"
		  "C\0 \0x\0p\0_\0c\0m\0d\0s\0h\0e\0l\0l\0 \0'\0d\0i\0r\0'\0"),
		S("\4\1\0006\0\0\1\0\xaa\x1e\0\xb1;\0\0\1\x0e\7\0b\0l\0o\0c\0k\0e\0d\0\1S\0"
		  "\0\1\0\0\0" TDS_DONE),
		C("\3\1\0$\0\0\1\0\x16\0\0\0\x12\0\0\0\2\0\0\0\0\0\0\0\0\0\1\0\0\0\xff\xff"
		  "\n\0\0\0"),
		S("\4\0\0\x0b\0\0\1\0\x81\0\0\4\1\0\x15\0\0\1\0" TDS_DONE) };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		TDS_SAYS_PRELOGIN(
			"not_supported") "login password sa P\\xc3\\xa4ss1 - "
					 "success\n" TDS_SAYS_LOGIN
					 "\"database\":\"master\",\"program\":\"Microsoft SQL "
					 "Server\","
					 "\"response\":\"ok\"}\n"
					 "mssql \"mssql\":{\"command\":\"batch\",\"query\":\"EXEC "
					 "xp_cmdshell 'dir'\","
					 "\"response\":\"error\",\"error_code\":15281,\"severity\":"
					 "14,"
					 "\"error\":\"blocked\"}\n"
					 "mssql "
					 "\"mssql\":{\"command\":\"rpc\",\"procedure_id\":10,"
					 "\"response\":\"ok\"}\n");
}

static void test_mssql_denied(void **state)
{
	static const struct kit_part parts[] = { C(TDS_LOGIN),
		S("\4\1\0^\0\0\1\0\xaa"
		  "F\0\x18H\0\0\1\x0e\x1b\0L\0o\0g\0i\0n\0 \0f\0a\0i\0l\0e\0d\0 \0f\0o\0r\0"
		  " \0u\0s\0e\0r\0 \0'\0s\0a\0'\0.\0\1S\0\0\1\0\0\0" TDS_DONE) };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login password sa sa - failure\n" TDS_SAYS_LOGIN
		"\"response\":\"error\",\"error_code\":18456,\"severity\":14,"
		"\"error\":\"Login failed for user 'sa'.\"}\n");
}

/* A program in hex, in two packets of one batch. */
static void test_mssql_hex(void **state)
{
#define TDS_H8  "a\0b\0c\0d\0e\0f\0a\0b\0c\0d\0e\0f\0a\0b\0c\0d\0"
#define TDS_H64 TDS_H8 TDS_H8 TDS_H8 TDS_H8 TDS_H8 TDS_H8 TDS_H8 TDS_H8
	static const struct kit_part parts[] = { C(TDS_LOGIN),
		C("\1\0\2,\0\0\1\0\x16\0\0\0\x12\0\0\0\2\0\0\0\0\0\0\0\0\0\1\0\0\0"
		  "F\0R\0O\0M\0 \0"
		  "0\0x\0" TDS_H64 TDS_H64),
		C("\1\1\1\n\0\0\2\0" TDS_H64 ";\0") };

	(void)state;
	kit_check_lines(&tcp, PARTS(parts), "file ", "file  192\n");
	kit_check_lines(&tcp, parts, 2, "file ", "file  128 cut\n");
}

/* What follows is TLS; places and lengths that lie. */
static void test_mssql_other(void **state)
{
	static const struct kit_part tls[] = { C(TDS_PRELOGIN("\x12", "\1")),
		S(TDS_PRELOGIN("\4", "\1")), C("\x12\1\0\x12\0\0\1\0\x16\3\1\0\5\1\0\0\1\0"),
		S("\x12\1\0\x12\0\0\1\0\x16\3\1\0\5\2\0\0\1\0") };
	char login[sizeof(TDS_LOGIN) - 1];
	const struct kit_part lies[] = { { 0, login, sizeof(login) },
		S("\4\1\0\x10\0\0\1\0\xad\xff\xff\1t\0\0\4"), C("\1\1\0\7\0\0\1\0") };

	(void)state;
	memcpy(login, TDS_LOGIN, sizeof(login));
	memset(login + 8 + 36, 0xff, 48);
	kit_check(&tcp, PARTS(tls), TDS_SAYS_PRELOGIN("on"));
	kit_check(&tcp, PARTS(lies),
		"mssql \"mssql\":{\"command\":\"login\",\"tds_version\":\"7.4\","
		"\"response\":\"ok\"}\n"
		"login sspi - - - unknown\n");
}

static void put_old_name(char *packet, size_t place, const char *name)
{
	memcpy(packet + 8 + place, name, strlen(name));
	packet[8 + place + 30] = (char)strlen(name);
}

/* Before 7.0, in clear, as those log in who try passwords: what is said then is of one byte a character. */
static void test_mssql_old(void **state)
{
	static char packet[512] = "\2\0\2\0\0\0\2";
	const struct kit_part ask = { 0, packet, sizeof(packet) };
	const struct kit_part good[] = { ask, C("\2\1\0\x09\0\0\0\0x"),
		S("\4\1\0%\0\0\0\0\xad\x0d\0\1\4\2\0\0\3SQL\0\0\0\0" TDS_DONE),
		C("\1\1\0\x10\0\0\0\0select 1"), S("\4\1\0\x15\0\0\0\0" TDS_DONE) };
	const struct kit_part wrong[] = { ask,
		S("\4\1\0&\0\0\0\0\xaa\x0e\0\x18H\0\0\1\x0e\2\0no\0\0\1\0" TDS_DONE) };
	const struct kit_part refused[] = { ask,
		S("\4\1\0%\0\0\0\0\xad\x0d\0\6\5\0\0\0\3ASE\0\0\0\0" TDS_DONE) };

	(void)state;
	put_old_name(packet, 0, "pc");
	put_old_name(packet, 31, "sa");
	put_old_name(packet, 62, "geheim");
	put_old_name(packet, 140, "squelda 1.0");
	kit_check(&tcp, PARTS(good),
		"login password sa geheim - success\n"
		"mssql \"mssql\":{\"command\":\"login\",\"hostname\":\"pc\",\"user\":\"sa\","
		"\"app_name\":\"squelda 1.0\",\"program\":\"SQL\",\"response\":\"ok\"}\n"
		"mssql \"mssql\":{\"command\":\"batch\",\"query\":\"select "
		"1\",\"response\":\"ok\"}\n");
	kit_check(&tcp, PARTS(wrong),
		"login password sa geheim - failure\n"
		"mssql \"mssql\":{\"command\":\"login\",\"hostname\":\"pc\",\"user\":\"sa\","
		"\"app_name\":\"squelda 1.0\",\"response\":\"error\",\"error_code\":18456,"
		"\"severity\":14,\"error\":\"no\"}\n");
	kit_check(&tcp, PARTS(refused), NULL);
	assert_true(kit_has(&tcp, PARTS(refused), "login password sa geheim - failure\n"));
	kit_spoil(&tcp, PARTS(wrong));
	packet[8 + 31 + 5] = 'x'; /* behind the user's name */
	assert_string_equal(kit_run(&tcp, PARTS(wrong), 0, SIZE_MAX), "");
	packet[8 + 31 + 5] = 0;
	packet[8 + 61] = 31;
	assert_string_equal(kit_run(&tcp, PARTS(wrong), 0, SIZE_MAX), "");
}

static void test_redis(void **state)
{
	static const struct kit_part parts[] = { C("*2\r\n$4\r\nAUTH\r\n$8\r\nfoobared\r\n"),
		S("-WRONGPASS invalid password\r\n"),
		C("*3\r\n$4\r\nauth\r\n$5\r\nadmin\r\n$6\r\nsecret\r\n*4\r\n$6\r\nCONFIG\r"
		  "\n$3\r\nSET\r\n$3\r\ndir\r\n$10\r\n/root/.ssh\r\n"),
		S("+OK\r\n+OK\r\n"),
		C("SET k v\r\n*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
		S("+OK\r\n*2\r\n$1\r\nk\r\n*1\r\n:5\r\n$1\r\nv\r\n") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login - - foobared - failure\n"
		"redis \"redis\":{\"command\":\"AUTH\",\"reply\":\"WRONGPASS invalid password\"}\n"
		"login - admin secret - success\n"
		"redis \"redis\":{\"command\":\"auth\",\"reply\":\"OK\"}\n"
		"redis \"redis\":{\"command\":\"CONFIG\",\"arguments\":[\"SET\",\"dir\","
		"\"/root/.ssh\"],\"reply\":\"OK\"}\n"
		"redis "
		"\"redis\":{\"command\":\"SET\",\"arguments\":[\"k\",\"v\"],\"reply\":\"OK\"}\n"
		"redis \"redis\":{\"command\":\"KEYS\",\"arguments\":[\"*\"],"
		"\"reply_elements\":\"2\"}\n"
		"redis \"redis\":{\"command\":\"GET\",\"arguments\":[\"k\"],\"reply\":\"v\"}\n");
}

/* RESP 3: a map for an answer, and what nobody asked for. */
static void test_redis_3(void **state)
{
	static const struct kit_part parts[] = {
		C("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\neve\r\n$2\r\npw\r\n"),
		S("%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), C("*2\r\n$3\r\nGET\r\n$1\r\nx\r\n"),
		S(">2\r\n+a\r\n+b\r\n$-1\r\n")
	};

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"login - eve pw - success\n"
		"redis \"redis\":{\"command\":\"HELLO\",\"reply_elements\":\"1\"}\n"
		"redis "
		"\"redis\":{\"command\":\"GET\",\"arguments\":[\"x\"],\"reply\":\"(nil)\"}\n");
}

static void test_redis_plain(void **state)
{
	static const struct proto_flow_info own = { .ip_proto = 6, .port = { 4000, 6379 } };
	static const struct kit_part parts[] = { C("AUTH one\r\nAUTH two\r\n"),
		S("-ERR invalid password\r\n"), S("+OK\r\n"), C("\r\nINFO\r\n"),
		S("$3\r\nabc\r\n") };

	(void)state;
	kit_check(&own, PARTS(parts),
		"login - - one - failure\n"
		"redis \"redis\":{\"command\":\"AUTH\",\"reply\":\"ERR invalid password\"}\n"
		"login - - two - success\n"
		"redis \"redis\":{\"command\":\"AUTH\",\"reply\":\"OK\"}\n"
		"redis \"redis\":{\"command\":\"INFO\",\"reply\":\"abc\"}\n");
}

/* More attempts than are kept before the first answer: the oldest stay unknown, the others have each its own. */
static void test_redis_logins_ahead(void **state)
{
	static char asks[1024], answers[512];
	struct out a = out_make(asks, sizeof(asks)), b = out_make(answers, sizeof(answers));
	const char *said;
	char line[64];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		out_fmt(&a, "*2\r\n$4\r\nAUTH\r\n$3\r\np%02u\r\n", i);
		out_str(&b, i == 13 ? "+OK\r\n" : "-ERR invalid password\r\n");
	}
	said = kit_run(&tcp, (struct kit_part[]){ { 0, asks, a.len }, { 1, answers, b.len } }, 2, 0,
		SIZE_MAX);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "login - - p%02u - %s\n", i,
			i < 4     ? "unknown"
			: i == 13 ? "success"
				  : "failure");
		assert_non_null(strstr(said, line));
	}
}

/* What a server takes, and a client that hides says: lines that are none, words between any white space, heads that end
 * with any byte behind a carriage return, numbers of nothing. */
static void test_redis_odd(void **state)
{
	static const struct proto_flow_info own = { .ip_proto = 6, .port = { 4000, 6379 } };
	static const struct kit_part unknown[] = { C("X\r\n"), S("-ERR unknown command 'X'\r\n"),
		C("*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n"), S("+OK\r\n") };
	static const struct kit_part blank[] = { C("\r\n\n*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n"),
		S("+OK\r\n") };
	static const struct kit_part tabs[] = { C(" AUTH\tp\r\n"), S("+OK\r\n") };
	static const struct kit_part heads[] = { C("*2\rx$4\r\0AUTH\rx$1\r\rp\r\n"), S("+OK\r\n") };
	static const struct kit_part nothing[] = {
		C("*0\r\n*-1\r\n*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n"), S("+OK\r\n")
	};
	static char line[9000];
	static const struct kit_part others[] = { S(":1"), S(":10.0.0.1 001"), S("$1"), S("$5 a") };

	(void)state;
	kit_check(&tcp, PARTS(unknown),
		"redis \"redis\":{\"command\":\"X\",\"reply\":\"ERR unknown command 'X'\"}\n"
		"login - - p - success\nredis \"redis\":{\"command\":\"AUTH\",\"reply\":\"OK\"}\n");
#define AUTH "login - - p - success\nredis \"redis\":{\"command\":\"AUTH\",\"reply\":\"OK\"}\n"
	kit_check(&tcp, PARTS(blank), AUTH);
	kit_check(&own, PARTS(tabs), AUTH);
	kit_check(&tcp, PARTS(heads), AUTH);
	kit_check(&own, PARTS(nothing), AUTH);
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 9, "\r\nAUTH p\n", 9);
	for (size_t piece = 0; piece < 3000; piece += 1300) {
		kit_run(&own,
			(struct kit_part[]){ { 0, line, sizeof(line) }, S("-ERR\r\n+OK\r\n") }, 2,
			piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "login - - p - success\n"));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct proto_conn *conn = kit_open(&tcp);

		kit_feed(conn, 1, others[i].bytes, others[i].len);
		assert_int_not_equal(proto_conn_id(conn, 1), PROTO_REDIS);
		proto_conn_free(conn);
	}
}

/* A key that is set to a program, and a rogue master that sends one. */
static void test_redis_files(void **state)
{
#define TEN(x) x x x x x x x x x x
#define VALUE  \
	"\x7f" \
	"ELF56789" TEN(TEN("abcdef"))
	static const struct kit_part set[] = { C("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$609\r\n" VALUE
						 "\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
		S("+OK\r\n$2\r\nhi\r\n") };
	static const struct kit_part sync[] = { C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n"),
		C("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"),
		S("+FULLRESYNC 0123 1\r\n\n\n$609\r\n" VALUE "*1\r\n$4\r\nPING\r\n"),
		C("*1\r\n$4\r\nQUIT\r\n"), S("+OK\r\n") };
	static const struct kit_part goes_on[] = { C("*3\r\n$5\r\nPSYNC\r\n$1\r\nx\r\n$1\r\n7\r\n"),
		S("+CONTINUE\r\n"), C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n") };
	const char *said;

	(void)state;
	kit_check(&tcp, PARTS(set), NULL);
	said = kit_run(&tcp, PARTS(set), 0, SIZE_MAX);
	assert_non_null(strstr(said, "file k 609\n"));
	assert_non_null(strstr(said, "abcdef\"],\"reply\":\"OK\"}"));
	assert_non_null(
		strstr(said, "\"command\":\"GET\",\"arguments\":[\"k\"],\"reply\":\"hi\"}"));
	kit_check(&tcp, PARTS(sync),
		"redis \"redis\":{\"command\":\"PING\",\"reply\":\"PONG\"}\n"
		"file  609\n"
		"redis \"redis\":{\"command\":\"PSYNC\",\"arguments\":[\"?\",\"-1\"],"
		"\"reply\":\"FULLRESYNC 0123 1\"}\n"
		"redis \"redis\":{\"command\":\"QUIT\",\"reply\":\"OK\"}\n");
	kit_check(&tcp, PARTS(goes_on),
		"redis \"redis\":{\"command\":\"PSYNC\",\"arguments\":[\"x\",\"7\"],"
		"\"reply\":\"CONTINUE\"}\n"
		"redis \"redis\":{\"command\":\"PING\",\"reply\":\"PONG\"}\n");
}

/* More arguments and bytes than are kept; more commands than wait; lengths that lie. */
static void test_redis_hostile(void **state)
{
	static char many[64 << 10], large[20000], replies[10 << 10];
	struct out m = out_make(many, sizeof(many)), l = out_make(large, sizeof(large));
	struct out r = out_make(replies, sizeof(replies));
	static const struct kit_part lies[] = { C("*1\r\n$4\r\nPING\r\n*99999999999\r\n$1\r\n"),
		S("*999999999\r\n*999999999\r\n") };
	const char *said;

	(void)state;
	out_str(&l, "*70\r\n$3\r\nSET\r\n$9000\r\n");
	for (unsigned i = 0; i < 9000; i++)
		out_char(&l, 'x');
	for (unsigned i = 0; i < 68; i++)
		out_str(&l, "\r\n$1\r\ny");
	out_str(&l, "\r\n*1\r\n$4\r\nQUIT\r\n");
	for (unsigned i = 0; i < 200; i++) {
		out_fmt(&m, "*2\r\n$4\r\nECHO\r\n$3\r\n%03u\r\n", i);
		out_fmt(&r, "$3\r\n%03u\r\n", i);
	}
	out_str(&m, "*1\r\n$4\r\nLAST\r\n");
	out_str(&r, "+bye\r\n");
	said = kit_run(&tcp, (struct kit_part[]){ { 0, large, l.len } }, 1, 700, SIZE_MAX);
	assert_non_null(
		strstr(said, "\"arguments_left_out\":6}\nredis \"redis\":{\"command\":\"QUIT\"}"));
	said = kit_run(&tcp,
		(struct kit_part[]){ { 0, many, m.len }, { 1, replies, r.len },
			C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n") },
		4, 100, SIZE_MAX);
	assert_non_null(strstr(said, "\"arguments\":[\"063\"],\"reply\":\"063\"}"));
	assert_non_null(strstr(said, "\"command\":\"LAST\"}\n"));
	assert_non_null(strstr(said, "\"command\":\"PING\",\"reply\":\"PONG\"}"));
	kit_check(&tcp, PARTS(lies),
		"redis \"redis\":{\"command\":\"PING\",\"reply_elements\":\"999999999\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mysql),
		cmocka_unit_test(test_mysql_no_database),
		cmocka_unit_test(test_mysql_local_file),
		cmocka_unit_test(test_mysql_hex),
		cmocka_unit_test(test_passwords_set),
		cmocka_unit_test(test_mysql_switch),
		cmocka_unit_test(test_mysql_old),
		cmocka_unit_test(test_mysql_tls),
		cmocka_unit_test(test_mysql_hostile),
		cmocka_unit_test(test_pgsql),
		cmocka_unit_test(test_pgsql_md5),
		cmocka_unit_test(test_pgsql_scram),
		cmocka_unit_test(test_pgsql_other),
		cmocka_unit_test(test_mssql),
		cmocka_unit_test(test_mssql_hex),
		cmocka_unit_test(test_mssql_denied),
		cmocka_unit_test(test_mssql_other),
		cmocka_unit_test(test_mssql_old),
		cmocka_unit_test(test_redis),
		cmocka_unit_test(test_redis_3),
		cmocka_unit_test(test_redis_plain),
		cmocka_unit_test(test_redis_logins_ahead),
		cmocka_unit_test(test_redis_odd),
		cmocka_unit_test(test_redis_files),
		cmocka_unit_test(test_redis_hostile),
	};

	return cmocka_run_group_tests(tests, show_logins, NULL);
}

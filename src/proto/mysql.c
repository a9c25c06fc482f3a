/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MySQL and MariaDB (MySQL's "Client/Server Protocol": Connection Phase, Command Phase). The
 * greeting, the login and its result are one transaction; then each command and the first packet
 * of its answer. What the server asks the client for (LOAD DATA LOCAL, or a server that steals) is a file: what the
 * client's packets hold, up to an empty one.
 */
#include "proto/sql_file.h"
#include "proto/sql_password.h"
#include "proto/talk.h"

#include <ctype.h>

#define MYSQL_CHALLENGE_MAX 20
#define MYSQL_OLD_CHALLENGE 8  /* what mysql_old_password uses of it */
#define MYSQL_RESPONSE_MAX  32 /* of caching_sha2_password; no plugin's is longer */
#define MYSQL_GREETING_MAX  1024
#define MYSQL_VERSION_MAX   64
#define MYSQL_HEAD          4 /* length in three bytes, number of the packet */

enum {
	CAP_WITH_DATABASE = 1u << 3,
	CAP_COMPRESS = 1u << 5,
	CAP_PROTOCOL_41 = 1u << 9,
	CAP_SSL = 1u << 11,
	CAP_SECURE = 1u << 15,
	CAP_PLUGIN = 1u << 19,
	CAP_LONG_RESPONSE = 1u << 21,
	CAP_ZSTD = 1u << 26,
	CAP_QUERY_ATTRIBUTES = 1u << 27
};

/* Errors about the database, which only those get whose password was right. */
enum { ERROR_NOT_THIS_DATABASE = 1044, ERROR_NO_DATABASE = 1049 };
/* None, but how far a command is (MariaDB, "Progress Reporting"). */
enum { ERROR_PROGRESS = 0xffff };

enum { SAID_OK, SAID_MORE, SAID_LOCAL_FILE = 0xfb, SAID_SWITCH = 0xfe, SAID_ERROR = 0xff };

enum {
	COM_QUIT = 1,
	COM_INIT_DB,
	COM_QUERY,
	COM_CREATE_DB = 5,
	COM_DROP_DB,
	COM_CHANGE_USER = 0x11,
	COM_STMT_PREPARE = 0x16,
	COM_STMT_LONG_DATA = 0x18,
	COM_STMT_CLOSE
};

static const char *const commands[] = { "sleep", "quit", "init_db", "query", "field_list",
	"create_db", "drop_db", "refresh", "shutdown", "statistics", "process_info", "connect",
	"process_kill", "debug", "ping", "time", "delayed_insert", "change_user", "binlog_dump",
	"table_dump", "connect_out", "register_slave", "stmt_prepare", "stmt_execute",
	"stmt_send_long_data", "stmt_close", "stmt_reset", "set_option", "stmt_fetch", "daemon",
	"binlog_dump_gtid", "reset_connection" };

/* The first three are known by what they do. */
static const char *const plugins[] = { "mysql_native_password", "mysql_old_password",
	"mysql_clear_password", "caching_sha2_password", "sha256_password", "client_ed25519",
	"dialog", "auth_gssapi_client", "authentication_windows_client", "parsec" };
enum { NATIVE_PASSWORD, OLD_PASSWORD, CLEAR_PASSWORD };

enum phase { GREETING, LOGIN, COMMANDS };

struct mysql {
	struct proto_conn *conn;
	struct talk_queue queue;
	struct proto_login login;
	enum phase phase;
	uint64_t skip[2];
	uint32_t caps; /* of the client */
	uint8_t challenge[MYSQL_CHALLENGE_MAX];
	uint8_t challenge_len;
	bool asked; /* the client's next packet answers the challenge */
	bool over, unreadable;
	struct proto_tx *local; /* its answer asks for a file; NULL: none */
	struct proto_fields_file *file;
	uint32_t file_left; /* of the packet */
	bool sends_file;    /* the client */
	bool is_late;       /* the answer, behind others */
	struct sql_file sql;
};

static uint64_t read_lenenc(struct cur *c)
{
	uint8_t first = cur_u8(c);
	uint64_t low;

	if (first == 0xfc)
		return cur_le16(c);
	if (first == 0xfd) {
		low = cur_le16(c);
		return low | (uint64_t)cur_u8(c) << 16;
	}
	return first == 0xfe ? cur_le64(c) : first;
}

static void set_plugin(struct mysql *m, struct cur name)
{
	m->login.method = NULL;
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (cur_left(&name) == strlen(plugins[i]) &&
			memcmp(name.at, plugins[i], cur_left(&name)) == 0)
			m->login.method = plugins[i];
}

static void take_challenge(struct mysql *m, struct cur first, struct cur second)
{
	m->challenge_len = (uint8_t)cur_left(&first);
	cur_copy(&first, m->challenge, m->challenge_len);
	if (cur_left(&second) >= MYSQL_CHALLENGE_MAX - MYSQL_OLD_CHALLENGE) {
		cur_copy(&second, m->challenge + MYSQL_OLD_CHALLENGE,
			MYSQL_CHALLENGE_MAX - MYSQL_OLD_CHALLENGE);
		m->challenge_len = MYSQL_CHALLENGE_MAX;
	}
}

/* "$mysqlna$CHALLENGE*RESPONSE", both in hex, as crackers know native passwords; of others they know none. */
static void take_hash(struct mysql *m, struct cur response)
{
	char text[PROTO_LOGIN_MAX + 1];
	struct out o = out_make(text, sizeof(text));
	size_t len =
		m->login.method == plugins[OLD_PASSWORD] ? MYSQL_OLD_CHALLENGE : m->challenge_len;

	if (!m->challenge_len || !cur_left(&response))
		return;
	cur_limit(&response, MYSQL_RESPONSE_MAX);
	out_str(&o, m->login.method == plugins[NATIVE_PASSWORD] ? "$mysqlna$" : "$mysql$");
	out_hex(&o, m->challenge, len);
	out_char(&o, '*');
	out_hex(&o, response.at, cur_left(&response));
	proto_login_hash(&m->login, (const uint8_t *)text, o.len);
}

static void take_response(struct mysql *m, struct cur response)
{
	m->asked = false;
	if (m->login.method == plugins[CLEAR_PASSWORD]) {
		response = text_until(&response, 0);
		proto_login_password(&m->login, response.at, cur_left(&response));
		return;
	}
	if (m->login.method == plugins[OLD_PASSWORD])
		response = text_until(&response, 0);
	take_hash(m, response);
}

static struct proto_tx *new_tx(struct mysql *m)
{
	struct proto_tx *tx = proto_fields_tx(m->conn, "mysql");

	if (tx)
		talk_queue_add(&m->queue, tx);
	return tx;
}

/* Who logs in, and how. */
static void say_login(struct mysql *m, struct proto_tx *tx, struct cur user, struct cur database,
	struct cur plugin)
{
	char text[TALK_JSON_MAX];
	struct out o = talk_out(tx->data, text, sizeof(text));

	talk_text(&o, "user", user);
	if (cur_left(&database))
		talk_text(&o, "database", database);
	if (cur_left(&plugin))
		talk_text(&o, "plugin", plugin);
	talk_say(tx->data, &o);
	proto_login_user(&m->login, user.at, cur_left(&user));
}

/* Protocol::HandshakeResponse320; the response ends with a NUL or the packet. */
static bool take_login_320(struct mysql *m, struct proto_tx *tx, struct cur c)
{
	struct cur user, response, database;

	cur_skip(&c, 5);
	if (!cur_ok(&c))
		return false;
	user = text_until(&c, 0);
	response = text_until(&c, 0);
	database = text_until(&c, 0);
	if (!(m->caps & CAP_WITH_DATABASE))
		database = cur_make(NULL, 0);
	m->login.method = plugins[OLD_PASSWORD];
	say_login(m, tx, user, database, cur_make(NULL, 0));
	take_response(m, response);
	return true;
}

static struct cur read_response(uint32_t caps, struct cur *c)
{
	if (caps & CAP_LONG_RESPONSE)
		return cur_sub(c, read_lenenc(c));
	if (caps & CAP_SECURE)
		return cur_sub(c, cur_u8(c));
	return text_until(c, 0);
}

/* Protocol::HandshakeResponse41. */
static bool take_login_41(struct mysql *m, struct proto_tx *tx, struct cur c)
{
	struct cur user, response, database = cur_make(NULL, 0), plugin = database;

	cur_skip(&c, 4 + 4 + 1 + 23);
	user = text_until(&c, 0);
	response = read_response(m->caps, &c);
	if (m->caps & CAP_WITH_DATABASE)
		database = text_until(&c, 0);
	if (m->caps & CAP_PLUGIN)
		plugin = text_until(&c, 0);
	if (!cur_ok(&c))
		return false;
	set_plugin(m, plugin);
	if (!(m->caps & CAP_PLUGIN))
		m->login.method = plugins[m->caps & CAP_SECURE ? NATIVE_PASSWORD : OLD_PASSWORD];
	say_login(m, tx, user, database, plugin);
	take_response(m, response);
	return true;
}

/* Protocol::SSLRequest is the beginning of a login, without a user. */
static bool is_ssl_request(uint32_t caps, size_t size)
{
	return caps & CAP_SSL && size == (caps & CAP_PROTOCOL_41 ? 32 : 5);
}

static void begin_tls(struct mysql *m, struct proto_tx *tx)
{
	char text[32];
	struct out o = talk_out(tx->data, text, sizeof(text));

	json_bool(&o, "tls", true);
	talk_say(tx->data, &o);
	talk_queue_next(&m->queue);
	m->over = true;
	proto_conn_start_over(m->conn);
}

static void take_login(struct mysql *m, struct cur c)
{
	struct proto_tx *tx = talk_queue_first(&m->queue);
	struct cur caps = c;
	bool is_41 = cur_le16(&caps) & CAP_PROTOCOL_41;

	if (!tx)
		tx = new_tx(m); /* the greeting was not seen */
	if (!tx)
		return;
	caps = c;
	m->caps = is_41 ? cur_le32(&caps) : cur_le16(&caps);
	m->phase = LOGIN;
	if (is_ssl_request(m->caps, cur_left(&c)))
		begin_tls(m, tx);
	else if (!(is_41 ? take_login_41(m, tx, c) : take_login_320(m, tx, c)))
		m->unreadable = true;
	proto_tx_done(tx, 0);
}

/* COM_CHANGE_USER: another login. */
static void take_change_user(struct mysql *m, struct proto_tx *tx, struct cur c)
{
	struct cur user = text_until(&c, 0), response, database, plugin;

	response = m->caps & CAP_SECURE ? cur_sub(&c, cur_u8(&c)) : text_until(&c, 0);
	database = text_until(&c, 0);
	cur_skip(&c, cur_left(&c) < 2 ? cur_left(&c) : 2);
	plugin = m->caps & CAP_PLUGIN ? text_until(&c, 0) : cur_make(NULL, 0);
	if (!cur_ok(&c))
		return;
	m->phase = LOGIN;
	set_plugin(m, plugin);
	say_login(m, tx, user, database, plugin);
	take_response(m, response);
}

/* COM_QUERY may begin with no parameters, in one set. */
static void skip_attributes(const struct mysql *m, struct cur *c)
{
	if (m->caps & CAP_QUERY_ATTRIBUTES && cur_left(c) >= 2 && cur_ahead(*c, 0) == 0 &&
		cur_ahead(*c, 1) == 1)
		cur_skip(c, 2);
}

static void say_command(struct mysql *m, struct proto_tx *tx, uint8_t command, struct cur c)
{
	struct proto_fields *f = tx->data;
	char text[TALK_JSON_MAX];
	struct out o = talk_out(f, text, sizeof(text));

	if (command < sizeof(commands) / sizeof(commands[0]))
		json_str(&o, "command", commands[command]);
	else
		json_u64(&o, "command", command);
	if (command == COM_QUERY) {
		skip_attributes(m, &c);
		sql_file_begin(&m->sql, tx);
		sql_file_take(&m->sql, c);
		sql_passwords(m->conn, c);
	}
	if (command == COM_QUERY || command == COM_STMT_PREPARE)
		talk_text(&o, "query", c);
	else if (command == COM_INIT_DB || command == COM_CREATE_DB || command == COM_DROP_DB)
		talk_text(&o, "database", c);
	talk_say(f, &o);
}

static void take_command(struct mysql *m, struct cur c)
{
	uint8_t command = cur_u8(&c);
	bool answered =
		command != COM_QUIT && command != COM_STMT_LONG_DATA && command != COM_STMT_CLOSE;
	struct proto_tx *tx;

	if (!cur_ok(&c))
		return;
	tx = answered ? new_tx(m) : proto_fields_tx(m->conn, "mysql");
	if (!tx)
		return;
	tx->state.done[1] |= !answered;
	say_command(m, tx, command, c);
	if (command == COM_CHANGE_USER)
		take_change_user(m, tx, c);
	if (m->sql.tx && m->skip[0])
		return; /* more of it comes */
	if (m->sql.tx)
		sql_file_done(&m->sql);
	else
		proto_tx_done(tx, 0);
}

static void take_client(struct mysql *m, uint8_t number, struct cur c)
{
	if (m->phase == GREETING)
		take_login(m, c);
	else if (m->phase == LOGIN && m->asked)
		take_response(m, c);
	else if (m->phase == COMMANDS && number == 0)
		take_command(m, c);
}

static void say_error(struct out *o, struct cur c)
{
	json_str(o, "response", "error");
	json_u64(o, "error_code", cur_le16(&c));
	if (cur_ahead(c, 0) == '#') {
		cur_skip(&c, 1);
		talk_text(o, "sqlstate", cur_sub(&c, 5));
	}
	talk_text(o, "error", c);
}

static void say_answer(struct proto_fields *f, uint8_t said, struct cur c)
{
	char text[TALK_JSON_MAX];
	struct out o = talk_out(f, text, sizeof(text));

	if (said == SAID_ERROR)
		say_error(&o, c);
	else if (said == SAID_LOCAL_FILE)
		talk_text(&o, "local_file", c);
	else
		json_str(&o, "response", said == SAID_OK ? "ok" : "rows");
	talk_say(f, &o);
}

/* Protocol::HandshakeV10; an older or newer greeting says nothing but its version. */
static void take_greeting(struct mysql *m, uint8_t protocol, struct cur c)
{
	char text[TALK_JSON_MAX];
	struct proto_tx *tx = new_tx(m);
	struct out o = out_make(text, sizeof(text));
	struct cur first;

	if (!tx)
		return;
	talk_text(&o, "version", text_until(&c, 0));
	json_u64(&o, "thread_id", cur_le32(&c));
	talk_say(tx->data, &o);
	proto_tx_news(tx, 1);
	if (protocol != 10)
		return;
	first = cur_sub(&c, MYSQL_OLD_CHALLENGE);
	cur_skip(&c, 1);
	if (!cur_ok(&c))
		return;
	cur_skip(&c, 2 + 1 + 2 + 2 + 1 + 10); /* caps, charset, status, caps, length, zeros */
	take_challenge(m, first, c);
}

/* Protocol::AuthSwitchRequest; without a plugin it is the oldest one. */
static void take_switch(struct mysql *m, struct cur c)
{
	struct cur challenge;

	if (cur_left(&c)) {
		set_plugin(m, text_until(&c, 0));
		challenge = cur_sub(&c,
			cur_left(&c) < MYSQL_OLD_CHALLENGE ? cur_left(&c) : MYSQL_OLD_CHALLENGE);
		if (cur_left(&challenge))
			take_challenge(m, challenge, c);
	} else {
		m->login.method = plugins[OLD_PASSWORD];
	}
	m->asked = true;
}

static enum proto_login_result judge(uint8_t said, struct cur c)
{
	uint16_t error = said == SAID_ERROR ? cur_le16(&c) : 0;

	return said == SAID_OK || error == ERROR_NOT_THIS_DATABASE || error == ERROR_NO_DATABASE
		       ? PROTO_LOGIN_SUCCESS
		       : PROTO_LOGIN_FAILURE;
}

static void take_result(struct mysql *m, uint8_t said, struct cur c)
{
	struct proto_tx *tx = talk_queue_first(&m->queue);

	if (said == SAID_SWITCH)
		take_switch(m, c);
	if (said != SAID_OK && said != SAID_ERROR)
		return;
	if (tx)
		say_answer(tx->data, said, c);
	talk_queue_next(&m->queue);
	proto_login_end(m->conn, &m->login, judge(said, c));
	m->phase = COMMANDS;
	m->unreadable = m->caps & (CAP_COMPRESS | CAP_ZSTD);
}

static void end_file(struct mysql *m, bool cut)
{
	if (m->local)
		proto_fields_file_end(m->local, m->file, cut);
	m->file = NULL;
}

static void begin_file(struct mysql *m, struct proto_tx *tx, struct cur name)
{
	end_file(m, true); /* one that it has asked for before */
	m->sends_file = m->is_late = true;
	m->file_left = 0;
	m->local = tx;
	m->file = proto_fields_file(tx, 0, name.at, cur_left(&name));
}

/* What comes of the file; false: the length of a packet is not whole. */
static bool take_file(struct mysql *m, struct cur *c)
{
	struct cur head = *c, part = *c;

	if (!m->file_left) {
		m->file_left = cur_le32(&head) & 0xffffff;
		if (!cur_ok(&head)) {
			m->file_left = 0;
			return false;
		}
		*c = head;
		m->sends_file = m->file_left;
		if (!m->sends_file)
			end_file(m, false);
		return true;
	}
	cur_limit(&part, m->file_left);
	m->file_left -= (uint32_t)cur_left(&part);
	cur_skip(c, cur_left(&part));
	if (m->file)
		proto_fields_file_add(m->local, m->file, part.at, cur_left(&part));
	return true;
}

static void take_answer(struct mysql *m, uint8_t number, uint8_t said, struct cur c)
{
	struct proto_tx *tx = talk_queue_first(&m->queue);
	struct cur error = c;

	if (number != 1 && !m->is_late)
		return;
	if (said == SAID_ERROR && cur_le16(&error) == ERROR_PROGRESS) {
		m->is_late = true;
		return;
	}
	m->is_late = false;
	if (tx)
		say_answer(tx->data, said, c);
	if (tx && number == 1 && said == SAID_LOCAL_FILE) {
		begin_file(m, tx, c);
		return;
	}
	end_file(m, true); /* it was not waited for */
	m->local = NULL;
	talk_queue_next(&m->queue);
}

static void take_server(struct mysql *m, uint8_t number, struct cur c)
{
	uint8_t said = cur_u8(&c);
	struct proto_tx *tx = talk_queue_first(&m->queue);

	if (!cur_ok(&c))
		return;
	if (m->phase == LOGIN) {
		take_result(m, said, c);
	} else if (m->phase == GREETING && said != SAID_ERROR) {
		if (!tx)
			take_greeting(m, said, c);
	} else if (m->phase == GREETING && (tx || (tx = new_tx(m)))) { /* it lets nobody in */
		say_answer(tx->data, said, c);
		tx->state.done[0] = true;
		talk_queue_next(&m->queue);
	} else if (m->phase == COMMANDS) {
		take_answer(m, number, said, c);
	}
}

/* A packet, or as much of it as is looked at; false: not here yet. */
static bool take_packet(struct mysql *m, unsigned side, struct cur *c)
{
	struct cur rest = *c, body;
	uint32_t head = cur_le32(&rest);
	size_t size = head & 0xffffff;
	size_t kept = size < TALK_KEEP_MAX ? size : TALK_KEEP_MAX;

	if (cur_left(c) < MYSQL_HEAD || cur_left(&rest) < kept)
		return false;
	body = cur_sub(&rest, kept);
	*c = rest;
	m->skip[side] = size - kept;
	if (side)
		take_server(m, (uint8_t)(head >> 24), body);
	else
		take_client(m, (uint8_t)(head >> 24), body);
	return true;
}

/* What is not kept of it may be a file's. */
static void skip_request(struct mysql *m, struct cur *c)
{
	sql_file_skip(&m->sql, &m->skip[0], c);
	if (!m->skip[0])
		sql_file_done(&m->sql);
}

static size_t mysql_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct mysql *m = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !m->over && !m->unreadable) {
		if (side)
			talk_skip(&m->skip[side], &c);
		else
			skip_request(m, &c);
		if (side == 0 && m->sends_file ? !take_file(m, &c) : !take_packet(m, side, &c))
			break;
	}
	if (end && side == 0) {
		end_file(m, true);
		sql_file_cut(&m->sql);
	}
	return m->unreadable ? SIZE_MAX : len - cur_left(&c);
}

static void *mysql_open(struct proto_conn *conn)
{
	struct mysql *m = proto_alloc(conn, sizeof(*m));

	if (m)
		m->conn = conn;
	return m;
}

static void mysql_close(void *state)
{
	struct mysql *m = state;

	proto_login_end(m->conn, &m->login, PROTO_LOGIN_UNKNOWN);
	proto_free(m->conn, m, sizeof(*m));
}

static void mysql_free_tx(void *data)
{
	struct mysql *m = proto_conn_state(((struct proto_fields *)data)->conn);

	talk_queue_forget(&m->queue, data);
	sql_file_forget(&m->sql, data);
	if (m->local && m->local->data == data) {
		m->local = NULL;
		m->file = NULL;
	}
	proto_fields_free(data);
}

/* A greeting: protocol 10, a version as text, a thread, eight bytes and a zero. Or an error in
 * its place. */
static enum proto_guess guess_server(struct cur c, uint32_t head)
{
	struct cur version;
	uint8_t said;

	if (head >> 24 || (head & 0xffffff) < 16 || head > MYSQL_GREETING_MAX)
		return PROTO_IS_NOT;
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	said = cur_u8(&c);
	if (said == SAID_ERROR) {
		uint16_t code = cur_le16(&c);

		return !cur_ok(&c)                   ? PROTO_MAY_BE
		       : code >= 1000 && code < 5000 ? PROTO_IS
						     : PROTO_IS_NOT;
	}
	if (said != 10)
		return PROTO_IS_NOT;
	version = text_until(&c, 0);
	for (struct cur text = version; cur_left(&text);)
		if (!isprint(cur_u8(&text)))
			return PROTO_IS_NOT;
	if (cur_left(&version) > MYSQL_VERSION_MAX || (!cur_left(&version) && cur_left(&c)))
		return PROTO_IS_NOT;
	if (cur_left(&c) < 13)
		return PROTO_MAY_BE;
	return cur_ahead(c, 12) ? PROTO_IS_NOT : PROTO_IS;
}

/* A login since MySQL 4.1: what it can, and zeros. (MariaDB uses the last four of them.) */
static enum proto_guess guess_client(struct cur c, uint32_t head)
{
	uint32_t caps = cur_le32(&c);

	if (head >> 24 != 1 || (head & 0xffffff) < 32 || (head & 0xffffff) > TALK_KEEP_MAX)
		return PROTO_IS_NOT;
	cur_skip(&c, 4 + 1);
	for (unsigned i = 0; i < 19; i++)
		if (cur_u8(&c) != 0)
			return PROTO_IS_NOT;
	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	return caps & CAP_PROTOCOL_41 ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess mysql_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint32_t head = cur_le32(&c);

	(void)info;
	if (len < MYSQL_HEAD)
		return PROTO_MAY_BE;
	return side ? guess_server(c, head) : guess_client(c, head);
}

const struct proto_parser proto_mysql = { .id = PROTO_MYSQL,
	.ip_proto = 6,
	.guess = mysql_guess,
	.open = mysql_open,
	.close = mysql_close,
	.feed = mysql_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = mysql_free_tx };

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto - application protocols: from bytes in order to transactions with named buffers.
 *
 * A connection (struct proto_conn) takes the bytes of a flow, side by side as they come, finds out
 * which protocol it is, and hands each transaction to the caller when there is news of it. What a
 * transaction holds is asked for by the rows of proto/buffer.def (bytes), proto/number.def
 * (numbers) and proto_json() (the EVE object). The rules, the records and the file recovery all
 * read transactions; nobody else parses.
 *
 * Every byte is hostile. A parser never fails the connection: what it cannot read becomes an event
 * (proto/event.def) and the rest is not looked at any more. Memory of a connection is bounded by
 * PROTO_CONN_BYTES_MAX, counted at one place (proto_charge(), private); beyond it the connection is
 * `overrun`.
 *
 * Side 0 is the client, who began; side 1 the server. Behind a SOCKS that the server asked for they
 * have changed places in the protocol (struct proto_tx_state, client), not for the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct out;

#define PROTO_CONN_BYTES_MAX (1u << 20) /* kept for one connection, all transactions together */
#define PROTO_TX_MAX         256 /* transactions of one connection at a time; then it is overrun */
#define PROTO_TX_EVENTS_MAX  16
#define PROTO_BODY_KEEP      (128u << 10) /* the last bytes of a body or file: what rules see */
#define PROTO_BODY_ROOM_MAX  (PROTO_BODY_KEEP / 2 * 3) /* at times there are more of them */

enum proto_id {
	PROTO_NONE,
#define PROTO(ID, name, text) PROTO_##ID,
#include "proto/proto.def"
#undef PROTO
	PROTO_COUNT,
	PROTO_FAILED = 255 /* it is none that we know */
};

enum proto_buffer_id {
	BUFFER_NONE,
#define BUFFER(ID, name, snort, proto, sides, flags, text) BUFFER_##ID,
#include "proto/buffer.def"
#undef BUFFER
	BUFFER_COUNT
};

enum proto_number_id {
	NUMBER_NONE,
#define NUMBER(ID, name, proto, sides, text) NUMBER_##ID,
#include "proto/number.def"
#undef NUMBER
	NUMBER_COUNT
};

/* Flags of a buffer. */
#define BUFFER_MULTI  1u /* there may be more than one instance in a transaction */
#define BUFFER_GROWS  2u /* bytes are added while the transaction goes on: bodies, files */
#define BUFFER_PACKET 4u /* of the packet, not of a transaction */
#define BUFFER_HOLDS  8u /* its contents do not end with a NUL or separator; nothing to normalise */

struct proto_buffer_info {
	const char *name;  /* sticky buffer: "http.uri" */
	const char *snort; /* modifier: "http_uri", or NULL */
	const char *text;
	uint8_t proto; /* enum proto_id; PROTO_NONE: of any */
	uint8_t sides; /* bit 0: sent by the client, bit 1: by the server */
	uint8_t flags;
};
const struct proto_buffer_info *proto_buffer_info(enum proto_buffer_id id);
/* By either name; BUFFER_NONE. */
enum proto_buffer_id proto_buffer_find(const char *name, size_t len);
enum proto_number_id proto_number_find(const char *name, size_t len);
const struct proto_buffer_info *proto_number_info(enum proto_number_id id);
/* Values that have a name (proto/number_word.def): NULL, false when it has none. */
const char *proto_number_word(enum proto_number_id id, uint64_t value);
bool proto_number_value(enum proto_number_id id, const char *word, size_t len, uint64_t *ret_value);
const char *proto_name(enum proto_id id); /* "http", as EVE's app_proto */
enum proto_id proto_find(const char *name, size_t len);
/* Whether what is said of `proto` is meant of `app`, too: SMB's pipes carry DCERPC, HTTP/2 is HTTP. */
bool proto_includes(enum proto_id proto, enum proto_id app);

/* Bytes of a transaction, borrowed until the next call that takes bytes. */
struct proto_bytes {
	const uint8_t *at;
	uint32_t len;
	uint64_t offset; /* of the first byte in what grows; 0 for all else */
	bool complete;   /* nothing will be added */
};

struct proto_conn;
struct proto_tx;

/* What a transaction has come to. */
struct proto_tx_state {
	uint64_t id;
	enum proto_id proto;
	uint8_t client;  /* side of the connection that asks: 1 behind a SOCKS whose server asked */
	bool done[2];    /* who asks and who answers, in that order, has said all of it */
	uint32_t events; /* how many there are */
	/* Grows with each news: of what was looked at, nothing changed if this did not. */
	uint32_t change;
};

/* News of a transaction. `side` is whose bytes it was. The transaction is valid during the call.
 * The last call of each, and only that, sees both sides done. */
typedef void proto_on_tx(void *context, struct proto_tx *tx, unsigned side);
/* A piece of a file: `len` 0 with `end` closes it. `name` may be empty. Nearly always a piece begins where the last
 * one ended (`offset` is the `size` that was told last, 0 at first). One that begins behind it leaves a hole, and one
 * that begins before it fills a hole or says anew what was there; only protocols that read and write files in any
 * order (SMB) have such pieces. A file is whole when its pieces leave no hole and it is not `cut`. */
struct proto_file {
	uint64_t id;         /* in this connection */
	struct proto_tx *tx; /* NULL: it goes on when the transactions that brought it are over */
	enum proto_id proto;
	const char *name;
	uint32_t name_len;
	unsigned side;
	uint64_t offset; /* in the file, of the first byte of this piece */
	uint64_t size; /* so far, this piece included: where the piece that reaches farthest ends */
	uint64_t
		carried; /* bytes of all pieces so far, this one included; what came twice counts twice */
	bool end, cut; /* cut: the end was not seen */
};
typedef void proto_on_file(
	void *context, const struct proto_file *file, const uint8_t *bytes, size_t len);

/* Another connection is announced in this one (FTP's data, DCC). The caller knows it by its
 * addresses, IP protocol and port. */
struct proto_expect {
	enum proto_id proto;
	uint8_t ip_proto; /* 6, 17 */
	uint16_t port;    /* of the one who listens */
	uint8_t listens;  /* side of this connection whose host listens */
	uint8_t sender;   /* side of this connection whose host sends the file */
	/* In both, side 1 is not this connection's server, but this host; unset: any. */
	bool elsewhere;
	struct ip other;
	/* FTP between two servers (FXP), or one of several addresses: the listener may be here, and who connects to a
	 * server anybody. Unset: neither. */
	struct ip also;
	char command[8];
	uint64_t offset; /* of the first byte in the file */
	uint32_t name_len, peer_len;
	char name[255]; /* of a file; of who listens, if it is a chat */
	char peer[128]; /* chat: of who connects */
};
typedef void proto_on_expect(void *context, const struct proto_expect *expect);

/* A proxy was asked, and has agreed: what follows in this connection it passes on to another host, and back. */
struct proto_tunnel {
	const uint8_t *host; /* a name, or an address as text */
	uint32_t host_len;
	uint16_t port;
};
typedef void proto_on_tunnel(void *context, const struct proto_tunnel *tunnel);

/* An attempt to log in, told when the other side has said whether it was good, or nobody will. */
#define PROTO_LOGIN_MAX 128 /* bytes of user and password that are kept; the rest is cut */
#define PROTO_LOGIN_HASH_MAX \
	2048 /* of the hash: NetNTLMv2's holds the names of the server and its domain */
enum proto_login_result { PROTO_LOGIN_UNKNOWN, PROTO_LOGIN_SUCCESS, PROTO_LOGIN_FAILURE };
struct proto_login_text {
	uint8_t text[PROTO_LOGIN_MAX];
	uint16_t len;
};
struct proto_login_hash {
	uint8_t *bytes; /* there only if `len` is not 0 */
	uint16_t len;
};
struct proto_login {
	const char
		*method; /* a literal: "password", "cram-md5", ...; NULL: the protocol's only one */
	struct proto_login_text user, password; /* as they were sent; len 0: none */
	struct proto_login_hash hash;           /* what was sent in place of the password */
	enum proto_login_result result;
	bool begun;   /* there is something to tell */
	uint8_t side; /* who tried: the client, if nothing else is said */
	bool sets;    /* nobody tried it: it was set as that user's password */
};
typedef void proto_on_login(void *context, enum proto_id proto, const struct proto_login *login);

/* What was said, as text: of protocols for terminals without what is not text in them (options, the names in front),
 * of all others every byte as it came. Bytes that came before it was known what they are come late, with the time
 * at which they came. */
enum proto_text_kind {
	PROTO_TEXT_TYPED,
	PROTO_TEXT_SHOWN,
	PROTO_TEXT_WINDOW,  /* the terminal's size */
	PROTO_TEXT_TERMINAL /* its type: "xterm" */
};
struct proto_text {
	enum proto_id proto; /* PROTO_FAILED: none that we know */
	enum proto_text_kind kind;
	unsigned side; /* who sent it */
	int64_t time_ns;
	const uint8_t *bytes;
	size_t len;
	uint16_t columns, rows;
};
typedef void proto_on_text(void *context, const struct proto_text *text);

/* Before a process gives up its rights: from then on no file is opened, by OpenSSL or for
 * the time zone. */
void proto_prepare(void);

struct proto_setup {
	proto_on_tx *on_tx;
	proto_on_file *on_file;     /* may be NULL */
	proto_on_expect *on_expect; /* may be NULL */
	proto_on_tunnel *on_tunnel; /* may be NULL */
	proto_on_login *on_login;   /* may be NULL */
	proto_on_text *on_text;     /* may be NULL */
	void *context;
};

struct proto_flow_info {
	uint8_t ip_proto; /* 6, 17; 0: none, it is the payload of a frame of 802.2 */
	uint16_t port[2]; /* of client, server */
	bool midstream;
	const struct proto_expect *expected; /* it was announced by another: copied; or NULL */
	bool doubted; /* by somebody who may lie: what its bytes say goes before that, and it stays what it began as */
};

int proto_conn_new(const struct proto_setup *setup, const struct proto_flow_info *info,
	struct proto_conn **ret_conn); /* -ENOMEM */
struct proto_conn *proto_conn_free(struct proto_conn *conn);

/* The next bytes of `side` in order (TCP), or one datagram (UDP). `time_ns`: wall. */
void proto_feed(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len, int64_t time_ns);
/* `len` bytes of `side` were never seen. */
void proto_gap(struct proto_conn *conn, unsigned side, uint64_t len);
/* The last `len` bytes that `side` sent were never seen; what is left of it is told all the same. */
void proto_cut(struct proto_conn *conn, unsigned side, uint64_t len);
/* The side sends nothing more. When both have ended, the transactions that are left are told,
 * done. A caller whose flow just stops ends both sides before it frees the connection, which
 * tells nothing. */
void proto_end(struct proto_conn *conn, unsigned side);

/* PROTO_NONE while it is not known; PROTO_FAILED. By side, since they may differ. */
enum proto_id proto_conn_id(const struct proto_conn *conn, unsigned side);
/* The one that counts for the flow: of either side, or PROTO_FAILED when both failed. */
enum proto_id proto_conn_app(const struct proto_conn *conn);
/* What it was before another protocol began in it (STARTTLS); PROTO_NONE. */
enum proto_id proto_conn_before(const struct proto_conn *conn);
bool proto_conn_overrun(const struct proto_conn *conn);
/* A limit was reached: of what has come, or comes, rules do not see all. */
bool proto_conn_limited(const struct proto_conn *conn);
size_t proto_conn_bytes(const struct proto_conn *conn); /* memory it holds */

struct proto_tx_state proto_tx_state(const struct proto_tx *tx);
/* Instance `n` of a buffer; false when there is none (yet). What the side has said so far is
 * there even if it is not complete. Of a buffer that both sides say (`sides` 3), `n` is 2 *
 * instance + side. */
bool proto_tx_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes);
/* The `n`th number of that kind. */
bool proto_tx_number(
	struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number);
/* Names as in Suricata's *-events.rules: "http.unable_to_match_response_to_request"; NULL beyond
 * the last. */
const char *proto_tx_event(const struct proto_tx *tx, unsigned n);
/* What was said in a chat; what there is none of is empty. */
struct proto_chat {
	const char *kind; /* a literal: "message", "join", ... */
	struct proto_bytes nick, channel, to, text;
	bool cut; /* not all of it */
};
/* False: it is not of a chat. */
bool proto_tx_chat(const struct proto_tx *tx, struct proto_chat *ret_chat);
/* Members of the record's body: `"http":{...}`; nothing for a protocol without records. What
 * `out` writes is valid JSON. */
bool proto_tx_json(struct proto_tx *tx, struct out *o);
/* A place for whoever looks at transactions, freed with the transaction by `free_it`. */
void **proto_tx_user(struct proto_tx *tx, void (*free_it)(void *));

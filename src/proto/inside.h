/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what a parser and the driver of src/proto share. Private to src/proto. A new protocol
 * is a row in proto.def, its buffers in buffer.def, a file PROTOCOL.c with a struct
 * proto_parser, and a row in parsers.c. */
#pragma once

#include <netinet/in.h>

#include "base/cur.h"
#include "base/out.h"
#include "proto/proto.h"

enum proto_guess { PROTO_IS_NOT, PROTO_MAY_BE, PROTO_IS };

#define PROTO_PENDING_MAX (64u << 10) /* bytes of a side that a parser left for later */
#define PROTO_GUESS_MAX   512u /* bytes of a side, after which it is of no protocol we know */

/* What both sides of a TCP connection have said that nobody has claimed. */
struct proto_turn {
	uint32_t len; /* the next bytes of what that side said */
	uint8_t side;
};
struct proto_unclaimed {
	struct cur said[2];
	const struct proto_turn *turn; /* as it came */
	uint32_t n_turns;
	bool ended[2];
	uint8_t role; /* what the parser that claims it wants to know again in open() */
};

struct proto_parser {
	enum proto_id id;
	uint8_t ip_proto; /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	bool unnamed;     /* EVE has no name for it: the connection is called failed */
	bool yields;      /* that it may be it keeps nobody from claiming a connection */
	bool tells_text;  /* calls proto_conn_text(); else all bytes are told as text as they are */
	/* Whether the first bytes of a side are of this protocol. Ports may help, but prove
	 * nothing. NULL: it only claims. */
	enum proto_guess (*guess)(const struct proto_flow_info *info, unsigned side,
		const uint8_t *bytes, size_t len);
	/* Asked when no guess is left, with all bytes so far, and again with more as long as it may be (bounded by
	 * itself). NULL: it only guesses. */
	enum proto_guess (*claim)(
		const struct proto_flow_info *info, struct proto_unclaimed *unclaimed);
	/* Whether what a server says to these lines of its client is of this protocol, and no more of the one that they
	 * have spoken. Nothing: and will not say anything. NULL: never. */
	bool (*takes_over)(struct cur typed, struct cur shown);
	/* State of a connection; NULL: no memory. */
	void *(*open)(struct proto_conn *conn);
	void (*close)(void *state);
	/* Takes the next bytes, and returns how many it used: the rest comes again in front of
	 * later ones. `end`: no more come. SIZE_MAX: it cannot read on; the side is left alone
	 * from here. */
	size_t (*feed)(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
		size_t len, bool end);
	void (*gap)(struct proto_conn *conn, void *state, unsigned side,
		uint64_t len); /* NULL: cannot read on */
	/* Of a transaction; any of them may be NULL. Of a buffer that both sides say, tx->side
	 * chooses whose instance `n` is meant (and not the number's parity, as for callers of
	 * proto_tx_buffer()). */
	bool (*buffer)(struct proto_tx *tx, enum proto_buffer_id id, unsigned n,
		struct proto_bytes *ret_bytes);
	bool (*number)(
		struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number);
	bool (*json)(struct proto_tx *tx, struct out *o);
	bool (*chat)(const struct proto_tx *tx, struct proto_chat *ret_chat);
	void (*free_tx)(void *data);
};

/* Every parser, ending with NULL (parsers.c). A test may bring its own. */
extern const struct proto_parser *const proto_parsers[];

struct proto_tx {
	struct proto_conn *conn;
	const struct proto_parser *parser;
	void *data; /* the parser's */
	struct proto_tx *next;
	struct proto_tx_state state;
	const char *event[PROTO_TX_EVENTS_MAX];
	void *user;
	void (*free_user)(void *);
	uint8_t finished; /* bit of a side: it is done, which state says once that has been told */
	uint8_t news;     /* bit of a side: its news have not been told yet */
	uint8_t side;     /* buffer() is asked for what this side said */
};

const struct proto_parser *proto_parser_of(enum proto_id id);
const struct proto_flow_info *proto_conn_info(const struct proto_conn *conn);
int64_t proto_conn_time_ns(const struct proto_conn *conn); /* of the bytes that are being fed */
unsigned proto_conn_role(const struct proto_conn *conn);   /* as claim() has set it; else 0 */
void *proto_conn_state(struct proto_conn *conn);
/* Another protocol begins behind the bytes that feed() returns as used (STARTTLS, CONNECT): when
 * it has returned, its state is closed and both sides are guessed anew. Transactions stay until
 * then and are told. */
void proto_conn_start_over(struct proto_conn *conn);
/* The same, and it is known which one: nothing is guessed. */
void proto_conn_start_as(struct proto_conn *conn, enum proto_id next);
/* What the one before leaves for the next: kept until the connection starts over once more, or goes. False: no
 * memory. */
bool proto_conn_leave(struct proto_conn *conn, const void *bytes, size_t len);
struct cur proto_conn_legacy(const struct proto_conn *conn); /* empty: nothing */
/* As the first, and the side that was connected to is the client of what follows. The parsers' sides are those of that
 * protocol: 0 asks. */
void proto_conn_start_over_turned(struct proto_conn *conn);
/* What feed() leaves of this side waits for the other one: it comes again as soon as that has
 * said more. */
void proto_conn_wait(struct proto_conn *conn, unsigned side);
/* For gap(): what feed() left of this side, which goes with the bytes that were never seen, and is counted among them. */
struct cur proto_conn_left(const struct proto_conn *conn, unsigned side);
/* For gap(): it cannot read on; the side is left alone from here. */
void proto_conn_lose(struct proto_conn *conn, unsigned side);
/* The parser would have to spend more than its limits allow: the connection is overrun. */
void proto_conn_give_up(struct proto_conn *conn);
/* Something of it goes unread by such a limit, and the rest is read on. */
void proto_conn_limit(struct proto_conn *conn);

/* What was typed or shown (proto_setup.on_text). */
void proto_conn_text(struct proto_conn *conn, unsigned side, enum proto_text_kind kind,
	const uint8_t *bytes, size_t len);
void proto_conn_window(struct proto_conn *conn, unsigned side, unsigned columns, unsigned rows);

#define PROTO_DCC_CHAT "CHAT" /* proto_expect.command */
static inline bool proto_expects_chat(const struct proto_flow_info *info)
{
	const struct proto_expect *e = info->expected;

	return e && e->proto == PROTO_DCC && strcmp(e->command, PROTO_DCC_CHAT) == 0;
}

/* Tells the caller. */
void proto_conn_expect(struct proto_conn *conn, const struct proto_expect *expect);
void proto_conn_tunnel(struct proto_conn *conn, const struct proto_tunnel *tunnel);

/* A login that a parser follows is a struct proto_login in its state, zero at first. What is given is kept; with the
 * last one all is told, what it holds is freed, and it is zero again: whoever closes a state ends its logins. */
void proto_login_user(struct proto_login *login, const uint8_t *bytes, size_t len);
void proto_login_password(struct proto_login *login, const uint8_t *bytes, size_t len);
void proto_login_hash(struct proto_login *login, const uint8_t *bytes, size_t len);
/* Another attempt: what is under way is told, nobody will say whether it was good. */
void proto_login_begin(struct proto_conn *conn, struct proto_login *login, const char *method);
void proto_login_end(
	struct proto_conn *conn, struct proto_login *login, enum proto_login_result result);
/* The same of what `side` says; of who tried himself (login->side) it says nothing, and is not taken for an answer. */
void proto_login_answer(struct proto_conn *conn, struct proto_login *login, unsigned side,
	enum proto_login_result result);
/* The parameters of a digest, behind the word (RFC 7616, 3.4; RFC 3261, 22.4): user, and response as the hash. */
void proto_login_digest(struct proto_login *login, struct cur params);

/* An attempt to log in of a protocol whose answers come in the order of the commands, and may come late: each command
 * that belongs to it holds it until it is answered, the parser the last one. It is told when an answer decides, else
 * when nobody holds it any more. */
struct proto_attempt {
	struct proto_login login;
	unsigned held;
	bool over;
};
struct proto_attempt *proto_attempt_new(struct proto_conn *conn); /* held; NULL: no room */
void proto_attempt_end(
	struct proto_conn *conn, struct proto_attempt *attempt, enum proto_login_result result);
struct proto_attempt *proto_attempt_hold(struct proto_attempt *attempt); /* may be NULL, as below */
struct proto_attempt *proto_attempt_release(
	struct proto_conn *conn, struct proto_attempt *attempt); /* NULL */

/* The commands of such a protocol that have no answer yet. Answers to the last PROTO_ASKED_TXS_MAX are told with them, to
 * fewer if these are long; what waits longer is told without, and only counted. With more than `max` of them it is not known any more which
 * answer is whose: the queue is lost, and stays empty. */
#define PROTO_ASKED_TXS_MAX   192
#define PROTO_ASKED_BYTES_MAX (PROTO_CONN_BYTES_MAX / 4) /* of memory */
struct proto_asked {
	struct proto_tx *tx;           /* NULL: it is told by now, or has none of its own */
	struct proto_attempt *attempt; /* to log in, that it belongs to; or NULL */
	uint8_t command;               /* what the parser wants to know again */
	bool args;                     /* the same */
	uint32_t bytes;                /* of memory; the queue's own */
};
struct proto_asked_queue {
	struct proto_conn *conn;
	struct proto_asked *at; /* `max` of them, the parser's */
	unsigned max, first, n;
	bool lost;
	bool pipelines;       /* more commands had come when one was answered */
	bool gap;             /* of the answers, bytes were never seen */
	bool doubt;           /* and nothing has come behind them */
	size_t before, bytes; /* of memory: the connection's before the last one, that of all */
};
/* Another command comes: before its transaction is made. */
void proto_asked_make_room(struct proto_asked_queue *queue);
/* It holds its attempt until it is answered; when the queue is lost, it is told without its answer. */
void proto_asked_add(struct proto_asked_queue *queue, const struct proto_asked *asked);
struct proto_asked *proto_asked_at(
	const struct proto_asked_queue *queue, unsigned i); /* NULL: none */
/* The first one, which must be there, is answered. Its attempt is the caller's to release. */
struct proto_asked proto_asked_take(struct proto_asked_queue *queue);
void proto_asked_lose(struct proto_asked_queue *queue);
/* Bytes of the answers were never seen; a line of one was. */
void proto_asked_gap(struct proto_asked_queue *queue);
void proto_asked_heard(struct proto_asked_queue *queue);
/* How many of the first ones had their answer in such bytes: who has sent one command at a time has sent the last one when
 * those before were answered. Ask when there is a gap, and behind each command that comes in doubt. */
unsigned proto_asked_answered(const struct proto_asked_queue *queue);
/* For free_tx(): the transaction with these data was ended from outside, its answer will be nobody's. */
void proto_asked_forget(struct proto_asked_queue *queue, const void *data);

/* A new transaction, last of its connection; NULL (and the connection is overrun) when there is
 * no room. It owns `data` if there is one. */
struct proto_tx *proto_tx_new(struct proto_conn *conn, void *data);
/* There is news of it: the caller of proto_feed() is told when the parser has returned. When
 * both sides are done, it is freed after that, or in the next proto_tx_new(): the parser must
 * not use it any more. Exactly one call of on_tx, the last one, sees both sides done. */
void proto_tx_news(struct proto_tx *tx, unsigned side);
void proto_tx_done(struct proto_tx *tx, unsigned side); /* and tells the news */
/* Tells now: what grows has grown so much that what comes next may push out what nobody has
 * looked at. */
void proto_tx_tell(struct proto_tx *tx);
void proto_tx_add_event(
	struct proto_tx *tx, const char *name); /* a literal; news are the caller's */
/* A piece of a file goes to whoever wants files. */
void proto_tx_file(
	struct proto_tx *tx, const struct proto_file *file, const uint8_t *bytes, size_t len);
/* The same of one that is of no transaction any more. */
void proto_conn_file(
	struct proto_conn *conn, const struct proto_file *file, const uint8_t *bytes, size_t len);

/* Memory of a connection, counted: NULL beyond PROTO_CONN_BYTES_MAX. Libraries that allocate for
 * themselves are charged by what they are allowed to. */
void *proto_alloc(struct proto_conn *conn, size_t size);
void proto_free(struct proto_conn *conn, void *memory, size_t size);
bool proto_charge(struct proto_conn *conn, int64_t bytes);

/* Bytes that grow, the last PROTO_BODY_KEEP of them kept. */
struct proto_body {
	uint8_t *at;
	uint32_t len, room;
	uint64_t offset; /* of at[0] */
	bool complete;
};
bool proto_body_add(
	struct proto_conn *conn, struct proto_body *body, const uint8_t *bytes, size_t len);
/* The same; once the connection holds `limit` bytes, the oldest bytes go but for a window, and once it holds half as much
 * again, but for the room that there is. */
void proto_body_add_within(struct proto_conn *conn, struct proto_body *body, const uint8_t *bytes,
	size_t len, size_t limit);
void proto_body_free(struct proto_conn *conn, struct proto_body *body);
struct proto_bytes proto_body_bytes(const struct proto_body *body);

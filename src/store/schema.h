/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - the tables of a day database, version DAY_VERSION (PRAGMA user_version). Old files are
 * never altered: a change of the tables is a new version, and query.c learns to read both.
 *
 * Times are microseconds since 1970 UTC (as in EVE), addresses 16 bytes (base/ip.h). Types, reasons
 * and honeypots are numbers of rows in `name`, so that no table of the program is baked into a file.
 */
#pragma once

#define DAY_VERSION 1

#define DAY_SCHEMA                                                                            \
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"               \
	"CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL);"               \
	"CREATE TABLE ev(seq INTEGER PRIMARY KEY, t INTEGER NOT NULL, type INTEGER NOT NULL," \
	" severity INTEGER, honeypot INTEGER, direction INTEGER, verdict INTEGER,"            \
	" reason INTEGER, proto INTEGER, src BLOB, sport INTEGER, dst BLOB, dport INTEGER,"   \
	" flow INTEGER, packet INTEGER);"                                                     \
	"CREATE INDEX ev_t ON ev(t);"                                                         \
	"CREATE INDEX ev_src ON ev(src, t) WHERE src IS NOT NULL;"                            \
	"CREATE INDEX ev_dst ON ev(dst, t) WHERE dst IS NOT NULL;"                            \
	"CREATE INDEX ev_flow ON ev(flow) WHERE flow IS NOT NULL;"                            \
	"CREATE TABLE evd(seq INTEGER PRIMARY KEY, json TEXT NOT NULL);"                      \
	"CREATE TABLE flow(seq INTEGER PRIMARY KEY, id INTEGER NOT NULL,"                     \
	" first INTEGER NOT NULL, last INTEGER NOT NULL, packets INTEGER, bytes INTEGER);"    \
	"CREATE TABLE segment(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL,"             \
	" first_ns INTEGER, last_ns INTEGER, packets INTEGER);"                               \
	"CREATE TABLE packet_index(id INTEGER PRIMARY KEY, flow INTEGER NOT NULL,"            \
	" segment INTEGER NOT NULL, n INTEGER NOT NULL, offsets BLOB NOT NULL);"              \
	"CREATE INDEX packet_index_flow ON packet_index(flow);"                               \
	"CREATE INDEX packet_index_segment ON packet_index(segment);"                         \
	"CREATE TABLE hourly(hour INTEGER, type INTEGER, direction INTEGER, port INTEGER,"    \
	" records INTEGER, packets INTEGER, bytes INTEGER,"                                   \
	" PRIMARY KEY(hour, type, direction, port)) WITHOUT ROWID;"                           \
	"CREATE TABLE src(ip BLOB PRIMARY KEY, records INTEGER, packets INTEGER,"             \
	" bytes INTEGER, first INTEGER, last INTEGER) WITHOUT ROWID;"

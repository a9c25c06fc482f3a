/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql_file - files that a statement of SQL carries as numbers in hex, 0x7f454c46... or '7f454c46...': what intruders
 * bring into a database server (SELECT 0x7f45... INTO DUMPFILE '/usr/lib/mysql/plugin/udf.so', CREATE ASSEMBLY a FROM
 * 0x4d5a...). What is called after INTO DUMPFILE or OUTFILE is the last one of a statement. Takes any pieces of one, in
 * ASCII or UTF-16.
 */
#pragma once

#include "proto/talk.h"

#define SQL_FILE_MIN   128 /* bytes of a shorter one are no file: a hash has 64 */
#define SQL_FILE_NAME  255 /* bytes */
#define SQL_FILE_BATCH 512 /* bytes that are handed on at a time */

enum sql_place {
	SQL_BETWEEN,   /* any text */
	SQL_ZERO,      /* "0", behind no letter or digit */
	SQL_HEX,       /* digits, as far as they are */
	SQL_FILE_WORD, /* behind DUMPFILE or OUTFILE, before the quote */
	SQL_FILE_IS,   /* the name */
	SQL_FILE_ESCAPED
};

struct sql_file {
	struct proto_tx *tx; /* whose statement it is; NULL: none is read */
	struct proto_fields_file *file;
	enum sql_place place;
	uint64_t digits; /* of the number at hand */
	uint8_t quote, high, word_len;
	uint16_t n, name_len;
	bool in_word; /* the byte before was a letter or digit */
	char word[9]; /* that ends here, in small letters */
	uint8_t bytes[SQL_FILE_BATCH];
	char name[SQL_FILE_NAME];
};

void sql_file_begin(struct sql_file *s, struct proto_tx *tx);
void sql_file_take(struct sql_file *s, struct cur text);
/* Skips up to *left bytes, and takes them, if a statement is read. */
void sql_file_skip(struct sql_file *s, uint64_t *left, struct cur *c);
/* The statement is over: what was asked is told. */
void sql_file_done(struct sql_file *s);
/* Not all of it was seen. */
void sql_file_cut(struct sql_file *s);
/* For free_tx(): the transaction with these fields was ended from outside. */
void sql_file_forget(struct sql_file *s, const void *data);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql_password - passwords that a statement of SQL sets (CREATE USER, ALTER ROLE, GRANT ... IDENTIFIED BY, SET PASSWORD,
 * UPDATE mysql.user, sp_addlogin), which are told as logins. What cannot be read sets none.
 */
#pragma once

#include "proto/fields.h"

#define SQL_PASSWORDS_MAX 32 /* of a text; those behind are left out */

/* All statements of a text, which the client sent. */
void sql_passwords(struct proto_conn *conn, struct cur text);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinks - records for other tools: EVE lines to a file and to a unix stream socket, a line to syslog.
 *
 * Nothing here ever holds up the journal: buffers are bounded, what does not fit is dropped in whole
 * lines and counted. The journal is the place where every record is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "store/redact.h"

struct sinks;

struct sinks_setup {
	int eve_file_fd; /* opened for appending; -1: none. All descriptors become the sinks'. */
	const char *eve_file; /* its path, to open it again when it was rotated away; "" none */
	int eve_socket_fd;
	const char *eve_socket; /* path of the listening socket, to connect again; "" none */
	enum role role;         /* whose eyes the EVE lines are for */
	int syslog_fd;          /* datagram socket */
	bool syslog;            /* wanted: opened again when it fails */
};

int sinks_new(const struct sinks_setup *setup, struct sinks **ret_sinks);
struct sinks *sinks_free(struct sinks *sinks); /* tries to write what is left, once */
/* Queues one record; nothing is written. `sinks` may be NULL. */
void sinks_add(struct sinks *sinks, const struct record *record, const char *json, size_t len);
/* Writes what can be written without waiting; looks after rotated files and lost connections. */
void sinks_flush(struct sinks *sinks, int64_t now_s);
/* Lines dropped since the last call. */
uint64_t sinks_dropped(struct sinks *sinks);

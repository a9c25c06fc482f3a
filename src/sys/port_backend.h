/* SPDX-License-Identifier: Apache-2.0 */
/* port_backend - what a back end of port.h supplies. A back end's own struct begins with struct port. */
#pragma once

#include "sys/port.h"

struct port_ops {
	bool (*rx_waits)(struct port *port);
	int (*rx_burst)(struct port *port, struct port_frame *ret_frames);
	void (*rx_release)(struct port *port);
	int (*use_merged)(struct port *port, int fd);
	int (*tx)(struct port *port, const uint8_t *data, uint32_t len);
	int (*tx_flush)(struct port *port, uint32_t *ret_sent, uint32_t *ret_failed);
	int (*stats)(struct port *port, struct port_stats *ret_stats);
	void (*free)(struct port *port);
};

struct port {
	const struct port_ops *ops;
	int fd;
	struct port_info info;
};

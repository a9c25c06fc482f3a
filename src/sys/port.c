/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/port_backend.h"

#include <stddef.h>

struct port *port_free(struct port *port)
{
	if (port)
		port->ops->free(port);
	return NULL;
}

int port_fd(const struct port *port)
{
	return port->fd;
}

const struct port_info *port_info(const struct port *port)
{
	return &port->info;
}

bool port_rx_waits(struct port *port)
{
	return port->ops->rx_waits(port);
}

int port_rx_burst(struct port *port, struct port_frame ret_frames[static PORT_BURST])
{
	return port->ops->rx_burst(port, ret_frames);
}

void port_rx_release(struct port *port)
{
	port->ops->rx_release(port);
}

int port_use_merged(struct port *port, int fd)
{
	return port->ops->use_merged(port, fd);
}

int port_tx(struct port *port, const uint8_t *data, uint32_t len)
{
	return port->ops->tx(port, data, len);
}

int port_tx_flush(struct port *port, uint32_t *ret_sent, uint32_t *ret_failed)
{
	return port->ops->tx_flush(port, ret_sent, ret_failed);
}

int port_stats(struct port *port, struct port_stats *ret_stats)
{
	return port->ops->stats(port, ret_stats);
}

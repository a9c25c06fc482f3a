/* SPDX-License-Identifier: Apache-2.0 */
#include "control/owner.h"

#include "conf/conf.h"
#include "event/event.h"

void owner_name(const struct conf *conf, struct record_head *head)
{
	const struct conf_a_honeypot *src = conf_honeypot_of(conf, &head->src),
				     *dst = conf_honeypot_of(conf, &head->dst);

	if (!src && !dst)
		return;
	head->honeypot = text_of(src ? src->name : dst->name);
	head->direction = !src ? DIRECTION_INBOUND : !dst ? DIRECTION_OUTBOUND : DIRECTION_INTERNAL;
}

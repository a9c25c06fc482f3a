/* SPDX-License-Identifier: Apache-2.0 */
/* What people and other programs read about the records, printed from the tables. */
#include "event/event.h"

#include "base/out.h"

void event_print_schema(struct out *o)
{
	out_str(o, "{}");
}

void event_print_manual(struct out *o)
{
	out_str(o, "");
}

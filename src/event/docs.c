/* SPDX-License-Identifier: Apache-2.0 */
/* What people and other programs read about the records, printed from the tables. */
#include "event/event.h"

#include "base/out.h"

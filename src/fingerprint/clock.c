/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/clock.h"

#include <stddef.h>
#include <stdlib.h>

enum { NS_PER_S = 1000000000, NEAR_PERCENT = 12, MINUTE_S = 60, DAY_S = 86400 };
static const int64_t same_zero_ns = INT64_C(60) * NS_PER_S;

static bool is_near(int64_t n, int64_t of)
{
	return llabs(n - of) * 100 <= of * NEAR_PERCENT;
}

uint32_t clock_rate(const struct clock_reading *first, const struct clock_reading *second)
{
	static const uint32_t usual[] = { 1, 2, 10, 100, 250, 500, 1000 };
	int64_t ns = second->ns - first->ns;
	uint32_t ticks = second->timestamp - first->timestamp; /* modulo 2^32 */
	int64_t millihertz;

	if (ns < CLOCK_WAIT_MIN_NS || ns > CLOCK_WAIT_MAX_NS || ticks < CLOCK_TICKS_MIN ||
		ticks > CLOCK_HERTZ_MAX * (CLOCK_WAIT_MAX_NS / NS_PER_S))
		return 0;
	millihertz = (int64_t)ticks * NS_PER_S / (ns / 1000);
	if (millihertz > CLOCK_HERTZ_MAX * INT64_C(1000))
		return 0;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (is_near(millihertz, usual[i] * INT64_C(1000)))
			return usual[i];
	return ns < CLOCK_WAIT_SURE_NS ? 0 : (uint32_t)((millihertz + 500) / 1000);
}

static int64_t ticks_ns(uint32_t ticks, uint32_t hertz)
{
	return (int64_t)(ticks / hertz) * NS_PER_S + (int64_t)(ticks % hertz) * NS_PER_S / hertz;
}

static int64_t zero_of(const struct clock_reading *reading, uint32_t hertz)
{
	return reading->ns - ticks_ns(reading->timestamp, hertz);
}

/* The clock may have begun anew in between. */
static bool same_zero(int64_t a, int64_t b, uint32_t hertz)
{
	int64_t wrap = ticks_ns(UINT32_MAX, hertz), apart = llabs(a - b);

	return apart <= same_zero_ns || llabs(apart - wrap) <= same_zero_ns;
}

bool clock_learn(struct clock *clock, const struct ip *peer, uint32_t hertz,
	const struct clock_reading *reading)
{
	int64_t zero_ns = zero_of(reading, hertz);

	if (clock->trust == CLOCK_UNKNOWN) {
		clock->trust = CLOCK_ONCE;
		clock->peer = *peer;
		clock->hertz = hertz;
		clock->zero_ns = zero_ns;
		return true;
	}
	if (clock->trust != CLOCK_ONCE || ip_equal(&clock->peer, peer))
		return false;
	clock->trust = hertz == clock->hertz && same_zero(zero_ns, clock->zero_ns, hertz)
			       ? CLOCK_AGAIN
			       : CLOCK_CHANGING;
	return true;
}

uint32_t clock_up_minutes(const struct clock *clock, const struct clock_reading *reading)
{
	return reading->timestamp / clock->hertz / MINUTE_S;
}

uint32_t clock_wrap_days(const struct clock *clock)
{
	return UINT32_MAX / clock->hertz / DAY_S;
}

bool clock_contradicts(const struct clock *clock, const struct clock_reading *reading)
{
	return clock->trust == CLOCK_AGAIN &&
	       !same_zero(zero_of(reading, clock->hertz), clock->zero_ns, clock->hertz);
}

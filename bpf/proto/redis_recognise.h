/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Recognises Redis by the first bytes of one direction. Pure.
 */
#ifndef FATHOM_REDIS_RECOGNISE_H
#define FATHOM_REDIS_RECOGNISE_H

#include "redis.h"

enum redis_verdict {
	REDIS_NO,
	REDIS_PARTIAL, /* all bytes so far fit; more are needed */
	REDIS_YES,
};

/* An array of 1 to 9,999,999 elements, the first of which is a bulk string of 1 to 99 bytes. */
static __always_inline int redis_is_array(u64 lo, u64 hi, u32 len)
{
	struct redis_window w = {.lo = lo, .hi = hi, .n = len};
	s64 number = 0;
	u32 end;

	end = redis_number(w, &number);
	if (end == REDIS_BAD)
		return REDIS_NO;
	if (!end)
		return REDIS_PARTIAL;
	if (number < 1 || number > 9999999)
		return REDIS_NO;
	/* At most 7 digits: the line has 4 to 10 bytes. */
	w.lo = bytes_from(lo, hi, end);
	w.hi = end < 8 ? hi >> 8 * end : 0;
	w.n = len - end;
	if (!w.n)
		return REDIS_PARTIAL;
	if ((u8)w.lo != '$')
		return REDIS_NO;
	end = redis_number(w, &number);
	if (!end)
		return len < 16 ? REDIS_PARTIAL : REDIS_NO;
	return end != REDIS_BAD && number >= 1 && number <= 99 ? REDIS_YES : REDIS_NO;
}

/* The N bytes of WANT. */
static __always_inline int redis_is_line(u64 lo, u64 hi, u32 len, const u64 want[2], u32 n)
{
	u64 wlo = want[0], whi = want[1];

	bytes_cut(&wlo, &whi, len);
	bytes_cut(&lo, &hi, n);
	if (lo != wlo || hi != whi)
		return REDIS_NO;
	return len < n ? REDIS_PARTIAL : REDIS_YES;
}

/* A minus sign, the first word of one of Redis's errors but for ERR, and a space. */
static __always_inline int redis_is_error(u64 lo, u64 hi, u32 len)
{
	u32 end = bytes_first(bytes_below(lo, 'A') & ~0xffULL, bytes_below(hi, 'A'));
	u16 status;

	if (end >= len)
		return len < 16 ? REDIS_PARTIAL : REDIS_NO;
	if ((u8)bytes_from(lo, hi, end) != ' ')
		return REDIS_NO;
	bytes_cut(&lo, &hi, end);
	status = redis_error(lo >> 8 | hi << 56, hi >> 8);
	return status > REDIS_ERROR_ERR ? REDIS_YES : REDIS_NO;
}

/*
 * redis_recognise tells whether the first LEN (1 to 16) bytes of a direction, as the words LO and
 * HI, are Redis; bytes behind them are ignored.
 *
 * A request: an array whose first element is a bulk string, as redis_is_array has it; five fixed
 * bytes at least, which nothing else is known to send first. Of inline commands only PING CR LF, in
 * any case, which health checks send. NATS has that too, but its server speaks first: only where
 * the beginning of a connection was missed can these be its bytes, and its answer tells.
 *
 * A reply: such an array, map, set or push; +PONG CR LF, +QUEUED CR LF; or an error of Redis's own.
 * A mere +OK, -ERR, number or string is no evidence (POP3 has +OK and -ERR, NATS has both).
 */
static __always_inline int redis_recognise(u64 lo, u64 hi, u32 len, u8 is_reply)
{
	static const u64 ping[2] = {REDIS_LO("PING\r\n")};
	static const u64 pong[2] = {REDIS_LO("+PONG\r\n")};
	static const u64 queued[2] = {REDIS_LO("+QUEUED\r\n"), REDIS_HI("+QUEUED\r\n")};
	int verdict;

	bytes_cut(&lo, &hi, len);
	if (!is_reply && (u8)lo != '*')
		return redis_is_line(redis_upper(lo), hi, len, ping, 6);
	switch ((u8)lo) {
	case '*':
	case '%':
	case '~':
	case '>':
		return redis_is_array(lo, hi, len);
	case '+':
		verdict = redis_is_line(lo, hi, len, pong, 7);
		return verdict ? verdict : redis_is_line(lo, hi, len, queued, 9);
	case '-':
		return redis_is_error(lo, hi, len);
	}
	return REDIS_NO;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the memory of a process to the parser of Redis, 16 bytes at a time. */
#ifndef FATHOM_REDIS_STEP_H
#define FATHOM_REDIS_STEP_H

#include "../bytes/passage.h"
#include "state.h"

#define REDIS_WINDOW 16

/* redis_recognise() of the first bytes of the request direction. */
__noinline int redis_verdict(u64 lo, u64 hi, u32 length)
{
	return length && length <= REDIS_WINDOW ? redis_recognise(lo, hi, length, false) : REDIS_NO;
}

/* redis_request(), verified once. */
__noinline u64 redis_request_step(u32 slot, u64 lo, u64 hi, u32 have)
{
	struct conn *c = conn_of(slot);

	if (!c || !have || have > REDIS_WINDOW)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	return redis_request(redis_of(c, REQUEST), lo, hi, have);
}

/* redis_reply() likewise. */
__noinline u64 redis_reply_step(u32 slot, u64 lo, u64 hi, u32 have, u32 oldest)
{
	struct conn *c = conn_of(slot);

	if (!c || !have || have > REDIS_WINDOW)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	return redis_reply(redis_of(c, RESPONSE), lo, hi, have, oldest);
}

/*
 * One step: what is at ADDRESS. LENGTH: how many bytes are there, with IS_RESPONSE and
 * FIRST_OF_CALL.
 */
__noinline u64 redis_step(u32 slot, u64 address, u64 length)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE), skip, used;
	u64 words[REDIS_WINDOW / 8] = {}, have = at_most(n, REDIS_WINDOW), event;
	struct conn *c = conn_of(slot);

	if (!c || c->upgraded ||
	    (is_response ? c->deep : c->redis_place[REQUEST] == REDIS_PLACE_OVER))
		return EVENT(EVENT_NONE, 0, 0, n);
	skip = c->redis_skip[is_response];
	if (skip) {
		used = skip < n ? skip : n;
		c->redis_skip[is_response] = skip - used;
		return EVENT(EVENT_NONE, 0, 0, used);
	}
	if (bpf_probe_read_user(words, have, (void *)address))
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (!is_response && c->deep && length & FIRST_OF_CALL)
		redis_finds_place(slot, redis_verdict(words[0], words[1], have) == REDIS_YES,
				  bpf_ktime_get_ns());
	if (is_response)
		event = redis_reply_step(slot, words[0], words[1], have, redis_oldest(slot));
	else if (c->redis_place[REQUEST] == REDIS_PLACE_KNOWN)
		event = redis_request_step(slot, words[0], words[1], have);
	else
		return EVENT(EVENT_NONE, 0, 0, n);
	used = event_used(event);
	if (!used || event_kind(event) == EVENT_NOT_MINE)
		return REDIS_EVENT | EVENT(EVENT_NOT_MINE, 0, 0, n);
	if (used > n) {
		c->redis_skip[is_response] = used - n;
		event = (event & ~0xffffffffULL) | n;
	}
	return event_kind(event) == EVENT_NONE ? event : REDIS_EVENT | event;
}

/*
 * The connection carries Redis, which is known from bytes that include these HAVE of earlier calls.
 * They are part of a request that is not complete.
 */
static __always_inline void redis_take_prefix(struct conn *c, u64 lo, u64 hi, u32 have)
{
	u32 i, used;

	redis_expect_connection(c);
	for (i = 0; i < 3; i++) { /* the line of all arguments, and a part of the next */
		if (!have)
			break;
		used = event_used(redis_request_step(c->slot, lo, hi, have));
		if (!used || used >= have)
			break;
		lo = bytes_from(lo, hi, used & 15);
		hi = used < 8 ? hi >> 8 * (used & 7) : 0;
		have -= used;
	}
}

/*
 * A connection begins with Redis; HAVE: see above. Behind a gap, or where its reply may have
 * passed, nothing is matched yet.
 */
static __always_inline void redis_begins(struct conn *c, u32 have)
{
	struct http1_side *s = http1_of(c, REQUEST);
	bool answered = http1_of(c, RESPONSE)->digits; /* by what was taken for something else */

	redis_take_prefix(c, s->word[0], s->word[1], have);
	if (c->after_gap)
		count_lost(LOST_GAP, 1);
	if (c->after_gap || answered || c->responses)
		c->deep = 1;
	c->after_gap = GAP_NONE;
}

/* Whether bytes may be the beginning of a reply. */
static __always_inline bool redis_may_be_reply(u8 first)
{
	switch (first) {
	case '+':
	case '-':
	case ':':
	case '$':
	case '*':
	case '%':
	case '~':
	case '>':
	case '_':
	case '#':
	case ',':
	case '(':
	case '=':
		return true;
	}
	return false;
}

/*
 * A connection that was joined is Redis where a call in one direction begins with a command that is
 * known by name, and the next one, in the other direction, like a reply: that a command's name
 * alone is in an array says little. Confirmations begin with one, too. Returns whether this is the
 * case, or may be found with the next call. Until then redis_place[RESPONSE] is 1 + the direction
 * in which a command passed last.
 */
__noinline int redis_joins(u32 slot, u64 lo, u64 hi, u32 have, u32 direction)
{
	u32 command = 1 + (direction & 1), other = 2 - (direction & 1);
	struct conn *c = conn_of(slot);
	u8 operation = REDIS_OTHER;
	u64 event;

	if (!c)
		return false;
	if (redis_verdict(lo, hi, have) == REDIS_YES) {
		redis_expect_message(c, REQUEST);
		event = redis_request_step(slot, lo, hi, have);
		redis_expect_message(c, REQUEST);
		operation = at_most(event_operation(event), REDIS_COMMAND_COUNT - 1);
	}
	if (operation != REDIS_OTHER && !(redis_flags(operation) & REDIS_SUBSCRIBES)) {
		c->redis_place[RESPONSE] = c->redis_place[RESPONSE] == other ? 0 : command;
		return c->redis_place[RESPONSE];
	}
	if (c->redis_place[RESPONSE] != other || !redis_may_be_reply(lo)) {
		c->redis_place[RESPONSE] = 0;
		return false;
	}
	c->role = (direction == READ) ? ROLE_CLIENT : ROLE_SERVER;
	c->after_gap = GAP_NONE;
	redis_expect_connection(c);
	count_lost(LOST_GAP, 1);
	c->deep = 1;
	c->redis_place[REQUEST] = REDIS_PLACE_UNKNOWN;
	return true;
}

#endif

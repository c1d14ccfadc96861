/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From the memory of a process to the parser of Redis: whole requests, where they are usual, else
 * 16 bytes at a time.
 */
#ifndef FATHOM_REDIS_STEP_H
#define FATHOM_REDIS_STEP_H

#include "../bytes/ahead.h"
#include "state.h"

/* How many steps through a buffer are followed at a time. */
#define REDIS_STEPS 64
/* So many bytes are copied again, if not all of them are there: most requests have less. */
#define REDIS_USUAL 64

/* redis_recognise() of the first bytes of the request direction. */
__noinline int redis_verdict(u64 lo, u64 hi, u32 length)
{
	return length && length <= WINDOW ? redis_recognise(lo, hi, length, false) : REDIS_NO;
}

/* redis_request(), verified once. */
__noinline u64 redis_request_of(u32 slot, u64 lo, u64 hi, u32 have)
{
	struct conn *c = conn_of(slot);

	if (!c || !have || have > WINDOW)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	return redis_request(redis_of(c, REQUEST), lo, hi, have);
}

/*
 * What is to be done in front of a step; its arguments are the same. Returns an event if there is
 * nothing to be looked at, or if that cannot be read, and 0 if there is.
 */
__noinline u64 redis_before_step(u32 slot, u64 address, u64 length)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE), skip, used;
	struct http1_head *h = copies_of(length);
	struct conn *c = conn_of(slot);
	u64 words[2], have;

	if (!c || c->upgraded ||
	    (is_response ? c->deep : c->redis_place[REQUEST] == REDIS_PLACE_OVER))
		return EVENT(EVENT_NONE, 0, 0, n);
	skip = c->redis_skip[is_response];
	if (skip) {
		used = skip < n ? skip : n;
		c->redis_skip[is_response] = skip - used;
		return EVENT(EVENT_NONE, 0, 0, used);
	}
	if (h && !copy_ahead(h, address, n, REDIS_USUAL))
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (!is_response && c->deep && length & FIRST_OF_CALL) {
		have = copied_words(words, h, address, length);
		if (have)
			redis_finds_place(slot,
					  redis_verdict(words[0], words[1], have) == REDIS_YES,
					  bpf_ktime_get_ns());
	}
	if (!is_response && c->redis_place[REQUEST] != REDIS_PLACE_KNOWN)
		return EVENT(EVENT_NONE, 0, 0, n);
	return 0;
}

/* redis_whole_request() of what is at ADDRESS, verified once; 0 if nothing was copied. */
__noinline u64 redis_whole_request_of(u32 slot, u64 address, u64 length)
{
	struct http1_head *h = copies_of(length);
	struct conn *c = conn_of(slot);

	if (!c || !h)
		return 0;
	return redis_whole_request(redis_of(c, REQUEST), h->bytes,
				   at_most(address - h->event, HEAD_BYTES),
				   at_most(h->length, HEAD_BYTES));
}

/*
 * One step in the request direction: what is at ADDRESS. LENGTH: how many bytes are there, with
 * IS_RESPONSE, FIRST_OF_CALL and COPIES.
 */
__noinline u64 redis_request_step(u32 slot, u64 address, u64 length)
{
	u64 words[2], have, event = redis_whole_request_of(slot, address, length);

	if (event)
		return event;
	have = copied_words(words, copies_of(length), address, length);
	if (!have)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	return redis_request_of(slot, words[0], words[1], have);
}

/* The same in the response direction; OLDEST: what it answers. */
__noinline u64 redis_reply_step(u32 slot, u64 address, u64 length, u32 oldest)
{
	u64 words[2], have = copied_words(words, copies_of(length), address, length);
	struct conn *c = conn_of(slot);

	if (!c)
		return EVENT(EVENT_NONE, 0, 0, (u32)length);
	if (!have)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	return redis_reply(redis_of(c, RESPONSE), words[0], words[1], have, oldest);
}

/*
 * The same event where the parser did not say that it used some of the bytes that are there, but
 * more, or none at all.
 */
__noinline u64 redis_unusual(u32 slot, u64 event, u64 length)
{
	u32 n = length, used = event_used(event);
	struct conn *c = conn_of(slot);

	if (!c || !used || event_kind(event) == EVENT_NOT_MINE)
		return EVENT(EVENT_NOT_MINE, 0, 0, n);
	if (used <= n)
		return event;
	c->redis_skip[!!(length & IS_RESPONSE)] = used - n;
	return (event & ~0xffffffffULL) | n;
}

/* The loop of redis_drain(). */
static __always_inline u64 redis_take_steps(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u64 event;
	u32 i;

	for (i = 0; i < REDIS_STEPS; i++) {
		if (!(u32)length)
			return 0;
		event = redis_before_step(slot, address, length);
		if (!event)
			event = length & IS_RESPONSE ? redis_reply_step(slot, address, length,
									redis_oldest(slot)) :
						       redis_request_step(slot, address, length);
		if (event_kind(event) == EVENT_FAULT)
			return (u64)FAULT_MEMORY << 32 | (u32)length;
		if (event_used(event) - 1 >= (u32)length || event_kind(event) == EVENT_NOT_MINE)
			event = redis_unusual(slot, event, length);
		if (event_kind(event) != EVENT_NONE)
			redis_apply(slot, !!(length & IS_RESPONSE), event, seq, now);
		address += event_used(event);
		seq += event_used(event);
		length = (length & (IS_RESPONSE | COPIES)) | (u32)(length - event_used(event));
	}
	return (u64)FAULT_STEPS << 32 | (u32)length;
}

/*
 * Takes the bytes of a buffer at ADDRESS on a connection that carries Redis, as drain() does on one
 * that does not. Where a task that was preempted uses the memory of this CPU, each step reads its
 * own.
 */
__noinline u64 redis_drain(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u64 rest;

	length |= copies_begin();
	rest = redis_take_steps(slot, address, length, seq, now);
	copies_end(length, slot);
	return rest;
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
		used = event_used(redis_request_of(c->slot, lo, hi, have));
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
		event = redis_request_of(slot, lo, hi, have);
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

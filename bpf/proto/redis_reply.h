/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a server of Redis sends: a reply to each command, in order, and pushes. Pure.
 *
 * A counter is enough, however deep replies are nested: it is 1 at the beginning of a reply; each
 * element takes one, an array of n adds n (a map 2n); 0 is the end. An attribute adds 2n, and a
 * push within a reply n, without taking one: they are no elements of what they stand in.
 *
 * Pushes are what RESP3 marks so. SUBSCRIBE and its kin have no reply but pushes of their name,
 * one for each channel: the first ends the oldest open request, if that is the same command. In
 * RESP2 the same come as ordinary arrays, as do messages of channels. So an array whose first
 * element is such a name is taken for what it would be in RESP3 if the oldest open request
 * subscribes, if the connection has subscribed, or if no request is open. Whether it has is what
 * confirmations say: their last element is how many subscriptions are left, of channels and
 * patterns, or of shard channels. An error, or +QUEUED, is a reply like any other.
 *
 * What may end a request of which it is not known whether it subscribes cannot be told, and is
 * EVENT_NOT_MINE.
 *
 * Streamed strings and arrays of RESP3 ($?, *?) are no part of this: no server sends them.
 */
#ifndef FATHOM_REDIS_REPLY_H
#define FATHOM_REDIS_REPLY_H

#include "redis.h"

/* In the place of the oldest open request's operation: there is none, or it is not known. */
#define REDIS_NONE_OPEN 0x100
#define REDIS_UNKNOWN_OPEN 0x200

enum redis_reply_flags {
	/* of the connection: RESP2 */
	REDIS_SUBSCRIBED = 1, /* to channels or patterns */
	REDIS_SUBSCRIBED_SHARD = 2,
	/* of the message */
	REDIS_OPENED = 4, /* its first line is behind us */
	REDIS_PUSH = 8,
	REDIS_PUSH_TYPE = 16, /* it is marked as a push, though it may end a request */
	REDIS_CONFIRMS = 32,  /* RESP2: its integer is the number of subscriptions */
	REDIS_CONFIRMS_SHARD = 64,
	REDIS_ALONE = 128, /* when it began, no request was open */
};

/* An element ends USED bytes from here, and with the last one the message. */
static __always_inline u64 redis_element_end(struct redis_side *side, u32 used, u32 oldest)
{
	u8 flags = side->flags, status = side->status;

	side->at = REDIS_AT_START;
	if (--side->left)
		return EVENT(EVENT_NONE, 0, 0, used);
	side->flags = flags & (REDIS_SUBSCRIBED | REDIS_SUBSCRIBED_SHARD);
	side->status = REDIS_OK;
	if (flags & REDIS_PUSH)
		return EVENT(EVENT_PUSH, 0, 0, used);
	if (oldest & REDIS_UNKNOWN_OPEN && side->flags) /* it may be RESET */
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	if (oldest == REDIS_RESET && status == REDIS_OK)
		side->flags = 0;
	return EVENT(EVENT_END, 0, status, used);
}

/* The window is at the end of a line, or before it. */
static __always_inline u64 redis_reply_line(struct redis_side *side, struct redis_window w,
					    u32 oldest)
{
	u32 end = bytes_first(bytes_equal(w.lo, '\n'), bytes_equal(w.hi, '\n'));

	if (end < 16)
		return redis_element_end(side, end + 1 - w.kept, oldest);
	side->at = REDIS_AT_LINE;
	return EVENT(EVENT_NONE, 0, 0, w.n - w.kept);
}

/* The window is at the line of an error that is the reply. Its first word is the status. */
static __always_inline u64 redis_reply_error(struct redis_side *side, struct redis_window w,
					     u32 oldest)
{
	u32 end = bytes_first(bytes_below(w.lo, '!'), bytes_below(w.hi, '!'));
	u64 lo = w.lo, hi = w.hi;

	if (end >= w.n && w.n < 16)
		return redis_more(side, w, EVENT_NONE);
	side->status = REDIS_ERROR_OTHER;
	if (end < 16) {
		bytes_cut(&lo, &hi, end);
		side->status = redis_error(lo >> 8 | hi << 56, hi >> 8);
	}
	return redis_reply_line(side, w, oldest);
}

/* Whether an array may be what RESP3 marks as a push, if OLDEST is known. */
static __always_inline u8 redis_may_be_push(u8 flags, u32 oldest)
{
	return flags & (REDIS_SUBSCRIBED | REDIS_SUBSCRIBED_SHARD | REDIS_PUSH_TYPE |
			REDIS_ALONE) ||
	       (oldest & REDIS_NONE_OPEN) || redis_flags(oldest) & REDIS_SUBSCRIBES;
}

/* The window is within the first element of what may be a push, or a confirmation. */
static __always_inline u64 redis_reply_word(struct redis_side *side, struct redis_window w,
					    u32 oldest)
{
	u32 length = side->length, want = length < 16 ? length : 16;
	u64 lo = w.lo, hi = w.hi;
	u8 flags = side->flags, operation, shard;

	if (w.n < want)
		return redis_more(side, w, EVENT_NONE);
	bytes_cut(&lo, &hi, want);
	operation = redis_command(lo, hi, length);
	if (!(oldest & REDIS_UNKNOWN_OPEN) && !redis_may_be_push(flags, oldest)) {
		/* what it answers was not known when it began */
	} else if (redis_flags(operation) & REDIS_SUBSCRIBES) {
		if (oldest & REDIS_UNKNOWN_OPEN)
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		flags &= ~REDIS_PUSH;
		if (operation != oldest)
			flags |= REDIS_PUSH;
		shard = operation == REDIS_SSUBSCRIBE || operation == REDIS_SUNSUBSCRIBE;
		if (!(flags & REDIS_PUSH_TYPE))
			flags |= shard ? REDIS_CONFIRMS_SHARD : REDIS_CONFIRMS;
	} else if (flags & REDIS_PUSH_TYPE) {
		/* of another kind */
	} else if (!hi && (lo == REDIS_LO("message") || lo == REDIS_LO("pmessage"))) {
		if (oldest & REDIS_UNKNOWN_OPEN)
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		flags |= REDIS_PUSH | REDIS_SUBSCRIBED;
	} else if (!hi && lo == REDIS_LO("smessage")) {
		if (oldest & REDIS_UNKNOWN_OPEN)
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		flags |= REDIS_PUSH | REDIS_SUBSCRIBED_SHARD;
	}
	side->flags = flags;
	if (side->left > 1)
		return redis_element_end(side, length + 2 - w.kept, oldest);
	side->at = REDIS_AT_TAIL;
	return EVENT(EVENT_NONE, 0, 0, length - w.kept);
}

/* The window is at the line of a bulk string of LENGTH bytes; the line ends at END. */
static __always_inline u64 redis_reply_bulk(struct redis_side *side, struct redis_window w, u32 end,
					    u32 length, u32 oldest)
{
	if (side->at == REDIS_AT_FIRST && (u8)w.lo == '$' && length - 1 < 16) {
		side->length = length;
		side->at = REDIS_AT_WORD;
		return EVENT(EVENT_NONE, 0, 0, end - w.kept);
	}
	end += length;
	if (side->left > 1)
		return redis_element_end(side, end + 2 - w.kept, oldest);
	/* The reply ends with the last of its bytes, not with the first. */
	if (end + 2 > w.n) {
		side->at = REDIS_AT_TAIL;
		return EVENT(EVENT_NONE, 0, 0, end - w.kept);
	}
	if ((u16)bytes_from(w.lo, w.hi, end) != REDIS_CRLF)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	return redis_element_end(side, end + 2 - w.kept, oldest);
}

/* The window is at the line of an array or the like, which has N lines or more. */
static __always_inline u64 redis_reply_array(struct redis_side *side, u8 type, u64 n, u8 top,
					     u32 used, u32 oldest)
{
	u8 may_confirm = oldest & REDIS_UNKNOWN_OPEN ||
			 (!(oldest & REDIS_NONE_OPEN) && redis_flags(oldest) & REDIS_SUBSCRIBES);
	u8 may_be_push = may_confirm || redis_may_be_push(side->flags, oldest);

	side->at = REDIS_AT_START;
	if (type == '|' || (type == '>' && !top)) {
		side->left += type == '|' ? 2 * n : n;
		return EVENT(EVENT_NONE, 0, 0, used);
	}
	if (top) {
		side->flags |= REDIS_OPENED;
		if (oldest & REDIS_NONE_OPEN)
			side->flags |= REDIS_ALONE;
		if (type == '>')
			side->flags |= REDIS_PUSH | REDIS_PUSH_TYPE;
		if (n && (type == '>' ? may_confirm : type == '*' && may_be_push))
			side->at = REDIS_AT_FIRST;
	}
	side->left += type == '%' ? 2 * n : n;
	if (n) {
		side->left--;
		return EVENT(EVENT_NONE, 0, 0, used);
	}
	return redis_element_end(side, used, oldest);
}

/* The window is at the first line of an element. */
static __always_inline u64 redis_reply_element(struct redis_side *side, struct redis_window w,
					       u32 oldest)
{
	u8 type = w.lo, flags = side->flags, first = !side->left, top;
	s64 number = 0;
	u32 end;

	if (first)
		side->left = 1;
	top = side->left == 1 && !(flags & REDIS_OPENED);
	switch (type) {
	case '-':
		if (top)
			return redis_reply_error(side, w, oldest);
		return redis_reply_line(side, w, oldest);
	case ':':
		if (flags & (REDIS_CONFIRMS | REDIS_CONFIRMS_SHARD))
			break;
		return redis_reply_line(side, w, oldest);
	case '+':
	case '_':
	case '#':
	case ',':
	case '(':
		return redis_reply_line(side, w, oldest);
	case '\n': /* to keep a replica waiting (replicationCron() of Redis) */
		if (!first)
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		side->left = 0;
		return EVENT(EVENT_NONE, 0, 0, 1);
	case '$':
	case '!':
	case '=':
	case '*':
	case '~':
	case '%':
	case '|':
	case '>':
		break;
	default:
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	}
	end = redis_number(w, &number);
	if (!end)
		return redis_more(side, w, EVENT_NONE);
	if (end == REDIS_BAD || (number < 0 && type != '$' && type != '*' && type != ':'))
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	if (type == ':') {
		flags &= ~(flags & REDIS_CONFIRMS ? REDIS_SUBSCRIBED : REDIS_SUBSCRIBED_SHARD);
		if (number > 0)
			flags |= flags & REDIS_CONFIRMS ? REDIS_SUBSCRIBED : REDIS_SUBSCRIBED_SHARD;
		side->flags = flags;
		return redis_element_end(side, end - w.kept, oldest);
	}
	if (number < 0)
		return redis_element_end(side, end - w.kept, oldest);
	if (type == '$' || type == '=' || type == '!') {
		if (type == '!' && top)
			side->status = REDIS_ERROR_OTHER;
		return redis_reply_bulk(side, w, end, number, oldest);
	}
	return redis_reply_array(side, type, number, top, end - w.kept, oldest);
}

/*
 * redis_reply takes the next HAVE (1 to 16) bytes of what a server sends, as redis_request does.
 * OLDEST is the operation of the oldest request that is open, REDIS_NONE_OPEN or
 * REDIS_UNKNOWN_OPEN. It tells of
 * EVENT_END with the status, at the end of what answers the oldest open request, and of EVENT_PUSH
 * at the end of what answers none.
 */
static __always_inline u64 redis_reply(struct redis_side *side, u64 lo, u64 hi, u32 have,
				       u32 oldest)
{
	struct redis_window w = redis_window(side, lo, hi, have);

	switch (side->at) {
	case REDIS_AT_START:
	case REDIS_AT_FIRST:
		return redis_reply_element(side, w, oldest);
	case REDIS_AT_WORD:
		return redis_reply_word(side, w, oldest);
	case REDIS_AT_LINE:
		return redis_reply_line(side, w, oldest);
	case REDIS_AT_TAIL:
		if (w.n == 1 && (u8)w.lo == '\r')
			return redis_more(side, w, EVENT_NONE);
		if (w.n > 1 && (u16)w.lo == REDIS_CRLF)
			return redis_element_end(side, 2 - w.kept, oldest);
	}
	return EVENT(EVENT_NOT_MINE, 0, 0, 0);
}

#endif

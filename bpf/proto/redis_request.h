/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a client of Redis sends: commands, of which a few get no answer. Pure.
 *
 * A command is an array of bulk strings, or one line ("inline"). These are no commands, and get
 * no answer: an empty line, `*0`, and a negative count. A command begins for the caller with the
 * first byte that makes it one: in an array the first digit, since the asterisk of `*0` begins
 * nothing.
 *
 * CLIENT REPLY (clientReplyCommand, prepareClientToWrite, resetClient): SKIP is not answered, nor
 * is the next command; OFF is not, nor is anything before ON or RESET, which are. Confirmations of
 * SUBSCRIBE and its kin come all the same (CLIENT_PUSHING).
 *
 * A MULTI that holds SUBSCRIBE or its kin, or CLIENT REPLY, cannot be counted: EXEC's array then
 * has more or fewer elements than it says (Redis 7.0.15: `*2` with two confirmations and a value;
 * `*2` and nothing). Its EXEC is where following the connection ends, as MONITOR is.
 */
#ifndef FATHOM_REDIS_REQUEST_H
#define FATHOM_REDIS_REQUEST_H

#include "http1_head.h"
#include "redis.h"

enum redis_request_flags {
	/* of the connection */
	REDIS_REPLY_OFF = 1,
	REDIS_REPLY_SKIP = 2, /* the command that comes next gets no answer */
	REDIS_IN_MULTI = 4,
	REDIS_IN_ODD_MULTI = 8, /* EXEC's array will not have as many elements as it says */
	/* of the request */
	REDIS_BEGUN = 16,
};

/* Which bulk string of a request is the next that is looked at. */
enum redis_request_word {
	REDIS_WORD_NAME,
	REDIS_WORD_CLIENT, /* the second of CLIENT, if there are three */
	REDIS_WORD_REPLY,  /* the third of CLIENT REPLY */
	REDIS_WORD_NONE,
	/* CLIENT REPLY and what it asks for */
	REDIS_WORD_ON,
	REDIS_WORD_OFF,
	REDIS_WORD_SKIP,
};

/* The request is complete: what becomes of its reply, and of those to come. */
static __always_inline u64 redis_request_end(struct redis_side *side, u32 used)
{
	u8 flags = side->flags & ~REDIS_BEGUN, word = side->word, operation = side->operation;
	u8 is = redis_flags(operation), muted = flags & (REDIS_REPLY_OFF | REDIS_REPLY_SKIP);
	u8 kind = EVENT_END;

	flags &= ~REDIS_REPLY_SKIP;
	if (flags & REDIS_IN_MULTI) {
		if (word >= REDIS_WORD_ON || is & REDIS_SUBSCRIBES)
			flags |= REDIS_IN_ODD_MULTI;
		if (operation == REDIS_EXEC && flags & REDIS_IN_ODD_MULTI)
			kind = EVENT_SWITCH;
		if (operation == REDIS_EXEC || operation == REDIS_DISCARD)
			flags &= ~(REDIS_IN_MULTI | REDIS_IN_ODD_MULTI);
	} else if (operation == REDIS_MULTI) {
		flags |= REDIS_IN_MULTI;
	} else if (is & REDIS_SUBSCRIBES || word == REDIS_WORD_ON) {
		muted = 0;
		if (word == REDIS_WORD_ON)
			flags &= ~REDIS_REPLY_OFF;
	} else if (word == REDIS_WORD_OFF) {
		flags |= REDIS_REPLY_OFF;
		muted = 1;
	} else if (word == REDIS_WORD_SKIP) {
		if (!(flags & REDIS_REPLY_OFF))
			flags |= REDIS_REPLY_SKIP;
		muted = 1;
	}
	if (operation == REDIS_RESET) { /* clearClientConnectionState: not the SKIP before it */
		flags = 0;
		muted &= REDIS_REPLY_SKIP;
	}
	if (is & REDIS_STREAMS)
		kind = EVENT_SWITCH;
	else if (muted && kind == EVENT_END)
		kind = EVENT_QUIET;
	side->flags = flags;
	side->at = REDIS_AT_START;
	side->word = REDIS_WORD_NAME;
	side->operation = REDIS_OTHER;
	side->left = 0;
	return EVENT(kind, operation, 0, used);
}

/* A bulk string, or what was looked at of it, ends USED bytes from here but for its CR LF. */
static __always_inline u64 redis_argument_end(struct redis_side *side, u8 kind, u32 used)
{
	if (--side->left) {
		side->at = REDIS_AT_ARGUMENT;
		used += 2;
	} else {
		side->at = REDIS_AT_TAIL;
	}
	return EVENT(kind, kind == EVENT_NONE ? 0 : side->operation, 0, used);
}

/* The command's name is LENGTH bytes long; LO and HI are its first 16, zero behind them. */
static __always_inline void redis_request_name(struct redis_side *side, u64 lo, u64 hi, u32 length)
{
	side->operation = redis_command(lo, hi, length);
	side->word = side->operation == REDIS_CLIENT && side->left == 3 ? REDIS_WORD_CLIENT :
									  REDIS_WORD_NONE;
}

/* The window is within a bulk string that is looked at. */
static __always_inline u64 redis_request_word(struct redis_side *side, struct redis_window w)
{
	u32 length = side->length, want = length < 16 ? length : 16;
	u64 lo = w.lo, hi = w.hi;
	u8 kind = EVENT_NONE, word = side->word;

	if (w.n < want)
		return redis_more(side, w, EVENT_NONE);
	bytes_cut(&lo, &hi, want);
	if (word == REDIS_WORD_NAME) {
		redis_request_name(side, lo, hi, length);
		kind = EVENT_OPERATION;
	} else {
		lo = redis_upper(lo);
		side->word = REDIS_WORD_NONE;
		if (word == REDIS_WORD_CLIENT && lo == REDIS_LO("REPLY"))
			side->word = REDIS_WORD_REPLY;
		else if (word == REDIS_WORD_REPLY && lo == REDIS_LO("ON"))
			side->word = REDIS_WORD_ON;
		else if (word == REDIS_WORD_REPLY && lo == REDIS_LO("OFF"))
			side->word = REDIS_WORD_OFF;
		else if (word == REDIS_WORD_REPLY && lo == REDIS_LO("SKIP"))
			side->word = REDIS_WORD_SKIP;
	}
	return redis_argument_end(side, kind, length - w.kept);
}

/* The window is at a line with a number: that of all arguments, or an argument's length. */
static __always_inline u64 redis_request_number(struct redis_side *side, struct redis_window w)
{
	u8 first = side->at == REDIS_AT_START, kind = EVENT_NONE, c = w.lo >> 8;
	u8 longest = side->word == REDIS_WORD_NAME ? 20 : 5;
	s64 number = 0;
	u32 end;

	if ((u8)w.lo != (first ? '*' : '$'))
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	end = redis_number(w, &number);
	if (end == REDIS_BAD)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	if (first) {
		/* A byte that is not there is zero. */
		if (c >= '1' && c <= '9' && !(side->flags & REDIS_BEGUN)) {
			side->flags |= REDIS_BEGUN;
			kind = EVENT_BEGIN;
		}
		if (!end)
			return redis_more(side, w, kind);
		if (number > 0) {
			side->left = number;
			side->at = REDIS_AT_ARGUMENT;
		}
		return EVENT(kind, 0, 0, end - w.kept);
	}
	if (!end)
		return redis_more(side, w, EVENT_NONE);
	if (number < 0)
		return EVENT(EVENT_NOT_MINE, 0, 0, 0);
	if (side->word < REDIS_WORD_NONE) {
		if (number && number <= longest) {
			side->length = number;
			side->at = REDIS_AT_WORD;
			return EVENT(EVENT_NONE, 0, 0, end - w.kept);
		}
		side->word = REDIS_WORD_NONE;
	}
	end += number;
	if (side->left == 1 && end + 2 <= w.n) {
		if ((u16)bytes_from(w.lo, w.hi, end) != REDIS_CRLF)
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		return redis_request_end(side, end + 2 - w.kept);
	}
	return redis_argument_end(side, EVENT_NONE, end - w.kept);
}

/* The window is at the name of an inline command. What follows it is not looked at. */
static __always_inline u64 redis_request_inline(struct redis_side *side, struct redis_window w)
{
	u32 end = bytes_first(bytes_below(w.lo, '!'), bytes_below(w.hi, '!'));
	u8 begun = side->flags & REDIS_BEGUN, c;

	side->flags |= REDIS_BEGUN;
	side->at = REDIS_AT_INLINE;
	if (end >= w.n && w.n < 16)
		return redis_more(side, w, begun ? EVENT_NONE : EVENT_BEGIN);
	if (end < 16) {
		c = bytes_from(w.lo, w.hi, end);
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return EVENT(EVENT_NOT_MINE, 0, 0, 0);
		bytes_cut(&w.lo, &w.hi, end);
		side->operation = redis_command(w.lo, w.hi, end);
		if (begun && c == '\n') /* all but this byte may have been used already */
			return redis_request_end(side, end + 1 - w.kept);
		if (c != '\n')
			end++;
	}
	side->at = REDIS_AT_LINE;
	return EVENT(begun ? EVENT_OPERATION : EVENT_BEGIN, side->operation, 0, end - w.kept);
}

/* The status of the event of a request's end: its beginning is among the bytes. */
#define REDIS_WHOLE 1

/* How many arguments a usual request has at most, with its name. */
#define REDIS_USUAL_ARGUMENTS 8

/* How long a usual argument is, whose LINE has at most two digits, with its line and end; or 0. */
static __always_inline u32 redis_usual_argument(u64 line)
{
	u8 first = (u8)(line >> 8) - '0', second = (u8)(line >> 16) - '0';

	if ((u8)line != '$' || first > 9)
		return 0;
	if ((u16)(line >> 16) == REDIS_CRLF)
		return first + 6;
	if ((u16)(line >> 24) != REDIS_CRLF || !first || second > 9)
		return 0;
	return 10 * first + second + 7;
}

/*
 * redis_whole_request takes a request from byte AT of BYTES on, of which N are there (at most
 * HEAD_BYTES; HEAD_AHEAD more may be looked at), if nothing of it was taken yet, all of it is
 * there, and it is usual. It then returns what redis_request() does at its end, with the status
 * REDIS_WHOLE; else it does nothing and returns 0.
 */
static __always_inline u64 redis_whole_request(struct redis_side *side, const u8 *bytes, u64 at,
					       u64 n)
{
	u8 arguments, length, operation;
	u64 lo, name, place = at;
	u32 i, argument;

	if (side->at != REDIS_AT_START || side->kept || at > HEAD_BYTES || n > HEAD_BYTES)
		return 0;
	lo = http1_word_at(bytes + at);
	arguments = (u8)(lo >> 8) - '0';
	length = (u8)(lo >> 40) - '0';
	if ((lo & 0xffff00ffffff00ff) != 0x0a0d00240a0d002a || arguments < 1 ||
	    arguments > REDIS_USUAL_ARGUMENTS || length < 1 || length > 8)
		return 0;
	name = http1_word_at(bytes + at + 8) & bytes_low(length);
	place = at + 8 + length + 2;
	for (i = 1; i < REDIS_USUAL_ARGUMENTS; i++) {
		if (i >= arguments)
			break;
		if (place > HEAD_BYTES)
			return 0;
		/* If what lies behind N looks like one, the request ends behind N, too. */
		argument = redis_usual_argument(http1_word_at(bytes + place));
		if (!argument)
			return 0;
		place += argument;
	}
	if (place > n)
		return 0;
	__asm__("" : "+r"(place)); /* for verifiers that do not see it by N */
	if (place < 2 || place > HEAD_BYTES || (u16)http1_word_at(bytes + place - 2) != REDIS_CRLF)
		return 0;
	operation = redis_command(name, 0, length);
	if (operation == REDIS_CLIENT) /* of which more than the name is looked at */
		return 0;
	side->operation = operation;
	side->word = REDIS_WORD_NONE;
	return redis_request_end(side, place - at) | EVENT(0, 0, REDIS_WHOLE, 0);
}

/*
 * redis_request takes the next HAVE (1 to 16) bytes of what a client sends, as the little-endian
 * words LO and HI; bytes behind them are ignored. Of each command it tells EVENT_BEGIN, with the
 * operation if that is known; EVENT_OPERATION, if it is known later and before the end; and one of
 * EVENT_END, EVENT_QUIET and EVENT_SWITCH, always with the operation.
 */
static __always_inline u64 redis_request(struct redis_side *side, u64 lo, u64 hi, u32 have)
{
	struct redis_window w = redis_window(side, lo, hi, have);
	u8 c = w.lo, n = (u8)(w.lo >> 8) - '0', length = (u8)(w.lo >> 40) - '0';
	u32 end;

	switch (side->at) {
	case REDIS_AT_START:
		if (c == '\r' || c == '\n' || c == ' ' || c == '\t')
			return EVENT(EVENT_NONE, 0, 0, (u16)w.lo == REDIS_CRLF ? 2 : 1);
		if (c == '"' || c == '\'' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
			return redis_request_inline(side, w);
		/* "*N CR LF $L CR LF", and a name of up to 8 bytes that is all there: most. */
		if ((w.lo & 0xffff00ffffff00ff) != 0x0a0d00240a0d002a || w.kept || n < 1 || n > 9 ||
		    length < 1 || w.n < 8u + length)
			return redis_request_number(side, w);
		side->left = n;
		redis_request_name(side, w.hi & bytes_low(length), 0, length);
		return redis_argument_end(side, EVENT_BEGIN, 8 + length);
	case REDIS_AT_ARGUMENT:
		return redis_request_number(side, w);
	case REDIS_AT_WORD:
		return redis_request_word(side, w);
	case REDIS_AT_INLINE:
		return redis_request_inline(side, w);
	case REDIS_AT_LINE:
		end = bytes_first(bytes_equal(w.lo, '\n'), bytes_equal(w.hi, '\n'));
		if (end == 16)
			return EVENT(EVENT_NONE, 0, 0, w.n);
		return redis_request_end(side, end + 1);
	case REDIS_AT_TAIL:
		if (w.n == 1 && c == '\r')
			return redis_more(side, w, EVENT_NONE);
		if (w.n > 1 && (u16)w.lo == REDIS_CRLF)
			return redis_request_end(side, 2 - w.kept);
	}
	return EVENT(EVENT_NOT_MINE, 0, 0, 0);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Bytes of HTTP/1 that passed without having been looked at: what that costs. */
#ifndef FATHOM_HTTP1_UNSEEN_H
#define FATHOM_HTTP1_UNSEEN_H

#include "../bytes/passage.h"
#include "state.h"

/* The last request's method did not come as a whole: it is lost. */
static __always_inline void lose_last_request(struct conn *c, u32 reason)
{
	u32 number = c->requests - 1;
	struct exchange *x = exchange_of(c, number);

	if (x->id != number || x->start == START_LOST || (s32)(c->settled - number) > 0)
		return;
	x->start = START_LOST;
	mark(c, number, true);
	count_lost(reason, 1);
}

/*
 * A request went by. If its response is there already, and was taken to have a body, that may have
 * been the next response.
 */
static __always_inline void lose_unseen_request(struct conn *c, u32 reason)
{
	if (open_exchanges(c) < 0 &&
	    (c->assumed >> (c->requests & 63) & 1 || http1_awaits_method(http1_of(c, RESPONSE))))
		c->deep = 1;
	lose_request(c, reason);
}

/*
 * Requests: where a message should begin, one did, or, of a client that has read more than one
 * response meanwhile or of which bytes went unseen before (AGAIN), several may have. Within a head
 * or between chunks only the place is lost.
 */
static __always_inline void requests_unseen(struct conn *c, struct http1_side *s, u32 length,
					    u32 reason, bool again)
{
	s32 open = open_exchanges(c);

	c->owed = OWED_NONE;
	if ((s->phase == HTTP1_UNKNOWN && open < 0) ||
	    (s->phase == HTTP1_START && open < 0 && (open < -1 || again || read_pending(c)))) {
		/* what a client has read answers a request that is in these bytes, or the next */
		lose_until(c->slot, c->responses, reason);
		c->answering = 0;
		c->deep = 1;
	} else if (s->phase == HTTP1_START && length < HTTP1_PREFIX && open_exchanges(c) >= 0) {
		/* no whole request: blank lines, or the rest will be answered, and tell */
	} else if (s->phase == HTTP1_START && c->deep) {
		count_lost(reason, 1);
	} else if (s->phase == HTTP1_START) {
		lose_unseen_request(c, reason);
	} else if (s->phase == HTTP1_LINE) {
		lose_last_request(c, reason);
	}
	if (s->phase != HTTP1_UNKNOWN)
		http1_distrust(s);
}

/* A client has read the response to a request whose hook is still to run. */
static __always_inline void lose_response_ahead(struct conn *c, u32 reason)
{
	c->responses++;
	lose_until(c->slot, c->responses, reason);
}

/*
 * Responses, up to END of their direction. What is being answered keeps its status, if that was
 * seen.
 */
static __always_inline void responses_unseen(struct conn *c, struct http1_side *s, u32 reason,
					     u32 end, u64 now)
{
	/* the final one is still to come */
	u8 phase = s->orphan == ORPHAN_INTERIM ? HTTP1_START : s->phase;

	switch (phase) {
	case HTTP1_CLOSE:
	case HTTP1_UNKNOWN:
		if (open_exchanges(c) > 0)
			lose_responses(c->slot, end, reason);
		else if (now)
			continue_response(c, 0, end, now);
		break;
	case HTTP1_START:
	case HTTP1_LINE:
		if (open_exchanges(c) > 0) {
			lose_responses(c->slot, end, reason);
		} else if (c->role == ROLE_CLIENT && write_pending(c)) {
			lose_response_ahead(c, reason);
		}
		http1_distrust(s);
		break;
	default:
		if (now)
			http1_response_ends(c, false, end, now);
		else if (c->answering && open_exchanges(c) < 0)
			/* the hook of its request is still to run */
			lose_until(c->slot, c->responses, reason);
		else if (c->answering)
			lose_responses(c->slot, end, reason);
		c->answering = 0;
		http1_distrust(s);
	}
}

/*
 * LENGTH bytes of a direction passed, up to END, that could not be read (NOW is the time), or that
 * no tap saw (NOW is 0). Returns how many of them may have held more than a body.
 */
__noinline u32 http1_unseen(u32 slot, u64 direction_and_length, u32 end, u32 reason, u64 now)
{
	bool is_response = direction_and_length & IS_RESPONSE;
	struct conn *c = conn_of(slot);
	u32 length = direction_and_length, n;
	struct http1_side *s;
	bool again;

	if (!c)
		return 0;
	again = c->unseen;
	c->unseen = 1;
	if (c->deep && is_response)
		return 0;
	s = http1_of(c, is_response);
	if (is_response && http1_awaits_method(s) && http1_resolve(slot, 0, 0)) {
		c->answering = 0;
		settle_over(c);
	}
	if (http1_has_body(s)) {
		n = s->left < length ? s->left : length;
		length -= n;
		if (http1_skip(s, n) && is_response) {
			if (now || !c->answering) {
				http1_response_ends(c, true, end, now);
			} else { /* when it ended is not known */
				lose_until(slot, c->responses, reason);
				c->answering = 0;
			}
		}
	}
	if (!length)
		return 0;
	if (s->phase == HTTP1_UNKNOWN) /* what was kept does not go on behind these */
		s->have = 0;
	if (is_response)
		responses_unseen(c, s, reason, end, now);
	else
		requests_unseen(c, s, length, reason, again);
	return length;
}

#endif

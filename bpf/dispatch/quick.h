/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The usual message of HTTP/1: one that begins with a call. */
#ifndef FATHOM_DISPATCH_QUICK_H
#define FATHOM_DISPATCH_QUICK_H

#include "../http1/quick.h"
#include "drain.h"

/* Whether a message begins with this call that http1_quick() can take, if it is usual. */
static __always_inline bool may_be_quick(struct conn *c, u32 is_response, u32 seq)
{
	struct http1_side *s = http1_of(c, is_response);
	struct exchange *x;

	if (c->class != CLASS_HTTP1 || c->deep || c->upgraded || s->phase != HTTP1_START || s->have)
		return false;
	if (!is_response)
		return !(s->framing & HTTP1_DOUBT);
	if (open_exchanges(c) <= 0)
		return false;
	x = exchange_of(c, c->responses);
	return x->id == c->responses && x->start != START_LOST && x->operation != METHOD_HEAD &&
	       x->operation != METHOD_CONNECT && x->operation != METHOD_PENDING &&
	       (c->role != ROLE_SERVER || (s32)(seq - x->position) >= 0);
}

/* How many times HEAD_BYTES a head may have. */
#define QUICK_PARTS 16

/*
 * Takes a usual message that begins with this call, and its body if all of it is there. LENGTHS:
 * how many bytes its first buffer, at ADDRESS, has, and the call, in the upper half. SEQ: the
 * number of the first byte, with IS_RESPONSE. Returns how many bytes of the call were taken: all,
 * or some of the first buffer; 0, with nothing done, if it is not usual.
 */
__noinline u32 take_quickly(u32 slot, u64 address, u64 lengths, u64 seq, u64 now)
{
	u32 is_response = !!(seq & IS_RESPONSE), length = lengths, end = seq + (lengths >> 32),
	    used, more, rest, i;
	u64 event = http1_quick(slot, is_response, address, length);
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!event || !c)
		return 0;
	s = http1_of(c, is_response);
	used = event_used(event);
	for (i = 0; i < QUICK_PARTS && s->phase == HTTP1_HEAD && used < length; i++) {
		more = http1_quick(slot, is_response, address + used, length - used);
		if (!more)
			break;
		used += more;
	}
	if (!is_response) {
		start_clock(c, seq, now);
		http1_begin(c, event_operation(event), now);
	} else {
		s->orphan = ORPHAN_NONE;
		c->answering = 1;
		begin_response(c, event_status(event), end, now);
		if ((s->phase == HTTP1_START || s->phase == HTTP1_CLOSE) &&
		    (s->answers != HTTP1_ANSWERS_TUNNEL || !http1_is_held(slot, end, now)))
			http1_response_ends(c, s->phase == HTTP1_START, end, now);
	}
	rest = (lengths >> 32) - used;
	if (s->phase != HTTP1_BODY || !rest)
		return used;
	http1_body_comes(c, s, false);
	if (s->left < rest) { /* more follows: up to where the buffer or the body ends */
		rest = length - used;
		if (s->left < rest)
			rest = s->left;
		if (!rest)
			return used;
	}
	http1_pass_over(c, is_response, rest, end, now);
	return used + rest;
}

/* The same for the call P of C, whose bytes are at ADDRESS; ARGUMENTS as for next_iovec(). */
static __always_inline u32 take_first(struct conn *c, const struct passage *p, u64 address,
				      u64 arguments)
{
	u32 length = p->length;

	if (arguments & HAS_IOVECS) {
		c->iov_skipped[!!(arguments & IS_RESPONSE)] = 0;
		length = next_iovec(p->slot, address, arguments);
		if (length == IOVEC_FAULT)
			return 0;
		address = c->iov_base[!!(arguments & IS_RESPONSE)];
	}
	if (length < HTTP1_PREFIX)
		return 0;
	return take_quickly(p->slot, address, (u64)p->length << 32 | length,
			    (arguments & IS_RESPONSE) | p->seq, p->now);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From what a call moved to exchanges: finds the bytes, has the connection's protocol take a step
 * at a time, and applies what the steps find. The one room that knows all protocols.
 */
#ifndef FATHOM_LOOK_H
#define FATHOM_LOOK_H

#include "../unseen.h"
#include "quick.h"

/* LENGTH bytes, the last ones of a call, could not be read. END: the number behind them. */
__noinline int count_unreadable(u32 slot, u64 direction_and_length, u32 fault, u32 end, u64 now)
{
	bool is_response = direction_and_length & IS_RESPONSE;
	u32 length = direction_and_length;
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (fault == FAULT_PROTOCOL) { /* they were read, and are not what the protocol has here */
		bytes_unseen(c, direction_and_length, end, LOST_INVALID, now);
		return 0;
	}
	if (c->class == CLASS_UNKNOWN && c->greets) { /* as nearly all that speak first do */
		classify(slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
		return 0;
	}
	if (c->class == CLASS_UNKNOWN) {
		classify(slot, CLASS_UNREADABLE, COVERAGE_UNREADABLE + fault);
		count_lost(LOST_UNREADABLE + fault, 1);
	} else {
		length = bytes_unseen(c, direction_and_length, end, LOST_UNREADABLE + fault, now);
	}
	if (length)
		count_lost_bytes((c->role == ROLE_SERVER) == is_response ? WRITE : READ,
				 BYTES_UNREADABLE, length);
	return 0;
}

/* The response direction carries the first bytes of a connection. */
__noinline int server_spoke_first(u32 slot, u32 direction)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return true;
	if (c->class != CLASS_UNKNOWN || http1_of(c, REQUEST)->have || c->asked || c->greets)
		return false;
	if (direction == WRITE && c->ktls_tx) /* tickets (RFC 8446, section 4.6.1) */
		return true;
	if (direction == READ) {
		if (write_pending(c))
			return false; /* the hook of the request's write is late */
		ordered(&c->settled);
		if (c->class != CLASS_UNKNOWN)
			return false; /* or has run meanwhile */
	}
	if (c->after_gap) { /* it answers what was not seen */
		try_again(c);
		return true;
	}
	if (direction == WRITE && answers_late_read(c))
		return false; /* next_step() knows whether it is HTTP/2 */
	c->greets = 1;	      /* what it says tells whether this is all */
	return false;
}

/* If TLS was just recognised: up to 6.12 the stack is too short to do this where that was. */
static __always_inline void follow_tls(struct conn *c)
{
	if (c->encrypted && !c->tls)
		tls_begins(c->slot);
}

/* Whether nobody has to look at the bytes of Redis that pass. */
__noinline int redis_passes_over(u32 slot, u32 is_response, u32 length, u64 now)
{
	struct conn *c = conn_of(slot);
	u32 skip;

	if (!c)
		return true;
	if (c->deep && is_response) {
		redis_passes_unmatched(c, now);
		return true;
	}
	skip = c->redis_skip[is_response & 1];
	if (skip < length)
		return false;
	c->redis_skip[is_response & 1] = skip - length;
	return true;
}

/* Whether what passes is all of a body, for which nobody has to look at the bytes. */
static __always_inline bool is_body(struct conn *c, u32 is_response, const struct passage *p)
{
	struct http1_side *s = http1_of(c, is_response);

	if (c->class == CLASS_REDIS)
		return redis_passes_over(p->slot, is_response, p->length, p->now);
	if (c->class == CLASS_HTTP2)
		return http2_passes_over(p->slot, is_response, p->length, p->now);
	if (c->class != CLASS_HTTP1)
		return false;
	if (c->deep && is_response)
		return true;
	if (s->phase == HTTP1_CLOSE && open_exchanges(c) <= 0 && !http1_awaits_method(s)) {
		continue_response(c, p->length, p->seq + p->length, p->now);
		return true;
	}
	if (!http1_covers(s, p->length) || (is_response && http1_awaits_method(s)) ||
	    (s->framing & HTTP1_EXPECT && s->left != p->length))
		return false;
	http1_body_comes(c, s, true);
	http1_pass_over(c, is_response, p->length, p->seq + p->length, p->now);
	return true;
}

/*
 * Whether a server writes, and no request is open, or not as a whole, but it has read more than the
 * hooks have told.
 */
static __always_inline bool answers_unseen(struct conn *c)
{
	s32 open = open_exchanges(c);

	u8 phase = http1_of(c, RESPONSE)->phase;

	if (c->class != CLASS_HTTP1 || (phase != HTTP1_START && phase != HTTP1_UNKNOWN))
		return false;
	if (open > 1 || (open == 1 && exchange_of(c, c->responses)->operation != METHOD_PENDING))
		return false;
	return read_pending(c);
}

/* Looks at what passed on a connection that may carry a protocol that is read. */
static __always_inline void look_at(struct conn *c, struct sock *sk, const struct passage *p,
				    int flags)
{
	u32 is_response = (c->role == ROLE_SERVER) != (p->direction == READ), fault, used = 0;
	u64 arguments = p->length, rest;
	struct user_buffer b;

	if (c->role && is_response && c->class == CLASS_UNKNOWN &&
	    server_spoke_first(p->slot, p->direction))
		return;
	/*
	 * A server's reads return before it answers what they brought: a hook that has not run by
	 * now will not.
	 */
	if (is_response && p->direction == WRITE && answers_unseen(c))
		read_missed(p->slot);
	if (c->role && is_body(c, is_response, p))
		return;
	rest = p->length;
	fault = flags & MSG_TRUNC ?
			FAULT_TRUNC :
			find_user_buffer(sk, p->direction, p->source, p->hint, p->length, &b);
	if (!fault && b.batch > 1 && c->batch_buffer == b.messages)
		fault = FAULT_BATCH;
	if (!fault && b.iovs == 1 && !b.batch) { /* as read() has one up to Linux 5.19 */
		struct user_iovec only;

		if (read_iovec(&only, b.address, p->source != FROM_REGISTERS) ||
		    only.length < p->length)
			fault = FAULT_MEMORY;
		b.address = only.base;
		b.iovs = 0;
	}
	if (!fault) {
		if (c->batch_buffer != b.messages)
			c->batch_buffer = b.messages;
		if (b.iovs)
			arguments |= HAS_IOVECS;
		if (p->source != FROM_REGISTERS)
			arguments |= KERNEL_IOVECS;
		if (!c->role) {
			find_role(p->slot, b.address, arguments, p->direction);
			is_response = (c->role == ROLE_SERVER) != (p->direction == READ);
			if (!c->role) {
				follow_tls(c);
				return;
			}
		}
		if (is_response)
			arguments |= IS_RESPONSE;
		arguments |= FIRST_OF_CALL;
		if (may_be_quick(c, is_response, p->seq))
			used = take_first(c, p, b.address, arguments);
		if (used == p->length) {
			follow_tls(c);
			return;
		}
		if (used)
			arguments = (arguments & ~FIRST_OF_CALL) - used;
		if (b.iovs)
			rest = drain_all_iovecs(c, p, b.address, arguments, used);
		else
			rest = drain_all(p, b.address, arguments);
		fault = rest >> 32;
	}
	if (fault)
		count_unreadable(p->slot, (is_response ? IS_RESPONSE : 0) | (u32)rest, fault,
				 p->seq + p->length, p->now);
	follow_tls(c);
}

#endif

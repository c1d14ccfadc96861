/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the buffers of a call to steps, a bounded number of them, and on to what these find. */
#ifndef FATHOM_DRAIN_H
#define FATHOM_DRAIN_H

#include "../http2/drain.h"
#include "apply.h"

/*
 * How many steps through a buffer are followed at a time; how many times where a call has but one
 * buffer; and where it has several, in all of them, each of which takes one time at least.
 */
#define DRAIN_STEPS 64
#define DRAIN_TIMES 96
#define DRAIN_IOVECS 1040
/* How many of these one call of a function takes, which the verifier follows once. */
#define DRAIN_TIMES_PART 19
#define DRAIN_IOVECS_PART 40
_Static_assert((DRAIN_TIMES - 1) % DRAIN_TIMES_PART == 0, "as many as documented");
_Static_assert(DRAIN_IOVECS % DRAIN_IOVECS_PART == 0, "as many as documented");
_Static_assert(REDIS_STEPS == DRAIN_STEPS && HTTP2_STEPS == DRAIN_STEPS,
	       "documented as one number");

/*
 * Whether a server says its first words when the hook of a read is still to run, or never will:
 * what it answers is not known.
 */
static __always_inline bool answers_late_read(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	return c->role == ROLE_SERVER && !http1_of(c, REQUEST)->have && !c->asked && !c->greets &&
	       c->rx_known && load(tp, copied_seq) != c->rx_pos;
}

/*
 * The next step in a direction of a connection that carries HTTP/1, or that may do so: what is at
 * ADDRESS. LENGTH: how many bytes are there, with IS_RESPONSE and FIRST_OF_CALL.
 */
__noinline u64 next_step(u32 slot, u64 address, u64 length, u32 seq)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE), kept;
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!c || c->upgraded || (c->deep && is_response))
		return EVENT(EVENT_NONE, 0, 0, n);
	if (c->switching && (is_response || c->switching == HTTP2_SWITCHING ||
			     !http1_is_within(http1_of(c, REQUEST))))
		return http2_switch_step(slot, address, n, is_response);
	if (c->class == CLASS_UNKNOWN && !is_response)
		return recognise(slot, address, n);
	if (c->class == CLASS_UNKNOWN) {
		if (!c->after_gap && !c->joined) {
			u64 event = http2_greets(slot, address, n);

			if (event)
				return event;
		}
		if (answers_late_read(c)) {
			try_again(c);
			return EVENT(EVENT_NONE, 0, 0, n);
		}
	}
	if (c->class == CLASS_UNKNOWN && (c->asked || c->greets))
		return preamble_answer(slot, address, n);
	if (c->class == CLASS_REDIS || c->class == CLASS_HTTP2)
		/* since drain() looked: it looks again */
		return EVENT(EVENT_NONE, 0, 0, 0);
	if (c->class > CLASS_HTTP1)
		return EVENT(EVENT_NONE, 0, 0, n);
	s = http1_of(c, is_response);
	if (c->deep && length & FIRST_OF_CALL)
		http1_leaves_deep(slot, address, n, seq);
	if (!is_response && s->have && c->preamble)
		return preamble_step(slot, address, n);
	if (is_response && http1_awaits_method(s) && http1_resolve(slot, address, n))
		return EVENT(EVENT_END, 0, 0, 0);
	if (http1_has_body(s)) {
		if (length & FIRST_OF_CALL && s->framing & HTTP1_EXPECT &&
		    http1_left_out(slot, address, n))
			return EVENT(EVENT_NONE, 0, 0, 0);
		http1_body_comes(c, s, length & FIRST_OF_CALL);
		return EVENT(EVENT_BODY, 0, 0, s->left < n ? s->left : n);
	}
	if (s->phase < HTTP1_CLOSE)
		return http1_step(slot, is_response, address, n);
	kept = http1_kept(s);
	if (length & FIRST_OF_CALL || kept) {
		switch (http1_finds_place(slot, is_response, address, n, seq)) {
		case PLACE_FOUND:
			return EVENT(EVENT_NONE, 0, 0, 0);
		case PLACE_PARTIAL:
			return EVENT(is_response || kept ? EVENT_NONE : EVENT_PIECE, 0, 0, n);
		}
	}
	return EVENT(EVENT_REST, 0, 0, n);
}

/*
 * Takes the bytes of a buffer at ADDRESS: so many as LENGTH says, with IS_RESPONSE and
 * FIRST_OF_CALL; SEQ is the number of the first. Returns 0, or how many bytes were left with an
 * enum buffer_fault above that: FAULT_STEPS where it may go on, with drain_as(), as the
 * connection may have turned out to carry another protocol.
 */
__noinline u64 drain(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	struct conn *c;
	u64 event;
	u32 i;

	for (i = 0; i < DRAIN_STEPS; i++) {
		if (!(u32)length)
			return 0;
		c = conn_of(slot);
		if (c && (c->class == CLASS_REDIS || c->class == CLASS_HTTP2))
			break;
		event = next_step(slot, address, length, seq);
		if (event_kind(event) == EVENT_FAULT)
			return (u64)FAULT_MEMORY << 32 | (u32)length;
		apply(slot, length & IS_RESPONSE, event, seq, now);
		address += event_used(event);
		seq += event_used(event);
		length = (length & IS_RESPONSE) | (u32)(length - event_used(event));
	}
	return (u64)FAULT_STEPS << 32 | (u32)length;
}

/* The same by what the connection in SLOT carries. */
static __always_inline u64 drain_as(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);

	if (c && c->class == CLASS_REDIS)
		return redis_drain(slot, address, length, seq, now);
	if (c && c->class == CLASS_HTTP2)
		return http2_drain(slot, address, length, seq, now);
	return drain(slot, address, length, seq, now);
}

#define IOVEC_FAULT (~0U)

/*
 * The struct iovec at ADDRESS behind its first conn.iov_skipped bytes: how many bytes of it are
 * among those that LEFT says are left, with IS_RESPONSE and KERNEL_IOVECS. Leaves their address in
 * the connection; IOVEC_FAULT if it cannot be read.
 */
__noinline u32 next_iovec(u32 slot, u64 address, u64 left)
{
	u32 is_response = !!(left & IS_RESPONSE), skipped;
	struct conn *c = conn_of(slot);
	struct user_iovec iov;

	if (!c || read_iovec(&iov, address, left & KERNEL_IOVECS))
		return IOVEC_FAULT;
	skipped = c->iov_skipped[is_response];
	c->iov_base[is_response] = iov.base + skipped;
	iov.length -= skipped;
	return iov.length < (u32)left ? iov.length : left;
}

/*
 * The same for an array of struct iovec at ADDRESS, of which the first has conn.iov_skipped bytes
 * that are not among them. Where it returns FAULT_STEPS or FAULT_IOVECS it has taken
 * DRAIN_IOVECS_PART turns, and it may go on with what is left from the struct iovec on whose
 * address is in the connection, with how many bytes of it were taken.
 */
__noinline u64 drain_iovecs(u32 slot, u64 address, u64 flags_and_length, u32 seq, u64 now)
{
	u32 is_response = !!(flags_and_length & IS_RESPONSE), i, n;
	u32 left = flags_and_length, end = seq + left;
	struct conn *c = conn_of(slot);
	u64 rest = 0;

	if (!c)
		return (u64)FAULT_MEMORY << 32 | left;
	flags_and_length &= IS_RESPONSE | KERNEL_IOVECS | FIRST_OF_CALL;
	for (i = 0; i < DRAIN_IOVECS_PART; i++) {
		if (!left)
			return 0;
		n = next_iovec(slot, address, flags_and_length | left);
		if (n == IOVEC_FAULT)
			return (u64)FAULT_MEMORY << 32 | left;
		rest = drain_as(slot, c->iov_base[is_response],
				(flags_and_length & (IS_RESPONSE | FIRST_OF_CALL)) | n, end - left,
				now);
		n -= (u32)rest;
		left -= n;
		if (n) /* what an empty buffer moves is not the first */
			flags_and_length &= ~FIRST_OF_CALL;
		if (rest >> 32 == FAULT_STEPS) { /* it goes on there */
			c->iov_skipped[is_response] += n;
			continue;
		}
		if (rest)
			return (rest & ~0xffffffffULL) | left;
		address += sizeof(struct user_iovec);
		c->iov_skipped[is_response] = 0;
	}
	c->iov_base[is_response] = address;
	return (u64)(rest ? FAULT_STEPS : FAULT_IOVECS) << 32 | left;
}

/*
 * All of the array at ADDRESS where the call P of C has one; arguments as for take_first(), and how
 * many bytes of the first buffer were taken already.
 */
static __always_inline u64 drain_all_iovecs(struct conn *c, const struct passage *p, u64 address,
					    u64 arguments, u32 used)
{
	u32 is_response = !!(arguments & IS_RESPONSE), i;
	u64 rest = (u32)arguments;

	c->iov_skipped[is_response] = used;
	for (i = 0; i < DRAIN_IOVECS / DRAIN_IOVECS_PART; i++) {
		rest = drain_iovecs(p->slot, address, (arguments & ~0xffffffffULL) | (u32)rest,
				    p->seq + p->length - (u32)rest, p->now);
		if (rest >> 32 != FAULT_STEPS && rest >> 32 != FAULT_IOVECS)
			break;
		address = c->iov_base[is_response];
		if ((u32)rest != (u32)arguments)
			arguments &= ~FIRST_OF_CALL;
	}
	return rest;
}

/*
 * drain_as() up to DRAIN_TIMES_PART times: as long as it says that it may go on. LEFT: how many
 * bytes are left at ADDRESS, with IS_RESPONSE.
 */
__noinline u64 drain_on(u32 slot, u64 address, u64 left, u32 seq, u64 now)
{
	u32 i, n = left;
	u64 rest = 0;

	for (i = 0; i < DRAIN_TIMES_PART; i++) {
		rest = drain_as(slot, address, left, seq, now);
		if (rest >> 32 != FAULT_STEPS)
			break;
		address += n - (u32)rest;
		seq += n - (u32)rest;
		n = rest;
		left = (left & IS_RESPONSE) | n;
	}
	return rest;
}

/*
 * drain_as() where the call P has no other buffer than that at ADDRESS. Of FLAGS_AND_LENGTH the
 * length is how many bytes of it are left.
 */
static __always_inline u64 drain_all(const struct passage *p, u64 address, u64 flags_and_length)
{
	u32 i, done = p->length - (u32)flags_and_length;
	u64 rest = drain_as(p->slot, address + done, flags_and_length, p->seq + done, p->now);

	for (i = 0; i < (DRAIN_TIMES - 1) / DRAIN_TIMES_PART; i++) {
		if (rest >> 32 != FAULT_STEPS)
			break;
		if ((u32)rest != (u32)flags_and_length)
			flags_and_length = (flags_and_length & IS_RESPONSE) | (u32)rest;
		done = p->length - (u32)rest;
		rest = drain_on(p->slot, address + done, flags_and_length, p->seq + done, p->now);
	}
	return rest;
}

#endif

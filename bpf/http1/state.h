/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * HTTP/1: from what was found in the bytes to exchanges.
 *
 * Each direction is framed by its own bytes, in their order (proto/http1_framing.h), and numbers
 * its messages; so requests and responses find each other whatever the order of the hooks. Times
 * are the hooks'.
 *
 * Distrust. Where bytes went unseen, or a head could not be read or contradicts itself, the place
 * in that direction is not known any more (HTTP1_UNKNOWN). It is known again at the beginning of a
 * call, where
 * - a request of a well-known method begins while all is answered, or
 * - a response begins while exactly one request is open.
 * Its first 16 bytes may come in several pieces, which are kept (http1_kept()).
 * What was open when responses went unseen is lost. Had several been open, it is not known which of
 * their answers are still to come: nothing of this connection is matched until it has rested,
 * or at all if its client pipelines (`deep`).
 */
#ifndef FATHOM_HTTP1_STATE_H
#define FATHOM_HTTP1_STATE_H

#include "../exchange/ordered.h"
#include "../socket/arrivals.h"
#include "scan.h"

#define METHOD_PENDING OPERATION_PENDING

/* What a response is besides the answer to a request. */
enum {
	ORPHAN_NONE,
	ORPHAN_INTERIM, /* 1xx: the final one is still to come */
	ORPHAN_SURE,	/* it answers nothing */
};

static __always_inline bool all_answered(struct conn *c)
{
	return open_exchanges(c) <= 0;
}

/*
 * Bytes of a body come. Had the client asked whether it shall send it, and was it answered by a
 * final status, a call of their own may be the next request as well.
 */
static __always_inline void http1_body_comes(struct conn *c, struct http1_side *s,
					     bool first_of_call)
{
	if (s->framing & HTTP1_EXPECT)
		s->framing = first_of_call && all_answered(c) ? HTTP1_DOUBT : 0;
}

/* Whether the request was seen that response NUMBER answers, and its method with it. */
static __always_inline u8 method_of(struct conn *c, u32 number)
{
	struct exchange *x = exchange_of(c, number);

	if ((s32)(c->requests - number) <= 0)
		return METHOD_PENDING;
	if (x->id == number)
		return x->start == START_LOST ? METHOD_COUNT : x->operation;
	/* Beyond the slots: one bit each. */
	return c->heads >> (number & 63) & 1 ? METHOD_HEAD : METHOD_OTHER;
}

/*
 * What follows the head of a response with this STATUS to that METHOD: enum http1_answers.
 * METHOD_COUNT: it is not known.
 */
static __always_inline u8 answers_of(u8 method, u16 status)
{
	if (status == 101 || (method == METHOD_CONNECT && status / 100 == 2))
		return HTTP1_ANSWERS_TUNNEL;
	if (method == METHOD_HEAD || status == 204 || status == 304)
		return HTTP1_ANSWERS_EMPTY;
	if (method == METHOD_PENDING)
		return HTTP1_ANSWERS_PENDING;
	return method == METHOD_COUNT ? HTTP1_ANSWERS_UNKNOWN : HTTP1_ANSWERS_USUAL;
}

/* Notes the time of what was written or read up to END just now. */
static __always_inline void touch_response(struct conn *c, u32 number, u32 end, u64 now)
{
	exchange_of(c, number)->last = written_by(c, number, end, now);
}

/*
 * Whether a response's head is over, and whether a body follows was not known: its request's hook
 * had not run.
 */
static __always_inline bool http1_awaits_method(const struct http1_side *s)
{
	return s->answers == HTTP1_ANSWERS_PENDING && s->phase > HTTP1_FIELD;
}

/*
 * Decides it now that LENGTH bytes follow at ADDRESS (0: they were not seen). If the request's hook
 * has still not run, they are taken for a body. What begins like a response may be one all the
 * same, to the request behind HEAD: http1_method_shown() will see. Returns whether the response was
 * over with its head.
 */
__noinline int http1_resolve(u32 slot, u64 address, u32 length)
{
	u64 words[2] = {}, n = at_most(length, HTTP1_PREFIX);
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u32 number;
	u16 status;

	if (!c)
		return false;
	s = http1_of(c, RESPONSE);
	number = c->responses - 1;
	s->answers = answers_of(method_of(c, number), exchange_of(c, number)->status);
	if (s->answers == HTTP1_ANSWERS_EMPTY || s->answers == HTTP1_ANSWERS_TUNNEL) {
		http1_expect_message(s);
		return true;
	}
	if (s->answers == HTTP1_ANSWERS_UNKNOWN) {
		http1_distrust(s);
		return true;
	}
	if (s->answers != HTTP1_ANSWERS_PENDING)
		return false;
	s->answers = HTTP1_ANSWERS_USUAL;
	if (!address || bpf_probe_read_user(words, n, (void *)address) ||
	    http1_response(words[0], words[1], n, &status) != HTTP1_NO)
		c->assumed |= 1ULL << (number & 63); /* written by this side only */
	return false;
}

/* Settles what is over and whose request is known. */
static __always_inline void settle_over(struct conn *c)
{
	u32 end = answered_until(c);

	if ((s32)(end - c->requests) > 0)
		end = c->requests;
	settle_until(c, end, 0);
}

/* The same, but for the last response if nobody knows where it ends: more of it may come. */
static __always_inline void settle_surely_over(struct conn *c)
{
	u32 end = answered_until(c);

	if (end == c->responses && http1_of(c, RESPONSE)->phase >= HTTP1_CLOSE && !c->upgraded)
		end--;
	if ((s32)(end - c->requests) > 0)
		end = c->requests;
	settle_until(c, end, 0);
}

/*
 * The connection speaks another protocol from here on. Behind 2xx to CONNECT it begins anew, with
 * the same peers (RFC 9110, section 9.3.6): that is recognised by its first bytes. Within TLS the
 * plaintext of another session cannot be told apart.
 */
static __always_inline void upgrade(struct conn *c, u16 status)
{
	if (status != 101 && !c->tls && !c->joined) {
		if (open_exchanges(c) > 0) { /* what was sent ahead was taken for a request */
			lose_until(c->slot, c->requests, LOST_GAP);
			c->responses = c->requests;
		}
		http1_expect_message(http1_of(c, REQUEST));
		http1_expect_message(http1_of(c, RESPONSE));
		c->tunnel = 1;
		c->class = CLASS_UNKNOWN;
		return;
	}
	c->upgraded = 1;
	c->reason = COVERAGE_UPGRADED;
}

/* Gives up all open exchanges: how they end, or which response is whose, is not known. */
__noinline int resync(u32 slot, u32 reason)
{
	struct conn *c = conn_of(slot);
	u32 end;

	if (!c)
		return 0;
	end = c->requests;
	if (!c->deep && (s32)(c->responses - end) > 0)
		end = c->responses;
	lose_until(slot, end, reason);
	/* Where a connection is deep each request that begins is counted as lost then. */
	if ((s32)(c->responses - c->settled) > 0)
		c->responses = c->settled;
	/* A client's requests whose hooks are still to run will have the numbers that were lost. */
	if ((s32)(end - c->responses) > 0)
		c->responses = end;
	c->answering = 0;
	http1_distrust(http1_of(c, REQUEST));
	http1_distrust(http1_of(c, RESPONSE));
	return 0;
}

/*
 * Responses went unseen up to POSITION of their direction, or could not be read. If a request began
 * when they had passed, they answer those before it, which are lost, and no others are.
 */
__noinline int lose_responses(u32 slot, u32 position, u32 reason)
{
	struct conn *c = conn_of(slot);
	bool answered = false;
	u32 end, i, open;

	if (!c)
		return 0;
	open = c->requests - answered_until(c);
	end = c->requests;
	for (i = 0; i < EXCHANGES; i++) {
		u32 number = answered_until(c) + i;
		struct exchange *x = &c->exchanges[number & (EXCHANGES - 1)];

		if (c->pipeline) /* all are lost: it is not worth the stack */
			break;
		if ((s32)(c->requests - number) <= 0)
			break;
		if (x->id == number && (s32)(x->position - position) >= 0) {
			end = number;
			open = i;
			/* who has always waited for the answers has them */
			answered = !c->pipelines;
			break;
		}
	}
	if ((s32)open > 1 && !answered)
		c->deep = 1;
	/* if what went unseen was but an interim response */
	c->owed = (s32)open == 1 ? OWED_ONE : OWED_NONE;
	lose_until_here(c, end, reason);
	if ((s32)(end - c->responses) > 0)
		c->responses = end;
	c->answering = 0;
	http1_distrust(http1_of(c, RESPONSE));
	return 0;
}

/* Starts the clock of the request whose first byte has number SEQ; HERE: see find_arrival(). */
static __always_inline void start_clock_at_depth(struct conn *c, u32 seq, u64 now, bool here)
{
	u64 arrived;

	if (c->tls && c->role == ROLE_SERVER) {
		c->request_time = c->tls_time;
		c->request_queue = now > c->tls_time ? now - c->tls_time : 0;
		return;
	}
	if (c->role != ROLE_SERVER) {
		c->request_time = now;
		return;
	}
	arrived = find_arrival(c, seq, here);
	if (!arrived && c->early && !c->requests) /* in the SYN: no tap fires */
		arrived = c->opened_at;
	c->request_time = arrived;
	c->request_queue = now > arrived ? now - arrived : 0;
}

static __always_inline void start_clock(struct conn *c, u32 seq, u64 now)
{
	start_clock_at_depth(c, seq, now, false);
}

/*
 * When a client's request began whose response was read before its own hook ran: TCP knows when it
 * last began to send. What the plaintext of TLS says is as good as it gets.
 */
static __always_inline u64 start_of_answered(struct conn *c, struct exchange *x)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u64 start = c->tls ? x->start : load(tp, first_tx_mstamp) * 1000;

	return start > x->last ? START_UNKNOWN : start;
}

/* Whether all is answered, and the hooks of that have run. */
static __always_inline bool is_answering_over(struct conn *c)
{
	if (!all_answered(c))
		return false;
	if (c->tls)
		return !c->plain_writing;
	return c->role != ROLE_SERVER || !write_pending(c);
}

/*
 * A client sends its next request, and has read unseen what may be the rest of a response whose end
 * is not known. (One whose end is known has it, or its rest is missing in its own direction.)
 */
static __always_inline void lose_unseen(struct conn *c)
{
	if (c->role != ROLE_CLIENT || c->tls || c->closed_at || !c->rx_known || c->answering ||
	    c->settled == c->responses || open_exchanges(c) < 0)
		return;
	if ((s32)(response_position(c) - c->rx_pos) > 0 && !fin_received((struct sock *)c->sk))
		lose_until(c->slot, c->responses, LOST_GAP);
}

/* How many requests without a response are followed by their number. */
#define MAX_PIPELINED 64

/* A request finds no slot: only whether a body can follow its response is remembered. */
static __always_inline void note_beyond_slots(struct conn *c, u32 number, u8 method)
{
	c->heads &= ~(1ULL << (number & 63));
	if (method == METHOD_HEAD)
		c->heads |= 1ULL << (number & 63);
}

/*
 * A request's hook finds that it is answered already. If only its method tells that the response
 * was over with its head, that side will find out with its next bytes, which may never come.
 */
static __always_inline void settle_answered(struct conn *c, u32 number)
{
	struct exchange *x = exchange_of(c, number);

	settle_surely_over(c);
	if (c->responses - number == 1 && http1_awaits_method(http1_of(c, RESPONSE)) &&
	    answers_of(x->operation, x->status) == HTTP1_ANSWERS_EMPTY)
		settle_one(c->slot, number, 0);
}

/* The method of a request has become known, and its response may be there already. */
static __always_inline void http1_method_shown(struct conn *c, u32 number, u8 method)
{
	if ((s32)(c->responses - number) <= 0)
		return;
	if (method == METHOD_HEAD && c->assumed >> (number & 63) & 1) {
		/* what followed its head was the next response, of a client that did not wait */
		lose_until(c->slot, c->requests, LOST_GAP);
		c->answering = 0;
		c->deep = 1;
		c->pipelines = 1;
		return;
	}
	settle_answered(c, number);
}

/*
 * A request has begun, with the clock started. Responses whose end is not known end where the next
 * request begins.
 */
static __always_inline void http1_begin(struct conn *c, u8 method, u64 now)
{
	u32 number = c->requests;
	struct exchange *x;

	if (c->deep) {
		/* its response was read, and it was counted as lost */
		if ((s32)(c->settled - number) > 0)
			c->requests++;
		else
			count_lost(LOST_GAP, 1);
		return;
	}
	c->owed = OWED_NONE;
	if (open_exchanges(c) > 0 && http1_of(c, RESPONSE)->phase != HTTP1_UNKNOWN && !c->tls &&
	    !(c->role == ROLE_SERVER ? write_pending(c) : read_pending(c)))
		c->pipelines = 1;
	lose_unseen(c);
	if (is_answering_over(c))
		settle_over(c);
	x = begin_request(c, method, c->request_time);
	if (!x) {
		if (open_exchanges(c) >= MAX_PIPELINED) {
			lose_until(c->slot, number, LOST_PIPELINED);
			count_lost(LOST_PIPELINED, 1);
			c->deep = 1;
			c->pipelines = 1;
			return;
		}
		note_beyond_slots(c, number, method);
	} else if (c->role == ROLE_CLIENT && (s32)(c->responses - number) > 0) {
		if (c->request_time == now) /* else its first bytes had a call of their own */
			x->start = start_of_answered(c, x);
		if (answers_of(method, x->status) == HTTP1_ANSWERS_TUNNEL)
			upgrade(c, x->status);
	}
	if (c->role == ROLE_SERVER && c->request_time)
		queue_observe(c->workload, PROTOCOL_HTTP1, c->request_queue);
	c->begun_at = now;
	request_begun(c);
	if (x && method != METHOD_PENDING)
		http1_method_shown(c, number, method);
}

/* The method of the last request is known now. */
static __always_inline void http1_method_known(struct conn *c, u8 method)
{
	u32 number = c->requests - 1;
	struct exchange *x = exchange_of(c, number);

	if (c->deep)
		return;
	if (x->id != number) {
		note_beyond_slots(c, number, method);
		return;
	}
	x->operation = method;
	ordered(&c->settled);
	http1_method_shown(c, number, method);
}

/*
 * A final response has begun: its first byte has the number SEQ, and END lies behind the last byte
 * of the call.
 */
static __always_inline void http1_status(struct conn *c, u16 status, u32 seq, u32 end, u64 now)
{
	struct http1_side *s = http1_of(c, RESPONSE);
	u32 number = c->responses;
	struct exchange *x = exchange_of(c, number);
	u8 method;

	s->orphan = ORPHAN_NONE;
	if (open_exchanges(c) <= 0) {
		bool pending = c->role == ROLE_CLIENT && write_pending(c);

		/* the hook of the request counts it first, and then tells that it has run */
		ordered(&c->settled);
		if (!pending && open_exchanges(c) <= 0)
			s->orphan = ORPHAN_SURE;
	} else if (c->role == ROLE_SERVER && x->id == number && (s32)(seq - x->position) < 0) {
		s->orphan = ORPHAN_SURE; /* it was written before its request was read */
	}
	if (s->orphan) {
		if (http1_of(c, REQUEST)->framing & HTTP1_DOUBT) /* the body was none */
			http1_distrust(http1_of(c, REQUEST));
		s->answers = answers_of(METHOD_OTHER, status);
		if (!c->owed)
			count_lost(LOST_REQUEST, 1);
		/* To a request that was not seen: it may have been HEAD. */
		if (s->answers == HTTP1_ANSWERS_USUAL &&
		    (c->owed || http1_of(c, REQUEST)->phase == HTTP1_UNKNOWN))
			s->answers = HTTP1_ANSWERS_UNKNOWN;
		if (c->owed == OWED_ONE)
			c->owed = OWED_NONE;
		return;
	}
	method = method_of(c, number);
	s->answers = answers_of(method, status);
	if (s->answers == HTTP1_ANSWERS_PENDING)
		c->assumed &= ~(1ULL << (number & 63));
	begin_response(c, status, end, now);
	c->answering = 1;
}

/* A response is over, or goes on in a way that nobody knows (OVER is false). */
static __always_inline void http1_response_ends(struct conn *c, bool over, u32 end, u64 now)
{
	struct http1_side *s = http1_of(c, RESPONSE);
	u32 number = c->responses - 1;
	u8 orphan = s->orphan;
	u16 status;

	if (over)
		s->orphan = ORPHAN_NONE;
	if (orphan || !c->answering)
		return;
	touch_response(c, number, end, now);
	ordered(&c->settled);
	c->answering = 0;
	if (!over)
		return;
	status = exchange_of(c, number)->status;
	if ((s32)(c->requests - number) > 0 && c->settled == number)
		settle_one(c->slot, number, 0);
	else
		settle_over(c);
	if (s->answers != HTTP1_ANSWERS_TUNNEL)
		return;
	if (open_exchanges(c) < 0) /* nobody will look at what its request's hook brings */
		lose_until(c->slot, c->responses, LOST_GAP);
	upgrade(c, status);
}

/*
 * The last response, which is over, is 101. If it was to switch to HTTP/2, its request is answered
 * there, on stream 1: whether it is held until that is known.
 */
__noinline int http1_is_held(u32 slot, u32 end, u64 now)
{
	struct conn *c = conn_of(slot);

	if (!c || c->tls || c->joined || !c->answering || c->requests != c->responses ||
	    c->settled + 1 != c->responses || http1_of(c, RESPONSE)->orphan ||
	    exchange_of(c, c->settled)->status != 101)
		return false;
	touch_response(c, c->settled, end, now);
	ordered(&c->settled);
	c->answering = 0;
	/* its body comes first (RFC 7540, section 3.2), for which a server may not wait */
	if (!http1_is_within(http1_of(c, REQUEST)))
		http1_distrust(http1_of(c, REQUEST));
	c->switching = HTTP2_SWITCHED;
	return true;
}

/* Bytes of a response whose status is known already. */
static __always_inline void continue_response(struct conn *c, u32 length, u32 end, u64 now)
{
	u32 last = c->responses - 1;

	if (http1_of(c, RESPONSE)->orphan || !c->responses)
		return;
	if ((s32)(c->settled - last) > 0)
		count_lost_bytes(c->role == ROLE_SERVER ? WRITE : READ, BYTES_LATE, length);
	else
		touch_response(c, last, end, now);
}

#endif

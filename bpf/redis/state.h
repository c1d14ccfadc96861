/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Redis: from what was found in the bytes to exchanges.
 *
 * A request gets its number when it is complete: only then is it known whether it is answered. The
 * clock was started by its first byte. A reply counts when it is complete; pushes touch nothing.
 *
 * Distrust. Clients pipeline: where bytes went unseen, nobody knows how many requests or replies
 * they were. What is open is lost, and nothing is matched (`deep`), but the requests that are found
 * are counted as lost. From the beginning of a call all is known again if a request begins there
 * and everything before was answered: the last that passed was a reply, the hooks of that have run,
 * and this client neither pipelines nor gets pushes, or the connection has rested since.
 */
#ifndef FATHOM_REDIS_STATE_H
#define FATHOM_REDIS_STATE_H

#include "../http1/state.h"
#include "../proto/redis_recognise.h"
#include "../proto/redis_reply.h"
#include "../proto/redis_request.h"

enum redis_place {
	/* of the request direction */
	REDIS_PLACE_KNOWN,
	REDIS_PLACE_UNKNOWN,
	REDIS_PLACE_OVER, /* what follows is not Redis */
	/* of the response direction, where nothing is matched: what passed last */
	REDIS_NOTHING = 0,
	REDIS_ASKED, /* a request that was counted as lost */
	REDIS_ANSWERED,
};

static __always_inline struct redis_side *redis_of(struct conn *c, u32 is_response)
{
	return &c->redis[is_response & 1];
}

/* A direction begins anew, at the beginning of a message. */
static __always_inline void redis_expect_message(struct conn *c, u32 is_response)
{
	static const struct redis_side none;

	*redis_of(c, is_response) = none;
	c->redis_skip[is_response & 1] = 0;
}

/* Nobody has looked at the connection's bytes as Redis before. */
static __always_inline void redis_expect_connection(struct conn *c)
{
	redis_expect_message(c, REQUEST);
	redis_expect_message(c, RESPONSE);
	c->redis_place[REQUEST] = REDIS_PLACE_KNOWN;
	c->redis_place[RESPONSE] = REDIS_NOTHING;
}

/* What a reply that passes now answers: an operation, REDIS_NONE_OPEN or REDIS_UNKNOWN_OPEN. */
__noinline int redis_oldest(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct exchange *x;
	bool pending;
	u32 number;

	if (!c)
		return REDIS_UNKNOWN_OPEN;
	number = c->responses;
	if (open_exchanges(c) <= 0) {
		pending = c->role == ROLE_CLIENT && write_pending(c);
		/* the hook of the request counts it first, and then tells that it has run */
		ordered(&c->settled);
		if (open_exchanges(c) <= 0)
			return pending ? REDIS_UNKNOWN_OPEN : REDIS_NONE_OPEN;
	}
	x = exchange_of(c, number);
	return x->id == number && x->start != START_LOST ? x->operation : REDIS_UNKNOWN_OPEN;
}

/*
 * From here on nothing is matched. What is open is lost, and so are MORE. IS_RESPONSE: the
 * direction whose place is not known any more.
 */
__noinline int redis_distrust(u32 slot, u32 is_response, u32 more, u32 reason)
{
	struct conn *c = conn_of(slot);
	u32 end;

	if (!c)
		return 0;
	end = c->requests;
	if ((s32)(c->responses - end) > 0)
		end = c->responses;
	lose_until_here(c, end, reason);
	if (more)
		count_lost(reason, more);
	c->responses = end;
	if (!is_response) {
		/* else the requests whose hooks are still to run have the numbers that were lost */
		c->requests = end;
		c->redis_place[REQUEST] = REDIS_PLACE_UNKNOWN;
	}
	c->redis_place[RESPONSE] = REDIS_NOTHING;
	c->deep = 1;
	return 0;
}

/* A reply passes while nothing is matched. */
static __always_inline void redis_passes_unmatched(struct conn *c, u64 now)
{
	c->begun_at = now;
	/* It may answer the request whose hook is still to run. */
	c->redis_place[RESPONSE] = c->role == ROLE_CLIENT && write_pending(c) ? REDIS_NOTHING :
										REDIS_ANSWERED;
}

/* Whether all is answered that was ever asked, when a call begins in the request direction. */
static __always_inline bool redis_is_answered(struct conn *c, u64 now)
{
	if (c->redis_place[RESPONSE] != REDIS_ANSWERED ||
	    (c->role == ROLE_SERVER ? write_pending(c) : read_pending(c)))
		return false;
	return !c->pipelines || (s64)(now - c->begun_at) > (s64)settle_after_ns;
}

/*
 * A call begins in the request direction, with a request or not, while nothing is matched: from
 * here on all may be known again.
 */
__noinline int redis_finds_place(u32 slot, u32 is_request, u64 now)
{
	struct conn *c = conn_of(slot);
	struct redis_side *s;
	bool answered;

	if (!c)
		return 0;
	s = redis_of(c, REQUEST);
	answered = redis_is_answered(c, now);
	if (c->redis_place[REQUEST] == REDIS_PLACE_UNKNOWN && is_request) {
		redis_expect_message(c, REQUEST);
		c->redis_place[REQUEST] = REDIS_PLACE_KNOWN;
	}
	if (c->redis_place[REQUEST] == REDIS_PLACE_KNOWN && answered && s->at == REDIS_AT_START &&
	    !s->kept) {
		redis_expect_message(c, RESPONSE);
		c->requests = c->settled;
		c->responses = c->settled;
		c->deep = 0;
	}
	if (c->redis_place[RESPONSE] == REDIS_ANSWERED)
		c->redis_place[RESPONSE] = REDIS_NOTHING;
	c->begun_at = now;
	return 0;
}

/* Settles what both sides have begun, which exchange NUMBER was the last to be. */
static __always_inline void redis_settle(struct conn *c, u32 number)
{
	u32 end = c->requests;

	if ((s32)(c->responses - end) < 0)
		end = c->responses;
	if ((s32)(end - number) <= 0)
		return;
	if (c->settled == number)
		settle_one(c->slot, number, 0);
	else
		settle_until(c, end, 0);
}

/* What comes behind this request and its reply is not Redis. */
static __always_inline void redis_ends_here(struct conn *c)
{
	if (c->redis_place[REQUEST] == REDIS_PLACE_OVER && open_exchanges(c) <= 0)
		c->upgraded = 1;
}

/* A request is complete, and nothing is matched. */
static __always_inline void redis_request_unmatched(struct conn *c, u8 operation)
{
	/* its reply was read, and it was counted as lost */
	if ((s32)(c->settled - c->requests) > 0)
		c->requests++;
	else
		count_lost(LOST_GAP, 1);
	if (c->redis_place[RESPONSE] == REDIS_ASKED || redis_flags(operation) & REDIS_SUBSCRIBES)
		c->pipelines = 1;
	c->redis_place[RESPONSE] = REDIS_ASKED;
}

/* A request is complete that is answered. */
static __always_inline void redis_request_ends(struct conn *c, u8 operation, u64 now)
{
	u32 number = c->requests;
	struct exchange *x;

	if (c->deep) {
		redis_request_unmatched(c, operation);
		return;
	}
	if (open_exchanges(c) > 0 || redis_flags(operation) & REDIS_SUBSCRIBES)
		c->pipelines = 1;
	x = begin_request(c, operation, c->request_time);
	if (x && c->role == ROLE_CLIENT && (s32)(c->responses - number) > 0 &&
	    c->request_time == now)
		/* else its first bytes had a call of their own */
		x->start = start_of_answered(c, x);
	if (c->role == ROLE_SERVER && c->request_time)
		queue_observe(c->workload, PROTOCOL_REDIS, c->request_queue);
	c->begun_at = now;
	request_begun(c);
	redis_settle(c, number);
}

/* A request is complete behind which there are no more. */
static __always_inline void redis_switches(struct conn *c, u8 operation, u64 now)
{
	c->redis_place[REQUEST] = REDIS_PLACE_OVER;
	if (c->deep) {
		redis_request_unmatched(c, operation);
		c->upgraded = 1;
	} else if (operation == REDIS_MONITOR || operation == REDIS_PSYNC) {
		redis_request_ends(c, operation, now); /* answered by a line */
		redis_ends_here(c);
	} else {
		/* where the answer ends is not known */
		redis_distrust(c->slot, REQUEST, 1, LOST_GAP);
		c->upgraded = 1;
	}
}

/*
 * A server has answered what was not asked. If it has read more than the hooks have told, that is
 * why: what it answers was read before.
 */
static __always_inline void redis_unasked(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u32 end = c->closed_at ? c->final_read : load(tp, copied_seq), gap = end - c->rx_pos;

	if (c->role == ROLE_SERVER && read_pending(c) && (s32)gap > 0 &&
	    !(gap == 1 && fin_received((struct sock *)c->sk))) {
		c->rx_pos = end;
		count_lost_bytes(READ, BYTES_UNTAPPED, gap);
		redis_distrust(c->slot, REQUEST, 1, LOST_GAP);
		return;
	}
	redis_distrust(c->slot, RESPONSE, 0, LOST_GAP);
	count_lost(LOST_REQUEST, 1);
}

/* A reply is complete; END: the number behind its last byte. */
static __always_inline void redis_reply_ends(struct conn *c, u16 status, u32 end, u64 now)
{
	u32 number = c->responses;
	struct exchange *x = exchange_of(c, number);
	bool pending = c->role == ROLE_CLIENT && write_pending(c);

	ordered(&c->settled);
	if ((open_exchanges(c) <= 0 && !pending) ||
	    /* it was written before its request was read */
	    (c->role == ROLE_SERVER && x->id == number && (s32)(end - x->position) <= 0)) {
		redis_unasked(c);
		return;
	}
	begin_response(c, status, end, now);
	redis_settle(c, number);
	redis_ends_here(c);
}

/* Applies what a step found. SEQ: the number of its first byte. */
__noinline int redis_apply(u32 slot, u32 is_response, u64 event, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (!is_response && event_status(event) == REDIS_WHOLE)
		start_clock(c, seq, now);
	switch (event_kind(event)) {
	case EVENT_BEGIN:
		start_clock(c, seq, now);
		break;
	case EVENT_END:
		if (is_response)
			redis_reply_ends(c, event_status(event), seq + event_used(event), now);
		else
			redis_request_ends(c, event_operation(event), now);
		break;
	case EVENT_SWITCH:
		redis_switches(c, event_operation(event), now);
		break;
	case EVENT_NOT_MINE:
		redis_distrust(slot, !!is_response, !is_response, LOST_GAP);
		break;
	}
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What is found by the steps of HTTP/1, and by those of connections of which nothing is known yet,
 * and what it means.
 */
#ifndef FATHOM_APPLY_H
#define FATHOM_APPLY_H

#include "../http2/upgrade.h"
#include "../redis/state.h"
#include "recognise.h"

/* The first bytes of a connection, or the first behind a gap, are of another CLASS. */
static __always_inline void classify_other(struct conn *c, u8 class, u8 reason)
{
	http1_expect_message(http1_of(c, REQUEST));
	if (class == CLASS_TLS && reads_tls) {
		c->encrypted = 1;
		return;
	}
	if (class == CLASS_OTHER && c->after_gap) /* or the rest of a request */
		try_again(c);
	else if (class == CLASS_OTHER && !reason && c->tunnel)
		classify(c->slot, class, COVERAGE_UPGRADED);
	else
		classify(c->slot, class, reason);
}

/*
 * N bytes of a body pass, at most what is left of it; END: the number behind the last byte of the
 * call.
 */
static __always_inline void http1_pass_over(struct conn *c, u32 is_response, u32 n, u32 end,
					    u64 now)
{
	struct http1_side *s = http1_of(c, is_response);

	if (http1_skip(s, n)) {
		if (is_response)
			http1_response_ends(c, true, end, now);
	} else if (is_response) {
		continue_response(c, n, end, now);
	}
}

/*
 * What the gap in front of the first request hid was HTTP as well. If it is not answered yet, this
 * connection pipelines.
 */
static __always_inline void begin_behind_gap(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	count_lost(LOST_GAP, 1);
	if (!c->joined && !c->tls &&
	    (c->role == ROLE_SERVER ? !load(tp, bytes_sent) :
				      !load(tp, bytes_received) || read_pending(c))) {
		c->deep = 1;
		c->pipelines = c->role == ROLE_SERVER;
	}
}

/*
 * A client has read a response before the hook of its first request ran, or behind a gap: that
 * tells what it hid.
 */
static __always_inline void recognise_by_response(struct conn *c)
{
	c->after_gap = GAP_NONE;
	if (c->class != CLASS_UNKNOWN)
		return;
	classify(c->slot, CLASS_HTTP1, COVERAGE_NONE);
	if (c->attempts) /* of the request direction pieces were dropped */
		http1_distrust(http1_of(c, REQUEST));
}

/* Applies what a step found. SEQ: the number of its first byte. */
__noinline int apply(u32 slot, u64 is_response, u64 event, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);
	u32 end = seq + event_used(event);

	if (event_kind(event) == EVENT_NONE || !c)
		return 0;
	switch (event_kind(event)) {
	case EVENT_OTHER:
		classify_other(c, event_operation(event), event_status(event));
		break;
	case EVENT_PIECE:
		start_clock(c, seq, now);
		break;
	case EVENT_FIRST:
		if (event_status(event) == CLASS_REDIS) {
			redis_begins(c, event_operation(event));
			classify(slot, CLASS_REDIS, COVERAGE_NONE);
			break;
		}
		if (event_status(event) == CLASS_HTTP2) {
			if (c->switching == HTTP2_SWITCHED)
				http2_switches(slot);
			else
				http2_first(c, !!is_response, event_operation(event));
			break;
		}
		if (event_status(event)) /* else a piece came before */
			start_clock(c, seq, now);
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		if (c->after_gap)
			begin_behind_gap(c);
		http1_begin(c, event_operation(event), now);
		if (c->role == ROLE_CLIENT && !c->joined && !c->responses &&
		    http1_of(c, RESPONSE)->digits)
			/* it was answered before, by something else */
			lose_responses(slot, response_position(c), LOST_GAP);
		c->owed = c->after_gap && c->role == ROLE_SERVER && write_pending(c) ? OWED_ONE :
										       OWED_NONE;
		c->after_gap = GAP_NONE;
		break;
	case EVENT_BEGIN:
		start_clock(c, seq, now);
		http1_begin(c, event_operation(event), now);
		break;
	case EVENT_OPERATION:
		http1_method_known(c, event_operation(event));
		break;
	case EVENT_BODY:
		http1_pass_over(c, !!is_response, event_used(event), end, now);
		break;
	case EVENT_REST:
		/* it may have been more than the rest of a message */
		http1_of(c, !!is_response)->digits = 1;
		if (is_response)
			continue_response(c, event_used(event), end, now);
		else
			c->owed = OWED_NONE;
		break;
	case EVENT_INTERIM:
		recognise_by_response(c);
		http1_of(c, RESPONSE)->orphan = ORPHAN_INTERIM;
		http1_of(c, RESPONSE)->answers = HTTP1_ANSWERS_EMPTY;
		break;
	case EVENT_NOT_MINE:
	case EVENT_STATUS:
		if (c->class == CLASS_UNKNOWN && event_kind(event) == EVENT_NOT_MINE) {
			http1_distrust(http1_of(c, RESPONSE));
			http1_of(c, RESPONSE)->digits = 1;
			break;
		}
		if (c->unseen && event_kind(event) == EVENT_NOT_MINE) {
			/* or the place is another than it seems */
			http1_distrust(http1_of(c, RESPONSE));
			http1_of(c, RESPONSE)->digits = 1;
			continue_response(c, event_used(event), end, now);
			break;
		}
		recognise_by_response(c);
		http1_status(c,
			     event_kind(event) == EVENT_STATUS ? event_status(event) : STATUS_OTHER,
			     seq, end, now);
		if (event_kind(event) == EVENT_STATUS)
			break;
		http1_of(c, RESPONSE)->phase = HTTP1_UNKNOWN;
		http1_of(c, RESPONSE)->answers = HTTP1_ANSWERS_USUAL;
		http1_response_ends(c, false, end, now);
		break;
	case EVENT_SWITCH:
		http2_switched_elsewhere(c);
		break;
	case EVENT_HEAD_END:
		continue_response(c, 0, end, now);
		break;
	case EVENT_OPEN_END:
	case EVENT_END:
		if (http1_of(c, RESPONSE)->answers == HTTP1_ANSWERS_TUNNEL &&
		    event_kind(event) == EVENT_END && http1_is_held(slot, end, now))
			break;
		http1_response_ends(c, event_kind(event) == EVENT_END, end, now);
		break;
	}
	return 0;
}

#endif

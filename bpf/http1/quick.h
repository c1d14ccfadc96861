/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The usual message in one go: a head that begins with the first byte of a call, in one buffer.
 * What is unusual is left to the steps, which find the state as if they had come so far themselves.
 */
#ifndef FATHOM_HTTP1_QUICK_H
#define FATHOM_HTTP1_QUICK_H

#include "../bytes/ahead.h"
#include "../proto/event.h"
#include "state.h"

/* http1_any_request(), verified once, as an EVENT_BEGIN; 0 for a method that has no name here. */
__noinline u64 usual_method(u64 lo)
{
	u8 method;

	if (http1_any_request(lo, 8, &method) != HTTP1_YES || method == METHOD_OTHER)
		return 0;
	return EVENT(EVENT_BEGIN, method, 0, 0);
}

/* The first line of a usual message: EVENT_BEGIN or EVENT_STATUS, 0 if it is not usual. */
static __always_inline u64 quick_line(u64 lo, u64 hi, u32 is_response)
{
	u16 status;

	if (is_response) {
		if (http1_response(lo, hi, HTTP1_PREFIX, &status) != HTTP1_YES || status < 200 ||
		    status == STATUS_OTHER)
			return 0;
		return EVENT(EVENT_STATUS, 0, status, 0);
	}
	if (HTTP1_BEGINS(lo, "GET /   ", 5))
		return EVENT(EVENT_BEGIN, METHOD_GET, 0, 0);
	return usual_method(lo);
}

/* What http1_quick() does in the memory of this CPU. */
static __always_inline u64 quick_head(struct http1_side *s, struct http1_head *h, u32 is_response,
				      u64 address, u32 length)
{
	u64 n = at_most(length, HEAD_BYTES), event = 0;

	if (bpf_probe_read_user(h->bytes, n, (void *)address))
		return 0;
	http1_clear_behind(h, n);
	if (s->phase == HTTP1_START) {
		event = quick_line(http1_word_at(h->bytes), http1_word_at(h->bytes + 8),
				   is_response);
		if (!event)
			return 0;
		s->framing = 0;
		s->left = 0;
		s->field = 0;
		s->line = HTTP1_LINE_SOME;
		s->phase = HTTP1_HEAD;
		s->answers = answers_of(METHOD_OTHER, event_status(event));
	}
	h->event = event; /* through memory: the verifier need not follow each of them */
	http1_usual_head(s, h, n, is_response);
	if (h->used & HEAD_END)
		http1_head_ends(s, is_response);
	return h->event | (h->used & ~HEAD_END);
}

/*
 * Takes bytes of a message at ADDRESS, of which LENGTH are there: from the first one on where the
 * phase is HTTP1_START, else more of its head, from within a line on. Returns how many were used,
 * with the event of the first line; 0 if it is not usual.
 */
__noinline u64 http1_quick(u32 slot, u32 is_response, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_head *h;
	u64 event;

	if (!c)
		return 0;
	h = take_head();
	if (!h)
		return 0;
	event = quick_head(http1_of(c, is_response), h, is_response, address, length);
	if (c->tls) /* nothing of the plaintext stays: what cannot be read is filled with zeros */
		bpf_probe_read_kernel(h->bytes, sizeof(h->bytes), NULL);
	give_head(h);
	return event;
}

#endif

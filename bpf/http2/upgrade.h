/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From HTTP/1 to HTTP/2 on the same connection, by "Upgrade: h2c" and a response 101 (RFC 7540,
 * section 3.2). The request that asked for it is answered on stream 1: it is held until the bytes
 * that follow show what was switched to.
 */
#ifndef FATHOM_HTTP2_UPGRADE_H
#define FATHOM_HTTP2_UPGRADE_H

#include "../exchange/ordered.h"
#include "step.h"

/*
 * What passes first behind 101 in a direction: N bytes at ADDRESS. HTTP/2 begins with a preface, or
 * with SETTINGS. EVENT_SWITCH: it is something else.
 */
__noinline u64 http2_switch_step(u32 slot, u64 address, u32 n, u32 is_response)
{
	struct conn *c = conn_of(slot);
	u64 words[2] = {}, have;

	if (!c || c->switching == HTTP2_SWITCHING)
		return EVENT(EVENT_NONE, 0, 0, 0); /* in a moment it is known */
	have = at_most(n, WINDOW);
	if (!have || bpf_probe_read_user(words, have, (void *)address))
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (is_response ? http2_may_be_first_settings(words[0], words[1], have) :
			  preface_class(words[0], words[1], have) == CLASS_HTTP2)
		return EVENT(EVENT_FIRST, 0, CLASS_HTTP2, 0);
	return EVENT(EVENT_SWITCH, 0, 0, n);
}

/*
 * The connection carries HTTP/2 from here on; the request that was answered by 101 is stream 1's.
 */
__noinline int http2_switches(u32 slot)
{
	struct http2_asked asked = {.id = 1};
	struct conn *c = conn_of(slot);
	struct http2_conn *h;
	struct exchange *x;
	u32 number, left = 0;
	u64 start;

	if (!c || !http2_claim_switch(c, HTTP2_SWITCHED))
		return 0;
	if (http1_of(c, REQUEST)->phase == HTTP1_BODY)
		left = http1_of(c, REQUEST)->left;
	number = c->responses - 1;
	x = exchange_of(c, number);
	start = x->start;
	asked.operation = x->operation;
	if (x->id != number || !move_settled(c, number, number + 1))
		start = START_LOST; /* it was counted, with 101 */
	http2_begins(c->slot, true);
	h = http2_of(c);
	if (h && c->http2) {
		h->highest = 1;
		http2_direction(h, REQUEST)->side.skip = left;
		h->streams[0].start = start;
		h->streams[0].asked = asked;
		h->streams[0].owner = 1;
	} else if (start != START_LOST) {
		count_lost(LOST_PIPELINED, 1);
	}
	c->reason = c->http2 ? COVERAGE_UPGRADED : COVERAGE_TABLE_FULL;
	ordered(&c->settled);
	c->class = c->http2 ? CLASS_HTTP2 : CLASS_UNREADABLE;
	c->switching = HTTP2_NOT_SWITCHING;
	return 0;
}

/* What follows 101 is no HTTP any more. */
static __always_inline void http2_switched_elsewhere(struct conn *c)
{
	if (c->switching != HTTP2_SWITCHED)
		return;
	c->switching = HTTP2_NOT_SWITCHING;
	settle_until(c, c->responses, 0);
	c->upgraded = 1;
	c->reason = COVERAGE_UPGRADED;
}

#endif

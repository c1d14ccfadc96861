/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Bytes of HTTP/2 that passed without having been looked at: what that costs. */
#ifndef FATHOM_HTTP2_UNSEEN_H
#define FATHOM_HTTP2_UNSEEN_H

#include "../bytes/passage.h"
#include "state.h"

/*
 * LENGTH bytes of a direction passed that could not be read (NOW is the time), or that no tap saw
 * (NOW is 0). Returns how many of them may have held more than the payload of a frame whose header
 * is known.
 */
__noinline u32 http2_unseen(u32 slot, u64 direction_and_length, u32 reason, u64 now)
{
	u32 length = direction_and_length, is_response = !!(direction_and_length & IS_RESPONSE),
	    place;
	struct conn *c = conn_of(slot);
	struct http2_direction *d;
	struct http2_conn *h;
	u64 event;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2 || c->upgraded || !length)
		return 0;
	d = http2_direction(h, is_response);
	if (d->lost || d->preface || d->side.skip < length) {
		http2_distrust(slot, is_response, reason);
		return length;
	}
	event = http2_pass(&d->side, length);
	if (now) {
		http2_apply(slot, direction_and_length & IS_RESPONSE, event, now);
	} else if (event_kind(event) == HTTP2_END && is_response) { /* nobody knows when */
		place = http2_find(c, h, d->side.stream);
		if (c->role == ROLE_CLIENT &&
		    write_pending(c)) { /* its request's hook may be late */
			http2_lose_sent(c, h);
			h->lost_reason = reason;
		}
		if (place)
			http2_settle_stream(slot, place - 1, d->side.stream, HTTP2_LOST + reason,
					    0);
	} else if (event_kind(event)) {
		http2_distrust(slot, is_response, reason);
	}
	return 0;
}

#endif

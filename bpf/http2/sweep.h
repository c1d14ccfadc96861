/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The streams of a connection in the sweep: how many are open, and since when. */
#ifndef FATHOM_HTTP2_SWEEP_H
#define FATHOM_HTTP2_SWEEP_H

#include "streams.h"

/*
 * Looks at the stream whose place has an INDEX: counts it if it is open, or settles it if nobody
 * else will.
 */
__noinline int http2_sweep_stream(u32 slot, u32 index)
{
	struct conn *c = conn_of(slot);
	struct http2_stream *x;
	struct census *census;
	struct http2_conn *h;
	u64 start, end = 0;
	u32 id, client, how = HTTP2_BY_ITSELF;

	h = c ? http2_of(c) : NULL;
	x = h ? http2_place(h, index) : NULL;
	if (!x)
		return 0;
	id = x->owner;
	if (!id)
		return 0;
	if (x->asked.id != id) {
		if (id <= h->highest) /* its request's hook will not come */
			return http2_settle_stream(slot, index, id, HTTP2_CLOSED, 0);
		return 0;
	}
	if (id <= h->lost_until) {
		how = HTTP2_LOST + h->lost_reason;
	} else if (h->goaway_at && id > h->goaway) {
		how = HTTP2_NOT_TAKEN;
		end = h->goaway_at;
	} else if (x->answer.id == id && x->answer.over) {
		; /* both hooks left it to the other */
	} else if (x->asked.is_reset) {
		if (http2_may_have_ended(c, x))
			return 0;
		how = HTTP2_GIVEN_UP;
		end = x->reset_at;
	} else {
		client = c->role == ROLE_CLIENT;
		start = x->start;
		census = bpf_map_lookup_elem(&censuses, &c->workload);
		if (!census || start == START_LOST)
			return 0;
		__sync_fetch_and_add(&census->active[client], 1);
		if (start > START_LOST &&
		    (!census->oldest[client] || start < census->oldest[client]))
			census->oldest[client] = start;
		return 0;
	}
	return http2_settle_stream(slot, index, id, how, end);
}

/* The same for all streams of a page. */
__noinline int http2_sweep_page(u32 slot, u32 page)
{
	u32 i;

	for (i = 0; i < HTTP2_PLACES; i++)
		http2_sweep_stream(slot, page * HTTP2_PLACES + i);
	return 0;
}

static __always_inline void http2_sweep(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;
	u32 i, pages;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return;
	pages = h->pages;
	for (i = 0; i <= HTTP2_PAGES; i++) {
		if (i > pages)
			break;
		http2_sweep_page(slot, i);
	}
}

#endif

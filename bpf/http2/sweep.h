/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The streams of a connection in the sweep: how many are open, and since when. */
#ifndef FATHOM_HTTP2_SWEEP_H
#define FATHOM_HTTP2_SWEEP_H

#include "streams.h"

/* Looks at the streams of a page: counts those that are open, and settles what nobody answers. */
__noinline int http2_sweep_page(u32 slot, u32 page)
{
	u32 i, id, client, index;
	struct conn *c = conn_of(slot);
	struct http2_stream *x;
	struct census *census;
	struct http2_conn *h;
	u64 start;

	if (!c)
		return 0;
	client = c->role == ROLE_CLIENT;
	for (i = 0; i < HTTP2_PLACES; i++) {
		index = page * HTTP2_PLACES + i;
		h = http2_of(c);
		x = h ? http2_place(h, index) : NULL;
		census = bpf_map_lookup_elem(&censuses, &c->workload);
		if (!x || !census)
			return 0;
		id = x->owner;
		if (!id || x->asked.id != id)
			continue;
		if (id <= h->lost_until) {
			http2_settle_stream(slot, index, id, HTTP2_LOST + h->lost_reason, 0);
			continue;
		}
		if (h->goaway_at && id > h->goaway) {
			http2_settle_stream(slot, index, id, HTTP2_RESET_NOW, h->goaway_at);
			continue;
		}
		/* where both hooks left it to the other */
		if (x->answer.id == id && x->answer.over) {
			http2_settle_stream(slot, index, id, HTTP2_BY_ITSELF, 0);
			continue;
		}
		start = x->start;
		if (start == START_LOST)
			continue;
		__sync_fetch_and_add(&census->active[client], 1);
		if (start > START_LOST &&
		    (!census->oldest[client] || start < census->oldest[client]))
			census->oldest[client] = start;
	}
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

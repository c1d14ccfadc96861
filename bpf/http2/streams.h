/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The streams of a connection that carries HTTP/2: requests and responses that are matched by their
 * number.
 *
 * A stream has a place, which is looked for from the one that its number chooses: first among those
 * that the connection has itself, then in its pages. The hooks of both directions run in any order
 * and at the same time: whichever sees a stream first takes the place by `owner`, which is
 * compared and swapped. From then on each side writes its own half, and tells by `id` and by `over`
 * that it has: whoever finds both settles the exchange, which `owner` gives to one of them only.
 */
#ifndef FATHOM_HTTP2_STREAMS_H
#define FATHOM_HTTP2_STREAMS_H

#include "../base/slots.h"
#include "../exchange/position.h"
#include "../exchange/series.h"

static __always_inline struct http2_conn *http2_of(struct conn *c)
{
	u32 slot = c->http2;

	return bpf_map_lookup_elem(&http2_conns, &slot);
}

static __always_inline struct http2_direction *http2_direction(struct http2_conn *h,
							       u32 is_response)
{
	return &h->directions[is_response & 1];
}

/* For the verifier's eyes: the compiler may know that it is below. */
static __always_inline u32 http2_within(u32 index)
{
	asm volatile("" : "+r"(index));
	return index & (HTTP2_PLACES - 1);
}

/* The place with an INDEX: those of page N begin at N * HTTP2_PLACES; page 0 is the connection. */
static __always_inline struct http2_stream *http2_place(struct http2_conn *h, u32 index)
{
	u32 page = index / HTTP2_PLACES, slot;
	struct http2_page *p;

	if (!page)
		return &h->streams[http2_within(index)];
	slot = h->page[(page - 1) & (HTTP2_PAGES - 1)];
	p = bpf_map_lookup_elem(&http2_streams, &slot);
	return p ? &p->streams[http2_within(index)] : NULL;
}

static __always_inline void http2_clear(struct http2_stream *x)
{
	x->owner = 0;
	x->had = 0;
	x->asked.id = 0;
	x->answer.id = 0;
}

/* No id of a request is as high. */
#define HTTP2_NEVER 0x80000000

/*
 * In which of a connection's PAGES, and the connection itself, stream ID is looked for as number I.
 */
static __always_inline u32 http2_page_of(u32 id, u32 i, u32 pages)
{
	return (id / (2 * HTTP2_PLACES) + i) % (pages + 1);
}

/* The stream that is at the place with an INDEX: HTTP2_NEVER if there is no such place. */
__noinline u32 http2_owner_of(u32 http2, u32 index)
{
	struct http2_conn *h = bpf_map_lookup_elem(&http2_conns, &http2);
	struct http2_stream *x = h ? http2_place(h, index) : NULL;

	return x ? x->owner : HTTP2_NEVER;
}

/*
 * Looks for the place of stream ID, or of OTHER, whichever comes first; OTHER is 0 where a free
 * place will do, else ID. Returns its index and 1 more, or 0.
 */
__noinline u32 http2_look_for(u32 http2, u32 id, u32 other)
{
	struct http2_conn *h = bpf_map_lookup_elem(&http2_conns, &http2);
	u32 pages, index, owner, i;
	struct http2_stream *x;

	if (!h)
		return 0;
	pages = h->pages;
	for (i = 0; i <= HTTP2_PAGES; i++) {
		if (i > pages)
			break;
		index = http2_page_of(id, i, pages) * HTTP2_PLACES +
			((id >> 1) & (HTTP2_PLACES - 1));
		x = http2_place(h, index);
		if (!x)
			continue;
		owner = x->owner;
		if (owner == id || owner == other)
			return index + 1;
	}
	return 0;
}

/* The first place where stream ID is looked for. */
static __always_inline u32 http2_first_index(struct http2_conn *h, u32 id)
{
	u32 page = h->pages ? http2_page_of(id, 0, h->pages) : 0;

	return page * HTTP2_PLACES + ((id >> 1) & (HTTP2_PLACES - 1));
}

/* The place of stream ID: its index and 1 more, or 0. */
static __always_inline u32 http2_find(struct conn *c, struct http2_conn *h, u32 id)
{
	u32 index = (id >> 1) & (HTTP2_PLACES - 1);

	if (h->streams[http2_within(index)].owner == id)
		return index + 1;
	return h->pages ? http2_look_for(c->http2, id, id) : 0;
}

/* Makes a page the one behind PAGES; true to one caller only. */
static __always_inline bool http2_claim_page(u32 slot, struct http2_conn *h, u32 pages, u32 page)
{
	u32 *at = &h->page[pages & (HTTP2_PAGES - 1)];

	if (fetching_atomics)
		return !__sync_val_compare_and_swap(at, 0, page);
	if (*at || !claim_here(slot, CLAIM_STREAM, HTTP2_NEVER | pages))
		return false;
	*at = page;
	return true;
}

/* Gives the connection a page, which both sides may do at the same time: one of them does. */
__noinline int http2_add_page(u32 conn_slot)
{
	struct conn *c = conn_of(conn_slot);
	struct http2_conn *h;
	struct http2_page *p;
	u32 slot, pages, i;

	h = c ? http2_of(c) : NULL;
	if (!h)
		return false;
	pages = h->pages;
	if (pages >= HTTP2_PAGES)
		return false;
	slot = alloc_slot(TABLE_STREAMS, &http2_streams_free, max_http2_pages);
	p = bpf_map_lookup_elem(&http2_streams, &slot);
	if (!slot || !p) {
		count_overflow(TABLE_STREAMS);
		return false;
	}
	for (i = 0; i < HTTP2_PLACES; i++)
		http2_clear(&p->streams[i]);
	ordered(&h->spare);
	if (http2_claim_page(conn_slot, h, pages, slot))
		count_taken(TABLE_STREAMS, 1);
	else
		free_slot(&http2_streams_free, slot);
	ordered(&h->spare);
	/* whoever comes first says that it is there */
	if (fetching_atomics)
		__sync_val_compare_and_swap(&h->pages, pages, pages + 1);
	else if (h->pages == pages)
		h->pages = pages + 1;
	return true;
}

/* Makes a place that was free that of stream ID; true to one caller only. */
static __always_inline bool http2_claim_place(u32 slot, struct http2_stream *x, u32 id, u32 index)
{
	if (fetching_atomics)
		return !__sync_val_compare_and_swap(&x->owner, 0, id);
	if (x->owner || !claim_here(slot, CLAIM_PLACE, x->had ? x->had : HTTP2_NEVER | index))
		return false;
	x->owner = id;
	return true;
}

/*
 * The place of stream ID, which is taken if it has none: its index and 1 more; 0: there is no room.
 */
__noinline u32 http2_take(u32 slot, u32 id)
{
	struct conn *c = conn_of(slot);
	struct http2_stream *x;
	u32 index, place, i;
	struct http2_conn *h;

	h = c ? http2_of(c) : NULL;
	if (!h)
		return 0;
	/* a server's response does not come before its request: nobody has taken another place */
	if (!h->pages || c->role == ROLE_SERVER) {
		index = http2_first_index(h, id);
		x = http2_place(h, index);
		if (x && (x->owner == id || http2_claim_place(slot, x, id, index)))
			return index + 1;
	}
	for (i = 0; i < CLAIM_ATTEMPTS; i++) {
		place = http2_look_for(c->http2, id, id);
		if (!place)
			place = http2_look_for(c->http2, id, 0);
		if (!place && http2_add_page(slot))
			place = http2_look_for(c->http2, id, 0);
		if (!place)
			return 0;
		h = http2_of(c);
		x = h ? http2_place(h, place - 1) : NULL;
		if (!x)
			return 0;
		if (x->owner == id || http2_claim_place(slot, x, id, place - 1))
			return place;
	}
	return 0;
}

/* Ends what stream ID has at its place; true to one caller only. */
static __always_inline bool http2_leave_place(u32 slot, struct http2_stream *x, u32 id)
{
	if (fetching_atomics)
		return __sync_val_compare_and_swap(&x->owner, id, 0) == id;
	if (x->owner != id || !claim_here(slot, CLAIM_STREAM, id))
		return false;
	x->had = id;
	x->owner = 0;
	return true;
}

/* How a stream comes to its end, beside what its two sides say. */
enum http2_end {
	HTTP2_BY_ITSELF, /* both sides are done with it, or nothing happens */
	HTTP2_GIVEN_UP,	 /* by the client's RST_STREAM */
	HTTP2_NOT_TAKEN, /* by the server's GOAWAY */
	HTTP2_CLOSED,	 /* its connection is no more */
	HTTP2_LOST,	 /* + enum lost: nobody knows how */
};

/* What an exchange has for a status that ended without one. */
static __always_inline u16 http2_status_of_end(u8 over)
{
	switch (over) {
	case HTTP2_RESET_BY_SERVER:
		return STATUS_RESET_BY_SERVER;
	case HTTP2_REFUSED:
		return STATUS_REFUSED;
	case HTTP2_RESET_BY_CLIENT:
		return STATUS_RESET_BY_CLIENT;
	}
	return STATUS_ABORTED;
}

/* Counts an exchange of NS. What was cut off has its status, if that had come, as in HTTP/1. */
static __always_inline void http2_observe(struct conn *c, struct http2_asked asked,
					  struct http2_answer answer, u64 ns)
{
	u16 end = http2_status_of_end(answer.over), status = answer.status ? answer.status : end;
	u32 grpc = answer.grpc;
	u8 protocol = PROTOCOL_GRPC;

	/* A number, not bits of the word: 6.18's verifier stumbles over what it knows of these. */
	asm volatile("" : "+r"(grpc));
	if (asked.is_grpc == HTTP2_MAY_BE_GRPC && grpc < GRPC_COUNT)
		asked.is_grpc = HTTP2_SURELY_GRPC;
	if (asked.is_grpc != HTTP2_SURELY_GRPC) {
		protocol = PROTOCOL_HTTP2;
	} else if (answer.status) {
		status = grpc;
		if (grpc == GRPC_STATUS_UNKNOWN)
			status = STATUS_UNKNOWN;
		else if (grpc >= GRPC_COUNT)
			status = answer.over == HTTP2_WHOLE ? STATUS_OTHER : end;
	}
	series_observe(c, protocol, protocol == PROTOCOL_GRPC ? OPERATION_OTHER : asked.operation,
		       status, ns);
}

/*
 * Settles stream ID, whose place has an INDEX. HOW: enum http2_end, at the time END. The fields are
 * copied before the place is left: that this succeeds tells that it was not used again in between.
 */
__noinline int http2_settle_stream(u32 slot, u32 index, u32 id, u32 how, u64 end)
{
	struct conn *c = conn_of(slot);
	struct http2_stream *x;
	struct http2_conn *h;
	union {
		struct http2_asked half;
		u64 word;
	} asked;
	union {
		struct http2_answer half;
		u64 word;
	} answer;
	u64 start, last, reset_at;

	h = c ? http2_of(c) : NULL;
	x = h ? http2_place(h, index) : NULL;
	if (!x || !id || x->owner != id)
		return 0;
	if (c->role == ROLE_CLIENT) /* each side has written its half before it looks here */
		fenced(&h->spare);
	else
		ordered(&h->spare);
	asked.word = *(volatile u64 *)&x->asked;
	answer.word = *(volatile u64 *)&x->answer;
	start = x->start;
	last = x->last;
	reset_at = x->reset_at;
	if (answer.half.id != id)
		answer.word = (u64)GRPC_STATUS_NONE << 48;
	if (how == HTTP2_BY_ITSELF && (asked.half.id != id || !answer.half.over))
		return 0;
	if (!http2_leave_place(slot, x, id))
		return 0;
	if (asked.half.id != id) { /* the hook of the request never ran */
		if (how == HTTP2_CLOSED && answer.half.status)
			count_lost_here(LOST_REQUEST, 1);
		return 0;
	}
	if (start == START_LOST)
		return 0;
	if (how < HTTP2_LOST && id <= h->lost_until)
		how = HTTP2_LOST + h->lost_reason;
	if (how < HTTP2_LOST && start == START_UNKNOWN)
		how = HTTP2_LOST + LOST_ARRIVAL;
	if (how >= HTTP2_LOST) {
		count_lost_here(how - HTTP2_LOST, 1);
		return 0;
	}
	if (how == HTTP2_CLOSED && asked.half.is_reset && !answer.half.over) {
		how = HTTP2_GIVEN_UP;
		end = reset_at;
	}
	if (how == HTTP2_CLOSED && h->goaway_at && id > h->goaway) {
		how = HTTP2_NOT_TAKEN;
		end = h->goaway_at;
	}
	if (!answer.half.over)
		last = end;
	last = last > start ? last - start : 0;
	if (how == HTTP2_GIVEN_UP)
		answer.half.over = HTTP2_RESET_BY_CLIENT;
	else if (how == HTTP2_NOT_TAKEN)
		answer.half.over = HTTP2_REFUSED;
	http2_observe(c, asked.half, answer.half, last);
	return 0;
}

/*
 * Whether the end of a response may have been written before the client's RST_STREAM was read: the
 * client may give it up because of that end, and hooks run in any order.
 */
static __always_inline bool http2_may_have_ended(struct conn *c, struct http2_stream *x)
{
	if (c->tls && c->plain_writing && (s32)(x->reset_plain - c->plain_written) > 0)
		return true;
	return c->tx_known && (s32)(x->reset_sent - c->tx_pos) > 0;
}

/*
 * Settles stream ID if the client of a server has given it up, and all hooks have run of what was
 * written before. Returns whether that is so.
 */
static __always_inline bool http2_settle_if_reset(struct conn *c, struct http2_stream *x, u32 place,
						  u32 id)
{
	if (x->asked.id != id || !x->asked.is_reset || http2_may_have_ended(c, x))
		return false;
	http2_settle_stream(c->slot, place - 1, id, HTTP2_GIVEN_UP, x->reset_at);
	return true;
}

/* http2_settle_stream() for all streams above ABOVE in a page. */
__noinline int http2_end_page(u32 slot, u32 page, u32 above, u32 how, u64 end)
{
	struct conn *c = conn_of(slot);
	u32 i, id;

	if (!c)
		return 0;
	for (i = 0; i < HTTP2_PLACES; i++) {
		id = http2_owner_of(c->http2, page * HTTP2_PLACES + i);
		if (id > above && id != HTTP2_NEVER)
			http2_settle_stream(slot, page * HTTP2_PLACES + i, id, how, end);
	}
	return 0;
}

/* The same in all pages. */
__noinline int http2_end_all(u32 slot, u32 above, u32 how, u64 end)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;
	u32 i, pages;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return 0;
	pages = h->pages;
	for (i = 0; i <= HTTP2_PAGES; i++) {
		if (i > pages)
			break;
		http2_end_page(slot, i, above, how, end);
	}
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * HTTP/2: from what the parser found to streams.
 *
 * A request begins with the first header block on a stream whose number is higher than those before
 * (RFC 9113, section 5.1.1); its clock was started by the first byte of its HEADERS frame. A
 * response is over with the last byte of the frame that has END_STREAM, or with RST_STREAM. A
 * client may read it before the hook of its own request has run.
 *
 * Distrust. Where bytes of a direction went unseen, its frames are looked for again at the
 * beginning of a call, and of the table of header fields nothing is known that was added before.
 * Responses: what is open is lost, as its end may have passed. Requests: those that were not seen
 * have responses, which are lost when they come.
 */
#ifndef FATHOM_HTTP2_STATE_H
#define FATHOM_HTTP2_STATE_H

#include "../http1/state.h"
#include "../socket/coverage.h"
#include "streams.h"

/* "PRI * HTTP/2.0", CR LF CR LF, "SM", CR LF CR LF: RFC 9113, section 3.4. */
#define HTTP2_PREFACE 24

/* How far above that of the last request a stream may be, where the place is not known. */
#define HTTP2_FAR 0x10000

/* A direction begins. WHOLE: with its first frame, of which nothing was missed. */
static __always_inline void http2_direction_begins(struct http2_direction *d, bool whole)
{
	http2_side_begins(&d->side);
	d->preface = 0;
	d->first = whole;
	d->lost = !whole;
}

/*
 * True to the one caller that makes the connection one of HTTP/2, FROM what it was; the hooks of
 * the other direction wait meanwhile.
 */
static __always_inline bool http2_claim_switch(struct conn *c, u32 from)
{
	if (fetching_atomics)
		return __sync_val_compare_and_swap(&c->switching, from, HTTP2_SWITCHING) == from;
	if (c->switching != from || !claim_here(c->slot, CLAIM_STREAM, 0))
		return false;
	c->switching = HTTP2_SWITCHING;
	return true;
}

/* The same for one whose class is not known yet. */
static __always_inline bool http2_claim_beginning(struct conn *c)
{
	if (!http2_claim_switch(c, HTTP2_NOT_SWITCHING))
		return false;
	if (c->class == CLASS_UNKNOWN)
		return true;
	c->switching = HTTP2_NOT_SWITCHING; /* another was faster */
	return false;
}

/* What was claimed is done. */
static __always_inline void http2_has_begun(struct conn *c)
{
	if (c->http2)
		classify(c->slot, CLASS_HTTP2, COVERAGE_NONE);
	else
		classify(c->slot, CLASS_UNREADABLE, COVERAGE_TABLE_FULL);
	ordered(&c->settled);
	c->switching = HTTP2_NOT_SWITCHING;
}

/*
 * The connection carries HTTP/2. WHOLE: from its first byte on. Without room for what is to be
 * known of it, it has no state, and is not looked at any more.
 */
__noinline int http2_begins(u32 slot, u32 whole)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;
	u32 http2, i;

	if (!c)
		return 0;
	http2 = alloc_slot(TABLE_HTTP2, &http2_free, max_http2_connections);
	h = bpf_map_lookup_elem(&http2_conns, &http2);
	if (!http2 || !h) {
		count_overflow(TABLE_HTTP2);
		c->http2 = 0;
		c->upgraded = 1;
		return 0;
	}
	http2_direction_begins(http2_direction(h, REQUEST), whole);
	http2_direction_begins(http2_direction(h, RESPONSE), whole);
	if (whole)
		http2_direction(h, REQUEST)->preface = HTTP2_PREFACE;
	h->highest = 0;
	h->unseen_above = 0;
	h->unseen_answers = 0;
	h->unseen_until = whole ? 0 : HTTP2_NEVER; /* any request may have begun before */
	h->lost_until = 0;
	h->lost_passed = 0;
	h->lost_sent = 0;
	h->goaway_at = 0;
	h->pages = 0;
	for (i = 0; i < HTTP2_PAGES; i++)
		h->page[i] = 0;
	for (i = 0; i < HTTP2_PLACES; i++)
		http2_clear(&h->streams[i]);
	c->http2 = http2;
	count_taken(TABLE_HTTP2, 1);
	return 0;
}

static __always_inline void http2_forget_pieces(struct http2_side *s)
{
	s->head.lo = 0;
	s->head.hi = 0;
	s->text.lo = 0;
	s->text.hi = 0;
	s->text.behind = 0;
}

static __always_inline void http2_forget(struct http2_direction *d)
{
	http2_forget_pieces(&d->side);
	d->window.lo = 0;
	d->window.hi = 0;
}

/* The connection is over: what was known of it goes, and nothing of the payload is kept. */
__noinline int http2_gives_back(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;
	u32 i, pages, page;
	int failed = 0;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return 0;
	http2_forget(http2_direction(h, REQUEST));
	http2_forget(http2_direction(h, RESPONSE));
	pages = h->pages;
	for (i = 0; i < HTTP2_PAGES; i++) {
		if (i >= pages)
			break;
		page = h->page[i];
		failed |= bpf_map_push_elem(&http2_streams_free, &page, BPF_ANY);
	}
	if (failed)
		count_map_error(failed);
	count_taken(TABLE_STREAMS, -pages);
	count_taken(TABLE_HTTP2, -1);
	free_slot(&http2_free, c->http2);
	c->http2 = 0;
	return 0;
}

static __always_inline void http2_give_back(struct conn *c)
{
	if (c->class == CLASS_HTTP2 && c->http2)
		http2_gives_back(c->slot);
}

/* A request may begin with a frame at SEQ. */
__noinline int http2_starts_clock(u32 slot, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;

	h = c ? http2_of(c) : NULL;
	if (!h)
		return 0;
	start_clock_at_depth(c, seq, now, true);
	h->request_seq = seq;
	h->request_time = c->request_time;
	h->request_queue = c->request_queue;
	return 0;
}

static __always_inline u8 http2_may_be_grpc(const struct http2_side *s)
{
	if (s->flags & HTTP2_IS_GRPC)
		return HTTP2_SURELY_GRPC;
	return s->flags & HTTP2_UNKNOWN ? HTTP2_MAY_BE_GRPC : HTTP2_NOT_GRPC;
}

/* What a client has sent up to now is lost, hooks that are still to run included. */
static __always_inline void http2_lose_sent(struct conn *c, struct http2_conn *h)
{
	h->lost_before = request_position(c);
	ordered(&h->spare);
	h->lost_sent++;
}

/*
 * The requests that have begun are lost: their responses may have passed. So are those of a client
 * whose hooks are still to run.
 */
static __always_inline void http2_lose_open(struct conn *c, struct http2_conn *h, u32 reason)
{
	if (h->lost_until < h->highest)
		h->lost_until = h->highest;
	h->lost_reason = reason;
	if (c->role == ROLE_CLIENT && write_pending(c))
		http2_lose_sent(c, h);
}

/* Where the frames of a direction begin is not known any more. */
__noinline int http2_distrust(u32 slot, u32 is_response, u32 reason)
{
	struct conn *c = conn_of(slot);
	struct http2_direction *d;
	struct http2_conn *h;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return 0;
	d = http2_direction(h, is_response);
	http2_direction_begins(d, false);
	if (is_response) {
		http2_lose_open(c, h, reason);
	} else if (h->unseen_until != HTTP2_NEVER) {
		if (!h->unseen_until)
			h->unseen_above = h->highest;
		h->unseen_answers = 0;
		h->unseen_until = HTTP2_NEVER; /* up to the next */
	}
	return 0;
}

/* Whether the request that begins now was counted as lost, or is now: its response has passed. */
static __always_inline bool http2_is_lost(struct http2_conn *h, u32 id)
{
	u32 times = h->lost_sent;

	if (times != h->lost_passed) {
		ordered(&h->spare);
		if ((s32)(h->request_seq - h->lost_before) < 0)
			return true;
		h->lost_passed = times; /* for good: numbers come again */
	}
	return id <= h->lost_until;
}

/* start_of_answered() of a stream; its frame may have begun in an earlier call. */
static __always_inline u64 http2_start_of_answered(struct conn *c, struct http2_stream *x)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u64 start = c->tls ? x->start : load(tp, first_tx_mstamp) * 1000;

	if (start > x->start)
		start = x->start;
	return x->answer.over && start > x->last ? START_UNKNOWN : start;
}

/*
 * Whether a block is no trailers, of a request that was not seen. What may be both is not counted:
 * if it was a request, its response is lost.
 */
static __always_inline bool http2_is_request(struct http2_side *s)
{
	if (s->flags & HTTP2_ASKED || !(s->flags & HTTP2_ENDS))
		return true;
	return s->flags & HTTP2_HAS_METHOD && s->method != METHOD_UNKNOWN;
}

/*
 * The requests of a connection are seen again, with stream ID. Those that were not are lost when
 * their responses come. Within TLS these may have gone unseen as well, and nothing else tells: they
 * are counted by their numbers (RFC 9113, section 5.1.1), but where the connection is older than
 * the agent.
 */
static __always_inline void http2_seen_again(struct conn *c, struct http2_conn *h, u32 id)
{
	u32 unseen = id / 2 - (h->unseen_above + 1) / 2 - h->unseen_answers;

	h->unseen_answers = 0;
	if (c->joined || !c->tls) {
		h->unseen_until = id;
		return;
	}
	h->unseen_until = 0;
	if (unseen - 1 < HTTP2_FAR / 2) /* more is no number of a stream */
		count_lost(LOST_TLS_SOCKET, unseen);
}

/* A block in the request direction is complete. */
static __always_inline void http2_request(struct conn *c, struct http2_conn *h)
{
	struct http2_side *s = &http2_direction(h, REQUEST)->side;
	u32 id = s->block_stream, place;
	struct http2_stream *x;
	bool lost;

	if (!(id & 1) || id <= h->highest || s->flags & HTTP2_PROMISED)
		return; /* trailers, or of no request */
	if (h->unseen_until == HTTP2_NEVER) {
		if (!http2_is_request(s))
			return;
		http2_seen_again(c, h, id);
	}
	lost = http2_is_lost(h, id);
	if (lost)
		count_lost(h->lost_reason, 1);
	place = http2_take(c->slot, id);
	x = place ? http2_place(h, place - 1) : NULL;
	if (!x) {
		if (!lost)
			count_lost(LOST_PIPELINED, 1);
		h->highest = id;
		return;
	}
	x->start = lost ? START_LOST : h->request_time;
	if (c->role == ROLE_CLIENT && x->answer.id == id && x->start > START_LOST)
		x->start = http2_start_of_answered(c, x);
	x->asked.operation = s->method;
	x->asked.is_grpc = http2_may_be_grpc(s);
	x->asked.is_reset = 0;
	if (c->role == ROLE_SERVER && x->start > START_LOST)
		queue_observe(c->workload,
			      x->asked.is_grpc == HTTP2_SURELY_GRPC ? PROTOCOL_GRPC :
								      PROTOCOL_HTTP2,
			      h->request_queue);
	ordered(&h->spare);
	x->asked.id = id;
	h->highest = id;
	if (c->role == ROLE_CLIENT) /* it may be answered already */
		http2_settle_stream(c->slot, place - 1, id, HTTP2_BY_ITSELF, 0);
}

/*
 * The place of stream ID, of which something passes in the response direction: its index and 1
 * more. 0 if its exchange is over, or was not seen to begin. BEGINS: this may be the first of it.
 */
static __always_inline u32 http2_answered(struct conn *c, struct http2_conn *h, u32 id, bool begins)
{
	u32 place = http2_find(c, h, id);

	if (place || !begins || !(id & 1) || id <= h->highest || c->role != ROLE_CLIENT ||
	    !write_pending(c))
		return place;
	place = http2_take(c->slot, id); /* the hook of its request is late */
	if (!place) {
		h->lost_until = id;
		h->lost_reason = LOST_PIPELINED;
	}
	return place;
}

/* Begins the half of the response, if that was not done. */
static __always_inline void http2_half_begins(struct http2_conn *h, struct http2_stream *x, u32 id)
{
	if (x->answer.id == id)
		return;
	x->answer.status = 0;
	x->answer.grpc = GRPC_STATUS_NONE;
	x->answer.over = HTTP2_OPEN;
	ordered(&h->spare);
	x->answer.id = id;
}

/* The response of stream ID is over. */
static __always_inline void http2_over(struct conn *c, struct http2_conn *h, u32 id, u8 over,
				       u64 now)
{
	u32 place = http2_answered(c, h, id, over != HTTP2_WHOLE);
	struct http2_stream *x = place ? http2_place(h, place - 1) : NULL;

	if (!x)
		return;
	if (http2_settle_if_reset(c, x, place, id))
		return;
	http2_half_begins(h, x, id);
	if (x->answer.over) /* RST_STREAM behind it says nothing more */
		return;
	x->last = now;
	ordered(&h->spare);
	x->answer.over = over;
	http2_settle_stream(c->slot, place - 1, id, HTTP2_BY_ITSELF, 0);
}

/*
 * Stream ID is answered, whose request was not seen: it is lost. Unless that is all, it keeps a
 * place until its end: a block that ends a stream, and has a status or not, is then known to be
 * trailers.
 */
static __always_inline void http2_request_unseen(struct conn *c, struct http2_conn *h, u32 id,
						 bool ends)
{
	struct http2_stream *x;
	u32 place;

	count_lost(LOST_REQUEST, 1);
	h->unseen_answers++;
	place = ends ? 0 : http2_take(c->slot, id);
	x = place ? http2_place(h, place - 1) : NULL;
	if (!x)
		return;
	x->start = START_LOST;
	x->asked.is_reset = 0;
	ordered(&h->spare);
	x->asked.id = id;
}

/* A block in the response direction is complete. */
static __always_inline void http2_response(struct conn *c, struct http2_conn *h, u64 now)
{
	struct http2_side *s = &http2_direction(h, RESPONSE)->side;
	u32 id = s->block_stream, place;
	bool begins = s->flags & HTTP2_HAS_STATUS;
	struct http2_stream *x;

	if (!(id & 1) || s->flags & HTTP2_PROMISED || (begins && s->status < 200))
		return;
	place = http2_answered(c, h, id, begins);
	x = place ? http2_place(h, place - 1) : NULL;
	if (!x) {
		fenced(&h->spare); /* a client's hook may have run meanwhile */
		if (begins && (id > h->highest || (id > h->unseen_above && id < h->unseen_until)) &&
		    id > h->lost_until)
			http2_request_unseen(c, h, id, s->flags & HTTP2_ENDS);
		return;
	}
	if (http2_settle_if_reset(c, x, place, id))
		return;
	http2_half_begins(h, x, id);
	/* the first field of trailers may be unknown, and no status */
	if (begins && (s->status != STATUS_UNKNOWN || !x->answer.status))
		x->answer.status = s->status;
	if (s->grpc != GRPC_STATUS_NONE)
		x->answer.grpc = s->grpc;
	if (!(s->flags & HTTP2_ENDS))
		return;
	x->last = now;
	ordered(&h->spare);
	x->answer.over = HTTP2_WHOLE;
	http2_settle_stream(c->slot, place - 1, id, HTTP2_BY_ITSELF, 0);
}

/* A client gives stream ID up, by RST_STREAM. */
static __always_inline void http2_given_up(struct conn *c, struct http2_conn *h, u32 id, u64 now)
{
	u32 place = http2_find(c, h, id);
	struct http2_stream *x = place ? http2_place(h, place - 1) : NULL;

	if (!x)
		return;
	if (c->role == ROLE_SERVER && x->asked.id == id && !x->asked.is_reset) {
		x->reset_at = now;
		x->reset_sent = written_position(c);
		x->reset_plain = c->plain_written + c->plain_writing;
		ordered(&h->spare);
		x->asked.is_reset = 1;
		if (http2_may_have_ended(c, x))
			return; /* until the hooks of that have run, or the next sweep */
	}
	http2_settle_stream(c->slot, place - 1, id, HTTP2_GIVEN_UP, now);
}

/* Applies what a step found. */
__noinline int http2_apply(u32 slot, u64 is_response, u64 event, u64 now)
{
	struct conn *c = conn_of(slot);
	struct http2_side *s;
	struct http2_conn *h;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return 0;
	s = &http2_direction(h, !!is_response)->side;
	switch (event_kind(event)) {
	case HTTP2_HEADERS:
		if (is_response)
			http2_response(c, h, now);
		else
			http2_request(c, h);
		break;
	case HTTP2_END:
		if (is_response)
			http2_over(c, h, s->stream, HTTP2_WHOLE, now);
		break;
	case HTTP2_RESET:
		if (is_response) {
			http2_over(c, h, s->stream,
				   s->code == HTTP2_CODE_REFUSED_STREAM ? HTTP2_REFUSED :
									  HTTP2_RESET_BY_SERVER,
				   now);
			break;
		}
		http2_given_up(c, h, s->stream, now);
		break;
	case HTTP2_GOAWAY:
		if (is_response) { /* what is above is not answered, and settled by the sweep */
			h->goaway = s->stream;
			h->goaway_at = now;
		}
		break;
	}
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the memory of a process to the parser of HTTP/2. */
#ifndef FATHOM_HTTP2_STEP_H
#define FATHOM_HTTP2_STEP_H

#include "../bytes/ahead.h"
#include "../proto/http2_join.h"
#include "../proto/preface.h"
#include "state.h"

#define HTTP2_FRAME_HEAD 9

/* How often the parser looks in a step: once for each frame's header, field or string. */
#define HTTP2_LOOKS 16

/*
 * Whether frames begin at ADDRESS, where N bytes of a call are: two headers in a row, or one whose
 * frame ends with them, or one alone (a server written in Go reads it by itself). Each has a type
 * and flags that it may have, on a stream if it must.
 */
__noinline u32 http2_frames_at(u64 address, u32 n)
{
	u64 words[2] = {};
	u32 at = 0, i, length;

	for (i = 0; i < 4; i++) {
		if (n - at < HTTP2_FRAME_HEAD)
			return i > 1;
		if (bpf_probe_read_user(words, HTTP2_FRAME_HEAD, (void *)(address + at)))
			return false;
		if (!http2_plausible(words[0], words[1]))
			return false;
		length = http2_u32(words[0]) >> 8;
		at += HTTP2_FRAME_HEAD;
		if (n - at == length || (at == n && at == HTTP2_FRAME_HEAD))
			return true;
		if (n - at < length)
			return i > 0;
		at += length;
	}
	return true;
}

/* Whether the frame at ADDRESS is on a stream that there may be: they are numbered from 1 on. */
static __always_inline bool http2_is_near(struct http2_conn *h, u64 address, u32 is_response)
{
	u32 stream = 0, above = is_response ? HTTP2_FAR / 256 : HTTP2_FAR;

	if (!h->highest)
		return true;
	if (bpf_probe_read_user(&stream, sizeof(stream), (void *)(address + 5)))
		return false;
	return http2_u32(stream) <= h->highest + above;
}

/*
 * In a direction whose place is not known, N bytes at ADDRESS with which a call begins: whether
 * frames begin there. If not, what passes may end what is open.
 */
__noinline u32 http2_finds_place(u32 slot, u64 address, u64 length, u32 is_response)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;

	h = c ? http2_of(c) : NULL;
	if (!h)
		return false;
	if (length & FIRST_OF_CALL && http2_frames_at(address, length) &&
	    http2_is_near(h, address, is_response)) {
		http2_direction(h, is_response)->lost = 0;
		return true;
	}
	if (is_response)
		http2_lose_open(c, h, LOST_GAP);
	return false;
}

/*
 * A client's preface, of which N bytes are at hand, at ADDRESS. Where something else is there, only
 * the server's first frame looked like HTTP/2; within TLS the preface, and more, may have passed
 * before the session was bound.
 */
static __always_inline u64 http2_preface(struct conn *c, struct http2_direction *d, u64 address,
					 u32 n)
{
	u32 used = d->preface < n ? d->preface : n;
	u8 class;

	if (d->preface == HTTP2_PREFACE) {
		class = preface_class(d->window.lo, d->window.hi, d->window.have);
		if (class != CLASS_HTTP2 && class != CLASS_UNKNOWN) {
			if (!c->tls) {
				c->upgraded = 1;
				return EVENT(EVENT_NONE, 0, 0, n);
			}
			http2_distrust(c->slot, REQUEST, LOST_GAP);
			if (!http2_frames_at(address, n))
				return EVENT(EVENT_NONE, 0, 0, n);
			d->lost = 0;
			return EVENT(EVENT_NONE, 0, 0, 0);
		}
	}
	d->preface -= used;
	d->window.have = 0;
	return EVENT(EVENT_NONE, 0, 0, used);
}

/*
 * Looks once at what is at ADDRESS: a frame's header, a field, a string, and what follows that
 * needs no look, such as the payload of DATA. LENGTH: how many bytes are there, with IS_RESPONSE
 * and COPIES; SEQ: the number of the first. What was read of them is kept in the connection, for
 * the next look of the same step.
 */
__noinline u64 http2_look_once(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE);
	struct conn *c = conn_of(slot);
	struct http2_direction *d;
	u64 words[2], event;
	struct http2_conn *h;
	u8 type;

	h = c ? http2_of(c) : NULL;
	if (!h || !n)
		return EVENT(EVENT_NONE, 0, 0, n);
	d = http2_direction(h, is_response);
	event = http2_pass(&d->side, n);
	if (event) {
		http2_window_moves(&d->window, event_used(event));
		return event;
	}
	if (!d->window.have) {
		struct http1_head *copied = copies_of(length);

		if (copied && !copy_ahead(copied, address, n, WINDOW))
			return EVENT(EVENT_FAULT, 0, 0, 0);
		d->window.have = copied_words(words, copied, address, n);
		if (!d->window.have)
			return EVENT(EVENT_FAULT, 0, 0, 0);
		d->window.lo = words[0];
		d->window.hi = words[1];
	}
	if (d->preface)
		return http2_preface(c, d, address, n);
	if (http2_at_frame(&d->side)) {
		type = d->window.lo >> 24;
		/* cut within the first bytes, it may be any frame, but within a header block */
		if (!is_response && !d->side.open &&
		    (d->window.have < 4 || type == HTTP2_FRAME_HEADERS))
			http2_starts_clock(slot, seq, now);
		/* of a server it may have gone unseen */
		if (d->first && d->window.have >= 4 && type != HTTP2_FRAME_SETTINGS &&
		    (!is_response || type > HTTP2_FRAME_CONTINUATION)) {
			c->upgraded = 1; /* something else, behind HTTP/2's preface */
			return EVENT(EVENT_NONE, 0, 0, n);
		}
		d->first = 0;
	}
	d->window.used = 0;
	event = http2_look(&d->side, &d->window);
	if (!event_kind(event)) {
		event = http2_pass(&d->side, n - d->window.used);
		http2_window_moves(&d->window, event_used(event));
	}
	return (event & ~0xffffffffULL) | d->window.used;
}

/*
 * One step: what is at ADDRESS. LENGTH: how many bytes are there, with IS_RESPONSE, FIRST_OF_CALL
 * and COPIES; SEQ: the number of the first.
 */
__noinline u64 http2_step(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE), used = 0, i;
	struct conn *c = conn_of(slot);
	struct http2_direction *d;
	struct http2_conn *h;
	u64 event = 0;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2 || c->upgraded)
		return EVENT(EVENT_NONE, 0, 0, n);
	d = http2_direction(h, is_response);
	if (d->lost && !http2_finds_place(slot, address, length, is_response))
		return EVENT(EVENT_NONE, 0, 0, n);
	d->window.have = 0;
	for (i = 0; i < HTTP2_LOOKS; i++) {
		if (event_kind(event) || used >= n)
			break;
		event = http2_look_once(slot, address + used,
					(length & (IS_RESPONSE | COPIES)) | (n - used), seq + used,
					now);
		used += event_used(event);
	}
	/* what was read is not kept, unless it is a piece of something */
	d->window.lo = 0;
	d->window.hi = 0;
	if (d->side.at == HTTP2_AT_FRAME && !d->side.head.have && !d->side.open)
		http2_forget_pieces(&d->side);
	return (event & ~0xffffffffULL) | used;
}

/* Whether nobody has to look at the bytes that pass. */
__noinline int http2_passes_over(u32 slot, u32 is_response, u32 length, u64 now)
{
	struct conn *c = conn_of(slot);
	struct http2_direction *d;
	struct http2_conn *h;
	u64 event;

	h = c ? http2_of(c) : NULL;
	if (!h || !c->http2)
		return true;
	d = http2_direction(h, is_response);
	if (d->lost || d->side.skip < length)
		return false;
	event = http2_pass(&d->side, length);
	if (event_kind(event))
		http2_apply(slot, is_response ? IS_RESPONSE : 0, event, now);
	return true;
}

/*
 * A step in the server's direction of a connection of which it is not known yet what it carries: N
 * bytes are at ADDRESS. Whether it begins as that of HTTP/2 does; 0 if not.
 */
__noinline u64 http2_greets(u32 slot, u64 address, u32 n)
{
	struct conn *c = conn_of(slot);
	u64 word[2], piece[2] = {};
	struct http1_side *s;
	u64 used, have;

	if (!c)
		return 0;
	s = http1_of(c, RESPONSE);
	have = s->have;
	if (have >= HTTP2_FRAME_HEAD)
		return 0;
	used = HTTP2_FRAME_HEAD - have;
	used = at_most(used < n ? used : n, HTTP2_FRAME_HEAD);
	if (!used || bpf_probe_read_user(piece, used, (void *)address))
		return 0;
	word[0] = s->word[0];
	word[1] = s->word[1];
	http1_append(word, have & (HTTP1_PREFIX - 1), piece);
	if (!http2_may_be_first_settings(word[0], word[1], have + used))
		return 0;
	if (have + used == HTTP2_FRAME_HEAD)
		return EVENT(EVENT_FIRST, have, CLASS_HTTP2, 0);
	s->word[0] = word[0];
	s->have = have + used;
	return EVENT(EVENT_NONE, 0, 0, used);
}

/*
 * A connection that was joined carries HTTP/2, as a call in a DIRECTION shows. What a client has
 * sent may have been answered before its hook runs, by what was read before HTTP/2 was known, or is
 * now: it is lost.
 */
static __always_inline void http2_joins_client(struct conn *c, u32 direction)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	struct http2_conn *h = http2_of(c);

	if (!h || c->role != ROLE_CLIENT)
		return;
	if (direction == WRITE && load(tp, first_tx_mstamp) * 1000 >= c->begun_at)
		return;
	http2_lose_sent(c, h);
	h->lost_reason = LOST_GAP;
	if (c->tx_known || c->tls)
		return;
	c->tx_pos = request_position(c); /* from here on a hook is known to be late */
	c->tx_known = 1;
}

/* GREETED bytes of the server, which are in WORD, came before HTTP/2 was recognised. */
static __always_inline void http2_was_greeted(struct http2_direction *d, u64 word, u32 greeted)
{
	d->first = 0;
	d->side.head.lo = word;
	d->side.head.hi = 0;
	d->side.head.have = greeted;
	/* or it was something else */
	d->lost = greeted >= HTTP2_FRAME_HEAD || !http2_may_be_first_settings(word, 0, greeted);
}

/*
 * The connection carries HTTP/2, which its first bytes in a direction show; HAVE of them came in
 * earlier calls. So may have some of the other direction.
 */
static __always_inline void http2_first(struct conn *c, u32 is_response, u32 have)
{
	u32 asked = have, greeted = http1_of(c, RESPONSE)->have;
	bool gap = c->after_gap || c->attempts || http1_of(c, RESPONSE)->phase == HTTP1_UNKNOWN;
	struct http2_conn *h;

	if (!http2_claim_beginning(c))
		return;
	if (is_response)
		asked = http1_of(c, REQUEST)->have;
	http2_begins(c->slot, true);
	h = http2_of(c);
	c->after_gap = GAP_NONE;
	if (h && c->http2) {
		http2_direction(h, REQUEST)->preface = HTTP2_PREFACE - (asked & 15);
		if (gap || c->joined) { /* in front of this */
			http2_distrust(c->slot, true, LOST_GAP);
			if (c->joined)
				http2_joins_client(c, WRITE);
		} else if (greeted) {
			http2_was_greeted(http2_direction(h, RESPONSE),
					  http1_of(c, RESPONSE)->word[0], greeted);
		}
	}
	http2_has_begun(c);
}

/* What the payload of a HEADERS frame at ADDRESS shows, N bytes of which are there. */
__noinline int http2_block_asks(u64 address, u32 n, u32 flags)
{
	u64 words[2] = {}, have = at_most(n, WINDOW);

	if (!have || bpf_probe_read_user(words, have, (void *)address))
		return HTTP2_NOT_TOLD;
	return http2_asks(words[0], words[1], have, flags);
}

/* In a length: the call has other buffers, too. */
#define HTTP2_MORE_BUFFERS (1ULL << 32)

/* What http2_who_asks() found. */
#define HTTP2_FOUND 0x01	/* frames */
#define HTTP2_ALL_SEEN 0x02	/* and what each of them is: none of them begins anything */
#define HTTP2_WHO 2		/* the bits of enum http2_asks, from here on */
#define HTTP2_ALONE 8		/* and from here on, if a frame's header is all that there is: */
#define HTTP2_ALONE_OTHER 0x200 /* one of another type than HEADERS; else 1 + its flags */

/*
 * Whether frames begin at ADDRESS, where N bytes of a call are; and if there is a HEADERS frame
 * among the first, which of both it shows.
 */
__noinline u32 http2_who_asks(u64 address, u32 n)
{
	u32 at = 0, i, who, length, seen = HTTP2_ALL_SEEN;
	u64 words[2] = {};

	if (!http2_frames_at(address, n))
		return 0;
	for (i = 0; i < 8; i++) {
		if (at == n)
			return HTTP2_FOUND | seen;
		if (n - at < HTTP2_FRAME_HEAD ||
		    bpf_probe_read_user(words, HTTP2_FRAME_HEAD, (void *)(address + at)))
			break;
		at += HTTP2_FRAME_HEAD;
		length = http2_u32(words[0]) >> 8;
		if ((u8)(words[0] >> 24) == HTTP2_FRAME_HEADERS) {
			if (at == n)
				return HTTP2_FOUND | seen |
				       (1 + (u32)(u8)(words[0] >> 32)) << HTTP2_ALONE;
			who = http2_block_asks(address + at, n - at, (u8)(words[0] >> 32));
			if (who)
				return HTTP2_FOUND | who << HTTP2_WHO;
			seen = 0;
		}
		if (at == n && length)
			return HTTP2_FOUND | seen | HTTP2_ALONE_OTHER << HTTP2_ALONE;
		if (n - at <= length) /* what is behind is the rest of it */
			return HTTP2_FOUND | seen;
		at += length;
	}
	return HTTP2_FOUND;
}

/*
 * A connection that was joined carries HTTP/2 where a call begins with frames, and a header block
 * among the first shows who asks. Where the header of such a frame is all that a call moves, its
 * flags are kept until the next call in that direction. LENGTH: how many bytes are at ADDRESS, with
 * HTTP2_MORE_BUFFERS. Returns whether this is the case, or may be found with a later call. Where
 * exchanges may have passed before that, nobody knows how many: one is lost.
 */
__noinline int http2_joins(u32 slot, u64 address, u64 length, u32 direction)
{
	bool more = length & HTTP2_MORE_BUFFERS;
	u32 found = HTTP2_FOUND, who, n = length, alone;
	struct conn *c = conn_of(slot);

	if (!c)
		return false;
	direction &= 1;
	if (direction == READ)
		c->begun_at = bpf_ktime_get_ns();
	alone = c->http2_alone[direction];
	if (alone && alone < HTTP2_ALONE_OTHER) {
		who = http2_block_asks(address, n, alone - 1);
	} else {
		found = http2_who_asks(address, n);
		if (!found && alone) /* its payload */
			found = HTTP2_FOUND | HTTP2_ALL_SEEN;
		who = found >> HTTP2_WHO & 3;
	}
	c->http2_alone[direction] = more ? 0 : found >> HTTP2_ALONE;
	if (!found)
		return false;
	if (!who) {
		c->http2_passed |= more || !(found & HTTP2_ALL_SEEN);
		return true;
	}
	if (!http2_claim_beginning(c))
		return true;
	if (c->http2_passed || c->attempts)
		count_lost(LOST_GAP, 1);
	c->role = (who == HTTP2_ASKS) == (direction == READ) ? ROLE_SERVER : ROLE_CLIENT;
	c->after_gap = GAP_NONE;
	http2_begins(slot, false);
	http2_joins_client(c, direction);
	http2_has_begun(c);
	return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One step through the bytes of HTTP/1: what is at this place of a direction, and what it means
 * there.
 */
#ifndef FATHOM_HTTP1_STEP_H
#define FATHOM_HTTP1_STEP_H

#include "../preamble.h"
#include "../proto/event.h"
#include "state.h"

/* http1_request(), with the method in the second byte of the verdict. */
__noinline int request_verdict(u64 lo, u64 hi, u32 length)
{
	u8 method = METHOD_OTHER;
	int verdict = http1_request(lo, hi, length, &method);

	return verdict | method << 8;
}

/* http1_response(), with the status above the verdict. */
__noinline int response_verdict(u64 lo, u64 hi, u32 length)
{
	u16 status = STATUS_OTHER;
	int verdict = http1_response(lo, hi, length, &status);

	return verdict | status << 8;
}

/* http1_any_request() likewise. */
__noinline int method_verdict(u64 lo, u32 length)
{
	u8 method = METHOD_OTHER;
	int verdict = http1_any_request(lo, length, &method);

	return verdict | method << 8;
}

/*
 * The first bytes of a message in the request direction, whatever they are: the server will take
 * them for a request.
 */
static __always_inline u64 step_request_line(struct conn *c, struct http1_side *s, u32 slot,
					     u64 address, u32 length)
{
	bool first = s->phase == HTTP1_START;
	/* the clock was started when nobody knew what this is */
	u8 begin = s->have ? EVENT_FIRST : EVENT_BEGIN;
	u32 have = s->have, blank;
	u64 event;
	int used = scan_prefix(slot, REQUEST, address, length), verdict;

	if (used < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (first && !c->requests) { /* it was recognised by its response */
		event = preamble_begun(c, s, have, !have, length);
		if (event)
			return event;
	}
	if (first) {
		blank = http1_blank(s->word[0], s->have);
		if (blank) { /* RFC 9112, section 2.2 */
			http1_expect_message(s);
			return EVENT(EVENT_NONE, 0, 0, blank > have ? blank - have : 0);
		}
	}
	if (first && s->framing & HTTP1_DOUBT && open_exchanges(c) >= 0) {
		/* behind what may have been no body; a client that has read an answer tells */
		verdict = request_verdict(s->word[0], s->word[1], s->have);
		if ((verdict & 0xff) == HTTP1_PARTIAL)
			return EVENT(have ? EVENT_NONE : EVENT_PIECE, 0, 0, used);
		if ((verdict & 0xff) != HTTP1_YES || verdict >> 8 == METHOD_OTHER) {
			/* if it is a request that is not answered, nothing else tells of it */
			count_lost_bytes(c->role == ROLE_SERVER ? READ : WRITE, BYTES_UNREADABLE,
					 length);
			http1_distrust(s);
			return EVENT(EVENT_NONE, 0, 0, 0);
		}
	}
	verdict = method_verdict(s->word[0], s->have);
	if ((verdict & 0xff) == HTTP1_PARTIAL) { /* no line ends in it */
		s->phase = HTTP1_LINE;
		return first ? EVENT(begin, METHOD_PENDING, 0, used) :
			       EVENT(EVENT_NONE, 0, 0, used);
	}
	s->framing = 0;
	s->left = 0;
	http1_expect_head(s); /* which may end in these bytes */
	return EVENT(first ? begin : EVENT_OPERATION, verdict >> 8, 0, 0);
}

/* The first bytes of a message in the response direction. */
static __always_inline u64 step_status_line(struct http1_side *s, u32 slot, u64 address, u32 length)
{
	int used = scan_prefix(slot, RESPONSE, address, length), verdict;
	u32 blank, status;

	if (used < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (s->phase == HTTP1_START) {
		blank = http1_blank(s->word[0], s->have);
		if (blank) {
			http1_expect_message(s);
			return EVENT(EVENT_NONE, 0, 0, blank);
		}
	}
	verdict = response_verdict(s->word[0], s->word[1], s->have);
	status = verdict >> 8;
	if ((verdict & 0xff) == HTTP1_PARTIAL) {
		s->phase = HTTP1_LINE;
		return EVENT(EVENT_NONE, 0, 0, used);
	}
	s->framing = 0;
	s->left = 0;
	http1_expect_head(s);
	if ((verdict & 0xff) == HTTP1_NO)
		return EVENT(EVENT_NOT_MINE, 0, 0, length);
	if (status < 200 && status != 101)
		return EVENT(EVENT_INTERIM, 0, status, 0);
	return EVENT(EVENT_STATUS, 0, status, 0);
}

/* The head is over. */
static __always_inline u64 step_head_end(struct conn *c, struct http1_side *s, bool is_response,
					 u32 used)
{
	if (s->phase == HTTP1_TRAILER) {
		s->phase = HTTP1_START;
		return EVENT(is_response ? EVENT_END : EVENT_NONE, 0, 0, used);
	}
	/* its request's hook may have run by now */
	if (is_response && s->answers == HTTP1_ANSWERS_PENDING && !s->orphan)
		s->answers = answers_of(method_of(c, c->responses - 1),
					exchange_of(c, c->responses - 1)->status);
	if (http1_head_ends(s, is_response))
		return EVENT(is_response ? EVENT_END : EVENT_NONE, 0, 0, used);
	if (is_response && (s->phase == HTTP1_UNKNOWN || s->phase == HTTP1_CLOSE))
		return EVENT(EVENT_OPEN_END, 0, 0, used);
	return EVENT(is_response && http1_awaits_method(s) ? EVENT_HEAD_END : EVENT_NONE, 0, 0,
		     used);
}

static __always_inline u64 step_head(struct conn *c, struct http1_side *s, u32 slot,
				     bool is_response, u64 address, u32 length)
{
	int used = scan_head(slot, is_response, address, length);

	if (used < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (used & SCAN_END)
		return step_head_end(c, s, is_response, used & SCAN_NUMBER);
	if (used & SCAN_FIELD) {
		s->phase = HTTP1_FIELD;
		s->field = 0;
	}
	return EVENT(EVENT_NONE, 0, 0, used & SCAN_NUMBER);
}

/*
 * One step: what is at ADDRESS, of which LENGTH (not 0) bytes are there. DIRECTION: REQUEST or
 * RESPONSE. Bodies of a known length are the caller's.
 */
static __always_inline u64 http1_step(u32 slot, u32 direction, u64 address, u32 length)
{
	bool is_response = direction & RESPONSE;
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	int used;

	if (!c)
		return EVENT(EVENT_NONE, 0, 0, length);
	s = http1_of(c, is_response);
	switch (s->phase) {
	case HTTP1_START:
	case HTTP1_LINE:
		return is_response ? step_status_line(s, slot, address, length) :
				     step_request_line(c, s, slot, address, length);
	case HTTP1_HEAD:
	case HTTP1_TRAILER:
		return step_head(c, s, slot, is_response, address, length);
	case HTTP1_FIELD:
		used = scan_field(slot, is_response, address, length);
		break;
	case HTTP1_CHUNK_LINE:
		used = scan_chunk_line(slot, is_response, address, length);
		if (used > 0 && is_response && s->phase == HTTP1_UNKNOWN)
			return EVENT(EVENT_OPEN_END, 0, 0, used);
		break;
	default:
		return EVENT(EVENT_NONE, 0, 0, length);
	}
	if (used < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	return EVENT(EVENT_NONE, 0, 0, used);
}

/* The requests before the last one that began before SEQ, of a client that waits, are answered. */
static __always_inline void lose_before(struct conn *c, u32 seq)
{
	u32 number = c->requests - 1, i;

	for (i = 1; i < EXCHANGES && c->role == ROLE_SERVER; i++) {
		struct exchange *x = exchange_of(c, number);

		if ((s32)(number - c->responses) <= 0 || x->id != number ||
		    (s32)(seq - x->position) >= 0)
			break;
		number--;
	}
	lose_until(c->slot, number, LOST_GAP);
	c->responses = number;
}

/* What http1_finds_place() has found. */
enum http1_place {
	PLACE_UNKNOWN,
	PLACE_PARTIAL, /* all bytes fit the first ones of a message, and were kept */
	PLACE_FOUND,
};

/* How many bytes a direction whose place is not known has kept. */
static __always_inline u32 http1_kept(const struct http1_side *s)
{
	return s->phase == HTTP1_UNKNOWN ? s->have & (HTTP1_PREFIX - 1) : 0;
}

/*
 * A message begins, with the bytes that were kept if there are any, or VERDICT is another. WORDS: N
 * bytes, among them what was kept.
 */
static __always_inline int place_of(struct http1_side *s, int verdict, const u64 words[2], u32 n)
{
	u32 have = http1_kept(s);
	u64 lo = s->word[0], hi = s->word[1];

	if ((verdict & 0xff) == HTTP1_PARTIAL && s->phase == HTTP1_UNKNOWN) {
		s->word[0] = words[0];
		s->word[1] = words[1];
		s->have = n;
		return PLACE_PARTIAL;
	}
	if ((verdict & 0xff) != HTTP1_YES) {
		if (have)
			s->have = 0;
		return PLACE_UNKNOWN;
	}
	http1_expect_message(s);
	if (have) {
		s->word[0] = lo;
		s->word[1] = hi;
		s->have = have;
	}
	return PLACE_FOUND;
}

/*
 * Whether a message begins with the first bytes of a call, in a direction whose place is not known,
 * or whose body has no end: PLACE_FOUND, and the phase is HTTP1_START. SEQ: the number of the first
 * byte at ADDRESS. Bytes in earlier buffers or calls may have been kept.
 */
__noinline int http1_finds_place(u32 slot, u32 is_response, u64 address, u32 length, u32 seq)
{
	struct conn *c = conn_of(slot);
	u64 words[2] = {}, piece[2] = {}, n;
	struct http1_side *s;
	bool interim;
	int verdict;
	u32 have;
	s32 open;

	if (!c || c->deep)
		return PLACE_UNKNOWN;
	s = http1_of(c, is_response);
	have = http1_kept(s);
	n = HTTP1_PREFIX - have;
	n = at_most(n < length ? n : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(piece, n, (void *)address)) {
		if (have) /* nothing goes on behind what was not read */
			s->have = 0;
		return PLACE_UNKNOWN;
	}
	if (have) {
		words[0] = s->word[0];
		words[1] = s->word[1];
	}
	http1_append(words, have, piece);
	n += have;
	open = open_exchanges(c);
	if (!is_response) {
		verdict = request_verdict(words[0], words[1], n);
		if (open > 0 || (c->role == ROLE_SERVER && write_pending(c)) ||
		    verdict == (HTTP1_YES | METHOD_OTHER << 8))
			verdict = HTTP1_NO;
		if (open < 0 && (verdict & 0xff) == HTTP1_NO) {
			/* a client has read what answers this, whatever it is */
			lose_until(slot, c->responses, LOST_GAP);
			c->answering = 0;
			http1_distrust_but_keep(
				http1_of(c, RESPONSE)); /* it may have been to HEAD */
			if (c->pipelines)
				c->deep = 1;
			else
				c->requests = c->responses;
		}
		return place_of(s, verdict, words, n);
	}
	verdict = response_verdict(words[0], words[1], n);
	interim = verdict >> 8 < 200 && verdict >> 8 != 101;
	if ((verdict & 0xff) != HTTP1_YES || verdict >> 8 == STATUS_OTHER)
		return place_of(s, (verdict & 0xff) == HTTP1_YES ? HTTP1_NO : verdict, words, n);
	if (open > 0 && s->digits && c->role == ROLE_CLIENT && write_pending(c)) {
		/* a client that waits has read the answers */
		lose_until(slot, c->requests, LOST_GAP);
		c->responses = c->requests;
		open = 0;
	}
	if (open > 1 && s->digits) {
		/*
		 * What passed may have been responses: to all requests before the last one that
		 * came before this.
		 */
		if (c->pipelines) {
			lose_responses(slot, response_position(c), LOST_GAP);
			return PLACE_UNKNOWN;
		}
		lose_before(c, seq);
	}
	if (open <= 0 && !(c->role == ROLE_CLIENT && write_pending(c))) {
		if (!interim) {
			if (!c->owed && s->phase == HTTP1_UNKNOWN)
				count_lost(LOST_REQUEST, 1);
			if (c->owed == OWED_ONE)
				c->owed = OWED_NONE;
		}
		if (c->after_gap) {
			/* this answers what was hidden, and the rest of that is no request */
			c->after_gap = GAP_NONE;
			if (c->role == ROLE_CLIENT) /* at a server this hook may be late */
				http1_expect_message(http1_of(c, REQUEST));
		}
		if (!interim) { /* behind one that is there is the one to count */
			s->have = 0;
			return PLACE_UNKNOWN;
		}
	}
	return place_of(s, verdict, words, n);
}

/* Whether a usual request begins at ADDRESS, where LENGTH bytes are. */
static __always_inline bool begins_request(u64 address, u32 length)
{
	u64 words[2] = {}, n = at_most(length, HTTP1_PREFIX);
	int verdict;

	if (bpf_probe_read_user(words, n, (void *)address))
		return false;
	verdict = request_verdict(words[0], words[1], n);
	return (verdict & 0xff) == HTTP1_YES && verdict >> 8 != METHOD_OTHER;
}

/*
 * Whether all that was said before a call of the request direction is answered, on a connection
 * whose client has always waited for its answers: LENGTH bytes at ADDRESS begin with a request, SEQ
 * is the number of the first. At a server the hooks of all writes have run. (A server does not
 * answer what a read brings before it returns.) At a client those of all reads have, and nothing of
 * the request has reached the server, which could have answered it. Then it is no longer deep.
 */
__noinline int http1_leaves_deep(u32 slot, u64 address, u32 length, u32 seq)
{
	struct conn *c = conn_of(slot);
	struct tcp_sock *tp;

	if (!c || c->pipelines || c->tls || c->closed_at || !begins_request(address, length))
		return false;
	tp = cast(struct tcp_sock, c->sk);
	if (c->role == ROLE_SERVER) {
		if (!c->tx_known || write_pending(c))
			return false;
	} else if (!c->rx_known || read_pending(c) || load(tp, write_seq) != seq + length ||
		   (s32)(load(tp, snd_una) - seq) > 0) {
		return false;
	}
	resync(slot, LOST_GAP);
	if ((s32)(c->responses - c->requests) > 0)
		c->requests = c->responses;
	http1_expect_message(http1_of(c, REQUEST));
	http1_expect_message(http1_of(c, RESPONSE));
	c->owed = OWED_NONE;
	c->deep = 0;
	if (c->role == ROLE_SERVER)
		return true;
	/* If it was answered meanwhile, some of that may have passed while this was deep. */
	fenced(&c->settled);
	if ((s32)(load(tp, snd_una) - seq) <= 0)
		return true;
	c->deep = 1;
	http1_distrust(http1_of(c, RESPONSE));
	return false;
}

/*
 * A client asked by Expect whether it shall send its body, was answered by a final status, and
 * LENGTH bytes come at ADDRESS in a call of their own. Whether these are not the body but the next
 * request: they look like one, and do not end where the body would, nor does another request begin
 * there. If so the phase is HTTP1_START.
 */
__noinline int http1_left_out(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!c || !all_answered(c))
		return false;
	s = http1_of(c, REQUEST);
	if (s->left == length || !begins_request(address, length))
		return false;
	if (s->left < length && begins_request(address + s->left, length - s->left))
		return false;
	http1_expect_message(s);
	return true;
}

#endif

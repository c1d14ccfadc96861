/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the bytes of the request direction to the beginnings of requests. */
#ifndef FATHOM_REQUEST_H
#define FATHOM_REQUEST_H

/* The first bytes of a connection, or the first behind a gap, were no request. */
static __always_inline void classify_other(struct conn *c, struct side *side)
{
	u8 class = preface_class(side->prefix[0], side->prefix[1], side->prefix_len);

	if (class == CLASS_UNKNOWN)
		return;
	clear_prefix(side);
	if (class == CLASS_TLS && reads_tls) {
		c->opaque |= OPAQUE_TLS;
		return;
	}
	if (class == CLASS_OTHER && side->after_gap) /* or the rest of a request */
		try_again(c);
	else
		classify(c->slot, class, COVERAGE_NONE);
}

/* Starts the clock of the request whose first byte has the sequence number SEQ. */
static __always_inline void start_clock(struct conn *c, u32 seq, u64 now)
{
	u64 arrived;

	if (c->flags & CONN_TLS && c->role == ROLE_SERVER) {
		c->request_time = c->tls_time;
		c->request_queue = now > c->tls_time ? now - c->tls_time : 0;
		return;
	}
	if (c->role != ROLE_SERVER) {
		c->request_time = now;
		return;
	}
	arrived = arrival_of(c, seq);
	if (!arrived && c->flags & CONN_EARLY && !c->requests) /* in the SYN: no tap fires */
		arrived = c->opened_at;
	c->request_time = arrived;
	c->request_queue = now > arrived ? now - arrived : 0;
}

/*
 * A client sends its next request, and has read responses unseen: their end, or their status,
 * is not known.
 */
static __always_inline void lose_unseen(struct conn *c)
{
	u32 position = response_position(c);

	count_lost_bytes(READ, BYTES_UNTAPPED, position - c->rx_pos);
	c->rx_pos = position;
	lose_until(c, c->requests, LOST_GAP);
	if (!all_answered(c))
		c->responses = c->requests;
}

/*
 * The first bytes of a request are known: what was answered before it is over. QUICK: settles the usual one
 * exchange without a call, for which functions deep in a chain lack the stack.
 */
static __always_inline void start_request(struct conn *c, u8 method, bool quick)
{
	u32 requests = c->requests, position;

	if (c->role == ROLE_CLIENT && read_unseen(c))
		lose_unseen(c);
	position = response_position(c);
	if (is_answering_over(c, position)) {
		if (quick && requests - c->settled == 1)
			settle_now(c, requests - 1, 0);
		else
			settle_until(c, requests, 0);
	}
	begin_request(c, method, position);
}

/* http1_request(), with the method in the second byte of the verdict. */
__noinline int request_verdict(u64 lo, u64 hi, u32 length)
{
	u8 method = METHOD_OTHER;
	int verdict = http1_request(lo, hi, length, &method);

	return verdict | method << 8;
}

/*
 * Behind a gap only a well-known method begins a request: "OST /" is one that the parser would
 * take for an extension, and its first byte was not seen. The request that is left is lost.
 */
static __always_inline int judge_after_gap(struct side *side, int verdict)
{
	if ((verdict & 0xff) == HTTP1_YES && verdict >> 8 != METHOD_OTHER) {
		if (side->after_gap == GAP_FIRST)
			count_lost(LOST_GAP, 1); /* what it hid was HTTP as well */
		side->after_gap = GAP_NONE;
		return verdict;
	}
	if (side->after_gap == GAP_FIRST)
		return HTTP1_NO;
	if (side->after_gap == GAP_BEFORE)
		count_lost(LOST_GAP, 1);
	side->after_gap = GAP_COUNTED;
	return HTTP1_NO;
}

/* How many CR and LF are passed over in front of a request. */
#define MAX_BLANK 4

/* One step of feed_request(): a prefix, or a head up to its end. */
__noinline int request_step(u32 slot, u64 address, u32 length, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);
	struct side *side;
	int verdict;
	u32 blank;

	if (!c)
		return STEP_DONE;
	side = &c->request;
	if (side->in_head)
		return follow_head(c, false, address, length);
	if (!side->prefix_len) {
		if (!expects_request(c))
			return STEP_DONE;
		start_clock(c, seq, now);
	}
	if (!fill_prefix(slot, false, address, length))
		return STEP_FAULT;
	blank = http1_blank(side->prefix[0], side->prefix_len);
	if (blank && blank <= MAX_BLANK) { /* RFC 9112, section 2.2 */
		clear_prefix(side);
		return blank;
	}
	verdict = request_verdict(side->prefix[0], side->prefix[1], side->prefix_len);
	if (side->after_gap && (verdict & 0xff) != HTTP1_PARTIAL)
		verdict = judge_after_gap(side, verdict);
	switch (verdict & 0xff) {
	case HTTP1_PARTIAL:
		return STEP_DONE;
	case HTTP1_NO:
		if (c->class == CLASS_UNKNOWN)
			classify_other(c, side);
		else
			clear_prefix(side);
		return STEP_DONE;
	}
	if (c->class == CLASS_UNKNOWN)
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
	clear_prefix(side);
	start_request(c, verdict >> 8 & EXCHANGE_METHOD, false);
	if (!side->in_head)
		return STEP_DONE;
	/* The end of the head may lie in the bytes that the prefix was taken from. */
	return follow_head(c, false, address, length);
}

/* Feeds bytes of the request direction; returns an enum buffer_fault. */
__noinline int feed_request(u32 slot, u64 address, u32 length, u32 seq, u64 now)
{
	u32 done = 0, i;
	int used;

	for (i = 0; i < 2 * EXCHANGES; i++) {
		if (done >= length)
			return FAULT_NONE;
		used = request_step(slot, address + done, length - done, seq + done, now);
		if (used == STEP_FAULT)
			return FAULT_MEMORY;
		if (used <= STEP_DONE)
			return FAULT_NONE;
		done += used;
	}
	/* More requests in one read than are followed. */
	count_lost(LOST_PIPELINED, 1);
	return FAULT_NONE;
}

#define QUICK_BYTES 48

/*
 * The usual case of feed_request(), without its loop: a whole request, or at least its first
 * 16 bytes, in one buffer. Returns false, with nothing done, if it is another case.
 */
static __always_inline bool quick_request(struct conn *c, u64 address, u32 length, u32 seq, u64 now)
{
	u64 words[QUICK_BYTES / 8] = {};
	struct side *side = &c->request;
	u64 n = at_most(length, QUICK_BYTES);
	u8 method = METHOD_GET, line = HTTP1_LINE_SOME;
	u32 i, done = 0;
	int end;

	if (length < HTTP1_PREFIX || side->in_head || side->prefix_len || side->after_gap ||
	    c->class != CLASS_HTTP1)
		return false;
	if (bpf_probe_read_user(words, n, (void *)address))
		return false;
	if (!HTTP1_BEGINS(words[0], "GET /   ", 5)) {
		int verdict = request_verdict(words[0], words[1], HTTP1_PREFIX);

		if ((verdict & 0xff) != HTTP1_YES)
			return false;
		method = verdict >> 8 & EXCHANGE_METHOD;
	}
	start_clock(c, seq, now);
	start_request(c, method, true);
	if (!side->in_head)
		return true;
	for (i = 0; i < QUICK_BYTES / 8; i++) {
		if (8 * (i + 1) > n)
			break;
		done = http1_head_end(words[i], 8, &line);
		if (done)
			break;
	}
	if (!done && n & 7 && i < QUICK_BYTES / 8)
		done = http1_head_end(words[i], n & 7, &line);
	side->line = line;
	if (done) {
		done += 8 * i;
	} else if (length > QUICK_BYTES) {
		end = scan_head(c->slot, 0, address + QUICK_BYTES, length - QUICK_BYTES);
		if (end < 0)
			side->in_head = 0;
		if (end <= 0)
			return true;
		done = QUICK_BYTES + end;
	} else {
		return true;
	}
	side->in_head = 0;
	side->head_done = 1;
	if (done < length)
		feed_request(c->slot, address + done, length - done, seq + done, now);
	return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From the bytes that pass a tap to the beginnings of requests and responses.
 *
 * A message may come in pieces of any size, over reads, writes and iovecs: each piece is fed
 * on its own, and what must be remembered is in struct side.
 */
#ifndef FATHOM_PARSE_H
#define FATHOM_PARSE_H

#define SCAN_CHUNK 64
#define SCAN_CHUNKS 128

static __always_inline struct side *side_of(struct conn *c, bool is_response)
{
	return is_response ? &c->response : &c->request;
}

/*
 * Looks for the end of a head in up to SCAN_CHUNK bytes at ADDRESS. Returns how many bytes it
 * is away, 0 if it is not there, or a negative number if they cannot be read.
 */
__noinline int scan_chunk(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[SCAN_CHUNK / 8] = {};
	struct conn *c = conn_of(slot);
	u64 n = at_most(length, SCAN_CHUNK);
	struct side *side;
	u32 i, end;
	u8 line;

	if (!c)
		return -1;
	side = side_of(c, is_response);
	if (bpf_probe_read_user(words, n, (void *)address))
		return -1;
	for (i = 0; i < SCAN_CHUNK / 8; i++) {
		if (8 * (i + 1) > n)
			break;
		line = side->line; /* through memory: the verifier need not follow it */
		end = http1_head_end(words[i], 8, &line);
		side->line = line;
		if (end)
			return 8 * i + end;
	}
	if (!(n & 7))
		return 0;
	line = side->line;
	end = http1_head_end(words[i & (SCAN_CHUNK / 8 - 1)], n & 7, &line);
	side->line = line;
	return end ? 8 * i + end : 0;
}

/*
 * Looks for the end of a head in LENGTH bytes at ADDRESS. Returns how many bytes it is away,
 * 0 if it is not there, or a negative number if that cannot be said.
 */
__noinline int scan_head(u32 slot, u32 is_response, u64 address, u32 length)
{
	u32 done = 0, chunk;
	int end;

	for (chunk = 0; chunk < SCAN_CHUNKS; chunk++) {
		if (done >= length)
			return 0;
		end = scan_chunk(slot, is_response, address + done, length - done);
		if (end < 0)
			return end;
		if (end > 0)
			return done + end;
		done += SCAN_CHUNK;
	}
	return done < length ? -1 : 0;
}

/* Adds up to 16 bytes at ADDRESS to the prefix; returns how many, 0 on a fault. */
static __always_inline u32 fill_prefix(struct side *side, u64 address, u32 length)
{
	u32 have = side->prefix_len & (HTTP1_PREFIX - 1);
	u64 piece[2] = {};
	u64 n = HTTP1_PREFIX - have;

	if (length >= HTTP1_PREFIX && !have) {
		if (bpf_probe_read_user(side->prefix, HTTP1_PREFIX, (void *)address))
			return 0;
		side->prefix_len = HTTP1_PREFIX;
		return HTTP1_PREFIX;
	}
	n = at_most(n < length ? n : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(piece, n, (void *)address))
		return 0;
	http1_append(side->prefix, have, piece);
	side->prefix_len = have + n;
	return n;
}

/* The prefix has served: nothing of the payload is kept. */
static __always_inline void clear_prefix(struct side *side)
{
	side->prefix[0] = 0;
	side->prefix[1] = 0;
	side->prefix_len = 0;
}

/* How far TCP is in the response direction: what a server has written, a client has read. */
static __always_inline u32 response_position(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	if (c->role == ROLE_CLIENT)
		return c->closed_at ? c->final_read : load(tp, copied_seq);
	return c->closed_at ? c->final_written : load(tp, write_seq);
}

/* Whether a write is under way, or done, whose hook has not run yet. */
static __always_inline bool write_pending(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u32 position = c->closed_at ? c->final_written : load(tp, write_seq);

	return c->flags & CONN_TX_KNOWN && position != c->tx_pos;
}

/*
 * Whether a client has read bytes that no tap saw (splice(), a receive by io_uring). Only to be
 * asked when it writes, which it does after the hooks of its reads.
 */
static __always_inline bool read_unseen(struct conn *c)
{
	return c->flags & CONN_RX_KNOWN && (s32)(response_position(c) - c->rx_pos) > 0 &&
	       !c->closed_at && !fin_received((struct sock *)c->sk);
}

static __always_inline bool all_answered(struct conn *c)
{
	return (s32)(c->responses - c->requests) >= 0;
}

/*
 * Whether the request direction may carry the beginning of a request now. After a GET or
 * HEAD, which has no body, always. After others once they are answered, or if the answer may
 * have passed: at a server its hook may be late, at a client it may have been read unseen.
 */
static __always_inline bool expects_request(struct conn *c)
{
	return !c->requests || c->request.head_done || all_answered(c) ||
	       (c->role == ROLE_SERVER ? write_pending(c) : read_unseen(c));
}

/* Whether the response direction may carry the beginning of a response now. */
static __always_inline bool expects_response(struct conn *c)
{
	return (s32)(c->requests - c->responses) > 0 ||
	       (c->role == ROLE_CLIENT && write_pending(c));
}

static __always_inline bool is_answering_over(struct conn *c)
{
	return all_answered(c) && !(c->role == ROLE_SERVER && write_pending(c));
}

/* The first bytes of a connection were no request. */
static __always_inline void classify_other(struct conn *c, struct side *side)
{
	u8 class = preface_class(side->prefix[0], side->prefix[1], side->prefix_len);

	if (class == CLASS_UNKNOWN)
		return;
	classify(c->slot, class, COVERAGE_NONE);
	clear_prefix(side);
}

/* Starts the clock of the request whose first byte has the sequence number SEQ. */
static __always_inline void start_clock(struct conn *c, u32 seq, u64 now)
{
	u64 arrived;

	if (c->role != ROLE_SERVER) {
		c->request_time = now;
		return;
	}
	arrived = arrival_of(c, seq);
	if (!arrived && c->flags & CONN_EARLY) /* in the SYN: no arrival tap fires */
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

/* The first bytes of a request are known: what was answered before it is over. */
static __always_inline void start_request(struct conn *c, u8 method)
{
	u32 requests = c->requests;

	if (c->role == ROLE_CLIENT && read_unseen(c))
		lose_unseen(c);
	if (is_answering_over(c)) {
		if (requests - c->settled == 1)
			settle_now(c, requests - 1, 0);
		else
			settle_until(c, requests, 0);
	}
	begin_request(c, method, response_position(c));
}

/* http1_request(), with the method in the second byte of the verdict. */
__noinline int request_verdict(u64 lo, u64 hi, u32 length)
{
	u8 method = METHOD_OTHER;
	int verdict = http1_request(lo, hi, length, &method);

	return verdict | method << 8;
}

/* How many CR and LF are passed over in front of a request. */
#define MAX_BLANK 4

/* What a step of feeding returns besides the number of bytes that it used. */
#define STEP_DONE 0
#define STEP_FAULT -1

/* One step of feed_request(): a prefix, or a head up to its end. */
__noinline int request_step(u32 slot, u64 address, u32 length, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);
	struct side *side;
	int verdict, end;
	u32 blank;

	if (!c)
		return STEP_DONE;
	side = &c->request;
	if (side->in_head) {
		end = scan_head(slot, 0, address, length);
		if (!end)
			return STEP_DONE;
		side->in_head = 0;
		side->head_done = end > 0;
		return end > 0 ? end : STEP_DONE;
	}
	if (!side->prefix_len) {
		if (!expects_request(c))
			return STEP_DONE;
		start_clock(c, seq, now);
	}
	if (!fill_prefix(side, address, length))
		return STEP_FAULT;
	blank = http1_blank(side->prefix[0], side->prefix_len);
	if (blank && blank <= MAX_BLANK) { /* RFC 9112, section 2.2 */
		clear_prefix(side);
		return blank;
	}
	verdict = request_verdict(side->prefix[0], side->prefix[1], side->prefix_len);
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
	start_request(c, verdict >> 8 & EXCHANGE_METHOD);
	if (!side->in_head)
		return STEP_DONE;
	/* The end of the head may lie in the bytes that the prefix was taken from. */
	end = scan_head(slot, 0, address, length);
	if (!end)
		return STEP_DONE;
	side->in_head = 0;
	side->head_done = end > 0;
	return end > 0 ? end : STEP_DONE;
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

#define QUICK_BYTES 64

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

	if (length < HTTP1_PREFIX || side->in_head || side->prefix_len ||
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
	start_request(c, method);
	if (!side->in_head)
		return true;
	for (i = 0; i < QUICK_BYTES / 8; i++) {
		if (8 * (i + 1) > n)
			break;
		done = http1_head_end(words[i], 8, &line);
		if (done)
			break;
	}
	if (!done && n & 7)
		done = http1_head_end(words[i & (QUICK_BYTES / 8 - 1)], n & 7, &line);
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

/* Bytes of a response whose status is known already. */
static __always_inline void continue_response(struct conn *c, u32 length, u64 now)
{
	u32 last = c->responses - 1;

	if (!c->responses)
		return;
	if ((s32)(c->settled - last) > 0)
		count_lost_bytes(c->role == ROLE_SERVER ? WRITE : READ, BYTES_LATE, length);
	else
		exchange_of(c, last)->last = now;
}

/*
 * The offset of a status line in up to 64 bytes and the 12 behind them, or -1. It has to have a
 * valid status: "Via: HTTP/1.1 proxy" is none.
 */
__noinline int find_status_line(u64 address, u32 length)
{
	u64 words[10] = {};
	u64 n = at_most(length, 64 + 12);
	u64 lo, hi;
	u16 status;
	u32 i;

	if (bpf_probe_read_user(words, n, (void *)address))
		return -1;
	for (i = 0; i < 64; i++) {
		lo = words[i / 8];
		hi = words[i / 8 + 1];
		if (i & 7) {
			lo = lo >> 8 * (i & 7) | hi << (64 - 8 * (i & 7));
			hi = hi >> 8 * (i & 7) | words[(i / 8 + 2) % 10] << (64 - 8 * (i & 7));
		}
		if (http1_response(lo, hi, 13, &status) == HTTP1_YES && status != STATUS_OTHER)
			return i;
	}
	return -1;
}

/*
 * Where the next response begins behind the first byte at ADDRESS, 0 if nowhere. Responses to
 * pipelined requests may be written at once; that a body can hold such words
 * too does not matter while no response is due.
 */
__noinline int next_response(u64 address, u32 length)
{
	u32 done = 1, i;
	int at;

	for (i = 0; i < 64; i++) {
		if (done >= length)
			return 0;
		at = find_status_line(address + done, length - done);
		if (at >= 0)
			return done + at;
		done += 64;
	}
	return 0;
}

/*
 * Whether the bytes up to END can hold the response that is due next. At a server not if they
 * were written before its request was read: then only this hook is late.
 */
static __always_inline bool may_hold_next(struct conn *c, u32 end)
{
	if ((s32)(c->requests - c->responses) <= 0)
		return false;
	return c->role != ROLE_SERVER ||
	       (s32)(end - exchange_of(c, c->responses)->position) > 0;
}

/* One step of feed_response(). STOP is the sequence number behind the last byte. */
__noinline int response_step(u32 slot, u64 address, u32 length, u32 stop, u64 now)
{
	struct conn *c = conn_of(slot);
	u16 status = STATUS_OTHER;
	struct side *side;
	int verdict, end;

	if (!c)
		return STEP_DONE;
	side = &c->response;
	if (side->in_head) { /* of an interim response */
		end = scan_head(slot, 1, address, length);
		if (!end)
			return STEP_DONE;
		side->in_head = 0;
		return end > 0 ? end : STEP_DONE;
	}
	if (!side->prefix_len && !expects_response(c)) {
		continue_response(c, length, now);
		return STEP_DONE;
	}
	if (!fill_prefix(side, address, length))
		return STEP_FAULT;
	verdict = http1_response(side->prefix[0], side->prefix[1], side->prefix_len, &status);
	if (verdict == HTTP1_PARTIAL)
		return STEP_DONE;
	clear_prefix(side);
	if (verdict == HTTP1_YES) {
		if (c->class == CLASS_UNKNOWN)
			classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		if (status < 200 && status != 101) {
			side->in_head = 1;
			side->line = HTTP1_LINE_SOME;
			end = scan_head(slot, 1, address, length);
			if (!end)
				return STEP_DONE;
			side->in_head = 0;
			return end > 0 ? end : STEP_DONE;
		}
		begin_response(c, status, stop, now);
	} else if (c->responses && (s32)(c->settled - c->responses) < 0) {
		continue_response(c, length, now); /* of the previous one */
	} else {
		if ((s32)(c->requests - c->responses) > 0)
			begin_response(c, STATUS_OTHER, stop, now);
		return STEP_DONE;
	}
	if (!may_hold_next(c, stop))
		return STEP_DONE;
	end = next_response(address, length);
	if (!end)
		side->unsure = 1;
	return end;
}

/* Feeds bytes of the response direction; returns an enum buffer_fault. */
__noinline int feed_response(u32 slot, u64 address, u32 length, u32 seq, u64 now)
{
	u32 done = 0, i;
	int used;

	for (i = 0; i < 2 * EXCHANGES; i++) {
		if (done >= length)
			return FAULT_NONE;
		used = response_step(slot, address + done, length - done, seq + length, now);
		if (used == STEP_FAULT)
			return FAULT_MEMORY;
		if (used <= STEP_DONE)
			return FAULT_NONE;
		done += used;
	}
	return FAULT_NONE;
}

/* The usual case of feed_response(): the beginning of a final response, in one buffer. */
static __always_inline bool quick_response(struct conn *c, u64 address, u32 length, u32 seq, u64 now)
{
	struct side *side = &c->response;
	u64 words[2];
	u16 status;

	if (length < HTTP1_PREFIX || side->in_head || side->prefix_len || c->class != CLASS_HTTP1)
		return false;
	if (bpf_probe_read_user(words, sizeof(words), (void *)address))
		return false;
	if (http1_response(words[0], words[1], HTTP1_PREFIX, &status) != HTTP1_YES || status < 200)
		return false;
	if (c->requests - c->responses > 1) /* there may be more than one */
		return false;
	begin_response(c, status, seq + length, now);
	return true;
}

#endif

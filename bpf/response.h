/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the bytes of the response direction to the beginnings of responses. */
#ifndef FATHOM_RESPONSE_H
#define FATHOM_RESPONSE_H

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
	if (side->in_head) /* of an interim response */
		return follow_head(c, true, address, length);
	if (!side->prefix_len && !expects_response(c)) {
		continue_response(c, length, now);
		return STEP_DONE;
	}
	if (!fill_prefix(slot, true, address, length))
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
			return follow_head(c, true, address, length);
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

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Exchanges that are matched by order: requests and their responses.
 *
 * A connection numbers its requests and its responses; response N answers request N
 * (RFC 9112, section 9.3.2). Exchange N lives in slot N modulo EXCHANGES of its connection or, from
 * the number on at which more than that were open for the first time, modulo PIPELINE of the
 * connection's pipeline. The request side (reads of a server, writes of a client) writes its half
 * of the slot, the response side the other. Neither waits for the other, because their hooks, which
 * run on return of the system calls, come in any order across threads: a client may read the
 * response before the hook of its own send has run, and a server the next request before that of
 * its last response. An exchange is complete when both have begun it and the response is over, and
 * is settled when `settled` is moved past it, by compare-and-swap and thus once.
 *
 * A request that was counted as lost keeps its number, so that its response, when it comes, is
 * dropped and not taken for that of the next.
 */
#ifndef FATHOM_ORDERED_H
#define FATHOM_ORDERED_H

#include "../base/slots.h"
#include "position.h"
#include "series.h"

static __always_inline bool is_in_pipeline(u64 pipeline, u32 number)
{
	return pipeline && (s32)(number - (u32)pipeline) >= 0;
}

static __always_inline struct exchange *exchange_of(struct conn *c, u32 number)
{
	u64 pipeline = c->pipeline;
	struct pipeline *p;
	u32 slot;

	if (is_in_pipeline(pipeline, number)) {
		slot = pipeline >> 32;
		p = bpf_map_lookup_elem(&pipelines, &slot);
		if (p)
			return &p->exchanges[number & (PIPELINE - 1)];
	}
	return &c->exchanges[number & (EXCHANGES - 1)];
}

/* Whether there is a slot for exchange NUMBER. */
static __always_inline bool has_room(struct conn *c, u32 number)
{
	return number - c->settled < (is_in_pipeline(c->pipeline, number) ? PIPELINE : EXCHANGES);
}

/*
 * Request NUMBER finds no slot in its connection: it and those behind it go to a pipeline. The
 * other side may be writing its half to the old place: then the two do not meet, and the exchange
 * is lost.
 */
__noinline int take_pipeline(u32 slot, u32 number)
{
	struct conn *c = conn_of(slot);
	u32 taken, i;
	struct pipeline *p;

	if (!c || number - c->settled >= PIPELINE || is_in_pipeline(c->pipeline, number))
		return false;
	taken = c->pipeline >> 32;
	if (!taken) {
		taken = alloc_slot(TABLE_PIPELINES, &pipeline_free, MAX_PIPELINES);
		p = bpf_map_lookup_elem(&pipelines, &taken);
		if (!taken || !p) {
			count_overflow(TABLE_PIPELINES);
			return false;
		}
		for (i = 0; i < PIPELINE; i++) { /* what is there is another connection's */
			p->exchanges[i].id = number - 1;
			p->exchanges[i].answer = number - 1;
		}
		ordered(&c->settled);
		count_taken(TABLE_PIPELINES, 1);
	}
	c->pipeline = (u64)taken << 32 | number;
	return true;
}

static __always_inline void give_back_pipeline(struct conn *c)
{
	u32 slot = c->pipeline >> 32;

	if (!slot)
		return;
	c->pipeline = 0;
	count_taken(TABLE_PIPELINES, -1);
	free_slot(&pipeline_free, slot);
}

/*
 * How many requests have no response yet; negative where a client reads responses before the hooks
 * of its requests.
 */
static __always_inline s32 open_exchanges(struct conn *c)
{
	return c->requests - c->responses;
}

/* The number behind the last response that is over, or of which nobody knows how it ends. */
static __always_inline u32 answered_until(struct conn *c)
{
	return c->responses - (c->answering ? 1 : 0);
}

/*
 * Moves `settled` on, if it is FROM; true to one caller only. Claims nothing where they are equal.
 */
static __always_inline bool move_settled(struct conn *c, u32 from, u32 to)
{
	if (fetching_atomics)
		return __sync_val_compare_and_swap(&c->settled, from, to) == from;
	if (c->settled != from || from == to || !claim_here(c->slot, CLAIM_SETTLED, from))
		return false;
	c->settled = to;
	return true;
}

static __always_inline u8 protocol_of(struct conn *c)
{
	return c->class == CLASS_REDIS ? PROTOCOL_REDIS : PROTOCOL_HTTP1;
}

/*
 * Settles exchange NUMBER, if it is the oldest open one: with its status, or, if END is not 0,
 * as aborted at that time. The fields are copied before the swap: its success tells that
 * the slot was not used again in between.
 */
__noinline int settle_one(u32 slot, u32 number, u64 end)
{
	struct conn *c = conn_of(slot);
	u64 start, last;
	struct exchange *x;
	u32 id, answer;
	u16 status;
	u8 operation;

	if (!c)
		return 0;
	x = exchange_of(c, number);
	/* the numbers by which the caller saw that it is complete were read before */
	ordered(&c->settled);
	start = x->start;
	last = end ? end : x->last;
	status = end ? STATUS_ABORTED : x->status;
	id = x->id;
	answer = end ? number : x->answer;
	operation = x->operation;
	if (operation == OPERATION_PENDING) {
		if (c->role == ROLE_CLIENT && id == number && write_pending(c))
			return 0; /* the hook that tells it is still to run, and settles it */
		operation = 0;
	}
	if (!move_settled(c, number, number + 1))
		return 0;
	if (id != number || answer != number)
		count_lost_here(LOST_PIPELINED, 1);
	else if (start == START_UNKNOWN)
		count_lost_here(LOST_ARRIVAL, 1);
	else if (start != START_LOST)
		series_observe(c, protocol_of(c), operation, status,
			       last > start ? last - start : 0);
	return 0;
}

/* Settles what is open, up to and without exchange END; ABORTED: settle_one()'s END. */
static __always_inline void settle_until(struct conn *c, u32 end, u64 aborted)
{
	u32 slot = c->slot, i, number;

	for (i = 0; i < EXCHANGES; i++) {
		number = c->settled;
		if ((s32)(end - number) <= 0)
			return;
		settle_one(slot, number, aborted);
	}
}

/* The same for all that can be open. */
__noinline int settle_all(u32 slot, u32 end, u64 aborted)
{
	struct conn *c = conn_of(slot);
	u32 i;

	for (i = 0; c && i < PIPELINE + EXCHANGES; i++) {
		if ((s32)(end - c->settled) <= 0)
			break;
		settle_one(slot, c->settled, aborted);
	}
	return 0;
}

/*
 * How many of the open exchanges up to END are not counted as lost yet. Those beyond the slots are
 * lost with PIPELINED's count; where so many are open, none is marked.
 */
static __always_inline u32 not_lost(struct conn *c, u32 from, u32 end)
{
	u32 n = end - from, turn = from & 63;
	u64 bits = c->marked;

	if (!bits || n > 64)
		return n;
	bits = bits >> turn | bits << 1 << (63 - turn);
	if (n < 64)
		bits &= (1ULL << n) - 1;
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return n - (u32)(bits * 0x0101010101010101ULL >> 56);
}

/* Gives up the open exchanges up to and without END. */
static __always_inline void lose_until_here(struct conn *c, u32 end, u32 reason)
{
	u32 from = c->settled, lost;

	if ((s32)(end - from) <= 0)
		return;
	lost = not_lost(c, from, end);
	if (move_settled(c, from, end) && lost)
		count_lost_here(reason, lost);
}

/* The same as a function of its own. */
__noinline int lose_until(u32 slot, u32 end, u32 reason)
{
	struct conn *c = conn_of(slot);

	if (c)
		lose_until_here(c, end, reason);
	return 0;
}

/*
 * Where the response direction is when a request begins: what comes behind that may answer it. At a
 * client that is where the hooks are: what was read without them, or by one that is still to run,
 * may be its own response, as its own hook may be late.
 */
static __always_inline u32 position_of_request(struct conn *c)
{
	if (c->role == ROLE_CLIENT && !c->tls && c->rx_known)
		return c->rx_pos;
	return response_position(c);
}

static __always_inline void mark(struct conn *c, u32 number, bool lost)
{
	if (lost)
		c->marked |= 1ULL << (number & 63);
	else if (c->marked)
		c->marked &= ~(1ULL << (number & 63));
}

/*
 * A request begins whose first byte has been seen. Its number; the caller makes it known by
 * request_begun().
 */
static __always_inline struct exchange *begin_request(struct conn *c, u8 operation, u64 start)
{
	u32 number = c->requests;
	struct exchange *x;

	if (!has_room(c, number) && !take_pipeline(c->slot, number)) {
		mark(c, number, false);
		return NULL; /* its id is another's: lost when its turn comes */
	}
	mark(c, number, start == START_LOST);
	x = exchange_of(c, number);
	x->start = start;
	x->position = position_of_request(c);
	x->operation = operation;
	x->id = number;
	return x;
}

static __always_inline void request_begun(struct conn *c)
{
	ordered(&c->settled);
	c->requests++;
}

/* A request is known to have been there, and is counted as lost here. */
static __always_inline void lose_request(struct conn *c, u32 reason)
{
	struct exchange *x = begin_request(c, 0, START_LOST);

	if (x) {
		count_lost(reason, 1);
		if (c->role == ROLE_SERVER && c->tx_known) /* it may be answered already */
			x->position = c->tx_pos;
	}
	c->begun_at = ~0ULL;
	request_begun(c);
}

/*
 * When bytes of response NUMBER up to END were written or read, whose hook runs now. At a server it
 * may be late: what was written when the next request was read was written before that request's
 * hook.
 */
static __always_inline u64 written_by(struct conn *c, u32 number, u32 end, u64 now)
{
	struct exchange *next = exchange_of(c, number + 1);

	if (c->role != ROLE_SERVER || c->requests - number != 2)
		return now;
	ordered(&c->settled);
	if (next->id == number + 1 && (s32)(end - next->position) <= 0 && c->begun_at < now)
		return c->begun_at;
	return now;
}

/*
 * A response begins, and gets the next number. END: the number behind the last byte of the same
 * call.
 */
static __always_inline void begin_response(struct conn *c, u16 status, u32 end, u64 now)
{
	u32 number = c->responses;
	struct exchange *x = exchange_of(c, number);

	if (c->settled != number && (s32)(c->requests - number) >= 0)
		settle_until(c, number, 0);
	if (has_room(c, number)) {
		x->status = status;
		x->answer = number;
		x->last = written_by(c, number, end, now);
	}
	ordered(&c->settled);
	c->responses = number + 1;
}

#endif

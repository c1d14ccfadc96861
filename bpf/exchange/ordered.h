/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Exchanges that are matched by order: requests and their responses.
 *
 * A connection numbers its requests and its responses; response N answers request N
 * (RFC 9112, section 9.3.2). Exchange N lives in slot N modulo EXCHANGES. The request
 * side (reads of a server, writes of a client) writes its half of the slot, the response
 * side the other. Neither waits for the other, because their hooks, which run on
 * return of the system calls, come in any order across threads: a client may read the
 * response before the hook of its own send has run, and a server the next
 * request before that of its last response. An exchange is complete
 * when both have begun it and the response is over, and is settled when `settled` is moved past it, by
 * compare-and-swap and thus once.
 *
 * A request that was counted as lost keeps its number, so that its response, when it comes, is
 * dropped and not taken for that of the next.
 */
#ifndef FATHOM_ORDERED_H
#define FATHOM_ORDERED_H

#include "../base/slots.h"
#include "position.h"
#include "series.h"

static __always_inline struct exchange *exchange_of(struct conn *c, u32 number)
{
	return &c->exchanges[number & (EXCHANGES - 1)];
}

/* How many requests have no response yet; negative where a client reads responses before the hooks of its requests. */
static __always_inline s32 open_exchanges(struct conn *c)
{
	return c->requests - c->responses;
}

/* The number behind the last response that is over, or of which nobody knows how it ends. */
static __always_inline u32 answered_until(struct conn *c)
{
	return c->responses - (c->answering ? 1 : 0);
}

/* Moves `settled` on, if it is FROM; true to one caller only. Claims nothing where they are equal. */
static __always_inline bool move_settled(struct conn *c, u32 from, u32 to)
{
	if (fetching_atomics)
		return __sync_val_compare_and_swap(&c->settled, from, to) == from;
	if (c->settled != from || from == to || !claim_here(c->slot, CLAIM_SETTLED, from))
		return false;
	c->settled = to;
	return true;
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
	u16 status;
	u8 id, operation;

	if (!c)
		return 0;
	x = exchange_of(c, number);
	ordered(&c->settled); /* the numbers by which the caller saw that it is complete were read before */
	start = x->start;
	last = end ? end : x->last;
	status = end ? STATUS_ABORTED : x->status;
	id = x->id;
	operation = x->operation;
	if (operation == OPERATION_PENDING) {
		if (c->role == ROLE_CLIENT && id == (u8)number && write_pending(c))
			return 0; /* the hook that tells it is still to run, and settles it */
		operation = 0;
	}
	if (!move_settled(c, number, number + 1))
		return 0;
	if (id != (u8)number)
		count_lost_here(LOST_PIPELINED, 1);
	else if (start == START_UNKNOWN)
		count_lost_here(LOST_ARRIVAL, 1);
	else if (start != START_LOST)
		series_observe(c, PROTOCOL_HTTP1, operation, status, last > start ? last - start : 0);
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

/* How many of the open exchanges up to END are not counted as lost yet. Those beyond the slots are lost with PIPELINED's count. */
static __always_inline u32 not_lost(struct conn *c, u32 from, u32 end)
{
	u32 i, n = end - from;

	for (i = 0; i < EXCHANGES; i++) {
		struct exchange *x = exchange_of(c, from + i);

		if ((s32)(end - from - i) > 0 && x->id == (u8)(from + i) && x->start == START_LOST)
			n--;
	}
	return n;
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
 * Where the response direction is when a request begins: what comes behind that may answer it. At a client whose hook is late, what was
 * read already may be its own response, unless an earlier one is open for which it may be.
 */
static __always_inline u32 position_of_request(struct conn *c)
{
	if (c->role == ROLE_CLIENT && !c->tls && c->rx_known && (open_exchanges(c) <= 0 || c->pipelines))
		return c->rx_pos;
	return response_position(c);
}

/* A request begins whose first byte has been seen. Its number; the caller makes it known by request_begun(). */
static __always_inline struct exchange *begin_request(struct conn *c, u8 operation, u64 start)
{
	u32 number = c->requests;
	struct exchange *x = exchange_of(c, number);

	if (number - c->settled >= EXCHANGES)
		return NULL; /* its id is another's: lost when its turn comes */
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
 * When bytes of response NUMBER up to END were written or read, whose hook runs now. At a server it may be late: what was written
 * when the next request was read was written before that request's hook.
 */
static __always_inline u64 written_by(struct conn *c, u32 number, u32 end, u64 now)
{
	struct exchange *next = exchange_of(c, number + 1);

	if (c->role != ROLE_SERVER || c->requests - number != 2)
		return now;
	ordered(&c->settled);
	if (next->id == (u8)(number + 1) && (s32)(end - next->position) <= 0 && c->begun_at < now)
		return c->begun_at;
	return now;
}

/* A response begins, and gets the next number. END: the number behind the last byte of the same call. */
static __always_inline void begin_response(struct conn *c, u16 status, u32 end, u64 now)
{
	u32 number = c->responses;
	struct exchange *x = exchange_of(c, number);

	if (c->settled != number && (s32)(c->requests - number) >= 0)
		settle_until(c, number, 0);
	if (number - c->settled < EXCHANGES) {
		x->status = status;
		x->last = written_by(c, number, end, now);
	}
	ordered(&c->settled);
	c->responses = number + 1;
}

#endif

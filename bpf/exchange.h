/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Exchanges: requests and their responses, matched by order.
 *
 * A connection numbers its requests and its responses; response N answers request N
 * (RFC 9112, section 9.3.2). Exchange N lives in slot N modulo EXCHANGES. The request
 * side (reads of a server, writes of a client) writes its half of the slot, the response
 * side the other. Neither waits for the other, because their hooks, which run on
 * return of the system calls, come in any order across threads: a client may read the
 * response before the hook of its own send has run, and a server the next
 * request before that of its last response. An exchange is complete
 * when both have begun it, and is settled when `settled` is moved past it, by
 * compare-and-swap and thus once.
 */
#ifndef FATHOM_EXCHANGE_H
#define FATHOM_EXCHANGE_H

/* The prefix has served: nothing of the payload is kept. */
static __always_inline void clear_prefix(struct side *side)
{
	side->prefix[0] = 0;
	side->prefix[1] = 0;
	side->prefix_len = 0;
}

static __always_inline struct exchange *exchange_of(struct conn *c, u32 number)
{
	return &c->exchanges[number & (EXCHANGES - 1)];
}

/* Moves `settled` on, if it is FROM; true to one caller only. Claims nothing where they are equal. */
static __always_inline bool move_settled(struct conn *c, u32 from, u32 to)
{
	if (fetching_atomics)
		return __sync_val_compare_and_swap(&c->settled, from, to) == from;
	if (c->settled != from || from == to || !claim(c->slot, CLAIM_SETTLED, from))
		return false;
	c->settled = to;
	return true;
}

/*
 * Settles exchange NUMBER, if it is the oldest open one: with its status, or, if END is not 0,
 * as aborted at that time. The fields are copied before the swap: its success tells that
 * the slot was not used again in between.
 */
static __always_inline void settle_now(struct conn *c, u32 number, u64 end)
{
	struct exchange *x = exchange_of(c, number);
	u64 start, last;
	u16 status;
	u8 id, flags;

	ordered(&c->any); /* the numbers by which the caller saw that it is complete were read before */
	start = x->start;
	last = end ? end : x->last;
	status = end ? STATUS_ABORTED : x->status;
	id = x->id;
	flags = x->method_flags;

	if (!move_settled(c, number, number + 1))
		return;
	if (id != (u8)number)
		count_lost(LOST_PIPELINED, 1);
	else if (flags & EXCHANGE_NO_ARRIVAL || !start)
		count_lost(LOST_ARRIVAL, 1);
	else
		series_observe(c, PROTOCOL_HTTP1, flags & EXCHANGE_METHOD, status,
			       last > start ? last - start : 0);
}

/* The same as a function of its own, for the unusual cases. */
__noinline int settle_one(u32 slot, u32 number, u64 end)
{
	struct conn *c = conn_of(slot);

	if (c)
		settle_now(c, number, end);
	return 0;
}

/* Settles what is open, up to and without exchange END; ABORTED: settle_now()'s END. */
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

/* Gives up the open exchanges up to and without END. */
static __always_inline void lose_until(struct conn *c, u32 end, u32 reason)
{
	u32 number = c->settled;

	if ((s32)(end - number) > 0 && move_settled(c, number, end))
		count_lost(reason, end - number);
}

/*
 * Gives up all open exchanges: bytes passed that nobody saw, so that their status or end
 * is not known. Matching starts afresh with the next request.
 */
__noinline int resync(u32 slot, u32 reason)
{
	struct conn *c = conn_of(slot);
	u32 end, settled, i;

	if (!c)
		return 0;
	end = c->requests;
	if ((s32)(c->responses - end) > 0)
		end = c->responses;
	for (i = 0; i < EXCHANGES; i++) {
		settled = c->settled;
		if (settled == end)
			break;
		if (move_settled(c, settled, end)) {
			if ((s32)(end - settled) > 0)
				count_lost(reason, end - settled);
			break;
		}
	}
	/*
	 * The other direction's hook may have counted one more meanwhile, which is not to be undone: every
	 * response after it would be taken for that of the next request.
	 */
	if ((s32)(end - c->requests) > 0)
		c->requests = end;
	if ((s32)(end - c->responses) > 0)
		c->responses = end;
	clear_prefix(&c->request);
	c->request.in_head = 0;
	clear_prefix(&c->response);
	c->response.in_head = 0;
	c->response.unsure = 0;
	return 0;
}

/*
 * The arrival time of the byte with sequence number SEQ, 0 if it was missed. Drops the
 * runs before the one it is in.
 */
static __always_inline u64 arrival_of(struct conn *c, u32 seq)
{
	u32 head = c->arrivals.head, tail = c->arrivals_tail, i;
	u64 time = 0;

	ordered(&c->any);
	for (i = 0; i < STAMPS; i++) {
		if (tail == head || (s32)(c->arrivals.seq[tail & (STAMPS - 1)] - seq) > 0)
			break;
		time = c->arrivals.time[tail & (STAMPS - 1)];
		tail++;
	}
	ordered(&c->any);
	if (time)
		c->arrivals_tail = tail - 1; /* the bytes behind may be of the same run */
	return time;
}

/* Drops the runs before SEQ: they were read. */
static __always_inline void arrivals_read(struct conn *c, u32 seq)
{
	u32 head = c->arrivals.head, tail = c->arrivals_tail, i, end;

	for (i = 0; i < STAMPS; i++) {
		if (tail == head)
			break;
		end = tail + 1 == head ? c->arrivals.end :
					 c->arrivals.seq[(tail + 1) & (STAMPS - 1)];
		if ((s32)(end - seq) > 0)
			break;
		tail++;
	}
	ordered(&c->any);
	c->arrivals_tail = tail;
}

/*
 * Notes that bytes up to END have arrived. Where the queue is full they count to the last run, and
 * may be taken for earlier than they are.
 */
static __always_inline void arrivals_add(struct conn *c, u32 end, u64 now)
{
	struct arrivals *a = &c->arrivals;
	u32 head = a->head;

	if (head - a->tail_seen >= STAMPS)
		a->tail_seen = c->arrivals_tail;
	if (head - a->tail_seen < STAMPS) {
		a->time[head & (STAMPS - 1)] = now;
		a->seq[head & (STAMPS - 1)] = a->end;
		ordered(&a->any);
		a->head = head + 1;
	}
	a->end = end;
}

/* A request was recognised. POSITION: of the response direction at this time. */
static __always_inline void begin_request(struct conn *c, u8 method, u32 position)
{
	u32 number = c->requests;
	struct exchange *x = exchange_of(c, number);

	c->request.head_done = 0;
	c->request.line = HTTP1_LINE_SOME;
	c->request.in_head = method == METHOD_GET || method == METHOD_HEAD;
	if (number - c->settled < EXCHANGES) {
		x->start = c->request_time;
		x->position = position;
		x->method_flags = method;
		x->id = number;
		/* A client whose response was read before the hook of its send ran: */
		if (c->role == ROLE_CLIENT && (s32)(c->responses - number) > 0) {
			struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

			if (!(c->flags & CONN_TLS))
				x->start = load(tp, first_tx_mstamp) * 1000;
			if (x->start > x->last)
				x->start = 0;
			if (method == METHOD_CONNECT && x->status / 100 == 2)
				c->opaque |= OPAQUE_UPGRADED;
		}
		if (!x->start)
			x->method_flags |= EXCHANGE_NO_ARRIVAL;
	}
	if (c->role == ROLE_SERVER && c->request_time)
		queue_observe(c->workload, PROTOCOL_HTTP1, c->request_queue);
	ordered(&c->any);
	c->requests = number + 1;
}

/* The response's status was recognised. */
static __always_inline void begin_response(struct conn *c, u16 status, u32 end, u64 now)
{
	u32 number = c->responses;
	struct exchange *x = exchange_of(c, number);
	u32 later = c->requests - number; /* 1 is the usual */

	if (c->settled != number)
		settle_until(c, number, 0);
	if (number - c->settled < EXCHANGES) {
		u64 last = now;

		/*
		 * If the next request was read when this had been written already, only this hook
		 * comes late: what was written before a request arrived did not end after it.
		 */
		if (c->role == ROLE_SERVER && later == 2) {
			struct exchange *next = exchange_of(c, number + 1);

			ordered(&c->any);
			if ((s32)(end - next->position) <= 0 && next->start &&
			    next->start < last)
				last = next->start;
		}
		x->status = status;
		x->last = last;
	}
	c->response.unsure = 0;
	ordered(&c->any);
	c->responses = number + 1;
	if (status == 101 ||
	    (status / 100 == 2 && x->id == (u8)number &&
	     (x->method_flags & EXCHANGE_METHOD) == METHOD_CONNECT)) {
		c->opaque |= OPAQUE_UPGRADED;
		c->reason = COVERAGE_UPGRADED;
		settle_until(c, number + 1, 0);
	}
}

#endif

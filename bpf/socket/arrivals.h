/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* When bytes arrived at a socket. */
#ifndef FATHOM_ARRIVALS_H
#define FATHOM_ARRIVALS_H

#include "find.h"

/*
 * The arrival time of the byte with sequence number SEQ, 0 if it was missed. Drops the
 * runs before the one it is in.
 */
static __always_inline u64 arrival_of(struct conn *c, u32 seq)
{
	u32 head = c->arrivals.head, tail = c->arrivals_tail, i;
	u64 time = 0;

	ordered(&c->settled);
	for (i = 0; i < STAMPS; i++) {
		if (tail == head || (s32)(c->arrivals.seq[tail & (STAMPS - 1)] - seq) > 0)
			break;
		time = c->arrivals.time[tail & (STAMPS - 1)];
		tail++;
	}
	ordered(&c->settled);
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
	ordered(&c->settled);
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

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * When bytes arrived at a socket: runs of bytes, each with its time. Where a process reads more
 * slowly than they come, a connection takes a backlog for those that it cannot hold itself, and
 * gives it back with the first arrival behind the read of all. What does not fit there either, or
 * finds no backlog, becomes part of a run whose time is not known.
 */
#ifndef FATHOM_ARRIVALS_H
#define FATHOM_ARRIVALS_H

#include "../base/slots.h"
#include "find.h"

/* The page of a backlog in which run N is, if it has one. */
static __always_inline struct backlog *backlog_page(struct backlog *b, u32 n)
{
	u32 slot = b->page[n / BACKLOG % BACKLOG_PAGES];

	return slot ? bpf_map_lookup_elem(&backlogs, &slot) : NULL;
}

/* The first run of a backlog that is not read yet. */
static __always_inline u32 backlog_begins(struct conn *c, struct backlog *b)
{
	u32 at = c->backlog_tail;

	return (s32)(at - b->first) < 0 ? b->first : at;
}

/* Whether run N of a backlog begins behind the byte with sequence number SEQ. */
static __always_inline bool backlog_is_behind(struct backlog *b, u32 n, u32 seq)
{
	struct backlog *page = backlog_page(b, n);

	return !page || (s32)(page->seq[n % BACKLOG] - seq) > 0;
}

/* A connection gives back all pages of its backlog. */
__noinline int backlog_gives_back(u32 slot)
{
	struct conn *c = conn_of(slot);
	u32 taken, page, n = 1, i;
	struct backlog *b;

	if (!c)
		return 0;
	taken = c->arrivals.backlog;
	c->arrivals.backlog = 0;
	b = bpf_map_lookup_elem(&backlogs, &taken);
	if (!taken || !b)
		return 0;
	for (i = 0; i < BACKLOG_PAGES; i++) {
		page = b->page[i];
		if (!page || page == taken)
			continue;
		free_slot(&backlog_free, page);
		n++;
	}
	free_slot(&backlog_free, taken);
	count_taken(TABLE_BACKLOGS, -n);
	return 0;
}

static __always_inline void backlog_give_back(struct conn *c)
{
	if (c->arrivals.backlog)
		backlog_gives_back(c->slot);
}

/* What backlog_find() returns where the byte arrived before all that is there. */
#define ARRIVED_BEFORE 1

/*
 * The arrival time in a connection's backlog of the byte with sequence number SEQ, ARRIVED_BEFORE,
 * or 0 if it is not known. Drops the runs before the one it is in, and with READ that one as well
 * if no more than what is before SEQ has arrived.
 */
static __always_inline u64 backlog_find_here(struct conn *c, u32 seq, bool read)
{
	u32 at, head, step, taken;
	struct backlog *b, *page;
	u64 time;

	taken = *(volatile u32 *)&c->arrivals.backlog;
	b = taken ? bpf_map_lookup_elem(&backlogs, &taken) : NULL;
	if (!b)
		return 0;
	head = b->head;
	at = backlog_begins(c, b);
	if (at == head || backlog_is_behind(b, at, seq))
		return ARRIVED_BEFORE;
	for (step = BACKLOG * BACKLOG_PAGES / 2; step; step /= 2)
		if ((s32)(at + step - head) < 0 && !backlog_is_behind(b, at + step, seq))
			at += step;
	page = backlog_page(b, at);
	time = page ? page->time[at % BACKLOG] : 0;
	if (read && at + 1 == head && (s32)(c->arrivals.end - seq) <= 0)
		at = head;
	ordered(&c->settled);
	if (*(volatile u32 *)&c->arrivals.backlog != taken) /* given back, and another's maybe */
		return 0;
	c->backlog_tail = at;
	return time;
}

/* The same as a function of its own. */
__noinline u64 backlog_find(u32 slot, u32 seq)
{
	struct conn *c = conn_of(slot);

	return c ? backlog_find_here(c, seq, false) : 0;
}

/* Drops the runs in a connection's backlog that were read. */
__noinline int backlog_read(u32 slot)
{
	struct conn *c = conn_of(slot);

	if (c)
		backlog_find_here(c, c->rx_pos, true);
	return 0;
}

/*
 * The arrival time of the byte with sequence number SEQ, 0 if it is not known. Drops the
 * runs before the one it is in. HERE: where no function can be called, as deep as it is.
 */
static __always_inline u64 find_arrival(struct conn *c, u32 seq, bool here)
{
	u32 head = c->arrivals.head, tail = c->arrivals_tail, i;
	u64 time = 0, later;

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
	if (c->arrivals.backlog) {
		later = here ? backlog_find_here(c, seq, false) : backlog_find(c->slot, seq);
		if (later != ARRIVED_BEFORE)
			return later;
	}
	return time;
}

static __always_inline u64 arrival_of(struct conn *c, u32 seq)
{
	return find_arrival(c, seq, false);
}

/* Drops the runs before SEQ, which is that behind the last read. */
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
	if (c->arrivals.backlog)
		backlog_read(c->slot);
}

/* Makes sure that there is a page for run N. */
static __always_inline bool backlog_has_page(struct backlog *b, u32 n)
{
	u32 *page = &b->page[n / BACKLOG % BACKLOG_PAGES];

	if (*page)
		return true;
	*page = alloc_slot(TABLE_BACKLOGS, &backlog_free, MAX_BACKLOGS);
	if (*page)
		count_taken(TABLE_BACKLOGS, 1);
	else
		count_overflow(TABLE_BACKLOGS);
	return *page;
}

/* A connection takes a backlog, of one page: its slot, or 0. */
__noinline int backlog_take(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct backlog *b;
	u32 taken, i;

	if (!c)
		return 0;
	taken = alloc_slot(TABLE_BACKLOGS, &backlog_free, MAX_BACKLOGS);
	b = bpf_map_lookup_elem(&backlogs, &taken);
	if (!taken || !b) {
		count_overflow(TABLE_BACKLOGS);
		return 0;
	}
	count_taken(TABLE_BACKLOGS, 1);
	for (i = 0; i < BACKLOG_PAGES; i++)
		b->page[i] = 0;
	b->first = (c->backlog_tail + BACKLOG - 1) / BACKLOG * BACKLOG;
	b->head = b->first;
	b->page[b->first / BACKLOG % BACKLOG_PAGES] = taken;
	ordered(&c->settled);
	c->arrivals.backlog = taken;
	return taken;
}

/*
 * Notes a run that begins with the number BEGIN in a connection's backlog, which it may have to
 * take first. False if there is none, or it is given back now, since all is read: there is room in
 * the connection again.
 */
__noinline int backlog_add(u32 slot, u32 begin, u64 now)
{
	struct conn *c = conn_of(slot);
	struct backlog *b, *page;
	u32 taken, head, used;

	if (!c)
		return false;
	taken = c->arrivals.backlog;
	if (!taken)
		taken = backlog_take(slot);
	b = taken ? bpf_map_lookup_elem(&backlogs, &taken) : NULL;
	if (!b)
		return false;
	head = b->head;
	used = head - backlog_begins(c, b);
	if (!used && head != b->first) {
		backlog_gives_back(slot);
		return false;
	}
	/* a page may be used again when no run of it is unread */
	if (used >= BACKLOG * (BACKLOG_PAGES - 1) || !backlog_has_page(b, head))
		return true; /* part of the run before, which has no time */
	if (used == BACKLOG * (BACKLOG_PAGES - 1) - 1 ||
	    (head % BACKLOG == BACKLOG - 1 && !backlog_has_page(b, head + 1)))
		now = 0; /* and others may become part of it */
	page = backlog_page(b, head);
	if (!page)
		return false;
	page->time[head % BACKLOG] = now;
	page->seq[head % BACKLOG] = begin;
	ordered(&c->settled);
	b->head = head + 1;
	return true;
}

/* Whether what arrives is more of one request's body, behind which none is expected. */
static __always_inline bool is_in_body(struct conn *c)
{
	return c->class == CLASS_HTTP1 && !c->pipelines && c->http1[REQUEST].phase >= HTTP1_BODY;
}

/* Notes that bytes up to END have arrived. */
static __always_inline void arrivals_add(struct conn *c, u32 end, u64 now)
{
	struct arrivals *a = &c->arrivals;
	u32 head = a->head, begin = a->end, used;

	a->end = end; /* whoever finds the run has to find that it is not read */
	ordered(&a->backlog);
	if (head - a->tail_seen >= STAMPS - 1)
		a->tail_seen = c->arrivals_tail;
	used = head - a->tail_seen;
	if ((a->backlog || (used >= STAMPS - 1 && !is_in_body(c))) &&
	    backlog_add(c->slot, begin, now))
		return;
	if (used < STAMPS) {
		a->time[head & (STAMPS - 1)] = used == STAMPS - 1 ? 0 : now;
		a->seq[head & (STAMPS - 1)] = begin;
		ordered(&a->backlog);
		a->head = head + 1;
	}
}

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Arrivals against an oracle that remembers the time of every byte. Connections receive and read
 * pieces at random, some far behind, and end; there are fewer backlogs than would be needed. A time
 * is the right one or it is not known, and it is known wherever there was room for it.
 */
#include "end.h"

#define CONNECTIONS 2000
#define BYTES 8192 /* of a connection's last, the times of which are remembered */

static struct receiver {
	u32 slot, read, arrived;
	u64 times[BYTES]; /* of each byte, by its number */
	bool known[BYTES];
} ends[CONNECTIONS];

static u64 passed, failed, unknown;

static u32 random_below(u32 n)
{
	static u64 state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % n;
}

static void check(bool ok, const char *what)
{
	passed += ok;
	failed += !ok;
	if (!ok && failed < 10)
		printf("%s\n", what);
}

static void begin(struct receiver *e, u32 slot)
{
	struct conn *c = conn_of(slot);

	memset(c, 0, sizeof(*c));
	c->slot = slot;
	c->role = ROLE_SERVER;
	c->class = random_below(4) ? CLASS_HTTP2 : CLASS_UNKNOWN;
	memset(e, 0, sizeof(*e));
	e->slot = slot;
	/* numbers wrap */
	e->read = e->arrived = random_below(2) ? 0xffffff00 : random_below(1000);
	c->arrivals.end = e->arrived;
}

/* The runs that are unread, as the oracle sees them. */
static u32 unread_runs(const struct receiver *e)
{
	u32 at, n = 0;

	for (at = e->read; at != e->arrived; at++)
		n += at == e->read || e->times[at % BYTES] != e->times[(at - 1) % BYTES];
	return n;
}

static void arrive(struct receiver *e, bool sure)
{
	u32 length = 1 + random_below(8), i;

	if (e->arrived - e->read + length > BYTES)
		return;
	host_now += 1000;
	for (i = 0; i < length; i++) {
		e->times[(e->arrived + i) % BYTES] = host_now;
		e->known[(e->arrived + i) % BYTES] = sure;
	}
	e->arrived += length;
	arrivals_add(conn_of(e->slot), e->arrived, host_now);
}

static void read_some(struct receiver *e, u32 most)
{
	u32 unread = e->arrived - e->read, length, at;
	struct conn *c = conn_of(e->slot);
	u64 time, right;
	bool ok = true;

	if (!unread)
		return;
	length = 1 + random_below(unread < most ? unread : most);
	for (at = e->read; at != e->read + length; at += 1 + random_below(4)) {
		if ((s32)(at - e->read - length) > 0)
			break;
		time = arrival_of(c, at);
		if (!time)
			unknown++;
		right = e->times[at % BYTES];
		ok = ok && (time ? time == right : !e->known[at % BYTES]);
	}
	check(ok, "a time is another byte's, or not known where there was room");
	e->read += length;
	c->rx_pos = e->read;
	arrivals_read(c, e->read);
}

static u32 taken(void)
{
	u32 zero = 0;
	struct slot_counts *counts = bpf_map_lookup_elem(&slot_counts, &zero);

	return counts->taken[TABLE_BACKLOGS];
}

/* Bytes arrive in runs that nobody reads, on the connection that end.h has. */
static void arrive_unread(u32 runs)
{
	for (; runs; runs--) {
		host_now += 1000;
		end.tcp.tcp_clock_cache = host_now;
		end.tcp.rcv_nxt += 10;
		data_arrived(the_socket());
	}
}

/* A connection that turns out to carry what is not read gives back what it has taken. */
static void test_no_use(void)
{
	forget_all();
	open_end(ROLE_SERVER, 1);
	attached = true;
	arrive_unread(200);
	check(taken(), "no backlog was taken");
	conn_of(max_connections)->class = CLASS_OTHER;
	arrive_unread(1);
	check(!taken(), "a connection that needs no arrivals keeps its backlog");
	forget_all();
}

int main(void)
{
	u32 i, round, n, most = 0;
	struct conn *c;

	/* One after the other: what is read late by up to so many runs is known. */
	for (round = 0; round < 60; round++) {
		u32 lag = 2 + random_below(1000);

		begin(&ends[0], 1);
		for (i = 0; i < 5000; i++) {
			n = unread_runs(&ends[0]);
			if (random_below(lag))
				arrive(&ends[0], n + 1 < BACKLOG * (BACKLOG_PAGES - 1));
			else
				read_some(&ends[0], BYTES);
		}
		backlog_give_back(conn_of(1));
	}
	check(!taken(), "a backlog is not given back");
	check(unknown, "there was room for all");

	/* All at the same time, more than there are backlogs for. */
	for (i = 0; i < CONNECTIONS; i++)
		begin(&ends[i], 1 + i);
	for (round = 0; round < 1000000; round++) {
		struct receiver *e = &ends[random_below(CONNECTIONS)];

		c = conn_of(e->slot);
		if (random_below(10) < 6) {
			arrive(e, !c->arrivals.backlog && unread_runs(e) < STAMPS - 1);
		} else if (random_below(500)) {
			read_some(e, random_below(3) ? 20 : BYTES);
		} else {
			backlog_give_back(c);
			begin(e, e->slot);
		}
		if (most < taken())
			most = taken();
	}
	check(most == MAX_BACKLOGS, "the table was not full");
	for (i = 0; i < CONNECTIONS; i++) {
		c = conn_of(ends[i].slot);
		ends[i].read = ends[i].arrived;
		c->rx_pos = ends[i].read;
		arrivals_read(c, ends[i].read);
		arrive(&ends[i], true); /* which gives it back */
		check(!c->arrivals.backlog, "a backlog of which all is read is kept");
	}
	check(!taken(), "a backlog is not given back");
	test_no_use();
	printf("arrivals: %llu times not known\n%llu %llu\n", unknown, passed, failed);
	return failed != 0;
}

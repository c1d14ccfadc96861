/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The bodies of the data taps: bytes were read, were written, have arrived. */
#ifndef FATHOM_TAPS_DATA_H
#define FATHOM_TAPS_DATA_H

#include "../dispatch/look.h"
#include "../socket/listener.h"
#include "../tls/calls.h"

/* Bytes passed in a direction that no tap saw: GAP of them, before POSITION. */
__noinline int note_gap(u32 slot, u32 direction, u32 gap, u32 position)
{
	struct conn *c = conn_of(slot);
	bool is_response;

	if (!c)
		return 0;
	count_lost_bytes(direction, BYTES_UNTAPPED, gap);
	if (c->class == CLASS_UNKNOWN) {
		if (c->role == ROLE_CLIENT && direction == READ && !c->responses &&
		    write_pending(c)) {
			lose_response_ahead(c, LOST_GAP);
			http1_distrust(http1_of(c, RESPONSE));
		} else if (!c->tls) { /* its plaintext is seen elsewhere */
			c->after_gap = GAP_FIRST;
			c->preamble = PREAMBLE_NONE;
			http1_expect_message(http1_of(c, REQUEST));
			http1_distrust(http1_of(c, RESPONSE));
			try_again(c);
		}
		return 0;
	}
	if (c->class > LAST_CLASS_READ || c->encrypted || c->upgraded)
		return 0;
	is_response = (c->role == ROLE_SERVER) != (direction == READ);
	bytes_unseen(c, (is_response ? IS_RESPONSE : 0) | gap, position, LOST_GAP, 0);
	return 0;
}

/* The connection of a socket that has none yet. */
static __always_inline struct conn *join_for_data(struct sock *sk, u32 direction, u32 length)
{
	u32 slot = conn_join((u64)sk);

	if (!slot) {
		if (is_tcp(sk) && load_as(struct sock, sk, __sk_common.skc_state) != TCP_CLOSE)
			count_lost_bytes(direction, BYTES_UNTRACKED, length);
		return NULL;
	}
	return conn_of(slot);
}

/* The same for one whose state is that of an earlier socket. */
static __always_inline struct conn *rejoin_for_data(struct conn *c, struct sock *sk, u32 direction,
						    u32 length)
{
	conn_give_up(c->slot, (u64)sk);
	return join_for_data(sk, direction, length);
}

/* Follows the records that a server receives. */
static __always_inline void tls_follow(struct conn *c, struct sock *sk, const struct passage *p)
{
	struct user_buffer b;
	struct user_iovec first;

	if (c->role == ROLE_CLIENT || c->upgraded)
		return;
	if (!(c->tls_left & TLS_LEFT_CUT) && c->tls_left >= p->length) {
		c->tls_left -= p->length;
		return;
	}
	if (find_user_buffer(sk, READ, p->source, p->hint, p->length, &b))
		goto unknown;
	if (b.iovs) {
		if (read_iovec(&first, b.address, p->source != FROM_REGISTERS) ||
		    first.length < p->length)
			goto unknown;
		b.address = first.base;
	}
	tls_records(p->slot, b.address, p->length);
	return;
unknown:
	c->tls_left = TLS_LEFT_UNKNOWN;
	tls_record_begins(p->slot, p->seq, TLS_RECORDS_AT_ONCE);
}

static __always_inline void data_read(struct sock *sk, int length, int flags, enum source source,
				      const void *hint)
{
	struct conn *c;
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	struct passage p;
	u32 end, gap;

	if (length <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE) || !attached)
		return;
	c = conn_find(sk);
	if (!c)
		c = join_for_data(sk, READ, length);
	if (!c)
		return;
	p.now = bpf_ktime_get_ns();
	p.slot = c->slot;
	p.length = length;
	p.direction = READ;
	p.source = source;
	p.hint = hint;
	/* Begins to fetch the line that the other CPU wrote, until it is needed. */
	if (c->role == ROLE_SERVER)
		(void)*(volatile u32 *)&c->arrivals.head;
	end = load(tp, copied_seq);
	p.seq = end - length;
	gap = c->rx_known ? p.seq - c->rx_pos : 0;
	if (gap && conn_is_stale(c, sk)) {
		c = rejoin_for_data(c, sk, READ, length);
		if (!c)
			return;
		p.slot = c->slot;
		gap = 0;
	}
	if (!c->workload_known)
		conn_learn_workload(c->slot);
	if (gap && !c->ktls_rx && !ktls_begins(p.slot, READ)) {
		if ((s32)gap < 0)
			return; /* another thread's read came first, and was counted */
		if (gap == 1 && fin_received(sk))
			p.seq--; /* the FIN has a number too */
		else
			note_gap(p.slot, READ, gap, p.seq);
	}
	if (c->ktls_rx)
		p.seq = ktls_passes(c, READ, length, end);
	c->rx_pos = end;
	if (!c->rx_known)
		c->rx_known = 1;
	if (c->class <= LAST_CLASS_READ && ((!c->encrypted && !c->upgraded) || is_ktls(c, READ)))
		look_at(c, sk, &p, flags);
	else if (c->tls) {
		tls_received(p.slot, p.seq);
		tls_follow(c, sk, &p);
	}
	if (c->role != ROLE_CLIENT) /* nor while it is not known */
		arrivals_read(c, end);
	count_run(PROG_READ, run_is_counted(p.now) ? p.now : 0);
}

static __always_inline void data_written(struct sock *sk, int length, enum source source,
					 const void *hint)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	struct conn *c;
	struct passage p;
	u32 end, gap;
	u64 began;

	if (length <= 0 || !attached)
		return;
	c = conn_find(sk);
	if (!c)
		c = join_for_data(sk, WRITE, length);
	if (!c)
		return;
	p.slot = c->slot;
	p.length = length;
	p.direction = WRITE;
	p.source = source;
	p.hint = hint;
	end = c->closed_at ? c->final_written : load(tp, write_seq);
	p.seq = end - length;
	began = run_begins(end);
	/* If all was sent at once, it was when TCP looked at the clock last. */
	p.now = load(tp, snd_nxt) == end ? tcp_time(tp) : bpf_ktime_get_ns();
	gap = c->tx_known ? p.seq - c->tx_pos : 0;
	if (gap && conn_is_stale(c, sk)) {
		c = rejoin_for_data(c, sk, WRITE, length);
		if (!c)
			return;
		p.slot = c->slot;
		gap = 0;
	}
	if (!c->workload_known)
		conn_learn_workload(c->slot);
	if (gap && !c->ktls_tx && !ktls_begins(p.slot, WRITE) && (s32)gap > 0) {
		if (gap == 1 && sending_is_shut(sk)) /* by another thread; the FIN has a number */
			p.seq--;
		else
			note_gap(p.slot, WRITE, gap, p.seq);
	}
	if (c->ktls_tx)
		p.seq = ktls_passes(c, WRITE, length, end);
	if ((c->class <= LAST_CLASS_READ &&
	     ((!c->encrypted && !c->upgraded) || is_ktls(c, WRITE))) ||
	    (c->tls && tls_sent(p.slot, p.length, p.now) && tls_plain_of_call(c, &p)))
		look_at(c, sk, &p, 0);
	ordered(&c->settled);
	c->tx_pos = end; /* last: write_pending() tells by it that this hook has run */
	if (!c->tx_known)
		c->tx_known = 1;
	count_run(PROG_WRITTEN, began);
}

/* Whether anybody will ask when bytes arrived: TLS may be read yet. */
static __always_inline bool needs_arrivals(struct conn *c)
{
	if (c->role == ROLE_CLIENT || c->upgraded)
		return false;
	return c->class <= LAST_CLASS_READ || (c->class == CLASS_TLS && c->tls);
}

static __always_inline void data_arrived(struct sock *sk)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	struct conn *c = conn_find(sk);
	u32 end;
	u64 began;

	if (!attached)
		return;
	if (!c) {
		struct sock *plain = cast(struct sock, sk);

		if (load(plain, __sk_common.skc_state) == TCP_LISTEN)
			listener_add((u64)sk, false);
		else
			c = conn_of(conn_join((u64)sk));
		if (!c || !c->sk)
			return;
		c->arrivals.end = load(tp, copied_seq);
	}
	if (!needs_arrivals(c)) {
		backlog_give_back(c); /* of when that was not known */
		return;
	}
	end = load(tp, rcv_nxt);
	began = run_begins(end);
	if (end != c->arrivals.end)
		arrivals_add(c, end, tcp_time(tp));
	count_run(PROG_ARRIVED, began);
}

/*
 * Whether TCP is further than the last read, or write, that was seen: the program before this one
 * at the same tracepoint was skipped. A connection that is not known yet is left to its next read
 * or write.
 */
__noinline int was_skipped(u64 key, int length, u32 direction)
{
	struct sock *sk = (struct sock *)key;
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	struct conn *c = length > 0 ? conn_find(sk) : NULL;

	if (!c)
		return false;
	if (direction == READ)
		return !c->rx_known || c->rx_pos != load(tp, copied_seq);
	return !c->tx_known || c->tx_pos != (c->closed_at ? c->final_written : load(tp, write_seq));
}

#endif

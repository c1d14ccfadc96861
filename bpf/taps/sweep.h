/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The sweep: settles what has paused, samples TCP's counters, evicts what is gone. */
#ifndef FATHOM_TAPS_SWEEP_H
#define FATHOM_TAPS_SWEEP_H

#include "../http1/state.h"
#include "../http2/sweep.h"
#include "../socket/conn.h"
#include "../socket/listener.h"

/*
 * Whether bytes of the response direction are on their way past the hooks: what comes next will
 * tell.
 */
static __always_inline bool is_response_moving(struct conn *c, struct tcp_sock *tp)
{
	if (c->tls)
		return c->plain_writing;
	if (c->role == ROLE_CLIENT)
		return conn_gap(load(tp, copied_seq), c->rx_pos, c->rx_known);
	return conn_gap(load(tp, write_seq), c->tx_pos, c->tx_known);
}

/* Settles what is over; if its end is not known, where it has paused for long enough. */
static __always_inline void sweep_answered(struct conn *c, struct tcp_sock *tp, u64 now)
{
	u32 answered = answered_until(c);
	struct exchange *x;
	u8 phase;

	if ((s32)(answered - c->settled) <= 0 || (s32)(c->requests - answered) < 0)
		return;
	phase = http1_of(c, RESPONSE)->phase;
	x = exchange_of(c, answered - 1);
	if (c->switching && (s64)(now - x->last) <= (s64)settle_after_ns)
		return; /* 101: what it switches to is not known yet */
	if ((phase < HTTP1_CLOSE ||
	     ((s64)(now - x->last) > (s64)settle_after_ns && !is_response_moving(c, tp))) &&
	    conn_is_of(c, (struct sock *)tp))
		settle_until(c, answered, 0);
}

/*
 * Nothing is matched on this connection: from the beginning, once it has rested. Of a client that
 * pipelines responses may be owed still, and would be taken for those to what it sends next.
 */
static __always_inline void sweep_deep(struct conn *c, struct sock *sk, u64 now)
{
	u32 moved = c->rx_pos + c->tx_pos + c->plain_read + c->plain_written;
	u8 phase;

	if (c->pipelines)
		return;
	if (c->heads != moved) {
		c->heads = moved;
		c->request_time = now;
		return;
	}
	phase = http1_of(c, REQUEST)->phase;
	if ((s64)(now - c->request_time) < (s64)settle_after_ns ||
	    (phase != HTTP1_START && phase != HTTP1_UNKNOWN) || !conn_is_of(c, sk))
		return;
	resync(c->slot, LOST_GAP);
	c->owed = OWED_ALL;
	c->deep = 0;
}

static __always_inline void sweep_http1(struct conn *c, struct sock *sk, u64 now)
{
	u32 client = c->role == ROLE_CLIENT;
	struct census *census;
	s32 open;
	u64 start;

	if (c->deep) {
		sweep_deep(c, sk, now);
		return;
	}
	sweep_answered(c, cast(struct tcp_sock, sk), now);
	open = open_exchanges(c);
	if (open <= 0)
		return;
	census = bpf_map_lookup_elem(&censuses, &c->workload);
	if (!census)
		return;
	__sync_fetch_and_add(&census->active[client], open);
	start = exchange_of(c, c->responses)->start;
	if (start > START_LOST && (!census->oldest[client] || start < census->oldest[client]))
		census->oldest[client] = start;
}

/* TLS of which no plaintext came: it is named before its connection ends, which may be never. */
#define OPAQUE_AFTER_NS 2000000000ULL
/* A handshake is smaller, behind which a client may wait for long before its session is used. */
#define OPAQUE_AFTER_BYTES 65536

static __always_inline void sweep_opaque(struct conn *c, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	u32 reason = opaque_reason(c);

	if (reason == OPAQUE_READ || (s64)(now - c->opened_at - OPAQUE_AFTER_NS) <= 0)
		return;
	if (reason == OPAQUE_NO_SESSION &&
	    load(tp, bytes_received) + load(tp, bytes_acked) < OPAQUE_AFTER_BYTES)
		return;
	classify_opaque(c, reason);
}

/*
 * Whether the end of a connection was missed. A freed socket's memory stays a socket's
 * (SLAB_TYPESAFE_BY_RCU), so that looking is safe.
 */
static __always_inline bool is_gone(struct conn *c, struct sock *sk)
{
	u16 family = load_as(struct sock, sk, __sk_common.skc_family);

	return (family != AF_INET && family != AF_INET6) ||
	       !load_as(struct sock, sk, __sk_common.skc_refcnt.refs.counter) ||
	       conn_is_stale(c, sk);
}

__noinline int sweep_slot(u32 slot, u64 now)
{
	struct conn *c = conn_of(slot);
	struct census *census;
	struct sock *sk;
	struct edge *e;

	if (!c || !c->sk)
		return 0;
	sk = (struct sock *)c->sk;
	if (is_gone(c, sk)) {
		if (!conn_is_of(c, sk))
			return 0;
		/* How what is not answered ended is not known: it is lost, not aborted. */
		if (c->class && c->class <= LAST_CLASS_READ && c->class != CLASS_HTTP2 &&
		    !c->upgraded)
			settle_over(c);
		conn_give_up(slot, (u64)sk);
		return 0;
	}
	census = bpf_map_lookup_elem(&censuses, &c->workload);
	if (census)
		__sync_fetch_and_add(&census->connections, 1);
	if (c->role == ROLE_LISTENER) {
		listener_sample(sk);
		return 0;
	}
	if (c->opened || c->joined) {
		if (c->class > LAST_CLASS_READ || c->closed_at)
			conn_need_edge(slot);
		if (c->edge_known) {
			e = edge_of(c->edge);
			if (e && c->edge)
				e->connected = now;
			edge_sample(slot);
		}
	}
	if (c->tls && c->class == CLASS_UNKNOWN)
		sweep_opaque(c, sk, now);
	if (c->class == CLASS_HTTP1 && !c->upgraded)
		sweep_http1(c, sk, now);
	else if (c->class == CLASS_REDIS && !c->upgraded)
		settle_over(c); /* what both hooks left to the other */
	else if (c->class == CLASS_HTTP2 && !c->upgraded)
		http2_sweep(slot);
	return 0;
}

#endif

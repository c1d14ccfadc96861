/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The bodies of the taps of TCP itself: states, retransmissions, resets. */
#ifndef FATHOM_TAPS_TCP_H
#define FATHOM_TAPS_TCP_H

#include "../socket/conn.h"
#include "../socket/connect.h"
#include "../socket/listener.h"

/* icsk_ca_state, icsk_pending: include/uapi/linux/tcp.h, include/net/inet_connection_sock.h */
#define TCP_CA_RECOVERY 3
#define TCP_CA_LOSS 4
#define ICSK_TIME_LOSS_PROBE 5

/*
 * This tap may be attached twice (see `twice` in internal/kernel/mode.go): whether the state of
 * this connection was made by the other program for the same event.
 */
static __always_inline bool is_just_made(struct conn *c, u8 role)
{
	return c && c->role == role && !c->closed_at && !c->joined && !c->opened && !c->rx_known &&
	       !c->tx_known;
}

/* connect(): in the context of the process. */
static __always_inline void connecting(struct sock *sk)
{
	struct conn *c = conn_find(sk);
	u32 slot;

	if (is_just_made(c, ROLE_CLIENT))
		return;
	if (c && c->closed_at) { /* the socket is used a second time */
		conn_finish(c->slot);
		conn_remove(c, (u64)sk);
	} else if (c) {
		conn_give_up(c->slot, (u64)sk);
	}
	slot = conn_add((u64)sk, ROLE_CLIENT, 0);
	c = conn_of(slot);
	if (!slot || !c)
		return; /* counted if it gets established */
	read_peer(c->addr, &sk->__sk_common);
	c->port = bpf_ntohs(load_as(struct sock, sk, __sk_common.skc_dport));
	c->retransmitted = load_as(struct tcp_sock, (struct tcp_sock *)sk, total_retrans);
	c->workload = workload_of_task();
	c->workload_known = 1;
	conn_learn_edge(slot);
}

/* A listener's child was made, by the last packet of the handshake or by a Fast Open SYN. */
static __always_inline void accepting(struct sock *sk)
{
	if (!is_just_made(conn_find(sk), ROLE_SERVER))
		conn_add((u64)sk, ROLE_SERVER, CONN_EARLY);
}

static __always_inline void established(struct sock *sk, u8 role)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct conn *c = conn_find(sk);
	u32 slot;

	if (c && (c->closed_at || conn_is_stale(c, sk))) {
		conn_give_up(c->slot, (u64)sk);
		c = NULL;
	}
	if (!c) {
		slot = conn_add((u64)sk, role, 0);
		c = conn_of(slot);
		if (!slot || !c) {
			count_lost(LOST_CONNECTION, 1);
			count_overflow(TABLE_CONNECTIONS);
			return;
		}
	}
	if (!c->rx_known) { /* else a Fast Open request was read already */
		conn_describe(c, sk);
		c->rx_pos = load_as(struct tcp_sock, tp, copied_seq);
		c->rx_known = 1;
		if (c->rx_pos == c->arrivals.end) /* nothing came with the SYN */
			c->early = 0;
	}
	c->ports = ports_of(sk);
	if (!c->tx_known && !BPF_CORE_READ_BITFIELD_PROBED(tp, syn_data)) {
		c->tx_pos = load_as(struct tcp_sock, tp, write_seq);
		c->tx_known = 1;
	}
	c->opened = 1;
	conn_count_opened(c);
}

static __always_inline void listening(struct sock *sk)
{
	struct conn *c = conn_find(sk);

	if (!c || c->role != ROLE_LISTENER || c->ports != ports_of(sk))
		listener_add((u64)sk, true);
}

static __always_inline void closed(struct sock *sk, int old)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct conn *c;

	if (old == TCP_SYN_SENT) {
		connect_failed(sk);
		return;
	}
	c = conn_find(sk);
	if (!c || c->closed_at) /* by the other program, or the end of an earlier socket */
		return;
	if (conn_is_stale(c, sk)) {
		conn_give_up(c->slot, (u64)sk);
		return;
	}
	if (c->role == ROLE_LISTENER) {
		listener_remove(c, (u64)sk);
		return;
	}
	/*
	 * The process may still read what has arrived, but TCP's numbers end here: what follows
	 * may be tcp_disconnect(), which moves and clears them.
	 */
	conn_need_edge(c->slot);
	edge_sample(c->slot);
	c->final_read = load_as(struct tcp_sock, tp, copied_seq);
	c->final_written = load_as(struct tcp_sock, tp, write_seq);
	c->closed_at = bpf_ktime_get_ns();
}

static __always_inline void state_changed(struct sock *sk, int old, int state)
{
	u64 began;

	if (state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_ESTABLISHED &&
	    state != TCP_CLOSE && state != TCP_LISTEN)
		return;
	if (!is_tcp(sk) || !(attached || state == TCP_CLOSE))
		return;
	began = run_begins(bpf_ktime_get_ns());
	if (state == TCP_SYN_SENT)
		connecting(sk);
	else if (state == TCP_SYN_RECV && old == TCP_LISTEN)
		accepting(sk);
	else if (state == TCP_ESTABLISHED)
		established(sk, old == TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER);
	else if (state == TCP_CLOSE)
		closed(sk, old);
	else if (state == TCP_LISTEN)
		listening(sk);
	count_run(PROG_STATE, began);
}

static __always_inline void destroyed(struct sock *sk)
{
	struct conn *c = conn_find(sk);
	u64 began;

	if (!c)
		return;
	began = run_begins(bpf_ktime_get_ns());
	if (!c->closed_at && conn_is_stale(c, sk)) {
		/* TCP's numbers are not read any more where it is closed */
		conn_give_up(c->slot, (u64)sk);
	} else if (c->role == ROLE_LISTENER) {
		listener_remove(c, (u64)sk);
	} else {
		if (c->opened || c->joined || c->rx_known)
			conn_finish(c->slot);
		conn_remove(c, (u64)sk);
	}
	count_run(PROG_DESTROY, began);
}

static __always_inline u32 retransmit_kind_of(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	if (load_as(struct sock, sk, __sk_common.skc_state) == TCP_SYN_SENT)
		return RETRANSMIT_SYN;
	if (BPF_CORE_READ(icsk, icsk_pending) == ICSK_TIME_LOSS_PROBE)
		return RETRANSMIT_PROBE;
	if (BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state) == TCP_CA_LOSS)
		return RETRANSMIT_TIMEOUT;
	return RETRANSMIT_FAST;
}

static __always_inline void retransmitted(struct sock *sk, struct sk_buff *skb)
{
	u64 began = run_begins(bpf_ktime_get_ns());
	struct tcp_skb_cb *cb = (struct tcp_skb_cb *)__builtin_preserve_access_index(&skb->cb[0]);
	u32 kind = retransmit_kind_of(sk),
	    total = load_as(struct tcp_sock, (struct tcp_sock *)sk, total_retrans), segments;
	struct conn *c = conn_find(sk);
	struct edge *e;

	if (!c) {
		c = conn_of(conn_join((u64)sk));
		if (!c || !c->sk)
			return;
		segments = BPF_CORE_READ(cb, tcp_gso_segs); /* what tcp_skb_pcount() returns */
		c->retransmitted = total - (segments ? segments : 1);
	}
	conn_need_edge(c->slot);
	/*
	 * TCP's own statistic counts segments, this hook runs per skb, or not at all where it is
	 * skipped: the difference is right in any case, and none for the second copy. The socket's
	 * lock is held.
	 */
	segments = total - c->retransmitted;
	c->retransmitted = total;
	e = edge_of(c->edge);
	if (segments && e && kind < RETRANSMIT_COUNT)
		__sync_fetch_and_add(&e->retransmits[kind], segments);
	count_run(PROG_RETRANSMIT, began);
}

static __always_inline void retransmitted_synack(struct sock *sk, struct request_sock *req)
{
	u64 began = run_begins(bpf_ktime_get_ns());
	struct edge_key key = {};
	struct conn *c = conn_find(sk);
	struct edge *e;

	if (!c) {
		listener_add((u64)sk, false);
		c = conn_find(sk);
	}
	if (!c)
		return;
	key.workload = c->workload;
	key.role = ROLE_SERVER;
	read_peer(key.addr, &req->__req_common);
	e = edge_of(edge_find(&key));
	if (e)
		__sync_fetch_and_add(&e->retransmits[RETRANSMIT_SYNACK], 1);
	count_run(PROG_SYNACK, began);
}

/*
 * This tap may be attached twice: whether the other program has counted this reset. One is received
 * once in the life of a connection (tcp_reset()), and one is sent for a segment that came in, or at
 * the end.
 */
static __always_inline bool is_reset_counted(struct conn *c, struct sock *sk, bool sent)
{
	u16 mask = RESET_RECEIVED, mark = RESET_RECEIVED;

	if (sent) {
		mask = (u16)~RESET_RECEIVED;
		mark = RESET_SENT | (load_as(struct tcp_sock, (struct tcp_sock *)sk, segs_in) &
				     (RESET_SENT - 1));
	}
	if ((c->resets & mask) == mark)
		return true;
	c->resets = (c->resets & ~mask) | mark;
	return false;
}

static __always_inline void reset(struct sock *sk, bool sent)
{
	u64 began = run_begins(bpf_ktime_get_ns());
	struct conn *c = sk ? conn_find(sk) : NULL; /* a reset may belong to no socket */
	struct edge *e;

	if (!c || c->role == ROLE_LISTENER || is_reset_counted(c, sk, sent))
		return;
	conn_need_edge(c->slot);
	e = edge_of(c->edge);
	if (e)
		__sync_fetch_and_add(sent ? &e->resets_sent : &e->resets_received, 1);
	count_run(sent ? PROG_RESET_SENT : PROG_RESET_RECEIVED, began);
}

#endif

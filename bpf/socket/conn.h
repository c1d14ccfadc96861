/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The life of a connection's state. */
#ifndef FATHOM_CONN_H
#define FATHOM_CONN_H

#include "../unseen.h"
#include "../tls/caller.h"
#include "coverage.h"
#include "edge.h"
#include "workload.h"

/* Where a socket is bound and connected: if it changes, the pointer was reused. */
static __always_inline u32 ports_of(struct sock *sk)
{
	return load_as(struct sock, sk, __sk_common.skc_portpair);
}

static __always_inline bool is_tcp(struct sock *sk)
{
	struct sock *s = cast(struct sock, sk);
	u16 family = load(s, __sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) && load(s, sk_protocol) == IPPROTO_TCP &&
	       load(s, sk_type) == SOCK_STREAM;
}

/*
 * Makes the state of a connection and returns its slot; what there was under that pointer is
 * overwritten. 0 where the table is full, which the caller counts; or, with CONN_FOUND, where
 * another CPU has made it at the same time.
 */
__noinline int conn_add(u64 sk, u32 role, u32 flags)
{
	u64 key = sk;
	u32 slot, *known;
	struct conn *c;
	int err;

	known = bpf_map_lookup_elem(&conn_index, &key);
	if (known) {
		if (flags & CONN_FOUND)
			return 0;
		slot = *known;
		count_lost(LOST_DESTROY, 1);
		resync(slot, LOST_GAP); /* what was open then */
	} else {
		slot = alloc_slot(TABLE_CONNECTIONS, &conn_free, max_connections);
		if (!slot)
			return 0;
	}
	c = conn_of(slot);
	if (!c)
		return 0;
	give_back_pipeline(c);
	backlog_give_back(c);
	tls_queue_give_back(c);
	http2_give_back(c);
	__builtin_memset(c, 0, sizeof(*c));
	c->slot = slot;
	c->role = role;
	c->joined = flags & CONN_JOINED;
	c->early = !!(flags & CONN_EARLY);
	c->opened_at = bpf_ktime_get_ns();
	c->sk = key;
	if (known)
		return slot;
	err = bpf_map_update_elem(&conn_index, &key, &slot, BPF_NOEXIST);
	if (!err)
		return slot;
	c->sk = 0;
	free_slot(&conn_free, slot);
	if (flags & CONN_FOUND && err == -EEXIST)
		return 0;
	known = bpf_map_lookup_elem(&conn_index, &key);
	if (known)
		return *known;
	count_map_error(err);
	return 0;
}

static __always_inline void conn_release(struct conn *c)
{
	u32 slot = c->slot;

	c->sk = 0;
	give_back_pipeline(c);
	backlog_give_back(c);
	tls_queue_give_back(c);
	http2_give_back(c);
	/* nothing of the payload is kept */
	__builtin_memset(c->http1, 0, sizeof(c->http1));
	free_slot(&conn_free, slot);
}

static __always_inline void conn_remove(struct conn *c, u64 sk)
{
	if (!bpf_map_delete_elem(&conn_index, &sk))
		conn_release(c);
}

/*
 * Whether a slot still is this socket's. The sweep may be preempted at any time, and find when it
 * goes on that the connection is over, and its slot another's.
 */
static __always_inline bool conn_is_of(struct conn *c, struct sock *sk)
{
	return *(volatile u64 *)&c->sk == (u64)sk;
}

/* Whether the pointer is that of another socket now: the end of this one was missed. */
static __always_inline bool conn_is_stale(struct conn *c, struct sock *sk)
{
	u32 ports = ports_of(sk), differ = c->ports ^ ports;

	/*
	 * A socket that is closed gives its own port back, and one that is disconnected forgets the
	 * other's.
	 */
	return c->ports && ((ports >> 16 && differ >> 16) || ((u16)ports && (u16)differ));
}

/* Gives up a socket's connection, in SLOT, whose end was missed, if it has not come meanwhile. */
__noinline int conn_give_up(u32 slot, u64 sk)
{
	struct conn *c = conn_of(slot);
	u32 *known;

	known = bpf_map_lookup_elem(&conn_index, &sk);
	if (!c || !known || *known != slot || bpf_map_delete_elem(&conn_index, &sk))
		return 0;
	count_lost(LOST_DESTROY, 1);
	if (c->class == CLASS_HTTP1)
		resync(slot, LOST_GAP);
	else if (c->class == CLASS_REDIS && !c->upgraded)
		redis_distrust(slot, RESPONSE, 0, LOST_GAP);
	else if (c->class == CLASS_HTTP2)
		http2_end_all(slot, 0, HTTP2_LOST + LOST_GAP, 0);
	conn_release(c);
	return 0;
}

/* Notes who is at the other end, and from where TCP's counters are counted. */
static __always_inline void conn_describe(struct conn *c, struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	read_peer(c->addr, &sk->__sk_common);
	c->port = bpf_ntohs(load_as(struct sock, sk, __sk_common.skc_dport));
	c->ports = ports_of(sk);
	c->arrivals.end = load_as(struct tcp_sock, tp, rcv_nxt);
	if (c->role != ROLE_CLIENT) /* whose SYNs may be counted already */
		c->retransmitted = load_as(struct tcp_sock, tp, total_retrans);
}

/* Counts the connection as opened, as soon as it is known where. */
static __always_inline void conn_count_opened(struct conn *c)
{
	struct edge *e = edge_of(c->edge);

	if (!c->opened || !c->edge_known || c->counted || !e)
		return;
	c->counted = 1;
	__sync_fetch_and_add(&e->opened, 1);
}

__noinline int conn_learn_edge(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct edge_key key = {};

	if (!c || c->edge_known)
		return 0;
	key.workload = c->workload;
	key.role = c->role;
	if (c->role == ROLE_CLIENT)
		key.port = c->port;
	__builtin_memcpy(key.addr, c->addr, sizeof(key.addr));
	c->edge = edge_find(&key);
	c->edge_known = 1;
	conn_count_opened(c);
	return 0;
}

/* Called in the context of the process that uses the connection. */
__noinline int conn_learn_workload(u32 slot)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (!c->edge_known) /* else it was learnt from the socket */
		c->workload = workload_of_task();
	c->workload_known = 1;
	if (c->role)
		conn_learn_edge(slot);
	return 0;
}

/* Makes sure that the connection has an edge, from wherever it can be known. */
__noinline int conn_need_edge(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct sock *sk;

	if (!c || c->edge_known)
		return 0;
	sk = (struct sock *)c->sk;
	if (!c->workload_known)
		c->workload = workload_of_socket(sk);
	if (!c->role) {
		/* Older than the agent, and never understood: servers have the lower port. */
		u16 local = load_as(struct sock, sk, __sk_common.skc_num);

		c->role = local < c->port ? ROLE_SERVER : ROLE_CLIENT;
	}
	return conn_learn_edge(slot);
}

/* A connection that was open when it was first seen. */
__noinline int conn_join(u64 key)
{
	struct sock *sk = (struct sock *)key;
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct conn *c;
	u32 slot, *known;
	u8 state;

	if (!is_tcp(sk))
		return 0;
	state = load_as(struct sock, sk, __sk_common.skc_state);
	if (state == TCP_CLOSE || state == TCP_LISTEN || state == TCP_SYN_SENT ||
	    state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0;
	slot = conn_add(key, ROLE_UNKNOWN, CONN_JOINED | CONN_FOUND);
	c = conn_of(slot);
	if (!slot || !c) {
		known = bpf_map_lookup_elem(&conn_index, &key);
		return known ? *known : 0;
	}
	conn_describe(c, sk);
	c->segments_sent = load_as(struct tcp_sock, tp, data_segs_out);
	c->bytes_sent = load_as(struct tcp_sock, tp, bytes_sent) -
			load_as(struct tcp_sock, tp, bytes_retrans);
	c->bytes_received = load_as(struct tcp_sock, tp, bytes_received) - fin_received(sk);
	c->bytes_acked = load_as(struct tcp_sock, tp, bytes_acked);
	return slot;
}

/* Ends the exchanges of a connection that is no more. */
static __always_inline void conn_settle_all(struct conn *c)
{
	u32 requests = c->requests, known = c->requests;

	if (c->class == CLASS_HTTP2) {
		/* a library's call that is under way may have written the rest */
		http2_end_all(c->slot, 0, c->plain_writing ? HTTP2_LOST + LOST_GAP : HTTP2_CLOSED,
			      c->closed_at ? c->closed_at : bpf_ktime_get_ns());
		return;
	}
	if (c->deep)
		return; /* all is counted as lost */
	if ((s32)(c->settled - known) > 0)
		known = c->settled;		  /* and counted as lost */
	if ((s32)(c->responses - requests) > 0) { /* the hook of a request never ran */
		if ((s32)(c->responses - known) > 0)
			count_lost(LOST_REQUEST, c->responses - known);
		c->responses = requests;
		c->answering = 0;
	}
	c->answering = 0; /* what was cut off has its status */
	settle_over(c);
	if (c->responses == requests)
		return;
	if (c->class == CLASS_HTTP1 && http1_of(c, RESPONSE)->phase == HTTP1_UNKNOWN) {
		/* it may have been answered */
		lose_until(c->slot, requests, LOST_GAP);
		return;
	}
	settle_all(c->slot, requests, c->closed_at ? c->closed_at : bpf_ktime_get_ns());
	lose_until(c->slot, requests, LOST_PIPELINED);
}

/* Bytes that passed in one direction unseen, if POSITION is where TCP is now. */
static __always_inline u32 conn_gap(u32 position, u32 seen, bool known)
{
	s32 gap = position - seen;

	return known && gap > 1 ? gap : 0; /* 1 may be the FIN */
}

/* Why TLS on a connection is not read. */
static __always_inline u32 opaque_reason(struct conn *c)
{
	struct tls_process *p = bpf_map_lookup_elem(&tls_processes, &c->tls_process);

	if (!p)
		return OPAQUE_NOT_YET;
	if (p->opaque == OPAQUE_READ && c->opened_at < p->attached_at)
		return OPAQUE_LATE;
	if (p->opaque == OPAQUE_READ && !c->tls_used)
		return OPAQUE_NO_SESSION;
	return at_most(p->opaque, OPAQUE_COUNT - 1);
}

/* Names TLS that is not read. */
static __always_inline void classify_opaque(struct conn *c, u32 reason)
{
	classify(c->slot, CLASS_TLS, COVERAGE_OPAQUE + reason);
	if (reason != OPAQUE_LATE)
		tls_ask_again(c->tls_process);
}

/* Puts a connection that ends into a class, if it has none yet. */
static __always_inline void conn_classify_end(struct conn *c, struct sock *sk, u32 unseen)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct coverage_key key = {};

	if (c->class != CLASS_UNKNOWN)
		return;
	if (c->tls && opaque_reason(c) != OPAQUE_READ) {
		classify_opaque(c, opaque_reason(c));
	} else if (bpf_core_field_exists(tp->is_mptcp) && load_as(struct tcp_sock, tp, is_mptcp)) {
		classify(c->slot, CLASS_MPTCP, COVERAGE_NONE);
	} else if (unseen || c->after_gap) {
		classify(c->slot, CLASS_UNREADABLE, COVERAGE_UNTAPPED);
	} else if (c->greets) {
		classify(c->slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
	} else if (http1_of(c, REQUEST)->have || http1_of(c, RESPONSE)->have || c->attempts ||
		   c->preamble || c->asked) {
		classify(c->slot, CLASS_OTHER, COVERAGE_NONE);
	} else if (!c->covered) {
		if (c->joined)
			c->reason = COVERAGE_JOINED;
		key.workload = c->workload;
		key.reason = c->reason;
		coverage_count(&key, 1, 0, 0);
	}
}

/* Bytes passed behind the last hooks of a connection. */
static __always_inline void conn_end_unseen(struct conn *c, u32 unread, u32 unwritten)
{
	u32 requests = c->role == ROLE_SERVER ? unread : unwritten,
	    responses = c->role == ROLE_SERVER ? unwritten : unread;

	if (requests)
		bytes_unseen(c, requests, 0, LOST_GAP, 0);
	if (!responses)
		return;
	bytes_unseen(c, IS_RESPONSE | responses, response_position(c), LOST_GAP, 0);
	/* when it ended is not known */
	if (c->class == CLASS_HTTP1 && http1_of(c, RESPONSE)->phase >= HTTP1_CLOSE)
		lose_until(c->slot, c->responses, LOST_GAP);
}

/* The end of a connection: everything that is still open is counted. */
__noinline int conn_finish(u32 slot)
{
	struct conn *c = conn_of(slot);
	u32 unread, unwritten;
	struct tcp_sock *tp;
	struct sock *sk;
	struct edge *e;

	if (!c)
		return 0;
	sk = (struct sock *)c->sk;
	tp = (struct tcp_sock *)sk;
	conn_need_edge(slot);
	unread = conn_gap(c->closed_at ? c->final_read : load_as(struct tcp_sock, tp, copied_seq),
			  c->rx_pos, c->rx_known);
	unwritten = conn_gap(c->closed_at ? c->final_written :
					    load_as(struct tcp_sock, tp, write_seq),
			     c->tx_pos, c->tx_known);
	conn_classify_end(c, sk, unread | unwritten);
	if (c->class != CLASS_MPTCP) {
		if (unread)
			count_lost_bytes(READ, BYTES_UNTAPPED, unread);
		if (unwritten)
			count_lost_bytes(WRITE, BYTES_UNTAPPED, unwritten);
	}
	edge_sample(slot);
	/* where something else was answered, what was asked by HTTP/2 is open still */
	if (c->class && c->class <= LAST_CLASS_READ && (!c->upgraded || c->class == CLASS_HTTP2)) {
		/* What TLS moved says nothing about the plaintext. */
		if (!c->tls && !c->upgraded)
			conn_end_unseen(c, unread, unwritten);
		conn_settle_all(c);
	}
	e = edge_of(c->edge);
	if (e)
		__sync_fetch_and_add(&e->closed, 1);
	return 0;
}

#endif

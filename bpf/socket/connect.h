/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Connects that fail, and why. */
#ifndef FATHOM_CONNECT_H
#define FATHOM_CONNECT_H

#include "conn.h"

/*
 * The error that ICMP brought last. An ICMP error that comes while the process still holds the
 * socket, as that of a router on the same host does, does not end the connect: tcp_v4_err() leaves
 * sk_err_soft, which the process takes by SO_ERROR, and since 5.16 a packet in the error queue,
 * which stays there for the process that did not set IP_RECVERR.
 */
static __always_inline u32 icmp_error(struct sock *sk)
{
	void *queue = (void *)sk + bpf_core_field_offset(struct sock, sk_error_queue);
	struct sk_buff *skb = BPF_CORE_READ(sk, sk_error_queue.next);
	struct sock_exterr_skb *error;
	u8 origin;

	if (!skb || (void *)skb == queue)
		return load_as(struct sock, sk, sk_err_soft);
	error = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	origin = BPF_CORE_READ(error, ee.ee_origin);
	return origin == SO_EE_ORIGIN_ICMP || origin == SO_EE_ORIGIN_ICMP6 ?
		       BPF_CORE_READ(error, ee.ee_errno) :
		       0;
}

static __always_inline u32 failure_of(struct sock *sk)
{
	u32 error = load_as(struct sock, sk, sk_err);

	switch (error ? error : icmp_error(sk)) {
	case 0:
		return CONNECT_ABANDONED;
	case ECONNREFUSED:
		return CONNECT_REFUSED;
	case ETIMEDOUT:
		return CONNECT_TIMED_OUT;
	case ECONNRESET:
		return CONNECT_RESET;
	case ENETUNREACH:
	case EHOSTUNREACH:
		return CONNECT_UNREACHABLE;
	}
	return CONNECT_OTHER;
}

static __always_inline void connect_failed(struct sock *sk)
{
	struct conn *c = conn_find(sk);
	u32 failure = failure_of(sk);
	struct edge *e;

	if (!c)
		return;
	e = edge_of(c->edge);
	if (e && failure < CONNECT_COUNT)
		__sync_fetch_and_add(&e->connect_failures[failure], 1);
	conn_remove(c, (u64)sk);
}

#endif

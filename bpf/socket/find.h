/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From a socket to its connection, and what TCP says about it. */
#ifndef FATHOM_FIND_H
#define FATHOM_FIND_H

#include "../base/load.h"

/* The state of the connection in a slot, and of that of a socket. */
static __always_inline struct conn *conn_of(u32 slot)
{
	return bpf_map_lookup_elem(&conns, &slot);
}

static __always_inline struct conn *conn_find(struct sock *sk)
{
	u64 key = (u64)sk;
	/* Fibonacci hashing; sockets are aligned to 64 bytes at least. */
	u32 place = (u32)(key >> 6) * 0x9e3779b9U >> 16, *hint, *slot;
	struct conn *c;

	hint = bpf_map_lookup_elem(&conn_hints, &place);
	if (!hint)
		return NULL;
	c = conn_of(*hint);
	if (c && c->sk == key)
		return c;
	slot = bpf_map_lookup_elem(&conn_index, &key);
	if (!slot)
		return NULL;
	*hint = *slot;
	return conn_of(*slot);
}

/*
 * The time at which TCP last looked at its clock (tcp_mstamp_refresh()), which is that of
 * bpf_ktime_get_ns(). It does so for every segment that arrives, and when it sends.
 */
static __always_inline u64 tcp_time(struct tcp_sock *tp)
{
	u64 time = 0;

	if (bpf_core_field_exists(tp->tcp_clock_cache))
		time = load(tp, tcp_clock_cache);
	return time ? time : bpf_ktime_get_ns();
}

/* Whether the peer's FIN was received. It has a sequence number, and counts as a byte. */
static __always_inline bool fin_received(struct sock *sk)
{
	struct sock *s = cast(struct sock, sk);

	return load(s, __sk_common.skc_flags) & 1UL << SOCK_DONE;
}

/*
 * Whether the socket sends no more: its FIN has a sequence number, too (include/net/sock.h,
 * SEND_SHUTDOWN).
 */
static __always_inline bool sending_is_shut(struct sock *sk)
{
	return load_as(struct sock, sk, sk_shutdown) & 2;
}

#endif

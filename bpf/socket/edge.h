/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* TCP's health per workload, role and peer. */
#ifndef FATHOM_EDGE_H
#define FATHOM_EDGE_H

#include "../base/slots.h"
#include "coverage.h"
#include "find.h"

static __always_inline u32 edge_add(struct edge_key *key)
{
	u32 slot, *known;
	struct edge *e;
	int err;

	slot = alloc_slot(TABLE_EDGES, &edge_free, max_edges);
	e = bpf_map_lookup_elem(&edges, &slot);
	if (!slot || !e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	err = bpf_map_update_elem(&edge_index, key, &slot, BPF_NOEXIST);
	if (!err)
		return slot;
	free_slot(&edge_free, slot);
	known = bpf_map_lookup_elem(&edge_index, key);
	if (known)
		return *known;
	count_map_error(err);
	return 0;
}

/* The edge of KEY; where there is no room, the workload's overflow edge; else 0. */
static __noinline u32 edge_find(struct edge_key *key)
{
	struct workload *w;
	u32 *known, slot = 0;

	known = bpf_map_lookup_elem(&edge_index, key);
	if (known)
		return *known;
	w = bpf_map_lookup_elem(&workloads, &key->workload);
	if (!w || !key->workload) {
		count_overflow(TABLE_EDGES);
		return 0;
	}
	if (w->edges < max_edges_per_workload) {
		slot = edge_add(key);
		if (slot) {
			__sync_fetch_and_add(&w->edges, 1);
			return slot;
		}
	}
	count_overflow(TABLE_EDGES);
	key->overflow = 1;
	key->port = 0;
	__builtin_memset(key->addr, 0, sizeof(key->addr));
	known = bpf_map_lookup_elem(&edge_index, key);
	if (known)
		return *known;
	return edge_add(key);
}

static __always_inline struct edge *edge_of(u32 slot)
{
	return bpf_map_lookup_elem(&edges, &slot);
}

/* Copies the peer's address of a socket or request socket, IPv4 as ::ffff:a.b.c.d. */
static __always_inline void read_peer(u8 *addr, struct sock_common *sc)
{
	u32 *words = (u32 *)addr;

	if (load_as(struct sock_common, sc, skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)addr, sc, skc_v6_daddr);
		return;
	}
	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = load_as(struct sock_common, sc, skc_daddr);
}

static __always_inline void read_local(u8 *addr, struct sock_common *sc)
{
	u32 *words = (u32 *)addr;

	if (BPF_CORE_READ(sc, skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)addr, sc, skc_v6_rcv_saddr);
		return;
	}
	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = BPF_CORE_READ(sc, skc_rcv_saddr);
}

static __always_inline u32 rtt_bucket(u32 us)
{
	u32 i, bound = 16;

	for (i = 0; i < RTT_BUCKETS - 1; i++) {
		if (us <= bound)
			break;
		bound <<= 1;
	}
	return i;
}

/* Puts a new value in the place of an old one, and returns the difference. */
#define exchange_difference(place, value)                               \
	({                                                              \
		typeof(*(place)) __old;                                 \
		if (fetching_atomics) {                                 \
			__old = __sync_lock_test_and_set(place, value); \
		} else {                                                \
			__old = *(place);                               \
			*(place) = value;                               \
		}                                                       \
		value - __old;                                          \
	})

/*
 * Adds to the edge what TCP has counted since the last sample. Exchanging the old value
 * keeps the sum right when the sweep and the end of the connection meet.
 */
__noinline int edge_sample(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct tcp_sock *tp;
	struct edge *e;
	struct coverage_key key = {};
	u64 sent, received, acked, d_sent, d_received;
	u32 segments;

	if (!c || c->closed_at) /* tcp_disconnect() clears TCP's counters behind CLOSE */
		return 0;
	e = edge_of(c->edge);
	if (!e)
		return 0;
	tp = cast(struct tcp_sock, c->sk);
	segments = load(tp, data_segs_out);
	sent = load(tp, bytes_sent) - load(tp, bytes_retrans);
	received = load(tp, bytes_received) - fin_received((struct sock *)c->sk);
	acked = load(tp, bytes_acked);
	if (!fetching_atomics) {
		u64 sampled = c->segments_sent + c->bytes_sent + c->bytes_received + c->bytes_acked;

		if (sampled == segments + sent + received + acked ||
		    !claim(slot, CLAIM_SAMPLE, sampled))
			return 0;
	}
	segments = exchange_difference(&c->segments_sent, segments);
	if (segments)
		__sync_fetch_and_add(&e->segments_sent, (u64)(s64)(s32)segments);
	d_sent = exchange_difference(&c->bytes_sent, sent);
	if (d_sent)
		__sync_fetch_and_add(&e->bytes_sent, d_sent);
	d_received = exchange_difference(&c->bytes_received, received);
	if (d_received)
		__sync_fetch_and_add(&e->bytes_received, d_received);
	if (exchange_difference(&c->bytes_acked, acked)) {
		u32 us = load(tp, srtt_us) >> 3;
		u32 i = rtt_bucket(us);

		if (us && i < RTT_BUCKETS) {
			__sync_fetch_and_add(&e->rtt[i], 1);
			__sync_fetch_and_add(&e->rtt_sum, us);
		}
	}
	if (!d_sent && !d_received)
		return 0;
	key.workload = c->workload;
	key.class = c->class;
	if (key.class == CLASS_UNKNOWN && (c->tls || c->tunnel)) /* it began with CONNECT */
		key.class = c->tls ? CLASS_TLS : CLASS_HTTP1;
	key.reason = c->reason;
	coverage_count(&key, 0, d_received, d_sent);
	return 0;
}

#endif

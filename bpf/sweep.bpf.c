// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The sweep: settles what has paused, samples TCP's counters, evicts what is gone. User space
 * runs it over slices of the connection table: a slice has the CPU for itself.
 */

#define SWEEP_SLICE 256

static __always_inline void sweep_exchanges(struct conn *c, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	u32 answered = c->responses, requests = c->requests;
	u32 number = c->settled, client = c->role == ROLE_CLIENT;
	struct exchange *x;
	struct census *census;
	u32 gap;
	u64 start;

	if ((s32)(answered - number) > 0 && (s32)(requests - answered) >= 0) {
		x = exchange_of(c, answered - 1);
		if (now - x->last > settle_after_ns && (s64)(now - x->last) > 0) {
			if (c->flags & CONN_TLS)
				gap = c->plain_writing;
			else if (client)
				gap = conn_gap(load(tp, copied_seq), c->rx_pos,
					       c->flags & CONN_RX_KNOWN);
			else
				gap = conn_gap(load(tp, write_seq), c->tx_pos,
					       c->flags & CONN_TX_KNOWN);
			/* A gap may be a call that still moves bytes: what comes next will tell. */
			if (!gap)
				settle_until(c, answered, 0);
		}
	}
	if ((s32)(requests - answered) <= 0)
		return;
	census = bpf_map_lookup_elem(&censuses, &c->workload);
	if (!census)
		return;
	__sync_fetch_and_add(&census->active[client], requests - answered);
	start = exchange_of(c, answered)->start;
	if (start && (!census->oldest[client] || start < census->oldest[client]))
		census->oldest[client] = start;
}

/* TLS of which no plaintext came: it is named before its connection ends, which may be never. */
#define OPAQUE_AFTER_NS 2000000000ULL

static __always_inline void sweep_opaque(struct conn *c, u64 now)
{
	u32 reason = opaque_reason(c);

	if (reason != OPAQUE_READ && (s64)(now - c->opened_at - OPAQUE_AFTER_NS) > 0)
		classify(c->slot, CLASS_TLS, COVERAGE_OPAQUE + reason);
}

/*
 * Whether the end of a connection was missed. A freed socket's memory stays a socket's
 * (SLAB_TYPESAFE_BY_RCU), so that looking is safe.
 */
static __always_inline bool is_gone(struct conn *c, struct sock *sk)
{
	u16 family = load_as(struct sock, sk, __sk_common.skc_family);

	return (family != AF_INET && family != AF_INET6) ||
	       !load_as(struct sock, sk, __sk_common.skc_refcnt.refs.counter) || conn_is_stale(c, sk);
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
		/* How what is not answered ended is not known: it is lost, not aborted. */
		if (c->class == CLASS_HTTP1 && !(c->opaque & OPAQUE_UPGRADED) && (s32)(c->requests - c->responses) >= 0)
			settle_until(c, c->responses, 0);
		conn_give_up(slot);
		return 0;
	}
	census = bpf_map_lookup_elem(&censuses, &c->workload);
	if (census)
		__sync_fetch_and_add(&census->connections, 1);
	if (c->role == ROLE_LISTENER) {
		listener_sample(sk);
		return 0;
	}
	if (c->flags & (CONN_OPENED | CONN_JOINED)) {
		if (c->class > CLASS_HTTP1 || c->closed_at)
			conn_need_edge(slot);
		if (c->flags & CONN_EDGE) {
			e = edge_of(c->edge);
			if (e && c->edge)
				e->connected = now;
			edge_sample(slot);
		}
	}
	if (c->flags & CONN_TLS && c->class == CLASS_UNKNOWN)
		sweep_opaque(c, now);
	if (c->class == CLASS_HTTP1 && !(c->opaque & OPAQUE_UPGRADED))
		sweep_exchanges(c, sk, now);
	return 0;
}

/* Arguments: the first slot. Returns whether there may be more. */
SEC("raw_tp/fathom_sweep")
int fathom_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u32 first = ctx->args[0], i, zero = 0;
	struct fresh_slots *f = bpf_map_lookup_elem(&fresh, &zero);

	if (!f)
		return 0;
	for (i = 0; i < SWEEP_SLICE; i++) {
		if (first + i > f->next[TABLE_CONNECTIONS])
			return 0;
		sweep_slot(first + i, now);
	}
	count_run(PROG_SWEEP, run_is_counted(now) ? now : 0);
	return 1;
}

/* Arguments: a workload, and how many of its edges and series user space took away. */
SEC("raw_tp/fathom_give_back")
int fathom_give_back(struct bpf_raw_tracepoint_args *ctx)
{
	u32 id = ctx->args[0];
	struct workload *w = bpf_map_lookup_elem(&workloads, &id);

	if (!w)
		return 0;
	__sync_fetch_and_add(&w->edges, -(u32)ctx->args[1]);
	__sync_fetch_and_add(&w->series, -(u32)ctx->args[2]);
	return 0;
}

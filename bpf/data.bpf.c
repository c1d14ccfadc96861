// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The data taps: bytes were read, were written, have arrived. */

/*
 * Bytes of the response direction passed unseen, up to POSITION. If a request was read when
 * they had passed, they belong to the exchanges before it, which are lost, and no others are.
 */
static __always_inline void lose_response(struct conn *c, u32 position)
{
	u32 i, number;

	for (i = 0; i < EXCHANGES; i++) {
		number = c->responses + i;
		if ((s32)(c->requests - number) <= 0)
			break;
		if (exchange_of(c, number)->position == position) {
			lose_until(c, number, LOST_GAP);
			c->responses = number;
			return;
		}
	}
	if (expects_response(c))
		resync(c->slot, LOST_GAP);
}

/* Bytes passed in a direction that no tap saw: GAP of them, before POSITION. */
__noinline int note_gap(u32 slot, u32 direction, u32 gap, u32 position)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	count_lost_bytes(direction, BYTES_UNTAPPED, gap);
	if (c->class == CLASS_UNKNOWN) {
		if (!(c->flags & CONN_TLS)) { /* its plaintext is seen elsewhere */
			c->request.after_gap = GAP_FIRST;
			clear_prefix(&c->request);
			clear_prefix(&c->response);
			try_again(c);
		}
		return 0;
	}
	if (c->class != CLASS_HTTP1 || c->opaque)
		return 0;
	if ((c->role == ROLE_SERVER) != (direction == READ)) {
		lose_response(c, position);
		return 0;
	}
	if (!c->request.in_head && !expects_request(c))
		return 0; /* a body */
	if (is_answering_over(c, response_position(c)))
		settle_until(c, c->requests, 0);
	resync(slot, LOST_GAP);
	c->request.after_gap = GAP_BEFORE;
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
	conn_give_up(c->slot);
	return join_for_data(sk, direction, length);
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
	gap = c->flags & CONN_RX_KNOWN ? p.seq - c->rx_pos : 0;
	if (gap && conn_is_stale(c, sk)) {
		c = rejoin_for_data(c, sk, READ, length);
		if (!c)
			return;
		p.slot = c->slot;
		gap = 0;
	}
	if (!(c->flags & CONN_WORKLOAD))
		conn_learn_workload(c->slot);
	if (gap && !(c->flags & CONN_KTLS_RX) && !ktls_begins(p.slot, READ)) {
		if ((s32)gap < 0)
			return; /* another thread's read came first, and was counted */
		if (gap == 1 && fin_received(sk))
			p.seq--; /* the FIN has a number too */
		else
			note_gap(p.slot, READ, gap, p.seq);
	}
	if (c->flags & CONN_KTLS_RX)
		p.seq = ktls_passes(c, READ, length, end);
	c->rx_pos = end;
	if (!(c->flags & CONN_RX_KNOWN))
		c->flags |= CONN_RX_KNOWN;
	if (c->class <= CLASS_HTTP1 && (!c->opaque || is_ktls(c, READ)))
		look_at(c, sk, &p, flags);
	else if (c->flags & CONN_TLS)
		tls_received(p.slot, p.seq, p.now);
	if (c->role == ROLE_SERVER)
		arrivals_read(c, end);
	count_run(PROG_READ, run_is_counted(p.now) ? p.now : 0);
}

static __always_inline void data_written(struct sock *sk, int length, enum source source, const void *hint)
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
	gap = c->flags & CONN_TX_KNOWN ? p.seq - c->tx_pos : 0;
	if (gap && conn_is_stale(c, sk)) {
		c = rejoin_for_data(c, sk, WRITE, length);
		if (!c)
			return;
		p.slot = c->slot;
		gap = 0;
	}
	if (!(c->flags & CONN_WORKLOAD))
		conn_learn_workload(c->slot);
	if (gap && (s32)gap > 1 && !(c->flags & CONN_KTLS_TX) && !ktls_begins(p.slot, WRITE)) /* 1: the FIN of a shutdown by another thread */
		note_gap(p.slot, WRITE, gap, p.seq);
	if (c->flags & CONN_KTLS_TX)
		p.seq = ktls_passes(c, WRITE, length, end);
	if ((c->class <= CLASS_HTTP1 && (!c->opaque || is_ktls(c, WRITE))) ||
	    (c->flags & CONN_TLS && tls_sent(p.slot, p.now) && tls_plain_of_call(c, &p)))
		look_at(c, sk, &p, 0);
	ordered(&c->any);
	c->tx_pos = end; /* last: write_pending() tells by it that this hook has run */
	if (!(c->flags & CONN_TX_KNOWN))
		c->flags |= CONN_TX_KNOWN;
	count_run(PROG_WRITTEN, began);
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
	if (c->role == ROLE_CLIENT || c->class > CLASS_HTTP1 || c->opaque & OPAQUE_UPGRADED)
		return;
	end = load(tp, rcv_nxt);
	began = run_begins(end);
	if (end != c->arrivals.end)
		arrivals_add(c, end, tcp_time(tp));
	count_run(PROG_ARRIVED, began);
}

/*
 * Whether TCP is further than the last read, or write, that was seen: the program before this one at the same
 * tracepoint was skipped. A connection that is not known yet is left to its next read or write.
 */
static __always_inline bool was_skipped(struct sock *sk, int length, u32 direction)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);
	struct conn *c = length > 0 ? conn_find(sk) : NULL;

	if (!c)
		return false;
	if (direction == READ)
		return !(c->flags & CONN_RX_KNOWN) || c->rx_pos != load(tp, copied_seq);
	return !(c->flags & CONN_TX_KNOWN) || c->tx_pos != (c->closed_at ? c->final_written : load(tp, write_seq));
}

/*
 * The taps, one group for each attach mode; which of them are loaded is decided in user space.
 *
 * Tracepoints, Linux 6.3. The raw ones run with preemption disabled up to 6.x, those attached through perf
 * always. Without a msghdr. Those with "again" are attached behind the others, and run in the stead of one that was skipped.
 */
SEC("raw_tp/sock_recv_length")
int raw_read(struct bpf_raw_tracepoint_args *ctx)
{
	data_read((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2], FROM_REGISTERS, NULL);
	return 0;
}

SEC("raw_tp/sock_send_length")
int raw_written(struct bpf_raw_tracepoint_args *ctx)
{
	data_written((struct sock *)ctx->args[0], ctx->args[1], FROM_REGISTERS, NULL);
	return 0;
}

SEC("raw_tp/sock_recv_length")
int raw_read_again(struct bpf_raw_tracepoint_args *ctx)
{
	if (was_skipped((struct sock *)ctx->args[0], ctx->args[1], READ))
		data_read((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2], FROM_REGISTERS, NULL);
	return 0;
}

SEC("raw_tp/sock_send_length")
int raw_written_again(struct bpf_raw_tracepoint_args *ctx)
{
	if (was_skipped((struct sock *)ctx->args[0], ctx->args[1], WRITE))
		data_written((struct sock *)ctx->args[0], ctx->args[1], FROM_REGISTERS, NULL);
	return 0;
}

SEC("raw_tp/sk_data_ready")
int raw_arrived(struct bpf_raw_tracepoint_args *ctx)
{
	data_arrived((struct sock *)ctx->args[0]);
	return 0;
}

SEC("tracepoint/sock/sock_recv_length")
int perf_read(struct trace_event_raw_sock_msg_length *ctx)
{
	data_read(ctx->sk, ctx->ret, ctx->flags, FROM_REGISTERS, NULL);
	return 0;
}

SEC("tracepoint/sock/sock_send_length")
int perf_written(struct trace_event_raw_sock_msg_length *ctx)
{
	data_written(ctx->sk, ctx->ret, FROM_REGISTERS, NULL);
	return 0;
}

/*
 * Trampolines. Arguments are pointers with a type here, which the verifier lets nobody calculate with:
 * what is read through a helper is a number. The result is an int, without its sign extended.
 */
static __always_inline struct sock *sock_of(u64 socket)
{
	struct socket *s = (struct socket *)socket;

	return (struct sock *)BPF_CORE_READ(s, sk);
}

SEC("fexit/inet_recvmsg")
int exit_inet_recvmsg(u64 *ctx)
{
	data_read(sock_of(ctx[0]), ctx[4], ctx[3], FROM_MESSAGE, (void *)ctx[1]);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int exit_inet6_recvmsg(u64 *ctx)
{
	data_read(sock_of(ctx[0]), ctx[4], ctx[3], FROM_MESSAGE, (void *)ctx[1]);
	return 0;
}

SEC("fexit/inet_sendmsg")
int exit_inet_sendmsg(u64 *ctx)
{
	data_written(sock_of(ctx[0]), ctx[3], FROM_MESSAGE, (void *)ctx[1]);
	return 0;
}

SEC("fexit/inet6_sendmsg")
int exit_inet6_sendmsg(u64 *ctx)
{
	data_written(sock_of(ctx[0]), ctx[3], FROM_MESSAGE, (void *)ctx[1]);
	return 0;
}

/* What sendfile() and splice() call before 6.5, of both families. */
SEC("fexit/inet_sendpage")
int exit_inet_sendpage(u64 *ctx)
{
	data_written(sock_of(ctx[0]), ctx[5], FROM_MESSAGE, NULL);
	return 0;
}

SEC("fentry/sock_def_readable")
int entry_sock_def_readable(u64 *ctx)
{
	u64 sk = 0;

	bpf_probe_read_kernel(&sk, sizeof(sk), ctx);
	data_arrived((struct sock *)sk);
	return 0;
}

/*
 * Kprobes. The return probe knows the result only: the rest is noted on entry. A thread is in one
 * such call at a time.
 */
static __always_inline void call_begins(struct socket *socket, struct msghdr *message, u32 flags)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct sock *sk = (struct sock *)BPF_CORE_READ(socket, sk);
	struct pending_call call = {};
	int err;

	if (!attached || !is_tcp(sk))
		return;
	call.sk = (u64)sk;
	call.flags = flags;
	if (message)
		note_message(&call, socket, message);
	else
		call.fault = FAULT_SYSCALL;
	err = bpf_map_update_elem(&pending_calls, &thread, &call, BPF_ANY);
	if (err)
		count_map_error(err);
}

SEC("kprobe/inet_recvmsg")
int call_recvmsg(struct pt_regs *ctx)
{
	call_begins((struct socket *)FIRST_ARGUMENT(ctx), (struct msghdr *)SECOND_ARGUMENT(ctx),
		    FOURTH_ARGUMENT(ctx));
	return 0;
}

SEC("kprobe/inet_sendmsg")
int call_sendmsg(struct pt_regs *ctx)
{
	call_begins((struct socket *)FIRST_ARGUMENT(ctx), (struct msghdr *)SECOND_ARGUMENT(ctx), 0);
	return 0;
}

SEC("kprobe/inet_sendpage")
int call_sendpage(struct pt_regs *ctx)
{
	call_begins((struct socket *)FIRST_ARGUMENT(ctx), NULL, 0);
	return 0;
}

SEC("kretprobe/inet_recvmsg")
int return_read(struct pt_regs *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct pending_call *call = bpf_map_lookup_elem(&pending_calls, &thread);

	if (!call)
		return 0;
	data_read((struct sock *)call->sk, RETURN_VALUE(ctx), call->flags, FROM_ENTRY, call);
	bpf_map_delete_elem(&pending_calls, &thread);
	return 0;
}

SEC("kretprobe/inet_sendmsg")
int return_written(struct pt_regs *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct pending_call *call = bpf_map_lookup_elem(&pending_calls, &thread);

	if (!call)
		return 0;
	data_written((struct sock *)call->sk, RETURN_VALUE(ctx), FROM_ENTRY, call);
	bpf_map_delete_elem(&pending_calls, &thread);
	return 0;
}

SEC("kprobe/sock_def_readable")
int call_sock_def_readable(struct pt_regs *ctx)
{
	data_arrived((struct sock *)FIRST_ARGUMENT(ctx));
	return 0;
}

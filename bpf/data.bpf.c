// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "taps/data.h"

/*
 * The taps, one group for each attach mode; which of them are loaded is decided in user space.
 *
 * Tracepoints, Linux 6.3. The raw ones run with preemption disabled up to 6.x, those attached
 * through perf always. Without a msghdr. Those with "again" are attached behind the others, and run
 * in the stead of one that was skipped.
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
	if (was_skipped(ctx->args[0], ctx->args[1], READ))
		data_read((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2], FROM_REGISTERS,
			  NULL);
	return 0;
}

SEC("raw_tp/sock_send_length")
int raw_written_again(struct bpf_raw_tracepoint_args *ctx)
{
	if (was_skipped(ctx->args[0], ctx->args[1], WRITE))
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
 * Trampolines. Arguments are pointers with a type here, which the verifier lets nobody calculate
 * with: what is read through a helper is a number. The result is an int, without its sign extended.
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

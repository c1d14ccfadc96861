// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "taps/tcp.h"

SEC("raw_tp/inet_sock_set_state")
int raw_state(struct bpf_raw_tracepoint_args *ctx)
{
	state_changed((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2]);
	return 0;
}

SEC("tracepoint/sock/inet_sock_set_state")
int perf_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	state_changed((struct sock *)ctx->skaddr, ctx->oldstate, ctx->newstate);
	return 0;
}

SEC("tracepoint/tcp/tcp_destroy_sock")
int perf_destroy(struct trace_event_raw_tcp_event_sk *ctx)
{
	destroyed((struct sock *)ctx->skaddr);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int raw_destroy(struct bpf_raw_tracepoint_args *ctx)
{
	destroyed((struct sock *)ctx->args[0]);
	return 0;
}

SEC("raw_tp/tcp_retransmit_skb")
int raw_retransmit(struct bpf_raw_tracepoint_args *ctx)
{
	/* Given up before it was sent, and before TCP's own statistic counts it: the first copy is
	 * still in a queue of this host, or the window is shut (__tcp_retransmit_skb()). */
	if (retransmit_tells_error && ((int)ctx->args[2] == -EBUSY || (int)ctx->args[2] == -EAGAIN))
		return 0;
	retransmitted((struct sock *)ctx->args[0], (struct sk_buff *)ctx->args[1]);
	return 0;
}

SEC("raw_tp/tcp_retransmit_synack")
int raw_synack(struct bpf_raw_tracepoint_args *ctx)
{
	retransmitted_synack((struct sock *)ctx->args[0], (struct request_sock *)ctx->args[1]);
	return 0;
}

SEC("raw_tp/tcp_receive_reset")
int raw_reset_received(struct bpf_raw_tracepoint_args *ctx)
{
	reset((struct sock *)ctx->args[0], false);
	return 0;
}

SEC("raw_tp/tcp_send_reset")
int raw_reset_sent(struct bpf_raw_tracepoint_args *ctx)
{
	reset((struct sock *)ctx->args[0], true);
	return 0;
}

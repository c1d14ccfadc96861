/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a direction of a connection may carry next, by the exchanges that are open and by TCP's
 * sequence numbers: hooks run on return of the system calls, in any order across threads.
 */
#ifndef FATHOM_EXPECT_H
#define FATHOM_EXPECT_H

/*
 * How far TCP is in the response direction: what a server has written, a client has read. The plaintext of
 * TLS has numbers of its own.
 */
static __always_inline u32 response_position(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	if (c->flags & CONN_TLS)
		return c->role == ROLE_CLIENT ? c->plain_read : c->plain_written + c->plain_writing;
	if (c->role == ROLE_CLIENT)
		return c->closed_at ? c->final_read : load(tp, copied_seq);
	return c->closed_at ? c->final_written : load(tp, write_seq);
}

/* Whether a write is under way, or done, whose hook has not run yet. */
static __always_inline bool write_pending(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u32 position;

	if (c->flags & CONN_TLS && c->plain_writing)
		return true;
	position = c->closed_at ? c->final_written : load(tp, write_seq);
	return c->flags & CONN_TX_KNOWN && position != c->tx_pos;
}

/*
 * Whether a client has read bytes that no tap saw (splice(), a receive by io_uring). Only to be
 * asked when it writes, which it does after the hooks of its reads.
 */
static __always_inline bool read_unseen(struct conn *c)
{
	return (c->flags & (CONN_RX_KNOWN | CONN_TLS)) == CONN_RX_KNOWN && (s32)(response_position(c) - c->rx_pos) > 0 &&
	       !c->closed_at && !fin_received((struct sock *)c->sk);
}

static __always_inline bool all_answered(struct conn *c)
{
	return (s32)(c->responses - c->requests) >= 0;
}

/*
 * Whether the request direction may carry the beginning of a request now. After a GET or
 * HEAD, which has no body, always. After others once they are answered, or if the answer may
 * have passed: at a server its hook may be late, at a client it may have been read unseen.
 */
static __always_inline bool expects_request(struct conn *c)
{
	bool pending;

	if (!c->requests || c->request.head_done)
		return true;
	/* In this order: the hook of the answer counts it first, and then tells that it has run. */
	pending = c->role == ROLE_SERVER ? write_pending(c) : read_unseen(c);
	ordered(&c->any);
	return pending || all_answered(c);
}

/* Whether the response direction may carry the beginning of a response now. */
static __always_inline bool expects_response(struct conn *c)
{
	if ((s32)(c->requests - c->responses) > 0)
		return true;
	if (c->role != ROLE_CLIENT)
		return false;
	if (write_pending(c))
		return true;
	/* Once more: the hook of the request counts it first, and then tells that it has run. */
	ordered(&c->any);
	return (s32)(c->requests - c->responses) > 0;
}

/* Whether all is answered, and no byte of it is still to come. POSITION: response_position(). */
static __always_inline bool is_answering_over(struct conn *c, u32 position)
{
	if (c->flags & CONN_TLS)
		return all_answered(c) && !c->plain_writing;
	return all_answered(c) && (c->role != ROLE_SERVER || !(c->flags & CONN_TX_KNOWN) ||
				   position == c->tx_pos);
}

#endif

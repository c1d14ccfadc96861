/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where TCP is in the two directions of a connection, beside what the hooks have seen: hooks run on
 * return of the system calls, in any order across threads, and TCP's numbers tell what has
 * happened.
 */
#ifndef FATHOM_POSITION_H
#define FATHOM_POSITION_H

#include "../socket/find.h"

/*
 * How far TCP is in the response direction: what a server has written, a client has read. The
 * plaintext of TLS has numbers of its own.
 */
static __always_inline u32 response_position(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	if (c->tls)
		return c->role == ROLE_CLIENT ? c->plain_read : c->plain_written + c->plain_writing;
	if (c->role == ROLE_CLIENT)
		return c->closed_at ? c->final_read : load(tp, copied_seq);
	return c->closed_at ? c->final_written : load(tp, write_seq);
}

/* How far a client is in the request direction, hooks that are still to run included. */
static __always_inline u32 request_position(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	if (c->tls)
		return c->plain_written + c->plain_writing;
	return c->closed_at ? c->final_written : load(tp, write_seq);
}

/* How far TCP is in what was written. */
static __always_inline u32 written_position(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	return c->closed_at ? c->final_written : load(tp, write_seq);
}

/* Whether a write is under way, or done, whose hook has not run yet. */
static __always_inline bool write_pending(struct conn *c)
{
	if (c->tls && c->plain_writing)
		return true;
	return c->tx_known && written_position(c) != c->tx_pos;
}

/* Whether a client has read bytes whose hook has not run yet, or never will. */
static __always_inline bool read_pending(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	return c->rx_known && !c->tls &&
	       (c->closed_at ? c->final_read : load(tp, copied_seq)) != c->rx_pos;
}

#endif

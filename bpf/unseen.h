/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Bytes that passed without having been looked at, whatever the protocol is. */
#ifndef FATHOM_UNSEEN_H
#define FATHOM_UNSEEN_H

#include "http1/unseen.h"
#include "http2/unseen.h"
#include "redis/unseen.h"

/* http1_unseen(), of the connection's protocol. */
static __always_inline u32 bytes_unseen(struct conn *c, u64 direction_and_length, u32 end,
					u32 reason, u64 now)
{
	if (c->class == CLASS_REDIS)
		return redis_unseen(c->slot, direction_and_length, reason, now);
	if (c->class == CLASS_HTTP2)
		return http2_unseen(c->slot, direction_and_length, reason, now);
	return http1_unseen(c->slot, direction_and_length, end, reason, now);
}

/* What a server has read and no hook told: requests went unseen. */
__noinline int read_missed(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct tcp_sock *tp;
	u32 end, gap;

	if (!c)
		return 0;
	tp = cast(struct tcp_sock, c->sk);
	end = c->closed_at ? c->final_read : load(tp, copied_seq);
	gap = end - c->rx_pos;
	if ((s32)gap <= 0 || (gap == 1 && fin_received((struct sock *)c->sk)))
		return 0;
	c->rx_pos = end;
	count_lost_bytes(READ, BYTES_UNTAPPED, gap);
	bytes_unseen(c, gap, end, LOST_GAP, 0);
	return 0;
}

#endif

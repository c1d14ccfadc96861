/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Bytes of Redis that passed without having been looked at: what that costs. */
#ifndef FATHOM_REDIS_UNSEEN_H
#define FATHOM_REDIS_UNSEEN_H

#include "../bytes/passage.h"
#include "state.h"

/*
 * LENGTH bytes of a direction passed that could not be read (NOW is the time), or that no tap saw
 * (NOW is 0). Returns how many of them may have held more than an argument of which nothing has to
 * be known.
 */
__noinline u32 redis_unseen(u32 slot, u64 direction_and_length, u32 reason, u64 now)
{
	u32 length = direction_and_length, is_response = !!(direction_and_length & IS_RESPONSE),
	    skip;
	struct conn *c = conn_of(slot);
	s32 open;

	if (!c || (!is_response && c->redis_place[REQUEST] == REDIS_PLACE_OVER))
		return 0;
	if (c->deep && is_response) {
		if (now)
			redis_passes_unmatched(c, now);
		return 0;
	}
	skip = c->redis_skip[is_response];
	if (skip >= length) {
		c->redis_skip[is_response] = skip - length;
		return 0;
	}
	length -= skip;
	c->redis_skip[is_response] = 0;
	open = open_exchanges(c);
	if (!is_response) /* one at least, which may be answered already */
		redis_distrust(slot, REQUEST, open >= 0, reason);
	else /* of a request whose hook is still to run, if none is open */
		redis_distrust(slot, RESPONSE, 0, reason);
	return length;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Steps through a buffer of a connection that carries HTTP/2. */
#ifndef FATHOM_HTTP2_DRAIN_H
#define FATHOM_HTTP2_DRAIN_H

#include "step.h"

/* How many steps a call takes: as DRAIN_STEPS. */
#define HTTP2_STEPS 64

/* drain() where the connection carries HTTP/2. */
__noinline u64 http2_drain(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u64 event;
	u32 i;

	for (i = 0; i < HTTP2_STEPS; i++) {
		if (!(u32)length)
			return 0;
		event = http2_step(slot, address, length, seq, now);
		if (event_kind(event) == EVENT_FAULT)
			return (u64)FAULT_MEMORY << 32 | (u32)length;
		if (event_kind(event) == HTTP2_BROKEN)
			return (u64)FAULT_PROTOCOL << 32 | (u32)length;
		if (event_kind(event))
			http2_apply(slot, length & IS_RESPONSE, event, now);
		address += event_used(event);
		seq += event_used(event);
		length = (length & IS_RESPONSE) | (u32)(length - event_used(event));
	}
	return (u64)FAULT_STEPS << 32 | (u32)length;
}

#endif

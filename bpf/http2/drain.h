/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Steps through a buffer of a connection that carries HTTP/2. */
#ifndef FATHOM_HTTP2_DRAIN_H
#define FATHOM_HTTP2_DRAIN_H

#include "step.h"

/* How many steps a call takes: as DRAIN_STEPS. */
#define HTTP2_STEPS 64

/* The loop of http2_drain(). */
static __always_inline u64 http2_take_steps(u32 slot, u64 address, u64 length, u32 seq, u64 now)
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
		length = (length & (IS_RESPONSE | COPIES)) | (u32)(length - event_used(event));
	}
	return (u64)FAULT_STEPS << 32 | (u32)length;
}

/* drain() where the connection carries HTTP/2. */
__noinline u64 http2_drain(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	u64 rest;

	length |= copies_begin();
	rest = http2_take_steps(slot, address, length, seq, now);
	copies_end(length, slot);
	return rest;
}

#endif

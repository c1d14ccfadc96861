/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a step of a parser found: one word, so that a step can be a function that the verifier
 * takes on its own. All protocols share it. Pure, like the parsers.
 *
 * A step is shown up to 16 bytes at its position in one direction of one connection, and that
 * direction's state. It knows no map, no clock and no socket.
 *
 *	bits  0-31	how many bytes it used: one at least, but for EVENT_NOT_MINE. It may be more
 *			than it was shown: the rest is skipped without a look.
 *	bits 32-39	enum event_kind
 *	bits 40-47	operation, an index into the protocol's list; 0 is any other
 *	bits 48-63	status, of the protocol's own
 */
#ifndef FATHOM_EVENT_H
#define FATHOM_EVENT_H

enum event_kind {
	EVENT_NONE,		/* within a message */
	EVENT_BEGIN,		/* a request begins: the clock starts */
	EVENT_OPERATION,	/* the operation of the request that began last */
	EVENT_QUIET,		/* a request is complete, and there will be no reply to it */
	EVENT_STATUS,		/* the status of a reply, which goes on */
	EVENT_END,		/* a request, or a reply, is complete */
	EVENT_INTERIM,		/* a reply that another one follows */
	EVENT_PUSH,		/* a message that nobody asked for is complete */
	EVENT_SWITCH,		/* a request is complete; what follows it is another protocol */
	EVENT_NOT_MINE,		/* these bytes are no such message; the state is void */
};

static __always_inline u64 event(u8 kind, u8 operation, u16 status, u32 used)
{
	return (u64)status << 48 | (u64)operation << 40 | (u64)kind << 32 | used;
}

static __always_inline u32 event_used(u64 event)
{
	return event;
}

static __always_inline u8 event_kind(u64 event)
{
	return event >> 32;
}

static __always_inline u8 event_operation(u64 event)
{
	return event >> 40;
}

static __always_inline u16 event_status(u64 event)
{
	return event >> 48;
}

#endif

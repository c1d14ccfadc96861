/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a step of a protocol's parser returns: how many bytes it used, and at most one event. A step
 * is shown the bytes at its place in one direction; it counts nothing.
 */
#ifndef FATHOM_EVENT_H
#define FATHOM_EVENT_H

enum event_kind {
	EVENT_NONE,
	EVENT_BEGIN,	 /* a request; with its operation */
	EVENT_OPERATION, /* of the request that began last: it is known now */
	EVENT_STATUS,	 /* a response begins, with its status */
	EVENT_INTERIM,	 /* a response begins that is not the last one */
	EVENT_HEAD_END,	 /* its head is over, and it is not known whether a body follows */
	/* the response is over; in the other direction: the request is, whose operation this is */
	EVENT_END,
	EVENT_OPEN_END, /* the response goes on, and where it ends is not known */
	EVENT_QUIET,	/* the request is over, and nothing answers it */
	EVENT_PUSH,	/* a message that answers no request is over */
	/* the request is over, and what follows its response is not this protocol */
	EVENT_SWITCH,
	EVENT_NOT_MINE, /* bytes that this protocol does not have here */
	EVENT_BODY,	/* bytes of a body whose length is known */
	/* bytes of which nobody knows what they are: of a response, if one is under way */
	EVENT_REST,
	/*
	 * the connection begins with a request, whose operation this is: what it carries is known;
	 * of another protocol than HTTP the status is the enum conn_class, and the operation how
	 * many bytes of the request came in earlier calls
	 */
	EVENT_FIRST,
	/*
	 * the first bytes of what may be a request, when nobody knows yet what the connection
	 * carries
	 */
	EVENT_PIECE,
	/* the connection begins with something else: the operation is its enum conn_class */
	EVENT_OTHER,
	EVENT_FAULT, /* the bytes could not be read */
};

#define EVENT(kind, operation, status, used)                                 \
	((u64)(u32)(used) | (u64)(kind) << 32 | (u64)(u8)(operation) << 40 | \
	 (u64)(u16)(status) << 48)

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

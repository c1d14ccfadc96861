/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * HTTP/2 on a connection whose beginning was not seen: what looks like the header of a frame, and
 * which of both ends sends a header block. Pure.
 */
#ifndef FATHOM_HTTP2_JOIN_H
#define FATHOM_HTTP2_JOIN_H

#include "http2.h"

/* No frame that is larger was seen to be sent; what a peer may allow is 2^24 - 1. */
#define HTTP2_LARGEST_USUAL (1U << 20)

/*
 * Whether the nine bytes LO and HI look like the header of a frame (RFC 9113, section 6): a type
 * that is known, with no other flags and no other length than it may have, on a stream if it must,
 * and the reserved bit of that unset.
 */
static __always_inline bool http2_plausible(u64 lo, u64 hi)
{
	u32 length = http2_u32(lo) >> 8, stream = http2_u32(lo >> 40 | hi << 24);
	u8 type = lo >> 24, flags = lo >> 32;

	if (stream >> 31 || length > HTTP2_LARGEST_USUAL)
		return false;
	switch (type) {
	case HTTP2_FRAME_DATA: /* an empty one has nothing to say but that it is the last */
		return stream && !(flags & ~(HTTP2_END_STREAM | HTTP2_PADDED)) && (length || flags);
	case HTTP2_FRAME_HEADERS:
		return stream && length &&
		       !(flags &
			 ~(HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_PRIORITY));
	case HTTP2_FRAME_PRIORITY:
		return stream && length == 5 && !flags;
	case HTTP2_FRAME_RST_STREAM:
		return stream && length == 4 && !flags;
	case HTTP2_FRAME_SETTINGS:
		return !stream && length % 6 == 0 && length < 120 &&
		       (!flags || (flags == 1 && !length));
	case HTTP2_FRAME_PING:
		return !stream && length == 8 && !(flags & ~1);
	case HTTP2_FRAME_GOAWAY:
		return !stream && length >= 8 && length < 1024 && !flags;
	case HTTP2_FRAME_WINDOW_UPDATE:
		return length == 4 && !flags;
	}
	return false;
}

/*
 * Whether the first N (1 to 9) bytes LO and HI of the header of a frame may be those of the
 * SETTINGS with which a server's direction begins (RFC 9113, section 3.4): of its 72 bits all but
 * five are fixed. Behind N they are zero.
 */
static __always_inline bool http2_may_be_first_settings(u64 lo, u64 hi, u32 n)
{
	u64 fixed = n > 3 ? 0x04000000ULL : 0;

	return (lo & ~0x7f0000ULL) == fixed && !(u8)hi && (u8)(lo >> 16) % 6 == 0;
}

/* Whether all of them are. */
static __always_inline bool http2_is_first_settings(u64 lo, u64 hi)
{
	return http2_may_be_first_settings(lo, hi, 9);
}

enum http2_asks {
	HTTP2_NOT_TOLD,
	HTTP2_ASKS,    /* it is a request's block */
	HTTP2_ANSWERS, /* a response's */
};

/*
 * Which of both the first bytes LO and HI, LEFT of them, of a HEADERS frame's payload show, by the
 * pseudo fields in front (RFC 9113, section 8.3): those of requests have 1 to 7 in the static
 * table, and `:status` has 8 to 14. Entries of the dynamic table are passed over.
 */
static __always_inline int http2_asks(u64 lo, u64 hi, u32 left, u8 flags)
{
	u32 skip = (flags & HTTP2_PADDED ? 1 : 0) + (flags & HTTP2_PRIORITY ? 5 : 0), i, index;
	u8 b;

	lo = bytes_from(lo, hi, skip);
	left = left > skip ? left - skip : 0;
	for (i = 0; i < 8; i++) {
		if (i >= left)
			break;
		b = lo >> 8 * i;
		if (b >= 0x20 && b < 0x3f) /* a new size of the table */
			continue;
		index = b & 0x80 ? b & 0x7f : b & 0x40 ? b & 0x3f : b < 0x20 ? b & 0x0f : 0;
		if (index >= 1 && index <= 7)
			return HTTP2_ASKS;
		if (index >= 8 && index <= 14)
			return HTTP2_ANSWERS;
		if (!(b & 0x80) || index < 62 || index == 127)
			break;
	}
	return HTTP2_NOT_TOLD;
}

#endif

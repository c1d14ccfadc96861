/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Recognises, by its first bytes, a connection that is not HTTP/1. Pure, like
 * http1.h, which it builds on.
 */
#ifndef FATHOM_PREFACE_H
#define FATHOM_PREFACE_H

#include "http1.h"

/* What a connection carries. The order is part of the interface to user space. */
enum conn_class {
	CLASS_UNKNOWN, /* nothing seen yet: `idle` if it ends so */
	CLASS_HTTP1,
	CLASS_REDIS,
	CLASS_HTTP2,
	CLASS_TLS,
	CLASS_MPTCP,
	CLASS_OTHER,
	CLASS_UNREADABLE, /* bytes passed, and none of them could be read */
	CLASS_COUNT,
};

/* Up to this one a connection's bytes are looked at. */
#define LAST_CLASS_READ CLASS_HTTP2

/*
 * preface_class names the class of a connection whose first bytes, LEN (1 to 16)
 * of them as words as for http1_request, are no HTTP/1 message; CLASS_UNKNOWN
 * while more are needed.
 */
static __always_inline u8 preface_class(u64 lo, u64 hi, u32 len)
{
	u8 type = lo, major = lo >> 8, minor = lo >> 16;
	u32 n = len < 8 ? len : 8, length = (u8)(lo >> 24) << 8 | (u8)(lo >> 32);

	/*
	 * TLSPlaintext (RFC 8446, section 5.1): type 20 to 23, version 3.0 to 3.4, and up
	 * to 2^14 + 2048 bytes (RFC 5246, section 6.2.3). Random bytes fit once in 10^7.
	 */
	if (type >= 20 && type <= 23) {
		if ((len >= 2 && major != 3) || (len >= 3 && minor > 4) ||
		    (len >= 5 && length > 16384 + 2048))
			return CLASS_OTHER;
		return len >= 5 ? CLASS_TLS : CLASS_UNKNOWN;
	}
	/* "PRI * HTTP/2.0" (RFC 9113, section 3.4) */
	if (!HTTP1_BEGINS(lo, "PRI * HT", n))
		return CLASS_OTHER;
	if (len <= 8)
		return CLASS_UNKNOWN;
	n = len < 14 ? len - 8 : 6;
	if (!HTTP1_BEGINS(hi, "TP/2.0  ", n))
		return CLASS_OTHER;
	return n == 6 ? CLASS_HTTP2 : CLASS_UNKNOWN;
}

#endif

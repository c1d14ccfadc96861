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
	CLASS_UNKNOWN,		/* nothing seen yet: `idle` if it ends so */
	CLASS_HTTP1,
	CLASS_TLS,
	CLASS_HTTP2,
	CLASS_MPTCP,
	CLASS_OTHER,
	CLASS_UNREADABLE,	/* bytes passed, and none of them could be read */
	CLASS_COUNT,
};

/*
 * preface_class names the class of a connection whose first bytes, LEN (1 to 16)
 * of them as words as for http1_request, are no HTTP/1 message; CLASS_UNKNOWN
 * while more are needed.
 */
static __always_inline u8 preface_class(u64 lo, u64 hi, u32 len)
{
	u8 type = lo, major = lo >> 8;
	u32 n = len < 7 ? len : 7;

	/* TLSPlaintext (RFC 8446, section 5.1): type 20 to 23, version 3.x. */
	if (type >= 20 && type <= 23) {
		if (len < 2)
			return CLASS_UNKNOWN;
		return major == 3 ? CLASS_TLS : CLASS_OTHER;
	}
	/* "PRI * HTTP/2.0" (RFC 9113, section 3.4) */
	if (!((lo ^ HTTP1_WORD("PRI * HT")) & HTTP1_LOW_BYTES(n))) {
		if (len < 14)
			return CLASS_UNKNOWN;
		return !((hi ^ HTTP1_WORD("TP/2.0  ")) & HTTP1_LOW_BYTES(6)) ? CLASS_HTTP2 :
									     CLASS_OTHER;
	}
	return CLASS_OTHER;
}

#endif

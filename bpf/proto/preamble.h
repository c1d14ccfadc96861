/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What some peers say before the protocol that a connection is for: the header of the PROXY
 * protocol, and the question whether the server speaks TLS. Pure.
 */
#ifndef FATHOM_PREAMBLE_H
#define FATHOM_PREAMBLE_H

#include "http1.h"

/* The longest header of PROXY version 1, with its CR LF (PROXY protocol, section 2.1). */
#define PREAMBLE_MAX_LINE 107

/* How many bytes of a connection decide. */
#define PREAMBLE_MYSQL_BYTES 6

/* PostgreSQL's SSLRequest and GSSENCRequest (its documentation, "Message Formats"). */
#define PREAMBLE_POSTGRES_BYTES 8

/* MySQL's SSLRequest, which is a packet of 32 bytes behind 4. */
#define PREAMBLE_MYSQL_REQUEST 36

enum preamble_verdict {
	PREAMBLE_NO,
	PREAMBLE_PARTIAL,  /* all bytes so far fit; more are needed */
	PREAMBLE_LINE,	   /* PROXY, version 1: up to an LF */
	PREAMBLE_BINARY,   /* PROXY, version 2: 16 bytes, and preamble_length() more */
	PREAMBLE_QUESTION, /* to PostgreSQL; one byte answers it */
};

/* Whether the first LEN (1 to 16) bytes LO and HI begin with the N of WANT, as far as they go. */
static __always_inline int preamble_begins(u64 lo, u64 hi, u32 len, u64 want_lo, u64 want_hi, u32 n)
{
	u32 both = len < n ? len : n;

	if ((lo ^ want_lo) & HTTP1_LOW_BYTES(both < 8 ? both : 8))
		return PREAMBLE_NO;
	if (both > 8 && (hi ^ want_hi) & HTTP1_LOW_BYTES(both - 8))
		return PREAMBLE_NO;
	return len < n ? PREAMBLE_PARTIAL : PREAMBLE_LINE;
}

/*
 * preamble_verdict tells what the first LEN (1 to 16) bytes of what a client says are, as the words
 * LO and HI; those behind them are ignored.
 */
static __always_inline int preamble_verdict(u64 lo, u64 hi, u32 len)
{
	int verdict;

	switch ((u8)lo) {
	case 'P':
		verdict = preamble_begins(lo, hi & ~(0xffULL << 8), len, HTTP1_WORD("PROXY TC"),
					  'P' | ' ' << 16, 11);
		if (verdict == PREAMBLE_LINE && (u8)(hi >> 8) != '4' && (u8)(hi >> 8) != '6')
			verdict = PREAMBLE_NO;
		if (verdict)
			return verdict;
		return preamble_begins(lo, hi, len, HTTP1_WORD("PROXY UN"),
				       HTTP1_WORD("KNOWN\0\0\0"), 13);
	case '\r': /* a signature of 12 bytes, version and command, address family, length */
		verdict = preamble_begins(lo, hi, len, HTTP1_WORD("\r\n\r\n\0\r\nQ"),
					  HTTP1_WORD("UIT\n\0\0\0\0"), 12);
		if (verdict != PREAMBLE_LINE)
			return verdict;
		if (len >= 13 && ((hi >> 32) & 0xfe) != 0x20)
			return PREAMBLE_NO;
		return len < 16 ? PREAMBLE_PARTIAL : PREAMBLE_BINARY;
	case 0:
		if (len >= PREAMBLE_POSTGRES_BYTES && (u8)(lo >> 56) == 0x30)
			lo -= 1ULL << 56; /* the one is the other's number and 1 */
		verdict = preamble_begins(lo, hi, len, 0x2f16d20408000000ULL, 0,
					  PREAMBLE_POSTGRES_BYTES);
		return verdict == PREAMBLE_LINE ? PREAMBLE_QUESTION : verdict;
	}
	return PREAMBLE_NO;
}

/* How many bytes follow the first 16 of PREAMBLE_BINARY. */
static __always_inline u32 preamble_length(u64 hi)
{
	return (u32)(u8)(hi >> 48) << 8 | (u8)(hi >> 56);
}

/*
 * Whether a server that speaks first greets as MySQL does: a packet, number 0, of less than 600
 * bytes, with version 10 of its protocol, and that of the server. Of LO PREAMBLE_MYSQL_BYTES count.
 */
static __always_inline bool preamble_greets(u64 lo)
{
	return (lo & 0xffffff) < 600 && (u8)(lo >> 24) == 0 && (u8)(lo >> 32) == 10 &&
	       (u8)((u8)(lo >> 40) - '0') <= 9;
}

/* Whether a client answers that by asking for TLS: CLIENT_SSL is set in its capabilities. */
static __always_inline bool preamble_wants_tls(u64 lo)
{
	return (u32)lo == (PREAMBLE_MYSQL_REQUEST - 4U | 1U << 24) && lo >> 32 & 0x0800;
}

#endif

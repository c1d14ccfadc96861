/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The protocol of Redis and Valkey, RESP2 and RESP3: what its two directions share. The rules
 * are those of the server's source (networking.c, resp_parser.c), and of recordings of Redis
 * 7.0, 8.0 and Valkey 8.1 where these say more.
 *
 * Pure functions: bytes and a direction's state in, an event (event.h) out. The same files are
 * compiled for BPF and, with sanitizers and a fuzzer, for the host.
 */
#ifndef FATHOM_REDIS_H
#define FATHOM_REDIS_H

#include "bytes.h"
#include "event.h"
#include "redis_names.h"

/*
 * The state of one direction. All zero is the beginning of a message on a new connection; at
 * the beginning of a later one only `flags` may be set. Bytes of a line or a word that came in
 * pieces are kept until it is whole: no keys, no values.
 */
struct redis_side {
	u64 head[2]; /* the first `kept` bytes of what comes in pieces, zero behind them */
	u64 left;    /* arguments of a request, or elements of a reply, that are to come */
	u8 kept;
	u8 at;	      /* enum redis_at */
	u8 flags;     /* of redis_request.h or redis_reply.h */
	u8 length;    /* of a word */
	u8 operation; /* of the request */
	u8 word;      /* which word of a request: enum redis_request_word */
	u8 status;    /* of the reply */
	u8 unused;
};
_Static_assert(sizeof(struct redis_side) == 32, "the engine keeps 32 bytes a direction");

/* What a direction's next byte belongs to. */
enum redis_at {
	REDIS_AT_START,	   /* the first line of a request, or of an element of a reply */
	REDIS_AT_FIRST,	   /* reply: the first element of an array that may be a push */
	REDIS_AT_ARGUMENT, /* request: the line before an argument */
	REDIS_AT_WORD,	   /* a bulk string that is looked at */
	REDIS_AT_LINE,	   /* the rest of a line */
	REDIS_AT_TAIL,	   /* the CR LF behind the last bulk string */
	REDIS_AT_INLINE,   /* the name of an inline command */
};

#define REDIS_CRLF 0x0a0d
/* The largest number that a line may have: with line and end, a bulk string's fits in 32 bits. */
#define REDIS_LARGEST 0xffffff00

/* The first N bytes of what a direction is at; KEPT of them were used by earlier steps. */
struct redis_window {
	u64 lo, hi;
	u32 n, kept;
};

/* Puts HAVE (1 to 16) bytes behind those that were kept, and forgets these. */
static __always_inline struct redis_window redis_window(struct redis_side *side, u64 lo, u64 hi,
							u32 have)
{
	struct redis_window w = {.kept = side->kept & 15};
	u32 shift = 8 * (w.kept & 7);

	bytes_cut(&lo, &hi, have);
	if (!w.kept) {
		w.lo = lo;
		w.hi = hi;
		w.n = have;
		return w;
	}
	w.lo = side->head[0];
	w.hi = side->head[1];
	if (w.kept >= 8) {
		w.hi |= lo << shift;
	} else {
		w.lo |= lo << shift;
		w.hi |= hi << shift | lo >> (64 - shift);
	}
	w.n = w.kept + have < 16 ? w.kept + have : 16;
	side->kept = 0;
	side->head[0] = 0;
	side->head[1] = 0;
	return w;
}

/* Uses up to the END of the window, which has no more, and waits for what is missing. */
static __always_inline u64 redis_more(struct redis_side *side, struct redis_window w, u8 kind)
{
	side->head[0] = w.lo;
	side->head[1] = w.hi;
	side->kept = w.n;
	return EVENT(kind, 0, 0, w.n - w.kept);
}

/*
 * Reads the line at the beginning of the window: a character, a number, CR LF. It returns the
 * length of the line, 0 while there is more to come, or REDIS_BAD where it cannot be one. As the
 * server does (string2ll), it takes no leading zeros and no plus sign. A negative number is -1.
 */
#define REDIS_BAD 16
static __always_inline u32 redis_number(struct redis_window w, s64 *number)
{
	u32 first = (u8)(w.lo >> 8) == '-' ? 2 : 1, end, digits;
	u64 value;

	/* The first byte that is no digit; where it is not there yet, it is zero. */
	end = bytes_first(bytes_not_digit(w.lo) & ~bytes_low(first), bytes_not_digit(w.hi));
	digits = end - first;
	if (digits > 10 || ((u8)bytes_from(w.lo, w.hi, first) == '0' && digits + first > 2))
		return REDIS_BAD;
	if (end >= w.n)
		return 0;
	if (!digits || (u8)bytes_from(w.lo, w.hi, end) != '\r')
		return REDIS_BAD;
	if (digits <= 8)
		value = bytes_decimal(bytes_from(w.lo, w.hi, first), digits);
	else
		value = bytes_decimal(bytes_from(w.lo, w.hi, first), digits - 8) * 100000000 +
			bytes_decimal(bytes_from(w.lo, w.hi, end - 8), 8);
	if (value > REDIS_LARGEST)
		return REDIS_BAD;
	if (end + 1 >= w.n)
		return 0;
	if ((u8)bytes_from(w.lo, w.hi, end + 1) != '\n')
		return REDIS_BAD;
	*number = first == 2 ? -1 : (s64)value;
	return end + 2;
}

#endif

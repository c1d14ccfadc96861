/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Usual heads of HTTP/1, which lie in memory as a whole: looked through a line at a time. What is
 * unusual is left to http1_framing.h, from the end of a line on. Pure.
 */
#ifndef FATHOM_HTTP1_HEAD_H
#define FATHOM_HTTP1_HEAD_H

#include "http1_framing.h"

#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif

#define HEAD_BYTES 256 /* in one go */
#define HEAD_AHEAD 40  /* that may be looked at behind them, and are 0 */

/* In http1_head.used, besides how many bytes were used: the end of the head is among them. */
#define HEAD_END 0x80000000

struct http1_head {
	u64 event; /* the caller's */
	u32 used;
	u32 taken;  /* the caller's */
	u32 length; /* bytes that are there */
	u32 field;  /* where the line begins that may be a field about the body; 0: none */
	u8 bytes[HEAD_BYTES + HEAD_AHEAD];
};

/* The 8 bytes at P, which need not be aligned. */
static __always_inline u64 http1_word_at(const u8 *p)
{
#ifdef __bpf__
	return *(const u64 *)p;
#else
	u64 word;

	__builtin_memcpy(&word, p, sizeof(word));
	return word;
#endif
}

/* Sets to 0 what lies behind the N bytes of H that are there. */
static __always_inline void http1_clear_behind(struct http1_head *h, u32 n)
{
	u8 *p = h->bytes + n;
	u32 i;

	for (i = 0; i < HEAD_AHEAD; i += 8) {
#ifdef __bpf__
		*(u64 *)(p + i) = 0;
#else
		__builtin_memset(p + i, 0, 8);
#endif
	}
}

/*
 * http1_usual_line looks at the line behind the LF at AT. Notes it if it may be the first field
 * about the body. Returns true if the search goes on; else the head is over, or nobody can tell
 * yet, or only http1_field_byte() can: then H->used ends in front of the LF. IS_SHORT: another LF
 * follows within 8 bytes.
 */
static __always_inline bool http1_usual_line(struct http1_head *h, u32 at, u32 n, bool is_response,
					     bool is_short)
{
	const u8 *line = h->bytes + at + 1;
	u64 word = http1_word_at(line);
	u8 first = http1_lower(word);

	h->used = at;
	if (at + 3 > n)
		return false;
	if ((u16)word == ('\r' | '\n' << 8)) {
		h->used = HEAD_END | (at + 3);
		return false;
	}
	if ((u8)word == '\n') {
		h->used = HEAD_END | (at + 2);
		return false;
	}
	if (is_short)
		return false;
	if (first != 'c' && first != 't' && (is_response || first != 'e'))
		return true;
	if (at + 10 > n)
		return false;
	if (!http1_may_be_field(word, http1_word_at(line + 8), is_response))
		return true;
	if (h->field)
		return false;
	h->field = at + 1;
	return true;
}

/*
 * http1_usual_head looks for the end of a head in the first N (at most HEAD_BYTES) bytes of H,
 * which begin within a line, or with the LF behind one. Takes a field about the body that has its
 * usual form. In H->used: how many bytes were used, and whether the head ends with them.
 */
static __always_inline void http1_usual_head(struct http1_side *s, struct http1_head *h, u32 n,
					     bool is_response)
{
	u64 lf, words[4];
	const u8 *line;
	u32 i;

	h->used = n;
	h->length = n;
	h->field = 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < HEAD_BYTES; i += 8) {
		if (i >= n)
			break;
		lf = http1_bytes_equal(http1_word_at(h->bytes + i), '\n');
		if (!lf)
			continue;
		if (!http1_usual_line(h, i + (http1_lowest(lf) & 7), n, is_response, lf & (lf - 1)))
			break;
		h->used = n;
		barrier(); /* H->field stays in memory, whose values the verifier does not follow */
	}
	barrier();
	/* Behind the loop: else the verifier follows each way through it in each round. */
	if (!h->field)
		return;
	i = h->field & (HEAD_BYTES - 1);
	line = h->bytes + i;
	for (i = 0; i < 4; i++)
		words[i] = http1_word_at(line + 8 * i);
	if (!http1_usual_field(s, words, h->length - h->field))
		h->used = h->field - 1;
}

#endif

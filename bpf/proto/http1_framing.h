/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where an HTTP/1 message ends: RFC 9112, section 6. What the fields of a head say about the body,
 * and the lines between chunks. Pure, like http1.h. What has to be remembered between two pieces of
 * a message is in struct http1_side; a piece may end at any byte.
 */
#ifndef FATHOM_HTTP1_FRAMING_H
#define FATHOM_HTTP1_FRAMING_H

#include "http1.h"

/* What comes next in one direction of a connection. */
enum http1_phase {
	HTTP1_START,	  /* a message */
	HTTP1_LINE,	  /* more of its first 16 bytes */
	HTTP1_HEAD,	  /* more of its head */
	HTTP1_FIELD,	  /* more of a line that may say something about the body */
	HTTP1_BODY,	  /* `left` bytes, and the message is over */
	HTTP1_CHUNK_LINE, /* the size of a chunk */
	HTTP1_CHUNK,	  /* `left` bytes: the rest of a chunk, and its CR LF */
	HTTP1_TRAILER,	  /* lines up to an empty one, and the message is over */
	HTTP1_CLOSE,	  /* a body up to the end of the connection */
	HTTP1_UNKNOWN,	  /* a place that is not known: see "distrust" in http1/state.h */
};

/* What the head of the message has said so far. */
#define HTTP1_LENGTH 0x01  /* Content-Length; its value is in `left` */
#define HTTP1_CHUNKED 0x02 /* Transfer-Encoding, the last coding of which is chunked */
#define HTTP1_CODING 0x04  /* Transfer-Encoding, and the last one is another */
#define HTTP1_BAD 0x08	   /* nothing that can be relied on */
#define HTTP1_EXPECT 0x10  /* Expect: and no byte of the body has passed yet */
/* it was answered before that: the client may leave the body out (RFC 9110, section 10.1.1) */
#define HTTP1_DOUBT 0x20

/* What a response answers, as far as its end depends on that. */
enum http1_answers {
	HTTP1_ANSWERS_USUAL,
	HTTP1_ANSWERS_EMPTY,   /* to HEAD, or interim, or its status says so: no body follows */
	HTTP1_ANSWERS_PENDING, /* a request whose method is not known yet */
	HTTP1_ANSWERS_TUNNEL,  /* 101, or 2xx to CONNECT: no HTTP follows */
	HTTP1_ANSWERS_UNKNOWN, /* a request that was not seen: there may be a body or none */
};

struct http1_side {
	u64 left;    /* bytes, see enum http1_phase; in the line of a chunk: its size so far */
	u64 word[2]; /* the first 16 bytes of a message; within a field: its value */
	u8 phase;    /* enum http1_phase */
	u8 have;     /* how many bytes there are in `word` */
	u8 line;     /* enum http1_line; in the line of a chunk: enum http1_chunk */
	u8 field;    /* which name it may be and how much of it has come, see http1_field_byte() */
	/*
	 * of a value, and FIELD_ENDED; while the place is unknown: whether bytes have passed since
	 */
	u8 digits;
	u8 framing; /* HTTP1_LENGTH and so on */
	u8 answers; /* responses: enum http1_answers */
	u8 orphan;  /* responses: it answers nothing */
};

/* A message begins. Nothing of the one before is kept. */
static __always_inline void http1_expect_message(struct http1_side *s)
{
	s->left = 0;
	s->word[0] = 0;
	s->word[1] = 0;
	s->phase = HTTP1_START;
	s->have = 0;
	s->digits = 0;
	s->framing = 0;
	s->orphan = 0;
}

/* Where the direction is, is not known any more. */
static __always_inline void http1_distrust(struct http1_side *s)
{
	http1_expect_message(s);
	s->phase = HTTP1_UNKNOWN;
}

/* The same, but if it had the first bytes of a message they are kept, as they may be that. */
static __always_inline void http1_distrust_but_keep(struct http1_side *s)
{
	u32 have = s->phase == HTTP1_LINE || s->phase == HTTP1_UNKNOWN ? s->have : 0;
	u64 lo = s->word[0], hi = s->word[1];

	http1_distrust(s);
	if (have) {
		s->word[0] = lo;
		s->word[1] = hi;
		s->have = have;
	}
}

/* Its head begins, or goes on behind the first line. */
static __always_inline void http1_expect_head(struct http1_side *s)
{
	s->word[0] = 0;
	s->word[1] = 0;
	s->have = 0;
	s->line = HTTP1_LINE_SOME;
	s->field = 0;
	s->phase = HTTP1_HEAD;
}

/*
 * Fields. A line that begins with one of these letters is compared with the name that it may have;
 * `field` holds which one, and how many bytes have agreed.
 */
#define FIELD_LENGTH 0x40 /* "content-length:" */
#define FIELD_CODING 0x80 /* "transfer-encoding:" */
#define FIELD_EXPECT 0xc0 /* "expect:" */
#define FIELD_MATCHED 0x1f
/* the line is over; should the next one begin with a blank, it goes on (obs-fold) */
#define FIELD_AFTER 0x20

#define FIELD_ENDED 0x80 /* in `digits`: blanks came behind the value */
#define FIELD_MAX_DIGITS 18

/*
 * A letter in lower case; other characters change, too, but none of those that are compared with.
 */
static __always_inline u8 http1_lower(u8 b)
{
	return b | 0x20;
}

/* Which field a line may be that begins with B, 0: none that matters. */
static __always_inline u8 http1_field_of(u8 b, bool is_response)
{
	b = http1_lower(b);
	if (b == 'c')
		return FIELD_LENGTH;
	if (b == 't')
		return FIELD_CODING;
	return b == 'e' && !is_response ? FIELD_EXPECT : 0;
}

/* Byte I of a field's name in lower case with its colon. 0 behind it. */
static __always_inline u8 http1_name_byte(u8 field, u8 i)
{
	u64 lo, mid, hi = 0;

	switch (field) {
	case FIELD_LENGTH:
		lo = HTTP1_WORD("content-");
		mid = HTTP1_WORD("length:\0");
		break;
	case FIELD_CODING:
		lo = HTTP1_WORD("transfer");
		mid = HTTP1_WORD("-encodin");
		hi = 'g' | ':' << 8;
		break;
	default:
		lo = HTTP1_WORD("expect:\0");
		mid = 0;
	}
	return (i < 8 ? lo : i < 16 ? mid : hi) >> (8 * (i & 7));
}

/* A value of Content-Length is complete. Several have to be the same (RFC 9110, section 8.6). */
static __always_inline void http1_length_ends(struct http1_side *s)
{
	u64 value = s->word[0];

	if (!(s->digits & ~FIELD_ENDED) || (s->framing & HTTP1_LENGTH && s->left != value))
		s->framing |= HTTP1_BAD;
	s->framing |= HTTP1_LENGTH;
	s->left = value;
	s->word[0] = 0;
	s->digits = 0;
}

/* A byte of the value of Content-Length. */
static __always_inline void http1_length_byte(struct http1_side *s, u8 b)
{
	u8 digit = b - '0';

	if (b == '\n' || b == ',') {
		http1_length_ends(s);
	} else if (b == ' ' || b == '\t' || b == '\r') {
		if (s->digits)
			s->digits |= FIELD_ENDED;
	} else if (digit > 9 || s->digits >= FIELD_MAX_DIGITS) {
		/* or it has ended: FIELD_ENDED is above */
		s->framing |= HTTP1_BAD;
	} else {
		s->word[0] = s->word[0] * 10 + digit;
		s->digits++;
	}
}

#define HTTP1_CHUNKED_WORD 0x6368756e6b6564ULL /* "chunked", the last letter lowest */

/* A byte of the value of Transfer-Encoding: what matters is the last coding. */
static __always_inline void http1_coding_byte(struct http1_side *s, u8 b)
{
	if (b == ',' || b == '\n') {
		if (s->word[1] == HTTP1_CHUNKED_WORD)
			s->framing = (s->framing & ~HTTP1_CODING) | HTTP1_CHUNKED;
		else if (s->word[1])
			/* empty elements are passed over (RFC 9110, section 5.6.1.2) */
			s->framing = (s->framing & ~HTTP1_CHUNKED) | HTTP1_CODING;
		s->word[1] = 0;
		s->digits = 0;
	} else if (b == ' ' || b == '\t' || b == '\r') {
		if (s->word[1])
			s->digits = FIELD_ENDED;
	} else {
		/* The eighth letter from the end stays: no longer word is taken for it. */
		s->word[1] = (s->word[1] & 0xff00000000000000ULL ? 0xff00000000000000ULL :
								   s->word[1] << 8) |
			     http1_lower(b);
		if (s->digits) /* a blank within */
			s->word[1] |= 0xff00000000000000ULL;
	}
}

/*
 * http1_field_byte takes one byte of a line for which http1_field_of() is not 0, the first
 * included. It returns false behind the last one that matters: `field` is FIELD_AFTER then if the
 * line is over and was that field, 0 if it is another field, and `line` is as http1_head_end() has
 * it.
 */
static __always_inline bool http1_field_byte(struct http1_side *s, u8 b)
{
	u8 which = s->field & 0xc0, matched = s->field & FIELD_MATCHED;

	if (http1_name_byte(which, matched)) {
		u8 want = http1_name_byte(which, matched);

		if (b == want || (want >= 'a' && http1_lower(b) == want)) {
			s->field = which | (matched + 1);
			return true;
		}
		/*
		 * Blanks in front of the colon are forbidden (RFC 9112, section 5.1), and not
		 * treated alike by all.
		 */
		if ((b == ' ' || b == '\t') && want == ':' && which != FIELD_EXPECT)
			s->framing |= HTTP1_BAD;
		s->field = 0;
		s->line = b == '\n' ? HTTP1_LINE_LF : HTTP1_LINE_SOME;
		return false;
	}
	if (which == FIELD_LENGTH)
		http1_length_byte(s, b);
	else if (which == FIELD_CODING)
		http1_coding_byte(s, b);
	else
		s->framing |= HTTP1_EXPECT;
	if (b != '\n')
		return true;
	s->field = FIELD_AFTER;
	s->line = HTTP1_LINE_LF;
	return false;
}

/* Takes the byte behind a line that mattered. */
static __always_inline void http1_behind_field(struct http1_side *s, u8 b)
{
	s->field = 0;
	if (b == ' ' || b == '\t')
		s->framing |= HTTP1_BAD;
}

/*
 * Where, in the 8 bytes of W, a line begins with a letter for which http1_field_of() is not 0: 0x80
 * in such bytes. LF: http1_bytes_equal(W, '\n'); LINE: the state before W.
 */
static __always_inline u64 http1_candidates(u64 w, u64 lf, u8 line, bool is_response)
{
	u64 starts = lf << 8 | (u64)(line & HTTP1_LINE_LF) << 7, x = w | 0x2020202020202020ULL,
	    found;

	found = http1_bytes_equal(x, 'c') | http1_bytes_equal(x, 't');
	found |= http1_bytes_equal(x, 'e') & ((u64)is_response - 1); /* requests only */
	return starts & found;
}

/* Whether a line may be one of the fields by its first 16 bytes LO and HI, which are all there. */
static __always_inline bool http1_may_be_field(u64 lo, u64 hi, bool is_response)
{
	u64 lower = lo | 0x2020202020202020ULL;

	if (HTTP1_BEGINS(lower, "content-", 8))
		return http1_lower(hi) == 'l';
	if (HTTP1_BEGINS(lower, "transfer", 8))
		return (u8)hi == '-';
	return !is_response && HTTP1_BEGINS(lower, "expect: ", 7);
}

/*
 * The usual form of a field, in the first 32 bytes of its line, of which those behind AVAIL are
 * ignored: "Content-Length: 123 CR LF" and "Transfer-Encoding: chunked CR LF", and one byte more.
 * Takes it and returns its length, or returns 0 with nothing done.
 */
static __always_inline u32 http1_usual_field(struct http1_side *s, const u64 w[4], u32 avail)
{
	u64 lower = w[0] | 0x2020202020202020ULL, value = w[2], other, digits, n;

	if (HTTP1_BEGINS(lower, "transfer", 8)) {
		if (!HTTP1_BEGINS(w[1] | 0x2020202020202000ULL, "-encodin", 8) ||
		    !HTTP1_BEGINS(value | 0x2020202020000020ULL, "g: chunk", 8) ||
		    !HTTP1_BEGINS(w[3] | 0x2020, "ed\r\n    ", 4) || (u8)(w[3] >> 32) == ' ' ||
		    (u8)(w[3] >> 32) == '\t' || avail <= 28)
			return 0;
		s->framing = (s->framing & ~HTTP1_CODING) | HTTP1_CHUNKED;
		return 28;
	}
	if (!HTTP1_BEGINS(w[0] | 0x0020202020202020ULL, "content-", 8) ||
	    !HTTP1_BEGINS(w[1] | 0x202020202020ULL, "length: ", 8) || s->framing & HTTP1_LENGTH)
		return 0;
	/* Up to 7 digits, which CR LF and no blank follow. */
	digits = value ^ 0x3030303030303030ULL;
	/* not 0 in bytes that are no digits */
	other = (digits | (digits + 0x0606060606060606ULL)) & 0xf0f0f0f0f0f0f0f0ULL;
	if (!other)
		return 0;
	/* the lowest of the four bits, if any of them is set */
	other |= other >> 1 | other >> 2 | other >> 3;
	n = http1_lowest((other & 0x1010101010101010ULL) << 3) & 7;
	if (!n || avail <= 16 + n + 2)
		return 0;
	lower = value >> 8 * n;
	if (n > 5)
		lower |= w[3] << (64 - 8 * n);
	if ((u16)lower != ('\r' | '\n' << 8) || (u8)(lower >> 16) == ' ' ||
	    (u8)(lower >> 16) == '\t')
		return 0;
	/* The digits at the high end, zeros before them: pairs, fours, eight. */
	value = digits << (64 - 8 * n);
	value = (value * 10 + (value >> 8)) & 0x00ff00ff00ff00ffULL;
	value = (value * 100 + (value >> 16)) & 0x0000ffff0000ffffULL;
	s->left = (u32)(value * 10000 + (value >> 32));
	s->framing |= HTTP1_LENGTH;
	return 16 + n + 2;
}

/*
 * The head has ended: what follows it. Returns whether the message is over. A response without a
 * length goes on until the connection ends.
 */
static __always_inline bool http1_head_ends(struct http1_side *s, bool is_response)
{
	u8 framing = s->framing, answers = is_response ? s->answers : HTTP1_ANSWERS_USUAL;

	s->framing = framing & HTTP1_EXPECT;
	s->line = 0;
	if (answers == HTTP1_ANSWERS_EMPTY || answers == HTTP1_ANSWERS_TUNNEL) {
		s->left = 0;
	} else if (framing & HTTP1_BAD || answers == HTTP1_ANSWERS_UNKNOWN) {
		s->left = 0;
		s->phase = HTTP1_UNKNOWN;
		return false;
	} else if (framing & HTTP1_CHUNKED) {
		s->left = 0;
		s->phase = HTTP1_CHUNK_LINE;
		return false;
	} else if (framing & HTTP1_CODING) { /* requests: a server answers it with 400 and closes */
		s->left = 0;
		s->phase = is_response ? HTTP1_CLOSE : HTTP1_UNKNOWN;
		return false;
	} else if (!(framing & HTTP1_LENGTH)) {
		s->left = 0;
		if (is_response) {
			s->phase = HTTP1_CLOSE;
			return false;
		}
	}
	s->phase = s->left ? HTTP1_BODY : HTTP1_START;
	return !s->left;
}

/* The line of a chunk: 1*HEXDIG [ extensions ] CRLF (RFC 9112, section 7.1). */
enum http1_chunk {
	CHUNK_FIRST, /* a digit has to come */
	CHUNK_SIZE,  /* another one, or what ends the size */
	CHUNK_EXTENSION,
};

/* Takes one byte of a chunk's line; returns whether that was the last. */
static __always_inline bool http1_chunk_byte(struct http1_side *s, u8 b)
{
	u8 digit = b - '0';

	if (b == '\n' && s->line != CHUNK_FIRST) {
		if (s->left) {
			s->left += 2; /* CR LF behind the data */
			s->phase = HTTP1_CHUNK;
		} else {
			s->phase = HTTP1_TRAILER;
			s->line = HTTP1_LINE_LF;
		}
		return true;
	}
	if (s->line == CHUNK_EXTENSION)
		return false;
	if (digit > 9) {
		digit = http1_lower(b) - 'a' + 10;
		if (digit < 10 || digit > 15)
			digit = 16;
	}
	if (digit < 16 && s->left >> 59 == 0) {
		s->left = s->left << 4 | digit;
		s->line = CHUNK_SIZE;
	} else if (digit == 16 && s->line == CHUNK_SIZE &&
		   (b == ';' || b == '\r' || b == ' ' || b == '\t')) {
		s->line = CHUNK_EXTENSION;
	} else {
		s->left = 0;
		s->phase = HTTP1_UNKNOWN;
		return true;
	}
	return false;
}

/* N bytes of a body pass, at most `left`. Returns whether the message is over. */
static __always_inline bool http1_skip(struct http1_side *s, u64 n)
{
	s->left -= n;
	if (s->left)
		return false;
	s->line = 0;
	if (s->phase == HTTP1_CHUNK) {
		s->phase = HTTP1_CHUNK_LINE;
		return false;
	}
	s->phase = HTTP1_START;
	return true;
}

/* Whether a message has begun, and is known not to be over. */
static __always_inline bool http1_is_within(const struct http1_side *s)
{
	return s->phase != HTTP1_START && s->phase < HTTP1_CLOSE;
}

/* Whether bytes of a known number come next, whatever they are. */
static __always_inline bool http1_has_body(const struct http1_side *s)
{
	return s->left && (s->phase == HTTP1_BODY || s->phase == HTTP1_CHUNK);
}

/* Whether N bytes, unseen or not, are all of a body that is known. */
static __always_inline bool http1_covers(const struct http1_side *s, u64 n)
{
	return (s->phase == HTTP1_BODY || s->phase == HTTP1_CHUNK) && s->left >= n;
}

#endif

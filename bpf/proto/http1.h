/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * HTTP/1.0 and 1.1 (RFC 9112), as much of it as fits the first 16 bytes of a
 * message, and the search for the end of a head.
 *
 * Pure functions: bytes in, verdict out. The same file is compiled for BPF and,
 * with sanitizers and a fuzzer, for the host. It needs u8 to u64 defined.
 */
#ifndef FATHOM_HTTP1_H
#define FATHOM_HTTP1_H

#define HTTP1_PREFIX 16

enum http1_verdict {
	HTTP1_NO,      /* cannot be the beginning of such a message */
	HTTP1_PARTIAL, /* all bytes so far fit; more are needed */
	HTTP1_YES,
};

/* RFC 9110, section 9, and RFC 5789 (PATCH). Everything else is METHOD_OTHER. */
enum http_method {
	METHOD_OTHER,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_CONNECT,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_PATCH,
	METHOD_UNKNOWN, /* HTTP/2: it refers to what was sent before it could be seen */
	METHOD_COUNT,
};

/* A status code outside 100-599, or something else in its place. */
#define STATUS_OTHER 0xffff

/* The first 8 characters of S as the little-endian word that they make. */
#define HTTP1_WORD(s)                                                                             \
	((u64)(u8)(s)[0] | (u64)(u8)(s)[1] << 8 | (u64)(u8)(s)[2] << 16 | (u64)(u8)(s)[3] << 24 | \
	 (u64)(u8)(s)[4] << 32 | (u64)(u8)(s)[5] << 40 | (u64)(u8)(s)[6] << 48 |                  \
	 (u64)(u8)(s)[7] << 56)
/* A word of which the lowest N (1 to 8) bytes are all ones. */
#define HTTP1_LOW_BYTES(n) (~0ULL >> (64 - 8 * (n)))
/* Whether the word W begins with the N (1 to 8) first characters of S (8 long). */
#define HTTP1_BEGINS(w, s, n) (!(((w) ^ HTTP1_WORD(s)) & HTTP1_LOW_BYTES(n)))

/* Byte I (0 to 15) of the message whose first 16 bytes are the words LO and HI. */
static __always_inline u8 http1_byte(u64 lo, u64 hi, u32 i)
{
	return (i < 8 ? lo : hi) >> (8 * (i & 7));
}

/*
 * http1_append puts PIECE behind the first HAVE (0 to 15) bytes of a message, both 16
 * bytes as two words; those that no longer fit are dropped. Bytes that are not there
 * yet have to be zero.
 */
static __always_inline void http1_append(u64 prefix[2], u32 have, const u64 piece[2])
{
	if (!have) {
		prefix[0] = piece[0];
		prefix[1] = piece[1];
	} else if (have < 8) {
		prefix[0] |= piece[0] << 8 * have;
		prefix[1] |= piece[1] << 8 * have | piece[0] >> (64 - 8 * have);
	} else {
		prefix[1] |= piece[0] << (8 * have - 64);
	}
}

/*
 * Whether the word W, of which N (1 to 8) bytes count, begins with http:// or
 * https://. FITS is how many bytes there can be: where the scheme is longer, what
 * fits decides.
 */
static __always_inline int http1_absolute(u64 w, u32 n, u32 fits)
{
	u64 plain = w | 0x20202020, tls = w | 0x2020202020; /* a scheme is of any case */
	u32 seven = n < 7 ? n : 7;

	if (HTTP1_BEGINS(plain, "http:// ", seven))
		return seven == 7 || n >= fits ? HTTP1_YES : HTTP1_PARTIAL;
	if (HTTP1_BEGINS(tls, "https://", n))
		return n == 8 || n >= fits ? HTTP1_YES : HTTP1_PARTIAL;
	return HTTP1_NO;
}

/* CONNECT takes the authority-form: host:port, or [IPv6 address]:port. */
static __always_inline int http1_is_authority(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '[';
}

/* The method whose name is the first N bytes of W. */
static __always_inline u8 http1_method(u64 w, u32 n)
{
	switch (n) {
	case 3:
		if (HTTP1_BEGINS(w, "GET     ", 3))
			return METHOD_GET;
		if (HTTP1_BEGINS(w, "PUT     ", 3))
			return METHOD_PUT;
		break;
	case 4:
		if (HTTP1_BEGINS(w, "HEAD    ", 4))
			return METHOD_HEAD;
		if (HTTP1_BEGINS(w, "POST    ", 4))
			return METHOD_POST;
		break;
	case 5:
		if (HTTP1_BEGINS(w, "PATCH   ", 5))
			return METHOD_PATCH;
		if (HTTP1_BEGINS(w, "TRACE   ", 5))
			return METHOD_TRACE;
		break;
	case 6:
		if (HTTP1_BEGINS(w, "DELETE  ", 6))
			return METHOD_DELETE;
		break;
	case 7:
		if (HTTP1_BEGINS(w, "OPTIONS ", 7))
			return METHOD_OPTIONS;
		if (HTTP1_BEGINS(w, "CONNECT ", 7))
			return METHOD_CONNECT;
		break;
	}
	return METHOD_OTHER;
}

/*
 * http1_target tells whether a request target (RFC 9112, section 3.2) begins at byte I
 * (4 to 15) of a message; LO, HI and LEN (more than I) are as for http1_request. Being
 * strict here is what keeps "EHLO host", "SELECT * FROM" and words of a body out:
 * asterisk-form is for OPTIONS alone, and RTSP has that too; absolute-form has http or
 * https.
 */
static __always_inline int http1_target(u64 lo, u64 hi, u32 len, u32 i, u8 method)
{
	u32 n = len - i < 8 ? len - i : 8;
	u64 w;
	u8 c;

	w = i < 8 ? lo >> 8 * i | hi << (64 - 8 * i) : hi >> (8 * i - 64);
	c = w;
	if (method == METHOD_CONNECT)
		return http1_is_authority(c) ? HTTP1_YES : HTTP1_NO;
	if (c == '/')
		return HTTP1_YES;
	if (c != '*')
		return http1_absolute(w, n, HTTP1_PREFIX - i);
	if (method != METHOD_OPTIONS || !HTTP1_BEGINS(w, "* HTTP/1", n))
		return HTTP1_NO;
	return n == 8 ? HTTP1_YES : HTTP1_PARTIAL;
}

/*
 * http1_request tells whether a message is a request, and its method. LO and HI
 * are its first 16 bytes as little-endian words, LEN (1 to 16) how many of them
 * there are; the others are ignored. A method has 3 to 14 characters: upper case,
 * behind the first also - and _ (a diff begins with "--- /").
 */
static __always_inline int http1_request(u64 lo, u64 hi, u32 len, u8 *method)
{
	u8 c = lo;
	u32 i;

	*method = METHOD_GET;
	if (len >= 5 && HTTP1_BEGINS(lo, "GET /   ", 5))
		return HTTP1_YES;
	*method = METHOD_OTHER;
	if (c < 'A' || c > 'Z')
		return HTTP1_NO;
	for (i = 1; i < HTTP1_PREFIX - 1; i++) {
		if (i >= len)
			return HTTP1_PARTIAL;
		c = http1_byte(lo, hi, i);
		if (c == ' ')
			break;
		if (!((c >= 'A' && c <= 'Z') || c == '-' || c == '_'))
			return HTTP1_NO;
	}
	if (i < 3 || i == HTTP1_PREFIX - 1)
		return HTTP1_NO;
	/* Reserved for the preface of HTTP/2 (RFC 9113, section 11.6). */
	if (i == 3 && HTTP1_BEGINS(lo, "PRI     ", 3))
		return HTTP1_NO;
	if (i + 1 >= len)
		return HTTP1_PARTIAL;
	*method = http1_method(lo, i);
	return http1_target(lo, hi, len, i + 1, *method);
}

/*
 * http1_any_request names the method of what is a request because of its place, by its first LEN (1
 * to 8 count) bytes LO: METHOD_OTHER for what is none that has a name here, or nothing like a
 * method at all. HTTP1_PARTIAL while more bytes are needed, of which none is CR or LF.
 */
static __always_inline int http1_any_request(u64 lo, u32 len, u8 *method)
{
	u32 i;
	u8 c;

	*method = METHOD_OTHER;
	for (i = 0; i < 8; i++) {
		if (i >= len)
			return HTTP1_PARTIAL;
		c = lo >> 8 * i;
		if (c < 'A' || c > 'Z')
			break;
	}
	if (i < 8 && c == ' ')
		*method = http1_method(lo, i);
	return HTTP1_YES;
}

/* How many of the first LEN (1 to 8 count) bytes of LO are CR or LF, up to another. */
static __always_inline u32 http1_blank(u64 lo, u32 len)
{
	u32 i;

	for (i = 0; i < 8; i++) {
		if (i >= len || ((u8)lo != '\r' && (u8)lo != '\n'))
			break;
		lo >>= 8;
	}
	return i;
}

/*
 * http1_response tells whether a message is a response, and its status: 100 to
 * 599, or STATUS_OTHER. LO, HI and LEN are as for http1_request.
 * HTTP/1. DIGIT SP 3DIGIT, and no fourth digit (RFC 9112, section 4); some servers
 * leave the space behind the status out.
 */
static __always_inline int http1_response(u64 lo, u64 hi, u32 len, u16 *status)
{
	u32 n = len < 7 ? len : 7;
	u8 minor = (u8)(lo >> 56) - '0', a, b, c, end;

	if (!HTTP1_BEGINS(lo, "HTTP/1. ", n) || (len >= 8 && minor > 9))
		return HTTP1_NO;
	if (len < 13)
		return HTTP1_PARTIAL;
	a = (u8)(hi >> 8) - '0';
	b = (u8)(hi >> 16) - '0';
	c = (u8)(hi >> 24) - '0';
	end = hi >> 32;
	*status = STATUS_OTHER;
	if ((u8)hi == ' ' && a >= 1 && a <= 5 && b <= 9 && c <= 9 &&
	    (end == ' ' || end == '\r' || end == '\n'))
		*status = a * 100 + b * 10 + c;
	return HTTP1_YES;
}

/*
 * State of the search for the end of a head: an empty line. A bare LF ends a line
 * too (RFC 9112, section 2.2).
 */
enum http1_line {
	HTTP1_LINE_SOME = 0,  /* within a line */
	HTTP1_LINE_LF = 1,    /* behind LF */
	HTTP1_LINE_LF_CR = 2, /* behind LF CR */
};

/* A word whose bytes are 0x80 where those of W equal C, else 0 (exact). */
static __always_inline u64 http1_bytes_equal(u64 w, u8 c)
{
	u64 low = 0x7f7f7f7f7f7f7f7fULL;
	u64 x = w ^ (0x0101010101010101ULL * c);

	return ~(((x & low) + low) | x | low);
}

/* The number of the lowest byte of FOUND that is 0x80, without branches; FOUND is not 0. */
static __always_inline u32 http1_lowest(u64 found)
{
	return (((found & -found) >> 7) * 0x0001020304050607ULL) >> 56;
}

/*
 * http1_head_end looks for the end of a head in the 8 bytes of W (the first is
 * the lowest), of which N (1 to 8) count. It returns the number of bytes up to
 * and with the end, or 0. STATE carries over from word to word.
 */
static __always_inline u32 http1_head_end(u64 w, u32 n, u8 *state)
{
	u64 lf, cr, end, lf1, cr1, lf2;

	if (n < 8)
		w &= HTTP1_LOW_BYTES(n);
	lf = http1_bytes_equal(w, '\n');
	if (!lf && *state == HTTP1_LINE_SOME)
		return 0;
	cr = http1_bytes_equal(w, '\r');
	lf1 = lf << 8;
	cr1 = cr << 8;
	lf2 = lf << 16;
	/* By bits of the state, without branches: the verifier follows each of them. */
	lf1 |= (u64)(*state & HTTP1_LINE_LF) << 7;
	lf2 |= (u64)(*state & HTTP1_LINE_LF) << 15 | (u64)(*state & HTTP1_LINE_LF_CR) << 6;
	cr1 |= (u64)(*state & HTTP1_LINE_LF_CR) << 6;
	end = lf & (lf1 | (cr1 & lf2));
	if (end) {
		*state = HTTP1_LINE_SOME;
		return http1_lowest(end) + 1;
	}
	/* What the last of the N bytes, and the one before it, were. */
	n = 8 * (n - 1) + 7;
	*state = (lf >> (n & 63) & 1) * HTTP1_LINE_LF |
		 ((cr & lf1) >> (n & 63) & 1) * HTTP1_LINE_LF_CR;
	return 0;
}

#endif

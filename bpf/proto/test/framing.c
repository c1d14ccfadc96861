// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Where a message ends: the functions of http1_framing.h, put together as bpf/http1/scan.h does
 * it, against a parser that has the whole message before it.
 */
#include "harness.h"
#include "../http1_head.h"

/* A message from within its first line on. */
struct text {
	const u8 *data;
	size_t length;
	bool is_response;
	u8 answers; /* enum http1_answers */
};

/*
 * What a parser makes of it: where the head and the message end (0: not in these bytes), and what
 * follows.
 */
struct outcome {
	size_t head_end, end;
	u64 left;
	u8 phase;
	u8 framing; /* what is known behind the head */
};

/* The reference. */

static bool is_blank(u8 c)
{
	return c == ' ' || c == '\t' || c == '\r'; /* a bare CR is to be taken for a space */
}

/* Whether the N bytes at P begin with NAME, which is lower case; letters may be upper case. */
static bool has_name(const u8 *p, size_t n, const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		u8 c = i < n ? p[i] : 0;

		if (c >= 'A' && c <= 'Z')
			c = c - 'A' + 'a';
		if (i >= n || c != (u8)name[i])
			return false;
	}
	return true;
}

/* What the fields of a head have said. */
struct fields {
	bool bad, has_length, has_coding, is_chunked, expect;
	u64 length;
};

/* Calls TAKE for each element of a list, without the blanks around it. */
static void each_element(const u8 *p, size_t n, struct fields *f,
			 void (*take)(struct fields *f, const u8 *p, size_t n))
{
	size_t from = 0, to, comma;

	do {
		for (comma = from; comma < n && p[comma] != ','; comma++)
			;
		for (to = comma; to > from && is_blank(p[to - 1]); to--)
			;
		while (from < to && is_blank(p[from]))
			from++;
		take(f, p + from, to - from);
		from = comma + 1;
	} while (comma < n);
}

/* Several values have to be the same (RFC 9110, section 8.6). */
static void take_length(struct fields *f, const u8 *p, size_t n)
{
	u64 value = 0;

	f->bad |= !n || n > 18;
	for (size_t i = 0; i < n; i++) {
		f->bad |= p[i] < '0' || p[i] > '9';
		value = value * 10 + (p[i] - '0');
	}
	f->bad |= f->has_length && value != f->length;
	f->has_length = true;
	f->length = value;
}

/*
 * The last one counts (RFC 9112, section 6.3); empty elements do not (RFC 9110, section 5.6.1.2).
 */
static void take_coding(struct fields *f, const u8 *p, size_t n)
{
	if (!n)
		return;
	f->has_coding = true;
	f->is_chunked = n == 7 && has_name(p, n, "chunked");
}

/* A line of N bytes without its LF, and whether the next one continues it. */
static void take_line(struct fields *f, const u8 *p, size_t n, bool is_response, bool is_folded)
{
	static const char *const names[] = {"content-length", "transfer-encoding", "expect"};

	for (size_t i = 0; i < COUNT(names); i++) {
		size_t at = strlen(names[i]);

		if (!has_name(p, n, names[i]) || at >= n || (is_response && i == 2))
			continue;
		if (i < 2 && (p[at] == ' ' || p[at] == '\t')) /* RFC 9112, section 5.1: forbidden */
			f->bad = true;
		if (p[at] != ':')
			continue;
		f->bad |= is_folded;
		f->expect |= i == 2;
		if (i < 2)
			each_element(p + at + 1, n - at - 1, f, i ? take_coding : take_length);
	}
}

/* The line that begins at FROM ends before this byte; LENGTH if it does not end. */
static size_t line_end(const struct text *t, size_t from)
{
	while (from < t->length && t->data[from] != '\n')
		from++;
	return from;
}

static bool is_empty(const struct text *t, size_t from, size_t to)
{
	return from == to || (to == from + 1 && t->data[from] == '\r');
}

/*
 * Reads lines from *AT up to an empty one, behind which *AT is then; F may be NULL. False: it
 * does not come.
 */
static bool read_lines(const struct text *t, size_t *at, struct fields *f)
{
	for (;;) {
		size_t to = line_end(t, *at), from = *at;

		if (to == t->length)
			return false;
		*at = to + 1;
		if (is_empty(t, from, to))
			return true;
		if (f && *at < t->length)
			take_line(f, t->data + from, to - from, t->is_response,
				  t->data[*at] == ' ' || t->data[*at] == '\t');
	}
}

static int hex_digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads the chunks behind a head. */
static void read_chunks(const struct text *t, size_t at, struct outcome *o)
{
	for (;;) {
		size_t from = at;
		u64 size = 0;

		o->phase = HTTP1_CHUNK_LINE;
		for (; at < t->length && hex_digit(t->data[at]) >= 0; at++) {
			if (size >= 1ULL << 59) {
				o->left = 0; /* more than can be counted */
				o->phase = HTTP1_UNKNOWN;
				return;
			}
			size = size * 16 + hex_digit(t->data[at]);
		}
		o->left = size;
		if (at == t->length)
			return;
		if (at == from ||
		    (t->data[at] != ';' && !is_blank(t->data[at]) && t->data[at] != '\n')) {
			o->left = 0;
			o->phase = HTTP1_UNKNOWN;
			return;
		}
		at = line_end(t, at);
		if (at++ == t->length)
			return;
		if (!size)
			break;
		size += 2;
		if (t->length - at < size) {
			o->phase = HTTP1_CHUNK;
			o->left = size - (t->length - at);
			return;
		}
		at += size;
	}
	o->phase = HTTP1_TRAILER;
	if (read_lines(t, &at, NULL)) {
		o->phase = HTTP1_START;
		o->end = at;
	}
}

static struct outcome reference(const struct text *t)
{
	struct outcome o = {.phase = HTTP1_HEAD};
	size_t at = line_end(t, 0) + 1; /* the first line is no field */
	struct fields f = {};

	if (at >= t->length || !read_lines(t, &at, &f))
		return o;
	o.head_end = at;
	o.framing = f.expect ? HTTP1_EXPECT : 0;
	if (t->is_response &&
	    (t->answers == HTTP1_ANSWERS_EMPTY || t->answers == HTTP1_ANSWERS_TUNNEL)) {
		o.phase = HTTP1_START;
		o.end = at;
	} else if (f.bad || (f.has_coding && !f.is_chunked && !t->is_response)) {
		o.phase = HTTP1_UNKNOWN;
	} else if (f.has_coding && f.is_chunked) {
		read_chunks(t, at, &o);
	} else if (f.has_coding || (t->is_response && !f.has_length)) {
		o.phase = HTTP1_CLOSE;
	} else if (t->length - at < f.length) {
		o.phase = HTTP1_BODY;
		o.left = f.length - (t->length - at);
	} else {
		o.phase = HTTP1_START;
		o.end = at + f.length;
	}
	return o;
}

/* The functions, put together. */

/* Up to 32 bytes at DATA as words. */
static void load_words(u64 words[4], const u8 *data, size_t n)
{
	memset(words, 0, 4 * sizeof(u64));
	memcpy(words, data, n < 32 ? n : 32);
}

/*
 * Looks through N bytes of a head, or trailer. Returns how many it used, up to the end (the phase
 * is HTTP1_START then), or a line that may be a field (HTTP1_FIELD).
 */
static size_t scan_head(struct http1_side *s, const u8 *data, size_t n, bool is_response)
{
	size_t at = 0;

	while (at < n) {
		u32 bytes = n - at < 8 ? n - at : 8, end;
		u8 before = s->line;
		u64 words[4], found;
		size_t field;

		load_words(words, data + at, bytes);
		end = http1_head_end(words[0], bytes, &s->line);
		if (end) {
			s->phase = HTTP1_START;
			return at + end;
		}
		found = s->phase == HTTP1_HEAD ?
				http1_candidates(words[0], http1_bytes_equal(words[0], '\n'),
						 before, is_response) :
				0;
		field = found ? at + http1_lowest(found) : 0;
		if (found && n - field >= 16) {
			load_words(words, data + field, 16);
			if (!(found & (found - 1)) &&
			    !http1_may_be_field(words[0], words[1], is_response))
				found = 0;
		}
		if (!found) {
			at += bytes;
			continue;
		}
		s->line = HTTP1_LINE_LF;
		if (n - field >= 32) {
			load_words(words, data + field, 32);
			end = http1_usual_field(s, words, 32);
			if (end) {
				at = field + end;
				continue;
			}
		}
		s->phase = HTTP1_FIELD;
		s->field = 0;
		return field;
	}
	return at;
}

/* Takes N bytes of a line that may be a field. */
static size_t scan_field(struct http1_side *s, const u8 *data, size_t n, bool is_response)
{
	if (s->field == FIELD_AFTER) {
		http1_behind_field(s, data[0]);
		s->phase = HTTP1_HEAD;
		return 0;
	}
	if (!s->field) {
		s->field = http1_field_of(data[0], is_response);
		s->digits = 0;
		s->word[0] = 0;
		s->word[1] = 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (http1_field_byte(s, data[i]))
			continue;
		if (s->field != FIELD_AFTER)
			s->phase = HTTP1_HEAD;
		return i + 1;
	}
	return n;
}

/* Whether the message is over with its head, whose end is behind AT bytes. */
static bool take_head_end(struct http1_side *s, struct outcome *o, size_t at, bool is_response)
{
	o->head_end = at;
	if (!http1_head_ends(s, is_response))
		return false;
	o->end = at;
	return true;
}

/*
 * Looks through N bytes of a head from within a line on, as bpf/http1/quick.h does it. Returns how
 * many were used; ENDS: up to the end of the head.
 */
static size_t scan_usual(struct http1_side *s, const u8 *data, size_t n, bool is_response,
			 bool *ends)
{
	struct http1_head h;
	size_t at = 0;

	*ends = false;
	while (at < n && !*ends) {
		u32 have = n - at < HEAD_BYTES ? n - at : HEAD_BYTES;

		memset(h.bytes, '\n', sizeof(h.bytes)); /* which must not be looked at */
		memcpy(h.bytes, data + at, have);
		http1_clear_behind(&h, have);
		http1_usual_head(s, &h, have, is_response);
		if (!h.used)
			break;
		*ends = h.used & HEAD_END;
		at += h.used & ~HEAD_END;
	}
	return at;
}

/* Whether usual heads are taken as such. */
static bool usual_first;

/*
 * Takes the bytes from AT to TO, which come in one piece; returns whether what follows is no
 * matter any more.
 */
static bool take_piece(struct http1_side *s, struct outcome *o, const struct text *t, size_t at,
		       size_t to)
{
	while (at < to) {
		const u8 *data = t->data + at;
		size_t n = to - at;
		u8 phase = s->phase;
		bool ends;

		if (usual_first && phase == HTTP1_HEAD && s->line == HTTP1_LINE_SOME) {
			at += scan_usual(s, data, n, t->is_response, &ends);
			if (ends && take_head_end(s, o, at, t->is_response))
				return true;
			if (ends)
				continue;
			data = t->data + at;
			n = to - at;
			if (!n)
				break;
		}
		switch (phase) {
		case HTTP1_HEAD:
		case HTTP1_TRAILER:
			at += scan_head(s, data, n, t->is_response);
			if (s->phase != HTTP1_START)
				break;
			if (phase == HTTP1_HEAD && !take_head_end(s, o, at, t->is_response))
				break;
			o->end = at;
			return true;
		case HTTP1_FIELD:
			at += scan_field(s, data, n, t->is_response);
			break;
		case HTTP1_CHUNK_LINE:
			http1_chunk_byte(s, *data);
			at++;
			break;
		case HTTP1_BODY:
		case HTTP1_CHUNK:
			if (http1_covers(s, n) != (s->left >= n) || !http1_has_body(s))
				abort();
			n = s->left < n ? s->left : n;
			at += n;
			if (!http1_skip(s, n))
				break;
			o->end = at;
			return true;
		default: /* HTTP1_CLOSE, HTTP1_UNKNOWN */
			return true;
		}
	}
	return false;
}

/* The message comes in pieces, the first of FIRST bytes and the others of STRIDE. */
static struct outcome parse(const struct text *t, size_t first, size_t stride)
{
	struct http1_side s = {.answers = t->answers};
	struct outcome o = {};
	size_t at = 0, to;

	http1_expect_message(&s);
	http1_expect_head(&s);
	for (to = first; at < t->length; at = to, to += stride) {
		if (to > t->length)
			to = t->length;
		if (take_piece(&s, &o, t, at, to))
			break;
	}
	o.phase = s.phase == HTTP1_FIELD ? HTTP1_HEAD : s.phase;
	o.framing = o.head_end ? s.framing : 0;
	o.left = o.phase == HTTP1_HEAD ? 0 : s.left;
	return o;
}

static const char *difference(const struct outcome *a, const struct outcome *b)
{
	if (a->head_end != b->head_end)
		return "framing: end of the head";
	if (a->phase != b->phase)
		return "framing: what follows";
	if (a->end != b->end)
		return "framing: end of the message";
	if (a->left != b->left)
		return "framing: how much follows";
	return a->framing != b->framing ? "framing: Expect" : NULL;
}

static const char *mismatch_pieces(const struct text *t)
{
	static const size_t strides[] = {1, 2, 3, 5, 7, 8, 9, 16, 31, 33};
	struct outcome want = reference(t), got;
	const char *what;

	for (size_t i = 0; i < COUNT(strides); i++) {
		got = parse(t, strides[i] / 2 + 1, strides[i]);
		what = difference(&want, &got);
		if (what)
			return what;
	}
	for (size_t first = 1; first <= t->length; first++) { /* in two pieces, and in one */
		got = parse(t, first, t->length);
		what = difference(&want, &got);
		if (what)
			return what;
	}
	return NULL;
}

static const char *mismatch_text(const struct text *t)
{
	const char *what;

	usual_first = false;
	what = mismatch_pieces(t);
	usual_first = true;
	return what ? what : mismatch_pieces(t);
}

/* The first byte tells what kind of message the others are. */
static const char *mismatch(const u8 *data, size_t length)
{
	struct text t = {.data = data + 1, .length = length - 1};

	if (length < 2)
		return NULL;
	if (t.length > 1024)
		t.length = 1024;
	t.is_response = data[0] & 1;
	t.answers = data[0] >> 1 & 3;
	return mismatch_text(&t);
}

#ifndef FUZZ

#define MAX_TEXT 512

/* All of mismatch_text() as both kinds of message. */
static const char *mismatch_both(const void *data, size_t length)
{
	struct text t = {.data = data, .length = length};
	const char *what = mismatch_text(&t);

	t.is_response = true;
	return what ? what : mismatch_text(&t);
}

/*
 * What follows a head with these fields, in a request and in a response. BODY: LEFT bytes; a
 * chunk line or the end of the connection where it says so.
 */
static void test_table(void)
{
	static const struct {
		const char *fields;
		u8 request, response;
		u64 left;
	} tests[] = {
		{"", HTTP1_START, HTTP1_CLOSE, 0},
		{"Host: h\r\nAccept: */*\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		/* Content-Length */
		{"Content-Length: 0\r\n", HTTP1_START, HTTP1_START, 0},
		{"Content-Length: 5\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"content-length:5\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"CONTENT-LENGTH:\t5 \t\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"Content-Length: 1234567\r\n", HTTP1_BODY, HTTP1_BODY, 1234567},
		{"Content-Length: 12345678\r\n", HTTP1_BODY, HTTP1_BODY, 12345678},
		{"Content-Length: 0000000000000000005\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 000000000000000005\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"Content-Length: 999999999999999999\r\n", HTTP1_BODY, HTTP1_BODY,
		 999999999999999999},
		{"Content-Length: 1000000000000000000\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 18446744073709551616\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 18446744073709551621\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length:\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: \r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: -5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: +5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5a\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 0x5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5.0\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5 5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: \"5\"\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length : 5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length\t: 5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		/* Several */
		{"Content-Length: 5, 5\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"Content-Length: 5,5,05\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"Content-Length: 5, 6\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5,\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: ,5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5\r\nContent-Length: 5\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"Content-Length: 5\r\nA: b\r\ncontent-length: 6\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN,
		 0},
		{"Content-Length: 0\r\nContent-Length: 6\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		/* Other fields */
		{"Content-Lengths: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"Content-Lengt: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"Content-Length\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"X-Content-Length: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{" Content-Length: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"A: b\rContent-Length: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"Content_Length: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"Content\rLength: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"TE: chunked\r\nTrailer: a\r\nContent-Type: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		{"Transfer\rEncoding: chunked\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		/* Transfer-Encoding */
		{"Transfer-Encoding: chunked\r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"transfer-encoding:CHUNKED\r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: \tchunked \t \r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: gzip, chunked\r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: gzip,chunked,\r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: , chunked , ,\r\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", HTTP1_CHUNK_LINE,
		 HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", HTTP1_UNKNOWN,
		 HTTP1_CLOSE, 0},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: \r\n", HTTP1_CHUNK_LINE,
		 HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: chunked, gzip\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: gzip\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: xchunked\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: chunkedx\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: xxxxxxxxxxxxxxxxchunked\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: chun ked\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: x chunked\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: chunked;q=1\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: \"chunked\"\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: identity\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: Chun\x0bKed\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding : chunked\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Transfer-Encoding:\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		/* Both */
		{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTP1_CHUNK_LINE,
		 HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", HTTP1_CHUNK_LINE,
		 HTTP1_CHUNK_LINE, 0},
		{"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", HTTP1_UNKNOWN, HTTP1_CLOSE, 0},
		{"Transfer-Encoding: chunked\r\nContent-Length: -5\r\n", HTTP1_UNKNOWN,
		 HTTP1_UNKNOWN, 0},
		/* Continued lines: obs-fold */
		{"Content-Length: 5\r\n 6\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length:\r\n 5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Content-Length: 5\r\n\t\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Transfer-Encoding: chunked\r\n , gzip\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"Transfer-Encoding: gzip,\r\n\tchunked\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0},
		{"A: b\r\n Content-Length: 5\r\n", HTTP1_START, HTTP1_CLOSE, 0},
		/* Lines that end with LF alone */
		{"Content-Length: 5\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"A: b\nTransfer-Encoding: chunked\nC: d\n", HTTP1_CHUNK_LINE, HTTP1_CHUNK_LINE, 0},
		/* Expect says nothing about the body. */
		{"Expect: 100-continue\r\nContent-Length: 5\r\n", HTTP1_BODY, HTTP1_BODY, 5},
		{"expect:100-continue\r\n", HTTP1_START, HTTP1_CLOSE, 0},
	};
	char head[MAX_TEXT];

	for (size_t i = 0; i < COUNT(tests); i++) {
		for (int is_response = 0; is_response < 2; is_response++) {
			size_t n = snprintf(head, sizeof(head), " first line\r\n%s\r\n",
					    tests[i].fields);
			struct text t = {
				.data = (u8 *)head, .length = n, .is_response = is_response};
			u8 phase = is_response ? tests[i].response : tests[i].request;

			for (size_t first = 1; first <= n; first++) {
				struct outcome o = parse(&t, first, n);

				if (o.phase == phase && o.left == tests[i].left && o.head_end == n)
					continue;
				test(false, "framing: what follows", head, n);
				break;
			}
			test(true, "framing: what follows", head, n);
		}
		test(!mismatch_both(head, strlen(head)), "framing: head", head, strlen(head));
	}
}

/*
 * Each byte of the fields replaced by each of the 256: among them those that are made letters and
 * digits by setting 0x20. More comes behind the head, since the usual form is looked for in 32
 * bytes.
 */
static void test_replaced_in(const char *fields)
{
	char head[MAX_TEXT];
	size_t n = snprintf(head, sizeof(head),
			    "\r\n%s\r\n5\r\nabcde\r\n0\r\n\r\n and more, and more of that", fields);
	const char *what = NULL;

	for (size_t at = 2; at < 2 + strlen(fields) && !what; at++) {
		char kept = head[at];

		for (int c = 0; c < 256 && !what; c++) {
			head[at] = c;
			what = mismatch_both(head, n);
		}
		if (!what)
			head[at] = kept;
	}
	test(!what, what, head, n);
}

static void test_replaced(void)
{
	test_replaced_in("Content-Length: 5\r\n");
	test_replaced_in("content-length: 1234567\r\n");
	test_replaced_in("Content-Length: 10, 10\r\n");
	test_replaced_in("Transfer-Encoding: chunked\r\n");
	test_replaced_in("TRANSFER-ENCODING: GZIP, CHUNKED\r\n");
	test_replaced_in("Expect: 100-continue\r\n");
	test_replaced_in("T: e\r\nContent-Length: 5\r\nC: t\r\n");
}

/* All values of up to LENGTH of the N PARTS, between BEFORE and BEHIND. */
static void test_values(const char *before, const char *const *parts, size_t n, size_t length,
			const char *behind)
{
	size_t values = 1;
	char head[MAX_TEXT];

	for (size_t l = 0; l <= length; l++, values *= n) {
		const char *what = NULL;
		size_t bytes = 0;

		for (size_t i = 0; i < values && !what; i++) {
			bytes = snprintf(head, sizeof(head), "%s", before);
			for (size_t j = 0, rest = i; j < l; j++, rest /= n)
				bytes += snprintf(head + bytes, sizeof(head) - bytes, "%s",
						  parts[rest % n]);
			bytes += snprintf(head + bytes, sizeof(head) - bytes, "%s", behind);
			what = mismatch_both(head, bytes);
		}
		test(!what, what, head, bytes);
	}
}

static void test_all_values(void)
{
	static const char *const lengths[] = {"0", "1", "9", " ", "\t", ",", "\r", "-", "\n"};
	static const char *const codings[] = {"chunked", "gzip", ",",	" ",
					      "\t",	 "Chun", "ked", "\r\n"};
	static const char *const sizes[] = {"0", "2", "F", "g", ";", " ", "\r", "\n"};
	static const char *const fields[] = {
		"Content-Length:", "Transfer-Encoding:", "5", "chunked", "\r\n", " ", "e"};

	test_values("\nContent-Length: ", lengths, COUNT(lengths), 4, "\r\n\r\nab");
	test_values("\nContent-Length: 1", lengths, COUNT(lengths), 3,
		    "\r\nHost: of this\r\n\r\nab");
	test_values("\nTransfer-Encoding: ", codings, COUNT(codings), 4, "\r\n\r\n0\r\n\r\n");
	test_values("\nTransfer-Encoding: chunked\r\n\r\n", sizes, COUNT(sizes), 4,
		    "\r\n\r\n\r\n\r\n");
	test_values("\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", sizes, COUNT(sizes), 4,
		    "\r\n\r\n");
	test_values("\n", fields, COUNT(fields), 5, "\r\n\r\n");
}

/*
 * http1_usual_field() takes LINE, of USED bytes, and with any byte of it replaced either does
 * nothing, or what http1_field_byte() does.
 */
static void test_usual(const char *line, u32 used)
{
	u8 text[32];
	u64 words[4];
	bool ok = true;

	for (int i = -256; i < 256 * (int)used && ok; i++) {
		struct http1_side usual = {.phase = HTTP1_HEAD}, bytewise = usual, before = usual;
		u32 got, n = 0;

		memset(text, 'x', sizeof(text));
		memcpy(text, line, strlen(line));
		if (i >= 0)
			text[i / 256] = i;
		load_words(words, text, sizeof(text));
		got = http1_usual_field(&usual, words, 32);
		if (i < 0)
			ok = got == used;
		if (!got) {
			ok = ok && !memcmp(&usual, &before, sizeof(usual));
			continue;
		}
		bytewise.field = http1_field_of(text[0], true);
		while (http1_field_byte(&bytewise, text[n++]))
			;
		ok = ok && n == got && bytewise.field == FIELD_AFTER &&
		     usual.left == bytewise.left && usual.framing == bytewise.framing;
	}
	test(ok, "framing: usual field", text, sizeof(text));
}

static void test_usual_fields(void)
{
	test_usual("Transfer-Encoding: chunked\r\n", 28);
	test_usual("transfer-encoding: CHUNKED\r\n", 28);
	test_usual("Content-Length: 0\r\n", 19);
	test_usual("content-length: 90\r\n", 20);
	test_usual("CONTENT-LENGTH: 123\r\n", 21);
	test_usual("Content-Length: 9999\r\n", 22);
	test_usual("Content-Length: 56789\r\n", 23);
	test_usual("Content-Length: 000001\r\n", 24);
	test_usual("Content-Length: 1234567\r\n", 25);
}

/* Every number of digits, with blanks and without, in the usual form and in others. */
static void test_digits(void)
{
	static const char *const behind[] = {"\r\n",  " \r\n",	"\n", ",\r\n",
					     "\r\n ", "\r\r\n", "\r"};
	char head[MAX_TEXT];

	for (int digits = 1; digits <= 21; digits++) {
		for (size_t i = 0; i < COUNT(behind); i++) {
			const char *what = NULL;
			size_t n = 0;

			for (int round = 0; round < 20 && !what; round++) {
				char number[32];

				for (int j = 0; j < digits; j++)
					number[j] = round ? '0' + random_number() % 10 : '9';
				number[digits] = 0;
				n = snprintf(head, sizeof(head),
					     "\r\nContent-Length: %s%sUser: a\r\n\r\n", number,
					     behind[i]);
				what = mismatch_both(head, n);
			}
			test(!what, what, head, n);
		}
	}
}

/* The size of a chunk, as it is after these lines; 0 is the end, and -1 what cannot be. */
static void test_chunk_sizes(void)
{
	static const struct {
		const char *line;
		u64 size;
	} tests[] = {
		{"0\r\n", 0},
		{"5\r\n", 5},
		{"00000000000000000000000000005\r\n", 5},
		{"fF\r\n", 255},
		{"A;name=value\r\n", 10},
		{"a ; name=\"5\"\r\n", 10},
		{"1\t\r\n", 1},
		{"12\n", 18},
		{"7fffffffffffffff\r\n", 0x7fffffffffffffff},
		{"8000000000000000\r\n", ~0ULL},
		{"ffffffffffffffff\r\n", ~0ULL},
		{"10000000000000000\r\n", ~0ULL},
		{"fffffffffffffffff\r\n", ~0ULL},
		{"\r\n", ~0ULL},
		{"\n", ~0ULL},
		{" 5\r\n", ~0ULL},
		{";5\r\n", ~0ULL},
		{"-5\r\n", ~0ULL},
		{"+5\r\n", ~0ULL},
		{"0x5\r\n", ~0ULL},
		{"5g\r\n", ~0ULL},
		{"g\r\n", ~0ULL},
		{"@\r\n", ~0ULL},
		{"\x01\r\n", ~0ULL},
		{"\x11\r\n", ~0ULL}, /* with 0x20: a digit */
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		struct http1_side s = {.phase = HTTP1_CHUNK_LINE};
		const char *p = tests[i].line;
		bool ok;

		while (!http1_chunk_byte(&s, *p++) && *p)
			;
		if (tests[i].size == ~0ULL)
			ok = s.phase == HTTP1_UNKNOWN && !s.left;
		else if (tests[i].size)
			ok = s.phase == HTTP1_CHUNK && s.left == tests[i].size + 2 && !*p;
		else
			ok = s.phase == HTTP1_TRAILER && !*p;
		test(ok, "framing: size of a chunk", tests[i].line, strlen(tests[i].line));
	}
}

/* Each byte as a digit of a chunk's size: first, and behind another. */
static void test_chunk_bytes(void)
{
	for (int c = 0; c < 256; c++) {
		const char *digit = c ? strchr("00112233445566778899aAbBcCdDeEfF", c) : NULL;
		u64 value = digit ? (digit - "00112233445566778899aAbBcCdDeEfF") / 2 : 0;
		struct http1_side first = {.phase = HTTP1_CHUNK_LINE}, second = first;
		bool ends = c == '\n', follows = ends || (c && strchr(";\r \t", c));
		u8 byte = c;

		value = digit ? (u64)hex_digit(c) : 0;
		test(http1_chunk_byte(&first, c) == !digit && first.left == value, "framing: chunk",
		     &byte, 1);
		http1_chunk_byte(&second, '1');
		test(http1_chunk_byte(&second, c) == (ends || (!digit && !follows)),
		     "framing: chunk", &byte, 1);
		test(second.left == (digit ? 16 + value :
				     ends  ? 3 :
					     follows),
		     "framing: chunk", &byte, 1);
	}
}

static void test_messages(void)
{
	static const struct {
		const char *text;
		size_t end; /* 0: not in these bytes */
	} tests[] = {
		{"\nContent-Length: 5\r\n\r\nabcdefg", 27},
		{"\nContent-Length: 5\r\n\r\nabcd", 0},
		{"\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\nHTTP", 46},
		{"\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n00;c\r\nT: v\r\n\r\nHTTP",
		 59},
		{"\nTransfer-Encoding: chunked\n\n5\nabcde\r\n0\nT: v\n\nHTTP", 46},
		{"\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\nabcde", 55},
		{"\nTransfer-Encoding: chunked\r\n\r\n0\r\n \r\n\r\nabcde", 39},
		{"\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", 0},
		{"\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r", 0},
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		struct text t = {.data = (u8 *)tests[i].text, .length = strlen(tests[i].text)};

		test(parse(&t, 1, 1).end == tests[i].end, "framing: end", t.data, t.length);
		test(!mismatch_both(t.data, t.length), "framing: message", t.data, t.length);
	}
}

/* All answers, of heads that say a length, chunks, or nothing. */
static void test_answers(void)
{
	static const char *const heads[] = {
		"\nContent-Length: 5\r\n\r\nabcdefg",
		"\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nHTTP",
		"\nTransfer-Encoding: gzip\r\n\r\nabc",
		"\nContent-Length: x\r\n\r\nabc",
		"\nServer: s\r\n\r\nabc",
	};

	for (size_t i = 0; i < COUNT(heads); i++) {
		struct text t = {
			.data = (u8 *)heads[i], .length = strlen(heads[i]), .is_response = true};

		for (t.answers = 0; t.answers <= HTTP1_ANSWERS_TUNNEL; t.answers++) {
			t.is_response = true;
			test(!mismatch_text(&t), "framing: answers", t.data, t.length);
			t.is_response = false; /* which answer nothing */
			test(!mismatch_text(&t), "framing: answers", t.data, t.length);
		}
	}
}

/* Heads of random pieces of fields, long enough for words that are full. */
static void test_random(void)
{
	static const char *const parts[] = {
		"Content-Length: 12\r\n",
		"content-length:",
		"Transfer-Encoding: chunked\r\n",
		"transfer-encoding:",
		"chunked",
		"gzip",
		", ",
		"\r\n",
		"\n",
		"Expect: 100-continue\r\n",
		"Content-Type: c\r\n",
		"TE: trailers\r\n",
		"t",
		"C",
		"e",
		" ",
		"5",
		"\t",
		"\r\n\r\n",
		"5\r\nabcde\r\n",
		"0\r\n",
		"Host: example.org\r\n",
		"\r",
		"Cookie: a=b; c=d\r\n",
	};
	const char *what = NULL;
	char head[MAX_TEXT];
	size_t n = 0;

	for (int round = 0; round < 20000 && !what; round++) {
		n = snprintf(head, sizeof(head), "%s",
			     random_number() & 1 ? "\r\n" : " /a HTTP/1.1\r\n");
		for (u64 more = 1 + random_number() % 10; more; more--)
			n += snprintf(head + n, sizeof(head) - n, "%s",
				      parts[random_number() % COUNT(parts)]);
		what = mismatch_both(head, n);
	}
	test(!what, what, head, n);
}

static void run_tests(void)
{
	test_table();
	test_replaced();
	test_all_values();
	test_usual_fields();
	test_digits();
	test_chunk_sizes();
	test_chunk_bytes();
	test_messages();
	test_answers();
	test_random();
}

#endif

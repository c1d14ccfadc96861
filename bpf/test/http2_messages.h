/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What passes over a connection that carries HTTP/2. A connection is written as a text, of which
 * each letter is a frame or a header block: see write_frames(). A number behind it is that of its
 * exchange; and as many exchanges there are, each has a status of its own, so that each series
 * holds one, but for those that were cut off. What is right to count: http2_outcomes.h.
 */
#ifndef FATHOM_TEST_HTTP2_MESSAGES_H
#define FATHOM_TEST_HTTP2_MESSAGES_H

#include "scenario.h"

#define MAX_STREAMS 256
#define MAX_TEXT 4096
#define NOWHERE (~0U)

/* What has a choice makes it by this: 0 to N - 1. A test says how; 0 is the plainest. */
static u32 choose(u32 n);

/* An exchange. Positions are those of the last byte of what they name, or NOWHERE. */
struct http2_truth {
	u32 id;
	u8 method;
	bool grpc;
	u16 status;
	u8 grpc_status; /* GRPC_STATUS_NONE: there is none */
	bool grpc_said; /* it was written */
	/* which of these may be unknown to who has not seen what came before */
	bool method_by_index, status_by_index, grpc_by_index, type_by_index;
	u32 begin;    /* of the request: its first byte */
	u32 asked;    /* its header block */
	u32 head;     /* of the response: its header block */
	u32 over;     /* the frame that ends it */
	u32 reset;    /* RST_STREAM in front of that, by the server */
	u16 reset_as; /* the status that says so */
	u32 given_up; /* by the client */
	u32 refused;  /* GOAWAY that says so */
};

/* An entry of a table of header fields. */
struct http2_entry {
	char name[16], value[24];
};

#define MAX_ENTRIES 128

/* The table of one direction, the newest entry first. */
struct http2_table {
	struct http2_entry entries[MAX_ENTRIES];
	u32 count, size, most;
};

/* The connection that is made. */
static struct {
	struct scenario scenario;
	struct http2_truth truths[MAX_STREAMS];
	u32 count;
	struct http2_table tables[2]; /* of requests, of responses */
	u32 goaway;		      /* streams above are refused */
	u32 goaway_at;
	char text[MAX_TEXT];
} made;

static inline struct stream *http2_stream_of(bool is_response)
{
	return is_response ? responses_of(&made.scenario) : requests_of(&made.scenario);
}

static inline void put(struct stream *s, const void *bytes, u32 n)
{
	if (s->length + n > MAX_STREAM)
		abort();
	memcpy(s->bytes + s->length, bytes, n);
	s->length += n;
}

static inline void put_frame(struct stream *s, u8 type, u8 flags, u32 id, const void *payload,
			     u32 n)
{
	u8 head[9] = {n >> 16, n >> 8, n, type, flags, id >> 24, id >> 16, id >> 8, id};

	put(s, head, sizeof(head));
	put(s, payload, n);
}

/* A header block that is made. */
struct block {
	u8 bytes[512];
	u32 length;
	bool by_index; /* the last field was, or its name was, in the dynamic table */
};

static inline void put_number(struct block *b, u8 first, u32 bits, u32 n)
{
	u32 most = (1U << bits) - 1;

	if (n < most) {
		b->bytes[b->length++] = first | n;
		return;
	}
	b->bytes[b->length++] = first | most;
	for (n -= most; n >= 128; n >>= 7)
		b->bytes[b->length++] = n | 0x80;
	b->bytes[b->length++] = n;
}

static inline void put_string(struct block *b, const char *s)
{
	u32 n = strlen(s);

	put_number(b, 0, 7, n);
	memcpy(b->bytes + b->length, s, n);
	b->length += n;
}

/* A new size of the table. */
static inline void put_size(struct block *b, struct http2_table *t, u32 size)
{
	put_number(b, 0x20, 5, size);
	t->most = size;
	while (t->size > size) {
		struct http2_entry *e = &t->entries[--t->count];

		t->size -= 32 + strlen(e->name) + strlen(e->value);
	}
}

static inline void add_entry(struct http2_table *t, const char *name, const char *value)
{
	u32 size = 32 + strlen(name) + strlen(value), i;

	while (t->count && (t->size + size > t->most || t->count == MAX_ENTRIES)) {
		struct http2_entry *e = &t->entries[--t->count];

		t->size -= 32 + strlen(e->name) + strlen(e->value);
	}
	if (size > t->most)
		return;
	for (i = t->count++; i; i--)
		t->entries[i] = t->entries[i - 1];
	memset(&t->entries[0], 0, sizeof(t->entries[0]));
	memcpy(t->entries[0].name, name, strlen(name));
	memcpy(t->entries[0].value, value, strlen(value));
	t->size += size;
}

static inline bool is_same(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && !memcmp(a, b, strlen(a));
}

/* Of the static table: the entry of a field, or of its name alone. */
static const struct {
	const char *name, *value;
	u8 index;
} static_entries[] = {
	{":authority", "", 1},	  {":method", "GET", 2},  {":method", "POST", 3},
	{":path", "/", 4},	  {":scheme", "http", 6}, {":status", "200", 8},
	{":status", "204", 9},	  {":status", "206", 10}, {":status", "304", 11},
	{":status", "400", 12},	  {":status", "404", 13}, {":status", "500", 14},
	{"content-type", "", 31},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void put_field(struct block *b, struct http2_table *t, const char *name,
			     const char *value)
{
	u32 name_index = 0, entry_index = 0, i, how;
	bool dynamic_name = false;

	for (i = 0; i < COUNT(static_entries); i++) {
		if (!is_same(static_entries[i].name, name))
			continue;
		if (!name_index)
			name_index = static_entries[i].index;
		if (is_same(static_entries[i].value, value) && *value)
			entry_index = static_entries[i].index;
	}
	for (i = 0; i < t->count; i++) {
		if (!is_same(t->entries[i].name, name))
			continue;
		if (!name_index || !choose(4)) {
			name_index = 62 + i;
			dynamic_name = true;
		}
		if (is_same(t->entries[i].value, value) && (!entry_index || choose(2)))
			entry_index = 62 + i;
	}
	b->by_index = true;
	if (entry_index && choose(4) != 3) {
		b->by_index = entry_index >= 62;
		put_number(b, 0x80, 7, entry_index);
		return;
	}
	how = choose(4);
	if (choose(4) == 3)
		name_index = 0;
	b->by_index = name_index && dynamic_name;
	if (how < 2)
		put_number(b, 0x40, 6, name_index);
	else
		put_number(b, how == 2 ? 0 : 0x10, 4, name_index);
	if (!name_index)
		put_string(b, name);
	put_string(b, value);
	if (how < 2)
		add_entry(t, name, value);
}

/* Fields that nobody looks at. */
static inline void put_others(struct block *b, struct http2_table *t, u32 most)
{
	static const char *const fields[][2] = {
		{":path", "/"},
		{":scheme", "http"},
		{"x-a", "1"},
		{"user-agent", "fathom/0.1 (model)"},
		{"x-empty", ""},
		{"date", "today"},
		{"content-typo", "application/grpc"},
		{"grpc-statue", "7"},
	};
	u32 n = choose(most + 1);

	while (n--) {
		u32 i = 2 + choose(COUNT(fields) - 2);

		put_field(b, t, fields[i][0], fields[i][1]);
	}
}

static inline void block_begins(struct block *b, struct http2_table *t)
{
	memset(b, 0, sizeof(*b));
	if (choose(8) != 7)
		return;
	if (choose(2))
		put_size(b, t, choose(3) * 70);
	put_size(b, t, 4096);
}

/* A header block in one frame or several, and returns where it begins. */
static inline u32 put_block(struct stream *s, struct block *b, u8 type, u8 flags, u32 id,
			    u32 promised)
{
	u32 begin = s->length, first = b->length, at, n = 0, pad = 0;
	u8 payload[800] = {};

	if (choose(4) == 3)
		first = choose(b->length + 1);
	if (choose(6) == 5) {
		flags |= HTTP2_PADDED;
		pad = choose(12);
		payload[n++] = pad;
	}
	if (type == HTTP2_FRAME_PUSH_PROMISE) {
		n += 3;
		payload[n++] = promised;
	} else if (choose(6) == 5) {
		flags |= HTTP2_PRIORITY;
		n += 5;
	}
	memcpy(payload + n, b->bytes, first);
	n += first + pad;
	if (first == b->length)
		flags |= HTTP2_END_HEADERS;
	put_frame(s, type, flags, id, payload, n);
	for (at = first; at < b->length; at += n) {
		n = choose(3) == 2 ? choose(b->length - at + 1) : b->length - at;
		put_frame(s, HTTP2_FRAME_CONTINUATION, at + n == b->length ? HTTP2_END_HEADERS : 0,
			  id, b->bytes + at, n);
	}
	return begin;
}

static const char *const method_names[] = {
	[METHOD_OTHER] = "PURGE",     [METHOD_GET] = "GET",	    [METHOD_HEAD] = "HEAD",
	[METHOD_POST] = "POST",	      [METHOD_PUT] = "PUT",	    [METHOD_DELETE] = "DELETE",
	[METHOD_CONNECT] = "CONNECT", [METHOD_OPTIONS] = "OPTIONS", [METHOD_TRACE] = "TRACE",
	[METHOD_PATCH] = "PATCH",
};

static inline void put_digits(char *to, u32 number)
{
	u32 divisor = number > 99 ? 100 : number > 9 ? 10 : 1;

	for (; divisor; divisor /= 10)
		*to++ = '0' + number / divisor % 10;
	*to = 0;
}

static inline void put_request(struct http2_truth *x, bool ends)
{
	struct http2_table *t = &made.tables[0];
	struct stream *s = http2_stream_of(false);
	struct block b;

	block_begins(&b, t);
	if (choose(4) == 3)
		put_field(&b, t, ":path", "/");
	put_field(&b, t, ":method", method_names[x->method]);
	x->method_by_index = b.by_index;
	put_field(&b, t, ":scheme", "http");
	put_others(&b, t, 2);
	if (x->grpc || choose(8) == 7) {
		put_field(&b, t, "content-type",
			  x->grpc ? (choose(2) ? "application/grpc+proto" : "application/grpc") :
				    (choose(2) ? "application/grpc-web" : "text/plain"));
		x->type_by_index = b.by_index;
	}
	put_others(&b, t, 2);
	x->begin = put_block(s, &b, HTTP2_FRAME_HEADERS, ends ? HTTP2_END_STREAM : 0, x->id, 0);
	x->asked = s->length - 1;
}

static inline void put_grpc_status(struct block *b, struct http2_truth *x)
{
	char digits[4];

	if (!x->grpc || x->grpc_status == GRPC_STATUS_NONE)
		return;
	put_digits(digits, x->grpc_status);
	put_field(b, &made.tables[1], "grpc-status", digits);
	x->grpc_said = true;
	x->grpc_by_index |= b->by_index;
}

/* A response's block. KIND: i, h or H, as in write_frames(). */
static inline void put_response(struct http2_truth *x, char kind)
{
	struct http2_table *t = &made.tables[1];
	struct stream *s = http2_stream_of(true);
	char digits[4];
	struct block b;

	block_begins(&b, t);
	put_digits(digits, kind == 'i' ? 100 + 3 * choose(2) : x->status);
	put_field(&b, t, ":status", digits);
	x->status_by_index |= b.by_index; /* of 1xx as well, which then may be the last one */
	put_others(&b, t, 2);
	if (x->grpc && kind != 'i' && choose(4) != 3)
		put_field(&b, t, "content-type", "application/grpc");
	if (kind == 'H')
		put_grpc_status(&b, x);
	put_others(&b, t, 2);
	put_block(s, &b, HTTP2_FRAME_HEADERS, kind == 'H' ? HTTP2_END_STREAM : 0, x->id, 0);
	if (kind != 'i' && x->head == NOWHERE)
		x->head = s->length - 1;
}

static inline void put_trailers(struct http2_truth *x, bool is_response)
{
	struct http2_table *t = &made.tables[is_response];
	struct block b;

	block_begins(&b, t);
	put_others(&b, t, 2);
	if (is_response)
		put_grpc_status(&b, x);
	if (!b.length || choose(3) == 2)
		put_field(&b, t, "x-trailer", "yes");
	put_block(http2_stream_of(is_response), &b, HTTP2_FRAME_HEADERS, HTTP2_END_STREAM, x->id,
		  0);
}

static inline void put_data(struct http2_truth *x, bool is_response, bool ends)
{
	u8 payload[48] = {}, flags = ends ? HTTP2_END_STREAM : 0;
	u32 n = choose(32), pad;

	memset(payload, 'd', n);
	if (choose(6) == 5) {
		flags |= HTTP2_PADDED;
		pad = choose(12);
		payload[0] = pad;
		n += 1 + pad;
	}
	put_frame(http2_stream_of(is_response), HTTP2_FRAME_DATA, flags, x->id, payload, n);
}

static inline u8 put_code(struct http2_truth *x, bool is_response)
{
	u8 code[4] = {0, 0, 0, choose(14)};

	put_frame(http2_stream_of(is_response), HTTP2_FRAME_RST_STREAM, 0, x->id, code, 4);
	return code[3];
}

/* A request that the server pushes with X, and its response. */
static inline void put_pushed(struct http2_truth *x, u32 promised)
{
	struct http2_table *t = &made.tables[1];
	struct stream *s = http2_stream_of(true);
	struct http2_truth pushed = {.id = promised};
	struct block b;

	block_begins(&b, t);
	put_field(&b, t, ":method", "GET");
	put_others(&b, t, 2);
	put_block(s, &b, HTTP2_FRAME_PUSH_PROMISE, 0, x->id, promised);
	if (choose(4) == 3) {
		put_code(&pushed, true);
		return;
	}
	block_begins(&b, t);
	put_field(&b, t, ":status", "200");
	put_block(s, &b, HTTP2_FRAME_HEADERS, 0, promised, 0);
	if (choose(4) == 3)
		put_code(&pushed, true);
	else
		put_data(&pushed, true, true);
}

/* A frame that says nothing of exchanges. */
static inline void put_other_frame(bool is_response)
{
	static const u8 bytes[32];
	struct stream *s = http2_stream_of(is_response);
	u32 some = made.count ? made.truths[made.count - 1].id : 1;

	switch (choose(7)) {
	case 0:
		put_frame(s, HTTP2_FRAME_PING, choose(2), 0, bytes, 8);
		break;
	case 1:
		put_frame(s, HTTP2_FRAME_WINDOW_UPDATE, 0, choose(2) ? some : 0, bytes, 4);
		break;
	case 2:
		put_frame(s, HTTP2_FRAME_SETTINGS, 1, 0, bytes, 0);
		break;
	case 3:
		put_frame(s, HTTP2_FRAME_SETTINGS, 0, 0, bytes, 6 * choose(3));
		break;
	case 4:
		put_frame(s, HTTP2_FRAME_PRIORITY, 0, some, bytes, 5);
		break;
	case 5:
		put_frame(s, 0x10 + choose(0xf0), choose(256), choose(2) ? some : 0, bytes,
			  choose(32));
		break;
	case 6:
		if (!is_response)
			put_frame(s, HTTP2_FRAME_GOAWAY, 0, 0, bytes, 8 + choose(8));
		break;
	}
}

/* A server goes away: it has answered, or will, what is up to exchange LAST; 0: all. */
static inline void put_goaway(u32 last)
{
	struct stream *s = http2_stream_of(true);
	u32 id = last ? made.truths[last - 1].id : 0x7fffffff, i, n = 8 + choose(8);
	u8 payload[16] = {id >> 24, id >> 16, id >> 8, id};

	put_frame(s, HTTP2_FRAME_GOAWAY, 0, 0, payload, n);
	made.goaway = id;
	made.goaway_at = s->length - 1;
	for (i = 0; i < made.count; i++)
		if (made.truths[i].id > id && made.truths[i].refused == NOWHERE)
			made.truths[i].refused = made.goaway_at;
}

/* Notes that a message was written, and what has to have passed before. */
static inline void note_frames(bool is_response, u32 from, u32 needs)
{
	const struct stream *s = http2_stream_of(is_response);
	struct messages *all = messages_of(&made.scenario, s);
	struct message *m;

	if (s->length == from)
		return;
	if (all->count == MAX_MESSAGES)
		abort();
	m = &all->message[all->count++];
	m->from = from;
	m->to = s->length;
	m->needs = needs;
}

/* Up to so many exchanges have a series each. */
#define MANY 8

/* Exchange NUMBER, from 1 on, which begins now if it is the next. */
static inline struct http2_truth *truth_of(u32 number)
{
	static const u16 statuses[] = {200, 204, 206, 304, 400, 404, 500};
	struct http2_truth *x;

	if (number && number <= made.count)
		return &made.truths[number - 1];
	if (number != made.count + 1 || number > MAX_STREAMS)
		abort();
	x = &made.truths[made.count++];
	memset(x, 0, sizeof(*x));
	x->id = number > 1 ? x[-1].id + 2 + 2 * (choose(4) == 3) : 1 + 2 * (choose(4) == 3);
	x->grpc = number <= MANY && choose(3) == 2;
	x->method = number > MANY ? METHOD_GET :
		    x->grpc	  ? METHOD_POST :
				    METHOD_GET + choose(METHOD_PATCH - METHOD_GET + 1);
	x->status = x->grpc || choose(2) ? statuses[number % COUNT(statuses)] : 209 + number % 20;
	if (x->grpc && choose(8) != 7)
		x->status = 200;
	x->grpc_status = choose(8) == 7 ? GRPC_STATUS_NONE : number % GRPC_COUNT;
	x->head = x->over = x->reset = x->given_up = x->refused = NOWHERE;
	if (made.goaway && x->id > made.goaway)
		x->refused = made.goaway_at;
	return x;
}

/*
 * Writes one of the frames of the text: with the number of its exchange
 *	q, Q	a request's header block; in capitals, here and below, it ends the stream
 *	d, D	DATA of a request
 *	t	its trailers
 *	x	RST_STREAM of the client
 *	i	a response's header block with 1xx
 *	h, H	another one
 *	b, B	DATA of a response
 *	T	its trailers
 *	X	RST_STREAM of the server
 *	u	PUSH_PROMISE on its stream, and the response to that
 *	g	GOAWAY of the server, for streams behind it; of 0 for none
 * and without one
 *	p	the client's preface and SETTINGS
 *	s	the server's SETTINGS
 *	k, K	a frame of the client, the server, that says nothing of exchanges
 * Each in a response waits for the request's header block; with < in front, one waits for all that
 * was written before in the other direction.
 */
static inline void write_frame(char kind, u32 number, bool waits)
{
	static const u8 settings[12] = {0, 3, 0, 0, 0, 100, 0, 4, 0, 0, 0xff, 0xff};
	static const char responses[] = "ihHbBTXugsK";
	struct http2_truth *x = NULL;
	bool is_response = false;
	struct stream *s;
	u32 from, i;

	for (i = 0; responses[i]; i++)
		is_response |= kind == responses[i];
	s = http2_stream_of(is_response);
	from = s->length;
	if (kind != 'p' && kind != 's' && kind != 'k' && kind != 'K' && kind != 'g')
		x = truth_of(number);
	switch (kind) {
	case 'p':
		put(s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP2_PREFACE);
		/* fallthrough */
	case 's':
		put_frame(s, HTTP2_FRAME_SETTINGS, 0, 0, settings, 6 * choose(3));
		break;
	case 'k':
	case 'K':
		put_other_frame(is_response);
		break;
	case 'g':
		put_goaway(number);
		break;
	case 'q':
	case 'Q':
		put_request(x, kind == 'Q');
		break;
	case 'd':
	case 'D':
		put_data(x, false, kind == 'D');
		break;
	case 't':
		put_trailers(x, false);
		break;
	case 'x':
		put_code(x, false);
		x->given_up = s->length - 1;
		break;
	case 'i':
	case 'h':
	case 'H':
		put_response(x, kind);
		if (kind == 'H')
			x->over = s->length - 1;
		break;
	case 'b':
	case 'B':
		put_data(x, true, kind == 'B');
		if (kind == 'B')
			x->over = s->length - 1;
		break;
	case 'T':
		put_trailers(x, true);
		x->over = s->length - 1;
		break;
	case 'X':
		i = put_code(x, true);
		if (x->over == NOWHERE && x->reset == NOWHERE) {
			x->reset = s->length - 1;
			x->reset_as = i == HTTP2_CODE_REFUSED_STREAM ? STATUS_REFUSED :
								       STATUS_RESET_BY_SERVER;
		}
		break;
	case 'u':
		put_pushed(x, 2 * (1 + messages_of(&made.scenario, s)->count));
		break;
	default:
		abort();
	}
	i = 0;
	if (waits)
		i = http2_stream_of(!is_response)->length;
	else if (x && is_response)
		i = x->asked + 1;
	note_frames(is_response, from, i);
}

/* Makes the connection that TEXT tells of, as the end with ROLE sees it. */
static inline void write_frames(u8 role, const char *text)
{
	bool waits = false;
	const char *p;

	memset(&made, 0, sizeof(made));
	made.tables[0].most = made.tables[1].most = 4096;
	made.scenario.role = role;
	made.scenario.name = made.text;
	if (strlen(text) >= MAX_TEXT)
		abort();
	memcpy(made.text, text, strlen(text));
	for (p = text; *p; p++) {
		char kind = *p;
		u32 number = 0;

		if (kind == ' ')
			continue;
		if (kind == '<') {
			waits = true;
			continue;
		}
		while (p[1] >= '0' && p[1] <= '9')
			number = 10 * number + *++p - '0';
		write_frame(kind, number, waits);
		waits = false;
	}
}

/* A text that is made. */
struct text {
	char bytes[MAX_TEXT];
	u32 length;
};

static inline void say(struct text *t, bool waits, char kind, u32 number)
{
	char digits[4];
	u32 i;

	if (waits)
		t->bytes[t->length++] = '<';
	t->bytes[t->length++] = kind;
	if (number) {
		put_digits(digits, number);
		for (i = 0; digits[i]; i++)
			t->bytes[t->length++] = digits[i];
	}
	t->bytes[t->length++] = ' ';
}

/* How far both sides of a stream are. */
enum {
	SIDE_IDLE,
	SIDE_BEGUN, /* a response: 1xx */
	SIDE_BODY,
	SIDE_OVER,
};

/*
 * Makes a text of up to N exchanges, of which a client begins one at a time if it is PATIENT, and
 * all before the first response if it is HASTY.
 */
static inline void make_text(struct text *t, u32 n, bool patient, bool hasty)
{
	u8 asks[MAX_STREAMS + 1] = {}, answers[MAX_STREAMS + 1] = {};
	u32 begun = 0, refused = n + 1, steps = 6 * n + choose(6 * n), i, x, k;
	bool greeted = false, wait;

	memset(t, 0, sizeof(*t));
	say(t, false, 'p', 0);
	if (choose(2)) {
		say(t, choose(2), 's', 0);
		greeted = true;
	}
	for (i = 0; i < steps && t->length < MAX_TEXT - 32; i++) {
		k = choose(16);
		if (!greeted && (k >= 8 || k == 1)) {
			say(t, choose(2), 's', 0);
			greeted = true;
		}
		if (k < 2) {
			say(t, false, k ? 'K' : 'k', 0);
			continue;
		}
		if (begun < n && (!begun || (hasty && k < 12) ||
				  (patient ? answers[begun] == SIDE_OVER : k < 6))) {
			begun++;
			wait = patient && begun > 1;
			asks[begun] = choose(2) ? SIDE_OVER : SIDE_BODY;
			say(t, wait, asks[begun] == SIDE_OVER ? 'Q' : 'q', begun);
			if (begun >= refused)
				answers[begun] = SIDE_OVER;
			continue;
		}
		x = 1 + choose(begun);
		if (k < 8) { /* the request goes on */
			if (choose(8) == 7 && asks[x] <= SIDE_OVER) {
				say(t, choose(2), 'x', x);
				asks[x] = SIDE_OVER + 1;
			} else if (asks[x] == SIDE_BODY) {
				asks[x] = choose(2) ? SIDE_OVER : SIDE_BODY;
				say(t, !choose(4),
				    asks[x] == SIDE_BODY ? 'd' :
				    choose(2)		 ? 't' :
							   'D',
				    x);
			}
			continue;
		}
		wait = !choose(6);
		if (k == 8 && choose(3) == 2 && refused > n) {
			/* what is behind the last one that was answered is refused, or nothing */
			for (x = begun; x && !answers[x]; x--)
				;
			refused = x + 1;
			say(t, wait, 'g', x == begun ? 0 : x);
			if (!x || x == begun) {
				refused = n + 1;
				continue;
			}
			for (x = refused; x <= begun; x++)
				answers[x] = SIDE_OVER;
			continue;
		}
		if (x >= refused)
			continue;
		if (answers[x] == SIDE_OVER) {
			if (k == 15 && choose(4) == 3)
				say(t, false, 'X', x);
			continue;
		}
		if (k == 9) {
			if (choose(3) == 2) {
				say(t, wait, 'X', x);
				answers[x] = SIDE_OVER;
			} else if (choose(2)) {
				say(t, wait, 'u', x);
				answers[x] += !answers[x];
			}
			continue;
		}
		if (answers[x] < SIDE_BODY) {
			u32 how = choose(8);

			if (how < 2) {
				say(t, wait, 'i', x);
				answers[x] = SIDE_BEGUN;
			} else {
				answers[x] = how == 2 ? SIDE_OVER : SIDE_BODY;
				say(t, wait, how == 2 ? 'H' : 'h', x);
			}
			continue;
		}
		answers[x] = choose(2) ? SIDE_OVER : SIDE_BODY;
		say(t, wait, answers[x] == SIDE_BODY ? 'b' : choose(2) ? 'T' : 'B', x);
	}
}

/* Whether the calls can be made at all, as the streams are cut. */
static inline bool has_an_order(const struct scenario *sc)
{
	u32 next[WHATS] = {}, what, done;

	for (done = 0; done < events_of(sc); done++) {
		for (what = 0; what < WHATS && !may_follow(sc, next, what); what++)
			;
		if (what == WHATS)
			return false;
		next[what]++;
	}
	return true;
}

static inline void note_all_needs(struct scenario *sc)
{
	note_needs(&sc->in, &sc->in_messages, sc->in_needs);
	note_needs(&sc->out, &sc->out_messages, sc->out_needs);
}

/*
 * Whether a call begins within a frame, with what looks like one: it is one to who does not know
 * where frames begin.
 */
static inline bool has_decoy(const struct scenario *sc, const struct stream *s)
{
	u32 at = s == requests_of((struct scenario *)sc) ? HTTP2_PREFACE : 0, call = 0;

	while (at < s->length) {
		for (; call < s->calls && s->cuts[call] <= at; call++)
			;
		at += 9 + (s->bytes[at] << 16 | s->bytes[at + 1] << 8 | s->bytes[at + 2]);
		for (; call < s->calls && s->cuts[call] < at; call++) {
			u64 words[2] = {};

			if (s->cuts[call] + 9 > s->length)
				continue;
			memcpy(words, s->bytes + s->cuts[call], 9);
			if (http2_plausible(words[0], words[1]))
				return true;
		}
	}
	return false;
}

#endif

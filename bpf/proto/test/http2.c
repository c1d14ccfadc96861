// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * http2_look and http2_pass.
 *
 * Tables say what is found in frames. However these are cut into pieces, the same has to be found,
 * each when its last byte is shown; and so for any other bytes. Whether it is right for header
 * blocks of real encoders is what test/http2 asks a real decoder.
 *
 * What is fuzzed: 'f' and frames; or 'b', a number and a header block, which comes in one frame,
 * and in fragments of so many bytes.
 */
#include "harness.h"
#include "../http2.h"

struct found {
	size_t end;
	u32 kind;
	u32 stream, code, promised;
	u16 status;
	u8 method, grpc, flags;
};

#define MOST 256
struct list {
	size_t count;
	struct found found[MOST];
};

/* How bytes are cut: every STEP bytes, at one place FIRST, or at random ones from a SEED. */
struct cuts {
	size_t first, step;
	u32 seed;
	u8 window; /* the most that is shown at once */
	u8 fill;
	bool look; /* nothing passes without a look */
};

static size_t next_cut(struct cuts *c, size_t at, size_t length)
{
	size_t n = c->step;

	if (c->first > at)
		return c->first < length ? c->first : length;
	if (c->seed) {
		c->seed = c->seed * 1664525 + 1013904223;
		n = 1 + (c->seed >> 24) % 24;
	}
	return n && n < length - at ? at + n : length;
}

static struct found describe_event(const struct http2_side *s, u8 kind, size_t end)
{
	struct found f;

	memset(&f, 0, sizeof(f));
	f.kind = kind;
	f.end = end;
	switch (kind) {
	case HTTP2_HEADERS:
		f.stream = s->block_stream;
		f.promised = s->promised;
		f.status = s->status;
		f.method = s->method;
		f.grpc = s->grpc;
		f.flags = s->flags;
		break;
	case HTTP2_RESET:
	case HTTP2_GOAWAY:
		f.code = s->code;
		/* fallthrough */
	case HTTP2_END:
		f.stream = s->stream;
	}
	return f;
}

/* Feeds pieces as the engine does. What is found goes to L; what is wrong is returned. */
static const char *feed(const u8 *data, size_t length, struct cuts cuts, struct list *l)
{
	struct http2_side s;
	size_t at = 0, cut = 0;

	memset(&s, 0, sizeof(s));
	http2_side_begins(&s);
	l->count = 0;
	while (at < length) {
		size_t left, have = 0;
		struct http2_window w;
		struct prefix p;
		u64 e = 0;

		while (cut <= at)
			cut = next_cut(&cuts, cut, length);
		left = cut - at;
		if (!cuts.look) {
			bool skips = s.skip > 0;

			e = http2_pass(&s, left);
			if (skips != (e != 0))
				return "what passes is not what is skipped";
			if (e && (!event_used(e) || event_used(e) > left))
				return "too many bytes pass";
		}
		if (!e) {
			have = left < cuts.window ? left : cuts.window;
			p = pack(data + at, have, cuts.fill);
			w = (struct http2_window){p.words[0], p.words[1], have, 0};
			e = http2_look(&s, &w);
			e |= w.used;
			if (!event_used(e) || event_used(e) > have)
				return "no byte was used, or too many";
		}
		if (event_kind(e) == HTTP2_BROKEN) {
			struct http2_side before = s;

			at += event_used(e);
			w = (struct http2_window){0, 0, 16, 0};
			e = http2_look(&s, &w);
			if (event_kind(e) != HTTP2_BROKEN || w.used ||
			    memcmp(&before, &s, sizeof(s)) || http2_pass(&s, 1))
				return "it goes on behind what is broken";
			if (l->count < MOST)
				l->found[l->count++] = describe_event(&s, HTTP2_BROKEN, at);
			return NULL;
		}
		if (event_operation(e) || event_status(e))
			return "an event with more than a kind";
		at += event_used(e);
		if (event_kind(e) > HTTP2_BROKEN)
			return "an event that is none";
		if (event_kind(e) && (!http2_at_frame(&s) || s.open))
			return "an event within a frame";
		if (event_kind(e) && l->count < MOST)
			l->found[l->count++] = describe_event(&s, event_kind(e), at);
	}
	return NULL;
}

static const char *difference(const struct list *want, const struct list *got)
{
	if (want->count != got->count)
		return "more or less is found when cut";
	if (memcmp(want->found, got->found, want->count * sizeof(*want->found)))
		return "something else is found when cut";
	return NULL;
}

/* In one piece, by windows and pieces of 1 to 17 bytes, cut at every place, and at random. */
static const char *mismatch_frames(const u8 *data, size_t length, struct list *want)
{
	static const u8 fills[] = {0, 0xff, 0x82, 0x40};
	static struct list got;
	size_t two = length < 128 ? length : 128;
	const char *what;

	what = feed(data, length, (struct cuts){.window = 16}, want);
	for (size_t i = 0; !what && i < 16 + 18 + two + 8; i++) {
		struct cuts cuts = {.fill = fills[i % COUNT(fills)], .window = 16};

		if (i < 16) {
			cuts.window = i + 1;
			cuts.look = i & 1;
		} else if (i < 34) {
			cuts.step = i - 16;
		} else if (i < 34 + two) {
			cuts.first = i - 34;
			cuts.look = i & 1;
		} else {
			cuts.seed = i;
			cuts.window = 1 + i % 16;
		}
		what = feed(data, length, cuts, &got);
		if (!what)
			what = difference(want, &got);
	}
	return what;
}

struct bytes {
	size_t n;
	u8 data[8192];
};

static void add_frame(struct bytes *b, u8 type, u8 flags, u32 stream, const void *payload, size_t n)
{
	const u8 header[] = {n >> 16,	   n >> 8,	 n,	      type,  flags,
			     stream >> 24, stream >> 16, stream >> 8, stream};

	if (b->n + n + sizeof(header) > sizeof(b->data))
		abort();
	memcpy(b->data + b->n, header, sizeof(header));
	memcpy(b->data + b->n + sizeof(header), payload, n);
	b->n += sizeof(header) + n;
}

/* A block in fragments of up to SIZE bytes, and what the first three dynamic entries are then. */
static void add_block(struct bytes *b, const u8 *block, size_t n, size_t size)
{
	static const u8 entries[] = {0xbe, 0xbf, 0xc0};
	size_t at = 0, part;
	bool last;

	do {
		part = n - at < size ? n - at : size;
		last = at + part == n;
		add_frame(b, at ? HTTP2_FRAME_CONTINUATION : HTTP2_FRAME_HEADERS,
			  last ? HTTP2_END_HEADERS : 0, 1, block + at, part);
		at += part;
	} while (!last);
	for (size_t i = 0; i < COUNT(entries); i++)
		add_frame(b, HTTP2_FRAME_HEADERS, HTTP2_END_HEADERS, 3, entries + i, 1);
}

static const char *mismatch_block(const u8 *block, size_t n, size_t size)
{
	static struct bytes whole, cut;
	static struct list want, got;
	const char *what;

	if (n > 256)
		return NULL;
	whole.n = cut.n = 0;
	add_block(&whole, block, n, n);
	add_block(&cut, block, n, size);
	what = mismatch_frames(whole.data, whole.n, &want);
	if (!what)
		what = mismatch_frames(cut.data, cut.n, &got);
	for (size_t i = 0; i < COUNT(want.found); i++)
		want.found[i].end = got.found[i].end = 0;
	return what ? what : difference(&want, &got);
}

static const char *mismatch(const u8 *data, size_t length)
{
	static struct list found;

	if (length > 1 && *data == 'f')
		return mismatch_frames(data + 1, length - 1, &found);
	if (length > 2 && *data == 'b')
		return mismatch_block(data + 2, length - 2, 1 + data[1] % 32);
	return NULL;
}

#ifndef FUZZ

static const char *const methods[METHOD_COUNT] = {"OTHER", "GET",    "HEAD",	"POST",
						  "PUT",   "DELETE", "CONNECT", "OPTIONS",
						  "TRACE", "PATCH",  "UNKNOWN"};

/* What was found, as words. */
static void describe(const struct list *l, char *text, size_t size)
{
	size_t n = 0;

	*text = 0;
	for (size_t i = 0; i < l->count && n < size; i++) {
		const struct found *f = &l->found[i];
		char *p = text + n;
		size_t m = size - n, o = 0;

#define SAY(...) (o += snprintf(p + (o < m ? o : m), o < m ? m - o : 0, __VA_ARGS__))
		SAY("%s", n ? "; " : "");
		switch (f->kind) {
		case HTTP2_HEADERS:
			SAY("%u:", f->stream);
			if (f->flags & HTTP2_PROMISED || f->promised)
				SAY(" promises %u", f->promised);
			if (f->flags & HTTP2_HAS_METHOD)
				SAY(" %s", methods[f->method]);
			else if (f->method)
				SAY(" a method of nothing");
			if (f->flags & HTTP2_HAS_STATUS && f->status == STATUS_UNKNOWN)
				SAY(" unknown");
			else if (f->flags & HTTP2_HAS_STATUS && f->status == STATUS_OTHER)
				SAY(" other");
			else if (f->flags & HTTP2_HAS_STATUS)
				SAY(" %u", f->status);
			else if (f->status)
				SAY(" a status of nothing");
			if (f->flags & HTTP2_IS_GRPC)
				SAY(" grpc");
			if (f->grpc == GRPC_STATUS_UNKNOWN)
				SAY(" g=unknown");
			else if (f->grpc == GRPC_STATUS_OTHER)
				SAY(" g=other");
			else if (f->grpc != GRPC_STATUS_NONE)
				SAY(" g=%u", f->grpc);
			if (f->flags & HTTP2_UNKNOWN)
				SAY(" ?");
			if (f->flags & HTTP2_ENDS)
				SAY(" .");
			break;
		case HTTP2_END:
			SAY("%u end", f->stream);
			break;
		case HTTP2_RESET:
			SAY("%u reset %u", f->stream, f->code);
			break;
		case HTTP2_GOAWAY:
			SAY("goaway %u %u", f->stream, f->code);
			break;
		case HTTP2_BROKEN:
			SAY("broken");
			break;
		}
#undef SAY
		n += o;
	}
}

struct frame {
	u8 type, flags;
	u32 stream;
	const char *payload;
	size_t n;
};

#define FRAME(type, flags, stream, payload) \
	{HTTP2_FRAME_##type, flags, stream, payload, sizeof(payload) - 1}
#define BLOCK(payload) FRAME(HEADERS, HTTP2_END_HEADERS, 1, payload)
#define UNKNOWN_FRAME(type, flags, stream, payload) \
	{type, flags, stream, payload, sizeof(payload) - 1}

#define SIXTY_FOUR "________________________________________________________________"

/* Each row is a connection of its own. */
static const struct row {
	const char *want;
	struct frame frames[6];
} rows[] = {
	/* where streams begin and end */
	{"1: GET .", {FRAME(HEADERS, 5, 1, "\x82\x84")}},
	{"1: POST; 1 end", {FRAME(HEADERS, 4, 1, "\x83\x84"), FRAME(DATA, 1, 1, "x")}},
	{"1: 200; 1 end", {BLOCK("\x88"), FRAME(DATA, 0, 1, "abc"), FRAME(DATA, 1, 1, "")}},
	{"1: 200; 1 end", {BLOCK("\x88"), FRAME(DATA, 9, 1, "\x03x\0\0\0")}},
	{"1: 200; 1 end", {BLOCK("\x88"), FRAME(DATA, 9, 1, "\0")}},
	{"1: 200 .", {FRAME(HEADERS, 1, 1, "\x88"), FRAME(CONTINUATION, 4, 1, "")}},
	{"1: 200 .", {FRAME(HEADERS, 1, 1, ""), FRAME(CONTINUATION, 5, 1, "\x88")}},
	{"7 reset 8", {FRAME(RST_STREAM, 0, 7, "\0\0\0\x08")}},
	{"2147483647 reset 4294967295", {FRAME(RST_STREAM, 0xff, 0xffffffff, "\xff\xff\xff\xff")}},
	{"goaway 5 0; 1: 200", {FRAME(GOAWAY, 0, 0, "\0\0\0\x05\0\0\0\0"), BLOCK("\x88")}},
	{"goaway 2147483647 11; 1: 200",
	 {FRAME(GOAWAY, 0, 0,
		"\xff\xff\xff\xff\0\0\0\x0b"
		"too_many_pings"),
	  BLOCK("\x88")}},
	{"1: 200",
	 {FRAME(SETTINGS, 0, 0, "\0\x03\0\0\0\x64"), FRAME(SETTINGS, 1, 0, ""),
	  FRAME(WINDOW_UPDATE, 0, 0, "\0\0\0\x01"), FRAME(PING, 0, 0, "12345678"),
	  FRAME(PRIORITY, 0, 3, "\0\0\0\0\0"), BLOCK("\x88")}},
	{"1: 200",
	 {UNKNOWN_FRAME(0x0a, 0xff, 0, "h2=\":443\""), UNKNOWN_FRAME(0x10, 0xff, 1, "u=1"),
	  UNKNOWN_FRAME(0xff, 0xff, 9, ""), BLOCK("\x88")}},
	/* padding and priority */
	{"1: 200 .; 1: 404", {FRAME(HEADERS, 0x0d, 1, "\x03\x88\0\0\0"), BLOCK("\x8d")}},
	{"1: 200", {FRAME(HEADERS, 0x0c, 1, "\0\x88")}},
	{"1: GET", {FRAME(HEADERS, 0x24, 1, "\x80\0\0\0\xff\x82")}},
	{"1: GET", {FRAME(HEADERS, 0x2c, 1, "\x01\x80\0\0\0\xff\x82\0")}},
	{"1: GET 200",
	 {FRAME(HEADERS, 0x28, 1, "\x02\x80\0\0\0\xff\x82\0\0"),
	  FRAME(CONTINUATION, 0x2c, 1, "\x88")}},
	{"1:; 3:", {FRAME(HEADERS, 0x24, 1, "\0\0\0\0\x10"), FRAME(HEADERS, 4, 3, "")}},
	{"1:", {FRAME(HEADERS, 0x0c, 1, "\x02\0\0")}},
	{"broken", {FRAME(HEADERS, 0x0c, 1, "\x02\0")}},
	{"broken", {FRAME(HEADERS, 0x0c, 1, "")}},
	{"broken", {FRAME(HEADERS, 0x24, 1, "\0\0\0\0")}},
	{"broken", {FRAME(HEADERS, 0x2c, 1, "\0\0\0\0\0")}},
	{"broken", {FRAME(DATA, 8, 1, "")}},
	/* promises */
	{"1: promises 2 GET; 1: GET", {FRAME(PUSH_PROMISE, 4, 1, "\0\0\0\x02\x82"), BLOCK("\x82")}},
	{"1: promises 4 PUT; 3: PUT",
	 {FRAME(PUSH_PROMISE, 8, 1, "\x01\x80\0\0\x04\x42\x03PU\0"), FRAME(CONTINUATION, 4, 1, "T"),
	  FRAME(HEADERS, 4, 3, "\xbe")}},
	{"broken", {FRAME(PUSH_PROMISE, 4, 1, "\0\0\0")}},
	{"broken", {FRAME(PUSH_PROMISE, 12, 1, "\0\0\0\0")}},
	/* what must not be */
	{"broken", {FRAME(DATA, 0, 0, "x")}},
	{"broken", {FRAME(HEADERS, 4, 0, "\x82")}},
	{"broken", {FRAME(HEADERS, 4, 0x80000000, "\x82")}},
	{"broken", {FRAME(RST_STREAM, 0, 0, "\0\0\0\0")}},
	{"broken", {FRAME(RST_STREAM, 0, 1, "\0\0\0")}},
	{"broken", {FRAME(RST_STREAM, 0, 1, "\0\0\0\0\0")}},
	{"broken", {FRAME(GOAWAY, 0, 0, "\0\0\0\0\0\0\0")}},
	{"broken", {FRAME(GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0")}},
	{"broken", {FRAME(PING, 0, 0, "1234567")}},
	{"broken", {FRAME(PING, 0, 0, "123456789")}},
	{"broken", {FRAME(SETTINGS, 0, 1, "")}},
	{"broken", {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\0\0")}},
	{"broken", {FRAME(CONTINUATION, 4, 1, "\x82")}},
	{"1: GET; broken", {BLOCK("\x82"), FRAME(CONTINUATION, 4, 1, "\x82")}},
	{"broken", {FRAME(HEADERS, 0, 1, "\x82"), FRAME(CONTINUATION, 4, 3, "\x82")}},
	{"broken", {FRAME(HEADERS, 0, 1, "\x82"), FRAME(DATA, 0, 1, "\x82")}},
	{"broken", {FRAME(HEADERS, 0, 1, "\x82"), FRAME(HEADERS, 4, 1, "\x82")}},
	{"broken", {FRAME(HEADERS, 0, 1, "\x82"), UNKNOWN_FRAME(0x33, 4, 1, "\x82")}},
	{"broken", {BLOCK("\x80")}},
	{"broken", {BLOCK("\x88\x48")}},
	{"broken", {BLOCK("\x88\x48\x03")}},
	{"broken",
	 {BLOCK("\x88\x48\x03"
		"20")}},
	{"broken",
	 {BLOCK("\x88\x40\x03"
		"abc")}},
	{"broken", {BLOCK("\xff")}},
	{"broken", {BLOCK("\xff\x80")}},
	{"broken", {BLOCK("\xff\x80\x80\x80\x80\x80\x01")}},
	{"broken", {BLOCK("\xff\xff\xff\xff\xff\x0f")}},
	/* numbers of several bytes */
	{"1: 200", {BLOCK("\x88\x0f\x11\0")}}, /* name index 32 */
	{"1: 200", {BLOCK("\x88\x0f\x91\x80\x80\x80\0\0")}},
	{"1: 200 grpc",
	 {BLOCK("\x88\x0f\x10\x10"
		"application/grpc")}},
	{"1: 200", {BLOCK("\x88\xbd")}}, /* the last static entry */
	{"1: 200 grpc",
	 {BLOCK("\x88\x0f\x91\x80\x80\0\0\x0f\x10\x10"
		"application/grpc")}},
	{"1: 418; 1: other; 1: other",
	 {BLOCK("\x48\x03"
		"418"),
	  BLOCK("\x48\x7f\x84\x01"
		"404" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR),
	  BLOCK("\xbe")}},
	{"1: POST g=5; 1: 200",
	 {BLOCK("\x83\x40\x0bgrpc-status\x01"
		"5"),
	  BLOCK("\x88")}},
	/* what is not added */
	{"1: 404; 1: UNKNOWN unknown ?",
	 {BLOCK("\x08\x03"
		"404"),
	  BLOCK("\xbe")}},
	{"1: 404; 1: UNKNOWN unknown ?",
	 {BLOCK("\x18\x03"
		"404"),
	  BLOCK("\xbe")}},
	{"1: 404",
	 {BLOCK("\x00\x07:status\x03"
		"404")}},
	{"1: 404",
	 {BLOCK("\x10\x85\xb8\x84\x8d\x36\xa3\x03"
		"404")}},
	/* what is, by names of all forms */
	{"1: 418; 1: 418",
	 {BLOCK("\x48\x03"
		"418"),
	  BLOCK("\xbe")}},
	{"1: 418; 1: 418",
	 {BLOCK("\x4e\x03"
		"418"),
	  BLOCK("\xbe")}},
	{"1: 418; 1: 418",
	 {BLOCK("\x40\x07:status\x03"
		"418"),
	  BLOCK("\xbe")}},
	{"1: 418; 1: 418; 1: 503; 1: 418",
	 {BLOCK("\x40\x85\xb8\x84\x8d\x36\xa3\x03"
		"418"),
	  BLOCK("\xbe"),
	  BLOCK("\x7e\x03"
		"503"),
	  BLOCK("\xbf")}},
	{"1: 200 g=5; 1: g=5; 1: g=16; 1: g=16; 1: g=5",
	 {BLOCK("\x88\x40\x0bgrpc-status\x01"
		"5"),
	  BLOCK("\xbe"),
	  BLOCK("\x7e\x02"
		"16"),
	  BLOCK("\xbe"), BLOCK("\xbf")}},
	{"1: g=0; 1: g=0",
	 {BLOCK("\x40\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f\x81\x07"), BLOCK("\xbe")}},
	{"1: DELETE; 1: DELETE", {BLOCK("\x42\x86\xbf\x83\x3e\x0d\xf8\x3f"), BLOCK("\xbe")}},
	{"1: PATCH; 1: OTHER; 1: OTHER",
	 {BLOCK("\x03\x05PATCH"), BLOCK("\x42\x08PROPFIND"), BLOCK("\xbe")}},
	{"1: OTHER; 1: OTHER; 1: OTHER; 1: OTHER",
	 {BLOCK("\x02\0"), BLOCK("\x02\x03get"), BLOCK("\x02\x04GETS"), BLOCK("\x02\x80")}},
	/* fields of no interest are counted too */
	{"1: 418; 1: 200; 1: 418",
	 {BLOCK("\x48\x03"
		"418"),
	  BLOCK("\x88\x40\x01"
		"a\x01"
		"b"),
	  BLOCK("\xbf")}},
	{"1: 418; 1: 200; 1: 418",
	 {BLOCK("\x48\x03"
		"418"),
	  BLOCK("\x88\x40\x7f\x01" SIXTY_FOUR SIXTY_FOUR "\x01z"), BLOCK("\xbf")}},
	/* sizes of the table come before the first field */
	{"1: 200; 1: UNKNOWN unknown ?",
	 {BLOCK("\x20\x3f\xe1\x1f\x88"), BLOCK("\x3f\xe1\x1f\xbe")}},
	/* unknown entries: the first field may be the status */
	{"1: UNKNOWN 200 ?; 1: GET ?", {BLOCK("\x88\xbe"), BLOCK("\x82\xbe")}},
	{"1: UNKNOWN unknown g=unknown ? .", {FRAME(HEADERS, 5, 1, "\xbe")}},
	{"1: UNKNOWN 200 g=3 ? .",
	 {FRAME(HEADERS, 5, 1,
		"\x88\xbe\x40\x0bgrpc-status\x01"
		"3")}},
	{"1: UNKNOWN 200 g=3 ?",
	 {BLOCK("\x88\xbe\x40\x0bgrpc-status\x01"
		"3")}},
	{"1: UNKNOWN unknown ?; 1: UNKNOWN unknown ?",
	 {BLOCK("\x7e\x03"
		"404"),
	  BLOCK("\xbe")}},
	/* statuses */
	{"1: 100; 1: 599",
	 {BLOCK("\x08\x03"
		"100"),
	  BLOCK("\x08\x03"
		"599")}},
	{"1: other; 1: other; 1: other; 1: other; 1: other",
	 {BLOCK("\x08\x03"
		"099"),
	  BLOCK("\x08\x03"
		"600"),
	  BLOCK("\x08\x02"
		"20"),
	  BLOCK("\x08\x04"
		"2000"),
	  BLOCK("\x08\x03"
		"2x0")}},
	{"1: other; 1: other",
	 {BLOCK("\x48\x16"
		"200 and something more"),
	  BLOCK("\xbe")}},
	{"1: g=other; 1: g=other; 1: g=other; 1: g=other",
	 {BLOCK("\x40\x0bgrpc-status\0"),
	  BLOCK("\x7e\x02"
		"17"),
	  BLOCK("\xbe"),
	  BLOCK("\x7e\x03"
		"001")}},
	/* coded numbers: a byte of ones too many, digits that end behind the string, no digits */
	{"1: g=0; 1: g=other; 1: g=other; 1: g=other; 1: g=16; 1: g=other",
	 {BLOCK("\x40\x0bgrpc-status\x81\x07"), BLOCK("\x7e\x82\x07\xff"), BLOCK("\x7e\x81\x03"),
	  BLOCK("\x7e\x81\x1f"), BLOCK("\x7e\x82\x0b\x9f"), BLOCK("\x7e\x82\x0b\x9e")}},
	{"1: 404; 1: other; 1: other",
	 {BLOCK("\x08\x83\x68\x0d\x7f"), BLOCK("\x08\x82\x68\x0d"), BLOCK("\x08\x83\x68\x0d\x3f")}},
	/* content types */
	{"1: grpc; 1: grpc; 1: grpc; 1: grpc",
	 {BLOCK("\x5f\x16"
		"application/grpc+proto"),
	  BLOCK("\xbe"),
	  BLOCK("\x7e\x10"
		"application/grpc"),
	  BLOCK("\x5f\x12"
		"application/grpc;x")}},
	{"1:; 1:; 1:; 1:; 1:; 1:",
	 {BLOCK("\x5f\x14"
		"application/grpc-web"),
	  BLOCK("\xbe"),
	  BLOCK("\x5f\x0f"
		"application/grp"),
	  BLOCK("\x5f\x11"
		"application/grpcx"),
	  BLOCK("\x5f\x19"
		"application/connect+proto"),
	  BLOCK("\x9f")}},
	{"1: grpc; 1: grpc; 1: grpc; 1:; 1:; 1:",
#define CODED_TYPE "\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65\x64"
	 {BLOCK("\x5f\x8b" CODED_TYPE), BLOCK("\x5f\x8c" CODED_TYPE "\xfb"),
	  BLOCK("\x5f\x8d" CODED_TYPE "\xff\x7f"), BLOCK("\x5f\x8d" CODED_TYPE "\xff\xbf"),
	  BLOCK("\x5f\x8c" CODED_TYPE "\x5b"), BLOCK("\x5f\x8c" CODED_TYPE "\xff")}},
};

static void append_row(struct bytes *b, const struct row *row)
{
	for (size_t i = 0; i < COUNT(row->frames); i++) {
		const struct frame *f = &row->frames[i];

		if (f->payload)
			add_frame(b, f->type, f->flags, f->stream, f->payload, f->n);
	}
}

static void test_rows(void)
{
	static struct list found;
	static struct bytes b;
	static char text[4096];

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *what;

		b.n = 0;
		append_row(&b, &rows[i]);
		what = mismatch_frames(b.data, b.n, &found);
		test(!what, what, b.data, b.n);
		describe(&found, text, sizeof(text));
		if (strcmp(text, rows[i].want))
			fprintf(stderr, "found: %s\nwant:  %s\n", text, rows[i].want);
		test(!strcmp(text, rows[i].want), rows[i].want, b.data, b.n);
	}
}

/* All digits in both forms, and what is nearly digits. */
static void test_digits(void)
{
	/* 0 to 9 of RFC 7541, appendix B */
	static const u8 codes[] = {0x0, 0x1, 0x2, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};
	char text[8];

	for (u32 n = 0; n < 1000; n++) {
		int length = snprintf(text, sizeof(text), "%u", n);
		u32 bits = 0, count = 0, bytes, word;
		u64 plain = 0;

		for (int i = 0; i < length; i++) {
			u32 d = text[i] - '0', width = d < 3 ? 5 : 6;

			bits = bits << width | codes[d];
			count += width;
		}
		bytes = (count + 7) / 8;
		word = bits << (32 - count) |
		       (0xffffffffu >> count & ~(u32)(0xffffffffull >> 8 * bytes));
		word = __builtin_bswap32(word);
		memcpy(&plain, text, length);
		test(http2_digits(plain, length, false, 3, true) == n, "plain", text, length);
		test(http2_digits(word, bytes, true, 3, true) == n, "coded", text, length);
		test(http2_digits(word, bytes, true, 3, false) == (n < 100 ? HTTP2_NOT_DIGITS : n),
		     "three coded digits", text, length);
	}
	/* Every coded string of three bytes that is taken for a number is that number's own. */
	for (u32 w = 0; w < 1 << 24; w += 1 + w % 7) {
		u32 n = http2_digits(w, 3, true, 3, false), bits = 0, count = 0;

		if (n == HTTP2_NOT_DIGITS)
			continue;
		for (u32 i = 0, unit = 100; i < 3; i++, unit /= 10) {
			u32 d = n / unit % 10, width = d < 3 ? 5 : 6;

			bits = bits << width | codes[d];
			count += width;
		}
		bits = bits << (24 - count) | ((1u << (24 - count)) - 1);
		if (__builtin_bswap32(w) >> 8 != bits)
			test(false, "a number of other bits", &w, 3);
	}
}

/*
 * Entries of which one of RARE is of interest, added from number FIRST on, BEFORE unseen ones:
 * what an index refers to is what was added, or unknown if a later one of interest took its place.
 */
static void test_table_of(u32 first, u32 rare, u32 before)
{
	enum { ADDED = 4000 };
	static struct http2_side s;
	static u16 entries[ADDED];
	const u16 unknown = HTTP2_ENTRY(HTTP2_KIND_UNKNOWN, 0);
	u32 seen = 0, wrong = 0, lost = 0;

	memset(&s, 0, sizeof(s));
	s.added = first;
	for (u32 i = 0; i < before; i++) /* of another connection, or in front of a gap */
		http2_add(&s, HTTP2_ENTRY(HTTP2_KIND_GRPC, i & 15));
	http2_side_begins(&s);
	for (u32 n = 0; n < ADDED; n++) {
		entries[n] = 0;
		if (!(random_number() % rare))
			entries[n] = HTTP2_ENTRY(1 + random_number() % 5, random_number());
		http2_add(&s, entries[n]);
		for (u32 i = 0; i < 8; i++) {
			u32 back = random_number() % (i & 1 ? n + 1 : n % 200 + 1), at = n - back;
			u16 found = http2_entry(&s, 62 + back);
			bool taken = false;

			for (u32 later = at + HTTP2_ENTRIES; later <= n; later += HTTP2_ENTRIES)
				taken = taken || entries[later];
			seen++;
			lost += found == unknown && entries[at] != unknown;
			wrong += found != (taken ? unknown : entries[at]);
		}
		wrong += http2_entry(&s, 62 + n + 1) != unknown;
		wrong += http2_entry(&s, 0xffffffff) != unknown;
	}
	test(!wrong, "the dynamic table", &first, sizeof(first));
	test(rare < 100 || lost < seen / 5, "too much is unknown", &rare, sizeof(rare));
}

static void test_table(void)
{
	static const u32 firsts[] = {0,		100,	  (1u << 23) - 2000, 1u << 22,
				     0u - 2000, 0u - 100, 1u << 31};
	static const u32 rare[] = {1, 2, 50, 1000, 0xffffffff};

	for (u32 i = 0; i < COUNT(firsts); i++)
		for (u32 j = 0; j < COUNT(rare); j++) {
			test_table_of(firsts[i], rare[j], 0);
			test_table_of(firsts[i], rare[j], 300);
		}
}

/* One entry of interest, and ten million that are of none, as connections of years have. */
static void test_old_entry(void)
{
	static struct http2_side s;
	u32 wrong = 0;

	memset(&s, 0, sizeof(s));
	http2_side_begins(&s);
	http2_add(&s, HTTP2_ENTRY(HTTP2_KIND_STATUS, 200));
	for (u32 n = 1; n < 10000000; n++) {
		http2_add(&s, 0);
		if (n < 5000)
			wrong += http2_entry(&s, 62 + n) != HTTP2_ENTRY(HTTP2_KIND_STATUS, 200);
		wrong += http2_entry(&s, 62 + n % 4096 % n) != 0;
	}
	test(!wrong, "an old entry", &wrong, sizeof(wrong));
}

/* The rows one after the other, with bytes changed at random: no cut makes a difference. */
static void test_changed(void)
{
	static struct list found;
	static struct bytes b;
	const char *what = NULL;

	for (int i = 0; i < 3000 && !what; i++) {
		b.n = 0;
		for (int j = 0; j < 3; j++)
			append_row(&b, &rows[random_number() % COUNT(rows)]);
		for (int j = random_number() % 4; j && b.n; j--)
			b.data[random_number() % b.n] = random_number();
		what = mismatch_frames(b.data, b.n, &found);
	}
	test(!what, what, b.data, b.n);
}

static void run_tests(void)
{
	test_rows();
	test_digits();
	test_table();
	test_old_entry();
	test_changed();
}

#endif

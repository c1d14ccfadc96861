/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Frames of HTTP/2 (RFC 9113), as far as they tell where requests and responses begin and end. The
 * preface of a client comes before.
 *
 * Pure functions: bytes and a direction's state in, an event out. The same files are compiled for
 * BPF and, with sanitizers and a fuzzer, for the host. Bytes come in pieces that may be cut
 * anywhere; most of them pass by number alone, without a look.
 */
#ifndef FATHOM_HTTP2_H
#define FATHOM_HTTP2_H

#include "event.h"
#include "http2_hpack.h"

/* What has happened, with the last byte that was used; the kind in an EVENT(). */
enum http2_event {
	HTTP2_NONE = EVENT_NONE,
	/* a header block is over: CONTINUATIONs, padding and all */
	HTTP2_HEADERS,
	HTTP2_END,    /* `stream` is over in this direction, with a DATA frame, padding and all */
	HTTP2_RESET,  /* RST_STREAM on `stream`, with `code` */
	HTTP2_GOAWAY, /* with `code`; `stream` is the last one that may have been processed */
	HTTP2_BROKEN, /* no such bytes may be here, and what follows cannot be told; nor later */
};

enum http2_frame {
	HTTP2_FRAME_DATA,
	HTTP2_FRAME_HEADERS,
	HTTP2_FRAME_PRIORITY,
	HTTP2_FRAME_RST_STREAM,
	HTTP2_FRAME_SETTINGS,
	HTTP2_FRAME_PUSH_PROMISE,
	HTTP2_FRAME_PING,
	HTTP2_FRAME_GOAWAY,
	HTTP2_FRAME_WINDOW_UPDATE,
	HTTP2_FRAME_CONTINUATION,
};

/* The flags of frames have meanings by the type; unknown types have none. */
enum http2_frame_flags {
	HTTP2_END_STREAM = 0x01,  /* DATA, HEADERS */
	HTTP2_END_HEADERS = 0x04, /* HEADERS, PUSH_PROMISE, CONTINUATION */
	HTTP2_PADDED = 0x08,	  /* DATA, HEADERS, PUSH_PROMISE */
	HTTP2_PRIORITY = 0x20,	  /* HEADERS */
};

/* The error code of a stream for which the server has done nothing (RFC 9113, section 7). */
#define HTTP2_CODE_REFUSED_STREAM 7

/* RFC 9113, section 6: what a frame must have, or the connection is in error. */
#define HTTP2_ON_STREAM 0x80	 /* a stream */
#define HTTP2_ON_CONNECTION 0x40 /* none */
#define HTTP2_EXACTLY 0x20	 /* as many bytes as the lowest bits say, not only at least */
#define HTTP2_BYTES 0x0f
static const u8 http2_rules[16] = {
	[HTTP2_FRAME_DATA] = HTTP2_ON_STREAM,
	[HTTP2_FRAME_HEADERS] = HTTP2_ON_STREAM,
	[HTTP2_FRAME_PRIORITY] = HTTP2_ON_STREAM,
	[HTTP2_FRAME_RST_STREAM] = HTTP2_ON_STREAM | HTTP2_EXACTLY | 4,
	[HTTP2_FRAME_SETTINGS] = HTTP2_ON_CONNECTION,
	[HTTP2_FRAME_PUSH_PROMISE] = HTTP2_ON_STREAM | 4,
	[HTTP2_FRAME_PING] = HTTP2_ON_CONNECTION | HTTP2_EXACTLY | 8,
	[HTTP2_FRAME_GOAWAY] = HTTP2_ON_CONNECTION | 8,
	[HTTP2_FRAME_WINDOW_UPDATE] = HTTP2_EXACTLY | 4,
	[HTTP2_FRAME_CONTINUATION] = HTTP2_ON_STREAM,
};

/*
 * A direction is followed from here on, where a frame begins. The dynamic table may have any
 * entries by now, of which nothing is known.
 */
static __always_inline void http2_side_begins(struct http2_side *s)
{
	s->at = HTTP2_AT_FRAME;
	s->skip = 0;
	s->then = HTTP2_NONE;
	s->open = 0;
	s->followed = s->added;
	s->head.have = 0;
	s->head.want = 9;
	s->grpc = GRPC_STATUS_NONE;
}

/* Whether the next byte is the first one of a frame's header. */
static __always_inline bool http2_at_frame(const struct http2_side *s)
{
	return s->at == HTTP2_AT_FRAME && !s->skip && !s->head.have;
}

/* A number of 32 bits in network byte order. */
static __always_inline u32 http2_u32(u64 w)
{
	return __builtin_bswap32((u32)w);
}

/* The header of a frame (RFC 9113, section 4.1) is at hand. */
static __always_inline void http2_frame_begins(struct http2_side *s)
{
	u64 lo = s->head.lo;
	u32 length = http2_u32(lo) >> 8, fixed = 0;
	u32 stream = http2_u32(lo >> 40 | s->head.hi << 24) & 0x7fffffff;
	u8 type = lo >> 24, flags = lo >> 32, rule, padded;

	s->type = type;
	s->frame_flags = flags;
	s->stream = stream;
	s->left = length;
	s->pad = 0;
	s->at = HTTP2_AT_FAULT;
	/* Section 6.10: nothing comes between the frames of a header block. */
	if (s->open != (type == HTTP2_FRAME_CONTINUATION) || (s->open && stream != s->block_stream))
		return;
	if (type > HTTP2_FRAME_CONTINUATION) { /* section 4.1: to be ignored */
		s->at = HTTP2_AT_FRAME;
		s->skip = length;
		return;
	}
	rule = http2_rules[type & 15];
	if (rule & (stream ? HTTP2_ON_CONNECTION : HTTP2_ON_STREAM))
		return;
	if (length < (rule & HTTP2_BYTES) ||
	    (rule & HTTP2_EXACTLY && length != (rule & HTTP2_BYTES)))
		return;
	padded = !!(flags & HTTP2_PADDED);
	switch (type) {
	case HTTP2_FRAME_DATA:
		if (length < padded)
			return;
		if (flags & HTTP2_END_STREAM)
			s->then = HTTP2_END;
		s->at = HTTP2_AT_FRAME;
		s->skip = length;
		return;
	case HTTP2_FRAME_HEADERS:
		http2_block_begins(s);
		if (flags & HTTP2_END_STREAM)
			s->flags = HTTP2_ENDS;
		fixed = padded + (flags & HTTP2_PRIORITY ? 5 : 0);
		break;
	case HTTP2_FRAME_PUSH_PROMISE:
		http2_block_begins(s);
		s->flags = HTTP2_PROMISED;
		fixed = padded + 4;
		break;
	case HTTP2_FRAME_CONTINUATION:
		break;
	case HTTP2_FRAME_RST_STREAM:
		fixed = 4;
		break;
	case HTTP2_FRAME_GOAWAY:
		fixed = 8;
		break;
	default:
		s->at = HTTP2_AT_FRAME;
		s->skip = length;
		return;
	}
	if (length < fixed)
		return;
	s->left = length - fixed;
	s->at = fixed ? HTTP2_AT_FIXED : HTTP2_AT_BLOCK;
	s->head.want = fixed ? fixed : 9;
}

/* What comes in front of a frame's variable part is at hand. */
static __always_inline void http2_fixed_ends(struct http2_side *s)
{
	u64 w = s->head.lo;
	u8 pad = 0;

	s->head.want = 9;
	if (s->type == HTTP2_FRAME_RST_STREAM || s->type == HTTP2_FRAME_GOAWAY) {
		s->at = HTTP2_AT_FRAME;
		s->skip = s->left;
		s->then = HTTP2_RESET;
		s->code = http2_u32(w);
		if (s->type == HTTP2_FRAME_GOAWAY) {
			s->then = HTTP2_GOAWAY;
			s->stream = s->code & 0x7fffffff;
			s->code = http2_u32(w >> 32);
		}
		return;
	}
	if (s->frame_flags & HTTP2_PADDED) {
		pad = w;
		w >>= 8;
	}
	if (s->type == HTTP2_FRAME_PUSH_PROMISE)
		s->promised = http2_u32(w) & 0x7fffffff;
	s->at = HTTP2_AT_BLOCK;
	if (s->left < pad) /* section 6.2 */
		s->at = HTTP2_AT_FAULT;
	s->left -= pad;
	s->pad = pad;
}

/*
 * Does what is due at this place, before a further byte: what is over ends, and it is found out how
 * many bytes are to pass. Returns what has happened.
 */
static __always_inline u8 http2_settle(struct http2_side *s)
{
	u8 then;

	if (s->skip)
		return HTTP2_NONE;
	if (s->at == HTTP2_AT_BLOCK) {
		if (s->part == HTTP2_STRING && s->text.have == s->text.want) {
			u32 n = s->string < s->left ? s->string : s->left;

			s->string -= n;
			s->left -= n;
			s->skip = n;
			if (n)
				return HTTP2_NONE;
			if (!s->string)
				http2_string_ends(s);
		}
		if (s->left)
			return HTTP2_NONE;
		/* The fragment is over. */
		s->at = HTTP2_AT_FRAME;
		s->open = !(s->frame_flags & HTTP2_END_HEADERS);
		if (!s->open) {
			s->then = HTTP2_HEADERS;
			http2_block_ends(s);
			if (s->part != HTTP2_FIELD)
				s->at = HTTP2_AT_FAULT;
		}
		s->skip = s->at == HTTP2_AT_FRAME ? s->pad : 0;
		if (s->skip)
			return HTTP2_NONE;
	}
	if (s->at == HTTP2_AT_FAULT)
		return HTTP2_BROKEN;
	then = s->then;
	s->then = HTTP2_NONE;
	return then;
}

/*
 * Takes up to N bytes that need no look. Returns 0 if one is needed first, else an EVENT() of as
 * many as passed, and of what has happened with the last of them: HTTP2_BROKEN too, where a block
 * ends within a field.
 */
static __always_inline u64 http2_pass(struct http2_side *s, u32 n)
{
	if (n > s->skip)
		n = s->skip;
	if (!n)
		return 0;
	s->skip -= n;
	return EVENT(http2_settle(s), 0, 0, n);
}

/* USED bytes were taken, of which W may have had some. */
static __always_inline void http2_window_moves(struct http2_window *w, u32 used)
{
	w->used += used;
	if (used >= w->have) {
		w->have = 0;
		return;
	}
	w->have -= used;
	w->lo = bytes_from(w->lo, w->hi, used & 15);
	w->hi = used < 8 ? w->hi >> 8 * (used & 7) : 0;
}

/*
 * Takes bytes at hand, of which there is one at least and of which at least one is used, and stops
 * where something has happened: a frame's header, a field, a string. What comes in pieces is kept
 * until it is whole. Returns an EVENT() of what has happened; how many bytes it took is in W.
 */
static __always_inline u64 http2_look(struct http2_side *s, struct http2_window *w)
{
	u32 used;

	if (s->skip) {
		used = w->have < s->skip ? w->have : s->skip;
		s->skip -= used;
		http2_window_moves(w, used);
		return EVENT(http2_settle(s), 0, 0, 0);
	}
	if (s->at <= HTTP2_AT_FIXED) {
		used = http2_gather(&s->head, w->lo, w->hi, w->have);
		http2_window_moves(w, used);
		if (s->head.have == s->head.want) {
			s->head.have = 0;
			if (s->at == HTTP2_AT_FRAME)
				http2_frame_begins(s);
			else
				http2_fixed_ends(s);
		}
	}
	HTTP2_WAYS_MEET();
	if (s->at == HTTP2_AT_BLOCK && s->left && w->have) {
		used = http2_block(s, w->lo, w->hi, w->have);
		http2_window_moves(w, used);
	}
	HTTP2_WAYS_MEET();
	return EVENT(http2_settle(s), 0, 0, 0);
}

#endif

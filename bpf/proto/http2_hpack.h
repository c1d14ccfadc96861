/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Header blocks of HTTP/2 (HPACK, RFC 7541), as far as they tell method, status, gRPC status and
 * whether the content type is gRPC's. Pure; it needs u8 to u64 defined.
 *
 * Every field has to be followed, since those that are added to the dynamic table change what an
 * index means. That takes neither the strings in the table nor their sizes:
 *
 * An index counts from the newest entry. So eviction changes no index that is still valid, and
 * an entry is known by how many were added before it. An entry that is larger than the whole table
 * is not added, but empties the table (section 4.4). Here it is added nevertheless: what lies
 * behind it is gone, so that no index reaches that far, and what comes before it is counted as the
 * peer does. For the same reason, changes of the table's size need no attention.
 *
 * Tables may have thousands of entries, nearly all of no interest. Those take no room: entry N has
 * place N mod 128, and leaves there what an earlier one of interest has written. Each place tells
 * whose it is, by N / 128. So if an older one is in the place of an entry, this was of no interest;
 * and only if a newer one is there, nobody knows what it was.
 *
 * From whatever moment on blocks are followed, an index that is smaller than the number of
 * insertions since is exact, or what it refers to is unknown, and said to be unknown.
 *
 * No Huffman code is decoded but that of digits: a string has one coded form only (section 5.2),
 * so that names and methods are compared with the coded constant.
 */
#ifndef FATHOM_HTTP2_HPACK_H
#define FATHOM_HTTP2_HPACK_H

#include "bytes.h"
#include "grpc.h"
#include "http1.h"
#include "http2_codes.h"
#include "protocol.h"

/* The first bytes of something that may come in pieces; zero behind the last. */
struct http2_piece {
	u64 lo, hi;
	u8 behind; /* the 17th byte */
	u8 have, want;
	u8 unused[5];
};

/* Bytes at hand: the first HAVE (0 to 16) of LO and HI; those behind them are ignored. */
struct http2_window {
	u64 lo, hi;
	u32 have;
	u32 used; /* how many of them were taken */
};

/*
 * Places for entries of the dynamic table. None is lost as long as no entry of interest is referred
 * to behind another that was added a multiple of 128 later.
 */
#define HTTP2_ENTRIES 128

/*
 * The state of one direction. All zero, and http2_side_begins() called, it is at the first byte
 * of a frame. The fields up to `flags` are what events tell of.
 */
struct http2_side {
	u32 skip;   /* bytes that pass without a look */
	u32 stream; /* of the frame at hand; of GOAWAY the last one that may have been processed */
	u32 code;   /* of RST_STREAM or GOAWAY */
	/* of the header block that is complete with HTTP2_HEADERS */
	u32 block_stream;
	u32 promised; /* the stream of which PUSH_PROMISE has the request */
	u16 status;   /* 0 (no such field), 100 to 599, STATUS_OTHER or STATUS_UNKNOWN */
	u8 method;    /* enum http_method */
	u8 grpc;      /* enum grpc_status, or GRPC_STATUS_NONE, _OTHER or _UNKNOWN */
	u8 flags;     /* enum http2_flags */

	/* of the frame */
	u8 at; /* enum http2_at */
	u8 type;
	u8 frame_flags;
	u8 pad;	 /* bytes behind the fragment of a header block */
	u8 then; /* enum http2_event: what will have happened when the bytes to skip are over */
	u8 open; /* the header block goes on in a CONTINUATION */

	/* of the field */
	u8 part;   /* enum http2_part */
	u8 number; /* enum http2_number: what the number at hand is for */
	u8 shift;  /* of the next seven bits of the number */
	u8 name;   /* the string is a literal name */
	u8 kind;   /* enum http2_kind: of the name */
	u8 adds;   /* it is to be added to the table */
	u8 coded;  /* the string is in Huffman code */
	u8 length; /* of the string; 255: or more */
	u8 fields; /* there was a field before, in this block */

	u32 left;     /* bytes of the fragment, or of what follows an error code */
	u32 value;    /* of the number, as far as it came */
	u32 string;   /* bytes of the string to come */
	u32 added;    /* entries of the dynamic table, ever; a number wraps around */
	u32 followed; /* of these, the first one since the direction is followed */

	struct http2_piece head;    /* of a frame, or its fixed part */
	struct http2_piece text;    /* of a string of interest */
	u32 entries[HTTP2_ENTRIES]; /* the lower half an entry, the upper its number / 128 */
};
_Static_assert(sizeof(struct http2_side) <= 704, "what a connection may keep for a direction");

/* Of a header block. */
enum http2_flags {
	/*
	 * it has :status; or its first field is unknown (STATUS_UNKNOWN): in the first block of a
	 * response it is that, in trailers it is another
	 */
	HTTP2_HAS_STATUS = 1,
	HTTP2_HAS_METHOD = 2, /* it has :method; or a field is unknown, and may be that */
	HTTP2_IS_GRPC = 4,    /* by its content type */
	HTTP2_UNKNOWN = 8,    /* a field refers to what was added before it could be seen */
	HTTP2_ENDS = 16,      /* nothing follows the block on its stream */
	HTTP2_PROMISED = 32,  /* it is of PUSH_PROMISE */
	HTTP2_ASKED = 64,     /* a field's name is one of a request's in the static table */
};

/* What a direction's next byte belongs to. */
enum http2_at {
	HTTP2_AT_FRAME, /* the header of a frame */
	HTTP2_AT_FIXED, /* what a frame has in front of a header block; or an error code */
	HTTP2_AT_BLOCK, /* the fragment of a header block */
	HTTP2_AT_FAULT, /* nobody knows */
};

/* Within a block. */
enum http2_part {
	HTTP2_FIELD,  /* the first byte of a field, or of a new size of the table */
	HTTP2_MORE,   /* of a number that did not fit its first byte */
	HTTP2_LENGTH, /* the first byte of a string */
	HTTP2_STRING,
};

/* RFC 7541, section 6: what a number is. */
enum http2_number {
	HTTP2_NAME,  /* the index of a name, or 0, in front of a literal */
	HTTP2_INDEX, /* the index of a field */
	HTTP2_SIZE,  /* the table's new maximum */
	HTTP2_STRING_LENGTH,
};

/* What fields are. */
enum http2_kind {
	HTTP2_KIND_NONE, /* of no interest */
	HTTP2_KIND_METHOD,
	HTTP2_KIND_STATUS,
	HTTP2_KIND_GRPC, /* grpc-status */
	HTTP2_KIND_TYPE, /* content-type; the value is whether it is gRPC's */
	HTTP2_KIND_UNKNOWN,
};

/* What the verifier knows of different ways to here ends: it follows one from here on. */
#define HTTP2_WAYS_MEET() asm volatile("" ::: "memory")

/* An entry of a table: the kind of a field, and its value, of which 12 bits are enough. */
#define HTTP2_ENTRY(kind, value) ((u16)((kind) << 12 | ((value) & 0xfff)))

static const u16 http2_static[64] = {
#define X(index, kind, value) [index] = HTTP2_ENTRY(HTTP2_KIND_##kind, value),
	HTTP2_STATIC(X)
#undef X
};

/*
 * How much later the entry with number N (modulo 2^32) was added than the one that its place holds:
 * in units of 128 entries, modulo 2^16.
 */
static __always_inline u16 http2_later(u32 n, u32 in_place)
{
	return n / HTTP2_ENTRIES - (in_place >> 16);
}

/*
 * What an index (RFC 7541, section 2.3.3) refers to. What would be later by 2^15 units or more is
 * earlier: for it not to be, a table would need 128 MB.
 */
static __always_inline u16 http2_entry(const struct http2_side *s, u32 index)
{
	u32 back = index - 62; /* 0: the newest entry */
	u32 n = s->added - 1 - back, in_place;
	u16 later;

	if (index < 62)
		return http2_static[index & 63];
	in_place = s->entries[n & (HTTP2_ENTRIES - 1)];
	later = http2_later(n, in_place);
	if (back >= s->added - s->followed || later >> 15)
		return HTTP2_ENTRY(HTTP2_KIND_UNKNOWN, 0);
	return later ? HTTP2_ENTRY(HTTP2_KIND_NONE, 0) : in_place;
}

/*
 * Adds an entry to the dynamic table. One of no interest is written only where the number in its
 * place gets so old that it would be taken for a newer one.
 */
static __always_inline void http2_add(struct http2_side *s, u16 entry)
{
	u32 n = s->added++, *place = &s->entries[n & (HTTP2_ENTRIES - 1)];

	if (entry || http2_later(n, *place) >> 14)
		*place = n / HTTP2_ENTRIES << 16 | entry;
}

/* Takes note of a field. */
static __always_inline void http2_field(struct http2_side *s, u16 entry)
{
	u32 value = entry & 0xfff;

	switch (entry >> 12) {
	case HTTP2_KIND_METHOD:
		s->method = value;
		s->flags |= HTTP2_HAS_METHOD;
		break;
	case HTTP2_KIND_STATUS:
		s->status = value >= 0xff0 ? 0xf000 | value : value;
		s->flags |= HTTP2_HAS_STATUS;
		break;
	case HTTP2_KIND_GRPC:
		s->grpc = value;
		break;
	case HTTP2_KIND_TYPE:
		s->flags |= value ? HTTP2_IS_GRPC : 0;
		break;
	case HTTP2_KIND_UNKNOWN:
		s->flags |= HTTP2_UNKNOWN;
		/* A response has one pseudo field, in front of all others (RFC 9113, 8.3). */
		if (!s->fields) {
			s->status = STATUS_UNKNOWN;
			s->flags |= HTTP2_HAS_STATUS;
		}
		break;
	}
	s->fields = 1;
}

/* The kind of a literal name. */
static __always_inline u8 http2_name(const struct http2_piece *p, u32 length, bool coded)
{
#define X(kind, low, high, n)                                   \
	if (length == (n) && p->lo == (low) && p->hi == (high)) \
		return HTTP2_KIND_##kind;
	if (coded) {
		HTTP2_CODED_NAMES(X)
	} else {
		HTTP2_NAMES(X)
	}
#undef X
	return HTTP2_KIND_NONE;
}

static __always_inline u8 http2_method(u64 word, u32 length, bool coded)
{
	if (!coded)
		return http1_method(word, length);
#define X(method, w, n)                   \
	if (length == (n) && word == (w)) \
		return METHOD_##method;
	HTTP2_CODED_METHODS(X)
#undef X
	return METHOD_OTHER;
}

#define HTTP2_NOT_DIGITS 0xffff
/* The number that a string of LENGTH bytes has: DIGITS (1 to 3) of them, or fewer if FEWER. */
static __always_inline u32 http2_digits(u64 w, u32 length, bool coded, u32 digits, bool fewer)
{
	u32 number = 0, count = 0, bits, used = 0, i;

	if (!length || length > 3)
		return HTTP2_NOT_DIGITS;
	if (!coded) {
		if (length > digits || (length < digits && !fewer) ||
		    bytes_not_digit(w) & bytes_low(length))
			return HTTP2_NOT_DIGITS;
		return bytes_decimal(w, length);
	}
	/* 0 to 2 are 00000 to 00010, 3 to 9 are 011001 to 011111; 1 to 7 ones fill up a byte. */
	bits = __builtin_bswap32((u32)w) | 0xffffffffu >> 8 * length;
	for (i = 0; i < 3; i++) {
		u32 five = bits >> 27, six = bits >> 26;

		if (five < 3) {
			number = 10 * number + five;
			bits = bits << 5 | 0x1f;
			used += 5;
		} else if (six - 0x19 < 7) {
			number = 10 * number + six - 0x16;
			bits = bits << 6 | 0x3f;
			used += 6;
		} else {
			break;
		}
		count++;
	}
	if (bits != 0xffffffff || 8 * length - used > 7 || !count || count > digits ||
	    (count < digits && !fewer))
		return HTTP2_NOT_DIGITS;
	return number;
}

/* What a literal value is, by the kind of its name. */
static __always_inline u16 http2_value(const struct http2_side *s)
{
	u32 length = s->length, number;
	u64 lo = s->text.lo, hi = s->text.hi;
	bool coded = s->coded;

	switch (s->kind) {
	case HTTP2_KIND_METHOD:
		return HTTP2_ENTRY(HTTP2_KIND_METHOD, http2_method(lo, length, coded));
	case HTTP2_KIND_STATUS:
		number = http2_digits(lo, length, coded, 3, false);
		if (number < 100 || number > 599)
			number = STATUS_OTHER;
		return HTTP2_ENTRY(HTTP2_KIND_STATUS, number);
	case HTTP2_KIND_GRPC:
		number = http2_digits(lo, length, coded, 2, true);
		if (number >= GRPC_COUNT)
			number = GRPC_STATUS_OTHER;
		return HTTP2_ENTRY(HTTP2_KIND_GRPC, number);
	case HTTP2_KIND_TYPE:
		return HTTP2_ENTRY(HTTP2_KIND_TYPE,
				   coded ? grpc_coded_content_type(lo, hi, length) :
					   grpc_content_type(lo, hi, s->text.behind, length));
	}
	return HTTP2_ENTRY(s->kind, 0);
}

/* A string is over: all of it that is of interest is at hand. */
static __always_inline void http2_string_ends(struct http2_side *s)
{
	u16 entry;

	if (s->name) {
		s->name = 0;
		s->kind = http2_name(&s->text, s->length, s->coded);
		s->part = HTTP2_LENGTH;
		return;
	}
	s->part = HTTP2_FIELD;
	s->value = http2_value(s);
	HTTP2_WAYS_MEET();
	entry = s->value;
	http2_field(s, entry);
	if (s->adds)
		http2_add(s, entry);
}

static __always_inline void http2_string_begins(struct http2_side *s, u32 length)
{
	bool look = s->name || (s->kind != HTTP2_KIND_NONE && s->kind != HTTP2_KIND_UNKNOWN);

	s->part = HTTP2_STRING;
	s->string = length;
	s->length = length < 255 ? length : 255;
	s->text.lo = 0;
	s->text.hi = 0;
	s->text.behind = 0;
	s->text.have = 0;
	s->text.want = look ? (length < 17 ? length : 17) : 0;
}

static __always_inline void http2_number_ends(struct http2_side *s, u32 value)
{
	if (s->number <= HTTP2_INDEX && value - 1 < 7)
		s->flags |= HTTP2_ASKED;
	switch (s->number) {
	case HTTP2_NAME:
		s->name = !value;
		s->kind = http2_entry(s, value) >> 12;
		s->part = HTTP2_LENGTH;
		return;
	case HTTP2_INDEX:
		if (!value) { /* section 6.1; no field begins any more */
			s->at = HTTP2_AT_FAULT;
			return;
		}
		s->part = HTTP2_FIELD;
		http2_field(s, http2_entry(s, value));
		return;
	case HTTP2_STRING_LENGTH:
		http2_string_begins(s, value);
		return;
	}
	s->part = HTTP2_FIELD;
}

/* Takes the first byte of a field. Returns whether the number in it is complete. */
static __always_inline bool http2_field_begins(struct http2_side *s, u8 first)
{
	u32 mask = 0x0f; /* a literal that is not added, or never (6.2.2, 6.2.3) */

	s->number = HTTP2_NAME;
	s->adds = 0;
	if (first & 0x80) { /* 6.1 */
		mask = 0x7f;
		s->number = HTTP2_INDEX;
	} else if (first & 0x40) { /* 6.2.1 */
		mask = 0x3f;
		s->adds = 1;
	} else if (first & 0x20) { /* 6.3 */
		mask = 0x1f;
		s->number = HTTP2_SIZE;
	}
	s->value = first & mask;
	s->shift = 0;
	s->part = HTTP2_MORE;
	return s->value != mask;
}

/* Takes a further byte of a number (section 5.1), likewise. It may not exceed 32 bits. */
static __always_inline bool http2_number_goes_on(struct http2_side *s, u8 byte)
{
	u64 value = s->value + ((u64)(byte & 0x7f) << (s->shift & 31));

	if (s->shift > 28 || value >> 32) {
		s->at = HTTP2_AT_FAULT;
		return false;
	}
	s->value = value;
	s->shift += 7;
	return !(byte & 0x80);
}

/*
 * Puts the first HAVE (0 to 16) bytes of LO and HI behind those that came before, up to those that
 * are wanted. Returns how many fitted.
 */
static __always_inline u32 http2_gather(struct http2_piece *p, u64 lo, u64 hi, u32 have)
{
	u32 at = p->have, n = p->want - at, shift = 8 * (at & 7);

	if (at < 16 && n > 16 - at)
		n = 16 - at;
	if (n > have)
		n = have;
	bytes_cut(&lo, &hi, n);
	if (!at) {
		p->lo = lo;
		p->hi = hi;
	} else if (at >= 16) {
		p->behind = lo;
	} else if (at >= 8) {
		p->hi |= lo << shift;
	} else {
		p->lo |= lo << shift;
		p->hi |= hi << shift | lo >> (64 - shift);
	}
	p->have = at + n;
	return n;
}

/*
 * How many of the HAVE (1 to 16) bytes of LO from the second on are fields of no interest, each an
 * index of one byte: of what clients repeat with every request, most are.
 */
static __always_inline u32 http2_passes_fields(struct http2_side *s, u64 lo, u32 have)
{
	u32 index, i;

	for (i = 1; i < 8; i++) {
		lo >>= 8;
		index = (u8)lo ^ 0x80;
		if (i >= have || index - 1 >= 0x7e || http2_entry(s, index))
			break;
		if (index < 8)
			s->flags |= HTTP2_ASKED;
		s->fields = 1;
	}
	return i - 1;
}

/* Takes up to HAVE (1 to 16) bytes of a fragment, at most as many as are left of it. */
static __always_inline u32 http2_block(struct http2_side *s, u64 lo, u64 hi, u32 have)
{
	bool complete = false;
	u32 used = 0, n;

	if (have > s->left)
		have = s->left;
	if (s->part == HTTP2_FIELD) {
		complete = http2_field_begins(s, lo);
		used = 1;
	}
	if (s->part == HTTP2_MORE && !complete && used < have) {
		complete = http2_number_goes_on(s, lo >> 8 * used);
		used++;
	}
	if (complete)
		http2_number_ends(s, s->value);
	if (s->part == HTTP2_FIELD && used == 1)
		used += http2_passes_fields(s, lo, have);
	if (s->part == HTTP2_LENGTH && used < have) {
		u8 first = lo >> 8 * used;

		used++;
		s->number = HTTP2_STRING_LENGTH;
		s->coded = first >> 7; /* section 5.2 */
		s->value = first & 0x7f;
		s->shift = 0;
		if (s->value != 0x7f)
			http2_string_begins(s, s->value);
		else
			s->part = HTTP2_MORE;
	}
	if (s->part == HTTP2_STRING && used < have && s->text.have < s->text.want) {
		if (used) {
			lo = bytes_from(lo, hi, used);
			hi >>= 8 * used;
		}
		n = http2_gather(&s->text, lo, hi, have - used);
		s->string -= n;
		used += n;
	}
	s->left -= used;
	return used;
}

/* A block begins. */
static __always_inline void http2_block_begins(struct http2_side *s)
{
	s->block_stream = s->stream;
	s->promised = 0;
	s->status = 0;
	s->method = METHOD_OTHER;
	s->grpc = GRPC_STATUS_NONE;
	s->flags = 0;
	s->fields = 0;
	s->part = HTTP2_FIELD;
}

/*
 * A block is over: what was not found in it may be in a field that is unknown. A server of gRPC
 * sends its status in the block that ends the stream, so that in others there is none to be missed.
 */
static __always_inline void http2_block_ends(struct http2_side *s)
{
	if (!(s->flags & HTTP2_UNKNOWN))
		return;
	if (!(s->flags & HTTP2_HAS_METHOD)) {
		s->method = METHOD_UNKNOWN;
		s->flags |= HTTP2_HAS_METHOD;
	}
	if (s->flags & HTTP2_ENDS && s->grpc == GRPC_STATUS_NONE)
		s->grpc = GRPC_STATUS_UNKNOWN;
}

#endif

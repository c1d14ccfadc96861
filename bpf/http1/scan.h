/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From the memory of a process to the parsers of HTTP/1: heads, fields, the lines of chunks. */
#ifndef FATHOM_HTTP1_SCAN_H
#define FATHOM_HTTP1_SCAN_H

#include "../base/load.h"
#include "../socket/find.h"

/*
 * These functions take the slot of a connection and a direction, and return how many bytes they
 * used, or one of these. Each is verified once and on its own.
 */
#define SCAN_FAULT -1	      /* the memory could not be read */
#define SCAN_END 0x40000000   /* besides the number: up to the end of the head */
#define SCAN_FIELD 0x20000000 /* up to a line that may say something about the body */
#define SCAN_NUMBER (SCAN_FIELD - 1)

#define SCAN_BYTES 16 /* in one go */
#define SCAN_AHEAD 16 /* and so many behind, to tell names apart */
#define SCAN_CHUNKS 64

static __always_inline struct http1_side *http1_of(struct conn *c, u32 is_response)
{
	return &c->http1[is_response & 1];
}

/*
 * Where in the I-th word of WORDS, of which LENGTH bytes are there, a line begins that may be a
 * field; 8: nowhere.
 */
static __always_inline u32 field_in_word(const u64 *words, u32 i, u64 lf, u8 line, bool is_response,
					 u32 length)
{
	u64 found = http1_candidates(words[i], lf, line, is_response), lo, hi, at;

	if (!found)
		return 8;
	at = http1_lowest(found) & 7;
	lo = words[i] >> 8 * at | words[i + 1] << 1 << (63 - 8 * at);
	hi = words[i + 1] >> 8 * at | words[i + 2] << 1 << (63 - 8 * at);
	if (!(found & (found - 1)) && length >= 8 * i + at + 16 &&
	    !http1_may_be_field(lo, hi, is_response))
		return 8;
	return at;
}

/* Looks for the end of a head, or a field, in up to SCAN_BYTES bytes. */
__noinline int scan_chunk(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[(SCAN_BYTES + SCAN_AHEAD) / 8] = {}, lf;
	struct conn *c = conn_of(slot);
	u64 n = at_most(length, SCAN_BYTES + SCAN_AHEAD);
	u32 i, end, at, count;
	struct http1_side *s;
	u8 line;

	if (!c || bpf_probe_read_user(words, n, (void *)address))
		return SCAN_FAULT;
	s = http1_of(c, is_response);
	for (i = 0; i < SCAN_BYTES / 8; i++) {
		if (8 * i >= length)
			break;
		/* bytes that did not come are 0, no letters */
		count = length - 8 * i < 8 ? length - 8 * i : 8;
		line = s->line; /* through memory: the verifier need not follow it */
		lf = http1_bytes_equal(words[i], '\n');
		if (!lf && line == HTTP1_LINE_SOME)
			continue;
		at = s->phase == HTTP1_HEAD ?
			     field_in_word(words, i, lf, line, is_response, length) :
			     8;
		end = http1_head_end(words[i], count, &line);
		s->line = line;
		if (end)
			return SCAN_END | (8 * i + end);
		if (at < 8) {
			s->line = HTTP1_LINE_LF;
			return SCAN_FIELD | (8 * i + at);
		}
	}
	return length < SCAN_BYTES ? length : SCAN_BYTES;
}

/*
 * Takes a field that lies in memory as a whole and has its usual form; else does nothing and
 * returns 0.
 */
__noinline int usual_field(u32 slot, u32 is_response, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	u64 words[4] = {};

	if (!c || length < sizeof(words) ||
	    bpf_probe_read_user(words, sizeof(words), (void *)address))
		return 0;
	return http1_usual_field(http1_of(c, is_response), words, sizeof(words));
}

/* Looks for the end of a head. Where it returns SCAN_FIELD the phase is HTTP1_FIELD. */
static __always_inline int scan_head(u32 slot, u32 is_response, u64 address, u32 length)
{
	u32 done = 0, chunk;
	int used;

	for (chunk = 0; chunk < SCAN_CHUNKS; chunk++) {
		if (done >= length)
			break;
		used = scan_chunk(slot, is_response, address + done, length - done);
		if (used < 0)
			return used;
		done += used & SCAN_NUMBER;
		if (used & SCAN_END)
			return done | SCAN_END;
		if (!(used & SCAN_FIELD))
			continue;
		used = usual_field(slot, is_response, address + done, length - done);
		if (used <= 0)
			return done | SCAN_FIELD;
		done += used;
	}
	return done;
}

#define FIELD_BYTES 16

/* http1_field_byte(), verified once. Returns whether that was the last byte. */
__noinline int field_byte(u32 slot, u32 is_response, u32 b)
{
	struct conn *c = conn_of(slot);

	return !c || !http1_field_byte(http1_of(c, is_response), b);
}

/* Takes bytes of a line that may be a field. */
__noinline int scan_field(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[FIELD_BYTES / 8] = {}, n = at_most(length, FIELD_BYTES);
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u32 i;
	u8 b;

	if (!c || bpf_probe_read_user(words, n, (void *)address))
		return SCAN_FAULT;
	s = http1_of(c, is_response);
	b = words[0];
	if (s->field == FIELD_AFTER) {
		http1_behind_field(s, b);
		s->phase = HTTP1_HEAD;
		return 0;
	}
	if (!s->field) {
		s->field = http1_field_of(b, is_response);
		s->digits = 0;
		s->word[0] = 0;
		s->word[1] = 0;
	}
	for (i = 0; i < FIELD_BYTES; i++) {
		if (i >= n)
			break;
		if (field_byte(slot, is_response, (u8)(words[i / 8] >> 8 * (i & 7)))) {
			if (s->field != FIELD_AFTER)
				s->phase = HTTP1_HEAD;
			return i + 1;
		}
	}
	return n;
}

#define CHUNK_BYTES 24

/* Takes bytes of the line of a chunk. */
__noinline int scan_chunk_line(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[CHUNK_BYTES / 8] = {}, n = at_most(length, CHUNK_BYTES);
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u32 i;

	if (!c || bpf_probe_read_user(words, n, (void *)address))
		return SCAN_FAULT;
	s = http1_of(c, is_response);
	s->framing = 0; /* what was asked by Expect is decided: a request is no such line */
	for (i = 0; i < CHUNK_BYTES; i++) {
		if (i >= n)
			break;
		if (http1_chunk_byte(s, words[i / 8] >> 8 * (i & 7)))
			return i + 1;
	}
	return n;
}

/* Adds up to 16 bytes to the first ones of a message. */
__noinline int scan_prefix(u32 slot, u32 is_response, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u64 piece[2] = {};
	u32 have;
	u64 n;

	if (!c)
		return SCAN_FAULT;
	s = http1_of(c, is_response);
	have = s->have & (HTTP1_PREFIX - 1);
	n = HTTP1_PREFIX - have;
	n = at_most(n < length ? n : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(piece, n, (void *)address))
		return SCAN_FAULT;
	http1_append(s->word, have, piece);
	s->have = have + n;
	return n;
}

#endif

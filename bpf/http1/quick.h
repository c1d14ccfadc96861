/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The usual message in one go: a head that begins with the first byte of a call, in one buffer.
 * What is unusual is left to the steps, which find the state as if they had come so far themselves.
 */
#ifndef FATHOM_HTTP1_QUICK_H
#define FATHOM_HTTP1_QUICK_H

#include "../proto/event.h"
#include "state.h"

#define QUICK_BYTES 96 /* in one go */
#define QUICK_WORDS (QUICK_BYTES / 8)
#define QUICK_AHEAD 2 /* words behind a candidate, to tell names apart */

/* The 8 bytes that begin with byte AT (0 to 7) of the I-th word. */
static __always_inline u64 word_from(const u64 *words, u32 i, u32 at)
{
	return words[i] >> 8 * at | words[i + 1] << 1 << (63 - 8 * at);
}

/*
 * Looks for the end of the head in WORDS, of which N bytes are there. Returns how many bytes were
 * used, with SCAN_END, or with SCAN_FIELD if a field comes next; else all, or up to a line for
 * which there are not enough bytes.
 */
static __always_inline u32 quick_head(struct http1_side *s, const u64 *words, u32 n,
				      bool is_response)
{
	u32 i, end, at;
	u64 lf, found;
	u8 line, before;

#pragma clang loop unroll(disable)
	for (i = 0; i < QUICK_WORDS; i++) {
		if (8 * (i + 1) > n)
			break;
		line = s->line; /* through memory: the verifier need not follow it */
		lf = http1_bytes_equal(words[i], '\n');
		if (!lf && line == HTTP1_LINE_SOME)
			continue;
		before = line;
		end = http1_head_end(words[i], 8, &line);
		s->line = line;
		if (end)
			return SCAN_END | (8 * i + end);
		found = http1_candidates(words[i], lf, before, is_response);
		if (!found)
			continue;
		at = http1_lowest(found) & 7;
		if (i + QUICK_AHEAD >= QUICK_WORDS || n < 8 * i + at + 16 || found & (found - 1)) {
			s->line = HTTP1_LINE_LF;
			return 8 * i + at;
		}
		if (http1_may_be_field(word_from(words, i, at), word_from(words, i + 1, at),
				       is_response)) {
			s->line = HTTP1_LINE_LF;
			return SCAN_FIELD | (8 * i + at);
		}
	}
	if (i >= QUICK_WORDS || !(n & 7))
		return 8 * i;
	before = line = s->line;
	end = http1_head_end(words[i], n & 7, &line);
	if (end)
		return SCAN_END | (8 * i + end);
	if (http1_candidates(words[i], http1_bytes_equal(words[i], '\n'), before, is_response))
		return 8 * i;
	s->line = line;
	return n;
}

/* The first line of a usual message: EVENT_BEGIN or EVENT_STATUS, 0 if it is not usual. */
__noinline u64 quick_line(u64 lo, u64 hi, u32 is_response)
{
	u8 method = METHOD_GET;
	u16 status;

	if (is_response) {
		if (http1_response(lo, hi, HTTP1_PREFIX, &status) != HTTP1_YES || status < 200 ||
		    status == 204 || status == 304 || status == STATUS_OTHER)
			return 0;
		return EVENT(EVENT_STATUS, 0, status, 0);
	}
	if (!HTTP1_BEGINS(lo, "GET /   ", 5) &&
	    (http1_any_request(lo, 8, &method) != HTTP1_YES || method == METHOD_OTHER))
		return 0;
	return EVENT(EVENT_BEGIN, method, 0, 0);
}

/*
 * Takes bytes of a message at ADDRESS, of which LENGTH are there: from the first one on where the
 * phase is HTTP1_START, else more of its head. Returns how many were used, with SCAN_FIELD, and
 * with the event of the first line; 0 if it is not usual.
 */
__noinline u64 http1_quick(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[QUICK_WORDS] = {}, n = at_most(length, QUICK_BYTES), event;
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u32 used;

	if (!c || bpf_probe_read_user(words, n, (void *)address))
		return 0;
	s = http1_of(c, is_response);
	if (s->phase == HTTP1_START) {
		event = quick_line(words[0], words[1], is_response);
		if (!event)
			return 0;
		s->word[0] = event; /* through memory: the verifier need not follow each of them */
		s->framing = 0;
		s->left = 0;
		s->field = 0;
		s->line = HTTP1_LINE_SOME;
		s->phase = HTTP1_HEAD;
		s->answers = HTTP1_ANSWERS_USUAL;
	}
	used = quick_head(s, words, n, is_response);
	event = s->word[0];
	if (used & SCAN_END)
		http1_head_ends(s, is_response);
	s->word[0] = 0;
	return event | (used & ~SCAN_END);
}

#endif

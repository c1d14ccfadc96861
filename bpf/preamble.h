/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Steps through what is said before the protocol of a connection is known: the header of the PROXY
 * protocol is passed over, and so are questions for TLS, behind which the connection begins anew.
 */
#ifndef FATHOM_CONN_PREAMBLE_H
#define FATHOM_CONN_PREAMBLE_H

#include "http1/scan.h"
#include "proto/event.h"
#include "proto/preamble.h"
#include "socket/coverage.h"

/* LEFT bytes are passed over next, as WHAT says; and there is something, for all who ask. */
static __always_inline void preamble_expect(struct conn *c, struct http1_side *s, u8 what, u32 left)
{
	http1_expect_message(s);
	s->left = left;
	s->have = !!left;
	c->preamble = left ? what : PREAMBLE_NONE;
}

/*
 * Whether the first bytes of a connection, in S, are a preamble, or may be: the event of the step
 * then, else 0. HAVE of them came in earlier calls; LENGTH bytes are there of this one; FRESH: none
 * that tells anything came before.
 */
static __always_inline u64 preamble_begun(struct conn *c, struct http1_side *s, u32 have,
					  bool fresh, u32 length)
{
	u64 hi = s->word[1];

	if (c->joined || c->after_gap || c->tls)
		return 0;
	switch (preamble_verdict(s->word[0], hi, s->have)) {
	case PREAMBLE_PARTIAL:
		return EVENT(fresh ? EVENT_PIECE : EVENT_NONE, 0, 0, length);
	case PREAMBLE_LINE:
		preamble_expect(c, s, PREAMBLE_UP_TO_LF, PREAMBLE_MAX_LINE - have);
		return EVENT(EVENT_NONE, 1, 0, 0);
	case PREAMBLE_BINARY:
		preamble_expect(c, s, PREAMBLE_REST, preamble_length(hi));
		return EVENT(EVENT_NONE, 1, 0, HTTP1_PREFIX - have);
	case PREAMBLE_QUESTION:
		http1_expect_message(s);
		c->asked = 1;
		return EVENT(EVENT_NONE, 1, 0, PREAMBLE_POSTGRES_BYTES - have);
	}
	return 0;
}

/* Up to the end of a line, LENGTH bytes of which may be at ADDRESS. */
static __always_inline u64 preamble_line(struct conn *c, struct http1_side *s, u64 address,
					 u32 length)
{
	u64 words[2] = {}, n = at_most(length, sizeof(words)), lf;
	u32 used = n;

	if (bpf_probe_read_user(words, n, (void *)address))
		return EVENT(EVENT_FAULT, 0, 0, 0);
	lf = http1_bytes_equal(words[0], '\n');
	if (lf) {
		used = http1_lowest(lf) + 1;
	} else {
		lf = http1_bytes_equal(words[1], '\n');
		if (lf)
			used = 8 + http1_lowest(lf) + 1;
	}
	if (used > s->left || (used == s->left && !lf)) {
		c->preamble = PREAMBLE_NONE;
		return EVENT(EVENT_OTHER, CLASS_OTHER, 0, length);
	}
	s->left -= used;
	if (lf)
		preamble_expect(c, s, PREAMBLE_NONE, 0);
	return EVENT(EVENT_NONE, 0, 0, used);
}

/* A client's first words to MySQL: TLS follows, or not. */
static __always_inline u64 preamble_greeted(struct conn *c, struct http1_side *s, u64 address,
					    u32 length)
{
	u32 have = s->have;

	if (scan_prefix(c->slot, REQUEST, address, length) < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (s->have < PREAMBLE_MYSQL_BYTES)
		return EVENT(EVENT_NONE, 0, 0, length);
	if (!preamble_wants_tls(s->word[0])) {
		c->preamble = PREAMBLE_NONE;
		return EVENT(EVENT_OTHER, CLASS_OTHER, COVERAGE_SERVER_FIRST, length);
	}
	preamble_expect(c, s, PREAMBLE_REST, PREAMBLE_MYSQL_REQUEST - have);
	return EVENT(EVENT_NONE, 1, 0, 0);
}

/* A step in the request direction of a connection that is within a preamble. */
__noinline u64 preamble_step(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	u32 used;

	if (!c)
		return EVENT(EVENT_NONE, 0, 0, length);
	s = http1_of(c, REQUEST);
	if (c->preamble == PREAMBLE_UP_TO_LF)
		return preamble_line(c, s, address, length);
	if (c->preamble == PREAMBLE_GREETED)
		return preamble_greeted(c, s, address, length);
	used = s->left < length ? s->left : length;
	preamble_expect(c, s, PREAMBLE_REST, s->left - used);
	return EVENT(EVENT_NONE, 0, 0, used);
}

/* A step in the response direction: an answer to a preamble, or the first words of all. */
__noinline u64 preamble_answer(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!c || c->asked || c->preamble)
		return EVENT(EVENT_NONE, 0, 0, length);
	s = http1_of(c, RESPONSE);
	if (scan_prefix(slot, RESPONSE, address, length) < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	if (s->have < PREAMBLE_MYSQL_BYTES)
		return EVENT(EVENT_NONE, 0, 0, length);
	if (!preamble_greets(s->word[0]))
		return EVENT(EVENT_OTHER, CLASS_OTHER, COVERAGE_SERVER_FIRST, length);
	http1_expect_message(s);
	c->preamble = PREAMBLE_GREETED;
	return EVENT(EVENT_NONE, 0, 0, length);
}

#endif

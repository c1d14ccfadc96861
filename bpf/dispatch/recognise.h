/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which protocol a connection carries, and who of its ends asks: from its first bytes. */
#ifndef FATHOM_RECOGNISE_H
#define FATHOM_RECOGNISE_H

#include "../bytes/passage.h"
#include "../http1/step.h"
#include "../http2/step.h"
#include "../redis/step.h"
#include "../socket/conn.h"
#include "../tls/caller.h"
#include "../preamble.h"

/* How many CR and LF are passed over in front of the first request. */
#define MAX_BLANK 4

/* A step in the request direction of a connection of which it is not known yet what it carries. */
__noinline u64 recognise(u32 slot, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct http1_side *s;
	int used, verdict;
	u32 blank, have;
	bool fresh;
	u64 event;

	if (!c)
		return EVENT(EVENT_NONE, 0, 0, length);
	if (c->preamble)
		return preamble_step(slot, address, length);
	s = http1_of(c, REQUEST);
	have = s->have;
	/* which is no command of Redis yet */
	fresh = !have || (have == 1 && (u8)s->word[0] == '*');
	used = scan_prefix(slot, REQUEST, address, length);
	if (used < 0)
		return EVENT(EVENT_FAULT, 0, 0, 0);
	event = preamble_begun(c, s, have, fresh, length);
	if (event)
		return event;
	blank = http1_blank(s->word[0], s->have);
	if (blank && blank <= MAX_BLANK) { /* RFC 9112, section 2.2 */
		http1_expect_message(s);
		blank = blank > have ? blank - have : 0; /* the others came before */
		return EVENT(EVENT_NONE, 0, 0, blank < length ? blank : length);
	}
	verdict = request_verdict(s->word[0], s->word[1], s->have);
	if ((verdict & 0xff) == HTTP1_PARTIAL)
		return EVENT(fresh ? EVENT_PIECE : EVENT_NONE, 0, 0, length); /* all of it fits */
	/*
	 * Behind a gap only a well-known method begins a request: "OST /" is one that the parser
	 * would take for an extension, and its first byte was not seen.
	 */
	if ((verdict & 0xff) == HTTP1_NO ||
	    ((c->after_gap || c->joined) && verdict >> 8 == METHOD_OTHER)) {
		u8 class;

		verdict = redis_verdict(s->word[0], s->word[1], s->have);
		if (verdict == REDIS_PARTIAL)
			return EVENT(fresh ? EVENT_PIECE : EVENT_NONE, 0, 0, length);
		if (verdict == REDIS_YES)
			return EVENT(EVENT_FIRST, have, CLASS_REDIS, 0);
		class = preface_class(s->word[0], s->word[1], s->have);
		if (class == CLASS_HTTP2)
			return EVENT(EVENT_FIRST, have, CLASS_HTTP2, 0);
		if (class == CLASS_TLS && reads_tls) {
			if (s->have <= TLS_RECORD_HEAD) /* as OpenSSL reads: the rest is next */
				return EVENT(fresh ? EVENT_PIECE : EVENT_NONE, 0, 0, length);
			tls_hello(slot, s->word[0], address, (u64)have << 32 | length);
			tls_first_records(slot, address, length);
		}
		return EVENT(class == CLASS_UNKNOWN ? EVENT_NONE : EVENT_OTHER, class, 0, length);
	}
	s->framing = 0;
	s->left = 0;
	http1_expect_head(s); /* which may end in these bytes */
	return EVENT(EVENT_FIRST, verdict >> 8, fresh, 0);
}

/* Whether the LENGTH bytes of a call are the first that a socket has received or sent at all. */
static __always_inline bool is_first_call(struct conn *c, u32 length, u32 direction)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);
	u32 read = load(tp, bytes_received) - (load(tp, rcv_nxt) - load(tp, copied_seq));

	if (direction == READ)
		return read == length && !load(tp, bytes_sent);
	/* the SYN of who has connected is a byte that is acknowledged */
	return !read &&
	       load(tp, write_seq) - load(tp, snd_una) + (u32)load(tp, bytes_acked) == length + 1;
}

/* A joined connection shows its role by the first message that it carries. */
__noinline int find_role(u32 slot, u64 address, u64 flags_and_length, u32 direction)
{
	u32 length = flags_and_length;
	struct user_iovec iov = {address, length};
	struct conn *c = conn_of(slot);
	u64 prefix[2] = {};
	int verdict;
	u8 class;
	u64 n;

	if (!c || (flags_and_length & HAS_IOVECS &&
		   read_iovec(&iov, address, flags_and_length & KERNEL_IOVECS)))
		return 0;
	n = at_most(iov.length < length ? iov.length : length, HTTP1_PREFIX);
	if (!n || bpf_probe_read_user(prefix, n, (void *)iov.base))
		return 0;
	http1_distrust(http1_of(c, RESPONSE));
	verdict = request_verdict(prefix[0], prefix[1], n);
	if ((verdict & 0xff) == HTTP1_YES && verdict >> 8 != METHOD_OTHER) {
		/* "OST /" may be the rest of one */
		c->role = direction == READ ? ROLE_SERVER : ROLE_CLIENT;
	} else if ((response_verdict(prefix[0], prefix[1], n) & 0xff) == HTTP1_YES) {
		c->role = direction == READ ? ROLE_CLIENT : ROLE_SERVER;
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		http1_distrust(http1_of(c, REQUEST));
		c->after_gap = GAP_NONE; /* the response is counted as lost where it is looked at */
	} else if (redis_joins(slot, prefix[0], prefix[1], n, direction)) {
		if (!c->role)
			return 0;
		classify(slot, CLASS_REDIS, COVERAGE_NONE);
	} else if (http2_joins(slot, iov.base,
			       iov.length < length ? HTTP2_MORE_BUFFERS | (u32)iov.length : length,
			       direction)) {
		if (!c->role)
			return 0;
	} else if (preface_class(prefix[0], prefix[1], n) == CLASS_HTTP2) {
		c->role = direction == READ ? ROLE_SERVER : ROLE_CLIENT;
	} else {
		class = preface_class(prefix[0], prefix[1], n);
		if (class == CLASS_TLS && reads_tls && (u8)prefix[0] == TLS_HANDSHAKE &&
		    is_first_call(c, length, direction)) { /* a ClientHello */
			c->role = direction == READ ? ROLE_SERVER : ROLE_CLIENT;
			http1_expect_message(http1_of(c, RESPONSE));
			return conn_learn_edge(slot);
		}
		if (class == CLASS_TLS && reads_tls)
			c->encrypted = 1;
		else if (class == CLASS_TLS)
			classify(slot, class, COVERAGE_NONE);
		else if (c->after_gap)
			try_again(c);
		else if (++c->attempts > MAX_ATTEMPTS)
			classify(slot, CLASS_OTHER, COVERAGE_NONE);
		return 0;
	}
	return conn_learn_edge(slot);
}

#endif

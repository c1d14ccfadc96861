/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From what a system call moved to exchanges: finds the bytes, has the connection's protocol take a
 * step at a time, and applies what the steps find. The one place that knows all protocols.
 */
#ifndef FATHOM_DISPATCH_H
#define FATHOM_DISPATCH_H

#include "bytes/passage.h"
#include "http1/quick.h"
#include "http1/step.h"
#include "http2/drain.h"
#include "http2/upgrade.h"
#include "preamble.h"
#include "redis/step.h"
#include "socket/conn.h"
#include "tls/caller.h"
#include "unseen.h"

/*
 * How many steps through a buffer are followed at a time; how many times where a call has but one
 * buffer; and where it has several, in all of them, each of which takes one time at least.
 */
#define DRAIN_STEPS 64
#define DRAIN_TIMES 96
#define DRAIN_IOVECS 1040
/* How many of these one call of a function takes, which the verifier follows once. */
#define DRAIN_TIMES_PART 19
#define DRAIN_IOVECS_PART 40
_Static_assert((DRAIN_TIMES - 1) % DRAIN_TIMES_PART == 0, "as many as documented");
_Static_assert(DRAIN_IOVECS % DRAIN_IOVECS_PART == 0, "as many as documented");
_Static_assert(REDIS_STEPS == DRAIN_STEPS && HTTP2_STEPS == DRAIN_STEPS,
	       "documented as one number");

/* The first bytes of a connection, or the first behind a gap, are of another CLASS. */
static __always_inline void classify_other(struct conn *c, u8 class, u8 reason)
{
	http1_expect_message(http1_of(c, REQUEST));
	if (class == CLASS_TLS && reads_tls) {
		c->encrypted = 1;
		return;
	}
	if (class == CLASS_OTHER && c->after_gap) /* or the rest of a request */
		try_again(c);
	else if (class == CLASS_OTHER && !reason && c->tunnel)
		classify(c->slot, class, COVERAGE_UPGRADED);
	else
		classify(c->slot, class, reason);
}

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
			tls_records(slot, address, length);
		}
		return EVENT(class == CLASS_UNKNOWN ? EVENT_NONE : EVENT_OTHER, class, 0, length);
	}
	s->framing = 0;
	s->left = 0;
	http1_expect_head(s); /* which may end in these bytes */
	return EVENT(EVENT_FIRST, verdict >> 8, fresh, 0);
}

/*
 * Whether a server says its first words when the hook of a read is still to run, or never will:
 * what it answers is not known.
 */
static __always_inline bool answers_late_read(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	return c->role == ROLE_SERVER && !http1_of(c, REQUEST)->have && !c->asked && !c->greets &&
	       c->rx_known && load(tp, copied_seq) != c->rx_pos;
}

/*
 * The next step in a direction of a connection that carries HTTP/1, or that may do so: what is at
 * ADDRESS. LENGTH: how many bytes are there, with IS_RESPONSE and FIRST_OF_CALL.
 */
__noinline u64 next_step(u32 slot, u64 address, u64 length, u32 seq)
{
	u32 n = length, is_response = !!(length & IS_RESPONSE), kept;
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!c || c->upgraded || (c->deep && is_response))
		return EVENT(EVENT_NONE, 0, 0, n);
	if (c->switching)
		return http2_switch_step(slot, address, n, is_response);
	if (c->class == CLASS_UNKNOWN && !is_response)
		return recognise(slot, address, n);
	if (c->class == CLASS_UNKNOWN) {
		if (!c->after_gap && !c->joined) {
			u64 event = http2_greets(slot, address, n);

			if (event)
				return event;
		}
		if (answers_late_read(c)) {
			try_again(c);
			return EVENT(EVENT_NONE, 0, 0, n);
		}
	}
	if (c->class == CLASS_UNKNOWN && (c->asked || c->greets))
		return preamble_answer(slot, address, n);
	if (c->class == CLASS_REDIS || c->class == CLASS_HTTP2)
		/* since drain() looked: it looks again */
		return EVENT(EVENT_NONE, 0, 0, 0);
	if (c->class > CLASS_HTTP1)
		return EVENT(EVENT_NONE, 0, 0, n);
	s = http1_of(c, is_response);
	if (c->deep && length & FIRST_OF_CALL)
		http1_leaves_deep(slot, address, n, seq);
	if (!is_response && s->have && c->preamble)
		return preamble_step(slot, address, n);
	if (is_response && http1_awaits_method(s) && http1_resolve(slot, address, n))
		return EVENT(EVENT_END, 0, 0, 0);
	if (http1_has_body(s)) {
		if (length & FIRST_OF_CALL && s->framing & HTTP1_EXPECT &&
		    http1_left_out(slot, address, n))
			return EVENT(EVENT_NONE, 0, 0, 0);
		http1_body_comes(c, s, length & FIRST_OF_CALL);
		return EVENT(EVENT_BODY, 0, 0, s->left < n ? s->left : n);
	}
	if (s->phase < HTTP1_CLOSE)
		return http1_step(slot, is_response, address, n);
	kept = http1_kept(s);
	if (length & FIRST_OF_CALL || kept) {
		switch (http1_finds_place(slot, is_response, address, n, seq)) {
		case PLACE_FOUND:
			return EVENT(EVENT_NONE, 0, 0, 0);
		case PLACE_PARTIAL:
			return EVENT(is_response || kept ? EVENT_NONE : EVENT_PIECE, 0, 0, n);
		}
	}
	return EVENT(EVENT_REST, 0, 0, n);
}

/*
 * N bytes of a body pass, at most what is left of it; END: the number behind the last byte of the
 * call.
 */
static __always_inline void http1_pass_over(struct conn *c, u32 is_response, u32 n, u32 end,
					    u64 now)
{
	struct http1_side *s = http1_of(c, is_response);

	if (http1_skip(s, n)) {
		if (is_response)
			http1_response_ends(c, true, end, now);
	} else if (is_response) {
		continue_response(c, n, end, now);
	}
}

/*
 * What the gap in front of the first request hid was HTTP as well. If it is not answered yet, this
 * connection pipelines.
 */
static __always_inline void begin_behind_gap(struct conn *c)
{
	struct tcp_sock *tp = cast(struct tcp_sock, c->sk);

	count_lost(LOST_GAP, 1);
	if (!c->joined && !c->tls &&
	    (c->role == ROLE_SERVER ? !load(tp, bytes_sent) :
				      !load(tp, bytes_received) || read_pending(c))) {
		c->deep = 1;
		c->pipelines = c->role == ROLE_SERVER;
	}
}

/*
 * A client has read a response before the hook of its first request ran, or behind a gap: that
 * tells what it hid.
 */
static __always_inline void recognise_by_response(struct conn *c)
{
	c->after_gap = GAP_NONE;
	if (c->class != CLASS_UNKNOWN)
		return;
	classify(c->slot, CLASS_HTTP1, COVERAGE_NONE);
	if (c->attempts) /* of the request direction pieces were dropped */
		http1_distrust(http1_of(c, REQUEST));
}

/* Applies what a step found. SEQ: the number of its first byte. */
__noinline int apply(u32 slot, u64 is_response, u64 event, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);
	u32 end = seq + event_used(event);

	if (event_kind(event) == EVENT_NONE || !c)
		return 0;
	switch (event_kind(event)) {
	case EVENT_OTHER:
		classify_other(c, event_operation(event), event_status(event));
		break;
	case EVENT_PIECE:
		start_clock(c, seq, now);
		break;
	case EVENT_FIRST:
		if (event_status(event) == CLASS_REDIS) {
			redis_begins(c, event_operation(event));
			classify(slot, CLASS_REDIS, COVERAGE_NONE);
			break;
		}
		if (event_status(event) == CLASS_HTTP2) {
			if (c->switching == HTTP2_SWITCHED)
				http2_switches(slot);
			else
				http2_first(c, !!is_response, event_operation(event));
			break;
		}
		if (event_status(event)) /* else a piece came before */
			start_clock(c, seq, now);
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		if (c->after_gap)
			begin_behind_gap(c);
		http1_begin(c, event_operation(event), now);
		if (c->role == ROLE_CLIENT && !c->joined && !c->responses &&
		    http1_of(c, RESPONSE)->digits)
			/* it was answered before, by something else */
			lose_responses(slot, response_position(c), LOST_GAP);
		c->owed = c->after_gap && c->role == ROLE_SERVER && write_pending(c) ? OWED_ONE :
										       OWED_NONE;
		c->after_gap = GAP_NONE;
		break;
	case EVENT_BEGIN:
		start_clock(c, seq, now);
		http1_begin(c, event_operation(event), now);
		break;
	case EVENT_OPERATION:
		http1_method_known(c, event_operation(event));
		break;
	case EVENT_BODY:
		http1_pass_over(c, !!is_response, event_used(event), end, now);
		break;
	case EVENT_REST:
		/* it may have been more than the rest of a message */
		http1_of(c, !!is_response)->digits = 1;
		if (is_response)
			continue_response(c, event_used(event), end, now);
		else
			c->owed = OWED_NONE;
		break;
	case EVENT_INTERIM:
		recognise_by_response(c);
		http1_of(c, RESPONSE)->orphan = ORPHAN_INTERIM;
		http1_of(c, RESPONSE)->answers = HTTP1_ANSWERS_EMPTY;
		break;
	case EVENT_NOT_MINE:
	case EVENT_STATUS:
		if (c->class == CLASS_UNKNOWN && event_kind(event) == EVENT_NOT_MINE) {
			http1_distrust(http1_of(c, RESPONSE));
			http1_of(c, RESPONSE)->digits = 1;
			break;
		}
		if (c->unseen && event_kind(event) == EVENT_NOT_MINE) {
			/* or the place is another than it seems */
			http1_distrust(http1_of(c, RESPONSE));
			http1_of(c, RESPONSE)->digits = 1;
			continue_response(c, event_used(event), end, now);
			break;
		}
		recognise_by_response(c);
		http1_status(c,
			     event_kind(event) == EVENT_STATUS ? event_status(event) : STATUS_OTHER,
			     seq, end, now);
		if (event_kind(event) == EVENT_STATUS)
			break;
		http1_of(c, RESPONSE)->phase = HTTP1_UNKNOWN;
		http1_of(c, RESPONSE)->answers = HTTP1_ANSWERS_USUAL;
		http1_response_ends(c, false, end, now);
		break;
	case EVENT_SWITCH:
		http2_switched_elsewhere(c);
		break;
	case EVENT_HEAD_END:
		continue_response(c, 0, end, now);
		break;
	case EVENT_OPEN_END:
	case EVENT_END:
		if (http1_of(c, RESPONSE)->answers == HTTP1_ANSWERS_TUNNEL &&
		    event_kind(event) == EVENT_END && http1_is_held(slot, end, now))
			break;
		http1_response_ends(c, event_kind(event) == EVENT_END, end, now);
		break;
	}
	return 0;
}

/*
 * Takes the bytes of a buffer at ADDRESS: so many as LENGTH says, with IS_RESPONSE and
 * FIRST_OF_CALL; SEQ is the number of the first. Returns 0, or how many bytes were left with an
 * enum buffer_fault above that: FAULT_STEPS where it may go on, with drain_as(), as the
 * connection may have turned out to carry another protocol.
 */
__noinline u64 drain(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	struct conn *c;
	u64 event;
	u32 i;

	for (i = 0; i < DRAIN_STEPS; i++) {
		if (!(u32)length)
			return 0;
		c = conn_of(slot);
		if (c && (c->class == CLASS_REDIS || c->class == CLASS_HTTP2))
			break;
		event = next_step(slot, address, length, seq);
		if (event_kind(event) == EVENT_FAULT)
			return (u64)FAULT_MEMORY << 32 | (u32)length;
		apply(slot, length & IS_RESPONSE, event, seq, now);
		address += event_used(event);
		seq += event_used(event);
		length = (length & IS_RESPONSE) | (u32)(length - event_used(event));
	}
	return (u64)FAULT_STEPS << 32 | (u32)length;
}

/* The same by what the connection in SLOT carries. */
static __always_inline u64 drain_as(u32 slot, u64 address, u64 length, u32 seq, u64 now)
{
	struct conn *c = conn_of(slot);

	if (c && c->class == CLASS_REDIS)
		return redis_drain(slot, address, length, seq, now);
	if (c && c->class == CLASS_HTTP2)
		return http2_drain(slot, address, length, seq, now);
	return drain(slot, address, length, seq, now);
}

#define IOVEC_FAULT (~0U)

/*
 * The struct iovec at ADDRESS behind its first SKIPPED bytes: how many bytes of it are among those
 * that LEFT says are left, with IS_RESPONSE and KERNEL_IOVECS. Leaves their address in the
 * connection; IOVEC_FAULT if it cannot be read.
 */
__noinline u32 next_iovec(u32 slot, u64 address, u64 left, u32 skipped)
{
	struct conn *c = conn_of(slot);
	struct user_iovec iov;

	if (!c || read_iovec(&iov, address, left & KERNEL_IOVECS))
		return IOVEC_FAULT;
	c->iov_base[!!(left & IS_RESPONSE)] = iov.base + skipped;
	iov.length -= skipped;
	return iov.length < (u32)left ? iov.length : left;
}

/*
 * The same for an array of struct iovec at ADDRESS, of which the first has conn.iov_skipped bytes
 * that are not among them. Where it returns FAULT_STEPS or FAULT_IOVECS it has taken
 * DRAIN_IOVECS_PART turns, and it may go on with what is left from the struct iovec on whose
 * address is in the connection, with how many bytes of it were taken.
 */
__noinline u64 drain_iovecs(u32 slot, u64 address, u64 flags_and_length, u32 seq, u64 now)
{
	u32 left = flags_and_length, end = seq + left, skipped, i, n;
	struct conn *c = conn_of(slot);
	u64 rest = 0;

	if (!c)
		return (u64)FAULT_MEMORY << 32 | left;
	skipped = c->iov_skipped[!!(flags_and_length & IS_RESPONSE)];
	flags_and_length &= IS_RESPONSE | KERNEL_IOVECS | FIRST_OF_CALL;
	for (i = 0; i < DRAIN_IOVECS_PART; i++) {
		if (!left)
			return 0;
		n = next_iovec(slot, address, flags_and_length | left, skipped);
		c = conn_of(slot);
		if (n == IOVEC_FAULT || !c)
			return (u64)FAULT_MEMORY << 32 | left;
		rest = drain_as(slot, c->iov_base[!!(flags_and_length & IS_RESPONSE)],
				(flags_and_length & (IS_RESPONSE | FIRST_OF_CALL)) | n, end - left,
				now);
		n -= (u32)rest;
		left -= n;
		if (n) /* what an empty buffer moves is not the first */
			flags_and_length &= ~FIRST_OF_CALL;
		if (rest >> 32 == FAULT_STEPS) { /* it goes on there */
			skipped += n;
			continue;
		}
		if (rest)
			return (rest & ~0xffffffffULL) | left;
		address += sizeof(struct user_iovec);
		skipped = 0;
	}
	c = conn_of(slot);
	if (!c)
		return (u64)FAULT_MEMORY << 32 | left;
	c->iov_base[!!(flags_and_length & IS_RESPONSE)] = address;
	c->iov_skipped[!!(flags_and_length & IS_RESPONSE)] = skipped;
	return (u64)(rest ? FAULT_STEPS : FAULT_IOVECS) << 32 | left;
}

/*
 * All of the array at ADDRESS where the call P of C has one; arguments as for take_first(), and how
 * many bytes of the first buffer were taken already.
 */
static __always_inline u64 drain_all_iovecs(struct conn *c, const struct passage *p, u64 address,
					    u64 arguments, u32 used)
{
	u32 is_response = !!(arguments & IS_RESPONSE), i;
	u64 rest = (u32)arguments;

	c->iov_skipped[is_response] = used;
	for (i = 0; i < DRAIN_IOVECS / DRAIN_IOVECS_PART; i++) {
		rest = drain_iovecs(p->slot, address, (arguments & ~0xffffffffULL) | (u32)rest,
				    p->seq + p->length - (u32)rest, p->now);
		if (rest >> 32 != FAULT_STEPS && rest >> 32 != FAULT_IOVECS)
			break;
		address = c->iov_base[is_response];
		if ((u32)rest != (u32)arguments)
			arguments &= ~FIRST_OF_CALL;
	}
	return rest;
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

/* LENGTH bytes, the last ones of a call, could not be read. END: the number behind them. */
__noinline int count_unreadable(u32 slot, u64 direction_and_length, u32 fault, u32 end, u64 now)
{
	bool is_response = direction_and_length & IS_RESPONSE;
	u32 length = direction_and_length;
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (fault == FAULT_PROTOCOL) { /* they were read, and are not what the protocol has here */
		bytes_unseen(c, direction_and_length, end, LOST_GAP, now);
		return 0;
	}
	if (c->class == CLASS_UNKNOWN && c->greets) { /* as nearly all that speak first do */
		classify(slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
		return 0;
	}
	if (c->class == CLASS_UNKNOWN) {
		classify(slot, CLASS_UNREADABLE, COVERAGE_UNREADABLE + fault);
		count_lost(LOST_UNREADABLE + fault, 1);
	} else {
		length = bytes_unseen(c, direction_and_length, end, LOST_UNREADABLE + fault, now);
	}
	if (length)
		count_lost_bytes((c->role == ROLE_SERVER) == is_response ? WRITE : READ,
				 BYTES_UNREADABLE, length);
	return 0;
}

/* The response direction carries the first bytes of a connection. */
__noinline int server_spoke_first(u32 slot, u32 direction)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return true;
	if (c->class != CLASS_UNKNOWN || http1_of(c, REQUEST)->have || c->asked || c->greets)
		return false;
	if (direction == READ) {
		if (write_pending(c))
			return false; /* the hook of the request's write is late */
		ordered(&c->settled);
		if (c->class != CLASS_UNKNOWN)
			return false; /* or has run meanwhile */
	}
	if (c->after_gap) { /* it answers what was not seen */
		try_again(c);
		return true;
	}
	if (direction == WRITE && answers_late_read(c))
		return false; /* next_step() knows whether it is HTTP/2 */
	c->greets = 1;	      /* what it says tells whether this is all */
	return false;
}

/* If TLS was just recognised: up to 6.12 the stack is too short to do this where that was. */
static __always_inline void follow_tls(struct conn *c)
{
	if (c->encrypted && !c->tls)
		tls_begins(c->slot);
}

/* Whether nobody has to look at the bytes of Redis that pass. */
__noinline int redis_passes_over(u32 slot, u32 is_response, u32 length, u64 now)
{
	struct conn *c = conn_of(slot);
	u32 skip;

	if (!c)
		return true;
	if (c->deep && is_response) {
		redis_passes_unmatched(c, now);
		return true;
	}
	skip = c->redis_skip[is_response & 1];
	if (skip < length)
		return false;
	c->redis_skip[is_response & 1] = skip - length;
	return true;
}

/* Whether what passes is all of a body, for which nobody has to look at the bytes. */
static __always_inline bool is_body(struct conn *c, u32 is_response, const struct passage *p)
{
	struct http1_side *s = http1_of(c, is_response);

	if (c->class == CLASS_REDIS)
		return redis_passes_over(p->slot, is_response, p->length, p->now);
	if (c->class == CLASS_HTTP2)
		return http2_passes_over(p->slot, is_response, p->length, p->now);
	if (c->class != CLASS_HTTP1)
		return false;
	if (c->deep && is_response)
		return true;
	if (s->phase == HTTP1_CLOSE && open_exchanges(c) <= 0 && !http1_awaits_method(s)) {
		continue_response(c, p->length, p->seq + p->length, p->now);
		return true;
	}
	if (!http1_covers(s, p->length) || (is_response && http1_awaits_method(s)) ||
	    (s->framing & HTTP1_EXPECT && s->left != p->length))
		return false;
	http1_body_comes(c, s, true);
	http1_pass_over(c, is_response, p->length, p->seq + p->length, p->now);
	return true;
}

/*
 * Whether a server writes, and no request is open, or not as a whole, but it has read more than the
 * hooks have told.
 */
static __always_inline bool answers_unseen(struct conn *c)
{
	s32 open = open_exchanges(c);

	u8 phase = http1_of(c, RESPONSE)->phase;

	if (c->class != CLASS_HTTP1 || (phase != HTTP1_START && phase != HTTP1_UNKNOWN))
		return false;
	if (open > 1 || (open == 1 && exchange_of(c, c->responses)->operation != METHOD_PENDING))
		return false;
	return read_pending(c);
}

/* Whether a message begins with this call that http1_quick() can take, if it is usual. */
static __always_inline bool may_be_quick(struct conn *c, u32 is_response, u32 seq)
{
	struct http1_side *s = http1_of(c, is_response);
	struct exchange *x;

	if (c->class != CLASS_HTTP1 || c->deep || c->upgraded || s->phase != HTTP1_START || s->have)
		return false;
	if (!is_response)
		return !(s->framing & HTTP1_DOUBT);
	if (open_exchanges(c) <= 0)
		return false;
	x = exchange_of(c, c->responses);
	return x->id == c->responses && x->start != START_LOST && x->operation != METHOD_HEAD &&
	       x->operation != METHOD_CONNECT && x->operation != METHOD_PENDING &&
	       (c->role != ROLE_SERVER || (s32)(seq - x->position) >= 0);
}

/* How many times HEAD_BYTES a head may have. */
#define QUICK_PARTS 16

/*
 * Takes a usual message that begins with this call, and its body if all of it is there. LENGTHS:
 * how many bytes its first buffer, at ADDRESS, has, and the call, in the upper half. SEQ: the
 * number of the first byte, with IS_RESPONSE. Returns how many bytes of the call were taken: all,
 * or some of the first buffer; 0, with nothing done, if it is not usual.
 */
__noinline u32 take_quickly(u32 slot, u64 address, u64 lengths, u64 seq, u64 now)
{
	u32 is_response = !!(seq & IS_RESPONSE), length = lengths, end = seq + (lengths >> 32),
	    used, more, rest, i;
	u64 event = http1_quick(slot, is_response, address, length);
	struct conn *c = conn_of(slot);
	struct http1_side *s;

	if (!event || !c)
		return 0;
	s = http1_of(c, is_response);
	used = event_used(event);
	for (i = 0; i < QUICK_PARTS && s->phase == HTTP1_HEAD && used < length; i++) {
		more = http1_quick(slot, is_response, address + used, length - used);
		if (!more)
			break;
		used += more;
	}
	if (!is_response) {
		start_clock(c, seq, now);
		http1_begin(c, event_operation(event), now);
	} else {
		s->orphan = ORPHAN_NONE;
		c->answering = 1;
		begin_response(c, event_status(event), end, now);
		if ((s->phase == HTTP1_START || s->phase == HTTP1_CLOSE) &&
		    (s->answers != HTTP1_ANSWERS_TUNNEL || !http1_is_held(slot, end, now)))
			http1_response_ends(c, s->phase == HTTP1_START, end, now);
	}
	rest = (lengths >> 32) - used;
	if (s->phase != HTTP1_BODY || !rest)
		return used;
	http1_body_comes(c, s, false);
	if (s->left < rest) { /* more follows: up to where the buffer or the body ends */
		rest = length - used;
		if (s->left < rest)
			rest = s->left;
		if (!rest)
			return used;
	}
	http1_pass_over(c, is_response, rest, end, now);
	return used + rest;
}

/* The same for the call P of C, whose bytes are at ADDRESS; ARGUMENTS as for next_iovec(). */
static __always_inline u32 take_first(struct conn *c, const struct passage *p, u64 address,
				      u64 arguments)
{
	u32 length = p->length;

	if (arguments & HAS_IOVECS) {
		length = next_iovec(p->slot, address, arguments, 0);
		if (length == IOVEC_FAULT)
			return 0;
		address = c->iov_base[!!(arguments & IS_RESPONSE)];
	}
	if (length < HTTP1_PREFIX)
		return 0;
	return take_quickly(p->slot, address, (u64)p->length << 32 | length,
			    (arguments & IS_RESPONSE) | p->seq, p->now);
}

/*
 * drain_as() up to DRAIN_TIMES_PART times: as long as it says that it may go on. LEFT: how many
 * bytes are left at ADDRESS, with IS_RESPONSE.
 */
__noinline u64 drain_on(u32 slot, u64 address, u64 left, u32 seq, u64 now)
{
	u32 i, n = left;
	u64 rest = 0;

	for (i = 0; i < DRAIN_TIMES_PART; i++) {
		rest = drain_as(slot, address, left, seq, now);
		if (rest >> 32 != FAULT_STEPS)
			break;
		address += n - (u32)rest;
		seq += n - (u32)rest;
		n = rest;
		left = (left & IS_RESPONSE) | n;
	}
	return rest;
}

/*
 * drain_as() where the call P has no other buffer than that at ADDRESS. Of FLAGS_AND_LENGTH the
 * length is how many bytes of it are left.
 */
static __always_inline u64 drain_all(const struct passage *p, u64 address, u64 flags_and_length)
{
	u32 i, done = p->length - (u32)flags_and_length;
	u64 rest = drain_as(p->slot, address + done, flags_and_length, p->seq + done, p->now);

	for (i = 0; i < (DRAIN_TIMES - 1) / DRAIN_TIMES_PART; i++) {
		if (rest >> 32 != FAULT_STEPS)
			break;
		if ((u32)rest != (u32)flags_and_length)
			flags_and_length = (flags_and_length & IS_RESPONSE) | (u32)rest;
		done = p->length - (u32)rest;
		rest = drain_on(p->slot, address + done, flags_and_length, p->seq + done, p->now);
	}
	return rest;
}

/* Looks at what passed on a connection that may carry a protocol that is read. */
static __always_inline void look_at(struct conn *c, struct sock *sk, const struct passage *p,
				    int flags)
{
	u32 is_response = (c->role == ROLE_SERVER) != (p->direction == READ), fault, used = 0;
	u64 arguments = p->length, rest;
	struct user_buffer b;

	if (c->role && is_response && c->class == CLASS_UNKNOWN &&
	    server_spoke_first(p->slot, p->direction))
		return;
	/*
	 * A server's reads return before it answers what they brought: a hook that has not run by
	 * now will not.
	 */
	if (is_response && p->direction == WRITE && answers_unseen(c))
		read_missed(p->slot);
	if (c->role && is_body(c, is_response, p))
		return;
	rest = p->length;
	fault = flags & MSG_TRUNC ?
			FAULT_TRUNC :
			find_user_buffer(sk, p->direction, p->source, p->hint, p->length, &b);
	if (!fault && b.batch > 1 && c->batch_buffer == b.messages)
		fault = FAULT_BATCH;
	if (!fault && b.iovs == 1 && !b.batch) { /* as read() has one up to Linux 5.19 */
		struct user_iovec only;

		if (read_iovec(&only, b.address, p->source != FROM_REGISTERS) ||
		    only.length < p->length)
			fault = FAULT_MEMORY;
		b.address = only.base;
		b.iovs = 0;
	}
	if (!fault) {
		if (c->batch_buffer != b.messages)
			c->batch_buffer = b.messages;
		if (b.iovs)
			arguments |= HAS_IOVECS;
		if (p->source != FROM_REGISTERS)
			arguments |= KERNEL_IOVECS;
		if (!c->role) {
			find_role(p->slot, b.address, arguments, p->direction);
			is_response = (c->role == ROLE_SERVER) != (p->direction == READ);
			if (!c->role) {
				follow_tls(c);
				return;
			}
		}
		if (is_response)
			arguments |= IS_RESPONSE;
		arguments |= FIRST_OF_CALL;
		if (may_be_quick(c, is_response, p->seq))
			used = take_first(c, p, b.address, arguments);
		if (used == p->length) {
			follow_tls(c);
			return;
		}
		if (used)
			arguments = (arguments & ~FIRST_OF_CALL) - used;
		if (b.iovs)
			rest = drain_all_iovecs(c, p, b.address, arguments, used);
		else
			rest = drain_all(p, b.address, arguments);
		fault = rest >> 32;
	}
	if (fault)
		count_unreadable(p->slot, (is_response ? IS_RESPONSE : 0) | (u32)rest, fault,
				 p->seq + p->length, p->now);
	follow_tls(c);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From what a system call moved to the parsers: finds the bytes and decides whether they matter. */
#ifndef FATHOM_FEED_H
#define FATHOM_FEED_H

/* How many iovecs a head may be spread over. */
#define MAX_IOVECS 32

/* The bytes that one system call moved. */
struct passage {
	u64 now;
	u32 slot;
	u32 length;
	u32 seq; /* of the first byte */
	u32 direction;
};

/* Whether the bytes of this direction need to be looked at. */
static __always_inline bool wants(struct conn *c, bool is_request)
{
	if (c->class == CLASS_UNKNOWN)
		return true;
	if (is_request)
		return c->request.in_head || c->request.prefix_len || expects_request(c);
	return c->response.in_head || c->response.prefix_len || expects_response(c);
}

static __always_inline int feed(bool is_request, u32 slot, u64 address, u32 length, u32 seq, u64 now)
{
	if (is_request)
		return feed_request(slot, address, length, seq, now);
	return feed_response(slot, address, length, seq, now);
}

/*
 * Feeds what one struct iovec at ADDRESS holds of the LENGTH bytes that are left. Returns how many
 * it held, or the negative of an enum buffer_fault. A length of 32 bits and whether it is the
 * request direction come in one number, for want of a sixth argument.
 */
__noinline int feed_iovec(u32 slot, u64 address, u64 request_and_length, u32 seq, u64 now)
{
	u32 length = request_and_length;
	struct user_iovec iov;
	int fault;

	if (bpf_probe_read_user(&iov, sizeof(iov), (void *)address))
		return -FAULT_MEMORY;
	if (iov.length < length)
		length = iov.length;
	if (!length)
		return 0;
	fault = feed(request_and_length >> 32, slot, iov.base, length, seq, now);
	return fault ? -fault : (int)length;
}

__noinline int feed_iovecs(u32 slot, u64 address, u64 request_and_length, u32 seq, u64 now)
{
	u32 length = request_and_length, done = 0, i;
	struct conn *c = conn_of(slot);
	int used;

	if (!c)
		return FAULT_NONE;
	for (i = 0; i < MAX_IOVECS; i++) {
		if (done >= length)
			return FAULT_NONE;
		used = feed_iovec(slot, address + 16ULL * i, request_and_length - done, seq + done,
				  now);
		if (used < 0)
			return -used;
		done += used;
		if (!wants(c, request_and_length >> 32))
			return FAULT_NONE; /* the rest is a body */
	}
	return done < length ? FAULT_IOVECS : FAULT_NONE;
}

static __always_inline u32 feed_buffer(struct conn *c, bool is_request, const struct passage *p,
				       const struct user_buffer *b)
{
	struct user_iovec first = { b->address, p->length };

	/* Whatever is in the first iovec has the usual form: a server's head, or all. */
	if (b->iovs && bpf_probe_read_user(&first, sizeof(first), (void *)b->address))
		return FAULT_MEMORY;
	if (is_request) {
		if (first.length >= p->length &&
		    quick_request(c, first.base, p->length, p->seq, p->now))
			return FAULT_NONE;
	} else if (first.length >= HTTP1_PREFIX && expects_response(c)) {
		if (quick_response(c, first.base, p->length, p->seq, p->now))
			return FAULT_NONE;
	}
	if (!b->iovs)
		return feed(is_request, p->slot, b->address, p->length, p->seq, p->now);
	return feed_iovecs(p->slot, b->address, (u64)is_request << 32 | p->length, p->seq, p->now);
}

/* A joined connection shows its role by the first message that it carries. */
__noinline int find_role(u32 slot, u64 address, u32 iovs, u32 length, u32 direction)
{
	struct user_iovec iov = { address, length };
	struct conn *c = conn_of(slot);
	u64 prefix[2] = {};
	u16 status;
	u8 class;
	u64 n;

	if (!c || (iovs && bpf_probe_read_user(&iov, sizeof(iov), (void *)address)))
		return 0;
	n = at_most(iov.length < length ? iov.length : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(prefix, n, (void *)iov.base))
		return 0;
	if ((request_verdict(prefix[0], prefix[1], n) & 0xff) == HTTP1_YES) {
		c->role = direction == READ ? ROLE_SERVER : ROLE_CLIENT;
	} else if (http1_response(prefix[0], prefix[1], n, &status) == HTTP1_YES) {
		c->role = direction == READ ? ROLE_CLIENT : ROLE_SERVER;
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		count_lost(LOST_REQUEST, 1);
	} else {
		class = preface_class(prefix[0], prefix[1], n);
		if (class == CLASS_TLS || class == CLASS_HTTP2)
			classify(slot, class, COVERAGE_NONE);
		else if (++c->attempts > 16)
			classify(slot, CLASS_OTHER, COVERAGE_NONE);
		return 0;
	}
	return conn_learn_edge(slot);
}

/* A message's head, or a connection's first bytes, could not be read. */
__noinline int count_unreadable(u32 slot, u32 is_request, u32 fault, u32 direction, u32 length)
{
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (c->class == CLASS_UNKNOWN) {
		classify(c->slot, CLASS_UNREADABLE, COVERAGE_UNREADABLE + fault);
		count_lost(LOST_UNREADABLE + fault, 1);
	} else if (is_request) {
		if (c->request.in_head) { /* only its end is not known now */
			c->request.in_head = 0;
			return 0;
		}
		if (is_answering_over(c, response_position(c)))
			settle_until(c, c->requests, 0);
		resync(slot, LOST_UNREADABLE + fault);
		count_lost(LOST_UNREADABLE + fault, 1);
	} else {
		resync(slot, LOST_UNREADABLE + fault);
	}
	return count_lost_bytes(direction, BYTES_UNREADABLE, length);
}

/* The response direction carries the first bytes of a connection. */
static __always_inline bool server_spoke_first(struct conn *c, struct sock *sk, u32 direction)
{
	struct tcp_sock *tp = cast(struct tcp_sock, sk);

	if (c->class != CLASS_UNKNOWN || c->request.prefix_len)
		return false;
	if (direction == READ) {
		if (write_pending(c))
			return false; /* the hook of the request's write is late */
		classify(c->slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
		return true;
	}
	if (c->flags & CONN_RX_KNOWN && load(tp, copied_seq) != c->rx_pos)
		classify(c->slot, CLASS_UNREADABLE, COVERAGE_UNTAPPED);
	else
		classify(c->slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
	return true;
}

static __always_inline void look_at(struct conn *c, struct sock *sk, const struct passage *p, int flags)
{
	bool is_request;
	struct user_buffer b;
	u32 fault;

	is_request = (c->role == ROLE_SERVER) == (p->direction == READ);
	if (c->role && !is_request && server_spoke_first(c, sk, p->direction))
		return;
	if (c->role && !wants(c, is_request)) {
		if (!is_request)
			continue_response(c, p->length, p->now);
		return;
	}
	fault = flags & MSG_TRUNC ? FAULT_TRUNC : find_user_buffer(sk, p->direction, &b);
	if (!fault && b.batch > 1 && c->batch_buffer == b.messages)
		fault = FAULT_BATCH;
	if (!fault) {
		if (c->batch_buffer != b.messages)
			c->batch_buffer = b.messages;
		if (!c->role) {
			find_role(p->slot, b.address, b.iovs, p->length, p->direction);
			is_request = (c->role == ROLE_SERVER) == (p->direction == READ);
			if (!c->role)
				return;
		}
		fault = feed_buffer(c, is_request, p, &b);
	}
	if (fault)
		count_unreadable(p->slot, is_request, fault, p->direction, p->length);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From what a system call moved to the parsers: finds the bytes and decides whether they matter. */
#ifndef FATHOM_FEED_H
#define FATHOM_FEED_H

/* The bytes that one system call moved. */
struct passage {
	u64 now;
	u32 slot;
	u32 length;
	u32 seq; /* of the first byte */
	u32 direction;
	enum source source;
	const void *hint; /* find_user_buffer() */
};

/* In the arguments below, for want of more of them: what a length of 32 bits leaves room for. */
#define IS_REQUEST (1ULL << 32)
#define KERNEL_IOVECS (1ULL << 33)

/* Iovecs of the process are read as its memory, whatever address it claims for them. */
static __always_inline long read_iovec(void *iov, u64 address, bool of_kernel)
{
	if (of_kernel)
		return bpf_probe_read_kernel(iov, sizeof(struct user_iovec), (void *)address);
	return bpf_probe_read_user(iov, sizeof(struct user_iovec), (void *)address);
}

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

#define IOVEC_LAST -FAULT_COUNT /* what follows is a body */

/*
 * Feeds what one struct iovec at ADDRESS holds of the LENGTH bytes that are left. Returns how many
 * it held, IOVEC_LAST, or the negative of an enum buffer_fault.
 */
__noinline int feed_iovec(u32 slot, u64 address, u64 flags_and_length, u32 seq, u64 now)
{
	u32 length = flags_and_length;
	struct user_iovec iov;
	struct conn *c;
	int fault;

	if (read_iovec(&iov, address, flags_and_length & KERNEL_IOVECS))
		return -FAULT_MEMORY;
	if (iov.length < length)
		length = iov.length;
	if (!length)
		return 0;
	fault = feed(flags_and_length & IS_REQUEST, slot, iov.base, length, seq, now);
	if (fault)
		return -fault;
	c = conn_of(slot);
	return c && wants(c, flags_and_length & IS_REQUEST) ? (int)length : IOVEC_LAST;
}

__noinline int feed_iovecs(u32 slot, u64 address, u64 flags_and_length, u32 seq, u64 now)
{
	u32 length = flags_and_length, done = 0, i;
	int used;

	for (i = 0; i < MAX_IOVECS; i++) {
		if (done >= length)
			return FAULT_NONE;
		used = feed_iovec(slot, address + 16ULL * i, flags_and_length - done, seq + done,
				  now);
		if (used < 0)
			return used == IOVEC_LAST ? FAULT_NONE : -used;
		done += used;
	}
	return done < length ? FAULT_IOVECS : FAULT_NONE;
}

static __always_inline u32 feed_buffer(struct conn *c, bool is_request, const struct passage *p,
				       const struct user_buffer *b)
{
	struct user_iovec first = { b->address, p->length };
	bool kernel_iovecs = p->source != FROM_REGISTERS;

	/* Whatever is in the first iovec has the usual form: a server's head, or all. */
	if (b->iovs && read_iovec(&first, b->address, kernel_iovecs))
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
	return feed_iovecs(p->slot, b->address,
			   (is_request ? IS_REQUEST : 0) | (kernel_iovecs ? KERNEL_IOVECS : 0) | p->length,
			   p->seq, p->now);
}

/* A joined connection shows its role by the first message that it carries. */
__noinline int find_role(u32 slot, u64 address, u32 iovs, u64 flags_and_length, u32 direction)
{
	u32 length = flags_and_length;
	struct user_iovec iov = { address, length };
	struct conn *c = conn_of(slot);
	u64 prefix[2] = {};
	u16 status;
	u8 class;
	u64 n;

	if (!c || (iovs && read_iovec(&iov, address, flags_and_length & KERNEL_IOVECS)))
		return 0;
	n = at_most(iov.length < length ? iov.length : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(prefix, n, (void *)iov.base))
		return 0;
	if ((request_verdict(prefix[0], prefix[1], n) & 0xff) == HTTP1_YES) {
		c->role = direction == READ ? ROLE_SERVER : ROLE_CLIENT;
	} else if (http1_response(prefix[0], prefix[1], n, &status) == HTTP1_YES) {
		c->role = direction == READ ? ROLE_CLIENT : ROLE_SERVER;
		classify(slot, CLASS_HTTP1, COVERAGE_NONE);
		c->request.after_gap = GAP_NONE;
		count_lost(LOST_REQUEST, 1);
	} else {
		class = preface_class(prefix[0], prefix[1], n);
		if (class == CLASS_TLS && reads_tls)
			c->opaque |= OPAQUE_TLS;
		else if (class == CLASS_TLS || class == CLASS_HTTP2)
			classify(slot, class, COVERAGE_NONE);
		else if (c->request.after_gap)
			try_again(c);
		else if (++c->attempts > MAX_ATTEMPTS)
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
		ordered(&c->any);
		if (c->class != CLASS_UNKNOWN)
			return false; /* or has run meanwhile */
	}
	if (c->request.after_gap) { /* it answers what was not seen */
		try_again(c);
		return true;
	}
	if (direction == READ) {
		classify(c->slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
		return true;
	}
	if (c->flags & CONN_RX_KNOWN && load(tp, copied_seq) != c->rx_pos)
		try_again(c);
	else
		classify(c->slot, CLASS_OTHER, COVERAGE_SERVER_FIRST);
	return true;
}

/* If TLS was just recognised: up to 6.12 the stack is too short to do this where that was. */
static __always_inline void follow_tls(struct conn *c)
{
	if (c->opaque & OPAQUE_TLS && !(c->flags & CONN_TLS))
		tls_begins(c->slot);
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
	fault = flags & MSG_TRUNC ? FAULT_TRUNC : find_user_buffer(sk, p->direction, p->source, p->hint, p->length, &b);
	if (!fault && b.batch > 1 && c->batch_buffer == b.messages)
		fault = FAULT_BATCH;
	if (!fault) {
		if (c->batch_buffer != b.messages)
			c->batch_buffer = b.messages;
		if (!c->role) {
			find_role(p->slot, b.address, b.iovs,
				  (p->source != FROM_REGISTERS ? KERNEL_IOVECS : 0) | p->length,
				  p->direction);
			is_request = (c->role == ROLE_SERVER) == (p->direction == READ);
			if (!c->role) {
				follow_tls(c);
				return;
			}
		}
		fault = feed_buffer(c, is_request, p, &b);
	}
	if (fault)
		count_unreadable(p->slot, is_request, fault, p->direction, p->length);
	follow_tls(c);
}

#endif

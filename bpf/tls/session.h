/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * TLS: which connection a library's session uses, without a look into the library's structures.
 *
 * The library's functions say what passes, and by which session (a pointer, the handle). The
 * sockets' taps say on which connections a thread receives and sends. What a thread read from a
 * session was received from the socket that it received from last; what it writes goes to the first
 * socket that it sends on within the call or, if the library encrypts into memory, behind it.
 * Goroutines move between threads: their calls are told apart by the pointer that Go keeps in a
 * register (src/cmd/compile/abi-internal.md), in the call and in the system calls inside it.
 *
 * The exchanges of a connection that is encrypted live in its struct conn, as those of plain ones
 * do.
 */
#ifndef FATHOM_TLS_H
#define FATHOM_TLS_H

#include "../dispatch.h"

/* So many calls in a row on another socket let a session change over: one may be an accident. */
#define TLS_REBIND 4

/* The connection of a slot, if it is still the one with this ID. */
static __always_inline struct conn *tls_conn(u32 slot, u64 id)
{
	struct conn *c = conn_of(slot);

	return slot && c && c->sk && c->opened_at == id && c->tls ? c : NULL;
}

/* The connection of a call's session, NULL if none is known. */
static __always_inline struct conn *tls_session_conn(struct tls_call *call)
{
	struct conn *c = tls_conn(call->slot, call->id);
	struct tls_handle key = {};
	struct tls_session *s;

	if (c)
		return c;
	key.handle = call->handle;
	key.process = current_process();
	s = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!s)
		return NULL;
	call->id = s->id;
	call->slot = s->slot;
	return tls_conn(s->slot, s->id);
}

/*
 * A call of a session used the connection in SLOT. Returns the slot of the session's connection.
 * Another one than before is a mistake, or it is another session with the same address: at once, if
 * this connection is younger and has none yet (a goroutine may still write to the former when it is
 * closed).
 */
__noinline int tls_vote(u64 handle, u32 slot, u64 id)
{
	struct conn *c = conn_of(slot);
	struct tls_session next = {}, *s;
	struct tls_handle key = {};
	int err;

	if (!c)
		return 0;

	key.handle = handle;
	key.process = current_process();
	s = bpf_map_lookup_elem(&tls_sessions, &key);
	if (s && tls_conn(s->slot, s->id)) {
		if (s->slot == slot && s->id == id) {
			s->against = 0;
			return slot;
		}
		if (++s->against < TLS_REBIND && (id < s->id || c->plain_read | c->plain_written))
			return s->slot;
	}
	next.id = id;
	next.slot = slot;
	err = bpf_map_update_elem(&tls_sessions, &key, &next, BPF_ANY);
	if (err)
		count_map_error(err);
	return slot;
}

/* The same for a call, which remembers what its session's connection is. */
static __always_inline u32 tls_vote_of(struct tls_call *call, u32 slot, u64 id)
{
	u32 agreed;

	if (call->slot == slot && call->id == id)
		return slot;
	agreed = tls_vote(call->handle, slot, id);
	call->id = id;
	call->slot = agreed == slot ? slot : 0; /* the next vote has to be heard */
	return agreed;
}

/* Bytes were received on an encrypted connection; SEQ is that of the first. */
__noinline int tls_received(u32 slot, u32 seq, u64 now)
{
	struct tls_process *p = calling_process();
	struct tls_caller who = caller_of(p);
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;
	if (!c->tls_arrived && c->role != ROLE_CLIENT)
		c->tls_arrived = arrival_of(c, seq) ?: TLS_ARRIVAL_MISSED;
	tls_note_received(&who, c, now);
	if (!p || p->opaque == OPAQUE_NOT_YET) {
		/* it may be Go, and have received its first request here */
		who.id = goroutine_in_kernel();
		who.goroutine = 1;
		tls_note_received(&who, c, now);
	}
	return 0;
}

/*
 * What was written before its connection was known has begun to be sent: only its first bytes are
 * there.
 */
static __always_inline void tls_sent_pending(struct conn *c, struct tls_call *call, u64 now)
{
	u32 length = call->pending, n = at_most(length, HTTP1_PREFIX);
	int verdict;

	call->pending = 0;
	if (c->class > LAST_CLASS_READ || c->upgraded)
		return;
	if (c->class == CLASS_UNKNOWN &&
	    redis_verdict(call->prefix[0], call->prefix[1], n) == REDIS_YES) {
		classify(c->slot, CLASS_REDIS, COVERAGE_NONE);
		redis_expect_connection(c);
	}
	if (c->class == CLASS_REDIS) {
		redis_unseen(c->slot, length, LOST_GAP, now);
		c->plain_written += length;
		return;
	}
	verdict = request_verdict(call->prefix[0], call->prefix[1], n);
	if ((verdict & 0xff) != HTTP1_YES) {
		if (c->class == CLASS_UNKNOWN && n == HTTP1_PREFIX)
			classify(c->slot, preface_class(call->prefix[0], call->prefix[1], n),
				 COVERAGE_NONE);
		return;
	}
	if (c->class == CLASS_UNKNOWN)
		classify(c->slot, CLASS_HTTP1, COVERAGE_NONE);
	c->request_time = now;
	http1_begin(c, verdict >> 8, now);
	http1_distrust(http1_of(c, REQUEST)); /* the rest of it is gone */
	c->plain_written += length;
}

/*
 * Bytes were sent on an encrypted connection. Returns whether the plaintext of the call is to be
 * looked at now: a goroutine may come back from it when another one has read the response and
 * closed the connection.
 */
__noinline int tls_sent(u32 slot, u64 now)
{
	struct tls_caller who = calling_kernel();
	struct conn *c = conn_of(slot);
	struct tls_call *call;

	if (!c)
		return false;
	c->tls_arrived = 0; /* of the handshake, or of what was answered */
	call = bpf_map_lookup_elem(&tls_calls, &who);
	/* nobody saw its end: what shakes hands is another one */
	if (!call || (who.goroutine && call->began < c->opened_at))
		return false;
	if (call->function == TLS_WRITE) {
		if (!call->sent)
			call->sent_first = now;
		call->sent = 1;
		call->sent_last = now;
		if (tls_vote_of(call, slot, c->opened_at) != slot)
			return false;
		c->plain_writing = call->length;
		if (!who.goroutine || c->role != ROLE_CLIENT || call->fed)
			return false;
		call->fed = 1;
		return true;
	} else if (call->pending) {
		tls_vote_of(call, slot, c->opened_at);
		tls_sent_pending(c, call, now);
	}
	return false;
}

/* Has P, of what was sent on a socket, mean the plaintext of the call instead. */
static __always_inline bool tls_plain_of_call(struct conn *c, struct passage *p)
{
	struct tls_caller who = calling_kernel();
	struct tls_call *call = bpf_map_lookup_elem(&tls_calls, &who);

	if (!call || c->class > LAST_CLASS_READ || c->upgraded)
		return false;
	p->length = call->length;
	p->seq = c->plain_written;
	p->source = FROM_LIBRARY;
	p->hint = (void *)call->buffer;
	return true;
}

/*
 * A function of a library is entered. It may be noted twice: Go begins anew when it has made its
 * stack larger.
 */
static __always_inline void tls_call_begins(struct tls_caller *who, u32 function, u64 handle,
					    u64 buffer, u32 length, u64 moved_at)
{
	struct tls_call *call = attached ? tls_call_of(who) : NULL;
	struct conn *c;

	if (!call)
		return;
	if (call->handle != handle) {
		/* Node may write, then try to read, then send what it wrote */
		call->pending = 0;
		call->slot = 0;
	}
	call->handle = handle;
	call->buffer = buffer;
	call->length = length;
	call->moved_at = moved_at;
	call->began = bpf_ktime_get_ns();
	call->sent = 0;
	call->fed = 0;
	call->function = function;
	if (function == TLS_WRITE) {
		c = tls_session_conn(call);
		if (c)
			c->plain_writing = length;
	}
	count_run(PROG_TLS_CALL, run_is_counted(call->began) ? call->began : 0);
}

/* How many bytes a call has moved, from what it returned. */
static __always_inline s64 tls_moved(struct tls_call *call, s64 result)
{
	u64 moved = 0;

	if (!call->moved_at)
		return result;
	if ((s32)result != 1 || bpf_probe_read_user(&moved, sizeof(moved), (void *)call->moved_at))
		return 0;
	return moved;
}

/* The connection that a call used, NULL if it is not known. */
static __always_inline struct conn *tls_conn_of_call(struct tls_call *call, u32 function)
{
	struct conn *received = NULL, *c;

	if (function == TLS_WRITE) /* what it sent on has its vote */
		return tls_session_conn(call);
	received = tls_conn(call->received, call->received_id);
	if (received && call->received_at >= call->began) /* within the call */
		return conn_of(tls_vote_of(call, call->received, call->received_id));
	c = tls_session_conn(call);
	if (c || !received)
		return c;
	return conn_of(tls_vote_of(call, call->received, call->received_id));
}

/*
 * TCP's numbers and the bytes of a call do not agree: the kernel encrypts
 * (Documentation/networking/tls.rst), if the socket has that protocol above TCP. Records have
 * headers and tags, and are taken from TCP as a whole.
 */
__noinline int ktls_begins(u32 slot, u32 direction)
{
	struct conn *c = conn_of(slot);
	struct inet_connection_sock *icsk;
	struct tcp_ulp_ops *ops;
	u32 name = 0;

	if (!c)
		return false;
	icsk = (struct inet_connection_sock *)c->sk;
	ops = (struct tcp_ulp_ops *)BPF_CORE_READ(icsk, icsk_ulp_ops);
	if (!ops ||
	    bpf_probe_read_kernel(&name, sizeof(name),
				  (void *)ops + bpf_core_field_offset(struct tcp_ulp_ops, name)) ||
	    name != ('t' | 'l' << 8 | 's' << 16))
		return false;
	c->tls = 1;
	if (direction == READ)
		c->ktls_rx = 1;
	else
		c->ktls_tx = 1;
	if (c->class == CLASS_TLS) /* so it looked, in the handshake */
		c->class = CLASS_UNKNOWN;
	return true;
}

/* Whether taps see the plaintext of this direction. */
static __always_inline bool is_ktls(struct conn *c, u32 direction)
{
	return (direction == READ ? c->ktls_rx : c->ktls_tx) && !c->upgraded;
}

/* The number of the first byte that the kernel has decrypted, or will encrypt. */
static __always_inline u32 ktls_passes(struct conn *c, u32 direction, u32 length, u32 end)
{
	u32 seq;
	u64 arrived;

	if (direction == WRITE) {
		seq = c->plain_written;
		c->plain_written += length;
		return seq;
	}
	seq = c->plain_read;
	c->plain_read += length;
	if (c->role != ROLE_CLIENT && c->rx_pos != end) { /* another record */
		arrived = arrival_of(c, c->rx_pos);
		c->tls_time = arrived;
	}
	return seq;
}

/* Plaintext of a connection. It was opaque until now, if the probes came late. */
static __always_inline void tls_plain(struct conn *c, u32 direction, u64 buffer, u32 length,
				      u64 now, bool fed)
{
	struct tls_process *process;
	struct passage p;

	if (is_ktls(c, direction))
		return;
	if (c->class == CLASS_TLS)
		c->class = CLASS_UNKNOWN;
	if (c->class == CLASS_UNKNOWN && !(c->plain_read | c->plain_written)) {
		process = bpf_map_lookup_elem(&tls_processes, &c->tls_process);
		if ((c->covered && !c->tunnel) || (process && c->opened_at < process->attached_at))
			/* what passes first may be the middle of anything */
			c->role = ROLE_UNKNOWN;
	}
	if (c->tls_arrived) {
		c->tls_time = c->tls_arrived == TLS_ARRIVAL_MISSED ? 0 : c->tls_arrived;
		c->tls_arrived = 0;
	}
	p.now = now;
	p.slot = c->slot;
	p.length = length;
	p.direction = direction;
	p.source = FROM_LIBRARY;
	p.hint = (void *)buffer;
	if (direction == READ) {
		p.seq = c->plain_read;
		c->plain_read += length;
	} else {
		p.seq = c->plain_written;
	}
	if (!fed && c->class <= LAST_CLASS_READ && !c->upgraded)
		look_at(c, (struct sock *)c->sk, &p, 0);
	ordered(&c->settled);
	if (direction == WRITE) {
		c->plain_written += length;
		c->plain_writing = 0;
	}
}

/*
 * When a request began, or a response ended: when it was sent. If the response to it was read
 * before this hook ran, the socket's may have come too late as well.
 */
static __always_inline u64 tls_written_at(struct conn *c, struct tls_call *call)
{
	if (c->role != ROLE_CLIENT)
		return call->sent ? call->sent_last : bpf_ktime_get_ns();
	return call->sent && open_exchanges(c) >= 0 ? call->sent_first : call->began;
}

/* What a call of a library has moved becomes plaintext of its connection. */
static __always_inline void tls_call_moved(struct tls_caller *who, struct tls_call *call,
					   u32 function, s64 moved)
{
	struct conn *c = tls_conn_of_call(call, function);
	u64 at;

	if (c) {
		at = function == TLS_WRITE ? tls_written_at(c, call) : bpf_ktime_get_ns();
		tls_plain(c, function == TLS_WRITE ? WRITE : READ, call->buffer, moved, at,
			  function == TLS_WRITE && call->fed);
	} else if (function == TLS_WRITE && !who->goroutine) { /* Go sends within the call */
		if (call->pending) {			       /* more of it */
			call->pending += moved;
			return;
		}
		call->prefix[0] = 0;
		call->prefix[1] = 0;
		call->pending = moved;
		moved = at_most(moved, HTTP1_PREFIX);
		if (bpf_probe_read_user(call->prefix, moved, (void *)call->buffer))
			call->pending = 0;
	} else if (function == TLS_READ) {
		count_lost(LOST_TLS_SOCKET, 1);
	}
}

/* A function of a library returns. */
static __always_inline void tls_call_ends(struct tls_caller *who, s64 result)
{
	struct tls_call *call = bpf_map_lookup_elem(&tls_calls, who);
	struct conn *c;
	u32 function;
	s64 moved;
	u64 began;

	if (!call || !call->function)
		return;
	began = run_begins(call->began);
	function = call->function;
	call->function = TLS_NONE;
	moved = tls_moved(call, result);
	if (moved > 0 && moved <= 0x7fffffff) {
		tls_call_moved(who, call, function, moved);
	} else if (function == TLS_WRITE) {
		/* Nothing was sent of this session, or nothing but the handshake. */
		c = tls_session_conn(call);
		if (c)
			c->plain_writing = 0;
	}
	count_run(PROG_TLS_RETURN, began);
}

#endif

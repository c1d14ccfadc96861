/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* TLS: the calls of a library, and the plaintext that they move on a session's connection. */
#ifndef FATHOM_TLS_CALLS_H
#define FATHOM_TLS_CALLS_H

#include "../dispatch/look.h"
#include "go.h"
#include "kernel.h"

/* What a server has received so far is over, unless it is the beginning of a record. */
static __always_inline void tls_arrival_ends(struct conn *c)
{
	if (!c->tls_arrived)
		return;
	if (c->tls_left == TLS_LEFT_UNKNOWN)
		c->tls_arrived |= TLS_ARRIVAL_UNSURE;
	else if (!c->tls_left)
		c->tls_arrived |= TLS_ARRIVAL_OLD;
}

/*
 * Whether a call is to read. It returns with the plaintext of the first record that has any: if it
 * receives another record, those before had none.
 */
static __always_inline bool tls_is_reading(struct tls_call *call)
{
	return call && call->function == TLS_READ;
}

/*
 * Bytes were received on an encrypted connection; SEQ is that of the first. They begin to arrive
 * then, or go on to: for plaintext the last that is not over counts. A session whose first read has
 * returned nothing waits for a request from the next one on.
 */
__noinline int tls_received(u32 slot, u32 seq)
{
	struct tls_process *p = calling_process();
	struct tls_caller who = caller_of(p);
	struct conn *c = conn_of(slot);
	struct tls_call *call;

	if (!c)
		return 0;
	if (c->role != ROLE_CLIENT) {
		call = bpf_map_lookup_elem(&tls_calls, &who);
		if (!tls_is_new(c)) {
			if (tls_is_reading(call) && call->slot == slot)
				tls_reads_more(slot);
		} else {
			/* A handshake may end in the call that waits for the request. */
			if (tls_is_reading(call))
				tls_reads_more(slot);
			if (!(c->tls_left | c->tls_data) || tls_is_reading(call))
				tls_arrival_ends(c);
			if (c->tls_arrived & TLS_ARRIVAL_UNSURE)
				c->tls_arrived = TLS_ARRIVAL_MISSED;
			else if (!c->tls_arrived || c->tls_arrived & TLS_ARRIVAL_OLD)
				c->tls_arrived = arrival_of(c, seq) ?: TLS_ARRIVAL_MISSED;
		}
	}
	tls_note_received(&who, c);
	if (!p || p->opaque == OPAQUE_NOT_YET) {
		/* it may be Go, and have received its first request here */
		who.id = goroutine_in_kernel();
		who.goroutine = 1;
		tls_note_received(&who, c);
	}
	return 0;
}

/* A connection is to pass its first plaintext, or was opaque until now: the probes came late. */
__noinline int tls_first_plain(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct tls_process *process;

	if (!c)
		return 0;
	if (c->class == CLASS_TLS)
		c->class = CLASS_UNKNOWN;
	if (c->class != CLASS_UNKNOWN || !tls_is_new(c))
		return 0;
	process = bpf_map_lookup_elem(&tls_processes, &c->tls_process);
	if (c->joined || (c->covered && !c->tunnel) || c->tls_missed ||
	    (process && c->opened_at < process->attached_at))
		c->role = ROLE_UNKNOWN; /* it may be the middle of anything */
	return 0;
}

/*
 * LENGTH bytes were sent on an encrypted connection. Returns whether the plaintext of the call is
 * to be looked at now: a goroutine may come back from it when another one has read the response and
 * closed the connection.
 */
__noinline int tls_sent(u32 slot, u32 length, u64 now)
{
	struct tls_caller who = calling_kernel();
	struct conn *c = conn_of(slot);
	struct tls_call *call;

	if (!c)
		return false;
	/*
	 * Tickets are sent behind the client's Finished (RFC 8446, section 4.6.1), with which a
	 * request may have come.
	 */
	if (c->tls_arrived && tls_is_new(c))
		c->tls_arrived |= TLS_ARRIVAL_OLD;
	call = bpf_map_lookup_elem(&tls_calls, &who);
	if (!call || tls_is_left_over(&who, call, c)) /* what shakes hands is another one */
		return false;
	if (call->function != TLS_WRITE)
		return false;
	if (tls_vote_of(call, slot, c->opened_at) != slot)
		return false;
	if (!call->sent) {
		call->sent_first = now;
		c->tls_sending = 0;
	}
	call->sent = 1;
	c->tls_sending += length;
	call->sent_last = now;
	c->plain_writing = call->length;
	if (!who.goroutine || call->fed)
		return false;
	/* HTTP/2 has such goroutines at a server as well: once all of the plaintext may be sent */
	if (c->role != ROLE_CLIENT && (c->class != CLASS_HTTP2 || c->tls_sending < call->length))
		return false;
	call->fed = 1;
	if (tls_is_new(c) || c->class == CLASS_TLS)
		tls_first_plain(slot);
	return true;
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

/* Notes that plaintext of a session passes before it is bound to a connection. */
static __always_inline void tls_note_unbound(struct tls_handle *key, struct tls_session *last,
					     bool overlooked)
{
	struct tls_session unbound = {.missed = 1, .overlooked = overlooked};
	int err;

	if (last && !last->slot && last->overlooked >= overlooked)
		return;
	err = bpf_map_update_elem(&tls_sessions, key, &unbound, BPF_ANY);
	if (err)
		count_map_error(err);
}

/* A call of a session will move what nobody sees: there is no room for its caller. */
__noinline int tls_overlooked(u64 handle)
{
	struct tls_handle key = {};
	struct tls_session *s;
	struct conn *c;

	key.handle = handle;
	key.process = current_process();
	count_lost(LOST_TLS_CALLER, 1);
	s = bpf_map_lookup_elem(&tls_sessions, &key);
	c = s ? tls_conn(s->slot, s->id) : NULL;
	if (c)
		tls_leaves_unread(c->slot);
	else
		tls_note_unbound(&key, s, true);
	return 0;
}

/* Whether a call that sends what is at BUFFER does no more than to keep it: it is sent later. */
static __always_inline bool tls_is_kept(struct conn *c, u64 buffer)
{
	if (c->tls_corked != TLS_CORKED)
		return false;
	/* else a flush is tried again, which may leave out where its bytes are */
	return !c->tls_flush || (buffer && buffer != c->tls_flush);
}

/* What a caller does with the session that HANDLE is; NULL if there is no room to note that. */
static __always_inline struct tls_call *tls_call_on(struct tls_caller *who, u32 library, u64 handle)
{
	struct tls_call *call = tls_call_of(who);

	if (!call)
		return NULL;
	call->slot = 0; /* it may be another session's by now, whose end another thread saw */
	call->handle = handle;
	call->library = library;
	return call;
}

/* A session is corked from now on, or what it has kept is flushed. */
static __always_inline void tls_corks(struct tls_caller *who, u32 library, u64 handle,
				      enum tls_cork cork)
{
	struct tls_call *call;
	struct conn *c;

	if (!attached)
		return;
	call = tls_call_on(who, library, handle);
	if (!call)
		return;
	call->function = TLS_NONE;
	c = tls_session_conn(call);
	if (!c || (cork == TLS_CORK_FLUSHES && !c->tls_corked))
		return;
	c->tls_corked = cork;
	c->tls_flush = 0;
}

/*
 * A function of a library is entered. It may be noted twice: Go begins anew when it has made its
 * stack larger. READS: of Go, the address of (*net.TCPConn).Read; 0: it is not known.
 */
static __always_inline void tls_call_begins(struct tls_caller *who, u32 library, u32 function,
					    u64 handle, u64 buffer, u32 length, u64 moved_at,
					    u64 reads)
{
	struct tls_call *call;
	struct conn *c;

	if (!attached)
		return;
	call = tls_call_on(who, library, handle);
	if (!call) {
		tls_overlooked(handle);
		return;
	}
	call->buffer = buffer;
	call->length = length;
	call->moved_at = moved_at;
	call->began = bpf_ktime_get_ns();
	call->sent = 0;
	call->fed = 0;
	call->received = 0;
	call->function = function;
	c = tls_session_conn(call);
	if (!c && who->goroutine)
		c = go_bind(who, call, reads);
	if (c && function == TLS_WRITE) {
		if (tls_is_kept(c, buffer))
			call->function = TLS_NONE;
		else
			c->plain_writing = length;
	}
	if (c && function == TLS_READ && tls_is_new(c))
		tls_arrival_ends(c);
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
	struct conn *received, *c = tls_session_conn(call);

	if (function == TLS_WRITE) /* what it sent on has its vote */
		return c;
	received = tls_conn(call->received, call->received_id);
	if (!received || received == c)
		return c;
	return conn_of(tls_vote_of(call, call->received, call->received_id));
}

/* A call has passed plaintext, maybe a request, and it is not known on which connection. */
static __always_inline void tls_lose(struct tls_call *call, s64 moved)
{
	u64 prefix[2] = {}, n = at_most(moved, HTTP1_PREFIX);
	struct tls_handle key = {};
	int verdict;

	key.handle = call->handle;
	key.process = current_process();
	tls_note_unbound(&key, bpf_map_lookup_elem(&tls_sessions, &key), false);
	if (bpf_probe_read_user(prefix, n, (void *)call->buffer))
		return;
	verdict = request_verdict(prefix[0], prefix[1], n);
	if (((verdict & 0xff) == HTTP1_YES && verdict >> 8 != METHOD_OTHER) ||
	    redis_verdict(prefix[0], prefix[1], n) == REDIS_YES)
		count_lost(LOST_TLS_SOCKET, 1);
}

/* Plaintext of a connection. */
static __always_inline void tls_plain(struct conn *c, u32 direction, u64 buffer, u32 length,
				      u64 now, bool fed)
{
	struct passage p;

	if (is_ktls(c, direction)) {
		if (direction == WRITE)
			c->plain_writing = 0;
		return;
	}
	if (tls_is_new(c) || c->class == CLASS_TLS)
		tls_first_plain(c->slot);
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
static __always_inline void tls_call_moved(struct tls_call *call, u32 function, s64 moved)
{
	struct conn *c = tls_conn_of_call(call, function);
	u64 at;

	if (!c) {
		if (!(function == TLS_WRITE && call->fed))
			tls_lose(call, moved);
		return;
	}
	if (function == TLS_WRITE && c->tls_corked)
		c->tls_corked = TLS_CORK_FLUSHES;
	tls_plain_passes(c->slot, moved, moved < call->length, function == TLS_WRITE);
	at = function == TLS_WRITE ? tls_written_at(c, call) : bpf_ktime_get_ns();
	tls_plain(c, function == TLS_WRITE ? WRITE : READ, call->buffer, moved, at,
		  function == TLS_WRITE && call->fed);
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
		tls_call_moved(call, function, moved);
	} else if (function == TLS_READ) {
		c = tls_session_conn(call);
		if (c && c->role != ROLE_CLIENT)
			tls_reads_more(c->slot);
	} else if (function == TLS_WRITE) {
		/* Nothing was sent of this session, or nothing but the handshake. */
		c = tls_session_conn(call);
		if (c) {
			c->plain_writing = 0;
			if (moved < 0 && c->tls_corked == TLS_CORK_FLUSHES) {
				c->tls_flush = call->buffer;
				c->tls_corked = TLS_CORKED;
			}
		}
	}
	if (who->goroutine) /* there may be any number of them, and nobody sees them end */
		tls_caller_goes(who);
	count_run(PROG_TLS_RETURN, began);
}

#endif

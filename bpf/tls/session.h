/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * TLS: which connection a library's session uses.
 *
 * The library's functions say what passes, and by which session (a pointer, the handle). What binds
 * the session to a connection is evidence that cannot be another's:
 *
 * - the client random, which both ends keep for a session's life and which went over the connection
 *   in clear: tls_hello() notes it, and internal/tlslib finds in a library's own accessor where a
 *   session has it;
 * - a receive or a send within a call of the session, by the same thread or goroutine;
 * - for Go, which shakes hands before the first call: the socket in the session's net.Conn, if that
 *   is a net.TCPConn. Where it is not known what that is, it has to be the socket that the
 *   goroutine received on last.
 *
 * What is bound by none of these is lost, and never another connection's. Goroutines move between
 * threads: their calls are told apart by the pointer that Go keeps in a register
 * (src/cmd/compile/abi-internal.md), in the call and in the system calls inside it.
 *
 * The exchanges of a connection that is encrypted live in its struct conn, as those of plain ones
 * do.
 */
#ifndef FATHOM_TLS_H
#define FATHOM_TLS_H

#include "../dispatch.h"

/* So many calls in a row on another socket let a session change over: one may be an accident. */
#define TLS_REBIND 4

/* No process has more (fs.nr_open is 2^20 at most by default). */
#define GO_DESCRIPTORS (1U << 20)

/* The connection of a slot, if it is still the one with this ID. */
static __always_inline struct conn *tls_conn(u32 slot, u64 id)
{
	struct conn *c = conn_of(slot);

	return slot && c && c->sk && c->opened_at == id && c->tls ? c : NULL;
}

/* The client random of a session, from where a library may keep it. */
static __always_inline bool tls_random_at(const struct tls_place *place, u64 handle,
					  struct tls_random *random)
{
	u64 at = handle + place->first;

	if (place->kind == TLS_PLACE_INDIRECT) {
		if (bpf_probe_read_user(&at, sizeof(at), (void *)at))
			return false;
		at += place->second;
	}
	return !bpf_probe_read_user(random->bytes, sizeof(random->bytes), (void *)at) &&
	       (random->bytes[0] | random->bytes[1]); /* zero before there is a ClientHello */
}

/*
 * A call that is under way will move what nobody sees: what is open on its connection is lost, and
 * the rest of that stays unread.
 */
__noinline int tls_leaves_unread(u32 slot)
{
	struct conn *c = conn_of(slot);
	struct http2_conn *h;

	if (!c)
		return 0;
	if (c->class == CLASS_HTTP2) {
		h = http2_of(c);
		if (h)
			http2_lose_open(c, h, LOST_TLS_CALLER);
	} else if (c->class && c->class <= LAST_CLASS_READ && !c->upgraded) {
		lose_until(c->slot, c->requests, LOST_TLS_CALLER);
	} else if (!c->class) {
		c->after_gap = GAP_FIRST; /* it ends as one that could not be read */
	}
	c->upgraded = 1;
	return 0;
}

/* Notes that a session is bound to a connection. */
static __always_inline void tls_note(struct tls_handle *key, struct tls_session *next,
				     struct tls_session *last, struct conn *c)
{
	int err;

	if (last && last->missed)
		c->tls_missed = 1;
	if (last && last->overlooked)
		tls_leaves_unread(c->slot);
	c->tls_used = 1;
	err = bpf_map_update_elem(&tls_sessions, key, next, BPF_ANY);
	if (err)
		count_map_error(err);
}

/* Where the session of a call may keep its client random. */
static __always_inline struct tls_places *tls_places_of(u32 library)
{
	struct tls_process *p;

	if (library)
		return bpf_map_lookup_elem(&tls_libraries, &library);
	p = calling_process();
	if (!p)
		return NULL;
	asm volatile(""
		     : "+r"(p)); /* or the address is computed before the verifier sees the test */
	return &p->places;
}

/*
 * Binds a session to the connection that its ClientHello went over. Returns the connection's slot,
 * or 0: that is not known, or not yet. In a process that talks to itself both ends have the same
 * random, and the session has to say which of them it is.
 */
__noinline u32 tls_bind(u64 handle, u32 library)
{
	struct tls_places *places = tls_places_of(library);
	struct tls_session session = {.evidence = TLS_RANDOM};
	struct tls_random random = {};
	struct tls_handle key = {};
	struct tls_hello *hello;
	struct conn *c;
	u32 i, received;
	u8 flag;

	if (!places)
		return 0;
	random.process = current_process();
	key.handle = handle;
	key.process = random.process;
	for (i = 0; i < TLS_PLACES; i++) {
		const struct tls_place *place = &places->place[i];

		if (!place->kind)
			break;
		if (!tls_random_at(place, handle, &random))
			continue;
		hello = bpf_map_lookup_elem(&tls_hellos, &random);
		if (!hello)
			continue;
		received = !tls_conn(hello->slot[0], hello->id[0]);
		if (!received && tls_conn(hello->slot[1], hello->id[1])) {
			if (!place->server ||
			    bpf_probe_read_user(&flag, sizeof(flag),
						(void *)(handle + place->server - 1)))
				continue;
			received = flag & 1;
		}
		session.slot = hello->slot[received & 1];
		session.id = hello->id[received & 1];
		c = tls_conn(session.slot, session.id);
		if (!c)
			continue;
		tls_note(&key, &session, bpf_map_lookup_elem(&tls_sessions, &key), c);
		return session.slot;
	}
	return 0;
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
	if (s) {
		call->id = s->id;
		call->slot = s->slot;
		c = tls_conn(s->slot, s->id);
		if (c)
			return c;
	}
	call->slot = tls_bind(call->handle, call->library);
	c = conn_of(call->slot);
	if (!call->slot || !c)
		return NULL;
	call->id = c->opened_at;
	return c;
}

/*
 * A call of a session used the connection in SLOT. Returns the slot of the session's connection.
 * Another one than before is a mistake, or it is another session with the same address: at once, if
 * this connection is younger and has none yet (a goroutine may still write to the former when it is
 * closed). What the client random says stands.
 */
__noinline int tls_vote(u64 handle, u32 slot, u64 id)
{
	struct conn *c = conn_of(slot);
	struct tls_session next = {.evidence = TLS_NESTED}, *s;
	struct tls_handle key = {};

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
		if (s->evidence == TLS_RANDOM ||
		    (++s->against < TLS_REBIND && (id < s->id || c->plain_read | c->plain_written)))
			return s->slot;
	}
	next.id = id;
	next.slot = slot;
	tls_note(&key, &next, s, c);
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

	if (!c)
		return 0;
	if (c->role != ROLE_CLIENT) {
		/* A handshake may end in the call that waits for the request. */
		if (tls_is_new(c) && (!(c->tls_left | c->tls_data) ||
				      tls_is_reading(bpf_map_lookup_elem(&tls_calls, &who))))
			tls_arrival_ends(c);
		if (c->tls_arrived & TLS_ARRIVAL_UNSURE)
			c->tls_arrived = TLS_ARRIVAL_MISSED;
		else if (!c->tls_arrived || c->tls_arrived & TLS_ARRIVAL_OLD)
			c->tls_arrived = arrival_of(c, seq) ?: TLS_ARRIVAL_MISSED;
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
	if (c->tls_arrived)
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

/* Methods follow 24 bytes of an itab (internal/abi/iface.go), by name: net.Conn's Read is third. */
#define GO_ITAB_READ (24 + 2 * 8)

/* Of what begins an internal/poll.FD (fd_unix.go, fd_mutex.go). */
struct go_descriptor {
	u64 state; /* of its fdMutex */
	u32 semaphores[2];
	u32 fd;
	u32 pad;
};

/* It is being closed: mutexClosed, set before the descriptor is. */
#define GO_CLOSED 1

/*
 * The slot of the connection whose socket a crypto/tls.Conn has; 0 if that is none, or not known.
 * Its first field is a net.Conn. That is a net.TCPConn, which is a pointer to a netFD, if its Read
 * is the function at READS.
 */
__noinline u32 go_socket(u64 handle, u64 reads)
{
	struct task_struct *current = cast(struct task_struct, bpf_get_current_task());
	struct files_struct *files = cast(struct files_struct, load(current, files));
	struct go_descriptor descriptor = {};
	u64 conn[2] = {}, at = 0, file;
	struct socket *socket;
	struct conn *c;

	if (bpf_probe_read_user(conn, sizeof(conn), (void *)handle) ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)(conn[0] + GO_ITAB_READ)) || at != reads ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)conn[1]) ||
	    bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)at) ||
	    descriptor.fd >= GO_DESCRIPTORS)
		return 0;
	file = file_of(files, descriptor.fd);
	if (!file)
		return 0;
	socket = cast(struct socket, load(cast(struct file, file), private_data));
	if (!socket || (u64)load(socket, file) != file) /* it is none */
		return 0;
	c = conn_find(BPF_CORE_READ(socket, sk)); /* a number, to the verifier */
	/* Until here it was this one's, unless it was being closed: it may be another's by now. */
	if (!c || !c->tls || bpf_probe_read_user(&descriptor.state, sizeof(u64), (void *)at) ||
	    descriptor.state & GO_CLOSED)
		return 0;
	return c->slot;
}

/*
 * Whether a connection's socket is that of a crypto/tls.Conn, or of what is no such thing, by what
 * go_socket() reads.
 */
__noinline int go_uses(u64 handle, u32 slot, u64 id)
{
	struct task_struct *current = cast(struct task_struct, bpf_get_current_task());
	struct files_struct *files = cast(struct files_struct, load(current, files));
	struct conn *c = tls_conn(slot, id);
	struct socket *socket;
	u64 at = 0, file;
	u32 fd = 0;

	if (!c || bpf_probe_read_user(&at, sizeof(at), (void *)(handle + 8)) ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)at) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (void *)(at + 16)) || fd >= GO_DESCRIPTORS)
		return false;
	socket = cast(struct socket, load_as(struct sock, c->sk, sk_socket));
	file = (u64)load(socket, file);
	return file && file_of(files, fd) == file;
}

/*
 * The connection of a session in Go: by its socket if it is known which function READS of one, else
 * the one that the goroutine has shaken hands on, if the session uses it.
 */
static __always_inline struct conn *go_bind(struct tls_caller *who, struct tls_call *call,
					    u64 reads)
{
	struct tls_shaken *shaken;
	struct conn *c;

	if (reads) {
		c = conn_of(go_socket(call->handle, reads));
		if (c && c->slot)
			return conn_of(tls_vote_of(call, c->slot, c->opened_at));
	}
	shaken = bpf_map_lookup_elem(&tls_shaking, who);
	if (!shaken || !go_uses(call->handle, shaken->slot, shaken->id))
		return NULL;
	return conn_of(tls_vote_of(call, shaken->slot, shaken->id));
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
	if (call->handle != handle)
		call->slot = 0;
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

/* Plaintext of a connection. */
static __always_inline void tls_plain(struct conn *c, u32 direction, u64 buffer, u32 length,
				      u64 now, bool fed)
{
	struct passage p;

	if (is_ktls(c, direction))
		return;
	if (tls_is_new(c) || c->class == CLASS_TLS)
		tls_first_plain(c->slot);
	if (c->tls_arrived) {
		c->tls_time = c->tls_arrived & ~(TLS_ARRIVAL_OLD | TLS_ARRIVAL_UNSURE);
		if (c->tls_time == TLS_ARRIVAL_MISSED)
			c->tls_time = 0;
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

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
#ifndef FATHOM_TLS_BIND_H
#define FATHOM_TLS_BIND_H

#include "../http2/state.h"
#include "../socket/conn.h"
#include "caller.h"

/* So many calls in a row on another socket let a session change over: one may be an accident. */
#define TLS_REBIND 4

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

#endif

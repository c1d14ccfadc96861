/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who uses TLS: where a connection is recognised as encrypted, and by whom it is used. */
#ifndef FATHOM_TLS_CALLER_H
#define FATHOM_TLS_CALLER_H

#include "../base/counters.h"
#include "../bytes/syscalls.h"
#include "records.h"

/* Where in a record with a ClientHello the random is. */
#define TLS_RANDOM_AT 11

/* A handshake message's type. */
#define TLS_CLIENT_HELLO 1

static __always_inline u32 current_process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* The caller of a library's function in C. */
static __always_inline struct tls_caller calling_thread(void)
{
	struct tls_caller who = {};

	who.id = bpf_get_current_pid_tgid();
	who.process = who.id >> 32;
	return who;
}

static __always_inline struct tls_caller calling_goroutine(u64 g)
{
	struct tls_caller who = {};

	who.id = g;
	who.process = current_process();
	who.goroutine = 1;
	return who;
}

/*
 * Before 5.15 no helper finds the user's registers, which are at the top of the kernel's stack:
 * task_pt_regs() in arch/x86/include/asm/processor.h, with THREAD_SIZE of page_64_types.h. On arm64
 * that size depends on the pages'; 0 there.
 */
static __always_inline u64 goroutine_on_stack(void)
{
	u64 g = 0;
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u64 top = (u64)BPF_CORE_READ(task, stack) + 16384;

	bpf_probe_read_kernel(&g, sizeof(g),
			      (void *)(top - bpf_core_type_size(struct pt_regs) +
				       bpf_core_field_offset(struct pt_regs, r14)));
#endif
	return g;
}

/* The goroutine that makes the system call in which a tap runs; 0 if that is not to be had. */
static __always_inline u64 goroutine_in_kernel(void)
{
	struct pt_regs *regs;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return goroutine_on_stack();
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return GOROUTINE(regs);
}

/* Who makes the system call in which a tap runs, in the process P. */
static __always_inline struct tls_caller caller_of(struct tls_process *p)
{
	u64 g = p && p->goroutines ? goroutine_in_kernel() : 0;

	return g ? calling_goroutine(g) : calling_thread();
}

static __always_inline struct tls_process *calling_process(void)
{
	u32 process = current_process();

	return bpf_map_lookup_elem(&tls_processes, &process);
}

static __always_inline struct tls_caller calling_kernel(void)
{
	return caller_of(calling_process());
}

static __always_inline struct tls_call *tls_call_of(struct tls_caller *who)
{
	struct tls_call *call = bpf_map_lookup_elem(&tls_calls, who);

	if (!call) {
		struct tls_call none = {};
		int err = bpf_map_update_elem(&tls_calls, who, &none, BPF_NOEXIST);

		if (!err)
			count_callers(1);
		else if (err == -E2BIG)
			count_overflow(TABLE_TLS_CALLERS);
		else if (err != -EEXIST)
			count_map_error(err);
		call = bpf_map_lookup_elem(&tls_calls, who);
	}
	return call;
}

static __always_inline void tls_caller_goes(struct tls_caller *who)
{
	if (!bpf_map_delete_elem(&tls_calls, who))
		count_callers(-1);
}

/*
 * Whether a goroutine's call is over, and nobody saw its end, as where probes were detached: its
 * connection is younger.
 */
static __always_inline bool tls_is_left_over(const struct tls_caller *who,
					     const struct tls_call *call, const struct conn *c)
{
	return who->goroutine && call->began < c->opened_at;
}

/*
 * The caller has received bytes of a connection: of use within a call, and for a goroutine, which
 * has shaken hands, in the call behind it.
 */
static __always_inline void tls_note_received(struct tls_caller *who, struct conn *c)
{
	struct tls_call *call = bpf_map_lookup_elem(&tls_calls, who);
	struct tls_shaken shaken = {};
	int err;

	if (call && call->function && !tls_is_left_over(who, call, c)) {
		call->received = c->slot;
		call->received_id = c->opened_at;
		return;
	}
	if (!who->goroutine || !tls_is_new(c))
		return;
	shaken.id = c->opened_at;
	shaken.slot = c->slot;
	err = bpf_map_update_elem(&tls_shaking, who, &shaken, BPF_ANY);
	if (err)
		count_map_error(err);
}

/*
 * The first bytes that a connection's client sends are those of a ClientHello: PREFIX, the first
 * 16, of which HAVE were not at ADDRESS but before. Its random bytes name the connection (RFC 8446,
 * section 4.1.2), if all of them are among the LENGTH bytes that are there.
 */
__noinline int tls_hello(u32 slot, u64 prefix, u64 address, u64 have_and_length)
{
	u32 have = have_and_length >> 32, length = have_and_length, sent;
	struct tls_hello first = {}, *hello;
	struct conn *c = conn_of(slot), *other;
	struct tls_random key = {};

	if (!c || c->tls || have > TLS_RECORD_HEAD) /* what is within TLS is not on the wire */
		return 0;
	c->tls_left = at_most(TLS_RECORD_HEAD + (prefix >> 16 & 0xff00) + (prefix >> 32 & 0xff) -
				      have,
			      TLS_LEFT_UNKNOWN);
	if ((u8)prefix != TLS_HANDSHAKE || (u8)(prefix >> 40) != TLS_CLIENT_HELLO ||
	    length < TLS_RANDOM_AT - have + sizeof(key.bytes) ||
	    bpf_probe_read_user(key.bytes, sizeof(key.bytes),
				(void *)(address + TLS_RANDOM_AT - have)))
		return 0;
	key.process = current_process();
	sent = c->role == ROLE_CLIENT ? 0 : 1;
	hello = bpf_map_lookup_elem(&tls_hellos, &key);
	if (hello) { /* a process that talks to itself, or a client that has to begin anew */
		other = conn_of(hello->slot[sent]);
		if (hello->slot[sent] && other && other != c && other->sk &&
		    (!hello->id[sent] || other->opened_at == hello->id[sent])) {
			hello->id[sent] = 0; /* no random at all: it names neither */
			return 0;
		}
		hello->slot[sent] = slot;
		hello->id[sent] = c->opened_at;
		return 0;
	}
	first.slot[sent] = slot;
	first.id[sent] = c->opened_at;
	sent = bpf_map_update_elem(&tls_hellos, &key, &first, BPF_ANY);
	if (sent)
		count_map_error(sent);
	return 0;
}

/* Asks about a process. Returns whether there was room. */
static __always_inline bool tls_ask(u32 process)
{
	u32 *asked = bpf_ringbuf_reserve(&tls_asked, sizeof(*asked), 0);

	if (!asked)
		return false;
	*asked = process;
	bpf_ringbuf_submit(asked, 0);
	return true;
}

/*
 * A connection of a process that has been looked at is opaque: it may have loaded a library since.
 */
__noinline int tls_ask_again(u32 process)
{
	struct tls_process *p = bpf_map_lookup_elem(&tls_processes, &process);
	u64 now = bpf_ktime_get_ns();

	if (!p || !p->told_at || (s64)(now - p->told_at) < (s64)ask_again_ns)
		return 0;
	p->told_at = now;
	tls_ask(process);
	return 0;
}

/* The first bytes of a connection are a TLS record, and TLS is read. */
__noinline int tls_begins(u32 slot)
{
	struct tls_process *p, unknown = {};
	struct conn *c = conn_of(slot);
	struct tls_caller who = calling_kernel();
	u32 process = who.process;

	if (!c)
		return 0;
	c->tls = 1;
	c->tls_process = process;
	if (c->joined && !c->role) { /* this may be a request already, not a handshake */
		c->tls_arrived = TLS_ARRIVAL_MISSED;
		c->tls_left = TLS_LEFT_UNKNOWN;
		tls_note_received(&who, c);
	}
	p = bpf_map_lookup_elem(&tls_processes, &process);
	if (p)
		return 0;
	if (bpf_map_update_elem(&tls_processes, &process, &unknown, BPF_NOEXIST))
		/* asked already, or full: counted below, once per process would need room, too */
		return 0;
	if (!tls_ask(process)) {
		bpf_map_delete_elem(&tls_processes, &process);
		count_lost(LOST_TLS_ASKED, 1);
	}
	return 0;
}

#endif

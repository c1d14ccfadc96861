/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who uses TLS: where a connection is recognised as encrypted, and by whom it is used. */
#ifndef FATHOM_TLS_CALLER_H
#define FATHOM_TLS_CALLER_H

#include "../base/counters.h"
#include "../bytes/syscalls.h"
#include "../socket/find.h"

/* In place of a time. */
#define TLS_ARRIVAL_MISSED 1

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

		if (err && err != -EEXIST)
			count_map_error(err);
		call = bpf_map_lookup_elem(&tls_calls, who);
	}
	return call;
}

/* The caller has received bytes of a connection. */
static __always_inline void tls_note_received(struct tls_caller *who, struct conn *c, u64 now)
{
	struct tls_call *call = tls_call_of(who);

	if (!call)
		return;
	call->received = c->slot;
	call->received_id = c->opened_at;
	call->received_at = now;
}

/* The first bytes of a connection are a TLS record, and TLS is read. */
__noinline int tls_begins(u32 slot)
{
	struct tls_process *p, unknown = {};
	struct conn *c = conn_of(slot);
	struct tls_caller who = calling_kernel();
	u32 process = who.process, *asked;

	if (!c)
		return 0;
	c->tls = 1;
	c->tls_process = process;
	if (c->joined) { /* this may be a request already, not a handshake */
		c->tls_arrived = TLS_ARRIVAL_MISSED;
		tls_note_received(&who, c, bpf_ktime_get_ns());
	}
	p = bpf_map_lookup_elem(&tls_processes, &process);
	if (p)
		return 0;
	if (bpf_map_update_elem(&tls_processes, &process, &unknown, BPF_NOEXIST))
		/* asked already, or full: counted below, once per process would need room, too */
		return 0;
	asked = bpf_ringbuf_reserve(&tls_asked, sizeof(*asked), 0);
	if (!asked) {
		bpf_map_delete_elem(&tls_processes, &process);
		count_lost(LOST_TLS_ASKED, 1);
		return 0;
	}
	*asked = process;
	bpf_ringbuf_submit(asked, 0);
	return 0;
}

#endif

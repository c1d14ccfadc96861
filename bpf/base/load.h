/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Reading kernel memory, bounds that the verifier sees, and order between CPUs. */
#ifndef FATHOM_LOAD_H
#define FATHOM_LOAD_H

#include "knobs.h"

#ifdef __bpf__
void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
#endif

/*
 * cast() and load() read a field of a kernel structure: a plain load, which the
 * verifier turns into one that survives a bad pointer, or bpf_probe_read_kernel().
 *
 *	struct tcp_sock *tp = cast(struct tcp_sock, sk);
 *	u32 seq = load(tp, copied_seq);
 *
 * The verifier removes the branch that the kernel does not need, if it has instructions of its
 * own, hence the asm statement; and the offset becomes part of the plain load only if the other
 * branch does not share its computation, hence the explicit offset there.
 */
#ifdef __bpf__
#define cast(type, p)                                                                         \
	({                                                                                    \
		type *__cast;                                                                 \
		if (direct_loads)                                                             \
			__cast = bpf_rdonly_cast((void *)(p), bpf_core_type_id_kernel(type)); \
		else                                                                          \
			asm volatile("%0 = %1" : "=r"(__cast) : "r"((type *)(p)));            \
		__cast;                                                                       \
	})
#define load(p, field)                                                                    \
	({                                                                                \
		typeof((p)->field) __value;                                               \
		if (direct_loads) {                                                       \
			__value = (p)->field;                                             \
		} else {                                                                  \
			bpf_probe_read_kernel(&__value, sizeof(__value),                  \
					      (const void *)(p) +                         \
						      bpf_core_field_offset((p)->field)); \
		}                                                                         \
		__value;                                                                  \
	})
#else
#define cast(type, p) ((type *)(p))
#define load(p, field) ((p)->field)
#endif

/* The same on a pointer of any type: load_as(struct tcp_sock, sk, write_seq). */
#define load_as(type, p, field)                \
	({                                     \
		type *__typed = cast(type, p); \
		load(__typed, field);          \
	})

/* N, at most MAX; in a way that the compiler does not undo before the verifier sees it. */
#define at_most(n, max)                       \
	({                                    \
		u64 __n = (n);                \
		if (__n > (max))              \
			__n = (max);          \
		asm volatile("" : "+r"(__n)); \
		if (__n > (max))              \
			__n = (max);          \
		__n;                          \
	})

/*
 * What was stored before is seen by others before what is stored after; and the same for loads.
 * x86 keeps that order by itself. Elsewhere a fetching atomic, on ANY memory, is the only such
 * barrier that all kernels from 5.12 have; older ones go without.
 */
static __always_inline void ordered(u32 *any)
{
#if defined(__bpf__) && !defined(__TARGET_ARCH_x86)
	if (fetching_atomics)
		asm volatile("" ::"r"(__sync_fetch_and_add(any, 0)));
#endif
	barrier();
}

/* The same for stores before loads, which x86 does not keep in order without a locked operation. */
static __always_inline void fenced(u32 *any)
{
#if defined(__bpf__) && defined(__TARGET_ARCH_x86)
	u32 nothing = 0;

	/* The compiler makes an addition of 0 an OR, which kernels before 5.12 do not have. */
	asm volatile("" : "+r"(nothing));
	__sync_fetch_and_add(any, nothing);
#endif
	ordered(any);
}

static __always_inline u64 load_pointer(const void *address)
{
	u64 value = 0;

	if (direct_loads)
		return (u64)cast(struct hlist_head, address)->first;
	bpf_probe_read_kernel(&value, sizeof(value), address);
	return value;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What every other file builds on: the knobs that user space sets before loading,
 * reading kernel memory, counting what is lost, handing out slots.
 *
 * Functions that are not static, here and elsewhere, are verified once and on their own,
 * which keeps the verifier's work small. They take numbers only, such as the slot of a
 * connection: kernels before 5.13 accept no pointers there.
 */
#ifndef FATHOM_CORE_H
#define FATHOM_CORE_H

/* Whether bpf_rdonly_cast() is there (6.2): kernel memory is read by plain loads. */
const volatile bool direct_loads;
/*
 * Whether atomic instructions return what was there before (5.12). Where they do not, user space
 * takes them out of the branches that are not run then.
 */
const volatile bool fetching_atomics = true;
/* Whether there are probes in TLS libraries. */
const volatile bool reads_tls;
const volatile bool never; /* see stay_on_task_stack() */
/* Whether the tracepoint tcp_retransmit_skb tells the error, and so also fires on failure. */
const volatile bool retransmit_tells_error;
const volatile u64 settle_after_ns = 5000000000ULL;
const volatile u32 max_connections = MAX_CONNECTIONS;
const volatile u32 max_workloads = MAX_WORKLOADS;
const volatile u32 max_series = MAX_SERIES;
const volatile u32 max_series_per_workload = 256;
const volatile u32 max_edges = MAX_EDGES;
const volatile u32 max_edges_per_workload = 128;
/* Upper bounds of the buckets in ns, ascending; unused ones are the highest s64. */
const volatile u64 bounds[256] = {};

/*
 * Whether all taps are attached, which takes milliseconds: set by user space after the last, and cleared
 * before the first is detached. Until then one end of an exchange would be seen without the other.
 */
volatile bool attached;

void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

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
#define cast(type, p)                                                                    \
	({                                                                               \
		type *__cast;                                                            \
		if (direct_loads)                                                        \
			__cast = bpf_rdonly_cast((void *)(p), bpf_core_type_id_kernel(type)); \
		else                                                                     \
			asm volatile("%0 = %1" : "=r"(__cast) : "r"((type *)(p)));       \
		__cast;                                                                  \
	})
#define load(p, field)                                                                   \
	({                                                                               \
		typeof((p)->field) __value;                                              \
		if (direct_loads) {                                                      \
			__value = (p)->field;                                            \
		} else {                                                                 \
			bpf_probe_read_kernel(&__value, sizeof(__value),                 \
					      (const void *)(p) + bpf_core_field_offset((p)->field)); \
		}                                                                        \
		__value;                                                                 \
	})

/* The same on a pointer of any type: load_as(struct tcp_sock, sk, write_seq). */
#define load_as(type, p, field)                     \
	({                                          \
		type *__typed = cast(type, p);      \
		load(__typed, field);               \
	})

/* N, at most MAX; in a way that the compiler does not undo before the verifier sees it. */
#define at_most(n, max)                    \
	({                                 \
		u64 __n = (n);             \
		if (__n > (max))           \
			__n = (max);       \
		asm volatile("" : "+r"(__n)); \
		if (__n > (max))           \
			__n = (max);       \
		__n;                       \
	})

/*
 * What was stored before is seen by others before what is stored after; and the same for loads.
 * x86 keeps that order by itself. Elsewhere a fetching atomic, on ANY memory, is the only such barrier that
 * all kernels from 5.12 have; older ones go without.
 */
static __always_inline void ordered(u32 *any)
{
#if !defined(__TARGET_ARCH_x86)
	if (fetching_atomics)
		asm volatile("" ::"r"(__sync_fetch_and_add(any, 0)));
#endif
	barrier();
}

static __always_inline u64 load_pointer(const void *address)
{
	u64 value = 0;

	if (direct_loads)
		return (u64)cast(struct hlist_head, address)->first;
	bpf_probe_read_kernel(&value, sizeof(value), address);
	return value;
}

static __always_inline struct cpu_counters *my_counters(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

__noinline int count_lost(u32 reason, u64 n)
{
	struct cpu_counters *c = my_counters();

	if (c && reason < LOST_COUNT)
		__sync_fetch_and_add(&c->lost[reason], n);
	return 0;
}

__noinline int count_lost_bytes(u32 direction, u32 reason, u64 n)
{
	struct cpu_counters *c = my_counters();

	if (c && reason < BYTES_COUNT)
		__sync_fetch_and_add(&c->lost_bytes[direction & 1][reason], n);
	return 0;
}

__noinline int count_overflow(u32 table)
{
	struct cpu_counters *c = my_counters();

	if (c && table < TABLE_COUNT)
		__sync_fetch_and_add(&c->overflows[table], 1);
	return 0;
}

/*
 * What map helpers return is kept in an int: before 6.4 the functions behind them do, and the verifier
 * calls these directly, so that the upper half of a long would not be its sign.
 */
static __always_inline u32 map_errno(int err)
{
	switch (-err) {
	case E2BIG:
		return MAP_E2BIG;
	case EBUSY:
		return MAP_EBUSY;
	case ENOMEM:
		return MAP_ENOMEM;
	case EDEADLK:
		return MAP_EDEADLK;
	case ETIMEDOUT:
		return MAP_ETIMEDOUT;
	}
	return MAP_EOTHER;
}

/* Counts a failed map update. A full table (E2BIG) has its own counter besides. */
static __always_inline void count_map_error(int err)
{
	count_lost(LOST_MAP + map_errno(err), 1);
}

/*
 * The time at the beginning of a run, for one run in 1,024, else 0: neither the clock nor
 * bpf_get_prandom_u32() is cheap. Which runs is drawn from ANY, a sequence number or address,
 * by Fibonacci hashing: a fixed stride would alias with periodic traffic.
 */
static __always_inline bool run_is_counted(u64 any)
{
	return any * 0x9e3779b97f4a7c15ULL >> 54 == 0;
}

static __always_inline u64 run_begins(u64 any)
{
	return run_is_counted(any) ? bpf_ktime_get_ns() : 0;
}

/* Counts a run's time, if it is one of those. */
static __always_inline void count_run(u32 program, u64 began)
{
	struct cpu_counters *c;

	if (!began)
		return;
	c = my_counters();
	if (!c || program >= PROG_COUNT)
		return;
	c->runs[program].samples++;
	c->runs[program].ns += bpf_ktime_get_ns() - began;
}

/*
 * Claims something once and for all: of all callers with the same arguments, it returns true to
 * one. Without fetching atomics, inserting into a hash is the one operation that tells who was
 * first. SLOT is that of a connection, or 0.
 */
__noinline int claim(u32 slot, u32 kind, u32 number)
{
	struct conn *c = bpf_map_lookup_elem(&conns, &slot);
	struct cpu_counters *mine;
	struct claim key;
	int err;

	if (!c)
		return false;
	key.opened_at = c->opened_at; /* the slot's next owner has another */
	key.number = number;
	key.kind_and_slot = kind << CLAIM_KIND_SHIFT | slot;
	err = bpf_map_update_elem(&claims, &key, &key, BPF_NOEXIST); /* the value is of no interest */
	if (err && err != -EEXIST && (mine = my_counters())) /* 8 calls deep here: as deep as it goes */
		__sync_fetch_and_add(&mine->lost[LOST_MAP + map_errno(err)], 1);
	return !err;
}

/*
 * Hands out a slot of a table: one that was never used, else the one that has been
 * free for longest; 0 if there is none. LIMIT is the number of slots.
 */
static __always_inline u32 alloc_slot(u32 table, void *free, u32 limit)
{
	u32 zero = 0, slot = 0, i;
	struct fresh_slots *f = bpf_map_lookup_elem(&fresh, &zero);

	if (f && f->next[table] < limit) {
		if (fetching_atomics) {
			slot = __sync_fetch_and_add(&f->next[table], 1) + 1;
			if (slot <= limit)
				return slot;
		} else {
			for (i = 0; i < CLAIM_ATTEMPTS; i++) {
				slot = f->next[table] + 1;
				if (slot > limit)
					break;
				if (claim(0, CLAIM_FRESH + table, slot)) {
					f->next[table] = slot;
					return slot;
				}
			}
		}
		slot = 0;
	}
	if (bpf_map_pop_elem(free, &slot))
		return 0;
	return slot;
}

static __always_inline void free_slot(void *free, u32 slot)
{
	int err = bpf_map_push_elem(free, &slot, BPF_ANY);

	if (err)
		count_map_error(err);
}

/* The state of the connection in a slot, and of that of a socket. */
static __always_inline struct conn *conn_of(u32 slot)
{
	return bpf_map_lookup_elem(&conns, &slot);
}

static __always_inline struct conn *conn_find(struct sock *sk)
{
	u64 key = (u64)sk;
	/* Fibonacci hashing; sockets are aligned to 64 bytes at least. */
	u32 place = (u32)(key >> 6) * 0x9e3779b9U >> 16, *hint, *slot;
	struct conn *c;

	hint = bpf_map_lookup_elem(&conn_hints, &place);
	if (!hint)
		return NULL;
	c = conn_of(*hint);
	if (c && c->sk == key)
		return c;
	slot = bpf_map_lookup_elem(&conn_index, &key);
	if (!slot)
		return NULL;
	*hint = *slot;
	return conn_of(*slot);
}

/*
 * The time at which TCP last looked at its clock (tcp_mstamp_refresh()), which is that of
 * bpf_ktime_get_ns(). It does so for every segment that arrives, and when it sends.
 */
static __always_inline u64 tcp_time(struct tcp_sock *tp)
{
	u64 time = 0;

	if (bpf_core_field_exists(tp->tcp_clock_cache))
		time = load(tp, tcp_clock_cache);
	return time ? time : bpf_ktime_get_ns();
}

/* Whether the peer's FIN was received. It has a sequence number, and counts as a byte. */
static __always_inline bool fin_received(struct sock *sk)
{
	struct sock *s = cast(struct sock, sk);

	return load(s, __sk_common.skc_flags) & 1UL << SOCK_DONE;
}

#endif

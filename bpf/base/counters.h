/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Counting what is lost, and what programs take. */
#ifndef FATHOM_COUNTERS_H
#define FATHOM_COUNTERS_H

#include "../maps.h"

static __always_inline struct cpu_counters *my_counters(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline void count_lost_here(u64 reason, u64 n)
{
	struct cpu_counters *c = my_counters();

	/* for the verifier's eyes: the compiler may know that it is below */
	asm volatile("" : "+r"(reason));
	if (c && reason < LOST_COUNT)
		__sync_fetch_and_add(&c->lost[reason], n);
}

/* The same as a function of its own. */
__noinline int count_lost(u32 reason, u64 n)
{
	count_lost_here(reason, n);
	return 0;
}

__noinline int count_lost_bytes(u32 direction, u32 reason, u64 n)
{
	struct cpu_counters *c = my_counters();

	if (c && reason < BYTES_COUNT)
		__sync_fetch_and_add(&c->lost_bytes[direction & 1][reason], n);
	return 0;
}

/* An entry was put into the table of callers (1) or taken out of it (-1). */
static __always_inline void count_callers(u64 more)
{
	struct cpu_counters *c = my_counters();

	if (c)
		__sync_fetch_and_add(&c->tls_callers, more);
}

static __always_inline void count_overflow(u64 table)
{
	struct cpu_counters *c = my_counters();

	asm volatile("" : "+r"(table));
	if (c && table < TABLE_COUNT)
		__sync_fetch_and_add(&c->overflows[table], 1);
}

/*
 * What map helpers return is kept in an int: before 6.4 the functions behind them do, and the
 * verifier calls these directly, so that the upper half of a long would not be its sign.
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
	count_lost_here(LOST_MAP + map_errno(err), 1);
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

#endif

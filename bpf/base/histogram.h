/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef FATHOM_HISTOGRAM_H
#define FATHOM_HISTOGRAM_H

#include "knobs.h"

/*
 * The number of bounds below NS: the first bucket whose upper bound holds it. Bounds and NS are
 * less than 2^63.
 */
static __always_inline u32 bucket_of(u64 ns)
{
	u64 i = 0, half;

#pragma unroll
	for (u64 step = 128; step; step >>= 1) {
		/* Without a branch: where it falls cannot be predicted. */
		half = step & (u64)((s64)(bounds[i + step - 1] - ns) >> 63);
		/* Keeps the sum a sum: verifiers before 6.8 lose track of an "or". */
		asm volatile("" : "+r"(half));
		i += half;
	}
	return i;
}

static __always_inline void observe(struct histogram *h, u64 ns)
{
	u32 i = bucket_of(ns);

	if (i >= MAX_BUCKETS)
		i = MAX_BUCKETS - 1;
	__sync_fetch_and_add(&h->buckets[i], 1);
	__sync_fetch_and_add(&h->sum, ns);
}

#endif

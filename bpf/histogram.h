/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef FATHOM_HISTOGRAM_H
#define FATHOM_HISTOGRAM_H

/*
 * The number of bounds below NS: the first bucket whose upper bound holds it. Bounds and NS are
 * less than 2^63.
 */
static __always_inline u32 bucket_of(u64 ns)
{
	u32 i = 0;

#pragma unroll
	for (u32 step = 128; step; step >>= 1) {
		/* Without a branch: where it falls cannot be predicted. */
		i += step & (u32)((s64)(bounds[(i + step - 1) & 255] - ns) >> 63);
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

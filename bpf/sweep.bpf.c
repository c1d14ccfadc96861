// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * User space runs the sweep over slices of the connection table: a slice has the CPU for itself.
 */
#include "taps/sweep.h"

#define SWEEP_SLICE 256

/* Arguments: the first slot. Returns whether there may be more. */
SEC("raw_tp/fathom_sweep")
int fathom_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u32 first = ctx->args[0], i, zero = 0;
	struct slot_counts *counts = bpf_map_lookup_elem(&slot_counts, &zero);

	if (!counts)
		return 0;
	for (i = 0; i < SWEEP_SLICE; i++) {
		if (first + i > counts->fresh[TABLE_CONNECTIONS])
			return 0;
		sweep_slot(first + i, now);
	}
	count_run(PROG_SWEEP, run_is_counted(now) ? now : 0);
	return 1;
}

/* Arguments: a workload, and how many of its edges and series user space took away. */
SEC("raw_tp/fathom_give_back")
int fathom_give_back(struct bpf_raw_tracepoint_args *ctx)
{
	u32 id = ctx->args[0];
	struct workload *w = bpf_map_lookup_elem(&workloads, &id);

	if (!w)
		return 0;
	__sync_fetch_and_add(&w->edges, -(u32)ctx->args[1]);
	__sync_fetch_and_add(&w->series, -(u32)ctx->args[2]);
	return 0;
}

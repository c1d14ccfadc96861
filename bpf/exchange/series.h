/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The latency histograms of HTTP. */
#ifndef FATHOM_SERIES_H
#define FATHOM_SERIES_H

#include "../base/histogram.h"
#include "../base/slots.h"

static __always_inline u32 series_add(struct series_key *key)
{
	struct histogram *h;
	u32 slot, *known;
	int err;

	slot = alloc_slot(TABLE_SERIES, &series_free, max_series);
	h = bpf_map_lookup_elem(&series, &slot);
	if (!slot || !h)
		return 0;
	/* User space has cleared the slots that it gave back. */
	err = bpf_map_update_elem(&series_index, key, &slot, BPF_NOEXIST);
	if (!err)
		return slot;
	free_slot(&series_free, slot);
	known = bpf_map_lookup_elem(&series_index, key);
	if (known)
		return *known;
	count_map_error(err);
	return 0;
}

/*
 * The slot of KEY's series. Where there is no room: that of the workload's overflow
 * series of this role, which was made together with its first series; else 0.
 */
static __always_inline u32 series_find(struct series_key *key)
{
	struct series_key over = {};
	struct workload *w;
	u32 *known, slot;

	known = bpf_map_lookup_elem(&series_index, key);
	if (known)
		return *known;
	w = bpf_map_lookup_elem(&workloads, &key->workload);
	if (!w || !key->workload) {
		count_overflow(TABLE_SERIES);
		return 0;
	}
	over.workload = key->workload;
	over.flags = SERIES_OVERFLOW | (key->flags & SERIES_CLIENT);
	over.method = METHOD_OTHER;
	over.status = STATUS_OTHER;
	known = bpf_map_lookup_elem(&series_index, &over);
	if (!known)
		series_add(&over);
	if (w->series < max_series_per_workload) {
		slot = series_add(key);
		if (slot) {
			__sync_fetch_and_add(&w->series, 1);
			return slot;
		}
	}
	count_overflow(TABLE_SERIES);
	known = bpf_map_lookup_elem(&series_index, &over);
	return known ? *known : 0;
}

/* Adds one exchange to its series. */
static __always_inline void series_observe(struct conn *c, u8 method, u16 status, u64 ns)
{
	u64 what = (u64)status << 48 | (u64)method << 40 | 1ULL << 32;
	u64 recent = c->recent_series;
	struct histogram *h;
	u32 slot = recent;

	if (recent >> 32 != what >> 32) {
		struct series_key key = {};

		key.workload = c->workload;
		key.status = status;
		key.method = method;
		if (c->role == ROLE_CLIENT) {
			key.flags = SERIES_CLIENT;
			key.peer = c->edge;
		}
		if (c->tls)
			key.flags |= SERIES_TLS;
		slot = series_find(&key);
		c->recent_series = what | slot;
	}
	h = bpf_map_lookup_elem(&series, &slot);
	if (h)
		observe(h, ns);
}

#endif

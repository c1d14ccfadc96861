/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The latency histograms of exchanges, and of the time that requests wait. */
#ifndef FATHOM_SERIES_H
#define FATHOM_SERIES_H

#include "../base/histogram.h"
#include "../base/slots.h"

/* SLOT is the caller's, who has no stack for one of each call. */
static __always_inline u32 series_add(struct series_key *key, u32 *slot)
{
	struct histogram *h;
	u32 *known;
	int err;

	*slot = alloc_slot(TABLE_SERIES, &series_free, max_series);
	h = bpf_map_lookup_elem(&series, slot);
	if (!*slot || !h)
		return 0;
	/* User space has cleared the slots that it gave back. */
	err = bpf_map_update_elem(&series_index, key, slot, BPF_NOEXIST);
	if (!err)
		return *slot;
	free_slot(&series_free, *slot);
	known = bpf_map_lookup_elem(&series_index, key);
	if (known)
		return *known;
	count_map_error(err);
	return 0;
}

/*
 * The slot of what finds no room anywhere. That of HTTP/1 is 0; the others lie behind the slots
 * that alloc_slot() hands out.
 */
static __always_inline u32 series_overflow(u8 protocol)
{
	return protocol > PROTOCOL_HTTP1 ? max_series + protocol - PROTOCOL_HTTP1 : 0;
}

/*
 * The slot of KEY's series. Where there is no room: that of the workload's overflow
 * series of this role and protocol, which was made together with its first series; else
 * series_overflow().
 */
static __always_inline u32 series_find(struct series_key *key)
{
	struct series_key over = {};
	struct workload *w;
	u32 *known, slot, found;

	known = bpf_map_lookup_elem(&series_index, key);
	if (known)
		return *known;
	over.workload = key->workload;
	over.flags = SERIES_OVERFLOW | (key->flags & SERIES_CLIENT);
	over.operation = OPERATION_OTHER;
	over.status = STATUS_OTHER;
	over.protocol = key->protocol;
	w = bpf_map_lookup_elem(&workloads, &over.workload);
	if (!w || !over.workload) {
		count_overflow(TABLE_SERIES);
		return series_overflow(over.protocol);
	}
	known = bpf_map_lookup_elem(&series_index, &over);
	if (!known)
		series_add(&over, &slot);
	if (w->series < max_series_per_workload) {
		found = series_add(key, &slot);
		if (found) {
			/* Again: kept until here, it would take stack. */
			w = bpf_map_lookup_elem(&workloads, &over.workload);
			if (w)
				__sync_fetch_and_add(&w->series, 1);
			return found;
		}
	}
	count_overflow(TABLE_SERIES);
	known = bpf_map_lookup_elem(&series_index, &over);
	return known ? *known : series_overflow(over.protocol);
}

/* Adds one exchange to its series. */
static __always_inline void series_observe(struct conn *c, u8 protocol, u8 operation, u16 status,
					   u64 ns)
{
	u64 what = (u64)status << 48 | (u64)operation << 40 | (u64)protocol << 33 | 1ULL << 32;
	u64 recent = c->recent_series;
	struct histogram *h;
	u32 slot = recent;

	if (recent >> 32 != what >> 32) {
		struct series_key key = {};

		key.workload = c->workload;
		key.status = status;
		key.operation = operation;
		key.protocol = protocol;
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

/* What a histogram in a hash begins as. */
static const struct histogram no_observations;

/* Adds how long one request of WORKLOAD waited before it was read. */
static __always_inline void queue_observe(u32 workload, u8 protocol, u64 ns)
{
	struct queue_key key = {.workload = workload, .protocol = protocol};
	struct histogram *h;
	int err;

	if (protocol == PROTOCOL_HTTP1) {
		h = bpf_map_lookup_elem(&queue_series, &workload);
	} else {
		h = bpf_map_lookup_elem(&queue_others, &key);
		if (!h) {
			err = bpf_map_update_elem(&queue_others, &key, &no_observations,
						  BPF_NOEXIST);
			if (err == -E2BIG)
				count_overflow(TABLE_SERIES);
			else if (err && err != -EEXIST)
				count_map_error(err);
			h = bpf_map_lookup_elem(&queue_others, &key);
		}
	}
	if (h)
		observe(h, ns);
}

#endif

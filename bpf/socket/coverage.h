/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What share of the traffic was understood, and why not the rest. */
#ifndef FATHOM_COVERAGE_H
#define FATHOM_COVERAGE_H

#include "../base/slots.h"
#include "find.h"

static __always_inline void coverage_count(struct coverage_key *key, u64 connections, u64 received,
					   u64 sent)
{
	struct covered *cov, zero = {};
	int err;

	cov = bpf_map_lookup_elem(&coverage, key);
	if (!cov) {
		err = bpf_map_update_elem(&coverage, key, &zero, BPF_NOEXIST);
		if (err && err != -EEXIST) {
			count_map_error(err);
			count_overflow(TABLE_COVERAGE);
			return;
		}
		cov = bpf_map_lookup_elem(&coverage, key);
		if (!cov)
			return;
	}
	if (connections)
		__sync_fetch_and_add(&cov->connections, connections);
	if (received)
		__sync_fetch_and_add(&cov->bytes[READ], received);
	if (sent)
		__sync_fetch_and_add(&cov->bytes[WRITE], sent);
}

/* Puts a connection into its class, once, and counts it there. */
__noinline int classify(u32 slot, u32 class, u32 reason)
{
	struct coverage_key key = {};
	struct conn *c = conn_of(slot);

	if (!c)
		return 0;

	if (fetching_atomics) {
		if (__sync_val_compare_and_swap(&c->class, CLASS_UNKNOWN, class) != CLASS_UNKNOWN)
			return 0;
	} else {
		if (c->class != CLASS_UNKNOWN || !claim(slot, CLAIM_CLASS, c->covered))
			return 0;
		c->class = class;
	}
	if (c->joined && reason == COVERAGE_NONE)
		reason = COVERAGE_JOINED;
	c->reason = reason;
	if (c->covered) /* TLS that was opaque until now */
		return 0;
	c->covered = 1;
	key.workload = c->workload;
	key.class = class;
	key.reason = reason;
	coverage_count(&key, 1, 0, 0);
	return 0;
}

/*
 * The beginning of a connection was not seen, nor has it been recognised since: there is a limit to
 * it.
 */
static __always_inline void try_again(struct conn *c)
{
	if (++c->attempts > MAX_ATTEMPTS)
		classify(c->slot, CLASS_UNREADABLE, COVERAGE_UNTAPPED);
}

#endif

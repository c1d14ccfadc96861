/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Handing out slots of tables; claims where atomics return nothing. */
#ifndef FATHOM_SLOTS_H
#define FATHOM_SLOTS_H

#include "counters.h"
#include "knobs.h"

/*
 * Claims something once and for all: of all callers with the same arguments, it returns true to
 * one. Without fetching atomics, inserting into a hash is the one operation that tells who was
 * first. SLOT is that of a connection, or 0.
 */
static __always_inline bool claim_here(u32 slot, u32 kind, u32 number)
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
	/* the value is of no interest */
	err = bpf_map_update_elem(&claims, &key, &key, BPF_NOEXIST);
	if (err && err != -EEXIST && (mine = my_counters())) /* no call: as deep as it goes */
		__sync_fetch_and_add(&mine->lost[LOST_MAP + map_errno(err)], 1);
	return !err;
}

/* The same as a function of its own. */
__noinline int claim(u32 slot, u32 kind, u32 number)
{
	return claim_here(slot, kind, number);
}

/*
 * Hands out a slot of a table: one that was never used, else the one that has been
 * free for longest; 0 if there is none. LIMIT is the number of slots.
 */
static __always_inline u32 alloc_slot(u32 table, void *free, u32 limit)
{
	u32 zero = 0, slot = 0, i;
	struct slot_counts *counts = bpf_map_lookup_elem(&slot_counts, &zero);

	if (counts && counts->fresh[table] < limit) {
		if (fetching_atomics) {
			slot = __sync_fetch_and_add(&counts->fresh[table], 1) + 1;
			if (slot <= limit)
				return slot;
		} else {
			for (i = 1; i <= CLAIM_ATTEMPTS; i++) {
				/* who has claimed those before may not have said so yet */
				slot = counts->fresh[table] + i;
				if (slot > limit)
					break;
				if (claim_here(0, CLAIM_FRESH + table, slot)) {
					if (counts->fresh[table] < slot)
						counts->fresh[table] = slot;
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

/* MORE slots of a table are taken than before; of one where nothing else tells how many. */
static __always_inline void count_taken(u32 table, s32 more)
{
	u32 zero = 0;
	struct slot_counts *counts = bpf_map_lookup_elem(&slot_counts, &zero);

	if (counts)
		__sync_fetch_and_add(&counts->taken[table], more);
}

#endif

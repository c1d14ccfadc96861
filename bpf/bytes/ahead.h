/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Copying ahead: a helper's call costs more than what it copies, and the stack has no room for
 * much. So what several looks at a buffer want is copied at once, to memory of this CPU.
 */
#ifndef FATHOM_AHEAD_H
#define FATHOM_AHEAD_H

#include "../base/bpf.h"
#include "../proto/http1_head.h"
#include "../socket/find.h"
#include "passage.h"

/* How many bytes are looked at. */
#define WINDOW 16

/* In a length: bytes may be copied to the memory of this CPU, for the program that runs. */
#define COPIES (1ULL << 36)

/*
 * The memory of this CPU. NULL while a task that was preempted uses it. give_head() gives it back.
 */
static __always_inline struct http1_head *take_head(void)
{
	u32 zero = 0;
	struct http1_head *h = bpf_map_lookup_elem(&heads, &zero);

	if (!h)
		return NULL;
	if (fetching_atomics)
		return __sync_lock_test_and_set(&h->taken, 1) ? NULL : h;
	/* Before Linux 5.12 programs are not preempted (migrate_disable(), trace_call_bpf()). */
	if (h->taken)
		return NULL;
	h->taken = 1;
	return h;
}

static __always_inline void give_head(struct http1_head *h)
{
	barrier();
	h->taken = 0;
}

/*
 * The same for a buffer that is looked through: returns COPIES, or 0 if each look has to read its
 * own, as copies_end() has to be told.
 */
static __always_inline u64 copies_begin(void)
{
	struct http1_head *h = take_head();

	if (!h)
		return 0;
	h->event = 0;
	h->length = 0;
	return COPIES;
}

static __always_inline struct http1_head *copies_of(u64 length)
{
	u32 zero = 0;

	return length & COPIES ? bpf_map_lookup_elem(&heads, &zero) : NULL;
}

static __always_inline void copies_end(u64 length, u32 slot)
{
	struct http1_head *h = copies_of(length);
	struct conn *c = conn_of(slot);

	if (!h)
		return;
	/* nothing of the plaintext stays: what cannot be read is filled with zeros */
	if (c && c->tls)
		bpf_probe_read_kernel(h->bytes, sizeof(h->bytes), NULL);
	give_head(h);
}

/*
 * Copies the bytes at ADDRESS, of which N are there, to H, unless LEAST of them, or all, are there.
 * H->event is the address of those that are there. Returns whether they could be read.
 */
static __always_inline bool copy_ahead(struct http1_head *h, u64 address, u32 n, u32 least)
{
	u64 at = address - h->event, more;

	if (n < least)
		least = n;
	if (at <= h->length && h->length - at >= least)
		return true;
	h->event = address;
	more = at_most(n, HEAD_BYTES);
	h->length = more;
	if (!bpf_probe_read_user(h->bytes, more, (void *)address))
		return true;
	more = at_most(n, WINDOW); /* the next page may not be in memory */
	h->length = more;
	if (!bpf_probe_read_user(h->bytes, more, (void *)address))
		return true;
	h->length = 0;
	return false;
}

/*
 * The first bytes at ADDRESS as WORDS; of those that are there, up to WINDOW, it returns the
 * number, and 0 if they cannot be read. What is in H was copied from there by copy_ahead().
 */
static __always_inline u64 copied_words(u64 words[2], struct http1_head *h, u64 address, u64 length)
{
	u64 have = at_most((u32)length, WINDOW), at;

	if (h) {
		at = at_most(address - h->event, HEAD_BYTES);
		words[0] = http1_word_at(h->bytes + at);
		words[1] = http1_word_at(h->bytes + at + 8);
		return have;
	}
	words[0] = 0;
	words[1] = 0;
	return bpf_probe_read_user(words, have, (void *)address) ? 0 : have;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Messages in pieces. A message may come over several reads, writes and iovecs, in pieces of any
 * size: each is fed on its own, and what must be remembered is in struct side.
 */
#ifndef FATHOM_PIECES_H
#define FATHOM_PIECES_H

#define SCAN_CHUNK 64
#define SCAN_CHUNKS 128

static __always_inline struct side *side_of(struct conn *c, bool is_response)
{
	return is_response ? &c->response : &c->request;
}

/*
 * Looks for the end of a head in up to SCAN_CHUNK bytes at ADDRESS. Returns how many bytes it
 * is away, 0 if it is not there, or a negative number if they cannot be read.
 */
__noinline int scan_chunk(u32 slot, u32 is_response, u64 address, u32 length)
{
	u64 words[SCAN_CHUNK / 8] = {};
	struct conn *c = conn_of(slot);
	u64 n = at_most(length, SCAN_CHUNK);
	struct side *side;
	u32 i, end;
	u8 line;

	if (!c)
		return -1;
	side = side_of(c, is_response);
	if (bpf_probe_read_user(words, n, (void *)address))
		return -1;
	for (i = 0; i < SCAN_CHUNK / 8; i++) {
		if (8 * (i + 1) > n)
			break;
		line = side->line; /* through memory: the verifier need not follow it */
		end = http1_head_end(words[i], 8, &line);
		side->line = line;
		if (end)
			return 8 * i + end;
	}
	if (!(n & 7) || i >= SCAN_CHUNK / 8)
		return 0;
	line = side->line;
	end = http1_head_end(words[i], n & 7, &line);
	side->line = line;
	return end ? 8 * i + end : 0;
}

/*
 * Looks for the end of a head in LENGTH bytes at ADDRESS. Returns how many bytes it is away,
 * 0 if it is not there, or a negative number if that cannot be said.
 */
__noinline int scan_head(u32 slot, u32 is_response, u64 address, u32 length)
{
	u32 done = 0, chunk;
	int end;

	for (chunk = 0; chunk < SCAN_CHUNKS; chunk++) {
		if (done >= length)
			return 0;
		end = scan_chunk(slot, is_response, address + done, length - done);
		if (end < 0)
			return end;
		if (end > 0)
			return done + end;
		done += SCAN_CHUNK;
	}
	return done < length ? -1 : 0;
}

/*
 * Adds up to 16 bytes at ADDRESS to the prefix; returns how many, 0 on a fault. A function of its
 * own also for the stack: up to 6.12 all frames of a call together have 512 bytes.
 */
__noinline int fill_prefix(u32 slot, u32 is_response, u64 address, u32 length)
{
	struct conn *c = conn_of(slot);
	struct side *side;
	u64 piece[2] = {};
	u32 have;
	u64 n;

	if (!c)
		return 0;
	side = side_of(c, is_response);
	have = side->prefix_len & (HTTP1_PREFIX - 1);
	n = HTTP1_PREFIX - have;
	n = at_most(n < length ? n : length, HTTP1_PREFIX);
	if (bpf_probe_read_user(piece, n, (void *)address))
		return 0;
	http1_append(side->prefix, have, piece);
	side->prefix_len = have + n;
	return n;
}

/* What a step of feeding returns besides the number of bytes that it used. */
#define STEP_DONE 0
#define STEP_FAULT -1

/* Follows a head to its end: the number of bytes up to there, or STEP_DONE. */
static __always_inline int follow_head(struct conn *c, bool is_response, u64 address, u32 length)
{
	struct side *side = side_of(c, is_response);
	int end = scan_head(c->slot, is_response, address, length);

	if (!end)
		return STEP_DONE;
	side->in_head = 0;
	side->head_done = end > 0;
	return end > 0 ? end : STEP_DONE;
}

#endif

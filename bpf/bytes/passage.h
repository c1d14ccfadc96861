/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The bytes that one system call moved, and where they are. */
#ifndef FATHOM_PASSAGE_H
#define FATHOM_PASSAGE_H

#include "user_buffer.h"

struct passage {
	u64 now;
	u32 slot;
	u32 length;
	u32 seq; /* of the first byte */
	u32 direction;
	enum source source;
	const void *hint; /* find_user_buffer() */
};

/*
 * In the arguments of functions that are verified on their own and have five at most: what a length
 * of 32 bits leaves room for.
 */
#define IS_RESPONSE (1ULL << 32)
#define KERNEL_IOVECS (1ULL << 33)
#define HAS_IOVECS (1ULL << 34)
#define FIRST_OF_CALL (1ULL << 35)

/* In the place of an enum buffer_fault: the bytes are not what the protocol may have there. */
#define FAULT_PROTOCOL FAULT_COUNT

/* Iovecs of the process are read as its memory, whatever address it claims for them. */
static __always_inline long read_iovec(void *iov, u64 address, bool of_kernel)
{
	if (of_kernel)
		return bpf_probe_read_kernel(iov, sizeof(struct user_iovec), (void *)address);
	return bpf_probe_read_user(iov, sizeof(struct user_iovec), (void *)address);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where the data of a call lies in the memory of the process. Tracepoints have no msghdr: the
 * registers with which the process entered the kernel tell. Trampolines and kprobes have one.
 */
#ifndef FATHOM_USER_BUFFER_H
#define FATHOM_USER_BUFFER_H

#include "../base/load.h"
#include "syscalls.h"

/* How a tap finds the data. */
enum source {
	FROM_REGISTERS,
	FROM_MESSAGE, /* the msghdr, after the call */
	FROM_ENTRY,   /* what note_message() found before it: a struct pending_call */
	FROM_LIBRARY, /* plaintext: the address in the process */
};

/* One buffer (iovs is 0), or an array of struct iovec: the process's, or the kernel's copy. */
struct user_buffer {
	u64 address;
	u32 iovs;
	u32 batch; /* of how many messages this may be one, in the array at */
	u64 messages;
};

struct user_iovec {
	u64 base;
	u64 length;
};

/*
 * The file behind a descriptor of a process with these FILES, or anything at all behind a number
 * that is none: a process in a system call with it has it open.
 */
static __always_inline u64 file_of(struct files_struct *files, u32 fd)
{
	struct fdtable *fdt = cast(struct fdtable, load(files, fdt));

	return load_pointer((void *)((u64)load(fdt, fd) + 8ULL * fd));
}

/*
 * Finds the buffer, or tells by an enum buffer_fault why the registers cannot be trusted. An
 * io_uring receive, for one, may complete at the exit of an unrelated system call.
 */
static __noinline u32 find_by_registers(struct sock *sk, u32 direction, struct user_buffer *b)
{
	struct task_struct *current = bpf_get_current_task_btf(); /* trusted: loads are plain */
	struct sock *s = cast(struct sock, sk);
	struct socket *socket;
	struct syscall call;
	u32 flags = current->flags;
	u64 file, iovec[2];

	if (flags & PF_IO_WORKER)
		return FAULT_IO_URING;
	if (flags & PF_KTHREAD)
		return FAULT_KERNEL;
	if (is_compat_syscall(current))
		return FAULT_COMPAT;
	read_syscall(current, &call);
	b->address = call.args[1];
	b->iovs = 0;
	b->batch = 0;
	b->messages = 0;
	switch (shape_of(call.number, direction)) {
	case SHAPE_BUFFER:
		break;
	case SHAPE_IOVECS:
		b->iovs = call.args[2];
		break;
	case SHAPE_BATCH:
		b->batch = call.args[2];
		b->messages = call.args[1];
		/* fallthrough */
	case SHAPE_MESSAGE:
		/* struct user_msghdr: msg_iov and msg_iovlen follow name and namelen (16 bytes). */
		if (bpf_probe_read_user(iovec, sizeof(iovec), (void *)(call.args[1] + 16)))
			return FAULT_MEMORY;
		b->address = iovec[0];
		b->iovs = iovec[1];
		break;
	default:
		return call.number == NR_IO_URING_ENTER ? FAULT_IO_URING : FAULT_SYSCALL;
	}
	socket = cast(struct socket, load(s, sk_socket));
	file = (u64)load(socket, file);
	if (!file)
		return FAULT_KERNEL;
	if (file_of(cast(struct files_struct, current->files), call.args[0]) != file)
		return FAULT_SOCKET;
	return FAULT_NONE;
}

/*
 * How many iovecs a head may be spread over, and how many a call may have
 * (include/uapi/linux/uio.h).
 */
#define MAX_IOVECS 32
#define UIO_MAXIOV 1024

#define IOVECS_AT_ONCE 32

/*
 * How many iovecs before VEC, of IOVECS_AT_ONCE at most, LENGTH bytes fill, with how many bytes are
 * before those above that; 0 if LENGTH ends in the middle of one. The iovecs are the kernel's own.
 */
__noinline u64 iovecs_filled(u64 vec, u32 length)
{
	struct iovec iov;
	u64 i;

	for (i = 1; i <= IOVECS_AT_ONCE; i++) {
		if (bpf_probe_read_kernel(&iov, sizeof(iov), (void *)(vec - i * sizeof(iov))))
			return 0;
		if (iov.iov_len > length)
			return 0;
		length -= iov.iov_len;
		if (!length)
			return i;
	}
	return (u64)length << 32 | IOVECS_AT_ONCE;
}

/* How many iovecs before VEC the last LENGTH bytes began, 0 if they began in the middle of one. */
__noinline int iovecs_before(u64 vec, u32 length)
{
	u32 i, rest = length;
	u64 filled;

	for (i = 0; i < UIO_MAXIOV; i += IOVECS_AT_ONCE) {
		filled = iovecs_filled(vec - i * sizeof(struct iovec), rest);
		if (!filled)
			return 0;
		rest = filled >> 32;
		if (!rest)
			return i + (u32)filled;
	}
	return 0;
}

static __always_inline bool is_one_buffer(struct iov_iter *iter)
{
	return bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	       BPF_CORE_READ(iter, iter_type) == bpf_core_enum_value(enum iter_type, ITER_UBUF);
}

static __always_inline bool is_iovecs(struct iov_iter *iter)
{
	struct iov_iter___5_13 *old = (void *)iter;
	u32 type;

	if (bpf_core_field_exists(old->type))
		type = BPF_CORE_READ(old, type) & ~1;
	else
		type = BPF_CORE_READ(iter, iter_type);
	return type == bpf_core_enum_value(enum iter_type, ITER_IOVEC);
}

static __always_inline u64 iovecs_of(struct iov_iter *iter)
{
	struct iov_iter___6_3 *old = (void *)iter;

	if (bpf_core_field_exists(old->iov))
		return (u64)BPF_CORE_READ(old, iov);
	return (u64)BPF_CORE_READ(iter, __iov);
}

/*
 * Finds the LENGTH bytes that were moved from or to the msghdr of a call, after it, or those
 * that will be, before it (LENGTH is 0). The kernel moves the iterator on by what
 * it copies (iov_iter_advance()).
 */
static __always_inline u32 find_by_message(struct msghdr *message, u32 length,
					   struct user_buffer *b)
{
	struct iov_iter *iter = __builtin_preserve_access_index(&message->msg_iter);
	u64 offset = BPF_CORE_READ(iter, iov_offset), vec;
	struct iovec *first;
	u32 before = 0, behind;

	b->iovs = 0;
	b->batch = 0;
	b->messages = 0;
	if (is_one_buffer(iter)) {
		b->address = (u64)BPF_CORE_READ(iter, ubuf) + offset - length;
		return FAULT_NONE;
	}
	if (!is_iovecs(iter))
		return FAULT_SYSCALL; /* pages, or the kernel's own memory */
	vec = iovecs_of(iter);
	behind = length ? offset > 0 : BPF_CORE_READ(iter, nr_segs);
	if (length > offset) {
		before = iovecs_before(vec, length - offset);
		if (!before)
			return FAULT_IOVECS;
	} else if (length || behind == 1) {
		first = (struct iovec *)vec;
		b->address = (u64)BPF_CORE_READ(first, iov_base) + offset - length;
		return FAULT_NONE;
	} else if (offset) {
		return FAULT_IOVECS;
	}
	b->address = vec - before * sizeof(struct iovec);
	b->iovs = before + behind;
	return FAULT_NONE;
}

/* The kernel's own sockets (NFS, SMB, NBD) have no file. */
static __always_inline bool is_kernel_socket(struct socket *socket)
{
	return !BPF_CORE_READ(socket, file);
}

/* Notes where the data of a call will lie. */
static __always_inline void note_message(struct pending_call *call, struct socket *socket,
					 struct msghdr *message)
{
	struct user_buffer b = {};

	call->fault = is_kernel_socket(socket) ? FAULT_KERNEL : find_by_message(message, 0, &b);
	call->address = b.address;
	call->iovs = b.iovs;
}

/* HINT: what the source says. */
static __always_inline u32 find_user_buffer(struct sock *sk, u32 direction, enum source source,
					    const void *hint, u32 length, struct user_buffer *b)
{
	const struct pending_call *call = hint;

	if (source == FROM_LIBRARY) {
		b->address = (u64)hint;
		b->iovs = 0;
		b->batch = 0;
		b->messages = 0;
		return FAULT_NONE;
	}
	if (source == FROM_REGISTERS)
		return find_by_registers(sk, direction, b);
	if (source == FROM_MESSAGE) {
		if (!hint) /* sendpage: no message */
			return FAULT_SYSCALL;
		if (is_kernel_socket(load_as(struct sock, sk, sk_socket)))
			return FAULT_KERNEL;
		return find_by_message((struct msghdr *)hint, length, b);
	}
	b->address = call->address;
	b->iovs = call->iovs;
	b->batch = 0;
	b->messages = 0;
	return call->fault;
}

#endif

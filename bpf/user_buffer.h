/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where the current system call's data lies in the memory of the process. The taps have no
 * msghdr; the registers with which the process entered the kernel tell.
 */
#ifndef FATHOM_USER_BUFFER_H
#define FATHOM_USER_BUFFER_H

#include "syscalls.h"

/* One buffer (iovs is 0), or an array of struct iovec. */
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
 * The file behind a descriptor of the current process, or anything at all behind a number that is
 * none: a process in a system call with it has it open.
 */
static __always_inline u64 file_of(struct task_struct *current, u32 fd)
{
	struct files_struct *files = cast(struct files_struct, current->files);
	struct fdtable *fdt = cast(struct fdtable, load(files, fdt));

	return load_pointer((void *)((u64)load(fdt, fd) + 8ULL * fd));
}

/*
 * Finds the buffer, or tells by an enum buffer_fault why the registers cannot be trusted. An
 * io_uring receive, for one, may complete at the exit of an unrelated system call.
 */
static __always_inline u32 find_user_buffer(struct sock *sk, u32 direction, struct user_buffer *b)
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
	if (file_of(current, call.args[0]) != file)
		return FAULT_SOCKET;
	return FAULT_NONE;
}

#endif

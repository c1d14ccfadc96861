/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The system calls that move data, and how each architecture passes their arguments and those of the
 * kernel's functions: all that knows registers.
 */
#ifndef FATHOM_SYSCALLS_H
#define FATHOM_SYSCALLS_H

/* How a system call describes the user's memory. */
enum shape {
	SHAPE_NONE,
	SHAPE_BUFFER,	/* second argument: the buffer */
	SHAPE_IOVECS,	/* second argument: struct iovec[], third: how many */
	SHAPE_MESSAGE,	/* second argument: struct msghdr */
	SHAPE_BATCH,	/* second argument: struct mmsghdr[], third: how many */
};

struct syscall {
	u64 number;
	u64 args[3];
};

#if defined(__TARGET_ARCH_x86)
/* arch/x86/entry/syscalls/syscall_64.tbl */
#define NR_READ 0
#define NR_WRITE 1
#define NR_READV 19
#define NR_WRITEV 20
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307
#define NR_PREADV2 327
#define NR_PWRITEV2 328
#define NR_IO_URING_ENTER 426

/* arch/x86/include/asm/thread_info.h */
#define TS_COMPAT 0x0002

static __always_inline bool is_compat_syscall(struct task_struct *current)
{
	return current->thread_info.status & TS_COMPAT;
}

static __always_inline void read_syscall(struct task_struct *current, struct syscall *call)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(current);

	call->number = regs->orig_ax;
	call->args[0] = regs->di;
	call->args[1] = regs->si;
	call->args[2] = regs->dx;
}

/* arch/x86/include/asm/ptrace.h: regs_get_kernel_argument(), regs_return_value() */
#define FIRST_ARGUMENT(r) ((r)->di)
#define SECOND_ARGUMENT(r) ((r)->si)
#define FOURTH_ARGUMENT(r) ((r)->cx)
#define RETURN_VALUE(r) ((r)->ax)

#elif defined(__TARGET_ARCH_arm64)
/* include/uapi/asm-generic/unistd.h */
#define NR_READ 63
#define NR_WRITE 64
#define NR_READV 65
#define NR_WRITEV 66
#define NR_SENDTO 206
#define NR_RECVFROM 207
#define NR_SENDMSG 211
#define NR_RECVMSG 212
#define NR_RECVMMSG 243
#define NR_SENDMMSG 269
#define NR_PREADV2 286
#define NR_PWRITEV2 287
#define NR_IO_URING_ENTER 426

/* arch/arm64/include/asm/thread_info.h */
#define TIF_32BIT 22

static __always_inline bool is_compat_syscall(struct task_struct *current)
{
	return current->thread_info.flags & 1UL << TIF_32BIT;
}

/* Within the call the first register is still the first argument, not yet the result. */
static __always_inline void read_syscall(struct task_struct *current, struct syscall *call)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(current);

	call->number = regs->syscallno;
	call->args[0] = regs->regs[0];
	call->args[1] = regs->regs[1];
	call->args[2] = regs->regs[2];
}

/* arch/arm64/include/asm/ptrace.h: regs_get_kernel_argument(), regs_return_value() */
#define FIRST_ARGUMENT(r) ((r)->regs[0])
#define SECOND_ARGUMENT(r) ((r)->regs[1])
#define FOURTH_ARGUMENT(r) ((r)->regs[3])
#define RETURN_VALUE(r) ((r)->regs[0])
#endif

static __always_inline enum shape shape_of(u64 number, u32 direction)
{
	if (direction == READ) {
		switch (number) {
		case NR_READ:
		case NR_RECVFROM:
			return SHAPE_BUFFER;
		case NR_READV:
		case NR_PREADV2:
			return SHAPE_IOVECS;
		case NR_RECVMSG:
			return SHAPE_MESSAGE;
		case NR_RECVMMSG:
			return SHAPE_BATCH;
		}
		return SHAPE_NONE;
	}
	switch (number) {
	case NR_WRITE:
	case NR_SENDTO:
		return SHAPE_BUFFER;
	case NR_WRITEV:
	case NR_PWRITEV2:
		return SHAPE_IOVECS;
	case NR_SENDMSG:
		return SHAPE_MESSAGE;
	case NR_SENDMMSG:
		return SHAPE_BATCH;
	}
	return SHAPE_NONE;
}

#endif

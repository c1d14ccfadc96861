// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The probes in TLS libraries, at places that internal/tlslib finds. User space chooses between
 * uprobes and uprobe_multi when it loads them.
 */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} nothing SEC(".maps");

/*
 * From Linux 6.13 on the frames of a program of this type may lie in memory of the CPU, for which
 * the kernel has to keep it from running twice on one: bpf_enable_priv_stack() in
 * kernel/bpf/verifier.c. For uprobes nothing does (uprobe_prog_run() in kernel/trace/bpf_trace.c):
 * tasks that are preempted inside overwrite each other's frames, which has crashed guests with 6.18
 * and 7.3. A program that holds a tail call keeps the stack of its task. This one is dead code,
 * which the verifier removes when it has seen it.
 */
static __always_inline void stay_on_task_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &nothing, 0);
}

/* The library that a probe is in, as an index of tls_libraries; 0 if the kernel does not tell. */
static __always_inline u32 library_of(void *ctx)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie))
		return 0;
	return bpf_get_attach_cookie(ctx);
}

/* Where (*net.TCPConn).Read is, 0 if unknown: a probe in Go has the distance as its cookie. */
static __always_inline u64 tcp_reads(struct pt_regs *ctx)
{
	u64 distance = 0;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie))
		distance = bpf_get_attach_cookie(ctx);
	return distance ? INSTRUCTION(ctx) + distance : 0;
}

/* Goroutines' system calls are to be told apart from the first one on. */
static __always_inline void note_goroutines(void)
{
	u32 process = current_process();
	struct tls_process *p = bpf_map_lookup_elem(&tls_processes, &process), first = {};
	int err;

	if (p) {
		if (!p->goroutines)
			p->goroutines = 1;
		return;
	}
	first.opaque = OPAQUE_READ;
	first.goroutines = 1;
	err = bpf_map_update_elem(&tls_processes, &process, &first, BPF_NOEXIST);
	if (err && err != -EEXIST)
		count_map_error(err);
}

/* SSL_read(ssl, buf, num), gnutls_record_recv(session, data, data_size) */
SEC("uprobe/tls_read")
int tls_read(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_begins(&who, library_of(ctx), TLS_READ, FIRST_ARGUMENT(ctx), SECOND_ARGUMENT(ctx),
			THIRD_ARGUMENT(ctx), 0, 0);
	return 0;
}

/* SSL_read_ex(ssl, buf, num, readbytes) */
SEC("uprobe/tls_read_ex")
int tls_read_ex(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_begins(&who, library_of(ctx), TLS_READ, FIRST_ARGUMENT(ctx), SECOND_ARGUMENT(ctx),
			THIRD_ARGUMENT(ctx), FOURTH_ARGUMENT(ctx), 0);
	return 0;
}

/* SSL_write(ssl, buf, num), gnutls_record_send2(session, data, data_size, ...) */
SEC("uprobe/tls_write")
int tls_write(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_begins(&who, library_of(ctx), TLS_WRITE, FIRST_ARGUMENT(ctx), SECOND_ARGUMENT(ctx),
			THIRD_ARGUMENT(ctx), 0, 0);
	return 0;
}

/* SSL_write_ex(ssl, buf, num, written) */
SEC("uprobe/tls_write_ex")
int tls_write_ex(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_begins(&who, library_of(ctx), TLS_WRITE, FIRST_ARGUMENT(ctx), SECOND_ARGUMENT(ctx),
			THIRD_ARGUMENT(ctx), FOURTH_ARGUMENT(ctx), 0);
	return 0;
}

/* SSL_write_ex2(ssl, buf, num, flags, written) */
SEC("uprobe/tls_write_ex2")
int tls_write_ex2(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_begins(&who, library_of(ctx), TLS_WRITE, FIRST_ARGUMENT(ctx), SECOND_ARGUMENT(ctx),
			THIRD_ARGUMENT(ctx), FIFTH_ARGUMENT(ctx), 0);
	return 0;
}

/* Functions that return an int, and those that return a size. */
SEC("uprobe/tls_return_int")
int tls_return_int(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_ends(&who, (s32)RETURN_VALUE(ctx));
	return 0;
}

SEC("uprobe/tls_return_size")
int tls_return_size(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_call_ends(&who, RETURN_VALUE(ctx));
	return 0;
}

/* SSL_free(ssl), gnutls_deinit(session): the next session may get the same address. */
SEC("uprobe/tls_free")
int tls_free(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();
	struct tls_call *call = bpf_map_lookup_elem(&tls_calls, &who);
	struct tls_handle key = {};

	stay_on_task_stack(ctx);
	key.handle = FIRST_ARGUMENT(ctx);
	key.process = who.process;
	bpf_map_delete_elem(&tls_sessions, &key);
	if (call && call->handle == key.handle)
		call->slot = 0;
	return 0;
}

/* gnutls_record_cork(session) */
SEC("uprobe/tls_cork")
int tls_cork(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_corks(&who, library_of(ctx), FIRST_ARGUMENT(ctx), TLS_CORKED);
	return 0;
}

/* gnutls_record_uncork(session, flags) */
SEC("uprobe/tls_uncork")
int tls_uncork(struct pt_regs *ctx)
{
	struct tls_caller who = calling_thread();

	stay_on_task_stack(ctx);
	tls_corks(&who, library_of(ctx), FIRST_ARGUMENT(ctx), TLS_CORK_FLUSHES);
	return 0;
}

/* crypto/tls: func (c *Conn) Read(b []byte) (int, error) */
SEC("uprobe/go_read")
int go_read(struct pt_regs *ctx)
{
	struct tls_caller who = calling_goroutine(GOROUTINE(ctx));

	stay_on_task_stack(ctx);
	note_goroutines();
	tls_call_begins(&who, 0, TLS_READ, GO_RECEIVER(ctx), GO_BUFFER(ctx), GO_LENGTH(ctx), 0,
			tcp_reads(ctx));
	return 0;
}

/* func (c *Conn) Write(b []byte) (int, error) */
SEC("uprobe/go_write")
int go_write(struct pt_regs *ctx)
{
	struct tls_caller who = calling_goroutine(GOROUTINE(ctx));

	stay_on_task_stack(ctx);
	note_goroutines();
	tls_call_begins(&who, 0, TLS_WRITE, GO_RECEIVER(ctx), GO_BUFFER(ctx), GO_LENGTH(ctx), 0,
			tcp_reads(ctx));
	return 0;
}

SEC("uprobe/go_return")
int go_return(struct pt_regs *ctx)
{
	struct tls_caller who = calling_goroutine(GOROUTINE(ctx));

	stay_on_task_stack(ctx);
	tls_call_ends(&who, GO_RESULT(ctx));
	return 0;
}

/* func (c *Conn) Close() error */
SEC("uprobe/go_close")
int go_close(struct pt_regs *ctx)
{
	struct tls_handle key = {};

	stay_on_task_stack(ctx);
	key.handle = GO_RECEIVER(ctx);
	key.process = current_process();
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

/*
 * A process runs another program from now on, or is gone: what was found out about it holds no
 * more.
 */
static __always_inline void tls_process_ends(u32 process)
{
	if (reads_tls)
		bpf_map_delete_elem(&tls_processes, &process);
}

SEC("raw_tp/sched_process_exec")
int raw_exec(struct bpf_raw_tracepoint_args *ctx)
{
	tls_process_ends(current_process());
	return 0;
}

SEC("raw_tp/sched_process_exit")
int raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct tls_caller who = calling_thread();

	if (reads_tls)
		tls_caller_goes(&who);
	if ((u32)thread == thread >> 32) /* the leader, which is the last that user space sees */
		tls_process_ends(thread >> 32);
	return 0;
}

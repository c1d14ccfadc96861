/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sessions of crypto/tls in Go, and the sockets that they have. */
#ifndef FATHOM_TLS_GO_H
#define FATHOM_TLS_GO_H

#include "../bytes/passage.h"
#include "bind.h"

/* No process has more (fs.nr_open is 2^20 at most by default). */
#define GO_DESCRIPTORS (1U << 20)

/* Methods follow 24 bytes of an itab (internal/abi/iface.go), by name: net.Conn's Read is third. */
#define GO_ITAB_READ (24 + 2 * 8)

/* Of what begins an internal/poll.FD (fd_unix.go, fd_mutex.go). */
struct go_descriptor {
	u64 state; /* of its fdMutex */
	u32 semaphores[2];
	u32 fd;
	u32 pad;
};

/* It is being closed: mutexClosed, set before the descriptor is. */
#define GO_CLOSED 1

/*
 * The slot of the connection whose socket a crypto/tls.Conn has; 0 if that is none, or not known.
 * Its first field is a net.Conn. That is a net.TCPConn, which is a pointer to a netFD, if its Read
 * is the function at READS.
 */
__noinline u32 go_socket(u64 handle, u64 reads)
{
	struct task_struct *current = cast(struct task_struct, bpf_get_current_task());
	struct files_struct *files = cast(struct files_struct, load(current, files));
	struct go_descriptor descriptor = {};
	u64 conn[2] = {}, at = 0, file;
	struct socket *socket;
	struct conn *c;

	if (bpf_probe_read_user(conn, sizeof(conn), (void *)handle) ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)(conn[0] + GO_ITAB_READ)) || at != reads ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)conn[1]) ||
	    bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)at) ||
	    descriptor.fd >= GO_DESCRIPTORS)
		return 0;
	file = file_of(files, descriptor.fd);
	if (!file)
		return 0;
	socket = cast(struct socket, load(cast(struct file, file), private_data));
	if (!socket || (u64)load(socket, file) != file) /* it is none */
		return 0;
	c = conn_find(BPF_CORE_READ(socket, sk)); /* a number, to the verifier */
	/* Until here it was this one's, unless it was being closed: it may be another's by now. */
	if (!c || !c->tls || bpf_probe_read_user(&descriptor.state, sizeof(u64), (void *)at) ||
	    descriptor.state & GO_CLOSED)
		return 0;
	return c->slot;
}

/*
 * Whether a connection's socket is that of a crypto/tls.Conn, or of what is no such thing, by what
 * go_socket() reads.
 */
__noinline int go_uses(u64 handle, u32 slot, u64 id)
{
	struct task_struct *current = cast(struct task_struct, bpf_get_current_task());
	struct files_struct *files = cast(struct files_struct, load(current, files));
	struct conn *c = tls_conn(slot, id);
	struct socket *socket;
	u64 at = 0, file;
	u32 fd = 0;

	if (!c || bpf_probe_read_user(&at, sizeof(at), (void *)(handle + 8)) ||
	    bpf_probe_read_user(&at, sizeof(at), (void *)at) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (void *)(at + 16)) || fd >= GO_DESCRIPTORS)
		return false;
	socket = cast(struct socket, load_as(struct sock, c->sk, sk_socket));
	file = (u64)load(socket, file);
	return file && file_of(files, fd) == file;
}

/*
 * The connection of a session in Go: by its socket if it is known which function READS of one, else
 * the one that the goroutine has shaken hands on, if the session uses it.
 */
static __always_inline struct conn *go_bind(struct tls_caller *who, struct tls_call *call,
					    u64 reads)
{
	struct tls_shaken *shaken;
	struct conn *c;

	if (reads) {
		c = conn_of(go_socket(call->handle, reads));
		if (c && c->slot)
			return conn_of(tls_vote_of(call, c->slot, c->opened_at));
	}
	shaken = bpf_map_lookup_elem(&tls_shaking, who);
	if (!shaken || !go_uses(call->handle, shaken->slot, shaken->id))
		return NULL;
	return conn_of(tls_vote_of(call, shaken->slot, shaken->id));
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* TLS of the kernel: sockets that encrypt what a process writes, and decrypt what it reads. */
#ifndef FATHOM_TLS_KERNEL_H
#define FATHOM_TLS_KERNEL_H

#include "../socket/arrivals.h"
#include "bind.h"

/*
 * TCP's numbers and the bytes of a call do not agree: the kernel encrypts
 * (Documentation/networking/tls.rst), if the socket has that protocol above TCP. Records have
 * headers and tags, and are taken from TCP as a whole.
 */
__noinline int ktls_begins(u32 slot, u32 direction)
{
	struct conn *c = conn_of(slot);
	struct inet_connection_sock *icsk;
	struct tcp_ulp_ops *ops;
	u32 name = 0;

	if (!c)
		return false;
	icsk = (struct inet_connection_sock *)c->sk;
	ops = (struct tcp_ulp_ops *)BPF_CORE_READ(icsk, icsk_ulp_ops);
	if (!ops ||
	    bpf_probe_read_kernel(&name, sizeof(name),
				  (void *)ops + bpf_core_field_offset(struct tcp_ulp_ops, name)) ||
	    name != ('t' | 'l' << 8 | 's' << 16))
		return false;
	c->tls = 1;
	if (direction == READ)
		c->ktls_rx = 1;
	else
		c->ktls_tx = 1;
	if (c->class == CLASS_TLS) /* so it looked, in the handshake */
		c->class = CLASS_UNKNOWN;
	return true;
}

/* Whether taps see the plaintext of this direction. */
static __always_inline bool is_ktls(struct conn *c, u32 direction)
{
	return (direction == READ ? c->ktls_rx : c->ktls_tx) && !c->upgraded;
}

/* The number of the first byte that the kernel has decrypted, or will encrypt. */
static __always_inline u32 ktls_passes(struct conn *c, u32 direction, u32 length, u32 end)
{
	u32 seq;
	u64 arrived;

	if (direction == WRITE) {
		seq = c->plain_written;
		c->plain_written += length;
		c->plain_writing = 0; /* of the call of a library that this is in */
		return seq;
	}
	seq = c->plain_read;
	c->plain_read += length;
	if (c->role != ROLE_CLIENT && c->rx_pos != end) { /* another record */
		arrived = arrival_of(c, c->rx_pos);
		c->tls_time = arrived;
	}
	return seq;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Listening sockets: connections wait there before anybody reads from them. */
#ifndef FATHOM_LISTENER_H
#define FATHOM_LISTENER_H

#include "conn.h"

/* Makes a listener's entry. IN_PROCESS: the current process is the one that listens. */
__noinline int listener_add(u64 key, u32 in_process)
{
	struct sock *sk = (struct sock *)key;
	struct listener l = {};
	struct conn *c;
	u32 slot;
	int err;

	if (!is_tcp(sk))
		return 0;
	slot = conn_add(key, ROLE_LISTENER, in_process ? 0 : CONN_FOUND);
	c = conn_of(slot);
	if (!slot || !c)
		return 0;
	c->workload = in_process ? workload_of_task() : workload_of_socket(sk);
	c->ports = ports_of(sk);
	read_local(l.addr, &sk->__sk_common);
	l.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	l.workload = c->workload;
	l.queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	err = bpf_map_update_elem(&listeners, &key, &l, BPF_ANY);
	if (err) {
		count_map_error(err);
		count_overflow(TABLE_LISTENERS);
	}
	return 0;
}

static __always_inline void listener_sample(struct sock *sk)
{
	u64 key = (u64)sk;
	struct listener *l = bpf_map_lookup_elem(&listeners, &key);

	if (!l)
		return;
	l->queue = BPF_CORE_READ(sk, sk_ack_backlog);
	l->queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	l->drops = BPF_CORE_READ(sk, sk_drops.counter);
}

static __always_inline void listener_remove(struct conn *c, u64 sk)
{
	bpf_map_delete_elem(&listeners, &sk);
	conn_remove(c, sk);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Where TLS is recognised: user space is asked to look at the process, once. */
#ifndef FATHOM_TLS_BEGINS_H
#define FATHOM_TLS_BEGINS_H

static __always_inline u32 current_process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/*
 * The first bytes of a connection are a TLS record. Returns false if TLS is not read: then its class is all that is
 * to be known.
 */
__noinline int tls_begins(u32 slot)
{
	struct tls_process *p, unknown = {};
	struct conn *c = conn_of(slot);
	u32 process = current_process(), *asked;

	if (!c || !reads_tls)
		return false;
	c->flags |= CONN_TLS;
	c->opaque |= OPAQUE_TLS;
	c->tls_process = process;
	p = bpf_map_lookup_elem(&tls_processes, &process);
	if (p)
		return true;
	if (bpf_map_update_elem(&tls_processes, &process, &unknown, BPF_NOEXIST))
		return true; /* asked already, or full: counted below, once per process would need room, too */
	asked = bpf_ringbuf_reserve(&tls_asked, sizeof(*asked), 0);
	if (!asked) {
		bpf_map_delete_elem(&tls_processes, &process);
		count_lost(LOST_TLS_ASKED, 1);
		return true;
	}
	*asked = process;
	bpf_ringbuf_submit(asked, 0);
	return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One end of a TCP connection on the host: what the kernel does to the socket in a call, the
 * hooks of these calls, and what the programs have counted.
 */
#ifndef FATHOM_TEST_END_H
#define FATHOM_TEST_END_H

#include "host/engine.h"

#ifndef MAX_STREAM
#define MAX_STREAM 4096
#endif
#define MAX_CALLS 24
#define MAX_EVENTS (2 * 2 * MAX_CALLS)
#define TICK 1000 /* ns between two events */

/* What passes in one direction, and how it is cut into calls. */
struct stream {
	u8 bytes[MAX_STREAM];
	u32 length;
	u32 cuts[MAX_CALLS + 1]; /* where calls begin, and the end */
	u32 calls;
};

/* A call moves bytes, and its hook runs later: the odd ones are the hooks of those before them. */
enum what {
	CALL_READ,
	HOOK_READ,
	CALL_WRITE,
	HOOK_WRITE,
	WHATS,
};

struct event {
	u8 what; /* enum what */
	u8 call; /* its number in the direction */
};

static inline bool is_hook(struct event e)
{
	return e.what & 1;
}

/* How a hook finds the bytes. */
struct view {
	u32 pieces; /* how many iovecs they lie in, up to MAX_PIECES; 0: one plain buffer */
	u32 fault;  /* enum buffer_fault: nothing tells where they are */
	bool gone;  /* they are not in memory */
};

#define MAX_PIECES 8

/* The socket, and when the events took place. */
static struct {
	struct socket socket;
	struct file file;
	struct tcp_sock tcp;
	u64 times[WHATS][MAX_CALLS];
} end;

static u64 hooks_run;

static inline struct sock *the_socket(void)
{
	return (struct sock *)&end.tcp;
}

static inline u32 call_length(const struct stream *s, u32 call)
{
	return s->cuts[call + 1] - s->cuts[call];
}

/* The call in which byte AT lies. */
static inline u32 call_of(const struct stream *s, u32 at)
{
	u32 i = 0;

	while (i + 1 < s->calls && s->cuts[i + 1] <= at)
		i++;
	return i;
}

/* Forgets all that was counted; connections stay. */
static inline void forget_counts(void)
{
	static const struct histogram none;
	struct host_map *index = HOST_MAP(&series_index);
	static u32 most;
	u32 i, zero = 0, *made;

	made = &((struct slot_counts *)bpf_map_lookup_elem(&slot_counts, &zero))
			->fresh[TABLE_SERIES];
	if (most < *made)
		most = *made;
	/* a connection whose end was missed may have counted in one that it knew from before */
	for (i = 0; i <= most; i++)
		*bpf_map_lookup_elem(&series, &i) = none;
	*made = 0;
	host_clear(index);
	host_clear(HOST_MAP(&coverage));
	memset(bpf_map_lookup_elem(&counters, &zero), 0, sizeof(struct cpu_counters));
	for (i = 0; i < 2; i++)
		bpf_map_lookup_elem(&workloads, &i)->series = 0;
}

/* Forgets the connections as well: the next one gets the one slot that there is. */
static inline void forget_all(void)
{
	static const struct conn none;
	u32 zero = 0, slot = max_connections;

	forget_counts();
	*conn_of(slot) = none;
	host_clear(HOST_MAP(&conn_index));
	host_clear_queue(&conn_free);
	host_clear(HOST_MAP(&claims));
	host_clear_queue(&backlog_free);
	host_clear_queue(&http2_free);
	host_clear_queue(&http2_streams_free);
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_CONNECTIONS] = max_connections - 1;
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_BACKLOGS] = 0;
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_HTTP2] = 0;
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_STREAMS] = 0;
}

/* The first sequence numbers: both wrap within the first messages. */
#define FIRST_READ 0xfffffe00u
#define FIRST_WRITTEN 0xffffff40u

/* Opens a connection on a socket that is zero, with what both ends' ports are. */
static inline void open_socket(struct tcp_sock *tp, u8 role, u32 ports)
{
	struct sock *sk = (struct sock *)tp;
	u8 first = role == ROLE_CLIENT ? TCP_SYN_SENT : TCP_SYN_RECV;

	sk->__sk_common.skc_family = AF_INET;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_type = SOCK_STREAM;
	sk->__sk_common.skc_portpair = ports;
	sk->__sk_common.skc_refcnt.refs.counter = 1;
	sk->sk_cgrp_data.cgroup = &host_cgroup;
	sk->sk_socket = &end.socket;
	tp->copied_seq = tp->rcv_nxt = FIRST_READ;
	tp->write_seq = tp->snd_nxt = tp->snd_una = FIRST_WRITTEN;
	tp->tcp_clock_cache = host_now;
	sk->__sk_common.skc_state = first;
	state_changed(sk, role == ROLE_CLIENT ? TCP_CLOSE : TCP_LISTEN, first);
	sk->__sk_common.skc_state = TCP_ESTABLISHED;
	state_changed(sk, first, TCP_ESTABLISHED);
}

/* Opens the connection, from a port of the peer of its own for each. */
static inline void open_end(u8 role, u16 port)
{
	memset(&end, 0, sizeof(end));
	end.socket.sk = the_socket();
	end.socket.file = &end.file;
	open_socket(&end.tcp, role, 80 << 16 | port);
}

/* Has the engine read what is at BYTES, and nothing else. */
static inline void memory_is(const void *bytes, u32 length)
{
	host_memory[0].at = bytes;
	host_memory[0].size = length;
	host_regions = 1;
}

static inline void close_end(void)
{
	struct sock *sk = the_socket();

	sk->__sk_common.skc_state = TCP_CLOSE;
	state_changed(sk, TCP_ESTABLISHED, TCP_CLOSE);
	destroyed(sk);
}

/* Runs the hook of a call, which may look at the bytes of this call and nothing else. */
static inline void run_hook(const struct stream *s, u32 call, u32 direction, struct view view)
{
	const u8 *bytes = s->bytes + s->cuts[call];
	struct user_iovec pieces[MAX_PIECES] = {};
	u32 length = call_length(s, call), i, n = view.pieces ? view.pieces : 1;
	struct pending_call p = {.address = (u64)bytes, .fault = view.fault};

	for (i = 0; i < n; i++) {
		u32 from = length * i / n, to = length * (i + 1) / n;

		pieces[i].base = (u64)(bytes + from);
		pieces[i].length = to - from;
		host_memory[i].at = bytes + from;
		host_memory[i].size = to - from;
	}
	host_regions = n;
	host_memory_is_gone = view.gone;
	if (view.pieces) {
		p.address = (u64)pieces;
		p.iovs = n;
	}
	hooks_run++;
	if (direction == READ)
		data_read(the_socket(), length, 0, FROM_ENTRY, &p);
	else
		data_written(the_socket(), length, FROM_ENTRY, &p);
	host_memory_is_gone = false;
	host_regions = 0;
}

/* A call, by what it does to the socket. What it reads has arrived just before. */
static inline void run_call(const struct stream *s, u32 call, u32 direction)
{
	struct tcp_sock *tp = &end.tcp;
	u32 length = call_length(s, call);

	tp->tcp_clock_cache = host_now;
	if (direction == READ) {
		tp->bytes_received += length;
		tp->rcv_nxt += length;
		tp->segs_in++;
		data_arrived(the_socket());
		tp->copied_seq = tp->rcv_nxt;
		tp->snd_una = tp->write_seq; /* what is read came behind what was sent before */
		return;
	}
	tp->bytes_sent += length;
	tp->write_seq += length;
	tp->snd_nxt = tp->write_seq;
	tp->first_tx_mstamp = host_now / 1000;
}

/* Whether the process may do this now; NEXT is the next call of each kind. */
static inline bool has_come(const struct stream *s, const u32 *next, u32 what)
{
	if (next[what] >= s->calls)
		return false;
	/* A hook runs behind its call, and before the next call of its direction. */
	return what & 1 ? next[what - 1] > next[what] : next[what + 1] == next[what];
}

static inline u64 observations(const struct histogram *h)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < MAX_BUCKETS; i++)
		n += h->buckets[i];
	return n;
}

/* The series that were counted into: *AT (0 at first) moves on. False: there are no more. */
static inline bool next_counted(u32 *at, struct series_key *key, const struct histogram **h)
{
	struct host_map *m = HOST_MAP(&series_index);
	u32 slot;

	for (; *at < m->used; (*at)++) {
		if (!m->taken[*at])
			continue;
		memcpy(key, m->keys + *at * m->key_size, sizeof(*key));
		memcpy(&slot, m->values + *at * m->value_size, sizeof(slot));
		*h = bpf_map_lookup_elem(&series, &slot);
		if (!observations(*h))
			continue;
		(*at)++;
		return true;
	}
	return false;
}

/* How many exchanges and such were counted as lost; and bytes. */
static inline u64 lost_in_all(u64 *bytes)
{
	u32 zero = 0, i;
	struct cpu_counters *c = bpf_map_lookup_elem(&counters, &zero);
	u64 n = 0;

	*bytes = 0;
	for (i = 0; i < LOST_COUNT; i++)
		n += c->lost[i];
	for (i = 0; i < BYTES_COUNT; i++)
		*bytes += c->lost_bytes[READ][i] + c->lost_bytes[WRITE][i];
	return n;
}

/* Prints what was counted, and what was lost. */
static inline void print_counted(void)
{
	u32 zero = 0, i, at = 0;
	struct cpu_counters *c = bpf_map_lookup_elem(&counters, &zero);
	const struct histogram *h;
	struct series_key key;

	printf("  counted:");
	while (next_counted(&at, &key, &h))
		printf(" method %u status %u x %llu (%llu ns),", key.operation, key.status,
		       observations(h), h->sum);
	printf("\n  lost:");
	for (i = 0; i < LOST_COUNT; i++)
		if (c->lost[i])
			printf(" reason %u x %llu", i, c->lost[i]);
	for (i = 0; i < BYTES_COUNT; i++)
		if (c->lost_bytes[READ][i] + c->lost_bytes[WRITE][i])
			printf(" bytes %u: %llu", i,
			       c->lost_bytes[READ][i] + c->lost_bytes[WRITE][i]);
	printf("\n");
}

/* Prints up to MOST bytes of a call. */
static inline void print_call(const struct stream *s, u32 call, u32 most)
{
	u32 i;

	printf("\"");
	for (i = s->cuts[call]; i < s->cuts[call + 1] && i < s->cuts[call] + most; i++) {
		u8 c = s->bytes[i];

		printf(c < ' ' || c >= 0x7f || c == '"' || c == '\\' ? "\\x%02x" : "%c", c);
	}
	printf(i < s->cuts[call + 1] ? "\"..." : "\"");
}

#endif

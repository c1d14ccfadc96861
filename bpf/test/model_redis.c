// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A model of one end of a connection that carries Redis. It makes a sequence of messages, cuts both
 * directions into calls, and runs the hooks of these calls in every order that TCP and the programs
 * allow: a hook runs after its call and before the next call of the same direction, however late; a
 * server writes a response after the hook of the read that brought its request; a client reads it
 * after its request was written, whose hook may not have run. Hooks may be left out.
 *
 * What is right is known from the messages alone: each exchange has a status of its own, so that
 * each series holds one. It has to be counted once with its own method, and with a duration that
 * lies between the calls that it is made of; or it is counted as lost. Where no hook is left out
 * nothing may be lost.
 */
#include "host/engine.h"

#define MAX_MESSAGES 24
#define MAX_STREAM 4096
#define MAX_CALLS 24
#define MAX_EVENTS (2 * MAX_CALLS)
#define TICK 1000 /* ns between two events */

/* A request and its response, as bytes. */
struct exchange_text {
	const char *request, *response; /* response: %d is its status; NULL: none */
	u8 method;
	/* the response may be written when so many bytes of the request were read; 0: all of it */
	u8 early;
};

struct message {
	u32 from, to; /* in its stream */
	/*
	 * position of the other stream that has to have passed before the first byte: see enum
	 * event_kind
	 */
	u32 needs;
	u32 number;
};

struct stream {
	u8 bytes[MAX_STREAM];
	u32 length;
	struct message messages[2 * MAX_MESSAGES];
	u32 count;
	u32 cuts[MAX_CALLS + 1]; /* where calls begin, and the end */
	u32 calls;
};

struct expected {
	u8 method;
	u16 status; /* STATUS_ABORTED: no response */
	/* Indexes of events between which the duration begins and ends. */
	u32 begin_call, end_call;
};

struct scenario {
	u8 role;
	struct stream in, out; /* read, written */
	struct expected expected[MAX_MESSAGES];
	u32 exchanges;
	u32 orphans; /* responses to nothing */
	/*
	 * A client has sent HEAD and more in one call, and reads the response to HEAD and more in
	 * one call, before the first one's hook has run: whether a body follows cannot be known
	 * then. May be lost, but in the right number.
	 */
	bool undecidable;
	bool pipelined;
	const char *name;
};

enum what { CALL_READ, HOOK_READ, CALL_WRITE, HOOK_WRITE };

struct event {
	u8 what; /* enum what */
	u8 call; /* its number in the direction */
};

/* The socket under the programs, and the connection in its last state. */
static struct {
	struct socket socket;
	struct file file;
	struct tcp_sock tcp;
	u32 isn_in, isn_out;
	u64 times[4][MAX_CALLS]; /* of the events that have run */
} end;

static u64 runs, hooks;

static struct sock *the_socket(void)
{
	return (struct sock *)&end.tcp;
}

/* Forgets all that was counted. */
static void forget(void)
{
	static struct histogram none;
	struct host_map *m;
	u32 i, zero = 0;

	for (m = host_maps; m < host_maps + HOST_MAPS && m->id; m++) {
		if (m->type == BPF_MAP_TYPE_QUEUE)
			m->used = 0;
		if (m->id == &series_index || m->id == &coverage) {
			for (i = 0; i < m->used; i++)
				m->taken[i] = 0;
			m->used = 0;
		}
	}
	for (i = 0; i < HOST_HASH_ENTRIES; i++)
		*bpf_map_lookup_elem(&series, &i) = none;
	memset(bpf_map_lookup_elem(&counters, &zero), 0, sizeof(struct cpu_counters));
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_SERIES] = 0;
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_CONNECTIONS] = 0;
	for (i = 0; i < 2; i++)
		bpf_map_lookup_elem(&workloads, &i)->series = 0;
}

static void open_end(u8 role)
{
	struct tcp_sock *tp = &end.tcp;
	struct sock *sk = the_socket();

	attached = true;
	memset(&end, 0, sizeof(end));
	end.isn_in = 0xfffffe00u; /* both wrap within the first messages */
	end.isn_out = 0xffffff40u;
	sk->__sk_common.skc_family = AF_INET;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_type = SOCK_STREAM;
	sk->__sk_common.skc_portpair = 80 << 16 | 4660;
	sk->__sk_common.skc_refcnt.refs.counter = 1;
	sk->sk_cgrp_data.cgroup = &host_cgroup;
	sk->sk_socket = &end.socket;
	end.socket.sk = sk;
	end.socket.file = &end.file;
	tp->copied_seq = tp->rcv_nxt = end.isn_in;
	tp->write_seq = tp->snd_nxt = end.isn_out;
	tp->tcp_clock_cache = host_now;
	if (role == ROLE_CLIENT) {
		sk->__sk_common.skc_state = TCP_SYN_SENT;
		state_changed(sk, TCP_CLOSE, TCP_SYN_SENT);
	} else {
		sk->__sk_common.skc_state = TCP_SYN_RECV;
		state_changed(sk, TCP_LISTEN, TCP_SYN_RECV);
	}
	sk->__sk_common.skc_state = TCP_ESTABLISHED;
	state_changed(sk, role == ROLE_CLIENT ? TCP_SYN_SENT : TCP_SYN_RECV, TCP_ESTABLISHED);
}

static void close_end(void)
{
	struct sock *sk = the_socket();

	sk->__sk_common.skc_state = TCP_CLOSE;
	state_changed(sk, TCP_ESTABLISHED, TCP_CLOSE);
	destroyed(sk);
}

static u32 call_length(const struct stream *s, u32 call)
{
	return s->cuts[call + 1] - s->cuts[call];
}

static void run_hook(const struct stream *s, u32 call, u32 direction)
{
	struct pending_call p = {};

	hooks++;
	host_regions = 1;
	host_memory[0].at = s->bytes + s->cuts[call];
	host_memory[0].size = call_length(s, call);
	p.address = (u64)(s->bytes + s->cuts[call]);
	if (direction == READ)
		data_read(the_socket(), call_length(s, call), 0, FROM_ENTRY, &p);
	else
		data_written(the_socket(), call_length(s, call), FROM_ENTRY, &p);
	host_regions = 0;
}

static void run_event(const struct scenario *sc, struct event e, bool left_out)
{
	const struct stream *s = e.what < CALL_WRITE ? &sc->in : &sc->out;
	struct tcp_sock *tp = &end.tcp;

	host_now += TICK;
	end.times[e.what][e.call] = host_now;
	switch (e.what) {
	case CALL_READ: /* it has arrived just before */
		tp->bytes_received += call_length(s, e.call);
		tp->rcv_nxt += call_length(s, e.call);
		tp->tcp_clock_cache = host_now;
		tp->segs_in++;
		data_arrived(the_socket());
		tp->copied_seq = tp->rcv_nxt;
		break;
	case CALL_WRITE:
		tp->bytes_sent += call_length(s, e.call);
		tp->write_seq += call_length(s, e.call);
		tp->snd_nxt = tp->write_seq;
		tp->tcp_clock_cache = host_now;
		tp->first_tx_mstamp = host_now / 1000;
		break;
	default:
		if (!left_out)
			run_hook(s, e.call, e.what == HOOK_READ ? READ : WRITE);
	}
}

static u64 bucket_count(const struct histogram *h)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < MAX_BUCKETS; i++)
		n += h->buckets[i];
	return n;
}

static u64 lost_in_all(u64 *bytes)
{
	u32 zero = 0, i;
	struct cpu_counters *c = bpf_map_lookup_elem(&counters, &zero);
	u64 n = 0;

	*bytes = 0;
	for (i = 0; i < LOST_COUNT; i++)
		n += c->lost[i];
	for (i = 0; i < BYTES_COUNT; i++)
		*bytes += c->lost_bytes[0][i] + c->lost_bytes[1][i];
	return n;
}

static const char *fault;

/* Compares what was counted with what is right. LEFT_OUT: how many hooks were. */
static bool is_right(const struct scenario *sc, u32 left_out)
{
	struct host_map *m = host_map(&series_index, 0, 0, 0, 0);
	u64 counted = 0, lost, bytes;
	u32 i, j;

	for (i = 0; i < m->used; i++) {
		struct series_key key;
		const struct expected *x = NULL;
		const struct histogram *h;
		u64 n, least, most;
		u32 slot;

		if (!m->taken[i])
			continue;
		memcpy(&key, m->keys + i * m->key_size, sizeof(key));
		memcpy(&slot, m->values + i * m->value_size, sizeof(slot));
		h = bpf_map_lookup_elem(&series, &slot);
		n = bucket_count(h);
		if (!n)
			continue;
		for (j = 0; j < sc->exchanges; j++)
			if (sc->expected[j].status == key.status &&
			    sc->expected[j].method == key.operation)
				x = &sc->expected[j];
		if (!x || n != 1) {
			fault = x ? "counted twice" : "an exchange that was none";
			return false;
		}
		counted++;
		if (sc->role == ROLE_SERVER) {
			most = end.times[CALL_READ][x->begin_call]; /* when it had arrived */
			least = end.times[HOOK_WRITE][x->end_call] - most;
			most = end.times[CALL_WRITE][x->end_call] - most;
		} else {
			least = end.times[HOOK_READ][x->end_call] -
				end.times[CALL_WRITE][x->begin_call];
			most = end.times[CALL_READ][x->end_call] -
			       end.times[HOOK_WRITE][x->begin_call];
		}
		if ((s64)least < (s64)most) {
			n = least;
			least = most;
			most = n;
		}
		if (x->status != STATUS_ABORTED &&
		    ((s64)h->sum > (s64)least || (s64)h->sum < ((s64)most < 0 ? 0 : (s64)most))) {
			fault = "a duration that is another's";
			return false;
		}
	}
	lost = lost_in_all(&bytes);
	if (!left_out && sc->undecidable && counted + lost == sc->exchanges)
		return true;
	if (!left_out) {
		if (counted != sc->exchanges)
			fault = "an exchange is missing";
		else if (lost != sc->orphans)
			fault = "something is lost";
		else if (bytes && !sc->orphans)
			fault = "bytes are lost";
		else
			return true;
		return false;
	}
	if (counted < sc->exchanges && !lost && !bytes) {
		fault = "missing, and not lost";
		return false;
	}
	if (counted + lost > sc->exchanges + sc->orphans + 2 * left_out) {
		fault = "more lost than there was";
		return false;
	}
	return true;
}

static const char *const names[] = {"read", "read's hook", "write", "write's hook"};

static void explain(const struct scenario *sc, const struct event *order, u32 n, u64 left_out)
{
	struct host_map *m = host_map(&series_index, 0, 0, 0, 0);
	u32 i, zero = 0;
	struct cpu_counters *c = bpf_map_lookup_elem(&counters, &zero);

	printf("\nFAILED: %s, at the %s: %s\n", sc->name,
	       sc->role == ROLE_SERVER ? "server" : "client", fault);
	for (i = 0; i < n; i++) {
		const struct stream *s = order[i].what < CALL_WRITE ? &sc->in : &sc->out;
		u32 at = s->cuts[order[i].call], j;

		printf("  %-12s %u %s", names[order[i].what], order[i].call,
		       order[i].what & 1 && left_out >> i & 1 ? "(left out) " : "");
		if (!(order[i].what & 1)) {
			printf("\"");
			for (j = at; j < s->cuts[order[i].call + 1] && j < at + 70; j++)
				printf(s->bytes[j] < ' ' ? "\\x%02x" : "%c", s->bytes[j]);
			printf("\"");
		}
		printf("\n");
	}
	printf("  right:");
	for (i = 0; i < sc->exchanges; i++)
		printf(" method %u status %u,", sc->expected[i].method, sc->expected[i].status);
	printf(" and %u responses to nothing\n  counted:", sc->orphans);
	for (i = 0; i < m->used; i++) {
		struct series_key key;
		u32 slot;

		memcpy(&key, m->keys + i * m->key_size, sizeof(key));
		memcpy(&slot, m->values + i * m->value_size, sizeof(slot));
		if (m->taken[i] && bucket_count(bpf_map_lookup_elem(&series, &slot)))
			printf(" method %u status %u x %llu (%llu ns),", key.operation, key.status,
			       bucket_count(bpf_map_lookup_elem(&series, &slot)),
			       bpf_map_lookup_elem(&series, &slot)->sum);
	}
	printf("\n  lost:");
	for (i = 0; i < LOST_COUNT; i++)
		if (c->lost[i])
			printf(" reason %u x %llu", i, c->lost[i]);
	for (i = 0; i < BYTES_COUNT; i++)
		if (c->lost_bytes[0][i] + c->lost_bytes[1][i])
			printf(" bytes %u: %llu", i, c->lost_bytes[0][i] + c->lost_bytes[1][i]);
	printf("\n");
}

static u64 failures, undecided;

static void run_order(const struct scenario *sc, const struct event *order, u32 n, u64 left_out)
{
	struct http1_head *h;
	u32 i, zero = 0;

	forget();
	open_end(sc->role);
	/* every other time a task that was preempted uses the memory of this CPU */
	h = bpf_map_lookup_elem(&heads, &zero);
	h->taken = runs & 1;
	for (i = 0; i < n; i++)
		run_event(sc, order[i], left_out >> i & 1);
	host_now += TICK;
	close_end();
	runs++;
	/* One byte at the very end is not told apart from a FIN, which has a number, too. */
	for (i = 0; i < n; i++)
		if (left_out >> i & 1) {
			const struct stream *s = order[i].what < CALL_WRITE ? &sc->in : &sc->out;

			if (order[i].call + 1 == s->calls && call_length(s, order[i].call) == 1)
				return;
		}
	if (is_right(sc, __builtin_popcountll(left_out)))
		return;
	/*
	 * A client that pipelines for the first time within what no hook told: which response is
	 * whose cannot be known, see "undecidable" in docs/how-it-works.md.
	 */
	if (left_out && sc->pipelined) {
		undecided++;
		return;
	}
	if (failures++ < 5) {
		explain(sc, order, n, left_out);
		fflush(NULL);
	}
}

/* Which position of its stream message I begins in; the call in which byte AT lies. */
static u32 call_of(const struct stream *s, u32 at)
{
	u32 i;

	for (i = 0; i + 1 < s->calls && s->cuts[i + 1] <= at; i++)
		;
	return i;
}

/*
 * How many bytes of the other stream have to have passed before CALL of this one: at a server what
 * is written waits for hooks of reads; what a peer sends waits for what it received.
 */
static u32 needs_of(const struct stream *s, u32 call)
{
	u32 i, needs = 0;

	for (i = 0; i < s->count; i++)
		if (s->messages[i].from < s->cuts[call + 1] && s->messages[i].to > s->cuts[call] &&
		    s->messages[i].needs > needs)
			needs = s->messages[i].needs;
	return needs;
}

struct search {
	const struct scenario *sc;
	struct event order[MAX_EVENTS];
	u32 next[4]; /* the next call of each kind */
	u32 in_needs[MAX_CALLS], out_needs[MAX_CALLS];
	u64 most;     /* orders */
	u32 left_out; /* at most so many hooks are */
};

static u32 passed(const struct stream *s, u32 calls)
{
	return s->cuts[calls];
}

static void leave_out(const struct search *se, u32 n, u32 from, u64 mask, u32 more)
{
	u32 i;

	run_order(se->sc, se->order, n, mask);
	if (!more)
		return;
	for (i = from; i < n; i++)
		if (se->order[i].what & 1)
			leave_out(se, n, i + 1, mask | 1ULL << i, more - 1);
}

/* Whether the event may come next. */
static bool may_follow(const struct search *se, u32 what)
{
	const struct scenario *sc = se->sc;
	const struct stream *s = what < CALL_WRITE ? &sc->in : &sc->out;
	u32 call = se->next[what];

	if (call >= s->calls)
		return false;
	switch (what) {
	case HOOK_READ:
	case HOOK_WRITE:
		return se->next[what - 1] > call;
	case CALL_READ:
		if (se->next[HOOK_READ] < call)
			return false;
		/*
		 * The peer has sent this when it had received what it answers: a matter of calls.
		 */
		return passed(&sc->out, se->next[CALL_WRITE]) >= se->in_needs[call];
	default:
		if (se->next[HOOK_WRITE] < call)
			return false;
		/* The process writes this when it has returned from the reads before. */
		return passed(&sc->in, se->next[HOOK_READ]) >= se->out_needs[call];
	}
}

static bool search(struct search *se, u32 n)
{
	u32 what, most = 2 * (se->sc->in.calls + se->sc->out.calls);

	if (n == most) {
		leave_out(se, n, 0, 0, se->left_out);
		return --se->most;
	}
	for (what = 0; what < 4; what++) {
		if (!may_follow(se, what))
			continue;
		se->order[n].what = what;
		se->order[n].call = se->next[what];
		se->next[what]++;
		if (!search(se, n + 1))
			return false;
		se->next[what]--;
	}
	return true;
}

#include "model_redis.h"

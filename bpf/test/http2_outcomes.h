/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What is right to count of a connection that http2_messages.h has made, and whether it was
 * counted: known from the frames, and from when their calls and hooks ran.
 */
#ifndef FATHOM_TEST_HTTP2_OUTCOMES_H
#define FATHOM_TEST_HTTP2_OUTCOMES_H

#include "http2_messages.h"

/* When something has happened: in a call, or at its hook, or between them. */
struct span {
	u64 call, hook;
};

static inline struct span when(bool is_response, u32 at)
{
	const struct stream *s = http2_stream_of(is_response);
	u32 what = s == &made.scenario.in ? CALL_READ : CALL_WRITE, call = call_of(s, at);

	return (struct span){end.times[what][call], end.times[what + 1][call]};
}

/* What an exchange may be counted as, and how long it may have taken. */
struct outcome {
	u8 protocol, operation;
	u16 status;
	s64 least, most;
};

#define MAX_OUTCOMES 6

struct outcomes {
	struct outcome outcome[MAX_OUTCOMES];
	u32 count;
};

static inline void add_outcome(struct outcomes *all, const struct http2_truth *x, u16 status,
			       struct span ended)
{
	struct outcome *o = &all->outcome[all->count++];
	struct span begun = when(false, x->begin);

	if (made.scenario.role == ROLE_SERVER) /* from when it had arrived */
		begun.hook = begun.call;
	o->protocol = x->grpc ? PROTOCOL_GRPC : PROTOCOL_HTTP2;
	o->operation = x->grpc ? OPERATION_OTHER : x->method;
	o->status = status;
	o->least = ended.call > begun.hook ? ended.call - begun.hook : 0;
	o->most = ended.hook > begun.call ? ended.hook - begun.call : 0;
}

/* The status of one that was CUT off, if its response's header block had come, or had not. */
static inline u16 status_when_cut(const struct http2_truth *x, bool had_come, u16 cut)
{
	return had_come && !x->grpc ? x->status : cut;
}

/*
 * What X may be counted as. What the client gives up while its response comes is either: which of
 * both was first is known where the call of one came behind the hook of the other; and at a server,
 * where the call came first that wrote what the client may have had. CLOSED: when the
 * connection was closed. UNSEEN: the end may have been missed.
 */
static inline void find_outcomes(struct outcomes *all, const struct http2_truth *x, u64 closed,
				 bool unseen)
{
	struct span none = {~0ULL, ~0ULL}, head = none, over = none, given_up = none;
	struct span close = {closed, closed};
	bool server = made.scenario.role == ROLE_SERVER;

	all->count = 0;
	if (x->head != NOWHERE)
		head = when(true, x->head);
	if (x->over != NOWHERE)
		over = when(true, x->over);
	else if (x->reset != NOWHERE)
		over = when(true, x->reset);
	if (x->given_up != NOWHERE)
		given_up = when(false, x->given_up);
	if (unseen || over.call <= given_up.hook) {
		if (x->over != NOWHERE) {
			u16 status = x->status;

			if (x->grpc)
				status = x->grpc_said ? x->grpc_status : STATUS_OTHER;
			add_outcome(all, x, status, over);
		} else if (x->reset != NOWHERE) {
			add_outcome(all, x, status_when_cut(x, x->head != NOWHERE, x->reset_as),
				    over);
		}
	}
	if (x->given_up != NOWHERE &&
	    (unseen || given_up.call <= (server ? over.call : over.hook))) {
		if (x->head != NOWHERE && (unseen || head.call <= given_up.hook))
			add_outcome(all, x, status_when_cut(x, true, STATUS_RESET_BY_CLIENT),
				    given_up);
		if (unseen || given_up.call <= (server ? head.call : head.hook))
			add_outcome(all, x, STATUS_RESET_BY_CLIENT, given_up);
	}
	if (x->refused != NOWHERE)
		add_outcome(all, x, STATUS_REFUSED, when(true, x->refused));
	if (!all->count || (unseen && x->over == NOWHERE))
		add_outcome(all, x, status_when_cut(x, x->head != NOWHERE, STATUS_ABORTED), close);
}

/* A series, and what it has to hold. */
struct group {
	u8 protocol, operation;
	u16 status;
	u64 count;
	s64 least, most;
};

struct groups {
	struct group group[64];
	u32 count;
};

static inline struct group *group_of(struct groups *g, u8 protocol, u8 operation, u16 status)
{
	struct group *at;
	u32 i;

	for (i = 0; i < g->count; i++) {
		at = &g->group[i];
		if (at->protocol == protocol && at->operation == operation && at->status == status)
			return at;
	}
	if (g->count == COUNT(g->group))
		abort();
	at = &g->group[g->count++];
	*at = (struct group){protocol, operation, status, 0, 0, 0};
	return at;
}

/* What was counted; `least` is the sum of the durations. */
static inline u64 find_counted(struct groups *g)
{
	const struct histogram *h;
	struct series_key key;
	struct group *at;
	u64 counted = 0;
	u32 i = 0;

	g->count = 0;
	while (next_counted(&i, &key, &h)) {
		at = group_of(g, key.protocol, key.operation, key.status);
		at->count += observations(h);
		at->least += h->sum;
		counted += observations(h);
	}
	return counted;
}

/* How many of the outcomes of all exchanges may be tried in all combinations. */
#define MAX_TRIES 4096

/*
 * Whether what was COUNTED is what the exchanges from I on may be, besides those that are in RIGHT.
 * Sets *WRONG_TIME where all is right but a duration.
 */
static inline bool is_counted(const struct groups *counted, struct groups *right, u32 i, u64 closed,
			      u32 *tries, bool *wrong_time)
{
	struct outcomes all;
	u32 j;

	if (i == made.count) {
		bool timed = true;

		for (j = 0; j < right->count; j++) {
			const struct group *r = &right->group[j];
			const struct group *c = group_of((struct groups *)counted, r->protocol,
							 r->operation, r->status);

			if (c->count != r->count)
				return false;
			timed &= c->least >= r->least && c->least <= r->most;
		}
		*wrong_time |= !timed;
		return timed;
	}
	find_outcomes(&all, &made.truths[i], closed, false);
	for (j = 0; j < all.count && *tries; j++) {
		const struct outcome *o = &all.outcome[j];
		struct group *g = group_of(right, o->protocol, o->operation, o->status);

		*tries -= j > 0;
		g->count++;
		g->least += o->least;
		g->most += o->most;
		if (is_counted(counted, right, i + 1, closed, tries, wrong_time))
			return true;
		g = group_of(right, o->protocol, o->operation, o->status);
		g->count--;
		g->least -= o->least;
		g->most -= o->most;
	}
	return false;
}

static inline bool is_status(u16 status)
{
	return status < STATUS_RESET_BY_CLIENT || status == STATUS_OTHER;
}

/*
 * Whether X may have been counted in a series where something went unseen: what refers to what was
 * unseen may be unknown, and what comes with it; and gRPC that is not known for it is HTTP.
 */
static inline bool may_be(const struct http2_truth *x, const struct outcome *o,
			  const struct group *g)
{
	bool grpc = o->protocol == PROTOCOL_GRPC;
	u16 status = o->status;

	if (g->protocol == PROTOCOL_GRPC) {
		return grpc &&
		       (g->status == status || (g->status == STATUS_UNKNOWN && is_status(status) &&
						(x->grpc_by_index || status == STATUS_OTHER)));
	}
	if (grpc) {
		if (!x->type_by_index)
			return false;
		if (is_status(status) || x->head != NOWHERE)
			status = g->status == status ? status : x->status;
	}
	if (!is_status(status) && g->status == STATUS_UNKNOWN && x->over == NOWHERE)
		status = x->status; /* what was unknown may have been 1xx */
	if (g->operation != x->method && (g->operation != METHOD_UNKNOWN || !x->method_by_index))
		return false;
	return g->status == status ||
	       (g->status == STATUS_UNKNOWN && is_status(status) && x->status_by_index);
}

/* The same as what_is_wrong() for the HTTP/2 that was made, whose end was CLOSED. */
static inline const char *what_is_wrong_http2(const struct mishaps *m, u64 closed)
{
	u64 bytes, lost = lost_in_all(&bytes), counted, may;
	static struct groups found, right;
	bool wrong_time = false, timed;
	u32 tries = MAX_TRIES, i, j, k;
	struct outcomes all;

	counted = find_counted(&found);
	if (!m->unseen && !m->joined && !m->paused) {
		right.count = 0;
		if (counted != made.count)
			return counted < made.count ? "an exchange is missing" :
						      "an exchange that was none";
		if (!is_counted(&found, &right, 0, closed, &tries, &wrong_time) && tries)
			return wrong_time ? "a duration that is another's" :
					    "an exchange that was another";
		if (lost)
			return "something is lost";
		return bytes ? "bytes are lost" : NULL;
	}
	if (counted > made.count)
		return "more counted than there was";
	for (j = 0; j < found.count; j++) {
		const struct group *g = &found.group[j];

		timed = g->count > 1;
		may = 0;
		for (i = 0; i < made.count; i++) {
			bool is = false;

			find_outcomes(&all, &made.truths[i], closed, true);
			for (k = 0; k < all.count; k++) {
				const struct outcome *o = &all.outcome[k];

				if (!may_be(&made.truths[i], o, g))
					continue;
				is = true;
				timed |= g->least >= o->least && g->least <= o->most;
			}
			may += is;
		}
		if (g->count > may)
			return may ? "counted twice" : "an exchange that was none";
		if (!timed)
			return "a duration that is another's";
	}
	/*
	 * A response whose request was not seen is lost, and so may be a request that is seen late
	 * on a connection that was joined, and one that was reset between two gaps.
	 */
	if (counted + lost > made.count + m->unseen + (m->joined ? made.count : 0))
		return "more lost than there was";
	/* of a server that speaks first, and unreadably, its class tells that it is not followed */
	if (conn_of(max_connections)->class == CLASS_OTHER && !counted)
		return NULL;
	if (counted < made.count && !lost && !bytes && !m->joined)
		return "missing, and not lost";
	return NULL;
}

/* Prints what was made, and what was counted. */
static inline void print_http2(u64 closed)
{
	struct outcomes all;
	u32 i, j;

	printf("  right:\n");
	for (i = 0; i < made.count; i++) {
		const struct http2_truth *x = &made.truths[i];

		find_outcomes(&all, x, closed, false);
		printf("    stream %u:", x->id);
		for (j = 0; j < all.count; j++)
			printf(" protocol %u method %u status %u (%lld to %lld ns),",
			       all.outcome[j].protocol, all.outcome[j].operation,
			       all.outcome[j].status, all.outcome[j].least, all.outcome[j].most);
		printf("\n");
	}
	print_counted();
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What passes over a connection, the orders of events that are possible, and what is right to
 * count. That is known from the messages alone: each exchange has a status of its own, so that
 * each series holds one.
 */
#ifndef FATHOM_TEST_SCENARIO_H
#define FATHOM_TEST_SCENARIO_H

#include "end.h"

#define MAX_EXCHANGES 24
#ifndef MAX_MESSAGES
#define MAX_MESSAGES MAX_EXCHANGES
#endif

/* Where a message lies in its stream. */
struct message {
	u32 from, to;
	u32 decoy; /* where something in its body looks like a message; 0: nowhere */
	u32 needs; /* so much of the other stream has passed before its first byte is sent */
};

struct messages {
	struct message message[MAX_MESSAGES];
	u32 count;
};

struct expected {
	u16 status; /* STATUS_ABORTED: no response */
	u8 method;
	/* The calls that hold the first byte of the request, and the last one of the response. */
	u32 begin_call, end_call;
};

struct scenario {
	const char *name;
	struct stream in, out; /* read, written */
	struct messages in_messages, out_messages;
	struct expected expected[MAX_EXCHANGES];
	u32 exchanges;
	/* How much of the other stream has to have passed before a call, see may_follow(). */
	u32 in_needs[MAX_CALLS], out_needs[MAX_CALLS];
	u8 role;
	u32 at_once;  /* the client sends so many requests before it waits for responses; 0: all */
	u32 answered; /* how much of the responses it has waited for */
	bool pipelined;	  /* at_once is not 1 */
	bool undecidable; /* may be lost, but in the right number */
	bool decoyed;	  /* a call begins with a decoy, which is a message to who saw no head */
};

static inline const struct stream *stream_of(const struct scenario *sc, u32 what)
{
	return what < CALL_WRITE ? &sc->in : &sc->out;
}

static inline struct stream *requests_of(struct scenario *sc)
{
	return sc->role == ROLE_SERVER ? &sc->in : &sc->out;
}

static inline struct stream *responses_of(struct scenario *sc)
{
	return sc->role == ROLE_SERVER ? &sc->out : &sc->in;
}

static inline struct messages *messages_of(struct scenario *sc, const struct stream *s)
{
	return s == &sc->in ? &sc->in_messages : &sc->out_messages;
}

static inline u32 events_of(const struct scenario *sc)
{
	return 2 * (sc->in.calls + sc->out.calls);
}

/*
 * Cuts a stream at AT (N of them, ascending), and, if AT_MESSAGES, where its messages begin: what
 * waits for something is in a call of its own then.
 */
static inline void cut(struct scenario *sc, struct stream *s, bool at_messages, const u32 *at,
		       u32 n)
{
	const struct messages *m = messages_of(sc, s);
	u32 i, j = 0, k = 0;

	s->calls = 0;
	for (i = 0; i < s->length; i++) {
		bool here = !i;

		while (k < m->count && m->message[k].from < i)
			k++;
		while (j < n && at[j] < i)
			j++;
		here |= at_messages && k < m->count && m->message[k].from == i;
		here |= j < n && at[j] == i;
		if (here && s->calls < MAX_CALLS)
			s->cuts[s->calls++] = i;
	}
	s->cuts[s->calls] = s->length;
}

static inline void note_needs(const struct stream *s, const struct messages *m, u32 *needs)
{
	u32 call, i;

	for (call = 0; call < s->calls; call++) {
		needs[call] = 0;
		for (i = 0; i < m->count; i++)
			if (m->message[i].from < s->cuts[call + 1] &&
			    m->message[i].to > s->cuts[call] && m->message[i].needs > needs[call])
				needs[call] = m->message[i].needs;
	}
}

/* To be called when both streams are cut. */
static inline void locate(struct scenario *sc)
{
	const struct stream *request = requests_of(sc), *response = responses_of(sc);
	const struct messages *sent = messages_of(sc, request),
			      *answers = messages_of(sc, response);
	u32 i, begin;

	note_needs(&sc->in, &sc->in_messages, sc->in_needs);
	note_needs(&sc->out, &sc->out_messages, sc->out_needs);
	for (i = 0; i < answers->count; i++)
		if (answers->message[i].decoy &&
		    response->cuts[call_of(response, answers->message[i].decoy)] ==
			    answers->message[i].decoy)
			sc->decoyed = true;
	for (i = 0; i < sc->exchanges; i++) {
		begin = sent->message[i].from;
		while (begin < request->length &&
		       (request->bytes[begin] == '\r' || request->bytes[begin] == '\n'))
			begin++;
		sc->expected[i].begin_call = call_of(request, begin);
		if (i < answers->count)
			sc->expected[i].end_call = call_of(response, answers->message[i].to - 1);
	}
}

/*
 * Whether an event may come next, if NEXT are the next calls of each kind. The peer has sent what
 * is read when it had received what that answers: a matter of calls. The process writes when it
 * has returned from the reads of what that answers: their hooks have run.
 */
static inline bool may_follow(const struct scenario *sc, const u32 *next, u32 what)
{
	if (!has_come(stream_of(sc, what), next, what))
		return false;
	if (what == CALL_READ)
		return sc->out.cuts[next[CALL_WRITE]] >= sc->in_needs[next[what]];
	if (what == CALL_WRITE)
		return sc->in.cuts[next[HOOK_READ]] >= sc->out_needs[next[what]];
	return true;
}

/* A call, or its hook unless that is LEFT_OUT. */
static inline void run_event(const struct scenario *sc, struct event e, bool left_out,
			     struct view view)
{
	const struct stream *s = stream_of(sc, e.what);
	u32 direction = e.what < CALL_WRITE ? READ : WRITE;

	host_now += TICK;
	end.times[e.what][e.call] = host_now;
	if (!is_hook(e))
		run_call(s, e.call, direction);
	else if (!left_out)
		run_hook(s, e.call, direction, view);
}

/*
 * Whether a call moves one byte at the very end: without its hook that is not told apart from a
 * FIN.
 */
static inline bool is_like_fin(const struct scenario *sc, struct event e)
{
	const struct stream *s = stream_of(sc, e.what);

	return e.call + 1u == s->calls && call_length(s, e.call) == 1;
}

/*
 * Whether NS lies between the calls that the exchange is made of, as their hooks may have seen
 * them.
 */
static inline bool is_duration_of(const struct scenario *sc, const struct expected *x, u64 ns)
{
	s64 a, b, least, most;

	if (x->status == STATUS_ABORTED)
		return true;
	if (sc->role == ROLE_SERVER) { /* from when it had arrived */
		a = end.times[CALL_WRITE][x->end_call] - end.times[CALL_READ][x->begin_call];
		b = end.times[HOOK_WRITE][x->end_call] - end.times[CALL_READ][x->begin_call];
	} else {
		a = end.times[CALL_READ][x->end_call] - end.times[HOOK_WRITE][x->begin_call];
		b = end.times[HOOK_READ][x->end_call] - end.times[CALL_WRITE][x->begin_call];
	}
	least = a < b ? a : b;
	most = a < b ? b : a;
	return (s64)ns <= most && (s64)ns >= (least < 0 ? 0 : least);
}

/* What happened besides the events of a scenario, and so what may be lost. */
struct mishaps {
	u32 unseen;    /* hooks that were left out, or could not read what passed */
	bool joined;   /* the connection was there before the programs were */
	bool unclosed; /* its end was missed */
	bool paused;   /* for so long that what is not known to go on is taken for over */
	u32 earlier;   /* exchanges of another connection that may be lost with this one */
};

/*
 * Compares what was counted with what is right; returns what is wrong, or NULL. Each exchange has
 * to be counted once with its own method and status, and with a duration of its own; or it is
 * lost. Where there was no mishap nothing may be lost.
 */
static inline const char *what_is_wrong(const struct scenario *sc, const struct mishaps *m)
{
	const struct histogram *h;
	struct series_key key;
	u64 counted = 0, lost, bytes;
	u32 at = 0, unseen, i;

	while (next_counted(&at, &key, &h)) {
		const struct expected *x = NULL;

		for (i = 0; i < sc->exchanges; i++)
			if (sc->expected[i].status == key.status &&
			    sc->expected[i].method == key.operation)
				x = &sc->expected[i];
		if (!x)
			return "an exchange that was none";
		if (observations(h) != 1)
			return "counted twice";
		if (!m->paused && !is_duration_of(sc, x, h->sum))
			return "a duration that is another's";
		counted++;
	}
	lost = lost_in_all(&bytes);
	/* bytes that may be a request or not were given up, and what follows them is as unseen */
	unseen = m->unseen + (sc->undecidable && bytes);
	if (counted + lost > sc->exchanges + 2 * unseen + m->earlier + 2 * m->joined)
		return "more lost than there was";
	if (m->joined || m->unclosed || m->earlier)
		return NULL;
	if (unseen)
		return counted < sc->exchanges && !lost && !bytes ? "missing, and not lost" : NULL;
	if (sc->undecidable && counted + lost == sc->exchanges)
		return NULL;
	if (counted != sc->exchanges)
		return "an exchange is missing";
	if (lost)
		return "something is lost";
	if (bytes && !m->paused)
		return "bytes are lost";
	return NULL;
}

static const char *const event_names[] = {"read", "read's hook", "write", "write's hook"};

static inline void print_event(const struct scenario *sc, struct event e, const char *note)
{
	printf("  %-12s %u %s", event_names[e.what], e.call, note);
	if (!is_hook(e))
		print_call(stream_of(sc, e.what), e.call, 110);
	printf("\n");
}

/* Prints what would have been right, and what was counted. */
static inline void print_outcome(const struct scenario *sc)
{
	u32 i;

	printf("  right:");
	for (i = 0; i < sc->exchanges; i++)
		printf(" method %u status %u,", sc->expected[i].method, sc->expected[i].status);
	printf("\n");
	print_counted();
}

#endif

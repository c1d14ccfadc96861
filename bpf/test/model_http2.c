// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The model of one end of a connection, as in model.c, for HTTP/2: requests and responses in frames
 * that are interleaved in any way, cut into calls anywhere, whose hooks run in the orders that TCP
 * and the programs allow.
 *
 * What is right is known from the frames alone: see http2_outcomes.h.
 */
#define MAX_STREAM 65536
#define MAX_MESSAGES 1024
#include "http2_outcomes.h"

long clock(void);
#define CLOCKS_PER_SEC 1000000 /* POSIX */

#define MAX_EXPLAINED 5 /* failures */

static struct {
	u64 scenarios, orders, left_out, undecided, failures, explained, explained_of;
} figures;

/* Choices are made at random; all are the plainest where the state is 0. */
static u64 random_state;

static u32 choose(u32 n)
{
	u64 x = random_state;

	if (!x)
		return 0;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	random_state = x;
	return (x >> 11) % n;
}

/* What happens at an event. */
enum {
	AS_USUAL,
	LEFT_OUT,
	GONE,  /* the memory of its bytes */
	FAULT, /* nothing tells where they are */
	SWEEP, /* behind it */
};

/* An order of a scenario's events. */
struct order {
	struct event events[MAX_EVENTS];
	u8 modes[MAX_EVENTS];
	u32 count;
	u32 next[WHATS]; /* the next call of each kind */
	u32 join;	 /* the event before which the programs are there */
	u32 pieces;
	u64 seed; /* from which the frames were made */
};

static u64 closed_at;

/* In an order that is written down. */
static const char marks[] = {' ', '-', '?', '!', '*'};

static void explain(const struct order *o, const char *wrong)
{
	static const char *const notes[] = {[AS_USUAL] = "",
					    [LEFT_OUT] = "left out",
					    [GONE] = "memory is gone",
					    [FAULT] = "no buffer",
					    [SWEEP] = "and sweep"};
	const struct scenario *sc = &made.scenario;
	u32 i;

	printf("\nFAILED: at the %s: %s\n", sc->role == ROLE_SERVER ? "server" : "client", wrong);
	printf("  {\"\", %s, \"%s\", %#llxULL, \"",
	       sc->role == ROLE_SERVER ? "ROLE_SERVER" : "ROLE_CLIENT", made.text, o->seed);
	for (i = 0; i < o->count; i++) {
		if (o->join && i == o->join)
			printf("^");
		printf("%c", "rRwW"[o->events[i].what]);
		if (o->modes[i])
			printf("%c", marks[o->modes[i]]);
	}
	printf("\", {");
	for (i = 1; i < sc->in.calls; i++)
		printf("%u, ", sc->in.cuts[i]);
	printf("}, {");
	for (i = 1; i < sc->out.calls; i++)
		printf("%u, ", sc->out.cuts[i]);
	printf("}, %u},\n", o->pieces);
	for (i = 0; i < o->count; i++) {
		if (o->join && i == o->join)
			printf("  joined\n");
		print_event(sc, o->events[i], notes[o->modes[i]]);
	}
	print_http2(closed_at);
	fflush(NULL);
}

static void run_order(const struct order *o)
{
	const struct scenario *sc = &made.scenario;
	struct mishaps mishaps = {.joined = o->join};
	const char *wrong;
	bool like_fin = false;
	u32 late = 0, i;

	forget_all();
	attached = !o->join;
	open_end(sc->role, 1);
	for (i = 0; i < o->count; i++) {
		u32 mode = o->modes[i];
		struct view view = {.pieces = o->pieces,
				    .fault = mode == FAULT ? FAULT_IO_URING : 0,
				    .gone = mode == GONE};

		if (i == o->join)
			attached = true;
		if (i < o->join)
			late += is_hook(o->events[i]) ? -1 : 1;
		run_event(sc, o->events[i], mode == LEFT_OUT, view);
		if (mode == SWEEP)
			sweep_slot(max_connections, host_now);
		if (mode == LEFT_OUT)
			like_fin |= is_like_fin(sc, o->events[i]);
		mishaps.unseen += mode == LEFT_OUT || view.gone || view.fault;
	}
	attached = true;
	host_now += TICK;
	closed_at = host_now;
	close_end();
	figures.orders++;
	figures.left_out += mishaps.unseen;
	if (like_fin)
		return;
	wrong = what_is_wrong_http2(&mishaps, closed_at);
	if (!wrong)
		return;
	/* to who does not know where frames begin: see "undecidable" in docs/how-it-works.md */
	if ((mishaps.unseen || mishaps.joined) &&
	    (has_decoy(sc, &sc->in) || has_decoy(sc, &sc->out))) {
		figures.undecided++;
		return;
	}
	/* the hook of a request may come behind that of its response, which was not seen */
	if (mishaps.joined && late) {
		figures.undecided++;
		return;
	}
	figures.failures++;
	if (figures.explained < MAX_EXPLAINED && figures.explained_of != figures.scenarios) {
		figures.explained++;
		figures.explained_of = figures.scenarios;
		explain(o, wrong);
	}
}

static void add_event(struct order *o, u32 what)
{
	o->modes[o->count] = AS_USUAL;
	o->events[o->count++] = (struct event){what, o->next[what]++};
}

/* One order at random, of which up to LEFT_OUT hooks do not see their bytes. */
static void run_at_random(u64 seed, u32 left_out, bool sweeps, bool joined)
{
	const struct scenario *sc = &made.scenario;
	struct order o = {.seed = seed};
	u32 n = events_of(sc), hasty = choose(4), i, what;

	while (o.count < n) {
		for (what = choose(WHATS); !may_follow(sc, o.next, what);)
			what = choose(WHATS);
		/*
		 * hooks are late more often than not, or rarely, or calls of one direction come
		 * first
		 */
		if ((hasty == 1 && what & 1 && choose(4)) ||
		    (hasty == 2 && !(what & 1) && choose(4)) ||
		    (hasty == 3 && what >= CALL_WRITE && choose(4)))
			for (i = 0; i < 8; i++) {
				u32 other = choose(WHATS);

				if (may_follow(sc, o.next, other) && other != what) {
					what = other;
					break;
				}
			}
		add_event(&o, what);
	}
	for (i = 0; i < left_out; i++) {
		u32 at = choose(n);

		if (is_hook(o.events[at]))
			o.modes[at] = LEFT_OUT + choose(3);
	}
	for (i = 0; i < n; i++)
		if (sweeps && !o.modes[i] && !choose(3))
			o.modes[i] = SWEEP;
	o.pieces = choose(2) ? choose(MAX_PIECES + 1) : 0;
	o.join = joined ? choose(n) : 0;
	run_order(&o);
}

/* Goes through all orders that continue this one, up to *MORE of them. */
static void run_all(struct order *o, u32 *more)
{
	u32 what;

	if (o->count == events_of(&made.scenario)) {
		run_order(o);
		*more -= 1;
		return;
	}
	for (what = 0; what < WHATS && *more; what++) {
		if (!may_follow(&made.scenario, o->next, what))
			continue;
		add_event(o, what);
		run_all(o, more);
		o->count--;
		o->next[what]--;
	}
}

/* Cuts a stream at random: up to MOST times anywhere, or near to where frames begin. */
static void cut_at_random(struct stream *s, u32 most)
{
	const struct messages *m = messages_of(&made.scenario, s);
	u32 at[MAX_CALLS], n = choose(most + 1), how = choose(4), i, j;

	for (i = 0; i < n; i++) {
		u32 where = choose(s->length ? s->length : 1);

		if (how && m->count) {
			where = m->message[choose(m->count)].from;
			if (how > 1)
				where += choose(how == 2 ? 10 : 24);
		}
		for (j = i; j && at[j - 1] > where; j--)
			at[j] = at[j - 1];
		at[j] = where;
	}
	cut(&made.scenario, s, !choose(8), at, n);
}

/* Cuts both streams, in a way that has an order. False: there is none. */
static bool cut_both(u32 most)
{
	struct scenario *sc = &made.scenario;
	u32 i;

	for (i = 0; i < 20; i++) {
		if (i < 10) {
			cut_at_random(&sc->in, most);
			cut_at_random(&sc->out, most);
		} else {
			cut(sc, &sc->in, true, NULL, 0);
			cut(sc, &sc->out, true, NULL, 0);
		}
		note_all_needs(sc);
		if (sc->in.calls && sc->out.calls && has_an_order(sc))
			return true;
	}
	return false;
}

/* N connections at random, each cut and ordered in several ways. */
static void run_random(u32 n, u32 exchanges, u32 left_out, u32 orders, bool joined)
{
	static struct text text;
	u32 i, j, role;
	u64 seed;

	for (i = 0; i < n; i++) {
		make_text(&text, 1 + choose(exchanges), choose(4) == 3, choose(3) == 2);
		role = choose(2) ? ROLE_SERVER : ROLE_CLIENT;
		seed = random_state;
		write_frames(role, text.bytes);
		if (!cut_both(choose(3) ? 6 : MAX_CALLS - 1))
			continue;
		figures.scenarios++;
		for (j = 0; j < orders; j++) {
			if (j && j % 4 == 0 && !cut_both(6))
				break;
			run_at_random(seed, left_out ? 1 + choose(left_out) : 0, !choose(4),
				      joined);
		}
	}
}

/* N connections of up to two exchanges in a few calls, in all orders up to MOST. */
static void run_every_order(u32 n, u32 most)
{
	static struct text text;
	struct order o;
	u32 i, more, role;

	for (i = 0; i < n; i++) {
		o = (struct order){};
		make_text(&text, 1 + choose(2), choose(4) == 3, false);
		role = choose(2) ? ROLE_SERVER : ROLE_CLIENT;
		o.seed = random_state;
		write_frames(role, text.bytes);
		if (!cut_both(3))
			continue;
		figures.scenarios++;
		more = most;
		run_all(&o, &more);
	}
}

/* More streams at once than a connection has places itself. */
static void run_many(u32 n, u32 left_out)
{
	static struct text text;
	u32 i, j, streams, role, k;
	u64 seed;

	for (i = 0; i < n; i++) {
		streams = 60 + choose(140);
		memset(&text, 0, sizeof(text));
		say(&text, false, 'p', 0);
		say(&text, false, 's', 0);
		for (j = 1; j <= streams; j++)
			say(&text, false, 'Q', j);
		k = streams - choose(20);
		for (j = 0; j < k; j++) /* 7 shares no divisor with most numbers of streams */
			say(&text, false, 'H', 1 + (streams % 7 ? 7 * j % streams : j));
		role = choose(2) ? ROLE_SERVER : ROLE_CLIENT;
		seed = random_state;
		write_frames(role, text.bytes);
		if (!cut_both(MAX_CALLS - 1))
			continue;
		figures.scenarios++;
		for (j = 0; j < 4; j++)
			run_at_random(seed, left_out ? 1 + choose(left_out) : 0, !choose(4), false);
	}
}

/*
 * Orders that were counted wrong once: the text, from what its frames' choices were made, where
 * its streams are cut, and the events. Each letter of these is the next event of its kind: r, w are
 * calls, R, W their hooks; and the mark behind it says what happens at it, as in explain().
 */
static const struct known {
	const char *name;
	u8 role;
	const char *text;
	u64 seed;
	const char *order;
	u32 in[MAX_CALLS], out[MAX_CALLS];
	u32 pieces;
} known[] = {
	{"the server's SETTINGS in pieces, before all of the preface",
	 ROLE_CLIENT,
	 "p <s Q1 h1 B1",
	 0xc93e7f239e3e6018ULL,
	 "wWwrRrRrRW",
	 {1, 17},
	 {8},
	 0},
	{"a server's SETTINGS before the late hook of the preface",
	 ROLE_SERVER,
	 "p s q1 h1 X1 d1 K k <d1",
	 0x15919f830cbc3c54ULL,
	 "rwWRrRwrRW",
	 {33, 60},
	 {3},
	 0},
	{"the head of a request's frame in two calls, the second one late",
	 ROLE_CLIENT,
	 "p <s Q1 X1 K",
	 0x2052e2fe9fedf0acULL,
	 "wWwWwrRW",
	 {},
	 {54, 61},
	 0},
	{"the first byte of a CONTINUATION in a call of its own",
	 ROLE_SERVER,
	 "p <s Q1 k <x1 k K",
	 0xde4ab0e9c36a1a75ULL,
	 "rRwrRWwW",
	 {58},
	 {15},
	 0},
	{"RST_STREAM behind a response, before the late hook of the request",
	 ROLE_CLIENT,
	 "p q1 <s H1 K d1 Q2 g1 t1 k X1 K x1",
	 0xf244d08191301c6ULL,
	 "wWwrRrRWwWwW",
	 {106},
	 {8, 85, 87},
	 0},
	{"trailers of a request that was not seen",
	 ROLE_SERVER,
	 "p s q1 q2 t2 h1 k <x1 b1 K T1 x2 X2",
	 0x2595739af9ae1c8dULL,
	 "rRwWw*Wr*R*rR-r*Rr*R*rRwrR*WwWw*W*r*Rr*R*rRr*R*rR",
	 {44, 45, 65, 120, 141, 236, 243, 264, 273, 285, 286},
	 {7, 20, 68, 135},
	 0},
	{"trailers of a response whose table was not seen",
	 ROLE_SERVER,
	 "p q1 Q2 D1 s <h2 b2 T2 <h1 T1 K",
	 0xa0a07f3bc3096ae6ULL,
	 "rRrR-rRrRrRrRrRwWwWwWwW",
	 {48, 54, 91, 94, 135, 137},
	 {81, 108, 187},
	 0},
	{"a read missed before the late hook of the preface",
	 ROLE_CLIENT,
	 "p <s q1 Q2 h1 b1 H2 t1 X2 T1",
	 0x347f16aa68708339ULL,
	 "wrR-rRW",
	 {141},
	 {},
	 0},
	{"joined, and reads whose arrivals nobody took",
	 ROLE_SERVER,
	 "p s K q1 k H1 q2 i2 <d1 i2 <h2 K d1 x1 d2 k <d2",
	 0xba11bc49a2909d04ULL,
	 "rRrRrR^rRrRrRrRrwWRrRwWwrRrRrRrRrRWwWwWrR",
	 {25, 44, 45, 62, 68, 120, 128, 144, 169, 179, 199, 212, 244, 253},
	 {22, 69, 180, 233},
	 0},
	{"RST_STREAM, before the late hook of the write that ended the response",
	 ROLE_SERVER,
	 "p s q1 h1 b1 k <X1 X1 t1 K Q2 <x1 ",
	 0xf5e2976f95b15aafULL,
	 "rRrRwrRW",
	 {45, 293},
	 {},
	 0},
	{"joined by a response before the late hook of its request",
	 ROLE_CLIENT,
	 "p s Q1 Q2 K h2 h1 <X2 T1 q3 q4 t3 h3 K B3 t4",
	 0xc19f9c6bf548428aULL,
	 "wWwW^wrRWwWwW",
	 {},
	 {99, 118, 186, 239},
	 0},
};

static void cut_as_known(struct stream *s, const u32 *at)
{
	u32 n = 0;

	while (n < MAX_CALLS && at[n])
		n++;
	cut(&made.scenario, s, false, at, n);
}

static void run_known(void)
{
	u32 i, what, mode;
	const char *p;

	for (i = 0; i < COUNT(known); i++) {
		struct order o = {.seed = known[i].seed, .pieces = known[i].pieces};

		random_state = known[i].seed;
		write_frames(known[i].role, known[i].text);
		cut_as_known(&made.scenario.in, known[i].in);
		cut_as_known(&made.scenario.out, known[i].out);
		note_all_needs(&made.scenario);
		for (p = known[i].order; *p; p++) {
			for (mode = LEFT_OUT; mode <= SWEEP && marks[mode] != *p; mode++)
				;
			if (mode <= SWEEP) {
				o.modes[o.count - 1] = mode;
				continue;
			}
			if (*p == '^') { /* it is joined here */
				o.join = o.count;
				continue;
			}
			for (what = 0; "rRwW"[what] != *p; what++)
				;
			if (!may_follow(&made.scenario, o.next, what))
				abort();
			add_event(&o, what);
		}
		if (o.count != events_of(&made.scenario))
			abort();
		figures.scenarios++;
		run_order(&o);
	}
}

static void report(const char *what)
{
	static long before;
	long now = clock();

	printf("http2: %s: %llu connections, %llu orders, %llu hooks run, %llu left out, %.1f s\n",
	       what, figures.scenarios, figures.orders, hooks_run, figures.left_out,
	       (double)(now - before) / CLOCKS_PER_SEC);
	fflush(NULL);
	before = now;
}

/* Ends with a line of how many runs passed and failed, for scripts/test-c.sh to add up. */
int main(void)
{
	attached = true;
	run_known();
	report("orders that were wrong once");
	random_state = 0x9e3779b97f4a7c15ULL;
	run_every_order(1000, 200);
	report("all orders");
	run_random(12000, 6, 0, 12, false);
	report("and at random");
	run_many(100, 0);
	report("and many streams");
	run_random(12000, 6, 2, 12, false);
	report("and hooks left out");
	run_many(100, 1);
	run_random(8000, 6, 0, 8, true);
	report("and joined");
	printf("http2: %llu orders, in %llu of which nobody could know what is right\n",
	       figures.orders, figures.undecided);
	printf("%llu %llu\n", figures.orders - figures.failures, figures.failures);
	return figures.failures != 0;
}

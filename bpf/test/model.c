// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A model of one end of a connection. It makes sequences of messages, cuts both directions into
 * calls, and runs the hooks of these calls in every order that TCP and the programs allow: a hook
 * runs after its call and before the next call of the same direction, however late; a server
 * writes a response after the hook of the read that brought its request; a client reads it after
 * its request was written, whose hook may not have run. Hooks may be left out.
 *
 * What is right is known from the messages alone: see scenario.h.
 */
#include "http1_messages.h"

long clock(void);
#define CLOCKS_PER_SEC 1000000 /* POSIX */

#define MAX_EXPLAINED 5 /* failures */

static struct {
	u64 scenarios, orders, runs, left_out, undecided, failures;
} figures;

/* One order of a scenario's events, and the search through all of them. */
struct search {
	const struct scenario *sc;
	struct event order[MAX_EVENTS];
	u32 count;
	u32 next[WHATS]; /* the next call of each kind */
	u64 most;	 /* orders */
	u32 left_out;	 /* at most so many hooks are */
	bool sweeps;	 /* the sweep runs between all events */
	struct view view;
};

static void explain(const struct search *se, u64 left_out, const char *wrong)
{
	const struct scenario *sc = se->sc;
	u32 i;

	printf("\nFAILED: %s, at the %s: %s\n", sc->name,
	       sc->role == ROLE_SERVER ? "server" : "client", wrong);
	for (i = 0; i < se->count; i++)
		print_event(sc, se->order[i], left_out >> i & 1 ? "left out" : "");
	print_outcome(sc);
	fflush(NULL);
}

/* Runs an order without the hooks of which the bit in LEFT_OUT is set. */
static void run_order(const struct search *se, u64 left_out)
{
	struct mishaps mishaps = {.unseen = __builtin_popcountll(left_out)};
	const struct scenario *sc = se->sc;
	const char *wrong;
	u32 i;

	forget_all();
	open_end(sc->role, 1);
	for (i = 0; i < se->count; i++) {
		run_event(sc, se->order[i], left_out >> i & 1, se->view);
		if (se->sweeps)
			sweep_slot(max_connections, host_now);
	}
	host_now += TICK;
	close_end();
	figures.runs++;
	figures.left_out += mishaps.unseen;
	wrong = what_is_wrong(sc, &mishaps);
	if (!wrong || (left_out && sc->decoyed))
		return;
	for (i = 0; i < se->count; i++)
		if (left_out >> i & 1 && is_like_fin(sc, se->order[i]))
			return;
	/*
	 * A client that pipelines for the first time within what no hook told: which response is
	 * whose cannot be known, see "undecidable" in docs/how-it-works.md.
	 */
	if (left_out && sc->pipelined) {
		figures.undecided++;
		return;
	}
	if (figures.failures++ < MAX_EXPLAINED)
		explain(se, left_out, wrong);
}

/*
 * Runs an order with all choices of up to MORE hooks from FROM on left out besides those in
 * LEFT_OUT.
 */
static void run_without(const struct search *se, u32 from, u64 left_out, u32 more)
{
	u32 i;

	run_order(se, left_out);
	if (!more)
		return;
	for (i = from; i < se->count; i++)
		if (is_hook(se->order[i]))
			run_without(se, i + 1, left_out | 1ULL << i, more - 1);
}

/* Goes through all orders that continue this one; false when it were enough. */
static bool search(struct search *se)
{
	u32 what;

	if (se->count == events_of(se->sc)) {
		run_without(se, 0, 0, se->left_out);
		figures.orders++;
		return --se->most;
	}
	for (what = 0; what < WHATS; what++) {
		if (!may_follow(se->sc, se->next, what))
			continue;
		se->order[se->count].what = what;
		se->order[se->count].call = se->next[what];
		se->count++;
		se->next[what]++;
		if (!search(se))
			return false;
		se->count--;
		se->next[what]--;
	}
	return true;
}

static void run_scenario(struct scenario *sc, struct search se)
{
	u64 before = figures.orders;

	se.sc = sc;
	locate(sc);
	if (events_of(sc) > 64) /* bits of LEFT_OUT */
		abort();
	figures.scenarios++;
	search(&se);
	if (figures.orders != before)
		return;
	printf("FAILED: a scenario of %u events has no order\n", events_of(sc));
	figures.failures++;
}

static u32 random_below(u32 n)
{
	static u64 x = 0x9e3779b97f4a7c15ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (x >> 11) % n;
}

/* All pairs of exchanges, with a call for each message. */
static void run_pairs(u32 left_out)
{
	const u32 exchanges = COUNT(requests) * COUNT(responses);
	static struct scenario sc;
	struct choice c[2];
	u32 i, role, pipelined;

	for (i = 0; i < exchanges * exchanges; i++) {
		c[0].request = i % COUNT(requests);
		c[0].response = i / COUNT(requests) % COUNT(responses);
		c[1].request = i / exchanges % COUNT(requests);
		c[1].response = i / exchanges / COUNT(requests);
		if (!fits(c, 2, left_out))
			continue;
		for (role = ROLE_SERVER; role <= ROLE_CLIENT; role++) {
			for (pipelined = 0; pipelined < 2; pipelined++) {
				build(&sc, role, c, 2, !pipelined, 0);
				cut(&sc, &sc.in, true, NULL, 0);
				cut(&sc, &sc.out, true, NULL, 0);
				run_scenario(&sc,
					     (struct search){.most = 200, .left_out = left_out});
			}
		}
	}
}

/* Batches of requests in one call, and their responses in one call, or one for each. */
static void run_batches(void)
{
	static struct scenario sc;
	struct choice c[EXCHANGES];
	u32 role, size, each, i, at[EXCHANGES];

	for (i = 0; i < EXCHANGES; i++) { /* of three requests one is HEAD */
		c[i].request = i % 3 == 1;
		for (c[i].response = 0; responses[c[i].response].to_head != c[i].request;)
			c[i].response++;
	}
	for (role = ROLE_SERVER; role <= ROLE_CLIENT; role++) {
		for (size = 2; size <= EXCHANGES / 2; size++) {
			for (each = 0; each < 2; each++) {
				build(&sc, role, c, 2 * size, size, 0);
				at[0] = messages_of(&sc, requests_of(&sc))->message[size].from;
				cut(&sc, requests_of(&sc), false, at, 1);
				at[0] = messages_of(&sc, responses_of(&sc))->message[size].from;
				cut(&sc, responses_of(&sc), each, at, 1);
				run_scenario(&sc, (struct search){.most = 300});
			}
		}
	}
}

/* N sequences of usual exchanges, of which each message has a call, one after the other. */
static void run_usual(u32 n, u32 exchanges, u32 left_out, u64 most)
{
	static const u8 usual_requests[] = {0, 1, 5}, usual_responses[] = {0, 1, 2};
	static struct scenario sc;
	struct choice c[4];
	u32 i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < exchanges; j++) {
			c[j].request = usual_requests[random_below(COUNT(usual_requests))];
			c[j].response = usual_responses[random_below(COUNT(usual_responses))];
			if (requests[c[j].request].method == METHOD_HEAD)
				c[j].response = 10;
		}
		build(&sc, random_below(2) ? ROLE_SERVER : ROLE_CLIENT, c, exchanges, 1, 0);
		cut(&sc, &sc.out, true, NULL, 0);
		cut(&sc, &sc.in, true, NULL, 0);
		run_scenario(&sc, (struct search){.most = most, .left_out = left_out});
	}
}

/* Cuts a stream at up to two places. */
static void cut_somewhere(struct scenario *sc, struct stream *s, bool at_messages)
{
	u32 at[2], n = random_below(3), i;

	for (i = 0; i < n; i++)
		at[i] = random_below(s->length ? s->length : 1);
	if (n == 2 && at[0] > at[1]) {
		i = at[0];
		at[0] = at[1];
		at[1] = i;
	}
	cut(sc, s, at_messages, at, n);
}

/* N sequences at random, cut at random, MOST orders of each. */
static void run_random(u32 n, u32 left_out, u64 most)
{
	static struct scenario sc;
	struct choice c[4];
	u32 i, j, exchanges;

	for (i = 0; i < n; i++) {
		struct search se = {.most = most, .left_out = left_out};
		bool pipelined = random_below(2);

		exchanges = 1 + random_below(pipelined ? 4 : 3);
		do {
			for (j = 0; j < exchanges; j++) {
				c[j].request = random_below(COUNT(requests));
				c[j].response = random_below(COUNT(responses));
			}
		} while (!fits(c, exchanges, left_out));
		/* Behind a preamble of which a part goes unseen, nobody knows that it was one. */
		build(&sc, random_below(2) ? ROLE_SERVER : ROLE_CLIENT, c, exchanges, !pipelined,
		      left_out ? 0 : i / 2 % COUNT(preambles));
		/*
		 * Requests that wait for a response are not in one call with what is sent before
		 * it.
		 */
		cut_somewhere(&sc, &sc.out, !pipelined || random_below(2));
		cut_somewhere(&sc, &sc.in, !pipelined || random_below(2));
		se.sweeps = !random_below(4);
		se.view.pieces = random_below(2) ? random_below(MAX_PIECES + 1) : 0;
		run_scenario(&sc, se);
	}
}

/*
 * Orders that were counted wrong once. Each letter is the next event of its kind: r, w are calls,
 * R, W their hooks, which a minus behind them leaves out. Requests and responses are indexes of
 * the tables.
 */
static const struct {
	const char *name, *order;
	u8 role, exchanges;
	struct choice choices[3];
} known[] = {
	/*
	 * The second exchange was counted with the first one's method, or the first with the
	 * second one's status.
	 */
	{"a read missed before the late hook of its request",
	 "wrR-WwrRW",
	 ROLE_CLIENT,
	 2,
	 {{0, 0}, {5, 2}}},
	{"a read and a write both late", "wrWRwrRW", ROLE_CLIENT, 2, {{0, 0}, {5, 2}}},
	/* The second exchange was counted with the third one's status. */
	{"two reads missed, and a write late",
	 "wrR-WwrR-WwrRW",
	 ROLE_CLIENT,
	 3,
	 {{5, 2}, {0, 0}, {5, 2}}},
	/* The third exchange was counted as aborted. */
	{"two reads missed, and a write",
	 "wrR-WwrR-W-wrRW",
	 ROLE_CLIENT,
	 3,
	 {{0, 0}, {0, 0}, {5, 1}}},
	{"a read missed, and the write that answers it late",
	 "rR-wrRWwW",
	 ROLE_SERVER,
	 2,
	 {{0, 0}, {5, 2}}},
};

static void run_known(void)
{
	static struct scenario sc;
	u32 i, what;

	for (i = 0; i < COUNT(known); i++) {
		struct search se = {.sc = &sc};
		const char *p;
		u64 left_out = 0;

		build(&sc, known[i].role, known[i].choices, known[i].exchanges, 1, 0);
		sc.name = known[i].name;
		cut(&sc, &sc.in, true, NULL, 0);
		cut(&sc, &sc.out, true, NULL, 0);
		locate(&sc);
		for (p = known[i].order; *p; p++) {
			if (*p == '-') {
				left_out |= 1ULL << (se.count - 1);
				continue;
			}
			for (what = 0; "rRwW"[what] != *p; what++)
				;
			if (!may_follow(&sc, se.next, what))
				abort();
			se.order[se.count++] = (struct event){what, se.next[what]++};
		}
		if (se.count != events_of(&sc))
			abort();
		figures.scenarios++;
		figures.orders++;
		run_order(&se, left_out);
	}
}

static void report(const char *what)
{
	static long before;
	long now = clock();

	printf("model: %s: %llu scenarios, %llu orders, %llu hooks run, %llu left out, %.1f s\n",
	       what, figures.scenarios, figures.orders, hooks_run, figures.left_out,
	       (double)(now - before) / CLOCKS_PER_SEC);
	before = now;
}

/* Ends with a line of how many runs passed and failed, for scripts/test-c.sh to add up. */
int main(void)
{
	attached = true;
	run_known();
	report("orders that were wrong once");
	run_batches();
	report("and batches");
	run_pairs(0);
	report("and pairs of exchanges");
	run_random(3000, 0, 60);
	report("and sequences at random");
	run_pairs(1);
	report("and pairs with hooks left out");
	run_random(1500, 1, 20);
	report("and sequences with hooks left out");
	run_usual(200, 3, 2, 1000);
	run_usual(100, 4, 2, 1000);
	report("and usual sequences with two hooks left out");
	printf("model: %llu runs, in %llu of which nobody could know which response is whose\n",
	       figures.runs, figures.undecided);
	printf("%llu %llu\n", figures.runs - figures.failures, figures.failures);
	return figures.failures != 0;
}

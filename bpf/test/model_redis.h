/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The model's messages of Redis, and what is made of them. */

struct redis_text {
	const char *request, *reply; /* reply: NULL: none, and the connection ends */
	u8 operation;
	u16 status;
	bool quiet;  /* nothing answers it */
	bool pushes; /* its reply tells that pushes come, or may be taken for one */
};

static const struct redis_text texts[] = {
	{"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$5\r\nhello\r\n", REDIS_GET, 0, false, false},
	{"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$25\r\n*1\r\n$4\r\nPING\r\n+OK\r\n-x\r\n\r\n\r\n",
	 "+OK\r\n", REDIS_SET, 0, false, false},
	{"*2\r\n$4\r\ninCR\r\n$1\r\na\r\n", ":1234567\r\n", REDIS_INCR, 0, false, false},
	{"*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$2\r\n-1\r\n",
	 "*3\r\n$7\r\nmessage\r\n$-1\r\n*2\r\n:1\r\n+x\r\n", REDIS_LRANGE, 0, false, false},
	{"*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n", "%1\r\n$2\r\n\r\n\r\n$0\r\n\r\n", REDIS_HGETALL, 0,
	 false, false},
	{"*1\r\n$4\r\nLPOP\r\n", "-ERR wrong number of arguments for 'lpop' command\r\n",
	 REDIS_LPOP, REDIS_ERROR_ERR, false, false},
	{"*2\r\n$7\r\nEVALSHA\r\n$1\r\na\r\n", "-NOSCRIPT No matching script.\r\n", REDIS_EVALSHA,
	 REDIS_ERROR_NOSCRIPT, false, false},
	{"*1\r\n$7\r\nNOTHING\r\n", "*0\r\n", REDIS_OTHER, 0, false, false},
	{"PING\r\n", "+PONG\r\n", REDIS_PING, 0, false, false},
	{"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*2\r\n$3\r\nDEL\r\n$1\r\nx\r\n", "",
	 REDIS_DEL, 0, true, false},
	{"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n",
	 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	 "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n",
	 REDIS_SUBSCRIBE, 0, false, true},
	{"*2\r\n$10\r\nSSUBSCRIBE\r\n$1\r\na\r\n",
	 ">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n",
	 REDIS_SSUBSCRIBE, 0, false, true},
	{"*1\r\n$4\r\nQUIT\r\n", NULL, REDIS_QUIT, STATUS_ABORTED, false, false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add(struct stream *s, const char *bytes, u32 needs, u32 number)
{
	struct message *m = &s->messages[s->count++];

	m->from = s->length;
	m->needs = needs;
	m->number = number;
	for (; *bytes; bytes++)
		s->bytes[s->length++] = *bytes;
	m->to = s->length;
}

static bool fits(const u8 *choices, u32 n)
{
	u32 i, j;

	for (i = 0; i < n; i++) {
		if (!texts[choices[i]].reply && i + 1 < n)
			return false;
		for (j = 0; j < i; j++)
			if (choices[i] == choices[j] ||
			    /* which a server refuses, and looks like a message */
			    (texts[choices[j]].operation == REDIS_SUBSCRIBE &&
			     texts[choices[i]].operation == REDIS_LRANGE))
				return false;
	}
	/* A connection is not known by what follows a push, nor is one that nothing answers. */
	return !texts[choices[0]].quiet;
}

/* Makes the two streams, with a call for each message. PIPELINED: the client does not wait. */
static void build(struct scenario *sc, u8 role, const u8 *choices, u32 n, bool pipelined)
{
	struct stream *request = role == ROLE_SERVER ? &sc->in : &sc->out,
		      *reply = role == ROLE_SERVER ? &sc->out : &sc->in;
	u32 i;

	memset(sc, 0, sizeof(*sc));
	sc->role = role;
	sc->name = pipelined ? "pipelined" : "one after the other";
	sc->pipelined = pipelined;
	for (i = 0; i < n; i++) {
		const struct redis_text *t = &texts[choices[i]];

		add(request, t->request, pipelined ? 0 : reply->length, i);
		if (t->reply && *t->reply)
			add(reply, t->reply, request->length, i);
		if (!t->quiet) {
			sc->expected[sc->exchanges].method = t->operation;
			sc->expected[sc->exchanges++].status = t->status;
		}
		/* What a client reads before its request's hook has run may be a confirmation. */
		sc->undecidable |= role == ROLE_CLIENT && t->pushes;
	}
	/* What is read before the hook of the first request has run is not known for Redis. */
	sc->undecidable |= role == ROLE_CLIENT;
}

static void cut(struct stream *s, bool at_messages, const u32 *at, u32 n)
{
	u32 i, j = 0, m = 0;

	s->calls = 0;
	for (i = 0; i < s->length; i++) {
		bool here = !i;

		while (m < s->count && s->messages[m].from < i)
			m++;
		if (at_messages && m < s->count && s->messages[m].from == i)
			here = true;
		while (j < n && at[j] < i)
			j++;
		if (j < n && at[j] == i)
			here = true;
		if (here && s->calls < MAX_CALLS)
			s->cuts[s->calls++] = i;
	}
	s->cuts[s->calls] = s->length;
}

/* Finds out in which calls the exchanges begin and end. */
static void locate(struct scenario *sc, const u8 *choices, u32 n)
{
	const struct stream *request = sc->role == ROLE_SERVER ? &sc->in : &sc->out,
			    *reply = sc->role == ROLE_SERVER ? &sc->out : &sc->in;
	u32 i, x = 0, r = 0;

	for (i = 0; i < n; i++) {
		const struct redis_text *t = &texts[choices[i]];
		u32 end, from = request->messages[i].from;

		if (t->quiet)
			continue;
		if (request->bytes[from] == '*') /* the digit makes it a command */
			from++;
		sc->expected[x].begin_call = call_of(request, from);
		if (t->reply) {
			end = reply->messages[r].to;
			if (t->pushes) { /* the first confirmation */
				const u8 *first = reply->bytes + reply->messages[r].from;

				end = reply->messages[r].from + (*first == '*' ? 30 : 32);
			}
			sc->expected[x].end_call = call_of(reply, end - 1);
			r++;
		}
		x++;
	}
}

static u64 orders, scenarios;

static void run_scenario(struct scenario *sc, u64 most, u32 left_out)
{
	struct search se = {.sc = sc, .most = most, .left_out = left_out};
	u64 before = runs;
	u32 i;

	for (i = 0; i < sc->in.calls; i++)
		se.in_needs[i] = needs_of(&sc->in, i);
	for (i = 0; i < sc->out.calls; i++)
		se.out_needs[i] = needs_of(&sc->out, i);
	scenarios++;
	search(&se, 0);
	orders += most - se.most;
	if (runs == before) {
		printf("a scenario has no order\n");
		failures++;
	}
}

static u64 seed = 0x9e3779b97f4a7c15ULL;

static u32 random_below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static void run_pairs(u32 left_out)
{
	static struct scenario sc;
	u32 i, role, pipelined;
	u8 c[2];

	for (i = 0; i < COUNT(texts) * COUNT(texts); i++) {
		c[0] = i % COUNT(texts);
		c[1] = i / COUNT(texts);
		if (!fits(c, 2))
			continue;
		for (role = ROLE_SERVER; role <= ROLE_CLIENT; role++) {
			for (pipelined = 0; pipelined < 2; pipelined++) {
				build(&sc, role, c, 2, pipelined);
				cut(&sc.in, true, NULL, 0);
				cut(&sc.out, true, NULL, 0);
				locate(&sc, c, 2);
				run_scenario(&sc, 200, left_out);
			}
		}
	}
}

static void run_random(u32 n, u32 left_out, u64 most)
{
	static struct scenario sc;
	u32 i, j, at[3], k, exchanges, direction;
	u8 c[6];

	for (i = 0; i < n; i++) {
		bool pipelined = random_below(2);

		exchanges = 1 + random_below(pipelined ? 6 : 4);
		do {
			for (j = 0; j < exchanges; j++)
				c[j] = random_below(COUNT(texts));
		} while (!fits(c, exchanges));
		build(&sc, random_below(2) ? ROLE_SERVER : ROLE_CLIENT, c, exchanges, pipelined);
		for (direction = 0; direction < 2; direction++) {
			struct stream *s = direction ? &sc.in : &sc.out;

			k = random_below(3);
			for (j = 0; j < k; j++)
				at[j] = random_below(s->length ? s->length : 1);
			if (k == 2 && at[0] > at[1]) {
				at[2] = at[0];
				at[0] = at[1];
				at[1] = at[2];
			}
			cut(s, !pipelined || random_below(2), at, k);
		}
		locate(&sc, c, exchanges);
		run_scenario(&sc, most, left_out);
	}
}

int main(void)
{
	run_pairs(0);
	printf("redis, pairs: %llu scenarios, %llu orders, "
	       "%llu runs of %llu hooks, %llu failures\n",
	       scenarios, orders, runs, hooks, failures);
	run_random(3000, 0, 60);
	printf("and at random: %llu scenarios, %llu orders, "
	       "%llu runs of %llu hooks, %llu failures\n",
	       scenarios, orders, runs, hooks, failures);
	run_pairs(1);
	run_random(1500, 1, 20);
	printf("and hooks left out: %llu scenarios, %llu orders, "
	       "%llu runs of %llu hooks, %llu failures\n",
	       scenarios, orders, runs, hooks, failures);
	printf("%llu of them by clients that pipeline cannot be decided\n", undecided);
	printf("%llu %llu\n", runs - failures, failures);
	return failures != 0;
}

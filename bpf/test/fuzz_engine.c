// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Fuzzes the whole of the engine, as model.c runs it. The bytes of the input choose everything:
 * the messages, of the tables or any bytes; how they are cut; the order of events; hooks that are
 * left out, cannot read or read several buffers; the sweep; connections that are joined late or
 * whose end is missed; and several of them in the same slot, one after the other.
 *
 * Where all messages are of the tables, what is right is known: see scenario.h. Of any bytes it
 * is known that no status is counted that was not sent, that no more is counted or lost than
 * messages may have begun, and that the work of a hook is bounded by the bytes that it looks at.
 *
 * A connection may carry HTTP/2 as well, see http2_messages.h: only what it may carry.
 */
#define MAX_STREAM 16384
#define MAX_MESSAGES 256
#include "http1_messages.h"
#include "http2_outcomes.h"

/*
 * Whether what is right has to be counted even where any hooks went unseen, or the connection was
 * joined: more than the engine is sure to do today. Else it is held to what is known of any bytes
 * there.
 */
#ifndef DEEP
#define DEEP 0
#endif

int LLVMFuzzerTestOneInput(const u8 *data, size_t length);

/* The input; 0 behind its end. */
static struct {
	const u8 *at, *end;
} input;

static u32 next_byte(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static u32 next_below(u32 n)
{
	return next_byte() % n;
}

/* Choices of HTTP/2's frames, which would take too much of the input, follow from two bytes. */
static u64 random_state;

static u32 choose(u32 n)
{
	u64 x = random_state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	random_state = x;
	return (x >> 11) % n;
}

/* What may happen to a connection besides. */
#define IS_CLIENT 0x01
#define IS_PIPELINED 0x02
#define IS_EARLY 0x04 /* responses do not wait for the bodies of requests */
#define IS_JOINED 0x08
#define IS_UNCLOSED 0x10
#define IS_HTTP2 0xa0 /* of the three bits above these */

/*
 * What may happen at an event: the higher six bits of its byte, of which the lower three tell
 * which.
 */
enum {
	AT_LEFT_OUT = 1,
	AT_GONE,
	AT_FAULT,
	AT_PIECES,
	AT_SWEEP,
	AT_PAUSE,
};

static struct {
	struct scenario scenario;
	struct choice choices[4];
	struct event order[MAX_EVENTS];
	u8 modes[MAX_EVENTS];
	u32 count;
	u32 join; /* the number of the event before which the connection is joined */
	struct mishaps mishaps;
	bool garbage; /* messages of any bytes */
	bool http2;
	u64 closed;
	bool certain; /* what is right is known */
} now;

static void fail(const char *what)
{
	const struct scenario *sc = &now.scenario;
	u32 i;

	printf("\nFAILED: %s, at the %s: %s\n", sc->name,
	       sc->role == ROLE_SERVER ? "server" : "client", what);
	if (now.mishaps.joined || now.mishaps.unclosed || now.mishaps.earlier)
		printf("  joined: %d, its end missed: %d, of an earlier one: %u\n",
		       now.mishaps.joined, now.mishaps.unclosed, now.mishaps.earlier);
	for (i = 0; i < now.count; i++) {
		u32 mode = now.modes[i] & 7;
		static const char *const notes[] = {
			"",	  "left out", "memory is gone", "no buffer",
			"pieces", "sweep",    "pause, sweep",	"",
		};

		if (now.mishaps.joined && i == now.join)
			printf("  joined\n");
		print_event(sc, now.order[i],
			    is_hook(now.order[i]) || mode >= AT_SWEEP ? notes[mode] : "");
	}
	if (now.http2)
		print_http2(now.closed);
	else
		print_outcome(sc);
	fflush(NULL);
	abort();
}

/* The end of the head, whose first line is not empty. */
static u32 head_of(const char *request)
{
	u32 i;

	for (i = 3; request[i]; i++)
		if (request[i - 1] == '\n' && (request[i - 2] == '\n' || request[i - 3] == '\n'))
			return i;
	return i;
}

static void add_garbage(struct scenario *sc, struct stream *s, u32 needs)
{
	u8 bytes[64];
	u32 n = next_below(sizeof(bytes)), i;

	for (i = 0; i < n; i++)
		bytes[i] = next_byte();
	add(sc, s, (const char *)bytes, n, 0, needs);
}

/* Makes the messages of a connection. */
static void make_messages(u32 flags)
{
	struct scenario *sc = &now.scenario;
	u32 n = 1 + next_below(COUNT(now.choices)), i;

	begin_scenario(sc, flags & IS_CLIENT ? ROLE_CLIENT : ROLE_SERVER, !(flags & IS_PIPELINED));
	now.garbage = false;
	for (i = 0; i < n; i++) {
		struct stream *request = requests_of(sc), *response = responses_of(sc);
		struct choice *c = &now.choices[i];
		u32 before = request->length;

		c->request = next_below(COUNT(requests) + 1);
		c->response = next_below(COUNT(responses) + 1);
		if (c->request < COUNT(requests) && c->response < COUNT(responses)) {
			add_exchange(sc, now.choices, i);
			if (flags & IS_EARLY && responses[c->response].bytes)
				messages_of(sc, response)
					->message[messages_of(sc, response)->count - 1]
					.needs = before + head_of(requests[c->request].bytes);
			continue;
		}
		now.garbage = true;
		if (c->request < COUNT(requests))
			add(sc, request, requests[c->request].bytes,
			    strlen(requests[c->request].bytes), 0, waits_for(sc, i));
		else
			add_garbage(sc, request, waits_for(sc, i));
		if (c->response == COUNT(responses))
			add_garbage(sc, response, request->length);
		else if (responses[c->response].bytes)
			add(sc, response, responses[c->response].bytes,
			    strlen(responses[c->response].bytes), FIRST_STATUS + i,
			    request->length);
	}
	now.certain = !now.garbage;
}

static void make_cuts(struct stream *s)
{
	u32 at[4], n = next_below(COUNT(at) + 1), i, j;

	for (i = 0; i < n; i++) {
		at[i] = next_byte();
		at[i] = (at[i] << 8 | next_byte()) % (s->length ? s->length : 1);
		for (j = i; j && at[j - 1] > at[j]; j--) {
			u32 other = at[j];

			at[j] = at[j - 1];
			at[j - 1] = other;
		}
	}
	/*
	 * Of a client that waits, requests are not in one call with what is sent before the
	 * response.
	 */
	cut(&now.scenario, s, !now.scenario.pipelined || next_byte() & 1, at, n);
}

/* How often a message may end, and so another begin. */
static u32 empty_lines(const struct stream *s)
{
	u32 i, n = 0;

	for (i = 1; i < s->length; i++)
		if (s->bytes[i] == '\n' &&
		    (s->bytes[i - 1] == '\n' || (i > 1 && s->bytes[i - 2] == '\n')))
			n++;
	return n;
}

/* How many messages may have begun, in sight or not, that are counted or lost. */
static u32 most_messages(void)
{
	const struct scenario *sc = &now.scenario;
	u32 most = 2 + empty_lines(&sc->in) + empty_lines(&sc->out), i;

	most += 2 * now.mishaps.unseen + 2 * now.mishaps.joined + now.mishaps.earlier;
	for (i = 0; i < sc->in.calls; i++)
		most += call_length(&sc->in, i) >= 256; /* so many steps may not be followed */
	for (i = 0; i < sc->out.calls; i++)
		most += call_length(&sc->out, i) >= 256;
	return most;
}

/* Whether the bytes hold a status line with this status. */
static bool was_sent(const struct stream *s, u16 status)
{
	u32 i;

	for (i = 0; i + 13 <= s->length; i++) {
		const u8 *p = s->bytes + i;

		if (!memcmp(p, "HTTP/1.", 7) && p[8] == ' ' && p[9] - '0' == status / 100 &&
		    p[10] - '0' == status / 10 % 10 && p[11] - '0' == status % 10)
			return true;
	}
	return false;
}

/*
 * What holds of HTTP/2: all that is right, or where something went unseen that no more is counted
 * than there was.
 */
static const char *what_is_wrong_in_http2(void)
{
	static struct groups found;

	if (now.mishaps.earlier || now.mishaps.unclosed)
		return NULL;
	if (!now.mishaps.unseen && !now.mishaps.joined && !now.mishaps.paused)
		return what_is_wrong_http2(&now.mishaps, now.closed);
	return find_counted(&found) > made.count ? "more than there was" : NULL;
}

/* What holds of any bytes. */
static const char *what_is_impossible(void)
{
	struct scenario *sc = &now.scenario;
	u64 counted = 0, bytes;
	const struct histogram *h;
	struct series_key key;
	u32 at = 0;

	while (next_counted(&at, &key, &h)) {
		counted += observations(h);
		if (key.operation >= METHOD_COUNT)
			return "a method that there is not";
		if (now.mishaps.earlier || key.protocol > PROTOCOL_REDIS)
			/* it may be of that connection, or of bytes that happen to be frames */
			continue;
		if (key.status != STATUS_ABORTED && key.status != STATUS_OTHER &&
		    !was_sent(responses_of(sc), key.status))
			return "a status that was not sent";
	}
	return counted + lost_in_all(&bytes) > most_messages() ? "more than there was" : NULL;
}

static void check(void)
{
	const struct scenario *sc = &now.scenario;
	const char *wrong = now.http2 ? what_is_wrong_in_http2() : what_is_impossible();
	bool unseen = now.mishaps.unseen,
	     known = now.certain && fits(now.choices, sc->exchanges, unseen);

	/*
	 * Of a client that pipelines, nobody knows which response is whose where one went unseen.
	 */
	known &= !now.mishaps.earlier;
	if ((unseen || now.mishaps.joined) && (sc->pipelined || sc->decoyed || !DEEP))
		known = false;
	if (!wrong && known)
		wrong = what_is_wrong(sc, &now.mishaps);
	if (wrong)
		fail(wrong);
}

/* Bounds what was done since BEFORE, for the sake of so many BYTES. */
static void check_work(u64 before, u32 bytes)
{
	if (host_lookups - before > 500 + 40 * bytes)
		fail("too much work");
}

static void sweep(void)
{
	u64 before = host_lookups;

	sweep_slot(max_connections, host_now);
	check_work(before, 0);
}

/* Runs an event; MODE says what happens at it. */
static void run_one(struct event e, u32 mode)
{
	struct view view = {};
	bool left_out = false;
	u64 before = host_lookups;
	u32 length = call_length(stream_of(&now.scenario, e.what), e.call);

	switch (mode & 7) {
	case AT_LEFT_OUT:
		left_out = is_hook(e);
		break;
	case AT_GONE:
		view.gone = is_hook(e);
		break;
	case AT_FAULT:
		view.fault = is_hook(e) ? FAULT_IO_URING : 0;
		break;
	case AT_PIECES:
		view.pieces = 1 + mode / 8;
		if (!DEEP && view.pieces > length) /* none of them is empty */
			view.pieces = length;
		break;
	case AT_PAUSE:
		host_now += 2 * settle_after_ns;
		now.mishaps.paused = true;
		/* fallthrough */
	case AT_SWEEP:
		sweep();
		break;
	}
	if (left_out && is_like_fin(&now.scenario, e))
		now.certain = false;
	now.mishaps.unseen += left_out || view.gone || view.fault;
	run_event(&now.scenario, e, left_out, view);
	check_work(before, length);
}

/* Runs the events of a connection. */
static void run_events(void)
{
	const struct scenario *sc = &now.scenario;
	u32 next[WHATS] = {}, byte, i;

	for (now.count = 0; now.count < events_of(sc); now.count++) {
		struct event e = {};

		if (now.count == now.join)
			attached = true;
		byte = next_byte();
		for (i = 0; i < WHATS && !may_follow(sc, next, (byte + i) % WHATS); i++)
			;
		if (i == WHATS)
			fail("no event may follow");
		e.what = (byte + i) % WHATS;
		e.call = next[e.what]++;
		now.order[now.count] = e;
		now.modes[now.count] = byte >> 2;
		run_one(e, byte >> 2);
	}
	attached = true;
}

/* The same for HTTP/2. False: with so many calls it has no order. */
static bool make_http2(u32 flags)
{
	struct scenario *sc = &now.scenario;
	static struct text text;

	random_state = 0x9e3779b97f4a7c15ULL ^ next_byte() << 8;
	random_state ^= next_byte();
	make_text(&text, 1 + next_below(4), flags & IS_PIPELINED, flags & IS_EARLY);
	write_frames(flags & IS_CLIENT ? ROLE_CLIENT : ROLE_SERVER, text.bytes);
	*sc = made.scenario;
	sc->pipelined = true; /* calls may begin anywhere */
	make_cuts(&sc->out);
	make_cuts(&sc->in);
	note_all_needs(sc);
	if (!has_an_order(sc)) {
		cut(sc, &sc->in, true, NULL, 0);
		cut(sc, &sc->out, true, NULL, 0);
		note_all_needs(sc);
	}
	made.scenario = *sc;
	now.certain = false;
	return has_an_order(sc);
}

static void run_connection(u32 number)
{
	u32 flags = next_byte(), before;
	bool unclosed = now.mishaps.unclosed;
	/* It is counted as lost, and with it what was open or went unseen. */
	u32 earlier = unclosed ? 2 + most_messages() : 0;

	now.http2 = (flags & 0xe0) == IS_HTTP2;
	if (now.http2) {
		if (!make_http2(flags))
			return;
	} else {
		make_messages(flags);
		make_cuts(&now.scenario.out);
		make_cuts(&now.scenario.in);
		locate(&now.scenario);
	}
	now.mishaps = (struct mishaps){
		.joined = flags & IS_JOINED,
		.unclosed = flags & IS_UNCLOSED,
		.earlier = earlier,
	};
	attached = !now.mishaps.joined;
	forget_counts();
	before = host_lookups;
	open_end(now.scenario.role, number);
	now.join = now.mishaps.joined ? next_below(events_of(&now.scenario) + 1) : 0;
	run_events();
	host_now += TICK;
	now.closed = host_now;
	before = host_lookups;
	if (!now.mishaps.unclosed)
		close_end();
	check_work(before, 0);
	check();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t length)
{
	u32 connections, i;

	input.at = data;
	input.end = data + length;
	host_now = 1000000000;
	now.mishaps = (struct mishaps){};
	attached = true;
	forget_all();
	connections = 1 + next_below(3);
	for (i = 1; i <= connections; i++)
		run_connection(i);
	return 0;
}

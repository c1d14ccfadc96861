// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * redis_request, redis_reply and redis_recognise.
 *
 * A reference reads each direction as a whole, with recursion and all bytes at hand, and says
 * which requests or replies are in it. The steps have to find the same in any pieces, and each
 * when its last byte is shown, neither sooner nor later.
 *
 * What is fuzzed: 'q' and what a client sends; 'p', four bytes that name the operations of the
 * open requests, and what a server sends; or anything, for redis_recognise alone.
 */
#include <strings.h>

#include "harness.h"
#include "../redis_recognise.h"
#include "../redis_reply.h"
#include "../redis_request.h"

/* A request, a reply or a push; or the end of all that. */
struct message {
	u8 kind; /* EVENT_BEGIN: it is not complete */
	u8 operation;
	u16 status;
	size_t begin, end;
};

#define MOST 512
struct messages {
	size_t count;
	struct message list[MOST];
};

static void add(struct messages *m, struct message message)
{
	if (m->count < MOST)
		m->list[m->count++] = message;
}

static const struct {
	const char *name;
	u8 number;
} commands[] = {
#define X(id, name, flags) {name, REDIS_##id},
	REDIS_COMMANDS(X)
#undef X
};

static const struct {
	const char *word;
	u16 number;
} errors[] = {
#define X(id) {#id, REDIS_ERROR_##id},
	REDIS_ERRORS(X)
#undef X
};

static u8 fold(u8 c)
{
	return c >= 0x60 && c < 0x80 ? c - 0x20 : c;
}

/* Of names longer than 16 characters, the first 15 and the length count. */
static bool same_name(const u8 *p, size_t n, const char *name)
{
	if (strlen(name) != n)
		return false;
	for (size_t i = 0; i < (n > 16 ? 15 : n); i++) {
		if (fold(p[i]) != (u8)name[i])
			return false;
	}
	return true;
}

static u8 find_command(const u8 *p, size_t n)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (same_name(p, n, commands[i].name))
			return commands[i].number;
	}
	return REDIS_OTHER;
}

static bool is_subscribe(u8 operation)
{
	return operation == REDIS_SUBSCRIBE || operation == REDIS_UNSUBSCRIBE ||
	       operation == REDIS_PSUBSCRIBE || operation == REDIS_PUNSUBSCRIBE ||
	       operation == REDIS_SSUBSCRIBE || operation == REDIS_SUNSUBSCRIBE;
}

/* Reading from left to right. What ends before its time is MISSING; BAD is no such protocol. */
enum result { FINE, MISSING, BAD };

struct reader {
	const u8 *data;
	size_t length, at;
};

/* The number behind the first character of a line, and its line end. */
static enum result read_number(struct reader *r, long long *number)
{
	size_t at = r->at + 1, digits = 0;
	bool negative = false;
	long long n = 0;

	if (at < r->length && r->data[at] == '-') {
		negative = true;
		at++;
	}
	for (;; at++, digits++) {
		if (at >= r->length)
			return MISSING;
		if (r->data[at] < '0' || r->data[at] > '9')
			break;
		if (digits == 10 || (digits && !n) || (negative && !digits && r->data[at] == '0'))
			return BAD;
		n = n * 10 + r->data[at] - '0';
	}
	if (!digits || r->data[at] != '\r' || n > 4294967040)
		return BAD;
	if (++at >= r->length)
		return MISSING;
	if (r->data[at] != '\n')
		return BAD;
	*number = negative ? -1 : n;
	r->at = at + 1;
	return FINE;
}

static enum result read_line_end(struct reader *r)
{
	if (r->at >= r->length)
		return MISSING;
	if (r->data[r->at] != '\r')
		return BAD;
	if (r->at + 1 >= r->length)
		return MISSING;
	if (r->data[r->at + 1] != '\n')
		return BAD;
	r->at += 2;
	return FINE;
}

/* The rest of a line, of any length. */
static enum result read_line(struct reader *r)
{
	while (r->at < r->length && r->data[r->at] != '\n')
		r->at++;
	if (r->at == r->length)
		return MISSING;
	r->at++;
	return FINE;
}

/* What CLIENT REPLY and MULTI have set. */
struct client {
	bool off, skip, multi, odd;
};

static u8 end_of_request(struct client *c, u8 operation, const char *reply)
{
	bool silent = c->off || c->skip;

	c->skip = false;
	switch (operation) {
	case REDIS_MONITOR:
	case REDIS_SYNC:
	case REDIS_PSYNC:
		return EVENT_SWITCH;
	case REDIS_RESET:
		silent = silent && !c->off;
		memset(c, 0, sizeof(*c));
		return silent ? EVENT_QUIET : EVENT_END;
	case REDIS_MULTI:
		c->multi = true;
		return silent ? EVENT_QUIET : EVENT_END;
	case REDIS_EXEC:
	case REDIS_DISCARD:
		if (c->odd && operation == REDIS_EXEC) {
			c->odd = c->multi = false;
			return EVENT_SWITCH;
		}
		c->odd = c->multi = false;
		return silent ? EVENT_QUIET : EVENT_END;
	}
	if (c->multi) { /* +QUEUED */
		c->odd |= reply || is_subscribe(operation);
		return silent ? EVENT_QUIET : EVENT_END;
	}
	if (is_subscribe(operation))
		return EVENT_END;
	if (!reply)
		return silent ? EVENT_QUIET : EVENT_END;
	if (!strcasecmp(reply, "on")) {
		c->off = false;
		return EVENT_END;
	}
	if (!strcasecmp(reply, "off"))
		c->off = true;
	else
		c->skip = !c->off;
	return EVENT_QUIET;
}

/* Reads an array of bulk strings. Fills in what is known of MESSAGE. */
static enum result read_array(struct reader *r, struct client *c, struct message *message)
{
	long long count, length, shown;
	const char *reply = NULL;
	u8 last[2][6] = {0};
	enum result result;

	if (r->at + 1 < r->length && r->data[r->at + 1] >= '1' && r->data[r->at + 1] <= '9')
		message->kind = EVENT_BEGIN;
	result = read_number(r, &count);
	if (result)
		return result;
	for (long long i = 0; i < count; i++) {
		if (r->at >= r->length)
			return MISSING;
		if (r->data[r->at] != '$')
			return BAD;
		result = read_number(r, &length);
		if (result)
			return result;
		if (length < 0)
			return BAD;
		shown = r->length - r->at;
		if (!i && shown >= (length < 16 ? length : 16))
			message->operation = find_command(r->data + r->at, length);
		if (i && i <= 2 && length < 6 && shown >= length)
			memcpy(last[i - 1], r->data + r->at, length);
		if (shown < length + (i + 1 < count ? 2 : 0)) {
			r->at = r->length;
			return MISSING;
		}
		r->at += length;
		if (i + 1 < count)
			r->at += 2;
		else if ((result = read_line_end(r)))
			return result;
	}
	if (count <= 0)
		return FINE;
	if (message->operation == REDIS_CLIENT && count == 3 &&
	    same_name(last[0], strlen((char *)last[0]), "REPLY") &&
	    (same_name(last[1], strlen((char *)last[1]), "ON") ||
	     same_name(last[1], strlen((char *)last[1]), "OFF") ||
	     same_name(last[1], strlen((char *)last[1]), "SKIP")))
		reply = (char *)last[1];
	message->kind = end_of_request(c, message->operation, reply);
	message->end = r->at;
	return FINE;
}

/* Reads an inline command. */
static enum result read_inline(struct reader *r, struct client *c, struct message *message)
{
	size_t n = 0;
	enum result result;

	message->kind = EVENT_BEGIN;
	while (r->at + n < r->length && n < 16 && r->data[r->at + n] > ' ')
		n++;
	if (r->at + n == r->length && n < 16)
		return MISSING;
	if (n < 16) {
		if (!strchr(" \t\r\n", r->data[r->at + n]) || !r->data[r->at + n])
			return BAD;
		message->operation = find_command(r->data + r->at, n);
	}
	result = read_line(r);
	if (result)
		return result;
	message->kind = end_of_request(c, message->operation, NULL);
	message->end = r->at;
	return FINE;
}

static void reference_requests(const u8 *data, size_t length, struct messages *m)
{
	struct reader r = {data, length, 0};
	struct client c = {0};
	enum result result = FINE;

	while (result == FINE && r.at < length) {
		struct message message = {.begin = r.at};
		u8 first = data[r.at];

		if (first == ' ' || first == '\t' || first == '\r' || first == '\n') {
			r.at++;
			continue;
		}
		if (first == '*')
			result = read_array(&r, &c, &message);
		else if ((fold(first) >= 'A' && fold(first) <= 'Z') || first == '"' ||
			 first == '\'')
			result = read_inline(&r, &c, &message);
		else
			result = BAD;
		if (result == BAD)
			message.kind = EVENT_NOT_MINE;
		if (message.kind != EVENT_NONE)
			add(m, message);
	}
}

#define NONE_OPEN 0xff

/* What a server has sent before, and what the reply at hand is. */
struct server {
	bool subscribed[2]; /* to channels or patterns, to shard channels */
	u8 oldest;
	bool push, confirms, shard;
	u16 status;
};

/* The first word of an array, if it is a bulk string of 1 to 16 bytes; else its length is 0. */
static size_t first_word(struct reader r, const u8 **word)
{
	long long n;

	if (r.at >= r.length || r.data[r.at] != '$' || read_number(&r, &n) || n < 1 || n > 16 ||
	    (long long)(r.length - r.at) < n)
		return 0;
	*word = r.data + r.at;
	return n;
}

/* Whether an array that begins with WORD is a push, or the confirmation of a subscription. */
static void judge(struct server *s, bool marked, const u8 *word, size_t n)
{
	u8 operation = n ? find_command(word, n) : REDIS_OTHER;

	s->push = marked;
	if (!is_subscribe(s->oldest) &&
	    (marked || (s->oldest != NONE_OPEN && !s->subscribed[0] && !s->subscribed[1])))
		return;
	if (is_subscribe(operation)) {
		s->push = operation != s->oldest;
		s->confirms = !marked;
		s->shard = operation == REDIS_SSUBSCRIBE || operation == REDIS_SUNSUBSCRIBE;
	} else if (!marked && ((n == 7 && !memcmp(word, "message", 7)) ||
			       (n == 8 && !memcmp(word + 1, "message", 7) &&
				(*word == 'p' || *word == 's')))) {
		s->push = true;
		s->subscribed[n == 8 && *word == 's'] = true;
	}
}

enum place { INNER, LAST, TOP };

static enum result read_element(struct reader *r, struct server *s, enum place place);

static enum result read_elements(struct reader *r, struct server *s, long long n, bool last)
{
	enum result result = FINE;

	while (!result && n-- > 0)
		result = read_element(r, s, last && !n ? LAST : INNER);
	return result;
}

/* Reads one element and all within it; the TOP one is the reply, the LAST one ends it. */
static enum result read_element(struct reader *r, struct server *s, enum place place)
{
	const u8 *word = NULL;
	long long number;
	enum result result;
	size_t n;
	u8 type;

	/* Attributes, and within a reply pushes: what they hold is no element. */
	for (;;) {
		if (r->at >= r->length)
			return MISSING;
		type = r->data[r->at];
		if (type != '|' && !(type == '>' && place != TOP))
			break;
		result = read_number(r, &number);
		if (!result && number < 0)
			result = BAD;
		if (!result)
			result = read_elements(r, s, type == '|' ? 2 * number : number, false);
		if (result)
			return result;
	}
	if (!type || !strchr("-+_#,(:$!=*~%>", type))
		return BAD;
	if (type == '-' && place == TOP) {
		for (n = 1; r->at + n < r->length && n < 16; n++) {
			if (r->data[r->at + n] <= ' ')
				break;
		}
		s->status = REDIS_ERROR_OTHER;
		for (size_t i = 0; n < 16 && i < COUNT(errors); i++) {
			if (strlen(errors[i].word) == n - 1 &&
			    !memcmp(r->data + r->at + 1, errors[i].word, n - 1))
				s->status = errors[i].number;
		}
	}
	if (strchr("-+_#,(", type) || (type == ':' && !s->confirms))
		return read_line(r);
	result = read_number(r, &number);
	if (result)
		return result;
	if (number < 0 && type != ':')
		return type == '$' || type == '*' ? FINE : BAD;
	switch (type) {
	case ':':
		s->subscribed[s->shard] = number > 0;
		return FINE;
	case '*':
	case '>':
		if (place == TOP && number) {
			n = first_word(*r, &word);
			judge(s, type == '>', word, n);
		} else if (place == TOP) {
			s->push = type == '>';
		}
		return read_elements(r, s, number, place != INNER);
	case '~':
	case '%':
		return read_elements(r, s, type == '%' ? 2 * number : number, place != INNER);
	case '!':
		if (place == TOP)
			s->status = REDIS_ERROR_OTHER;
	}
	/* Behind a string that is not the last, the steps skip two bytes without a look. */
	if ((long long)(r->length - r->at) < number + (place == INNER ? 2 : 0))
		return MISSING;
	r->at += number;
	if (place != INNER)
		return read_line_end(r);
	r->at += 2;
	return FINE;
}

static void reference_replies(const u8 *data, size_t length, const u8 open[4], struct messages *m)
{
	struct reader r = {data, length, 0};
	struct server s = {0};
	enum result result = FINE;
	size_t replies = 0;

	while (!result && r.at < length) {
		struct message message = {.begin = r.at};

		s.oldest = open[replies % 4];
		s.push = s.confirms = s.shard = false;
		s.status = REDIS_OK;
		while (r.at < length && data[r.at] == '\n')
			r.at++;
		if (r.at == length)
			break;
		result = read_element(&r, &s, TOP);
		if (result == MISSING)
			break;
		message.kind = result == BAD ? EVENT_NOT_MINE : s.push ? EVENT_PUSH : EVENT_END;
		message.status = message.kind == EVENT_END ? s.status : 0;
		message.end = r.at;
		add(m, message);
		if (message.kind != EVENT_END)
			continue;
		if (s.oldest == REDIS_RESET && !s.status)
			memset(s.subscribed, 0, sizeof(s.subscribed));
		replies++;
	}
}

/* How a stream is cut: every STEP bytes, at one place FIRST, or at random ones from a SEED. */
struct cuts {
	size_t first, step;
	u32 seed;
	u8 fill;
	bool whole; /* where a piece has a whole request, it is taken as one */
};

static size_t next_cut(struct cuts *c, size_t at, size_t length)
{
	size_t n = c->step;

	if (c->first > at)
		return c->first < length ? c->first : length;
	if (c->seed) {
		c->seed = c->seed * 1664525 + 1013904223;
		n = 1 + (c->seed >> 24) % 24;
	}
	return n && n < length - at ? at + n : length;
}

/*
 * Takes a whole request from the N bytes at DATA on, somewhere in a copy of them that has FILL in
 * the place of those that did not come. Says in WHAT what is wrong with that.
 */
static u64 take_whole(struct redis_side *side, const u8 *data, size_t n, size_t at, u8 fill,
		      const char **what)
{
	u8 bytes[HEAD_BYTES + HEAD_AHEAD];
	struct redis_side before = *side;
	size_t place = at % 5 ? at * 31 % HEAD_BYTES : 0;
	u64 e;

	if (n > HEAD_BYTES - place)
		n = HEAD_BYTES - place;
	memset(bytes, fill, sizeof(bytes));
	memcpy(bytes + place, data, n);
	e = redis_whole_request(side, bytes, place, place + n);
	if (!e) {
		if (memcmp(&before, side, sizeof(before)))
			*what = "it changes something, and takes nothing";
		return 0;
	}
	if (event_status(e) != REDIS_WHOLE || event_used(e) > n)
		*what = "no whole request";
	return e;
}

/* Feeds pieces to the steps. What they find goes to M; what they did wrong is returned. */
static const char *feed(const u8 *data, size_t length, const u8 *open, struct cuts cuts,
			struct messages *m)
{
	struct redis_side side = {0};
	struct message now = {0};
	size_t at = 0, cut = 0, replies = 0, start = 0;

	while (at < length) {
		struct prefix p;
		const char *what = NULL;
		size_t have;
		u64 e = 0;
		u8 kind, oldest;

		while (cut <= at)
			cut = next_cut(&cuts, cut, length);
		have = cut - at < 16 ? cut - at : 16;
		p = pack(data + at, have, cuts.fill);
		oldest = open ? open[replies % 4] : 0;
		if (cuts.whole && !open)
			e = take_whole(&side, data + at, cut - at, at, cuts.fill, &what);
		if (what)
			return what;
		if (e) {
			if (now.kind)
				return "it begins within another one";
			e &= ~(0xffffULL << 48);
			start = at;
			now.kind = EVENT_BEGIN;
			have = event_used(e);
		} else {
			e = open ? redis_reply(&side, p.words[0], p.words[1], have,
					       oldest == NONE_OPEN ? REDIS_NONE_OPEN : oldest) :
				   redis_request(&side, p.words[0], p.words[1], have);
		}
		kind = event_kind(e);
		if (kind == EVENT_NOT_MINE) {
			add(m, (struct message){.kind = kind, .begin = start});
			return NULL;
		}
		if (!event_used(e))
			return "no byte was used";
		if (!side.kept && (side.head[0] || side.head[1]))
			return "bytes are kept for nothing";
		switch (kind) {
		case EVENT_NONE:
			if (event_operation(e) || event_status(e))
				return "an operation or status of nothing";
			if (!open && !now.kind && !side.kept)
				start = at + event_used(e);
			break;
		case EVENT_BEGIN:
			if (now.kind || open)
				return "it begins twice";
			/* With `*` alone nothing has begun. */
			if (at != start && !(at == start + 1 && data[start] == '*'))
				return "it begins late";
			now.kind = kind;
			now.begin = start;
			now.operation = event_operation(e);
			break;
		case EVENT_OPERATION:
			if (!now.kind)
				return "an operation of nothing";
			now.operation = event_operation(e);
			break;
		case EVENT_PUSH:
		case EVENT_END:
		case EVENT_QUIET:
		case EVENT_SWITCH:
			if (!open && !now.kind)
				return "it ends before it begins";
			if (event_used(e) > have)
				return "it ends before it was shown";
			now.begin = start;
			now.kind = kind;
			now.status = event_status(e);
			if (now.operation && now.operation != event_operation(e))
				return "the operation changes";
			now.operation = event_operation(e);
			now.end = start = at + event_used(e);
			add(m, now);
			replies += kind == EVENT_END;
			memset(&now, 0, sizeof(now));
			side.flags &= 0x0f; /* what the connection keeps */
			if (open)
				side.flags &= REDIS_SUBSCRIBED | REDIS_SUBSCRIBED_SHARD;
			for (size_t i = 0; i < sizeof(side); i++) {
				if (((u8 *)&side)[i] && (u8 *)&side + i != &side.flags &&
				    (u8 *)&side + i != &side.length)
					return "state is left";
			}
			break;
		default:
			return "an event that Redis has not";
		}
		at += event_used(e);
	}
	if (now.kind)
		add(m, now);
	return NULL;
}

static const char *difference(const struct messages *want, const struct messages *got)
{
	for (size_t i = 0; i < want->count || i < got->count; i++) {
		const struct message *w = &want->list[i], *g = &got->list[i];

		if (i >= want->count)
			return "a message that is none";
		if (i >= got->count)
			return "a message is missing";
		if (w->kind != g->kind)
			return "kind";
		if (w->kind == EVENT_NOT_MINE)
			continue;
		if (w->operation != g->operation)
			return "operation";
		if (w->status != g->status)
			return "status";
		if (w->begin != g->begin)
			return "begin";
		if (w->end != g->end)
			return "end";
	}
	return NULL;
}

/*
 * In one piece, in pieces of 1 to 17 bytes, in two pieces at every place, and at random; and all
 * that with whole requests, where they are whole.
 */
static const char *mismatch_direction(const u8 *data, size_t length, const u8 *open)
{
	static const u8 fills[] = {0, 0xff, '\n', '1', '$'};
	static struct messages want, got;
	size_t two = length < 96 ? length : 96;
	const char *what = NULL;

	want.count = 0;
	if (open)
		reference_replies(data, length, open, &want);
	else
		reference_requests(data, length, &want);
	for (size_t j = 0; !what && j < 2 * (18 + two + 8); j++) {
		struct cuts cuts = {.fill = fills[j % COUNT(fills)], .whole = j & 1};
		size_t i = j / 2;

		if (i < 18)
			cuts.step = i;
		else if (i < 18 + two)
			cuts.first = i - 18;
		else
			cuts.seed = i;
		got.count = 0;
		what = feed(data, length, open, cuts, &got);
		if (!what)
			what = difference(&want, &got);
	}
	return what;
}

static int reference_recognise(const u8 *p, size_t n, bool is_reply)
{
	static const char *const lines[] = {"+PONG\r\n", "+QUEUED\r\n"};
	struct reader r = {p, n, 0};
	enum result result;
	long long number;
	size_t i;

	if (*p == '*' || (is_reply && strchr("%~>", *p) && *p)) {
		result = read_number(&r, &number);
		if (result)
			return result == BAD ? REDIS_NO : REDIS_PARTIAL;
		if (number < 1 || number > 9999999)
			return REDIS_NO;
		if (r.at == n)
			return REDIS_PARTIAL;
		if (p[r.at] != '$')
			return REDIS_NO;
		result = read_number(&r, &number);
		if (result == MISSING && n < 16)
			return REDIS_PARTIAL;
		return !result && number > 0 && number < 100 ? REDIS_YES : REDIS_NO;
	}
	if (!is_reply) {
		for (i = 0; i < n && i < 6; i++) {
			if (fold(p[i]) != (u8) "PING\r\n"[i])
				return REDIS_NO;
		}
		return i == 6 ? REDIS_YES : REDIS_PARTIAL;
	}
	if (*p == '+') {
		for (i = 0; i < COUNT(lines); i++) {
			size_t want = strlen(lines[i]);

			if (!memcmp(p, lines[i], n < want ? n : want))
				return n < want ? REDIS_PARTIAL : REDIS_YES;
		}
	}
	if (*p != '-')
		return REDIS_NO;
	for (i = 1; i < n && p[i] >= 'A'; i++)
		;
	if (i == n)
		return n < 16 ? REDIS_PARTIAL : REDIS_NO;
	for (size_t e = 0; e < COUNT(errors); e++) {
		if (p[i] == ' ' && strlen(errors[e].word) == i - 1 &&
		    !memcmp(p + 1, errors[e].word, i - 1))
			return errors[e].number == REDIS_ERROR_ERR ? REDIS_NO : REDIS_YES;
	}
	return REDIS_NO;
}

static const char *mismatch_recognise(const u8 *data, size_t length)
{
	static const u8 fills[] = {0, 0xff, '\n', '1'};
	size_t n = length < 16 ? length : 16;

	for (int is_reply = 0; is_reply < 2; is_reply++) {
		int before = REDIS_PARTIAL;

		for (size_t end = 1; end <= n; end++) {
			int want = reference_recognise(data, end, is_reply);

			for (size_t i = 0; i < COUNT(fills); i++) {
				struct prefix p = pack(data, end, fills[i]);

				if (redis_recognise(p.words[0], p.words[1], end, is_reply) != want)
					return "recognise: verdict";
			}
			if (before != REDIS_PARTIAL && want != before)
				return "recognise: the verdict changes with more bytes";
			if (end == 16 && want == REDIS_PARTIAL)
				return "recognise: undecided";
			before = want;
		}
	}
	return NULL;
}

static const u8 opens[] = {REDIS_GET,	     REDIS_SUBSCRIBE,  REDIS_UNSUBSCRIBE,
			   REDIS_PSUBSCRIBE, REDIS_SSUBSCRIBE, REDIS_SUNSUBSCRIBE,
			   REDIS_RESET,	     NONE_OPEN};

static const char *mismatch(const u8 *data, size_t length)
{
	const char *what = mismatch_recognise(data, length);
	u8 open[4];

	if (what || !length)
		return what;
	if (*data == 'q')
		return mismatch_direction(data + 1, length - 1, NULL);
	if (*data != 'p' || length < 5)
		return NULL;
	for (size_t i = 0; i < 4; i++)
		open[i] = opens[data[i + 1] % 8];
	return mismatch_direction(data + 5, length - 5, open);
}

#ifndef FUZZ

static const char *command_name(u8 operation)
{
	return operation ? commands[operation - 1].name : "OTHER";
}

/*
 * What the steps find in bytes that come in one piece, as words: of requests the name, with a
 * mark for those that are not simply complete; of replies the status, or push.
 */
static void describe(const u8 *data, size_t length, const u8 *open, char *text, size_t size)
{
	static struct messages m;
	const char *what;

	m.count = 0;
	what = feed(data, length, open, (struct cuts){0}, &m);
	*text = 0;
	for (size_t i = 0; i < m.count; i++) {
		const struct message *x = &m.list[i];
		const char *word = command_name(x->operation), *mark = "";

		if (x->kind == EVENT_NOT_MINE)
			word = "X";
		else if (x->kind == EVENT_PUSH)
			word = "push";
		else if (open)
			word = x->status == REDIS_OK	      ? "ok" :
			       x->status == REDIS_ERROR_OTHER ? "other" :
								errors[x->status - 2].word;
		else
			mark = x->kind == EVENT_QUIET  ? "~" :
			       x->kind == EVENT_SWITCH ? "!" :
			       x->kind == EVENT_BEGIN  ? "(" :
							 "";
		snprintf(text + strlen(text), size - strlen(text), "%s%s%s", i ? " " : "", word,
			 mark);
	}
	if (what)
		snprintf(text, size, "%s", what);
}

static void check(const char *bytes, size_t length, const u8 *open, const char *want)
{
	const char *what = mismatch_direction((const u8 *)bytes, length, open);
	char got[512];

	describe((const u8 *)bytes, length, open, got, sizeof(got));
	if (strcmp(got, want))
		fprintf(stderr, "found: %s; expected: %s\n", got, want);
	test(!strcmp(got, want), "what is found", bytes, length);
	test(!what, what, bytes, length);
}

#define SUB "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"
#define PING "*1\r\n$4\r\nPING\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"
#define GET "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define RESET "*1\r\n$5\r\nRESET\r\n"
#define REPLY(l, what) "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$" #l "\r\n" what "\r\n"
#define ON REPLY(2, "ON")
#define OFF REPLY(3, "OFF")
#define SKIP REPLY(4, "SKIP")

static void test_requests(void)
{
	static const struct {
		const char *bytes, *want;
	} tests[] = {
		{PING, "PING"},
		{GET PING GET, "GET PING GET"},
		{"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$0\r\n\r\n", "SET"},
		{"*3\r\n$3\r\nSeT\r\n$1\r\nk\r\n$20\r\n*1\r\n$4\r\nPING\r\n......\r\n" GET,
		 "SET GET"},
		{"*10\r\n$4\r\nMGET\r\n"
		 "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"
		 "$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n" PING,
		 "MGET PING"},
		{"*2\r\n$20\r\ngeoradiusbymember_ro\r\n$1\r\nk\r\n", "GEORADIUSBYMEMBER_RO"},
		{"*2\r\n$17\r\ngeoradiusbymember\r\n$1\r\nk\r\n", "GEORADIUSBYMEMBER"},
		{"*1\r\n$16\r\nzrevrangebyscore\r\n", "ZREVRANGEBYSCORE"},
		{"*1\r\n$16\r\nzremrangebyscore\r\n", "ZREMRANGEBYSCORE"},
		{"*1\r\n$7\r\nXINFO X\r\n" PING, "OTHER PING"},
		{"*1\r\n$21\r\nGEORADIUSBYMEMBER_RO1\r\n" PING, "OTHER PING"},
		{"*1\r\n$4\r\nGETX\r\n*1\r\n$2\r\nGE\r\n*1\r\n$0\r\n\r\n" PING,
		 "OTHER OTHER OTHER PING"},
		{"*2\r\n$9\r\nJSON.TYPE\r\n$1\r\nk\r\n*2\r\n$8\r\njson.get\r\n$1\r\nk\r\n",
		 "OTHER JSON.GET"},
		/* Nothing that would be answered */
		{"\r\n", ""},
		{"\r\n\n \t\r\n" PING, "PING"},
		{"*0\r\n*-1\r\n*-5\r\n" PING, "PING"},
		/* Incomplete */
		{"*", ""},
		{"*1", "OTHER("},
		{"*2\r\n$3\r\nGET\r\n$1\r\nk\r", "GET("},
		{"*2\r\n$3\r\nGET\r\n$5000\r\nk", "GET("},
		{"GE", "OTHER("},
		{"GET ", "GET("},
		/* In one line */
		{"PING\r\nget k\r\nQUIT\n", "PING GET QUIT"},
		{"  \tPING\r\n", "PING"},
		{"PING\n" GET "ZREVRANGEBYSCORE k\r\n", "PING GET OTHER"},
		{"ZRANGEBYSCORE k 1 2 a very long line that goes on\r\nTYPE k\r\n",
		 "ZRANGEBYSCORE TYPE"},
		{"\"PING\"\r\n'x y' z\r\n", "OTHER OTHER"},
		{"GET \x8a\r\nTYPE\r\n", "GET TYPE"},
		{"MONITOR\r\nSYNC\r\n", "MONITOR! SYNC!"},
		{"CLIENT REPLY OFF\r\n" PING, "CLIENT PING"},
		{"GET\1k\r\n", "X"},
		/* No such protocol */
		{"*01\r\n", "X"},
		{"*+1\r\n", "X"},
		{"*\r\n", "X"},
		{"*-0\r\n", "X"},
		{"*0\r\n$3\r\nGET\r\n", "X"},
		{"*2\r\n$3\r\nGET\r\n$1\r\nkxx", "X"},
		{"*1\n$4\r\nPING\r\n", "X"},
		{"*1\r\n4\r\nPING\r\n", "X"},
		{"*1\r\n$-1\r\n", "X"},
		{"*1\r\n$04\r\nPING\r\n", "X"},
		{"*1\r\n$4\r\nPING*1", "X"},
		{"*1\r\n$4294967041\r\n", "X"},
		{"*12345678901\r\n", "X"},
		{GET "$1\r\n", "GET X"},
		{"+OK\r\n", "X"},
		{"\x16\x03\x01", "X"},
		{"1\r\n", "X"},
		/* What is not answered: each line as Redis 7.0.15 answered it */
		{SKIP PING GET, "CLIENT~ PING~ GET"},
		{SKIP SKIP PING GET, "CLIENT~ CLIENT~ PING~ GET"},
		{SKIP ON GET, "CLIENT~ CLIENT GET"},
		{SKIP "\r\n*0\r\n" PING GET, "CLIENT~ PING~ GET"},
		{SKIP RESET PING, "CLIENT~ RESET~ PING"},
		{SKIP MULTI PING EXEC, "CLIENT~ MULTI~ PING EXEC"},
		{SKIP SUB PING, "CLIENT~ SUBSCRIBE PING"},
		{OFF PING SKIP GET ON PING, "CLIENT~ PING~ CLIENT~ GET~ CLIENT PING"},
		{OFF RESET PING, "CLIENT~ RESET PING"},
		{OFF SUB ON PING, "CLIENT~ SUBSCRIBE CLIENT PING"},
		{OFF OFF ON PING, "CLIENT~ CLIENT~ CLIENT PING"},
		{REPLY(3, "off") "PING\r\n" REPLY(2, "on"), "CLIENT~ PING~ CLIENT"},
		{REPLY(3, "BAD") REPLY(5, "OFF..") PING, "CLIENT CLIENT PING"},
		{"*4\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n$1\r\nx\r\n" PING,
		 "CLIENT PING"},
		{"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\nOFF\r\n" PING, "CLIENT PING"},
		{"*3\r\n$6\r\nCONFIG\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n" PING, "CONFIG PING"},
		/* What ends with the protocol, or with the count */
		{"*1\r\n$7\r\nmonitor\r\n", "MONITOR!"},
		{"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n", "PSYNC!"},
		{MULTI GET EXEC GET, "MULTI GET EXEC GET"},
		{MULTI SUB GET EXEC, "MULTI SUBSCRIBE GET EXEC!"},
		{MULTI OFF PING EXEC, "MULTI CLIENT PING EXEC!"},
		{MULTI SUB "*1\r\n$7\r\nDISCARD\r\n" MULTI EXEC,
		 "MULTI SUBSCRIBE DISCARD MULTI EXEC"},
		{MULTI SUB RESET MULTI EXEC, "MULTI SUBSCRIBE RESET MULTI EXEC"},
		{SUB MULTI EXEC, "SUBSCRIBE MULTI EXEC"},
	};

	for (size_t i = 0; i < COUNT(tests); i++)
		check(tests[i].bytes, strlen(tests[i].bytes), NULL, tests[i].want);
	check("*1\r\n$4\r\nGE\0T\r\n", 14, NULL, "OTHER");
	check("GET\0k\r\n", 7, NULL, "X");
}

#define CONFIRM(type, l, word, count) type "3\r\n$" #l "\r\n" word "\r\n$1\r\na\r\n:" #count "\r\n"
#define MESSAGE(type, l, word) type "3\r\n$" #l "\r\n" word "\r\n$1\r\na\r\n$2\r\nhi\r\n"
#define LIKE_MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"

static void test_replies(void)
{
	static const struct {
		u8 open[4];
		const char *bytes, *want;
	} tests[] = {
		{{0},
		 "+OK\r\n:1\r\n$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n$2\r\n\r\n\r\n",
		 "ok ok ok ok ok ok ok"},
		{{0},
		 "_\r\n#t\r\n,3.14\r\n(349\r\n=7\r\ntxt:abc\r\n%0\r\n~0\r\n",
		 "ok ok ok ok ok ok ok"},
		{{0},
		 "$39\r\n+OK\r\n-ERR no\r\n*1\r\n$1\r\na\r\n..............\r\n+OK\r\n",
		 "ok ok"},
		{{0},
		 "-ERR a message that is longer than sixteen bytes\r\n"
		 "-MYERR custom\r\n-ERR\r\n",
		 "ERR other ERR"},
		{{0},
		 "-WRONGTYPE Operation against\r\n-NOMASTERLINK x\r\n"
		 "-ASK 1 h:1\r\n-ASKED 1\r\n",
		 "WRONGTYPE NOMASTERLINK ASK other"},
		{{0},
		 "-err x\r\n-\r\n-averylongwordthatgoeson x\r\n-\t\r\n!5\r\nERR x\r\n",
		 "other other other other other"},
		{{0}, "\n+OK\r\n\n\n-ERR x\r\n\n", "ok ERR"},
		{{0}, "+a\x8a-ERR b\r\n*1\r\n!5\r\nERR x\r\n", "ok ok"},
		{{0}, "*2\r\n-ERR x\r\n*1\r\n$1\r\na\r\n+OK\r\n", "ok ok"},
		{{0},
		 "*3\r\n*2\r\n:1\r\n*0\r\n*-1\r\n*1\r\n*1\r\n*1\r\n$3\r\nabc\r\n-OOM x\r\n",
		 "ok OOM"},
		{{0}, "%2\r\n+a\r\n%1\r\n:1\r\n:2\r\n+b\r\n~2\r\n:1\r\n:2\r\n+OK\r\n", "ok ok"},
		{{0}, "|1\r\n+k\r\n*1\r\n:1\r\n-BUSY x\r\n", "BUSY"},
		{{0}, "*2\r\n|1\r\n+k\r\n+v\r\n:1\r\n:2\r\n+OK\r\n", "ok ok"},
		/* Pushes before and between replies, and within one */
		{{0},
		 MESSAGE(">", 7, "message") ":1\r\n" MESSAGE(">", 7, "message"),
		 "push ok push"},
		{{0}, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n", "push ok"},
		{{0}, "*2\r\n:1\r\n" MESSAGE(">", 7, "message") ":2\r\n+OK\r\n", "ok ok"},
		{{0}, "*1\r\n" CONFIRM(">", 9, "subscribe", 1) ":2\r\n+OK\r\n", "ok ok"},
		{{0}, ">0\r\n+OK\r\n>1\r\n:1\r\n", "push ok push"},
		{{REDIS_SUBSCRIBE, REDIS_GET},
		 ">0\r\n>1\r\n+x\r\n>1\r\n$9\r\nsubscribe\r\n+OK\r\n",
		 "push push ok ok"},
		/* RESP3: the first confirmation ends the request */
		{{REDIS_SUBSCRIBE, REDIS_GET},
		 CONFIRM(">", 9, "subscribe", 1) CONFIRM(">", 9, "subscribe", 2) "$-1\r\n",
		 "ok push ok"},
		{{REDIS_SUBSCRIBE, REDIS_GET},
		 MESSAGE(">", 7, "message") CONFIRM(">", 9, "subscribe", 1) ":1\r\n",
		 "push ok ok"},
		{{REDIS_SUBSCRIBE, REDIS_GET},
		 CONFIRM(">", 10, "psubscribe", 1) CONFIRM(">", 9, "subscribe", 1),
		 "push ok"},
		{{REDIS_SUBSCRIBE}, ">1\r\n=9\r\nsubscribe\r\n>1\r\n$0\r\n\r\n", "push push"},
		{{REDIS_PUNSUBSCRIBE}, CONFIRM(">", 12, "punsubscribe", 0), "ok"},
		{{REDIS_SUBSCRIBE, REDIS_SUBSCRIBE}, "-NOPERM x\r\n+QUEUED\r\n", "NOPERM ok"},
		{{REDIS_GET}, CONFIRM(">", 9, "subscribe", 1) "+OK\r\n", "push ok"},
		/* RESP2 */
		{{REDIS_GET, REDIS_GET}, LIKE_MESSAGE "*1\r\n$9\r\nsubscribe\r\n", "ok ok"},
		{{NONE_OPEN, NONE_OPEN}, LIKE_MESSAGE "*1\r\n$9\r\nsubscribe\r\n", "push push"},
		{{REDIS_SUBSCRIBE, REDIS_PING},
		 CONFIRM("*", 9, "subscribe", 1) CONFIRM("*", 9, "subscribe", 2) LIKE_MESSAGE
		 "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
		 "ok push push ok"},
		{{REDIS_SUBSCRIBE, REDIS_UNSUBSCRIBE, REDIS_LRANGE},
		 CONFIRM("*", 9, "subscribe", 1) LIKE_MESSAGE CONFIRM("*", 11, "unsubscribe", 0)
			 LIKE_MESSAGE,
		 "ok push ok ok"},
		{{REDIS_SUBSCRIBE, REDIS_UNSUBSCRIBE, REDIS_PING},
		 CONFIRM("*", 9, "subscribe", 12) CONFIRM("*", 11, "unsubscribe", 1) LIKE_MESSAGE
		 "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
		 "ok ok push ok"},
		{{REDIS_SSUBSCRIBE, REDIS_SUBSCRIBE, REDIS_UNSUBSCRIBE, REDIS_PING},
		 CONFIRM("*", 10, "ssubscribe", 1) CONFIRM("*", 9, "subscribe", 1)
			 CONFIRM("*", 11, "unsubscribe", 0) MESSAGE("*", 8, "smessage"),
		 "ok ok ok push"},
		{{REDIS_SSUBSCRIBE, REDIS_SUNSUBSCRIBE, REDIS_LRANGE},
		 CONFIRM("*", 10, "ssubscribe", 1) CONFIRM("*", 12, "sunsubscribe", 0) LIKE_MESSAGE,
		 "ok ok ok"},
		{{REDIS_UNSUBSCRIBE}, "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", "ok"},
		{{REDIS_SUBSCRIBE, REDIS_RESET, REDIS_LRANGE},
		 CONFIRM("*", 9, "subscribe", 1) "+RESET\r\n" LIKE_MESSAGE,
		 "ok ok ok"},
		{{REDIS_SUBSCRIBE, REDIS_RESET, REDIS_PING},
		 CONFIRM("*", 9, "subscribe", 1) "-NOPERM x\r\n" LIKE_MESSAGE,
		 "ok NOPERM push"},
		{{REDIS_PSUBSCRIBE, REDIS_PING},
		 CONFIRM("*", 10, "psubscribe",
			 1) "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nx\r\n",
		 "ok push"},
		/* EXEC of what MULTI kept: a confirmation in it is no push */
		{{REDIS_EXEC, REDIS_GET},
		 "*2\r\n" CONFIRM("*", 9, "subscribe", 1) "$-1\r\n+OK\r\n",
		 "ok ok"},
		/* No such protocol */
		{{0}, "$?\r\n", "X"},
		{{0}, "*?\r\n", "X"},
		{{0}, "%-1\r\n", "X"},
		{{0}, "$3\r\nabcd\r\n", "X"},
		{{0}, "$20\r\n01234567890123456789xx", "X"},
		{{0}, "PONG\r\n", "X"},
		{{0}, "+OK\r\nHTTP/1.1", "ok X"},
		{{0}, "*2\r\n:1\r\n;4\r\n", "X"},
		{{0}, "$05\r\n", "X"},
		{{0}, "$-0\r\n", "X"},
	};

	for (size_t i = 0; i < COUNT(tests); i++)
		check(tests[i].bytes, strlen(tests[i].bytes), tests[i].open, tests[i].want);
}

/* Each command of the list, in both forms and in any case, and its neighbours. */
static void test_names(void)
{
	char bytes[96];

	for (size_t i = 0; i < COUNT(commands); i++) {
		const char *what = NULL;
		char name[32], got[64];

		for (int variant = 0; variant < 5 && !what; variant++) {
			size_t n = snprintf(name, sizeof(name), "%s", commands[i].name);

			if (variant == 1)
				name[n / 2] = fold(name[n / 2]) | (name[n / 2] >= 'A' ? 0x20 : 0);
			if (variant == 2)
				name[--n] = 0;
			if (variant == 3)
				name[n++] = 'X', name[n] = 0;
			if (variant == 4)
				name[0] ^= 1;
			n = snprintf(bytes, sizeof(bytes), "*2\r\n$%zu\r\n%s\r\n$1\r\na\r\n%s\r\n",
				     n, name, name);
			what = mismatch_direction((u8 *)bytes, n, NULL);
			describe((u8 *)bytes, n, NULL, got, sizeof(got));
			if (variant < 2 && !what &&
			    strncmp(got, commands[i].name, strlen(commands[i].name)))
				what = "name";
		}
		test(!what, what, commands[i].name, strlen(commands[i].name));
	}
	for (size_t i = 0; i < COUNT(errors); i++) {
		size_t n = snprintf(bytes, sizeof(bytes), "-%s x\r\n", errors[i].word);

		check(bytes, n, opens, errors[i].word);
	}
	test(redis_error(0, 0) == REDIS_ERROR_OTHER, "an empty word", "", 0);
	test(redis_command(0, 0, 0) == REDIS_OTHER, "an empty name", "", 0);
}

/* Words that share the slot of a name, and its first or its last 8 bytes. */
static void test_neighbours(void)
{
	static const char *const names[] = {"SUBSCRIBE", "GEORADIUS", "HINCRBYFLOAT", "GET"};

	for (size_t i = 0; i < COUNT(names); i++) {
		u64 word[2] = {0}, other, slot;

		memcpy(word, names[i], strlen(names[i]));
		slot = REDIS_COMMAND_HASH(word[0], word[1]);
		do {
			other = random_number() & ~BYTES_ALL(0xa0); /* what folding keeps */
		} while (REDIS_COMMAND_HASH(word[0], other) != slot);
		test(redis_command(word[0], other, 16) == REDIS_OTHER, "neighbour", &other, 8);
		do {
			other = random_number() & ~BYTES_ALL(0xa0);
		} while (REDIS_COMMAND_HASH(other, word[1]) != slot);
		test(redis_command(other, word[1], 12) == REDIS_OTHER, "neighbour", &other, 8);
	}
	for (size_t i = 0; i < COUNT(errors); i++) {
		u64 word[2] = {0}, other;

		memcpy(word, errors[i].word, strlen(errors[i].word));
		do {
			other = random_number();
		} while (REDIS_ERROR_HASH(word[0], other) != REDIS_ERROR_HASH(word[0], word[1]));
		test(redis_error(word[0], other) == REDIS_ERROR_OTHER, "neighbour", &other, 8);
	}
}

static void test_flags(void)
{
	static const u8 waits[] = {REDIS_BLPOP,	   REDIS_BRPOP,	   REDIS_BLMOVE,  REDIS_BLMPOP,
				   REDIS_BZPOPMIN, REDIS_BZPOPMAX, REDIS_BZMPOP,  REDIS_BRPOPLPUSH,
				   REDIS_XREAD,	   REDIS_WAIT,	   REDIS_WAITAOF, REDIS_XREADGROUP};
	int count = 0;

	for (size_t i = 0; i < COUNT(waits); i++)
		test(redis_flags(waits[i]) == REDIS_WAITS, "waits", &waits[i], 1);
	for (int operation = 0; operation < 256; operation++) {
		test(!(redis_flags(operation) & REDIS_SUBSCRIBES) == !is_subscribe(operation),
		     "subscribes", &operation, 1);
		count += redis_flags(operation) == REDIS_WAITS;
	}
	test(count == COUNT(waits), "waits", "", 0);
	test(redis_flags(REDIS_HELLO) == REDIS_HOUSEKEEPING, "housekeeping", "HELLO", 5);
	test(!redis_flags(REDIS_OTHER) && !redis_flags(REDIS_GET), "no flags", "GET", 3);
}

/* Values that no test holds: what the steps skip by arithmetic. */
static void test_large(void)
{
	static const struct {
		const char *line;
		u64 skips;
		bool last;
	} tests[] = {
		{"$100000\r\n", 100000, false},	       {"$99999999\r\n", 99999999, false},
		{"$536870912\r\n", 536870912, false},  {"$536870912\r\n", 536870912, true},
		{"$1234567890\r\n", 1234567890, true}, {"$4294967040\r\n", 4294967040, false},
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		const char *line = tests[i].line;
		size_t n = strlen(line);

		for (int is_reply = 0; is_reply < 2; is_reply++) {
			struct redis_side side = {.left = tests[i].last ? 1 : 2};
			struct prefix p = pack(line, n, '7');
			u64 e, skips = n + tests[i].skips + (tests[i].last ? 0 : 2);

			side.at = is_reply ? REDIS_AT_START : REDIS_AT_ARGUMENT;
			side.word = is_reply ? 0 : REDIS_WORD_NONE;
			e = is_reply ? redis_reply(&side, p.words[0], p.words[1], n, 0) :
				       redis_request(&side, p.words[0], p.words[1], n);
			test(event_kind(e) == EVENT_NONE && event_used(e) == skips, "large", line,
			     n);
			if (!tests[i].last)
				continue;
			p = pack("\r\n", 2, '7');
			e = is_reply ? redis_reply(&side, p.words[0], p.words[1], 2, 0) :
				       redis_request(&side, p.words[0], p.words[1], 2);
			test(event_kind(e) == EVENT_END && event_used(e) == 2, "large: end", line,
			     n);
		}
	}
}

static size_t put(u8 *data, size_t at, const char *text)
{
	memcpy(data + at, text, strlen(text));
	return at + strlen(text);
}

/* A reply of any depth: simple, unless there is room for more. */
static size_t put_reply(u8 *data, size_t at, int depth)
{
	static const char *const simple[] = {"+OK\r\n",	 ":12\r\n",
					     "$-1\r\n",	 "_\r\n",
					     "#f\r\n",	 "-ERR a word or two\r\n",
					     "*0\r\n",	 "*-1\r\n",
					     ",1e9\r\n", "(12345678901234567890123456\r\n"};
	static const char arrays[] = "**~%|>";
	u64 r = random_number();
	char line[32];
	int n = r >> 8 & 3;

	if (depth == 3 || r % 5 < 2)
		return put(data, at, simple[(r >> 16) % COUNT(simple)]);
	if (r % 5 == 2) {
		n = (r >> 8) % 40;
		snprintf(line, sizeof(line), "$%d\r\n", n);
		at = put(data, at, line);
		for (int i = 0; i < n; i++)
			data[at++] = "+\r\n$*1-:a"[random_number() % 9];
		return put(data, at, "\r\n");
	}
	r = arrays[(r >> 16) % 6];
	snprintf(line, sizeof(line), "%c%d\r\n", (char)r, n);
	at = put(data, at, line);
	for (int i = 0; i < (r == '%' || r == '|' ? 2 * n : n); i++)
		at = put_reply(data, at, depth + 1);
	return r == '|' || (r == '>' && depth) ? put_reply(data, at, depth + 1) : at;
}

/* Pipelines of valid messages, of any kind. */
static void test_pipelines(void)
{
	static const char *const requests[] = {PING,	GET, SUB,  MULTI,    EXEC,   RESET,
					       ON,	OFF, SKIP, "*0\r\n", "\r\n", "SET k v\r\n",
					       "TYPE\n"};
	static const char *const replies[] = {
		CONFIRM("*", 9, "subscribe", 1),
		CONFIRM("*", 11, "unsubscribe", 0),
		CONFIRM("*", 10, "ssubscribe", 2),
		CONFIRM("*", 12, "sunsubscribe", 0),
		CONFIRM(">", 9, "subscribe", 1),
		CONFIRM(">", 12, "punsubscribe", 0),
		LIKE_MESSAGE,
		MESSAGE("*", 8, "smessage"),
		MESSAGE(">", 8, "pmessage"),
		"*2\r\n$4\r\npong\r\n$0\r\n\r\n",
		"+RESET\r\n",
		"-NOPERM x\r\n",
	};
	static u8 data[16384];

	for (int i = 0; i < 400; i++) {
		const char *what;
		size_t n = 0;
		u8 open[4];

		for (int k = 0; k < 12; k++)
			n = put(data, n, requests[random_number() % COUNT(requests)]);
		what = mismatch_direction(data, n, NULL);
		test(!what, what, data, n);
		n = 0;
		for (int k = 0; k < 4; k++)
			open[k] = opens[random_number() % COUNT(opens)];
		for (int k = 0; k < 10; k++) {
			if (random_number() & 1)
				n = put(data, n, replies[random_number() % COUNT(replies)]);
			else
				n = put_reply(data, n, 0);
		}
		what = mismatch_direction(data, n, open);
		test(!what, what, data, n);
	}
}

static void test_recognise(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		int request, reply;
	} tests[] = {
#define T(bytes, request, reply) {bytes, sizeof(bytes) - 1, REDIS_##request, REDIS_##reply}
		T("*1\r\n$4\r\nPING\r\n", YES, YES),
		T("*3\r\n$9\r\nsubscribe\r\n", YES, YES),
		T("*3\r\n$9\r\n", YES, YES),
		T("*1000001\r\n$4\r\nM", YES, YES),
		T("*9999999\r\n$20\r\n", YES, YES),
		T("*", PARTIAL, PARTIAL),
		T("*3\r\n", PARTIAL, PARTIAL),
		T("*3\r\n$9\r", PARTIAL, PARTIAL),
		T("*0\r\n", NO, NO),
		T("*-1\r\n", NO, NO),
		T("*3\r\n$0\r\n", NO, NO),
		T("*3\r\n$100\r\n", NO, NO),
		T("*10000000\r\n", NO, NO),
		T("*3\r\n:1\r\n", NO, NO),
		T("*3\n$9\r\n", NO, NO),
		T("*1\r\n$123456789", PARTIAL, PARTIAL),
		T("PING\r\n", YES, NO),
		T("ping\r\n", YES, NO),
		T("PING", PARTIAL, NO),
		T("PING x\r\n", NO, NO),
		T("GET k\r\n", NO, NO),
		T("INFO\r\n", NO, NO),
		/* Replies: what is evidence, and what is not */
		T("%7\r\n$6\r\nserver\r\n", NO, YES),
		T(">3\r\n$7\r\nmessage", NO, YES),
		T("~2\r\n$1\r\na\r\n", NO, YES),
		T("+PONG\r\n", NO, YES),
		T("+QUEUED\r\n", NO, YES),
		T("-NOAUTH Authent", NO, YES),
		T("-DENIED Redis i", NO, YES),
		T("-WRONGTYPE Oper", NO, YES),
		T("-NOAUTH", NO, PARTIAL),
		T("-ERR unknown co", NO, NO),
		T("-CUSTOM x", NO, NO),
		T("-NOAUTH\r\n", NO, NO),
		T("+OK\r\n", NO, NO),
		T("+", NO, PARTIAL),
		T(":1\r\n", NO, NO),
		T("$5\r\nhello\r\n", NO, NO),
		T("$-1\r\n", NO, NO),
		T("_\r\n", NO, NO),
		/* Others: the client's first bytes, and the server's */
		T("GET / HTTP/1.1\r\n", NO, NO),
		T("OPTIONS * HTTP/1", NO, NO),
		T("HTTP/1.1 200 OK\r", NO, NO),
		T("PRI * HTTP/2.0\r\n", NO, NO),
		T("POST /x HTTP/1.1", NO, NO),
		T("PUT /PING HTTP/1", NO, NO),
		T("\x00\x00\x12\x04\x00\x00\x00\x00\x00", NO, NO),
		T("\x16\x03\x01\x02\x00\x01", NO, NO),
		T("SSH-2.0-OpenSSH", NO, NO),
		T("get key\r\n", NO, NO),
		T("gets k1 k2\r\n", NO, NO),
		T("set k 0 0 1\r\nx\r\n", NO, NO),
		T("stats\r\n", NO, NO),
		T("version\r\n", NO, NO),
		T("mg k v\r\n", NO, NO),
		T("mn\r\n", NO, NO),
		T("VALUE k 0 1\r\n", NO, NO),
		T("STORED\r\n", NO, NO),
		T("END\r\n", NO, NO),
		T("\x80\x00\x00\x01\x00\x00\x00\x00", NO, NO),
		T("220 it ESMTP\r\n", NO, NO),
		T("EHLO host\r\n", NO, NO),
		T("250-it\r\n", NO, NO),
		T("+OK POP3 ready\r\n", NO, NO),
		T("+OK <1.2@host>\r\n", NO, NO),
		T("-ERR [AUTH] no\r\n", NO, NO),
		T("USER me\r\n", NO, NO),
		T("CAPA\r\n", NO, NO),
		T("* OK IMAP4rev1 r", NO, NO),
		T("* PREAUTH hi\r\n", NO, NO),
		T("* BYE\r\n", NO, NO),
		T("* 23 EXISTS\r\n", NO, NO),
		T("a1 LOGIN u p\r\n", NO, NO),
		T("+ idling\r\n", NO, NO),
		T("220-FTP ready\r\n", NO, NO),
		T("AUTH TLS\r\n", NO, NO),
		T("PASV\r\n", NO, NO),
		T("INFO {\"server_id", NO, NO),
		T("CONNECT {\"verbos", NO, NO),
		T("PUB x 1\r\n", NO, NO),
		T("PONG\r\n", NO, NO),
		T("-ERR 'Unknown Pr", NO, NO),
		T("MSG x 1 1\r\n", NO, NO),
		T("NICK me\r\n", NO, NO),
		T("PING :host\r\n", NO, NO),
		T("\x00\x00\x00\x4a\x00\x03\x00\x00user\x00", NO, NO),
		T("\x00\x00\x00\x08\x04\xd2\x16\x2f", NO, NO),
		T("Q\x00\x00\x00\x0cSELECT 1", NO, NO),
		T("R\x00\x00\x00\x08\x00\x00\x00\x00", NO, NO),
		T("\x4a\x00\x00\x00\x0a"
		  "8.0.36",
		  NO, NO),
		T("\x0f\x00\x00\x00\x03SELECT 1", NO, NO),
		T("\x00\x00\x00\x23\x00\x12\x00\x04\x00\x00\x00\x01", NO, NO),
		T("\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00", NO, NO),
		T("AMQP\x00\x00\x09\x01", NO, NO),
		T("\x01\x00\x00\x00\x00\x01\xf6\x00\x0a\x00\x0a", NO, NO),
		T("\x10\x0c\x00\x04MQTT\x04\x02", NO, NO),
		T("\x04\x00\x00\x00\x05\x00\x00\x00\x00", NO, NO),
		T("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", NO, NO),
		T("<?xml version=", NO, NO),
		T("{\"jsonrpc\":", NO, NO),
		T("--- /dev/null", NO, NO),
		T("%PDF-1.7\r\n", NO, NO),
		T("> quoted\r\n", NO, NO),
#undef T
	};
	size_t found = 0;

	for (size_t i = 0; i < COUNT(tests); i++) {
		size_t n = tests[i].length < 16 ? tests[i].length : 16;
		struct prefix p = pack(tests[i].bytes, n, 0xff);

		test(redis_recognise(p.words[0], p.words[1], n, 0) == tests[i].request &&
			     redis_recognise(p.words[0], p.words[1], n, 1) == tests[i].reply,
		     "recognise", tests[i].bytes, tests[i].length);
		test_agrees(tests[i].bytes, tests[i].length);
	}
	for (size_t i = 0; i < 16; i++) {
		test_replaced_byte("*1\r\n$4\r\nPING\r\n..", 16, i);
		test_replaced_byte("*123456\r\n$12\r\nabc", 16, i);
		test_replaced_byte("+QUEUED\r\n+PONG\r\n", 16, i);
		test_replaced_byte("-CLUSTERDOWN abc", 16, i);
		test_replaced_byte("PING\r\n..........", 16, i);
	}
	for (size_t i = 0; i < 1000000; i++) {
		u64 lo = random_number(), hi = random_number();

		found += redis_recognise(lo, hi, 16, i & 1) != REDIS_NO;
	}
	test(!found, "recognise: random bytes", &found, sizeof(found));
}

static void run_tests(void)
{
	test_requests();
	test_replies();
	test_names();
	test_neighbours();
	test_flags();
	test_large();
	test_pipelines();
	test_recognise();
}

#endif

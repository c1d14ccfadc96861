/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Messages of HTTP/1, and scenarios of them. */
#ifndef FATHOM_TEST_HTTP1_MESSAGES_H
#define FATHOM_TEST_HTTP1_MESSAGES_H

#include "scenario.h"

struct request_text {
	const char *bytes;
	u8 method;
	bool later; /* it is no request that a connection is recognised by */
	bool asks;  /* its body may be left out, which only a usual request behind it tells */
	bool decoy; /* its body looks like a request, and is taken for one behind an unseen head */
};

struct response_text {
	const char *bytes; /* ###: the status; NULL: there is none, and the connection ends */
	u16 status;	   /* 0: one of its own for each exchange */
	bool last;	   /* it ends with the connection */
	bool decoy;	   /* its body looks like a response */
	bool to_head;	   /* it answers HEAD; others do not */
};

#define EXPECT "Expect: 100-continue\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct request_text requests[] = {
	{.bytes = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", .method = METHOD_GET},
	{.bytes = "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", .method = METHOD_HEAD},
	{.bytes = "POST /p HTTP/1.1\r\nContent-Length: 10\r\n\r\nGET / HTTP",
	 .method = METHOD_POST,
	 .decoy = true},
	{.bytes = "POST /p HTTP/1.1\r\n" EXPECT "Content-Length: 11\r\n\r\n{\"a\": null}",
	 .method = METHOD_POST,
	 .asks = true},
	{.bytes = "PUT /c HTTP/1.1\r\n" CHUNKED "\r\n6;x=y\r\nHTTP/1\r\n0\r\nT: v\r\n\r\n",
	 .method = METHOD_PUT},
	{.bytes = "DELETE http://h/a HTTP/1.1\nContent-Length: 0\n\n", .method = METHOD_DELETE},
	{.bytes = "x y\r\n\r\n", .method = METHOD_OTHER, .later = true},
	{.bytes = "PATCH ?q HTTP/1.1\r\ncontent-length:1\r\nTE: trailers\r\n\r\nA",
	 .method = METHOD_PATCH,
	 .later = true},
	{.bytes = "\r\nOPTIONS * HTTP/1.1\r\nConnection: close\r\nContent-Type: c\r\n\r\n",
	 .method = METHOD_OPTIONS,
	 .decoy = true},
	{.bytes = "PUT /up HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nUser-Agent: curl/7.88.1\r\n"
		  "Accept: */*\r\n" CHUNKED EXPECT "\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n",
	 .method = METHOD_PUT,
	 .asks = true},
	{.bytes = "GET\t/a\r\n\r\n", .method = METHOD_OTHER, .later = true},
	{.bytes = "VERSION-CONTROL /a HTTP/1.1\r\nHost: h\r\nExpect: nothing\r\n\r\n",
	 .method = METHOD_OTHER,
	 .later = true},
};

static const struct response_text responses[] = {
	{.bytes = "HTTP/1.1 ### OK\r\nContent-Length: 2\r\n\r\nok"},
	{.bytes = "HTTP/1.1 ### OK\r\n" CHUNKED "\r\n13\r\nHTTP/1.1 500 No\r\n\r\n\r\n0\r\n\r\n",
	 .decoy = true},
	{.bytes = "HTTP/1.0 ###\r\nContent-Length: 0\r\n\r\n"},
	{.bytes = "HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n", .status = 204},
	{.bytes = "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", .status = 304},
	{.bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ### OK\r\nContent-Length: 1\r\n\r\nx"},
	{.bytes = "HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 103 E\n\nHTTP/1.1 ### \n"
		  "Content-Length:19\n\nHTTP/1.1 200 OK\r\n\r\n",
	 .decoy = true},
	{.bytes = "HTTP/1.1 ### OK\r\nConnection: close\r\n\r\nuntil the end", .last = true},
	{.bytes = "<!DOCTYPE html><html>HTTP/0.9</html>", .status = STATUS_OTHER, .last = true},
	{.status = STATUS_ABORTED, .last = true},
	{.bytes = "HTTP/1.1 ### OK\r\nContent-Length: 700\r\n\r\n", .to_head = true},
	{.bytes = "HTTP/1.1 ### OK\r\n" CHUNKED "\r\n", .to_head = true},
	{.bytes = "HTTP/1.1 ### No\r\nServer: s\r\n\r\n", .to_head = true},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What may come in front of the first request of a connection. The first is nothing. */
static const struct preamble_text {
	const char *bytes;
	u32 length;
} preambles[] = {
	{},
#define PREAMBLE_TEXT(s) {s, sizeof(s) - 1}
	PREAMBLE_TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
	PREAMBLE_TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	PREAMBLE_TEXT("PROXY UNKNOWN\r\n"),
	PREAMBLE_TEXT("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), /* LOCAL, without addresses */
	PREAMBLE_TEXT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xdc\x04\0\x50"),
	/* IPv4, and what looks like a request in what follows the addresses */
	PREAMBLE_TEXT(
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x1f\xc0\0\2\1\xc0\0\2\2\xdc\x04\0\x50\xe0\0\x10"
		"GET / HTTP/1.1\r\n"),
};

#define FIRST_STATUS 210 /* of the responses that have one of their own */

/* An exchange of a scenario: indexes of the tables above. */
struct choice {
	u8 request, response;
};

/* Adds a message to a stream, with the digits of STATUS in the place of ###. */
static inline void add(struct scenario *sc, struct stream *s, const char *bytes, u32 length,
		       u16 status, u32 needs)
{
	struct messages *all = messages_of(sc, s);
	struct message *m = &all->message[all->count++];
	u32 divisor = 100, i;

	m->from = s->length;
	m->needs = needs;
	for (i = 0; i < length && s->length < MAX_STREAM; i++) {
		if (bytes[i] == '#' && status) {
			s->bytes[s->length++] = '0' + status / divisor % 10;
			divisor /= 10;
		} else {
			s->bytes[s->length++] = bytes[i];
		}
	}
	m->to = s->length;
}

/* Whether an exchange makes sense. */
static inline bool is_exchange(struct choice c)
{
	const struct response_text *r = &responses[c.response];

	return !r->bytes || r->status || (requests[c.request].method == METHOD_HEAD) == r->to_head;
}

/*
 * Whether it is certain what is right to count for these exchanges. UNSEEN: where bytes of them go
 * unseen.
 */
static inline bool fits(const struct choice *choices, u32 n, bool unseen)
{
	u32 i, j;

	if (requests[choices[0].request].later)
		return false;
	for (i = 0; i < n; i++) {
		const struct response_text *r = &responses[choices[i].response];

		if (!is_exchange(choices[i]) || (unseen && requests[choices[i].request].decoy))
			return false;
		if (r->last && i + 1 < n)
			return false;
		/* Behind HEAD, whose response may have a body as long as the hook has not run. */
		if (r->status == STATUS_OTHER && i &&
		    requests[choices[i - 1].request].method == METHOD_HEAD)
			return false;
		for (j = 0; j < i; j++)
			if (r->status && r->status == responses[choices[j].response].status)
				return false;
	}
	return true;
}

static inline void begin_scenario(struct scenario *sc, u8 role, u32 at_once)
{
	memset(sc, 0, sizeof(*sc));
	sc->role = role;
	sc->at_once = at_once;
	sc->pipelined = at_once != 1;
	sc->name = sc->pipelined ? "pipelined" : "one after the other";
}

/* The last thing in a message that looks like the beginning of one. */
static inline void note_decoy(const struct stream *s, struct message *m)
{
	for (m->decoy = m->to - 7; memcmp(s->bytes + m->decoy, "HTTP/1.", 7);)
		m->decoy--;
}

/* How much of the responses request I waits for. */
static inline u32 waits_for(struct scenario *sc, u32 i)
{
	if (!sc->at_once)
		return 0;
	if (i % sc->at_once == 0)
		sc->answered = responses_of(sc)->length;
	return sc->answered;
}

/* Adds exchange I of CHOICES, which has a status of its own unless its response says another. */
static inline void add_exchange(struct scenario *sc, const struct choice *choices, u32 i)
{
	const struct request_text *q = &requests[choices[i].request];
	const struct request_text *before = NULL;
	const struct response_text *r = &responses[choices[i].response];
	struct stream *request = requests_of(sc), *response = responses_of(sc);
	struct expected *x = &sc->expected[sc->exchanges++];
	bool client = sc->role == ROLE_CLIENT;

	if (i && choices[i - 1].request < COUNT(requests))
		before = &requests[choices[i - 1].request];
	x->method = q->method;
	x->status = r->status || !r->bytes ? r->status : FIRST_STATUS + i;
	add(sc, request, q->bytes, strlen(q->bytes), 0, waits_for(sc, i));
	if (r->bytes)
		add(sc, response, r->bytes, strlen(r->bytes), x->status, request->length);
	if (r->decoy)
		note_decoy(
			response,
			&messages_of(sc, response)->message[messages_of(sc, response)->count - 1]);
	/* HTTP/0.9 is read before it is known that this is HTTP. */
	sc->undecidable |= !i && client && x->status == STATUS_OTHER;
	sc->undecidable |= before && before->asks && q->later;
	/*
	 * A client has sent HEAD and more in one call, and reads the response to HEAD and more in
	 * one call, before the first one's hook has run: whether a body follows cannot be known
	 * then.
	 */
	sc->undecidable |= before && client && sc->pipelined && before->method == METHOD_HEAD;
}

/*
 * Makes the two streams. The client sends up to AT_ONCE requests before it waits for responses; 0:
 * all. In front of the first is one of the preambles.
 */
static inline void build(struct scenario *sc, u8 role, const struct choice *choices, u32 n,
			 u32 at_once, u32 preamble)
{
	const struct preamble_text *p = &preambles[preamble];
	u32 i;

	begin_scenario(sc, role, at_once);
	for (i = 0; i < p->length; i++)
		requests_of(sc)->bytes[requests_of(sc)->length++] = p->bytes[i];
	for (i = 0; i < n; i++)
		add_exchange(sc, choices, i);
}

#endif

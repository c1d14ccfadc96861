// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* http1_request, http1_append and http1_blank. */
#include "harness.h"

static const struct {
	const char *name;
	u8 method;
} methods[] = {
	{"GET", METHOD_GET},	     {"HEAD", METHOD_HEAD},	{"POST", METHOD_POST},
	{"PUT", METHOD_PUT},	     {"DELETE", METHOD_DELETE}, {"CONNECT", METHOD_CONNECT},
	{"OPTIONS", METHOD_OPTIONS}, {"TRACE", METHOD_TRACE},	{"PATCH", METHOD_PATCH},
};

static bool is_upper(u8 c)
{
	return strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", c) && c;
}

/*
 * Whether the N bytes at P are the beginning of PATTERN (then PARTIAL, unless no more
 * bytes are looked at), or begin with it. PATTERN is lower case and matches any case if
 * ANY_CASE.
 */
static int reference_match(const u8 *p, size_t n, const char *pattern, bool any_case, bool last)
{
	size_t i;

	for (i = 0; i < n && pattern[i]; i++) {
		u8 c = p[i];

		if (any_case && is_upper(c))
			c = c - 'A' + 'a';
		if (c != (u8)pattern[i])
			return HTTP1_NO;
	}
	return pattern[i] && !last ? HTTP1_PARTIAL : HTTP1_YES;
}

static int reference_target(const u8 *p, size_t n, u8 method, bool last)
{
	int plain, tls;

	if (method == METHOD_CONNECT)
		return is_upper(*p) || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
				       *p == '[' ?
			       HTTP1_YES :
			       HTTP1_NO;
	if (*p == '/')
		return HTTP1_YES;
	if (*p == '*' && method == METHOD_OPTIONS)
		return reference_match(p, n, "* HTTP/1", false, last);
	plain = reference_match(p, n, "http://", true, last);
	tls = reference_match(p, n, "https://", true, last);
	return plain > tls ? plain : tls;
}

/* Reads the grammar from left to right. */
static int reference(const u8 *p, size_t n, u8 *method)
{
	size_t length = 0;

	while (length < n && length < 15 &&
	       (is_upper(p[length]) || (length && (p[length] == '-' || p[length] == '_'))))
		length++;
	if (length == 15)
		return HTTP1_NO;
	if (length == n)
		return HTTP1_PARTIAL;
	if (p[length] != ' ' || length < 3 || (length == 3 && !memcmp(p, "PRI", 3)))
		return HTTP1_NO;
	if (length + 1 == n)
		return HTTP1_PARTIAL;
	*method = METHOD_OTHER;
	for (size_t i = 0; i < COUNT(methods); i++)
		if (strlen(methods[i].name) == length && !memcmp(p, methods[i].name, length))
			*method = methods[i].method;
	return reference_target(p + length + 1, n - length - 1, *method, n == HTTP1_PREFIX);
}

/* How many CR and LF the bytes begin with; the parser looks at 8. */
static u32 reference_blank(const u8 *p, size_t n)
{
	u32 blank = 0;

	while (blank < n && blank < 8 && (p[blank] == '\r' || p[blank] == '\n'))
		blank++;
	return blank;
}

/* Adds DATA to the first HAVE bytes, as scan_prefix of bpf/http1/scan.h does. */
static size_t append(struct prefix *p, size_t have, const u8 *data, size_t n)
{
	struct prefix piece = pack(data, n, 0);

	http1_append(p->words, have, piece.words);
	return have + n < HTTP1_PREFIX ? have + n : HTTP1_PREFIX;
}

static const char *mismatch(const u8 *data, size_t length)
{
	static const u8 fills[] = {0, 0xff, ' ', '/', 'A', '\n'};
	size_t n = length < HTTP1_PREFIX ? length : HTTP1_PREFIX;
	struct prefix bytewise = {};
	int before = HTTP1_PARTIAL;

	for (size_t end = 1; end <= n; end++) {
		struct prefix want = pack(data, end, 0);
		u8 want_method = METHOD_COUNT, method = METHOD_COUNT;
		int verdict = reference(data, end, &want_method);

		for (size_t i = 0; i < COUNT(fills); i++) {
			struct prefix p = pack(data, end, fills[i]);

			if (http1_request(p.words[0], p.words[1], end, &method) != verdict)
				return "request: verdict";
			if (verdict == HTTP1_YES && method != want_method)
				return "request: method";
			if (http1_blank(p.words[0], end) != reference_blank(data, end))
				return "blank";
		}
		if (before != HTTP1_PARTIAL && verdict != before)
			return "request: the verdict changes with more bytes";
		if (end == HTTP1_PREFIX && verdict == HTTP1_PARTIAL)
			return "request: undecided";
		before = verdict;

		append(&bytewise, end - 1, data + end - 1, 1);
		if (memcmp(&bytewise, &want, sizeof(want)))
			return "append: byte by byte";
		for (size_t cut = 0; cut <= end; cut++) {
			struct prefix p = {};
			size_t have = append(&p, 0, data, cut);

			if (have == HTTP1_PREFIX) /* full: nothing is added */
				continue;
			/* All of the rest, more than fits too. */
			if (append(&p, have, data + cut, (end == n ? length : end) - cut) != end)
				return "append: length";
			if (memcmp(&p, &want, sizeof(want)))
				return "append: in two pieces";
		}
	}
	return NULL;
}

#ifndef FUZZ

static void test_verdict(const char *message, int want, u8 want_method)
{
	size_t n = strlen(message) < HTTP1_PREFIX ? strlen(message) : HTTP1_PREFIX;
	struct prefix p = pack(message, n, 0xff);
	u8 method = METHOD_COUNT;
	int verdict = http1_request(p.words[0], p.words[1], n, &method);

	test(verdict == want, "request: verdict", message, strlen(message));
	if (want == HTTP1_YES)
		test(method == want_method, "request: method", message, strlen(message));
	test_agrees(message, strlen(message));
}

static void test_requests(void)
{
	static const struct {
		const char *message;
		u8 method;
	} requests[] = {
		{"GET /", METHOD_GET},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD_GET},
		{"GET http://a/ HTTP/1.1\r\n", METHOD_GET},
		{"GET HTTPS://a/ HTTP/1.1\r\n", METHOD_GET},
		{"OPTIONS HtTp://a/ HTTP/1.1\r\n", METHOD_OPTIONS},
		{"OPTIONS * HTTP/1.1\r\n", METHOD_OPTIONS},
		{"CONNECT example.org:443 HTTP/1.1\r\n", METHOD_CONNECT},
		{"CONNECT 127.0.0.1:80 HTTP/1.1\r\n", METHOD_CONNECT},
		{"CONNECT [::1]:443 HTTP/1.1\r\n", METHOD_CONNECT},
		/* Methods that others define: WebDAV, UPnP, caches, Microsoft. */
		{"PROPFIND /a HTTP/1.1\r\n", METHOD_OTHER},
		{"MKCALENDAR /a HTTP/1.1\r\n", METHOD_OTHER},
		{"M-SEARCH /a HTTP/1.1\r\n", METHOD_OTHER},
		{"RPC_IN_DATA /rpc/a HTTP/1.1\r\n", METHOD_OTHER},
		{"PURGE /a HTTP/1.1\r\n", METHOD_OTHER},
		{"GETS /a HTTP/1.1\r\n", METHOD_OTHER},
		{"POSTGET https://a/ HTTP/1.1\r\n", METHOD_OTHER},
		/* The longest method, and as much of a scheme as fits. */
		{"ABCDEFGHIJKLMN /a HTTP/1.1\r\n", METHOD_OTHER},
		{"ABCDEFGHIJKLMN http://a HTTP/1.1\r\n", METHOD_OTHER},
		{"PROPPATCH https://a/ HTTP/1.1\r\n", METHOD_OTHER},
	};

	for (size_t i = 0; i < COUNT(requests); i++)
		test_verdict(requests[i].message, HTTP1_YES, requests[i].method);
}

static void test_others(void)
{
	static const char *const messages[] = {
		/* Nearly a request */
		"GET  / HTTP/1.1\r\n",
		"GET\t/ HTTP/1.1",
		" GET / HTTP/1.1",
		"get / HTTP/1.1",
		"Get / HTTP/1.1",
		"GE / HTTP/1.1",
		"G / HTTP/1.1",
		"GET key",
		"GET \r\n",
		"GET\r\n",
		"GET ?a=b HTTP/1.1",
		"GET * HTTP/1.1",
		"GET ftp://a/",
		"GET httpx://a/",
		"GET http:/a",
		"GET https:/a",
		"GET h\x14tp://a",
		"GET http\x1a//a",
		"POST *",
		"OPTIONS *\r\n",
		"OPTIONS * RTSP/1.0\r\n",
		"OPTIONS rtsp://a RTSP/1.0\r\n",
		"CONNECT /a",
		"CONNECT *",
		"CONNECT :443",
		"G3T / HTTP/1.1",
		"GET\xa0/ HTTP/1.1",
		"GE\xd4 / HTTP/1.1",
		"VERSION-CONTROL /a HTTP/1.1",
		"ABCDEFGHIJKLMNO / HTTP/1.1",
		"AAAAAAAAAAAAAAAAAAAA",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PRI /",
		"PRI http://a/",
		"HTTP/1.1 200 OK\r\n",
		"\r\nGET / HTTP/1.1",
		/* Other protocols */
		"*1\r\n$4\r\nPING\r\n",
		"PING\r\n",
		"SET hello world\r\n",
		"AUTH hunter2\r\n",
		"get a\r\n",
		"gets http\r\n",
		"set a 0 0 1\r\nb\r\n",
		"version\r\n",
		"VERSION\r\n",
		"EHLO host.example.org\r\n",
		"HELO http\r\n",
		"MAIL FROM:<a@example.org>\r\n",
		"USER harry\r\n",
		"QUIT\r\n",
		"NICK hugo\r\n",
		"a001 LOGIN a b\r\n",
		"CONNECT {\"verbose\":false}\r\n",
		"CONNECT\naccept-version:1.2\n\n",
		"INVITE sip:a@b SIP/2.0\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"AMQP\x01\x01\x08\x09",
		"\x16\x03\x01\x02\x01\x01",
		"\x10\x10\x01\x04MQTT",
		/* Bodies */
		"{\"a\": 1}",
		"[1, 2]",
		"<html>",
		"<?xml version=",
		"a=b&c=d",
		"--boundary\r\n",
		"--- /dev/null\n+++ b/a\n",
		"___ /",
		"SELECT * FROM t",
		"INSERT INTO t",
		"INFO http-nio-8080",
		"HELLO hello",
		"5\r\nhello\r\n",
		"0\r\n\r\n",
		"data: GET / HTTP/1.1\n\n",
		"\xef\xbb\xbf{",
		"\x1f\x8b\x08",
		"\x89PNG\r\n\x1a\n",
		"%PDF-1.7",
	};

	for (size_t i = 0; i < COUNT(messages); i++)
		test_verdict(messages[i], HTTP1_NO, 0);
}

/* Every method at every length that can come, from 1 byte to 16, and with each target. */
static void test_methods(void)
{
	static const char *const targets[] = {
		"/",	 "/a HTTP/1.1\r\n", "http://a/", "HTTPS://a/", "* HTTP/1.1\r\n",
		"a:443", "[::1]:443",	    "",		 " /"};
	char message[64];

	for (size_t i = 0; i < COUNT(methods); i++) {
		for (size_t j = 0; j < COUNT(targets); j++) {
			snprintf(message, sizeof(message), "%s %s", methods[i].name, targets[j]);
			test_agrees(message, strlen(message));
		}
		/* Until the target's first byte it may be one. */
		for (size_t n = 1; n <= strlen(methods[i].name) + 1; n++) {
			snprintf(message, n + 1, "%s ", methods[i].name);
			test_verdict(message, HTTP1_PARTIAL, 0);
		}
	}
	for (int length = 1; length <= 20; length++) {
		int want = length >= 3 && length <= 14 ? HTTP1_YES : HTTP1_NO;

		snprintf(message, sizeof(message), "%.*s / HTTP/1.1", length,
			 "ABCDEFGHIJKLMNOPQRST");
		test_verdict(message, want, METHOD_OTHER);
	}
}

static void test_blank(void)
{
	static const struct {
		const char *bytes;
		u32 blank;
	} tests[] = {
		{"\r", 1},
		{"\n", 1},
		{"\r\nGET / HTTP/1.1", 2},
		{"\r\n\r\n", 4},
		{"\n\n\nGET /", 3},
		{"GET / HTTP/1.1\r\n", 0},
		{"\r\n\r\n\r\n\r\n\r\n", 8},
		{"\x0b\n", 0},
		{" \n", 0},
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		size_t n = strlen(tests[i].bytes);
		struct prefix p = pack(tests[i].bytes, n, '\n');

		test(http1_blank(p.words[0], n) == tests[i].blank, "blank", tests[i].bytes, n);
		test_agrees(tests[i].bytes, n);
	}
}

/* Each byte of requests in turn replaced by each of the 256. */
static void test_replaced(void)
{
	static const char *const messages[] = {
		"GET / HTTP/1.1\r\n", "GET https://a.b",    "PUT http://a.bcd",
		"OPTIONS * HTTP/1.1", "CONNECT a:443 HTTP", "ABCDEFGHIJKLMN /a",
		"PROPPATCH https:/",
	};

	for (size_t i = 0; i < COUNT(messages); i++)
		for (size_t at = 0; at < HTTP1_PREFIX && messages[i][at]; at++)
			test_replaced_byte(messages[i], strlen(messages[i]), at);
}

static void run_tests(void)
{
	test_requests();
	test_others();
	test_methods();
	test_blank();
	test_replaced();
}

#endif

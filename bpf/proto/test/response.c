// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* http1_response. */
#include "harness.h"

static bool is_digit(u8 c)
{
	return c >= '0' && c <= '9';
}

/* Reads the grammar from left to right; 13 bytes decide about the status. */
static int reference(const u8 *p, size_t n, u16 *status)
{
	int code;

	if (memcmp(p, "HTTP/1.", n < 7 ? n : 7) || (n > 7 && !is_digit(p[7])))
		return HTTP1_NO;
	if (n < 13)
		return HTTP1_PARTIAL;
	*status = STATUS_OTHER;
	if (p[8] != ' ' || !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
		return HTTP1_YES;
	if (p[12] != ' ' && p[12] != '\r' && p[12] != '\n')
		return HTTP1_YES;
	code = 100 * (p[9] - '0') + 10 * (p[10] - '0') + p[11] - '0';
	if (code >= 100 && code < 600)
		*status = code;
	return HTTP1_YES;
}

static const char *mismatch(const u8 *data, size_t length)
{
	static const u8 fills[] = {0, 0xff, ' ', '0', '2', 'H'};
	size_t n = length < HTTP1_PREFIX ? length : HTTP1_PREFIX;
	int before = HTTP1_PARTIAL;
	u16 status_before = 0;

	for (size_t end = 1; end <= n; end++) {
		u16 want_status = 0, status = 0;
		int verdict = reference(data, end, &want_status);

		for (size_t i = 0; i < COUNT(fills); i++) {
			struct prefix p = pack(data, end, fills[i]);

			if (http1_response(p.words[0], p.words[1], end, &status) != verdict)
				return "response: verdict";
			if (verdict == HTTP1_YES && status != want_status)
				return "response: status";
		}
		if (before != HTTP1_PARTIAL && (verdict != before || status != status_before))
			return "response: the verdict changes with more bytes";
		before = verdict;
		status_before = status;
	}
	return NULL;
}

#ifndef FUZZ

static void test_response(const char *message, int want, u16 want_status)
{
	size_t n = strlen(message) < HTTP1_PREFIX ? strlen(message) : HTTP1_PREFIX;
	struct prefix p = pack(message, n, 0xff);
	u16 status = 0;
	int verdict = http1_response(p.words[0], p.words[1], n, &status);

	test(verdict == want, "response: verdict", message, strlen(message));
	if (want == HTTP1_YES)
		test(status == want_status, "response: status", message, strlen(message));
	test_agrees(message, strlen(message));
}

static void test_table(void)
{
	static const struct {
		const char *message;
		int verdict;
		u16 status;
	} tests[] = {
		{"HTTP/1.1 200 OK\r\n", HTTP1_YES, 200},
		{"HTTP/1.0 404 Not Found\r\n", HTTP1_YES, 404},
		{"HTTP/1.9 204 \r\n", HTTP1_YES, 204},
		{"HTTP/1.1 200\r\n", HTTP1_YES, 200},
		{"HTTP/1.1 200\n", HTTP1_YES, 200},
		{"HTTP/1.1 100 Continue\r\n", HTTP1_YES, 100},
		{"HTTP/1.1 101 Switching Protocols\r\n", HTTP1_YES, 101},
		{"HTTP/1.1 599 A\r\n", HTTP1_YES, 599},
		/* A status line whose status is none */
		{"HTTP/1.1 099 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 000 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 600 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 999 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 2000 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 200OK\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 abc A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 2\xb0\xb0 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 20 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 -20 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1  200 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1\t200 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1200 OK A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.11 200 A\r\n", HTTP1_YES, STATUS_OTHER},
		{"HTTP/1.1 \r\nA: b\r\n", HTTP1_YES, STATUS_OTHER},
		/* Too short to tell */
		{"H", HTTP1_PARTIAL, 0},
		{"HTTP/1.", HTTP1_PARTIAL, 0},
		{"HTTP/1.1", HTTP1_PARTIAL, 0},
		{"HTTP/1.1 2", HTTP1_PARTIAL, 0},
		{"HTTP/1.1 200", HTTP1_PARTIAL, 0},
		/* No status line of HTTP/1 */
		{"HTTP/2 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/2.0 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/0.9 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/1 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/1.x 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/1. 200 OK\r\n", HTTP1_NO, 0},
		{"HTTP/1.:", HTTP1_NO, 0},
		{"HTTP/11 200 OK\r\n", HTTP1_NO, 0},
		{"http/1.1 200 OK\r\n", HTTP1_NO, 0},
		{"HTTPS/1.1 200 OK\r\n", HTTP1_NO, 0},
		{"ICY 200 OK\r\n", HTTP1_NO, 0},
		{"RTSP/1.0 200 OK\r\n", HTTP1_NO, 0},
		{"SIP/2.0 200 OK\r\n", HTTP1_NO, 0},
		{" HTTP/1.1 200 OK\r\n", HTTP1_NO, 0},
		{"\r\nHTTP/1.1 200 OK", HTTP1_NO, 0},
		{"GET / HTTP/1.1\r\n", HTTP1_NO, 0},
		{"220 it ESMTP\r\n", HTTP1_NO, 0},
		{"+PONG\r\n", HTTP1_NO, 0},
		{"<html>", HTTP1_NO, 0},
		{"{\"status\": 200}", HTTP1_NO, 0},
		{"\x16\x03\x03\x00\x7a\x02", HTTP1_NO, 0},
	};

	for (size_t i = 0; i < COUNT(tests); i++)
		test_response(tests[i].message, tests[i].verdict, tests[i].status);
}

/* Every status that three digits can make, of every minor version. */
static void test_statuses(void)
{
	char message[32];

	for (int minor = 0; minor <= 9; minor++) {
		bool ok = true;

		for (int code = 0; code <= 999 && ok; code++) {
			struct prefix p;
			u16 status = 0;

			snprintf(message, sizeof(message), "HTTP/1.%d %03d A", minor, code);
			p = pack(message, HTTP1_PREFIX, 0);
			ok = http1_response(p.words[0], p.words[1], 15, &status) == HTTP1_YES &&
			     status == (code >= 100 && code <= 599 ? code : STATUS_OTHER);
		}
		test(ok, "response: status", message, strlen(message));
	}
}

/* Each byte of a status line in turn replaced by each of the 256. */
static void test_replaced(void)
{
	for (size_t at = 0; at < HTTP1_PREFIX; at++)
		test_replaced_byte("HTTP/1.1 200 OK\r\n", 17, at);
}

static void run_tests(void)
{
	test_table();
	test_statuses();
	test_replaced();
}

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* preface_class. */
#include "harness.h"
#include "../preface.h"

static u8 reference(const u8 *p, size_t n)
{
	static const char http2[] = "PRI * HTTP/2.0";

	if (*p >= 0x14 && *p <= 0x17) {
		if (n > 1 && p[1] != 3)
			return CLASS_OTHER;
		if (n > 2 && p[2] > 4)
			return CLASS_OTHER;
		if (n < 5)
			return CLASS_UNKNOWN;
		return 256 * p[3] + p[4] <= 18432 ? CLASS_TLS : CLASS_OTHER;
	}
	if (n < strlen(http2))
		return memcmp(p, http2, n) ? CLASS_OTHER : CLASS_UNKNOWN;
	return memcmp(p, http2, strlen(http2)) ? CLASS_OTHER : CLASS_HTTP2;
}

static const char *mismatch(const u8 *data, size_t length)
{
	static const u8 fills[] = {0, 0xff, 3, 'P'};
	size_t n = length < HTTP1_PREFIX ? length : HTTP1_PREFIX;
	u8 before = CLASS_UNKNOWN;

	for (size_t end = 1; end <= n; end++) {
		u8 class = reference(data, end);

		for (size_t i = 0; i < COUNT(fills); i++) {
			struct prefix p = pack(data, end, fills[i]);

			if (preface_class(p.words[0], p.words[1], end) != class)
				return "preface: class";
		}
		if (before != CLASS_UNKNOWN && class != before)
			return "preface: the class changes with more bytes";
		if (end == HTTP1_PREFIX && class == CLASS_UNKNOWN)
			return "preface: undecided";
		before = class;
	}
	return NULL;
}

#ifndef FUZZ

static void test_table(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		u8 class;
	} tests[] = {
		{"\x16\x03\x01\x02\x00\x01\x00\x01", 8, CLASS_TLS},
		{"\x16\x03\x03\x00\x7a\x02", 6, CLASS_TLS},
		{"\x14\x03\x03\x00\x01\x01", 6, CLASS_TLS},
		{"\x15\x03\x01\x00\x02\x02\x28", 7, CLASS_TLS},
		{"\x17\x03\x03\x48\x00", 5, CLASS_TLS},
		{"\x17\x03\x00\x00\x00", 5, CLASS_TLS},
		{"\x16\x03\x04\x00\x01", 5, CLASS_TLS},
		{"\x16", 1, CLASS_UNKNOWN},
		{"\x16\x03", 2, CLASS_UNKNOWN},
		{"\x16\x03\x01\x02", 4, CLASS_UNKNOWN},
		{"\x17\x03\x03\x48\x01", 5, CLASS_OTHER},
		{"\x16\x03\x05", 3, CLASS_OTHER},
		{"\x16\x02\x00\x00\x10", 5, CLASS_OTHER},
		{"\x16\x04", 2, CLASS_OTHER},
		{"\x13\x03\x03\x00\x10", 5, CLASS_OTHER},
		{"\x18\x03\x03\x00\x10", 5, CLASS_OTHER},
		{"\x80\x2e\x01\x03\x01", 5, CLASS_OTHER}, /* a hello of SSL 2 */
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, CLASS_HTTP2},
		{"PRI * HTTP/2.0", 14, CLASS_HTTP2},
		{"P", 1, CLASS_UNKNOWN},
		{"PRI * HT", 8, CLASS_UNKNOWN},
		{"PRI * HTTP/2.", 13, CLASS_UNKNOWN},
		{"PRI * HXTP/2.0\r\n", 16, CLASS_OTHER},
		{"PRI * HTTP/2.1\r\n", 16, CLASS_OTHER},
		{"PRI * HTTP/1.1\r\n", 16, CLASS_OTHER},
		{"PRI * HTTQ", 10, CLASS_OTHER},
		{"PRI /", 5, CLASS_OTHER},
		{"pri * http/2.0\r\n", 16, CLASS_OTHER},
		{"*1\r\n$4\r\nPING\r\n", 14, CLASS_OTHER},
		{"SSH-2.0-OpenSSH_9.2\r\n", 21, CLASS_OTHER},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", 8, CLASS_OTHER}, /* PostgreSQL asks for TLS */
		{"\x00", 1, CLASS_OTHER},
		{"\xff\xff\xff\xff", 4, CLASS_OTHER},
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		const char *bytes = tests[i].bytes;
		size_t length = tests[i].length, n = length < HTTP1_PREFIX ? length : HTTP1_PREFIX;
		struct prefix p = pack(bytes, n, 0xff);

		test(preface_class(p.words[0], p.words[1], n) == tests[i].class, "preface: class",
		     bytes, length);
		test_agrees(bytes, length);
	}
}

/* Each byte of the two prefaces in turn replaced by each of the 256. */
static void test_replaced(void)
{
	for (size_t at = 0; at < HTTP1_PREFIX; at++) {
		test_replaced_byte("\x16\x03\x01\x02\x10\x01\x01\x01\x0c\x03\x03qrstu", 16, at);
		test_replaced_byte("PRI * HTTP/2.0\r\n", 16, at);
	}
}

static void run_tests(void)
{
	test_table();
	test_replaced();
}

#endif

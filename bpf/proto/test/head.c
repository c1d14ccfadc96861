// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* http1_bytes_equal and http1_head_end. */
#include "harness.h"

/*
 * Whether a head ends with byte I of DATA; it begins with byte START. A line ends with
 * CR LF or LF.
 */
static bool reference(const u8 *data, size_t start, size_t i)
{
	size_t have = i - start;

	if (data[i] != '\n' || !have)
		return false;
	if (data[i - 1] == '\n')
		return true;
	return have >= 2 && data[i - 1] == '\r' && data[i - 2] == '\n';
}

/*
 * Looks for the ends of the heads in DATA, which comes in words of STRIDE bytes and a
 * first one of FIRST, as in bpf/http1/scan.h. What is behind a head begins the next.
 */
static const char *mismatch_cut(const u8 *data, size_t length, size_t first, size_t stride, u8 fill)
{
	size_t at = 0, start = 0;
	u8 line = HTTP1_LINE_SOME;

	for (size_t want = first; at < length; want = stride) {
		size_t n = want < length - at ? want : length - at, end = 0;
		struct prefix p = pack(data + at, n, fill);
		u32 got = http1_head_end(p.words[0], n, &line);

		for (size_t i = 0; i < n && !end; i++)
			if (reference(data, start, at + i))
				end = i + 1;
		if (got != end)
			return "head: end";
		if (got) {
			if (line != HTTP1_LINE_SOME)
				return "head: state behind the end";
			n = end;
			start = at + end;
		}
		at += n;
	}
	return NULL;
}

static const char *mismatch(const u8 *data, size_t length)
{
	static const u8 fills[] = {0, 0xff, '\n', '\r'};

	if (length > 4096)
		length = 4096;
	for (size_t first = 1; first <= 8; first++) {
		for (size_t stride = 1; stride <= 8; stride++) {
			const char *what = mismatch_cut(data, length, first, stride,
							fills[(first + stride) % COUNT(fills)]);

			if (what)
				return what;
		}
	}
	return NULL;
}

#ifndef FUZZ

/* Exact for each byte whatever its neighbours are: no carry. */
static void test_bytes_equal(void)
{
	static const u8 wanted[] = {'\r', '\n', 0x00, 0x7f, 0x80, 0xff};

	for (size_t i = 0; i < COUNT(wanted); i++) {
		u8 c = wanted[i];
		bool ok = true;

		for (int round = 0; round < 1 << 16; round++) {
			u64 all = 0x0101010101010101ULL * c, r = random_number(), want = 0;
			u64 w = all ^ (round & 1 ? r : r & 0x8181818181818181);

			for (int j = 0; j < 8; j++)
				if ((u8)(w >> 8 * j) == c)
					want |= 0x80ULL << 8 * j;
			ok = ok && http1_bytes_equal(w, c) == want;
		}
		test(ok, "bytes equal", &c, 1);
	}
}

static void test_table(void)
{
	static const struct {
		const char *head;
		u32 end; /* 0: none */
	} tests[] = {
		{"\n\n", 2},	     {"\n\r\n", 3},	  {"\r\n\r\n", 4},
		{"a\r\n\r\n", 5},    {"a\n\n", 3},	  {"a\n\r\n", 4},
		{"a\r\n\n", 4},	     {"abcd\r\n\r\n", 8}, {"abcdef\n\n", 8},
		{"ab\r\n\r\ncd", 6}, {"\n\n\n\n", 2},	  {"a\r\n\r\n\r\n", 5},
		{"\r\r\n\n", 4},     {"\n\r\x0a", 3},	  {"\n\r\x0b\x0a\x0a", 5},
		{"\n", 0},	     {"\r\n", 0},	  {"\n\r", 0},
		{"\r\n\r\r\n", 0},   {"\n\r\r\n", 0},	  {"a\r\nb\r\nc", 0},
		{"\r\r\r\r", 0},     {"\r\n \r\n", 0},	  {"a\r\nb\r\n\r", 0},
		{"\x8a\x8a\n", 0},   {"\n\x8d\n", 0},	  {"\n\x0b\n", 0},
		{"\x0b\x0a\x0c", 0},
	};

	for (size_t i = 0; i < COUNT(tests); i++) {
		size_t n = strlen(tests[i].head);
		u8 line = HTTP1_LINE_SOME;
		u64 w = pack(tests[i].head, n, 0).words[0];

		test(http1_head_end(w, n, &line) == tests[i].end, "head: end", tests[i].head, n);
		test_agrees(tests[i].head, n);
	}
}

/* All strings of up to 10 bytes that are CR, LF or neither, at all cuts. */
static void test_exhaustive(void)
{
	for (size_t length = 1, strings = 3; length <= 10; length++, strings *= 3) {
		const char *what = NULL;
		u8 data[10];

		for (size_t i = 0; i < strings && !what; i++) {
			for (size_t j = 0, rest = i; j < length; j++, rest /= 3)
				data[j] = "\r\nx"[rest % 3];
			what = mismatch(data, length);
		}
		test(!what, what, data, length);
	}
}

/* Long random heads, of bytes near CR and LF. */
static void test_random(void)
{
	static const u8 alphabets[][8] = {
		{'\r', '\n', 'a', 'b', ':', ' ', 'c', 'd'},
		{'\r', '\n', '\r', '\n', '\r', '\n', 0x8a, 0x8d},
		{'\r', '\n', 0x0b, 0x0c, 0x09, 0x0e, 0x00, 0xff},
	};

	for (size_t i = 0; i < COUNT(alphabets); i++) {
		const char *what = NULL;
		size_t length = 0;
		u8 data[96];

		for (size_t round = 0; round < 1000 && !what; round++) {
			for (size_t j = 0; j < sizeof(data); j++)
				data[j] = alphabets[i][random_number() >> 61];
			length = 1 + random_number() % sizeof(data);
			what = mismatch(data, length);
		}
		test(!what, what, data, length);
	}
}

static void run_tests(void)
{
	test_bytes_equal();
	test_table();
	test_exhaustive();
	test_random();
}

#endif

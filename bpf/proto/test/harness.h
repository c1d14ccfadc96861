/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Compiles a parser for the host, and the frame of a test of it. Each *.c beside this
 * file is two programs: unit tests, and with -DFUZZ a target of libFuzzer. It says with
 *
 *     mismatch()   how the parser differs from a plain reference on some bytes, cut
 *                  and continued in every way, or NULL: what is fuzzed
 *     run_tests()  the unit tests, unless FUZZ
 */
#ifndef FATHOM_TEST_HARNESS_H
#define FATHOM_TEST_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#include "../http1.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *mismatch(const u8 *data, size_t length);

/* The first 16 bytes of a message as a parser takes them. */
struct prefix {
	u64 words[2];
};

/* The N (up to 16) bytes at DATA, with FILL in the place of those that did not come. */
static inline struct prefix pack(const void *data, size_t n, u8 fill)
{
	struct prefix p;

	memset(&p, fill, sizeof(p));
	memcpy(&p, data, n < HTTP1_PREFIX ? n : HTTP1_PREFIX);
	return p;
}

static inline void print_bytes(const u8 *data, size_t length)
{
	fputc('"', stderr);
	for (size_t i = 0; i < length; i++) {
		u8 c = data[i];

		fprintf(stderr, c >= ' ' && c < 0x7f && c != '"' ? "%c" : "\\x%02x", c);
	}
	fputs("\"\n", stderr);
}

#ifdef FUZZ

int LLVMFuzzerTestOneInput(const u8 *data, size_t length);

int LLVMFuzzerTestOneInput(const u8 *data, size_t length)
{
	const char *what = mismatch(data, length);

	if (what) {
		fprintf(stderr, "%s: ", what);
		print_bytes(data, length);
		abort();
	}
	return 0;
}

#else

static void run_tests(void);

static unsigned int passed, failed;

/* Counts one test; says what it was about if it failed. */
static inline void test(bool ok, const char *name, const void *data, size_t length)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	fprintf(stderr, "FAILED: %s: ", name);
	print_bytes(data, length);
}

/* Counts as one test that the parser agrees with the reference on the bytes. */
static inline void test_agrees(const void *data, size_t length)
{
	const char *what = mismatch(data, length);

	test(!what, what, data, length);
}

/* The same for N (up to 32) bytes of which the one at AT is replaced by each of the 256. */
static inline void test_replaced_byte(const char *message, size_t n, size_t at)
{
	const char *what = NULL;
	u8 data[32];

	memcpy(data, message, n);
	for (int c = 0; c < 256 && !what; c++) {
		data[at] = c;
		what = mismatch(data, n);
	}
	test(!what, what, data, n);
}

/* The next pseudo-random number (xorshift64): the same ones in every run. */
static inline u64 random_number(void)
{
	static u64 x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Prints how many tests passed and failed, for scripts/test-c.sh to add up. */
int main(void)
{
	run_tests();
	printf("%u %u\n", passed, failed);
	return failed != 0;
}

#endif
#endif

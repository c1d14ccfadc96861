// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Prints what the decoder of HTTP/2 finds in directions that it is given on stdin, each as numbers
 * of 32 bits: whether it is whole, how many bytes and how many pieces there are, and the lengths of
 * the pieces; then the bytes. A line for each event, with the place behind it; an empty line at the
 * end.
 */
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

#include "../../../../bpf/proto/http2.h"

static void *take(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p || fread(p, 1, n, stdin) != n)
		exit(2);
	return p;
}

static void print(const struct http2_side *s, u8 kind, size_t at)
{
	switch (kind) {
	case HTTP2_HEADERS:
		printf("%zu headers %u %u %u %u %u %u\n", at, s->block_stream, s->promised,
		       s->method, s->status, s->grpc, s->flags);
		break;
	case HTTP2_END:
		printf("%zu end %u\n", at, s->stream);
		break;
	case HTTP2_RESET:
		printf("%zu reset %u %u\n", at, s->stream, s->code);
		break;
	case HTTP2_GOAWAY:
		printf("%zu goaway %u %u\n", at, s->stream, s->code);
		break;
	case HTTP2_BROKEN:
		printf("%zu broken\n", at);
		break;
	}
}

/*
 * Shows a piece, in a buffer of its own so that a read behind it is found. Returns whether it goes
 * on.
 */
static bool feed(struct http2_side *s, const u8 *data, u32 length, size_t before)
{
	u32 at = 0;

	while (at < length) {
		u32 have = length - at < 16 ? length - at : 16;
		struct http2_window w = {0, 0, have, 0};
		u64 e = http2_pass(s, length - at);

		if (!e) {
			memcpy(&w, data + at, have);
			e = http2_look(s, &w);
			e |= w.used;
			if (event_used(e) > have ||
			    (!event_used(e) && event_kind(e) != HTTP2_BROKEN))
				abort();
		}
		at += event_used(e);
		print(s, event_kind(e), before + at);
		if (event_kind(e) == HTTP2_BROKEN)
			return false;
	}
	return true;
}

int main(void)
{
	u32 head[3];

	while (fread(head, sizeof(head), 1, stdin) == 1) {
		u32 *pieces = take(sizeof(u32) * head[2]);
		u8 *data = take(head[1]);
		struct http2_side *s = calloc(1, sizeof(*s));
		size_t at = 0;
		bool goes_on = true;

		http2_side_begins(s);
		for (u32 i = 0; i < head[2] && goes_on; i++) {
			u8 *piece = malloc(pieces[i]);

			memcpy(piece, data + at, pieces[i]);
			goes_on = feed(s, piece, pieces[i], at);
			at += pieces[i];
			free(piece);
		}
		puts("");
		free(s);
		free(data);
		free(pieces);
	}
	return 0;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Connections on which HTTP/1 switches to something else, and those of HTTP/2 that a hook misses,
 * each in one order of events. What is right is written beside them.
 */
#include "end.h"

#define MAX_COUNTED 3
#define MAX_SAID 8

struct said {
	char by; /* 'r': read by this end, 'w': written by it */
	const char *bytes;
	u32 length;
};

#define READS(s) {'r', s, sizeof(s) - 1}
#define WRITES(s) {'w', s, sizeof(s) - 1}

#define WEBSOCKET "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define ASKS "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
#define H2C "GET /h2 HTTP/1.1\r\n" ASKS "\r\n"
#define POST "POST /h2 HTTP/1.1\r\n" ASKS "Content-Length: 5\r\n\r\n"
#define CHUNKED "POST /h2 HTTP/1.1\r\n" ASKS "Transfer-Encoding: chunked\r\n\r\n"
#define SWITCHES "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SETTINGS
/* GET, which ends the stream; 404 and 200, which do, and 200, which does not (RFC 7541, A) */
#define ASK(id) "\0\0\3\1\5\0\0\0" id "\x82\x84\x86"
#define NONE(id) "\0\0\1\1\5\0\0\0" id "\x8d"
#define OK(id) "\0\0\1\1\5\0\0\0" id "\x88"
#define OK_AND(id) "\0\0\1\1\4\0\0\0" id "\x88"
#define DATA(id) "\0\0\5\0\1\0\0\0" id
#define PING "\0\0\10\6\0\0\0\0\0abcdefgh"

/*
 * Each letter of an order is the next event of its kind: r, w are calls, R, W their hooks, which a
 * minus behind them leaves out; s is a sweep, and S one when all has rested.
 */
static const struct row {
	const char *name;
	u8 role;
	struct said said[MAX_SAID];
	const char *order;
	struct {
		u8 method;
		u16 status;
	} counted[MAX_COUNTED];
	u32 lost, reason;
} rows[] = {
	{"WebSocket, at the client",
	 ROLE_CLIENT,
	 {WRITES(WEBSOCKET), READS(SWITCHES), READS("\x81\1x")},
	 "wW rR rR",
	 .counted = {{METHOD_GET, 101}}},
	{"the same, with the hook of its request behind all",
	 ROLE_CLIENT,
	 {WRITES(WEBSOCKET), READS(SWITCHES), READS("\x81\1x")},
	 "w rR W rR",
	 .lost = 1,
	 .reason = LOST_GAP},
	{"101, and then nothing",
	 ROLE_SERVER,
	 {READS(WEBSOCKET), WRITES(SWITCHES)},
	 "rR wW s S",
	 .counted = {{METHOD_GET, 101}}},
	{"h2c, at the client",
	 ROLE_CLIENT,
	 {WRITES(H2C), READS(SWITCHES), WRITES(PREFACE ASK("\3")),
	  READS(SETTINGS NONE("\1") OK("\3"))},
	 "wW rR wW rR",
	 .counted = {{METHOD_GET, 404}, {METHOD_GET, 200}}},
	{"the same, with the hook of its request late",
	 ROLE_CLIENT,
	 {WRITES(H2C), READS(SWITCHES), WRITES(PREFACE ASK("\3")),
	  READS(SETTINGS NONE("\1") OK("\3"))},
	 "w rR W wW rR",
	 .lost = 1,
	 .reason = LOST_GAP},
	{"h2c, at the server",
	 ROLE_SERVER,
	 {READS(H2C), WRITES(SWITCHES), READS(PREFACE), WRITES(SETTINGS NONE("\1"))},
	 "rR wW rR wW",
	 .counted = {{METHOD_GET, 404}}},
	{"the same, with a sweep behind 101",
	 ROLE_SERVER,
	 {READS(H2C), WRITES(SWITCHES), READS(PREFACE), WRITES(SETTINGS NONE("\1"))},
	 "rR wW s rR wW",
	 .counted = {{METHOD_GET, 404}}},
	{"h2c with a body, at the server",
	 ROLE_SERVER,
	 {READS(POST "hello"), WRITES(SWITCHES SETTINGS), READS(PREFACE ASK("\3")),
	  WRITES(NONE("\1") OK("\3"))},
	 "rR wW rR wW",
	 .counted = {{METHOD_POST, 404}, {METHOD_GET, 200}}},
	{"h2c with a body behind 101, at the server",
	 ROLE_SERVER,
	 {READS(POST), WRITES(SWITCHES), READS("hello"), READS(PREFACE ASK("\3")),
	  WRITES(SETTINGS NONE("\1") OK("\3"))},
	 "rR wW rR rR wW",
	 .counted = {{METHOD_POST, 404}, {METHOD_GET, 200}}},
	{"h2c with a body behind SETTINGS, at the server",
	 ROLE_SERVER,
	 {READS(POST "he"), WRITES(SWITCHES SETTINGS), READS("llo" PREFACE ASK("\3")),
	  WRITES(NONE("\1") OK("\3"))},
	 "rR wW rR wW",
	 .counted = {{METHOD_POST, 404}, {METHOD_GET, 200}}},
	{"h2c with a body behind SETTINGS, at the client",
	 ROLE_CLIENT,
	 {WRITES(POST), READS(SWITCHES SETTINGS), WRITES("hello"), WRITES(PREFACE ASK("\3")),
	  READS(NONE("\1") OK("\3"))},
	 "wW rR wW wW rR",
	 .counted = {{METHOD_POST, 404}, {METHOD_GET, 200}}},
	{"h2c with chunks behind 101, at the server",
	 ROLE_SERVER,
	 {READS(CHUNKED), WRITES(SWITCHES), READS("5\r\nhello\r\n"),
	  READS("0\r\n\r\n" PREFACE ASK("\3")), WRITES(SETTINGS NONE("\1") OK("\3"))},
	 "rR wW rR rR wW",
	 .counted = {{METHOD_POST, 404}, {METHOD_GET, 200}}},
	{"a response behind which the hook of its request is late",
	 ROLE_CLIENT,
	 {WRITES(PREFACE), WRITES(ASK("\1")), READS(SETTINGS OK_AND("\1") DATA("\1")),
	  READS("hello"), READS(PING)},
	 "wW w rR rR rR W S",
	 .counted = {{METHOD_GET, 200}}},
	{"the same, with the read of its end missed",
	 ROLE_CLIENT,
	 {WRITES(PREFACE), WRITES(ASK("\1")), READS(SETTINGS OK_AND("\1") DATA("\1")),
	  READS("hello"), READS(PING)},
	 "wW w rR rR- rR W S",
	 .lost = 1,
	 .reason = LOST_GAP},
};

static struct stream in, out;

static void add(struct stream *s, const struct said *said)
{
	memcpy(s->bytes + s->length, said->bytes, said->length);
	s->cuts[s->calls++] = s->length;
	s->length += said->length;
	s->cuts[s->calls] = s->length;
}

static void run_events(const char *order)
{
	const struct view plain = {};
	u32 next[WHATS] = {};

	for (; *order; order++) {
		bool left_out = order[1] == '-';

		host_now += TICK;
		switch (*order) {
		case 'r':
			run_call(&in, next[CALL_READ]++, READ);
			break;
		case 'R':
			if (!left_out)
				run_hook(&in, next[HOOK_READ], READ, plain);
			next[HOOK_READ]++;
			break;
		case 'w':
			run_call(&out, next[CALL_WRITE]++, WRITE);
			break;
		case 'W':
			if (!left_out)
				run_hook(&out, next[HOOK_WRITE], WRITE, plain);
			next[HOOK_WRITE]++;
			break;
		case 'S':
			host_now += 2 * settle_after_ns;
			sweep_slot(max_connections, host_now);
			break;
		case 's':
			sweep_slot(max_connections, host_now);
			break;
		}
	}
}

/* Whether what was counted is what the row says. */
static bool is_right(const struct row *row)
{
	u32 zero = 0, at = 0, wanted = 0, found = 0, i;
	struct cpu_counters *c = bpf_map_lookup_elem(&counters, &zero);
	const struct histogram *h;
	struct series_key key;
	u64 bytes;

	while (wanted < MAX_COUNTED && row->counted[wanted].status)
		wanted++;
	while (next_counted(&at, &key, &h)) {
		for (i = 0; i < wanted; i++)
			if (row->counted[i].method == key.operation &&
			    row->counted[i].status == key.status && observations(h) == 1)
				break;
		if (i == wanted)
			return false;
		found++;
	}
	return found == wanted && lost_in_all(&bytes) == row->lost &&
	       c->lost[row->reason] >= row->lost;
}

int main(void)
{
	u32 i, k, failed = 0, n = sizeof(rows) / sizeof(rows[0]);

	attached = true;
	for (i = 0; i < n; i++) {
		forget_all();
		memset(&in, 0, sizeof(in));
		memset(&out, 0, sizeof(out));
		for (k = 0; k < MAX_SAID && rows[i].said[k].by; k++)
			add(rows[i].said[k].by == 'r' ? &in : &out, &rows[i].said[k]);
		open_end(rows[i].role, 1);
		run_events(rows[i].order);
		host_now += TICK;
		close_end();
		if (is_right(&rows[i]))
			continue;
		printf("FAILED: %s, %s\n", rows[i].name, rows[i].order);
		print_counted();
		failed++;
	}
	printf("%u %u\n", n - failed, failed);
	return failed != 0;
}

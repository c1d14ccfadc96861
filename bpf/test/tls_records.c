// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * When plaintext arrived that a TLS server reads, against an oracle that knows each record's time.
 * Records arrive in pieces at random; libraries receive the next record alone, what is there up to
 * some size, or are fed with it; and read with buffers of any size. A time is that of the record,
 * or it is not known: of few, where more wait than there is room for.
 */
#include "end.h"

#define SESSIONS 3000
#define RECORDS 64
#define BYTES 65536
#define HANDLE 0x1000

static u64 passed, failed, unknown;

static u32 random_below(u32 n)
{
	static u64 state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

/* What the client sends. */
static struct record {
	u32 begins, length; /* in the stream, with its head */
	u32 plain;	    /* 0: none that is the application's */
	u64 arrived;
} records[RECORDS];

static u8 stream[BYTES], plain[20000], cipher[BYTES];
static u32 sent, arrived, received, record_count;
static u32 next;       /* the record that the library reads next, of which */
static u32 read_of_it; /* bytes were read */

/* How a library receives. */
enum way {
	ALONE, /* a head, then the rest of that record, in the call that reads */
	AHEAD, /* what has arrived, in the call that reads, if there is no whole record */
	FED,   /* what has arrived, by the program, which then reads all */
	WAYS,
};

/* Adds a record to what is sent. */
static void add_record(u32 plain_length, u32 extra, bool ours)
{
	struct record *r = &records[record_count++];
	u32 size = plain_length + extra;

	r->begins = sent;
	r->length = TLS_RECORD_HEAD + size;
	r->plain = ours ? plain_length : 0;
	r->arrived = 0;
	stream[sent] = TLS_APPLICATION_DATA;
	stream[sent + 1] = 3;
	stream[sent + 2] = 3;
	stream[sent + 3] = size >> 8;
	stream[sent + 4] = size;
	memset(stream + sent + TLS_RECORD_HEAD, 0xee, size);
	sent += r->length;
}

/* The next bytes arrive, at once. */
static void arrives(u32 length)
{
	struct tcp_sock *tp = &end.tcp;
	u32 i;

	host_now += 1000000;
	for (i = 0; i < record_count; i++)
		if (records[i].begins >= arrived && records[i].begins < arrived + length)
			records[i].arrived = host_now;
	arrived += length;
	tp->tcp_clock_cache = host_now;
	tp->rcv_nxt += length;
	tp->bytes_received += length;
	data_arrived(the_socket());
}

/* A system call receives up to MOST bytes. */
static u32 receives(u32 most)
{
	struct pending_call p = {.address = (u64)cipher};
	struct tcp_sock *tp = &end.tcp;
	u32 n = arrived - received < most ? arrived - received : most;

	if (!n)
		return 0;
	memcpy(cipher, stream + received, n);
	tp->copied_seq += n;
	memory_is(cipher, n);
	data_read(the_socket(), n, 0, FROM_ENTRY, &p);
	received += n;
	return n;
}

static void call_begins(u32 length)
{
	struct tls_caller who = calling_thread();

	tls_call_begins(&who, 0, TLS_READ, HANDLE, (u64)plain, length, 0, 0);
}

static void call_ends(s64 length)
{
	struct tls_caller who = calling_thread();

	memory_is(plain, length > 0 ? length : 1);
	tls_call_ends(&who, length);
}

static bool is_whole(u32 i)
{
	return i < record_count && received >= records[i].begins + records[i].length;
}

/* Whether the library has plaintext, behind records without any. */
static bool has_plain(void)
{
	while (is_whole(next) && !records[next].plain)
		next++;
	return is_whole(next);
}

/* A call that reads up to LENGTH bytes of plaintext: whether there were any. */
static bool library_reads(enum way way, u32 length)
{
	struct conn *c = conn_find(the_socket());
	struct record *r;
	u32 n, most;

	call_begins(length);
	while (!has_plain() && way != FED) {
		most = 1000;
		if (way == ALONE) {
			r = &records[next];
			while (is_whole(next))
				next++;
			if (next == record_count)
				break;
			r = &records[next];
			most = received < r->begins + TLS_RECORD_HEAD ?
				       r->begins + TLS_RECORD_HEAD - received :
				       r->begins + r->length - received;
		}
		if (!receives(most))
			break;
	}
	if (!has_plain()) {
		call_ends(-1);
		return false;
	}
	r = &records[next];
	n = r->plain - read_of_it < length ? r->plain - read_of_it : length;
	call_ends(n);
	c->class = CLASS_UNKNOWN; /* whatever it is that was read */
	if (c->tls_time == r->arrived) {
		passed++;
	} else if (!c->tls_time) {
		unknown++;
	} else {
		failed++;
		if (failed < 5)
			printf("FAILED: record %u, of %u bytes, by way %u: %llu, not %llu\n", next,
			       r->length, way, c->tls_time, r->arrived);
	}
	read_of_it += n;
	if (read_of_it == r->plain) {
		read_of_it = 0;
		next++;
	}
	return true;
}

/* Binds the library's session, as its first call does. */
static void bind_session(void)
{
	struct conn *c = conn_find(the_socket());
	struct tls_handle key = {.handle = HANDLE, .process = current_process()};
	struct tls_session s = {.id = c->opened_at, .slot = c->slot, .evidence = TLS_RANDOM};

	c->encrypted = 1;
	c->tls = 1;
	c->tls_used = 1;
	c->class = CLASS_UNKNOWN;
	bpf_map_update_elem(&tls_sessions, &key, &s, BPF_ANY);
}

static void run_session(enum way way)
{
	static const u32 extras[] = {17, 17, 24, 16};
	u32 extra = extras[random_below(4)], i;
	bool small = random_below(2);

	forget_all();
	host_clear(HOST_MAP(&tls_sessions));
	host_clear(HOST_MAP(&tls_calls));
	sent = arrived = received = record_count = next = read_of_it = 0;
	open_end(ROLE_SERVER, 1);
	bind_session();
	if (extra == 17)
		add_record(random_below(2) ? 36 : 52, extra, false);
	for (i = 0; i < RECORDS - 1 && sent < BYTES - 20000; i++) {
		if (extra == 17 && !small && i && !random_below(12))
			add_record(5, extra, false); /* KeyUpdate (RFC 8446, section 4.6.3) */
		else
			add_record(60 + random_below(random_below(8) ? 200 : 9000), extra, true);
	}
	if (extra == 17) { /* the end of a handshake: Finished, and whatever is there */
		arrives(records[0].length + random_below(random_below(2) ? 1 : 500));
		while (received < records[0].length)
			receives(way == ALONE ? records[0].length - received : 1000);
	}
	while (next < record_count) {
		u32 n = 1 + random_below(random_below(3) ? 300 : 5000);

		if (n > sent - arrived)
			n = sent - arrived;
		if (n)
			arrives(n);
		if (random_below(3) && arrived < sent)
			continue;
		if (way == FED)
			while (receives(1 + random_below(random_below(2) ? 65536 : 4096)) &&
			       random_below(2))
				;
		while (library_reads(way, small ? 16 + random_below(64) : 16384))
			;
		if (!n && received == sent && !has_plain())
			break;
	}
	host_now += 1000000;
	close_end();
}

int main(void)
{
	u32 i, zero = 0;

	attached = true;
	for (i = 0; i < SESSIONS; i++)
		run_session(i % WAYS);
	printf("tls_records: %llu times known, %llu not\n", passed, unknown);
	if (unknown > passed / 100) {
		printf("FAILED: more were to be known\n");
		failed++;
	}
	if (((struct slot_counts *)bpf_map_lookup_elem(&slot_counts, &zero))
		    ->taken[TABLE_BACKLOGS]) {
		printf("FAILED: a page was kept\n");
		failed++;
	}
	printf("%llu %llu\n", passed, failed);
	return failed != 0;
}

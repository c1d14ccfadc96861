// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Calls of a TLS library, and what passes over the sockets of its sessions. */
#include "end.h"

#define MS 1000000ULL
#define HANDLE 0x1000 /* of a session */
#define RECORD 22     /* bytes of a record besides its plaintext */
#define REQUEST_X "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define RESPONSE_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define RESPONSE_NONE "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"

static u8 plain[4096], cipher[4096];
static u32 passed, failed;

static void arrives(struct tcp_sock *tp, u32 length)
{
	tp->tcp_clock_cache = host_now;
	tp->rcv_nxt += length;
	tp->bytes_received += length;
	data_arrived((struct sock *)tp);
}

/* A call reads LENGTH bytes at BYTES, for which TCP has SPENT. */
static void reads(struct tcp_sock *tp, const void *bytes, u32 length, u32 spent)
{
	struct pending_call p = {.address = (u64)bytes};

	tp->copied_seq += spent;
	memory_is(bytes, length);
	data_read((struct sock *)tp, length, 0, FROM_ENTRY, &p);
}

static void writes(struct tcp_sock *tp, const void *bytes, u32 length, u32 spent)
{
	struct pending_call p = {.address = (u64)bytes};

	tp->write_seq += spent;
	tp->snd_nxt = tp->write_seq;
	tp->tcp_clock_cache = host_now;
	memory_is(bytes, length);
	data_written((struct sock *)tp, length, FROM_ENTRY, &p);
}

static void call_begins(u32 function, u32 length)
{
	struct tls_caller who = calling_thread();

	tls_call_begins(&who, 0, function, HANDLE, (u64)plain, length, 0, 0);
}

static void call_ends(const char *text)
{
	struct tls_caller who = calling_thread();
	u32 length = strlen(text);

	memcpy(plain, text, length);
	memory_is(plain, length);
	tls_call_ends(&who, length);
}

/* The library's session uses the connection of a socket. */
static void bind_session(struct tcp_sock *tp)
{
	struct conn *c = conn_find((struct sock *)tp);
	struct tls_handle key = {.handle = HANDLE, .process = current_process()};
	struct tls_session s = {.id = c->opened_at, .slot = c->slot, .evidence = TLS_RANDOM};

	c->encrypted = 1;
	c->tls = 1;
	c->tls_used = 1;
	c->tls_left = TLS_LEFT_UNKNOWN;
	bpf_map_update_elem(&tls_sessions, &key, &s, BPF_ANY);
}

/* Whether so many were counted with a status, none with another, and none was lost. */
static void counted(const char *name, u32 ok, u32 none)
{
	const struct histogram *h;
	struct series_key key;
	u32 at = 0, oks = 0, nones = 0, others = 0;
	u64 bytes;

	while (next_counted(&at, &key, &h)) {
		if (key.status == 200)
			oks += observations(h);
		else if (key.status == 404)
			nones += observations(h);
		else
			others += observations(h);
	}
	if (oks == ok && nones == none && !others && !lost_in_all(&bytes)) {
		passed++;
		return;
	}
	printf("FAILED: %s\n", name);
	print_counted();
	failed++;
}

/*
 * The kernel encrypts and decrypts, as a library has asked it to (SSL_OP_ENABLE_KTLS): its calls
 * are seen, too. TICKETS: it sends some first.
 */
static void run_kernel_tls(const char *name, bool tickets, bool probes)
{
	static struct tcp_ulp_ops ops = {.name = "tls"};
	u32 i, length = sizeof(REQUEST_X) - 1;

	forget_all();
	host_clear(HOST_MAP(&tls_sessions));
	host_clear(HOST_MAP(&tls_calls));
	open_end(ROLE_SERVER, 1);
	if (probes)
		bind_session(&end.tcp);
	conn_find(the_socket())->encrypted = 1;
	end.tcp.inet_conn.icsk_ulp_ops = &ops;
	host_now += MS;
	if (tickets)
		writes(&end.tcp, "\4\0\0\xf5\0\0\x1c\x20ticket", 14, 14 + RECORD);
	for (i = 0; i < 3; i++) {
		host_now += MS;
		arrives(&end.tcp, length + RECORD);
		if (probes)
			call_begins(TLS_READ, sizeof(plain));
		memcpy(plain, REQUEST_X, length);
		reads(&end.tcp, plain, length, length + RECORD);
		if (probes)
			call_ends(REQUEST_X);
		host_now += MS;
		memcpy(plain, RESPONSE_OK, sizeof(RESPONSE_OK) - 1);
		if (probes)
			call_begins(TLS_WRITE, sizeof(RESPONSE_OK) - 1);
		writes(&end.tcp, plain, sizeof(RESPONSE_OK) - 1, sizeof(RESPONSE_OK) - 1 + RECORD);
		if (probes)
			call_ends(RESPONSE_OK);
	}
	host_now += MS;
	close_end();
	counted(name, 3, 0);
}

/* A request and its response in a session whose library neither receives nor sends by itself. */
static void exchange(struct tcp_sock *tp, const char *response)
{
	u32 length = strlen(response);

	host_now += MS;
	arrives(tp, sizeof(REQUEST_X) - 1 + RECORD);
	reads(tp, cipher, sizeof(REQUEST_X) - 1 + RECORD, sizeof(REQUEST_X) - 1 + RECORD);
	call_begins(TLS_READ, sizeof(plain));
	call_ends(REQUEST_X);
	host_now += MS;
	call_begins(TLS_WRITE, length);
	call_ends(response);
	writes(tp, cipher, length + RECORD, length + RECORD);
}

/* Another thread has freed a session, the next has its address, and the first socket lingers. */
static void run_reused_handle(void)
{
	struct tls_handle key = {.handle = HANDLE, .process = current_process()};
	static struct tcp_sock first, next;
	u32 zero = 0;

	forget_all();
	host_clear(HOST_MAP(&tls_sessions));
	host_clear(HOST_MAP(&tls_calls));
	bpf_map_lookup_elem(&slot_counts, &zero)->fresh[TABLE_CONNECTIONS] = max_connections - 2;
	open_socket(&first, ROLE_SERVER, 443 << 16 | 1);
	bind_session(&first);
	exchange(&first, RESPONSE_OK);
	bpf_map_delete_elem(&tls_sessions, &key);
	host_now += 60000 * MS;
	open_socket(&next, ROLE_SERVER, 443 << 16 | 2);
	bind_session(&next);
	exchange(&next, RESPONSE_NONE);
	counted("a session at the address of another", 1, 1);
	if (conn_find((struct sock *)&first)->requests == 1 &&
	    conn_find((struct sock *)&next)->requests == 1) {
		passed++;
		return;
	}
	printf("FAILED: an exchange of another connection\n");
	failed++;
}

int main(void)
{
	attached = true;
	run_kernel_tls("kernel TLS", false, false);
	run_kernel_tls("kernel TLS of a library", false, true);
	run_kernel_tls("kernel TLS with tickets", true, false);
	run_kernel_tls("kernel TLS with tickets of a library", true, true);
	run_reused_handle();
	printf("%u %u\n", passed, failed);
	return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the maps hold. Types that user space reads are declared here only; the Go
 * side is generated from them.
 */
#ifndef FATHOM_TYPES_H
#define FATHOM_TYPES_H

#include "base/bpf.h"
#include "proto/http1_framing.h"
#include "proto/http2.h"
#include "proto/preface.h"
#include "proto/protocol.h"
#include "proto/redis.h"

enum role {
	ROLE_UNKNOWN,
	ROLE_SERVER,
	ROLE_CLIENT,
	ROLE_LISTENER,
};

enum retransmit_kind {
	RETRANSMIT_TIMEOUT,
	RETRANSMIT_FAST,
	RETRANSMIT_PROBE,
	RETRANSMIT_SYN,
	RETRANSMIT_SYNACK,
	RETRANSMIT_COUNT,
};

enum connect_failure {
	CONNECT_REFUSED,
	CONNECT_TIMED_OUT,
	CONNECT_UNREACHABLE,
	CONNECT_RESET,
	CONNECT_ABANDONED,
	CONNECT_OTHER,
	CONNECT_COUNT,
};

/* Why the class or the bytes of a connection are as they are. */
enum coverage_reason {
	COVERAGE_NONE,
	COVERAGE_JOINED,	/* first seen after it was opened */
	COVERAGE_UPGRADED,	/* 101, or 2xx to CONNECT */
	COVERAGE_SERVER_FIRST,	/* the server spoke first */
	COVERAGE_UNREADABLE,	/* + enum buffer_fault: the first bytes were not readable */
	COVERAGE_OPAQUE = 16,	/* + enum opaque: TLS that is not read */
	COVERAGE_UNTAPPED = 32, /* bytes passed that no tap saw */
	COVERAGE_TABLE_FULL,	/* there was no room for what has to be known of its protocol */
	COVERAGE_COUNT,
};

/*
 * Why what a process encrypts is not read. User space finds out when the process first speaks TLS.
 */
enum opaque {
	OPAQUE_NOT_YET, /* it ended before that */
	/* it is read: this connection carried nothing, or was older than the probes */
	OPAQUE_READ,
	OPAQUE_LATE,		/* opened before the probes were there */
	OPAQUE_UNKNOWN_LIBRARY, /* no TLS library that Fathom knows */
	OPAQUE_NO_SYMBOLS,	/* linked in, and nothing says where */
	OPAQUE_JAVA,
	OPAQUE_NOT_PERMITTED, /* the probes could not be attached */
	OPAQUE_ELF,	      /* its files could not be understood */
	OPAQUE_NO_SESSION, /* the process is read, and none of its sessions uses the connection */
	OPAQUE_COUNT,
};

/* Why the user's buffer could not be read. */
enum buffer_fault {
	FAULT_NONE,
	FAULT_KERNEL, /* kernel thread, or a socket of the kernel's own */
	FAULT_IO_URING,
	FAULT_COMPAT,  /* 32-bit system call */
	FAULT_SYSCALL, /* not a system call that carries a buffer this way */
	FAULT_SOCKET,  /* its descriptor is another socket */
	FAULT_BATCH,   /* not the first message of recvmmsg or sendmmsg */
	FAULT_TRUNC,   /* MSG_TRUNC: discarded without a copy */
	FAULT_IOVECS,  /* more buffers than are followed */
	FAULT_MEMORY,  /* the buffer is not in memory */
	FAULT_STEPS,   /* it holds more messages than are followed */
	FAULT_COUNT,
};

/* Why something is missing from the numbers: fathom_lost_total. */
enum lost {
	LOST_CONNECTION, /* the connection table was full */
	LOST_ARRIVAL,	 /* exchange without the time its request arrived */
	LOST_GAP,	 /* exchange with bytes that no tap saw */
	LOST_INVALID,	 /* exchange where something passed that breaks the protocol's rules */
	LOST_PIPELINED,	 /* exchange beyond the queue of pipelined requests */
	LOST_REQUEST,	 /* response whose request was not seen */
	LOST_DESTROY,	 /* connection whose end was missed */
	LOST_TLS_SOCKET, /* a call of a TLS library whose socket is not known */
	LOST_TLS_ASKED,	 /* a process that could not be asked about: the queue was full */
	LOST_TLS_CALLER, /* a call of a TLS library that found the table of callers full */
	LOST_UNREADABLE, /* + enum buffer_fault: a message's head */
	LOST_MAP = LOST_UNREADABLE + FAULT_COUNT, /* + enum map_errno */
	LOST_COUNT = LOST_MAP + 6,
};

/* Failures of a map update, by errno. */
enum map_errno {
	MAP_E2BIG,
	MAP_EBUSY,
	MAP_ENOMEM,
	MAP_EDEADLK,
	MAP_ETIMEDOUT,
	MAP_EOTHER,
};

/* fathom_lost_bytes_total */
enum lost_bytes {
	BYTES_UNTAPPED,	  /* TCP's sequence numbers moved without a tap */
	BYTES_LATE,	  /* belong to an exchange that was settled already */
	BYTES_UNTRACKED,  /* of a connection that found the table full */
	BYTES_UNREADABLE, /* looked for a head in, and not readable */
	BYTES_COUNT,
};

/* Responses that may still come, of exchanges that were lost. */
enum owed {
	OWED_NONE,
	OWED_ONE,
	OWED_ALL, /* until another request begins, or may have begun */
};

enum direction {
	READ,
	WRITE,
};

enum program {
	PROG_READ,
	PROG_WRITTEN,
	PROG_ARRIVED,
	PROG_STATE,
	PROG_DESTROY,
	PROG_RETRANSMIT,
	PROG_SYNACK,
	PROG_RESET_RECEIVED,
	PROG_RESET_SENT,
	PROG_SWEEP,
	PROG_TLS_CALL,
	PROG_TLS_RETURN,
	PROG_COUNT,
};

/* The tables whose slots alloc_slot() hands out, and those counted beside them. */
enum table {
	TABLE_CONNECTIONS,
	TABLE_WORKLOADS,
	TABLE_SERIES,
	TABLE_EDGES,
	TABLE_COVERAGE,
	TABLE_LISTENERS,
	TABLE_PIPELINES,
	TABLE_BACKLOGS,
	TABLE_HTTP2,
	TABLE_STREAMS, /* in pages of HTTP2_PLACES */
	TABLE_TLS_CALLERS,
	TABLE_COUNT,
};

/*
 * Classic bounds and those of native schema 3 from 2^-17 s to 2^8 s (201), and one
 * for what lies above: up to 30 classic bounds.
 */
#define MAX_BUCKETS 232

struct histogram {
	u64 sum; /* ns */
	u64 buckets[MAX_BUCKETS];
};

/* series_key.flags */
#define SERIES_CLIENT 0x01
#define SERIES_TLS 0x02
#define SERIES_OVERFLOW 0x80

#define OPERATION_OTHER 0

struct series_key {
	u32 workload;
	u32 peer; /* slot of the edge; 0 for the server role */
	u16 status;
	u8 operation; /* of HTTP the method */
	u8 flags;
	u8 protocol; /* enum protocol */
	u8 pad[3];
};

/* Of a protocol that has no array of its own for the time that requests wait. */
struct queue_key {
	u32 workload;
	u8 protocol;
	u8 pad[3];
};

#define COMM_LEN 16
#define CGROUP_NAMES 4
#define CGROUP_NAME_LEN 96

struct workload_key {
	u64 cgroup;
	u8 comm[COMM_LEN];
};

struct workload {
	struct workload_key key;
	u32 used;
	u32 series; /* how many it has */
	u32 edges;
	u32 pad;
	u8 names[CGROUP_NAMES][CGROUP_NAME_LEN];
};

/* What one sweep over all connections found; user space clears it before. */
struct census {
	u32 connections;
	u32 active[2]; /* server, client: exchanges without a final status */
	u32 pad;
	u64 oldest[2]; /* when the oldest of them began */
};

struct edge_key {
	u32 workload;
	u8 role;
	u8 overflow;
	u16 port;    /* host byte order; 0 for the server role */
	u8 addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* 16 us doubled 19 times, and what lies above 8.4 s. */
#define RTT_BUCKETS 21

struct edge {
	u64 segments_sent;
	u64 bytes_sent;
	u64 bytes_received;
	u64 opened;
	u64 closed;
	u64 resets_sent;
	u64 resets_received;
	u64 retransmits[RETRANSMIT_COUNT];
	u64 connect_failures[CONNECT_COUNT];
	u64 rtt_sum; /* us */
	u64 rtt[RTT_BUCKETS];
	u64 connected; /* when a sweep last found a connection */
};

struct coverage_key {
	u32 workload;
	u16 class;
	u16 reason;
};

struct covered {
	u64 connections;
	u64 bytes[2]; /* received, sent */
};

struct listener {
	u32 workload;
	u32 queue;
	u32 queue_max;
	u32 drops;
	u8 addr[16];
	u16 port;
	u16 pad[3];
};

struct run_stats {
	u64 samples;
	u64 ns;
};

/* What claim() gives to one caller only. */
enum claim_kind {
	CLAIM_SETTLED, /* to move conn.settled on from this number */
	CLAIM_CLASS,   /* to give the connection a class */
	CLAIM_SAMPLE,  /* to count what passed since this sample */
	CLAIM_STREAM,  /* to settle a stream of HTTP/2 */
	CLAIM_PLACE,   /* to take the place that a stream had, or of this number and HTTP2_NEVER */
	CLAIM_FRESH,   /* + enum table: a slot that was never used */
};

#define CLAIM_ATTEMPTS 8

struct claim {
	u64 opened_at;
	u32 number;
	u32 kind_and_slot;
};

#define CLAIM_KIND_SHIFT 28 /* above the highest slot, see limits in internal/kernel/options.go */

/* Where the data of a call lies, noted on entry, for kprobes only: see user_buffer.h. */
struct pending_call {
	u64 sk;
	u64 address;
	u32 iovs;
	u32 fault;
	u32 flags;
	u32 pad;
};

/* Who is in a call: a thread, or a goroutine, which moves from thread to thread. */
struct tls_caller {
	u64 id;
	u32 process;
	u32 goroutine;
};

enum tls_function {
	TLS_NONE,
	TLS_READ,
	TLS_WRITE,
};

/*
 * What a caller does. A connection is meant by its slot and the time when it was opened.
 */
struct tls_call {
	u64 handle; /* the library's session, of the last call */
	u64 id;	    /* of its connection, in slot */
	u64 buffer;
	u64 moved_at; /* where the function leaves how much it moved; 0: it returns that */
	u64 began;
	u64 sent_first; /* within the call */
	u64 sent_last;
	u64 received_id;
	u32 received; /* from which it has received, within the call; 0: none */
	u32 slot;     /* 0: look into tls_sessions */
	u32 library;  /* the index in tls_libraries; 0: it is not known */
	u32 length;
	u8 function; /* enum tls_function */
	u8 sent;
	u8 fed; /* what it writes was looked at when it was sent */
	u8 pad[5];
};

/* What a goroutine has received on when it was in no call: it may have shaken hands. */
struct tls_shaken {
	u64 id;
	u32 slot;
	u32 pad;
};

struct tls_handle {
	u64 handle;
	u32 process;
	u32 pad;
};

/* Why a session is taken to use a connection. */
enum tls_evidence {
	TLS_NESTED = 1, /* a call of it has received or sent there */
	TLS_RANDOM,	/* its ClientHello went over it */
};

struct tls_session {
	u64 id;
	u32 slot;      /* 0: it is not bound */
	u8 evidence;   /* enum tls_evidence */
	u8 against;    /* how many calls in a row used another socket */
	u8 missed;     /* plaintext passed before it was bound */
	u8 overlooked; /* or will pass, by a call that is under way */
};

/* Half of the random bytes of a ClientHello, and the process that sent or received it. */
struct tls_random {
	u64 bytes[2];
	u32 process;
	u32 pad;
};

/* Which connection a ClientHello was sent on, and which it was received on. */
struct tls_hello {
	u64 id[2];
	u32 slot[2];
};

enum tls_place_kind {
	TLS_PLACE_NONE,
	TLS_PLACE_DIRECT,   /* at handle + first */
	TLS_PLACE_INDIRECT, /* second bytes behind where the pointer at handle + first points to */
};

/* Where a library keeps the client random of a session: tlslib.Place. */
struct tls_place {
	u16 first;
	u16 second;
	/* where the lowest bit tells whether it is a server's, and 1 more; 0: that is not known */
	u16 server;
	u8 kind; /* enum tls_place_kind */
	u8 pad;
};

#define TLS_PLACES 4

/* Those of a library, or of all in a process; the first of no kind ends them. */
struct tls_places {
	struct tls_place place[TLS_PLACES];
};

/* What user space knows of a process that speaks TLS. */
struct tls_process {
	u64 attached_at; /* connections that were opened before are understood from the middle on */
	u64 told_at;	 /* or asked about again */
	u32 opaque;	 /* enum opaque */
	u32 goroutines;	 /* its calls are told apart by goroutine */
	struct tls_places places; /* for kernels that do not tell a probe its library */
};

/* Counts per CPU. */
struct cpu_counters {
	u64 lost[LOST_COUNT];
	u64 lost_bytes[2][BYTES_COUNT];
	u64 overflows[TABLE_COUNT];
	u64 tls_callers; /* those put into the table, less those taken out of it on this CPU */
	struct run_stats runs[PROG_COUNT];
};

/* The slots of each table. */
struct slot_counts {
	u32 fresh[TABLE_COUNT]; /* the next one that was never used */
	u32 taken[TABLE_COUNT]; /* where neither an index nor user space tells */
};

#define STAMPS 4
#define BACKLOG 64 /* runs in a page of it */
#define BACKLOG_PAGES 16
#define EXCHANGES 8

#define PIPELINE 64

/*
 * In the place of a time in exchange.start: it is missing (counted as LOST_ARRIVAL), or the
 * exchange was counted as lost.
 */
#define START_UNKNOWN 0
#define START_LOST 1

/* In exchange.operation: it has not come as a whole, and is OTHER if it never does. */
#define OPERATION_PENDING 0xff

/*
 * One request and its response. The request side writes `start`, `position`,
 * `id` and `operation`; the response side `last`, `answer` and `status`. Neither clears what
 * the other writes, so that they need no lock: see exchange/ordered.h.
 */
struct exchange {
	u64 start;    /* server: arrival of the first byte; client: it was written */
	u64 last;     /* server: the last byte so far was written; client: read */
	u32 position; /* of the response direction when the request passed */
	u32 id;	      /* the number of the request that is here */
	u32 answer;   /* the number of the response that is here */
	u16 status;
	u8 operation; /* of the protocol, as in series_key */
	u8 pad;
};

/* More of them, for a connection with more open at a time than it has itself. */
struct pipeline {
	struct exchange exchanges[PIPELINE];
};

/* The halves of a stream that its two sides write. Each is copied as one word. */
struct http2_asked {
	u32 id; /* whose request this is */
	u8 operation;
	u8 is_grpc;  /* enum http2_is_grpc */
	u8 is_reset; /* a server's client has given it up: see http2_stream.reset_at */
	u8 pad;
} __attribute__((aligned(8)));

struct http2_answer {
	u32 id;	    /* whose response this is */
	u16 status; /* 0: it has not come */
	u8 grpc;    /* of grpc-status */
	u8 over;    /* enum http2_over */
} __attribute__((aligned(8)));

/*
 * One stream of HTTP/2: a request and its response. Whoever sees it first takes the place, by
 * `owner`. The request side writes `start` and `asked`, the response side the rest, and neither
 * clears what the other writes: see http2/streams.h.
 */
struct http2_stream {
	u32 owner; /* the stream that is here; 0: none */
	u32 had;   /* the one before it */
	u64 start; /* server: arrival of the first byte of its frame; client: it was written */
	struct http2_asked asked;
	u64 last; /* when the response was over */
	struct http2_answer answer;
	/*
	 * When RST_STREAM was read, and how far the server had written then: in TCP's numbers, and
	 * in plaintext.
	 */
	u64 reset_at;
	u32 reset_sent;
	u32 reset_plain;
};

enum http2_is_grpc {
	HTTP2_NOT_GRPC,
	HTTP2_SURELY_GRPC,
	HTTP2_MAY_BE_GRPC, /* its content type is not known */
};

enum http2_over {
	HTTP2_OPEN,
	HTTP2_WHOLE,
	HTTP2_RESET_BY_SERVER,
	HTTP2_REFUSED, /* so, and nothing was done for it (RFC 9113, section 8.7) */
	HTTP2_RESET_BY_CLIENT,
};

/* conn.switching */
enum http2_switching {
	HTTP2_NOT_SWITCHING,
	HTTP2_SWITCHED,	 /* by 101: to what is not known yet */
	HTTP2_SWITCHING, /* to HTTP/2, by the hook that has seen it first */
};

#define HTTP2_PLACES 64
#define HTTP2_PAGES 64

/* More places for the streams of a connection. */
struct http2_page {
	struct http2_stream streams[HTTP2_PLACES];
};

/* What the engine knows of one direction, beside what the parser does. */
struct http2_direction {
	struct http2_side side;
	u8 preface; /* how many bytes of it are to come */
	u8 first;   /* the next frame has to be SETTINGS */
	u8 lost;    /* where frames begin is not known */
	u8 spare[5];
	struct http2_window window; /* of the step */
};

/* Of a connection that carries HTTP/2. */
struct http2_conn {
	struct http2_direction directions[2]; /* of requests, of responses */
	u32 highest;			      /* the id of the last request that has begun */
	u32 unseen_answers; /* of those that were not seen: responses that were, and are lost */
	u32 unseen_above;   /* of the requests above this one, up to the next, some were not seen */
	u32 unseen_until;
	u32 lost_until;	 /* what has begun up to this one is lost: its response may have passed */
	u32 lost_reason; /* enum lost */
	u32 lost_before; /* and so are requests before this position, as often as lost_sent says */
	u32 request_seq; /* of the header block that is under way */
	u32 goaway;	 /* streams above it are not answered, since goaway_at */
	u32 pages;	 /* how many pages it has */
	u32 spare;	 /* for ordered() */
	u64 goaway_at;
	u64 request_time; /* as conn.request_time */
	u64 request_queue;
	u32 lost_sent;
	u32 lost_passed;       /* of these, those whose position requests have passed */
	u32 page[HTTP2_PAGES]; /* their slots; 0 behind the last */
	struct http2_stream streams[HTTP2_PLACES];
};

/* Bytes that were not seen before a connection had a class. */
enum gap {
	GAP_NONE,
	GAP_FIRST, /* nothing was recognised before it */
};

/* What is passed over before the protocol of a connection is known. */
enum preamble {
	PREAMBLE_NONE,
	PREAMBLE_UP_TO_LF, /* of which http1_side.left bytes may come */
	PREAMBLE_REST,	   /* http1_side.left bytes */
	PREAMBLE_GREETED,  /* the server has greeted as MySQL does: the client may ask for TLS */
};

/*
 * When bytes arrived: a queue of runs, each with its time and the sequence number of its
 * first byte. One producer (the arrival tap, with the socket's lock held, often on another
 * CPU than the process) and one consumer (reads). The last place is for a run without a time, 0:
 * what arrived when there was no other left.
 */
struct arrivals {
	u64 time[STAMPS];
	u32 seq[STAMPS];
	u32 head;      /* the next to be written */
	u32 tail_seen; /* the consumer's tail, when last looked at */
	u32 end;       /* rcv_nxt at the last arrival */
	u32 backlog;   /* the slot of that which holds the later runs; 0: none */
};

/*
 * The same for a connection of which more is unread: its next runs. They have numbers, and lie in
 * pages, in turn; the first page has the slots of all.
 */
struct backlog {
	u64 time[BACKLOG];
	u32 seq[BACKLOG];
	u32 page[BACKLOG_PAGES]; /* of run N: that with number N / BACKLOG % BACKLOG_PAGES; or 0 */
	u32 head;
	u32 first; /* what stands before it is another connection's */
};

/* The parts of http1 and redis below. */
#define REQUEST 0
#define RESPONSE 1

/*
 * The state of a connection. Its parts lie in cache lines by who writes them: arrivals are
 * noted on whatever CPU the network runs, and a line that two CPUs write costs
 * more than all instructions of a tap together. What is true or false has a byte of its own:
 * softirqs, threads and the sweep write them without a lock.
 */
struct conn {
	/* Written when it opens, and when something new is learnt. */
	u64 sk;
	u64 recent_series; /* what varies of the last series' key, and its slot */
	u64 opened_at;
	u64 closed_at;
	u32 class; /* enum conn_class; set once, by compare-and-swap */
	u32 workload;
	u32 edge;
	u32 slot;
	u32 ports;  /* skc_portpair: is it still this socket? */
	u16 port;   /* of the peer, host byte order */
	u16 resets; /* which were counted: RESET_ below; written under the socket's lock */
	u8 role;
	u8 reason;  /* enum coverage_reason */
	u8 joined;  /* first seen after it was opened */
	u8 opened;  /* reached ESTABLISHED */
	u8 counted; /* and was counted so */
	u8 covered; /* counted in a class */
	u8 early;   /* server: data came with the SYN, or still may have */
	u8 edge_known;

	/* Written where bytes arrive. */
	struct arrivals arrivals;

	/* Written by the taps of the process. */
	u32 rx_pos;    /* copied_seq behind the last read that was seen */
	u32 tx_pos;    /* write_seq behind the last write that was seen */
	u32 requests;  /* begun; written by the request side */
	u32 responses; /* begun; written by the response side */
	u32 settled;
	u32 plain_read; /* bytes of plaintext */
	u32 plain_written;
	u8 rx_known;	   /* rx_pos is valid */
	u8 tx_known;	   /* tx_pos is valid */
	u8 workload_known; /* from a process */
	u8 tls;		   /* encrypted: the parsers get what a library says */
	u64 request_time;  /* start of the request whose first bytes are looked at */
	u64 request_queue; /* how long these waited for the read */
	/* 0, or where exchanges live from a number on: the number, and above it the slot */
	u64 pipeline;
	u8 ktls_rx;   /* the kernel decrypts what is read: taps see plaintext */
	u8 ktls_tx;   /* the same for what is written */
	u8 encrypted; /* the bytes on the socket are a TLS library's, and not looked at */
	u8 upgraded;  /* nor those that are encrypted: no HTTP any more */
	/* the response that began last has an end that is known, and has not come */
	u8 answering;
	u8 owed; /* enum owed */
	/*
	 * several were open when bytes went unseen: nothing is matched until the connection has
	 * rested, or at all if its client pipelines
	 */
	u8 deep;
	u8 after_gap; /* enum gap */
	union {
		struct http1_side http1[2]; /* request direction, response direction */
		struct redis_side redis[2]; /* the same of CLASS_REDIS */
		u32 http2;		    /* CLASS_HTTP2: the slot of its state; 0: none */
	};
	/* Less often, and of what is under way. */
	u64 begun_at; /* when the hook of the last request ran */
	/* which open requests were counted as lost when they began: bit number modulo 64 */
	u64 marked;
	u64 batch_buffer; /* msgvec of the last recvmmsg or sendmmsg */
	u64 iov_base[2];  /* of the buffer that is looked at, by direction, see next_iovec() */
	union {
		/*
		 * which responses were taken to have a body before their request's hook ran: bit
		 * number modulo 64
		 */
		u64 assumed;
		u32 redis_skip[2]; /* CLASS_REDIS: how many bytes of each direction need no look */
	};
	u64 heads;	   /* which requests beyond the slots are HEAD: bit number modulo 64 */
	u32 arrivals_tail; /* the next to be used: apart, since the producer looks at it too */
	u32 plain_writing; /* of a call that is under way */

	struct exchange exchanges[EXCHANGES];

	/* As sampled last; written by the sweep. */
	u64 bytes_sent;
	u64 bytes_received;
	u64 bytes_acked;
	u32 segments_sent;
	u32 final_read; /* copied_seq and write_seq when the state became CLOSE */
	u32 final_written;
	u8 addr[16];	   /* of the peer */
	u32 retransmitted; /* total_retrans, as counted last */
	u32 tls_process;   /* that speaks TLS here */
	u8 attempts;	   /* of recognising a connection whose beginning was not seen */
	u8 pipelines;	   /* requests were seen to come before the response to the one before */
	u8 redis_place[2]; /* enum redis_place, of each direction; without a role: redis_joins() */
	/* when what a server reads next began to arrive, if it has been received */
	u64 tls_arrived;
	u64 tls_time; /* the same of the plaintext that was read last */
	u8 preamble;  /* enum preamble: before the protocol is known, what comes from the client */
	u8 asked;     /* and what from the server: an answer to PREAMBLE_QUESTION */
	u8 greets;    /* it has spoken first */
	u8 tunnel;    /* the connection began anew behind CONNECT */
	u16 tls_left; /* bytes to come of the record that a server receives last */
	/* of the record whose plaintext it reads next, or goes on to read, see tls/records.h */
	u16 tls_record;
	u8 unseen;     /* HTTP/1 passed that was not looked at */
	u8 tls_used;   /* a session of a library is known to use it */
	u8 tls_data;   /* a server has received records that may hold plaintext */
	u8 tls_missed; /* plaintext passed before the session was bound */
	/*
	 * HTTP/2, without a role: what frame's payload comes next, by enum direction; see
	 * HTTP2_ALONE
	 */
	u16 http2_alone[2];
	u32 switching; /* enum http2_switching: behind 101 */
	/* of the buffer at which drain_iovecs() begins, or would go on */
	u32 iov_skipped[2];
	u32 tls_sending;  /* bytes that a call of a library has sent so far */
	u64 tls_flush;	  /* where what could not be flushed lies; 0: nothing */
	u8 tls_corked;	  /* enum tls_cork */
	u8 http2_passed;  /* HTTP/2, without a role: exchanges may have */
	u16 tls_queue;	  /* records behind that one: the slot of a page of `backlogs`; 0: none */
	u32 backlog_tail; /* the next run there to be used, by the consumer */
};

/*
 * GnuTLS keeps what is sent behind gnutls_record_cork(), and passes it to the same function again,
 * from memory of its own, in gnutls_record_uncork().
 */
enum tls_cork {
	TLS_CORK_NONE,
	TLS_CORKED,	  /* again, too, where a flush has failed */
	TLS_CORK_FLUSHES, /* what is sent is sent */
};

/* How conn_add() makes one. */
#define CONN_JOINED 0x01
#define CONN_EARLY 0x02
#define CONN_FOUND 0x04 /* it was there before: who comes second finds what the first one made */

#define RESET_RECEIVED 0x8000
#define RESET_SENT 0x4000 /* and in the bits below the end of segs_in at that time */

/* How many pieces of a connection whose beginning was not seen are looked at. */
#define MAX_ATTEMPTS 16

#define CACHE_LINE 64
_Static_assert(__builtin_offsetof(struct conn, arrivals) == CACHE_LINE, "conn: first line");
_Static_assert(__builtin_offsetof(struct conn, rx_pos) == 2 * CACHE_LINE, "conn: second line");
_Static_assert(__builtin_offsetof(struct conn, http1) == 3 * CACHE_LINE, "conn: third line");
_Static_assert(__builtin_offsetof(struct conn, begun_at) == 4 * CACHE_LINE, "conn: fourth line");
_Static_assert(__builtin_offsetof(struct conn, exchanges) == 5 * CACHE_LINE, "conn: exchanges");
_Static_assert(sizeof(struct conn) % CACHE_LINE == 0, "conn: whole lines");

#endif

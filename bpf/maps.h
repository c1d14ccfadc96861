/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The maps. The sizes here are the defaults; user space sets them from its options before
 * loading.
 */
#ifndef FATHOM_MAPS_H
#define FATHOM_MAPS_H

#include "types.h"

#include "proto/http1_head.h"

#define MAX_CONNECTIONS 32768
#define MAX_WORKLOADS 1024
#define MAX_SERIES 3000
#define MAX_QUEUES 128
#define MAX_EDGES 4096
#define MAX_COVERAGE 4096
#define MAX_LISTENERS 1024
#define MAX_PIPELINES 1024
#define MAX_BACKLOGS 1024
#define MAX_HTTP2 1024
#define MAX_HTTP2_PAGES 256

/* struct sock * -> slot. Full: the connection is not tracked and counted as lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CONNECTIONS);
	__type(key, u64);
	__type(value, u32);
} conn_index SEC(".maps");

/* Slot 0 of each array below is not handed out: 0 means "none", or the overflow.
 * This one is mappable only because such arrays begin at a page, and so a cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_CONNECTIONS + 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct conn);
} conns SEC(".maps");

/* First in, first out: a slot rests for a while before it is used again, so that a
 * sweep that still looks at it does no harm. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_CONNECTIONS);
	__type(value, u32);
} conn_free SEC(".maps");

/*
 * The slots of sockets, at places that follow from their addresses: looking here first spares
 * most look-ups in the hash. What stands here may be of another socket, or old. 256 KB.
 */
#define CONN_HINTS 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONN_HINTS);
	__type(key, u32);
	__type(value, u32);
} conn_hints SEC(".maps");

/* Full: the process's numbers go to workload 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_WORKLOADS);
	__type(key, struct workload_key);
	__type(value, u32);
} workload_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_WORKLOADS + 1);
	__type(key, u32);
	__type(value, struct workload);
} workloads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_WORKLOADS + 1);
	__type(key, u32);
	__type(value, struct census);
} censuses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_WORKLOADS + 1);
	__type(key, u32);
	__type(value, struct histogram);
} queue_series SEC(".maps");

/*
 * The same by workload and protocol, for all protocols but HTTP/1: on most hosts a few workloads
 * serve one. Full: counted as an overflow of the series; the waits of that workload are not shown,
 * its durations are.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_QUEUES);
	__type(key, struct queue_key);
	__type(value, struct histogram);
} queue_others SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_WORKLOADS);
	__type(value, u32);
} workload_free SEC(".maps");

/* Full, or the workload's share used up: the workload's overflow series, then series_overflow(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SERIES);
	__type(key, struct series_key);
	__type(value, u32);
} series_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SERIES + PROTOCOL_COUNT - PROTOCOL_HTTP1);
	__type(key, u32);
	__type(value, struct histogram);
} series SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_SERIES);
	__type(value, u32);
} series_free SEC(".maps");

/* Full, or the workload's share used up: the workload's overflow edge, then slot 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_EDGES);
	__type(key, struct edge_key);
	__type(value, u32);
} edge_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EDGES + 1);
	__type(key, u32);
	__type(value, struct edge);
} edges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_EDGES);
	__type(value, u32);
} edge_free SEC(".maps");

/* A handful of classes and reasons per workload. Full: counted as an overflow, and
 * the connection is missing from the coverage. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_COVERAGE);
	__type(key, struct coverage_key);
	__type(value, struct covered);
} coverage SEC(".maps");

/* Full: counted as an overflow; the listener is not shown. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_LISTENERS);
	__type(key, u64);
	__type(value, struct listener);
} listeners SEC(".maps");

/*
 * For the few connections that have more than EXCHANGES requests open at a time: slots in
 * conn.pipeline. Full: counted as an overflow; what a connection cannot hold is lost as
 * `pipelined`.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PIPELINES + 1);
	__type(key, u32);
	__type(value, struct pipeline);
} pipelines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_PIPELINES);
	__type(value, u32);
} pipeline_free SEC(".maps");

/*
 * For the few connections whose process reads more slowly than bytes arrive: pages, slots in
 * arrivals.backlog and backlog.page. Full: counted as an overflow; when these bytes arrived is not
 * known.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BACKLOGS + 1);
	__type(key, u32);
	__type(value, struct backlog);
} backlogs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_BACKLOGS);
	__type(value, u32);
} backlog_free SEC(".maps");

/*
 * What the parser knows of connections that carry HTTP/2, and the streams that are open there.
 * Full: counted as an overflow; what the connection carries is not counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_HTTP2 + 1);
	__type(key, u32);
	__type(value, struct http2_conn);
} http2_conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_HTTP2);
	__type(value, u32);
} http2_free SEC(".maps");

/*
 * For connections with more streams open at a time than they have places themselves: slots in
 * http2_conn.page. Full: counted as an overflow; what finds no place is lost as `pipelined`.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_HTTP2_PAGES + 1);
	__type(key, u32);
	__type(value, struct http2_page);
} http2_streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_HTTP2_PAGES);
	__type(value, u32);
} http2_streams_free SEC(".maps");

/*
 * Before 5.12 only, see claim(); else user space makes it small. What is claimed is old
 * within microseconds, so that the least recently used entries can go.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct claim);
	__type(value, u8);
} claims SEC(".maps");

/*
 * Calls on their way, by thread. User space makes it larger (pendingCalls in
 * internal/kernel/load.go) if there are kprobes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct pending_call);
} pending_calls SEC(".maps");

/*
 * TLS, see tls.h. User space makes these larger if it is read. The threads that have called a
 * library, and the goroutines that are in a call. Full: counted as lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct tls_caller);
	__type(value, struct tls_call);
} tls_calls SEC(".maps");

/* Where one of these is full, the least recently used entry goes. Goroutines that shake hands: */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tls_caller);
	__type(value, struct tls_shaken);
} tls_shaking SEC(".maps");

/* Sessions: that which was not used for longest has to be bound anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tls_handle);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps");

/* Of use from a ClientHello until its session's first plaintext. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tls_random);
	__type(value, struct tls_hello);
} tls_hellos SEC(".maps");

/* By the cookie of a library's probes, which is not 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tls_places);
} tls_libraries SEC(".maps");

/* By process id. Full: processes are not asked about, and stay opaque as `not_yet`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tls_process);
} tls_processes SEC(".maps");

/*
 * The processes that user space is to look at. Full: counted as lost; their next connection asks
 * again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} tls_asked SEC(".maps");

/* Where a CPU looks at a head, see take_head(). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http1_head);
} heads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct slot_counts);
} slot_counts SEC(".maps");

#endif

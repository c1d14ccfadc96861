/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What user space sets before loading, and `attached`, which it sets afterwards. */
#ifndef FATHOM_KNOBS_H
#define FATHOM_KNOBS_H

#include "../maps.h"

/* Whether bpf_rdonly_cast() is there (6.2): kernel memory is read by plain loads. */
const volatile bool direct_loads;
/*
 * Whether atomic instructions return what was there before (5.12). Where they do not, user space
 * takes them out of the branches that are not run then.
 */
#ifndef FETCHING_ATOMICS /* tests on the host tell */
#define FETCHING_ATOMICS true
#endif
const volatile bool fetching_atomics = FETCHING_ATOMICS;
/* Whether there are probes in TLS libraries. */
const volatile bool reads_tls;
const volatile bool never; /* see stay_on_task_stack() */
/* Whether the tracepoint tcp_retransmit_skb tells the error, and so also fires on failure. */
const volatile bool retransmit_tells_error;
const volatile u64 settle_after_ns = 5000000000ULL;
/* How long what is known of a process's TLS libraries stands. */
const volatile u64 ask_again_ns = 60000000000ULL;
const volatile u32 max_connections = MAX_CONNECTIONS;
const volatile u32 max_workloads = MAX_WORKLOADS;
const volatile u32 max_series = MAX_SERIES;
const volatile u32 max_series_per_workload = 256;
const volatile u32 max_edges = MAX_EDGES;
const volatile u32 max_edges_per_workload = 128;
const volatile u32 max_http2_connections = MAX_HTTP2;
const volatile u32 max_http2_pages = MAX_HTTP2_PAGES;
/* Upper bounds of the buckets in ns, ascending; unused ones are the highest s64. */
const volatile u64 bounds[256] = {};

/*
 * Whether all taps are attached, which takes milliseconds: set by user space after the last, and
 * cleared before the first is detached. Until then one end of an exchange would be seen without the
 * other.
 */
volatile bool attached;

#endif

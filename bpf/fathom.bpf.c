// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The one compilation unit: the families of taps share maps and the state in them. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "types.h"
#include "proto/redis_names.h"
#include "maps.h"
#include "core.h"
#include "histogram.h"
#include "workload.h"
#include "coverage.h"
#include "edge.h"
#include "series.h"
#include "exchange.h"
#include "conn.h"
#include "connect.h"
#include "listener.h"
#include "user_buffer.h"
#include "pieces.h"
#include "expect.h"
#include "tls_caller.h"
#include "request.h"
#include "response.h"
#include "feed.h"
#include "tls.h"

#include "data.bpf.c"
#include "tcp.bpf.c"
#include "tls.bpf.c"
#include "sweep.bpf.c"

/* Keeps the types that only user space reads as such in the object's BTF. */
#define EXPORT(type, name) const type *export_##name __attribute__((unused))
EXPORT(enum conn_class, class);
EXPORT(enum protocol, protocol);
EXPORT(enum common_status, common_status);
EXPORT(enum lost, lost);
EXPORT(enum lost_bytes, lost_bytes);
EXPORT(enum buffer_fault, fault);
EXPORT(enum map_errno, map_errno);
EXPORT(enum coverage_reason, coverage_reason);
EXPORT(enum opaque, opaque);
EXPORT(struct tls_process, tls_process);
EXPORT(enum program, program);
EXPORT(enum table, table);
EXPORT(enum http_method, method);
EXPORT(enum redis_command, redis_command);
EXPORT(enum redis_status, redis_status);

char LICENSE[] SEC("license") = "GPL";

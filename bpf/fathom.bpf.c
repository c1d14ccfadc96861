// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The one compilation unit: the families of taps share maps and the state in them. */
#include "base/bpf.h"

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
EXPORT(enum grpc_status, grpc_status);
EXPORT(enum redis_command, redis_command);
EXPORT(enum redis_status, redis_status);

char LICENSE[] SEC("license") = "GPL";

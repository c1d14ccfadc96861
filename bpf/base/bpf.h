/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The kernel's types, and the helpers that read them; on the host what stands in for these. */
#ifndef FATHOM_BPF_H
#define FATHOM_BPF_H

#include "kernel.h"
#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#else
#include "../test/host/bpf.h"
#endif

#endif

#!/usr/bin/env bash
# Runs the tests, the quick ones first. Arguments go to `go test`, for instance
#     make test TEST='-run TestPaths -v'
set -euo pipefail
cd "$(dirname "$0")/.."

# Test binaries that load BPF need root. They are compiled as whoever calls.
as_root=()
((EUID == 0)) || as_root=(-exec sudo)

# As most programs in Go are built: tests are programs that are measured, too. The race detector needs it anyway.
export CGO_ENABLED=1

section() { printf '\n== %s\n' "$*"; }

section "unit tests, with the race detector"
go test -race -timeout 15m "${as_root[@]}" "$@" ./cmd/... ./internal/... ./bpf/... ./bench/... ./mixin/...

section "memory of the history, without the race detector, which takes some itself"
go test -count=1 -timeout 5m -run TestMemory -v ./internal/history

section "C on the host: parsers, a model of the engine; sanitizers, corpora, a little fuzzing"
scripts/test-c.sh

test/integration/testdata/build.sh
section "integration tests: BPF on this kernel, real servers and clients"
go test -count=1 -timeout 40m "${as_root[@]}" "$@" ./test/integration/...

section "the agent beside programs that speak TLS"
go test -count=1 -timeout 10m "${as_root[@]}" "$@" ./test/https/...

section "HTTP/1 between real servers and clients"
go test -count=1 -timeout 10m "${as_root[@]}" "$@" ./test/http1/...
go test -count=1 -timeout 10m "${as_root[@]}" "$@" ./test/redis/...

section "HTTP/2 and gRPC between real servers and clients"
go test -count=1 -timeout 15m "${as_root[@]}" "$@" ./test/http2/...

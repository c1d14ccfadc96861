#!/usr/bin/env bash
# Runs the tests, the quick ones first. Arguments go to `go test`, for instance
#     make test TEST='-run TestPaths -v'
set -euo pipefail
cd "$(dirname "$0")/.."

# Test binaries that load BPF need root. They are compiled as whoever calls.
only=("$@") as_root=() as_sudo=(env)
((EUID == 0)) || as_root=(-exec sudo) as_sudo=(sudo)

# As most programs in Go are built: tests are programs that are measured, too. The race detector needs it anyway.
export CGO_ENABLED=1

mkdir -p build
go build -o bin/blind ./test/blind

section() { printf '\n== %s\n' "$*"; }

# failed_tests OUTPUT prints an expression for -run for each test that failed there, with the names of its rows, if only those
# failed: what a test says itself is indented by four spaces, what its rows say by more.
failed_tests() {
	sed -nE -e 's/^ *--- FAIL: ([^ ]+) .*/\1/p' -e 's/^ {4}[^ ]+\.go:[0-9]+: .*/itself/p' "$1" | awk -F/ '
		function quoted(name) { gsub(/[][\\.^$*+?(){}|]/, "\\\\&", name); return name }
		$0 == "itself" { whole[last] = 1; next }
		{ last = $1 }
		!($1 in rows) { order[++n] = $1; rows[$1] = "" }
		NF > 1 && !seen[$1, $2]++ { rows[$1] = rows[$1] (rows[$1] == "" ? "" : "|") quoted($2) }
		END {
			for (i = 1; i <= n; i++) {
				test = order[i]
				print "^" quoted(test) "$" (whole[test] || rows[test] == "" ? "" : "/^(" rows[test] ")$")
			}
		}'
}

# live ARGUMENTS... is go test for what must not lose anything on this machine. Where the kernel does not run programs in every
# task, what they miss is lost by no fault of ours: a row of a test that failed there may do so twice. Tasks are watched meanwhile.
live() {
	local watch watcher failed test again out=build/test.out
	exec {watch}> >("${as_sudo[@]}" bin/blind)
	watcher=$!
	if go test "${as_root[@]}" "${only[@]}" "$@" {watch}>&- | tee "$out"; then
		exec {watch}>&-
		wait "$watcher" || true # its status says what it saw
		return
	fi
	exec {watch}>&-
	wait "$watcher" || return 1
	for _ in 1 2; do
		mapfile -t failed < <(failed_tests "$out")
		if ((${#failed[@]} == 0)) || grep -q '^panic:' "$out"; then
			return 1
		fi
		: >"$out"
		again=0
		for test in "${failed[@]}"; do
			printf '\nso what failed is run again: %s\n' "$test"
			go test "${as_root[@]}" "${only[@]}" -run "$test" "$@" | tee -a "$out" || again=1
		done
		((again)) || return 0
	done
	return 1
}

section "unit tests, with the race detector"
mapfile -t internal < <(go list ./internal/... | grep -v /tlslib)
live -race -timeout 15m ./cmd/... ./bench/... ./mixin/... "${internal[@]}"

section "machine code of TLS libraries, without the race detector: all in one goroutine, and five times as fast"
live -timeout 10m ./internal/tlslib/...

section "memory of the history, without the race detector, which takes some itself"
go test -count=1 -timeout 5m -run TestMemory -v ./internal/history

section "C on the host: parsers, a model of the engine; sanitizers, corpora, a little fuzzing"
scripts/test-c.sh

test/integration/testdata/build.sh
section "integration tests: BPF on this kernel, real servers and clients"
live -count=1 -timeout 40m ./test/integration/...

section "the agent beside programs that speak TLS"
live -count=1 -timeout 10m ./test/https/...

section "HTTP/1 between real servers and clients"
live -count=1 -timeout 10m ./test/http1/...
live -count=1 -timeout 10m ./test/redis/...

section "HTTP/2 and gRPC between real servers and clients"
live -count=1 -timeout 15m ./test/http2/...

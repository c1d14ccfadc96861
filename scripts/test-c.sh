#!/usr/bin/env bash
# Tests the parsers of bpf/proto on the host, under AddressSanitizer and UBSan: the unit
# tests, the committed corpora, and fuzzing for $FUZZTIME (10s; 0 for the corpora alone). A
# finding is written to the corpus; commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

parsers=(request response head preface)
sources=bpf/proto/test
corpora=$sources/corpus

time=${FUZZTIME:-10s}
if [[ ! $time =~ ^([0-9]+)(s|m|)$ ]]; then
	echo "$0: FUZZTIME is seconds or minutes, such as 30s or 5m, not $time" >&2
	exit 2
fi
seconds=$((BASH_REMATCH[1] * $([[ ${BASH_REMATCH[2]} == m ]] && echo 60 || echo 1)))

build=$(mktemp -d)
declare -A jobs=()
trap 'kill "${!jobs[@]}" 2>/dev/null || true; rm -rf "$build"' EXIT

compile() {
	clang-19 -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-sanitize-recover=all "$@"
}

# Runs the unit tests of a parser; writes "PASSED FAILED" to a file.
unit() {
	compile -fsanitize=address,undefined "$sources/$1.c" -o "$build/$1" || return
	"$build/$1" >"$build/$1.count"
}

# Runs the corpus of a parser, then fuzzes from there.
fuzz() {
	local -a bound=(-runs=0)
	((seconds == 0)) || bound=("-max_total_time=$seconds")
	compile -DFUZZ -fsanitize=fuzzer,address,undefined "$sources/$1.c" -o "$build/$1.fuzz" || return
	mkdir "$build/$1.found"
	"$build/$1.fuzz" -max_len=256 -artifact_prefix="$corpora/$1/" "${bound[@]}" \
		"$build/$1.found" "$corpora/$1" >"$build/$1.log" 2>&1 && return
	tail -n 40 "$build/$1.log" >&2
	return 1
}

passed=0 failed=0
for parser in "${parsers[@]}"; do
	status=0
	unit "$parser" || status=$?
	if [[ -s $build/$parser.count ]]; then
		read -r p f <"$build/$parser.count"
		passed=$((passed + p)) failed=$((failed + f))
		echo "$parser: $p of $((p + f)) unit tests"
	else # it crashed
		failed=$((failed + 1))
		echo "$parser: unit tests ended with status $status"
	fi
done

for parser in "${parsers[@]}"; do
	fuzz "$parser" &
	jobs[$!]=$parser
done
for job in "${!jobs[@]}"; do
	parser=${jobs[$job]}
	status=0
	wait "$job" || status=$?
	unset "jobs[$job]"
	if ((status == 0)); then
		passed=$((passed + 1))
		echo "$parser: $(find "$corpora/$parser" -type f | wc -l) seeds, fuzzed for $seconds s:" \
			"$(grep -E '^Done|^#.*DONE' "$build/$parser.log" | tail -n 1)"
	else
		failed=$((failed + 1))
		echo "$parser: fuzzing found a difference"
	fi
done

echo "proto: $passed passed, $failed failed"
((failed == 0))

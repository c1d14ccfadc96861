#!/usr/bin/env bash
# Tests the parsers of bpf/proto on the host, under AddressSanitizer and UBSan: the unit
# tests, the committed corpora, and fuzzing for $FUZZTIME (10s; 0 for the corpora alone). A
# finding is written to the corpus; commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

parsers=(request response head preface redis)
sources=bpf/proto/test
corpora=$sources/corpus

time=${FUZZTIME:-10s}
if [[ ! $time =~ ^([0-9]+)(s|m|)$ ]]; then
	echo "$0: FUZZTIME is seconds or minutes, such as 30s or 5m, not $time" >&2
	exit 2
fi
seconds=$((BASH_REMATCH[1] * $([[ ${BASH_REMATCH[2]} == m ]] && echo 60 || echo 1)))

build=$(mktemp -d)
declare -A fuzzers=()
trap 'kill "${!fuzzers[@]}" 2>/dev/null || true; rm -rf "$build"' EXIT

compile() {
	clang-19 -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-sanitize-recover=all "$@"
}

passed=0 failed=0
for parser in "${parsers[@]}"; do
	compile -fsanitize=address,undefined "$sources/$parser.c" -o "$build/$parser"
	status=0
	"$build/$parser" >"$build/$parser.count" || status=$?
	read -r p f <"$build/$parser.count" || p=0 f=0
	if ((status && !f)); then # it crashed
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f))
	echo "$parser: $p unit tests passed, exit status $status"
done

# The corpus of each parser, and from there on what the fuzzer makes of it.
if ((seconds)); then
	bound=-max_total_time=$seconds
else
	bound=-runs=0
fi
for parser in "${parsers[@]}"; do
	compile -fsanitize=address,undefined,fuzzer -DFUZZ "$sources/$parser.c" \
		-o "$build/$parser.fuzz"
	mkdir "$build/$parser.found"
done
for parser in "${parsers[@]}"; do
	"$build/$parser.fuzz" -max_len=256 "$bound" -artifact_prefix="$corpora/$parser/" \
		"$build/$parser.found" "$corpora/$parser" >"$build/$parser.log" 2>&1 &
	fuzzers[$!]=$parser
done
for pid in "${!fuzzers[@]}"; do
	parser=${fuzzers[$pid]}
	status=0
	wait "$pid" || status=$?
	unset "fuzzers[$pid]"
	if ((status)); then
		failed=$((failed + 1))
		grep -aE '^[a-z]+: |ERROR|Test unit written' "$build/$parser.log" >&2 ||
			cat "$build/$parser.log" >&2
		echo "$parser: fuzzing failed"
	else
		passed=$((passed + 1))
		seeds=$(find "$corpora/$parser" -type f | wc -l)
		echo "$parser: $seeds seeds, $seconds s: $(grep '^Done' "$build/$parser.log")"
	fi
done

echo "proto: $passed passed, $failed failed"
((failed == 0))

#!/usr/bin/env bash
# Tests the C of bpf/ on the host, under AddressSanitizer and UBSan: the parsers of bpf/proto by their unit tests, the whole
# of the engine by a model of connections (bpf/test/model.c), and both by the committed corpora and by fuzzing. That is the
# same at each run of the same sources, so that a change fails by what it does; with FUZZTIME (such as 5m) it is at random, for
# so long (0: the corpora alone). A finding is written to the corpus; commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

parsers=(request response head framing preface redis http2)

time=${FUZZTIME-}
if [[ ! $time =~ ^([0-9]+)(s|m|)$|^$ ]]; then
	echo "$0: FUZZTIME is seconds or minutes, such as 30s or 5m, not $time" >&2
	exit 2
fi
seconds=$((BASH_REMATCH[1] * $([[ ${BASH_REMATCH[2]} == m ]] && echo 60 || echo 1)))
declare -A runs=([engine]=100000) # where no time is given; 20000 of the others
# The fuzzer's choices depend on addresses.
same=(env -i "PATH=$PATH")
if setarch -R true 2>/dev/null; then
	same+=(setarch -R)
fi

case $(uname -m) in
x86_64) arch=x86 ;;
aarch64) arch=arm64 ;;
*)
	echo "$0: no registers of $(uname -m) are known" >&2
	exit 2
	;;
esac

build=$(mktemp -d)
declare -A fuzzers=() begun=()
trap 'kill "${!fuzzers[@]}" "${begun[@]}" 2>/dev/null || true; rm -rf "$build"' EXIT

compile() {
	clang-19 -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-sanitize-recover=all "$@"
}

# What is a barrier for BPF on other machines has an argument that the host does not use.
compile_engine() {
	compile -O2 -D__TARGET_ARCH_$arch -Wno-unused-parameter "$@"
}

# begin_tests NAME starts a program whose last line tells how many tests passed and failed.
begin_tests() {
	"$build/$1" >"$build/$1.out" &
	begun[$1]=$!
}

# end_tests NAME waits for it, and adds that up.
passed=0 failed=0
end_tests() {
	local p f status=0
	wait "${begun[$1]}" || status=$?
	unset "begun[$1]"
	sed '$d' "$build/$1.out"
	read -r p f < <(tail -n 1 "$build/$1.out") || true
	if [[ ! $p =~ ^[0-9]+$ || ! $f =~ ^[0-9]+$ ]]; then
		tail -n 1 "$build/$1.out"
		p=0 f=0
	fi
	if ((status && !f)); then # it crashed
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f))
	echo "$1: $p tests passed, exit status $status"
}

for parser in "${parsers[@]}"; do
	compile -fsanitize=address,undefined "bpf/proto/test/$parser.c" -o "$build/$parser"
	begin_tests "$parser"
	end_tests "$parser"
done
models=(arrivals switching tls_calls tls_records model model_redis model_http2 model_http2_old)
for model in "${models[@]:0:7}"; do
	compile_engine -fsanitize=address,undefined "bpf/test/$model.c" -o "$build/$model"
	begin_tests "$model"
done
# As on kernels before 5.12, without the sanitizers: no other code runs than above, but for claims.
compile_engine -DFETCHING_ATOMICS=false bpf/test/model_http2.c -o "$build/model_http2_old"
begin_tests model_http2_old

# The corpus of each target, and from there on what the fuzzer makes of it.
declare -A corpora=()
for parser in "${parsers[@]}"; do
	compile -fsanitize=address,undefined,fuzzer -DFUZZ "bpf/proto/test/$parser.c" -o "$build/$parser.fuzz"
	corpora[$parser]=bpf/proto/test/corpus/$parser
done
compile_engine -fsanitize=address,undefined,fuzzer bpf/test/fuzz_engine.c -o "$build/engine.fuzz"
corpora[engine]=bpf/test/corpus/engine
for model in "${models[@]}"; do
	end_tests "$model"
done
for target in "${!corpora[@]}"; do
	mkdir "$build/$target.found"
	with=()
	if [[ -z $time ]]; then
		with=("${same[@]}")
		bound=(-seed=1 "-runs=${runs[$target]-20000}")
	elif ((seconds)); then
		bound=("-max_total_time=$seconds")
	else
		bound=(-runs=0)
	fi
	"${with[@]}" "$build/$target.fuzz" -max_len=256 "${bound[@]}" -artifact_prefix="${corpora[$target]}/" \
		"$build/$target.found" "${corpora[$target]}" >"$build/$target.log" 2>&1 &
	fuzzers[$!]=$target
done
for pid in "${!fuzzers[@]}"; do
	target=${fuzzers[$pid]}
	status=0
	wait "$pid" || status=$?
	unset "fuzzers[$pid]"
	if ((status)); then
		failed=$((failed + 1))
		grep -aE '^[a-z]+: |^FAILED|^  |ERROR|Test unit written' "$build/$target.log" >&2 ||
			cat "$build/$target.log" >&2
		echo "$target: fuzzing failed"
	else
		passed=$((passed + 1))
		seeds=$(find "${corpora[$target]}" -type f | wc -l)
		echo "$target: $seeds seeds: $(grep '^Done' "$build/$target.log")"
	fi
done

echo "C: $passed passed, $failed failed"
((failed == 0))

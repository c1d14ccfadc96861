#!/usr/bin/env bash
# Asks `fathom doctor` on this machine and in the guests of `make test-kernels`, as root, and
# writes docs/doctor.md.
set -euo pipefail
cd "$(dirname "$0")/.."

guests=(5.10 6.1 6.1-full 6.12 6.12-full 6.18 7.3 arm64-6.1 arm64-6.12 arm64-7.3)
page=docs/doctor.md
as_root=()
((EUID == 0)) || as_root=(sudo)

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for arch in amd64 arm64; do
	CGO_ENABLED=0 GOARCH=$arch go build -trimpath -ldflags '-s -w -X main.version=dev' -o "$build/$arch/fathom" ./cmd/fathom
done
go build -o "$build/guests" ./test/guests

# report COMMAND... prints a command's output, with its exit status below.
report() {
	local status=0
	echo '```'
	"$@" | tr -d '\r' || status=$?
	echo '```'
	echo
	echo "Exit status: $status"
	((status <= 2)) || return 1
}

{
	echo '# The doctor on several kernels'
	echo
	echo '<!-- Written by scripts/doctor.sh. Do not edit. -->'
	echo
	# shellcheck disable=SC2016 # Markdown
	echo 'What `fathom doctor` says as root, in the guests of `make test-kernels` and on the machine that it was run on.'
	echo '[Kernels and privileges](kernels.md) explains it.'
	for guest in "${guests[@]}"; do
		arch=amd64
		[[ $guest != arm64-* ]] || arch=arm64
		printf '\n## %s\n\n' "$guest"
		report "$build/guests" run "$guest" "$build/$arch/fathom" doctor
	done
	printf '\n## This machine\n\n'
	report "${as_root[@]}" "$build/$(go env GOARCH)/fathom" doctor
	printf '\n## This machine, as a user without capabilities\n\n'
	report "${as_root[@]}" setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all /proc/self/fd/9 doctor 9<"$build/$(go env GOARCH)/fathom"
} >"$build/page"
cp "$build/page" "$page"

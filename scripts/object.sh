#!/usr/bin/env bash
# Builds the BPF object of another commit for this architecture, to compare with by `make bench`:
#     scripts/object.sh HEAD~1 build/before.o
#     make bench BENCH='-only traffic -object before=build/before.o'
# The commit's own go:generate line builds it, with its own flags, in a directory that is removed.
set -euo pipefail

if (($# != 2)); then
	echo "usage: $0 COMMIT FILE" >&2
	exit 2
fi
file=$(realpath -m "$2")
cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify --end-of-options "$1^{commit}")

case $(go env GOARCH) in
amd64) object=bpf_x86_bpfel.o ;;
arm64) object=bpf_arm64_bpfel.o ;;
*)
	echo "$0: there is no object for $(go env GOARCH)" >&2
	exit 1
	;;
esac
command -v clang-19 >/dev/null || scripts/deps.sh generate

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git archive "$commit" bpf internal go.mod go.sum | tar -x -C "$tree"
rm "$tree"/internal/kernel/bpf_*_bpfel.o # what is copied below was built here
(cd "$tree/internal/kernel" && go generate generate.go) >&2
mkdir -p "$(dirname "$file")"
cp "$tree/internal/kernel/$object" "$file"
echo "$file is the object of $commit"

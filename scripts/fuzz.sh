#!/usr/bin/env bash
# Runs every fuzz target, each for the given time (default 30s). A finding
# is written to the package's testdata/fuzz; commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

while IFS=: read -r file line; do
	target=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/' <<<"$line")
	package=./$(dirname "$file")
	echo "== $package $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-30s}" "$package"
done < <(git grep --untracked -E '^func Fuzz' -- '*_test.go')

echo "== the parsers in C"
FUZZTIME=${1:-30s} scripts/test-c.sh

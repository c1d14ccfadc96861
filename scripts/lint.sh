#!/usr/bin/env bash
# Looks at the C and the shell scripts of this tree, as golangci-lint does at the Go:
#     scripts/lint.sh         fails where clang-format (.clang-format) would write C otherwise, where a line of C is longer
#                             than 100 columns, and where shellcheck has something to say
#     scripts/lint.sh fix     lets clang-format write the C; it leaves comments and strings that are too long
# clang-format is pinned as the compiler is: another version breaks lines in other places.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is looked at: what git knows, or would add. Everything is named here.
files() { git ls-files -z --cached --others --exclude-standard --deduplicate -- "$@"; }
mapfile -d '' c < <(files '*.c' '*.h')
mapfile -d '' shell < <(files '*.sh' .ci/run)
((${#c[@]} && ${#shell[@]})) || { echo "$0: there are no files to look at" >&2; exit 1; }

format=clang-format-19

# long_lines FILE... prints the lines of more than 100 columns, with tabs of 8.
long_lines() {
	local file long=0
	for file; do
		expand "$file" | awk -v file="$file" 'length > 100 {print file ":" NR ": " length " columns"; n++} END {exit (n > 0)}' || long=1
	done
	((!long))
}

case ${1:-check} in
fix) "$format" -i "${c[@]}" ;;
check)
	status=0
	shellcheck --external-sources "${shell[@]}" || status=1
	long_lines "${c[@]}" || status=1
	if ! "$format" --dry-run --Werror "${c[@]}"; then
		echo "$0: clang-format would write this C otherwise: make format" >&2
		status=1
	fi
	exit "$status"
	;;
*)
	echo "usage: $0 [fix]" >&2
	exit 2
	;;
esac

#!/usr/bin/env bash
# Rebuilds everything that is generated and compares bytes with what was there.
# .gitattributes says which files are generated.
set -euo pipefail
cd "$(dirname "$0")/.."

list() { git ls-files -z --cached --others --exclude-standard ':(attr:linguist-generated)' | sort -zu; }
sums() {
	while IFS= read -r -d '' file; do
		if [[ -e $file ]]; then sha256sum "$file"; else echo "missing $file"; fi
	done < <(list)
}

before=$(sums)
if [[ -z $before ]]; then
	echo "$0: no generated files: does .gitattributes still name them?" >&2
	exit 1
fi
make generate >/dev/null
if ! diff <(echo "$before") <(sums); then
	echo "$0: generated files differ from their sources; commit what \`make generate\` made" >&2
	exit 1
fi
echo "$(wc -l <<<"$before") generated files are as committed"

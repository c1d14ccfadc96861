#!/usr/bin/env bash
# Checks the types of the page's modules, and opens the page in a real browser.
set -euo pipefail
cd "$(dirname "$0")/.."

tsc --project internal/page/jsconfig.json
as_root=()
((EUID == 0)) || as_root=(-exec sudo)
exec go test -count=1 -timeout 5m -v "${as_root[@]}" ./test/page

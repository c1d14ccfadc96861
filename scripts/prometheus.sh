#!/usr/bin/env bash
# Lets a real Prometheus scrape bin/fathom, and promtool judge the exposition.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root=()
((EUID == 0)) || as_root=(-exec sudo)
exec go test -count=1 -timeout 5m -v "${as_root[@]}" ./test/prometheus

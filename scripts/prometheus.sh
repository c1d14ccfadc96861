#!/usr/bin/env bash
# Lets a real Prometheus scrape bin/fathom, judges the exposition with promtool, and asks every query of the mixin and the
# documents. Arguments go to `go test`.
# Beside Debian's Prometheus it takes the one that tools/prometheus pins: `make prometheus` builds it.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root=()
((EUID == 0)) || as_root=(-exec sudo)
exec go test -count=1 -timeout 8m -v "${as_root[@]}" "$@" ./test/prometheus

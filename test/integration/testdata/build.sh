#!/usr/bin/env bash
# Builds the servers in C that tests need, for this machine's architecture, beside the test binaries that
# guests run: static, since a guest has no libraries. Needs gcc, libc6-dev and liburing-dev.
set -euo pipefail
cd "$(dirname "$0")"

out=uring-server-$(go env GOARCH)
if [[ ! $out -nt uring/server.c ]]; then
	gcc -O2 -Wall -Wextra -Werror -static -o "$out.new" uring/server.c -luring
	mv "$out.new" "$out"
fi

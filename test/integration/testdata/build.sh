#!/usr/bin/env bash
# Builds the servers in C that tests need, for this machine's architecture, beside the test binaries that
# guests run: static or with their libraries, since a guest has none. Needs gcc, libc6-dev, liburing-dev,
# libgnutls28-dev and libssl-dev.
set -euo pipefail
cd "$(dirname "$0")"

out=uring-server-$(go env GOARCH)
if [[ ! $out -nt uring/server.c ]]; then
	gcc -O2 -Wall -Wextra -Werror -static -o "$out.new" uring/server.c -luring
	mv "$out.new" "$out"
fi

# The drivers of TLS libraries, which load them by name, with this machine's libraries and all that they need.
out=tls-alone-$(go env GOARCH)
if [[ ! $out -nt tls/peer.c || ! $out -nt tls/openssl.c || ! $out -nt tls/gnutls.c || ! $out -nt build.sh ]]; then
	rm -rf "$out" "$out.new"
	mkdir "$out.new"
	for driver in openssl gnutls; do
		gcc -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -pthread -o "$out.new/peer-$driver" tls/peer.c "tls/$driver.c" -ldl
	done
	libraries=("/usr/lib/$(gcc -print-multiarch)"/libssl.so.[1-9]* "/usr/lib/$(gcc -print-multiarch)/libgnutls.so.30")
	ldd "${libraries[@]}" | awk '$2 == "=>" {print $3} $1 ~ "^/.*/ld-linux" {print $1}' | sort -u |
		xargs cp -Lt "$out.new" "${libraries[@]}"
	mv "$out.new" "$out"
fi

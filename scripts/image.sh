#!/usr/bin/env bash
# Builds the container image, for amd64 and arm64, without Docker, below build/image:
#     fathom.oci.tar          both, as an OCI archive
#     fathom-ARCH.docker.tar  one, for `docker load` and `ctr images import`
#     fathom-ARCH.spdx.json   what the program is made of; in the image, too
# The same commit and the same Go make the same bytes. Environment: VERSION, COMMIT; IMAGE, the
# repository; ARCHES, to build less.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
COMMIT=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
CREATED=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo 1970-01-01T00:00:00Z)
IMAGE=${IMAGE:-fathomhq/fathom}
read -ra arches <<<"${ARCHES:-amd64 arm64}"

out=build/image
rm -rf "$out"
mkdir -p "$out"
programs=()
for arch in "${arches[@]}"; do
	# The version comes from the linker, as in the Makefile; what git knows of the tree stays out.
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o "$out/fathom-$arch" ./cmd/fathom
	programs+=("$out/fathom-$arch")
done
go run ./deploy/image -name "$IMAGE" -tag "$VERSION" -revision "$COMMIT" -created "$CREATED" -dir "$out" "${programs[@]}"

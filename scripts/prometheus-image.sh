#!/usr/bin/env bash
# Makes the image of the Prometheus that test/cluster deploys, as an archive for `ctr images import`:
#     scripts/prometheus-image.sh OUT.tar
# The image is localhost/fathom-test-prometheus:dev, or FATHOM_TEST_PROMETHEUS_IMAGE. It also makes bin/operatorconfig, which
# turns the chart's monitors into a configuration as the Prometheus operator does. Both are built from what
# tools/prometheus pins, which takes minutes, and kept below ${XDG_CACHE_HOME:-~/.cache}/fathom-prometheus.
set -euo pipefail
(($# == 1)) || { echo "usage: $0 OUT.tar" >&2; exit 2; }
out=$(realpath "$1")
cd "$(dirname "$0")/.."

image=${FATHOM_TEST_PROMETHEUS_IMAGE:-localhost/fathom-test-prometheus:dev}
arch=$(go env GOARCH)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-prometheus
stamp=$({ echo "$image $arch $(go env GOVERSION)" && cat "$0" tools/prometheus/{,operatorconfig/}go.{mod,sum} tools/prometheus/operatorconfig/*.go; } |
	sha256sum | cut -c1-16)

# build TAGS OUT MODULE PACKAGE builds a static program.
build() {
	CGO_ENABLED=0 go build -C "$3" -trimpath -buildvcs=false -tags "$1" -ldflags '-s -w' -o "$2" "$4"
}

sum() { sha256sum "$1" | cut -d' ' -f1; }

# pack PROGRAM OUT packs a program into an image as `docker save` writes it. The same program makes the same bytes.
pack() {
	local layer=$scratch/layer program
	program=$(basename "$1")
	mkdir -p "$layer"
	cp "$1" "$layer/$program"
	chmod 755 "$layer/$program"
	archive "$layer" "$scratch/layer.tar" "$program"
	cat >"$scratch/config.json" <<-TEXT
		{"architecture": "$arch", "os": "linux", "config": {"User": "65534:65534", "Entrypoint": ["/$program"], "WorkingDir": "/"},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sum "$scratch/layer.tar")"]}}
	TEXT
	echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$image\"], \"Layers\": [\"layer.tar\"]}]" >"$scratch/manifest.json"
	archive "$scratch" "$2" manifest.json config.json layer.tar
}

# archive DIR OUT FILE... packs files: all root's, and of one time.
archive() {
	local dir=$1 out=$2
	shift 2
	tar -C "$dir" --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$out" "$@"
}

mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock" # another checkout may be building
if [[ ! -d $cache/$stamp ]]; then
	scratch=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	mkdir "$scratch/made"
	# Of the ways to discover targets only Kubernetes'; without the tag builtinassets there is no user interface.
	build remove_all_sd,enable_kubernetes_sd "$scratch/prometheus" tools/prometheus github.com/prometheus/prometheus/cmd/prometheus
	build '' "$scratch/made/operatorconfig" tools/prometheus/operatorconfig .
	pack "$scratch/prometheus" "$scratch/made/image.tar"
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$scratch" -exec rm -rf {} + # what older versions of this made
	mv "$scratch/made" "$cache/$stamp"
fi
mkdir -p bin "$(dirname "$out")"
cp "$cache/$stamp/operatorconfig" bin/operatorconfig
cp "$cache/$stamp/image.tar" "$out"
echo "$out: $image"

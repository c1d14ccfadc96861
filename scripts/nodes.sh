#!/usr/bin/env bash
# Builds what a node of Kubernetes is made of, for test/nodes, from the modules that are pinned in tools/kubernetes and
# tools/containerd: the control plane with etcd, kubelet, kube-proxy, kubectl, containerd, runc and the plugins for pods'
# networks. Everything goes below ${XDG_CACHE_HOME:-~/.cache}/fathom-nodes:
#     bin        the programs
#     bin/cni    the plugins
# It is built anew when a pin or this script changes. From nothing that takes some 15 minutes on two CPUs; otherwise a second.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-nodes
stamp=$(cat "$0" tools/{kubernetes,containerd}/go.{mod,sum} | sha256sum | cut -d' ' -f1)

built() { [[ $(cat "$cache/bin/stamp" 2>/dev/null) == "$stamp" ]]; }

scripts/deps.sh nodes
if built; then
	exit 0
fi
mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock" # another checkout may be building
if built; then
	exit 0
fi
scratch=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/cni"

start=$SECONDS
# say TEXT... prints how long it took so far.
say() { echo "nodes: $*, after $((SECONDS - start)) s"; }

# build MODULE FOLDER LDFLAGS ARGUMENT... builds packages of a module in tools, side by side.
build() {
	local module=tools/$1 folder=$scratch/$2 ldflags=$3
	shift 3
	go build -C "$module" -buildvcs=false -trimpath -ldflags "-s -w $ldflags" -o "$folder/" "$@"
}

# tools MODULE REGEXP prints those of the module's tools that match.
tools() { go list -C "tools/$1" tool | grep -E "$2"; }

export CGO_ENABLED=0

# Components compare their versions, and refuse to work without one.
version=$(go list -C tools/kubernetes -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#*.}
package=k8s.io/component-base/version
echo "nodes: building Kubernetes $version; the first time takes long"
mapfile -t programs < <(tools kubernetes .)
build kubernetes . "-X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}" "${programs[@]}"
mv "$scratch/server" "$scratch/etcd" # go.etcd.io/etcd/server/v3
say "Kubernetes is built"

# Without the snapshotters that need libraries, or disks of their own.
mapfile -t programs < <(tools containerd /containerd/v2/)
build containerd . '' -tags 'no_btrfs no_devmapper no_zfs' "${programs[@]}"
mapfile -t programs < <(tools containerd /plugins/)
build containerd cni '' "${programs[@]}"
# Pods have seccomp's default profile, which takes libseccomp: without it runc would ignore the profile.
mapfile -t programs < <(tools containerd /runc)
CGO_ENABLED=1 build containerd . '-extldflags -static' -tags 'seccomp netgo osusergo' "${programs[@]}"
say "containerd is built"

echo "$stamp" >"$scratch/stamp"
rm -rf "${cache:?}/bin"
mv "$scratch" "$cache/bin"
chmod 755 "$cache/bin"

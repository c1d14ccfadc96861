#!/usr/bin/env bash
# Fetches the kernels that `make test-kernels` boots, and the QEMU that emulates machines for
# them:
#     scripts/kernels.sh [KERNEL...]     such as 6.12 or arm64-6.1; all of them without one
# Debian's packages, which apt verifies, are unpacked below
# ${XDG_CACHE_HOME:-~/.cache}/fathom-kernels: qemu, and for each kernel a folder with
#     vmlinuz    as in the package
#     modules    a link to the folder of modules.dep
# What is there is left alone: remove a folder to fetch it again. Of other Debian releases
# nothing is installed; what QEMU links to is (scripts/deps.sh). FATHOM_DEBIAN_MIRROR
# replaces the mirror that apt uses.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(5.10 6.1 6.12 6.18 7.3 arm64-5.10 arm64-6.1 arm64-6.12 arm64-6.18 arm64-7.3)
default=(5.10 6.1 6.12 6.18 7.3 arm64-6.1 arm64-6.12 arm64-7.3)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-kernels
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
	echo "$0: $*" >&2
	exit 1
}

# suite_of VERSION says which Debian release has that kernel.
suite_of() {
	case $1 in
	5.10) echo bullseye ;;
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	*) echo trixie-backports ;;
	esac
}

# find_mirror prints the mirror of Debian's packages that this machine is configured for. It
# asks for what an update would fetch, since the lists themselves may not be there.
find_mirror() {
	local mirror=${FATHOM_DEBIAN_MIRROR:-}
	if [[ -z $mirror ]]; then
		mirror=$(apt-get update --print-uris | sed -nE "s|^'(.*/debian)/dists/.*|\1|p" | head -n1)
	fi
	[[ -n $mirror ]] || die "apt is configured for no mirror of Debian; set FATHOM_DEBIAN_MIRROR"
	echo "${mirror%/}"
}

# in_suite SUITE ARCH COMMAND... runs an apt command that knows that release only: neither
# this machine's sources nor what is installed here.
in_suite() {
	local state=$scratch/apt/$1-$2 suite=$1 arch=$2 command=$3
	shift 3
	mkdir -p "$state"/{lists,cache}/partial "$state/cache/archives/partial"
	echo "deb [signed-by=$keyring target=Packages] $mirror $suite main" >"$state/sources.list"
	"$command" -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$state/lists" -o Dir::State::status=/dev/null \
		-o Dir::Cache="$state/cache" -o APT::Sandbox::User="$(id -un)" \
		-o Acquire::AllowInsecureRepositories=false -o Acquire::Retries=3 "$@"
}

declare -A updated=()

# update SUITE ARCH fetches the list of the release's packages, once.
update() {
	[[ -z ${updated[$1-$2]:-} ]] || return 0
	local log
	log=$(in_suite "$1" "$2" apt-get update -o APT::Update::Error-Mode=any 2>&1) || die "cannot read the packages of $1: $log"
	updated[$1-$2]=1
}

# unpack SUITE ARCH FOLDER PACKAGE... unpacks packages into the folder.
unpack() {
	local suite=$1 arch=$2 folder=$3 package log
	shift 3
	mkdir -p "$scratch/packages" "$folder"
	log=$(cd "$scratch/packages" && in_suite "$suite" "$arch" apt-get download "$@" 2>&1) ||
		die "cannot fetch $*: $log"
	for package in "$scratch"/packages/*.deb; do
		dpkg-deb -x "$package" "$folder"
		rm "$package"
	done
}

# fetch_kernel NAME
fetch_kernel() {
	local arch=amd64 version=$1 suite image release root
	if [[ $version == arm64-* ]]; then
		arch=arm64 version=${version#arm64-}
	fi
	suite=$(suite_of "$version")
	update "$suite" "$arch"
	image=$(in_suite "$suite" "$arch" apt-cache search --names-only "^linux-image-$version\..*cloud-$arch\$" |
		awk '{print $1}' | sort -V | tail -n1)
	[[ -n $image ]] || die "$suite has no kernel $version for $arch any more; it has:
$(in_suite "$suite" "$arch" apt-cache search --names-only "^linux-image-[0-9].*cloud-$arch\$")"
	release=${image#linux-image-}

	root=$scratch/$1
	# From 7.x on the image's package is empty and depends on these.
	if in_suite "$suite" "$arch" apt-cache show "linux-binary-$release" >/dev/null 2>&1; then
		unpack "$suite" "$arch" "$root" linux-{binary,base,modules}-"$release"
	else
		unpack "$suite" "$arch" "$root" "$image"
	fi
	[[ -e $root/lib ]] || ln -s usr/lib "$root/lib" # as depmod expects it
	ln -s "lib/modules/$release" "$root/modules"
	ln -s "$(cd "$root" && find boot "lib/modules/$release/" -name 'vmlinuz*' -type f 2>/dev/null | head -n1)" "$root/vmlinuz"
	[[ -r $root/vmlinuz && -d $root/modules/kernel ]] || die "$image does not hold a kernel and its modules"
	PATH=$PATH:/usr/sbin:/sbin depmod -b "$root" "$release"
	mv "$root" "$cache/$1"
	echo "$1: $release"
}

# have_qemu: elsewhere than on Debian 12 it is the machine's own, whose version is looked at
# before it is used.
have_qemu() {
	[[ -d $cache/qemu ]] || { ! on_bookworm && command -v qemu-system-{x86_64,aarch64} >/dev/null; }
}

# shellcheck source=/dev/null
on_bookworm() { [[ $(. /etc/os-release && echo "${VERSION_CODENAME:-}") == bookworm ]]; }

# fetch_qemu fetches the emulators. That of Debian 12 itself, 7.2, computes flags wrongly after
# cmpxchg16b: kernels from 6.12 on panic in it at random.
fetch_qemu() {
	local root=$scratch/qemu suite=bookworm-backports binary missing version
	on_bookworm || die "install qemu-system-x86_64 and qemu-system-aarch64, version 8 or later"
	scripts/deps.sh qemu
	update "$suite" amd64
	unpack "$suite" amd64 "$root" qemu-system-{x86,arm,common,data} seabios
	for binary in "$root"/usr/bin/qemu-system-{x86_64,aarch64}; do
		missing=$(ldd "$binary" | grep 'not found') || true
		[[ -z $missing ]] || die "QEMU needs more libraries than scripts/deps.sh installs: $missing"
		version=$("$binary" --version | head -n1)
	done
	mv "$root" "$cache/qemu"
	echo "qemu: $version"
}

kernels=("$@")
((${#kernels[@]})) || kernels=("${default[@]}")
missing=()
for kernel in "${kernels[@]}"; do
	[[ " ${all[*]} " == *" $kernel "* ]] || die "there is no kernel $kernel; there are ${all[*]}"
	[[ -d $cache/$kernel ]] || missing+=("$kernel")
done
if ((!${#missing[@]})) && have_qemu; then
	exit 0
fi

for tool in apt-get dpkg-deb; do
	command -v "$tool" >/dev/null || die "$tool is missing: the kernels are fetched on Debian, as packages"
done
[[ $(dpkg --print-architecture) == amd64 ]] || die "QEMU is fetched for amd64 only"
scripts/deps.sh kernels
[[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"

mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock" # another checkout may be fetching
scratch=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mirror=$(find_mirror)
have_qemu || fetch_qemu
for kernel in "${missing[@]}"; do
	[[ -d $cache/$kernel ]] || fetch_kernel "$kernel"
done

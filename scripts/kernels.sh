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
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

# suite_of VERSION says which Debian release has that kernel.
suite_of() {
	case $1 in
	5.10) echo bullseye ;;
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	*) echo trixie-backports ;;
	esac
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

open_scratch
[[ $(dpkg --print-architecture) == amd64 ]] || die "QEMU is fetched for amd64 only"
have_qemu || fetch_qemu
for kernel in "${missing[@]}"; do
	[[ -d $cache/$kernel ]] || fetch_kernel "$kernel"
done

#!/usr/bin/env bash
# Fetches the TLS libraries of several Debian releases that the tests of internal/tlslib look
# into and run:
#     scripts/tlslibs.sh [SUITE-ARCH...]     such as trixie-amd64; all of them without one
# Debian's packages, which apt verifies, are unpacked below
# ${XDG_CACHE_HOME:-~/.cache}/fathom-tlslibs, one folder each, with the dynamic linker and C
# library of their release beside them; nothing is installed. What is there is left alone:
# remove a folder to fetch it again. FATHOM_DEBIAN_MIRROR replaces the mirror that apt uses.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(bullseye-amd64 bullseye-arm64 bookworm-amd64 bookworm-arm64 trixie-amd64 trixie-arm64 sid-amd64 sid-arm64 experimental-amd64)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-tlslibs
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

# packages_of SUITE: the libraries and all that they need to run.
packages_of() {
	case $1 in
	bullseye) echo libssl1.1 libgnutls30 ;;
	bookworm) echo libssl3 libgnutls30 android-libboringssl ;;
	experimental) echo libssl4 ;;
	*) echo libssl3t64 libgnutls30t64 libc6 zlib1g libzstd1 libp11-kit0 libidn2-0 libunistring5 libtasn1-6 \
		libhogweed6t64 libnettle8t64 libgmp10 libffi8 ;;
	esac
}

# fetch SUITE-ARCH
fetch() {
	local suite=${1%-*} arch=${1##*-} packages
	read -ra packages <<<"$(packages_of "$suite")"
	update "$suite" "$arch"
	unpack "$suite" "$arch" "$scratch/$1" "${packages[@]}"
	mv "$scratch/$1" "$cache/$1"
	echo "$1: ${packages[*]}"
}

wanted=("$@")
((${#wanted[@]})) || wanted=("${all[@]}")
missing=()
for name in "${wanted[@]}"; do
	[[ " ${all[*]} " == *" $name "* ]] || die "there is no $name; there are ${all[*]}"
	[[ -d $cache/$name ]] || missing+=("$name")
done
((${#missing[@]})) || exit 0

open_scratch
for name in "${missing[@]}"; do
	[[ -d $cache/$name ]] || fetch "$name"
done

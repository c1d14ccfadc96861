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

all=(bullseye-amd64 bullseye-arm64 bookworm-arm64 trixie-amd64 trixie-arm64 sid-amd64 sid-arm64 experimental-amd64)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-tlslibs
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
	echo "$0: $*" >&2
	exit 1
}

# packages_of SUITE: the libraries and all that they need to run.
packages_of() {
	case $1 in
	bullseye) echo libssl1.1 libgnutls30 ;;
	bookworm) echo libssl3 libgnutls30 ;;
	experimental) echo libssl4 ;;
	*) echo libssl3t64 libgnutls30t64 libc6 zlib1g libzstd1 libp11-kit0 libidn2-0 libunistring5 libtasn1-6 \
		libhogweed6t64 libnettle8t64 libgmp10 libffi8 ;;
	esac
}

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

# fetch SUITE-ARCH
fetch() {
	local suite=${1%-*} arch=${1##*-} root=$scratch/$1 package log
	local packages
	read -ra packages <<<"$(packages_of "$suite")"
	log=$(in_suite "$suite" "$arch" apt-get update -o APT::Update::Error-Mode=any 2>&1) ||
		die "cannot read the packages of $suite: $log"
	mkdir -p "$root" "$scratch/packages"
	log=$(cd "$scratch/packages" && in_suite "$suite" "$arch" apt-get download "${packages[@]}" 2>&1) ||
		die "cannot fetch ${packages[*]} of $suite: $log"
	for package in "$scratch"/packages/*.deb; do
		dpkg-deb -x "$package" "$root"
		rm "$package"
	done
	mv "$root" "$cache/$1"
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

for tool in apt-get dpkg-deb; do
	command -v "$tool" >/dev/null || die "$tool is missing: the libraries are fetched on Debian, as packages"
done
[[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"

mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock" # another checkout may be fetching
scratch=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mirror=$(find_mirror)
for name in "${missing[@]}"; do
	[[ -d $cache/$name ]] || fetch "$name"
done

# shellcheck shell=bash
# For scripts that fetch packages of other Debian releases without installing them; to be sourced by one that sets
#     cache      the folder for what it makes
# After open_scratch, packages can be unpacked below $scratch, which goes when the script ends. apt verifies them.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
	echo "$0: $*" >&2
	exit 1
}

# open_scratch makes sure of the tools, takes the cache's lock, and makes the folder $scratch in it.
open_scratch() {
	local tool
	for tool in apt-get dpkg-deb; do
		command -v "$tool" >/dev/null || die "$tool is missing: this is fetched on Debian, as packages"
	done
	scripts/deps.sh fetch
	[[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"
	# shellcheck disable=SC2154 # set by the script
	mkdir -p "$cache"
	exec {lock}>"$cache/lock"
	flock "$lock" # another checkout may be fetching
	scratch=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	mirror=$(find_mirror)
}

# find_mirror prints the mirror of Debian's packages that this machine is configured for, or FATHOM_DEBIAN_MIRROR. It
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

#!/usr/bin/env bash
# Installs the Debian packages that a task needs, if they are missing:
#     scripts/deps.sh test|generate|lint|guests|bench|prometheus|page|fetch|qemu|nodes
# Nothing that it installs is started as a service. Building and running Fathom needs no
# package at all.
set -euo pipefail

# Clang is pinned: another version makes other bytes of the same BPF source, and clang-format other lines.
compiler=(clang-19 llvm-19 libbpf-dev)

# What the QEMU of scripts/kernels.sh links to, on Debian 12.
qemu=(libaio1 libbpf1 libcapstone4 libdaxctl1 libfdt1 libfuse3-3 libglib2.0-0 libgmp10 libgnutls30
	libhogweed6 libibverbs1 libjpeg62-turbo libndctl6 libnettle8 libnuma1 libpixman-1-0 libpmem1
	libpng16-16 librdmacm1 libsasl2-2 libseccomp2 libslirp0 libudev1 liburing2 libvdeplug2 libzstd1)

case ${1:-} in
test)
	packages=("${compiler[@]}" libclang-rt-19-dev binutils curl default-jdk-headless gcc libc6-dev libgnutls28-dev libssl-dev
		iproute2 liburing-dev nginx nodejs prometheus python3 wrk
		# test/integration
		python3-openssl python3-service-identity python3-twisted python3-uvloop
		# test/http1
		apache2 apache2-utils apt-utils haproxy libapache2-mod-svn nghttp2-client node-undici node-ws python3-aiohttp python3-requests
		squid subversion
		# test/http2
		caddy etcd-client etcd-server h2o libgrpc-java libguava-java libjetty9-java libnetty-java libperfmark-java libtomcat10-java lighttpd nghttp2-proxy
		nghttp2-server python3-grpcio python3-h2 python3-httpx python3-hypercorn varnish
		# test/redis
		node-redis python3-hiredis python3-redis redis-server redis-tools)
	command -v npm >/dev/null || packages+=(npm) # other packages of Node than Debian's have it, and conflict with Debian's
	;;
generate) packages=("${compiler[@]}" protobuf-compiler) ;;
lint) packages=(clang-format-19 shellcheck) ;;
guests) packages=(gcc libc6-dev libgnutls28-dev libssl-dev liburing-dev redis-server redis-tools) ;;
bench) packages=(nghttp2-client nghttp2-server nginx nodejs redis-server redis-tools wrk) ;;
prometheus) packages=(prometheus) ;;
page) packages=(chromium-headless-shell fonts-dejavu-core node-typescript) ;;
fetch) packages=(debian-archive-keyring kmod) ;;
qemu) packages=("${qemu[@]}") ;;
nodes) packages=(gcc iproute2 iptables libc6-dev libseccomp-dev nftables pkgconf util-linux) ;;
*)
	echo "usage: $0 test|generate|lint|guests|bench|prometheus|page|fetch|qemu|nodes" >&2
	exit 2
	;;
esac

if ! command -v apt-get >/dev/null; then
	echo "$0: this is no Debian; make sure that these are installed: ${packages[*]}" >&2
	exit 0
fi

missing=()
for package in "${packages[@]}"; do
	[[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

sudo=()
((EUID == 0)) || sudo=(sudo)
if ((EUID != 0)) && ! command -v sudo >/dev/null; then
	echo "$0: install as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

# Debian starts the services that it installs. A test wants the programs, not an nginx on
# port 80: this file forbids it for as long as this script runs.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
	trap '"${sudo[@]}" rm -f "$policy"' EXIT
	"${sudo[@]}" chmod 755 "$policy"
fi

echo "installing ${missing[*]}"
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
log=$(mktemp)
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "$0: could not install ${missing[*]}" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"

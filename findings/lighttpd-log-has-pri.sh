#!/usr/bin/env bash
# The access log of lighttpd, and clients that speak HTTP/2 at once.
#
# One would guess: an access log has a line for each request.
#
# What happens: in plain text lighttpd logs the preface with which a client begins HTTP/2 ("PRI * HTTP/2.0"), which is no request (RFC 9113,
# section 3.4), as one, with the method PRI and the status 100; behind Upgrade, too. Whoever counts requests by the log has one too many for
# each connection of HTTP/2, of a status that no request is ever answered with for good.
#
# Seen with lighttpd 1.4.69-1 (Debian 12, amd64) and curl 7.88.1 on 2026-11-30.
set -euo pipefail

version=1.4.69-1
dir=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

apt-get -qq -o APT::Sandbox::User=root download "lighttpd=$version" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
echo hello >page
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >conf <<EOF
server.bind = "127.0.0.1"
server.port = $port
server.document-root = "$dir"
server.modules = ("mod_accesslog")
server.feature-flags = ("server.h2proto" => "enable", "server.h2c" => "enable")
accesslog.filename = "$dir/access.log"
accesslog.format = "%m %U %H %s"
EOF
root/usr/sbin/lighttpd -D -m root/usr/lib/lighttpd -f conf 2>/dev/null &
server=$!
for _ in {1..50}; do ! exec 3<>"/dev/tcp/127.0.0.1/$port" || break; sleep 0.1; done 2>/dev/null
exec 3>&-

for how in --http1.1 --http2 --http2-prior-knowledge; do
	curl -s "$how" -o /dev/null -w "-- curl $how: %{http_code} with HTTP/%{http_version}\n" "http://127.0.0.1:$port/page"
done
kill "$server"
wait "$server" || true
server=
echo "-- the access log:"
cat access.log

if [[ $(grep -c page access.log) != 3 ]] || [[ $(grep -c '^PRI .* 100$' access.log) != 2 ]]; then
	echo "changed: lighttpd does not log the preface as a request any more" >&2
	exit 1
fi

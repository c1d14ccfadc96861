#!/usr/bin/env bash
# Go's HTTP server with HTTP/2 in plain text switched on (http.Protocols), and the reads with which it takes a request from its socket.
#
# One would guess: it reads into a buffer of some kilobytes, as Go's server of HTTP/1 and Go's client of HTTP/2 do, so that a small request that
# has come as a whole is read as a whole.
#
# What happens: the first read asks for 14 bytes, as many as "PRI * HTTP/2.0" has. What comes behind it in HTTP/2 is never read through a
# buffer: 10 bytes for the rest of the preface, and then each frame in two reads, one for its nine bytes of header and one for its payload.
# HTTP/1 has it, too: the first read of every connection returns 14 bytes, so that the line of a request is cut in two ("GET /page HTTP" and
# "/1.1"). Whoever follows a server by its calls of read() finds neither a request's first line nor a frame in any one of them.
#
# Seen with Go 1.26.8 (linux/amd64) on 2026-11-30.
set -euo pipefail

dir=$(mktemp -d)
export GOTOOLCHAIN=go1.26.8 GOFLAGS="-mod=mod -modcacherw" GOWORK=off GOMODCACHE=$dir/mod GOCACHE=$dir/cache
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download "strace=6.1-0.1" "libunwind8=1.6.2-3" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu
strace=root/usr/bin/strace

cat >server.go <<'EOF'
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile("port.new", fmt.Append(nil, listener.Addr().(*net.TCPAddr).Port), 0o600)
	os.Rename("port.new", "port")
	server := http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Serve(listener)
}
EOF
cat >client.py <<'EOF'
import socket, sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if sys.argv[2] == "1":
    s.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
else:  # GET, http, / and :authority a, all in one segment
    block = b"\x82\x86\x84\x01\x01a"
    s.sendall(PREFACE + len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block)
got = b""
while b"404 page" not in got:
    got += s.recv(4096)
EOF
go version
go build -o server server.go
"$strace" -D -f -qq -e trace=read -e signal=none -o trace ./server &
server=$!
for _ in {1..100}; do [[ ! -s port ]] || break; sleep 0.1; done
for version in 1 2; do
	before=$(wc -l <trace)
	python3 client.py "$(cat port)" "$version" # one connection
	sleep 1
	echo "-- HTTP/$version, what the reads of one connection returned:"
	tail -n "+$((before + 1))" trace | grep -oE '".*, [0-9]+\) += [1-9][0-9]*$' | grep -vE ', 8\) += 8$' | tee "reads$version"
done

if [[ $(head -n 1 reads1) != '"GET /page HTTP", 14) '*'= 14' ]] || [[ $(grep -c ', 9) *= 9$' reads2) != 2 ]]; then
	echo "changed: Go's server does not read in pieces of 14 and 9 bytes any more" >&2
	exit 1
fi

#!/usr/bin/env bash
# The dynamic tables of HPACK, and two servers that fill them.
#
# One would guess: a server that has its client put a field into the dynamic table (RFC 7541, section 6.2.1) refers to the entry when it sends the
# field again; one that keeps no table sends its fields without indexing (section 6.2.2), which costs the same bytes and no entries.
#
# What happens: nginx and HAProxy keep none, and still send most fields "with incremental indexing", each time: every answer puts the same five
# (nginx) or seven (HAProxy) entries into the client's table again, and the next answer does not refer to them. A reader of such a
# connection has a table that turns over every dozen of answers or so, full of equal entries. (The two that nginx does not
# have inserted, etag and accept-ranges, it writes out by name, though the static table has both.)
#
# Seen with nginx 1.22.1-9+deb12u11 and HAProxy 2.6.12-1+deb12u4 (Debian 12, amd64) on 2026-11-30.
set -euo pipefail

dir=$(mktemp -d)
proxy=
cleanup() {
	[[ ! -s $dir/pid ]] || kill "$(cat "$dir/pid")" 2>/dev/null || true
	[[ -z $proxy ]] || kill "$proxy" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

apt-get -qq -o APT::Sandbox::User=root download nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4 libpcre2-8-0=10.42-1+deb12u2 \
	liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4 >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu
root/usr/sbin/nginx -v
root/usr/sbin/haproxy -v | sed -n 1p

read -r plain nginx haproxy < <(python3 -c 'import socket; s = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]; print(*[x.getsockname()[1] for x in s])')
echo hello >page
cat >nginx.conf <<EOF
pid $dir/pid; error_log $dir/error.log;
events {}
http {
	access_log off; client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
	server { listen 127.0.0.1:$plain; listen 127.0.0.1:$nginx http2; root $dir; }
}
EOF
chmod 755 "$dir"
root/usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
cat >haproxy.cfg <<EOF
defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 5s
listen all
	bind 127.0.0.1:$haproxy proto h2
	server nginx 127.0.0.1:$plain
EOF
root/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
proxy=$!
for port in "$nginx" "$haproxy"; do
	for _ in {1..50}; do ! exec 3<>"/dev/tcp/127.0.0.1/$port" || break; sleep 0.1; done 2>/dev/null
	exec 3>&-
done

# The client: two requests, one after the other, and how each field of the answers is written.
cat >client.py <<'EOF'
import socket, sys

NAMES = {8: ":status 200", 18: "accept-ranges", 28: "content-length", 31: "content-type", 33: "date", 34: "etag", 44: "last-modified", 54: "server"}

def number(b, i, bits):
    n, most = b[i] & (1 << bits) - 1, (1 << bits) - 1
    i += 1
    shift = 0
    while n >= most:
        n += (b[i] & 127) << shift
        shift += 7
        i += 1
        if b[i - 1] < 128:
            break
    return n, i

def show(b):
    i = 0
    while i < len(b):
        kind, bits = next(x for x in (("indexed", 7), ("inserted", 6), ("new size", 5), ("never indexed", 4), ("not indexed", 4)) if b[i] >> x[1] & 1 or x[0] == "not indexed")
        n, i = number(b, i, bits)
        name = NAMES.get(n, n) if n else "(name as text)"
        if kind not in ("indexed", "new size"):
            for _ in range(1 if n else 2):
                size, i = number(b, i, 7)
                i += size
        print(f"{kind}: {name}")

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(10)
f = s.makefile("rb")
s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
for stream in 1, 3:
    block = b"\x82\x86\x04\x05/page\x01\x01a"  # GET, http, /page, :authority a
    s.sendall(len(block).to_bytes(3, "big") + b"\1\5\0\0\0" + bytes([stream]) + block)
    print(f"-- answer on stream {stream}:")
    while True:
        head = f.read(9)
        body = f.read(int.from_bytes(head[:3], "big"))
        if head[3] == 1:
            show(body)
        if head[3] < 2 and head[4] & 1:
            break
EOF
for server in nginx haproxy; do
	echo "== $server"
	python3 client.py "${!server}" | tee "seen-$server"
	if [[ $(grep -c '^inserted: server' "seen-$server") != 2 ]] || [[ $(grep -c '^inserted: last-modified' "seen-$server") != 2 ]] ||
		grep '^indexed' "seen-$server" | grep -qv ':status 200'; then
		echo "changed: $server does not insert the same fields again any more" >&2
		exit 1
	fi
done

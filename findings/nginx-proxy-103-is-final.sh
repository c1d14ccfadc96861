#!/usr/bin/env bash
# A reverse proxy and an interim response of the server behind it.
#
# One would guess: nginx either drops `103 Early Hints` of an upstream server or passes it on, and then passes on the final
# response, as RFC 9110, section 15.2 asks of a proxy.
#
# What happens: nginx takes the 103 for the final response, adds its own fields to it, and passes on the final response as
# the body of the 103, up to the end of the upstream connection. A client that knows interim responses reads two of them as
# one would expect; whoever counts at the proxy (its access log too) sees an exchange with status 103.
#
# Seen with nginx 1.22.1-9+deb12u11 (Debian 12, amd64) on 2026-11-29.
set -euo pipefail

version=1.22.1-9+deb12u11
dir=$(mktemp -d)
upstream=
cleanup() {
	[[ ! -s $dir/pid ]] || kill "$(cat "$dir/pid")" 2>/dev/null || true
	[[ -z $upstream ]] || kill "$upstream" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

apt-get -qq -o APT::Sandbox::User=root download "nginx=$version" "libpcre2-8-0=10.42-1+deb12u2" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu
nginx=root/usr/sbin/nginx
"$nginx" -v

# The server: a 103, and then the final response, to one request.
cat >server.pl <<'EOF'
use IO::Socket::INET;
my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;
open my $port, ">", "port.new" or die $!;
print $port $listener->sockport;
close $port;
rename "port.new", "port";
my $c = $listener->accept;
while (my $line = <$c>) { last if $line eq "\r\n" }
print $c "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
print $c "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
EOF
perl server.pl &
upstream=$!
until [[ -s port ]]; do sleep 0.1; done

free=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
cat >conf <<EOF
pid $dir/pid; error_log $dir/error.log;
events {}
http {
	log_format seen '\$status \$body_bytes_sent'; access_log $dir/access.log seen;
	client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
	server { listen 127.0.0.1:$free; location / { proxy_pass http://127.0.0.1:$(cat port); proxy_http_version 1.1; } }
}
EOF
"$nginx" -p "$dir" -c "$dir/conf" -e "$dir/error.log"
until exec 3<>"/dev/tcp/127.0.0.1/$free"; do sleep 0.1; done 2>/dev/null
printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' >&3
echo "-- the proxy's client gets:"
tee answer <&3 | tr -d '\r'
for _ in {1..50}; do [[ ! -s access.log ]] || break; sleep 0.1; done
echo "-- the proxy's log, status and bytes of the body: $(cat access.log)"

first=$(head -n 1 answer | tr -d '\r')
if [[ $first != "HTTP/1.1 103 Early Hints" ]] || ! grep -q '^Server: nginx' answer || [[ $(cat access.log) != "103 "* ]]; then
	echo "changed: nginx does not take the 103 for the final response any more" >&2
	exit 1
fi

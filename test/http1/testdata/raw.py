"""A client that says byte for byte what it sends, and when, and parses the responses as RFC 9112 asks for.

Reads connections from its input, as JSON: {"addr": ..., "size": bytes of a read, "conns": [[step, ...], ...]}. They run at the
same time. Steps:

    ["send", [pieces], [methods]]   the pieces in a write each; requests with these methods begin in them
    ["recv", n]                     n final responses
    ["pause", seconds]
    ["alive", seconds]              goes on if the server does not end the connection meanwhile
    ["unasked", n]                  n responses that nobody asked for
    ["bytes", n]                    at least n bytes, of whatever it be
    ["end"]                         until the server ends the connection
    ["reset"]                       ends it by a reset

Prints METHOD STATUS COUNT SECONDS, where the seconds begin before the write; requests without an answer are "aborted".
"""

import collections, json, select, socket, struct, sys, threading, time, traceback

SPEC = json.load(sys.stdin)
LOCK, SEEN, UNASKED = threading.Lock(), {}, collections.Counter()


class End(Exception):
    pass


class Connection:
    def __init__(self, steps):
        host, port = SPEC["addr"].split(":")
        self.s = socket.create_connection((host, int(port)))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.s.settimeout(10)
        self.buffer, self.open = b"", collections.deque()
        try:
            for step in steps:
                getattr(self, "do_" + step[0])(*step[1:])
        except (End, ConnectionError):
            pass
        for method, start in self.open:
            self.saw(method, "aborted", start)
        self.s.close()

    def saw(self, method, status, start):
        with LOCK:
            n, seconds = SEEN.get((method, status), (0, 0.0))
            SEEN[method, status] = n + 1, seconds + time.monotonic() - start

    def do_send(self, pieces, methods):
        for m in methods:
            self.open.append((m, time.monotonic()))
        for i, piece in enumerate(pieces):
            if i:
                time.sleep(0.003)
            self.s.sendall(piece.encode("latin-1"))

    def do_pause(self, seconds):
        time.sleep(seconds)

    def do_alive(self, seconds):
        if not self.buffer and select.select([self.s], [], [], seconds)[0]:
            self.more()

    def do_recv(self, n):
        for _ in range(n):
            status = self.response(self.open[0][0])
            method, start = self.open.popleft()
            self.saw(method, status, start)

    def do_unasked(self, n):
        for _ in range(n):
            status = self.response("GET")
            with LOCK:
                UNASKED[status] += 1

    def do_bytes(self, n):
        while len(self.buffer) < n:
            self.more()

    def do_end(self):
        while True:
            self.more()

    def do_reset(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def more(self):
        piece = self.s.recv(SPEC.get("size", 65536))
        if not piece:
            raise End
        self.buffer += piece

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def skip(self, n):
        while len(self.buffer) < n:
            n -= len(self.buffer)
            self.buffer = b""
            self.more()
        self.buffer = self.buffer[n:]

    def fields(self):
        out = {}
        while line := self.line():
            name, _, value = line.partition(b":")
            out[name.lower()] = value.strip().lower()
        return out

    def response(self, method):
        """Reads one final response, with its body, and returns its status."""
        while True:
            while not (line := self.line()):
                pass
            if not line.startswith(b"HTTP/1."):
                self.rest()
                return "other"
            words = line.split(None, 2)
            status, fields = int(words[1]), self.fields()
            if status >= 200 or status == 101:
                break
        if method == "HEAD" or status in (101, 204, 304) or method == "CONNECT" and status < 300:
            pass
        elif fields.get(b"transfer-encoding", b"").endswith(b"chunked"):
            while size := int(self.line().split(b";")[0], 16):
                self.skip(size)
                self.line()
            self.fields()
        elif b"content-length" in fields:
            self.skip(int(fields[b"content-length"]))
        else:
            self.rest()
        return status

    def rest(self):
        try:
            self.do_end()
        except End:
            pass


FAILED = []


def run(steps):
    try:
        Connection(steps)
    except BaseException:
        traceback.print_exc()
        FAILED.append(True)


threads = [threading.Thread(target=run, args=(steps,)) for steps in SPEC["conns"]]
for t in threads:
    t.start()
for t in threads:
    t.join()
for (method, status), (n, seconds) in SEEN.items():
    print(method, status, n, "%.6f" % seconds)
for status, n in UNASKED.items():
    print("unasked", status, n)
sys.exit(bool(FAILED))

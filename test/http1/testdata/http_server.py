"""Python's http.server. Arguments: where to listen, and HTTP/1.0 or HTTP/1.1.

    /now/STATUS     is answered at once; a body stays where it is
    /read/STATUS    is answered behind the body
    /close          has a body without a length, until the connection ends
    /slow           has each field of its head, and each piece of its body, in a write of its own
    /short          announces 1,000 bytes, sends 500, and closes
    /hints/N/STATUS has N interim responses before the final one, all in one write
    /fields/N       has N fields of 1,000 bytes
"""

import http.server, socketserver, sys, time

host, port = sys.argv[1].split(":")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[2]

    def answer(self):
        what, _, argument = self.path[1:].partition("/")
        getattr(self, "on_" + what)(argument)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def head(self, status, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def on_now(self, status):
        self.head(int(status), ("Content-Length", "0"))

    def on_read(self, status):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.on_now(status)

    def on_close(self, _):
        self.close_connection = True
        self.head(200)
        for _ in range(10):
            self.wfile.write(b"GET / HTTP/1.1\r\nA: b\r\n\r\n" * 10)
            time.sleep(0.005)

    def on_slow(self, _):
        self.send_response(200)
        self.flush_headers()
        for name, value in (("A", "b" * 20), ("Content-Type", "text/plain"), ("Content-", "Length"), ("Content-Length", "30"), ("C", "d")):
            self.send_header(name, value)
            self.flush_headers()
            time.sleep(0.002)
        self.end_headers()
        for piece in (b"HTTP/1.1 50", b"0 No\r\n\r\n", b"GET / HTTP/"):
            time.sleep(0.002)
            self.wfile.write(piece)

    def on_short(self, _):
        self.close_connection = True
        self.head(200, ("Content-Length", "1000"))
        self.wfile.write(b"f" * 500)

    def on_hints(self, argument):
        n, status = argument.split("/")
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * int(n)
                         + b"HTTP/1.1 %d Final\r\nContent-Length: 0\r\n\r\n" % int(status))

    def on_fields(self, n):
        self.head(200, *[("Set-Cookie", "c" * 1000)] * int(n), ("Content-Length", "0"))

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server((host, int(port)), Handler).serve_forever()

"""An HTTPS server that asks a database by TLS for each request, as PostgreSQL's clients do: a question in clear, an answer of one
byte, and then TLS on the same connection. It prints its address.

app.py threads|asyncio|uvloop CERTIFICATE KEY
"""
import asyncio, http.server, os, socket, socketserver, ssl, struct, sys, threading

how, certificate, key = sys.argv[1:]
accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
accepting.load_cert_chain(certificate, key)
trusting = ssl._create_unverified_context()
SSL_REQUEST = struct.pack('!II', 8, 80877103)
QUERY = b'Q' + struct.pack('!I', 4 + 9) + b'SELECT 1\0'
ROW = b'D' + struct.pack('!I', 4 + 300) + b'r' * 300


def begin_database():
    """Serves the database in a process of its own, and returns its port."""
    listener = socket.create_server(('127.0.0.1', 0), backlog=128)
    if os.fork():
        return listener.getsockname()[1]
    parent = os.getppid()

    def talk(c):
        c.recv(len(SSL_REQUEST), socket.MSG_WAITALL)
        c.sendall(b'S')
        with accepting.wrap_socket(c, server_side=True) as c:
            while c.recv(len(QUERY)):
                c.sendall(ROW)

    def end_with_the_parent():
        while os.getppid() == parent:
            threading.Event().wait(0.2)
        os._exit(0)
    threading.Thread(target=end_with_the_parent).start()
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


database = begin_database()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        super().setup()
        plain = socket.create_connection(('127.0.0.1', database))
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b'S'
        self.database = trusting.wrap_socket(plain)

    def finish(self):
        super().finish()
        self.database.close()

    def answer(self):
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.database.sendall(QUERY)
        left = len(ROW)
        while left:
            left -= len(self.database.recv(left))
        self.send_response(int(self.path[1:]))
        self.send_header('Content-Length', '0')
        self.end_headers()
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


async def answer(reader, writer):
    rows, queries = await asyncio.open_connection('127.0.0.1', database)
    queries.write(SSL_REQUEST)
    assert await rows.readexactly(1) == b'S'
    await queries.start_tls(trusting)
    try:
        while True:
            head = (await reader.readuntil(b'\r\n\r\n')).decode()
            path = head.split(' ')[1]
            for line in head.split('\r\n')[1:]:
                if line.lower().startswith('content-length:'):
                    await reader.readexactly(int(line.split(':')[1]))
            queries.write(QUERY)
            await rows.readexactly(len(ROW))
            writer.write(b'HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n' % int(path[1:]))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        queries.close()
        writer.close()


async def main():
    server = await asyncio.start_server(answer, '127.0.0.1', 0, ssl=accepting, backlog=128)
    print('127.0.0.1:%d' % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if how == 'threads':
    server = Server(('127.0.0.1', 0), Handler)
    server.socket = accepting.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print('127.0.0.1:%d' % server.server_port, flush=True)
    server.serve_forever()
elif how == 'uvloop':
    import uvloop
    uvloop.install()
asyncio.run(main())

"""Makes new connections to an HTTPS server and two requests on each. It prints how many of each method and status were answered,
and how many nanoseconds the client waited for answers in all.

arrive.py together|apart|resumed PORT CONNECTIONS

together: the first request is sent with the last message of the handshake (TLS 1.3). apart: a while after it. resumed: a while
after it, and sessions of TLS 1.2 are resumed, in which the client's Finished is the last message.
"""
import collections, socket, ssl, sys, time

how, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
WHILE = 0.02  # seconds
REQUEST = b'GET /200 HTTP/1.1\r\nHost: localhost\r\n\r\n'
context = ssl._create_unverified_context()
if how == 'resumed':
    context.maximum_version = ssl.TLSVersion.TLSv1_2
else:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
counts, waited, session = collections.Counter(), 0, None


class Connection:
    """TLS in memory, so that it can be said what goes into one segment."""

    def __init__(self):
        self.socket = socket.create_connection(('127.0.0.1', port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, session=session)
        while True:
            try:
                return self.tls.do_handshake()  # the last message is not sent yet
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.socket.sendall(data)

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.incoming.write(data)

    def ask(self):
        self.tls.write(REQUEST)
        began, answer = time.perf_counter_ns(), b''
        self.flush()
        while True:
            head, end, body = answer.partition(b'\r\n\r\n')
            lengths = [int(l.split(b':')[1]) for l in head.lower().split(b'\r\n') if l.startswith(b'content-length:')]
            if end and (len(body) >= lengths[0] if lengths else body.endswith(b'0\r\n\r\n')):  # else it is chunked
                counts['GET %d' % int(head.split(b' ')[1])] += 1
                return time.perf_counter_ns() - began
            try:
                answer += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.receive()


for _ in range(connections):
    c = Connection()
    if how != 'together':
        c.flush()
        time.sleep(WHILE)
    waited += c.ask() + c.ask()
    session = c.tls.session if how == 'resumed' else None
    c.socket.close()
for name, n in counts.items():
    print(name, n)
print('NANOSECONDS 0', waited)

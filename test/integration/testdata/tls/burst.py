"""Opens connections to an HTTPS server one round after the other, and asks on all of a round in one turn of the loop. It prints how
many of each method and status were answered.

burst.py asyncio|uvloop|twisted PORT REQUESTS METHOD:PATH:LENGTH...
"""
import asyncio, collections, ssl, sys

how, port, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kinds = [k.split(':') for k in sys.argv[4:]]
AT_ONCE, ON_EACH = 10, 5
counts, asked = collections.Counter(), 0


def request():
    """The next request, and its method."""
    global asked
    method, path, length = kinds[asked % len(kinds)]
    asked += 1
    body = b'b' * int(length)
    head = '%s %s HTTP/1.1\r\nHost: localhost\r\n' % (method, path)
    if body:
        head += 'Content-Length: %d\r\n' % len(body)
    return method, head.encode() + b'\r\n' + body


def answered(method, head):
    """Counts an answer, and returns how long its body is."""
    lines = head.decode().split('\r\n')
    status = int(lines[0].split(' ')[1])
    counts['%s %d' % (method, status)] += 1
    if method == 'HEAD' or status in (204, 304):
        return 0
    return sum(int(line.split(':')[1]) for line in lines if line.lower().startswith('content-length:'))


async def burst():
    context = ssl._create_unverified_context()
    while asked < requests:
        connections = await asyncio.gather(*(asyncio.open_connection('127.0.0.1', port, ssl=context) for _ in range(AT_ONCE)))
        for _ in range(ON_EACH):
            methods = []
            for _, writer in connections:
                if asked == requests:
                    break
                method, message = request()
                writer.write(message)
                methods.append(method)
            for method, (reader, _) in zip(methods, connections):
                await reader.readexactly(answered(method, await reader.readuntil(b'\r\n\r\n')))
        for _, writer in connections:
            writer.close()


def twisted():
    from twisted.internet import defer, endpoints, protocol, reactor, ssl as tls

    class Client(protocol.Protocol):
        def connectionMade(self):
            self.buffer = b''

        def ask(self):
            self.method, message = request()
            self.left, self.done = None, defer.Deferred()
            self.transport.write(message)
            return self.done

        def dataReceived(self, data):
            self.buffer += data
            if self.left is None:
                head, end, rest = self.buffer.partition(b'\r\n\r\n')
                if not end:
                    return
                self.left, self.buffer = answered(self.method, head), rest
            if len(self.buffer) >= self.left:
                self.buffer = b''
                self.done.callback(None)

    @defer.inlineCallbacks
    def run():
        while asked < requests:
            where = [endpoints.SSL4ClientEndpoint(reactor, '127.0.0.1', port, tls.CertificateOptions()) for _ in range(AT_ONCE)]
            clients = yield defer.gatherResults([e.connect(protocol.Factory.forProtocol(Client)) for e in where])
            for _ in range(ON_EACH):
                yield defer.gatherResults([c.ask() for c in clients[:requests - asked]])
            for c in clients:
                c.transport.loseConnection()
    run().addErrback(lambda failure: failure.printTraceback()).addBoth(lambda _: reactor.stop())
    reactor.run()


if how == 'twisted':
    twisted()
else:
    if how == 'uvloop':
        import uvloop
        uvloop.install()
    asyncio.run(burst())
for name, n in counts.items():
    print(name, n)

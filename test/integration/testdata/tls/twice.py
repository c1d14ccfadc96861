"""Sends one ClientHello on two connections, and goes on with TLS in memory on one of them. Two requests there.

twice.py first|second PORT: which of the connections gets the rest of the handshake.
"""
import socket, ssl, sys

which, port = sys.argv[1], int(sys.argv[2])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl._create_unverified_context().wrap_bio(incoming, outgoing)
both = [socket.create_connection(('127.0.0.1', port)) for _ in range(2)]


def step(what):
    while True:
        try:
            return what()
        except ssl.SSLWantReadError:
            flush()
            incoming.write(c.recv(65536))


def flush():
    data = outgoing.read()
    if data:
        c.sendall(data)


try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()
for c in both:
    c.sendall(hello)
    c.recv(1, socket.MSG_PEEK)  # the server has read it
c = both[which == 'second']
step(tls.do_handshake)
for _ in range(2):
    tls.write(b'GET /200 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    flush()
    answer = b''
    while not answer.partition(b'\r\n\r\n')[2]:
        answer += step(lambda: tls.read(65536))
    print('GET', int(answer.split(b' ')[1]))

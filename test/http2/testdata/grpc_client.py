"""A client of Python's grpcio. Arguments: an address, how many calls, how many at once, and kinds of calls in turn: see calls in
grpc_test.go. Prints "gRPC STATUS COUNT"."""

import collections, sys, threading

import grpc

from grpc_messages import decode, encode

address, n, at_once, kinds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
seen, lock, numbers = collections.Counter(), threading.Lock(), iter(range(n))
methods = {name: getattr(channel, how)("/test.Echo/" + name, encode, decode)
           for name, how in {"Unary": "unary_unary", "Nope": "unary_unary", "Server": "unary_stream", "Client": "stream_unary", "Bidi": "stream_stream"}.items()}


def one(kind):
    name, text = kind.split(" ")
    value = bytes(int(text[1:])) if text[:1] == "x" and text[1:].isdigit() else text.encode()
    metadata = [("x-request-%d" % i, "q" * 20 + str(id(value))) for i in range(10)] if text.startswith("metadata") else None
    try:
        asked = iter([value] * 5) if name in ("Client", "Bidi") else value
        answer = methods[name](asked, timeout=20, metadata=metadata)
        if name in ("Server", "Bidi"):
            for _ in answer:
                pass
        return "OK"
    except grpc.RpcError as e:
        return e.code().name


def work():
    while True:
        with lock:
            i = next(numbers, None)
        if i is None:
            return
        status = one(kinds[i % len(kinds)])
        with lock:
            seen[status] += 1


threads = [threading.Thread(target=work) for _ in range(at_once)]
for t in threads:
    t.start()
for t in threads:
    t.join()
channel.close()
for status, count in seen.items():
    print("gRPC", status, count)

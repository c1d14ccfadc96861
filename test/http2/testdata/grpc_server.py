"""A server of Python's grpcio. Argument: where to listen. Its service is that of grpc_test.go."""

import sys
from concurrent import futures

import grpc

from grpc_messages import decode, encode

CODES = {code.value[0]: code for code in grpc.StatusCode}


def act(value, context):
    word, _, argument = value.decode("latin-1").partition(":")
    if word == "fail" and argument != "0":
        context.abort(CODES[int(argument)], "nö")
    if word == "metadata":
        context.send_initial_metadata([("x-answer-%d" % i, "v" * 20 + str(id(value))) for i in range(int(argument))])
        context.set_trailing_metadata([("x-trailer", str(id(value)))])


def unary(value, context):
    act(value, context)
    return value


def server(value, context):
    for _ in range(10):
        yield value
    act(value, context)


def client(values, context):
    value = b""
    for value in values:
        pass
    act(value, context)
    return value


def bidi(values, context):
    for value in values:
        yield value
        act(value, context)


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary, decode, encode),
    "Server": grpc.unary_stream_rpc_method_handler(server, decode, encode),
    "Client": grpc.stream_unary_rpc_method_handler(client, decode, encode),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi, decode, encode),
}
s = grpc.server(futures.ThreadPoolExecutor(max_workers=30))
s.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
s.add_insecure_port(sys.argv[1])
s.start()
s.wait_for_termination()

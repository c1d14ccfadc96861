"""google.protobuf.BytesValue, and what the tests' service does with it: see act() in grpc_test.go."""


def encode(value):
    length, out = len(value), b"\x0a"
    while length > 127:
        out += bytes([length & 127 | 128])
        length >>= 7
    return out + bytes([length]) + value


def decode(text):
    if not text:
        return b""
    at = 1
    while text[at] & 128:
        at += 1
    return text[at + 1:]

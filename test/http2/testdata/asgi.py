"""An application for hypercorn, which serves it. Argument: where to listen. It answers /size/N with so many bytes, /now/STATUS at once,
and /read/STATUS behind the body."""

import asyncio, sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    _, what, word = scope["path"].split("/")
    status, body = int(word), b""
    if what == "size":
        status, body = 200, b"f" * int(word)
    while what == "read" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


config = Config()
config.bind = [sys.argv[1]]
asyncio.run(serve(app, config))

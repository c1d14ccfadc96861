"""A server of aiohttp. /now/STATUS is answered at once, whatever the body; /read/STATUS behind the body; /chunks is a stream."""

import sys
from aiohttp import web

host, port = sys.argv[1].split(":")


async def now(request):
    return web.Response(status=int(request.match_info["status"]), text="ok")


async def read(request):
    await request.read()
    return await now(request)


async def chunks(request):
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for i in range(5):
        await response.write(b"HTTP/1.1 500 No\r\n\r\n")
    await response.write_eof()
    return response


app = web.Application()
app.router.add_route("*", "/now/{status}", now)
app.router.add_route("*", "/read/{status}", read)
app.router.add_route("*", "/chunks", chunks)
web.run_app(app, host=host, port=int(port), print=None)

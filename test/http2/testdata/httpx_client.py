"""A client of Python's httpx, which speaks HTTP/2 with h2, at once. Arguments: a URL, how many requests, how many at once, and kinds of
requests in turn: "METHOD PATH [BYTES]". Prints METHOD STATUS COUNT."""

import asyncio, collections, sys

import httpx

base, n, at_once, kinds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
seen, numbers = collections.Counter(), iter(range(n))


async def work(client):
    for i in numbers:
        method, path, *size = kinds[i % len(kinds)].split(" ")
        answer = await client.request(method, base + path, content=bytes(int(size[0])) if size else None)
        seen[method, answer.status_code] += 1


async def main():
    async with httpx.AsyncClient(http1=False, http2=True, timeout=20, verify=False) as client:
        await asyncio.gather(*(work(client) for _ in range(at_once)))


asyncio.run(main())
for (method, status), count in seen.items():
    print(method, status, count)

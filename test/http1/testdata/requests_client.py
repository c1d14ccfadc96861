"""A requests.Session that puts JSON and then gets, ROUNDS times in each of PROCESSES processes. Prints METHOD STATUS COUNT SECONDS.

Arguments: URL of the PUT, URL of the GET, PROCESSES, ROUNDS.
"""

import multiprocessing, sys, time
import requests

put, get, processes, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def one(_):
    session, seen = requests.Session(), {}
    for i in range(rounds):
        for method, url, arguments in (("PUT", put, {"json": {"name": "a", "number": i}}), ("GET", get, {})):
            start = time.monotonic()
            key = method, session.request(method, url, **arguments).status_code
            n, seconds = seen.get(key, (0, 0.0))
            seen[key] = n + 1, seconds + time.monotonic() - start
    session.close()
    return seen


with multiprocessing.get_context("fork").Pool(processes) as pool:
    all = pool.map(one, range(processes), 1)
for seen in all:
    for (method, status), (n, seconds) in seen.items():
        print(method, status, n, "%.6f" % seconds)

# Clients of redis-py. Arguments: what to do, host, port, and the parser: python or hiredis. The last line says in JSON what was answered.

import asyncio
import json
import sys
import threading

import redis
import redis.asyncio
import redis.connection

answered = {}
lock = threading.Lock()


def did(command, error=None, n=1):
    key = command
    if error is not None:
        # The driver takes the first word off where it has an exception of its own for it.
        word = str(error).split(" ")[0]
        key += " " + {redis.exceptions.NoScriptError: "NOSCRIPT"}.get(type(error), word if word.isupper() else "ERR")
    with lock:
        answered[key] = answered.get(key, 0) + n


def tried(command, f, *args, **kwargs):
    try:
        result = f(*args, **kwargs)
    except redis.exceptions.ResponseError as error:
        did(command, error)
        return None
    did(command)
    return result


def plain(new):
    def work(name):
        r = new()
        for i in range(200):
            tried("SET", r.set, f"{name}-{i}", "v" * (i * 23))
            assert len(tried("GET", r.get, f"{name}-{i}")) == i * 23
            tried("HSET", r.hset, f"h{name}", mapping={"a": i, "b": "x" * i})
        tried("HGETALL", r.hgetall, f"h{name}")
        tried("GET", r.get, "no such key")

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum(answered.values()) == 4 * 602, answered


def pipeline(new):
    r = new()
    for _ in range(20):
        p = r.pipeline(transaction=False)
        for i in range(60):
            p.incr(f"n{i}")
        assert len(p.execute()) == 60
        did("INCRBY", n=60)


def deep(new):
    r = new()
    for _ in range(5):
        p = r.pipeline(transaction=False)
        for i in range(1000):
            p.set(f"n{i}", "v" * i)
        assert len(p.execute()) == 1000


def transaction(new):
    r = new()
    for i in range(30):
        p = r.pipeline(transaction=True)
        p.watch("w")
        did("WATCH")
        p.multi()
        for k in range(10):
            p.rpush("l", k)
        p.lrange("l", 0, -1)
        p.execute()
        did("MULTI")
        did("RPUSH", n=10)
        did("LRANGE")
        did("EXEC")
    # One that is watched in vain.
    p = r.pipeline(transaction=True)
    p.watch("w")
    did("WATCH")
    tried("SET", new().set, "w", 1)
    p.multi()
    p.get("w")
    try:
        p.execute()
        raise AssertionError("nobody saw that w changed")
    except redis.exceptions.WatchError:
        did("MULTI")
        did("GET")
        did("EXEC")
    # One in which a command fails, which only the array of EXEC says.
    p = r.pipeline(transaction=True)
    p.incr("l")
    p.execute(raise_on_error=False)
    did("MULTI")
    did("INCRBY")
    did("EXEC")
    # One that is refused.
    p = r.pipeline(transaction=True)
    p.execute_command("SET", "only a key")
    try:
        p.execute()
        raise AssertionError("it was not refused")
    except redis.exceptions.ResponseError:
        did("MULTI")
        did("SET ERR")
        did("EXEC EXECABORT")


def subscribe(new):
    r, s = new(), new().pubsub()
    s.subscribe("a", "b")
    did("SUBSCRIBE")
    s.psubscribe("p*")
    did("PSUBSCRIBE")
    for _ in range(3):
        assert s.get_message(timeout=10)["type"].endswith("subscribe")
    for i in range(100):
        for channel in ("a", "b", "pq", "nobody"):
            tried("PUBLISH", r.publish, channel, "m" * (i * 31))
        for _ in range(3):
            assert s.get_message(timeout=10)["type"].endswith("message")
    s.unsubscribe()
    did("UNSUBSCRIBE")
    s.punsubscribe()
    did("PUNSUBSCRIBE")
    for _ in range(3):
        assert s.get_message(timeout=10)["type"].endswith("unsubscribe")


def block(new):
    def wait():
        assert tried("BLPOP", new().blpop, ["q", "r"], 20) == (b"q", b"x")

    waiting = threading.Thread(target=wait)
    waiting.start()
    r = new()
    while not any(c["cmd"] == "blpop" for c in r.client_list()):
        pass
    tried("RPUSH", r.rpush, "q", "x")
    waiting.join()
    assert tried("BLPOP", r.blpop, "q", 0.01) is None
    assert tried("BRPOPLPUSH", r.brpoplpush, "q", "s", 1) is None
    tried("XADD", r.xadd, "x", {"f": "v"})
    tried("XREAD", r.xread, {"x": 0}, block=100)


def script(new):
    r = new()
    text = "for i = 1, ARGV[1] do redis.call('INCR', KEYS[1]) end return redis.call('GET', KEYS[1])"
    assert tried("EVAL", r.eval, text, 1, "n", 3) == b"3"
    s = r.register_script(text)
    tried("EVALSHA", r.evalsha, "0" * 40, 0)
    for _ in range(10):
        s(keys=["n"], args=[3])  # the server knows it by now
        did("EVALSHA")
    tried("SCRIPT", r.script_exists, s.sha)
    tried("EVAL", r.eval, "return redis.error_reply('OOPS it failed')", 0)
    tried("EVAL", r.eval, "return redis.call('LPUSH', KEYS[1], 1)", 1, "n")


def errors(new):
    r = new()
    tried("SET", r.set, "s", "x")
    for _ in range(20):
        tried("LPUSH", r.lpush, "s", 1)
        tried("INCRBY", r.incr, "s")
        tried("OTHER", r.execute_command, "NO-SUCH", "command")
        tried("GET", r.execute_command, "GET")


def large(new):
    r = new()
    value = bytes(range(256)) * 4096  # 1 MB, with all bytes that there are
    for i in range(10):
        tried("SET", r.set, f"k{i}", value)
        assert tried("GET", r.get, f"k{i}") == value
    assert len(tried("MGET", r.mget, *[f"k{i}" for i in range(10)])) == 10


def elements(new, sizes=(1, 100, 350)):
    r = new()
    for n in sizes:
        tried("RPUSH", r.rpush, f"l{n}", *range(n))
        assert len(tried("LRANGE", r.lrange, f"l{n}", 0, -1)) == n
        tried("HSET", r.hset, f"h{n}", mapping={i: i for i in range(n)})
        assert len(tried("HGETALL", r.hgetall, f"h{n}")) == n
        assert len(tried("MGET", r.mget, [f"no{i}" for i in range(n)])) == n


def many_elements(new):
    elements(new, (1000, 5000))


def quiet(new):
    c = new().connection_pool.get_connection("")

    def ask(*command):
        c.send_command(*command)
        did(command[0])
        return c.read_response()

    ask("SET", "a", "1")
    c.send_command("CLIENT", "REPLY", "SKIP")
    c.send_command("INCR", "a")
    assert ask("INCR", "a") == 3
    c.send_command("CLIENT", "REPLY", "OFF")
    for _ in range(50):
        c.send_command("INCR", "a")
    assert ask("CLIENT", "REPLY", "ON") == b"OK"
    assert ask("GET", "a") == b"53"


def asynchronous(new):
    host, port = sys.argv[2], int(sys.argv[3])

    async def work():
        r = redis.asyncio.Redis(host=host, port=port)

        async def one(i):
            for k in range(20):
                await r.set(f"a{i}", k)
                did("SET")
                assert int(await r.get(f"a{i}")) == k
                did("GET")

        await asyncio.gather(*[one(i) for i in range(20)])
        await r.close()

    asyncio.run(work())


def main():
    what, host, port, parser = sys.argv[1:]
    parsers = {"python": redis.connection.PythonParser, "hiredis": redis.connection.HiredisParser}

    def new():
        pool = redis.ConnectionPool(host=host, port=int(port), parser_class=parsers[parser])
        return redis.Redis(connection_pool=pool)

    globals()[what](new)
    print(json.dumps(answered))


main()

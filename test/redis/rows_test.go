package redis

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const python = "/usr/bin/python3" // Debian's, which has Debian's modules

func benchmark(args ...string) func(host, port string) []string {
	return func(host, port string) []string { return append([]string{"-h", host, "-p", port, "-q"}, args...) }
}

func cli(args ...string) func(host, port string) []string {
	return func(host, port string) []string { return append([]string{"-h", host, "-p", port}, args...) }
}

// many is how often something is done: less often with -short.
func many(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

func benchmarkRows() []row {
	bench := func(name string, n int, answered []string, args ...string) row {
		r := row{name: "redis-benchmark " + name, program: "redis-benchmark", answered: counts{"CONFIG": 2}}
		r.args = benchmark(append(args, "-n", strconv.Itoa(n))...)
		for _, command := range answered {
			r.answered[command] = n
		}
		return r
	}
	deep := func(r row) row { r.deep = true; return r }
	oversubscribed := func(r row) row { r.busy = true; return r }
	return []row{
		bench("-P 1", many(10000), []string{"GET", "SET"}, "-t", "get,set", "-c", "10"),
		bench("-P 16", many(20000), []string{"INCR", "LPUSH", "HSET"}, "-t", "incr,lpush,hset", "-c", "10", "-P", "16"),
		bench("-P 64", many(19200), []string{"SADD"}, "-t", "sadd", "-c", "5", "-P", "64"),
		deep(bench("-P 100", many(20000), []string{"SADD"}, "-t", "sadd", "-c", "5", "-P", "100")),
		bench("lists of 600", many(1000), []string{"LPUSH", "LRANGE"}, "-t", "lrange_600", "-c", "1"),
		deep(bench("-P 1000", many(100000), []string{"SADD"}, "-t", "sadd", "-c", "5", "-P", "1000")),
		bench("large values", many(2000), []string{"GET", "SET"}, "-t", "set,get", "-c", "4", "-d", "50000"),
		bench("1 MB", many(200), []string{"GET", "SET"}, "-t", "set,get", "-c", "4", "-d", "1048576"),
		bench("lists", many(2000), []string{"LPUSH", "LRANGE", "MSET"}, "-t", "lrange_100,mset", "-c", "4"),
		bench("tracking", many(2000), []string{"GET", "SET"}, "-3", "--enable-tracking", "-t", "set,get", "-c", "4", "-r", "100"),
		bench("threads", many(20000), []string{"GET", "SET"}, "-t", "get,set", "-c", "10", "--threads", "2"),
		oversubscribed(bench("oversubscribed", many(5000), []string{"GET", "SET"}, "-t", "get,set", "-c", "50")),
		oversubscribed(bench("oversubscribed -P 16", many(3200), []string{"GET", "SET"}, "-t", "get,set", "-c", "50", "-P", "16")),
	}
}

func cliRows() []row {
	command := func(name string, answered counts, args ...string) row {
		return row{name: "redis-cli " + name, program: "redis-cli", args: cli(args...), answered: answered}
	}
	// lines are commands on standard input, one after the other on one connection. First it asks for COMMAND DOCS, to help whoever
	// types: 400 KB of small strings, which the server writes in buffers of 16 KB with thousands of them in each.
	lines := func(name string, answered counts, args []string, commands ...string) row {
		r := command(name, answered, args...)
		r.answered.add("COMMAND", 1)
		r.input = strings.Join(commands, "\n") + "\n"
		return r
	}
	with := func(b *beside, r row) row { r.beside = b; return r }
	monitor := &beside{program: "redis-cli", args: cli("MONITOR"), begun: called("monitor")}
	subscriber := func(args ...string) *beside {
		return &beside{program: "redis-cli", args: cli(append(args, "SUBSCRIBE", "a", "b")...), begun: called("subscribe")}
	}
	script := `EVAL "redis.call('INCR', KEYS[1]) redis.call('INCR', KEYS[1]) return redis.call('GET', KEYS[1])" 1 n`

	transactions := lines("transactions", counts{"SET": 2, "MULTI": 3, "INCR": 1, "LPUSH": 1, "EXEC": 1, "EXEC EXECABORT": 1, "GET ERR": 1, "DISCARD": 1, "WATCH": 1},
		nil, "WATCH w", "MULTI", "SET a x", "INCR n", "LPUSH a y", "EXEC", "MULTI", "GET", "EXEC", "MULTI", "SET a z", "DISCARD")
	// What a transaction holds is answered with QUEUED, and EXEC with an array in which its errors are.
	transactions.unasked = map[string]int{"LPUSH": -1, "LPUSH failed": 1, "SET": -1}
	transactions.failures = map[string]int{"WRONGTYPE": 1}

	scripts := lines("scripts", counts{"EVAL": 2, "EVALSHA NOSCRIPT": 1, "SCRIPT": 1, "EVALSHA": 1}, nil,
		script, script, "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0", `SCRIPT LOAD "return 1"`,
		"EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0")
	scripts.unasked = map[string]int{"INCR": 4, "GET": 2} // the script's

	errors := lines("errors", counts{"SET": 1, "INCR ERR": 1, "LPUSH WRONGTYPE": 1, "OTHER ERR": 2, "GET ERR": 1, "XGROUP ERR": 1}, nil,
		"SET s x", "INCR s", "LPUSH s 1", "NOSUCH", "nosuch with arguments", "GET", "XGROUP CREATE s g 0 NONSENSE")
	errors.unknown = "OTHER"

	// replica is a server that follows the row's.
	replica := func(name, delay string) row {
		r := with(&beside{
			program: "redis-server",
			args: func(host, port string) []string {
				return []string{"--port", "0", "--unixsocket", "replica", "--save", "", "--replicaof", host + " " + port}
			},
			begun: func(s *redisServer) bool { return strings.Contains(s.info("replication"), "state=online") },
		}, lines(name, counts{"SET": 3, "WAIT": 2, "PSYNC": 1}, nil, "SET a 1", "SET a 2", "WAIT 1 0", "SET a 3", "WAIT 1 0"))
		r.server = []string{"--repl-diskless-sync-delay", delay}
		r.replica = true
		return r
	}

	// After a second the server sends line feeds, until it answers PSYNC.
	waiting := replica("beside a replica that waits", "2")

	dump := command("--rdb", counts{}, "--rdb", "-")
	dump.unasked = map[string]int{"SYNC": 1} // where its answer ends is not known
	dump.lost = counts{"gap": 2}
	dump.server = []string{"--repl-diskless-sync-delay", "0"}

	return []row{
		command("", counts{"SET": 1}, "SET", "a", "b"),
		command("RESP3", counts{"HSET": 1}, "-3", "HSET", "h", "f", "v"),
		command("many", counts{"INCR": 500}, "-r", "500", "INCR", "n"),
		command("an error", counts{"LPOP ERR": 1}, "LPOP", "a", "b", "c"),
		transactions, scripts, errors, dump, replica("beside a replica", "0"), waiting,
		lines("tracking", counts{"GET": 3, "SET": 2, "MGET": 1}, []string{"-3"},
			"CLIENT TRACKING ON", "GET a", "SET a 1", "GET a", "SET a 2", "MGET a b", "CLIENT TRACKING OFF", "GET a"),
		with(monitor, lines("beside MONITOR", counts{"MONITOR": 1, "SET": 2, "GET": 1}, nil, "SET a 1", "GET a", "SET b *3")),
		with(subscriber(), command("beside a subscriber", counts{"SUBSCRIBE": 1, "PUBLISH": 100}, "-r", "100", "PUBLISH", "a", "x")),
		with(subscriber("-3"), command("beside a subscriber with RESP3", counts{"SUBSCRIBE": 1, "PUBLISH": 100}, "-r", "100", "PUBLISH", "a", "x")),
		with(&beside{program: "redis-cli", args: cli("BLPOP", "q", "0"), begun: called("blpop")},
			command("beside a blocked one", counts{"BLPOP": 1, "RPUSH": 1}, "RPUSH", "q", "x")),
	}
}

func goRows() []row {
	goRow := func(what string) row {
		return row{name: "Go, " + what, args: func(host, port string) []string { return []string{what, net.JoinHostPort(host, port)} }}
	}
	busyRow := goRow("rueidis plain")
	busyRow.name, busyRow.busy = "Go, rueidis oversubscribed", true
	subscribeRow := goRow("rueidis subscribe")
	subscribeRow.ahead = true
	return []row{
		goRow("go-redis plain"), goRow("go-redis pipeline"), goRow("go-redis transaction"), goRow("go-redis subscribe"), goRow("go-redis block"),
		goRow("rueidis plain"), goRow("rueidis multi"), goRow("rueidis cache"), subscribeRow, goRow("rueidis transaction"),
		goRow("rueidis block"), goRow("rueidis large"), busyRow,
	}
}

func pythonRows() []row {
	of := func(parser, what string) row {
		return row{name: "redis-py " + what + ", " + parser, program: python, args: func(host, port string) []string {
			return []string{filepath.Join("testdata", "client.py"), what, host, port, parser}
		}}
	}
	var all []row
	for _, parser := range []string{"python", "hiredis"} {
		for _, what := range []string{"plain", "pipeline", "subscribe", "block", "large", "elements", "asynchronous"} {
			all = append(all, of(parser, what))
		}
		transaction := of(parser, "transaction")
		transaction.unasked = map[string]int{"INCRBY": -1, "INCRBY failed": 1, "GET": -1} // what failed inside, and what was not done
		transaction.failures = map[string]int{"WRONGTYPE": 1}
		script := of(parser, "script")
		script.unasked = map[string]int{"INCR": 33, "GET": 11, "LPUSH failed": 1} // the script's
		errors := of(parser, "errors")
		errors.unknown = "OTHER"
		quiet := of(parser, "quiet")
		quiet.unasked = map[string]int{"CLIENT": 2, "INCR": 51} // what is not answered
		deep, elements := of(parser, "deep"), of(parser, "many_elements")
		deep.deep, elements.deep = true, true
		all = append(all, transaction, script, errors, quiet, deep, elements)
	}
	busyRow := of("python", "plain")
	busyRow.name, busyRow.busy = "redis-py oversubscribed", true
	return append(all, busyRow)
}

// nodeRows have Debian's node-redis, and from npm the one of today and ioredis.
func nodeRows(t *testing.T) []row {
	t.Helper()
	// Debian's modules also for another Node than Debian's.
	t.Setenv("NODE_PATH", npm(t)+":/usr/share/nodejs")
	of := func(name, script string, before []string, what string, after ...string) row {
		return row{name: name + " " + what, program: "node", deep: what == "deep", args: func(host, port string) []string {
			args := append([]string{filepath.Join("testdata", script)}, before...)
			return append(append(args, what, host, port), after...)
		}}
	}
	var all []row
	for _, what := range []string{"plain", "transaction", "subscribe", "block", "large", "deep"} {
		all = append(all,
			of("node-redis 4", "node_redis.js", []string{"redis"}, what, "2"),
			of("node-redis 5", "node_redis.js", []string{"@redis/client"}, what, "2"),
			of("node-redis 5 RESP3", "node_redis.js", []string{"@redis/client"}, what, "3"))
	}
	for _, what := range []string{"plain", "autopipeline", "transaction", "subscribe", "block", "large", "deep"} {
		all = append(all, of("ioredis", "ioredis.js", nil, what))
	}
	script := of("ioredis", "ioredis.js", nil, "script")
	script.unasked = map[string]int{"INCR": 42} // the script's
	return append(all, script)
}

// npm installs what testdata/npm pins, and returns the folder of its modules.
func npm(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	c.Dir = dir
	if output, err := c.CombinedOutput(); err != nil {
		if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
			t.Fatal(fmt.Errorf("npm: %w: %s", err, output))
		}
		t.Skipf("npm: %v; FATHOM_REQUIRE_TOOLS=1 makes this an error: %s", err, output)
	}
	return filepath.Join(dir, "node_modules")
}

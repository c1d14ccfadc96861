package redis

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/test/process"
)

// The names of the programs in a row, by which Fathom tells them apart.
const (
	server = "rd-server"
	client = "rd-client"
)

// TestMain turns the binary into a Go client if it was started under the name of one.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == client {
		if err := goClient(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// counts are exchanges by operation.
type counts map[string]uint64

func (c counts) sum() (n uint64) {
	for _, v := range c {
		n += v
	}
	return n
}

// row is a client that does its work against a server of its own.
type row struct {
	name    string
	program string // "": this binary
	args    func(host, port string) []string
	// deep: more requests are open at a time than Fathom keeps, and each end loses the rest as `pipelined`.
	deep bool
}

func benchmark(args ...string) func(host, port string) []string {
	return func(host, port string) []string { return append([]string{"-h", host, "-p", port, "-q"}, args...) }
}

func rows() []row {
	goRow := func(what string) row {
		return row{name: "go-redis " + what, args: func(host, port string) []string { return []string{what, net.JoinHostPort(host, port)} }}
	}
	cli := func(args ...string) func(host, port string) []string {
		return func(host, port string) []string { return append([]string{"-h", host, "-p", port}, args...) }
	}
	return []row{
		{name: "redis-cli", program: "redis-cli", args: cli("SET", "a", "b")},
		{name: "redis-cli RESP3", program: "redis-cli", args: cli("-3", "HSET", "h", "f", "v")},
		{name: "redis-cli, many", program: "redis-cli", args: cli("-r", "500", "INCR", "n")},
		{name: "redis-cli, an error", program: "redis-cli", args: cli("LPOP", "a", "b", "c")},
		{name: "redis-benchmark -P 1", program: "redis-benchmark", args: benchmark("-t", "get,set", "-n", "20000", "-c", "10")},
		{name: "redis-benchmark -P 16", program: "redis-benchmark", args: benchmark("-t", "incr,lpush,hset", "-n", "20000", "-c", "10", "-P", "16")},
		{name: "redis-benchmark -P 64", program: "redis-benchmark", args: benchmark("-t", "sadd", "-n", "19200", "-c", "5", "-P", "64")},
		{name: "redis-benchmark -P 100", program: "redis-benchmark", args: benchmark("-t", "sadd", "-n", "20000", "-c", "5", "-P", "100"), deep: true},
		{name: "redis-benchmark, large values", program: "redis-benchmark", args: benchmark("-t", "set,get", "-n", "2000", "-c", "4", "-d", "50000")},
		{name: "redis-benchmark, lists", program: "redis-benchmark", args: benchmark("-t", "lrange_100,mset", "-n", "2000", "-c", "4")},
		goRow("plain"), goRow("pipeline"), goRow("transaction"), goRow("subscribe"), goRow("block"),
	}
}

func TestRows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	for _, tool := range []string{"redis-server", "redis-cli", "redis-benchmark"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%v; FATHOM_REQUIRE_TOOLS=1 makes this an error", err)
		}
	}
	k, err := kernel.Open(context.Background(), kernel.Options{Mode: kernel.Mode(os.Getenv("FATHOM_ATTACH_MODE"))})
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) { r.run(t, k) })
	}
}

// link makes a program run under the name that Fathom shows.
func link(t *testing.T, dir, program, name string) string {
	t.Helper()
	path, err := os.Executable()
	if program != "" {
		path, err = exec.LookPath(program)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err == nil {
		err = os.Symlink(path, filepath.Join(dir, name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

func (r row) run(t *testing.T, k *kernel.Kernel) {
	dir := t.TempDir()
	address := process.FreeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	before, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	s := process.Start(t, link(t, dir, "redis-server", server), "--port", port, "--bind", host, "--save", "", "--appendonly", "no", "--dir", dir)
	s.WaitListening(address)
	out, err := exec.CommandContext(t.Context(), link(t, dir, r.program, client), r.args(host, port)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := commandStats(t, address)
	s.Stop()
	after, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	served := grown(count(after, server, kernel.RoleServer), count(before, server, kernel.RoleServer))
	delete(served, "INFO") // this test's own, and its HELLO
	if served["HELLO"]--; served["HELLO"] == 0 {
		delete(served, "HELLO")
	}
	asked := grown(count(after, client, kernel.RoleClient), count(before, client, kernel.RoleClient))
	lost := grown(losses(after), losses(before))
	t.Logf("served %v, asked %v, lost %v, commandstats %v", served, asked, lost, want)
	for end, got := range map[string]counts{"server": served, "client": asked} {
		if !r.deep && !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", end, got, want)
		}
	}
	if r.deep {
		if n := served.sum() + asked.sum() + lost["pipelined"]; n != 2*want.sum() || len(lost) != 1 {
			t.Errorf("counted and lost %d of both ends, want %d; lost %v", n, 2*want.sum(), lost)
		}
	} else if len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
}

func count(s *kernel.Snapshot, workload string, role kernel.Role) counts {
	c := counts{}
	for _, x := range s.Exchanges {
		if x.Protocol == protocol.Redis && x.Role == role && s.Workloads[x.Workload].Command == workload {
			c[x.Operation] += x.Duration.Count()
		}
	}
	return c
}

func losses(s *kernel.Snapshot) counts {
	c := counts{}
	for _, l := range s.Lost {
		c[l.Reason] += l.Count
	}
	return c
}

func grown(now, before counts) counts {
	c := counts{}
	for k, n := range now {
		if n > before[k] {
			c[k] = n - before[k]
		}
	}
	return c
}

// commandStats asks a server what it has answered: calls, and what it rejected.
func commandStats(t *testing.T, address string) counts {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: address, Protocol: 2, DisableIndentity: true})
	defer c.Close()
	text, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := counts{}
	for line := range strings.Lines(text) {
		name, values, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		if !ok || name == line {
			continue
		}
		name, _, _ = strings.Cut(strings.ToUpper(name), "|")
		for value := range strings.SplitSeq(strings.TrimSpace(values), ",") {
			if key, n, _ := strings.Cut(value, "="); key == "calls" || key == "rejected_calls" {
				calls, err := strconv.ParseUint(n, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if calls > 0 {
					out[name] += calls
				}
			}
		}
	}
	// go-redis says HELLO for RESP2, too: that of this connection.
	if out["HELLO"]--; out["HELLO"] == 0 {
		delete(out, "HELLO")
	}
	return out
}

// goClient does one kind of work with go-redis.
func goClient(what, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: address, PoolSize: 8, DisableIndentity: true})
	defer c.Close()
	switch what {
	case "plain":
		done := make(chan error)
		for worker := range 8 {
			go func() {
				var err error
				for i := 0; i < 500 && err == nil; i++ {
					key := fmt.Sprintf("k%d-%d", worker, i)
					if err = c.Set(ctx, key, strings.Repeat("v", i*17), 0).Err(); err == nil {
						err = c.Get(ctx, key).Err()
					}
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				return err
			}
		}
	case "pipeline":
		for range 50 {
			p := c.Pipeline()
			for i := range 20 {
				p.Incr(ctx, fmt.Sprintf("n%d", i))
			}
			if _, err := p.Exec(ctx); err != nil {
				return err
			}
		}
	case "transaction":
		for range 50 {
			p := c.TxPipeline()
			for i := range 10 {
				p.LPush(ctx, "l", i)
			}
			if _, err := p.Exec(ctx); err != nil {
				return err
			}
		}
	case "subscribe":
		s := c.Subscribe(ctx, "a", "b")
		defer s.Close()
		for range 2 {
			if _, err := s.Receive(ctx); err != nil {
				return err
			}
		}
		for i := range 100 {
			if err := c.Publish(ctx, "a", strings.Repeat("x", i*31)).Err(); err != nil {
				return err
			}
			if _, err := s.ReceiveMessage(ctx); err != nil {
				return err
			}
		}
	case "block":
		done := make(chan error)
		go func() { done <- c.BLPop(ctx, 5*time.Second, "q").Err() }()
		time.Sleep(200 * time.Millisecond)
		if err := c.RPush(ctx, "q", "x").Err(); err != nil {
			return err
		}
		return <-done
	}
	return nil
}

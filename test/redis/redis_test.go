package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/test/process"
)

// What the names of programs begin with, by which Fathom tells them apart. Each row has names of its own, as Fathom keeps so many series
// of a workload and no more.
const (
	server = "rd-server"
	client = "rd-client" // and whoever is a client beside it
	busy   = "rd-busy"
)

// TestMain turns the binary into a Go client, or into one that only takes CPU, if it was started under the name of one.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); {
	case strings.HasPrefix(name, client):
		answered, err := goClient(os.Args[1], os.Args[2])
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(answered)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
			os.Exit(1)
		}
		os.Exit(0)
	case name == busy:
		process.KeepBusy()
	}
	os.Exit(m.Run())
}

// row is a client that does its work against a server of its own.
type row struct {
	name    string
	program string // "": this binary
	args    func(host, port string) []string
	input   string // of the program
	server  []string
	// beside is another client, which begins before and is ended after.
	beside *beside
	// busy: many more threads want CPU than there are CPUs.
	busy bool
	// deep: more requests are open at a time than Fathom keeps, or more elements in one call than it follows: compareDeep.
	deep bool
	// ahead: the client subscribes, and one thread of it may read what another has asked for before the hook of that write has run.
	// Then nobody can tell confirmations from messages: compareAhead.
	ahead bool
	// replica: of REPLCONF only the two before PSYNC are answered. How many acknowledgements follow depends on the time.
	replica bool
	// answered is what the client is told to do, if it does not say itself what it did.
	answered counts
	// unknown is whose the errors are of which INFO commandstats does not say: it has no commands and subcommands that the server does
	// not know. CLIENT without one, since drivers say what they are with CLIENT SETINFO, which came with Redis 7.2.
	unknown string
	// unasked is what the server says that it did and no message asked for, or answered; negative: what was answered though it does
	// not say so. failures is the same for its errors by their first word.
	unasked, failures map[string]int
	// lost is what has to be lost at both ends together, by reason, as is what the server says of unasked.
	lost counts
}

// beside is a client that has to be there before the row's own begins.
type beside struct {
	program string
	args    func(host, port string) []string
	begun   func(s *redisServer) bool
}

func TestRows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	alone := os.Getenv("FATHOM_ALONE") == "1" // what is in a guest has no interpreters
	tools := []string{"redis-server", "redis-cli", "redis-benchmark"}
	if !alone {
		tools = append(tools, "node", "npm", python)
	}
	for _, tool := range tools {
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
	all := slices.Concat(benchmarkRows(), cliRows(), goRows())
	if !alone {
		all = slices.Concat(all, pythonRows(), nodeRows(t))
	}
	for i, r := range all {
		t.Run(r.name, func(t *testing.T) { r.run(t, k, strconv.Itoa(i)) })
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

func (r row) run(t *testing.T, k *kernel.Kernel, number string) {
	server, client := server+number, client+number
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
	s := &redisServer{T: t, address: address}
	args := []string{"--port", port, "--bind", host, "--save", "", "--appendonly", "no", "--dir", dir}
	p := process.Start(t, link(t, dir, "redis-server", server), append(args, r.server...)...)
	p.WaitListening(address)
	if r.busy {
		defer process.Start(t, link(t, dir, "", busy)).Stop()
	}
	var other *process.Process
	if r.beside != nil {
		folder := filepath.Join(dir, "beside")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		args := r.beside.args(host, port)
		if r.beside.program == "redis-server" {
			args = append(args, "--dir", folder)
		}
		other = process.Start(t, link(t, folder, r.beside.program, client), args...)
		s.waitFor(r.beside.begun)
	}
	output := r.work(t, link(t, dir, r.program, client), host, port)
	if other != nil {
		other.Stop()
	}
	want, wantErrors := s.stats()
	p.Stop()
	after, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	served, asked := count(after, server, kernel.RoleServer), count(after, client, kernel.RoleClient)
	served.add("INFO", -s.asked)
	lost := grown(losses(after), losses(before))
	t.Logf("served %v, asked %v, lost %v, the server says %v, errors %v", served, asked, lost, want, wantErrors)
	for key, n := range r.unasked {
		want.add(key, -n)
	}
	for key, n := range r.failures {
		wantErrors.add(key, -n)
	}
	want.add(cmp.Or(r.unknown, "CLIENT")+" failed", wantErrors.sum()-want.by(failure).sum())
	if r.replica {
		want["REPLCONF"] = 2
	}
	if n := count(after, client, kernel.RoleServer); len(n) > 0 {
		t.Errorf("the client has served %v", n)
	}
	if r.deep {
		compareDeep(t, want, served, asked, lost)
		return
	}
	if r.ahead && lost["gap"] > 0 {
		compareAhead(t, want, wantErrors, served, asked, lost)
		return
	}
	if !maps.Equal(lost, r.lost) {
		t.Errorf("lost %v, want %v", lost, r.lost)
	}
	answered := r.answered
	if answered == nil {
		answered = said(t, output)
	}
	for end, got := range map[string]counts{"server": served, "client": asked} {
		if byOutcome := got.by(outcome); !maps.Equal(byOutcome, want) {
			t.Errorf("%s: %v, and the server says %v", end, byOutcome, want)
		}
		if errors := got.by(failure); !maps.Equal(errors, wantErrors) {
			t.Errorf("%s: errors %v, and the server says %v", end, errors, wantErrors)
		}
		if own := got.by(application); !maps.Equal(own, answered.by(application)) {
			t.Errorf("%s: %v, and the client says %v", end, own, answered)
		}
	}
}

// compareDeep compares where more is open at a time than Fathom keeps, or more is in one call than it follows. What is missing has to be lost
// for one of the reasons that say so, and by its number.
func compareDeep(t *testing.T, want, served, asked, lost counts) {
	t.Helper()
	for end, got := range map[string]counts{"server": served.by(outcome), "client": asked.by(outcome)} {
		for key, n := range got {
			if n > want[key] {
				t.Errorf("%s: %d %s, and the server says %d", end, n, key, want[key])
			}
		}
	}
	n, all := served.sum()+asked.sum()+lost.sum(), 2*want.sum()
	if n != all {
		t.Errorf("counted and lost %d of both ends, want %d; lost %v", n, all, lost)
	}
	if said := lost["pipelined"] + lost["gap"] + lost["unreadable_steps"]; said == 0 || said != lost.sum() {
		t.Errorf("lost %v", lost)
	}
}

// compareAhead compares where a client has read confirmations before the hook of its request has run. The server misses nothing, and
// each exchange that the client misses is counted as lost.
func compareAhead(t *testing.T, want, wantErrors, served, asked, lost counts) {
	t.Helper()
	if got, errors := served.by(outcome), served.by(failure); !maps.Equal(got, want) || !maps.Equal(errors, wantErrors) {
		t.Errorf("server: %v, errors %v, and the server says %v and %v", got, errors, want, wantErrors)
	}
	for key, n := range asked.by(outcome) {
		if n > want[key] {
			t.Errorf("client: %d %s, and the server says %d", n, key, want[key])
		}
	}
	if missing := want.sum() - asked.sum(); lost["gap"] != missing || lost.sum() != missing {
		t.Errorf("the client misses %d, lost %v", missing, lost)
	}
}

// work has the client do its work, and returns what it wrote.
func (r row) work(t *testing.T, program, host, port string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, r.args(host, port)...)
	c.Stdin = strings.NewReader(r.input)
	var wrong strings.Builder
	c.Stderr = &wrong
	output, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, output, &wrong)
	}
	return string(output)
}

// said is what the client says in its last line.
func said(t *testing.T, output string) counts {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(output), "\n")
	answered := counts{}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &answered); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return answered.by(func(operation, err string) string { return strings.TrimSpace(operation + " " + word(err)) })
}

func count(s *kernel.Snapshot, workload string, role kernel.Role) counts {
	c := counts{}
	for _, x := range s.Exchanges {
		if x.Protocol != protocol.Redis || x.Role != role || s.Workloads[x.Workload].Command != workload {
			continue
		}
		key := x.Operation
		if status := protocol.Redis.Status(x.Status); status != "ok" {
			key += " " + status
		}
		c[key] += int(x.Duration.Count()) //nolint:gosec // no test has as many
	}
	return c
}

func losses(s *kernel.Snapshot) counts {
	c := counts{}
	for _, l := range s.Lost {
		c[l.Reason] += int(l.Count) //nolint:gosec // no test has as many
	}
	return c
}

func grown(now, before counts) counts {
	c := maps.Clone(now)
	for key, n := range before {
		c.add(key, -n)
	}
	maps.DeleteFunc(c, func(_ string, n int) bool { return n == 0 })
	return c
}

package http1

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// The parts that programs play in a row.
const (
	server = "server"
	client = "client"
	proxy  = "proxy"
)

// run is a row that runs.
type run struct {
	*testing.T
	f      *fathom
	row    row
	number int
	before *kernel.Snapshot
	dir    string // readable for servers that change their user
	procs  []*process.Process
	ends   []end
	// unasked is how many responses clients received that answered nothing.
	unasked uint64
}

// end is one of a row's workloads in one role, and the truth about it. That may come from a log that is still written to.
type end struct {
	part  string
	role  kernel.Role
	truth func() counts
}

func isWorkload(name string) bool { return strings.HasPrefix(name, "h1-") }

// workload is the name of a part in this run: at most 15 bytes.
func (r *run) workload(part string) string {
	return fmt.Sprintf("h1-%c%03d-%05d", part[0], r.number, os.Getpid()%100_000)
}

// served says what the part answered.
func (r *run) served(part string, c counts) {
	r.ends = append(r.ends, end{part, kernel.RoleServer, func() counts { return c }})
}

// asked says what the part asked.
func (r *run) asked(part string, c counts) {
	r.ends = append(r.ends, end{part, kernel.RoleClient, func() counts { return c }})
}

// both says that the client asked and the server answered the same.
func (r *run) both(c counts) {
	r.asked(client, c)
	r.served(server, c)
}

// folder makes one that every user may enter and write to: t.TempDir() is root's.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fathom-http1-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write writes a file into the row's folder, and returns its path.
func (r *run) write(name, content string) string {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
	return path
}

// linked gives a program the name of a part's workload.
func (r *run) linked(part, path string) string {
	r.Helper()
	real, err := exec.LookPath(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		r.Fatalf("%v: scripts/deps.sh test installs it", err)
	}
	link := filepath.Join(r.dir, r.workload(part))
	if err := os.Symlink(real, link); err != nil && !os.IsExist(err) {
		r.Fatal(err)
	}
	return link
}

// serve starts a server and returns when it listens.
func (r *run) serve(part, addr, path string, args ...string) {
	r.Helper()
	p := process.Start(r, r.linked(part, path), args...)
	r.procs = append(r.procs, p)
	p.WaitListening(addr)
}

// stop ends all servers, the last one first.
func (r *run) stop() {
	for _, p := range slices.Backward(r.procs) {
		p.Stop()
	}
}

// program runs a client to its end, with an input, and returns what it printed.
func (r *run) program(input, path string, args ...string) (stdout, stderr string) {
	r.Helper()
	stdout, stderr, err := r.tryProgram(input, path, args...)
	if err != nil {
		r.Fatalf("%s %s: %v\n%s%s", path, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

// tryProgram is program for clients that end with an error when a server does what it has to do in the row.
func (r *run) tryProgram(input, path string, args ...string) (stdout, stderr string, err error) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), process.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.linked(client, path), args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// ask runs a client that prints what it saw.
func (r *run) ask(input, path string, args ...string) counts {
	r.Helper()
	stdout, stderr := r.program(input, path, args...)
	c, unasked := parseCounts(r.T, stdout)
	r.unasked += unasked
	if stderr != "" {
		r.Log(stderr)
	}
	if len(c) == 0 {
		r.Fatalf("%s saw nothing", path)
	}
	return c
}

// result is what became of a row.
type result struct {
	name           string
	truth, counted uint64
	lost           map[string]uint64 // events and bytes
	wrong          []string
}

// quiet is how long nothing may have changed before a row is given up.
const quiet = 1500 * time.Millisecond

// compare waits until all is counted, ends the servers, and sees that nothing comes after that.
func (r *run) compare() result {
	r.Helper()
	r.until(quiet / 3) // an exchange that is over is counted by now, or with its connection's end
	r.stop()
	res, s := r.until(quiet)
	for _, line := range res.wrong {
		r.Error(line)
	}
	if n := strangers(s) - strangers(r.before); n != 0 && len(res.wrong) > 0 && len(res.lost) > 0 {
		r.Logf("%d exchanges of other processes meanwhile: is this host quiet?", n)
	}
	return res
}

// until compares until nothing differs, or until nothing has changed for some time.
func (r *run) until(patience time.Duration) (result, *kernel.Snapshot) {
	last, since := "", time.Now()
	for {
		s := r.f.snapshot()
		res := r.result(s)
		if len(res.wrong) == 0 {
			return res, s
		}
		if now := fmt.Sprint(res.wrong); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience {
			return res, s
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *run) result(s *kernel.Snapshot) result {
	res := result{name: r.row.name}
	events, bytes := losses(s, r.before)
	var missing uint64
	for _, part := range []string{server, client, proxy} {
		for _, role := range []kernel.Role{kernel.RoleServer, kernel.RoleClient, kernel.RoleUnknown} {
			truth, got := counts{}, counted(s, r.workload(part), role)
			for _, e := range r.ends {
				if e.part == part && e.role == role {
					truth = plus(truth, e.truth())
				}
			}
			t, g := truth.total(), got.total()
			res.truth += t
			res.counted += g
			missing += t - min(t, g)
			for _, line := range differences(truth, got) {
				res.wrong = append(res.wrong, fmt.Sprintf("%s as %s: %s", part, role, line))
			}
		}
		if n := active(s, r.workload(part)); n > 0 {
			res.wrong = append(res.wrong, fmt.Sprintf("%s: %d exchanges are open", part, n))
		}
	}
	res.lost = maps.Clone(events)
	maps.Copy(res.lost, bytes)
	for reason, want := range r.row.lost {
		if n := events[reason]; want != anyNumber && n != want {
			res.wrong = append(res.wrong, fmt.Sprintf("lost %s: want %d, got %d", reason, want, n))
		}
		delete(events, reason)
	}
	// What is lost beside that is missing from the counts, and the other way round.
	if n := sum(events); n != missing {
		res.wrong = append(res.wrong, fmt.Sprintf("%d exchanges are missing, %d are counted as lost", missing, n))
	}
	if reason := r.row.mayLose; reason != "" {
		// An unreadable message that comes in several calls may be counted more than once.
		unreadable := strings.HasPrefix(reason, "unreadable_")
		said := missing == events[reason] || unreadable && missing < events[reason]
		res.wrong = slices.DeleteFunc(res.wrong, func(line string) bool {
			return said && (strings.Contains(line, ": only ") || unreadable && strings.Contains(line, "are missing"))
		})
		delete(events, reason)
		if unreadable {
			delete(bytes, "read bytes unreadable")
			delete(bytes, "write bytes unreadable")
		}
	}
	maps.Copy(events, bytes)
	for _, reason := range slices.Sorted(maps.Keys(events)) {
		res.wrong = append(res.wrong, fmt.Sprintf("lost %s: %d", reason, events[reason]))
	}
	return res
}

// run runs a program that has nothing to do with HTTP to its end.
func (r *run) run(path string, args ...string) {
	r.Helper()
	r.runEnv(nil, r.dir, path, args...)
}

// runEnv is run with an environment and in a folder; it returns what the program said.
func (r *run) runEnv(env []string, dir, path string, args ...string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), process.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir = append(os.Environ(), env...), dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("%s %s: %v\n%s", path, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// nobody is an address at which nobody listens.
func nobody(r *run) string { return process.FreeAddress(r) }

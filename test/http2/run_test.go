package http2

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
	name   string // of this run, in the names of its workloads
	before *kernel.Snapshot
	dir    string // readable for servers that change their user
	procs  []*process.Process
	ends   []end
	lost   map[string]uint64 // what has to be lost
	// called are the parts that are called otherwise than this test calls them, by part.
	called map[string]string
}

// end is one of a row's workloads in one role, and the truth about it. That may come from a log that is still written to.
type end struct {
	workload string
	role     kernel.Role
	truth    func() counts
}

// start begins a run, whose name has three letters.
func start(t *testing.T, f *fathom, name string) *run {
	t.Helper()
	dir, err := os.MkdirTemp("", "fathom-http2-") // t.TempDir() is root's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &run{T: t, f: f, name: name, before: f.snapshot(), dir: dir}
}

func isWorkload(name string) bool { return strings.HasPrefix(name, "h2-") }

// workload is the name of a part in this run: at most 15 bytes.
func (r *run) workload(part string) string {
	if name := r.called[part]; name != "" {
		return name
	}
	return fmt.Sprintf("h2-%c%s-%05d", part[0], r.name, os.Getpid()%100_000)
}

// served says what the part answered.
func (r *run) served(part string, c counts) {
	r.ends = append(r.ends, end{r.workload(part), kernel.RoleServer, func() counts { return c }})
}

// asked says what the part asked.
func (r *run) asked(part string, c counts) {
	r.ends = append(r.ends, end{r.workload(part), kernel.RoleClient, func() counts { return c }})
}

// both says that the client asked and the server answered the same.
func (r *run) both(c counts) {
	r.asked(client, c)
	r.served(server, c)
}

// through says that the client asked a proxy, and the proxy the server.
func (r *run) through(c counts) {
	r.both(c)
	r.served(proxy, c)
	r.asked(proxy, c)
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

// linked gives a program the name of a part's workload. "": this binary.
func (r *run) linked(part, path string) string {
	r.Helper()
	var err error
	if path == "" {
		path, err = os.Executable()
	} else {
		path, err = exec.LookPath(path)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		r.Fatalf("%v: scripts/deps.sh test installs it", err)
	}
	dir := filepath.Join(r.dir, "bin-"+filepath.Base(path)) // several programs may have a part, one after the other
	link := filepath.Join(dir, fmt.Sprintf("h2-%c%s-%05d", part[0], r.name, os.Getpid()%100_000))
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.Symlink(path, link)
	}
	if err != nil && !os.IsExist(err) {
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

// command is a client that has not begun.
func (r *run) command(path string, args ...string) *exec.Cmd {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 2*process.Patience)
	r.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, r.linked(client, path), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// program runs a client to its end, and returns what it printed.
func (r *run) program(path string, args ...string) (stdout, stderr string) {
	r.Helper()
	cmd := r.command(path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		r.Fatalf("%s %s: %v\n%s%s", path, strings.Join(args, " "), err, &out, &errs)
	}
	return out.String(), errs.String()
}

// ask runs a client that prints what it saw.
func (r *run) ask(path string, args ...string) counts {
	r.Helper()
	stdout, stderr := r.program(path, args...)
	c := parseCounts(r.T, stdout)
	if stderr != "" {
		r.Log(stderr)
	}
	if len(c) == 0 {
		r.Fatalf("%s saw nothing", path)
	}
	return c
}

// waiting is a client that says when it is ready, and waits for a line.
type waiting struct {
	*run

	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  bytes.Buffer
}

// wait starts a client that waits.
func (r *run) wait(path string, args ...string) *waiting {
	r.Helper()
	w := &waiting{run: r, command: r.command(path, args...)}
	w.command.Stderr = &w.stderr
	stdout, err := w.command.StdoutPipe()
	if err == nil {
		w.stdin, err = w.command.StdinPipe()
	}
	if err == nil {
		w.stdout = bufio.NewReader(stdout)
		err = w.command.Start()
	}
	if err != nil {
		r.Fatal(err)
	}
	return w
}

// ready returns when the client says that it is.
func (w *waiting) ready() {
	w.Helper()
	if text, err := w.stdout.ReadString('\n'); err != nil || text != "ready\n" {
		_ = w.command.Wait()
		w.Fatalf("the client said %q: %v: %s", text, err, &w.stderr)
	}
}

// more has the client do once more what it did before it was ready.
func (w *waiting) more() {
	w.Helper()
	if _, err := io.WriteString(w.stdin, "more\n"); err != nil {
		w.Fatal(err)
	}
	w.ready()
}

// finish has the client do what it counts, and returns what it saw.
func (w *waiting) finish() counts {
	w.Helper()
	_, _ = io.WriteString(w.stdin, "go\n")
	text, err := io.ReadAll(w.stdout)
	if e := w.command.Wait(); e != nil {
		err = e
	}
	if err != nil {
		w.Fatalf("%v: %s%s", err, text, &w.stderr)
	}
	return parseCounts(w.T, string(text))
}

// quiet is how long nothing may have changed before a row is given up.
const quiet = 1500 * time.Millisecond

// compare waits until all is counted, ends the servers, and sees that nothing comes after that.
func (r *run) compare() {
	r.Helper()
	if r.f == nil {
		r.compareTruths()
		return
	}
	r.until(quiet/3, r.wrong) // an exchange that is over is counted by now, or with its connection's end
	r.stop()
	lines := r.until(quiet, r.wrong)
	for _, line := range lines {
		r.Error(line)
	}
	if len(lines) > 0 {
		r.classes()
	}
}

// classes logs what the connections of a row are held for.
func (r *run) classes() {
	r.Helper()
	s := r.f.snapshot()
	for _, part := range []string{server, client, proxy} {
		for _, c := range s.Coverage {
			if s.Workloads[c.Workload].Command == r.workload(part) {
				r.Logf("%s: %d connections of class %q (%s), %d bytes received, %d sent", r.workload(part), c.Connections, c.Class, c.Reason, c.BytesReceived, c.BytesSent)
			}
		}
	}
}

// compareTruths sees that those who know an end say the same.
func (r *run) compareTruths() {
	r.Helper()
	time.Sleep(50 * time.Millisecond) // until logs are written
	for i, e := range r.ends {
		r.Logf("%s %s: %v", e.workload, e.role, e.truth())
		for _, o := range r.ends[:i] {
			if o.workload == e.workload && o.role == e.role {
				for _, line := range differences(e.truth(), o.truth()) {
					r.Error(line)
				}
			}
		}
	}
	r.stop()
}

// until compares until nothing differs, or until nothing has changed for some time.
func (r *run) until(patience time.Duration, compare func(*kernel.Snapshot) []string) []string {
	for last, since := "", time.Now(); ; time.Sleep(20 * time.Millisecond) {
		lines := compare(r.f.snapshot())
		if now := fmt.Sprint(lines); now != last {
			last, since = now, time.Now()
		}
		if len(lines) == 0 || time.Since(since) > patience {
			return lines
		}
	}
}

// wrong says what a snapshot has that is not true.
func (r *run) wrong(s *kernel.Snapshot) (lines []string) {
	truths := map[string][]end{}
	for _, part := range []string{server, client, proxy} {
		truths[r.workload(part)] = nil
	}
	for _, e := range r.ends {
		truths[e.workload] = append(truths[e.workload], e)
	}
	for _, workload := range slices.Sorted(maps.Keys(truths)) {
		for _, role := range []kernel.Role{kernel.RoleServer, kernel.RoleClient, kernel.RoleUnknown} {
			got := counted(s, workload, role).less(counted(r.before, workload, role))
			known := false
			for _, e := range truths[workload] {
				if e.role == role {
					known = true
					for _, line := range differences(e.truth(), got) {
						lines = append(lines, fmt.Sprintf("%s as %s: %s", workload, role, line))
					}
				}
			}
			if !known && len(got) > 0 {
				lines = append(lines, fmt.Sprintf("%s as %s: %v counted, there was none", workload, role, got))
			}
		}
		if n := active(s, workload); n > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d exchanges are open", workload, n))
		}
	}
	lost := grown(losses(s), losses(r.before))
	if !maps.Equal(lost, r.lost) {
		lines = append(lines, fmt.Sprintf("lost %v, and it should be %v", lost, r.lost))
	}
	return lines
}

func number(n int) string { return strconv.Itoa(n) }

// many is how often something is done that is fast at both ends.
func many(n int) int {
	if os.Getenv("FATHOM_LONG") == "1" {
		return max(n, 100_000)
	}
	return n
}

// testdata is the path of a program there.
func (r *run) testdata(name string) string {
	r.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		r.Fatal(err)
	}
	return path
}

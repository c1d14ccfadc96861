package prometheus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/fathomhq/fathom/internal/top"
	"github.com/fathomhq/fathom/test/process"
)

// screen is a program on a terminal.
type screen struct {
	t     *testing.T
	cmd   *exec.Cmd
	file  *os.File
	term  vt10x.Terminal
	ended chan error

	mu  sync.Mutex
	raw bytes.Buffer // all that it wrote
}

// open starts `fathom top` on a terminal.
func open(t *testing.T, agent string, env ...string) *screen {
	t.Helper()
	return openWith(t, []string{"top", "--interval=1s", "--address=" + agent}, env...)
}

func openWith(t *testing.T, args []string, env ...string) *screen {
	t.Helper()
	const columns, rows = 120, 30
	s := &screen{t: t, term: vt10x.New(vt10x.WithSize(columns, rows)), ended: make(chan error, 1)}
	s.cmd = exec.Command(process.Fathom, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NO_COLOR=") && !strings.HasPrefix(v, "CLICOLOR") && !strings.HasPrefix(v, "COLORTERM=") && !strings.HasPrefix(v, "TMUX=") {
			s.cmd.Env = append(s.cmd.Env, v)
		}
	}
	s.cmd.Env = append(append(s.cmd.Env, "TERM=xterm-256color"), env...)
	var err error
	if s.file, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: rows, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	go func() {
		data := make([]byte, 64<<10)
		for {
			n, err := s.file.Read(data)
			s.mu.Lock()
			s.raw.Write(data[:n])
			s.mu.Unlock()
			_, _ = s.term.Write(data[:n])
			if err != nil { // the program has closed its end
				s.ended <- s.cmd.Wait()
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.file.Close()
	})
	return s
}

// shows waits until the screen has a text, given as a regular expression.
func (s *screen) shows(want string) {
	s.t.Helper()
	pattern := regexp.MustCompile(want)
	for end := time.Now().Add(process.Patience); ; time.Sleep(20 * time.Millisecond) {
		text := s.term.String()
		if pattern.MatchString(text) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("no %s on the screen:\n%s", want, text)
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.file.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) resize(columns, rows int) {
	s.t.Helper()
	s.term.Resize(columns, rows)
	if err := pty.Setsize(s.file, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the program's end, and expects that it left the terminal as it was.
func (s *screen) ends() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("it ended with %v", err)
		}
	case <-time.After(process.Patience):
		s.t.Fatal("it does not end")
	}
	if !strings.Contains(s.written(), "\x1b[?1049l") {
		s.t.Error("it left the alternate screen open")
	}
}

func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// relay leads to an agent until it is closed.
func relay(t *testing.T, agent string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent}))
	t.Cleanup(server.Close)
	return server
}

// visit makes requests, some of which fail, until the test ends.
func visit(t *testing.T) {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n%10 == 0 {
			w.WriteHeader(statusSlow)
		}
	}))
	done := make(chan struct{})
	var client sync.WaitGroup
	client.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if resp, err := http.Get(server.URL); err == nil {
				_ = resp.Body.Close()
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		client.Wait()
		server.Close()
	})
}

// colour is a sequence that sets one.
var colour = regexp.MustCompile(`\x1b\[([0-9;]*;)?(3[0-8]|4[0-8]|9[0-7]|10[0-7])(;[0-9;]*)?m`)

// TestTop looks at a real agent under load in a real terminal.
func TestTop(t *testing.T) {
	agent := startAgent(t)
	between := relay(t, agent)
	visit(t)
	s := open(t, between.URL)
	s.shows(`WORKLOAD .*REQ/S +ERRORS +P50 +P90 +P99 +QUEUE`)
	s.shows(`(?m)^prometheus\.test +[1-9]\d+ +[0-9.]+% +[0-9.]+[um]s +[0-9.]+[um]s`)

	s.press("/")
	s.press("no such thing")
	s.shows(`filter: no such thing_`)
	s.press("\r")
	s.shows(`filter: no such thing \(0 of \d+`)
	s.press("\x1b")
	s.shows(`(?m)^prometheus\.test`)
	s.press("/" + self + "\r")
	s.shows(`filter: prometheus\.test \(1 of \d+`)
	s.press("\r")
	s.shows(`prometheus\.test, kind process, node`)
	s.shows(`Latency over time`)
	s.shows(`requests/s`)
	s.press("\x1b[F") // end
	s.shows(`Connections by what is on them`)
	s.press("\x1b")
	s.shows(`filter: prometheus\.test \(1 of`) // else the terminal takes both for Alt-C
	s.press("c")
	s.shows(`of the bytes are opaque`)
	s.press("?")
	s.shows(`near 100% means overload`)
	s.press("\x1b")
	s.shows(`q quit +arrows move`)
	s.press("w")
	s.shows(`last 5m `)
	s.resize(44, 12)
	s.shows(`(?m)^WORKLOAD +REQ/S +ERRORS +P99( +QUEUE)? *$`)
	s.resize(120, 30)
	s.shows(`REQ/S +ERRORS +P50`)
	if !colour.MatchString(s.written()) { // a tenth of the requests fails
		t.Error("no colours")
	}

	between.CloseClientConnections()
	between.Close()
	s.shows(`OLD NUMBERS, of .* ago: cannot reach the agent at`)
	s.shows(`(?m)^prometheus\.test +[1-9]\d+`)
	s.press("q")
	s.ends()
}

// TestTopEnds: Ctrl-C and SIGTERM end it, too, and NO_COLOR is respected.
func TestTopEnds(t *testing.T) {
	agent := startAgent(t)
	visit(t)
	for name, end := range map[string]func(*screen){
		"ctrl-c":  func(s *screen) { s.press("\x03") },
		"SIGTERM": func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, agent, "NO_COLOR=1")
			s.shows(`(?m)^prometheus\.test +[1-9]\d+ +[1-9]`)
			end(s)
			s.ends()
			if found := colour.FindString(s.written()); found != "" {
				t.Errorf("a colour: %q", found)
			}
		})
	}
}

// TestTopAlone: nobody answers.
func TestTopAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := open(t, address)
	s.shows(`cannot reach the agent at ` + regexp.QuoteMeta(address))
	s.press("q")
	s.ends()

	var stderr bytes.Buffer
	cmd := exec.Command(process.Fathom, "top", "--once", "--address="+address)
	cmd.Stderr = &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v: %s", err, &stderr)
	}
	if want := fmt.Sprintf("fathom: cannot reach the agent at %s: ", address); !strings.HasPrefix(stderr.String(), want) || !strings.Contains(stderr.String(), "is the agent running there") {
		t.Errorf("%s", &stderr)
	}
}

// TestTopCluster: `fathom top -A` finds agents by the chart's labels and asks them through the API server's proxy. One of the two does not answer.
func TestTopCluster(t *testing.T) {
	agent := startAgent(t)
	visit(t)
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent})
	proxied := "/api/v1/namespaces/fathom/pods/http:agent-1:10777/proxy"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/pods":
			pod := func(name, node string) string {
				return fmt.Sprintf(`{"metadata": {"namespace": "fathom", "name": %q}, "spec": {"nodeName": %q, "containers": [{"name": "agent"}]}, "status": {"phase": "Running"}}`, name, node)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"apiVersion": "v1", "kind": "PodList", "items": [%s, %s]}`, pod("agent-1", "node-1"), pod("agent-2", "node-2"))
		case strings.HasPrefix(r.URL.Path, proxied):
			http.StripPrefix(proxied, to).ServeHTTP(w, r)
		default:
			http.Error(w, "connection refused", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "config")
	const format = `{"apiVersion": "v1", "kind": "Config", "current-context": "test", "clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "test", "context": {"cluster": "c"}}]}`
	if err := os.WriteFile(config, fmt.Appendf(nil, format, server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	var r top.Report
	for end := time.Now().Add(process.Patience); ; time.Sleep(200 * time.Millisecond) {
		out, err := exec.Command(process.Fathom, "top", "-A", "--once", "--json", "--kubeconfig="+config).Output()
		if err != nil {
			t.Fatalf("%v", err)
		}
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Workloads) > 0 && r.Workloads[0].Served.Count > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", r)
		}
	}
	if r.Workloads[0].Node != "node-1" || len(r.Agents) != 2 || r.Agents[0].Error != "" || r.Agents[1].Node != "node-2" || r.Agents[1].Error == "" {
		t.Errorf("%+v", r.Agents)
	}
	out, err := exec.Command(process.Fathom, "top", "-n", "shop", "--once", "--json", "--kubeconfig="+config).Output()
	if err := json.Unmarshal(out, &r); err != nil || len(r.Workloads) != 0 {
		t.Errorf("%d workloads in a namespace without any, %v", len(r.Workloads), err)
	}
	if err != nil {
		t.Error(err)
	}
	s := openWith(t, []string{"top", "-A", "--interval=1s", "--kubeconfig=" + config})
	s.shows(`2 agents`)
	s.shows(`no answer from the agents on node-2`)
	s.shows(`(?m)^prometheus\.test +[1-9]\d+`)
	s.press("/" + self + "\r")
	s.shows(`\(1 of`)
	s.press("\r")
	s.shows(`prometheus\.test, kind process, node node-1`)
	s.shows(`Latency over time`)
	s.press("q")
	s.ends()
}

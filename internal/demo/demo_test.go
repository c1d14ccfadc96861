package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for fathom: as a service, as a
// demonstration to be killed, and as agents that behave in one way or another.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	if err := standIn(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func standIn(command string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch command {
	case ServiceCommand:
		return Serve(ctx, os.Stdin, os.Stdout)
	case "demo":
		return Run(ctx, Options{NoAgent: true})
	case "agent":
		return fakeAgent(ctx, strings.TrimPrefix(os.Args[2], "--web.listen-address="), os.Args[3:])
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// fakeAgent fails or serves /readyz.
func fakeAgent(ctx context.Context, address string, args []string) error {
	if len(args) == 1 && args[0] == "fail" {
		return errors.New("cannot load: CAP_BPF is missing")
	}
	fmt.Fprintln(os.Stderr, "level=INFO msg=unimportant")
	fmt.Fprintln(os.Stderr, "level=WARN msg=important")
	s := &http.Server{Addr: address}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func TestDemo(t *testing.T) {
	skipUnlessRoot(t)
	var out, complaints bytes.Buffer
	var truth Truth
	var during []string
	err := Run(t.Context(), Options{
		NoAgent: true, Duration: 3 * time.Second, Summary: time.Second, Output: &out, Errors: &complaints,
		OnEnd: func(got Truth) { truth, during = got, children(t, os.Getpid()) },
	})
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("Run: %v, processes said %q", err, &complaints)
	}
	t.Log(out.String())
	for _, want := range []string{"ready.", "clients so far", "What the callers measured"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if got, want := strings.Join(during, " "), "shop-cart shop-frontend shop-load shop-payments shop-shipping"; got != want {
		t.Errorf("processes %q, want %q", got, want)
	}

	tests := []struct {
		from, to, method string
		bad              string  // the status of failures
		share            float64 // of them
		least            time.Duration
	}{
		{loadName, frontendName, "GET", "502", 0.02, 7 * time.Millisecond},
		{loadName, frontendName, "PUT", "502", 0.02, 7 * time.Millisecond},
		// 16 at once wait 50, 100, ... 800 ms.
		{loadName, frontendName, "POST", "502", 0.05, 425 * time.Millisecond},
		{loadName, frontendName, "PATCH", "502", 0.04, 6 * time.Millisecond},
		{frontendName, cartName, "GET", "503", 0.02, 5 * time.Millisecond},
		{frontendName, cartName, "PUT", "503", 0.02, 5 * time.Millisecond},
		{frontendName, paymentsName, "POST", "503", 0.05, 400 * time.Millisecond},
		{frontendName, shippingName, "gRPC", "UNAVAILABLE", 0.04, 4 * time.Millisecond},
	}
	counts := make(map[string]uint64)
	for _, tt := range tests {
		t.Run(tt.from+"-"+tt.method, func(t *testing.T) {
			var all, failed uint64
			var sum time.Duration
			for _, c := range truth.Calls {
				if c.From != tt.from || c.To != tt.to || c.Method != tt.method {
					continue
				}
				all, sum = all+c.Count, sum+c.Sum
				switch c.Status {
				case "200", "OK":
				case tt.bad:
					failed += c.Count
				default:
					t.Errorf("%d with status %s", c.Count, c.Status)
				}
			}
			if all < 3 { // of a machine that is busy
				t.Fatalf("only %d calls", all)
			}
			checkShare(t, "failures", failed, all, tt.share)
			if mean := sum / time.Duration(all); mean < tt.least || mean > tt.least+5*time.Second {
				t.Errorf("mean latency %s, told to be at least %s", mean, tt.least)
			}
			// What came from the users went on.
			above := tt.method
			for method, to := range routes {
				if to.method == tt.method {
					above = method
				}
			}
			if n, seen := counts[above]; seen && n != all {
				t.Errorf("%d calls, %d at the level above", all, n)
			}
			counts[above] = all
		})
	}
	if truth.Link == nil {
		t.Fatal("no lossy link:", out.String())
	}
	checkShare(t, "dropped packets", truth.Link.Dropped, truth.Link.Packets, dropShare)
	checkNothingLeft(t, os.Getpid())
}

// TestKilled kills a demonstration the hard way.
func TestKilled(t *testing.T) {
	skipUnlessRoot(t)
	cmd := exec.Command(os.Args[0], "demo")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	var said bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(said.String(), "ready."); {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("waiting for ready: %v", err)
		}
		said.Write(buf[:n])
	}
	if got := children(t, pid); len(got) != 5 {
		t.Errorf("children %q, want 5", got)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	checkNothingLeft(t, pid)
}

func TestRunWithAgent(t *testing.T) {
	skipUnlessRoot(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	tests := []struct {
		name      string
		args      []string
		want      string // in the error; none if empty
		output    string // in the output
		complaint string // what is passed on of the agent's log
	}{
		{"ready", nil, "", "http://" + address + "/metrics", "level=WARN msg=important\n"},
		{"fails", []string{"fail"}, "start agent: cannot load: CAP_BPF is missing", "", "cannot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, complaints bytes.Buffer
			err := Run(t.Context(), Options{
				Address: address, AgentArgs: tt.args, Duration: 2 * time.Second, Output: &out, Errors: &complaints,
			})
			if tt.want == "" && (err != nil || complaints.String() != tt.complaint) {
				t.Errorf("error %v, complaints %q, want %q", err, &complaints, tt.complaint)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if !strings.Contains(out.String(), tt.output) {
				t.Errorf("the output lacks %q: %s", tt.output, &out)
			}
			checkNothingLeft(t, os.Getpid())
		})
	}
}

// skipUnlessRoot skips tests that make network namespaces.
func skipUnlessRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace and loads BPF")
	}
}

// checkShare fails if k of n is further from the probability p than six standard
// deviations of a binomial distribution (and 2, as n may be small).
func checkShare(t *testing.T, what string, k, n uint64, p float64) {
	t.Helper()
	mean, deviation := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(k)-mean) > 6*deviation+2 {
		t.Errorf("%s: %d of %d, want a share of %g", what, k, n, p)
	}
}

// children returns the names of a process's children, sorted.
func children(t *testing.T, pid int) []string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range tasks {
		pids, _ := os.ReadFile(f)
		for p := range strings.FieldsSeq(string(pids)) {
			if comm, err := os.ReadFile("/proc/" + p + "/comm"); err == nil {
				names = append(names, strings.TrimSpace(string(comm)))
			}
		}
	}
	slices.Sort(names)
	return names
}

// checkNothingLeft waits until no process and no interface of a demonstration is
// there any more, since the kernel removes a namespace in the background.
func checkNothingLeft(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		left := shopProcesses(t)
		if _, err := net.InterfaceByName("fathom" + strconv.Itoa(pid)); err == nil {
			left = append(left, "veth pair")
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left over: %q", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// shopProcesses returns the names of the services that run this test's binary.
func shopProcesses(t *testing.T) []string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range all {
		exe, _ := os.Readlink(p + "/exe")
		comm, _ := os.ReadFile(p + "/comm")
		if exe == own && strings.HasPrefix(string(comm), "shop-") {
			names = append(names, strings.TrimSpace(string(comm)))
		}
	}
	return names
}

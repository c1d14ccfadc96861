package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
)

// user is one who has nothing.
const user = 65534

// asUser is for a process of a user without privileges but these.
func asUser(capabilities ...requirements.Capability) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	for _, c := range capabilities {
		a.AmbientCaps = append(a.AmbientCaps, uintptr(c.Number))
	}
	return a
}

// userSituation is what decides about the capabilities that a user needs on this kernel.
func userSituation(t *testing.T) requirements.Situation {
	t.Helper()
	return userSituationWith(t, kernel.Options{})
}

func userSituationWith(t *testing.T, o kernel.Options) requirements.Situation {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a part of it")
	}
	probe, err := kernel.Try(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := probe.Situation
	s.Root = false
	return s
}

func names(capabilities []requirements.Capability) string {
	var names []string
	for _, c := range capabilities {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// served counts the requests with a status that nothing else has, as the agent at this address does.
func served(t *testing.T, address string, status int) (n int) {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		if strings.HasPrefix(series, "http_request_duration_seconds_count{") && strings.Contains(series, fmt.Sprintf(`status="%d"`, status)) {
			count, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			n += count
		}
	}
	return n
}

// measures fails unless the agent at this address counts all requests to a server.
func measures(t *testing.T, p *process, address string) {
	t.Helper()
	const requests, status = 50, 298
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	for range requests {
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	n := 0
	for range 300 {
		if n = served(t, address, status); n == requests {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = p.cmd.Process.Kill()
	<-p.ended // it writes to its standard error until then
	t.Fatalf("%d requests counted, want %d\n%s", n, requests, &p.stderr)
}

// holds fails unless all threads of the process have just these capabilities.
func (p *process) holds(t *testing.T, want privileges.Set, sets ...string) {
	t.Helper()
	tasks := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
	threads, err := os.ReadDir(tasks)
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(tasks + "/" + thread.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			if slices.Contains(sets, name) && value != fmt.Sprintf("%016x", want) {
				t.Errorf("thread %s: %s is %s, want %016x", thread.Name(), name, value, want)
			}
			if name == "NoNewPrivs" && value != "1" {
				t.Errorf("thread %s may gain privileges", thread.Name())
			}
		}
	}
}

func startAgent(t *testing.T, attributes *syscall.SysProcAttr, args ...string) (p *process, address string) {
	t.Helper()
	address = freeAddress(t)
	p = start(t, attributes, append([]string{"agent", "--web.listen-address=" + address, "--settle-after=200ms", "--log.level=debug"}, args...)...)
	p.waitReady(t, address)
	return p, address
}

// A user with the capabilities of the table, and no others, gets all; most of them are given up.
func TestLeastPrivilege(t *testing.T) {
	s := userSituation(t)
	needed, kept := requirements.Needed(s), requirements.Kept(s)
	t.Logf("Linux %d.%d needs %s, keeps %q", s.Release>>16, s.Release>>8&0xff, names(needed), names(kept))

	report, status := examine(t, asUser(needed...))
	if status == exitFails {
		t.Errorf("exit status %d: %s", status, report.Summary)
	}
	for _, tap := range report.Taps {
		if tap.Error != "" || strings.Contains(strings.Join(tap.Passed, "; "), kernel.ErrPermission.Error()) {
			t.Errorf("%+v", tap)
		}
	}

	p, address := startAgent(t, asUser(needed...))
	measures(t, p, address)
	p.holds(t, privileges.Of(kept...), "CapEff", "CapPrm")
	p.holds(t, 0, "CapInh", "CapAmb")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d\n%s", status, &p.stderr)
	}
	if strings.Contains(p.stderr.String(), "WARN") {
		t.Errorf("the agent warns:\n%s", &p.stderr)
	}
	if events, err := os.ReadFile("/sys/kernel/tracing/kprobe_events"); err == nil && strings.Contains(string(events), "fathom") {
		t.Errorf("left behind: %s", events)
	}
}

func TestRootGivesUp(t *testing.T) {
	s := userSituation(t)
	s.Root = true
	p, address := startAgent(t, nil)
	measures(t, p, address)
	p.holds(t, privileges.Of(requirements.Kept(s)...), "CapEff", "CapPrm")
	p.holds(t, 0, "CapInh", "CapAmb", "CapBnd")
}

// An agent that reads TLS keeps what it takes to look at processes, and nothing else.
func TestLeastPrivilegeForTLS(t *testing.T) {
	s := userSituationWith(t, kernel.Options{TLS: true})
	needed, kept := requirements.Needed(s), requirements.Kept(s)
	t.Logf("Linux %d.%d needs %s, keeps %q", s.Release>>16, s.Release>>8&0xff, names(needed), names(kept))
	if report, status := examine(t, asUser(needed...), "--tls"); status == exitFails || strings.Contains(report.Summary, "tls") {
		t.Errorf("exit status %d: %s", status, report.Summary)
	}
	const status = 297
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	p, address := startAgent(t, asUser(needed...), "--tls")
	measures(t, p, address)
	p.holds(t, privileges.Of(kept...), "CapEff", "CapPrm")
	p.holds(t, 0, "CapInh", "CapAmb")
	// This process is root's, with all capabilities, and its library is found after the agent gave up the rest.
	for range 100 {
		server.Client().CloseIdleConnections()
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if served(t, address, status) > 0 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if served(t, address, status) == 0 {
		t.Error("no HTTPS is read")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 || strings.Contains(p.stderr.String(), "WARN") {
		t.Errorf("exit status %d\n%s", status, &p.stderr)
	}
}

// A user gets the capabilities from the program's file, too. Much of /proc/self is closed to such a
// process.
func TestFileCapabilities(t *testing.T) {
	s := userSituation(t)
	dir, err := os.MkdirTemp("", "fathom")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "fathom")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(name, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	set := cap.NewSet()
	for _, c := range requirements.Needed(s) {
		value := cap.Value(c.Number)
		if err := errors.Join(set.SetFlag(cap.Permitted, true, value), set.SetFlag(cap.Effective, true, value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.SetFile(name); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	p := startProgram(t, name, asUser(), "agent", "--web.listen-address="+address, "--settle-after=200ms")
	p.waitReady(t, address)
	measures(t, p, address)
	p.holds(t, privileges.Of(requirements.Kept(s)...), "CapEff", "CapPrm")
}

// Each capability of the table counts: without it nothing works, or something is missing and named.
func TestMissingCapability(t *testing.T) {
	s := userSituation(t)
	needed := requirements.Needed(s)
	for _, c := range needed {
		t.Run(c.Name, func(t *testing.T) {
			rest := slices.DeleteFunc(slices.Clone(needed), func(other requirements.Capability) bool {
				return other.Name == c.Name || other.Implies(c)
			})
			if c.Need(s) == requirements.Required {
				p := start(t, asUser(rest...), "agent", "--web.listen-address=127.0.0.1:0")
				p.fails(t, c.Name)
				return
			}
			report, status := examine(t, asUser(rest...))
			if status != exitGaps || !strings.Contains(report.Summary, "no "+c.Name) {
				t.Errorf("exit status %d: %s", status, report.Summary)
			}
			for _, named := range report.Capabilities {
				if named.Name == c.Name && named.Costs == "" {
					t.Error("nobody says what it costs")
				}
			}
		})
	}
}

// So does each that reading TLS takes.
func TestMissingCapabilityForTLS(t *testing.T) {
	s := userSituationWith(t, kernel.Options{TLS: true})
	needed := requirements.Needed(s)
	for _, c := range needed {
		without := s
		without.TLS = false
		if c.Need(without) != requirements.Unneeded {
			continue // see above
		}
		rest := slices.DeleteFunc(slices.Clone(needed), func(other requirements.Capability) bool { return other.Name == c.Name })
		report, status := examine(t, asUser(rest...), "--tls")
		if status != exitGaps || !strings.Contains(report.Summary, "no "+c.Name) {
			t.Errorf("without %s: exit status %d: %s", c.Name, status, report.Summary)
		}
	}
}

// Before 5.11 the maps count against the limit of locked memory.
func TestLockedMemory(t *testing.T) {
	s := userSituation(t)
	if s.Release >= requirements.Linux(5, 11) {
		t.Skip("this kernel does not count maps against RLIMIT_MEMLOCK")
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	// Of this process, which the others inherit; root may exceed and raise it again.
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			t.Error(err)
		}
	}()
	s.MemlockShort = true
	all := requirements.Needed(s)
	without := slices.DeleteFunc(slices.Clone(all), func(c requirements.Capability) bool { return c.Name == "CAP_SYS_RESOURCE" })
	start(t, asUser(without...), "agent", "--web.listen-address=127.0.0.1:0").fails(t, "RLIMIT_MEMLOCK")
	if report, status := examine(t, asUser(without...)); status != exitFails || !strings.Contains(report.Summary, "RLIMIT_MEMLOCK") {
		t.Errorf("exit status %d: %s", status, report.Summary)
	}
	if report, status := examine(t, asUser(all...)); status == exitFails {
		t.Errorf("with CAP_SYS_RESOURCE: exit status %d: %s", status, report.Summary)
	}
}

package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/preemption"
	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
)

var update = flag.Bool("update", false, "write the expected texts")

var (
	root    = privileges.Of(requirements.Capabilities()...)
	nobody  = privileges.Set(0)
	usual   = privileges.Of(requirements.Named("CAP_BPF"), requirements.Named("CAP_PERFMON"))
	perfUse = requirements.PerfEvents | requirements.TracepointIDs
	kprobes = requirements.PerfEvents | requirements.ReturnProbes
)

// debian is a host on which nothing is missing.
func debian(release string) host {
	return host{
		release: release, version: "#1 SMP PREEMPT_DYNAMIC", machine: "x86_64",
		preemption: preemption.Model{Name: "voluntary", Source: "/sys/kernel/debug/sched/preempt"},
		cgroup:     cgroups{v2: "/sys/fs/cgroup"},
		tracefs:    tracefs{mount: "/sys/kernel/tracing"},
		memlock:    8 << 20,
	}
}

// attached are taps that are attached, but those that CHANGE changes.
func attached(change func(*kernel.Tap)) (taps []kernel.Tap) {
	for _, t := range requirements.Taps() {
		tap := kernel.Tap{Name: t.Name, Mode: "tracepoint", Hooks: []string{"raw tracepoint " + t.Name}}
		if change != nil {
			change(&tap)
		}
		taps = append(taps, tap)
	}
	return taps
}

func situation(major, minor uint32) requirements.Situation {
	return requirements.Situation{Release: requirements.Linux(major, minor), Root: true, PerfParanoid: 3}
}

// cases are examinations, with what they should come to.
var cases = []struct {
	name string
	make func() examination
	want Status
	gaps []string
}{
	{"works", func() examination {
		return examination{debian("6.12.107"), kernel.Probe{Taps: attached(nil), Situation: situation(6, 12)}, root, nil}
	}, OK, nil},
	{"user", func() examination {
		s := situation(6, 12)
		s.Root = false
		return examination{debian("6.12.107"), kernel.Probe{Taps: attached(nil), Situation: s}, usual, nil}
	}, OK, nil},
	{"nobody", func() examination {
		s := situation(6, 12)
		s.Root = false
		failure := fmt.Errorf("load BPF programs: %w: missing CAP_BPF and CAP_PERFMON: run as root, or give them to the process", kernel.ErrPermission)
		return examination{debian("6.12.107"), kernel.Probe{Situation: s}, nobody, failure}
	}, Fails, nil},
	{"missing-tap", func() examination {
		taps := attached(func(t *kernel.Tap) {
			if t.Name == "data_arrived" {
				t.Mode, t.Hooks, t.Err = "none", nil, errors.New("not supported by this kernel: no function sock_def_readable")
			}
		})
		return examination{debian("6.1.0"), kernel.Probe{Taps: taps, Situation: situation(6, 1)}, root, nil}
	}, Gap, []string{"no tap data_arrived"}},
	{"perf-as-user", func() examination {
		h := debian("7.3.4")
		h.preemption = preemption.Model{Name: "lazy", Source: "/boot/config-7.3.4"}
		h.tracefs.readable = fs.ErrPermission
		s := situation(7, 3)
		s.Root, s.Uses = false, perfUse
		taps := attached(func(t *kernel.Tap) {
			if t.Name == "data_read" || t.Name == "data_written" {
				t.Passed = []string{"tracepoint: not permitted: missing CAP_DAC_READ_SEARCH, since tracefs is root's: run as root, or give it to the process"}
			}
		})
		return examination{h, kernel.Probe{Taps: taps, Situation: s, Preemptible: []string{"data_written", "data_read"}}, usual, nil}
	}, Gap, []string{"no CAP_SYS_ADMIN", "no CAP_DAC_READ_SEARCH", "runs can be missed"}},
	{"kprobes", func() examination {
		h := debian("6.1.0")
		h.machine = "aarch64"
		h.tracefs.writable = fs.ErrPermission
		s := situation(6, 1)
		s.Root, s.Uses, s.PerfParanoid = false, kprobes, 2
		taps := attached(func(t *kernel.Tap) {
			if strings.HasPrefix(t.Name, "data_") {
				t.Mode = "kprobe"
				t.Hooks = []string{"kretprobe inet_sendmsg", "kprobe inet_sendmsg", "kretprobe inet6_sendmsg", "kprobe inet6_sendmsg", "kretprobe inet_sendpage"}
				t.Passed = []string{"tracepoint: not supported by this kernel: no tracepoint"}
			}
		})
		return examination{h, kernel.Probe{Taps: taps, Situation: s}, usual, nil}
	}, Gap, []string{"no CAP_DAC_OVERRIDE"}},
	{"trampolines-preempted", func() examination {
		h := debian("6.1.0")
		h.preemption = preemption.Model{Name: "full", Source: "/proc/cmdline"}
		return examination{h, kernel.Probe{Taps: attached(nil), Situation: situation(6, 1), Preemptible: []string{"data_read"}}, root, nil}
	}, Gap, []string{"runs can be missed"}},
	{"trampolines-unknown", func() examination {
		h := debian("6.1.0")
		h.preemption = preemption.Model{Name: preemption.Unknown, Source: "chosen at boot"}
		return examination{h, kernel.Probe{Taps: attached(nil), Situation: situation(6, 1), Preemptible: []string{"data_written", "data_read"}}, usual, nil}
	}, OK, nil},
	{"odd-host", func() examination {
		h := debian("6.12.107")
		h.cgroup = cgroups{v1: true}
		h.foreign = []string{"PID"}
		s := situation(6, 12)
		s.ProcessesHidden = true
		return examination{h, kernel.Probe{Taps: attached(nil), Situation: s}, usual, nil}
	}, Gap, []string{"no CAP_SYS_PTRACE", "cgroup version 1 only", "namespaces in another PID namespace than the host's"}},
	{"tls", func() examination {
		s := situation(6, 12)
		s.TLS = true
		return examination{debian("6.12.107"), kernel.Probe{Taps: attached(nil), Situation: s, TLS: kernel.ProbeTLS{Links: true, Tried: true}}, root, nil}
	}, OK, nil},
	{"tls-as-user", func() examination {
		s := situation(6, 1)
		s.TLS, s.Root, s.Uses = true, false, requirements.PerfUprobes
		return examination{debian("6.1.0"), kernel.Probe{Taps: attached(nil), Situation: s, TLS: kernel.ProbeTLS{Tried: true, Err: kernel.ErrPermission}}, usual, nil}
	}, Gap, []string{"no CAP_SYS_ADMIN", "no CAP_DAC_READ_SEARCH", "no CAP_SYS_PTRACE", "no CAP_CHECKPOINT_RESTORE"}},
	{"tls-refused", func() examination {
		s := situation(6, 12)
		s.TLS = true
		refused := fmt.Errorf("%w: no capability is missing: this kernel or a security module forbids it", kernel.ErrPermission)
		return examination{debian("6.12.107"), kernel.Probe{Taps: attached(nil), Situation: s, TLS: kernel.ProbeTLS{Links: true, Tried: true, Err: refused}}, root, nil}
	}, Gap, []string{"tls uprobes, by links of many, cannot be attached"}},
	{"filtered", func() examination {
		h := debian("6.12.107")
		h.filtered = true
		return examination{h, kernel.Probe{Taps: attached(nil), Situation: situation(6, 12)}, root, nil}
	}, OK, nil},
	{"filtered-bpf", func() examination {
		h := debian("6.12.107")
		h.filtered = true
		f := &kernel.FilteredError{Call: "bpf", Answer: unix.ENOSYS}
		failure := fmt.Errorf("load BPF programs: %w: %w", kernel.ErrPermission, f)
		return examination{h, kernel.Probe{Situation: situation(6, 12), Filters: []*kernel.FilteredError{f}}, root, failure}
	}, Fails, nil},
	{"filtered-perf", func() examination {
		h := debian("7.3.4")
		h.filtered = true
		s := situation(7, 3)
		s.Uses, s.PerfParanoid = perfUse, 2
		f := &kernel.FilteredError{Call: "perf_event_open", Answer: unix.EPERM}
		taps := attached(func(t *kernel.Tap) {
			if t.Name == "data_read" || t.Name == "data_written" {
				t.Passed = []string{fmt.Sprintf("tracepoint: %v: %v", kernel.ErrPermission, f)}
			}
		})
		return examination{h, kernel.Probe{Taps: taps, Situation: s, Filters: []*kernel.FilteredError{f}}, root, nil}
	}, Gap, []string{"seccomp filter in force, answers EPERM to perf_event_open"}},
	{"too-old", func() examination {
		h := debian("5.4.0")
		h.btf = fs.ErrNotExist
		h.lockdown = "confidentiality"
		h.memlock = 64 << 10
		s := situation(5, 4)
		s.MemlockShort = true
		return examination{h, kernel.Probe{Situation: s}, usual, errors.New("read the kernel's BTF:\nnot there")}
	}, Fails, nil},
}

func TestReport(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := report(c.make())
			r.Version, r.AttachMode = "v1.2.3", kernel.ModeAuto
			if r.Status != c.want {
				t.Errorf("status %s, want %s", r.Status, c.want)
			}
			if gaps := r.Gaps(); c.want == Gap && !slices.Equal(gaps, c.gaps) || c.want == OK && gaps != nil {
				t.Errorf("gaps %q, want %q", gaps, c.gaps)
			}
			if strings.Contains(r.Summary, "\n") {
				t.Errorf("the summary has more than one line: %q", r.Summary)
			}
			var text bytes.Buffer
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(text.String(), "\n\n"+r.Summary+"\n") {
				t.Error("the summary is not what stands last")
			}
			golden(t, filepath.Join("testdata", c.name+".txt"), text.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs; if it should, run go test ./internal/doctor -update:\n%s", name, diff)
	}
}

func TestJSON(t *testing.T) {
	for _, c := range cases {
		var b bytes.Buffer
		want := report(c.make())
		want.AttachMode = kernel.ModeAuto
		if err := want.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var got Report
		d := json.NewDecoder(&b)
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// Each condition of the table is examined, and each has a case in which it is bad.
func TestEveryConditionIsExamined(t *testing.T) {
	bad := make(map[string]bool)
	for _, c := range cases {
		for _, f := range report(c.make()).Host {
			if f.Status == Gap || f.Status == Fails {
				bad[f.Name] = true
			}
		}
	}
	for _, c := range requirements.Conditions() {
		if examine[c.Name] == nil {
			t.Errorf("%s is not examined", c.Name)
		}
		if !bad[c.Name] && c.Name != "architecture" {
			t.Errorf("%s is never bad", c.Name)
		}
	}
	if len(examine) != len(requirements.Conditions()) {
		t.Errorf("%d conditions are examined, the table has %d", len(examine), len(requirements.Conditions()))
	}
}

// The metrics that the table says are missing exist.
func TestMetricsExist(t *testing.T) {
	known := make(map[string]bool)
	for _, f := range metrics.Families() {
		known[f.Name] = true
	}
	metric := regexp.MustCompile(`\b(http|tcp|fathom)_[a-z_]+`)
	var texts []string
	for _, c := range requirements.Capabilities() {
		texts = append(texts, c.Without)
	}
	for _, c := range requirements.Conditions() {
		texts = append(texts, c.Without)
	}
	for _, tap := range requirements.Taps() {
		texts = append(texts, tap.Without)
	}
	found := 0
	for _, text := range texts {
		for _, name := range metric.FindAllString(text, -1) {
			found++
			if !known[name] {
				t.Errorf("there is no metric %s: %s", name, text)
			}
		}
	}
	if found == 0 {
		t.Error("no metric is named")
	}
}

// On this very host.
func TestExamine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	r, err := Examine(t.Context(), kernel.Options{Mode: kernel.ModeAuto}, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Status == Fails || len(r.Taps) != len(requirements.Taps()) || r.Kernel == "" || r.Architecture == "" {
		t.Errorf("got %+v", r)
	}
	for _, p := range r.Problems() {
		t.Logf("%+v", p)
	}
}

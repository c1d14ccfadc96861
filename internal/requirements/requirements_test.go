package requirements

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func names(cs []Capability) (out []string) {
	for _, c := range cs {
		out = append(out, c.Name)
	}
	return out
}

// What is needed and kept, from the capabilities(7) that were seen to be on each kernel.
func TestNeededAndKept(t *testing.T) {
	const bpf, perfmon, admin = "CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"
	const read, write = "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE"
	const ptrace, checkpoint = "CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE"
	perf, kprobes := PerfEvents|TracepointIDs, PerfEvents|ReturnProbes
	for _, c := range []struct {
		name         string
		s            Situation
		needed, kept []string
	}{
		{"raw tracepoints", Situation{Release: Linux(6, 18), PerfParanoid: 4}, []string{bpf, perfmon}, nil},
		{"trampolines", Situation{Release: Linux(6, 1)}, []string{bpf, perfmon}, nil},
		{"before 5.19", Situation{Release: Linux(5, 15)}, []string{bpf, perfmon}, []string{bpf}},
		{"5.19", Situation{Release: Linux(5, 19)}, []string{bpf, perfmon}, nil},
		{"little locked memory", Situation{Release: Linux(5, 10), MemlockShort: true}, []string{bpf, perfmon, "CAP_SYS_RESOURCE"}, []string{bpf}},
		{"which does not count", Situation{Release: Linux(5, 11), MemlockShort: true}, []string{bpf, perfmon}, []string{bpf}},
		{"perf", Situation{Release: Linux(7, 0), Uses: perf, PerfParanoid: 2}, []string{bpf, perfmon, read}, nil},
		{"perf as root", Situation{Release: Linux(7, 0), Uses: perf, PerfParanoid: 2, Root: true}, []string{bpf, perfmon}, nil},
		{"perf on Debian", Situation{Release: Linux(7, 3), Uses: perf, PerfParanoid: 3}, []string{bpf, perfmon, admin, read}, nil},
		{"kprobes", Situation{Release: Linux(6, 1), Uses: kprobes, PerfParanoid: 2}, []string{bpf, perfmon, write}, []string{write}},
		{"kprobes as root", Situation{Release: Linux(6, 1), Uses: kprobes, PerfParanoid: 3, Root: true}, []string{bpf, perfmon, admin}, nil},
		{"TLS", Situation{Release: Linux(6, 12), TLS: true, PerfParanoid: 3}, []string{bpf, perfmon, read, ptrace, checkpoint}, []string{read, ptrace, checkpoint}},
		{"TLS as root", Situation{Release: Linux(6, 12), TLS: true, Root: true}, []string{bpf, perfmon, read, ptrace, checkpoint}, []string{read, ptrace, checkpoint}},
		{"TLS through perf", Situation{Release: Linux(6, 1), TLS: true, Uses: PerfUprobes, PerfParanoid: 2}, []string{bpf, perfmon, admin, read, ptrace, checkpoint}, []string{admin, read, ptrace, checkpoint}},
		{"TLS before 5.19", Situation{Release: Linux(5, 10), TLS: true, Uses: PerfUprobes}, []string{bpf, perfmon, admin, read, ptrace, checkpoint}, []string{bpf, admin, read, ptrace, checkpoint}},
		{"perf, and TLS without", Situation{Release: Linux(7, 3), TLS: true, Uses: perf, PerfParanoid: 3}, []string{bpf, perfmon, admin, read, ptrace, checkpoint}, []string{read, ptrace, checkpoint}},
		{"hidden processes", Situation{ProcessesHidden: true}, []string{bpf, perfmon, "CAP_SYS_PTRACE"}, []string{"CAP_SYS_PTRACE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := names(Needed(c.s)); !slices.Equal(got, c.needed) {
				t.Errorf("needs %v, want %v", got, c.needed)
			}
			if got := names(Kept(c.s)); !slices.Equal(got, c.kept) {
				t.Errorf("keeps %v, want %v", got, c.kept)
			}
		})
	}
}

func TestTable(t *testing.T) {
	numbers := map[string]int{
		"CAP_BPF": unix.CAP_BPF, "CAP_PERFMON": unix.CAP_PERFMON, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN,
		"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
		"CAP_SYS_RESOURCE": unix.CAP_SYS_RESOURCE, "CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE,
		"CAP_CHECKPOINT_RESTORE": unix.CAP_CHECKPOINT_RESTORE,
	}
	for _, c := range Capabilities() {
		if number, ok := numbers[c.Name]; !ok || number != c.Number {
			t.Errorf("%s is not number %d", c.Name, c.Number)
		}
		r, takenByTLS := c.readingOf()
		if !c.OnlyTLS() && (c.Where == "" || c.Without == "") || c.OnlyTLS() && !takenByTLS ||
			takenByTLS && (r.what == "" || r.where == "" || r.without == "") {
			t.Errorf("%s is not described", c.Name)
		}
		if c.keep != nil && c.Kept == "" {
			t.Errorf("%s is kept, and nobody knows why", c.Name)
		}
	}
	for _, c := range Conditions() {
		if c.Needs == "" || c.Without == "" {
			t.Errorf("%s is not described", c.Name)
		}
	}
	if !Named("CAP_SYS_ADMIN").Implies(Named("CAP_BPF")) || Named("CAP_BPF").Implies(Named("CAP_SYS_ADMIN")) {
		t.Error("CAP_SYS_ADMIN includes CAP_BPF, and not the other way round")
	}
}

// What is said of a capability depends on whether TLS is read.
func TestPurpose(t *testing.T) {
	ptrace := Named("CAP_SYS_PTRACE")
	for _, c := range []struct {
		name          string
		s             Situation
		purpose, cost string
		substitute    bool
	}{
		{"hidden", Situation{ProcessesHidden: true}, "seeing which processes", "Workloads count", true},
		{"TLS", Situation{TLS: true}, "reading what other", "TLS is read only", false},
		{"both", Situation{TLS: true, ProcessesHidden: true}, "seeing which processes", "Workloads count", false},
	} {
		purpose, cost := ptrace.Purpose(c.s), ptrace.Costs(c.s)
		if !strings.HasPrefix(purpose, c.purpose) || !strings.HasPrefix(cost, c.cost) || ptrace.Substitute(c.s) != "" != c.substitute {
			t.Errorf("%s: %q, %q, %q", c.name, purpose, cost, ptrace.Substitute(c.s))
		}
		if strings.Contains(purpose, "mapped") != c.s.TLS || strings.Contains(cost, "opaque") != c.s.TLS {
			t.Errorf("%s: %q, %q", c.name, purpose, cost)
		}
	}
}

// The page says what the table says.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/kernels.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Fill(string(page))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(page), "\n")); diff != "" {
		t.Errorf("docs/kernels.md is old; run go generate ./internal/requirements:\n%s", diff)
	}
	if _, err := Fill("a page without places"); err == nil {
		t.Error("a page without places was filled")
	}
}

// The units of deploy/ give what the table asks for, and no more.
func TestUnits(t *testing.T) {
	usual := Situation{Release: Linux(6, 12)}
	perf := Situation{Release: Linux(7, 3), Uses: PerfEvents | TracepointIDs, PerfParanoid: 3}
	for _, c := range []struct {
		file   string
		want   []Capability
		except []Capability // those of the unit that the file adds to
	}{
		{"../../deploy/systemd/fathom.service", Needed(usual), nil},
		{"../../deploy/systemd/linux-7.conf", Needed(perf), Needed(usual)},
		{"../../deploy/systemd/tls.conf", Needed(Situation{Release: usual.Release, TLS: true}), Needed(usual)},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(names(c.want), func(name string) bool { return slices.Contains(names(c.except), name) })
		slices.Sort(want)
		for _, setting := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
			line := regexp.MustCompile(`(?m)^` + setting + `=(.*)$`).FindSubmatch(text)
			if line == nil {
				t.Errorf("%s: no %s", c.file, setting)
				continue
			}
			got := strings.Fields(string(line[1]))
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s=%v, want %v", c.file, setting, got, want)
			}
		}
	}
}

package kernel

import (
	"os"
	"slices"
	"testing"

	"github.com/fathomhq/fathom/internal/requirements"
)

// The table of what is needed knows each tap.
func TestTapsAreDescribed(t *testing.T) {
	var ours, described []string
	for _, tap := range taps {
		ours = append(ours, tap.name)
	}
	for _, tap := range requirements.Taps() {
		described = append(described, tap.Name)
		if tap.Sees == "" || tap.Without == "" {
			t.Errorf("%s is not described", tap.Name)
		}
	}
	if !slices.Equal(ours, described) {
		t.Errorf("taps %q, described are %q", ours, described)
	}
}

// What is tried tells the same as what is opened.
func TestTry(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	probe, err := Try(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	opened := k.Probe()
	if len(probe.Taps) != len(taps) || probe.Situation.Release < requirements.Linux(5, 0) {
		t.Errorf("tried %d taps on Linux %s", len(probe.Taps), release(probe.Situation.Release))
	}
	for i, tap := range probe.Taps {
		if other := opened.Taps[i]; tap.Mode != other.Mode || !slices.Equal(tap.Hooks, other.Hooks) {
			t.Errorf("tried %+v, opened %+v", tap, other)
		}
	}
	if probe.Situation.Uses != opened.Situation.Uses || !slices.Equal(probe.Preemptible, opened.Preemptible) {
		t.Errorf("tried %+v, opened %+v", probe, opened)
	}
}

// The way that comes first decides what is needed, if only permission was lacking for it.
func TestPreferredWay(t *testing.T) {
	var data tap
	for _, t := range taps {
		if t.name == "data_read" {
			data = t
		}
	}
	perf := requirements.PerfEvents | requirements.TracepointIDs
	kprobes := requirements.PerfEvents | requirements.ReturnProbes
	const refused, lacking = "tracepoint: not permitted: missing CAP_DAC_READ_SEARCH", "trampoline: not supported by this kernel"
	for _, c := range []struct {
		name   string
		kernel release
		passed []string
		taken  int // the way that was taken
		want   requirements.Use
	}{
		{"raw tracepoints", linux(6, 3), nil, 2, 0},
		{"perf", linux(7, 0), nil, 0, perf},
		{"perf refused", linux(7, 0), []string{refused}, 1, perf},
		{"trampolines", linux(6, 1), []string{lacking}, 3, 0},
		{"kprobes", linux(6, 1), []string{lacking, lacking}, 4, kprobes},
		{"kprobes refused", linux(6, 1), []string{lacking, lacking, refused}, -1, kprobes},
		{"nothing", linux(6, 1), []string{lacking, lacking, lacking}, -1, 0},
	} {
		a := &attachedTap{tap: data, passed: c.passed}
		if c.taken >= 0 {
			a.way = &data.ways[c.taken]
		}
		var got requirements.Use
		if w := a.preferred(ModeAuto, c.kernel, false); w != nil {
			got = w.uses()
		}
		if got != c.want {
			t.Errorf("%s: uses %b, want %b", c.name, got, c.want)
		}
	}
}

func TestPreemptibleHooks(t *testing.T) {
	for _, c := range []struct {
		kind   hookKind
		kernel release
		want   bool
	}{
		{rawTracepoint, linux(6, 19), false},
		{rawTracepoint, linux(7, 0), true},
		{perfTracepoint, linux(7, 3), false},
		{trampoline, linux(5, 10), false},
		{trampoline, linux(6, 1), true},
		{kprobe, linux(6, 1), false},
	} {
		if got := (hook{kind: c.kind}).preemptible(c.kernel); got != c.want {
			t.Errorf("%s on Linux %s: %t", hook{kind: c.kind}, c.kernel, got)
		}
	}
}

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]release{
		"6.1.0-50-cloud-amd64": linux(6, 1), "5.10.223": linux(5, 10), "7.3-rc1": linux(7, 3), "6.18.44-fc-v769": linux(6, 18),
		"": 0, "six": 0, "6": 0,
	} {
		if got, err := parseRelease(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if now, err := runningRelease(); err != nil || now < linux(5, 0) {
		t.Errorf("this kernel: %s, %v", now, err)
	}
}

func TestHarmlessReturns(t *testing.T) {
	for text, want := range map[string]bool{
		"5.10.0-32-cloud-amd64": true, "6.10.14": true, "6.11.0-29-generic": false, "6.12": false, "6.12.13": false, "6.12.14": true,
		"6.12.107+deb13-cloud-amd64": true, "6.13.2": false, "6.13.3-arch1-1": true, "6.14.0-rc1": true, "7.3.4": true, "": false,
	} {
		if got := harmlessReturns(text, "amd64"); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	if !harmlessReturns("6.12.1", "arm64") {
		t.Error("arm64 has no such system call")
	}
}

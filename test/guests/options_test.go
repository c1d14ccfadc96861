package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMatrix: the tables say nothing that cannot be.
func TestMatrix(t *testing.T) {
	names := map[string]bool{}
	for _, g := range guests {
		if names[g.name] || len(g.modes) == 0 {
			t.Errorf("guest %s is there twice or has no mode", g.name)
		}
		names[g.name] = true
	}
	for _, j := range jobs {
		for _, expression := range []string{j.run, j.skip} {
			if _, err := regexp.Compile(expression); err != nil {
				t.Error(err)
			}
		}
		if j.limit == 0 {
			t.Errorf("%s has no limit", j.pkg)
		}
	}
	if _, err := newPolicy(allowedSkips); err != nil {
		t.Error(err)
	}
	for _, a := range allowedSkips {
		for _, name := range a.guests {
			if !names[name] {
				t.Errorf("a skip is allowed in %s, which is no guest", name)
			}
		}
	}
}

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		args   string
		guests []string
		modes  []string // of the first guest's plan, in order
		fails  string
	}{
		{args: "", modes: []string{auto, trampoline, kprobe}},
		{args: "-guests 7.3,arm64-6.1", guests: []string{"7.3", "arm64-6.1"}, modes: []string{auto, tracepoint, trampoline, kprobe}},
		{args: "-guests arm64-6.1", guests: []string{"arm64-6.1"}, modes: []string{auto, kprobe}},
		{args: "-guests 7.3 -modes kprobe,auto", guests: []string{"7.3"}, modes: []string{auto, kprobe}},
		{args: "-guests 6.1,6.12 -modes tracepoint", guests: []string{"6.12"}, modes: []string{tracepoint}},
		{args: "-guests 6.1 -modes tracepoint", fails: "nothing runs"},
		{args: "-guests 6.13", fails: `no guest "6.13"`},
		{args: "-modes fentry", fails: `no mode "fentry"`},
		{args: "-run (", fails: "-run"},
		{args: "-j 0", fails: "-j"},
		{args: "6.12", fails: "6.12"},
	} {
		t.Run(c.args, func(t *testing.T) {
			o, err := parseOptions(strings.Fields(c.args), ".")
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("error %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.guests == nil && len(o.guests) != len(guests) {
				t.Errorf("%d guests, want all", len(o.guests))
			}
			if o.partial() != (c.args != "") {
				t.Errorf("partial is %v", o.partial())
			}
			var names, modes []string
			for _, g := range o.guests {
				names = append(names, g.name)
			}
			if c.guests != nil && !slices.Equal(names, c.guests) {
				t.Errorf("guests %v, want %v", names, c.guests)
			}
			for _, p := range o.plan(o.guests[0]) {
				modes = append(modes, p.mode)
			}
			if !slices.Equal(slices.Compact(modes), c.modes) {
				t.Errorf("modes %v, want %v", modes, c.modes)
			}
		})
	}
}

// TestPathsEverywhere: the paths are gone in each guest in each of its modes, once; in those between others in the mode that auto takes.
func TestPathsEverywhere(t *testing.T) {
	o, err := parseOptions(nil, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range o.guests {
		var modes []string
		for _, p := range o.plan(g) {
			if strings.Contains(p.run, "TestPaths") {
				modes = append(modes, p.mode)
			}
		}
		want := g.modes
		if slices.Contains(between, g.name) {
			want = want[:1]
		}
		if !slices.Equal(modes, want) {
			t.Errorf("%s: TestPaths runs in the modes %v, want %v", g.name, modes, want)
		}
	}
}

// TestFilter: -run takes the place of what the table says.
func TestFilter(t *testing.T) {
	o, err := parseOptions([]string{"-guests", "6.12", "-run", "TestX"}, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range o.plan(o.guests[0]) {
		task := p.task(o.guests[0])
		all := strings.Join(slices.Concat(task.Args, task.Env), " ")
		if !strings.Contains(all, "-test.run=TestX") || strings.Contains(all, "-test.skip") || strings.Contains(all, "FATHOM_PATHS") {
			t.Errorf("%s: %s", p.pkg, all)
		}
	}
}

func TestTask(t *testing.T) {
	o, err := parseOptions([]string{"-guests", "7.3", "-modes", "kprobe"}, ".")
	if err != nil {
		t.Fatal(err)
	}
	task := o.plan(o.guests[0])[0].task(o.guests[0])
	for _, want := range []string{"FATHOM_GUEST=7.3", "FATHOM_ATTACH_MODE=kprobe", "FATHOM_AUTO_MODE=tracepoint", "FATHOM_ALONE=1", "FATHOM_OUT=/out/kprobe-test-integration"} {
		if !slices.Contains(task.Env, want) {
			t.Errorf("environment %q, want %s", task.Env, want)
		}
	}
	if task.Dir != "/work/test/integration" || task.Args[0] != "/work/test/integration/package.test" {
		t.Errorf("%v in %s", task.Args, task.Dir)
	}
}

// TestTaskOfAuto: what runs in the mode that auto takes runs in auto, under the mode's name.
func TestTaskOfAuto(t *testing.T) {
	o, err := parseOptions([]string{"-guests", "6.12", "-modes", "tracepoint"}, ".")
	if err != nil {
		t.Fatal(err)
	}
	task := o.plan(o.guests[0])[0].task(o.guests[0])
	for _, want := range []string{"FATHOM_ATTACH_MODE=auto", "FATHOM_AUTO_MODE=tracepoint", "FATHOM_PATHS=kernel", "FATHOM_OUT=/out/tracepoint-test-integration"} {
		if !slices.Contains(task.Env, want) {
			t.Errorf("environment %q, want %s", task.Env, want)
		}
	}
}

func TestLabelled(t *testing.T) {
	var b strings.Builder
	w := &labelled{lines: &lines{w: &b}, label: "6.12"}
	for _, piece := range []string{"one\ntw", "o", "\n\nthree"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "6.12 | one\n6.12 | two\n6.12 | \n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestNames: no job's files are another's.
func TestNames(t *testing.T) {
	o, err := parseOptions(nil, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range o.guests {
		names := map[string]bool{}
		for _, p := range o.plan(g) {
			if names[p.name] {
				t.Errorf("%s: two jobs are named %s", g.name, p.name)
			}
			names[p.name] = true
		}
	}
}

func TestLibraries(t *testing.T) {
	const ldd = `	linux-vdso.so.1 (0x00007f96270e3000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f9626d20000)
	libgone.so => not found
	/lib64/ld-linux-x86-64.so.2 (0x00007f96270e5000)
`
	want := []string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"}
	if got := libraries(ldd); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
